/* Settlement worked by hand. The column is 1,015,000; its five ticks are 1,014,200 .. 1,015,000.
 * Bets: player 1 on band 3085 (617,000,000 .. 617,199,999 e4), player 2 on band 3086, 1 USD each.
 */
#include "statemachine/settle.h"

#include <stdio.h>
#include <string.h>

#include "fixture.h"

#define T 1015000

/* What happens at one of the five grid points. */
struct point {
    enum {
        TICK,
        CLOCK,
        NOTHING
    } kind;
    int64_t price_e4;
    uint32_t set;
};

/* A market with the two bets confirmed and every tick up to T - 1,000. */
static struct fixture *with_two_bets(void)
{
    struct fixture *fixture = fixture_market(NULL);
    for (unsigned player = 1; player <= 2; player++) {
        const struct tap tap = fixture_tap(fixture, player, T, FIXTURE_BAND + (int)player - 1);
        fixture_apply_tap(fixture, &tap);
    }
    fixture_ticks(fixture, 1005200, 1005600, FIXTURE_PRICE_E4);
    assert_int_equal(fixture->bet.state, BET_CONFIRMED);
    fixture_ticks(fixture, 1005600, T - 1000, FIXTURE_PRICE_E4);
    return fixture;
}

static struct fixture *settled(const struct point *points)
{
    struct fixture *fixture = with_two_bets();
    for (int i = 0; i < 5; i++) {
        const int64_t grid_ms = T - 800 + 200 * i;
        switch (points[i].kind) {
        case TICK:
            fixture_tick_set(fixture, grid_ms, points[i].price_e4,
                             points[i].set == 0 ? FIXTURE_SET : points[i].set);
            break;
        case CLOCK:
            fixture_clock(fixture, grid_ms);
            break;
        case NOTHING:
            break;
        }
    }
    return fixture;
}

/* The price of a column that must have settled. */
static int64_t price_of(const struct point *points)
{
    struct fixture *fixture = settled(points);
    assert_int_equal(fixture->column.column_ms, T);
    assert_false(fixture->column.is_void);
    assert_int_equal(fixture->column.bets, 2);
    const int64_t price_e4 = fixture->column.price_e4;
    fixture_free(fixture);
    return price_e4;
}

/* Five valid ticks, in any order: the third by size. */
static void five_ticks_give_the_median(void **state)
{
    (void)state;
    const struct point points[] = {{TICK, 617000005, 0},
                                   {TICK, 617000001, 0},
                                   {TICK, 617000004, 0},
                                   {TICK, 617000002, 0},
                                   {TICK, 617000003, 0}};
    assert_int_equal(price_of(points), 617000003);
}

/* Four: the mean of the middle two, floored: (617,000,002 + 617,000,005) / 2 = 617,000,003.5. */
static void even_count_gives_the_floor_of_the_middle_two(void **state)
{
    (void)state;
    const struct point points[] = {{TICK, 617000009, 0},
                                   {TICK, 617000001, 0},
                                   {CLOCK, 0, 0},
                                   {TICK, 617000002, 0},
                                   {TICK, 617000005, 0}};
    assert_int_equal(price_of(points), 617000003);
}

/* Three are enough, also without T or without T - 200, and a point that was never written counts
 * like a ClockTick. */
static void three_ticks_with_one_of_the_last_two_are_enough(void **state)
{
    (void)state;
    const struct point without_last[] = {{TICK, 617000001, 0},
                                         {NOTHING, 0, 0},
                                         {TICK, 617000002, 0},
                                         {TICK, 617000003, 0},
                                         {CLOCK, 0, 0}};
    assert_int_equal(price_of(without_last), 617000002);
    const struct point without_fourth[] = {{TICK, 617000001, 0},
                                           {CLOCK, 0, 0},
                                           {TICK, 617000002, 0},
                                           {NOTHING, 0, 0},
                                           {TICK, 617000003, 0}};
    assert_int_equal(price_of(without_fourth), 617000002);
}

/* A price on the edge lies in the upper band only: 617,200,000 = 3086 * 200,000. Band
 * 3085 lost, band 3086 won. m(3085) = 237, m(3086) = 425; the column's largest band is 4,250,000
 * against stakes of 2,000,000, so 2,250,000 are reserved; the winner takes all of it. */
