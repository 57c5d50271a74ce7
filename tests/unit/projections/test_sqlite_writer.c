#include "story.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "projections/sqlite_audit.h"

/* A directory with the whole history in it, and its digests. */
struct whole {
    char dir[64];
    char digests[STORY_DIGESTS_BYTES];
};

static void whole_make(struct whole *whole, size_t cut)
{
    story_directory(whole->dir);
    story_bring_up(whole->dir, cut);
    story_digests(whole->dir, whole->digests);
}

/* Brings dir up again, whatever is left in it, and compares with the first time. */
static void assert_comes_back(const struct whole *whole, size_t cut)
{
    char digests[STORY_DIGESTS_BYTES];
    char text[SQLITE_AUDIT_TEXT_BYTES];
    story_bring_up(whole->dir, cut);
    story_digests(whole->dir, digests);
    assert_string_equal(digests, whole->digests);
    assert_int_equal(sqlite_audit_sums(whole->dir, text), STATUS_OK);
}

/* Proves that users end with the balances of the history's own books. */
static void users_have_their_balances(void **state)
{
    (void)state;
    struct whole whole;
    whole_make(&whole, 3);
    const char *dir = whole.dir;
    assert_int_equal(story_query(dir, "main.db", "SELECT balance FROM users WHERE id = 1"),
                     11150000);
    assert_int_equal(story_query(dir, "main.db", "SELECT balance FROM users WHERE id = 2"),
                     3000000);
    assert_int_equal(story_query(dir, "main.db", "SELECT sum(held) FROM users"), 0);
    assert_int_equal(story_query(dir, "main.db", "SELECT open_bets FROM users WHERE id = 1"), 1);
    assert_int_equal(story_query(dir, "main.db", "SELECT open_bets FROM users WHERE id = 2"), 0);
    assert_int_equal(story_query(dir, "main.db", "SELECT seq FROM applied"), STORY_RECORDS);
    story_remove_directory(dir);
}

/* Proves that the cut of the journal into batches leaves no trace in the rows. */
static void cuts_do_not_matter(void **state)
{
    (void)state;
    struct whole whole;
    whole_make(&whole, 1);
    for (size_t cut = 2; cut <= STORY_RECORDS; cut++) {
        char dir[64];
        char digests[STORY_DIGESTS_BYTES];
        story_directory(dir);
        story_bring_up(dir, cut);
        story_digests(dir, digests);
        assert_string_equal(digests, whole.digests);
        story_remove_directory(dir);
    }
    story_remove_directory(whole.dir);
}

/* Proves that many outboxes in one transaction give the same rows. */
static void merged_outboxes_are_the_same_history(void **state)
{
    (void)state;
    struct whole whole;
    whole_make(&whole, 1);
    char dir[64];
    char digests[STORY_DIGESTS_BYTES];
    story_directory(dir);
    struct story story;
    story_tell(&story, 2);
    struct sqlite_writer_report report;
    struct sqlite_writer *writer = story_writer(dir, &report);
    assert_int_equal(sqlite_writer_apply_many(writer, story.outboxes, story.count), STATUS_OK);
    sqlite_writer_close(writer);
    story_free(&story);
    story_digests(dir, digests);
    assert_string_equal(digests, whole.digests);
    story_remove_directory(dir);
    story_remove_directory(whole.dir);
}

/* Proves the week border: each row in the week of its time, a bet in that of its own record, and
 * the new week opened with one row per user that had a balance at that moment. */
