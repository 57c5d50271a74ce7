/* The life of a bet from its hold to its price. Multipliers in the expectations come from a second
 * implementation of section 5, fed with the variances that fixture_market names. */
#include "statemachine/pricing.h"

#include <string.h>

#include "fixture.h"

/* With the default delay of 400 ms: held at once, priced at the first grid record 400 ms later,
 * paid at the close. tau = 1,015,000 - 1,005,600 = 9,400 ms gives m = 237; loss = 2,370,000 -
 * 1,000,000. */
static void bet_is_held_then_priced_then_paid(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_market(NULL);
    const struct tap tap = fixture_tap(fixture, 1, 1015000, FIXTURE_BAND);
    fixture_apply_tap(fixture, &tap);
    fixture_expect(fixture, "post available:1 -1000000 =9000000 BET_HOLD 32\n"
                            "post held:1 +1000000 =1000000 BET_HOLD 32\n"
                            "accepted 32\n");
    fixture_tick(fixture, 1005400, FIXTURE_PRICE_E4);
    fixture_expect(fixture, "");
    fixture_tick(fixture, 1005600, FIXTURE_PRICE_E4);
    fixture_expect(fixture, "post held:1 -1000000 =0 BET_CONFIRM 32\n"
                            "post escrow:1015000 +1000000 =1000000 BET_CONFIRM 32\n"
                            "post bankroll -1370000 =998630000 BET_CONFIRM 32\n"
                            "post reserved:1015000 +1370000 =1370000 BET_CONFIRM 32\n"
                            "confirmed 32 mult=237 payout=2370000\n");
    assert_int_equal(fixture->bet.tick_ms, 1005600);
    assert_int_equal(fixture->bet.price_e4, FIXTURE_PRICE_E4);
    assert_int_equal(fixture->bet.accepted_seq, 32);
    assert_int_equal(fixture->bet.priced_seq, 34);
    assert_int_equal(fixture->bet.lo_e4, 617000000);
    assert_int_equal(fixture->bet.hi_e4, 617200000);
    fixture_ticks(fixture, 1005600, 1010000, FIXTURE_PRICE_E4);
    fixture_expect(fixture, "column 1010000 settled price=617100000 bets=0 stakes=0 paid=0\n");
    fixture_ticks(fixture, 1010000, 1015000, FIXTURE_PRICE_E4);
    fixture_expect(fixture,
                   "post escrow:1015000 -1000000 =0 BET_WIN 32\n"
                   "post reserved:1015000 -1370000 =0 BET_WIN 32\n"
                   "post available:1 +2370000 =11370000 BET_WIN 32\n"
                   "won 32 paid=2370000\n"
                   "column 1015000 settled price=617100000 bets=1 stakes=1000000 paid=2370000\n");
    fixture_free(fixture);
}

/* With delay 0 the bet is priced in its own step at the latest valid tick (tau 9,800 ms: m = 241),
 * and everything about it is told in one record, with one count of lines. */
static void delay_0_prices_in_the_same_step(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_market("pricing_delay_ms=0");
    fixture->time_ms = 1005333;
    const struct tap tap = fixture_tap(fixture, 1, 1015000, FIXTURE_BAND);
    fixture_apply_tap(fixture, &tap);
    fixture_expect(fixture, "post available:1 -1000000 =9000000 BET_HOLD 32\n"
                            "post held:1 +1000000 =1000000 BET_HOLD 32\n"
                            "accepted 32\n"
                            "post held:1 -1000000 =0 BET_CONFIRM 32\n"
                            "post escrow:1015000 +1000000 =1000000 BET_CONFIRM 32\n"
                            "post bankroll -1410000 =998590000 BET_CONFIRM 32\n"
                            "post reserved:1015000 +1410000 =1410000 BET_CONFIRM 32\n"
                            "confirmed 32 mult=241 payout=2410000\n");
    assert_int_equal(fixture->bet.tick_ms, 1005200);
    assert_int_equal(fixture->bet.priced_at_ms, 1005333);
    fixture_free(fixture);
}

