#include "projections/sqlite_rows.h"

#include <string.h>

#include "base/json.h"
#include "projections/sqlite_file.h"
#include "projections/sqlite_users.h"
#include "projections/sqlite_values.h"

static const char *const sql_texts[SQLITE_ROWS_STATEMENTS] = {
    [ROWS_MAIN_APPLIED] = "UPDATE applied SET seq = ?1, digest = ?2",
    [ROWS_WEEK_APPLIED] = "UPDATE applied SET seq = ?1, digest = ?2, closed = ?3,"
                          " main_seq = ?4",
    [ROWS_MAIN_UNTIL] = "UPDATE applied SET until = ?1",
    [ROWS_USER] = "INSERT INTO users (id, account, balance, held, open_bets)"
                  " VALUES (?1, ?2, 0, 0, 0)",
    /* The row must still be as it was left: nobody else writes here. */
    [ROWS_PUT_USER] = "UPDATE users SET balance = ?2, held = ?3, open_bets = ?4 WHERE id = ?1"
                      " AND balance = ?5 AND held = ?6 AND open_bets = ?7",
    [ROWS_CONFIG] = "INSERT INTO configs (epoch, seq, at, body) VALUES (?1, ?2, ?3, ?4)",
    [ROWS_META] = "INSERT INTO meta (key, value) VALUES (?1, ?2)"
                  " ON CONFLICT (key) DO UPDATE SET value = excluded.value",
    [ROWS_WEEK] = "INSERT INTO weeks (start_ms, opened_seq) VALUES (?1, ?2)",
    [ROWS_ARCHIVED] = "UPDATE weeks SET archived = ?2 WHERE start_ms = ?1",
    [ROWS_USERS] = "SELECT id, account, balance FROM users WHERE balance > 0 ORDER BY id",
    [ROWS_FIND_USER] = "SELECT balance, held, open_bets, account FROM users WHERE id = ?1",
    /* The parameters are the values of sqlite_values_bet; what the table computes is left out. */
    [ROWS_INSERT_BET] =
        "INSERT INTO bets (bet, user_id, account, market, column_ms, band, price_lo, price_hi,"
        " stake, min_mult, config, nonce, session, accepted_at, mult, payout, state, reason,"
        " priced_at, priced_seq, tick_age, price, settled_at, settled_seq, settle_price)"
        " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?16, ?17, ?18, ?19,"
        " ?21, ?22, ?21 - ?23, ?24, ?25, ?26, ?27)",
    [ROWS_UPDATE_BET] =
        "UPDATE bets SET mult = ?16, payout = ?17, state = ?18, reason = ?19, priced_at = ?21,"
        " priced_seq = ?22, tick_age = ?21 - ?23, price = ?24, settled_at = ?25,"
        " settled_seq = ?26, settle_price = ?27"
        " WHERE bet = ?1 AND state IN ('accepted', 'confirmed')",
    [ROWS_ANY_OPEN_BET] =
        "SELECT EXISTS (SELECT 1 FROM bets WHERE state IN ('accepted', 'confirmed'))",
    [ROWS_COLUMN] = "INSERT INTO columns (" SQLITE_COLUMN_COLUMNS ")"
                    " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
    [ROWS_LEDGER] = "INSERT INTO transaction_ledger (" SQLITE_LEDGER_COLUMNS ")"
                    " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
};

enum status sqlite_rows_statement(struct sqlite_file *file, enum sqlite_rows_statement which,
                                  struct sqlite3_stmt **statement)
{
    if (file->statements[which] == NULL) {
        const enum status status =
            sqlite_db_prepare(&file->db, sql_texts[which], &file->statements[which]);
        if (status != STATUS_OK) {
            return status;
        }
    }
    *statement = file->statements[which];
    return STATUS_OK;
}

static void bind_string(struct sqlite3_stmt *statement, int index, const char *text)
{
    sqlite_db_bind_text(statement, index, text, text == NULL ? 0 : strlen(text));
}

