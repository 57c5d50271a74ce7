#include "projections/metrics.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"

#define BUCKETS    16 /* the last one has no bound */
#define CODES      28
#define BET_STATES 7  /* enum bet_state; its 0 is never one */
#define REASONS    65 /* the numbers of enum reason, and one for any other */

/* Upper bounds: seconds as text, and in ns; powers of two for numbers of records. */
static const struct {
    const char *text;
    uint64_t ns;
} duration_bounds[BUCKETS - 1] = {
    {"0.0001", 100000},  {"0.00025", 250000}, {"0.0005", 500000},  {"0.001", 1000000},
    {"0.0025", 2500000}, {"0.005", 5000000},  {"0.01", 10000000},  {"0.025", 25000000},
    {"0.05", 50000000},  {"0.1", 100000000},  {"0.25", 250000000}, {"0.5", 500000000},
    {"1", 1000000000},   {"2.5", 2500000000}, {"10", 10000000000},
};

/* The codes that the interface answers with; others count as "other". */
static const uint32_t codes[CODES] = {101, 200, 201, 202, 204, 304, 400, 401, 402, 403,
                                      404, 405, 408, 409, 411, 413, 414, 415, 417, 422,
                                      426, 429, 431, 500, 502, 503, 505, 0};

struct histogram {
    _Atomic uint64_t buckets[BUCKETS]; /* not cumulated */
    _Atomic uint64_t sum;
};

struct labelled {
    const char *names[METRICS_LABELS_MAX];
    uint32_t count;
    _Atomic uint64_t values[METRICS_LABELS_MAX];
};

struct metrics {
    const char *routes[METRICS_ROUTES_MAX];
    uint32_t route_count;
    _Atomic uint64_t http[METRICS_ROUTES_MAX][CODES];
    _Atomic uint64_t bets[BET_STATES][REASONS];
    _Atomic uint64_t divergences;
    _Atomic int64_t gauges[METRICS_GAUGE_COUNT];
    struct histogram histograms[METRICS_HISTOGRAM_COUNT];
    struct labelled queues;
    struct labelled projections;
    struct labelled refusals;
};

struct metrics *metrics_new(void)
{
    /* All-zero bytes are zero of every counter here (plain integers of the C implementation). */
    return calloc(1, sizeof(struct metrics));
}

void metrics_free(struct metrics *metrics)
{
    free(metrics);
}

/* A place for `name`: its own, a new one, or the last, which is then "other". */
static uint32_t place_of(const char **names, uint32_t *count, uint32_t max, const char *name)
{
    for (uint32_t i = 0; i < *count; i++) {
        if (strcmp(names[i], name) == 0) {
            return i;
        }
    }
    if (*count == max - 1) {
        names[max - 1] = "other";
        *count = max;
    }
    if (*count == max) {
        return max - 1;
    }
    names[*count] = name;
    *count += 1;
    return *count - 1;
}

uint32_t metrics_route(struct metrics *metrics, const char *name)
{
    return place_of(metrics->routes, &metrics->route_count, METRICS_ROUTES_MAX, name);
}

uint32_t metrics_queue(struct metrics *metrics, const char *name)
{
    return place_of(metrics->queues.names, &metrics->queues.count, METRICS_LABELS_MAX, name);
}

uint32_t metrics_projection(struct metrics *metrics, const char *name)
{
    return place_of(metrics->projections.names, &metrics->projections.count, METRICS_LABELS_MAX,
                    name);
}

uint32_t metrics_refusal(struct metrics *metrics, const char *name)
{
    return place_of(metrics->refusals.names, &metrics->refusals.count, METRICS_LABELS_MAX, name);
}

static void add(_Atomic uint64_t *counter, uint64_t value)
{
    atomic_fetch_add_explicit(counter, value, memory_order_relaxed);
}

void metrics_count_http(struct metrics *metrics, uint32_t route, uint32_t code)
{
    CHECK(route < metrics->route_count);
    uint32_t place = 0;
    while (place < CODES - 1 && codes[place] != code) {
        place += 1;
    }
    add(&metrics->http[route][place], 1);
}

