#include "statemachine/breaker.h"

/* DEGRADED and CRITICAL each have their own way back to HEALTHY; CRITICAL never passes through
 * DEGRADED, so that a feed that only flickers cannot reopen betting early. */
static bool has_recovered(const struct breaker *breaker, const struct config *config,
                          int64_t grid_ms)
{
    const int64_t stable_ms = grid_ms - breaker->stable_since_ms;
    switch (breaker->state) {
    case BREAKER_HEALTHY:
        return false;
    case BREAKER_DEGRADED:
        return stable_ms >= config->degraded_stable_ms;
    case BREAKER_CRITICAL:
        return stable_ms >= config->critical_stable_ms;
    }
    return false;
}

void breaker_step(struct breaker *breaker, const struct config *config, int64_t grid_ms,
                  bool valid_tick)
{
    const enum breaker_state before = breaker->state;
    const bool first = breaker->last_ms == 0;
    const int64_t age_ms = first ? 0 : grid_ms - breaker->last_ms;

    if (age_ms > config->critical_ms) {
        breaker->state = BREAKER_CRITICAL;
    } else if (age_ms > config->degraded_ms && breaker->state == BREAKER_HEALTHY) {
        breaker->state = BREAKER_DEGRADED;
    }
    if (valid_tick) {
        if (first || age_ms > config->degraded_ms) {
            breaker->stable_since_ms = grid_ms;
        }
        breaker->last_ms = grid_ms;
        if (has_recovered(breaker, config, grid_ms)) {
            breaker->state = BREAKER_HEALTHY;
        }
    }
    if (breaker->state != before) {
        breaker->since_ms = grid_ms;
    }
}
