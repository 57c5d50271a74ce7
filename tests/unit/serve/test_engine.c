/* The engine in its normal course: what it journals, what it answers, and when. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>
#include <time.h>

#include "engine_bench.h"

#define STAKE 1000000

static void sleep_ms(long ms)
{
    nanosleep(&(struct timespec){.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000}, NULL);
}

/* Proves that taps and records are one to one and that a bet's id is its record's seq. */
static void each_tap_is_one_record_and_one_bet(void **state)
{
    struct bench bench;
    struct engine_request *taps[16];
    (void)state;
    bench_open(&bench, 0);
    bench_fund(&bench, 1, 16 * STAKE);
    for (uint32_t i = 0; i < 16; i++) {
        taps[i] = bench_tap(&bench, 1, i, 3 + i % 4, BENCH_BAND + i / 4, STAKE);
        bench_submit(&bench, taps[i]);
    }
    uint64_t last = 0;
    for (uint32_t i = 0; i < 16; i++) {
        bench_await(&bench, taps[i]);
        assert_int_equal(taps[i]->answer.kind, ANSWER_BET);
        assert_int_equal(taps[i]->answer.bet, taps[i]->answer.seq);
        assert_int_equal(taps[i]->answer.state, BET_CONFIRMED);
        assert_true(taps[i]->answer.bet > last);
        last = taps[i]->answer.bet;
        bench_free(taps[i]);
    }
    bench_stop(&bench);
    assert_int_equal(bench_count(&bench, INPUT_TAP), 16);
    bench_close(&bench);
}

/* Proves that money for one bet makes one bet, however many taps are on their way at once: all pass
 * the advisory check, because the disk has not answered yet, and the state machine decides. */
static void money_for_one_bet_makes_one_bet(void **state)
{
    struct bench bench;
    struct engine_request *taps[64];
    (void)state;
    bench_open(&bench, 0);
    bench_fund(&bench, 1, STAKE);
    gate_disk_shut(&bench.disk);
    for (uint32_t i = 0; i < 64; i++) {
        taps[i] = bench_tap(&bench, 1, i, 3 + i % 8, BENCH_BAND - 4 + i / 8, STAKE);
        bench_submit(&bench, taps[i]);
    }
    gate_disk_await(&bench.disk);
    gate_disk_open(&bench.disk);
    size_t accepted = 0;
    size_t journaled = 0;
    for (uint32_t i = 0; i < 64; i++) {
        bench_await(&bench, taps[i]);
        const struct engine_answer *answer = &taps[i]->answer;
        accepted += answer->kind == ANSWER_BET;
        if (answer->kind != ANSWER_BET) {
            assert_int_equal(answer->kind, ANSWER_REFUSED);
            assert_int_equal(answer->refusal.code, REFUSAL_INSUFFICIENT_FUNDS);
            assert_int_equal(answer->extras.bet, answer->extras.seq);
            journaled += answer->extras.bet != 0;
        }
        bench_free(taps[i]);
    }
    assert_int_equal(accepted, 1);
    assert_true(journaled > 0);

    /* With the state up to date the edge refuses, and nothing is journaled. */
    struct engine_request *late = bench_tap(&bench, 1, 99, 4, BENCH_BAND + 9, STAKE);
    bench_ask(&bench, late);
    assert_int_equal(late->answer.refusal.code, REFUSAL_INSUFFICIENT_FUNDS);
    assert_int_equal(late->answer.extras.bet, 0);
    bench_free(late);
    bench_stop(&bench);
    assert_int_equal(bench_count(&bench, INPUT_TAP), accepted + journaled);
    bench_close(&bench);
}

/* Proves that one tap sent twenty times at once is one record and one bet, which all twenty name.
 */
static void the_same_tap_twenty_times_is_one_bet(void **state)
{
    struct bench bench;
    struct engine_request *taps[20];
    (void)state;
    bench_open(&bench, 0);
    bench_fund(&bench, 1, 20 * STAKE);
    gate_disk_shut(&bench.disk);
    for (size_t i = 0; i < 20; i++) {
        taps[i] = bench_tap(&bench, 1, 7, 3, BENCH_BAND, STAKE);
        bench_submit(&bench, taps[i]);
    }
    gate_disk_await(&bench.disk);
    gate_disk_open(&bench.disk);
    uint64_t bet = 0;
    size_t made = 0;
    for (size_t i = 0; i < 20; i++) {
        bench_await(&bench, taps[i]);
        bet = taps[i]->answer.kind == ANSWER_BET ? taps[i]->answer.bet : bet;
        made += taps[i]->answer.kind == ANSWER_BET;
    }
    assert_int_equal(made, 1);
    for (size_t i = 0; i < 20; i++) {
        assert_true(taps[i]->answer.kind == ANSWER_BET || taps[i]->answer.kind == ANSWER_KNOWN);
        assert_int_equal(taps[i]->answer.bet, bet);
        bench_free(taps[i]);
    }
    bench_stop(&bench);
    assert_int_equal(bench_count(&bench, INPUT_TAP), 1);
    bench_close(&bench);
}