enum status sqlite_rows_open_user(struct sqlite_file *file, uint64_t id, const uint8_t *account)
{
    struct sqlite3_stmt *statement;
    const enum status status = sqlite_rows_statement(file, ROWS_USER, &statement);
    if (status != STATUS_OK) {
        return status;
    }
    sqlite_db_bind_i64(statement, 1, (int64_t)id);
    sqlite_db_bind_bytes(statement, 2, account, ADDRESS_BYTES);
    return sqlite_db_run(&file->db, statement);
}

enum status sqlite_rows_put_user(struct sqlite_file *file, const struct sqlite_user *user,
                                 bool *changed)
{
    struct sqlite3_stmt *statement;
    enum status status = sqlite_rows_statement(file, ROWS_PUT_USER, &statement);
    if (status != STATUS_OK) {
        return status;
    }
    sqlite_db_bind_i64(statement, 1, (int64_t)user->id);
    sqlite_db_bind_i64(statement, 2, user->balance_micro);
    sqlite_db_bind_i64(statement, 3, user->held_micro);
    sqlite_db_bind_i64(statement, 4, user->open_bets);
    sqlite_db_bind_i64(statement, 5, user->stored_balance_micro);
    sqlite_db_bind_i64(statement, 6, user->stored_held_micro);
    sqlite_db_bind_i64(statement, 7, user->stored_open_bets);
    status = sqlite_db_run(&file->db, statement);
    if (status == STATUS_OK) {
        *changed = sqlite_db_changes(&file->db) == 1;
    }
    return status;
}

enum status sqlite_rows_config(struct sqlite_file *file, uint64_t epoch, uint64_t seq,
                               int64_t at_ms, const char *body)
{
    struct sqlite3_stmt *statement;
    const enum status status = sqlite_rows_statement(file, ROWS_CONFIG, &statement);
    if (status != STATUS_OK) {
        return status;
    }
    sqlite_db_bind_i64(statement, 1, (int64_t)epoch);
    sqlite_db_bind_i64(statement, 2, (int64_t)seq);
    sqlite_db_bind_i64(statement, 3, at_ms);
    bind_string(statement, 4, body);
    return sqlite_db_run(&file->db, statement);
}

enum status sqlite_rows_meta(struct sqlite_file *file, const char *key, const char *value)
{
    struct sqlite3_stmt *statement;
    const enum status status = sqlite_rows_statement(file, ROWS_META, &statement);
    if (status != STATUS_OK) {
        return status;
    }
    bind_string(statement, 1, key);
    bind_string(statement, 2, value);
    return sqlite_db_run(&file->db, statement);
}

enum status sqlite_rows_week(struct sqlite_file *file, int64_t start_ms, uint64_t seq)
{
    struct sqlite3_stmt *statement;
    const enum status status = sqlite_rows_statement(file, ROWS_WEEK, &statement);
    if (status != STATUS_OK) {
        return status;
    }
    sqlite_db_bind_i64(statement, 1, start_ms);
    sqlite_db_bind_i64(statement, 2, (int64_t)seq);
    return sqlite_db_run(&file->db, statement);
}

enum status sqlite_rows_archived(struct sqlite_file *file, int64_t start_ms, bool archived)
{
    struct sqlite3_stmt *statement;
    const enum status status = sqlite_rows_statement(file, ROWS_ARCHIVED, &statement);
    if (status != STATUS_OK) {
        return status;
    }
    sqlite_db_bind_i64(statement, 1, start_ms);
    sqlite_db_bind_i64(statement, 2, archived ? 1 : 0);
    return sqlite_db_run(&file->db, statement);
}

/* One insert of values[0..count). */
static enum status insert(struct sqlite_file *file, enum sqlite_rows_statement which,
                          const struct sqlite_value *values, size_t count)
{
    struct sqlite3_stmt *statement;
    const enum status status = sqlite_rows_statement(file, which, &statement);
    if (status != STATUS_OK) {
        return status;
    }
    sqlite_values_bind(statement, 1, values, count);
    return sqlite_db_run(&file->db, statement);
}

