/* The course of a market in simulated time for `tapline bench fill`: grid records with the index of
 * the feed `sim`, an Attest each second, taps at a steady rate, now and then a price that is
 * missing, another configuration, a restart. A function of its options: the same seed gives the
 * same records. */
#ifndef TAPLINE_TOOLS_BENCH_FILL_MARKET_H
#define TAPLINE_TOOLS_BENCH_FILL_MARKET_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"
#include "ingress/clock.h"
#include "ingress/feed.h"
#include "ingress/index.h"
#include "tools/bench/fill_engine.h"
#include "tools/bench/fill_taps.h"

/* Limits of the state machine leave that many: nonces live for 90 s after their message. */
#define FILL_RATE_MAX     10000
#define FILL_ACCOUNTS_MAX 999999

struct fill_market_options {
    uint32_t accounts;
    uint32_t taps_per_second;
    uint64_t seed;
    int64_t start_ms;
    bool with_signatures;
};

/* Fields are private to fill_market.c but for now_ms and taps.edge_refused. */
struct fill_market {
    struct fill_market_options options;
    struct fill_engine *engine;
    struct fill_random random;
    struct fill_taps taps;
    struct clock clock; /* stands at the start; only the feed asks */
    struct feed *feed;
    struct index index;
    int64_t grid_ms;
    int64_t now_ms;
    int64_t attested_ms;
    int64_t config_ms;
    int64_t started_ms;
    int64_t taps_owed_milli; /* thousandths of a tap */
    bool other_edge;         /* the configuration in force is the second one */
    struct input input;
};

/* Errors: STATUS_NO_MEMORY, STATUS_IO no randomness to blind the curve with. */
MUST_USE enum status fill_market_open(struct fill_market *market, struct fill_engine *engine,
                                      const struct fill_market_options *options);

/* Puts records until the engine takes no more. */
void fill_market_run(struct fill_market *market);

void fill_market_close(struct fill_market *market);

#endif