/* Proves that a nonce with other bytes is refused and leaves no trace, both while its first use is
 * on the way to the disk and afterwards. */
static void a_nonce_with_other_bytes_is_refused(void **state)
{
    struct bench bench;
    (void)state;
    bench_open(&bench, 0);
    bench_fund(&bench, 1, 20 * STAKE);
    gate_disk_shut(&bench.disk);
    struct engine_request *first = bench_tap(&bench, 1, 7, 3, BENCH_BAND, STAKE);
    struct engine_request *other = bench_tap(&bench, 1, 7, 3, BENCH_BAND, STAKE + 1);
    bench_submit(&bench, first);
    bench_submit(&bench, other);
    gate_disk_await(&bench.disk);
    gate_disk_open(&bench.disk);
    bench_await(&bench, first);
    bench_await(&bench, other);
    assert_int_equal(first->answer.kind, ANSWER_BET);
    assert_int_equal(other->answer.refusal.code, REFUSAL_NONCE_REUSED);
    assert_int_equal(other->answer.extras.bet, 0);

    struct engine_request *later = bench_tap(&bench, 1, 7, 4, BENCH_BAND, STAKE);
    bench_ask(&bench, later);
    assert_int_equal(later->answer.refusal.code, REFUSAL_NONCE_REUSED);
    bench_free(first);
    bench_free(other);
    bench_free(later);
    bench_stop(&bench);
    assert_int_equal(bench_count(&bench, INPUT_TAP), 1);
    bench_close(&bench);
}

/* Proves the order of interface.md section 3: a draining server still knows its nonces, refuses
 * what is new, and journals nothing of it; money still moves. */
static void draining_comes_after_the_known_nonce(void **state)
{
    struct bench bench;
    (void)state;
    bench_open(&bench, 0);
    bench_fund(&bench, 1, 20 * STAKE);
    struct engine_request *first = bench_tap(&bench, 1, 7, 3, BENCH_BAND, STAKE);
    bench_ask(&bench, first);
    engine_drain(bench.engine);
    struct engine_request *again = bench_tap(&bench, 1, 7, 3, BENCH_BAND, STAKE);
    struct engine_request *reused = bench_tap(&bench, 1, 7, 3, BENCH_BAND, STAKE + 1);
    struct engine_request *fresh = bench_tap(&bench, 1, 8, 4, BENCH_BAND, STAKE);
    struct engine_request *deposit = bench_deposit(1, STAKE, "while draining");
    bench_ask(&bench, again);
    bench_ask(&bench, reused);
    bench_ask(&bench, fresh);
    bench_ask(&bench, deposit);
    assert_int_equal(again->answer.kind, ANSWER_KNOWN);
    assert_int_equal(again->answer.bet, first->answer.bet);
    assert_int_equal(reused->answer.refusal.code, REFUSAL_NONCE_REUSED);
    assert_int_equal(fresh->answer.refusal.code, REFUSAL_DRAINING);
    assert_int_equal(deposit->answer.kind, ANSWER_APPLIED);
    bench_free(first);
    bench_free(again);
    bench_free(reused);
    bench_free(fresh);
    bench_free(deposit);
    bench_stop(&bench);
    assert_int_equal(bench_count(&bench, INPUT_TAP), 1);
    bench_close(&bench);
}

/* Proves that an answer waits for the disk and for nothing else. (The bench compares every answer
 * with what is synced besides.) */
static void no_answer_leaves_before_the_disk_has_synced(void **state)
{
    struct bench bench;
    (void)state;
    bench_open(&bench, 0);
    bench_fund(&bench, 1, 20 * STAKE);
    const uint64_t before = bench_durable(&bench);
    gate_disk_shut(&bench.disk);
    struct engine_request *tap = bench_tap(&bench, 1, 7, 3, BENCH_BAND, STAKE);
    bench_submit(&bench, tap);
    gate_disk_await(&bench.disk);
    sleep_ms(50);
    assert_false(bench_answered(&bench, tap));
    assert_int_equal(engine_applied_seq(bench.engine), before);
    gate_disk_open(&bench.disk);
    bench_await(&bench, tap);
    assert_int_equal(tap->answer.kind, ANSWER_BET);
    bench_free(tap);
    bench_close(&bench);
}

