/* A tap becomes a bet or is refused (rules.md section 6, step 2, and section 8). */
#ifndef TAPLINE_STATEMACHINE_TAP_H
#define TAPLINE_STATEMACHINE_TAP_H

#include "statemachine/input.h"
#include "statemachine/state.h"

/* True when new bets are taken at engine time t: step (f). */
bool tap_is_open(const struct machine *machine, int64_t time_ms);

void tap_apply(struct step *step, const struct tap *tap);

#endif
