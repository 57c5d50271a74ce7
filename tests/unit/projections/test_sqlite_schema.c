/* What stands in the files besides their rows: tables and indexes that somebody has changed, things
 * that somebody has added, and indexes that lie. */
#include "projections/sqlite_schema.h"

#include "story.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "projections/sqlite_checker.h"
#include "projections/sqlite_file.h"

static enum status check_file(const char *dir, const char *name,
                              char strange[SQLITE_SCHEMA_TEXT_BYTES], char words[256])
{
    struct sqlite_db db;
    assert_int_equal(sqlite_file_open_read(&db, dir, name), STATUS_OK);
    const bool is_main = strcmp(name, SQLITE_FILE_MAIN) == 0;
    enum status status = sqlite_schema_check(&db, is_main, strange);
    if (status == STATUS_OK) {
        status = sqlite_schema_check_indexes(&db, is_main);
    }
    snprintf(words, 256, "%s", db.error);
    sqlite_db_close(&db);
    return status;
}

static void expect_sound(const char *dir, const char *name)
{
    char strange[SQLITE_SCHEMA_TEXT_BYTES];
    char words[256];
    const enum status status = check_file(dir, name, strange, words);
    if (status != STATUS_OK) {
        print_error("%s\n", words);
    }
    assert_int_equal(status, STATUS_OK);
    assert_string_equal(strange, "");
}

/* Proves that what the writer makes, live or in bulk, is as this program makes it, and that its
 * indexes agree with its tables. */
static void own_files_are_sound(void **state)
{
    (void)state;
    char dir[64];
    story_directory(dir);
    story_bring_up(dir, 3);
    expect_sound(dir, SQLITE_FILE_MAIN);
    expect_sound(dir, STORY_WEEK_1);
    expect_sound(dir, STORY_WEEK_2);
    story_remove_directory(dir);
}

struct change {
    const char *file;
    const char *sql;
    const char *words;
};

#define EDIT_SQL(name, from, to)                                                                   \
    "PRAGMA writable_schema = ON; UPDATE sqlite_schema SET sql = replace(sql, '" from "', '" to    \
    "') WHERE name = '" name "'"

static const struct change changes[] = {
    {STORY_WEEK_1, "DROP INDEX bets_by_user", "index bets_by_user is missing"},
    {STORY_WEEK_1, "DROP INDEX ledger_by_time", "index ledger_by_time is missing"},
    {STORY_WEEK_1, "DROP TABLE columns", "table columns is missing"},
    {STORY_WEEK_1,
     "DROP INDEX bets_by_cell;"
     "CREATE INDEX bets_by_cell ON bets (market, column_ms, price_lo DESC, price_hi)",
     "index bets_by_cell is not as"},
    {STORY_WEEK_1,
     "DROP INDEX bets_open; CREATE INDEX bets_open ON bets (user_id) WHERE state = 'accepted'",
     "index bets_open is not as"},
    {STORY_WEEK_1, EDIT_SQL("bets", "WHEN ''lost'' THEN 0", "WHEN ''lost'' THEN stake"),
     "table bets is not as"},
    {STORY_WEEK_1, EDIT_SQL("columns", ") STRICT", ")"), "table columns is not as"},
    {SQLITE_FILE_MAIN, EDIT_SQL("users", "CHECK (balance >= 0)", ""), "table users is not as"},
};

/* Proves that a table or an index of ours that is gone or another is named, is a damaged file for
 * the check, and that the next start makes the file anew and keeps the other one. */
static void changed_tables_are_named_and_made_anew(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
        const struct change *change = &changes[i];
        char dir[64];
        story_directory(dir);
        story_bring_up(dir, 3);
        story_execute(dir, change->file, change->sql);
        char strange[SQLITE_SCHEMA_TEXT_BYTES];
        char words[256];
        assert_int_equal(check_file(dir, change->file, strange, words), STATUS_DAMAGED);
        if (strstr(words, change->words) == NULL) {
            print_error("%s\n", words);
        }
        assert_non_null(strstr(words, change->words));
        assert_non_null(strstr(words, change->file));
        struct sqlite_checker *checker = NULL;
        char text[SQLITE_CHECKER_TEXT_BYTES];
        assert_int_equal(sqlite_checker_open(dir, &checker, text), STATUS_DAMAGED);
        assert_non_null(strstr(text, change->words));
        story_bring_up(dir, 3);
        expect_sound(dir, change->file);
        char kept[64];
        snprintf(kept, sizeof(kept), "%s.damaged", change->file);
        assert_true(story_exists(dir, kept));
        story_remove_directory(dir);
    }
}

