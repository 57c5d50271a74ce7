/* A walk through one table in the order of its primary key, side by side with the rows that a
 * replay expects in the same order: what differs, is missing or is too many is noted. The walk goes
 * in short read transactions, so that a server that writes the file can still move its log into it.
 * Rows must not change any more once they are walked over. Inside of projections/ only. */
#ifndef TAPLINE_PROJECTIONS_SQLITE_CURSOR_H
#define TAPLINE_PROJECTIONS_SQLITE_CURSOR_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"
#include "projections/sqlite_db.h"
#include "projections/sqlite_values.h"

/* What was found: the difference with the lowest seq, and how many there are. */
struct sqlite_findings {
    uint64_t count;
    uint64_t first_seq; /* 0: none */
    char text[900];     /* one line */
};

/* Notes one; the words of the first with the lowest seq are kept. */
__attribute__((format(printf, 3, 4))) void
sqlite_findings_add(struct sqlite_findings *findings, uint64_t seq, const char *format, ...);

/* A table, its rows as sqlite_values.h makes them. */
struct sqlite_cursor_table {
    const char *name;
    const char *sql; /* the rows from key (?1, ?2) on */
    const char *max; /* the highest seq of all rows; NULL: the key is no seq, look at each row */
    int value_count;
    int key_count;  /* 1 or 2, all integers */
    int seq_column; /* the record that a row speaks of */
};
extern const struct sqlite_cursor_table sqlite_cursor_bets;
extern const struct sqlite_cursor_table sqlite_cursor_ledger;
extern const struct sqlite_cursor_table sqlite_cursor_columns;
extern const struct sqlite_cursor_table sqlite_cursor_configs;
extern const struct sqlite_cursor_table sqlite_cursor_weeks;

struct sqlite_cursor {
    struct sqlite_db *db;
    const struct sqlite_cursor_table *table;
    struct sqlite_findings *findings;
    struct sqlite3_stmt *statement;
    bool active; /* inside of a read transaction */
    bool on_row;
    bool ended;
    unsigned left;     /* rows until the transaction is given up */
    int64_t next[2];   /* the walk goes on at this key */
    bool past_the_end; /* there is no key after the last one walked over */
    uint64_t rows;     /* walked over */
    void *context;
    /* Each row that was walked over, expected or not; may be NULL. */
    void (*visit)(void *context, struct sqlite3_stmt *row);
};

MUST_USE enum status sqlite_cursor_open(struct sqlite_cursor *cursor, struct sqlite_db *db,
                                        const struct sqlite_cursor_table *table,
                                        struct sqlite_findings *findings);
void sqlite_cursor_close(struct sqlite_cursor *cursor);

/* The next row must have these values; of the columns after the first `compared` nothing is asked.
 * Rows before it are too many. A finding is of seq `seq`, or of that of the row that is too many.
 * Errors: those of SQLite. */
MUST_USE enum status sqlite_cursor_expect(struct sqlite_cursor *cursor,
                                          const struct sqlite_value *values, int compared,
                                          uint64_t seq);

/* No more rows of records up to seq are expected: those that are there are too many, and so are
 * rows of records that the file has not applied yet, as its `applied` says. Errors: as above. */
MUST_USE enum status sqlite_cursor_finish(struct sqlite_cursor *cursor, uint64_t seq);

/* Gives up the read transaction until the next row is asked for. */
void sqlite_cursor_release(struct sqlite_cursor *cursor);

#endif