/* With delay 0 a tick of exactly 1,000 ms ago still prices, one of 1,001 ms ago does not. */
static void delay_0_takes_no_tick_older_than_a_second(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_market("pricing_delay_ms=0");
    fixture->time_ms = 1006200;
    struct tap tap = fixture_tap(fixture, 1, 1020000, FIXTURE_BAND);
    fixture_apply_tap(fixture, &tap);
    assert_int_equal(fixture->bet.state, BET_CONFIRMED);
    fixture->time_ms = 1006201;
    tap = fixture_tap(fixture, 2, 1020000, FIXTURE_BAND);
    fixture_apply_tap(fixture, &tap);
    fixture_expect(fixture, "post available:2 -1000000 =9000000 BET_HOLD 33\n"
                            "post held:2 +1000000 =1000000 BET_HOLD 33\n"
                            "accepted 33\n"
                            "post held:2 -1000000 =0 BET_RELEASE 33\n"
                            "post available:2 +1000000 =10000000 BET_RELEASE 33\n"
                            "rejected 33 NO_PRICE\n");
    assert_int_equal(fixture->bet.tick_ms, 0);
    fixture_free(fixture);
}

/* A bet waits through ClockTicks until t + D + 2,000 = 1,007,600, inclusive; a valid tick at that
 * very point still prices it. */
static void waits_through_clock_ticks_up_to_two_seconds(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_market(NULL);
    const struct tap tap = fixture_tap(fixture, 1, 1015000, FIXTURE_BAND);
    fixture_apply_tap(fixture, &tap);
    for (int64_t grid_ms = 1005400; grid_ms < 1007600; grid_ms += 200) {
        fixture_clock(fixture, grid_ms);
        fixture_expect(fixture, "");
    }
    fixture_tick(fixture, 1007600, FIXTURE_PRICE_E4);
    assert_int_equal(fixture->bet.state, BET_CONFIRMED);
    assert_int_equal(fixture->bet.tick_ms, 1007600);
    fixture_free(fixture);
}

/* One grid point later it is rejected, even by a valid tick: no price is taken from too far ahead.
 */
static void later_than_two_seconds_is_no_price(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_market(NULL);
    const struct tap tap = fixture_tap(fixture, 1, 1020000, FIXTURE_BAND);
    fixture_apply_tap(fixture, &tap);
    fixture_clock(fixture, 1007600);
    fixture_expect(fixture, "");
    fixture_tick(fixture, 1007800, FIXTURE_PRICE_E4);
    fixture_expect(fixture, "post held:1 -1000000 =0 BET_RELEASE 32\n"
                            "post available:1 +1000000 =10000000 BET_RELEASE 32\n"
                            "rejected 32 NO_PRICE\n");
    fixture_free(fixture);
}

/* A ClockTick too rejects what waited too long. */
static void clock_tick_rejects_what_waited_too_long(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_market(NULL);
    const struct tap tap = fixture_tap(fixture, 1, 1020000, FIXTURE_BAND);
    fixture_apply_tap(fixture, &tap);
    fixture_clock(fixture, 1007800);
    assert_int_equal(fixture->bet.state, BET_REJECTED);
    assert_int_equal(fixture->bet.reason, REASON_NO_PRICE);
    fixture_free(fixture);
}

/* The pricing tick finds the breaker not HEALTHY (a gap of 3,200 ms that it ends itself): BREAKER
 * comes before every other reason. The bet was taken 2,000 ms into the gap. */
static void pricing_tick_after_a_gap_is_breaker(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_market(NULL);
    fixture->time_ms = 1007200;
    const struct tap tap = fixture_tap(fixture, 1, 1015000, 99);
    fixture_apply_tap(fixture, &tap);
    assert_int_equal(fixture->bet.state, BET_ACCEPTED);
    fixture_tick(fixture, 1008400, FIXTURE_PRICE_E4);
    fixture_expect(fixture, "breaker HEALTHY to DEGRADED\n"
                            "post held:1 -1000000 =0 BET_RELEASE 32\n"
                            "post available:1 +1000000 =10000000 BET_RELEASE 32\n"
                            "rejected 32 BREAKER\n");
    fixture_free(fixture);
}

