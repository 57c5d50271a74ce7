#include "statemachine/ticks.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* Everything among the last 32 records is found by its exact time, nothing else; gaps stay gaps. */
static void last_32_records_are_found_by_their_time(void **state)
{
    (void)state;
    struct ticks ticks = {0};
    assert_int_equal(ticks_last_ms(&ticks), 0);
    assert_null(ticks_find(&ticks, 0));
    for (int64_t i = 1; i <= 100; i++) {
        const struct tick tick = {.grid_ms = 400 * i, .price_e4 = i};
        ticks_store(&ticks, &tick);
        assert_int_equal(ticks_last_ms(&ticks), 400 * i);
    }
    assert_int_equal(ticks_count(&ticks), 32);
    for (int64_t i = 1; i <= 101; i++) {
        const struct tick *found = ticks_find(&ticks, 400 * i);
        if (i < 69 || i > 100) {
            assert_null(found);
        } else {
            assert_non_null(found);
            assert_int_equal(found->price_e4, i);
        }
        assert_null(ticks_find(&ticks, 400 * i - 200));
    }
}

/* The last valid tick is remembered past any number of records without a price. */
static void last_valid_tick_outlives_the_ring(void **state)
{
    (void)state;
    struct ticks ticks = {0};
    const struct tick valid = {.grid_ms = 200, .price_e4 = 7};
    ticks_store(&ticks, &valid);
    for (int64_t i = 2; i <= 200; i++) {
        const struct tick clock = {.grid_ms = 200 * i};
        ticks_store(&ticks, &clock);
    }
    assert_null(ticks_find(&ticks, 200));
    assert_int_equal(ticks.valid_ms, 200);
    assert_int_equal(ticks.valid_price_e4, 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(last_32_records_are_found_by_their_time),
        cmocka_unit_test(last_valid_tick_outlives_the_ring),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
