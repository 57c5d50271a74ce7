#include "projections/sqlite_reader.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/text.h"
#include "projections/shapes.h"
#include "projections/sqlite_db.h"
#include "projections/sqlite_file.h"
#include "projections/week.h"

#define BET_COLUMNS                                                                                \
    "bet, user_id, account, nonce, column_ms, band, price_lo, price_hi, stake, min_mult, config,"  \
    " session, state, reason, mult, payout, paid, accepted_at, accepted_seq, priced_at,"           \
    " priced_seq, tick, price, settled_at, settled_seq, settle_price, market"

#define LEDGER_COLUMNS "seq, line, at, amount, balance_after, ref_type, ref_id"
/* Row values compare like tuples. seq 0 is OPENING, which is no posting. */
#define LEDGER_WHERE                                                                               \
    " WHERE user_id = ?1 AND (seq, line) < (?2, ?3) AND seq > 0 AND at >= ?4 AND at < ?5"

enum main_read {
    READ_USER,
    READ_WEEK_OF,
    READ_WEEKS_DOWN,
    READ_WEEKS_UP,
    READ_CONFIG,
    MAIN_READS
};
enum week_read {
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
    [READ_BET] = "SELECT " BET_COLUMNS " FROM bets WHERE bet = ?1",
    [READ_NONCE] = "SELECT " BET_COLUMNS " FROM bets WHERE account = ?1 AND nonce = ?2"
                   " ORDER BY bet DESC LIMIT 1",
    [READ_BETS] = "SELECT " BET_COLUMNS " FROM bets WHERE account = ?1 AND bet < ?2"
                  " ORDER BY bet DESC LIMIT ?3",
    [READ_BETS_STATE] = "SELECT " BET_COLUMNS " FROM bets WHERE account = ?1 AND bet < ?2"
                        " AND state = ?4 ORDER BY bet DESC LIMIT ?3",
    [READ_BETS_OPEN] = "SELECT " BET_COLUMNS " FROM bets WHERE account = ?1 AND bet < ?2"
                       " AND state IN ('accepted', 'confirmed') AND state = ?4"
                       " ORDER BY bet DESC LIMIT ?3",
    [READ_LEDGER] = "SELECT " LEDGER_COLUMNS " FROM transaction_ledger" LEDGER_WHERE
                    " ORDER BY seq DESC, line DESC LIMIT ?6",
    [READ_LEDGER_TYPE] = "SELECT " LEDGER_COLUMNS " FROM transaction_ledger" LEDGER_WHERE
                         " AND ref_type = ?7 ORDER BY seq DESC, line DESC LIMIT ?6",
    [READ_LEDGER_REFERENCE] =
        "SELECT " LEDGER_COLUMNS
        " FROM transaction_ledger INDEXED BY ledger_by_reference" LEDGER_WHERE
        " AND ref_type = ?7 AND ref_id = ?8 ORDER BY seq DESC, line DESC LIMIT ?6",
    [READ_LEDGER_ID] = "SELECT " LEDGER_COLUMNS " FROM transaction_ledger" LEDGER_WHERE
                       " AND ref_id = ?8 ORDER BY seq DESC, line DESC LIMIT ?6",
    [READ_COLUMN] = ("SELECT seq, column_ms, band_e4, state, reason, price, band, ticks, bets,"
                     " stakes, paid FROM columns WHERE column_ms = ?1"),
};

/* A read-only connection to one week. */
struct week_slot {
    bool used;
    int64_t start_ms;
    uint64_t turn; /* of its last use, for the choice of the one to give up */
    struct sqlite_db db;
    struct sqlite3_stmt *reads[WEEK_READS];
};

struct sqlite_reader {
    char dir[3072];
    struct sqlite_reader_options options;
    struct sqlite_db main;
    struct sqlite3_stmt *reads[MAIN_READS];
    struct week_slot weeks[SQLITE_READER_WEEKS];
    uint64_t turn;
    struct json scratch; /* an answer in the making: nothing half goes out */
    char error[256];
};

enum status sqlite_reader_open(const char *dir, const struct sqlite_reader_options *options,
                               struct sqlite_reader **reader)
{
    struct sqlite_reader *made = calloc(1, sizeof(*made));
    if (made == NULL) {
        return STATUS_NO_MEMORY;
    }
    const int length = snprintf(made->dir, sizeof(made->dir), "%s", dir);
    CHECK(length >= 0);
    CHECK((size_t)length < sizeof(made->dir)); /* the writer has refused such a path */
    made->options = *options;
    if (made->options.wait_ms == 0) {
        made->options.wait_ms = SQLITE_READER_WAIT_MS;
    }
    *reader = made;
    return STATUS_OK;
}

