/* The breaker (rules.md section 3): a function of grid records alone. Betting is open only while it
 * is HEALTHY; bets that run are not touched by it until their column settles. */
#ifndef TAPLINE_STATEMACHINE_BREAKER_H
#define TAPLINE_STATEMACHINE_BREAKER_H

#include <stdbool.h>
#include <stdint.h>

#include "statemachine/config.h"
#include "statemachine/event.h"

struct breaker {
    enum breaker_state state;
    int64_t since_ms;        /* grid time of the last change, 0 at genesis */
    int64_t last_ms;         /* time of the last valid tick, 0: none yet (grid times are above 0) */
    int64_t stable_since_ms; /* first valid tick after the last gap above degraded_ms */
};

/* The breaker's step of the grid record at grid_ms, which strictly rises and is above 0. */
void breaker_step(struct breaker *breaker, const struct config *config, int64_t grid_ms,
                  bool valid_tick);

#endif
