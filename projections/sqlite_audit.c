#include "projections/sqlite_audit.h"

#include <nettle/sha2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/check.h"
#include "projections/sqlite_db.h"
#include "projections/sqlite_file.h"
#include "projections/sqlite_writer.h"
#include "projections/week.h"

/* The tables of each kind of file, by name, and their rows in the order of the primary key. */
struct table {
    const char *name;
    const char *rows;
};

static const struct table main_tables[] = {
    {"configs", "SELECT * FROM configs ORDER BY epoch"},
    {"meta", "SELECT * FROM meta ORDER BY key"},
    {"users", "SELECT * FROM users ORDER BY id"},
    {"weeks", "SELECT start_ms, opened_seq FROM weeks ORDER BY start_ms"},
};

static const struct table week_tables[] = {
    {"bets", "SELECT * FROM bets ORDER BY bet"},
    {"columns", "SELECT * FROM columns ORDER BY column_ms"},
    {"transaction_ledger", "SELECT * FROM transaction_ledger ORDER BY seq, line"},
};

/* Words for a status that came with a connection. */
static enum status describe(const struct sqlite_db *db, enum status status, char *text)
{
    if (status != STATUS_OK) {
        snprintf(text, SQLITE_AUDIT_TEXT_BYTES, "%s",
                 db->error[0] != '\0' ? db->error : status_text(status));
    }
    return status;
}

/* Opens a file of ours for reading. */
static enum status open_ours(struct sqlite_db *db, const char *dir, const char *name, char *text)
{
    const enum status status = sqlite_file_open_read(db, dir, name);
    return status == STATUS_OK ? status : describe(db, status, text);
}

static enum status list_weeks(const char *dir, struct sqlite_file_weeks *weeks, char *text)
{
    const enum status status = sqlite_file_list_weeks(dir, weeks);
    if (status != STATUS_OK) {
        snprintf(text, SQLITE_AUDIT_TEXT_BYTES, "%.400s: %s", dir, status_text(status));
    }
    return status;
}

static void witness_of(const char *dir, const char *name, uint64_t *seq, char to[32])
{
    struct sqlite_db db;
    char text[SQLITE_AUDIT_TEXT_BYTES];
    if (open_ours(&db, dir, name, text) != STATUS_OK) {
        return;
    }
    int64_t applied = 0;
    const enum status status = sqlite_db_query_i64(&db, "SELECT seq FROM applied", &applied);
    sqlite_db_close(&db);
    if (status == STATUS_OK && applied > 0 && (uint64_t)applied > *seq) {
        *seq = (uint64_t)applied;
        snprintf(to, 32, "%s", name);
    }
}

void sqlite_audit_witness(const char *dir, uint64_t *seq, char name[32])
{
    *seq = 0;
    name[0] = '\0';
    witness_of(dir, SQLITE_FILE_MAIN, seq, name);
    struct sqlite_file_weeks weeks;
    char text[SQLITE_AUDIT_TEXT_BYTES];
    if (list_weeks(dir, &weeks, text) != STATUS_OK) {
        return;
    }
    for (size_t i = 0; i < weeks.count; i++) {
        char file[WEEK_FILE_BYTES];
        week_file_name(weeks.starts_ms[i], file);
        witness_of(dir, file, seq, name);
    }
    free(weeks.starts_ms);
}

/* Each value as one byte of its type, eight of its length or value, and its bytes. */
static void hash_value(struct sha256_ctx *sha, struct sqlite3_stmt *row, int column)
{
    const enum sqlite_db_type type = sqlite_db_type(row, column);
    uint8_t head[9] = {(uint8_t)type};
    size_t count = 0;
    const uint8_t *bytes = NULL;
    switch (type) {
    case SQLITE_DB_NULL:
        break;
    case SQLITE_DB_INTEGER:
        store_u64(head + 1, (uint64_t)sqlite_db_i64(row, column));
        break;
    case SQLITE_DB_TEXT:
    case SQLITE_DB_BYTES:
        bytes = sqlite_db_bytes(row, column, &count);
        store_u64(head + 1, count);
        break;
    }
    sha256_update(sha, sizeof(head), head);
    if (count > 0) {
        sha256_update(sha, count, bytes);
    }
}

static enum status hash_table(struct sqlite_db *db, const struct table *table, uint64_t *rows,
                              uint8_t digest[HASH_BYTES])
{
    struct sqlite3_stmt *row;
    enum status status = sqlite_db_prepare(db, table->rows, &row);
    if (status != STATUS_OK) {
        return status;
    }
    struct sha256_ctx sha;
    sha256_init(&sha);
    *rows = 0;
    const int columns = sqlite_db_column_count(row);
    while ((status = sqlite_db_step(db, row)) == STATUS_OK) {
        for (int i = 0; i < columns; i++) {
            hash_value(&sha, row, i);
        }
        *rows += 1;
    }
    sqlite_db_finalize(row);
    sha256_digest(&sha, HASH_BYTES, digest);
    return status == STATUS_END ? STATUS_OK : status;
}

