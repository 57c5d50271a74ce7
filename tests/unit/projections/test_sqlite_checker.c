/* The checker against the story: every edit of every table is found and named, and files that a
 * writer makes, up to any record, with kills between commits or while the check runs, never are. */
#include "projections/sqlite_checker.h"

#include "story.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Tells one record of the story, its outboxes being of one record each. */
static void tell(struct sqlite_checker *checker, const struct outbox *outbox)
{
    const struct outbox_record *record = outbox_records(outbox);
    const struct event_sink sink = sqlite_checker_sink(checker);
    sqlite_checker_begin_record(checker, record->seq, record->time_ms);
    for (const struct outbox_item *item = record->items; item != NULL; item = item->next) {
        if (item->kind == OUTBOX_EVENT) {
            sink.event(sink.context, &item->of.event);
        } else {
            sink.posting(sink.context, &item->of.posting);
        }
    }
    sqlite_checker_end_record(checker, outbox_digest(outbox));
}

static struct sqlite_checker *open_checker(const char *dir)
{
    struct sqlite_checker *checker = NULL;
    char text[SQLITE_CHECKER_TEXT_BYTES];
    const enum status status = sqlite_checker_open(dir, &checker, text);
    if (status != STATUS_OK) {
        print_error("%s\n", text);
    }
    assert_int_equal(status, STATUS_OK);
    return checker;
}

static enum status check(const char *dir, uint64_t last, struct sqlite_checker_result *result)
{
    struct story story;
    story_tell(&story, 1);
    struct sqlite_checker *checker = open_checker(dir);
    for (uint64_t i = 0; i < last; i++) {
        tell(checker, story.outboxes[i]);
    }
    const enum status status = sqlite_checker_finish(checker, result);
    sqlite_checker_close(checker);
    story_free(&story);
    return status;
}

/* Brings the files of a directory to record `last`, `cut` records a transaction. */
static void bring_to(const char *dir, uint64_t last, size_t cut)
{
    struct story story;
    story_tell(&story, 1);
    struct sqlite_writer_report report;
    struct sqlite_writer *writer = story_writer(dir, &report);
    for (size_t at = (size_t)report.applied_seq; at < last; at += cut) {
        const size_t count = at + cut > last ? (size_t)last - at : cut;
        assert_int_equal(sqlite_writer_apply_many(writer, &story.outboxes[at], count), STATUS_OK);
    }
    sqlite_writer_close(writer);
    story_free(&story);
}

static void expect_good(const char *dir, uint64_t last)
{
    struct sqlite_checker_result result;
    const enum status status = check(dir, last, &result);
    if (status != STATUS_OK) {
        print_error("%s\n", result.problem);
    }
    assert_int_equal(status, STATUS_OK);
    assert_int_equal(result.first_seq, 0);
    assert_string_equal(result.problem, "");
}

static void expect_difference(const char *dir, const char *file, const char *words)
{
    struct sqlite_checker_result result;
    const enum status status = check(dir, STORY_RECORDS, &result);
    if (status != STATUS_MISMATCH || strstr(result.problem, words) == NULL ||
        strstr(result.problem, file) == NULL) {
        print_error("expected %s, %s\n-> %s\n", file, words, result.problem);
    }
    assert_int_equal(status, STATUS_MISMATCH);
    assert_non_null(strstr(result.problem, file));
    assert_non_null(strstr(result.problem, words));
    assert_in_range(result.first_seq, 1, STORY_RECORDS);
    assert_true(result.differences > 0);
}

/* Proves that what the writer makes is never called different, at whatever record it stands and
 * however the transactions were cut, and that each table is counted. */
static void files_at_any_record_are_equal(void **state)
{
    (void)state;
    for (size_t cut = 1; cut <= 4; cut += 3) {
        for (uint64_t last = 1; last <= STORY_RECORDS; last++) {
            char dir[64];
            story_directory(dir);
            bring_to(dir, last, cut);
            expect_good(dir, STORY_RECORDS);
            expect_good(dir, last);
            story_remove_directory(dir);
        }
    }
    char dir[64];
    story_directory(dir);
    expect_good(dir, STORY_RECORDS); /* no files at all */
    bring_to(dir, STORY_RECORDS, 3);
    struct sqlite_checker_result result;
    assert_int_equal(check(dir, STORY_RECORDS, &result), STATUS_OK);
    assert_int_equal(result.tables, 10);
    assert_int_equal(result.seq, STORY_RECORDS);
    assert_int_equal(result.missing, 0);
    /* Two users, one configuration, one meta, two weeks; five bets, two columns, and the ledger. */
    assert_int_equal(result.rows,
                     2 + 1 + 1 + 2 + 6 + 2 +
                         story_query(dir, STORY_WEEK_1, "SELECT count(*) FROM transaction_ledger") +
                         story_query(dir, STORY_WEEK_2, "SELECT count(*) FROM transaction_ledger"));
    story_remove_directory(dir);
}