/* Proves that a tap with a pricing delay is answered accepted, and priced by a later tick. */
static void a_delayed_tap_is_accepted_first(void **state)
{
    struct bench bench;
    (void)state;
    bench_open(&bench, 400);
    bench_fund(&bench, 1, STAKE);
    struct engine_request *tap = bench_tap(&bench, 1, 7, 3, BENCH_BAND, STAKE);
    bench_ask(&bench, tap);
    assert_int_equal(tap->answer.kind, ANSWER_BET);
    assert_int_equal(tap->answer.state, BET_ACCEPTED);
    bench_free(tap);
    bench_close(&bench);
}

static bool is_open_bet(const struct bench *bench, uint64_t bet)
{
    struct bet open;
    return machine_open_bet(applier_machine(bench->applier), bet, &open) &&
           open.state == BET_CONFIRMED;
}

/* Proves that the account view comes with its open bets and the seq it is as of. */
static void an_account_is_shown_as_of_the_last_applied_seq(void **state)
{
    struct bench bench;
    (void)state;
    bench_open(&bench, 0);
    bench_fund(&bench, 1, 3 * STAKE);
    struct engine_request *tap = bench_tap(&bench, 1, 7, 3, BENCH_BAND, STAKE);
    bench_ask(&bench, tap);
    struct engine_request *ask = bench_tap(&bench, 1, 0, 0, 0, 0);
    ask->kind = ENGINE_ACCOUNT;
    bench_ask(&bench, ask);
    assert_int_equal(ask->answer.kind, ANSWER_ACCOUNT);
    assert_true(ask->answer.seq >= tap->answer.seq);
    assert_int_equal(ask->answer.account.available_micro, 2 * STAKE);
    assert_int_equal(ask->answer.bet_count, 1);
    assert_int_equal(ask->answer.bets[0].bet, tap->answer.bet);
    bench_stop(&bench);
    assert_true(is_open_bet(&bench, tap->answer.bet));
    bench_free(ask);
    bench_free(tap);
    bench_close(&bench);
}

/* Proves that a transfer is answered with the record that applied it, also when it comes again. */
static void a_repeated_transfer_names_the_first(void **state)
{
    struct bench bench;
    (void)state;
    bench_open(&bench, 0);
    struct engine_request *first = bench_deposit(1, STAKE, "wire-1");
    struct engine_request *again = bench_deposit(1, STAKE, "wire-1");
    struct engine_request *other = bench_deposit(1, STAKE + 1, "wire-1");
    bench_ask(&bench, first);
    bench_ask(&bench, again);
    bench_ask(&bench, other);
    assert_int_equal(first->answer.kind, ANSWER_APPLIED);
    assert_int_equal(again->answer.kind, ANSWER_APPLIED);
    assert_int_equal(again->answer.seq, first->answer.seq);
    assert_int_equal(again->answer.available_micro, STAKE);
    assert_int_equal(other->answer.refusal.code, REFUSAL_NONCE_REUSED);
    assert_non_null(
        strstr(other->answer.refusal.message, "reference")); /* a transfer has no nonce */
    bench_free(first);
    bench_free(again);
    bench_free(other);
    bench_close(&bench);
}

static struct engine_request *ask_for_rules(struct bench *bench, uint32_t version)
{
    struct engine_request *request = bench_deposit(1, STAKE, "unused");
    request->kind = ENGINE_RULES;
    request->input = (struct input){.kind = INPUT_RULES_CHANGE};
    request->input.of.rules_change.version = version;
    bench_ask(bench, request);
    return request;
}

/* Proves that rules that this program does not know never reach its journal, that rules which are
 * not above those in force are refused in the open, and that the server goes on behind them. */
static void rules_that_cannot_come_into_force_are_refused(void **state)
{
    struct bench bench;
    (void)state;
    bench_open(&bench, 0);
    struct engine_request *unknown = ask_for_rules(&bench, machine_rules_newest() + 1);
    assert_int_equal(unknown->answer.kind, ANSWER_REFUSED);
    assert_int_equal(unknown->answer.refusal.code, REFUSAL_BAD_REQUEST);
    assert_non_null(strstr(unknown->answer.refusal.message, "newer program"));
    assert_int_equal(bench_count(&bench, INPUT_RULES_CHANGE), 0);

    struct engine_request *same = ask_for_rules(&bench, 1);
    assert_int_equal(same->answer.kind, ANSWER_REFUSED);
    assert_int_equal(same->answer.refusal.code, REFUSAL_BAD_REQUEST);
    assert_int_equal(bench_count(&bench, INPUT_RULES_CHANGE), 1);
    bench_fund(&bench, 1, STAKE);
    bench_free(unknown);
    bench_free(same);
    bench_close(&bench);
}

