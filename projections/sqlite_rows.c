#include "projections/sqlite_rows.h"

#include <string.h>

#include "base/json.h"
#include "base/text.h"
#include "projections/shapes.h"
#include "projections/sqlite_file.h"

static const char *const sql_texts[SQLITE_ROWS_STATEMENTS] = {
    [ROWS_MAIN_APPLIED] = "UPDATE applied SET seq = ?1, digest = ?2",
    [ROWS_WEEK_APPLIED] = "UPDATE applied SET seq = ?1, digest = ?2, closed = ?3,"
                          " main_seq = ?4",
    [ROWS_MAIN_UNTIL] = "UPDATE applied SET until = ?1",
    [ROWS_USER] = "INSERT INTO users (id, account, balance, held, open_bets)"
                  " VALUES (?1, ?2, 0, 0, 0)",
    /* The conditional deduction is the check: what the state machine decided in memory must be
     * possible here as well, and must give the balance that it says. */
    [ROWS_AVAILABLE_DOWN] =
        "UPDATE users SET balance = balance - ?1 WHERE id = ?2 AND balance >= ?1"
        " AND balance - ?1 = ?3 AND account = ?4",
    [ROWS_AVAILABLE_UP] = "UPDATE users SET balance = balance + ?1 WHERE id = ?2"
                          " AND balance + ?1 = ?3 AND account = ?4",
    [ROWS_HELD_DOWN] = "UPDATE users SET held = held - ?1 WHERE id = ?2 AND held >= ?1"
                       " AND held - ?1 = ?3 AND account = ?4",
    [ROWS_HELD_UP] = "UPDATE users SET held = held + ?1 WHERE id = ?2"
                     " AND held + ?1 = ?3 AND account = ?4",
    [ROWS_OPEN_BETS] = "UPDATE users SET open_bets = open_bets + ?1 WHERE id = ?2"
                       " AND open_bets + ?1 >= 0",
    [ROWS_CONFIG] = "INSERT INTO configs (epoch, seq, at, body) VALUES (?1, ?2, ?3, ?4)",
    [ROWS_META] = "INSERT INTO meta (key, value) VALUES (?1, ?2)"
                  " ON CONFLICT (key) DO UPDATE SET value = excluded.value",
    [ROWS_WEEK] = "INSERT INTO weeks (start_ms, opened_seq) VALUES (?1, ?2)",
    [ROWS_ARCHIVED] = "UPDATE weeks SET archived = ?2 WHERE start_ms = ?1",
    [ROWS_USERS] = "SELECT id, account, balance FROM users WHERE balance > 0 ORDER BY id",
    [ROWS_FIND_USER] = "SELECT balance, held FROM users WHERE id = ?1",
    [ROWS_INSERT_BET] =
        "INSERT INTO bets (bet, user_id, account, market, column_ms, band, price_lo, price_hi,"
        " stake, min_mult, config, nonce, session, accepted_at, accepted_seq, mult, payout, paid,"
        " state, reason, priced_at, priced_seq, tick, price, settled_at, settled_seq, settle_price)"
        " VALUES (?1, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22, ?23, ?24, ?25, ?26, ?27,"
        " ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)",
    [ROWS_UPDATE_BET] =
        "UPDATE bets SET mult = ?2, payout = ?3, paid = ?4, state = ?5, reason = ?6,"
        " priced_at = ?7, priced_seq = ?8, tick = ?9, price = ?10, settled_at = ?11,"
        " settled_seq = ?12, settle_price = ?13"
        " WHERE bet = ?1 AND state IN ('accepted', 'confirmed')",
    [ROWS_ANY_OPEN_BET] =
        "SELECT EXISTS (SELECT 1 FROM bets WHERE state IN ('accepted', 'confirmed'))",
    [ROWS_COLUMN] = "INSERT INTO columns (column_ms, seq, at, band_e4, state, reason, price, band,"
                    " ticks, bets, stakes, paid)"
                    " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
    [ROWS_LEDGER] = "INSERT INTO transaction_ledger (seq, line, account, user_id, amount,"
                    " balance_after, ref_type, ref_id, at)"
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

static const char *reason_or_null(enum reason reason)
{
    return reason == REASON_NONE ? NULL : reason_text(reason);
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

enum status sqlite_rows_move(struct sqlite_file *file, const struct posting *posting, bool *changed)
{
    const bool down = posting->amount_micro < 0;
    const enum sqlite_rows_statement which = posting->account == LEDGER_HELD
                                                 ? (down ? ROWS_HELD_DOWN : ROWS_HELD_UP)
                                                 : (down ? ROWS_AVAILABLE_DOWN : ROWS_AVAILABLE_UP);
    struct sqlite3_stmt *statement;
    enum status status = sqlite_rows_statement(file, which, &statement);
    if (status != STATUS_OK) {
        return status;
    }
    /* -INT64_MIN does not fit; the deduction of INT64_MIN then finds no balance that equals it. */
    const int64_t amount =
        down && posting->amount_micro != INT64_MIN ? -posting->amount_micro : posting->amount_micro;
    sqlite_db_bind_i64(statement, 1, amount);
    sqlite_db_bind_i64(statement, 2, (int64_t)posting->user_id);
    sqlite_db_bind_i64(statement, 3, posting->balance_after_micro);
    sqlite_db_bind_bytes(statement, 4, posting->address, ADDRESS_BYTES);
    status = sqlite_db_run(&file->db, statement);
    if (status == STATUS_OK) {
        *changed = sqlite_db_changes(&file->db) == 1;
    }
    return status;
}

enum status sqlite_rows_open_bets(struct sqlite_file *file, uint64_t user_id, int delta,
                                  bool *changed)
{
    struct sqlite3_stmt *statement;
    enum status status = sqlite_rows_statement(file, ROWS_OPEN_BETS, &statement);
    if (status != STATUS_OK) {
        return status;
    }
    sqlite_db_bind_i64(statement, 1, delta);
    sqlite_db_bind_i64(statement, 2, (int64_t)user_id);
    status = sqlite_db_run(&file->db, statement);
    if (status == STATUS_OK) {
        *changed = sqlite_db_changes(&file->db) == 1;
    }
    return status;
}

enum status sqlite_rows_find_user(struct sqlite_file *file, uint64_t id, bool *found,
                                  int64_t *balance_micro, int64_t *held_micro)
{
    struct sqlite3_stmt *statement;
    enum status status = sqlite_rows_statement(file, ROWS_FIND_USER, &statement);
    if (status != STATUS_OK) {
        return status;
    }
    sqlite_db_bind_i64(statement, 1, (int64_t)id);
    status = sqlite_db_step(&file->db, statement);
    if (status == STATUS_OK || status == STATUS_END) {
        *found = status == STATUS_OK;
        *balance_micro = *found ? sqlite_db_i64(statement, 0) : 0;
        *held_micro = *found ? sqlite_db_i64(statement, 1) : 0;
        status = STATUS_OK;
    }
    sqlite_db_reset(statement);
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

/* One row of the ledger; the texts are borrowed for the call. */
struct ledger_line {
    uint64_t seq;
    uint64_t line;
    const uint8_t *account;
    uint64_t user_id;
    int64_t amount_micro;
    int64_t balance_after_micro;
    const char *ref_type;
    const char *ref_id;
    size_t ref_id_length;
    int64_t at_ms;
};

static enum status insert_ledger(struct sqlite_file *file, const struct ledger_line *row)
{
    struct sqlite3_stmt *statement;
    const enum status status = sqlite_rows_statement(file, ROWS_LEDGER, &statement);
    if (status != STATUS_OK) {
        return status;
    }
    sqlite_db_bind_i64(statement, 1, (int64_t)row->seq);
    sqlite_db_bind_i64(statement, 2, (int64_t)row->line);
    sqlite_db_bind_bytes(statement, 3, row->account, ADDRESS_BYTES);
    sqlite_db_bind_i64(statement, 4, (int64_t)row->user_id);
    sqlite_db_bind_i64(statement, 5, row->amount_micro);
    sqlite_db_bind_i64(statement, 6, row->balance_after_micro);
    bind_string(statement, 7, row->ref_type);
    sqlite_db_bind_text(statement, 8, row->ref_id, row->ref_id_length);
    sqlite_db_bind_i64(statement, 9, row->at_ms);
    return sqlite_db_run(&file->db, statement);
}

enum status sqlite_rows_opening(struct sqlite_file *file, struct sqlite_file *week)
{
    struct sqlite3_stmt *users;
    enum status status = sqlite_rows_statement(file, ROWS_USERS, &users);
    if (status != STATUS_OK) {
        return status;
    }
    char name[WEEK_TEXT_BYTES];
    week_text(week->start_ms, name);
    struct ledger_line row = {.ref_type = "OPENING",
                              .ref_id = name,
                              .ref_id_length = strlen(name),
                              .at_ms = week->start_ms};
    while ((status = sqlite_db_step(&file->db, users)) == STATUS_OK) {
        uint8_t account[ADDRESS_BYTES];
        if (!sqlite_db_copy_bytes(users, 1, account, ADDRESS_BYTES)) {
            status = STATUS_DAMAGED;
            break;
        }
        row.line = (uint64_t)sqlite_db_i64(users, 0);
        row.user_id = row.line;
        row.account = account;
        row.amount_micro = sqlite_db_i64(users, 2);
        row.balance_after_micro = row.amount_micro;
        const enum status inserted = insert_ledger(week, &row);
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
    struct ledger_line row = {.seq = seq,
                              .line = posting->line,
                              .account = posting->address,
                              .user_id = posting->user_id,
                              .amount_micro = posting->amount_micro,
                              .balance_after_micro = posting->balance_after_micro,
                              .ref_type = ref_type_text(posting->ref_type),
                              .ref_id = posting->reference,
                              .ref_id_length = posting->reference_length,
                              .at_ms = at_ms};
    if (posting->reference == NULL) {
        row.ref_id_length = text_format_u64(digits, posting->ref_id);
        row.ref_id = digits;
    }
    return insert_ledger(file, &row);
}

/* Parameters 1..13: what a bet's later steps change. `paid` is known when the bet is over. */
static void bind_progress(struct sqlite3_stmt *statement, const struct bet *bet)
{
    const bool open = bet->state == BET_ACCEPTED || bet->state == BET_CONFIRMED;
    sqlite_db_bind_i64(statement, 1, (int64_t)bet->bet);
    sqlite_db_bind_i64_or_null(statement, 2, bet->mult_centi);
    sqlite_db_bind_i64_or_null(statement, 3, bet->payout_micro);
    if (open) {
        sqlite_db_bind_i64_or_null(statement, 4, 0);
    } else {
        sqlite_db_bind_i64(statement, 4, bet->paid_micro);
    }
    bind_string(statement, 5, bet_state_text(bet->state));
    bind_string(statement, 6, reason_or_null(bet->reason));
    sqlite_db_bind_i64_or_null(statement, 7, bet->priced_at_ms);
    sqlite_db_bind_i64_or_null(statement, 8, (int64_t)bet->priced_seq);
    sqlite_db_bind_i64_or_null(statement, 9, bet->tick_ms);
    sqlite_db_bind_i64_or_null(statement, 10, bet->price_e4);
    sqlite_db_bind_i64_or_null(statement, 11, bet->settled_at_ms);
    sqlite_db_bind_i64_or_null(statement, 12, (int64_t)bet->settled_seq);
    sqlite_db_bind_i64_or_null(statement, 13, bet->settle_price_e4);
}

enum status sqlite_rows_insert_bet(struct sqlite_file *file, const char *market,
                                   const struct bet *bet)
{
    struct sqlite3_stmt *statement;
    const enum status status = sqlite_rows_statement(file, ROWS_INSERT_BET, &statement);
    if (status != STATUS_OK) {
        return status;
    }
    bind_progress(statement, bet);
    sqlite_db_bind_i64(statement, 14, (int64_t)bet->user_id);
    sqlite_db_bind_bytes(statement, 15, bet->account, ADDRESS_BYTES);
    bind_string(statement, 16, market);
    sqlite_db_bind_i64(statement, 17, bet->column_ms);
    sqlite_db_bind_i64(statement, 18, bet->band);
    sqlite_db_bind_i64(statement, 19, bet->lo_e4);
    sqlite_db_bind_i64(statement, 20, bet->hi_e4);
    sqlite_db_bind_i64(statement, 21, bet->stake_micro);
    sqlite_db_bind_i64(statement, 22, bet->min_mult_centi);
    sqlite_db_bind_i64(statement, 23, bet->config);
    sqlite_db_bind_bytes(statement, 24, bet->nonce, NONCE_BYTES);
    sqlite_db_bind_i64_or_null(statement, 25, (int64_t)bet->session);
    sqlite_db_bind_i64_or_null(statement, 26, bet->accepted_at_ms);
    sqlite_db_bind_i64_or_null(statement, 27, (int64_t)bet->accepted_seq);
    return sqlite_db_run(&file->db, statement);
}

enum status sqlite_rows_update_bet(struct sqlite_file *file, const struct bet *bet, bool *changed)
{
    struct sqlite3_stmt *statement;
    enum status status = sqlite_rows_statement(file, ROWS_UPDATE_BET, &statement);
    if (status != STATUS_OK) {
        return status;
    }
    bind_progress(statement, bet);
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
    struct sqlite3_stmt *statement;
    enum status status = sqlite_rows_statement(file, ROWS_COLUMN, &statement);
    if (status != STATUS_OK) {
        return status;
    }
    struct json ticks = {0};
    shapes_column_ticks(&ticks, column);
    if (ticks.failed) {
        json_text_free(&ticks);
        return STATUS_NO_MEMORY;
    }
    sqlite_db_bind_i64(statement, 1, column->column_ms);
    sqlite_db_bind_i64(statement, 2, (int64_t)seq);
    sqlite_db_bind_i64(statement, 3, at_ms);
    sqlite_db_bind_i64(statement, 4, column->band_e4);
    bind_string(statement, 5, column->is_void ? "void" : "settled");
    bind_string(statement, 6, reason_or_null(column->reason));
    sqlite_db_bind_i64_or_null(statement, 7, column->price_e4);
    if (column->price_e4 == 0) {
        sqlite_db_bind_i64_or_null(statement, 8, 0);
    } else {
        sqlite_db_bind_i64(statement, 8, column->band);
    }
    sqlite_db_bind_text(statement, 9, ticks.text, ticks.length);
    sqlite_db_bind_i64(statement, 10, column->bets);
    sqlite_db_bind_i64(statement, 11, column->stakes_micro);
    sqlite_db_bind_i64(statement, 12, column->paid_micro);
    status = sqlite_db_run(&file->db, statement);
    json_text_free(&ticks);
    return status;
}
