/* The reader over six weeks of history: whatever is asked, the pages joined are the straight list
 * of what was told, in order, each once. Bets that settle a week later and an account that taps
 * before it is opened are in it. */
#include "story.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../random.h"
#include "projections/shapes.h"
#include "projections/sqlite_db.h"
#include "projections/sqlite_reader.h"
#include "projections/week.h"

enum {
    WEEKS = 6,
    BETS_A_WEEK = 60,
    USERS = 3, /* the third is opened in the third week */
    OPENED_LATE = 3,
    BETS_MAX = WEEKS * BETS_A_WEEK,
    COLUMNS_A_WEEK = 4,
    COLUMNS_MAX = WEEKS * COLUMNS_A_WEEK,
    ROWS_MAX = 4 * BETS_MAX,
    STAKE = 1000000
};

/* What was told, as straight lists in the order of time. */
struct told_row {
    int user; /* by its number from 1 */
    uint64_t seq;
    uint32_t line;
    int64_t at_ms;
    int64_t amount_micro;
    enum ref_type ref_type;
    uint64_t ref_id;
};

struct history {
    struct random random;
    char dir[64];
    struct sqlite_writer *writer;
    struct sqlite_reader *reader;
    uint64_t seq;
    int64_t time_ms;
    uint32_t line;
    struct outbox *outbox;
    struct event_sink sink;
    int64_t available[USERS + 1];
    int64_t held[USERS + 1];
    bool is_open[USERS + 1];
    struct bet bets[BETS_MAX];
    int users_of_bets[BETS_MAX];
    size_t bet_count;
    struct told_row rows[ROWS_MAX];
    size_t row_count;
    struct column_result columns[COLUMNS_MAX];
    uint64_t column_seqs[COLUMNS_MAX];
    size_t column_count;
};

static void account_of(int user, uint8_t account[ADDRESS_BYTES])
{
    memset(account, 0x10 + user, ADDRESS_BYTES);
}

static void begin(struct history *history, int64_t after_ms)
{
    history->outbox = outbox_new();
    assert_non_null(history->outbox);
    history->sink = outbox_sink(history->outbox);
    history->seq += 1;
    history->time_ms += after_ms;
    history->line = 0;
    outbox_begin_record(history->outbox, history->seq, history->time_ms);
}

static void end(struct history *history)
{
    uint8_t digest[HASH_BYTES];
    memset(digest, (int)history->seq, HASH_BYTES);
    assert_int_equal(outbox_seal(history->outbox, digest), STATUS_OK);
    const enum status status = sqlite_writer_apply(history->writer, history->outbox);
    if (status != STATUS_OK) {
        print_error("%s\n", sqlite_writer_error(history->writer));
    }
    assert_int_equal(status, STATUS_OK);
    outbox_release(history->outbox);
}

static void post(struct history *history, enum ledger_account where, int user, int64_t amount,
                 enum ref_type type, uint64_t id)
{
    uint8_t account[ADDRESS_BYTES];
    account_of(user, account);
    struct posting posting = {.line = history->line,
                              .account = where,
                              .amount_micro = amount,
                              .ref_type = type,
                              .ref_id = id};
    if (where == LEDGER_AVAILABLE || where == LEDGER_HELD) {
        int64_t *figure = where == LEDGER_HELD ? &history->held[user] : &history->available[user];
        *figure += amount;
        posting.user_id = (uint64_t)user;
        posting.address = account;
        posting.balance_after_micro = *figure;
    }
    if (where == LEDGER_AVAILABLE) {
        history->rows[history->row_count] = (struct told_row){.user = user,
                                                              .seq = history->seq,
                                                              .line = history->line,
                                                              .at_ms = history->time_ms,
                                                              .amount_micro = amount,
                                                              .ref_type = type,
                                                              .ref_id = id};
        history->row_count += 1;
    }
    history->line += 1;
    history->sink.posting(history->sink.context, &posting);
}

static void tell_bet(struct history *history, enum event_kind kind, const struct bet *bet)
{
    history->sink.event(history->sink.context, &(struct event){.kind = kind, .of.bet = bet});
}