static void tie_at_an_edge_pays_the_upper_band_only(void **state)
{
    (void)state;
    const struct point points[] = {{TICK, 617200000, 0},
                                   {TICK, 617200000, 0},
                                   {TICK, 617200000, 0},
                                   {TICK, 617200000, 0},
                                   {TICK, 617200000, 0}};
    struct fixture *fixture = settled(points);
    fixture_expect(fixture,
                   "lost 32\n"
                   "post escrow:1015000 -2000000 =0 BET_WIN 33\n"
                   "post reserved:1015000 -2250000 =0 BET_WIN 33\n"
                   "post available:2 +4250000 =13250000 BET_WIN 33\n"
                   "won 33 paid=4250000\n"
                   "column 1015000 settled price=617200000 bets=2 stakes=2000000 paid=4250000\n");
    assert_int_equal(fixture->column.band, 3086);
    fixture_free(fixture);
}

/* One below the edge the lower band wins: 2,370,000, of it 2,000,000 from escrow; what is left of
 * the reserve goes back to the house. */
static void price_below_the_edge_pays_the_lower_band(void **state)
{
    (void)state;
    const struct point points[] = {{TICK, 617199999, 0},
                                   {TICK, 617199999, 0},
                                   {TICK, 617199999, 0},
                                   {TICK, 617199999, 0},
                                   {TICK, 617199999, 0}};
    struct fixture *fixture = settled(points);
    fixture_expect(fixture,
                   "post escrow:1015000 -2000000 =0 BET_WIN 32\n"
                   "post reserved:1015000 -370000 =1880000 BET_WIN 32\n"
                   "post available:1 +2370000 =11370000 BET_WIN 32\n"
                   "won 32 paid=2370000\n"
                   "lost 33\n"
                   "post reserved:1015000 -1880000 =0 COLUMN 1015000\n"
                   "post bankroll +1880000 =999630000 COLUMN 1015000\n"
                   "column 1015000 settled price=617199999 bets=2 stakes=2000000 paid=2370000\n");
    fixture_free(fixture);
}

/* Nobody wins: the stakes go to the house. 617,400,000 is in band 3087. */
static void stakes_of_a_column_without_winner_go_to_the_house(void **state)
{
    (void)state;
    const struct point points[] = {{TICK, 617400000, 0},
                                   {TICK, 617400000, 0},
                                   {TICK, 617400000, 0},
                                   {TICK, 617400000, 0},
                                   {TICK, 617400000, 0}};
    struct fixture *fixture = settled(points);
    fixture_expect(fixture,
                   "lost 32\n"
                   "lost 33\n"
                   "post escrow:1015000 -2000000 =0 COLUMN 1015000\n"
                   "post reserved:1015000 -2250000 =0 COLUMN 1015000\n"
                   "post bankroll +4250000 =1002000000 COLUMN 1015000\n"
                   "column 1015000 settled price=617400000 bets=2 stakes=2000000 paid=0\n");
    fixture_free(fixture);
}

/* The void with this reason; stakes are back, and the house has what it had. */
static void expect_void(struct fixture *fixture, enum reason reason, int64_t price_e4)
{
    char expected[1024];
    snprintf(expected, sizeof expected,
             "post escrow:1015000 -1000000 =1000000 BET_VOID 32\n"
             "post available:1 +1000000 =10000000 BET_VOID 32\n"
             "void 32 %s\n"
             "post escrow:1015000 -1000000 =0 BET_VOID 33\n"
             "post available:2 +1000000 =10000000 BET_VOID 33\n"
             "void 33 %s\n"
             "post reserved:1015000 -2250000 =0 COLUMN 1015000\n"
             "post bankroll +2250000 =1000000000 COLUMN 1015000\n"
             "column 1015000 %s price=%lld bets=2 stakes=2000000 paid=2000000\n",
             reason_text(reason), reason_text(reason), reason_text(reason), (long long)price_e4);
    /* A breaker that changes tells so first. */
    const char *told =
        strncmp(fixture->text, "breaker", 7) == 0 ? strchr(fixture->text, '\n') + 1 : fixture->text;
    assert_string_equal(told, expected);
    assert_int_equal(fixture->bet.paid_micro, 1000000);
    fixture_free(fixture);
}

/* Two valid ticks, or none, define no price. */
static void fewer_than_three_ticks_void(void **state)
{
    (void)state;
    const struct point two[] = {
        {CLOCK, 0, 0}, {CLOCK, 0, 0}, {CLOCK, 0, 0}, {TICK, 617100000, 0}, {TICK, 617100000, 0}};
    expect_void(settled(two), REASON_NO_TICKS, 0);
    const struct point none[] = {
        {CLOCK, 0, 0}, {CLOCK, 0, 0}, {CLOCK, 0, 0}, {CLOCK, 0, 0}, {CLOCK, 0, 0}};
    expect_void(settled(none), REASON_NO_TICKS, 0);
}