static void close_week(struct week_slot *slot)
{
    for (int i = 0; i < WEEK_READS; i++) {
        sqlite_db_finalize(slot->reads[i]);
    }
    sqlite_db_close(&slot->db);
    *slot = (struct week_slot){0};
}

static void close_main(struct sqlite_reader *reader)
{
    for (int i = 0; i < MAIN_READS; i++) {
        sqlite_db_finalize(reader->reads[i]);
        reader->reads[i] = NULL;
    }
    sqlite_db_close(&reader->main);
}

void sqlite_reader_close(struct sqlite_reader *reader)
{
    if (reader == NULL) {
        return;
    }
    for (int i = 0; i < SQLITE_READER_WEEKS; i++) {
        close_week(&reader->weeks[i]);
    }
    close_main(reader);
    json_text_free(&reader->scratch);
    free(reader);
}

const char *sqlite_reader_error(const struct sqlite_reader *reader)
{
    return reader->error;
}

/* Keeps the words of a failure; the answers STATUS_END and STATUS_NOT_FOUND are none. */
static enum status note(struct sqlite_reader *reader, const struct sqlite_db *db,
                        enum status status)
{
    if (status != STATUS_OK && status != STATUS_END && status != STATUS_NOT_FOUND) {
        snprintf(reader->error, sizeof(reader->error), "%s",
                 db->error[0] != '\0' ? db->error : status_text(status));
    }
    return status;
}

/* A statement of main.db, which is opened at first need. STATUS_NOT_FOUND: there is none yet. */
static enum status main_read(struct sqlite_reader *reader, enum main_read which,
                             struct sqlite3_stmt **statement)
{
    enum status status = STATUS_OK;
    if (reader->main.handle == NULL) {
        status = sqlite_db_open(&reader->main, reader->dir, SQLITE_FILE_MAIN, SQLITE_DB_READ);
    }
    if (status == STATUS_OK && reader->reads[which] == NULL) {
        status = sqlite_db_prepare(&reader->main, main_texts[which], &reader->reads[which]);
    }
    if (status != STATUS_OK) {
        return note(reader, &reader->main, status);
    }
    *statement = reader->reads[which];
    return STATUS_OK;
}

