#include "projections/sqlite_schema.h"

#include <stdio.h>
#include <string.h>

#include "sqlite_schema_main.h"
#include "sqlite_schema_week.h"
#include "sqlite_schema_week_indexes.h"

const char *sqlite_schema_tables(bool is_main)
{
    return is_main ? sqlite_schema_main : sqlite_schema_week;
}

const char *sqlite_schema_indexes(void)
{
    return sqlite_schema_week_indexes;
}

/* --- Tables and indexes, word for word. ----------------------------------------------------------
 */

/* One row of sqlite_schema on either side. */
#define NAME 1
#define SQL  3
static const char list[] = "SELECT type, name, tbl_name, coalesce(sql, '') FROM sqlite_schema"
                           " ORDER BY name, type";

struct side {
    struct sqlite_db *db;
    struct sqlite3_stmt *row;
    bool ended;
};

static enum status next(struct side *side)
{
    const enum status status = sqlite_db_step(side->db, side->row);
    side->ended = status == STATUS_END;
    return side->ended ? STATUS_OK : status;
}

/* By name and type, as they are listed. */
static int compare_names(const struct side *ours, const struct side *theirs)
{
    if (ours->ended || theirs->ended) {
        return ours->ended ? 1 : -1;
    }
    const int order =
        strcmp(sqlite_db_text(ours->row, NAME, NULL), sqlite_db_text(theirs->row, NAME, NULL));
    return order != 0
               ? order
               : strcmp(sqlite_db_text(ours->row, 0, NULL), sqlite_db_text(theirs->row, 0, NULL));
}

static bool same_words(const struct side *ours, const struct side *theirs)
{
    for (int i = 0; i <= SQL; i++) {
        size_t our_count;
        size_t their_count;
        const char *our_text = sqlite_db_text(ours->row, i, &our_count);
        const char *their_text = sqlite_db_text(theirs->row, i, &their_count);
        if (our_count != their_count || memcmp(our_text, their_text, our_count) != 0) {
            return false;
        }
    }
    return true;
}

static enum status note_ours(const struct side *ours, struct sqlite_db *db, const char *what)
{
    snprintf(db->error, sizeof(db->error), "%s: %s %s %s", db->name,
             sqlite_db_text(ours->row, 0, NULL), sqlite_db_text(ours->row, NAME, NULL), what);
    return STATUS_DAMAGED;
}

static enum status compare_lists(struct side *ours, struct side *theirs, char *strange)
{
    enum status status = next(ours);
    if (status == STATUS_OK) {
        status = next(theirs);
    }
    while (status == STATUS_OK && !(ours->ended && theirs->ended)) {
        const int order = compare_names(ours, theirs);
        if (order < 0) {
            return note_ours(ours, theirs->db, "is missing");
        }
        if (order == 0 && !same_words(ours, theirs)) {
            return note_ours(ours, theirs->db, "is not as this program makes it");
        }
        if (order > 0 && strange[0] == '\0') {
            snprintf(strange, SQLITE_SCHEMA_TEXT_BYTES, "%.20s %.100s",
                     sqlite_db_text(theirs->row, 0, NULL), sqlite_db_text(theirs->row, NAME, NULL));
        }
        status = next(theirs);
        if (status == STATUS_OK && order == 0) {
            status = next(ours);
        }
    }
    return status;
}

/* A database with nothing in it but what this program makes. */
static enum status make_ours(struct sqlite_db *ours, bool is_main)
{
    enum status status = sqlite_db_open_memory(ours);
    if (status != STATUS_OK) {
        return status;
    }
    status = sqlite_db_execute(ours, sqlite_schema_tables(is_main));
    if (status == STATUS_OK && !is_main) {
        status = sqlite_db_execute(ours, sqlite_schema_indexes());
    }
    return status;
}