static void open_user(struct history *history, int user)
{
    uint8_t account[ADDRESS_BYTES];
    account_of(user, account);
    begin(history, 1000);
    history->sink.event(
        history->sink.context,
        &(struct event){.kind = EVENT_ACCOUNT_OPENED, .of.account = {(uint64_t)user, account}});
    post(history, LEDGER_EXTERNAL, 0, -1000 * (int64_t)STAKE, REF_DEPOSIT, 0);
    post(history, LEDGER_AVAILABLE, user, 1000 * (int64_t)STAKE, REF_DEPOSIT, 0);
    history->is_open[user] = true;
    end(history);
}

/* A tap: accepted, or refused when its account is not open yet. */
static void place(struct history *history, int user)
{
    begin(history, 500 + (int64_t)random_below(&history->random, 3000));
    struct bet *bet = &history->bets[history->bet_count];
    history->users_of_bets[history->bet_count] = user;
    history->bet_count += 1;
    *bet = (struct bet){.bet = history->seq,
                        .user_id = history->is_open[user] ? (uint64_t)user : 0,
                        .column_ms = history->time_ms + 20000,
                        .stake_micro = STAKE,
                        .min_mult_centi = 105,
                        .config = 1};
    account_of(user, bet->account);
    memcpy(bet->nonce, &history->seq, sizeof(history->seq));
    if (!history->is_open[user]) {
        bet->state = BET_REJECTED;
        bet->reason = REASON_INSUFFICIENT_FUNDS;
        bet->priced_at_ms = history->time_ms;
        bet->priced_seq = history->seq;
        tell_bet(history, EVENT_BET_REJECTED, bet);
        end(history);
        return;
    }
    bet->state = BET_ACCEPTED;
    bet->accepted_at_ms = history->time_ms;
    bet->accepted_seq = history->seq;
    post(history, LEDGER_AVAILABLE, user, -STAKE, REF_BET_HOLD, bet->bet);
    post(history, LEDGER_HELD, user, STAKE, REF_BET_HOLD, bet->bet);
    tell_bet(history, EVENT_BET_ACCEPTED, bet);
    end(history);
}

/* Ends an accepted bet, with its money back or not at all; its row is in the week it was placed. */
static void settle(struct history *history, size_t place_of_bet, int64_t after_ms)
{
    struct bet *bet = &history->bets[place_of_bet];
    if (bet->state != BET_ACCEPTED) {
        return;
    }
    const int user = history->users_of_bets[place_of_bet];
    begin(history, after_ms);
    bet->state = BET_REJECTED;
    bet->reason = REASON_PRICE_MOVED;
    bet->priced_at_ms = history->time_ms;
    bet->priced_seq = history->seq;
    post(history, LEDGER_HELD, user, -STAKE, REF_BET_RELEASE, bet->bet);
    post(history, LEDGER_AVAILABLE, user, STAKE, REF_BET_RELEASE, bet->bet);
    tell_bet(history, EVENT_BET_REJECTED, bet);
    end(history);
}

/* The column that closes at column_ms is settled after_ms from now, every other one as void. */
static void settle_column(struct history *history, int64_t column_ms, int64_t after_ms)
{
    begin(history, after_ms);
    struct column_result *column = &history->columns[history->column_count];
    history->column_seqs[history->column_count] = history->seq;
    const bool is_void = history->column_count % 2 == 1;
    history->column_count += 1;
    *column = (struct column_result){.column_ms = column_ms,
                                     .band_e4 = 200000,
                                     .is_void = is_void,
                                     .reason = is_void ? REASON_DOWN : REASON_NONE,
                                     .price_e4 = is_void ? 0 : 971637341 + column_ms % 1000,
                                     .band = is_void ? 0 : 4858,
                                     .bets = (int64_t)history->column_count,
                                     .stakes_micro = STAKE};
    history->sink.event(history->sink.context,
                        &(struct event){.kind = EVENT_COLUMN_SETTLED, .of.column = column});
    end(history);
}

