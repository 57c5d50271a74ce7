#include "projections/sqlite_reads.h"

#include <stdio.h>

#include "base/check.h"
#include "projections/sqlite_bet_row.h"
#include "projections/sqlite_file.h"
#include "projections/week.h"

#define LEDGER_COLUMNS "seq, line, at, amount, balance_after, ref_type, ref_id"
/* Row values compare like tuples. seq 0 is OPENING, which is no posting. */
#define LEDGER_WHERE                                                                               \
    " WHERE user_id = ?1 AND (seq, line) < (?2, ?3) AND seq > 0 AND at >= ?4 AND at < ?5"

static const char *const main_texts[MAIN_READS] = {
    /* One statement, one snapshot: the figures are exactly those of seq. */
    [READ_USER] = "SELECT applied.seq, users.id, users.balance, users.held, users.open_bets"
                  " FROM applied LEFT JOIN users ON users.account = ?1",
    [READ_WEEK_OF] = ("SELECT start_ms FROM weeks WHERE opened_seq <= ?1"
                      " ORDER BY start_ms DESC LIMIT 1"),
    [READ_WEEKS_DOWN] = ("SELECT start_ms FROM weeks WHERE opened_seq < ?1"
                         " ORDER BY start_ms DESC"),
    [READ_WEEKS_UP] = "SELECT start_ms FROM weeks WHERE start_ms >= ?1 ORDER BY start_ms",
    [READ_CONFIG] = "SELECT body FROM configs WHERE epoch = ?1"
                    " OR (?1 = 0 AND epoch = (SELECT max(epoch) FROM configs))",
};

static const char *const week_texts[WEEK_READS] = {
    [READ_BET] = "SELECT " SQLITE_BET_ROW_COLUMNS " FROM bets WHERE bet = ?1",
    /* ?5: the account's user id, 0 when it has none. What it placed before it was opened stands
     * under user id 0, with that of all such accounts. */
    [READ_NONCE] =
        "SELECT " SQLITE_BET_ROW_COLUMNS " FROM bets WHERE user_id = ?5 AND ?5 <> 0 AND nonce = ?2"
        " UNION ALL SELECT " SQLITE_BET_ROW_COLUMNS
        " FROM bets WHERE user_id = 0 AND account = ?1 AND nonce = ?2"
        " ORDER BY bet DESC LIMIT 1",
    [READ_BETS] =
        "SELECT " SQLITE_BET_ROW_COLUMNS " FROM bets WHERE user_id = ?5 AND ?5 <> 0 AND bet < ?2"
        " UNION ALL SELECT " SQLITE_BET_ROW_COLUMNS
        " FROM bets WHERE user_id = 0 AND account = ?1 AND bet < ?2"
        " ORDER BY bet DESC LIMIT ?3",
    [READ_BETS_STATE] = "SELECT " SQLITE_BET_ROW_COLUMNS
                        " FROM bets WHERE user_id = ?5 AND ?5 <> 0 AND bet < ?2 AND state = ?4"
                        " UNION ALL SELECT " SQLITE_BET_ROW_COLUMNS
                        " FROM bets WHERE user_id = 0 AND account = ?1 AND bet < ?2 AND state = ?4"
                        " ORDER BY bet DESC LIMIT ?3",
    [READ_BETS_OPEN] = "SELECT " SQLITE_BET_ROW_COLUMNS " FROM bets WHERE user_id = ?5 AND ?5 <> 0"
                       " AND bet < ?2 AND state IN ('accepted', 'confirmed') AND state = ?4"
                       " ORDER BY bet DESC LIMIT ?3",
    [READ_LEDGER] = "SELECT " LEDGER_COLUMNS " FROM transaction_ledger" LEDGER_WHERE
                    " ORDER BY seq DESC, line DESC LIMIT ?6",
    [READ_LEDGER_TYPE] = "SELECT " LEDGER_COLUMNS " FROM transaction_ledger" LEDGER_WHERE
                         " AND ref_type = ?7 ORDER BY seq DESC, line DESC LIMIT ?6",
    [READ_LEDGER_REFERENCE] =
        "SELECT " LEDGER_COLUMNS
        " FROM transaction_ledger INDEXED BY ledger_by_reference" LEDGER_WHERE
        " AND ref_type = ?7 AND ref_id = ?8 ORDER BY seq DESC, line DESC LIMIT ?6",
    [READ_LEDGER_ID] = "SELECT " LEDGER_COLUMNS
                       " FROM transaction_ledger INDEXED BY ledger_by_reference" LEDGER_WHERE
                       " AND ref_id = ?8 ORDER BY seq DESC, line DESC LIMIT ?6",
    [READ_COLUMN] = ("SELECT seq, column_ms, band_e4, state, reason, price, band, ticks, bets,"
                     " stakes, paid FROM columns WHERE column_ms = ?1"),
};

