/* Checked money arithmetic: an overflow is an answer (false, output untouched), never a wrap.
 * Header only, because the freestanding state machine uses it. */
#ifndef TAPLINE_BASE_MONEY_H
#define TAPLINE_BASE_MONEY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"

/* sum = a + b; false when it does not fit. */
static inline MUST_USE bool money_add(int64_t a_micro, int64_t b_micro, int64_t *sum_micro)
{
    int64_t sum;
    if (__builtin_add_overflow(a_micro, b_micro, &sum)) {
        return false;
    }
    *sum_micro = sum;
    return true;
}

/* difference = a - b; false when it does not fit. */
static inline MUST_USE bool money_subtract(int64_t a_micro, int64_t b_micro,
                                           int64_t *difference_micro)
{
    int64_t difference;
    if (__builtin_sub_overflow(a_micro, b_micro, &difference)) {
        return false;
    }
    *difference_micro = difference;
    return true;
}

#endif
