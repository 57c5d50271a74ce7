/* Each refusal of rules.md section 6 step 2, at its exact boundary and in its order. */
#include "statemachine/tap.h"

#include <stdio.h>
#include <string.h>

#include "fixture.h"

/* A tap that would be accepted, for the tests to spoil: 1 USD of player 1 on 1,015,000 / 3085. */
static struct tap good(struct fixture *fixture)
{
    return fixture_tap(fixture, 1, 1015000, FIXTURE_BAND);
}

/* Refused as a bet: rejected in its own step, without postings, and its nonce is used. The edge's
 * advisory check says the same before. */
static void expect_rejected(struct fixture *fixture, const struct tap *tap, enum reason reason)
{
    const struct tap_check check =
        machine_check_tap(fixture->machine, tap, fixture->time_ms, false);
    assert_int_equal(check.outcome, TAP_REFUSED);
    assert_string_equal(reason_text(check.reason), reason_text(reason));
    fixture_apply_tap(fixture, tap);
    char expected[64];
    snprintf(expected, sizeof expected, "rejected %llu %s\n", (unsigned long long)fixture->seq,
             reason_text(reason));
    fixture_expect(fixture, expected);
    assert_int_equal(fixture->bet.accepted_seq, 0);
    assert_int_equal(fixture->bet.priced_seq, fixture->seq);
    assert_int_equal(fixture->bet.priced_at_ms, fixture->time_ms);
    const uint64_t first = fixture->seq;
    fixture_apply_tap(fixture, tap);
    snprintf(expected, sizeof expected, "tap repeated %llu\n", (unsigned long long)first);
    fixture_expect(fixture, expected);
}

static void expect_accepted(struct fixture *fixture, const struct tap *tap)
{
    const struct tap_check check =
        machine_check_tap(fixture->machine, tap, fixture->time_ms, false);
    assert_int_equal(check.outcome, TAP_WOULD_BET);
    fixture_apply_tap(fixture, tap);
    assert_int_equal(fixture->bet.bet, fixture->seq);
    assert_int_equal(fixture->bet.state, BET_ACCEPTED);
}

/* No bet: the message's time is off, and the nonce stays unused. */
static void expect_no_bet(struct fixture *fixture, const struct tap *tap, const char *expected)
{
    struct market_view before;
    machine_market(fixture->machine, &before);
    assert_int_equal(machine_check_tap(fixture->machine, tap, fixture->time_ms, false).outcome,
                     TAP_REFUSED);
    fixture_apply_tap(fixture, tap);
    fixture_expect(fixture, expected);
    struct market_view after;
    machine_market(fixture->machine, &after);
    assert_int_equal(after.nonces, before.nonces);
}

/* (a) Taken from 30,000 ms old to 5,000 ms ahead, both inclusive. */
static void message_time_is_taken_from_30_s_old_to_5_s_ahead(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_market(NULL);
    struct tap tap = good(fixture);
    tap.message_ms = fixture->time_ms - 30001;
    expect_no_bet(fixture, &tap, "tap refused TIME_SKEW\n");
    tap = good(fixture);
    tap.message_ms = fixture->time_ms + 5001;
    expect_no_bet(fixture, &tap, "tap refused TIME_SKEW\n");
    tap = good(fixture);
    tap.message_ms = fixture->time_ms - 30000;
    expect_accepted(fixture, &tap);
    tap = fixture_tap(fixture, 1, 1020000, FIXTURE_BAND);
    tap.message_ms = fixture->time_ms + 5000;
    expect_accepted(fixture, &tap);
    fixture_free(fixture);
}

/* (b) Only the epoch in force; (c) no session exists under these rules. */
static void other_epochs_and_sessions_are_refused(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_market(NULL);
    struct tap tap = good(fixture);
    tap.config = 2;
    tap.session = 7; /* (b) comes before (c) */
    expect_rejected(fixture, &tap, REASON_CONFIG_CHANGED);
    tap = good(fixture);
    tap.config = -1;
    expect_rejected(fixture, &tap, REASON_CONFIG_CHANGED);
    tap = good(fixture);
    tap.session = 7;
    tap.stake_micro = 0; /* (c) comes before (d) */
    expect_rejected(fixture, &tap, REASON_SESSION_EXPIRED);
    fixture_free(fixture);
}

/* (d) Stake 0.10 to 100 USD, min_mult at most 50x, fewer than open_bets_max open ones. */
static void limits_hold_at_their_edges(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_market("open_bets_max=2");
    fixture_deposit(fixture, 1, 1000 * MICRO_PER_USD);
    struct tap tap = good(fixture);
    tap.stake_micro = 99999;
    tap.column_ms = 1; /* (d) comes before (e) */
    expect_rejected(fixture, &tap, REASON_LIMIT);
    tap = good(fixture);
    tap.stake_micro = 100000001;
    expect_rejected(fixture, &tap, REASON_LIMIT);
    tap = good(fixture);
    tap.min_mult_centi = 5001;
    expect_rejected(fixture, &tap, REASON_LIMIT);
    tap = good(fixture);
    tap.min_mult_centi = 5000;
    tap.stake_micro = 100000;
    expect_accepted(fixture, &tap);
    tap = fixture_tap(fixture, 1, 1020000, FIXTURE_BAND);
    tap.stake_micro = 100000000;
    expect_accepted(fixture, &tap);
    tap = fixture_tap(fixture, 1, 1025000, FIXTURE_BAND);
    expect_rejected(fixture, &tap, REASON_LIMIT);
    fixture_free(fixture);
}

