/* The last grid records that took effect, as many as settlement (T-4 ticks .. T) and volatility
 * (one second back) look at, and the last valid tick however old. */
#ifndef TAPLINE_STATEMACHINE_TICKS_H
#define TAPLINE_STATEMACHINE_TICKS_H

#include <stdbool.h>
#include <stdint.h>

/* One second of the finest grid (tick_ms 50) is 20 ticks back; a power of two above that. */
#define TICKS_KEPT 32

#define TICK_PRICE_MAX_E4 ((int64_t)1000000000000) /* 10^12 */

struct tick {
    int64_t grid_ms;  /* above 0 */
    int64_t price_e4; /* up to TICK_PRICE_MAX_E4; 0: no valid price, then the rest is 0 too */
    uint32_t sources;
    uint32_t set;
};

struct ticks {
    struct tick kept[TICKS_KEPT]; /* a ring; `stored` counts for ever */
    uint64_t stored;
    int64_t valid_ms; /* the last valid tick, 0: none yet */
    int64_t valid_price_e4;
};

/* Stores the tick of a grid record; grid times strictly rise. */
void ticks_store(struct ticks *ticks, const struct tick *tick);

/* The stored record of that grid time, NULL when there is none (never was, or older than the ring).
 */
const struct tick *ticks_find(const struct ticks *ticks, int64_t grid_ms);

/* The grid time of the last record, 0 when there is none. */
int64_t ticks_last_ms(const struct ticks *ticks);

/* The i-th kept record from the oldest, for i below ticks_count. */
uint32_t ticks_count(const struct ticks *ticks);
const struct tick *ticks_at(const struct ticks *ticks, uint32_t i);

#endif
