/* The market as an auditor reckons it from the journal's inputs alone: which configuration and W
 * are in force, which ticks are valid, the breaker, both variances, and what each column and cell
 * holds and could cost. Nothing here is read from the state machine; `explain` sets what it says
 * beside this. What both share are the pure functions of a configuration's rules and of the
 * multiplier (statemachine/config.h, odds.h).
 *
 * Normal course: reckoning_input with each record before the state machine applies it, and then, in
 * the order in which the state machine tells what it did, postings, reckoning_price and _confirm of
 * each bet it prices, reckoning_settle of each bet it settles, reckoning_close of the column. */
#ifndef TAPLINE_TOOLS_RECKONING_H
#define TAPLINE_TOOLS_RECKONING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include "statemachine/config.h"
#include "statemachine/event.h"
#include "statemachine/input.h"
#include "statemachine/odds.h"

struct reckoning;

/* What a bet is priced with. */
struct reckoned_price {
    int64_t tick_ms; /* of the pricing tick; 0: there was no valid one yet */
    int64_t band_e4; /* W of its column */
    struct odds_input input;
    struct odds odds;
    uint32_t rules_version;
    int64_t payout_step_micro;   /* of these rules */
    int64_t payout_micro;        /* floor(stake * m / 100), down to the step */
    int64_t column_stakes_micro; /* before this bet, as all that follows but set_aside_change */
    int64_t column_payout_micro; /* the largest of a band */
    int64_t bankroll_micro;
    int64_t set_aside_change_micro; /* d: by how much confirming would raise max(loss, 0) */
    int64_t column_loss_max_micro;
    int64_t house_reserve_micro;
    int64_t min_lead_ms;
    enum reason verdict; /* NONE: it is confirmed */
};

/* What a column settles with. */
struct reckoned_settlement {
    int64_t grid_ms; /* of the settling record */
    struct settlement_tick ticks[SETTLEMENT_TICKS];
    size_t valid;
    int64_t median_e4;    /* of the valid ones; 0: none */
    int64_t price_e4;     /* 0: it has no price */
    enum reason void_for; /* NONE: it is settled */
};

/* Owns: freed by reckoning_free. Errors: STATUS_NO_MEMORY. */
MUST_USE enum status reckoning_open(struct reckoning **reckoning);
void reckoning_free(struct reckoning *reckoning); /* NULL is allowed */

/* Errors: STATUS_NO_MEMORY. */
MUST_USE enum status reckoning_input(struct reckoning *reckoning, const struct input *input);

/* The configuration in force and its epoch; NULL and 0 before the first. */
const struct config *reckoning_config(const struct reckoning *reckoning);
uint64_t reckoning_epoch(const struct reckoning *reckoning);

/* Samples of the variances so far. */
int64_t reckoning_samples(const struct reckoning *reckoning);

/* Sums what the postings move on the house's bankroll. */
void reckoning_posting(struct reckoning *reckoning, const struct posting *posting);

/* Prices a bet now: at the latest valid tick, which is that of the present record or, with a
 * pricing delay of 0, the last one before the tap. The bet's own postings may have come already. */
void reckoning_price(const struct reckoning *reckoning, const struct bet *bet,
                     struct reckoned_price *price);

/* True when a bet that waits since accepted_at_ms is to be rejected NO_PRICE now, at engine time
 * now_ms. */
bool reckoning_price_is_late(const struct reckoning *reckoning, int64_t accepted_at_ms,
                             int64_t now_ms);

/* The bet holds its place in its cell and column with this payout from here on. Errors:
 * STATUS_NO_MEMORY. */
MUST_USE enum status reckoning_confirm(struct reckoning *reckoning, const struct bet *bet,
                                       int64_t payout_micro);

void reckoning_settle(const struct reckoning *reckoning, int64_t column_ms,
                      struct reckoned_settlement *settlement);

void reckoning_close(struct reckoning *reckoning, int64_t column_ms);

#endif
