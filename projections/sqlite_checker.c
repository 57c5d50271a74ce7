#include "projections/sqlite_checker.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/limits.h"
#include "projections/sqlite_check_main.h"
#include "projections/sqlite_check_users.h"
#include "projections/sqlite_check_week.h"
#include "projections/sqlite_cursor.h"
#include "projections/sqlite_file.h"
#include "projections/sqlite_schema.h"

#define MAIN_TABLES   4
#define WEEK_TABLES   3
#define RELEASE_EVERY 8192 /* records between two gaps in the read transactions */

struct sqlite_checker {
    char dir[3072];
    struct sqlite_check_main main;
    struct sqlite_check_week *weeks; /* ascending */
    size_t week_count;
    struct sqlite_check_users users;
    struct sqlite_findings findings;
    enum status failed; /* why nothing is compared any more */
    char error[SQLITE_CHECKER_TEXT_BYTES];

    uint64_t seq; /* of the replay */
    int64_t time_ms;
    uint64_t last_seq;              /* behind it nothing is compared */
    uint64_t next_stop;             /* the next record that a file stands at */
    int64_t week_ms;                /* the week that runs, -1 before the first */
    struct sqlite_check_week *week; /* its file, NULL: it has none */
    bool weeks_missing;
    uint64_t missing;
    uint64_t accepted_here; /* the bet that this record has accepted */
    char market[LIMIT_MARKET_BYTES + 1];
};

/* Ends the comparison when `status` is a failure. */
static void hold(struct sqlite_checker *checker, const char *name, const struct sqlite_db *db,
                 enum status status)
{
    if (status == STATUS_OK || checker->failed != STATUS_OK) {
        return;
    }
    checker->failed = status;
    snprintf(checker->error, sizeof(checker->error), "%.500s/%s", checker->dir,
             db != NULL && db->error[0] != '\0' ? db->error : name);
    if (db == NULL || db->error[0] == '\0') {
        const size_t length = strlen(checker->error);
        snprintf(checker->error + length, sizeof(checker->error) - length, ": %s",
                 status_text(status));
    }
}

/* --- What the files stand at. --------------------------------------------------------------------
 */

static void open_main(struct sqlite_checker *checker)
{
    struct sqlite_check_main *main = &checker->main;
    const enum status status =
        sqlite_check_main_open(main, checker->dir, &checker->users, &checker->findings);
    checker->missing += status == STATUS_OK && !main->here ? 1 : 0;
    hold(checker, SQLITE_FILE_MAIN, &main->db, status);
}

/* The record that main.db stood at when each week file last began a transaction, of the newest. */
static uint64_t least_main_seq(const struct sqlite_checker *checker,
                               const struct sqlite_file_weeks *weeks)
{
    uint64_t least = 0;
    for (size_t i = 0; i < weeks->count; i++) {
        struct sqlite_db db;
        char name[WEEK_FILE_BYTES];
        int64_t seq = 0;
        week_file_name(weeks->starts_ms[i], name);
        if (sqlite_file_open_read(&db, checker->dir, name) != STATUS_OK) {
            continue; /* it is opened once more, and then its failure counts */
        }
        const enum status status = sqlite_db_query_i64(&db, "SELECT main_seq FROM applied", &seq);
        if (status == STATUS_OK && seq > 0 && (uint64_t)seq > least) {
            least = (uint64_t)seq;
        }
        sqlite_db_close(&db);
    }
    return least;
}

static enum status list_weeks(struct sqlite_checker *checker, struct sqlite_file_weeks *weeks)
{
    const enum status status = sqlite_file_list_weeks(checker->dir, weeks);
    hold(checker, "", NULL, status);
    return status;
}

