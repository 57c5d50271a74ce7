/* The state of one `tapline bench live`, shared by live.c, which runs it, and live_report.c, which
 * says what came of it. Nobody else includes this. */
#ifndef TAPLINE_TOOLS_BENCH_LIVE_H
#define TAPLINE_TOOLS_BENCH_LIVE_H

#include <stdbool.h>
#include <stdint.h>

#include "tools/bench/figures.h"
#include "tools/bench/load.h"
#include "tools/bench/offers.h"
#include "tools/bench/server_process.h"
#include "tools/bench/tap_source.h"
#include "tools/bench/wallets.h"
#include "tools/bench/watcher.h"

/* Of the server's metrics: sums since its start. */
struct live_journal {
    double syncs;
    double sync_seconds;
    double fast_syncs; /* within 10 ms */
    double records;
};

struct live {
    struct load_options load;
    uint32_t accounts;
    const char *parent; /* where the server's directory is made */
    bool keep;
    bool as_json;

    struct server_process server;
    struct wallets wallets;
    struct http_client client;
    struct offers offers;
    struct watcher watcher;
    struct tap_source source;

    /* What was measured. */
    struct load_result result;
    double recover_rate;
    struct server_process_usage before; /* the load */
    struct server_process_usage loaded; /* right after it */
    struct server_process_usage after;  /* when the projection had caught up */
    int64_t busy_ns;                    /* of the whole machine, over the load */
    int64_t own_ns;                     /* of the generator, over the load */
    int64_t span_ns;                    /* the load, with the wait for stragglers */
    double lag_at_end;                  /* records */
    uint64_t lag_max;
    int64_t lag_ns; /* till the projection had everything */
    bool lag_gone;  /* it had, in time */
    double confirmed;
    double rejected;                    /* after they were accepted */
    struct live_journal journal_before; /* the load */
    struct live_journal journal_after;
    uint64_t dry;
    uint64_t watch_failures;
    int exit_code; /* of the server */
};

/* Prints the figures. False when stdout did not take them. */
bool live_report(const struct live *live);

#endif
