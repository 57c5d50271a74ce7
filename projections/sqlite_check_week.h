/* One week file beside a replay, for sqlite_checker: what it stood at when the check began, a walk
 * through each of its tables, and the bets whose rows are still to be met. Inside of projections/
 * only.
 *
 * A bet's row is met when the bet is over, in the order of ids; so a bet waits until all before it
 * are over. What was open at the file's position was copied at the start, since a server changes
 * those rows while the replay runs. */
#ifndef TAPLINE_PROJECTIONS_SQLITE_CHECK_WEEK_H
#define TAPLINE_PROJECTIONS_SQLITE_CHECK_WEEK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include "base/units.h"
#include "projections/sqlite_bets.h"
#include "projections/sqlite_cursor.h"
#include "projections/week.h"
#include "statemachine/event.h"

struct sqlite_check_open_row;

struct sqlite_check_week {
    int64_t start_ms;
    char name[WEEK_FILE_BYTES];
    struct sqlite_db db;
    struct sqlite_cursor bets;
    struct sqlite_cursor ledger;
    struct sqlite_cursor columns;
    struct sqlite_findings *findings;
    uint64_t seq; /* what it has applied: it is compared as of this record */
    uint8_t digest[HASH_BYTES];
    bool closed;
    int64_t closed_mark;                /* as it is stored */
    bool begun;                         /* the replay has come to this week */
    bool done;                          /* compared up to `seq` */
    struct sqlite_check_open_row *open; /* by id */
    size_t open_count;
    struct sqlite_bets waiting; /* of the replay */
};

/* Opens the file and takes down its position and its open bets. Errors: as sqlite_file_open_read;
 * STATUS_NO_MEMORY. Words in week->db.error. */
MUST_USE enum status sqlite_check_week_open(struct sqlite_check_week *week, const char *dir,
                                            int64_t start_ms, struct sqlite_findings *findings);
void sqlite_check_week_close(struct sqlite_check_week *week);

/* A bet of this week was placed or has changed. Errors: those of SQLite; STATUS_NO_MEMORY. */
MUST_USE enum status sqlite_check_week_bet(struct sqlite_check_week *week, const char *market,
                                           const struct bet *bet);

/* The replay stands at the file's position, in the week that begins at current_ms; `digest` is its
 * state's. What is left is compared. Errors: those of SQLite. */
MUST_USE enum status sqlite_check_week_finish(struct sqlite_check_week *week, const char *market,
                                              int64_t current_ms, const uint8_t *digest);

/* Gives up the read transactions for now. */
void sqlite_check_week_release(struct sqlite_check_week *week);

/* Words for two digests that differ, main.db's too. */
void sqlite_check_digest(struct sqlite_findings *findings, const char *name, uint64_t seq,
                         const uint8_t *stored, const uint8_t *computed);

#endif
