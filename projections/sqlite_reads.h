/* The connections and statements of a reader: main.db and the week files that are asked for,
 * read-only, opened at first need; the week files kept open are bounded. Inside of projections/
 * only. */
#ifndef TAPLINE_PROJECTIONS_SQLITE_READS_H
#define TAPLINE_PROJECTIONS_SQLITE_READS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"
#include "projections/sqlite_db.h"
#include "projections/sqlite_reader.h"

/* The statements; their parameters and columns stand in sqlite_reads.c. */
enum sqlite_main_read {
    READ_USER,
    READ_WEEK_OF,
    READ_WEEKS_DOWN,
    READ_WEEKS_UP,
    READ_CONFIG,
    MAIN_READS
};
enum sqlite_week_read {
    READ_BET,
    READ_NONCE,
    READ_BETS,
    READ_BETS_STATE,
    READ_BETS_OPEN,
    READ_LEDGER,
    READ_LEDGER_TYPE,
    READ_LEDGER_REFERENCE,
    READ_LEDGER_ID,
    READ_COLUMN,
    WEEK_READS
};

/* A read-only connection to one week. */
struct sqlite_reads_week {
    bool used;
    int64_t start_ms;
    uint64_t turn; /* of its last use, for the choice of the one to give up */
    struct sqlite_db db;
    struct sqlite3_stmt *reads[WEEK_READS];
};

struct sqlite_reads {
    char dir[3072];
    struct sqlite_db main;
    struct sqlite3_stmt *reads[MAIN_READS];
    struct sqlite_reads_week weeks[SQLITE_READER_WEEKS];
    uint64_t turn;
    char error[256];
};

/* Nothing is opened yet. */
void sqlite_reads_init(struct sqlite_reads *reads, const char *dir);
void sqlite_reads_close(struct sqlite_reads *reads);

/* A statement of main.db. STATUS_NOT_FOUND: there is no such file yet. */
MUST_USE enum status sqlite_reads_main(struct sqlite_reads *reads, enum sqlite_main_read which,
                                       struct sqlite3_stmt **statement);
MUST_USE enum status sqlite_reads_week(struct sqlite_reads *reads, struct sqlite_reads_week *week,
                                       enum sqlite_week_read which,
                                       struct sqlite3_stmt **statement);

/* Calls `visit` for each week that is here, in the order of the statement `which` of main.db, until
 * it gives something else than STATUS_NOT_FOUND, which is then returned. */
MUST_USE enum status sqlite_reads_each_week(struct sqlite_reads *reads, enum sqlite_main_read which,
                                            int64_t parameter, void *context,
                                            enum status (*visit)(void *context,
                                                                 struct sqlite_reads_week *week));

/* Keeps the words of a failure in `error` and gives the status back; the answers STATUS_END and
 * STATUS_NOT_FOUND are no failures. */
enum status sqlite_reads_note(struct sqlite_reads *reads, const struct sqlite_db *db,
                              enum status status);

#endif