static void open_weeks(struct sqlite_checker *checker)
{
    struct sqlite_file_weeks weeks;
    if (list_weeks(checker, &weeks) != STATUS_OK) {
        return;
    }
    checker->weeks = calloc(weeks.count + 1, sizeof(struct sqlite_check_week));
    hold(checker, "", NULL, checker->weeks == NULL ? STATUS_NO_MEMORY : STATUS_OK);
    for (size_t i = 0; checker->failed == STATUS_OK && i < weeks.count; i++) {
        struct sqlite_check_week *week = &checker->weeks[checker->week_count];
        const enum status status =
            sqlite_check_week_open(week, checker->dir, weeks.starts_ms[i], &checker->findings);
        if (status == STATUS_NOT_FOUND) {
            continue;
        }
        checker->week_count += 1;
        hold(checker, week->name, &week->db, status);
    }
    free(weeks.starts_ms);
}

/* Files commit one after the other, main.db last: no kill leaves them otherwise. */
static void compare_positions(struct sqlite_checker *checker, uint64_t main_seq_least)
{
    const struct sqlite_check_main *main = &checker->main;
    if (!main->here) {
        return;
    }
    for (size_t i = 0; i < checker->week_count; i++) {
        const struct sqlite_check_week *week = &checker->weeks[i];
        if (week->seq < main->seq && !week->closed) {
            sqlite_findings_add(&checker->findings, week->seq + 1,
                                "%s stands at seq %" PRIu64 ", main.db at seq %" PRIu64
                                ": it is an older copy, or the power failed",
                                week->name, week->seq, main->seq);
        }
    }
    if (main->seq < main_seq_least && main->seq >= main->until) {
        sqlite_findings_add(&checker->findings, main->seq + 1,
                            "main.db stands at seq %" PRIu64 ", and has stood at seq %" PRIu64
                            ": it is an older copy, or the power failed",
                            main->seq, main_seq_least);
    }
}

static void find_next_stop(struct sqlite_checker *checker)
{
    uint64_t stop = checker->main.done ? UINT64_MAX : checker->main.seq;
    for (size_t i = 0; i < checker->week_count; i++) {
        const struct sqlite_check_week *week = &checker->weeks[i];
        if (!week->done && week->seq > checker->seq && week->seq < stop) {
            stop = week->seq;
        }
    }
    checker->next_stop = stop;
}

/* The rows of a ledger, as SQLite has them, add up to the balances. */
static void sum_row(void *context, struct sqlite3_stmt *row)
{
    struct sqlite_checker *checker = context;
    const int64_t seq = sqlite_db_i64(row, 0);
    const int64_t id = sqlite_db_i64(row, 3);
    struct sqlite_check_user *user =
        id < 1 ? NULL : sqlite_check_users_find(&checker->users, (uint64_t)id);
    if (user == NULL || (seq > 0 && (uint64_t)seq > checker->main.seq)) {
        return;
    }
    const uint64_t amount = (uint64_t)sqlite_db_i64(row, 4); /* a forged one may wrap */
    user->week_sum = (int64_t)((uint64_t)user->week_sum + amount);
    user->sum = seq > 0 ? (int64_t)((uint64_t)user->sum + amount) : user->sum;
}

enum status sqlite_checker_open(const char *dir, struct sqlite_checker **checker,
                                char text[SQLITE_CHECKER_TEXT_BYTES])
{
    text[0] = '\0';
    struct sqlite_checker *made = calloc(1, sizeof(*made));
    if (made == NULL) {
        return STATUS_NO_MEMORY;
    }
    made->week_ms = -1;
    snprintf(made->dir, sizeof(made->dir), "%s", dir);
    struct sqlite_file_weeks before;
    if (list_weeks(made, &before) == STATUS_OK) {
        /* In this order: a server that goes on can only bring main.db nearer to the weeks. */
        const uint64_t least = least_main_seq(made, &before);
        free(before.starts_ms);
        open_main(made);
        if (made->failed == STATUS_OK) {
            open_weeks(made);
        }
        compare_positions(made, least);
    }
    if (made->failed != STATUS_OK) {
        const enum status status = made->failed;
        snprintf(text, SQLITE_CHECKER_TEXT_BYTES, "%s", made->error);
        sqlite_checker_close(made);
        return status;
    }
    made->last_seq = made->main.seq;
    for (size_t i = 0; i < made->week_count; i++) {
        made->weeks[i].ledger.context = made;
        made->weeks[i].ledger.visit = sum_row;
        made->last_seq = made->weeks[i].seq > made->last_seq ? made->weeks[i].seq : made->last_seq;
    }
    find_next_stop(made);
    *checker = made;
    return STATUS_OK;
}

