/* The projection files of one data directory as the writer sees them: which are there, whether they
 * can be used, and the repair of those that cannot (the rules stand in sqlite_writer.h). Inside of
 * projections/ only. */
#ifndef TAPLINE_PROJECTIONS_SQLITE_DIRECTORY_H
#define TAPLINE_PROJECTIONS_SQLITE_DIRECTORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/limits.h"
#include "base/status.h"
#include "projections/sqlite_bets.h"
#include "projections/sqlite_file.h"
#include "projections/sqlite_writer.h"

struct sqlite_week {
    struct sqlite_file file;
    bool listed;                /* in main.db's weeks */
    bool archived;              /* listed so: the file may be absent */
    struct sqlite_bets waiting; /* placed, and not in the file yet */
};

struct sqlite_directory {
    char dir[3072];
    struct sqlite_file main;
    struct sqlite_week **weeks; /* ascending by start_ms */
    size_t week_count;
    char market[LIMIT_MARKET_BYTES + 1]; /* of the last configuration; "" before */
};

/* Inspects, repairs (or not, by options) and opens; main.db is there afterwards. On error
 * everything is closed. Errors: those of sqlite_writer_open. */
MUST_USE enum status sqlite_directory_open(struct sqlite_directory *directory, const char *dir,
                                           const struct sqlite_writer_options *options,
                                           struct sqlite_writer_report *report);

/* The week that begins at start_ms; NULL when there is none. */
struct sqlite_week *sqlite_directory_find(const struct sqlite_directory *directory,
                                          int64_t start_ms);

/* A new entry without a file yet. NULL when memory is out. */
struct sqlite_week *sqlite_directory_add(struct sqlite_directory *directory, int64_t start_ms);

/* The lowest applied seq of the files that are still written, main.db included. */
uint64_t sqlite_directory_applied(const struct sqlite_directory *directory);

void sqlite_directory_close(struct sqlite_directory *directory);

#endif