struct edit {
    uint64_t last; /* the files stand there */
    const char *file;
    const char *sql;
    const char *other_sql; /* on the other file, or NULL */
    const char *words;
};

static const struct edit edits[] = {
    {20, "main.db", "UPDATE users SET balance = balance + 1 WHERE id = 2", NULL,
     "table users: row id=2 has balance"},
    {20, "main.db", "UPDATE users SET held = 5 WHERE id = 1", NULL, "has held 5, 0 by replay"},
    {20, "main.db", "UPDATE users SET open_bets = 2 WHERE id = 1", NULL, "has open_bets 2, 1 by"},
    {20, "main.db", "UPDATE users SET account = zeroblob(20) WHERE id = 1", NULL,
     "has account 0x0000000000000000000000000000000000000000, 0x5aaeb6"},
    {20, "main.db", "DELETE FROM users WHERE id = 1", NULL, "row id=1 is missing"},
    {20, "main.db", "INSERT INTO users VALUES (3, zeroblob(20), 0, 0, 0)", NULL,
     "row id=3 is not there by replay"},
    {20, "main.db", "INSERT INTO users VALUES (-3, zeroblob(20), 0, 0, 0)", NULL,
     "row id=-3 is not there by replay"},
    {20, "main.db", "UPDATE configs SET body = '{}'", NULL, "row epoch=1 has body '{}'"},
    {20, "main.db", "UPDATE configs SET at = at + 1", NULL, "row epoch=1 has at"},
    {20, "main.db", "DELETE FROM configs", NULL, "row epoch=1 is missing"},
    {20, "main.db", "INSERT INTO configs VALUES (2, 9, 9, '{}')", NULL, "row epoch=2 is not there"},
    {20, "main.db", "UPDATE meta SET value = 'ETH-USD'", NULL, "has value 'ETH-USD', 'BTC-USD'"},
    {20, "main.db", "INSERT INTO meta VALUES ('a', 'b')", NULL, "table meta: 2 rows, 1 by replay"},
    {20, "main.db", "UPDATE weeks SET opened_seq = 14 WHERE opened_seq = 15", NULL,
     "has opened_seq 14, 15 by replay"},
    {20, "main.db", "DELETE FROM weeks WHERE opened_seq = 1", NULL, "is missing"},
    {20, "main.db", "UPDATE applied SET digest = zeroblob(32)", NULL, "digest after seq 20"},
    {20, STORY_WEEK_1, "UPDATE applied SET digest = zeroblob(32)", NULL, "digest after seq 1"},
    {20, STORY_WEEK_2, "UPDATE applied SET digest = zeroblob(32)", NULL, "digest after seq 20"},
    {20, STORY_WEEK_2, "UPDATE applied SET closed = 1", NULL, "closed is 1, 0 by replay"},
    /* One amount, and so that the sums agree again. */
    {20, STORY_WEEK_1, "UPDATE transaction_ledger SET amount = amount + 1 WHERE seq = 3", NULL,
     "row seq=3, line=1 has amount 10000001, 10000000 by replay"},
    {20, STORY_WEEK_2, "UPDATE transaction_ledger SET amount = amount + 1 WHERE seq = 17",
     "UPDATE users SET balance = balance + 1 WHERE id = 2", "row seq=17, line=0 has amount"},
    /* Two rows of one user that cancel out. */
    {20, STORY_WEEK_1,
     "UPDATE transaction_ledger SET amount = amount + CASE seq WHEN 3 THEN 7 ELSE -7 END"
     " WHERE seq IN (3, 6)",
     NULL, "row seq=3, line=1 has amount 10000007"},
    {20, STORY_WEEK_1, "UPDATE transaction_ledger SET balance_after = 0 WHERE seq = 4", NULL,
     "has balance_after 0, 5000000 by replay"},
    {20, STORY_WEEK_1, "UPDATE transaction_ledger SET user_id = 2 WHERE seq = 3", NULL,
     "has user_id 2, 1 by replay"},
    {20, STORY_WEEK_1, "UPDATE transaction_ledger SET account = zeroblob(20) WHERE seq = 3", NULL,
     "has account 0x00"},
    {20, STORY_WEEK_1, "UPDATE transaction_ledger SET ref_type = 'GOODWILL' WHERE seq = 3", NULL,
     "has ref_type 'GOODWILL', 'DEPOSIT' by replay"},
    {20, STORY_WEEK_1, "UPDATE transaction_ledger SET ref_id = 'd9' WHERE seq = 3", NULL,
     "has ref_id 'd9', 'd1' by replay"},
    {20, "main.db", "UPDATE meta SET value = value || char(0) || 'x'", NULL,
     "table meta: row key='market' has value"},
    {20, "main.db", "UPDATE meta SET key = key || char(0) || 'x'", NULL,
     "table meta: row key='market' has value '', 'BTC-USD' by replay"},
    {20, STORY_WEEK_1, "UPDATE applied SET closed = 2", NULL, "closed is 2, 1 by replay"},
    {20, STORY_WEEK_1, "UPDATE transaction_ledger SET ref_id = ref_id || char(0) WHERE seq = 6",
     NULL, "row seq=6, line=0 has ref_id"},
    {20, STORY_WEEK_1, "UPDATE transaction_ledger SET at = at + 1 WHERE seq = 3", NULL, "has at "},
    {20, STORY_WEEK_1, "UPDATE transaction_ledger SET line = 7 WHERE seq = 3", NULL,
     "row seq=3, line=1 is missing"},
    {20, STORY_WEEK_1, "DELETE FROM transaction_ledger WHERE seq = 11", NULL,
     "row seq=11, line=2 is missing"},
    {20, STORY_WEEK_1,
     "INSERT INTO transaction_ledger SELECT 5, 0, account, user_id, 0, balance_after, ref_type,"
     " ref_id, at FROM transaction_ledger WHERE seq = 3",
     NULL, "row seq=5, line=0 is not there by replay"},
    {20, STORY_WEEK_1,
     "INSERT INTO transaction_ledger SELECT -5, 0, account, user_id, 0, balance_after, ref_type,"
     " ref_id, at FROM transaction_ledger WHERE seq = 3",
     NULL, "row seq=-5, line=0 is not there by replay"},
    {20, STORY_WEEK_2,
     "INSERT INTO transaction_ledger SELECT 900, 0, account, user_id, 0, balance_after, ref_type,"
     " ref_id, at FROM transaction_ledger WHERE seq = 17",
     NULL, "a row of seq 900 is there, but the file has applied seq 20 alone"},
    /* The balances that a week opens with. */
    {20, STORY_WEEK_2, "UPDATE transaction_ledger SET amount = amount + 1 WHERE seq = 0 AND line=1",
     NULL, "row seq=0, line=1 has amount"},
    {20, STORY_WEEK_2, "DELETE FROM transaction_ledger WHERE seq = 0 AND line = 2", NULL,
     "row seq=0, line=2 is missing"},
    {20, STORY_WEEK_2,
     "INSERT INTO transaction_ledger SELECT 0, 3, account, 3, 1, 1, ref_type, ref_id, at"
     " FROM transaction_ledger WHERE seq = 0 AND line = 2",
     NULL, "row seq=0, line=3 is not there by replay"},
    {20, STORY_WEEK_1, "UPDATE bets SET state = 'lost' WHERE bet = 6", NULL,
     "row bet=6 has state 'lost', 'won' by replay"},
    {20, STORY_WEEK_1, "UPDATE bets SET payout = payout + 1 WHERE bet = 6", NULL,
     "row bet=6 has payout 3150001, 3150000 by replay"},
    {20, STORY_WEEK_1, "UPDATE bets SET mult = 211 WHERE bet = 6", NULL, "has mult 211, 210"},
    {20, STORY_WEEK_1, "UPDATE bets SET price = price + 1 WHERE bet = 6", NULL, "has price "},
    {20, STORY_WEEK_1, "UPDATE bets SET tick_age = 1 WHERE bet = 6", NULL, "has tick "},
    {20, STORY_WEEK_1, "UPDATE bets SET settle_price = 1 WHERE bet = 6", NULL, "has settle_price"},
    {20, STORY_WEEK_1, "UPDATE bets SET reason = NULL WHERE bet = 9", NULL,
     "has reason NULL, 'PRICE_MOVED' by replay"},
    {20, STORY_WEEK_1, "UPDATE bets SET stake = stake - 1 WHERE bet = 12", NULL, "row bet=12 has"},
    {20, STORY_WEEK_1, "UPDATE bets SET nonce = zeroblob(16) WHERE bet = 8", NULL, "has nonce 0x0"},
    {20, STORY_WEEK_1, "UPDATE bets SET session = 0 WHERE bet = 8", NULL,
     "has session 0, NULL by replay"},
    {20, STORY_WEEK_1, "DELETE FROM bets WHERE bet = 14", NULL, "row bet=14 is missing"},
    {20, STORY_WEEK_1, "UPDATE bets SET bet = 13 WHERE bet = 14", NULL,
     "row bet=13 is not there by replay"},
    {20, STORY_WEEK_2, "UPDATE bets SET bet = 19 WHERE bet = 18", NULL, "row bet=18 is missing"},
    {20, STORY_WEEK_2, "UPDATE bets SET state = 'accepted' WHERE bet = 18", NULL,
     "row bet=18 has state 'accepted', 'confirmed' by replay"},
    {20, STORY_WEEK_2, "UPDATE bets SET state = 'won' WHERE bet = 18", NULL, "row bet=18 is not"},
    /* Bets that are open where the file stands. */
    {7, STORY_WEEK_1, "UPDATE bets SET mult = 999 WHERE bet = 6", NULL, "has mult 999, 210"},
    {6, STORY_WEEK_1, "UPDATE bets SET payout = 1 WHERE bet = 6", NULL, "has payout 1, NULL by"},
    {6, STORY_WEEK_1, "UPDATE bets SET band = band + 1 WHERE bet = 6", NULL, "row bet=6 has band"},
    {20, STORY_WEEK_1, "UPDATE columns SET price = price + 1", NULL,
     "table columns: row column_ms"},
    {20, STORY_WEEK_1, "UPDATE columns SET ticks = '[]'", NULL, "has ticks '[]'"},
    {20, STORY_WEEK_2, "UPDATE columns SET state = 'settled'", NULL,
     "has state 'settled', 'void' by replay"},
    {20, STORY_WEEK_2, "DELETE FROM columns", NULL, "is missing"},
    {20, STORY_WEEK_2,
     "INSERT INTO columns SELECT 5000, 16, at, band_e4, state, reason, price, band,"
     " ticks, bets, stakes, paid FROM columns",
     NULL, "row column_ms=5000 is not there by replay"},
    {20, STORY_WEEK_2,
     "INSERT INTO columns SELECT column_ms + 5000, 999, at, band_e4, state, reason, price, band,"
     " ticks, bets, stakes, paid FROM columns",
     NULL, "a row of seq 999 is there"},
};

