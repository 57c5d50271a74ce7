#include "projections/sqlite_check_week.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "projections/sqlite_file.h"
#include "projections/sqlite_schema.h"

#define LATER      (SQLITE_BET_VALUES - SQLITE_BET_FIXED) /* the values that follow a bet's life */
#define TEXT_BYTES 24                                     /* of a state or a reason */

/* What stood in the row of an open bet when the check began. */
struct sqlite_check_open_row {
    int64_t bet;
    int64_t integers[LATER];
    uint8_t types[LATER];
    char state[TEXT_BYTES];
    char reason[TEXT_BYTES];
};

static const char select_open[] = "SELECT " SQLITE_BET_COLUMNS " FROM bets"
                                  " WHERE state IN ('accepted', 'confirmed') ORDER BY bet";

void sqlite_check_digest(struct sqlite_findings *findings, const char *name, uint64_t seq,
                         const uint8_t *stored, const uint8_t *computed)
{
    if (memcmp(stored, computed, HASH_BYTES) == 0) {
        return;
    }
    char stored_hex[2 * HASH_BYTES + 1];
    char computed_hex[2 * HASH_BYTES + 1];
    text_format_hex(stored_hex, stored, HASH_BYTES);
    text_format_hex(computed_hex, computed, HASH_BYTES);
    sqlite_findings_add(findings, seq,
                        "%s, table applied: digest after seq %" PRIu64
                        " differs: %s stored, %s by replay",
                        name, seq, stored_hex, computed_hex);
}

/* --- The position of the file. -------------------------------------------------------------------
 */

static void copy_text(char to[TEXT_BYTES], const struct sqlite_value *value)
{
    const size_t count = value->count < TEXT_BYTES - 1 ? value->count : TEXT_BYTES - 1;
    memset(to, 0, TEXT_BYTES);
    if (value->type == SQLITE_DB_TEXT && count > 0) {
        memcpy(to, value->bytes, count);
    }
}

static void copy_row(struct sqlite_check_open_row *to, struct sqlite3_stmt *row)
{
    to->bet = sqlite_db_i64(row, 0);
    for (int i = 0; i < LATER; i++) {
        const struct sqlite_value value = sqlite_value_of(row, SQLITE_BET_FIXED + i);
        to->types[i] = (uint8_t)value.type;
        to->integers[i] = value.integer;
        if (SQLITE_BET_FIXED + i == SQLITE_BET_STATE) {
            copy_text(to->state, &value);
        }
        if (SQLITE_BET_FIXED + i == SQLITE_BET_REASON) {
            copy_text(to->reason, &value);
        }
    }
}

static enum status read_open(struct sqlite_check_week *week)
{
    struct sqlite3_stmt *row;
    enum status status = sqlite_db_prepare(&week->db, select_open, &row);
    if (status != STATUS_OK) {
        return status;
    }
    size_t capacity = 0;
    while ((status = sqlite_db_step(&week->db, row)) == STATUS_OK) {
        if (week->open_count == capacity) {
            capacity = capacity == 0 ? 256 : capacity * 2;
            struct sqlite_check_open_row *grown =
                realloc(week->open, capacity * sizeof(struct sqlite_check_open_row));
            if (grown == NULL) {
                status = STATUS_NO_MEMORY;
                break;
            }
            week->open = grown;
        }
        copy_row(&week->open[week->open_count], row);
        week->open_count += 1;
    }
    sqlite_db_finalize(row);
    return status == STATUS_END ? STATUS_OK : status;
}

static enum status read_applied(struct sqlite_check_week *week)
{
    struct sqlite3_stmt *row;
    enum status status =
        sqlite_db_prepare(&week->db, "SELECT seq, digest, closed FROM applied", &row);
    if (status != STATUS_OK) {
        return status;
    }
    status = sqlite_db_step(&week->db, row);
    if (status == STATUS_OK) {
        week->seq = (uint64_t)sqlite_db_i64(row, 0);
        week->closed_mark = sqlite_db_i64(row, 2);
        week->closed = week->closed_mark != 0;
        status =
            sqlite_db_copy_bytes(row, 1, week->digest, HASH_BYTES) ? STATUS_OK : STATUS_DAMAGED;
    }
    sqlite_db_finalize(row);
    return status == STATUS_END ? STATUS_DAMAGED : status;
}

