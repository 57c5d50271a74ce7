/* The ring of recent account events behind `resume`. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "tools/serve/history.h"

static const uint8_t digest[HASH_BYTES];

static int open_history(void **state)
{
    static struct history history;
    history = (struct history){0};
    *state = &history;
    return history_open(&history) != STATUS_OK;
}

static int close_history(void **state)
{
    history_free(*state);
    return 0;
}

static void address_of(uint64_t user, uint8_t address[ADDRESS_BYTES])
{
    memset(address, 0x11, ADDRESS_BYTES);
    address[9] = (uint8_t)user; /* in no part of the hash: all users share a bucket */
}

static void put_posting(const struct event_sink *sink, uint64_t user, enum ledger_account account,
                        int64_t amount_micro, int64_t after_micro)
{
    uint8_t address[ADDRESS_BYTES];
    address_of(user, address);
    const struct posting posting = {.account = account,
                                    .user_id = user,
                                    .address = address,
                                    .amount_micro = amount_micro,
                                    .balance_after_micro = after_micro,
                                    .ref_type = REF_BET_HOLD};
    sink->posting(sink->context, &posting);
}

static void put_bet(const struct event_sink *sink, uint64_t user, uint64_t bet)
{
    struct bet told = {.bet = bet, .user_id = user, .state = BET_ACCEPTED, .stake_micro = 5};
    address_of(user, told.account);
    const struct event event = {.kind = EVENT_BET_ACCEPTED, .of.bet = &told};
    sink->event(sink->context, &event);
}

/* What history_add told, in order. */
struct told {
    size_t count;
    uint64_t seqs[16];
    uint8_t users[16];
    char bodies[16][256];
};

static void note(void *context, const struct history_entry *entry)
{
    struct told *told = context;
    if (told->count < 16) {
        told->seqs[told->count] = entry->seq;
        told->users[told->count] = entry->account[9];
        snprintf(told->bodies[told->count], sizeof(told->bodies[0]), "%.*s", (int)entry->length,
                 entry->body);
    }
    told->count += 1;
}

static void seal_and_add(struct history *history, struct outbox *outbox, struct told *told)
{
    assert_int_equal(outbox_seal(outbox, digest), STATUS_OK);
    history_add(history, outbox, told, told == NULL ? NULL : note);
    outbox_release(outbox);
}

/* Records first..last of one bet event each. */
static void add_bets(struct history *history, uint64_t user, uint64_t first, uint64_t last)
{
    struct outbox *outbox = outbox_new();
    const struct event_sink sink = outbox_sink(outbox);
    for (uint64_t seq = first; seq <= last; seq++) {
        outbox_begin_record(outbox, seq, 1000 + (int64_t)seq);
        put_bet(&sink, user, seq);
    }
    seal_and_add(history, outbox, NULL);
}

/* The seqs of what a resume gives; the count, or -1 for "snapshot". */
static int since(const struct history *history, uint64_t user, uint64_t after, uint64_t *first,
                 uint64_t *last)
{
    static const struct history_entry *entries[HISTORY_RESUMED];
    uint8_t address[ADDRESS_BYTES];
    size_t count;
    address_of(user, address);
    if (!history_since(history, address, after, entries, &count)) {
        return -1;
    }
    for (size_t i = 0; i < count; i++) {
        assert_memory_equal(entries[i]->account, address, ADDRESS_BYTES);
        assert_true(entries[i]->seq >= after);
        assert_true(i == 0 || entries[i]->seq >= entries[i - 1]->seq);
    }
    *first = count == 0 ? 0 : entries[0]->seq;
    *last = count == 0 ? 0 : entries[count - 1]->seq;
    return (int)count;
}

/* Proves that one balance event per user follows all events of its record, with the balances after
 * all of the record's postings, in the order in which the users were first touched; and that an
 * unchanged half of a balance is the one of earlier records. */
