#include "replay/tally.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static const struct input at = {.seq = 50, .time_ms = 1000};

static void tell_bet(struct tally *tally, enum event_kind kind, const struct bet *bet)
{
    const struct event event = {.kind = kind, .of.bet = bet};
    tally_event(tally, &at, &event);
}

/* A whole life: tapped, accepted, confirmed, won or lost. */
static void play(struct tally *tally, uint64_t id, uint32_t mult_centi, int64_t stake, bool won)
{
    struct bet bet = {.bet = id, .stake_micro = stake, .mult_centi = mult_centi};
    tally_tap(tally, id);
    tell_bet(tally, EVENT_BET_ACCEPTED, &bet);
    tell_bet(tally, EVENT_BET_CONFIRMED, &bet);
    bet.state = won ? BET_WON : BET_LOST;
    bet.paid_micro = won ? stake * mult_centi / 100 : 0;
    tell_bet(tally, EVENT_BET_SETTLED, &bet);
}

static void close_column(struct tally *tally, int64_t column_ms)
{
    const struct column_result column = {.column_ms = column_ms};
    const struct event event = {.kind = EVENT_COLUMN_SETTLED, .of.column = &column};
    tally_event(tally, &at, &event);
}

/* Each multiplier on offer is in exactly one bucket, the one whose bounds hold it: 105 to 5,000. */
static void every_multiplier_has_its_bucket(void **state)
{
    (void)state;
    assert_int_equal(tally_bucket_from_centi(0), 105);
    assert_int_equal(tally_bucket_from_centi(TALLY_BUCKETS), 5001);
    for (uint32_t mult = 105; mult <= 5000; mult++) {
        struct tally tally = {.first_seq = 1, .last_seq = 9};
        play(&tally, 1, mult, 100, true);
        for (int i = 0; i < TALLY_BUCKETS; i++) {
            const bool inside =
                mult >= tally_bucket_from_centi(i) && mult < tally_bucket_from_centi(i + 1);
            assert_int_equal(tally.buckets[i].bets, inside ? 1 : 0);
        }
        assert_int_equal(tally.all.bets, 1);
    }
}

/* Return and interval of three columns, worked by hand: stakes 100, 200, 100, payouts 0, 400, 0.
 * R = 400 / 400 = 1. Residuals -100, 200, -100: squares 60,000. 1.96 * sqrt(3 / 2 * 60,000) / 400 =
 * 1.96 * 300 / 400 = 1.47. */
static void the_interval_is_of_columns_not_of_bets(void **state)
{
    (void)state;
    struct tally tally = {.first_seq = 1, .last_seq = 99};
    play(&tally, 1, 200, 50, false);
    play(&tally, 2, 200, 50, false);
    close_column(&tally, 5000);
    play(&tally, 3, 200, 100, true);
    play(&tally, 4, 200, 100, true);
    close_column(&tally, 10000);
    play(&tally, 5, 200, 100, false);
    close_column(&tally, 15000);
    const struct tally_return all = tally_return_of(&tally.all);
    assert_true(all.known);
    assert_int_equal(all.return_bp, 10000);
    assert_true(all.has_interval);
    assert_int_equal(all.error_bp, 14700);
    assert_true(all.few);
    assert_int_equal(tally.all.columns, 3);
    assert_int_equal(tally.all.won, 2);
    assert_int_equal(tally_house_micro(&tally), 0);
    assert_int_equal(tally.worst_column_ms, 10000);
    assert_int_equal(tally.worst_result_micro, -200);
}

/* Nothing staked has no return, and one column alone no interval: neither is shown as zero. */
static void what_is_not_known_is_not_zero(void **state)
{
    (void)state;
    struct tally tally = {.first_seq = 1, .last_seq = 9};
    assert_false(tally_return_of(&tally.all).known);
    play(&tally, 1, 300, 100, false);
    close_column(&tally, 5000);
    const struct tally_return one = tally_return_of(&tally.all);
    assert_true(one.known);
    assert_int_equal(one.return_bp, 0);
    assert_false(one.has_interval);
    assert_true(one.few);
}