/* Proves that a stopped engine has answered everything that was handed to it, and takes no more. */
static void stop_finishes_what_was_handed_over(void **state)
{
    struct bench bench;
    struct engine_request *taps[200];
    (void)state;
    bench_open(&bench, 0);
    bench_fund(&bench, 1, 20 * STAKE);
    for (uint32_t i = 0; i < 200; i++) {
        taps[i] = bench_tap(&bench, 1, i / 2, 3 + i % 8, BENCH_BAND, STAKE);
        bench_submit(&bench, taps[i]);
    }
    bench_tick(&bench);
    bench_stop(&bench);
    for (size_t i = 0; i < 200; i++) {
        assert_true(bench_answered(&bench, taps[i]));
        bench_free(taps[i]);
    }
    assert_int_equal(bench.update_seq, bench.durable_seq);
    assert_int_equal(bench_count(&bench, INPUT_PRICE_TICK), 2);
    struct engine_request *late = bench_tap(&bench, 1, 999, 3, BENCH_BAND, STAKE);
    assert_int_equal(engine_submit(bench.engine, late), STATUS_CLOSED);
    bench_free(late);
    bench_close(&bench);
}

static void check_attest(void *context, const struct input *input)
{
    size_t *found = context;
    if (input->kind == INPUT_ATTEST) {
        assert_true(input->of.attest.of_seq < input->seq);
        *found += 1;
    }
}

/* Proves that each second of engine time gets its digest in the journal, that a second computation
 * gives the same digests (bench_read compares), and that an Attest alone calls for no other. */
static void each_second_is_attested(void **state)
{
    struct bench bench;
    size_t found = 0;
    (void)state;
    bench_open(&bench, 0);
    for (size_t i = 0; i < 50; i++) {
        bench_tick(&bench);
        bench_await_tick(&bench);
    }
    bench_stop(&bench);
    bench_read(&bench, &found, check_attest);
    assert_in_range(found, 8, 12);
    bench_close(&bench);
}

/* Proves that a stopped intake refuses every input with its reason, while prices are still recorded
 * and accounts are still shown. */
static void a_stopped_intake_refuses_input_alone(void **state)
{
    struct bench bench;
    (void)state;
    bench_open(&bench, 0);
    bench_fund(&bench, 1, STAKE);
    engine_stop_intake(bench.engine, "the clock has jumped");
    engine_stop_intake(bench.engine, "a later reason");
    struct engine_request *tap = bench_tap(&bench, 1, 7, 3, BENCH_BAND, STAKE);
    struct engine_request *deposit = bench_deposit(1, STAKE, "late");
    struct engine_request *ask = bench_tap(&bench, 1, 0, 0, 0, 0);
    ask->kind = ENGINE_ACCOUNT;
    bench_ask(&bench, tap);
    bench_ask(&bench, deposit);
    bench_ask(&bench, ask);
    assert_int_equal(tap->answer.refusal.code, REFUSAL_OVERLOADED);
    assert_string_equal(tap->answer.refusal.message, "the clock has jumped");
    assert_true(tap->answer.extras.retry_after_ms > 0);
    assert_int_equal(deposit->answer.refusal.code, REFUSAL_OVERLOADED);
    assert_int_equal(ask->answer.kind, ANSWER_ACCOUNT);
    bench_free(tap);
    bench_free(deposit);
    bench_free(ask);
    bench_tick(&bench);
    bench_await_tick(&bench);
    bench_close(&bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_tap_is_one_record_and_one_bet),
        cmocka_unit_test(money_for_one_bet_makes_one_bet),
        cmocka_unit_test(the_same_tap_twenty_times_is_one_bet),
        cmocka_unit_test(a_nonce_with_other_bytes_is_refused),
        cmocka_unit_test(draining_comes_after_the_known_nonce),
        cmocka_unit_test(no_answer_leaves_before_the_disk_has_synced),
        cmocka_unit_test(a_delayed_tap_is_accepted_first),
        cmocka_unit_test(an_account_is_shown_as_of_the_last_applied_seq),
        cmocka_unit_test(a_repeated_transfer_names_the_first),
        cmocka_unit_test(rules_that_cannot_come_into_force_are_refused),
        cmocka_unit_test(stop_finishes_what_was_handed_over),
        cmocka_unit_test(each_second_is_attested),
        cmocka_unit_test(a_stopped_intake_refuses_input_alone),
    };
    return cmocka_run_group_tests_name("engine", tests, NULL, NULL);
}
