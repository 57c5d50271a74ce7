/* Writes the projection files of a data directory from outboxes: main.db (users, meta, configs,
 * weeks) and bets_YYYY_wWW.db (bets, columns, transaction_ledger), one per ISO week of UTC
 * (interface.md section 5, tables in sqlite_schema_main.sql and sqlite_schema_week.sql). One thread
 * owns a writer.
 *
 * Normal course: sqlite_writer_open tells the lowest applied seq; the records after it are replayed
 * from the journal through sqlite_writer_apply, later the live ones follow. Each call is one
 * transaction per file, with applied(seq, digest) in it; week files commit first, main.db last, so
 * that after a kill between two commits main.db is never ahead. Each file skips the records that it
 * has.
 *
 * Failures: money is checked while it is written. A deduction that finds too little, or a balance
 * that differs from what the state machine says, rolls everything back and halts the writer for
 * ever: the text names seq, account and figures. Nothing is ever corrected in silence. So does any
 * disk error.
 *
 * Files are disposable: a missing, damaged or differently versioned one is made again from the
 * journal. A week file cannot be made again beside a main.db that is past its opening (its OPENING
 * rows are the balances of that moment), so main.db goes with it; intact week files stay and skip.
 * A week file is closed, and left alone, when a later week runs and no bet of it is open any more.
 */
#ifndef TAPLINE_PROJECTIONS_SQLITE_WRITER_H
#define TAPLINE_PROJECTIONS_SQLITE_WRITER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include "base/units.h"
#include "projections/outbox.h"

#define SQLITE_WRITER_TEXT_BYTES 512
#define SQLITE_WRITER_ENDS       8

/* The version of the tables (user_version) and the mark of our files (application_id, "tapl"). */
#define SQLITE_SCHEMA_VERSION 2
#define SQLITE_APPLICATION_ID 0x7461706c

struct sqlite_writer;

struct sqlite_writer_options {
    /* The journal's durable head; a file that has applied more is a witness of lost records.
     * UINT64_MAX: not known. */
    uint64_t head_seq;
    /* Removes what cannot be used, to be rebuilt by replay: other versions are deleted, damaged
     * files are renamed to NAME.damaged. False: report and leave everything as it is. */
    bool repair;
    /* For a directory without any of the files: makes them as fast as can be, without indexes and
     * logs, until sqlite_writer_finish_bulk. What is there before that counts as nothing: the next
     * open makes it anew. Without effect where there are files. */
    bool bulk;
    /* Runs SQLite's quick_check on the files that are still written (costs a read of them). */
    bool check_pages;
    uint64_t check_bytes_max; /* but not on larger ones; 0: on all */
};

struct sqlite_writer_report {
    uint64_t applied_seq; /* lowest of all files: replay begins at the record after it; 0: from the
                             first */
    uint64_t highest_seq; /* highest of all files, for progress */
    bool rebuilds;        /* something was removed or was missing beside other files */
    bool bulk;            /* the writer is in bulk mode: sqlite_writer_finish_bulk is owed */
    char text[SQLITE_WRITER_TEXT_BYTES]; /* one line: what was found and done; "" when nothing */
    /* Where main.db and the newest week files end, as far as there is room. A replay that seals an
     * outbox at each of them has the state digest of that moment compared with the file's. */
    uint64_t ends[SQLITE_WRITER_ENDS];
    size_t end_count;
};

/* Opens or creates the files in `dir` (which exists). `report` is always filled.
 * Owns: *writer is freed by sqlite_writer_close.
 * Errors: STATUS_LOST_TAIL a file has applied a record after head_seq (nothing removed: it is a
 * witness); STATUS_USAGE a file of ours is another program's database (never removed);
 * STATUS_DAMAGED, STATUS_VERSION, STATUS_NOT_FOUND one is damaged, of another schema version or
 * missing, and repair is false; STATUS_IN_USE another process writes it; STATUS_IO,
 * STATUS_NO_SPACE, STATUS_NO_MEMORY. */
MUST_USE enum status sqlite_writer_open(const char *dir,
                                        const struct sqlite_writer_options *options,
                                        struct sqlite_writer **writer,
                                        struct sqlite_writer_report *report);

/* True when a replay should seal its outbox after record seq, see `ends`. */
bool sqlite_writer_ends_at(const struct sqlite_writer_report *report, uint64_t seq);

/* Applies sealed outboxes[0..count), dense in seq and following the last one given (the first one
 * begins at most at applied_seq + 1), in one transaction per file. On error nothing of the call is
 * in main.db and the writer is halted: all later calls return the same status. Errors:
 * STATUS_MISMATCH a balance, a bet or a digest disagrees, see sqlite_writer_error; STATUS_INVALID a
 * gap in seqs; STATUS_IO, STATUS_NO_SPACE, STATUS_DAMAGED, STATUS_NO_MEMORY. */
MUST_USE enum status sqlite_writer_apply_many(struct sqlite_writer *writer,
                                              struct outbox *const *outboxes, size_t count);
MUST_USE enum status sqlite_writer_apply(struct sqlite_writer *writer, struct outbox *outbox);

/* Ends the bulk mode: what is still open is written, indexes are made. `progress` (may be NULL) is
 * called before each file with its name, on the caller's thread. Afterwards the writer goes on as
 * any other. Nothing happens in a writer that has none. Errors: as sqlite_writer_apply_many. */
MUST_USE enum status sqlite_writer_finish_bulk(struct sqlite_writer *writer, void *context,
                                               void (*progress)(void *context, const char *file));

/* Why the writer is halted, one line; "" while it is not. Lives as long as the writer. */
const char *sqlite_writer_error(const struct sqlite_writer *writer);

/* The seq that all files have applied. */
uint64_t sqlite_writer_applied(const struct sqlite_writer *writer);

/* Notes in main.db that the week's file was (or no longer is) removed after archiving, so that its
 * absence is no reason to rebuild. Only a closed week can be marked.
 * Errors: STATUS_NOT_FOUND no such week, or not closed; STATUS_IO and so on. */
MUST_USE enum status sqlite_writer_mark_archived(struct sqlite_writer *writer,
                                                 int64_t week_start_ms, bool archived);

/* Closes the files and frees. Rows of an apply that returned STATUS_OK stay. NULL is allowed. */
void sqlite_writer_close(struct sqlite_writer *writer);

#endif