static void tell_week(struct history *history, int64_t week)
{
    const size_t first = history->bet_count;
    const int64_t start_ms = STORY_BORDER_MS + week * WEEK_MS;
    history->time_ms = start_ms + 10;
    /* One that closed in the last second of the week before, and one at the border itself. */
    settle_column(history, start_ms - 5000, 1);
    settle_column(history, start_ms, 1);
    for (size_t i = first; week > 0 && i > first - BETS_A_WEEK / 2; i--) {
        settle(history, i - 1, 1); /* of the week before */
    }
    if (week == 2) {
        open_user(history, OPENED_LATE);
    }
    for (size_t i = 0; i < BETS_A_WEEK; i++) {
        place(history, 1 + (int)random_below(&history->random, USERS));
        if (i > 5 && random_below(&history->random, 3) == 0) {
            settle(history, first + random_below(&history->random, BETS_A_WEEK / 2) % i, 100);
        }
    }
    /* One in the middle, and one that the engine was down for until the last moment of the week. */
    settle_column(history, start_ms + WEEK_MS / 2, WEEK_MS / 2);
    settle_column(history, start_ms + WEEK_MS / 2 + 5000,
                  start_ms + WEEK_MS - 1 - history->time_ms);
}

static void make_history(struct history *history)
{
    *history = (struct history){.random = random_start("reader_weeks", 20261201),
                                .time_ms = STORY_BORDER_MS};
    static const struct config config = {.market = "BTC-USD"};
    struct sqlite_writer_report report;
    story_directory(history->dir);
    history->writer = story_writer(history->dir, &report);
    begin(history, 1);
    history->sink.event(
        history->sink.context,
        &(struct event){.kind = EVENT_CONFIG, .of.config = {.epoch = 1, .config = &config}});
    end(history);
    open_user(history, 1);
    open_user(history, 2);
    for (int64_t week = 0; week < WEEKS; week++) {
        tell_week(history, week);
    }
    const struct sqlite_reader_options options = {0};
    assert_int_equal(sqlite_reader_open(history->dir, &options, &history->reader), STATUS_OK);
}

static void free_history(struct history *history)
{
    sqlite_reader_close(history->reader);
    sqlite_writer_close(history->writer);
    story_remove_directory(history->dir);
    free(history);
}

/* The number after `name` in the text, which moves behind it; false when it is not there. */
static bool next_number(const char **text, const char *name, int64_t *number)
{
    char key[32];
    snprintf(key, sizeof(key), "\"%s\":\"", name);
    const char *at = strstr(*text, key);
    if (at == NULL) {
        return false;
    }
    *text = at + strlen(key);
    assert_int_equal(sscanf(*text, "%" SCNd64, number), 1);
    return true;
}

/* Follows `next` from the first page on; the limits are random, so pages end anywhere. */
static bool turn_page(struct history *history, struct sqlite_reader_query *query, bool bets,
                      struct json *json)
{
    query->limit = 1 + (uint32_t)random_below(&history->random, 23);
    json_reset(json);
    const enum status status = bets ? sqlite_reader_bets(history->reader, query, json)
                                    : sqlite_reader_ledger(history->reader, query, json);
    assert_int_equal(status, STATUS_OK);
    const char *text = json->text;
    int64_t next = 0;
    const bool more = next_number(&text, "next", &next);
    query->before = (uint64_t)next;
    return more;
}

/* Proves that the pages of an account's bets are the straight list from the newest to the first,
 * over all weeks, of all states and of one. */
static void pages_of_bets_run_through_all_weeks(void **state)
{
    (void)state;
    struct history *history = malloc(sizeof(*history));
    make_history(history);
    struct json json = {0};
    static const enum bet_state states[] = {0, BET_ACCEPTED, BET_REJECTED, BET_WON};
    for (int user = 1; user <= USERS; user++) {
        for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++) {
            uint8_t account[ADDRESS_BYTES];
            account_of(user, account);
            struct sqlite_reader_query query = {.account = account, .state = states[i]};
            size_t at = history->bet_count;
            size_t seen = 0;
            bool more = true;
            while (more) {
                more = turn_page(history, &query, true, &json);
                const char *text = json.text;
                int64_t id;
                while (next_number(&text, "bet", &id)) {
                    do {
                        assert_true(at > 0);
                        at -= 1;
                    } while (history->users_of_bets[at] != user ||
                             (states[i] != 0 && history->bets[at].state != states[i]));
                    assert_int_equal(id, history->bets[at].bet);
                    seen += 1;
                }
            }
            while (at > 0) { /* none is left out */
                at -= 1;
                assert_false(history->users_of_bets[at] == user &&
                             (states[i] == 0 || history->bets[at].state == states[i]));
            }
            assert_true(seen > 20 || (states[i] != 0 && states[i] != BET_REJECTED));
        }
    }
    json_text_free(&json);
    free_history(history);
}

