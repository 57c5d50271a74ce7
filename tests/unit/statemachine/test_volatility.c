/* The variance estimate, by hand and through the machine. */
#include "statemachine/volatility.h"

#include "fixture.h"

/* From S' = 2^20 to S = 2^20 + 2^4: r = 2^4 * 2^32 / 2^20 = 2^16, r2 = 2^32. Both estimates start
 * at 2^37. fast: 2^37 - (2^37 - 2^32 >> 5) = 137,438,953,472 - 4,160,749,568 = 133,278,203,904
 * slow: 2^37 - (2^37 - 2^32 >> 9) = 137,438,953,472 - 260,046,848 = 137,178,906,624 */
static void calm_second_lowers_the_estimates(void **state)
{
    (void)state;
    struct volatility v = {.fast_q64 = (uint64_t)1 << 37, .slow_q64 = (uint64_t)1 << 37};
    volatility_sample(&v, 1 << 20, (1 << 20) + (1 << 4));
    assert_int_equal(v.fast_q64, 133278203904);
    assert_int_equal(v.slow_q64, 137178906624);
    assert_int_equal(v.samples, 1);
}

/* The same move down gives the same sample. A move of 2^8: r = 2^20, r2 = 2^40 = 1,099,511,627,776.
 * fast: 2^37 + (2^40 - 2^37 >> 5) = 137,438,953,472 + 30,064,771,072 = 167,503,724,544
 * slow: 2^37 + (2^40 - 2^37 >> 9) = 137,438,953,472 + 1,879,048,192 = 139,318,001,664 */
static void wild_second_raises_the_estimates_in_either_direction(void **state)
{
    (void)state;
    struct volatility up = {.fast_q64 = (uint64_t)1 << 37, .slow_q64 = (uint64_t)1 << 37};
    struct volatility down = up;
    volatility_sample(&up, 1 << 20, (1 << 20) + (1 << 8));
    volatility_sample(&down, 1 << 20, (1 << 20) - (1 << 8));
    assert_int_equal(up.fast_q64, 167503724544);
    assert_int_equal(up.slow_q64, 139318001664);
    assert_int_equal(down.fast_q64, up.fast_q64);
    assert_int_equal(down.slow_q64, up.slow_q64);
}

/* Divisions floor: 7 of 3: r = floor(4 * 2^32 / 3) = 5,726,623,061, far above where its square
 * would still fit 64 bits; both clamp at the top, as the exact square would. */
static void estimates_stay_within_the_clamp(void **state)
{
    (void)state;
    struct volatility v = {.fast_q64 = VOLATILITY_LEAST_Q64, .slow_q64 = VOLATILITY_LEAST_Q64};
    volatility_sample(&v, 3, 7);
    assert_int_equal(v.fast_q64, VOLATILITY_GREATEST_Q64);
    assert_int_equal(v.slow_q64, VOLATILITY_GREATEST_Q64);
    volatility_sample(&v, 1, 1000000000000);
    assert_int_equal(v.slow_q64, VOLATILITY_GREATEST_Q64);
    for (int i = 0; i < 10000; i++) {
        volatility_sample(&v, 1000, 1000);
    }
    assert_int_equal(v.fast_q64, VOLATILITY_LEAST_Q64);
    assert_int_equal(v.slow_q64, VOLATILITY_LEAST_Q64);
}

/* The cap of r lies where it makes no difference: the least r that is capped already clamps the
 * slow one from its floor, since (2^32)^2 >> 9 = 2^55 > 2^47. */
static void cap_of_r_lies_beyond_the_clamp(void **state)
{
    (void)state;
    struct volatility v = {.fast_q64 = VOLATILITY_LEAST_Q64, .slow_q64 = VOLATILITY_LEAST_Q64};
    volatility_sample(&v, 1000, 2000); /* r = 2^32 exactly */
    assert_int_equal(v.fast_q64, VOLATILITY_GREATEST_Q64);
    assert_int_equal(v.slow_q64, VOLATILITY_GREATEST_Q64);
}

static int64_t samples(const struct fixture *fixture)
{
    struct market_view market;
    machine_market(fixture->machine, &market);
    return market.samples;
}

/* A sample needs a valid tick at a whole second and one exactly a second before; across a gap, or
 * with a ClockTick at either end, there is none. */
static void sample_needs_both_ends_of_its_second(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_open(NULL);
    fixture_tick(fixture, 1001000, 1000000);
    assert_int_equal(samples(fixture), 0);
    fixture_tick(fixture, 1002000, 1000000);
    assert_int_equal(samples(fixture), 1);
    fixture_tick(fixture, 1002200, 1000000);
    fixture_tick(fixture, 1003200, 1000000); /* a second apart, but not on whole seconds */
    assert_int_equal(samples(fixture), 1);
    fixture_tick(fixture, 1004000, 1000000); /* 1,003,000 is missing */
    assert_int_equal(samples(fixture), 1);
    fixture_clock(fixture, 1005000);
    assert_int_equal(samples(fixture), 1);
    fixture_tick(fixture, 1006000, 1000000); /* 1,005,000 had no price */
    assert_int_equal(samples(fixture), 1);
    fixture_ticks(fixture, 1006000, 1007000, 1000000); /* with all the points between */
    assert_int_equal(samples(fixture), 2);
    fixture_free(fixture);
}

/* On the finest grid the second before is 20 records back and still known. */
static void finest_grid_reaches_a_second_back(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_open("tick_ms=50");
    fixture_ticks(fixture, 1000000, 1003000, 1000000);
    assert_int_equal(samples(fixture), 2); /* at 1,002,000 and 1,003,000 */
    fixture_free(fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(calm_second_lowers_the_estimates),
        cmocka_unit_test(wild_second_raises_the_estimates_in_either_direction),
        cmocka_unit_test(estimates_stay_within_the_clamp),
        cmocka_unit_test(cap_of_r_lies_beyond_the_clamp),
        cmocka_unit_test(sample_needs_both_ends_of_its_second),
        cmocka_unit_test(finest_grid_reaches_a_second_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