enum status sqlite_schema_check(struct sqlite_db *db, bool is_main,
                                char strange[SQLITE_SCHEMA_TEXT_BYTES])
{
    strange[0] = '\0';
    struct sqlite_db memory;
    struct side ours = {.db = &memory};
    struct side theirs = {.db = db};
    enum status status = make_ours(&memory, is_main);
    if (status == STATUS_OK) {
        status = sqlite_db_prepare(&memory, list, &ours.row);
    }
    if (status == STATUS_OK) {
        status = sqlite_db_prepare(db, list, &theirs.row);
    }
    if (status == STATUS_OK) {
        status = compare_lists(&ours, &theirs, strange);
    }
    sqlite_db_finalize(ours.row);
    sqlite_db_finalize(theirs.row);
    sqlite_db_close(&memory);
    return status;
}

/* --- Indexes against tables. ---------------------------------------------------------------------
 */

/* Whole indexes: their columns, and the key of the table that SQLite adds. */
struct whole_index {
    const char *table;
    const char *name;
    const char *columns;
};
static const struct whole_index whole[] = {
    {"bets", "bets_by_cell", "market, column_ms, price_lo, price_hi, bet"},
    {"bets", "bets_by_user", "user_id, bet"},
    {"bets", "bets_by_nonce", "user_id, nonce, bet"},
    {"transaction_ledger", "ledger_by_user", "user_id, seq, line"},
    {"transaction_ledger", "ledger_by_reference", "ref_id, user_id, seq, line"},
    {"transaction_ledger", "ledger_by_time", "at, seq, line"},
};
#define WHOLE_COUNT (sizeof(whole) / sizeof(whole[0]))

/* Indexes of few rows: as many entries as rows, and each row is found. */
struct partial_index {
    const char *name;
    const char *sql; /* 1: it holds */
};
static const struct partial_index partial[] = {
    {"bets_of_unknown",
     "SELECT (SELECT count(*) FROM bets INDEXED BY bets_of_unknown WHERE user_id = 0)"
     " = (SELECT count(*) FROM bets NOT INDEXED WHERE user_id = 0)"
     " AND NOT EXISTS (SELECT 1 FROM bets AS b NOT INDEXED WHERE b.user_id = 0"
     " AND NOT EXISTS (SELECT 1 FROM bets AS c INDEXED BY bets_of_unknown"
     " WHERE c.user_id = 0 AND c.account = b.account AND c.bet = b.bet))"},
    {"bets_open",
     "SELECT (SELECT count(*) FROM bets INDEXED BY bets_open"
     " WHERE state IN ('accepted', 'confirmed'))"
     " = (SELECT count(*) FROM bets NOT INDEXED WHERE state IN ('accepted', 'confirmed'))"
     " AND NOT EXISTS (SELECT 1 FROM bets AS b NOT INDEXED"
     " WHERE b.state IN ('accepted', 'confirmed')"
     " AND NOT EXISTS (SELECT 1 FROM bets AS c INDEXED BY bets_open"
     " WHERE c.state IN ('accepted', 'confirmed') AND c.user_id = b.user_id AND c.bet = b.bet))"},
};

static enum status lies(struct sqlite_db *db, const char *index)
{
    snprintf(db->error, sizeof(db->error), "%s: index %s does not agree with its table", db->name,
             index);
    return STATUS_DAMAGED;
}

/* A row of tallies as one query gives them. */
static enum status read_tallies(struct sqlite_db *db, const char *sql, size_t count,
                                uint8_t (*to)[SQLITE_DB_TALLY_BYTES], bool *ordered)
{
    struct sqlite3_stmt *row;
    enum status status = sqlite_db_prepare(db, sql, &row);
    if (status != STATUS_OK) {
        return status;
    }
    status = sqlite_db_step(db, row);
    *ordered = true;
    for (size_t i = 0; status == STATUS_OK && i < count; i++) {
        *ordered = *ordered && sqlite_db_copy_bytes(row, (int)i, to[i], SQLITE_DB_TALLY_BYTES);
    }
    sqlite_db_finalize(row);
    return status;
}

