/* Columns, bands and the change of W. */
#include "statemachine/grid.h"

#include <stdlib.h>
#include <string.h>

#include "fixture.h"

/* K = floor(t / 5,000) * 5,000, also before the epoch; on offer are the 12 after it. */
static void columns_on_offer_follow_the_boundary(void **state)
{
    (void)state;
    struct config config;
    config_defaults(&config);
    assert_int_equal(grid_boundary(&config, 1000000), 1000000);
    assert_int_equal(grid_boundary(&config, 1004999), 1000000);
    assert_int_equal(grid_boundary(&config, -1), -5000);
    assert_int_equal(grid_last_offered(&config, 1004999), 1060000);
    assert_true(grid_last_offered(&config, INT64_MAX) == INT64_MAX);
    assert_true(grid_boundary(&config, INT64_MIN) == INT64_MIN);
}

/* Bands are half open and floor below zero too; bounds saturate. */
static void band_covers_its_half_open_range(void **state)
{
    (void)state;
    assert_int_equal(grid_band_of(199999, 200000), 0);
    assert_int_equal(grid_band_of(200000, 200000), 1);
    assert_int_equal(grid_band_of(-1, 200000), -1);
    int64_t lo;
    int64_t hi;
    grid_bounds(-1, 200000, &lo, &hi);
    assert_int_equal(lo, -200000);
    assert_int_equal(hi, 0);
    grid_bounds(INT64_MAX, 200000, &lo, &hi);
    assert_true(lo == INT64_MAX);
    assert_true(hi == INT64_MAX);
    grid_bounds(INT64_MIN, 200000, &lo, &hi);
    assert_true(lo == INT64_MIN);
}

/* 21 bands: ten to each side of the price's own. */
static void bands_on_offer_are_centred_on_the_price(void **state)
{
    (void)state;
    struct config config;
    config_defaults(&config);
    assert_true(grid_band_on_offer(&config, 3075, 617000000, 200000));
    assert_true(grid_band_on_offer(&config, 3095, 617199999, 200000));
    assert_false(grid_band_on_offer(&config, 3074, 617000000, 200000));
    assert_false(grid_band_on_offer(&config, 3096, 617199999, 200000));
}

static int64_t width_shown(const struct fixture *fixture, int64_t column_ms)
{
    static struct grid_view view;
    machine_grid(fixture->machine, &view);
    for (uint32_t i = 0; i < view.column_count; i++) {
        if (view.columns[i].column_ms == column_ms) {
            return view.columns[i].band_e4;
        }
    }
    fail_msg("column %lld is not on offer", (long long)column_ms);
    return 0;
}

/* At 1,005,200 columns up to 1,065,000 are on offer, so a new W starts at F = 1,070,000. Columns
 * before keep the old one, a confirmed bet too; until engine time reaches F no other change is
 * taken. */
static void new_width_starts_with_the_first_column_never_on_offer(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_market(NULL);
    fixture_config(fixture, "band_e4=100000");
    fixture_expect(fixture, "config 2 W=100000 from=1070000 before=200000\n");
    assert_int_equal(width_shown(fixture, 1065000), 200000);
    struct tap tap = fixture_tap(fixture, 1, 1065000, FIXTURE_BAND);
    fixture_apply_tap(fixture, &tap);
    fixture_ticks(fixture, 1005200, 1010000, FIXTURE_PRICE_E4);
    assert_int_equal(fixture->bet.state, BET_CONFIRMED);
    assert_int_equal(fixture->bet.lo_e4, 617000000);
    assert_int_equal(fixture->bet.hi_e4, 617200000);
    assert_int_equal(width_shown(fixture, 1065000), 200000);
    assert_int_equal(width_shown(fixture, 1070000), 100000);
    tap = fixture_tap(fixture, 2, 1070000, 6171);
    fixture_apply_tap(fixture, &tap);
    assert_int_equal(fixture->bet.lo_e4, 617100000);
    assert_int_equal(fixture->bet.hi_e4, 617200000);

    fixture->time_ms = 1069999;
    fixture_config(fixture, "band_e4=200000");
    fixture_expect(fixture,
                   "config refused TOO_EARLY: band_e4: the last change has not taken effect yet\n");
    fixture_config(fixture, "band_e4=100000,edge_bp=600"); /* W as it is: not a change of it */
    assert_int_equal(strncmp(fixture->text, "config 3 W=100000 from=1070000 before=200000\n", 45),
                     0);
    fixture->time_ms = 1070000;
    fixture_config(fixture, "band_e4=300000");
    fixture_expect(fixture, "config 4 W=300000 from=1135000 before=100000\n");
    fixture_free(fixture);
}