/* (e) Another market, also one that only begins alike, and columns off the grid. */
static void cells_of_no_market_or_off_the_grid_are_closed(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_market(NULL);
    struct tap tap = good(fixture);
    tap.market = (struct text_view){.text = "BTC-USDT", .length = 8};
    expect_rejected(fixture, &tap, REASON_CELL_CLOSED);
    tap = good(fixture);
    tap.market = (struct text_view){.text = "BTC-US", .length = 6};
    expect_rejected(fixture, &tap, REASON_CELL_CLOSED);
    tap = good(fixture);
    tap.market = (struct text_view){.text = "BTC-USD-AND-A-LONG-TAIL", .length = 23};
    expect_rejected(fixture, &tap, REASON_CELL_CLOSED);
    tap = good(fixture);
    tap.column_ms += 1;
    expect_rejected(fixture, &tap, REASON_CELL_CLOSED);
    fixture_free(fixture);
}

/* (e) At 1,005,200: 1,010,000 leaves 4,800 of lead. At 1,010,000 sharp 1,015,000 leaves exactly
 * 5,000 and is taken. The last on offer is K + 12 columns = 1,065,000. */
static void columns_too_near_and_too_far_are_refused(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_market(NULL);
    struct tap tap = fixture_tap(fixture, 1, 1010000, FIXTURE_BAND);
    expect_rejected(fixture, &tap, REASON_TOO_LATE);
    tap = fixture_tap(fixture, 1, -5000, FIXTURE_BAND);
    expect_rejected(fixture, &tap, REASON_TOO_LATE);
    tap = fixture_tap(fixture, 1, 1070000, FIXTURE_BAND);
    expect_rejected(fixture, &tap, REASON_TOO_EARLY);
    tap = fixture_tap(fixture, 1, INT64_MAX - INT64_MAX % 5000, FIXTURE_BAND);
    expect_rejected(fixture, &tap, REASON_TOO_EARLY);
    tap = fixture_tap(fixture, 1, 1065000, FIXTURE_BAND);
    expect_accepted(fixture, &tap);
    fixture_ticks(fixture, 1005200, 1010000, FIXTURE_PRICE_E4);
    tap = fixture_tap(fixture, 2, 1015000, FIXTURE_BAND);
    expect_accepted(fixture, &tap);
    tap = fixture_tap(fixture, 2, 1070000, FIXTURE_BAND);
    expect_accepted(fixture, &tap);
    fixture_free(fixture);
}

/* (f) HEALTHY is not enough: without any grid record the state stands still, so the age by engine
 * time counts too; 3,000 ms is young enough, 3,001 is not. */
static void bets_stop_3_s_after_the_last_tick_even_without_grid_records(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_market(NULL);
    fixture->time_ms = 1008200;
    struct tap tap = good(fixture);
    expect_accepted(fixture, &tap);
    fixture->time_ms = 1008201;
    tap = fixture_tap(fixture, 2, 1015000, FIXTURE_BAND);
    expect_rejected(fixture, &tap, REASON_BREAKER);
    fixture_free(fixture);
}

/* (f) One tick before the 5 s are over it is DEGRADED still. */
static void no_bet_while_degraded(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_open(NULL);
    fixture_deposit(fixture, 1, 10 * MICRO_PER_USD);
    fixture_ticks(fixture, 1000000, 1005000, FIXTURE_PRICE_E4);
    struct tap tap = good(fixture);
    expect_rejected(fixture, &tap, REASON_BREAKER);
    fixture_tick(fixture, 1005200, FIXTURE_PRICE_E4);
    fixture_expect(fixture, "breaker DEGRADED to HEALTHY\n");
    tap = good(fixture);
    expect_accepted(fixture, &tap);
    fixture_free(fixture);
}

/* (f) The estimate must be warm: the market has 4 samples at 1,005,200 and the fifth at 1,006,000.
 */
static void no_bet_before_the_warm_up(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_market("vol_warmup=5");
    struct tap tap = good(fixture);
    expect_rejected(fixture, &tap, REASON_BREAKER);
    fixture_ticks(fixture, 1005200, 1006000, FIXTURE_PRICE_E4);
    tap = good(fixture);
    expect_accepted(fixture, &tap);
    fixture_free(fixture);
}

/* (g) One open bet per account and cell, waiting or confirmed; the next cell and the next account
 * are free. (g) comes before (h). After a rejection the cell is free again. */
