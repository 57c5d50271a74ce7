#define _GNU_SOURCE /* gettid */
#include "tools/serve/keeper.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "base/check.h"
#include "replay/compare.h"
#include "replay/snapshot_advance.h"

#define LOOK_EVERY_MS   1000
#define LOWEST_PRIORITY 19
#define NS_PER_MS       ((int64_t)1000000)

struct keeper {
    struct keeper_options options;
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    bool ending;                      /* under the mutex */
    uint64_t asked[KEEPER_ASKED_MAX]; /* likewise */
    size_t asked_count;               /* likewise */
    _Atomic bool stop;                /* for the job that runs */
    _Atomic bool snapshot_alarm;
    _Atomic bool check_alarm;

    /* The thread's own. */
    uint64_t next_snapshot_seq;
    int64_t next_check_ms; /* monotonic */
};

static int64_t clock_ms(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / NS_PER_MS;
}

static bool must_stop(void *context)
{
    const struct keeper *keeper = context;
    return atomic_load(&keeper->stop);
}

/* --- Snapshots. --- */

static void say_skipped(void *context, const char *line)
{
    (void)context;
    fprintf(stderr, "tapline serve: keeper: %s\n", line);
}

/* True for what a copy or a check has found; false for what has kept it from looking. */
static bool is_difference(enum status status)
{
    switch (status) {
    case STATUS_MISMATCH:
    case STATUS_DAMAGED:
    case STATUS_LOST_TAIL:
    case STATUS_INVALID:
        return true;
    case STATUS_OK:
    case STATUS_END:
    case STATUS_NOT_FOUND:
    case STATUS_USAGE:
    case STATUS_IN_USE:
    case STATUS_VERSION:
    case STATUS_FULL:
    case STATUS_CLOSED:
    case STATUS_IO:
    case STATUS_NO_SPACE:
    case STATUS_NO_MEMORY:
        return false;
    }
    return false;
}

static void say_failure(struct keeper *keeper, const char *what, enum status status,
                        const char *problem)
{
    if (status == STATUS_CLOSED) {
        return; /* the server ends */
    }
    if (is_difference(status)) {
        metrics_count_divergence(keeper->options.metrics);
        fprintf(stderr, "tapline serve: ALARM: %s: %s: %s\n", what, status_text(status), problem);
    } else {
        fprintf(stderr, "tapline serve: %s: %s; the service goes on, it is tried again\n", what,
                problem[0] != '\0' ? problem : status_text(status));
    }
}

/* Answers those who asked before the snapshot was begun: the first `count`. */
static void answer(struct keeper *keeper, size_t count, enum status status,
                   const struct snapshot_advance_result *result)
{
    uint64_t tickets[KEEPER_ASKED_MAX];
    pthread_mutex_lock(&keeper->mutex);
    for (size_t i = 0; i < keeper->asked_count; i++) {
        if (i < count) {
            tickets[i] = keeper->asked[i];
        } else {
            keeper->asked[i - count] = keeper->asked[i];
        }
    }
    keeper->asked_count -= count;
    pthread_mutex_unlock(&keeper->mutex);
    for (size_t i = 0; i < count; i++) {
        struct keeper_answer *made = calloc(1, sizeof(*made));
        if (made == NULL) {
            continue; /* the operator's socket waits; asking again asks anew */
        }
        made->ticket = tickets[i];
        made->status = status;
        made->seq = result->seq;
        snapshot_name(result->seq, made->name);
        snprintf(made->problem, sizeof(made->problem), "%s",
                 result->problem[0] != '\0' ? result->problem : status_text(status));
        keeper->options.on_answer(keeper->options.context, made);
    }
}

static void make_snapshot(struct keeper *keeper, size_t asked)
{
    const struct keeper_options *options = &keeper->options;
    struct snapshot_advance_result result = {0};
    const uint64_t durable_seq = options->durable_seq(options->context);
    const struct snapshot_advance_options advance = {.epoch = options->epoch,
                                                     .durable_seq = durable_seq,
                                                     .context = keeper,
                                                     .stop = must_stop,
                                                     .on_skipped = say_skipped};
    enum status status = STATUS_NOT_FOUND;
    if (durable_seq > 0) {
        status = snapshot_advance(options->data_dir, &advance, &result);
    }
    if (status == STATUS_OK) {
        atomic_store(&keeper->snapshot_alarm, false);
        keeper->next_snapshot_seq = result.seq + options->snapshot_every;
    } else {
        say_failure(keeper, "no snapshot was made", status, result.problem);
        if (is_difference(status)) {
            atomic_store(&keeper->snapshot_alarm, true);
        }
        keeper->next_snapshot_seq = durable_seq + options->snapshot_every;
    }
    answer(keeper, asked, status, &result);
}

/* --- The check of everything. --- */