/* offered = rejected + won + lost + void + open, with every kind of end in it. */
static void every_offered_bet_ends_in_one_place(void **state)
{
    (void)state;
    struct tally tally = {.first_seq = 1, .last_seq = 99};
    play(&tally, 1, 200, 100, true);
    play(&tally, 2, 200, 100, false);
    struct bet bet = {.bet = 3, .stake_micro = 70};
    tally_tap(&tally, 3); /* refused in its own step */
    bet.state = BET_REJECTED;
    bet.reason = REASON_LIMIT;
    tell_bet(&tally, EVENT_BET_REJECTED, &bet);
    bet = (struct bet){.bet = 4, .stake_micro = 70};
    tally_tap(&tally, 4); /* rejected when it was priced */
    tell_bet(&tally, EVENT_BET_ACCEPTED, &bet);
    bet.reason = REASON_PRICE_MOVED;
    tell_bet(&tally, EVENT_BET_REJECTED, &bet);
    bet = (struct bet){.bet = 5, .stake_micro = 70};
    tally_tap(&tally, 5); /* void */
    tell_bet(&tally, EVENT_BET_ACCEPTED, &bet);
    tell_bet(&tally, EVENT_BET_CONFIRMED, &bet);
    bet.state = BET_VOID;
    bet.reason = REASON_DOWN;
    bet.paid_micro = 70;
    tell_bet(&tally, EVENT_BET_SETTLED, &bet);
    bet = (struct bet){.bet = 6, .stake_micro = 70};
    tally_tap(&tally, 6); /* still waits */
    tell_bet(&tally, EVENT_BET_ACCEPTED, &bet);
    const struct input tap = {.seq = 7, .time_ms = 1};
    tally_tap(&tally, 7); /* no bet at all */
    const struct event refused = {.kind = EVENT_TAP_REFUSED, .of.tap.reason = REASON_TIME_SKEW};
    tally_event(&tally, &tap, &refused);
    tally_tap(&tally, 7); /* the same text again */
    const struct event repeated = {.kind = EVENT_TAP_REPEATED, .of.tap.bet = 1};
    tally_event(&tally, &tap, &repeated);

    assert_int_equal(tally.taps, 8);
    assert_int_equal(tally.repeated, 1);
    assert_int_equal(tally.offered, 7);
    assert_int_equal(tally.accepted, 5);
    assert_int_equal(tally.confirmed, 3);
    assert_int_equal(tally.rejected, 3);
    assert_int_equal(tally.rejected_for[REASON_LIMIT], 1);
    assert_int_equal(tally.rejected_for[REASON_PRICE_MOVED], 1);
    assert_int_equal(tally.rejected_for[REASON_TIME_SKEW], 1);
    assert_int_equal(tally.voided, 1);
    assert_int_equal(tally.void_for[REASON_DOWN], 1);
    assert_int_equal(tally.void_stakes_micro, 70);
    assert_int_equal(tally_open(&tally), 1);
    assert_int_equal(tally_rejected_bp(&tally), 3 * 10000 / 7);
    assert_int_equal(tally_house_micro(&tally), 0);
    assert_int_equal(tally.stakes_micro, 200);
}

/* Bets whose tap lies outside count nowhere, whatever becomes of them inside the range. */
static void taps_outside_the_range_are_not_counted(void **state)
{
    (void)state;
    struct tally tally = {.first_seq = 10, .last_seq = 20};
    play(&tally, 9, 200, 100, true);
    play(&tally, 21, 200, 100, true);
    close_column(&tally, 5000);
    assert_int_equal(tally.taps, 0);
    assert_int_equal(tally.won, 0);
    assert_false(tally.has_worst);
    play(&tally, 10, 200, 100, true);
    play(&tally, 20, 200, 100, true);
    close_column(&tally, 10000);
    assert_int_equal(tally.taps, 2);
    assert_int_equal(tally.worst_result_micro, -200);
    struct tally none = {0};
    play(&none, 1, 200, 100, true);
    assert_int_equal(none.taps, 0);
}

/* The liability is the largest sum the house ever had set aside, of columns together. */
static void the_liability_is_of_all_columns_together(void **state)
{
    (void)state;
    struct tally tally = {.first_seq = 1, .last_seq = 99};
    const int64_t moves[] = {300, 500, -300, 200, -700};
    for (size_t i = 0; i < sizeof moves / sizeof moves[0]; i++) {
        const struct input when = {.seq = i + 1, .time_ms = 1000 * ((int64_t)i + 1)};
        const struct posting posting = {
            .account = LEDGER_RESERVED, .column_ms = (int64_t)i % 2, .amount_micro = moves[i]};
        tally_posting(&tally, &when, &posting);
    }
    assert_int_equal(tally.liability_micro, 800);
    assert_int_equal(tally.liability_at_ms, 2000);
    assert_int_equal(tally.reserved_micro, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_multiplier_has_its_bucket),
        cmocka_unit_test(the_interval_is_of_columns_not_of_bets),
        cmocka_unit_test(what_is_not_known_is_not_zero),
        cmocka_unit_test(every_offered_bet_ends_in_one_place),
        cmocka_unit_test(taps_outside_the_range_are_not_counted),
        cmocka_unit_test(the_liability_is_of_all_columns_together),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