/* Proves that each kind of edit, whether or not sums still agree, is found, and named with file,
 * table, row, column and both values. */
static void every_edit_is_named(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(edits) / sizeof(edits[0]); i++) {
        const struct edit *edit = &edits[i];
        char dir[64];
        story_directory(dir);
        bring_to(dir, edit->last, 1);
        story_execute(dir, edit->file, edit->sql);
        if (edit->other_sql != NULL) {
            story_execute(dir, "main.db", edit->other_sql);
        }
        expect_difference(dir, edit->file, edit->words);
        story_remove_directory(dir);
    }
}

/* Proves that an older copy of one file is told from what a kill between two commits leaves. */
static void an_older_copy_is_named(void **state)
{
    (void)state;
    static const char *const files[] = {"main.db", STORY_WEEK_2};
    for (size_t i = 0; i < 2; i++) {
        char dir[64];
        story_directory(dir);
        bring_to(dir, 17, 1);
        story_copy(dir, files[i], "copy");
        bring_to(dir, STORY_RECORDS, 1);
        story_copy(dir, "copy", files[i]);
        story_remove(dir, "copy");
        expect_difference(dir, files[i], "it is an older copy");
        story_remove_directory(dir);
    }
    char dir[64];
    story_directory(dir);
    bring_to(dir, 17, 1);
    story_copy(dir, "main.db", "copy");
    bring_to(dir, STORY_RECORDS, STORY_RECORDS); /* one transaction, and the kill before main.db */
    story_copy(dir, "copy", "main.db");
    story_remove(dir, "copy");
    expect_good(dir, STORY_RECORDS);
    story_remove_directory(dir);
}