static void week_opens_with_balances_and_bets_stay(void **state)
{
    (void)state;
    struct whole whole;
    whole_make(&whole, 4);
    const char *dir = whole.dir;
    assert_int_equal(story_query(dir, STORY_WEEK_1, "SELECT count(*) FROM bets"), 5);
    assert_int_equal(story_query(dir, STORY_WEEK_2, "SELECT count(*) FROM bets"), 1);
    assert_int_equal(story_query(dir, STORY_WEEK_1,
                                 "SELECT settled_seq FROM bets WHERE bet = 12 AND state = 'void'"),
                     16);
    assert_int_equal(story_query(dir, STORY_WEEK_1, "SELECT priced_seq FROM bets WHERE bet = 14"),
                     15);
    assert_int_equal(story_query(dir, STORY_WEEK_2, "SELECT count(*) FROM columns"), 1);
    assert_int_equal(
        story_query(dir, STORY_WEEK_1,
                    "SELECT count(*) FROM transaction_ledger WHERE ref_type = 'OPENING'"),
        0);
    assert_int_equal(story_query(dir, STORY_WEEK_2,
                                 "SELECT amount FROM transaction_ledger WHERE seq = 0 AND line = 1"
                                 " AND ref_type = 'OPENING' AND ref_id = '2026-W48'"
                                 " AND balance_after = amount AND user_id = 1"),
                     9650000);
    assert_int_equal(
        story_query(dir, STORY_WEEK_2,
                    "SELECT amount FROM transaction_ledger WHERE seq = 0 AND line = 2"),
        4000000);
    assert_int_equal(story_query(dir, STORY_WEEK_2,
                                 "SELECT at FROM transaction_ledger WHERE seq = 0 AND line = 1"),
                     STORY_BORDER_MS);
    char text[SQLITE_AUDIT_TEXT_BYTES];
    assert_int_equal(sqlite_audit_sums(dir, text), STATUS_OK);
    /* Nothing of the old week is open: its file is closed, the new one is not. */
    assert_int_equal(story_query(dir, STORY_WEEK_1, "SELECT closed FROM applied"), 1);
    assert_int_equal(story_query(dir, STORY_WEEK_2, "SELECT closed FROM applied"), 0);
    story_remove_directory(dir);
}

/* Proves that a ledger line counts all postings of its record, also those that have no row. */
static void ledger_lines_count_all_postings(void **state)
{
    (void)state;
    struct whole whole;
    whole_make(&whole, 4);
    assert_int_equal(
        story_query(whole.dir, STORY_WEEK_1, "SELECT line FROM transaction_ledger WHERE seq = 3"),
        1);
    assert_int_equal(
        story_query(whole.dir, STORY_WEEK_1, "SELECT line FROM transaction_ledger WHERE seq = 11"),
        2);
    assert_int_equal(
        story_query(whole.dir, STORY_WEEK_1, "SELECT count(*) FROM transaction_ledger"), 8);
    story_remove_directory(whole.dir);
}

/* Proves that a restart after any number of records goes on where it was. */
static void restart_after_every_record_resumes(void **state)
{
    (void)state;
    struct whole whole;
    whole_make(&whole, 1);
    struct story story;
    story_tell(&story, 1);
    for (uint64_t stop = 1; stop < STORY_RECORDS; stop++) {
        char dir[64];
        char digests[STORY_DIGESTS_BYTES];
        story_directory(dir);
        struct sqlite_writer_report report;
        struct sqlite_writer *writer = story_writer(dir, &report);
        story_apply(writer, &story, 0, stop);
        sqlite_writer_close(writer);
        writer = story_writer(dir, &report);
        assert_int_equal(report.applied_seq, stop);
        assert_false(report.rebuilds);
        sqlite_writer_close(writer);
        story_bring_up(dir, 3); /* other cuts than before */
        story_digests(dir, digests);
        assert_string_equal(digests, whole.digests);
        story_remove_directory(dir);
    }
    story_free(&story);
    story_remove_directory(whole.dir);
}

/* Proves that a kill between the commits of two files costs nothing: one file is put back to what
 * it was before the last outbox, for each file and each outbox. */
static void kill_between_commits_resumes(void **state)
{
    (void)state;
    static const char *const names[] = {"main.db", STORY_WEEK_1, STORY_WEEK_2};
    struct whole whole;
    whole_make(&whole, 1);
    struct story story;
    story_tell(&story, 1);
    for (size_t file = 0; file < 3; file++) {
        for (uint64_t stop = 1; stop < STORY_RECORDS; stop++) {
            char dir[64];
            char digests[STORY_DIGESTS_BYTES];
            story_directory(dir);
            struct sqlite_writer_report report;
            struct sqlite_writer *writer = story_writer(dir, &report);
            story_apply(writer, &story, 0, stop);
            sqlite_writer_close(writer);
            const bool there = story_exists(dir, names[file]);
            if (there) {
                story_copy(dir, names[file], "before");
            }
            writer = story_writer(dir, &report);
            story_apply(writer, &story, stop, stop + 1);
            sqlite_writer_close(writer);
            if (there) {
                story_copy(dir, "before", names[file]);
                story_remove(dir, "before");
            }
            story_bring_up(dir, 1);
            story_digests(dir, digests);
            assert_string_equal(digests, whole.digests);
            story_remove_directory(dir);
        }
    }
    story_free(&story);
    story_remove_directory(whole.dir);
}