void sqlite_checker_close(struct sqlite_checker *checker)
{
    if (checker == NULL) {
        return;
    }
    for (size_t i = 0; i < checker->week_count; i++) {
        sqlite_check_week_close(&checker->weeks[i]);
    }
    free(checker->weeks);
    sqlite_check_main_close(&checker->main);
    sqlite_check_users_free(&checker->users);
    free(checker);
}

uint64_t sqlite_checker_last(const struct sqlite_checker *checker)
{
    return checker->last_seq;
}

/* --- Weeks. --------------------------------------------------------------------------------------
 */

static struct sqlite_check_week *find_week(const struct sqlite_checker *checker, int64_t start_ms)
{
    for (size_t i = checker->week_count; i > 0; i--) {
        if (checker->weeks[i - 1].start_ms == start_ms) {
            return &checker->weeks[i - 1];
        }
    }
    return NULL;
}

/* True when the rows of the present record are to be in the file. */
static bool wants(const struct sqlite_checker *checker, const struct sqlite_check_week *week)
{
    return week != NULL && !week->done && checker->seq <= week->seq;
}

/* Each week opens with the balances of its first moment. */
static void expect_opening(struct sqlite_checker *checker, struct sqlite_check_week *week)
{
    enum status status = STATUS_OK;
    for (size_t i = 0; status == STATUS_OK && i < checker->users.count; i++) {
        const struct sqlite_check_user *user = &checker->users.replayed[i];
        if (user->balance_micro == 0) {
            continue;
        }
        char name[WEEK_TEXT_BYTES];
        struct sqlite_value values[SQLITE_LEDGER_VALUES];
        sqlite_values_opening(week->start_ms, i + 1, user->account, user->balance_micro, name,
                              values);
        status = sqlite_cursor_expect(&week->ledger, values, SQLITE_LEDGER_VALUES, checker->seq);
    }
    hold(checker, week->name, &week->db, status);
}

static void begin_week(struct sqlite_checker *checker, int64_t start_ms)
{
    struct sqlite_check_main *main = &checker->main;
    checker->week_ms = start_ms;
    checker->week = find_week(checker, start_ms);
    sqlite_check_users_begin_week(&checker->users);
    if (!main->done) {
        hold(checker, SQLITE_FILE_MAIN, &main->db,
             sqlite_check_main_week(main, start_ms, checker->seq));
    }
    if (checker->week == NULL) {
        checker->missing += 1;
        checker->weeks_missing = true;
        return;
    }
    checker->week->begun = true;
    if (wants(checker, checker->week)) {
        expect_opening(checker, checker->week);
    }
}

void sqlite_checker_begin_record(struct sqlite_checker *checker, uint64_t seq, int64_t time_ms)
{
    CHECK(seq == checker->seq + 1);
    checker->seq = seq;
    checker->time_ms = time_ms;
    checker->accepted_here = 0;
    if (checker->failed != STATUS_OK || seq > checker->last_seq) {
        return;
    }
    if (checker->week_ms < 0 || time_ms >= checker->week_ms + WEEK_MS) {
        begin_week(checker, week_start_ms(time_ms));
    }
}

/* --- Postings and events. ------------------------------------------------------------------------
 */

