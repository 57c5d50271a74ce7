/* What a start keeps of its replay for the history. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "tools/serve/recent.h"

#define OUTBOX_RECORDS 4096

static const uint8_t digest[HASH_BYTES];
static struct history history;
static struct recent recent;
static uint64_t last_seq;

static int begin(void **state)
{
    (void)state;
    history = (struct history){0};
    recent = (struct recent){0};
    last_seq = 0;
    return history_open(&history) != STATUS_OK;
}

static int end(void **state)
{
    (void)state;
    recent_free(&recent);
    history_free(&history);
    return 0;
}

static void address_of(uint64_t user, uint8_t address[ADDRESS_BYTES])
{
    memset(address, 0x22, ADDRESS_BYTES);
    address[3] = (uint8_t)user;
}

/* An accepted bet of the user and the posting that pays for it: two events for the account. */
static void put_bet(const struct event_sink *sink, uint64_t user, uint64_t seq)
{
    struct bet bet = {.bet = seq, .user_id = user, .state = BET_ACCEPTED, .stake_micro = 5};
    address_of(user, bet.account);
    const struct event event = {.kind = EVENT_BET_ACCEPTED, .of.bet = &bet};
    const struct posting posting = {.account = LEDGER_AVAILABLE,
                                    .user_id = user,
                                    .address = bet.account,
                                    .amount_micro = -5,
                                    .balance_after_micro = (int64_t)seq,
                                    .ref_type = REF_BET_HOLD};
    sink->event(sink->context, &event);
    sink->posting(sink->context, &posting);
}

/* The next OUTBOX_RECORDS records; each brings a bet of `user`, 0: nothing. */
static struct outbox *next_outbox(uint64_t user)
{
    struct outbox *outbox = outbox_new();
    assert_non_null(outbox);
    const struct event_sink sink = outbox_sink(outbox);
    for (int i = 0; i < OUTBOX_RECORDS; i++) {
        last_seq += 1;
        outbox_begin_record(outbox, last_seq, (int64_t)last_seq);
        if (user != 0) {
            put_bet(&sink, user, last_seq);
        }
    }
    assert_int_equal(outbox_seal(outbox, digest), STATUS_OK);
    return outbox;
}

static void put(uint64_t user)
{
    struct outbox *outbox = next_outbox(user);
    assert_int_equal(recent_put(&recent, &history, outbox), STATUS_OK);
    outbox_release(outbox);
}

/* The ring is full of the newest events, as if all had been rendered, and knows from where on. */
static void the_history_is_as_if_all_were_rendered(void **state)
{
    (void)state;
    struct history all = {0};
    assert_int_equal(history_open(&all), STATUS_OK);
    for (uint64_t user = 1; user <= 30; user++) {
        struct outbox *outbox = next_outbox(user);
        history_add(&all, outbox, NULL, NULL);
        assert_int_equal(recent_put(&recent, &history, outbox), STATUS_OK);
        outbox_release(outbox);
    }
    recent_tell(&recent, &history);
    assert_true(all.complete_from > 1);
    assert_int_equal(history.complete_from, all.complete_from);
    assert_int_equal(history.users_micro, all.users_micro);
    static const struct history_entry *entries[HISTORY_RESUMED];
    static const struct history_entry *expected[HISTORY_RESUMED];
    for (uint64_t user = 1; user <= 30; user++) {
        uint8_t address[ADDRESS_BYTES];
        address_of(user, address);
        /* Of each only the last hundred records: more than that is answered with a snapshot. */
        const uint64_t after = user * OUTBOX_RECORDS - 100;
        size_t count = 0;
        size_t expected_count = 0;
        const bool told = history_since(&all, address, after, expected, &expected_count);
        assert_int_equal(history_since(&history, address, after, entries, &count), told);
        assert_int_equal(count, told ? expected_count : 0);
        for (size_t i = 0; i < count; i++) {
            assert_string_equal(entries[i]->body, expected[i]->body);
        }
        assert_int_equal(history.balances[user - 1].available_micro,
                         all.balances[user - 1].available_micro);
    }
    history_free(&all);
}

/* Records that bring no events are kept up to a number: an idle journal fills no memory. */
static void records_without_events_are_let_go(void **state)
{
    (void)state;
    put(1);
    for (int i = 0; i < 100; i++) {
        put(0);
    }
    recent_tell(&recent, &history);
    assert_int_equal(history.last, 0);
    assert_true(history.complete_from > 1);
    assert_true(history.complete_from + RECENT_RECORDS <= last_seq + 2 * OUTBOX_RECORDS);
    assert_int_equal(history.balances[0].available_micro, OUTBOX_RECORDS);
}

/* The newest outbox stays, however many events it has. */
static void one_outbox_is_never_too_old(void **state)
{
    (void)state;
    put(7);
    assert_int_equal(recent.events, 2 * OUTBOX_RECORDS);
    recent_tell(&recent, &history);
    assert_int_equal(history.last, 2 * OUTBOX_RECORDS);
    assert_int_equal(history.complete_from, 0);
    assert_null(recent.oldest);
    assert_int_equal(recent.events, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_history_is_as_if_all_were_rendered, begin, end),
        cmocka_unit_test_setup_teardown(records_without_events_are_let_go, begin, end),
        cmocka_unit_test_setup_teardown(one_outbox_is_never_too_old, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