/* Proves that any file, and any pair of files, can be deleted and comes back the same. */
static void deleted_files_come_back_identical(void **state)
{
    (void)state;
    static const char *const names[] = {"main.db", STORY_WEEK_1, STORY_WEEK_2};
    struct whole whole;
    whole_make(&whole, 4);
    for (unsigned mask = 1; mask < 8; mask++) {
        for (unsigned i = 0; i < 3; i++) {
            if ((mask & (1u << i)) != 0) {
                story_remove(whole.dir, names[i]);
            }
        }
        struct sqlite_writer_report report;
        struct sqlite_writer *writer = story_writer(whole.dir, &report);
        assert_int_equal(report.applied_seq, 0);
        assert_int_equal(report.rebuilds, mask != 7);
        sqlite_writer_close(writer);
        assert_comes_back(&whole, 1 + mask);
    }
    story_remove_directory(whole.dir);
}

/* Proves that a damaged file is kept aside and made again. */
static void damaged_files_are_rebuilt(void **state)
{
    (void)state;
    static const char *const names[] = {"main.db", STORY_WEEK_2};
    struct whole whole;
    whole_make(&whole, 4);
    for (size_t i = 0; i < 2; i++) {
        char path[512];
        snprintf(path, sizeof(path), "%s/%s", whole.dir, names[i]);
        FILE *file = fopen(path, "r+b");
        assert_non_null(file);
        static const char garbage[8192] = "not a database";
        assert_int_equal(fwrite(garbage, 1, sizeof(garbage), file), sizeof(garbage));
        fclose(file);
        const struct sqlite_writer_options options = {.head_seq = UINT64_MAX};
        struct sqlite_writer *writer;
        struct sqlite_writer_report report;
        assert_int_equal(sqlite_writer_open(whole.dir, &options, &writer, &report), STATUS_DAMAGED);
        assert_non_null(strstr(report.text, names[i]));
        assert_comes_back(&whole, 4);
        snprintf(path, sizeof(path), "%s.damaged", names[i]);
        assert_true(story_exists(whole.dir, path));
    }
    story_remove_directory(whole.dir);
}

/* Proves that a file which lost its end is rebuilt, wherever it was cut. */
static void shortened_files_are_rebuilt(void **state)
{
    (void)state;
    static const char *const names[] = {"main.db", STORY_WEEK_1, STORY_WEEK_2};
    struct whole whole;
    whole_make(&whole, 4);
    for (size_t i = 0; i < 3; i++) {
        for (off_t bytes = 0; bytes < 20000; bytes += 3333) {
            char path[512];
            snprintf(path, sizeof(path), "%s/%s", whole.dir, names[i]);
            assert_int_equal(truncate(path, bytes), 0);
            assert_comes_back(&whole, 4);
        }
    }
    story_remove_directory(whole.dir);
}

/* Proves that a file of another schema version is replaced. */
static void other_schema_versions_are_rebuilt(void **state)
{
    (void)state;
    struct whole whole;
    whole_make(&whole, 4);
    story_execute(whole.dir, STORY_WEEK_1, "PRAGMA user_version = 77");
    const struct sqlite_writer_options options = {.head_seq = UINT64_MAX};
    struct sqlite_writer *writer;
    struct sqlite_writer_report report;
    assert_int_equal(sqlite_writer_open(whole.dir, &options, &writer, &report), STATUS_VERSION);
    assert_comes_back(&whole, 4);
    story_remove_directory(whole.dir);
}

/* Proves that another program's database is neither used nor removed. */
static void foreign_databases_are_left_alone(void **state)
{
    (void)state;
    char dir[64];
    story_directory(dir);
    story_execute(dir, "main.db", "CREATE TABLE theirs (x); INSERT INTO theirs VALUES (42)");
    const struct sqlite_writer_options options = {.head_seq = UINT64_MAX, .repair = true};
    struct sqlite_writer *writer;
    struct sqlite_writer_report report;
    assert_int_equal(sqlite_writer_open(dir, &options, &writer, &report), STATUS_USAGE);
    assert_non_null(strstr(report.text, "main.db"));
    assert_int_equal(story_query(dir, "main.db", "SELECT x FROM theirs"), 42);
    story_remove_directory(dir);
}