static bool row_fits(const struct told_row *row, int user, const struct sqlite_reader_query *query)
{
    return row->user == user && row->at_ms >= query->from_ms &&
           (query->to_ms == 0 || row->at_ms < query->to_ms) &&
           (query->ref_type == NULL || strcmp(query->ref_type, ref_type_text(row->ref_type)) == 0);
}

/* Proves the same of ledger rows, in any range of time and of one type; OPENING rows, of which each
 * week but the first has some, are in none. */
static void pages_of_the_ledger_run_through_all_weeks(void **state)
{
    (void)state;
    struct history *history = malloc(sizeof(*history));
    make_history(history);
    struct json json = {0};
    static const char *const types[] = {NULL, "BET_HOLD", "BET_RELEASE", "DEPOSIT", "OPENING"};
    for (int round = 0; round < 60; round++) {
        const int user = 1 + round % USERS;
        uint8_t account[ADDRESS_BYTES];
        account_of(user, account);
        struct sqlite_reader_query query = {.account = account,
                                            .ref_type = types[(round / USERS) % 5]};
        if (round >= 5 * USERS) {
            query.from_ms = STORY_BORDER_MS +
                            (int64_t)random_below(&history->random, WEEKS * (uint64_t)WEEK_MS);
            query.to_ms =
                query.from_ms + (int64_t)random_below(&history->random, 3 * (uint64_t)WEEK_MS);
        }
        size_t at = history->row_count;
        bool more = true;
        while (more) {
            more = turn_page(history, &query, false, &json);
            const char *text = strstr(json.text, "\"rows\"");
            int64_t seq;
            int64_t line;
            int64_t amount;
            while (next_number(&text, "seq", &seq)) {
                assert_true(next_number(&text, "line", &line));
                assert_true(next_number(&text, "amount", &amount));
                do {
                    assert_true(at > 0);
                    at -= 1;
                } while (!row_fits(&history->rows[at], user, &query));
                assert_int_equal(seq, history->rows[at].seq);
                assert_int_equal(line, history->rows[at].line);
                assert_int_equal(amount, history->rows[at].amount_micro);
            }
        }
        while (at > 0) {
            at -= 1;
            assert_false(row_fits(&history->rows[at], user, &query));
        }
    }
    json_text_free(&json);
    free_history(history);
}

/* Proves that every bet is found by its nonce and by its id, in whatever week it lies and whether
 * or not its account was open then; and every row of the ledger by its reference. */
static void each_bet_is_found_in_its_week(void **state)
{
    (void)state;
    struct history *history = malloc(sizeof(*history));
    make_history(history);
    struct json json = {0};
    struct json by_nonce = {0};
    for (size_t i = 0; i < history->bet_count; i++) {
        const struct bet *bet = &history->bets[i];
        json_reset(&json);
        json_reset(&by_nonce);
        assert_int_equal(sqlite_reader_bet(history->reader, bet->bet, 0, &json), STATUS_OK);
        assert_int_equal(
            sqlite_reader_bet_by_nonce(history->reader, bet->account, bet->nonce, 0, &by_nonce),
            STATUS_OK);
        assert_string_equal(by_nonce.text, json.text);
        char id[24];
        snprintf(id, sizeof(id), "%" PRIu64, bet->bet);
        struct sqlite_reader_query query = {.account = bet->account, .ref_id = id};
        json_reset(&json);
        assert_int_equal(sqlite_reader_ledger(history->reader, &query, &json), STATUS_OK);
        const char *text = strstr(json.text, "\"rows\"");
        size_t rows = 0;
        int64_t amount;
        while (next_number(&text, "amount", &amount)) {
            rows += 1;
        }
        const size_t expected = bet->accepted_seq == 0 ? 0 : (bet->state == BET_ACCEPTED ? 1 : 2);
        assert_int_equal(rows, expected);
    }
    json_text_free(&json);
    json_text_free(&by_nonce);
    free_history(history);
}