static void check_everything(struct keeper *keeper)
{
    const struct compare_options options = {.progress_context = keeper, .cancelled = must_stop};
    struct compare_result result;
    const int64_t began_ms = clock_ms(CLOCK_MONOTONIC);
    const enum status status = compare_run(keeper->options.data_dir, &options, &result);
    if (status == STATUS_OK && result.seq == 0) {
        fprintf(stderr, "tapline serve: the check found no main.db to compare with; it is tried "
                        "again\n");
        return;
    }
    if (status == STATUS_OK) {
        atomic_store(&keeper->check_alarm, false);
        metrics_set(keeper->options.metrics, METRICS_INTEGRITY_LAST_OK, clock_ms(CLOCK_REALTIME));
        fprintf(stderr,
                "tapline serve: the check found the journal and %" PRIu64 " rows of %" PRIu64
                " tables good up to seq %" PRIu64 ", in %.1f s\n",
                result.rows, result.tables, result.seq,
                (double)(clock_ms(CLOCK_MONOTONIC) - began_ms) / 1000);
        return;
    }
    say_failure(keeper, "the check of everything", status, result.problem);
    if (is_difference(status)) {
        atomic_store(&keeper->check_alarm, true);
    }
}

/* --- The thread. --- */

/* Waits until there is something to look at. False: it is to end. */
static bool wait_for_work(struct keeper *keeper, size_t *asked)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += LOOK_EVERY_MS / 1000;
    pthread_mutex_lock(&keeper->mutex);
    int waited = 0;
    while (!keeper->ending && keeper->asked_count == 0 && waited != ETIMEDOUT) {
        waited = pthread_cond_timedwait(&keeper->changed, &keeper->mutex, &until);
    }
    *asked = keeper->asked_count;
    const bool goes_on = !keeper->ending;
    pthread_mutex_unlock(&keeper->mutex);
    return goes_on;
}

static void *run(void *context)
{
    struct keeper *keeper = context;
    const struct keeper_options *options = &keeper->options;
    size_t asked;
    /* Of this thread alone. Without it the work is done all the same, only less politely. */
    (void)setpriority(PRIO_PROCESS, (id_t)gettid(), LOWEST_PRIORITY);
    while (wait_for_work(keeper, &asked)) {
        if (asked > 0 || options->durable_seq(options->context) >= keeper->next_snapshot_seq) {
            make_snapshot(keeper, asked);
        } else if (clock_ms(CLOCK_MONOTONIC) >= keeper->next_check_ms) {
            check_everything(keeper);
            keeper->next_check_ms =
                clock_ms(CLOCK_MONOTONIC) + (int64_t)options->check_every_s * 1000;
        }
    }
    const struct snapshot_advance_result none = {.problem = "the server ends"};
    pthread_mutex_lock(&keeper->mutex);
    asked = keeper->asked_count;
    pthread_mutex_unlock(&keeper->mutex);
    answer(keeper, asked, STATUS_CLOSED, &none);
    return NULL;
}

enum status keeper_open(const struct keeper_options *options, struct keeper **keeper)
{
    CHECK(options->snapshot_every > 0);
    struct keeper *made = calloc(1, sizeof(*made));
    if (made == NULL) {
        return STATUS_NO_MEMORY;
    }
    made->options = *options;
    made->next_snapshot_seq = options->snapshot_seq + options->snapshot_every;
    const uint64_t first_s = options->check_every_s < KEEPER_FIRST_CHECK_S ? options->check_every_s
                                                                           : KEEPER_FIRST_CHECK_S;
    made->next_check_ms = clock_ms(CLOCK_MONOTONIC) + (int64_t)first_s * 1000;
    pthread_condattr_t attributes;
    pthread_mutex_init(&made->mutex, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&made->changed, &attributes);
    pthread_condattr_destroy(&attributes);
    if (pthread_create(&made->thread, NULL, run, made) != 0) {
        pthread_cond_destroy(&made->changed);
        pthread_mutex_destroy(&made->mutex);
        free(made);
        return STATUS_NO_MEMORY;
    }
    *keeper = made;
    return STATUS_OK;
}

bool keeper_ask(struct keeper *keeper, uint64_t ticket)
{
    pthread_mutex_lock(&keeper->mutex);
    const bool taken = keeper->asked_count < KEEPER_ASKED_MAX && !keeper->ending;
    if (taken) {
        keeper->asked[keeper->asked_count++] = ticket;
        pthread_cond_signal(&keeper->changed);
    }
    pthread_mutex_unlock(&keeper->mutex);
    return taken;
}

bool keeper_alarmed(const struct keeper *keeper)
{
    return keeper != NULL &&
           (atomic_load(&keeper->snapshot_alarm) || atomic_load(&keeper->check_alarm));
}

void keeper_close(struct keeper *keeper)
{
    if (keeper == NULL) {
        return;
    }
    atomic_store(&keeper->stop, true);
    pthread_mutex_lock(&keeper->mutex);
    keeper->ending = true;
    pthread_cond_signal(&keeper->changed);
    pthread_mutex_unlock(&keeper->mutex);
    pthread_join(keeper->thread, NULL);
    pthread_cond_destroy(&keeper->changed);
    pthread_mutex_destroy(&keeper->mutex);
    free(keeper);
}
