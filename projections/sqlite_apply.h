/* One record on its way into the projection files: its week is entered, its postings move the money
 * of main.db's users and become ledger rows, its events become rows of bets, columns and
 * configurations. sqlite_writer.h says what holds; transactions are its matter. Inside of
 * projections/ only. */
#ifndef TAPLINE_PROJECTIONS_SQLITE_APPLY_H
#define TAPLINE_PROJECTIONS_SQLITE_APPLY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"
#include "projections/outbox.h"
#include "projections/sqlite_directory.h"
#include "projections/sqlite_users.h"
#include "projections/sqlite_writer.h"

struct sqlite_writer {
    struct sqlite_directory directory;
    struct sqlite_users users;
    bool bulk;          /* rows of open bets wait in memory, files have no indexes yet */
    uint64_t next_seq;  /* the record that must come next; 0: any up to applied + 1 */
    enum status halted; /* STATUS_OK while it works */
    char error[SQLITE_WRITER_TEXT_BYTES];
};

/* Writes the rows of one record, in the open transactions. Users and the bets of this transaction
 * stay in memory, see sqlite_apply_users and sqlite_week.waiting. Errors: STATUS_MISMATCH money or
 * a bet does not agree; those of SQLite. */
MUST_USE enum status sqlite_apply_record(struct sqlite_writer *writer,
                                         const struct outbox_record *record);

/* Writes the users that were changed since the last time. Errors: STATUS_MISMATCH a row is not as
 * it was left; those of SQLite. */
MUST_USE enum status sqlite_apply_users(struct sqlite_writer *writer);

/* Describes a failure and gives its status back. */
__attribute__((format(printf, 3, 4))) MUST_USE enum status
sqlite_apply_fail(struct sqlite_writer *writer, enum status status, const char *format, ...);

/* Passes a status of `file` up, with its own words. */
MUST_USE enum status sqlite_apply_pass(struct sqlite_writer *writer, const struct sqlite_file *file,
                                       enum status status);

#endif
