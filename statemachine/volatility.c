#include "statemachine/volatility.h"

#include "base/wide.h"

static uint64_t blend(uint64_t v, uint64_t r2, unsigned shift)
{
    const uint64_t next = r2 >= v ? v + ((r2 - v) >> shift) : v - ((v - r2) >> shift);
    if (next < VOLATILITY_LEAST_Q64) {
        return VOLATILITY_LEAST_Q64;
    }
    return next > VOLATILITY_GREATEST_Q64 ? VOLATILITY_GREATEST_Q64 : next;
}

void volatility_sample(struct volatility *volatility, int64_t before_e4, int64_t price_e4)
{
    CHECK(before_e4 > 0);
    CHECK(price_e4 > 0);
    const uint64_t move =
        price_e4 > before_e4 ? (uint64_t)(price_e4 - before_e4) : (uint64_t)(before_e4 - price_e4);
    const u128 r_wide = wide_divide((u128)move << 32, (uint64_t)before_e4);
    /* Capped so that its square fits: from (2^32 - 1)^2 on both estimates reach the upper clamp
     * anyway, because 2^63 >> 9 is far above it. */
    const uint64_t r = r_wide > UINT32_MAX ? UINT32_MAX : (uint64_t)r_wide;
    const uint64_t r2 = r * r;
    volatility->fast_q64 = blend(volatility->fast_q64, r2, 5);
    volatility->slow_q64 = blend(volatility->slow_q64, r2, 9);
    volatility->samples += 1;
}