static const struct change additions[] = {
    {SQLITE_FILE_MAIN,
     "CREATE TRIGGER theirs AFTER UPDATE ON users"
     " BEGIN UPDATE users SET balance = balance + 1 WHERE id = new.id; END",
     "trigger theirs"},
    {STORY_WEEK_1,
     "CREATE TRIGGER theirs AFTER INSERT ON bets"
     " BEGIN UPDATE bets SET stake = 1 WHERE bet = new.bet; END",
     "trigger theirs"},
    {SQLITE_FILE_MAIN, "CREATE VIEW theirs AS SELECT id FROM users", "view theirs"},
    {SQLITE_FILE_MAIN, "CREATE TABLE theirs (x)", "table theirs"},
    {STORY_WEEK_1, "CREATE INDEX theirs ON bets (stake)", "index theirs"},
    {STORY_WEEK_1, "ANALYZE", "table sqlite_stat1"},
};

/* Proves that what somebody has added is a difference with its name, and that a server goes on
 * beside it: triggers are not run, rows are as without them. */
static void added_things_are_named_and_do_nothing(void **state)
{
    (void)state;
    char expected[STORY_DIGESTS_BYTES];
    char dir[64];
    story_directory(dir);
    story_bring_up(dir, 3);
    story_digests(dir, expected);
    story_remove_directory(dir);
    for (size_t i = 0; i < sizeof(additions) / sizeof(additions[0]); i++) {
        const struct change *change = &additions[i];
        story_directory(dir);
        struct story story;
        story_tell(&story, 1);
        struct sqlite_writer_report report;
        struct sqlite_writer *writer = story_writer(dir, &report);
        story_apply(writer, &story, 0, 5);
        sqlite_writer_close(writer);
        story_free(&story);
        story_execute(dir, change->file, change->sql);
        story_bring_up(dir, 3);
        char digests[STORY_DIGESTS_BYTES];
        story_digests(dir, digests);
        assert_string_equal(digests, expected);
        char strange[SQLITE_SCHEMA_TEXT_BYTES];
        char words[256];
        assert_int_equal(check_file(dir, change->file, strange, words), STATUS_OK);
        assert_string_equal(strange, change->words);
        story_remove_directory(dir);
    }
}

/* An index that lies while all rows are right: a row is changed with the index, and changed back
 * while the file does not know of the index. */
static void make_stale(const char *dir, const char *file, const char *index, const char *there,
                       const char *back)
{
    char sql[512];
    story_execute(dir, file, there);
    story_execute(dir, file,
                  "CREATE TABLE aside (type, name, tbl_name, rootpage, sql);"
                  "INSERT INTO aside SELECT * FROM sqlite_schema");
    snprintf(sql, sizeof(sql),
             "PRAGMA writable_schema = ON; DELETE FROM sqlite_schema WHERE name = '%s'", index);
    story_execute(dir, file, sql);
    story_execute(dir, file, back);
    snprintf(sql, sizeof(sql),
             "PRAGMA writable_schema = ON;"
             "INSERT INTO sqlite_schema SELECT * FROM aside WHERE name = '%s'",
             index);
    story_execute(dir, file, sql);
    story_execute(dir, file, "DROP TABLE aside");
}

static const struct stale {
    const char *index;
    const char *there;
    const char *back;
} stale[] = {
    {"bets_by_cell", "UPDATE bets SET price_lo = price_lo + 1 WHERE bet = 6",
     "UPDATE bets SET price_lo = price_lo - 1 WHERE bet = 6"},
    {"bets_by_user", "UPDATE bets SET user_id = 2 WHERE bet = 6",
     "UPDATE bets SET user_id = 1 WHERE bet = 6"},
    {"bets_by_nonce", "UPDATE bets SET nonce = account WHERE bet = 6",
     "UPDATE bets SET nonce = x'00' WHERE bet = 6"},
    {"bets_of_unknown", "UPDATE bets SET user_id = 0 WHERE bet = 6",
     "UPDATE bets SET user_id = 1 WHERE bet = 6"},
    {"bets_open", "UPDATE bets SET state = 'accepted' WHERE bet = 6",
     "UPDATE bets SET state = 'won' WHERE bet = 6"},
    {"ledger_by_user", "UPDATE transaction_ledger SET user_id = 2 WHERE seq = 3",
     "UPDATE transaction_ledger SET user_id = 1 WHERE seq = 3"},
    {"ledger_by_reference", "UPDATE transaction_ledger SET ref_id = ref_id || '0' WHERE seq = 6",
     "UPDATE transaction_ledger SET ref_id = '6' WHERE seq = 6"},
    {"ledger_by_time", "UPDATE transaction_ledger SET at = at + 1 WHERE seq = 3",
     "UPDATE transaction_ledger SET at = at - 1 WHERE seq = 3"},
};

/* Proves that each index that does not agree with its table is named, though SQLite's quick_check
 * calls the file good. */
static void lying_indexes_are_named(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(stale) / sizeof(stale[0]); i++) {
        char dir[64];
        story_directory(dir);
        story_bring_up(dir, 3);
        make_stale(dir, STORY_WEEK_1, stale[i].index, stale[i].there, stale[i].back);
        assert_int_equal(
            story_query(dir, STORY_WEEK_1, "SELECT quick_check = 'ok' FROM pragma_quick_check"), 1);
        char strange[SQLITE_SCHEMA_TEXT_BYTES];
        char words[256];
        char expected[96];
        snprintf(expected, sizeof(expected), "index %s does not agree", stale[i].index);
        assert_int_equal(check_file(dir, STORY_WEEK_1, strange, words), STATUS_DAMAGED);
        if (strstr(words, expected) == NULL) {
            print_error("%s\n", words);
        }
        assert_non_null(strstr(words, expected));
        story_remove_directory(dir);
    }
}

