/* The program's metrics as Prometheus text (interface.md section 7). A registry of fixed tables: no
 * allocation after metrics_new, every update is one relaxed atomic addition or store from any
 * thread, and nothing is ever dropped: what has no place of its own counts under "other". Base
 * units. */
#ifndef TAPLINE_PROJECTIONS_METRICS_H
#define TAPLINE_PROJECTIONS_METRICS_H

#include <stddef.h>
#include <stdint.h>

#include "base/json.h"
#include "statemachine/event.h"

struct metrics;

/* Plain gauges: symbol, name, digits after the point (3: given in ms, shown in seconds), help. */
#define METRICS_GAUGE_LIST(X)                                                                      \
    X(INDEX_AGE, "tapline_index_age_seconds", 3, "Age of the last valid index tick.")              \
    X(BREAKER_STATE, "tapline_breaker_state", 0, "0 HEALTHY, 1 DEGRADED, 2 CRITICAL.")             \
    X(SOURCES_FRESH, "tapline_sources_fresh", 0, "Price sources heard within 3 s.")                \
    X(WS_CLIENTS, "tapline_ws_clients", 0, "Open WebSocket connections.")                          \
    X(NONCES, "tapline_nonces", 0, "Nonces remembered.")                                           \
    X(LEDGER_IMBALANCE, "tapline_ledger_imbalance_micro", 0, "Sum over all accounts; always 0.")   \
    X(COLUMN_LIABILITY, "tapline_column_liability_micro", 0,                                       \
      "Set aside by the house for open columns.")                                                  \
    X(DISK_FREE, "tapline_disk_free_bytes", 0, "Free bytes of the data directory's file system.")  \
    X(INTEGRITY_LAST_OK, "tapline_integrity_last_ok_timestamp", 3,                                 \
      "Time of the last integrity check that found nothing; 0 when there was none.")               \
    X(LAST_ARCHIVE, "last_successful_archive_timestamp", 3,                                        \
      "Time of the last complete archive run; 0 when there was none.")

enum metrics_gauge {
#define X(symbol, name, digits, help) METRICS_##symbol,
    METRICS_GAUGE_LIST(X)
#undef X
    METRICS_GAUGE_COUNT
};

/* Histograms of durations (given in ns) and of sizes: symbol, name, is a duration, help. */
#define METRICS_HISTOGRAM_LIST(X)                                                                  \
    X(HTTP_REQUEST, "tapline_http_request_seconds", 1, "Request read to answer written.")          \
    X(ACCEPT, "tapline_accept_seconds", 1, "Tap received to durable.")                             \
    X(CONFIRM, "tapline_confirm_seconds", 1, "Tap received to confirmed.")                         \
    X(JOURNAL_SYNC, "tapline_journal_sync_seconds", 1, "Write and sync of one journal batch.")     \
    X(JOURNAL_BATCH, "tapline_journal_batch_records", 0, "Records of one journal batch.")

enum metrics_histogram {
#define X(symbol, name, duration, help) METRICS_##symbol,
    METRICS_HISTOGRAM_LIST(X)
#undef X
    METRICS_HISTOGRAM_COUNT
};

#define METRICS_ROUTES_MAX 32
#define METRICS_LABELS_MAX 32 /* queues, projections, codes of refusals */

/* All zero. NULL when memory is out. Owns: metrics_free. */
struct metrics *metrics_new(void);
void metrics_free(struct metrics *metrics);

/* Gives a route ("/v1/bets/{bet}"), a queue, a projection or the code of a refusal ("DRAINING") its
 * place; the name stays the caller's and lives as long. When all places are taken: the place of
 * "other". Thread: before others use metrics. */
uint32_t metrics_route(struct metrics *metrics, const char *name);
uint32_t metrics_queue(struct metrics *metrics, const char *name);
uint32_t metrics_projection(struct metrics *metrics, const char *name);
uint32_t metrics_refusal(struct metrics *metrics, const char *name);

/* Updates; any thread. */
void metrics_count_http(struct metrics *metrics, uint32_t route, uint32_t code);
void metrics_count_bet(struct metrics *metrics, enum bet_state state, enum reason reason);
void metrics_count_refused(struct metrics *metrics, uint32_t refusal); /* a tap without a record */
void metrics_count_divergence(struct metrics *metrics);
void metrics_set(struct metrics *metrics, enum metrics_gauge gauge, int64_t value);
void metrics_set_queue(struct metrics *metrics, uint32_t queue, uint64_t depth);
void metrics_set_lag(struct metrics *metrics, uint32_t projection, uint64_t records);
void metrics_observe(struct metrics *metrics, enum metrics_histogram histogram, uint64_t value);

/* Appends the whole page, `text/plain; version=0.0.4`, as bytes (json is the text buffer). */
void metrics_write(const struct metrics *metrics, struct json *json);

#endif