/* Proves that a file which is ahead of the journal is a witness: refused, and nothing removed. */
static void file_ahead_of_the_journal_is_a_witness(void **state)
{
    (void)state;
    struct whole whole;
    whole_make(&whole, 4);
    const struct sqlite_writer_options options = {.head_seq = STORY_RECORDS - 1, .repair = true};
    struct sqlite_writer *writer;
    struct sqlite_writer_report report;
    assert_int_equal(sqlite_writer_open(whole.dir, &options, &writer, &report), STATUS_LOST_TAIL);
    assert_non_null(strstr(report.text, "20"));
    char digests[STORY_DIGESTS_BYTES];
    story_digests(whole.dir, digests);
    assert_string_equal(digests, whole.digests);
    story_remove_directory(whole.dir);
}

/* Applies up to `stop`, runs sql on a file, applies the next record and expects the halt. */
static void expect_halt(uint64_t stop, const char *name, const char *sql, const char *words)
{
    char dir[64];
    story_directory(dir);
    struct story story;
    story_tell(&story, 1);
    struct sqlite_writer_report report;
    struct sqlite_writer *writer = story_writer(dir, &report);
    story_apply(writer, &story, 0, stop);
    story_execute(dir, name, sql);
    assert_int_equal(sqlite_writer_apply(writer, story.outboxes[stop]), STATUS_MISMATCH);
    if (strstr(sqlite_writer_error(writer), words) == NULL) {
        print_error("%s\n", sqlite_writer_error(writer));
    }
    assert_non_null(strstr(sqlite_writer_error(writer), words));
    /* It stays halted, and nothing of the record is in the files. */
    assert_int_equal(sqlite_writer_apply(writer, story.outboxes[stop]), STATUS_MISMATCH);
    sqlite_writer_close(writer);
    assert_int_equal(story_query(dir, "main.db", "SELECT seq FROM applied"), (int64_t)stop);
    assert_int_equal(story_query(dir, STORY_WEEK_1, "SELECT seq FROM applied"), (int64_t)stop);
    story_free(&story);
    story_remove_directory(dir);
}

/* Proves that a balance that was tampered with stops the projection at the next movement, with the
 * seq, the account and the figures, whether it is too low, a little off, or gone. */
static void tampered_money_halts(void **state)
{
    (void)state;
    expect_halt(5, "main.db", "UPDATE users SET balance = 1 WHERE id = 1",
                "seq 6: available of user 1 (0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed) is 1 in "
                "main.db; the posting of -1500000 (BET_HOLD) must leave 8500000");
    expect_halt(5, "main.db", "UPDATE users SET balance = balance + 1 WHERE id = 1",
                "is 10000001 in main.db");
    expect_halt(6, "main.db", "UPDATE users SET held = 0 WHERE id = 1", "seq 7: held of user 1");
    expect_halt(10, "main.db", "UPDATE users SET balance = 0 WHERE id = 1", "(BET_WIN)");
    expect_halt(5, "main.db", "DELETE FROM users WHERE id = 1", "user 1 (0x5aAeb");
    expect_halt(5, "main.db", "UPDATE users SET account = zeroblob(20) WHERE id = 1", "available");
}

/* Proves that a bet row that is gone or over stops the projection as well. */
static void tampered_bets_halt(void **state)
{
    (void)state;
    expect_halt(6, STORY_WEEK_1, "DELETE FROM bets WHERE bet = 6", "bet 6 becomes confirmed");
    expect_halt(10, STORY_WEEK_1, "UPDATE bets SET state = 'lost' WHERE bet = 6",
                "bet 6 becomes won");
    expect_halt(10, "main.db", "UPDATE users SET open_bets = 0", "no open bet");
}

