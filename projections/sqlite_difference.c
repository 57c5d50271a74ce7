#include "projections/sqlite_difference.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "projections/sqlite_db.h"

#define VALUE_BYTES 96 /* of a value as shown; a longer one is cut */

/* How the rows of each table are told apart, and which column names their record (-1: none). */
struct table {
    const char *name;
    const char *rows; /* in the order of the first `keys` columns */
    int keys;
    int seq_column;
};

static const struct table tables[] = {
    {"bets", "SELECT * FROM bets ORDER BY bet", 1, 0},
    {"columns", "SELECT * FROM columns ORDER BY column_ms", 1, 1},
    {"configs", "SELECT * FROM configs ORDER BY epoch", 1, 1},
    {"meta", "SELECT * FROM meta ORDER BY key", 1, -1},
    {"transaction_ledger", "SELECT * FROM transaction_ledger ORDER BY seq, line", 2, 0},
    {"users", "SELECT * FROM users ORDER BY id", 1, -1},
    {"weeks", "SELECT start_ms, opened_seq FROM weeks ORDER BY start_ms", 1, 1},
};

/* One side: a connection and its present row. */
struct side {
    struct sqlite_db db;
    struct sqlite3_stmt *row;
    bool ended;
};

static enum status advance(struct side *side)
{
    const enum status status = sqlite_db_step(&side->db, side->row);
    side->ended = status == STATUS_END;
    return side->ended ? STATUS_OK : status;
}

static int compare_bytes(struct side *a, struct side *b, int column)
{
    size_t a_count;
    size_t b_count;
    const uint8_t *a_bytes = sqlite_db_bytes(a->row, column, &a_count);
    const uint8_t *b_bytes = sqlite_db_bytes(b->row, column, &b_count);
    const size_t shorter = a_count < b_count ? a_count : b_count;
    const int order = shorter > 0 ? memcmp(a_bytes, b_bytes, shorter) : 0;
    return order != 0 ? order : (a_count > b_count) - (a_count < b_count);
}

/* As SQLite orders them: integers by value, texts and bytes by their bytes. */
static int compare_values(struct side *a, struct side *b, int column)
{
    const enum sqlite_db_type a_type = sqlite_db_type(a->row, column);
    const enum sqlite_db_type b_type = sqlite_db_type(b->row, column);
    if (a_type != b_type) {
        return a_type < b_type ? -1 : 1;
    }
    switch (a_type) {
    case SQLITE_DB_NULL:
        return 0;
    case SQLITE_DB_INTEGER: {
        const int64_t a_value = sqlite_db_i64(a->row, column);
        const int64_t b_value = sqlite_db_i64(b->row, column);
        return (a_value > b_value) - (a_value < b_value);
    }
    case SQLITE_DB_TEXT:
    case SQLITE_DB_BYTES:
        return compare_bytes(a, b, column);
    }
    return 0;
}

static void show_value(struct side *side, int column, char to[VALUE_BYTES])
{
    size_t count = 0;
    switch (sqlite_db_type(side->row, column)) {
    case SQLITE_DB_NULL:
        snprintf(to, VALUE_BYTES, "NULL");
        return;
    case SQLITE_DB_INTEGER:
        snprintf(to, VALUE_BYTES, "%" PRId64, sqlite_db_i64(side->row, column));
        return;
    case SQLITE_DB_TEXT:
        snprintf(to, VALUE_BYTES, "'%.80s'", sqlite_db_text(side->row, column, &count));
        return;
    case SQLITE_DB_BYTES: {
        const uint8_t *bytes = sqlite_db_bytes(side->row, column, &count);
        char hex[2 * 40 + 1];
        text_format_hex(hex, bytes, count < 40 ? count : 40);
        snprintf(to, VALUE_BYTES, "0x%s", hex);
        return;
    }
    }
}

/* The name of a column, from the live file; its number where that fails. */
static void column_name(struct side *side, const char *table, int column, char to[64])
{
    snprintf(to, 64, "column %d", column);
    struct sqlite3_stmt *names;
    if (sqlite_db_prepare(&side->db, "SELECT name FROM pragma_table_info(?1) WHERE cid = ?2",
                          &names) != STATUS_OK) {
        return;
    }
    sqlite_db_bind_text(names, 1, table, strlen(table));
    sqlite_db_bind_i64(names, 2, column);
    if (sqlite_db_step(&side->db, names) == STATUS_OK) {
        size_t count;
        snprintf(to, 64, "%.60s", sqlite_db_text(names, 0, &count));
    }
    sqlite_db_finalize(names);
}