void metrics_count_bet(struct metrics *metrics, enum bet_state state, enum reason reason)
{
    const uint32_t row = (uint32_t)state;
    CHECK(row > 0 && row < BET_STATES);
    const uint32_t column = (uint32_t)reason < REASONS - 1 ? (uint32_t)reason : REASONS - 1;
    add(&metrics->bets[row][column], 1);
}

void metrics_count_refused(struct metrics *metrics, uint32_t refusal)
{
    CHECK(refusal < metrics->refusals.count);
    add(&metrics->refusals.values[refusal], 1);
}

void metrics_count_divergence(struct metrics *metrics)
{
    add(&metrics->divergences, 1);
}

void metrics_set(struct metrics *metrics, enum metrics_gauge gauge, int64_t value)
{
    atomic_store_explicit(&metrics->gauges[gauge], value, memory_order_relaxed);
}

void metrics_set_queue(struct metrics *metrics, uint32_t queue, uint64_t depth)
{
    CHECK(queue < metrics->queues.count);
    atomic_store_explicit(&metrics->queues.values[queue], depth, memory_order_relaxed);
}

void metrics_set_lag(struct metrics *metrics, uint32_t projection, uint64_t records)
{
    CHECK(projection < metrics->projections.count);
    atomic_store_explicit(&metrics->projections.values[projection], records, memory_order_relaxed);
}

static bool is_duration(enum metrics_histogram histogram)
{
    static const bool durations[METRICS_HISTOGRAM_COUNT] = {
#define X(symbol, name, duration, help) [METRICS_##symbol] = (duration) != 0,
        METRICS_HISTOGRAM_LIST(X)
#undef X
    };
    return durations[histogram];
}

void metrics_observe(struct metrics *metrics, enum metrics_histogram histogram, uint64_t value)
{
    const bool duration = is_duration(histogram);
    uint32_t bucket = 0;
    while (bucket < BUCKETS - 1 &&
           value > (duration ? duration_bounds[bucket].ns : (uint64_t)1 << bucket)) {
        bucket += 1;
    }
    add(&metrics->histograms[histogram].buckets[bucket], 1);
    add(&metrics->histograms[histogram].sum, value);
}

/* Appends formatted text; one line of the page fits 256 bytes. */
__attribute__((format(printf, 2, 3))) static void line(struct json *json, const char *format, ...)
{
    char text[512];
    va_list arguments;
    va_start(arguments, format);
    const int length = vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    CHECK(length >= 0);
    CHECK((size_t)length < sizeof(text));
    json_append(json, text, (size_t)length);
}