/* Proves that postings which do not sum to zero are refused whoever made them. */
static void unbalanced_record_halts(void **state)
{
    (void)state;
    char dir[64];
    story_directory(dir);
    struct sqlite_writer_report report;
    struct sqlite_writer *writer = story_writer(dir, &report);
    struct outbox *outbox = outbox_new();
    outbox_begin_record(outbox, 1, STORY_BORDER_MS);
    const struct event_sink sink = outbox_sink(outbox);
    sink.posting(sink.context, &(struct posting){.account = LEDGER_BANKROLL, .amount_micro = 1});
    const uint8_t digest[HASH_BYTES] = {1};
    assert_int_equal(outbox_seal(outbox, digest), STATUS_OK);
    assert_int_equal(sqlite_writer_apply(writer, outbox), STATUS_MISMATCH);
    assert_non_null(strstr(sqlite_writer_error(writer), "seq 1"));
    outbox_release(outbox);
    sqlite_writer_close(writer);
    story_remove_directory(dir);
}

/* Proves that a hole in the records is refused, at the start and later. */
static void gap_in_seqs_halts(void **state)
{
    (void)state;
    for (size_t first = 0; first < 2; first++) {
        char dir[64];
        story_directory(dir);
        struct story story;
        story_tell(&story, 1);
        struct sqlite_writer_report report;
        struct sqlite_writer *writer = story_writer(dir, &report);
        story_apply(writer, &story, 0, first);
        assert_int_equal(sqlite_writer_apply(writer, story.outboxes[first + 1]), STATUS_INVALID);
        sqlite_writer_close(writer);
        story_free(&story);
        story_remove_directory(dir);
    }
}

/* Proves that a file of another history with the same length is found by the state digest. */
static void other_history_is_found_by_its_digest(void **state)
{
    (void)state;
    struct whole whole;
    whole_make(&whole, 4);
    story_execute(whole.dir, "main.db", "UPDATE applied SET digest = zeroblob(32)");
    story_execute(whole.dir, STORY_WEEK_2, "UPDATE applied SET seq = 16");
    struct story story;
    story_tell(&story, 4);
    struct sqlite_writer_report report;
    struct sqlite_writer *writer = story_writer(whole.dir, &report);
    assert_int_equal(report.applied_seq, 16);
    assert_true(sqlite_writer_ends_at(&report, STORY_RECORDS));
    assert_true(sqlite_writer_ends_at(&report, 16));
    assert_false(sqlite_writer_ends_at(&report, 17));
    assert_int_equal(sqlite_writer_apply(writer, story.outboxes[4]), STATUS_MISMATCH);
    assert_non_null(strstr(sqlite_writer_error(writer), "another history"));
    sqlite_writer_close(writer);
    story_free(&story);
    story_remove_directory(whole.dir);
}

/* Proves that a replay from the first record leaves files that have it all as they are, and still
 * finds a digest that differs. */
static void full_replay_over_complete_files_is_checked(void **state)
{
    (void)state;
    struct whole whole;
    char digests[STORY_DIGESTS_BYTES];
    whole_make(&whole, 4);
    struct story story;
    story_tell(&story, 2);
    struct sqlite_writer_report report;
    struct sqlite_writer *writer = story_writer(whole.dir, &report);
    story_apply(writer, &story, 0, STORY_RECORDS);
    sqlite_writer_close(writer);
    story_digests(whole.dir, digests);
    assert_string_equal(digests, whole.digests);
    story_execute(whole.dir, "main.db", "UPDATE applied SET digest = zeroblob(32)");
    writer = story_writer(whole.dir, &report);
    assert_int_equal(sqlite_writer_apply_many(writer, story.outboxes, story.count),
                     STATUS_MISMATCH);
    sqlite_writer_close(writer);
    story_free(&story);
    story_remove_directory(whole.dir);
}

/* Proves that a week that was archived and removed is not missed, until main.db goes as well. */
static void archived_week_is_not_missed(void **state)
{
    (void)state;
    struct whole whole;
    whole_make(&whole, 4);
    struct sqlite_writer_report report;
    struct sqlite_writer *writer = story_writer(whole.dir, &report);
    assert_int_equal(sqlite_writer_mark_archived(writer, STORY_BORDER_MS, true), STATUS_NOT_FOUND);
    assert_int_equal(sqlite_writer_mark_archived(writer, STORY_BORDER_MS - 604800000, true),
                     STATUS_OK);
    sqlite_writer_close(writer);
    story_remove(whole.dir, STORY_WEEK_1);
    writer = story_writer(whole.dir, &report);
    assert_int_equal(report.applied_seq, STORY_RECORDS);
    assert_false(report.rebuilds);
    sqlite_writer_close(writer);
    assert_false(story_exists(whole.dir, STORY_WEEK_1));
    story_remove(whole.dir, "main.db");
    assert_comes_back(&whole, 4);
    story_remove_directory(whole.dir);
}

