/* The two running estimates of variance per second, fast and slow (rules.md section 4). */
#ifndef TAPLINE_STATEMACHINE_VOLATILITY_H
#define TAPLINE_STATEMACHINE_VOLATILITY_H

#include <stdint.h>

#define VOLATILITY_LEAST_Q64    ((uint64_t)7378638201)     /* 0.2 bps per root-second */
#define VOLATILITY_GREATEST_Q64 ((uint64_t)73786966124356) /* 20 bps per root-second */
#define VOLATILITY_SAMPLE_MS    1000

struct volatility {
    uint64_t fast_q64;
    uint64_t slow_q64;
    int64_t samples;
};

/* Takes the sample of a price (both 1..10^12) that followed another one second later. */
void volatility_sample(struct volatility *volatility, int64_t before_e4, int64_t price_e4);

#endif
