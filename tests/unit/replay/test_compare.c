#include "replay/compare.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <sqlite3.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "projections/sqlite_writer.h"
#include "replay/rebuild.h"
#include "sample.h"

/* The sample's projections, made in its own data directory. */
static void build(const struct sample *sample, uint64_t to_seq)
{
    struct applier *applier;
    struct replay_result result;
    const struct replay_options options = {.to_seq = to_seq};
    assert_int_equal(applier_open(&sample_limits, &applier), STATUS_OK);
    assert_int_equal(rebuild_run(applier, sample->dir, sample->dir, &options, NULL, &result),
                     STATUS_OK);
    assert_int_equal(applier_seq(applier), to_seq != 0 ? to_seq : sample->records);
    applier_free(applier);
}

static void change(const struct sample *sample, const char *file, const char *sql)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s", sample->dir, file);
    sqlite3 *db;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    assert_true(sqlite3_total_changes(db) > 0);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static enum status compare(const struct sample *sample, struct compare_result *result)
{
    const struct compare_options options = {.progress = NULL};
    return compare_run(sample->dir, &options, result);
}

/* What a replay writes, whole or up to some record, is what a replay expects. */
static void equal_projections_compare_equal(void **state)
{
    (void)state;
    struct sample sample;
    sample_make(&sample, &(struct sample_options){.segment_bytes = 0});
    struct compare_result result;
    assert_int_equal(compare(&sample, &result), STATUS_OK);
    assert_int_equal(result.seq, 0); /* none there */
    build(&sample, 60);
    assert_int_equal(compare(&sample, &result), STATUS_OK);
    assert_int_equal(result.seq, 60);
    assert_int_equal(result.tables, 7);
    sample_remove(&sample);
    sample_make(&sample, &(struct sample_options){.segment_bytes = 0});
    build(&sample, 0);
    assert_int_equal(compare(&sample, &result), STATUS_OK);
    assert_int_equal(result.seq, sample.records);
    assert_int_equal(result.missing, 0);
    assert_string_equal(result.problem, "");
    sample_remove(&sample);
}

/* Each changed value, missing row and row too many is found, named by its key, column and both
 * values, and by the record that it speaks of. */
