#include "statemachine/breaker.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* One row of a hand-worked course: a grid record and the state after it. */
struct row {
    int64_t grid_ms;
    bool valid;
    enum breaker_state after;
};

#define H BREAKER_HEALTHY
#define D BREAKER_DEGRADED
#define C BREAKER_CRITICAL

static void run(struct breaker *breaker, const struct row *rows, size_t count)
{
    struct config config;
    config_defaults(&config);
    for (size_t i = 0; i < count; i++) {
        breaker_step(breaker, &config, rows[i].grid_ms, rows[i].valid);
        if (breaker->state != rows[i].after) {
            fail_msg("row %zu, grid time %lld: state %d, not %d", i, (long long)rows[i].grid_ms,
                     (int)breaker->state, (int)rows[i].after);
        }
    }
}

#define RUN(breaker, rows) run(breaker, rows, sizeof(rows) / sizeof((rows)[0]))

static const struct breaker genesis = {.state = BREAKER_DEGRADED};

/* Genesis is DEGRADED; the first tick starts the 5 s; they are over at exactly 5,000 ms. */
static void first_bet_comes_five_seconds_after_the_first_tick(void **state)
{
    (void)state;
    struct breaker breaker = genesis;
    const struct row rows[] = {
        {1000, true, D}, {3600, true, D}, {5800, true, D}, {6000, true, H}, {6200, true, H},
    };
    RUN(&breaker, rows);
    assert_int_equal(breaker.since_ms, 6000);
}

/* Without any tick there is no age: it stays DEGRADED for hours, never CRITICAL. */
static void without_a_tick_it_stays_degraded(void **state)
{
    (void)state;
    struct breaker breaker = genesis;
    const struct row rows[] = {{1000, false, D}, {20000, false, D}, {7200000, false, D}};
    RUN(&breaker, rows);
}

/* The thresholds are strict: age 3,000 keeps HEALTHY, 3,200 does not; 10,000 keeps DEGRADED, 10,200
 * is CRITICAL. */
static void gaps_of_exactly_3000_and_10000_ms_change_nothing(void **state)
{
    (void)state;
    struct breaker breaker = {.state = H, .last_ms = 100000, .stable_since_ms = 90000};
    const struct row rows[] = {
        {103000, false, H},
        {103200, false, D},
        {110000, false, D},
        {110200, false, C},
    };
    RUN(&breaker, rows);
    assert_int_equal(breaker.since_ms, 110200);
}

/* A valid tick that ends a gap of exactly 3,000 ms does not start the stable time anew; 3,200 does.
 */
static void gap_of_exactly_3000_ms_keeps_the_stable_time(void **state)
{
    (void)state;
    struct breaker breaker = {.state = D, .last_ms = 100000, .stable_since_ms = 100000};
    const struct row kept[] = {{103000, true, D}, {105000, true, H}};
    RUN(&breaker, kept);
    breaker = (struct breaker){.state = D, .last_ms = 100000, .stable_since_ms = 100000};
    const struct row anew[] = {
        {103200, true, D},
        {105000, true, D},
        {108000, true, D},
        {108200, true, H},
    };
    RUN(&breaker, anew);
}

/* A feed that flaps: silent 9 s, 11 s, 9 s with single ticks between. The first gap degrades, the
 * second is critical, and single ticks 9 s apart never count as stable: 30 s in one piece are
 * needed, and it never passes through DEGRADED on the way. 100.0 HEALTHY; silent until 109.0: age
 * 3,200 at 103.2 DEGRADED, stable anew at 109.0 silent until 120.0: age 10,200 at 119.2 CRITICAL,
 * stable anew at 120.0 silent until 129.0: stable anew at 129.0 then a tick each second: 159.0 -
 * 129.0 = 30,000 HEALTHY. */
static void flapping_feed_reopens_only_after_30_stable_seconds(void **state)
{
    (void)state;
    struct breaker breaker = {.state = H, .last_ms = 100000, .stable_since_ms = 50000};
    const struct row flaps[] = {
        {103000, false, H}, {103200, false, D}, {109000, true, D},
        {112000, false, D}, {119000, false, D}, {119200, false, C},
        {120000, true, C},  {123200, false, C}, {129000, true, C},
    };
    RUN(&breaker, flaps);
    for (int64_t grid_ms = 130000; grid_ms < 159000; grid_ms += 1000) {
        const struct row row[] = {{grid_ms, true, C}};
        RUN(&breaker, row);
    }
    const struct row last[] = {{158800, false, C}, {159000, true, H}};
    RUN(&breaker, last);
    assert_int_equal(breaker.since_ms, 159000);
}

/* One record after a long silence finds both at once: by the old age CRITICAL, and a tick alone
 * does not heal it. */
static void record_after_a_long_stall_is_critical_even_when_valid(void **state)
{
    (void)state;
    struct breaker breaker = {.state = H, .last_ms = 100000, .stable_since_ms = 50000};
    const struct row rows[] = {{110200, true, C}, {113200, true, C}};
    RUN(&breaker, rows);
    assert_int_equal(breaker.stable_since_ms, 110200);
}

/* A gap of 10,000 ms ended by a valid tick is DEGRADED, never CRITICAL, and heals after 5 s. */
static void gap_of_exactly_10000_ms_heals_as_degraded(void **state)
{
    (void)state;
    struct breaker breaker = {.state = H, .last_ms = 100000, .stable_since_ms = 50000};
    const struct row rows[] = {
        {110000, true, D},
        {112800, true, D},
        {114800, true, D},
        {115000, true, H},
    };
    RUN(&breaker, rows);
}

/* From DEGRADED a worsening feed still goes on to CRITICAL, and from there only the 30 s lead out.
 */
static void degraded_goes_on_to_critical(void **state)
{
    (void)state;
    struct breaker breaker = {.state = D, .last_ms = 100000, .stable_since_ms = 98000};
    const struct row rows[] = {
        {110200, false, C}, {110400, true, C}, {113400, true, C}, {116400, true, C}};
    RUN(&breaker, rows);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(first_bet_comes_five_seconds_after_the_first_tick),
        cmocka_unit_test(without_a_tick_it_stays_degraded),
        cmocka_unit_test(gaps_of_exactly_3000_and_10000_ms_change_nothing),
        cmocka_unit_test(gap_of_exactly_3000_ms_keeps_the_stable_time),
        cmocka_unit_test(flapping_feed_reopens_only_after_30_stable_seconds),
        cmocka_unit_test(record_after_a_long_stall_is_critical_even_when_valid),
        cmocka_unit_test(gap_of_exactly_10000_ms_heals_as_degraded),
        cmocka_unit_test(degraded_goes_on_to_critical),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