void sqlite_reads_init(struct sqlite_reads *reads, const char *dir)
{
    *reads = (struct sqlite_reads){0};
    const int length = snprintf(reads->dir, sizeof(reads->dir), "%s", dir);
    CHECK(length >= 0);
    CHECK((size_t)length < sizeof(reads->dir)); /* the writer has refused such a path */
}

static void close_week(struct sqlite_reads_week *slot)
{
    for (int i = 0; i < WEEK_READS; i++) {
        sqlite_db_finalize(slot->reads[i]);
    }
    sqlite_db_close(&slot->db);
    *slot = (struct sqlite_reads_week){0};
}

void sqlite_reads_close(struct sqlite_reads *reads)
{
    for (int i = 0; i < SQLITE_READER_WEEKS; i++) {
        close_week(&reads->weeks[i]);
    }
    for (int i = 0; i < MAIN_READS; i++) {
        sqlite_db_finalize(reads->reads[i]);
        reads->reads[i] = NULL;
    }
    sqlite_db_close(&reads->main);
}

enum status sqlite_reads_note(struct sqlite_reads *reads, const struct sqlite_db *db,
                              enum status status)
{
    if (status != STATUS_OK && status != STATUS_END && status != STATUS_NOT_FOUND) {
        snprintf(reads->error, sizeof(reads->error), "%s",
                 db->error[0] != '\0' ? db->error : status_text(status));
    }
    return status;
}

enum status sqlite_reads_main(struct sqlite_reads *reads, enum sqlite_main_read which,
                              struct sqlite3_stmt **statement)
{
    enum status status = STATUS_OK;
    if (reads->main.handle == NULL) {
        status = sqlite_db_open(&reads->main, reads->dir, SQLITE_FILE_MAIN, SQLITE_DB_READ);
    }
    if (status == STATUS_OK && reads->reads[which] == NULL) {
        status = sqlite_db_prepare(&reads->main, main_texts[which], &reads->reads[which]);
    }
    if (status != STATUS_OK) {
        return sqlite_reads_note(reads, &reads->main, status);
    }
    *statement = reads->reads[which];
    return STATUS_OK;
}

/* The connection to a week. STATUS_NOT_FOUND: its file is not here (archived and gone). */
static enum status week_of(struct sqlite_reads *reads, int64_t start_ms,
                           struct sqlite_reads_week **week)
{
    struct sqlite_reads_week *oldest = &reads->weeks[0];
    reads->turn += 1;
    for (int i = 0; i < SQLITE_READER_WEEKS; i++) {
        struct sqlite_reads_week *slot = &reads->weeks[i];
        if (slot->used && slot->start_ms == start_ms) {
            slot->turn = reads->turn;
            *week = slot;
            return STATUS_OK;
        }
        if (slot->turn < oldest->turn) {
            oldest = slot;
        }
    }
    close_week(oldest);
    char name[WEEK_FILE_BYTES];
    week_file_name(start_ms, name);
    const enum status status = sqlite_db_open(&oldest->db, reads->dir, name, SQLITE_DB_READ);
    if (status != STATUS_OK) {
        return sqlite_reads_note(reads, &oldest->db, status);
    }
    oldest->used = true;
    oldest->start_ms = start_ms;
    oldest->turn = reads->turn;
    *week = oldest;
    return STATUS_OK;
}

enum status sqlite_reads_week(struct sqlite_reads *reads, struct sqlite_reads_week *week,
                              enum sqlite_week_read which, struct sqlite3_stmt **statement)
{
    if (week->reads[which] == NULL) {
        const enum status status =
            sqlite_db_prepare(&week->db, week_texts[which], &week->reads[which]);
        if (status != STATUS_OK) {
            return sqlite_reads_note(reads, &week->db, status);
        }
    }
    *statement = week->reads[which];
    return STATUS_OK;
}

enum status sqlite_reads_each_week(struct sqlite_reads *reads, enum sqlite_main_read which,
                                   int64_t parameter, void *context,
                                   enum status (*visit)(void *context,
                                                        struct sqlite_reads_week *week))
{
    struct sqlite3_stmt *rows;
    enum status status = sqlite_reads_main(reads, which, &rows);
    if (status != STATUS_OK) {
        return status;
    }
    sqlite_db_bind_i64(rows, 1, parameter);
    enum status found = STATUS_NOT_FOUND;
    while (found == STATUS_NOT_FOUND &&
           (status = sqlite_db_step(&reads->main, rows)) == STATUS_OK) {
        struct sqlite_reads_week *week = NULL;
        found = week_of(reads, sqlite_db_i64(rows, 0), &week);
        if (found == STATUS_OK) {
            found = visit(context, week);
        }
    }
    sqlite_db_reset(rows);
    if (found != STATUS_NOT_FOUND) {
        return found;
    }
    return status == STATUS_END ? STATUS_NOT_FOUND : sqlite_reads_note(reads, &reads->main, status);
}
