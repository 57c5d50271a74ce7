/* The whole story of one bet, gathered by replay and with every figure recomputed: what was signed,
 * what it was priced with, how it settled, which money moved, and the digests around each step.
 * `explain` prints it. Where a recomputed figure differs from what the state machine said, that is
 * a problem. */
#ifndef TAPLINE_TOOLS_EXPLAIN_H
#define TAPLINE_TOOLS_EXPLAIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/limits.h"
#include "base/status.h"
#include "ingress/tap_text.h"
#include "statemachine/config.h"
#include "statemachine/event.h"
#include "statemachine/odds.h"

#define EXPLAIN_STEPS_MAX 3 /* accepted, priced, settled */
#define EXPLAIN_ROWS_MAX                                                                           \
    24 /* postings of one bet: hold 2, release 2 or confirm 4, win 3 or void 2 */

/* A record that changed the bet. */
struct explain_step {
    const char *name; /* "accepted", "confirmed", "rejected", "settled" */
    uint64_t seq;
    int64_t time_ms;
    uint8_t digest_before[HASH_BYTES];
    uint8_t digest_after[HASH_BYTES];
};

struct explain_row {
    uint64_t seq;
    int64_t at_ms;
    struct posting posting; /* address borrowed from the story's tap; reference unused */
};

struct explain_pricing {
    bool done; /* a tick was there to price it */
    struct odds_input input;
    struct odds odds;
    int64_t band_e4;
    int64_t payout_micro; /* floor(stake * m / 100) */
};

struct explain_settlement {
    bool done;
    struct settlement_tick ticks[SETTLEMENT_TICKS]; /* from the journal's own price records */
    int64_t grid_ms;                                /* of the settling record */
    size_t valid;                                   /* of the five */
    int64_t median_e4;                              /* 0: none is valid */
    struct column_result column;                    /* what the state machine said */
};

struct explain {
    uint64_t id;
    char market[LIMIT_MARKET_BYTES + 1];
    /* Of its tap. */
    uint8_t account[ADDRESS_BYTES];
    char text[TAP_TEXT_BYTES_MAX]; /* as signed */
    uint8_t signature[LIMIT_SIGNATURE_BYTES];
    size_t signature_bytes;
    bool signature_checked; /* by the wallet's curve; not those of session keys */
    bool signature_good;
    int64_t message_ms;
    int64_t time_ms; /* engine time of the tap's record */
    int64_t column_ms;
    int64_t band;
    uint64_t repeated_bet; /* the tap repeated an earlier one: that bet; else 0 */
    enum reason refused;   /* the tap made no bet */

    bool made;            /* there is a bet */
    struct bet bet;       /* as it is last */
    struct config config; /* the epoch it was taken under */
    struct explain_step steps[EXPLAIN_STEPS_MAX];
    size_t step_count;
    struct explain_row rows[EXPLAIN_ROWS_MAX];
    size_t row_count;
    struct explain_pricing pricing;
    struct explain_settlement settlement;
    char problem[256]; /* the first figure that differs when recomputed; "" when none does */
};

/* Tells the story of bet `id`. `text` (512 bytes) gets one line on error.
 * Errors: STATUS_NOT_FOUND there is no such journal; STATUS_END no such record, or it is no tap;
 * those of replay_run and wallet_open. */
MUST_USE enum status explain_run(const char *data_dir, uint64_t id, struct explain *explain,
                                 char *text);

#endif