/* Three valid ticks, but neither of the last two: the price would be half a second old. */
static void neither_of_the_last_two_ticks_voids(void **state)
{
    (void)state;
    const struct point points[] = {{TICK, 617100000, 0},
                                   {TICK, 617100000, 0},
                                   {TICK, 617100000, 0},
                                   {CLOCK, 0, 0},
                                   {CLOCK, 0, 0}};
    expect_void(settled(points), REASON_NO_TICKS, 0);
}

/* No record at T itself: the engine was down across it, however good the ticks are before and
 * after. The column keeps the four ticks that the journal has. */
static void no_record_at_the_close_voids_as_down(void **state)
{
    (void)state;
    const struct point points[] = {{TICK, 617100000, 0},
                                   {TICK, 617100000, 0},
                                   {TICK, 617100000, 0},
                                   {TICK, 617100000, 0},
                                   {NOTHING, 0, 0}};
    struct fixture *fixture = settled(points);
    fixture_tick(fixture, T + 200, FIXTURE_PRICE_E4);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(fixture->column.ticks[i].price_e4, 617100000);
        assert_int_equal(fixture->column.ticks[i].time_ms, T - 800 + 200 * i);
    }
    assert_int_equal(fixture->column.ticks[4].price_e4, 0);
    expect_void(fixture, REASON_DOWN, 0);
}

/* Down for hours: the first record, even a ClockTick, voids it. */
static void first_record_after_hours_voids_as_down(void **state)
{
    (void)state;
    struct fixture *fixture = with_two_bets();
    fixture_clock(fixture, 8000200);
    expect_void(fixture, REASON_DOWN, 0);
}

/* The breaker must be HEALTHY after its step of the record at T. The feed is silent from 1,005,800
 * on for 8,400 ms, so that the five ticks come while it is DEGRADED: all there, all good, and void.
 */
static void degraded_breaker_at_the_close_voids(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_market(NULL);
    for (unsigned player = 1; player <= 2; player++) {
        const struct tap tap = fixture_tap(fixture, player, T, FIXTURE_BAND + (int)player - 1);
        fixture_apply_tap(fixture, &tap);
    }
    fixture_ticks(fixture, 1005200, 1005800, FIXTURE_PRICE_E4);
    fixture_ticks(fixture, 1014000, T, FIXTURE_PRICE_E4);
    expect_void(fixture, REASON_BREAKER, 617100000);
}

/* Two consecutive valid ticks with other sources and more than half a band apart (2 * 100,001 >
 * 200,000); the invalid one between them does not hide the jump, and the first and the last of the
 * five count too. */
static void jump_with_other_sources_voids(void **state)
{
    (void)state;
    const struct point jump[] = {{TICK, 617000000, 3},
                                 {TICK, 617000000, 3},
                                 {TICK, 617100001, 5},
                                 {TICK, 617100001, 5},
                                 {TICK, 617100001, 5}};
    expect_void(settled(jump), REASON_SOURCE_JUMP, 617100001);
    const struct point first[] = {{TICK, 617000000, 3},
                                  {TICK, 617100001, 5},
                                  {TICK, 617100001, 5},
                                  {TICK, 617100001, 5},
                                  {TICK, 617100001, 5}};
    expect_void(settled(first), REASON_SOURCE_JUMP, 617100001);
    const struct point last[] = {{TICK, 617100001, 3},
                                 {TICK, 617100001, 3},
                                 {TICK, 617100001, 3},
                                 {TICK, 617100001, 3},
                                 {TICK, 617000000, 5}};
    expect_void(settled(last), REASON_SOURCE_JUMP, 617100001);
    const struct point hidden[] = {{TICK, 617100001, 3},
                                   {TICK, 617100001, 3},
                                   {CLOCK, 0, 0},
                                   {TICK, 617000000, 5},
                                   {TICK, 617000000, 5}};
    expect_void(settled(hidden), REASON_SOURCE_JUMP, 617050000);
}

/* Exactly half a band is no jump; nor is any move of the same sources, or a change of sources in
 * place. */