/* Proves that the checker tells of an index that lies in a closed week, and in one that is written
 * only when that is asked for; and that a check which is stopped ends and is no difference. */
static void the_checker_tells_of_them(void **state)
{
    (void)state;
    char dir[64];
    story_directory(dir);
    story_bring_up(dir, 3);
    static const char *const files[] = {STORY_WEEK_2, STORY_WEEK_1};
    for (size_t i = 0; i < 2; i++) { /* first in the week that runs */
        char sql[256];
        make_stale(dir, files[i], "ledger_by_user",
                   "UPDATE transaction_ledger SET user_id = user_id + 1 WHERE seq IN (3, 17)",
                   "UPDATE transaction_ledger SET user_id = user_id - 1 WHERE seq IN (3, 17)");
        struct sqlite_checker *checker = NULL;
        assert_int_equal(sqlite_checker_open(dir, &checker, (char[SQLITE_CHECKER_TEXT_BYTES]){0}),
                         STATUS_OK);
        struct sqlite_index_findings findings;
        const _Atomic bool goes_on = false;
        const _Atomic bool ends = true;
        sqlite_checker_check_indexes(checker, false, &goes_on, &findings);
        assert_int_equal(findings.failed, STATUS_OK);
        assert_int_equal(findings.count, i); /* week 1 is closed */
        sqlite_checker_check_indexes(checker, true, &goes_on, &findings);
        assert_int_equal(findings.count, i + 1);
        snprintf(sql, sizeof(sql), "%s: index ledger_by_user does not agree", files[i]);
        assert_non_null(strstr(findings.text, sql));
        sqlite_checker_add_indexes(checker, &findings);
        sqlite_checker_check_indexes(checker, true, &ends, &findings);
        assert_true(findings.failed == STATUS_OK || findings.failed == STATUS_CLOSED);
        sqlite_checker_close(checker);
    }
    story_remove_directory(dir);
}

/* In a process without the right to write there: exit code 0 when all files can be read. */
static void read_as_nobody(const char *dir)
{
    if (geteuid() == 0 && setuid(65534) != 0) {
        _exit(2);
    }
    if (access(dir, W_OK) == 0) {
        _exit(3);
    }
    struct sqlite_checker *checker = NULL;
    char text[SQLITE_CHECKER_TEXT_BYTES];
    if (sqlite_checker_open(dir, &checker, text) != STATUS_OK) {
        print_error("%s\n", text);
        _exit(1);
    }
    const bool whole = sqlite_checker_last(checker) == STORY_RECORDS;
    sqlite_checker_close(checker);
    _exit(whole ? 0 : 4);
}

/* Proves that a copy in a directory that may not be written to, named with signs that mean
 * something in a URI, is read, and that nothing is left there. */
static void copies_are_read_without_the_right_to_write(void **state)
{
    (void)state;
    char made[64];
    char dir[80];
    char log[96];
    story_directory(made);
    story_bring_up(made, 3);
    snprintf(dir, sizeof(dir), "%s #?%%", made);
    assert_int_equal(rename(made, dir), 0);
    assert_int_equal(chmod(dir, 0555), 0);
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        read_as_nobody(dir);
    }
    int ended;
    assert_int_equal(waitpid(child, &ended, 0), child);
    assert_true(WIFEXITED(ended));
    assert_int_equal(WEXITSTATUS(ended), 0);
    snprintf(log, sizeof(log), "%s/main.db-shm", dir);
    assert_int_not_equal(access(log, F_OK), 0);
    assert_int_equal(chmod(dir, 0700), 0);
    assert_int_equal(rename(dir, made), 0);
    story_remove_directory(made);
}

/* Proves that a file whose making in bulk has not ended is a missing one and no difference. */
static void unfinished_files_are_missing(void **state)
{
    (void)state;
    char dir[64];
    story_directory(dir);
    story_bring_up(dir, 3);
    story_execute(dir, STORY_WEEK_2, "PRAGMA user_version = 0");
    struct sqlite_db db;
    assert_int_equal(sqlite_file_open_read(&db, dir, STORY_WEEK_2), STATUS_NOT_FOUND);
    assert_int_equal(sqlite_file_open_read(&db, dir, STORY_WEEK_1), STATUS_OK);
    sqlite_db_close(&db);
    story_remove_directory(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(own_files_are_sound),
        cmocka_unit_test(changed_tables_are_named_and_made_anew),
        cmocka_unit_test(added_things_are_named_and_do_nothing),
        cmocka_unit_test(lying_indexes_are_named),
        cmocka_unit_test(the_checker_tells_of_them),
        cmocka_unit_test(copies_are_read_without_the_right_to_write),
        cmocka_unit_test(unfinished_files_are_missing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
