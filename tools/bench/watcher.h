/* Follows a server during a load, on a thread of its own: brings each second's grid to the offers,
 * and notes how far the SQLite projection lags. */
#ifndef TAPLINE_TOOLS_BENCH_WATCHER_H
#define TAPLINE_TOOLS_BENCH_WATCHER_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"
#include "tools/bench/http_client.h"
#include "tools/bench/offers.h"

/* Fields are private to watcher.c. */
struct watcher {
    struct offers *offers;
    struct http_client client;
    pthread_t thread;
    _Atomic bool stopping;
    _Atomic uint64_t lag_max;
    _Atomic uint64_t failures;
};

/* Waits until the server's breaker is HEALTHY and its grid has cells to tap, then starts following.
 * Errors: STATUS_IO the server is gone, or shows nothing to tap for a minute, told on stderr. */
MUST_USE enum status watcher_open(struct watcher *watcher, struct offers *offers, uint16_t port);

/* Most records that the projection was behind, as seen once a second. */
uint64_t watcher_lag_max(const struct watcher *watcher);

/* Times a grid or the metrics could not be had. */
uint64_t watcher_failures(const struct watcher *watcher);

void watcher_close(struct watcher *watcher);

/* One line of GET /metrics, "name{label=...}" and all: its value. Errors: STATUS_NOT_FOUND no such
 * line; those of the client. */
MUST_USE enum status watcher_metric(struct http_client *client, const char *series, double *value);

/* The sum of all series whose text begins with `prefix`, 0 without one. Errors: the client's. */
MUST_USE enum status watcher_metric_sum(struct http_client *client, const char *prefix,
                                        double *value);

#define WATCHER_LAG "tapline_projection_lag_records{projection=\"sqlite\"}"

#endif