/* Proves that a main.db on its way back beside week files that are ahead is no difference. */
static void a_main_db_that_catches_up_is_equal(void **state)
{
    (void)state;
    char dir[64];
    story_directory(dir);
    bring_to(dir, STORY_RECORDS, 2);
    story_remove(dir, "main.db");
    expect_good(dir, STORY_RECORDS);
    for (uint64_t last = 2; last <= STORY_RECORDS; last += 6) {
        struct story story;
        story_tell(&story, 1);
        struct sqlite_writer_report report;
        struct sqlite_writer *writer = story_writer(dir, &report);
        story_apply(writer, &story, report.applied_seq, last);
        sqlite_writer_close(writer);
        story_free(&story);
        expect_good(dir, STORY_RECORDS);
    }
    story_remove_directory(dir);
}

/* Proves that files of another history are named, and files that are ahead of the journal too. */
static void files_of_another_journal_are_named(void **state)
{
    (void)state;
    char dir[64];
    story_directory(dir);
    bring_to(dir, STORY_RECORDS, 1);
    /* A history with another first deposit, and with other digests. */
    story_execute(dir, "main.db", "UPDATE applied SET digest = randomblob(32)");
    story_execute(dir, STORY_WEEK_1,
                  "UPDATE applied SET digest = randomblob(32);"
                  "UPDATE transaction_ledger SET amount = amount * 2;"
                  "UPDATE bets SET account = randomblob(20)");
    expect_difference(dir, STORY_WEEK_1, "row seq=3, line=1 has amount 20000000");
    struct sqlite_checker_result result;
    assert_int_equal(check(dir, STORY_RECORDS - 1, &result), STATUS_LOST_TAIL);
    assert_non_null(strstr(result.problem, "the journal ends at seq 19"));
    story_execute(dir, STORY_WEEK_2, "PRAGMA user_version = 77");
    struct sqlite_checker *checker;
    char text[SQLITE_CHECKER_TEXT_BYTES];
    assert_int_equal(sqlite_checker_open(dir, &checker, text), STATUS_VERSION);
    assert_non_null(strstr(text, STORY_WEEK_2));
    story_remove_directory(dir);
}