static void name_row(struct side *side, const struct table *table, char to[256])
{
    size_t length = 0;
    for (int i = 0; i < table->keys; i++) {
        char name[64];
        char value[VALUE_BYTES];
        column_name(side, table->name, i, name);
        show_value(side, i, value);
        length += (size_t)snprintf(to + length, 256 - length, "%s%s=%.60s", i > 0 ? ", " : "", name,
                                   value);
    }
}

static enum status tell(struct side *named, const struct table *table, const char *what,
                        struct sqlite_difference *difference)
{
    char row[256];
    name_row(named, table, row);
    snprintf(difference->text, sizeof difference->text, "row %.200s %.250s", row, what);
    const int64_t seq = table->seq_column >= 0 ? sqlite_db_i64(named->row, table->seq_column) : 0;
    difference->seq = seq > 0 ? (uint64_t)seq : 0;
    return STATUS_MISMATCH;
}

/* Both stand at a row with the same key: their first column that differs. */
static enum status compare_rows(struct side *here, struct side *replayed, const struct table *table,
                                struct sqlite_difference *difference)
{
    const int columns = sqlite_db_column_count(here->row);
    for (int i = 0; i < columns; i++) {
        if (compare_values(here, replayed, i) == 0) {
            continue;
        }
        char name[64];
        char here_value[VALUE_BYTES];
        char replayed_value[VALUE_BYTES];
        char what[256];
        column_name(here, table->name, i, name);
        show_value(here, i, here_value);
        show_value(replayed, i, replayed_value);
        snprintf(what, sizeof what, "has %s %.80s, %.80s by replay", name, here_value,
                 replayed_value);
        return tell(replayed, table, what, difference);
    }
    return STATUS_OK;
}

static int compare_keys(struct side *here, struct side *replayed, const struct table *table)
{
    for (int i = 0; i < table->keys; i++) {
        const int order = compare_values(here, replayed, i);
        if (order != 0) {
            return order;
        }
    }
    return 0;
}

static enum status compare_all(struct side *here, struct side *replayed, const struct table *table,
                               struct sqlite_difference *difference)
{
    for (;;) {
        enum status status = advance(here);
        if (status == STATUS_OK) {
            status = advance(replayed);
        }
        if (status != STATUS_OK) {
            return status;
        }
        if (here->ended && replayed->ended) {
            return STATUS_OK;
        }
        const int order = here->ended       ? 1
                          : replayed->ended ? -1
                                            : compare_keys(here, replayed, table);
        if (order > 0) {
            return tell(replayed, table, "is missing", difference);
        }
        if (order < 0) {
            return tell(here, table, "is not there by replay", difference);
        }
        status = compare_rows(here, replayed, table, difference);
        if (status != STATUS_OK) {
            return status;
        }
    }
}

static const struct table *find_table(const char *name)
{
    for (size_t i = 0; i < sizeof tables / sizeof tables[0]; i++) {
        if (strcmp(tables[i].name, name) == 0) {
            return &tables[i];
        }
    }
    return NULL;
}

static enum status open_side(struct side *side, const char *dir, const char *file,
                             const struct table *table)
{
    const enum status status = sqlite_db_open(&side->db, dir, file, SQLITE_DB_READ);
    return status == STATUS_OK ? sqlite_db_prepare(&side->db, table->rows, &side->row) : status;
}

static void close_side(struct side *side)
{
    sqlite_db_finalize(side->row);
    sqlite_db_close(&side->db);
}

enum status sqlite_difference_find(const char *dir, const char *replayed_dir, const char *file,
                                   const char *table_name, struct sqlite_difference *difference)
{
    *difference = (struct sqlite_difference){0};
    const struct table *table = find_table(table_name);
    if (table == NULL) {
        return STATUS_NOT_FOUND;
    }
    struct side here = {.row = NULL};
    struct side replayed = {.row = NULL};
    enum status status = open_side(&here, dir, file, table);
    if (status == STATUS_OK) {
        status = open_side(&replayed, replayed_dir, file, table);
    }
    if (status == STATUS_OK) {
        status = compare_all(&here, &replayed, table, difference);
    }
    close_side(&here);
    close_side(&replayed);
    return status;
}
