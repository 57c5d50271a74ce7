#include "projections/sqlite_cursor.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"

#define CHUNK_ROWS 4096 /* of one read transaction */

/* Row values compare like tuples. */
const struct sqlite_cursor_table sqlite_cursor_bets = {
    .name = "bets",
    .sql = "SELECT " SQLITE_BET_COLUMNS " FROM bets WHERE bet >= ?1 ORDER BY bet",
    .max = "SELECT coalesce(max(bet), 0) FROM bets",
    .value_count = SQLITE_BET_VALUES,
    .key_count = 1,
    .seq_column = 0,
};
const struct sqlite_cursor_table sqlite_cursor_ledger = {
    .name = "transaction_ledger",
    .sql = "SELECT " SQLITE_LEDGER_COLUMNS
           " FROM transaction_ledger WHERE (seq, line) >= (?1, ?2) ORDER BY seq, line",
    .max = "SELECT coalesce(max(seq), 0) FROM transaction_ledger",
    .value_count = SQLITE_LEDGER_VALUES,
    .key_count = 2,
    .seq_column = 0,
};
const struct sqlite_cursor_table sqlite_cursor_columns = {
    .name = "columns",
    .sql = "SELECT " SQLITE_COLUMN_COLUMNS " FROM columns WHERE column_ms >= ?1 ORDER BY column_ms",
    .value_count = SQLITE_COLUMN_VALUES,
    .key_count = 1,
    .seq_column = 1,
};
const struct sqlite_cursor_table sqlite_cursor_configs = {
    .name = "configs",
    .sql = "SELECT " SQLITE_CONFIG_COLUMNS " FROM configs WHERE epoch >= ?1 ORDER BY epoch",
    .value_count = SQLITE_CONFIG_VALUES,
    .key_count = 1,
    .seq_column = 1,
};
/* Not `archived`: that is no matter of the journal. */
const struct sqlite_cursor_table sqlite_cursor_weeks = {
    .name = "weeks",
    .sql = "SELECT start_ms, opened_seq FROM weeks WHERE start_ms >= ?1 ORDER BY start_ms",
    .value_count = SQLITE_WEEK_VALUES,
    .key_count = 1,
    .seq_column = 1,
};

void sqlite_findings_add(struct sqlite_findings *findings, uint64_t seq, const char *format, ...)
{
    findings->count += 1;
    const uint64_t counted = seq == 0 ? 1 : seq; /* 0 is for "none" */
    if (findings->first_seq != 0 && findings->first_seq <= counted) {
        return;
    }
    findings->first_seq = counted;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(findings->text, sizeof(findings->text), format, arguments);
    va_end(arguments);
}

enum status sqlite_cursor_open(struct sqlite_cursor *cursor, struct sqlite_db *db,
                               const struct sqlite_cursor_table *table,
                               struct sqlite_findings *findings)
{
    *cursor = (struct sqlite_cursor){
        .db = db, .table = table, .findings = findings, .next = {INT64_MIN, INT64_MIN}};
    return sqlite_db_prepare(db, table->sql, &cursor->statement);
}

void sqlite_cursor_close(struct sqlite_cursor *cursor)
{
    sqlite_db_finalize(cursor->statement);
    cursor->statement = NULL;
}

void sqlite_cursor_release(struct sqlite_cursor *cursor)
{
    if (cursor->active) {
        sqlite_db_reset(cursor->statement);
        cursor->active = false;
        cursor->on_row = false;
    }
}

/* Stands on the next row, unless there is none. */
static enum status peek(struct sqlite_cursor *cursor)
{
    if (cursor->on_row || cursor->ended) {
        return STATUS_OK;
    }
    if (cursor->past_the_end) {
        cursor->ended = true;
        return STATUS_OK;
    }
    if (cursor->active && cursor->left == 0) {
        sqlite_cursor_release(cursor);
    }
    if (!cursor->active) {
        for (int i = 0; i < cursor->table->key_count; i++) {
            sqlite_db_bind_i64(cursor->statement, i + 1, cursor->next[i]);
        }
        cursor->active = true;
        cursor->left = CHUNK_ROWS;
    }
    const enum status status = sqlite_db_step(cursor->db, cursor->statement);
    if (status == STATUS_OK) {
        cursor->on_row = true;
        cursor->left -= 1;
        return STATUS_OK;
    }
    sqlite_cursor_release(cursor);
    cursor->ended = status == STATUS_END;
    return status == STATUS_END ? STATUS_OK : status;
}

/* Leaves the present row behind. */
static void pass(struct sqlite_cursor *cursor)
{
    if (cursor->visit != NULL) {
        cursor->visit(cursor->context, cursor->statement);
    }
    cursor->rows += 1;
    const int last = cursor->table->key_count - 1;
    for (int i = 0; i <= last; i++) {
        cursor->next[i] = sqlite_db_i64(cursor->statement, i);
    }
    for (int i = last; i >= 0; i--) {
        if (cursor->next[i] != INT64_MAX) {
            cursor->next[i] += 1;
            break;
        }
        cursor->next[i] = INT64_MIN;
        cursor->past_the_end = i == 0;
    }
    cursor->on_row = false;
}