/* Proves that a disk which takes no more bytes halts the writer without half a record, at any
 * point, and that the next start goes on. The limit on the size of files stands for the full disk.
 */
static void full_disk_halts_and_resumes(void **state)
{
    (void)state;
    struct whole whole;
    whole_make(&whole, 1);
    struct rlimit before;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    assert_true(signal(SIGXFSZ, SIG_IGN) != SIG_ERR);
    size_t halts = 0;
    for (rlim_t bytes = 70000; bytes < 300000; bytes += 9000) {
        char dir[64];
        char digests[STORY_DIGESTS_BYTES];
        story_directory(dir);
        struct story story;
        story_tell(&story, 1);
        struct sqlite_writer_report report;
        struct sqlite_writer *writer = story_writer(dir, &report);
        const struct rlimit tight = {.rlim_cur = bytes, .rlim_max = before.rlim_max};
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &tight), 0);
        enum status status = STATUS_OK;
        for (size_t i = 0; status == STATUS_OK && i < story.count; i++) {
            status = sqlite_writer_apply(writer, story.outboxes[i]);
        }
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
        if (status != STATUS_OK) {
            halts += 1;
            assert_true(status == STATUS_IO || status == STATUS_NO_SPACE);
            assert_int_not_equal(sqlite_writer_error(writer)[0], '\0');
            assert_int_equal(sqlite_writer_apply(writer, story.outboxes[0]), status);
        }
        sqlite_writer_close(writer);
        story_free(&story);
        story_bring_up(dir, 1);
        story_digests(dir, digests);
        assert_string_equal(digests, whole.digests);
        story_remove_directory(dir);
    }
    assert_true(halts > 3);
    story_remove_directory(whole.dir);
}

/* A writer in bulk mode, with the story's first `last` records, `cut` of them a transaction. */
static struct sqlite_writer *bulk_writer(const char *dir, uint64_t last, size_t cut)
{
    const struct sqlite_writer_options options = {.head_seq = UINT64_MAX, .bulk = true};
    struct sqlite_writer *writer;
    struct sqlite_writer_report report;
    assert_int_equal(sqlite_writer_open(dir, &options, &writer, &report), STATUS_OK);
    struct story story;
    story_tell(&story, 1);
    for (size_t at = 0; at < last; at += cut) {
        const size_t count = at + cut > last ? (size_t)last - at : cut;
        assert_int_equal(sqlite_writer_apply_many(writer, &story.outboxes[at], count), STATUS_OK);
    }
    story_free(&story);
    return writer;
}

static void count_file(void *context, const char *file)
{
    int *count = context;
    assert_non_null(strstr(file, "bets_2026_w4"));
    *count += 1;
}

/* Proves that files made in bulk have the rows, indexes, positions and settings of those that were
 * written as it happened, whatever the cuts, and that a writer goes on with them. */
static void bulk_files_are_like_any_other(void **state)
{
    (void)state;
    struct whole whole;
    whole_make(&whole, 4);
    static const char *const questions[] = {
        "SELECT seq * 10 + closed FROM applied",
        "SELECT count(*) FROM sqlite_schema WHERE type = 'index'",
        "PRAGMA user_version",
        "PRAGMA application_id",
    };
    for (size_t cut = 1; cut <= STORY_RECORDS; cut += 6) {
        char dir[64];
        story_directory(dir);
        struct sqlite_writer *writer = bulk_writer(dir, STORY_RECORDS - 4, cut);
        int files = 0;
        assert_int_equal(sqlite_writer_finish_bulk(writer, &files, count_file), STATUS_OK);
        assert_in_range(files, 1, 2); /* a week that is over had its indexes before */
        struct story story;
        story_tell(&story, 1);
        story_apply(writer, &story, STORY_RECORDS - 4, STORY_RECORDS);
        story_free(&story);
        sqlite_writer_close(writer);
        char digests[STORY_DIGESTS_BYTES];
        story_digests(dir, digests);
        assert_string_equal(digests, whole.digests);
        for (size_t i = 1; i < sizeof(questions) / sizeof(questions[0]); i++) {
            assert_int_equal(story_query(dir, STORY_WEEK_2, questions[i]),
                             story_query(whole.dir, STORY_WEEK_2, questions[i]));
            assert_int_equal(story_query(dir, "main.db", questions[i]),
                             story_query(whole.dir, "main.db", questions[i]));
        }
        assert_int_equal(story_query(dir, STORY_WEEK_2, questions[0]),
                         story_query(whole.dir, STORY_WEEK_2, questions[0]));
        assert_int_equal(story_query(dir, STORY_WEEK_1, "SELECT closed FROM applied"), 1);
        struct sqlite_writer_report report;
        sqlite_writer_close(story_writer(dir, &report));
        assert_false(report.rebuilds);
        assert_int_equal(report.applied_seq, STORY_RECORDS);
        story_remove_directory(dir);
    }
    story_remove_directory(whole.dir);
}

