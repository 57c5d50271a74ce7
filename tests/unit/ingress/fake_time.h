/* Raw clocks that tests move by hand. */
#ifndef TAPLINE_TESTS_FAKE_TIME_H
#define TAPLINE_TESTS_FAKE_TIME_H

#include <stdint.h>

#include "ingress/clock.h"

#define FAKE_NS_PER_MS ((int64_t)1000000)

struct fake_time {
    int64_t wall_ns;
    int64_t monotonic_ns;
};

static inline int64_t fake_wall_ns(void *context)
{
    return ((const struct fake_time *)context)->wall_ns;
}

static inline int64_t fake_monotonic_ns(void *context)
{
    return ((const struct fake_time *)context)->monotonic_ns;
}

static inline struct clock_source fake_source(struct fake_time *time)
{
    return (struct clock_source){
        .context = time, .wall_ns = fake_wall_ns, .monotonic_ns = fake_monotonic_ns};
}

/* Time passes: both clocks go on. */
static inline void fake_pass_ms(struct fake_time *time, int64_t ms)
{
    time->wall_ns += ms * FAKE_NS_PER_MS;
    time->monotonic_ns += ms * FAKE_NS_PER_MS;
}

/* Somebody sets the wall clock. */
static inline void fake_step_wall_ms(struct fake_time *time, int64_t ms)
{
    time->wall_ns += ms * FAKE_NS_PER_MS;
}

#endif
