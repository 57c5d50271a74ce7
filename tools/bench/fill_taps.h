/* The players of `tapline bench fill`: taps by random accounts on cells really on offer, the few
 * that real players send wrong, and the money that comes and goes. A tap that the server would
 * refuse without a record is drawn again, as there it would not be in the journal either. */
#ifndef TAPLINE_TOOLS_BENCH_FILL_TAPS_H
#define TAPLINE_TOOLS_BENCH_FILL_TAPS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/limits.h"
#include "statemachine/view.h"
#include "tools/bench/fill_engine.h"
#include "tools/bench/wallets.h"

/* What a player starts with, and gets when it is gone. */
#define FILL_DEPOSIT_MICRO (1000 * MICRO_PER_USD)

/* What a tap leaves between itself and the close of its column besides the lead: the pricing delay
 * and the way to the pricing tick. */
#define FILL_SPARE_MS 600

/* splitmix64, so that a seed gives the same journal on any machine. */
struct fill_random {
    uint64_t state;
};

uint64_t fill_random_next(struct fill_random *random);
uint64_t fill_random_below(struct fill_random *random, uint64_t bound);

struct fill_offer {
    int64_t column_ms;
    int64_t band;
};

/* Fields are private to fill_taps.c but for edge_refused. */
struct fill_taps {
    struct fill_engine *engine;
    struct fill_random *random;
    struct wallets wallets; /* one more than play: the last one has no money */
    uint32_t accounts;
    bool with_signatures;
    uint64_t references;   /* given out so far */
    uint64_t edge_refused; /* draws that a server would have refused without a record */
    struct grid_view grid;
    struct fill_offer offers[LIMIT_COLUMNS * LIMIT_BANDS];
    size_t offer_count;
    struct input input;
    struct tap last; /* the last good tap */
    bool has_last;
    uint32_t last_account;
    uint8_t signature[LIMIT_SIGNATURE_BYTES];
    uint8_t last_signature[LIMIT_SIGNATURE_BYTES];
};

/* Makes the wallets. Owns: fill_taps_close. Errors: those of wallets_open. */
MUST_USE enum status fill_taps_open(struct fill_taps *taps, struct fill_engine *engine,
                                    struct fill_random *random, uint32_t accounts,
                                    bool with_signatures);
void fill_taps_close(struct fill_taps *taps);

/* These, and fill_taps_tap: false when the fill is over (fill_engine_put).
 * The house's money, then everybody's first deposit. */
MUST_USE bool fill_taps_fund(struct fill_taps *taps, int64_t now_ms);

/* Takes the cells on offer now that stay open for another interval of ticks. */
void fill_taps_see_grid(struct fill_taps *taps, int64_t tick_ms);

/* One tap, and now and then a transfer. */
MUST_USE bool fill_taps_tap(struct fill_taps *taps, int64_t now_ms);

#endif
