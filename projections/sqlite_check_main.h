/* main.db beside a replay, for sqlite_checker: what it stood at when the check began, and a walk
 * through its lists of configurations and weeks. Its users are a file of their own. Inside of
 * projections/ only. */
#ifndef TAPLINE_PROJECTIONS_SQLITE_CHECK_MAIN_H
#define TAPLINE_PROJECTIONS_SQLITE_CHECK_MAIN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/limits.h"
#include "base/status.h"
#include "base/units.h"
#include "projections/sqlite_check_users.h"
#include "projections/sqlite_cursor.h"
#include "statemachine/event.h"

struct sqlite_check_main {
    struct sqlite_db db;
    struct sqlite_findings *findings;
    bool here; /* with something in it */
    bool done; /* compared, or there is nothing to compare */
    uint64_t seq;
    uint64_t until; /* it was being made again, beside week files that reach to here */
    uint8_t digest[HASH_BYTES];
    int64_t meta_rows;
    bool has_market;
    char market[LIMIT_MARKET_BYTES + 24];
    struct sqlite_cursor configs;
    struct sqlite_cursor weeks;
};

/* Opens the file and takes down its position, its meta and its users. One that is missing or was
 * only begun is STATUS_OK and not `here`. Errors: as sqlite_file_open_read; STATUS_NO_MEMORY. Words
 * in main->db.error. */
MUST_USE enum status sqlite_check_main_open(struct sqlite_check_main *main, const char *dir,
                                            struct sqlite_check_users *users,
                                            struct sqlite_findings *findings);
void sqlite_check_main_close(struct sqlite_check_main *main);

/* A week began, a configuration came into force. Errors: those of SQLite; STATUS_NO_MEMORY. */
MUST_USE enum status sqlite_check_main_week(struct sqlite_check_main *main, int64_t start_ms,
                                            uint64_t seq);
MUST_USE enum status sqlite_check_main_config(struct sqlite_check_main *main, uint64_t seq,
                                              int64_t at_ms, const struct event *event);

/* The replay stands at the file's position, `digest` is its state's; users apart. Errors: those of
 * SQLite. */
MUST_USE enum status sqlite_check_main_finish(struct sqlite_check_main *main, const char *market,
                                              const uint8_t *digest);

#endif
