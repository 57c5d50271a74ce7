/* Random numbers of seeded tests: splitmix64. A test prints its seed and takes another from the
 * environment variable TAPLINE_SEED, so that every failure can be run again. Header only. */
#ifndef TAPLINE_TESTS_UNIT_RANDOM_H
#define TAPLINE_TESTS_UNIT_RANDOM_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

struct random {
    uint64_t state;
};

/* Prints the seed with the name of the test. */
static inline struct random random_start(const char *test, uint64_t standard_seed)
{
    const char *given = getenv("TAPLINE_SEED");
    const uint64_t seed = given != NULL ? strtoull(given, NULL, 0) : standard_seed;
    printf("%s: TAPLINE_SEED=%llu\n", test, (unsigned long long)seed);
    return (struct random){.state = seed};
}

static inline uint64_t random_next(struct random *random)
{
    uint64_t z = random->state += 0x9e3779b97f4a7c15;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
}

/* 0..bound - 1; the slight bias does not matter here. */
static inline uint64_t random_below(struct random *random, uint64_t bound)
{
    return random_next(random) % bound;
}

#endif