/* `columns` went from 60 to 3 a moment ago: up to 1,300,000 was on offer once and may hold bets, so
 * the new W starts after that, not after the three that are on offer now. */
static void width_respects_columns_that_were_on_offer_earlier(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_market("columns=60");
    fixture_config(fixture, "columns=3");
    fixture_config(fixture, "band_e4=100000,columns=60");
    fixture_expect(fixture, "config 3 W=100000 from=1310000 before=200000\n");
    fixture_free(fixture);
}

/* A confirmed column keeps its W even when, without any tick, engine time passes F and W changes
 * again. */
static void confirmed_column_keeps_its_width_through_two_changes(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_market(NULL);
    const struct tap tap = fixture_tap(fixture, 1, 1015000, FIXTURE_BAND);
    fixture_apply_tap(fixture, &tap);
    fixture_tick(fixture, 1005600, FIXTURE_PRICE_E4);
    fixture_config(fixture, "band_e4=100000");
    fixture->time_ms = 1200000;
    fixture_config(fixture, "band_e4=300000");
    struct bet bet;
    assert_true(machine_open_bet(fixture->machine, 32, &bet));
    assert_int_equal(bet.lo_e4, 617000000);
    fixture_clock(fixture, 1200000);
    assert_int_equal(fixture->bet.lo_e4, 617000000);
    assert_non_null(strstr(fixture->text, "column 1015000 DOWN"));
    fixture_free(fixture);
}

/* Nobody bet on 1,015,000 (W 200,000). Engine time passes F while its grid record is held up, and
 * W changes again: the late record still announces it with its own W, and a column of the first
 * change with that one. */
static void late_column_without_bets_keeps_its_width_through_two_changes(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_market(NULL);
    fixture_config(fixture, "band_e4=100000");
    fixture_expect(fixture, "config 2 W=100000 from=1070000 before=200000\n");
    fixture->time_ms = 1200000;
    fixture_config(fixture, "band_e4=300000");
    fixture_expect(fixture, "config 3 W=300000 from=1265000 before=100000\n");
    fixture_clock(fixture, 1015000);
    assert_int_equal(fixture->column.column_ms, 1015000);
    assert_int_equal(fixture->column.band_e4, 200000);
    fixture_clock(fixture, 1070000);
    assert_int_equal(fixture->column.column_ms, 1070000);
    assert_int_equal(fixture->column.band_e4, 100000);
    fixture_clock(fixture, 1265000);
    assert_int_equal(fixture->column.band_e4, 300000);
    fixture_free(fixture);
}

/* The grid on show: 12 columns, offered cells only, the first open column as time + delay + lead
 * says. */
static void grid_shows_the_offered_cells(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_market(NULL);
    static struct grid_view view;
    machine_grid(fixture->machine, &view);
    assert_int_equal(view.column_count, 12);
    assert_int_equal(view.tick_ms, 1005200);
    assert_int_equal(view.columns[0].column_ms, 1010000);
    assert_false(view.columns[0].open);
    assert_true(view.columns[1].open); /* 1,005,200 + 400 + 5,000 <= 1,015,000 */
    /* tau 9,800: 3085 pays 2.41, its neighbours 4.25, then 14.30; 55.76 is above the greatest. */
    const struct column_view *column = &view.columns[1];
    assert_int_equal(column->cell_count, 5);
    const uint32_t expected[] = {1430, 425, 241, 425, 1430};
    for (uint32_t i = 0; i < 5; i++) {
        assert_int_equal(column->cells[i].band, 3083 + i);
        assert_int_equal(column->cells[i].mult_centi, expected[i]);
        assert_int_equal(column->cells[i].lo_e4, (3083 + i) * 200000);
    }
    fixture_free(fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(columns_on_offer_follow_the_boundary),
        cmocka_unit_test(band_covers_its_half_open_range),
        cmocka_unit_test(bands_on_offer_are_centred_on_the_price),
        cmocka_unit_test(new_width_starts_with_the_first_column_never_on_offer),
        cmocka_unit_test(width_respects_columns_that_were_on_offer_earlier),
        cmocka_unit_test(confirmed_column_keeps_its_width_through_two_changes),
        cmocka_unit_test(late_column_without_bets_keeps_its_width_through_two_changes),
        cmocka_unit_test(grid_shows_the_offered_cells),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
