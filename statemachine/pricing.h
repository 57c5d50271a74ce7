/* An accepted bet gets its multiplier or is rejected (rules.md section 6, step 3). */
#ifndef TAPLINE_STATEMACHINE_PRICING_H
#define TAPLINE_STATEMACHINE_PRICING_H

#include "statemachine/odds.h"
#include "statemachine/state.h"

/* The odds input of a cell at a tick, with the skew of the bets confirmed in it so far. */
void pricing_input(const struct machine *machine, int64_t column_ms, int64_t band, int64_t band_e4,
                   int64_t tick_ms, int64_t price_e4, struct odds_input *input);

/* With pricing_delay_ms = 0: prices the bet just accepted at the latest valid tick. */
void pricing_at_once(struct step *step, uint32_t number);

/* Prices or rejects the waiting bets that are due at the grid record just stored, id ascending. */
void pricing_due(struct step *step, int64_t grid_ms, int64_t price_e4);

/* Rejects every waiting bet: another epoch is in force. */
void pricing_reject_all(struct step *step);

#endif