enum status sqlite_rows_opening(struct sqlite_file *file, struct sqlite_file *week)
{
    struct sqlite3_stmt *users;
    enum status status = sqlite_rows_statement(file, ROWS_USERS, &users);
    if (status != STATUS_OK) {
        return status;
    }
    while ((status = sqlite_db_step(&file->db, users)) == STATUS_OK) {
        uint8_t account[ADDRESS_BYTES];
        char name[WEEK_TEXT_BYTES];
        struct sqlite_value values[SQLITE_LEDGER_VALUES];
        if (!sqlite_db_copy_bytes(users, 1, account, ADDRESS_BYTES)) {
            status = STATUS_DAMAGED;
            break;
        }
        sqlite_values_opening(week->start_ms, (uint64_t)sqlite_db_i64(users, 0), account,
                              sqlite_db_i64(users, 2), name, values);
        const enum status inserted = insert(week, ROWS_LEDGER, values, SQLITE_LEDGER_VALUES);
        if (inserted != STATUS_OK) {
            status = inserted;
            break;
        }
    }
    sqlite_db_reset(users);
    return status == STATUS_END ? STATUS_OK : status;
}

enum status sqlite_rows_ledger(struct sqlite_file *file, uint64_t seq, int64_t at_ms,
                               const struct posting *posting)
{
    char digits[TEXT_I64_BYTES_MAX];
    struct sqlite_value values[SQLITE_LEDGER_VALUES];
    sqlite_values_ledger(seq, at_ms, posting, digits, values);
    return insert(file, ROWS_LEDGER, values, SQLITE_LEDGER_VALUES);
}

enum status sqlite_rows_insert_bet(struct sqlite_file *file, const char *market,
                                   const struct bet *bet)
{
    struct sqlite_value values[SQLITE_BET_VALUES];
    sqlite_values_bet(market, bet, values);
    return insert(file, ROWS_INSERT_BET, values, SQLITE_BET_VALUES);
}

enum status sqlite_rows_update_bet(struct sqlite_file *file, const struct bet *bet, bool *changed)
{
    struct sqlite3_stmt *statement;
    enum status status = sqlite_rows_statement(file, ROWS_UPDATE_BET, &statement);
    if (status != STATUS_OK) {
        return status;
    }
    struct sqlite_value values[SQLITE_BET_VALUES];
    sqlite_values_bet(NULL, bet, values);
    sqlite_values_bind(statement, 1, values, SQLITE_BET_VALUES);
    status = sqlite_db_run(&file->db, statement);
    if (status == STATUS_OK) {
        *changed = sqlite_db_changes(&file->db) == 1;
    }
    return status;
}

enum status sqlite_rows_any_open_bet(struct sqlite_file *file, bool *any)
{
    struct sqlite3_stmt *statement;
    enum status status = sqlite_rows_statement(file, ROWS_ANY_OPEN_BET, &statement);
    if (status != STATUS_OK) {
        return status;
    }
    status = sqlite_db_step(&file->db, statement);
    if (status == STATUS_OK) {
        *any = sqlite_db_i64(statement, 0) != 0;
    }
    sqlite_db_reset(statement);
    return status == STATUS_END ? STATUS_DAMAGED : status;
}

enum status sqlite_rows_column(struct sqlite_file *file, uint64_t seq, int64_t at_ms,
                               const struct column_result *column)
{
    struct json ticks = {0};
    struct sqlite_value values[SQLITE_COLUMN_VALUES];
    enum status status = sqlite_values_column(seq, at_ms, column, &ticks, values);
    if (status == STATUS_OK) {
        status = insert(file, ROWS_COLUMN, values, SQLITE_COLUMN_VALUES);
    }
    json_text_free(&ticks);
    return status;
}