/* Proves that every column is found by its close time with its own figures, whether it was settled
 * in its own week or in the one after, and that one which never was is not found. */
static void each_column_is_found_by_its_time(void **state)
{
    (void)state;
    struct history *history = malloc(sizeof(*history));
    make_history(history);
    assert_int_equal(history->column_count, COLUMNS_MAX);
    struct json json = {0};
    struct json expected = {0};
    for (size_t i = 0; i < COLUMNS_MAX; i++) {
        const struct column_result *column = &history->columns[i];
        json_reset(&json);
        json_reset(&expected);
        assert_int_equal(sqlite_reader_column(history->reader, column->column_ms, 0, &json),
                         STATUS_OK);
        shapes_column(&expected, history->column_seqs[i], column);
        assert_string_equal(json.text, expected.text);
        for (int64_t beside = -1; beside <= 1; beside += 2) {
            json_reset(&json);
            assert_int_equal(
                sqlite_reader_column(history->reader, column->column_ms + beside, 0, &json),
                STATUS_NOT_FOUND);
        }
    }
    json_text_free(&json);
    json_text_free(&expected);
    free_history(history);
}

/* Proves that a stranger's SELECT by market and column finds each bet in the file of the week that
 * it was placed in, once, and that SQLite answers it from the index alone. */
static void each_bet_is_found_by_its_column(void **state)
{
    (void)state;
    struct history *history = malloc(sizeof(*history));
    make_history(history);
    for (size_t i = 0; i < history->bet_count; i++) {
        const struct bet *bet = &history->bets[i];
        int64_t found = 0;
        for (int64_t week = 0; week < WEEKS; week++) {
            char name[WEEK_FILE_BYTES];
            char sql[256];
            const int64_t start_ms = STORY_BORDER_MS + week * WEEK_MS;
            week_file_name(start_ms, name);
            snprintf(sql, sizeof(sql),
                     "SELECT count(*) FROM bets WHERE market = 'BTC-USD' AND column_ms = %" PRId64
                     " AND price_lo <= 0 AND price_hi >= 0 AND bet = %" PRIu64,
                     bet->column_ms, bet->bet);
            const int64_t here = story_query(history->dir, name, sql);
            const bool own =
                bet->column_ms - 20000 >= start_ms && bet->column_ms - 20000 < start_ms + WEEK_MS;
            assert_int_equal(here, own ? 1 : 0);
            found += here;
        }
        assert_int_equal(found, 1);
    }
    struct sqlite_db db;
    struct sqlite3_stmt *row;
    assert_int_equal(sqlite_db_open(&db, history->dir, STORY_WEEK_2, SQLITE_DB_READ), STATUS_OK);
    assert_int_equal(
        sqlite_db_prepare(&db,
                          "EXPLAIN QUERY PLAN SELECT price_lo, price_hi FROM bets WHERE market ="
                          " 'BTC-USD' AND column_ms = 5000 AND price_lo <= 7 AND price_hi > 7",
                          &row),
        STATUS_OK);
    assert_int_equal(sqlite_db_step(&db, row), STATUS_OK);
    assert_non_null(strstr(sqlite_db_text(row, 3, NULL), "COVERING INDEX bets_by_cell (market=?"));
    sqlite_db_finalize(row);
    sqlite_db_close(&db);
    free_history(history);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_column_is_found_by_its_time),
        cmocka_unit_test(each_bet_is_found_by_its_column),
        cmocka_unit_test(pages_of_bets_run_through_all_weeks),
        cmocka_unit_test(pages_of_the_ledger_run_through_all_weeks),
        cmocka_unit_test(each_bet_is_found_in_its_week),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