static enum status open_cursors(struct sqlite_check_week *week)
{
    enum status status =
        sqlite_cursor_open(&week->bets, &week->db, &sqlite_cursor_bets, week->findings);
    if (status == STATUS_OK) {
        status =
            sqlite_cursor_open(&week->ledger, &week->db, &sqlite_cursor_ledger, week->findings);
    }
    if (status == STATUS_OK) {
        status =
            sqlite_cursor_open(&week->columns, &week->db, &sqlite_cursor_columns, week->findings);
    }
    return status;
}

static enum status check_schema(struct sqlite_check_week *week)
{
    char strange[SQLITE_SCHEMA_TEXT_BYTES];
    const enum status status = sqlite_schema_check(&week->db, false, strange);
    if (status == STATUS_OK && strange[0] != '\0') {
        sqlite_findings_add(week->findings, 1, "%s: %s is none of this program's", week->name,
                            strange);
    }
    return status;
}

enum status sqlite_check_week_open(struct sqlite_check_week *week, const char *dir,
                                   int64_t start_ms, struct sqlite_findings *findings)
{
    *week = (struct sqlite_check_week){.start_ms = start_ms, .findings = findings};
    week_file_name(start_ms, week->name);
    enum status status = sqlite_file_open_read(&week->db, dir, week->name);
    if (status != STATUS_OK) {
        return status;
    }
    status = check_schema(week);
    if (status != STATUS_OK) {
        return status;
    }
    status = sqlite_db_execute(&week->db, "BEGIN"); /* the open bets are those of that seq */
    if (status == STATUS_OK) {
        status = read_applied(week);
    }
    if (status == STATUS_OK) {
        status = read_open(week);
    }
    if (status == STATUS_OK) {
        status = sqlite_db_execute(&week->db, "COMMIT");
    }
    return status == STATUS_OK ? open_cursors(week) : status;
}

void sqlite_check_week_release(struct sqlite_check_week *week)
{
    sqlite_cursor_release(&week->bets);
    sqlite_cursor_release(&week->ledger);
    sqlite_cursor_release(&week->columns);
}

void sqlite_check_week_close(struct sqlite_check_week *week)
{
    sqlite_cursor_close(&week->bets);
    sqlite_cursor_close(&week->ledger);
    sqlite_cursor_close(&week->columns);
    sqlite_db_close(&week->db);
    free(week->open);
    week->open = NULL;
    sqlite_bets_free(&week->waiting);
}

/* --- The bets of the replay. ---------------------------------------------------------------------
 */

/* Meets the rows of the oldest bets as far as they are over. */
static enum status drain(struct sqlite_check_week *week, const char *market)
{
    while (week->waiting.count > 0 && sqlite_bets_at(&week->waiting, 0)->over) {
        const struct bet *bet = &sqlite_bets_at(&week->waiting, 0)->bet;
        struct sqlite_value values[SQLITE_BET_VALUES];
        sqlite_values_bet(market, bet, values);
        const enum status status =
            sqlite_cursor_expect(&week->bets, values, SQLITE_BET_VALUES, bet->bet);
        if (status != STATUS_OK) {
            return status;
        }
        sqlite_bets_drop_first(&week->waiting);
    }
    return STATUS_OK;
}

enum status sqlite_check_week_bet(struct sqlite_check_week *week, const char *market,
                                  const struct bet *bet)
{
    const enum status status = sqlite_bets_put(&week->waiting, bet);
    return status == STATUS_OK ? drain(week, market) : status;
}

/* --- The end. ------------------------------------------------------------------------------------
 */