/* Proves that missing files are counted and are no difference. */
static void missing_files_are_counted(void **state)
{
    (void)state;
    char dir[64];
    story_directory(dir);
    bring_to(dir, STORY_RECORDS, 4);
    story_remove(dir, STORY_WEEK_1);
    struct sqlite_checker_result result;
    assert_int_equal(check(dir, STORY_RECORDS, &result), STATUS_OK);
    assert_int_equal(result.missing, 1);
    assert_int_equal(result.tables, 7);
    story_remove(dir, "main.db");
    assert_int_equal(check(dir, STORY_RECORDS, &result), STATUS_OK);
    assert_int_equal(result.missing, 2);
    assert_int_equal(result.seq, 0);
    story_remove_directory(dir);
}

/* Proves that a writer which goes on while the check runs, at every pair of speeds, changes
 * nothing: the check is as of the records that it found. */
static void a_writer_beside_the_check_is_no_difference(void **state)
{
    (void)state;
    for (uint64_t start = 1; start < STORY_RECORDS; start += 3) {
        for (size_t lead = 1; lead < 4; lead += 2) {
            char dir[64];
            story_directory(dir);
            bring_to(dir, start, 1);
            struct story story;
            story_tell(&story, 1);
            struct sqlite_writer_report report;
            struct sqlite_writer *writer = story_writer(dir, &report);
            struct sqlite_checker *checker = open_checker(dir);
            uint64_t written = start;
            for (size_t i = 0; i < STORY_RECORDS; i++) {
                for (size_t j = 0; j < lead && written < STORY_RECORDS; j++) {
                    assert_int_equal(sqlite_writer_apply(writer, story.outboxes[written]),
                                     STATUS_OK);
                    written += 1;
                }
                tell(checker, story.outboxes[i]);
            }
            struct sqlite_checker_result result;
            const enum status status = sqlite_checker_finish(checker, &result);
            if (status != STATUS_OK) {
                print_error("%s\n", result.problem);
            }
            assert_int_equal(status, STATUS_OK);
            assert_int_equal(result.seq, start);
            sqlite_checker_close(checker);
            sqlite_writer_close(writer);
            story_free(&story);
            story_remove_directory(dir);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files_at_any_record_are_equal),
        cmocka_unit_test(every_edit_is_named),
        cmocka_unit_test(an_older_copy_is_named),
        cmocka_unit_test(a_main_db_that_catches_up_is_equal),
        cmocka_unit_test(files_of_another_journal_are_named),
        cmocka_unit_test(missing_files_are_counted),
        cmocka_unit_test(a_writer_beside_the_check_is_no_difference),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
