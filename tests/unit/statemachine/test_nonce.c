/* Replay protection at its exact boundaries. */
#include "statemachine/nonce.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fixture.h"

/* Each field of the signed text counts, and nothing else: the same nonce with any of them changed
 * is NONCE_REUSED, with another signature it is the same message. */
static void same_nonce_with_other_text_is_reused(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_market(NULL);
    const struct tap first = fixture_tap(fixture, 1, 1015000, FIXTURE_BAND);
    fixture_apply_tap(fixture, &first);
    const uint64_t bet = fixture->seq;
    struct tap changed[8];
    for (size_t i = 0; i < 8; i++) {
        changed[i] = first;
    }
    changed[0].origin = (struct text_view){.text = "http://127.0.0.1:8081", .length = 21};
    changed[1].market = (struct text_view){.text = "BTC-USDT", .length = 8};
    changed[2].column_ms += 5000;
    changed[3].band += 1;
    changed[4].stake_micro += 1;
    changed[5].min_mult_centi += 1;
    changed[6].config += 1;
    changed[7].message_ms -= 1;
    for (size_t i = 0; i < 8; i++) {
        fixture_apply_tap(fixture, &changed[i]);
        fixture_expect(fixture, "tap refused NONCE_REUSED\n");
        assert_int_equal(
            machine_check_tap(fixture->machine, &changed[i], fixture->time_ms, true).reason,
            REASON_NONCE_REUSED);
    }
    struct tap again = first;
    const uint8_t signature[65] = {1};
    again.signature = signature;
    again.signature_bytes = sizeof signature;
    fixture_apply_tap(fixture, &again);
    char expected[32];
    snprintf(expected, sizeof expected, "tap repeated %llu\n", (unsigned long long)bet);
    fixture_expect(fixture, expected);
    const struct tap_check check =
        machine_check_tap(fixture->machine, &again, fixture->time_ms, true);
    assert_int_equal(check.outcome, TAP_REPEATED);
    assert_int_equal(check.bet, bet);
    fixture_free(fixture);
}

/* The key is account and nonce: another account may use the same nonce. */
static void nonces_of_two_accounts_do_not_meet(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_market(NULL);
    struct tap tap = fixture_tap(fixture, 1, 1015000, FIXTURE_BAND);
    fixture_apply_tap(fixture, &tap);
    fixture_address(2, tap.account);
    fixture_apply_tap(fixture, &tap);
    assert_int_equal(fixture->bet.state, BET_ACCEPTED);
    assert_int_equal(fixture->bet.user_id, 2);
    fixture_free(fixture);
}

/* The boundary without any grid record since: at message time + 90,000 the nonce is known, at +
 * 90,001 it is free, and a new message under it is a new bet (here: refused for the breaker, but a
 * bet). */
static void nonce_is_kept_for_90_s_inclusive(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_market(NULL);
    struct tap tap = fixture_tap(fixture, 1, 1015000, FIXTURE_BAND);
    fixture_apply_tap(fixture, &tap);
    const int64_t message_ms = tap.message_ms;
    fixture->time_ms = message_ms + 90000;
    fixture_apply_tap(fixture, &tap);
    fixture_expect(fixture, "tap repeated 32\n");
    tap.message_ms = fixture->time_ms;
    fixture_apply_tap(fixture, &tap);
    fixture_expect(fixture, "tap refused NONCE_REUSED\n");
    fixture->time_ms = message_ms + 90001;
    assert_int_equal(machine_check_tap(fixture->machine, &tap, fixture->time_ms, true).outcome,
                     TAP_WOULD_BET);
    fixture_apply_tap(fixture, &tap);
    fixture_expect(fixture, "rejected 35 TOO_LATE\n");
    fixture_free(fixture);
}

/* The old bytes themselves do not come back to life with the nonce: they are older than 30 s. */
static void old_message_is_time_skew_once_its_nonce_is_dropped(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_market(NULL);
    const struct tap tap = fixture_tap(fixture, 1, 1015000, FIXTURE_BAND);
    fixture_apply_tap(fixture, &tap);
    fixture->time_ms += 90001;
    fixture_apply_tap(fixture, &tap);
    fixture_expect(fixture, "tap refused TIME_SKEW\n");
    fixture_free(fixture);
}

/* A message from 5 s ahead is kept 95 s; grid records drop each nonce in its own time. */
static void grid_records_drop_nonces_by_their_message_time(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_market(NULL);
    struct tap tap = fixture_tap(fixture, 1, 1015000, FIXTURE_BAND);
    tap.message_ms = 1005200 + 5000;
    fixture_apply_tap(fixture, &tap);
    tap = fixture_tap(fixture, 2, 1015000, FIXTURE_BAND);
    tap.message_ms = 1005200 - 30000;
    fixture_apply_tap(fixture, &tap);
    tap = fixture_tap(fixture, 3, 1015000, FIXTURE_BAND);
    fixture_apply_tap(fixture, &tap);
    struct market_view market;
    const struct {
        int64_t grid_ms;
        uint32_t left;
    } rows[] = {
        {1065200, 3}, {1065400, 2}, {1095200, 2}, {1095400, 1}, {1100200, 1}, {1100400, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        fixture_clock(fixture, rows[i].grid_ms);
        machine_market(fixture->machine, &market);
        assert_int_equal(market.nonces, rows[i].left);
    }
    fixture_free(fixture);
}

/* Many nonces in a shuffled order of message times: all are found, all expire in order. */
static void shuffled_nonces_expire_in_time_order(void **state)
{
    (void)state;
    enum {
        COUNT = 200
    };
    const struct machine_limits limits = {1, 1, COUNT, 1};
    struct fixture *fixture = fixture_new_limits(&limits);
    fixture_config(fixture, "vol_warmup=0");
    for (int i = 0; i < COUNT; i++) {
        struct tap tap = fixture_tap(fixture, 1, 1015000, FIXTURE_BAND);
        tap.message_ms = fixture->time_ms - 30000 + (i * 7919) % 35000;
        fixture_apply_tap(fixture, &tap);
        assert_int_equal(fixture->bet.bet, fixture->seq);
    }
    uint32_t before = COUNT;
    for (int64_t grid_ms = 1060000; grid_ms <= 1095200; grid_ms += 200) {
        fixture_clock(fixture, grid_ms);
        uint32_t left = 0;
        for (int i = 0; i < COUNT; i++) {
            left += 1000000 - 30000 + (i * 7919) % 35000 + 90000 >= grid_ms;
        }
        struct market_view market;
        machine_market(fixture->machine, &market);
        assert_int_equal(market.nonces, left);
        assert_true(left <= before);
        before = left;
    }
    assert_int_equal(before, 0);
    fixture_free(fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(same_nonce_with_other_text_is_reused),
        cmocka_unit_test(nonces_of_two_accounts_do_not_meet),
        cmocka_unit_test(nonce_is_kept_for_90_s_inclusive),
        cmocka_unit_test(old_message_is_time_skew_once_its_nonce_is_dropped),
        cmocka_unit_test(grid_records_drop_nonces_by_their_message_time),
        cmocka_unit_test(shuffled_nonces_expire_in_time_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