/* All tables of one file, in one snapshot of it. */
static enum status hash_file(const char *dir, const char *name, const struct table *tables,
                             size_t count, void *context,
                             void (*visit)(void *context, const struct sqlite_audit_table *table),
                             char *text)
{
    struct sqlite_db db;
    enum status status = open_ours(&db, dir, name, text);
    if (status != STATUS_OK) {
        return status;
    }
    status = sqlite_db_execute(&db, "BEGIN");
    for (size_t i = 0; status == STATUS_OK && i < count; i++) {
        struct sqlite_audit_table table = {.file = name, .table = tables[i].name};
        status = hash_table(&db, &tables[i], &table.rows, table.digest);
        if (status == STATUS_OK) {
            visit(context, &table);
        }
    }
    describe(&db, status, text);
    sqlite_db_close(&db);
    return status;
}

enum status sqlite_audit_tables(const char *dir, void *context,
                                void (*visit)(void *context,
                                              const struct sqlite_audit_table *table),
                                char text[SQLITE_AUDIT_TEXT_BYTES])
{
    text[0] = '\0';
    struct sqlite_file_weeks weeks;
    enum status status = list_weeks(dir, &weeks, text);
    if (status != STATUS_OK) {
        return status;
    }
    for (size_t i = 0; status == STATUS_OK && i < weeks.count; i++) {
        char file[WEEK_FILE_BYTES];
        week_file_name(weeks.starts_ms[i], file);
        status = hash_file(dir, file, week_tables, sizeof(week_tables) / sizeof(week_tables[0]),
                           context, visit, text);
    }
    free(weeks.starts_ms);
    if (status != STATUS_OK) {
        return status;
    }
    return hash_file(dir, SQLITE_FILE_MAIN, main_tables,
                     sizeof(main_tables) / sizeof(main_tables[0]), context, visit, text);
}

static enum status read_users(struct sqlite_db *db, void *context,
                              void (*visit)(void *context, const struct sqlite_audit_user *user))
{
    struct sqlite3_stmt *row;
    enum status status = sqlite_db_prepare(
        db, "SELECT id, account, balance, held, open_bets FROM users ORDER BY id", &row);
    if (status != STATUS_OK) {
        return status;
    }
    while ((status = sqlite_db_step(db, row)) == STATUS_OK) {
        uint8_t account[ADDRESS_BYTES];
        if (!sqlite_db_copy_bytes(row, 1, account, ADDRESS_BYTES)) {
            status = STATUS_DAMAGED;
            break;
        }
        const struct sqlite_audit_user user = {.id = (uint64_t)sqlite_db_i64(row, 0),
                                               .account = account,
                                               .balance_micro = sqlite_db_i64(row, 2),
                                               .held_micro = sqlite_db_i64(row, 3),
                                               .open_bets = sqlite_db_i64(row, 4)};
        visit(context, &user);
    }
    sqlite_db_finalize(row);
    return status == STATUS_END ? STATUS_OK : status;
}

static enum status read_applied(struct sqlite_db *db, uint64_t *seq, uint8_t digest[HASH_BYTES])
{
    struct sqlite3_stmt *row;
    enum status status = sqlite_db_prepare(db, "SELECT seq, digest FROM applied", &row);
    if (status != STATUS_OK) {
        return status;
    }
    status = sqlite_db_step(db, row);
    if (status == STATUS_OK) {
        *seq = (uint64_t)sqlite_db_i64(row, 0);
        status = sqlite_db_copy_bytes(row, 1, digest, HASH_BYTES) ? STATUS_OK : STATUS_DAMAGED;
    } else if (status == STATUS_END) {
        status = STATUS_DAMAGED;
    }
    sqlite_db_finalize(row);
    return status;
}

enum status sqlite_audit_users(const char *dir, void *context,
                               void (*visit)(void *context, const struct sqlite_audit_user *user),
                               uint64_t *seq, uint8_t digest[HASH_BYTES],
                               char text[SQLITE_AUDIT_TEXT_BYTES])
{
    text[0] = '\0';
    struct sqlite_db db;
    enum status status = open_ours(&db, dir, SQLITE_FILE_MAIN, text);
    if (status != STATUS_OK) {
        return status;
    }
    status = sqlite_db_execute(&db, "BEGIN"); /* users and applied are of one moment */
    if (status == STATUS_OK) {
        status = read_applied(&db, seq, digest);
    }
    if (status == STATUS_OK) {
        status = read_users(&db, context, visit);
    }
    describe(&db, status, text);
    sqlite_db_close(&db);
    return status;
}

