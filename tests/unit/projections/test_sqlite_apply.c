/* What one transaction writes at its end is checked as if each record were written on its own. */
#include "projections/sqlite_apply.h"

#include "story.h"

#include <string.h>

/* The record after `seq`: bet 6 of user 1, which is over, is decided once more. */
static struct outbox *decide_again(uint64_t seq, int64_t time_ms, enum event_kind kind,
                                   enum bet_state to)
{
    struct bet bet = {.bet = 6,
                      .user_id = 1,
                      .accepted_at_ms = STORY_BORDER_MS - 3595000,
                      .state = to,
                      .reason = REASON_NONE,
                      .settled_at_ms = time_ms,
                      .settled_seq = seq};
    memcpy(bet.account, story_accounts[1], ADDRESS_BYTES);
    struct event event = {.kind = kind};
    event.of.bet = &bet;
    struct outbox *outbox = outbox_new();
    assert_non_null(outbox);
    outbox_begin_record(outbox, seq, time_ms);
    const struct event_sink sink = outbox_sink(outbox);
    sink.event(sink.context, &event);
    const uint8_t digest[HASH_BYTES] = {1};
    assert_int_equal(outbox_seal(outbox, digest), STATUS_OK);
    return outbox;
}

/* Gives records 1 to 12 and then the false one, `alone` of them in transactions of their own. */
static void expect_refused(size_t alone, enum event_kind kind, enum bet_state to)
{
    char dir[64];
    story_directory(dir);
    struct story story;
    story_tell(&story, 1);
    struct sqlite_writer_report report;
    struct sqlite_writer *writer = story_writer(dir, &report);
    story_apply(writer, &story, 0, alone);
    struct outbox *outboxes[13];
    memcpy(outboxes, story.outboxes, sizeof(struct outbox *) * 12);
    outboxes[12] = decide_again(13, STORY_BORDER_MS - 9000, kind, to);
    assert_int_equal(sqlite_writer_apply_many(writer, &outboxes[alone], 13 - alone),
                     STATUS_MISMATCH);
    const char *words = "bet 6 becomes ";
    if (strstr(sqlite_writer_error(writer), words) == NULL) {
        print_error("%s\n", sqlite_writer_error(writer));
    }
    assert_non_null(strstr(sqlite_writer_error(writer), words));
    assert_non_null(strstr(sqlite_writer_error(writer), "but is not open"));
    sqlite_writer_close(writer);
    assert_int_equal(story_query(dir, "main.db", "SELECT seq FROM applied"), (int64_t)alone);
    outbox_release(outboxes[12]);
    story_free(&story);
    story_remove_directory(dir);
}

/* Proves that a bet which is decided twice halts the writer, and that nothing of the transaction is
 * in main.db, whether its row is in the file already or waits for the end of this very transaction.
 * Another bet of the user is open (12), so the number of open bets alone would not tell. */
static void a_bet_is_decided_once(void **state)
{
    (void)state;
    for (size_t alone = 0; alone <= 12; alone++) {
        expect_refused(alone, EVENT_BET_SETTLED, BET_LOST);
        expect_refused(alone, EVENT_BET_SETTLED, BET_WON);
        expect_refused(alone, EVENT_BET_REJECTED, BET_REJECTED);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_bet_is_decided_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
