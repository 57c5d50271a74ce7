#include "projections/sqlite_check_main.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "projections/shapes.h"
#include "projections/sqlite_check_week.h"
#include "projections/sqlite_file.h"
#include "projections/sqlite_schema.h"

static enum status read_main_applied(struct sqlite_check_main *main)
{
    struct sqlite3_stmt *row;
    enum status status =
        sqlite_db_prepare(&main->db, "SELECT seq, digest, until FROM applied", &row);
    if (status != STATUS_OK) {
        return status;
    }
    status = sqlite_db_step(&main->db, row);
    if (status == STATUS_OK) {
        main->seq = (uint64_t)sqlite_db_i64(row, 0);
        main->until = (uint64_t)sqlite_db_i64(row, 2);
        status =
            sqlite_db_copy_bytes(row, 1, main->digest, HASH_BYTES) ? STATUS_OK : STATUS_DAMAGED;
    }
    sqlite_db_finalize(row);
    return status == STATUS_END ? STATUS_DAMAGED : status;
}

static enum status read_meta(struct sqlite_check_main *main)
{
    struct sqlite3_stmt *row;
    enum status status = sqlite_db_prepare(&main->db, "SELECT key, value FROM meta", &row);
    if (status != STATUS_OK) {
        return status;
    }
    while ((status = sqlite_db_step(&main->db, row)) == STATUS_OK) {
        main->meta_rows += 1;
        const struct sqlite_value key = sqlite_value_of(row, 0);
        const struct sqlite_value expected = sqlite_value_text("market");
        if (sqlite_value_equals(&key, &expected)) {
            main->has_market = true;
            size_t length;
            const char *market = sqlite_db_text(row, 1, &length);
            snprintf(main->market, sizeof(main->market), "%s%s", market,
                     strlen(market) == length ? "" : " and more");
        }
    }
    sqlite_db_finalize(row);
    return status == STATUS_END ? STATUS_OK : status;
}

static enum status read_all(struct sqlite_check_main *main, struct sqlite_check_users *users)
{
    enum status status = sqlite_db_execute(&main->db, "BEGIN"); /* all as of one record */
    if (status == STATUS_OK) {
        status = read_main_applied(main);
    }
    if (status == STATUS_OK) {
        status = read_meta(main);
    }
    if (status == STATUS_OK) {
        status = sqlite_check_users_read(users, &main->db);
    }
    if (status == STATUS_OK) {
        status = sqlite_db_execute(&main->db, "COMMIT");
    }
    if (status == STATUS_OK) {
        status =
            sqlite_cursor_open(&main->configs, &main->db, &sqlite_cursor_configs, main->findings);
    }
    if (status == STATUS_OK) {
        status = sqlite_cursor_open(&main->weeks, &main->db, &sqlite_cursor_weeks, main->findings);
    }
    return status;
}

static enum status check_schema(struct sqlite_check_main *main)
{
    char strange[SQLITE_SCHEMA_TEXT_BYTES];
    const enum status status = sqlite_schema_check(&main->db, true, strange);
    if (status == STATUS_OK && strange[0] != '\0') {
        sqlite_findings_add(main->findings, 1, "main.db: %s is none of this program's", strange);
    }
    return status;
}

enum status sqlite_check_main_open(struct sqlite_check_main *main, const char *dir,
                                   struct sqlite_check_users *users,
                                   struct sqlite_findings *findings)
{
    *main = (struct sqlite_check_main){.findings = findings};
    enum status status = sqlite_file_open_read(&main->db, dir, SQLITE_FILE_MAIN);
    if (status == STATUS_OK) {
        status = check_schema(main);
    }
    if (status == STATUS_OK) {
        status = read_all(main, users);
        main->here = status == STATUS_OK && main->seq > 0;
    }
    main->done = !main->here;
    return status == STATUS_NOT_FOUND ? STATUS_OK : status;
}

void sqlite_check_main_close(struct sqlite_check_main *main)
{
    sqlite_cursor_close(&main->configs);
    sqlite_cursor_close(&main->weeks);
    sqlite_db_close(&main->db);
}

enum status sqlite_check_main_week(struct sqlite_check_main *main, int64_t start_ms, uint64_t seq)
{
    const struct sqlite_value values[SQLITE_WEEK_VALUES] = {sqlite_value_i64(start_ms),
                                                            sqlite_value_i64((int64_t)seq)};
    return sqlite_cursor_expect(&main->weeks, values, SQLITE_WEEK_VALUES, seq);
}

enum status sqlite_check_main_config(struct sqlite_check_main *main, uint64_t seq, int64_t at_ms,
                                     const struct event *event)
{
    const struct shapes_config shape = {.epoch = event->of.config.epoch,
                                        .seq = seq,
                                        .time_ms = at_ms,
                                        .band_e4_from = event->of.config.band_e4_from,
                                        .band_e4_before = event->of.config.band_e4_before,
                                        .config = event->of.config.config};
    struct json body = {0};
    shapes_config(&body, &shape);
    enum status status = body.failed ? STATUS_NO_MEMORY : STATUS_OK;
    if (status == STATUS_OK) {
        const struct sqlite_value values[SQLITE_CONFIG_VALUES] = {
            sqlite_value_i64((int64_t)shape.epoch), sqlite_value_i64((int64_t)shape.seq),
            sqlite_value_i64(shape.time_ms), sqlite_value_text(body.text)};
        status = sqlite_cursor_expect(&main->configs, values, SQLITE_CONFIG_VALUES, seq);
    }
    json_text_free(&body);
    return status;
}

enum status sqlite_check_main_finish(struct sqlite_check_main *main, const char *market,
                                     const uint8_t *digest)
{
    sqlite_check_digest(main->findings, SQLITE_FILE_MAIN, main->seq, main->digest, digest);
    const bool with_market = market[0] != '\0';
    if (main->has_market != with_market || strcmp(main->market, market) != 0) {
        sqlite_findings_add(main->findings, main->seq,
                            "main.db, table meta: row key='market' has value '%s', '%s' by replay",
                            main->market, market);
    }
    if (main->meta_rows != (main->has_market ? 1 : 0)) {
        sqlite_findings_add(main->findings, main->seq,
                            "main.db, table meta: %" PRId64 " rows, %d by replay", main->meta_rows,
                            with_market ? 1 : 0);
    }
    main->done = true;
    const enum status status = sqlite_cursor_finish(&main->configs, main->seq);
    return status == STATUS_OK ? sqlite_cursor_finish(&main->weeks, main->seq) : status;
}