static void one_open_bet_per_account_and_cell(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_market(NULL);
    struct tap tap = good(fixture);
    tap.stake_micro = 9 * MICRO_PER_USD;
    expect_accepted(fixture, &tap);
    tap = good(fixture);
    tap.stake_micro = 9 * MICRO_PER_USD;
    expect_rejected(fixture, &tap, REASON_CELL_TAKEN);
    tap = fixture_tap(fixture, 2, 1015000, FIXTURE_BAND);
    expect_accepted(fixture, &tap);
    tap = fixture_tap(fixture, 1, 1015000, FIXTURE_BAND + 1);
    expect_accepted(fixture, &tap);
    fixture_ticks(fixture, 1005200, 1005600, FIXTURE_PRICE_E4);
    tap = good(fixture);
    tap.stake_micro = 100000;
    expect_rejected(fixture, &tap, REASON_CELL_TAKEN); /* confirmed now */
    tap = fixture_tap(fixture, 3, 1015000, FIXTURE_BAND);
    expect_accepted(fixture, &tap);
    fixture_config(fixture, "");
    assert_int_equal(fixture->bet.reason, REASON_CONFIG_CHANGED);
    tap = fixture_tap(fixture, 3, 1015000, FIXTURE_BAND);
    expect_accepted(fixture, &tap);
    fixture_free(fixture);
}

/* (h) Exactly the balance is enough; an unknown account has 0 and gets no user id. */
static void stake_must_be_available(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_market(NULL);
    struct tap tap = good(fixture);
    tap.stake_micro = 10 * MICRO_PER_USD + 1;
    expect_rejected(fixture, &tap, REASON_INSUFFICIENT_FUNDS);
    assert_int_equal(fixture->bet.user_id, 1);
    tap.stake_micro = 10 * MICRO_PER_USD;
    tap.nonce[15] = 1;
    expect_accepted(fixture, &tap);
    tap = fixture_tap(fixture, 9, 1015000, FIXTURE_BAND);
    expect_rejected(fixture, &tap, REASON_INSUFFICIENT_FUNDS);
    assert_int_equal(fixture->bet.user_id, 0);
    struct account_view view;
    machine_account(fixture->machine, tap.account, &view);
    assert_int_equal(view.user_id, 0);
    fixture_free(fixture);
}

/* Before the first Config there is no market to bet in. */
static void tap_before_genesis_is_refused_without_a_bet(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_new();
    const struct tap tap = fixture_tap(fixture, 1, 1015000, FIXTURE_BAND);
    expect_no_bet(fixture, &tap, "tap refused NOT_FOUND\n");
    fixture_free(fixture);
}

/* A full table of bets or nonces refuses without a bet, so that the same bytes may come again. */
static void full_tables_refuse_without_using_the_nonce(void **state)
{
    (void)state;
    const struct machine_limits limits = {
        .accounts_max = 2, .open_bets_max = 1, .nonces_max = 3, .transfers_max = 9};
    struct fixture *fixture = fixture_new();
    fixture_start(fixture, &limits);
    fixture_config(fixture, "vol_warmup=0");
    fixture_deposit(fixture, 1, 10 * MICRO_PER_USD);
    fixture_warm_up(fixture, FIXTURE_PRICE_E4);
    struct tap tap = good(fixture);
    expect_accepted(fixture, &tap);
    tap = fixture_tap(fixture, 1, 1020000, FIXTURE_BAND);
    expect_no_bet(fixture, &tap, "tap refused OVERLOADED\n");
    fixture_config(fixture, ""); /* rejects the one that waits: room again, for the very same tap */
    tap.config = 2;
    expect_accepted(fixture, &tap);
    fixture_config(fixture, "");
    tap = fixture_tap(fixture, 8, 1020000, FIXTURE_BAND);
    fixture_apply_tap(fixture, &tap); /* rejected, and the third nonce */
    tap = fixture_tap(fixture, 1, 1020000, FIXTURE_BAND);
    expect_no_bet(fixture, &tap, "tap refused OVERLOADED\n");
    fixture_free(fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(message_time_is_taken_from_30_s_old_to_5_s_ahead),
        cmocka_unit_test(other_epochs_and_sessions_are_refused),
        cmocka_unit_test(limits_hold_at_their_edges),
        cmocka_unit_test(cells_of_no_market_or_off_the_grid_are_closed),
        cmocka_unit_test(columns_too_near_and_too_far_are_refused),
        cmocka_unit_test(bets_stop_3_s_after_the_last_tick_even_without_grid_records),
        cmocka_unit_test(no_bet_while_degraded),
        cmocka_unit_test(no_bet_before_the_warm_up),
        cmocka_unit_test(one_open_bet_per_account_and_cell),
        cmocka_unit_test(stake_must_be_available),
        cmocka_unit_test(tap_before_genesis_is_refused_without_a_bet),
        cmocka_unit_test(full_tables_refuse_without_using_the_nonce),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