/* "bets_2026_w47.db, table bets: row bet=12" */
static void name_row(const struct sqlite_cursor *cursor, const int64_t key[2], char to[256])
{
    const struct sqlite_cursor_table *table = cursor->table;
    int length = snprintf(to, 256, "%s, table %s: row", cursor->db->name, table->name);
    for (int i = 0; i < table->key_count; i++) {
        length += snprintf(to + length, 256 - (size_t)length, "%s %s=%" PRId64, i > 0 ? "," : "",
                           sqlite_db_column_name(cursor->statement, i), key[i]);
    }
}

static void present_key(const struct sqlite_cursor *cursor, int64_t key[2])
{
    key[1] = 0;
    for (int i = 0; i < cursor->table->key_count; i++) {
        key[i] = sqlite_db_i64(cursor->statement, i);
    }
}

static void note_extra(struct sqlite_cursor *cursor, uint64_t seq)
{
    int64_t key[2];
    char row[256];
    present_key(cursor, key);
    name_row(cursor, key, row);
    const int64_t own = sqlite_db_i64(cursor->statement, cursor->table->seq_column);
    const bool known = own > 0 && (uint64_t)own < seq;
    sqlite_findings_add(cursor->findings, known ? (uint64_t)own : seq, "%s is not there by replay",
                        row);
}

static void note_column(struct sqlite_cursor *cursor, int column,
                        const struct sqlite_value *expected, uint64_t seq)
{
    int64_t key[2];
    char row[256];
    char here[SQLITE_VALUE_TEXT_BYTES];
    char replayed[SQLITE_VALUE_TEXT_BYTES];
    present_key(cursor, key);
    name_row(cursor, key, row);
    const struct sqlite_value found = sqlite_value_of(cursor->statement, column);
    sqlite_value_show(&found, here);
    sqlite_value_show(expected, replayed);
    sqlite_findings_add(cursor->findings, seq, "%s has %s %s, %s by replay", row,
                        sqlite_db_column_name(cursor->statement, column), here, replayed);
}

static void compare_row(struct sqlite_cursor *cursor, const struct sqlite_value *values,
                        int compared, uint64_t seq)
{
    for (int i = cursor->table->key_count; i < compared; i++) {
        const struct sqlite_value found = sqlite_value_of(cursor->statement, i);
        if (!sqlite_value_equals(&found, &values[i])) {
            note_column(cursor, i, &values[i], seq);
            return;
        }
    }
}

/* The present row's key against the expected one. */
static int compare_keys(const struct sqlite_cursor *cursor, const struct sqlite_value *values)
{
    for (int i = 0; i < cursor->table->key_count; i++) {
        const int64_t here = sqlite_db_i64(cursor->statement, i);
        if (here != values[i].integer) {
            return here < values[i].integer ? -1 : 1;
        }
    }
    return 0;
}

enum status sqlite_cursor_expect(struct sqlite_cursor *cursor, const struct sqlite_value *values,
                                 int compared, uint64_t seq)
{
    for (;;) {
        const enum status status = peek(cursor);
        if (status != STATUS_OK) {
            return status;
        }
        const int order = cursor->ended ? 1 : compare_keys(cursor, values);
        if (order > 0) {
            const int64_t key[2] = {values[0].integer, values[1].integer};
            char row[256];
            name_row(cursor, key, row);
            sqlite_findings_add(cursor->findings, seq, "%s is missing", row);
            return STATUS_OK;
        }
        if (order == 0) {
            compare_row(cursor, values, compared, seq);
            pass(cursor);
            return STATUS_OK;
        }
        note_extra(cursor, seq);
        pass(cursor);
    }
}

/* Rows of records that the file cannot have yet. `highest` was read together with `applied`. */
static void note_ahead(struct sqlite_cursor *cursor, int64_t highest, int64_t applied, uint64_t seq)
{
    if (highest > applied) {
        sqlite_findings_add(cursor->findings, seq,
                            "%s, table %s: a row of seq %" PRId64
                            " is there, but the file has applied seq %" PRId64 " alone",
                            cursor->db->name, cursor->table->name, highest, applied);
    }
}

/* The rest of a table in one transaction with `applied`. */
static enum status finish_rows(struct sqlite_cursor *cursor, uint64_t seq)
{
    const bool by_seq = cursor->table->max != NULL;
    int64_t applied = 0;
    int64_t highest = 0;
    enum status status = sqlite_db_query_i64(cursor->db, "SELECT seq FROM applied", &applied);
    if (status == STATUS_OK && by_seq) {
        status = sqlite_db_query_i64(cursor->db, cursor->table->max, &highest);
    }
    while (status == STATUS_OK && (status = peek(cursor)) == STATUS_OK && !cursor->ended) {
        const int64_t own = sqlite_db_i64(cursor->statement, cursor->table->seq_column);
        const bool later = own > 0 && (uint64_t)own > seq;
        if (!later) {
            note_extra(cursor, seq);
        } else if (by_seq) {
            break;
        } else if (own > highest) {
            highest = own;
        }
        pass(cursor);
    }
    if (status == STATUS_OK) {
        note_ahead(cursor, highest, applied, seq);
    }
    return status;
}

enum status sqlite_cursor_finish(struct sqlite_cursor *cursor, uint64_t seq)
{
    sqlite_cursor_release(cursor);
    cursor->ended = false;
    enum status status = sqlite_db_execute(cursor->db, "BEGIN");
    if (status != STATUS_OK) {
        return status;
    }
    cursor->left = 0;
    status = finish_rows(cursor, seq);
    sqlite_cursor_release(cursor);
    const enum status ended = sqlite_db_execute(cursor->db, "COMMIT");
    return status == STATUS_OK ? ended : status;
}
