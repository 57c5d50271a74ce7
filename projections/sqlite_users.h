/* The rows of main.db's users that a transaction of the writer touches: read at the first touch,
 * every posting checked here when it comes, written once at the end. A write is tied to what was
 * read. Inside of projections/ only. */
#ifndef TAPLINE_PROJECTIONS_SQLITE_USERS_H
#define TAPLINE_PROJECTIONS_SQLITE_USERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include "base/units.h"
#include "statemachine/event.h"

struct sqlite_file;

struct sqlite_user {
    uint64_t id; /* 0: this place is not in use */
    uint8_t account[ADDRESS_BYTES];
    bool changed;   /* since it was read or written */
    uint64_t as_of; /* the transaction that it was read in */
    int64_t balance_micro;
    int64_t held_micro;
    int64_t open_bets;
    int64_t stored_balance_micro; /* in the row */
    int64_t stored_held_micro;
    int64_t stored_open_bets;
};

#define SQLITE_USERS_BLOCK 1024 /* users of one allocation; ids are dense */

/* All zero: empty. */
struct sqlite_users {
    struct sqlite_user **blocks; /* by (id - 1) / SQLITE_USERS_BLOCK; NULL where none was touched */
    size_t block_count;
    uint64_t as_of;    /* the present transaction */
    uint64_t *changed; /* their ids */
    size_t changed_count;
    size_t changed_capacity;
};

/* A transaction begins: what was read before is read anew. */
void sqlite_users_begin(struct sqlite_users *users);

/* The user, from memory or from the file. NULL in *user: there is none.
 * Errors: those of SQLite; STATUS_DAMAGED an account that is none; STATUS_NO_MEMORY. */
MUST_USE enum status sqlite_users_find(struct sqlite_users *users, struct sqlite_file *file,
                                       uint64_t id, struct sqlite_user **user);

/* Inserts a user without money. Errors: STATUS_MISMATCH it is there; as above. */
MUST_USE enum status sqlite_users_open(struct sqlite_users *users, struct sqlite_file *file,
                                       uint64_t id, const uint8_t *account);

/* Applies a posting on available or held. False, and nothing is changed: the user is another one,
 * there is too little, or the result is not the posting's balance_after. */
MUST_USE bool sqlite_users_move(struct sqlite_user *user, const struct posting *posting);

/* Notes that the user was changed, for the next flush. Errors: STATUS_NO_MEMORY. */
MUST_USE enum status sqlite_users_mark(struct sqlite_users *users, struct sqlite_user *user);

/* Writes the changed ones. Errors: STATUS_MISMATCH *strange is one whose row was not as it was
 * left; those of SQLite. */
MUST_USE enum status sqlite_users_flush(struct sqlite_users *users, struct sqlite_file *file,
                                        const struct sqlite_user **strange);

void sqlite_users_free(struct sqlite_users *users);

#endif
