/* main.db's users beside a replay, for sqlite_checker: what stood in the table when the check
 * began, what the replay makes of each user, and the sums of SQLite's own ledger rows. Inside of
 * projections/ only. */
#ifndef TAPLINE_PROJECTIONS_SQLITE_CHECK_USERS_H
#define TAPLINE_PROJECTIONS_SQLITE_CHECK_USERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include "base/units.h"
#include "projections/sqlite_cursor.h"
#include "projections/sqlite_db.h"
#include "statemachine/event.h"

/* By the replay. */
struct sqlite_check_user {
    uint8_t account[ADDRESS_BYTES];
    int64_t balance_micro;
    int64_t held_micro;
    int64_t open_bets;
    int64_t week_sum; /* of the amounts in SQLite: of the newest week with its OPENING row */
    int64_t sum;      /* and of all weeks without */
};

struct sqlite_check_users {
    struct sqlite_check_user *replayed; /* [id - 1] */
    size_t count;
    size_t capacity;
    struct sqlite_check_stored *stored; /* by id */
    size_t stored_count;
};

/* Copies the table, inside of the caller's read transaction. Errors: those of SQLite;
 * STATUS_DAMAGED an account that is none; STATUS_NO_MEMORY. */
MUST_USE enum status sqlite_check_users_read(struct sqlite_check_users *users,
                                             struct sqlite_db *db);
void sqlite_check_users_free(struct sqlite_check_users *users);

/* The user `id` opens. Errors: STATUS_NO_MEMORY. */
MUST_USE enum status sqlite_check_users_open(struct sqlite_check_users *users, uint64_t id,
                                             const uint8_t *account);

/* NULL: there is no such user. */
struct sqlite_check_user *sqlite_check_users_find(const struct sqlite_check_users *users,
                                                  uint64_t id);

void sqlite_check_users_begin_week(struct sqlite_check_users *users);

/* The replay stands where the copy was taken. Sums are compared where they are complete. */
void sqlite_check_users_compare(const struct sqlite_check_users *users, uint64_t seq,
                                bool with_week_sums, bool with_sums,
                                struct sqlite_findings *findings);

#endif