/* One scan of the table for all its indexes. */
static enum status tally_table(struct sqlite_db *db, const char *table,
                               uint8_t (*to)[SQLITE_DB_TALLY_BYTES])
{
    char sql[1024];
    int length = snprintf(sql, sizeof(sql), "SELECT ");
    size_t count = 0;
    for (size_t i = 0; i < WHOLE_COUNT; i++) {
        if (strcmp(whole[i].table, table) == 0) {
            length += snprintf(sql + length, sizeof(sql) - (size_t)length, "%stally(%s)",
                               count > 0 ? ", " : "", whole[i].columns);
            count += 1;
        }
    }
    snprintf(sql + length, sizeof(sql) - (size_t)length, " FROM %s NOT INDEXED", table);
    bool ordered;
    return read_tallies(db, sql, count, to, &ordered);
}

static enum status check_whole(struct sqlite_db *db, const char *table)
{
    uint8_t expected[WHOLE_COUNT][SQLITE_DB_TALLY_BYTES];
    enum status status = tally_table(db, table, expected);
    size_t place = 0;
    for (size_t i = 0; status == STATUS_OK && i < WHOLE_COUNT; i++) {
        if (strcmp(whole[i].table, table) != 0) {
            continue;
        }
        char sql[256];
        uint8_t found[1][SQLITE_DB_TALLY_BYTES];
        bool ordered;
        snprintf(sql, sizeof(sql), "SELECT tally_ordered(%s) FROM %s INDEXED BY %s",
                 whole[i].columns, table, whole[i].name);
        status = read_tallies(db, sql, 1, found, &ordered);
        if (status == STATUS_OK &&
            (!ordered || memcmp(found[0], expected[place], SQLITE_DB_TALLY_BYTES) != 0)) {
            return lies(db, whole[i].name);
        }
        place += 1;
    }
    return status;
}

static enum status check_partial(struct sqlite_db *db)
{
    enum status status = STATUS_OK;
    for (size_t i = 0; status == STATUS_OK && i < sizeof(partial) / sizeof(partial[0]); i++) {
        int64_t holds;
        status = sqlite_db_query_i64(db, partial[i].sql, &holds);
        if (status == STATUS_OK && holds != 1) {
            return lies(db, partial[i].name);
        }
    }
    return status;
}

/* SQLite's own walk: quick_check looks at pages and tables, integrity_check looks up every row in
 * every index too. */
static enum status check_pages(struct sqlite_db *db, const char *sql)
{
    struct sqlite3_stmt *row;
    enum status status = sqlite_db_prepare(db, sql, &row);
    if (status != STATUS_OK) {
        return status;
    }
    status = sqlite_db_step(db, row);
    if (status == STATUS_OK && strcmp(sqlite_db_text(row, 0, NULL), "ok") != 0) {
        snprintf(db->error, sizeof(db->error), "%s: %.180s", db->name,
                 sqlite_db_text(row, 0, NULL));
        status = STATUS_DAMAGED;
    }
    sqlite_db_finalize(row);
    return status;
}

static enum status check_all(struct sqlite_db *db, bool is_main)
{
    if (is_main) { /* which is small: one row a user */
        return check_pages(db, "PRAGMA integrity_check(1)");
    }
    enum status status = check_pages(db, "PRAGMA quick_check(1)");
    if (status == STATUS_OK) {
        status = check_whole(db, "bets");
    }
    if (status == STATUS_OK) {
        status = check_whole(db, "transaction_ledger");
    }
    return status == STATUS_OK ? check_partial(db) : status;
}

enum status sqlite_schema_check_indexes(struct sqlite_db *db, bool is_main)
{
    enum status status = sqlite_db_add_tally(db);
    if (status == STATUS_OK) {
        status = sqlite_db_execute(db, "BEGIN");
    }
    if (status != STATUS_OK) {
        return status;
    }
    char words[sizeof(db->error)] = "";
    status = check_all(db, is_main);
    snprintf(words, sizeof(words), "%s", db->error);
    const enum status ended = sqlite_db_execute(db, "COMMIT");
    snprintf(db->error, sizeof(db->error), "%s", words);
    return status == STATUS_OK ? ended : status;
}