/* The connection to a week. STATUS_NOT_FOUND: its file is not here (archived and gone). */
static enum status week_of(struct sqlite_reader *reader, int64_t start_ms, struct week_slot **week)
{
    struct week_slot *oldest = &reader->weeks[0];
    reader->turn += 1;
    for (int i = 0; i < SQLITE_READER_WEEKS; i++) {
        struct week_slot *slot = &reader->weeks[i];
        if (slot->used && slot->start_ms == start_ms) {
            slot->turn = reader->turn;
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
    const enum status status = sqlite_db_open(&oldest->db, reader->dir, name, SQLITE_DB_READ);
    if (status != STATUS_OK) {
        return note(reader, &oldest->db, status);
    }
    oldest->used = true;
    oldest->start_ms = start_ms;
    oldest->turn = reader->turn;
    *week = oldest;
    return STATUS_OK;
}

static enum status week_read(struct sqlite_reader *reader, struct week_slot *week,
                             enum week_read which, struct sqlite3_stmt **statement)
{
    if (week->reads[which] == NULL) {
        const enum status status =
            sqlite_db_prepare(&week->db, week_texts[which], &week->reads[which]);
        if (status != STATUS_OK) {
            return note(reader, &week->db, status);
        }
    }
    *statement = week->reads[which];
    return STATUS_OK;
}

/* Calls `visit` for each week that is here, in the order of the statement, until it gives something
 * else than STATUS_NOT_FOUND. The first column of the rows is the week's start. */
static enum status
each_week(struct sqlite_reader *reader, enum main_read which, int64_t parameter, void *context,
          enum status (*visit)(struct sqlite_reader *reader, void *context, struct week_slot *week))
{
    struct sqlite3_stmt *rows;
    enum status status = main_read(reader, which, &rows);
    if (status != STATUS_OK) {
        return status;
    }
    sqlite_db_bind_i64(rows, 1, parameter);
    enum status found = STATUS_NOT_FOUND;
    while (found == STATUS_NOT_FOUND &&
           (status = sqlite_db_step(&reader->main, rows)) == STATUS_OK) {
        struct week_slot *week = NULL;
        found = week_of(reader, sqlite_db_i64(rows, 0), &week);
        if (found == STATUS_OK) {
            found = visit(reader, context, week);
        }
    }
    sqlite_db_reset(rows);
    if (found != STATUS_NOT_FOUND) {
        return found;
    }
    return status == STATUS_END ? STATUS_NOT_FOUND : note(reader, &reader->main, status);
}

static enum status wait_for(struct sqlite_reader *reader, uint64_t seq)
{
    if (seq == 0 || reader->options.wait == NULL) {
        return STATUS_OK;
    }
    return reader->options.wait(reader->options.context, seq, reader->options.wait_ms);
}

/* Moves the finished answer out. */
static enum status deliver(struct sqlite_reader *reader, struct json *json)
{
    if (reader->scratch.failed) {
        snprintf(reader->error, sizeof(reader->error), "%s", status_text(STATUS_NO_MEMORY));
        return STATUS_NO_MEMORY;
    }
    json_raw(json, reader->scratch.text, reader->scratch.length);
    return json->failed ? STATUS_NO_MEMORY : STATUS_OK;
}

/* --- Bets
 * -------------------------------------------------------------------------------------------- */

static bool parse_state(const char *text, enum bet_state *state)
{
    for (enum bet_state each = BET_ACCEPTED; each <= BET_VOID; each++) {
        if (strcmp(text, bet_state_text(each)) == 0) {
            *state = each;
            return true;
        }
    }
    return false;
}

static bool parse_reason(const char *text, enum reason *reason)
{
    static const enum reason reasons[] = {
#define X(name, number) REASON_##name,
        REASON_LIST(X)
#undef X
    };
    for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++) {
        if (strcmp(text, reason_text(reasons[i])) == 0) {
            *reason = reasons[i];
            return true;
        }
    }
    return false;
}

/* A row of BET_COLUMNS. False: it is none of ours. */
static bool bet_of_row(struct sqlite3_stmt *row, struct bet *bet,
                       char market[LIMIT_MARKET_BYTES + 1])
{
    *bet = (struct bet){
        .bet = (uint64_t)sqlite_db_i64(row, 0),
        .user_id = (uint64_t)sqlite_db_i64(row, 1),
        .column_ms = sqlite_db_i64(row, 4),
        .band = sqlite_db_i64(row, 5),
        .lo_e4 = sqlite_db_i64(row, 6),
        .hi_e4 = sqlite_db_i64(row, 7),
        .stake_micro = sqlite_db_i64(row, 8),
        .min_mult_centi = sqlite_db_i64(row, 9),
        .config = sqlite_db_i64(row, 10),
        .session = (uint64_t)sqlite_db_i64(row, 11),
        .mult_centi = (uint32_t)sqlite_db_i64(row, 14),
        .payout_micro = sqlite_db_i64(row, 15),
        .paid_micro = sqlite_db_i64(row, 16),
        .accepted_at_ms = sqlite_db_i64(row, 17),
        .accepted_seq = (uint64_t)sqlite_db_i64(row, 18),
        .priced_at_ms = sqlite_db_i64(row, 19),
        .priced_seq = (uint64_t)sqlite_db_i64(row, 20),
        .tick_ms = sqlite_db_i64(row, 21),
        .price_e4 = sqlite_db_i64(row, 22),
        .settled_at_ms = sqlite_db_i64(row, 23),
        .settled_seq = (uint64_t)sqlite_db_i64(row, 24),
        .settle_price_e4 = sqlite_db_i64(row, 25),
    };
    bet->reason = REASON_NONE;
    const bool has_reason = sqlite_db_type(row, 13) != SQLITE_DB_NULL;
    if (has_reason && !parse_reason(sqlite_db_text(row, 13, NULL), &bet->reason)) {
        return false;
    }
    if (market != NULL) {
        snprintf(market, LIMIT_MARKET_BYTES + 1, "%s", sqlite_db_text(row, 26, NULL));
    }
    return parse_state(sqlite_db_text(row, 12, NULL), &bet->state) &&
           sqlite_db_copy_bytes(row, 2, bet->account, ADDRESS_BYTES) &&
           sqlite_db_copy_bytes(row, 3, bet->nonce, NONCE_BYTES);
}

/* What one bet is looked for by, and what was found. */
struct bet_search {
    uint64_t id; /* 0: by nonce */
    const uint8_t *account;
    const uint8_t *nonce;
    struct bet *bet;
    char *market;
};

static enum status search_week(struct sqlite_reader *reader, void *context, struct week_slot *week)
{
    const struct bet_search *search = context;
    struct sqlite3_stmt *row;
    enum status status = week_read(reader, week, search->id != 0 ? READ_BET : READ_NONCE, &row);
    if (status != STATUS_OK) {
        return status;
    }
    if (search->id != 0) {
        sqlite_db_bind_i64(row, 1, (int64_t)search->id);
    } else {
        sqlite_db_bind_bytes(row, 1, search->account, ADDRESS_BYTES);
        sqlite_db_bind_bytes(row, 2, search->nonce, NONCE_BYTES);
    }
    status = note(reader, &week->db, sqlite_db_step(&week->db, row));
    if (status == STATUS_OK && !bet_of_row(row, search->bet, search->market)) {
        status = note(reader, &week->db, STATUS_DAMAGED);
    }
    sqlite_db_reset(row);
    return status == STATUS_END ? STATUS_NOT_FOUND : status;
}

enum status sqlite_reader_find_bet(struct sqlite_reader *reader, uint64_t id, uint64_t at_least_seq,
                                   struct bet *bet, char market[LIMIT_MARKET_BYTES + 1])
{
    const enum status status = wait_for(reader, at_least_seq);
    if (status != STATUS_OK) {
        return status;
    }
    if (id == 0 || id > INT64_MAX) {
        return STATUS_NOT_FOUND;
    }
    struct bet_search search = {.id = id, .bet = bet, .market = market};
    return each_week(reader, READ_WEEK_OF, (int64_t)id, &search, search_week);
}

enum status sqlite_reader_find_nonce(struct sqlite_reader *reader,
                                     const uint8_t account[ADDRESS_BYTES],
                                     const uint8_t nonce[NONCE_BYTES], uint64_t at_least_seq,
                                     struct bet *bet, char market[LIMIT_MARKET_BYTES + 1])
{
    const enum status status = wait_for(reader, at_least_seq);
    if (status != STATUS_OK) {
        return status;
    }
    struct bet_search search = {.account = account, .nonce = nonce, .bet = bet, .market = market};
    return each_week(reader, READ_WEEKS_DOWN, INT64_MAX, &search, search_week);
}

enum status sqlite_reader_bet(struct sqlite_reader *reader, uint64_t id, uint64_t at_least_seq,
                              struct json *json)
{
    struct bet bet;
    char market[LIMIT_MARKET_BYTES + 1];
    const enum status status = sqlite_reader_find_bet(reader, id, at_least_seq, &bet, market);
    if (status == STATUS_OK) {
        shapes_bet(json, market, &bet);
    }
    return status;
}

enum status sqlite_reader_bet_by_nonce(struct sqlite_reader *reader,
                                       const uint8_t account[ADDRESS_BYTES],
                                       const uint8_t nonce[NONCE_BYTES], uint64_t at_least_seq,
                                       struct json *json)
{
    struct bet bet;
    char market[LIMIT_MARKET_BYTES + 1];
    const enum status status =
        sqlite_reader_find_nonce(reader, account, nonce, at_least_seq, &bet, market);
    if (status == STATUS_OK) {
        shapes_bet(json, market, &bet);
    }
    return status;
}

/* --- Accounts
 * ---------------------------------------------------------------------------------------- */

/* The figures of an account and their seq; zeros when it is unknown or nothing is there yet. */
static enum status find_user(struct sqlite_reader *reader, const uint8_t *account, uint64_t *seq,
                             struct account_view *view)
{
    *seq = 0;
    *view = (struct account_view){0};
    struct sqlite3_stmt *row;
    enum status status = main_read(reader, READ_USER, &row);
    if (status != STATUS_OK) {
        return status == STATUS_NOT_FOUND ? STATUS_OK : status;
    }
    sqlite_db_bind_bytes(row, 1, account, ADDRESS_BYTES);
    status = sqlite_db_step(&reader->main, row);
    if (status == STATUS_OK) {
        *seq = (uint64_t)sqlite_db_i64(row, 0);
        view->user_id = (uint64_t)sqlite_db_i64(row, 1);
        view->available_micro = sqlite_db_i64(row, 2);
        view->held_micro = sqlite_db_i64(row, 3);
        view->open_bets = (uint32_t)sqlite_db_i64(row, 4);
    }
    sqlite_db_reset(row);
    return note(reader, &reader->main, status == STATUS_END ? STATUS_DAMAGED : status);
}

enum status sqlite_reader_account(struct sqlite_reader *reader,
                                  const uint8_t account[ADDRESS_BYTES], uint64_t at_least_seq,
                                  struct json *json)
{
    enum status status = wait_for(reader, at_least_seq);
    uint64_t seq;
    struct account_view view;
    if (status == STATUS_OK) {
        status = find_user(reader, account, &seq, &view);
    }
    if (status == STATUS_OK) {
        shapes_account(json, seq, account, &view);
    }
    return status;
}

enum status sqlite_reader_seq(struct sqlite_reader *reader, uint64_t *seq)
{
    static const uint8_t nobody[ADDRESS_BYTES];
    struct account_view view;
    return find_user(reader, nobody, seq, &view);
}

/* --- Pages
 * ------------------------------------------------------------------------------------------- */

/* A ledger row is named by (seq, line). Between two seqs the token of a page's end is the plain
 * seq; within one it is this mark, the seq and the line. */
#define TOKEN_MARK      ((uint64_t)1 << 62)
#define TOKEN_LINE_BITS 22

/* A page in the making. */
struct page {
    const struct sqlite_reader_query *query;
    uint64_t user_id;
    int64_t before_seq; /* rows with (seq, line) below (before_seq, before_line) */
    int64_t before_line;
    uint32_t limit;
    uint32_t rows;
    uint64_t last_seq; /* of the last row on the page */
    uint64_t last_line;
    uint64_t next; /* 0: this is the end */
};

static struct page begin_page(const struct sqlite_reader_query *query)
{
    struct page page = {.query = query, .limit = query->limit, .before_seq = INT64_MAX};
    if (page.limit == 0) {
        page.limit = SQLITE_READER_PAGE;
    }
    if (page.limit > LIMIT_PAGE_ROWS) {
        page.limit = LIMIT_PAGE_ROWS;
    }
    if (query->before != 0 && query->before < TOKEN_MARK) {
        page.before_seq = (int64_t)query->before;
    } else if (query->before >= TOKEN_MARK) {
        const uint64_t token = query->before & (TOKEN_MARK - 1);
        page.before_seq = (int64_t)(token >> TOKEN_LINE_BITS);
        page.before_line = (int64_t)(token & (((uint64_t)1 << TOKEN_LINE_BITS) - 1));
    }
    return page;
}

static void open_page(struct sqlite_reader *reader, uint64_t seq, const char *rows)
{
    struct json *scratch = &reader->scratch;
    json_reset(scratch);
    json_open(scratch, '{');
    json_key(scratch, "seq");
    json_u64(scratch, seq);
    json_key(scratch, rows);
    json_open(scratch, '[');
}

static enum status end_page(struct sqlite_reader *reader, const struct page *page,
                            struct json *json)
{
    struct json *scratch = &reader->scratch;
    json_close(scratch, ']');
    json_key(scratch, "next");
    json_u64_or_null(scratch, page->next);
    json_close(scratch, '}');
    return deliver(reader, json);
}

/* Adds the week's bets. STATUS_NOT_FOUND: the page has room for those of the week before. */
static enum status bets_of_week(struct sqlite_reader *reader, void *context, struct week_slot *week)
{
    struct page *page = context;
    const enum bet_state state = page->query->state;
    const bool open = state == BET_ACCEPTED || state == BET_CONFIRMED;
    struct sqlite3_stmt *rows;
    enum status status =
        week_read(reader, week,
                  (int)state == 0 ? READ_BETS : (open ? READ_BETS_OPEN : READ_BETS_STATE), &rows);
    if (status != STATUS_OK) {
        return status;
    }
    sqlite_db_bind_bytes(rows, 1, page->query->account, ADDRESS_BYTES);
    sqlite_db_bind_i64(rows, 2, page->before_seq);
    sqlite_db_bind_i64(rows, 3, (int64_t)(page->limit - page->rows) + 1);
    if ((int)state != 0) {
        const char *text = bet_state_text(state);
        sqlite_db_bind_text(rows, 4, text, strlen(text));
    }
    while ((status = sqlite_db_step(&week->db, rows)) == STATUS_OK) {
        struct bet bet;
        char market[LIMIT_MARKET_BYTES + 1];
        if (!bet_of_row(rows, &bet, market)) {
            status = STATUS_DAMAGED;
            break;
        }
        if (page->rows == page->limit) { /* one more is there: the page has a next one */
            page->next = page->last_seq;
            break;
        }
        shapes_bet(&reader->scratch, market, &bet);
        page->rows += 1;
        page->last_seq = bet.bet;
    }
    sqlite_db_reset(rows);
    return status == STATUS_END ? STATUS_NOT_FOUND : note(reader, &week->db, status);
}

enum status sqlite_reader_bets(struct sqlite_reader *reader,
                               const struct sqlite_reader_query *query, struct json *json)
{
    struct page page = begin_page(query);
    uint64_t seq;
    struct account_view view;
    enum status status = wait_for(reader, query->at_least_seq);
    if (status == STATUS_OK) {
        status = find_user(reader, query->account, &seq, &view);
    }
    if (status != STATUS_OK) {
        return status;
    }
    open_page(reader, seq, "bets");
    status = each_week(reader, READ_WEEKS_DOWN, page.before_seq, &page, bets_of_week);
    if (status != STATUS_OK && status != STATUS_NOT_FOUND) {
        return status;
    }
    return end_page(reader, &page, json);
}

static enum week_read ledger_statement(const struct sqlite_reader_query *query)
{
    if (query->ref_type != NULL) {
        return query->ref_id != NULL ? READ_LEDGER_REFERENCE : READ_LEDGER_TYPE;
    }
    return query->ref_id != NULL ? READ_LEDGER_ID : READ_LEDGER;
}

static void bind_ledger(struct sqlite3_stmt *rows, const struct page *page)
{
    const struct sqlite_reader_query *query = page->query;
    sqlite_db_bind_i64(rows, 1, (int64_t)page->user_id);
    sqlite_db_bind_i64(rows, 2, page->before_seq);
    sqlite_db_bind_i64(rows, 3, page->before_line);
    sqlite_db_bind_i64(rows, 4, query->from_ms);
    sqlite_db_bind_i64(rows, 5, query->to_ms == 0 ? INT64_MAX : query->to_ms);
    sqlite_db_bind_i64(rows, 6, (int64_t)(page->limit - page->rows) + 1);
    if (query->ref_type != NULL) {
        sqlite_db_bind_text(rows, 7, query->ref_type, strlen(query->ref_type));
    }
    if (query->ref_id != NULL) {
        sqlite_db_bind_text(rows, 8, query->ref_id, strlen(query->ref_id));
    }
}

static enum status ledger_of_week(struct sqlite_reader *reader, void *context,
                                  struct week_slot *week)
{
    struct page *page = context;
    const struct sqlite_reader_query *query = page->query;
    if (query->to_ms != 0 && week->start_ms >= query->to_ms) {
        return STATUS_NOT_FOUND;
    }
    if (week->start_ms + WEEK_MS <= query->from_ms) {
        return STATUS_OK; /* this week and all before it are too old */
    }
    struct sqlite3_stmt *rows;
    enum status status = week_read(reader, week, ledger_statement(query), &rows);
    if (status != STATUS_OK) {
        return status;
    }
    bind_ledger(rows, page);
    while ((status = sqlite_db_step(&week->db, rows)) == STATUS_OK) {
        const struct shapes_ledger_row row = {.seq = (uint64_t)sqlite_db_i64(rows, 0),
                                              .line = (uint64_t)sqlite_db_i64(rows, 1),
                                              .at_ms = sqlite_db_i64(rows, 2),
                                              .amount_micro = sqlite_db_i64(rows, 3),
                                              .balance_after_micro = sqlite_db_i64(rows, 4),
                                              .ref_type = sqlite_db_text(rows, 5, NULL),
                                              .ref_id = sqlite_db_text(rows, 6, NULL)};
        if (page->rows == page->limit) {
            page->next = row.seq != page->last_seq
                             ? page->last_seq
                             : TOKEN_MARK | page->last_seq << TOKEN_LINE_BITS | page->last_line;
            break;
        }
        shapes_ledger_row(&reader->scratch, &row);
        page->rows += 1;
        page->last_seq = row.seq;
        page->last_line = row.line;
    }
    sqlite_db_reset(rows);
    return status == STATUS_END ? STATUS_NOT_FOUND : note(reader, &week->db, status);
}

enum status sqlite_reader_ledger(struct sqlite_reader *reader,
                                 const struct sqlite_reader_query *query, struct json *json)
{
    struct page page = begin_page(query);
    uint64_t seq;
    struct account_view view;
    enum status status = wait_for(reader, query->at_least_seq);
    if (status == STATUS_OK) {
        status = find_user(reader, query->account, &seq, &view);
    }
    if (status != STATUS_OK) {
        return status;
    }
    page.user_id = view.user_id;
    open_page(reader, seq, "rows");
    if (view.user_id != 0) {
        /* A page that ends within a seq goes on in the week of that very seq. */
        const int64_t below = page.before_seq == INT64_MAX ? INT64_MAX : page.before_seq + 1;
        status = each_week(reader, READ_WEEKS_DOWN, below, &page, ledger_of_week);
    }
    if (status != STATUS_OK && status != STATUS_NOT_FOUND) {
        return status;
    }
    return end_page(reader, &page, json);
}

/* --- Columns and configurations
 * ---------------------------------------------------------------------- */

/* The stored row has the shape of the interface already; its ticks are stored as they are shown. */
static void column_of_row(struct json *json, struct sqlite3_stmt *row)
{
    static const char *const names[] = {"seq",  "column", "band_e4", "state",  "reason", "price",
                                        "band", "ticks",  "bets",    "stakes", "paid"};
    json_open(json, '{');
    for (int i = 0; i < (int)(sizeof(names) / sizeof(names[0])); i++) {
        json_key(json, names[i]);
        switch (sqlite_db_type(row, i)) {
        case SQLITE_DB_INTEGER:
            json_i64(json, sqlite_db_i64(row, i));
            break;
        case SQLITE_DB_TEXT: {
            size_t length;
            const char *text = sqlite_db_text(row, i, &length);
            if (text[0] == '[') {
                json_raw(json, text, length);
            } else {
                json_text(json, text, length);
            }
            break;
        }
        case SQLITE_DB_NULL:
        case SQLITE_DB_BYTES:
            json_null(json);
            break;
        }
    }
    json_close(json, '}');
}

static enum status column_of_week(struct sqlite_reader *reader, void *context,
                                  struct week_slot *week)
{
    const int64_t *column_ms = context;
    struct sqlite3_stmt *row;
    enum status status = week_read(reader, week, READ_COLUMN, &row);
    if (status != STATUS_OK) {
        return status;
    }
    sqlite_db_bind_i64(row, 1, *column_ms);
    status = note(reader, &week->db, sqlite_db_step(&week->db, row));
    if (status == STATUS_OK) {
        json_reset(&reader->scratch);
        column_of_row(&reader->scratch, row);
    }
    sqlite_db_reset(row);
    return status == STATUS_END ? STATUS_NOT_FOUND : status;
}

enum status sqlite_reader_column(struct sqlite_reader *reader, int64_t column_ms,
                                 uint64_t at_least_seq, struct json *json)
{
    enum status status = wait_for(reader, at_least_seq);
    if (status != STATUS_OK) {
        return status;
    }
    if (column_ms < 0) {
        return STATUS_NOT_FOUND;
    }
    /* It settled at T or later: its row is in T's week or a later one. */
    status = each_week(reader, READ_WEEKS_UP, week_start_ms(column_ms), &column_ms, column_of_week);
    return status == STATUS_OK ? deliver(reader, json) : status;
}

enum status sqlite_reader_config(struct sqlite_reader *reader, uint64_t epoch,
                                 uint64_t at_least_seq, struct json *json)
{
    enum status status = wait_for(reader, at_least_seq);
    struct sqlite3_stmt *row;
    if (status == STATUS_OK) {
        status = main_read(reader, READ_CONFIG, &row);
    }
    if (status != STATUS_OK) {
        return status;
    }
    if (epoch > INT64_MAX) {
        return STATUS_NOT_FOUND;
    }
    sqlite_db_bind_i64(row, 1, (int64_t)epoch);
    status = note(reader, &reader->main, sqlite_db_step(&reader->main, row));
    if (status == STATUS_OK) {
        size_t length;
        const char *body = sqlite_db_text(row, 0, &length);
        json_raw(json, body, length);
    }
    sqlite_db_reset(row);
    return status == STATUS_END ? STATUS_NOT_FOUND : status;
}
