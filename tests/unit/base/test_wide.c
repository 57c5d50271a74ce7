#include "base/wide.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../random.h"

/* Both against the compiler's own 128-bit division. */
static void check_division(u128 numerator, uint64_t divisor)
{
    assert_true(wide_divide(numerator, divisor) == numerator / divisor);
    const uint64_t high = (uint64_t)(numerator >> 64);
    if (high < divisor) {
        uint64_t remainder;
        const uint64_t quotient = wide_divide_step(high, (uint64_t)numerator, divisor, &remainder);
        assert_true(quotient == (uint64_t)(numerator / divisor));
        assert_true(remainder == (uint64_t)(numerator % divisor));
    }
}

/* Values where digits of the algorithm are estimated one or two too high. */
static const uint64_t edges[] = {
    0,
    1,
    2,
    3,
    0x7fffffff,
    0x80000000,
    0x80000001,
    0xfffffffe,
    0xffffffff,
    0x100000000,
    0x100000001,
    0x1fffffffe,
    0x7fffffffffffffff,
    0x8000000000000000,
    0x8000000000000001,
    0x80000000ffffffff,
    0x8000000100000000,
    0xfffffffe00000001,
    0xffffffff00000000,
    0xffffffff00000001,
    0xfffffffffffffffe,
    0xffffffffffffffff,
};
#define EDGE_COUNT (sizeof(edges) / sizeof(edges[0]))

/* A product of the odds, wider than 64 bits, divides to the exact floor at all edges. */
static void edge_divisions_are_exact(void **state)
{
    (void)state;
    for (unsigned i = 0; i < EDGE_COUNT; i++) {
        for (unsigned j = 0; j < EDGE_COUNT; j++) {
            for (unsigned k = 1; k < EDGE_COUNT; k++) {
                check_division((u128)edges[i] << 64 | edges[j], edges[k]);
            }
        }
    }
}

/* The same for random values of every size, and for multiples of the divisor and their neighbours.
 */
static void random_divisions_are_exact(void **state)
{
    (void)state;
    struct random random = random_start("random_divisions_are_exact", 3);
    for (unsigned i = 0; i < 500000; i++) {
        const u128 numerator =
            ((u128)random_next(&random) << 64 | random_next(&random)) >> random_below(&random, 128);
        const uint64_t divisor = random_next(&random) >> random_below(&random, 64);
        if (divisor == 0) {
            continue;
        }
        check_division(numerator, divisor);
        const u128 multiple = (numerator / divisor) * divisor;
        check_division(multiple, divisor);
        check_division(multiple - 1, divisor); /* 2^128 - 1 when it is 0 */
    }
}

static void check_root(u128 value)
{
    const u128 root = wide_square_root(value);
    assert_true(root * root <= value);
    if (root < UINT64_MAX) {
        assert_true((root + 1) * (root + 1) > value);
    }
}

/* root^2 <= value < (root + 1)^2, at edges, at squares and their neighbours, at random values. */
static void square_roots_are_exact_floors(void **state)
{
    (void)state;
    struct random random = random_start("square_roots_are_exact_floors", 4);
    for (unsigned i = 0; i < EDGE_COUNT; i++) {
        check_root(edges[i]);
        check_root((u128)edges[i] * edges[i]);
        check_root((u128)edges[i] * edges[i] - 1);
        check_root((u128)edges[i] << 64 | UINT64_MAX);
    }
    for (unsigned i = 0; i < 100000; i++) {
        check_root(((u128)random_next(&random) << 64 | random_next(&random)) >>
                   random_below(&random, 128));
        const u128 root = random_next(&random) >> random_below(&random, 64);
        check_root(root * root);
        check_root(root * root - 1);
    }
}

/* Quotients of negative prices and times go down, not towards zero. */
static void floor_division_goes_down(void **state)
{
    (void)state;
    assert_int_equal(floor_divide(7, 2), 3);
    assert_int_equal(floor_divide(-7, 2), -4);
    assert_int_equal(floor_divide(-8, 2), -4);
    assert_int_equal(floor_divide(-1, 5000), -1);
    assert_int_equal(floor_divide(0, 5000), 0);
    assert_true(floor_divide(INT64_MIN, 1) == INT64_MIN);
    assert_int_equal(floor_divide(INT64_MIN, INT64_MAX), -2);
    struct random random = random_start("floor_division_goes_down", 5);
    for (unsigned i = 0; i < 100000; i++) {
        const int64_t numerator = (int64_t)random_next(&random) >> random_below(&random, 64);
        const int64_t divisor = (int64_t)(random_next(&random) >> 1 >> random_below(&random, 63));
        if (divisor == 0) {
            continue;
        }
        const __int128 quotient = floor_divide(numerator, divisor);
        assert_true(quotient * divisor <= numerator);
        assert_true((quotient + 1) * divisor > numerator);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(edge_divisions_are_exact),
        cmocka_unit_test(random_divisions_are_exact),
        cmocka_unit_test(square_roots_are_exact_floors),
        cmocka_unit_test(floor_division_goes_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
