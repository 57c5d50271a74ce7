#include "statemachine/ticks.h"

#include <stddef.h>

#include "base/check.h"

void ticks_store(struct ticks *ticks, const struct tick *tick)
{
    CHECK(tick->grid_ms > ticks_last_ms(ticks));
    ticks->kept[ticks->stored % TICKS_KEPT] = *tick;
    ticks->stored += 1;
    if (tick->price_e4 > 0) {
        ticks->valid_ms = tick->grid_ms;
        ticks->valid_price_e4 = tick->price_e4;
    }
}

uint32_t ticks_count(const struct ticks *ticks)
{
    return ticks->stored < TICKS_KEPT ? (uint32_t)ticks->stored : TICKS_KEPT;
}

const struct tick *ticks_at(const struct ticks *ticks, uint32_t i)
{
    CHECK(i < ticks_count(ticks));
    return &ticks->kept[(ticks->stored - ticks_count(ticks) + i) % TICKS_KEPT];
}

const struct tick *ticks_find(const struct ticks *ticks, int64_t grid_ms)
{
    for (uint32_t i = ticks_count(ticks); i > 0; i--) {
        const struct tick *tick = ticks_at(ticks, i - 1);
        if (tick->grid_ms <= grid_ms) {
            return tick->grid_ms == grid_ms ? tick : NULL;
        }
    }
    return NULL;
}

int64_t ticks_last_ms(const struct ticks *ticks)
{
    return ticks->stored == 0 ? 0 : ticks_at(ticks, ticks_count(ticks) - 1)->grid_ms;
}
