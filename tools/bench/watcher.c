#include "tools/bench/watcher.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/check.h"

#define LOOK_NS      1000000000
#define STEP_NS      50000000 /* between looks whether to stop */
#define HEALTHY_WAIT 600      /* times 100 ms */

static int64_t wall_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void nap(long ns)
{
    const struct timespec time = {.tv_nsec = ns};
    nanosleep(&time, NULL);
}

/* Adds up the values of all series that begin with `prefix`. */
static enum status read_metrics(struct http_client *client, const char *prefix, double *sum,
                                size_t *lines)
{
    struct http_client_answer answer;
    const enum status status = http_client_get(client, "/metrics", &answer);
    if (status != STATUS_OK) {
        return status;
    }
    *sum = 0;
    *lines = 0;
    for (const char *line = answer.body; line != NULL && *line != '\0';) {
        const char *feed = strchr(line, '\n');
        if (strncmp(line, prefix, strlen(prefix)) == 0) {
            const char *value = strchr(line, ' ');
            if (value != NULL) {
                *sum += strtod(value + 1, NULL);
                *lines += 1;
            }
        }
        line = feed == NULL ? NULL : feed + 1;
    }
    return STATUS_OK;
}

enum status watcher_metric(struct http_client *client, const char *series, double *value)
{
    double sum;
    size_t lines;
    const enum status status = read_metrics(client, series, &sum, &lines);
    if (status != STATUS_OK) {
        return status;
    }
    if (lines == 0) {
        return STATUS_NOT_FOUND;
    }
    *value = sum;
    return STATUS_OK;
}

enum status watcher_metric_sum(struct http_client *client, const char *prefix, double *value)
{
    size_t lines;
    double sum;
    const enum status status = read_metrics(client, prefix, &sum, &lines);
    if (status == STATUS_OK) {
        *value = sum;
    }
    return status;
}

/* Brings the grid; the number of cells on offer in *cells. */
static enum status look(struct watcher *watcher, bool *healthy, size_t *cells)
{
    struct http_client_answer answer;
    const enum status status = http_client_get(&watcher->client, "/v1/grid", &answer);
    if (status != STATUS_OK) {
        return status;
    }
    *healthy = strstr(answer.body, "\"breaker\":\"HEALTHY\"") != NULL;
    *cells = answer.status == 200 ? offers_take_grid(watcher->offers, answer.body, wall_ms()) : 0;
    return STATUS_OK;
}

static void *follow(void *context)
{
    struct watcher *watcher = context;
    int64_t waited_ns = LOOK_NS;
    while (!atomic_load(&watcher->stopping)) {
        if (waited_ns < LOOK_NS) {
            nap(STEP_NS);
            waited_ns += STEP_NS;
            continue;
        }
        waited_ns = 0;
        bool healthy;
        size_t cells;
        double lag;
        if (look(watcher, &healthy, &cells) != STATUS_OK ||
            watcher_metric(&watcher->client, WATCHER_LAG, &lag) != STATUS_OK) {
            atomic_fetch_add(&watcher->failures, 1);
        } else if (lag > (double)atomic_load(&watcher->lag_max)) {
            atomic_store(&watcher->lag_max, (uint64_t)lag);
        }
    }
    return NULL;
}

static enum status wait_healthy(struct watcher *watcher)
{
    for (int i = 0; i < HEALTHY_WAIT; i++) {
        bool healthy;
        size_t cells;
        const enum status status = look(watcher, &healthy, &cells);
        if (status != STATUS_OK) {
            fprintf(stderr, "tapline bench: the server does not answer\n");
            return STATUS_IO;
        }
        if (healthy && cells > 0) {
            return STATUS_OK;
        }
        nap(2 * STEP_NS);
    }
    fprintf(stderr, "tapline bench: the server offers nothing to tap\n");
    return STATUS_IO;
}

enum status watcher_open(struct watcher *watcher, struct offers *offers, uint16_t port)
{
    *watcher = (struct watcher){.offers = offers};
    if (http_client_open(&watcher->client, port) != STATUS_OK) {
        fprintf(stderr, "tapline bench: cannot connect to the server\n");
        return STATUS_IO;
    }
    const enum status status = wait_healthy(watcher);
    if (status != STATUS_OK) {
        http_client_close(&watcher->client);
        return status;
    }
    CHECK(pthread_create(&watcher->thread, NULL, follow, watcher) == 0);
    return STATUS_OK;
}

uint64_t watcher_lag_max(const struct watcher *watcher)
{
    return atomic_load(&watcher->lag_max);
}

uint64_t watcher_failures(const struct watcher *watcher)
{
    return atomic_load(&watcher->failures);
}

void watcher_close(struct watcher *watcher)
{
    atomic_store(&watcher->stopping, true);
    CHECK(pthread_join(watcher->thread, NULL) == 0);
    http_client_close(&watcher->client);
}