static void head(struct json *json, const char *name, const char *type, const char *help)
{
    line(json, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static uint64_t read(const _Atomic uint64_t *counter)
{
    return atomic_load_explicit(counter, memory_order_relaxed);
}

static void write_http(const struct metrics *metrics, struct json *json)
{
    head(json, "tapline_http_requests_total", "counter", "HTTP requests answered.");
    for (uint32_t route = 0; route < metrics->route_count; route++) {
        for (uint32_t place = 0; place < CODES; place++) {
            const uint64_t count = read(&metrics->http[route][place]);
            if (count == 0) {
                continue;
            }
            char code[16] = "other";
            if (place < CODES - 1) {
                snprintf(code, sizeof(code), "%u", codes[place]);
            }
            line(json, "tapline_http_requests_total{route=\"%s\",code=\"%s\"} %llu\n",
                 metrics->routes[route], code, (unsigned long long)count);
        }
    }
}

static void write_bets(const struct metrics *metrics, struct json *json)
{
    head(json, "tapline_bets_total", "counter", "Bets that entered a state, by reason.");
    for (uint32_t i = 0; i < metrics->refusals.count; i++) {
        const uint64_t count = read(&metrics->refusals.values[i]);
        if (count != 0) {
            line(json, "tapline_bets_total{state=\"refused\",reason=\"%s\"} %llu\n",
                 metrics->refusals.names[i], (unsigned long long)count);
        }
    }
    for (uint32_t state = 1; state < BET_STATES; state++) {
        for (uint32_t reason = 0; reason < REASONS; reason++) {
            const uint64_t count = read(&metrics->bets[state][reason]);
            if (count == 0) {
                continue;
            }
            const char *why = reason == REASONS - 1 ? "other" : reason_text((enum reason)reason);
            line(json, "tapline_bets_total{state=\"%s\",reason=\"%s\"} %llu\n",
                 bet_state_text((enum bet_state)state), reason == 0 ? "" : why,
                 (unsigned long long)count);
        }
    }
}

/* value / 10^digits; 0 is always "0". */
static void write_decimal(struct json *json, const char *name, int64_t value, int digits)
{
    if (digits == 0 || value == 0) {
        line(json, "%s %lld\n", name, (long long)value);
        return;
    }
    const uint64_t magnitude = value < 0 ? ~(uint64_t)value + 1 : (uint64_t)value;
    line(json, "%s %s%llu.%03llu\n", name, value < 0 ? "-" : "",
         (unsigned long long)(magnitude / 1000), (unsigned long long)(magnitude % 1000));
}

static void write_histogram(struct json *json, const struct histogram *histogram, const char *name,
                            bool duration)
{
    uint64_t total = 0;
    for (uint32_t i = 0; i < BUCKETS; i++) {
        total += read(&histogram->buckets[i]);
        if (i == BUCKETS - 1) {
            line(json, "%s_bucket{le=\"+Inf\"} %llu\n", name, (unsigned long long)total);
        } else if (duration) {
            line(json, "%s_bucket{le=\"%s\"} %llu\n", name, duration_bounds[i].text,
                 (unsigned long long)total);
        } else {
            line(json, "%s_bucket{le=\"%u\"} %llu\n", name, 1u << i, (unsigned long long)total);
        }
    }
    const uint64_t sum = read(&histogram->sum);
    if (duration) {
        line(json, "%s_sum %llu.%09llu\n", name, (unsigned long long)(sum / 1000000000),
             (unsigned long long)(sum % 1000000000));
    } else {
        line(json, "%s_sum %llu\n", name, (unsigned long long)sum);
    }
    line(json, "%s_count %llu\n", name, (unsigned long long)total);
}

static void write_labelled(struct json *json, const struct labelled *labelled, const char *name,
                           const char *label, const char *help)
{
    head(json, name, "gauge", help);
    for (uint32_t i = 0; i < labelled->count; i++) {
        line(json, "%s{%s=\"%s\"} %llu\n", name, label, labelled->names[i],
             (unsigned long long)read(&labelled->values[i]));
    }
}

void metrics_write(const struct metrics *metrics, struct json *json)
{
    write_http(metrics, json);
    write_bets(metrics, json);
#define X(symbol, name, duration, help)                                                            \
    head(json, name, "histogram", help);                                                           \
    write_histogram(json, &metrics->histograms[METRICS_##symbol], name, (duration) != 0);
    METRICS_HISTOGRAM_LIST(X)
#undef X
#define X(symbol, name, digits, help)                                                              \
    head(json, name, "gauge", help);                                                               \
    write_decimal(json, name,                                                                      \
                  atomic_load_explicit(&metrics->gauges[METRICS_##symbol], memory_order_relaxed),  \
                  digits);
    METRICS_GAUGE_LIST(X)
#undef X
    write_labelled(json, &metrics->queues, "tapline_queue_depth", "queue", "Entries waiting.");
    write_labelled(json, &metrics->projections, "tapline_projection_lag_records", "projection",
                   "Records durable and not yet projected.");
    head(json, "tapline_replay_divergence_total", "counter",
         "Replays whose digest differed from the journal's.");
    line(json, "tapline_replay_divergence_total %llu\n",
         (unsigned long long)read(&metrics->divergences));
}