static void balances_come_after_all_postings_of_a_seq(void **state)
{
    struct history *history = *state;
    struct told told = {0};
    struct outbox *outbox = outbox_new();
    const struct event_sink sink = outbox_sink(outbox);
    outbox_begin_record(outbox, 1, 1001);
    put_posting(&sink, 0, LEDGER_EXTERNAL, -100, -100);
    put_posting(&sink, 2, LEDGER_AVAILABLE, 100, 100);
    outbox_begin_record(outbox, 2, 1002);
    put_posting(&sink, 2, LEDGER_AVAILABLE, -30, 70);
    put_posting(&sink, 2, LEDGER_HELD, 30, 30);
    put_bet(&sink, 2, 2);
    put_posting(&sink, 1, LEDGER_AVAILABLE, 7, 7);
    put_posting(&sink, 2, LEDGER_AVAILABLE, -20, 50);
    put_bet(&sink, 1, 2);
    seal_and_add(history, outbox, &told);
    assert_int_equal(told.count, 5);
    assert_string_equal(told.bodies[0], "{\"seq\":\"1\",\"time\":\"1001\",\"type\":\"balance\","
                                        "\"available\":\"100\",\"held\":\"0\"}");
    assert_non_null(strstr(told.bodies[1], "bet:accepted"));
    assert_int_equal(told.users[1], 2);
    assert_non_null(strstr(told.bodies[2], "bet:accepted"));
    assert_int_equal(told.users[2], 1);
    assert_string_equal(told.bodies[3], "{\"seq\":\"2\",\"time\":\"1002\",\"type\":\"balance\","
                                        "\"available\":\"50\",\"held\":\"30\"}");
    assert_int_equal(told.users[3], 2);
    assert_int_equal(told.users[4], 1);
    assert_non_null(strstr(told.bodies[4], "\"available\":\"7\",\"held\":\"0\""));
}

/* Proves that the totals follow every posting: what users have, and what stands in escrow. */
static void totals_follow_the_postings(void **state)
{
    struct history *history = *state;
    struct outbox *outbox = outbox_new();
    const struct event_sink sink = outbox_sink(outbox);
    outbox_begin_record(outbox, 1, 1001);
    put_posting(&sink, 0, LEDGER_EXTERNAL, -100, -100);
    put_posting(&sink, 1, LEDGER_AVAILABLE, 100, 100);
    outbox_begin_record(outbox, 2, 1002);
    put_posting(&sink, 1, LEDGER_AVAILABLE, -30, 70);
    put_posting(&sink, 1, LEDGER_HELD, 30, 30);
    put_posting(&sink, 1, LEDGER_HELD, -30, 0);
    put_posting(&sink, 0, LEDGER_ESCROW, 30, 30);
    put_posting(&sink, 0, LEDGER_BANKROLL, -9, 991);
    put_posting(&sink, 0, LEDGER_RESERVED, 9, 9);
    seal_and_add(history, outbox, NULL);
    assert_int_equal(history->users_micro, 70);
    assert_int_equal(history->escrow_micro, 30);
}

/* Proves that a resume is inclusive, that accounts of one bucket are told apart, and that an
 * account without events, or with none so new, gets an empty history and not a snapshot. */
static void resume_gives_the_account_its_own_events(void **state)
{
    struct history *history = *state;
    uint64_t first;
    uint64_t last;
    add_bets(history, 1, 1, 10);
    add_bets(history, 2, 11, 20);
    add_bets(history, 1, 21, 30);
    assert_int_equal(since(history, 1, 0, &first, &last), 20);
    assert_int_equal(first, 1);
    assert_int_equal(last, 30);
    assert_int_equal(since(history, 1, 10, &first, &last), 11);
    assert_int_equal(first, 10);
    assert_int_equal(since(history, 1, 11, &first, &last), 10);
    assert_int_equal(first, 21);
    assert_int_equal(since(history, 2, 11, &first, &last), 10);
    assert_int_equal(first, 11);
    assert_int_equal(last, 20);
    assert_int_equal(since(history, 2, 21, &first, &last), 0);
    assert_int_equal(since(history, 3, 0, &first, &last), 0);
    assert_int_equal(since(history, 1, 1000, &first, &last), 0);
}

/* Proves that after the ring has turned exactly those resumes succeed whose every event is there,
 * whichever account they ask for. */