static void the_first_row_that_differs_is_named(void **state)
{
    (void)state;
    static const struct {
        const char *file;
        const char *sql;
        const char *word;
    } cases[] = {
        {"main.db", "UPDATE users SET balance = balance + 1", "row id=1 has balance 2"},
        {"main.db", "UPDATE configs SET body = '{}'", "table configs"},
        {"main.db", "UPDATE applied SET digest = zeroblob(32)", "digest after seq"},
        {"main.db", "INSERT INTO users VALUES (3, zeroblob(20), 0, 0, 0)", "row id=3 is not there"},
        {"main.db", "DELETE FROM users", "row id=1 is missing"},
        {"bets_2024_w47.db", "UPDATE bets SET state = 'lost' WHERE state = 'won'",
         "has state 'lost', 'won' by replay"},
        {"bets_2024_w47.db", "UPDATE bets SET nonce = zeroblob(16)", "has nonce 0x00"},
        {"bets_2024_w47.db", "UPDATE bets SET reason = NULL", "has reason NULL, 'PRICE_MOVED'"},
        {"bets_2024_w47.db", "UPDATE columns SET price = price + 1", "row column_ms="},
        {"bets_2024_w47.db", "DELETE FROM transaction_ledger WHERE ref_type = 'BET_WIN'",
         "line=2 is missing"},
        {"bets_2024_w47.db", "UPDATE transaction_ledger SET amount = amount - 1 WHERE seq = 4",
         "row seq=4, line=1 has amount 19999999, 20000000 by replay"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct sample sample;
        sample_make(&sample, &(struct sample_options){.segment_bytes = 0});
        build(&sample, 0);
        change(&sample, cases[i].file, cases[i].sql);
        struct compare_result result;
        assert_int_equal(compare(&sample, &result), STATUS_MISMATCH);
        if (strstr(result.problem, cases[i].word) == NULL ||
            strstr(result.problem, cases[i].file) == NULL) {
            print_error("%s\n-> %s\n", cases[i].sql, result.problem);
        }
        assert_non_null(strstr(result.problem, cases[i].word));
        assert_non_null(strstr(result.problem, cases[i].file));
        assert_true(result.first_seq >= 1);
        assert_true(result.first_seq <= sample.records);
        sample_remove(&sample);
    }
}

/* Of several differences the one with the lowest seq is named. */
static void the_lowest_seq_wins(void **state)
{
    (void)state;
    struct sample sample;
    sample_make(&sample, &(struct sample_options){.segment_bytes = 0});
    build(&sample, 0);
    change(&sample, "main.db", "UPDATE users SET balance = balance + 1");
    change(&sample, "bets_2024_w47.db", "UPDATE transaction_ledger SET at = at + 1 WHERE seq > 50");
    char sql[128];
    snprintf(sql, sizeof sql, "UPDATE bets SET stake = 1 WHERE bet = %llu",
             (unsigned long long)sample.lost_bet);
    change(&sample, "bets_2024_w47.db", sql);
    struct compare_result result;
    assert_int_equal(compare(&sample, &result), STATUS_MISMATCH);
    assert_int_equal(result.first_seq, sample.lost_bet);
    sample_remove(&sample);
}

/* Projections that have applied more than the journal holds are a witness of lost records. */
static void projections_ahead_of_the_journal_tell_of_a_lost_tail(void **state)
{
    (void)state;
    struct sample sample;
    sample_make(&sample, &(struct sample_options){.segment_bytes = 0});
    build(&sample, 0);
    change(&sample, "main.db", "UPDATE applied SET seq = seq + 1");
    struct compare_result result;
    assert_int_equal(compare(&sample, &result), STATUS_LOST_TAIL);
    assert_non_null(strstr(result.problem, "the journal ends at seq"));
    sample_remove(&sample);
}

/* So have week files whose main.db was deleted; as far as the journal goes they are no difference.
 */
static void a_week_file_alone_is_a_witness(void **state)
{
    (void)state;
    struct sample sample;
    sample_make(&sample, &(struct sample_options){.segment_bytes = 0});
    build(&sample, 0);
    char path[512];
    snprintf(path, sizeof path, "%s/main.db", sample.dir);
    assert_int_equal(remove(path), 0);
    struct compare_result result;
    assert_int_equal(compare(&sample, &result), STATUS_OK);
    assert_int_equal(result.seq, 0);
    assert_string_equal(result.problem, "");
    change(&sample, "bets_2024_w47.db", "UPDATE applied SET seq = seq + 1");
    assert_int_equal(compare(&sample, &result), STATUS_LOST_TAIL);
    assert_non_null(strstr(result.problem, "the journal ends at seq"));
    sample_remove(&sample);
}

/* A kill while main.db is made again leaves an empty one beside whole week files: the next start
 * goes on with it, so it is no difference. */
static void a_main_db_that_was_only_begun_is_no_difference(void **state)
{
    (void)state;
    struct sample sample;
    sample_make(&sample, &(struct sample_options){.segment_bytes = 0});
    build(&sample, 0);
    char path[512];
    snprintf(path, sizeof path, "%s/main.db", sample.dir);
    assert_int_equal(remove(path), 0);
    const struct sqlite_writer_options options = {.head_seq = sample.records, .repair = true};
    struct sqlite_writer *writer;
    struct sqlite_writer_report report;
    assert_int_equal(sqlite_writer_open(sample.dir, &options, &writer, &report), STATUS_OK);
    sqlite_writer_close(writer);
    assert_int_equal(access(path, F_OK), 0);
    struct compare_result result;
    assert_int_equal(compare(&sample, &result), STATUS_OK);
    assert_int_equal(result.seq, 0);
    change(&sample, "bets_2024_w47.db", "UPDATE applied SET seq = seq + 1");
    assert_int_equal(compare(&sample, &result), STATUS_LOST_TAIL);
    sample_remove(&sample);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equal_projections_compare_equal),
        cmocka_unit_test(the_first_row_that_differs_is_named),
        cmocka_unit_test(the_lowest_seq_wins),
        cmocka_unit_test(projections_ahead_of_the_journal_tell_of_a_lost_tail),
        cmocka_unit_test(a_week_file_alone_is_a_witness),
        cmocka_unit_test(a_main_db_that_was_only_begun_is_no_difference),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