/* Accepted with exactly the lead of 5,000 ms, the pricing tick 400 ms later has 4,600 left. */
static void lead_is_checked_again_at_the_tick(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_market(NULL);
    fixture_ticks(fixture, 1005200, 1010000, FIXTURE_PRICE_E4);
    const struct tap tap = fixture_tap(fixture, 1, 1015000, FIXTURE_BAND);
    fixture_apply_tap(fixture, &tap);
    assert_int_equal(fixture->bet.state, BET_ACCEPTED);
    fixture_ticks(fixture, 1010000, 1010400, FIXTURE_PRICE_E4);
    assert_int_equal(fixture->bet.reason, REASON_TOO_LATE);
    assert_int_equal(fixture->bet.tick_ms, 1010400);
    fixture_free(fixture);
}

static enum reason priced(const char *keys, int64_t band, int64_t min_mult_centi)
{
    struct fixture *fixture = fixture_market(keys);
    struct tap tap = fixture_tap(fixture, 1, 1015000, band);
    tap.min_mult_centi = min_mult_centi;
    fixture_apply_tap(fixture, &tap);
    assert_int_equal(fixture->bet.state, BET_ACCEPTED);
    fixture_ticks(fixture, 1005200, 1005600, FIXTURE_PRICE_E4);
    assert_int_not_equal(fixture->bet.state, BET_ACCEPTED);
    const enum reason reason = fixture->bet.reason;
    fixture_free(fixture);
    return reason;
}

/* Bands: 3 on offer are 3084..3086, so 3083 (m = 14.78) is closed. Multipliers: 3082 with 59.18x is
 * above 50x and closed though its band is on offer; 3083 is open with the usual 21 bands. */
static void closed_cells_are_those_off_the_bands_or_off_the_multipliers(void **state)
{
    (void)state;
    assert_int_equal(priced("bands=3", 3083, 0), REASON_CELL_CLOSED);
    assert_int_equal(priced("bands=3", 3084, 0), REASON_NONE);
    assert_int_equal(priced("bands=3", 3086, 0), REASON_NONE);
    assert_int_equal(priced("bands=3", 3087, 0), REASON_CELL_CLOSED);
    assert_int_equal(priced(NULL, 3083, 0), REASON_NONE);
    assert_int_equal(priced(NULL, 3082, 0), REASON_CELL_CLOSED);
    assert_int_equal(priced(NULL, INT64_MIN, 0), REASON_CELL_CLOSED);
    assert_int_equal(priced(NULL, INT64_MAX, 0), REASON_CELL_CLOSED);
}

/* The multiplier is 237: a signed minimum of 237 is met, 238 is not. */
static void min_mult_is_the_players_own_price_protection(void **state)
{
    (void)state;
    assert_int_equal(priced(NULL, FIXTURE_BAND, 237), REASON_NONE);
    assert_int_equal(priced(NULL, FIXTURE_BAND, 238), REASON_PRICE_MOVED);
    assert_int_equal(priced(NULL, FIXTURE_BAND, -1), REASON_NONE);
}

/* The second bet in a cell is priced with the skew of the first: L = 2,370,000 of a cap of
 * 10,000,000 takes floor(237 * 500 * 2,370,000 / (10,000 * 10,000,000)) = 2 off. Both wait for the
 * same tick and are priced in id order. */