static void a_turned_ring_says_what_it_has_forgotten(void **state)
{
    struct history *history = *state;
    uint64_t first;
    uint64_t last;
    add_bets(history, 1, 1, 10);
    for (uint64_t seq = 11; seq <= HISTORY_EVENTS; seq += 1000) {
        add_bets(history, 2, seq,
                 seq + 999 < HISTORY_EVENTS ? seq + 999 : (uint64_t)HISTORY_EVENTS);
    }
    assert_int_equal(since(history, 1, 0, &first, &last), 10);
    add_bets(history, 3, HISTORY_EVENTS + 1, HISTORY_EVENTS + 1); /* forgets seq 1 */
    assert_int_equal(since(history, 1, 0, &first, &last), -1);
    assert_int_equal(since(history, 1, 1, &first, &last), -1);
    assert_int_equal(since(history, 1, 2, &first, &last), 9);
    assert_int_equal(first, 2);
    assert_int_equal(since(history, 3, 2, &first, &last), 1);
    assert_int_equal(since(history, 4, 1, &first, &last), -1);
    add_bets(history, 3, HISTORY_EVENTS + 2, 2 * HISTORY_EVENTS + 5); /* a turn and more */
    assert_int_equal(since(history, 1, HISTORY_EVENTS + 5, &first, &last), -1);
    assert_int_equal(since(history, 1, HISTORY_EVENTS + 6, &first, &last), 0);
    assert_int_equal(since(history, 3, 2 * HISTORY_EVENTS + 1, &first, &last), 5);
    assert_int_equal(last, 2 * HISTORY_EVENTS + 5);
}

/* Proves that a resume never gives more than a socket's queue takes: the reader would be cut for
 * being slow, come back, and be cut again. */
static void a_long_resume_is_a_snapshot(void **state)
{
    static const struct history_entry *entries[HISTORY_RESUMED];
    struct history *history = *state;
    uint8_t address[ADDRESS_BYTES];
    size_t count;
    address_of(1, address);
    add_bets(history, 1, 1, 2000);
    uint64_t after = 2000;
    while (after > 1 && history_since(history, address, after - 1, entries, &count)) {
        after -= 1;
    }
    assert_true(history_since(history, address, after, entries, &count));
    assert_in_range(count, 100, HISTORY_RESUMED);
    size_t bytes = 0;
    for (size_t i = 0; i < count; i++) {
        bytes += entries[i]->length;
    }
    assert_true(bytes <= HISTORY_RESUMED_BYTES);
    assert_true(after > 1);
}

/* Proves that outboxes which were only followed count for the balances, and that a resume into them
 * is a snapshot, while one behind them is not. */
static void followed_records_leave_their_balances(void **state)
{
    struct history *history = *state;
    struct told told = {0};
    uint64_t first;
    uint64_t last;
    struct outbox *old = outbox_new();
    struct event_sink sink = outbox_sink(old);
    outbox_begin_record(old, 1, 1001);
    put_posting(&sink, 3, LEDGER_AVAILABLE, 100, 100);
    outbox_begin_record(old, 2, 1002);
    put_posting(&sink, 3, LEDGER_AVAILABLE, -40, 60);
    put_posting(&sink, 3, LEDGER_HELD, 40, 40);
    put_bet(&sink, 3, 2);
    assert_int_equal(outbox_seal(old, digest), STATUS_OK);
    history_follow(history, old);
    outbox_release(old);

    struct outbox *outbox = outbox_new();
    sink = outbox_sink(outbox);
    outbox_begin_record(outbox, 3, 1003);
    put_posting(&sink, 3, LEDGER_AVAILABLE, 5, 65);
    seal_and_add(history, outbox, &told);
    assert_int_equal(told.count, 1);
    assert_string_equal(told.bodies[0], "{\"seq\":\"3\",\"time\":\"1003\",\"type\":\"balance\","
                                        "\"available\":\"65\",\"held\":\"40\"}");
    assert_int_equal(since(history, 3, 2, &first, &last), -1);
    assert_int_equal(since(history, 3, 3, &first, &last), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(balances_come_after_all_postings_of_a_seq, open_history,
                                        close_history),
        cmocka_unit_test_setup_teardown(totals_follow_the_postings, open_history, close_history),
        cmocka_unit_test_setup_teardown(resume_gives_the_account_its_own_events, open_history,
                                        close_history),
        cmocka_unit_test_setup_teardown(a_turned_ring_says_what_it_has_forgotten, open_history,
                                        close_history),
        cmocka_unit_test_setup_teardown(a_long_resume_is_a_snapshot, open_history, close_history),
        cmocka_unit_test_setup_teardown(followed_records_leave_their_balances, open_history,
                                        close_history),
    };
    return cmocka_run_group_tests_name("history", tests, NULL, NULL);
}