static void take_posting(void *context, const struct posting *posting)
{
    struct sqlite_checker *checker = context;
    const bool available = posting->account == LEDGER_AVAILABLE;
    if (checker->failed != STATUS_OK || checker->seq > checker->last_seq ||
        (!available && posting->account != LEDGER_HELD)) {
        return;
    }
    struct sqlite_check_user *user = sqlite_check_users_find(&checker->users, posting->user_id);
    if (user != NULL && available) {
        user->balance_micro = posting->balance_after_micro;
    } else if (user != NULL) {
        user->held_micro = posting->balance_after_micro;
    }
    struct sqlite_check_week *week = checker->week;
    if (available && wants(checker, week)) {
        char digits[TEXT_I64_BYTES_MAX];
        struct sqlite_value values[SQLITE_LEDGER_VALUES];
        sqlite_values_ledger(checker->seq, checker->time_ms, posting, digits, values);
        hold(checker, week->name, &week->db,
             sqlite_cursor_expect(&week->ledger, values, SQLITE_LEDGER_VALUES, checker->seq));
    }
}

/* With no pricing delay a bet may be decided in its own step, without an event between. */
static void count_open_bet(struct sqlite_checker *checker, const struct event *event)
{
    const struct bet *bet = event->of.bet;
    struct sqlite_check_user *user = sqlite_check_users_find(&checker->users, bet->user_id);
    if (user == NULL) {
        return;
    }
    const bool was_open = event->kind != EVENT_BET_ACCEPTED &&
                          (bet->bet != checker->seq || checker->accepted_here == bet->bet);
    const bool is_open = bet->state == BET_ACCEPTED || bet->state == BET_CONFIRMED ||
                         event->kind == EVENT_BET_ACCEPTED;
    user->open_bets += (is_open ? 1 : 0) - (was_open ? 1 : 0);
}

static void take_bet(struct sqlite_checker *checker, const struct event *event)
{
    const struct bet *bet = event->of.bet;
    count_open_bet(checker, event);
    if (event->kind == EVENT_BET_ACCEPTED) {
        checker->accepted_here = bet->bet;
    }
    struct sqlite_check_week *week = checker->week;
    if (bet->bet != checker->seq && bet->accepted_at_ms < checker->week_ms) {
        week = find_week(checker, week_start_ms(bet->accepted_at_ms));
    }
    if (wants(checker, week)) {
        hold(checker, week->name, &week->db, sqlite_check_week_bet(week, checker->market, bet));
    }
}

static void take_column(struct sqlite_checker *checker, const struct column_result *column)
{
    struct sqlite_check_week *week = checker->week;
    if (!wants(checker, week)) {
        return;
    }
    struct json ticks = {0};
    struct sqlite_value values[SQLITE_COLUMN_VALUES];
    enum status status =
        sqlite_values_column(checker->seq, checker->time_ms, column, &ticks, values);
    if (status == STATUS_OK) {
        status = sqlite_cursor_expect(&week->columns, values, SQLITE_COLUMN_VALUES, checker->seq);
    }
    json_text_free(&ticks);
    hold(checker, week->name, &week->db, status);
}

static void take_config(struct sqlite_checker *checker, const struct event *event)
{
    struct sqlite_check_main *main = &checker->main;
    snprintf(checker->market, sizeof(checker->market), "%s", event->of.config.config->market);
    if (!main->done) {
        hold(checker, SQLITE_FILE_MAIN, &main->db,
             sqlite_check_main_config(main, checker->seq, checker->time_ms, event));
    }
}