static void earlier_bets_in_the_cell_lower_the_multiplier(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_market("cell_payout_max=10000000");
    for (unsigned player = 1; player <= 2; player++) {
        const struct tap tap = fixture_tap(fixture, player, 1015000, FIXTURE_BAND);
        fixture_apply_tap(fixture, &tap);
    }
    fixture_ticks(fixture, 1005200, 1005600, FIXTURE_PRICE_E4);
    fixture_expect(fixture, "post held:1 -1000000 =0 BET_CONFIRM 32\n"
                            "post escrow:1015000 +1000000 =1000000 BET_CONFIRM 32\n"
                            "post bankroll -1370000 =998630000 BET_CONFIRM 32\n"
                            "post reserved:1015000 +1370000 =1370000 BET_CONFIRM 32\n"
                            "confirmed 32 mult=237 payout=2370000\n"
                            "post held:2 -1000000 =0 BET_CONFIRM 33\n"
                            "post escrow:1015000 +1000000 =2000000 BET_CONFIRM 33\n"
                            "post bankroll -1350000 =997280000 BET_CONFIRM 33\n"
                            "post reserved:1015000 +1350000 =2720000 BET_CONFIRM 33\n"
                            "confirmed 33 mult=235 payout=2350000\n");
    fixture_free(fixture);
}

/* Payout floors: 333,333 micro at 2.37 is 789,999.21, the house keeps the rest. */
static void payout_floors(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_market(NULL);
    struct tap tap = fixture_tap(fixture, 1, 1015000, FIXTURE_BAND);
    tap.stake_micro = 333333;
    fixture_apply_tap(fixture, &tap);
    fixture_ticks(fixture, 1005200, 1005600, FIXTURE_PRICE_E4);
    assert_int_equal(fixture->bet.payout_micro, 789999);
    fixture_free(fixture);
}

/* A Config record rejects what waits, after it came into force; what is confirmed runs on. */
static void config_rejects_all_waiting_bets(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_market(NULL);
    struct tap tap = fixture_tap(fixture, 1, 1015000, FIXTURE_BAND);
    fixture_apply_tap(fixture, &tap);
    fixture_ticks(fixture, 1005200, 1005600, FIXTURE_PRICE_E4);
    assert_int_equal(fixture->bet.state, BET_CONFIRMED);
    for (unsigned player = 2; player <= 3; player++) {
        tap = fixture_tap(fixture, player, 1015000, FIXTURE_BAND);
        fixture_apply_tap(fixture, &tap);
    }
    fixture_config(fixture, "edge_bp=600");
    fixture_expect(fixture, "config 2 W=200000 from=0 before=200000\n"
                            "post held:2 -1000000 =0 BET_RELEASE 35\n"
                            "post available:2 +1000000 =10000000 BET_RELEASE 35\n"
                            "rejected 35 CONFIG_CHANGED\n"
                            "post held:3 -1000000 =0 BET_RELEASE 36\n"
                            "post available:3 +1000000 =10000000 BET_RELEASE 36\n"
                            "rejected 36 CONFIG_CHANGED\n");
    fixture_ticks(fixture, 1005600, 1015000, FIXTURE_PRICE_E4);
    assert_int_equal(fixture->bet.state, BET_WON);
    assert_int_equal(fixture->bet.config, 1);
    fixture_free(fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bet_is_held_then_priced_then_paid),
        cmocka_unit_test(delay_0_prices_in_the_same_step),
        cmocka_unit_test(delay_0_takes_no_tick_older_than_a_second),
        cmocka_unit_test(waits_through_clock_ticks_up_to_two_seconds),
        cmocka_unit_test(later_than_two_seconds_is_no_price),
        cmocka_unit_test(clock_tick_rejects_what_waited_too_long),
        cmocka_unit_test(pricing_tick_after_a_gap_is_breaker),
        cmocka_unit_test(lead_is_checked_again_at_the_tick),
        cmocka_unit_test(closed_cells_are_those_off_the_bands_or_off_the_multipliers),
        cmocka_unit_test(min_mult_is_the_players_own_price_protection),
        cmocka_unit_test(earlier_bets_in_the_cell_lower_the_multiplier),
        cmocka_unit_test(payout_floors),
        cmocka_unit_test(config_rejects_all_waiting_bets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
