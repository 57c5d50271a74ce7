/* 128-bit helpers for the freestanding state machine. GCC and clang turn a 128-bit division into a
 * call of the compiler's runtime library, which the state machine may not need; these do it with
 * 64-bit steps. All results are exact floors. Header only. */
#ifndef TAPLINE_BASE_WIDE_H
#define TAPLINE_BASE_WIDE_H

#include <stdint.h>

#include "base/check.h"

typedef unsigned __int128 u128; /* the one typedef of the project: the language has no short name */

/* floor((high * 2^64 + low) / divisor), for high < divisor; the remainder goes to *remainder.
 * Knuth's algorithm D with 32-bit digits (The Art of Computer Programming, 4.3.1). */
static inline uint64_t wide_divide_step(uint64_t high, uint64_t low, uint64_t divisor,
                                        uint64_t *remainder)
{
    CHECK(high < divisor);
    const int shift = __builtin_clzll(divisor);
    const uint64_t base = (uint64_t)1 << 32;
    const uint64_t d = divisor << shift;
    const uint64_t d1 = d >> 32;
    const uint64_t d0 = d & 0xffffffff;
    const uint64_t n32 = shift == 0 ? high : (high << shift) | (low >> (64 - shift));
    const uint64_t n10 = low << shift;
    const uint64_t n1 = n10 >> 32;
    const uint64_t n0 = n10 & 0xffffffff;

    uint64_t q1 = n32 / d1;
    uint64_t r = n32 - q1 * d1;
    while (q1 >= base || q1 * d0 > base * r + n1) {
        q1 -= 1;
        r += d1;
        if (r >= base) {
            break;
        }
    }
    const uint64_t n21 = n32 * base + n1 - q1 * d; /* wraps on purpose, the true value fits */
    uint64_t q0 = n21 / d1;
    r = n21 - q0 * d1;
    while (q0 >= base || q0 * d0 > base * r + n0) {
        q0 -= 1;
        r += d1;
        if (r >= base) {
            break;
        }
    }
    *remainder = (n21 * base + n0 - q0 * d) >> shift;
    return q1 * base + q0;
}

/* floor(numerator / divisor), divisor > 0. */
static inline u128 wide_divide(u128 numerator, uint64_t divisor)
{
    CHECK(divisor > 0);
    const uint64_t high = (uint64_t)(numerator >> 64);
    const uint64_t low = (uint64_t)numerator;
    if (high == 0) {
        return low / divisor;
    }
    uint64_t remainder;
    const uint64_t quotient_high = high / divisor;
    const uint64_t quotient_low = wide_divide_step(high % divisor, low, divisor, &remainder);
    return ((u128)quotient_high << 64) | quotient_low;
}

/* floor(sqrt(value)); bit by bit, 64 steps at most, no division. */
static inline uint64_t wide_square_root(u128 value)
{
    u128 rest = value;
    u128 root = 0;
    u128 bit = (u128)1 << 126;
    while (bit > value) {
        bit >>= 2;
    }
    while (bit != 0) {
        if (rest >= root + bit) {
            rest -= root + bit;
            root = (root >> 1) + bit;
        } else {
            root >>= 1;
        }
        bit >>= 2;
    }
    return (uint64_t)root;
}

/* floor(numerator / divisor) for a numerator of either sign, divisor > 0. */
static inline int64_t floor_divide(int64_t numerator, int64_t divisor)
{
    CHECK(divisor > 0);
    const int64_t quotient = numerator / divisor;
    return numerator % divisor < 0 ? quotient - 1 : quotient;
}

#endif
