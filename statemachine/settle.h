/* Settlement of columns (rules.md section 6, steps 4 and 5): a function of the stored grid records
 * alone, at the first one at or after the column's close. */
#ifndef TAPLINE_STATEMACHINE_SETTLE_H
#define TAPLINE_STATEMACHINE_SETTLE_H

#include "statemachine/state.h"

/* What the five ticks of a column say. */
struct settle_verdict {
    enum reason reason; /* NONE: settled at the price; else void */
    int64_t price_e4;   /* the median; 0 when the ticks define none */
};

/* Decides column T at the grid record `grid_ms` just stored, and fills the five ticks
 * T-4*tick_ms..T. */
struct settle_verdict settle_decide(const struct machine *machine, int64_t column_ms,
                                    int64_t band_e4, int64_t grid_ms,
                                    struct settlement_tick *ticks);

/* Settles every column with T <= grid_ms that holds confirmed bets, T ascending, then announces the
 * one that closes now without any. */
void settle_columns(struct step *step, int64_t grid_ms);

#endif
