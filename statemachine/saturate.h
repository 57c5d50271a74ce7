/* Times and prices of inputs may be any int64; sums that stop at the ends keep every comparison
 * right without a wrap. Money is never saturated (base/money.h). Header only. */
#ifndef TAPLINE_STATEMACHINE_SATURATE_H
#define TAPLINE_STATEMACHINE_SATURATE_H

#include <stdint.h>

static inline int64_t saturating_add(int64_t a, int64_t b)
{
    int64_t sum;
    if (__builtin_add_overflow(a, b, &sum)) {
        return b < 0 ? INT64_MIN : INT64_MAX;
    }
    return sum;
}

static inline int64_t saturating_subtract(int64_t a, int64_t b)
{
    int64_t difference;
    if (__builtin_sub_overflow(a, b, &difference)) {
        return b < 0 ? INT64_MAX : INT64_MIN;
    }
    return difference;
}

static inline int64_t saturating_multiply(int64_t a, int64_t b)
{
    int64_t product;
    if (__builtin_mul_overflow(a, b, &product)) {
        return (a < 0) == (b < 0) ? INT64_MAX : INT64_MIN;
    }
    return product;
}

#endif
