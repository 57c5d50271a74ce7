#include "base/money.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* Sums and differences up to the very ends of the type are exact. */
static void results_that_fit_are_exact(void **state)
{
    (void)state;
    int64_t result = 0;
    assert_true(money_add(2, 3, &result));
    assert_int_equal(result, 5);
    assert_true(money_add(INT64_MAX - 1, 1, &result));
    assert_true(result == INT64_MAX);
    assert_true(money_add(INT64_MIN, INT64_MAX, &result));
    assert_int_equal(result, -1);
    assert_true(money_subtract(2, 3, &result));
    assert_int_equal(result, -1);
    assert_true(money_subtract(INT64_MIN + 1, 1, &result));
    assert_true(result == INT64_MIN);
    assert_true(money_subtract(-1, INT64_MIN, &result));
    assert_true(result == INT64_MAX);
}

/* One micro-dollar past the ends is an answer, and the output keeps its value: never a wrap. */
static void overflow_is_an_answer_not_a_wrap(void **state)
{
    (void)state;
    int64_t result = 42;
    assert_false(money_add(INT64_MAX, 1, &result));
    assert_false(money_add(INT64_MIN, -1, &result));
    assert_false(money_subtract(INT64_MIN, 1, &result));
    assert_false(money_subtract(0, INT64_MIN, &result));
    assert_int_equal(result, 42);
}

/* The output may be one of the inputs. */
static void output_may_alias_an_input(void **state)
{
    (void)state;
    int64_t balance = 10;
    assert_true(money_add(balance, 5, &balance));
    assert_true(money_subtract(balance, 1, &balance));
    assert_int_equal(balance, 14);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(results_that_fit_are_exact),
        cmocka_unit_test(overflow_is_an_answer_not_a_wrap),
        cmocka_unit_test(output_may_alias_an_input),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