static void take_event(void *context, const struct event *event)
{
    struct sqlite_checker *checker = context;
    if (checker->failed != STATUS_OK || checker->seq > checker->last_seq) {
        return;
    }
    switch (event->kind) {
    case EVENT_CONFIG:
        take_config(checker, event);
        return;
    case EVENT_ACCOUNT_OPENED:
        hold(checker, SQLITE_FILE_MAIN, NULL,
             sqlite_check_users_open(&checker->users, event->of.account.user_id,
                                     event->of.account.address));
        return;
    case EVENT_BET_ACCEPTED:
    case EVENT_BET_CONFIRMED:
    case EVENT_BET_REJECTED:
    case EVENT_BET_SETTLED:
        take_bet(checker, event);
        return;
    case EVENT_COLUMN_SETTLED:
        take_column(checker, event->of.column);
        return;
    case EVENT_CONFIG_REFUSED:
    case EVENT_TRANSFER_APPLIED:
    case EVENT_TRANSFER_REPEATED:
    case EVENT_TRANSFER_REFUSED:
    case EVENT_TAP_REFUSED:
    case EVENT_TAP_REPEATED:
    case EVENT_TICK:
    case EVENT_TICK_IGNORED:
    case EVENT_BREAKER:
    case EVENT_START:
    case EVENT_RULES:
    case EVENT_RULES_REFUSED:
    case EVENT_RECOVERY:
        return;
    }
}

struct event_sink sqlite_checker_sink(struct sqlite_checker *checker)
{
    return (struct event_sink){.context = checker, .event = take_event, .posting = take_posting};
}

/* --- Where a file stands. ------------------------------------------------------------------------
 */

static void finish_main(struct sqlite_checker *checker, const uint8_t *digest)
{
    struct sqlite_check_main *main = &checker->main;
    const bool week_here = checker->week != NULL && checker->week->seq >= main->seq;
    sqlite_check_users_compare(&checker->users, main->seq, week_here,
                               week_here && !checker->weeks_missing, &checker->findings);
    hold(checker, SQLITE_FILE_MAIN, &main->db,
         sqlite_check_main_finish(main, checker->market, digest));
}

static void finish_week(struct sqlite_checker *checker, struct sqlite_check_week *week,
                        const uint8_t *digest)
{
    if (!week->begun) {
        sqlite_findings_add(&checker->findings, week->seq,
                            "%s stands at seq %" PRIu64 ", but the replay is not in its week then",
                            week->name, week->seq);
        week->done = true;
        return;
    }
    hold(checker, week->name, &week->db,
         sqlite_check_week_finish(week, checker->market, checker->week_ms, digest));
}

static void release_all(struct sqlite_checker *checker)
{
    sqlite_cursor_release(&checker->main.configs);
    sqlite_cursor_release(&checker->main.weeks);
    for (size_t i = 0; i < checker->week_count; i++) {
        sqlite_check_week_release(&checker->weeks[i]);
    }
}

void sqlite_checker_end_record(struct sqlite_checker *checker, const uint8_t *digest)
{
    if (checker->failed != STATUS_OK) {
        return;
    }
    if (checker->seq % RELEASE_EVERY == 0) {
        release_all(checker);
    }
    if (checker->seq != checker->next_stop) {
        return;
    }
    for (size_t i = 0; checker->failed == STATUS_OK && i < checker->week_count; i++) {
        if (!checker->weeks[i].done && checker->weeks[i].seq == checker->seq) {
            finish_week(checker, &checker->weeks[i], digest);
        }
    }
    if (checker->failed == STATUS_OK && !checker->main.done && checker->main.seq == checker->seq) {
        finish_main(checker, digest);
    }
    find_next_stop(checker);
}

/* --- Indexes. ------------------------------------------------------------------------------------
 */

/* Over a connection of its own: the walks through the tables stay where they are. */
static void check_indexes(const struct sqlite_checker *checker, const char *name, bool is_main,
                          uint64_t seq, const _Atomic bool *stop,
                          struct sqlite_index_findings *findings)
{
    struct sqlite_db db;
    enum status status = sqlite_file_open_read(&db, checker->dir, name);
    if (status == STATUS_OK) {
        sqlite_db_stop_when(&db, stop);
        status = sqlite_schema_check_indexes(&db, is_main);
        sqlite_db_close(&db);
    }
    if (status == STATUS_DAMAGED) {
        findings->count += 1;
        if (findings->count == 1) {
            findings->seq = seq;
            snprintf(findings->text, sizeof(findings->text), "%s", db.error);
        }
    } else if (status != STATUS_OK) {
        findings->failed = status;
        snprintf(findings->error, sizeof(findings->error), "%.500s/%s", checker->dir,
                 db.error[0] != '\0' ? db.error : name);
    }
}

