#include "projections/sqlite_reader.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "projections/shapes.h"
#include "projections/sqlite_bet_row.h"
#include "projections/sqlite_reads.h"
#include "projections/week.h"

struct sqlite_reader {
    struct sqlite_reads reads;
    struct sqlite_reader_options options;
    struct json scratch; /* an answer in the making: nothing half goes out */
};

enum status sqlite_reader_open(const char *dir, const struct sqlite_reader_options *options,
                               struct sqlite_reader **reader)
{
    struct sqlite_reader *made = calloc(1, sizeof(*made));
    if (made == NULL) {
        return STATUS_NO_MEMORY;
    }
    sqlite_reads_init(&made->reads, dir);
    made->options = *options;
    if (made->options.wait_ms == 0) {
        made->options.wait_ms = SQLITE_READER_WAIT_MS;
    }
    *reader = made;
    return STATUS_OK;
}

void sqlite_reader_close(struct sqlite_reader *reader)
{
    if (reader == NULL) {
        return;
    }
    sqlite_reads_close(&reader->reads);
    json_text_free(&reader->scratch);
    free(reader);
}

const char *sqlite_reader_error(const struct sqlite_reader *reader)
{
    return reader->reads.error;
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
        snprintf(reader->reads.error, sizeof(reader->reads.error), "%s",
                 status_text(STATUS_NO_MEMORY));
        return STATUS_NO_MEMORY;
    }
    json_raw(json, reader->scratch.text, reader->scratch.length);
    return json->failed ? STATUS_NO_MEMORY : STATUS_OK;
}

/* The figures of an account and their seq; zeros when it is unknown or nothing is there yet. */
static enum status find_user(struct sqlite_reader *reader, const uint8_t *account, uint64_t *seq,
                             struct account_view *view)
{
    *seq = 0;
    *view = (struct account_view){0};
    struct sqlite3_stmt *row;
    enum status status = sqlite_reads_main(&reader->reads, READ_USER, &row);
    if (status != STATUS_OK) {
        return status == STATUS_NOT_FOUND ? STATUS_OK : status;
    }
    sqlite_db_bind_bytes(row, 1, account, ADDRESS_BYTES);
    status = sqlite_db_step(&reader->reads.main, row);
    if (status == STATUS_OK) {
        *seq = (uint64_t)sqlite_db_i64(row, 0);
        view->user_id = (uint64_t)sqlite_db_i64(row, 1);
        view->available_micro = sqlite_db_i64(row, 2);
        view->held_micro = sqlite_db_i64(row, 3);
        view->open_bets = (uint32_t)sqlite_db_i64(row, 4);
    }
    sqlite_db_reset(row);
    return sqlite_reads_note(&reader->reads, &reader->reads.main,
                             status == STATUS_END ? STATUS_DAMAGED : status);
}

/* --- Bets
 * -------------------------------------------------------------------------------------------- */

/* What one bet is looked for by, and what was found. */
struct bet_search {
    struct sqlite_reader *reader;
    uint64_t id; /* 0: by nonce */
    const uint8_t *account;
    uint64_t user_id; /* its own, 0: it has none */
    const uint8_t *nonce;
    struct bet *bet;
    char *market;
};

