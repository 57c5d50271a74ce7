/* The rows that the writer puts into the projection files, one function a statement. A `changed`
 * that comes back false means that the row is not as it must be: the caller describes and halts.
 * Inside of projections/ only. */
#ifndef TAPLINE_PROJECTIONS_SQLITE_ROWS_H
#define TAPLINE_PROJECTIONS_SQLITE_ROWS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"
#include "statemachine/event.h"

struct sqlite3_stmt;
struct sqlite_file;
struct sqlite_user;

enum sqlite_rows_statement {
    ROWS_MAIN_APPLIED,
    ROWS_WEEK_APPLIED,
    ROWS_MAIN_UNTIL,
    ROWS_USER,
    ROWS_PUT_USER,
    ROWS_CONFIG,
    ROWS_META,
    ROWS_WEEK,
    ROWS_ARCHIVED,
    ROWS_USERS,
    ROWS_FIND_USER,
    ROWS_INSERT_BET,
    ROWS_UPDATE_BET,
    ROWS_ANY_OPEN_BET,
    ROWS_COLUMN,
    ROWS_LEDGER,
    SQLITE_ROWS_STATEMENTS
};

/* The statement, prepared at its first use; it belongs to the file. */
MUST_USE enum status sqlite_rows_statement(struct sqlite_file *file,
                                           enum sqlite_rows_statement which,
                                           struct sqlite3_stmt **statement);

/* --- main.db
 * ---------------------------------------------------------------------------------------- */

MUST_USE enum status sqlite_rows_open_user(struct sqlite_file *file, uint64_t id,
                                           const uint8_t *account);

/* Unchanged when the row is not as `user` says that it is stored. */
MUST_USE enum status sqlite_rows_put_user(struct sqlite_file *file, const struct sqlite_user *user,
                                          bool *changed);

MUST_USE enum status sqlite_rows_config(struct sqlite_file *file, uint64_t epoch, uint64_t seq,
                                        int64_t at_ms, const char *body);
MUST_USE enum status sqlite_rows_meta(struct sqlite_file *file, const char *key, const char *value);
MUST_USE enum status sqlite_rows_week(struct sqlite_file *file, int64_t start_ms, uint64_t seq);
MUST_USE enum status sqlite_rows_archived(struct sqlite_file *file, int64_t start_ms,
                                          bool archived);

/* Writes one OPENING row into `week` for each user of `file` that has a balance. */
MUST_USE enum status sqlite_rows_opening(struct sqlite_file *file, struct sqlite_file *week);

/* --- bets_YYYY_wWW.db
 * ------------------------------------------------------------------------------- */

MUST_USE enum status sqlite_rows_insert_bet(struct sqlite_file *file, const char *market,
                                            const struct bet *bet);
/* Unchanged when the bet is not there or not open. */
MUST_USE enum status sqlite_rows_update_bet(struct sqlite_file *file, const struct bet *bet,
                                            bool *changed);
MUST_USE enum status sqlite_rows_any_open_bet(struct sqlite_file *file, bool *any);
MUST_USE enum status sqlite_rows_column(struct sqlite_file *file, uint64_t seq, int64_t at_ms,
                                        const struct column_result *column);
MUST_USE enum status sqlite_rows_ledger(struct sqlite_file *file, uint64_t seq, int64_t at_ms,
                                        const struct posting *posting);

#endif
