/* The adapter to SQLite, the only file that speaks to it: one connection, its errors as enum status
 * with a line of text, statements with typed parameters and columns. Parameters count from 1,
 * columns from 0, as in SQLite. Bound texts and bytes are borrowed until the statement is reset; a
 * statement is always reset before its caller returns. One thread uses a connection. */
#ifndef TAPLINE_PROJECTIONS_SQLITE_DB_H
#define TAPLINE_PROJECTIONS_SQLITE_DB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

struct sqlite3;
struct sqlite3_stmt;

struct sqlite_db {
    struct sqlite3 *handle; /* NULL: not open */
    char name[64];          /* of the file, for messages */
    char error[256];        /* the last failure, one line with the name in it */
};

enum sqlite_db_mode {
    SQLITE_DB_READ,
    SQLITE_DB_WRITE,
    SQLITE_DB_CREATE
};

/* Opens dir/name. Triggers and views that somebody has put into a file are never run: the tables of
 * ours have none. Errors: STATUS_NOT_FOUND no such file (but for SQLITE_DB_CREATE); STATUS_IO,
 * STATUS_NO_MEMORY. SQLite looks into the file at the first statement, so a damaged one fails
 * there. */
MUST_USE enum status sqlite_db_open(struct sqlite_db *db, const char *dir, const char *name,
                                    enum sqlite_db_mode mode);

/* An empty database in memory. Errors: STATUS_NO_MEMORY. */
MUST_USE enum status sqlite_db_open_memory(struct sqlite_db *db);

/* Closes; all statements must be finalized (CHECKed). Nothing happens when it is not open. */
void sqlite_db_close(struct sqlite_db *db);

/* Errors of all below: STATUS_DAMAGED not a database or a broken one; STATUS_NO_SPACE;
 * STATUS_IN_USE locked by another for seconds; STATUS_MISMATCH a constraint of a table does not
 * hold; STATUS_NO_MEMORY; STATUS_IO all else. */
MUST_USE enum status sqlite_db_execute(struct sqlite_db *db, const char *sql);
MUST_USE enum status sqlite_db_prepare(struct sqlite_db *db, const char *sql,
                                       struct sqlite3_stmt **statement);
void sqlite_db_finalize(struct sqlite3_stmt *statement); /* NULL is allowed */

void sqlite_db_bind_i64(struct sqlite3_stmt *statement, int index, int64_t value);
void sqlite_db_bind_i64_or_null(struct sqlite3_stmt *statement, int index, int64_t value);
void sqlite_db_bind_text(struct sqlite3_stmt *statement, int index, const char *text,
                         size_t length); /* text NULL: NULL */
void sqlite_db_bind_bytes(struct sqlite3_stmt *statement, int index, const uint8_t *bytes,
                          size_t count);

/* STATUS_OK: a row is there; STATUS_END: no more. */
MUST_USE enum status sqlite_db_step(struct sqlite_db *db, struct sqlite3_stmt *statement);
void sqlite_db_reset(struct sqlite3_stmt *statement);

/* Steps a statement that gives no rows, and resets it. */
MUST_USE enum status sqlite_db_run(struct sqlite_db *db, struct sqlite3_stmt *statement);

/* Rows that the last run changed. */
int64_t sqlite_db_changes(const struct sqlite_db *db);

enum sqlite_db_type {
    SQLITE_DB_NULL,
    SQLITE_DB_INTEGER,
    SQLITE_DB_TEXT,
    SQLITE_DB_BYTES
};

int sqlite_db_column_count(struct sqlite3_stmt *statement);
const char *sqlite_db_column_name(struct sqlite3_stmt *statement, int column);
enum sqlite_db_type sqlite_db_type(struct sqlite3_stmt *statement, int column);
int64_t sqlite_db_i64(struct sqlite3_stmt *statement, int column); /* 0 for NULL */
/* Text ("" for NULL) or bytes, borrowed until the next step; *count as stored. */
const char *sqlite_db_text(struct sqlite3_stmt *statement, int column, size_t *count);
const uint8_t *sqlite_db_bytes(struct sqlite3_stmt *statement, int column, size_t *count);

/* Copies exactly `count` bytes of a column; false when it holds another number. */
MUST_USE bool sqlite_db_copy_bytes(struct sqlite3_stmt *statement, int column, uint8_t *to,
                                   size_t count);

/* Makes SQL's aggregate tally(v1, v2, ...) known to the connection: a blob of 24 bytes, the number
 * of rows and two sums of a hash of each row's values, whatever the order of the rows.
 * tally_ordered() is the same, and NULL when a row's values are not above those of the row before.
 * Errors: STATUS_NO_MEMORY. */
#define SQLITE_DB_TALLY_BYTES 24
MUST_USE enum status sqlite_db_add_tally(struct sqlite_db *db);

/* Statements of the connection end with STATUS_CLOSED soon after *stop has become true. */
void sqlite_db_stop_when(struct sqlite_db *db, const _Atomic bool *stop);

/* The one integer that a query gives. Errors: STATUS_DAMAGED it gives no row; as above. */
MUST_USE enum status sqlite_db_query_i64(struct sqlite_db *db, const char *sql, int64_t *value);

#endif