static enum status search_week(void *context, struct sqlite_reads_week *week)
{
    const struct bet_search *search = context;
    struct sqlite_reader *reader = search->reader;
    struct sqlite3_stmt *row;
    enum status status =
        sqlite_reads_week(&reader->reads, week, search->id != 0 ? READ_BET : READ_NONCE, &row);
    if (status != STATUS_OK) {
        return status;
    }
    if (search->id != 0) {
        sqlite_db_bind_i64(row, 1, (int64_t)search->id);
    } else {
        sqlite_db_bind_bytes(row, 1, search->account, ADDRESS_BYTES);
        sqlite_db_bind_bytes(row, 2, search->nonce, NONCE_BYTES);
        sqlite_db_bind_i64(row, 5, (int64_t)search->user_id);
    }
    status = sqlite_reads_note(&reader->reads, &week->db, sqlite_db_step(&week->db, row));
    if (status == STATUS_OK && !sqlite_bet_row_read(row, search->bet, search->market)) {
        status = sqlite_reads_note(&reader->reads, &week->db, STATUS_DAMAGED);
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
    struct bet_search search = {.reader = reader, .id = id, .bet = bet, .market = market};
    return sqlite_reads_each_week(&reader->reads, READ_WEEK_OF, (int64_t)id, &search, search_week);
}

enum status sqlite_reader_find_nonce(struct sqlite_reader *reader,
                                     const uint8_t account[ADDRESS_BYTES],
                                     const uint8_t nonce[NONCE_BYTES], uint64_t at_least_seq,
                                     struct bet *bet, char market[LIMIT_MARKET_BYTES + 1])
{
    enum status status = wait_for(reader, at_least_seq);
    uint64_t seq;
    struct account_view view;
    if (status == STATUS_OK) {
        status = find_user(reader, account, &seq, &view);
    }
    if (status != STATUS_OK) {
        return status;
    }
    struct bet_search search = {.reader = reader,
                                .account = account,
                                .user_id = view.user_id,
                                .nonce = nonce,
                                .bet = bet,
                                .market = market};
    return sqlite_reads_each_week(&reader->reads, READ_WEEKS_DOWN, INT64_MAX, &search, search_week);
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
    struct sqlite_reader *reader;
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

static struct page begin_page(struct sqlite_reader *reader, const struct sqlite_reader_query *query)
{
    struct page page = {
        .reader = reader, .query = query, .limit = query->limit, .before_seq = INT64_MAX};
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
static enum status bets_of_week(void *context, struct sqlite_reads_week *week)
{
    struct page *page = context;
    struct sqlite_reader *reader = page->reader;
    const enum bet_state state = page->query->state;
    const bool open = state == BET_ACCEPTED || state == BET_CONFIRMED;
    struct sqlite3_stmt *rows;
    enum status status = sqlite_reads_week(
        &reader->reads, week,
        (int)state == 0 ? READ_BETS : (open ? READ_BETS_OPEN : READ_BETS_STATE), &rows);
    if (status != STATUS_OK) {
        return status;
    }
    sqlite_db_bind_bytes(rows, 1, page->query->account, ADDRESS_BYTES);
    sqlite_db_bind_i64(rows, 2, page->before_seq);
    sqlite_db_bind_i64(rows, 3, (int64_t)(page->limit - page->rows) + 1);
    sqlite_db_bind_i64(rows, 5, (int64_t)page->user_id);
    if ((int)state != 0) {
        const char *text = bet_state_text(state);
        sqlite_db_bind_text(rows, 4, text, strlen(text));
    }
    while ((status = sqlite_db_step(&week->db, rows)) == STATUS_OK) {
        struct bet bet;
        char market[LIMIT_MARKET_BYTES + 1];
        if (!sqlite_bet_row_read(rows, &bet, market)) {
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
    return status == STATUS_END ? STATUS_NOT_FOUND
                                : sqlite_reads_note(&reader->reads, &week->db, status);
}

enum status sqlite_reader_bets(struct sqlite_reader *reader,
                               const struct sqlite_reader_query *query, struct json *json)
{
    struct page page = begin_page(reader, query);
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
    open_page(reader, seq, "bets");
    status = sqlite_reads_each_week(&reader->reads, READ_WEEKS_DOWN, page.before_seq, &page,
                                    bets_of_week);
    if (status != STATUS_OK && status != STATUS_NOT_FOUND) {
        return status;
    }
    return end_page(reader, &page, json);
}

static enum sqlite_week_read ledger_statement(const struct sqlite_reader_query *query)
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

static enum status ledger_of_week(void *context, struct sqlite_reads_week *week)
{
    struct page *page = context;
    struct sqlite_reader *reader = page->reader;
    const struct sqlite_reader_query *query = page->query;
    if (query->to_ms != 0 && week->start_ms >= query->to_ms) {
        return STATUS_NOT_FOUND;
    }
    if (week->start_ms + WEEK_MS <= query->from_ms) {
        return STATUS_OK; /* this week and all before it are too old */
    }
    struct sqlite3_stmt *rows;
    enum status status = sqlite_reads_week(&reader->reads, week, ledger_statement(query), &rows);
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
    return status == STATUS_END ? STATUS_NOT_FOUND
                                : sqlite_reads_note(&reader->reads, &week->db, status);
}

enum status sqlite_reader_ledger(struct sqlite_reader *reader,
                                 const struct sqlite_reader_query *query, struct json *json)
{
    struct page page = begin_page(reader, query);
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
        status =
            sqlite_reads_each_week(&reader->reads, READ_WEEKS_DOWN, below, &page, ledger_of_week);
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

struct column_search {
    struct sqlite_reader *reader;
    int64_t column_ms;
};

static enum status column_of_week(void *context, struct sqlite_reads_week *week)
{
    const struct column_search *search = context;
    struct sqlite_reader *reader = search->reader;
    struct sqlite3_stmt *row;
    enum status status = sqlite_reads_week(&reader->reads, week, READ_COLUMN, &row);
    if (status != STATUS_OK) {
        return status;
    }
    sqlite_db_bind_i64(row, 1, search->column_ms);
    status = sqlite_reads_note(&reader->reads, &week->db, sqlite_db_step(&week->db, row));
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
    struct column_search search = {.reader = reader, .column_ms = column_ms};
    status = sqlite_reads_each_week(&reader->reads, READ_WEEKS_UP, week_start_ms(column_ms),
                                    &search, column_of_week);
    return status == STATUS_OK ? deliver(reader, json) : status;
}

enum status sqlite_reader_config(struct sqlite_reader *reader, uint64_t epoch,
                                 uint64_t at_least_seq, struct json *json)
{
    enum status status = wait_for(reader, at_least_seq);
    struct sqlite3_stmt *row;
    if (status == STATUS_OK) {
        status = sqlite_reads_main(&reader->reads, READ_CONFIG, &row);
    }
    if (status != STATUS_OK) {
        return status;
    }
    if (epoch > INT64_MAX) {
        return STATUS_NOT_FOUND;
    }
    sqlite_db_bind_i64(row, 1, (int64_t)epoch);
    status = sqlite_reads_note(&reader->reads, &reader->reads.main,
                               sqlite_db_step(&reader->reads.main, row));
    if (status == STATUS_OK) {
        size_t length;
        const char *body = sqlite_db_text(row, 0, &length);
        json_raw(json, body, length);
    }
    sqlite_db_reset(row);
    return status == STATUS_END ? STATUS_NOT_FOUND : status;
}