/* Proves that what a bulk writer leaves that did not finish is taken for nothing and made anew. */
static void unfinished_bulk_files_are_made_anew(void **state)
{
    (void)state;
    struct whole whole;
    whole_make(&whole, 4);
    for (uint64_t last = 1; last <= STORY_RECORDS; last += 4) {
        char dir[64];
        story_directory(dir);
        sqlite_writer_close(bulk_writer(dir, last, 2));
        struct sqlite_writer_report report;
        struct sqlite_writer *writer = story_writer(dir, &report);
        assert_int_equal(report.applied_seq, 0);
        sqlite_writer_close(writer);
        story_bring_up(dir, 3);
        char digests[STORY_DIGESTS_BYTES];
        story_digests(dir, digests);
        assert_string_equal(digests, whole.digests);
        story_remove_directory(dir);
    }
    story_remove_directory(whole.dir);
}

/* Proves that a directory with files is never written in bulk. */
static void bulk_has_no_effect_where_files_are(void **state)
{
    (void)state;
    char dir[64];
    story_directory(dir);
    struct story story;
    story_tell(&story, 1);
    struct sqlite_writer_report report;
    struct sqlite_writer *writer = story_writer(dir, &report);
    story_apply(writer, &story, 0, 10);
    sqlite_writer_close(writer);
    const struct sqlite_writer_options options = {.head_seq = UINT64_MAX, .bulk = true};
    assert_int_equal(sqlite_writer_open(dir, &options, &writer, &report), STATUS_OK);
    story_apply(writer, &story, 10, 12);
    assert_int_equal(story_query(dir, "main.db", "SELECT seq FROM applied"), 12);
    sqlite_writer_close(writer);
    story_free(&story);
    story_remove_directory(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(users_have_their_balances),
        cmocka_unit_test(cuts_do_not_matter),
        cmocka_unit_test(merged_outboxes_are_the_same_history),
        cmocka_unit_test(week_opens_with_balances_and_bets_stay),
        cmocka_unit_test(ledger_lines_count_all_postings),
        cmocka_unit_test(restart_after_every_record_resumes),
        cmocka_unit_test(kill_between_commits_resumes),
        cmocka_unit_test(deleted_files_come_back_identical),
        cmocka_unit_test(damaged_files_are_rebuilt),
        cmocka_unit_test(shortened_files_are_rebuilt),
        cmocka_unit_test(other_schema_versions_are_rebuilt),
        cmocka_unit_test(foreign_databases_are_left_alone),
        cmocka_unit_test(file_ahead_of_the_journal_is_a_witness),
        cmocka_unit_test(tampered_money_halts),
        cmocka_unit_test(tampered_bets_halt),
        cmocka_unit_test(unbalanced_record_halts),
        cmocka_unit_test(gap_in_seqs_halts),
        cmocka_unit_test(other_history_is_found_by_its_digest),
        cmocka_unit_test(full_replay_over_complete_files_is_checked),
        cmocka_unit_test(archived_week_is_not_missed),
        cmocka_unit_test(full_disk_halts_and_resumes),
        cmocka_unit_test(bulk_files_are_like_any_other),
        cmocka_unit_test(unfinished_bulk_files_are_made_anew),
        cmocka_unit_test(bulk_has_no_effect_where_files_are),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