static void half_a_band_or_the_same_sources_settle(void **state)
{
    (void)state;
    const struct point half[] = {{TICK, 617000000, 3},
                                 {TICK, 617000000, 3},
                                 {TICK, 617100000, 5},
                                 {TICK, 617100000, 5},
                                 {TICK, 617100000, 5}};
    assert_int_equal(price_of(half), 617100000);
    const struct point same[] = {{TICK, 617000000, 3},
                                 {TICK, 617000000, 3},
                                 {TICK, 618000000, 3},
                                 {TICK, 618000000, 3},
                                 {TICK, 618000000, 3}};
    assert_int_equal(price_of(same), 618000000);
}

/* The order of the reasons: at T with too few ticks and a breaker that is not HEALTHY it is
 * NO_TICKS; with a jump and a bad breaker it is BREAKER. */
static void first_reason_that_holds_is_told(void **state)
{
    (void)state;
    struct fixture *fixture = with_two_bets();
    fixture_config(fixture, "degraded_ms=1000");
    fixture_clock(fixture, T - 200);
    fixture_tick(fixture, T, 617100000); /* age 1,000 + 0: HEALTHY still, but one tick only */
    expect_void(fixture, REASON_NO_TICKS, 0);

    fixture = fixture_market(NULL);
    for (unsigned player = 1; player <= 2; player++) {
        const struct tap tap = fixture_tap(fixture, player, T, FIXTURE_BAND + (int)player - 1);
        fixture_apply_tap(fixture, &tap);
    }
    fixture_ticks(fixture, 1005200, 1005600, FIXTURE_PRICE_E4);
    fixture_tick_set(fixture, T - 400, 617000000, 3);
    fixture_tick_set(fixture, T - 200, 617400000, 5);
    fixture_tick_set(fixture, T, 617400000, 5);
    expect_void(fixture, REASON_BREAKER, 617400000);
}

/* Columns that a stall left behind settle together, T ascending, before the one that closes now. */
static void columns_left_behind_settle_in_order(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_market(NULL);
    for (int i = 2; i >= 0; i--) {
        const struct tap tap = fixture_tap(fixture, 1, T + 5000 * i, FIXTURE_BAND);
        fixture_apply_tap(fixture, &tap);
    }
    fixture_ticks(fixture, 1005200, 1005600, FIXTURE_PRICE_E4);
    fixture_clock(fixture, T + 10000);
    const char *first = strstr(fixture->text, "column 1015000 DOWN");
    const char *second = strstr(fixture->text, "column 1020000 DOWN");
    const char *third = strstr(fixture->text, "column 1025000 NO_TICKS");
    assert_true(first != NULL && second > first && third > second);
    fixture_free(fixture);
}

/* A column without bets is announced when its own record comes, with state and price as the rules
 * give; when that record never comes, it is not announced at all. */
static void empty_column_is_announced_at_its_own_record_only(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_market(NULL);
    fixture_ticks(fixture, 1005200, 1009800, FIXTURE_PRICE_E4);
    fixture_clock(fixture, 1010000);
    fixture_expect(fixture, "column 1010000 settled price=617100000 bets=0 stakes=0 paid=0\n");
    fixture_tick(fixture, 1015200, FIXTURE_PRICE_E4);
    fixture_expect(fixture, "breaker HEALTHY to DEGRADED\n");
    fixture_free(fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(five_ticks_give_the_median),
        cmocka_unit_test(even_count_gives_the_floor_of_the_middle_two),
        cmocka_unit_test(three_ticks_with_one_of_the_last_two_are_enough),
        cmocka_unit_test(tie_at_an_edge_pays_the_upper_band_only),
        cmocka_unit_test(price_below_the_edge_pays_the_lower_band),
        cmocka_unit_test(stakes_of_a_column_without_winner_go_to_the_house),
        cmocka_unit_test(fewer_than_three_ticks_void),
        cmocka_unit_test(neither_of_the_last_two_ticks_voids),
        cmocka_unit_test(no_record_at_the_close_voids_as_down),
        cmocka_unit_test(first_record_after_hours_voids_as_down),
        cmocka_unit_test(degraded_breaker_at_the_close_voids),
        cmocka_unit_test(jump_with_other_sources_voids),
        cmocka_unit_test(half_a_band_or_the_same_sources_settle),
        cmocka_unit_test(first_reason_that_holds_is_told),
        cmocka_unit_test(columns_left_behind_settle_in_order),
        cmocka_unit_test(empty_column_is_announced_at_its_own_record_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
