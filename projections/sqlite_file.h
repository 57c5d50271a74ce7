/* One projection file of the writer: its connection, its prepared statements, what it has applied,
 * and the judgement of a file that was found in the directory. Inside of projections/ only. */
#ifndef TAPLINE_PROJECTIONS_SQLITE_FILE_H
#define TAPLINE_PROJECTIONS_SQLITE_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include "base/units.h"
#include "projections/sqlite_db.h"
#include "projections/sqlite_rows.h"
#include "projections/week.h"

#define SQLITE_FILE_MAIN "main.db"

enum sqlite_file_verdict {
    SQLITE_FILE_ABSENT, /* no file, or one that was begun and never filled */
    SQLITE_FILE_GOOD,
    SQLITE_FILE_VERSION, /* ours, of another schema version */
    SQLITE_FILE_FOREIGN, /* a sound database of another program */
    SQLITE_FILE_DAMAGED,
};

struct sqlite_file {
    struct sqlite_db db;
    char name[WEEK_FILE_BYTES];
    bool is_main;
    bool bulk;        /* made without indexes and without syncs, see sqlite_file_finish_bulk */
    int64_t start_ms; /* of the week */
    enum sqlite_file_verdict verdict;
    bool in_transaction;
    uint64_t applied_seq;
    uint8_t digest[HASH_BYTES];
    bool closed; /* week: complete, not written any more */
    struct sqlite3_stmt *statements[SQLITE_ROWS_STATEMENTS];
};

/* Names the file; nothing is opened. */
void sqlite_file_init_main(struct sqlite_file *file);
void sqlite_file_init_week(struct sqlite_file *file, int64_t start_ms);

/* Opens dir/name if it is there and judges it: verdict, applied_seq, digest and closed are set. The
 * connection stays open when it is GOOD, but for closed weeks. check_pages: quick_check too.
 * Errors: STATUS_IO, STATUS_IN_USE, STATUS_NO_MEMORY: could not be judged. */
MUST_USE enum status sqlite_file_inspect(struct sqlite_file *file, const char *dir,
                                         bool check_pages);

/* Makes the file, or fills an ABSENT one that has no tables, and leaves a transaction open: the
 * tables appear with their first rows or not at all. */
MUST_USE enum status sqlite_file_create(struct sqlite_file *file, const char *dir);

/* Ends the making of a bulk file: its indexes, its version, a sync; from here on it is like any
 * other. Until then a file is of another version to everybody, and is deleted and made again. */
MUST_USE enum status sqlite_file_finish_bulk(struct sqlite_file *file);

/* Begins a transaction unless one is open. */
MUST_USE enum status sqlite_file_begin(struct sqlite_file *file);
/* Writes applied(seq, digest) into the open transaction; of a week also whether it is closed, and
 * main.db's position. */
MUST_USE enum status sqlite_file_set_applied(struct sqlite_file *file, uint64_t seq,
                                             const uint8_t digest[HASH_BYTES], bool closed,
                                             uint64_t main_seq);
MUST_USE enum status sqlite_file_commit(struct sqlite_file *file);
void sqlite_file_rollback(struct sqlite_file *file);

/* Finalizes the statements, moves the write-ahead log into the file where nobody reads it, closes.
 */
void sqlite_file_close(struct sqlite_file *file);

/* Deletes the (closed) file with its -wal and -shm, or renames it to NAME.damaged.
 * Errors: STATUS_IO. */
MUST_USE enum status sqlite_file_discard(struct sqlite_file *file, const char *dir, bool keep);

/* --- Looking from outside ---------------------------------------------------------------------
 */

/* Opens a file of ours for reading. Errors: STATUS_NOT_FOUND no such file, or one that was begun
 * and never filled, or whose making in bulk has not ended; STATUS_VERSION of another schema version
 * or another program; those of SQLite. Words stand in db->error; on error it is closed. */
MUST_USE enum status sqlite_file_open_read(struct sqlite_db *db, const char *dir, const char *name);

/* The weeks that have a file in `dir`, ascending. Owns: free(weeks->starts_ms).
 * Errors: STATUS_NOT_FOUND no such directory; STATUS_IO, STATUS_NO_MEMORY. */
struct sqlite_file_weeks {
    int64_t *starts_ms;
    size_t count;
};
MUST_USE enum status sqlite_file_list_weeks(const char *dir, struct sqlite_file_weeks *weeks);

#endif