/* What is read here of the checker has stood since it was opened. */
void sqlite_checker_check_indexes(const struct sqlite_checker *checker, bool open_too,
                                  const _Atomic bool *stop, struct sqlite_index_findings *findings)
{
    *findings = (struct sqlite_index_findings){.failed = STATUS_OK};
    for (size_t i = 0; findings->failed == STATUS_OK && i < checker->week_count; i++) {
        const struct sqlite_check_week *week = &checker->weeks[i];
        if (open_too || week->closed) {
            check_indexes(checker, week->name, false, week->seq, stop, findings);
        }
    }
    if (findings->failed == STATUS_OK && checker->main.here) {
        check_indexes(checker, SQLITE_FILE_MAIN, true, checker->main.seq, stop, findings);
    }
}

void sqlite_checker_add_indexes(struct sqlite_checker *checker,
                                const struct sqlite_index_findings *findings)
{
    if (findings->failed != STATUS_OK && checker->failed == STATUS_OK) {
        checker->failed = findings->failed;
        snprintf(checker->error, sizeof(checker->error), "%s", findings->error);
    }
    if (findings->count > 0) {
        sqlite_findings_add(&checker->findings, findings->seq, "%s", findings->text);
    }
}

/* --- The result. ---------------------------------------------------------------------------------
 */

static uint64_t rows_of_week(const struct sqlite_check_week *week)
{
    return week->bets.rows + week->ledger.rows + week->columns.rows;
}

static void count(const struct sqlite_checker *checker, struct sqlite_checker_result *result)
{
    const struct sqlite_check_main *main = &checker->main;
    result->missing = checker->missing;
    result->seq = main->here ? main->seq : 0;
    if (main->here) {
        result->tables = MAIN_TABLES;
        result->rows = main->configs.rows + main->weeks.rows + checker->users.stored_count +
                       (uint64_t)main->meta_rows;
    }
    for (size_t i = 0; i < checker->week_count; i++) {
        result->tables += WEEK_TABLES;
        result->rows += rows_of_week(&checker->weeks[i]);
    }
}

enum status sqlite_checker_finish(struct sqlite_checker *checker,
                                  struct sqlite_checker_result *result)
{
    *result = (struct sqlite_checker_result){0};
    count(checker, result);
    release_all(checker);
    if (checker->failed != STATUS_OK) {
        snprintf(result->problem, sizeof(result->problem), "%s", checker->error);
        return checker->failed;
    }
    if (checker->seq < checker->last_seq) {
        snprintf(result->problem, sizeof(result->problem),
                 "the projections have applied seq %" PRIu64 ", the journal ends at seq %" PRIu64,
                 checker->last_seq, checker->seq);
        return STATUS_LOST_TAIL;
    }
    for (size_t i = 0; i < checker->week_count; i++) {
        const struct sqlite_check_week *week = &checker->weeks[i];
        if (!week->done) { /* only one that says 0 was not met */
            sqlite_findings_add(&checker->findings, 1, "%s has tables, but has applied no record",
                                week->name);
        }
    }
    const struct sqlite_findings *findings = &checker->findings;
    result->differences = findings->count;
    result->first_seq = findings->first_seq;
    if (findings->count == 0) {
        return STATUS_OK;
    }
    snprintf(result->problem, sizeof(result->problem), "%.100s/%s", checker->dir, findings->text);
    return STATUS_MISMATCH;
}