static struct sqlite_value open_value(const struct sqlite_check_open_row *row, int i)
{
    const int column = SQLITE_BET_FIXED + i;
    struct sqlite_value value = {.type = (enum sqlite_db_type)row->types[i],
                                 .integer = row->integers[i]};
    if (value.type == SQLITE_DB_TEXT) {
        value = sqlite_value_text(column == SQLITE_BET_STATE ? row->state : row->reason);
    }
    return value;
}

static const char *later_name(struct sqlite3_stmt *statement, int i)
{
    return sqlite_db_column_name(statement, SQLITE_BET_FIXED + i);
}

/* The later values of an open bet against what stood in its row at the file's position. */
static void compare_open(struct sqlite_check_week *week, const struct sqlite_check_open_row *row,
                         const struct sqlite_value *values)
{
    for (int i = 0; i < LATER; i++) {
        const struct sqlite_value found = open_value(row, i);
        if (sqlite_value_equals(&found, &values[SQLITE_BET_FIXED + i])) {
            continue;
        }
        char here[SQLITE_VALUE_TEXT_BYTES];
        char replayed[SQLITE_VALUE_TEXT_BYTES];
        sqlite_value_show(&found, here);
        sqlite_value_show(&values[SQLITE_BET_FIXED + i], replayed);
        sqlite_findings_add(week->findings, (uint64_t)values[0].integer,
                            "%s, table bets: row bet=%" PRId64 " has %s %s, %s by replay",
                            week->name, row->bet, later_name(week->bets.statement, i), here,
                            replayed);
        return;
    }
}

static const struct sqlite_check_open_row *find_open(const struct sqlite_check_week *week,
                                                     int64_t id)
{
    size_t low = 0;
    size_t high = week->open_count;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (week->open[middle].bet < id) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low < week->open_count && week->open[low].bet == id ? &week->open[low] : NULL;
}

/* All bets that are left, open or behind an open one. */
static enum status finish_bets(struct sqlite_check_week *week, const char *market)
{
    for (size_t i = 0; i < week->waiting.count; i++) {
        const struct sqlite_bet *left = sqlite_bets_at(&week->waiting, i);
        struct sqlite_value values[SQLITE_BET_VALUES];
        sqlite_values_bet(market, &left->bet, values);
        const enum status status = sqlite_cursor_expect(
            &week->bets, values, left->over ? SQLITE_BET_VALUES : SQLITE_BET_FIXED, left->bet.bet);
        if (status != STATUS_OK) {
            return status;
        }
        const struct sqlite_check_open_row *row = find_open(week, values[0].integer);
        if (!left->over && row != NULL) {
            compare_open(week, row, values);
        } else if (!left->over) {
            sqlite_findings_add(week->findings, left->bet.bet,
                                "%s, table bets: row bet=%" PRIu64 " is not open as of seq %" PRIu64
                                ", '%s' by replay",
                                week->name, left->bet.bet, week->seq,
                                bet_state_text(left->bet.state));
        }
    }
    return sqlite_cursor_finish(&week->bets, week->seq);
}

/* A week is closed by the first transaction after it in which none of its bets is open. */
static void check_closed(struct sqlite_check_week *week, int64_t current_ms)
{
    const bool closed = week->start_ms < current_ms && week->waiting.open == 0;
    if (week->closed_mark != (closed ? 1 : 0)) {
        sqlite_findings_add(week->findings, week->seq,
                            "%s, table applied: closed is %" PRId64 ", %d by replay", week->name,
                            week->closed_mark, closed);
    }
}

enum status sqlite_check_week_finish(struct sqlite_check_week *week, const char *market,
                                     int64_t current_ms, const uint8_t *digest)
{
    sqlite_check_digest(week->findings, week->name, week->seq, week->digest, digest);
    check_closed(week, current_ms);
    enum status status = finish_bets(week, market);
    if (status == STATUS_OK) {
        status = sqlite_cursor_finish(&week->ledger, week->seq);
    }
    if (status == STATUS_OK) {
        status = sqlite_cursor_finish(&week->columns, week->seq);
    }
    sqlite_check_week_release(week);
    sqlite_bets_free(&week->waiting);
    week->done = true;
    return status;
}