/* --- Sums
 * -------------------------------------------------------------------------------------------- */

/* What is still expected of each user, by id: the balance less the amounts seen. */
struct sums {
    int64_t *left;
    size_t count; /* ids 1..count */
    bool no_memory;
};

static void take_balance(void *context, const struct sqlite_audit_user *user)
{
    struct sums *sums = context;
    int64_t *grown = realloc(sums->left, user->id * sizeof(int64_t));
    if (grown == NULL) {
        sums->no_memory = true;
        return;
    }
    for (size_t i = sums->count; i < user->id; i++) {
        grown[i] = 0;
    }
    sums->left = grown;
    sums->count = user->id;
    sums->left[user->id - 1] = user->balance_micro;
}

static enum status subtract_week(const char *dir, int64_t start_ms, bool with_opening,
                                 struct sums *sums, char *text)
{
    char file[WEEK_FILE_BYTES];
    week_file_name(start_ms, file);
    struct sqlite_db db;
    enum status status = open_ours(&db, dir, file, text);
    if (status != STATUS_OK) {
        return status;
    }
    struct sqlite3_stmt *row;
    status = sqlite_db_prepare(&db,
                               with_opening ? "SELECT user_id, sum(amount) FROM transaction_ledger"
                                              " GROUP BY user_id"
                                            : "SELECT user_id, sum(amount) FROM transaction_ledger"
                                              " WHERE seq > 0 GROUP BY user_id",
                               &row);
    if (status == STATUS_OK) {
        while ((status = sqlite_db_step(&db, row)) == STATUS_OK) {
            const uint64_t id = (uint64_t)sqlite_db_i64(row, 0);
            const int64_t amount = sqlite_db_i64(row, 1);
            if (id == 0 || id > sums->count) {
                snprintf(db.error, sizeof(db.error), "%s: rows of user %llu, who is not in main.db",
                         file, (unsigned long long)id);
                status = STATUS_MISMATCH;
                break;
            }
            sums->left[id - 1] -= amount;
        }
        sqlite_db_finalize(row);
    }
    status = status == STATUS_END ? STATUS_OK : status;
    describe(&db, status, text);
    sqlite_db_close(&db);
    return status;
}

/* Compares the balances with the sums of weeks[first..count). */
static enum status check_sums(const char *dir, const struct sqlite_file_weeks *weeks, size_t first,
                              bool with_opening, char *text)
{
    struct sums sums = {0};
    uint64_t seq;
    uint8_t digest[HASH_BYTES];
    enum status status = sqlite_audit_users(dir, &sums, take_balance, &seq, digest, text);
    if (status == STATUS_OK && sums.no_memory) {
        status = STATUS_NO_MEMORY;
    }
    for (size_t i = first; status == STATUS_OK && i < weeks->count; i++) {
        status = subtract_week(dir, weeks->starts_ms[i], with_opening, &sums, text);
    }
    for (size_t i = 0; status == STATUS_OK && i < sums.count; i++) {
        if (sums.left[i] != 0) {
            snprintf(text, SQLITE_AUDIT_TEXT_BYTES,
                     "user %zu: the balance in main.db differs from the sum of the ledger %s by "
                     "%lld micro-USD",
                     i + 1, with_opening ? "of the newest week" : "of all weeks",
                     (long long)sums.left[i]);
            status = STATUS_MISMATCH;
        }
    }
    free(sums.left);
    return status;
}

/* True when each week that main.db lists has its file. */
static enum status all_weeks_here(const char *dir, const struct sqlite_file_weeks *weeks, bool *all,
                                  char *text)
{
    struct sqlite_db db;
    enum status status = open_ours(&db, dir, SQLITE_FILE_MAIN, text);
    if (status != STATUS_OK) {
        return status;
    }
    int64_t listed = 0;
    status = sqlite_db_query_i64(&db, "SELECT count(*) FROM weeks", &listed);
    describe(&db, status, text);
    sqlite_db_close(&db);
    *all = (uint64_t)listed == weeks->count;
    return status;
}

enum status sqlite_audit_sums(const char *dir, char text[SQLITE_AUDIT_TEXT_BYTES])
{
    text[0] = '\0';
    struct sqlite_file_weeks weeks;
    bool all = false;
    enum status status = list_weeks(dir, &weeks, text);
    if (status != STATUS_OK) {
        return status;
    }
    status = all_weeks_here(dir, &weeks, &all, text);
    if (status == STATUS_OK && weeks.count > 0) {
        status = check_sums(dir, &weeks, weeks.count - 1, true, text);
    }
    if (status == STATUS_OK && all) {
        status = check_sums(dir, &weeks, 0, false, text);
    }
    free(weeks.starts_ms);
    return status;
}
