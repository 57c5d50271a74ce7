#include "story.h"

#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include "projections/sqlite_reader.h"

#define ACCOUNT_1 "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"
#define ACCOUNT_2 "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359"

/* A directory with the whole history, and a reader on it. */
struct library {
    char dir[64];
    struct sqlite_reader *reader;
    struct json json;
};

static int open_library(void **state)
{
    static struct library library;
    library = (struct library){0};
    story_directory(library.dir);
    story_bring_up(library.dir, 4);
    const struct sqlite_reader_options options = {0};
    assert_int_equal(sqlite_reader_open(library.dir, &options, &library.reader), STATUS_OK);
    *state = &library;
    return 0;
}

static int close_library(void **state)
{
    struct library *library = *state;
    sqlite_reader_close(library->reader);
    json_text_free(&library->json);
    story_remove_directory(library->dir);
    return 0;
}

static void assert_answer(struct library *library, enum status status, const char *expected)
{
    if (status != STATUS_OK) {
        print_error("%s: %s\n", status_text(status), sqlite_reader_error(library->reader));
    }
    assert_int_equal(status, STATUS_OK);
    assert_string_equal(library->json.text, expected);
    json_reset(&library->json);
}

#define BET_6                                                                                      \
    "{\"bet\":\"6\",\"seq\":\"11\",\"account\":\"" ACCOUNT_1 "\",\"market\":\"BTC-USD\","          \
    "\"column\":\"1795388415000\",\"band\":\"4861\",\"lo\":\"972200000\",\"hi\":\"972400000\","    \
    "\"stake\":\"1500000\",\"min_mult\":\"105\",\"config\":\"1\","                                 \
    "\"nonce\":\"06060606060606060606060606060606\",\"session\":null,\"state\":\"won\","           \
    "\"reason\":null,\"mult\":\"210\",\"payout\":\"3150000\",\"paid\":\"3150000\","                \
    "\"accepted_at\":\"1795388405000\",\"accepted_seq\":\"6\","                                    \
    "\"priced_at\":\"1795388405600\",\"priced_seq\":\"7\",\"tick\":\"1795388405600\","             \
    "\"price\":\"972301234\",\"settled_at\":\"1795388415000\",\"settled_seq\":\"11\","             \
    "\"settle_price\":\"972305678\"}"

#define BET_8                                                                                      \
    "{\"bet\":\"8\",\"seq\":\"8\",\"account\":\"" ACCOUNT_2 "\",\"market\":\"BTC-USD\","           \
    "\"column\":\"1795388410000\",\"band\":\"4861\",\"lo\":\"972200000\",\"hi\":\"972400000\","    \
    "\"stake\":\"1000000\",\"min_mult\":\"105\",\"config\":\"1\","                                 \
    "\"nonce\":\"08080808080808080808080808080808\",\"session\":null,\"state\":\"rejected\","      \
    "\"reason\":\"TOO_LATE\",\"mult\":null,\"payout\":null,\"paid\":\"0\","                        \
    "\"accepted_at\":null,\"accepted_seq\":null,\"priced_at\":\"1795388406000\","                  \
    "\"priced_seq\":\"8\",\"tick\":null,\"price\":null,\"settled_at\":null,"                       \
    "\"settled_seq\":null,\"settle_price\":null}"

#define BET_12                                                                                     \
    "{\"bet\":\"12\",\"seq\":\"16\",\"account\":\"" ACCOUNT_1 "\",\"market\":\"BTC-USD\","         \
    "\"column\":\"1795392005000\",\"band\":\"4861\",\"lo\":\"972200000\",\"hi\":\"972400000\","    \
    "\"stake\":\"2000000\",\"min_mult\":\"105\",\"config\":\"1\","                                 \
    "\"nonce\":\"0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c\",\"session\":null,\"state\":\"void\","          \
    "\"reason\":\"SOURCE_JUMP\",\"mult\":\"300\",\"payout\":\"6000000\",\"paid\":\"2000000\","     \
    "\"accepted_at\":\"1795391990000\",\"accepted_seq\":\"12\","                                   \
    "\"priced_at\":\"1795391990600\",\"priced_seq\":\"13\",\"tick\":\"1795391990600\","            \
    "\"price\":\"972301234\",\"settled_at\":\"1795392005000\",\"settled_seq\":\"16\","             \
    "\"settle_price\":null}"

#define BET_18                                                                                     \
    "{\"bet\":\"18\",\"seq\":\"18\",\"account\":\"" ACCOUNT_1 "\",\"market\":\"BTC-USD\","         \
    "\"column\":\"1795392020000\",\"band\":\"4861\",\"lo\":\"972200000\",\"hi\":\"972400000\","    \
    "\"stake\":\"500000\",\"min_mult\":\"105\",\"config\":\"1\","                                  \
    "\"nonce\":\"12121212121212121212121212121212\",\"session\":null,\"state\":\"confirmed\","     \
    "\"reason\":null,\"mult\":\"200\",\"payout\":\"1000000\",\"paid\":null,"                       \
    "\"accepted_at\":\"1795392007000\",\"accepted_seq\":\"18\","                                   \
    "\"priced_at\":\"1795392007000\",\"priced_seq\":\"18\",\"tick\":\"1795392007000\","            \
    "\"price\":\"972301234\",\"settled_at\":null,\"settled_seq\":null,\"settle_price\":null}"

/* Proves that a bet is found by its id in any week, with its whole life, and others are not. */
static void bets_by_id(void **state)
{
    struct library *library = *state;
    struct json *json = &library->json;
    assert_answer(library, sqlite_reader_bet(library->reader, 6, 0, json), BET_6);
    assert_answer(library, sqlite_reader_bet(library->reader, 8, 0, json), BET_8);
    assert_answer(library, sqlite_reader_bet(library->reader, 12, 0, json), BET_12);
    assert_answer(library, sqlite_reader_bet(library->reader, 18, 0, json), BET_18);
    static const uint64_t none[] = {0, 1, 7, 15, 19, 4000000000, INT64_MAX, UINT64_MAX};
    for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++) {
        assert_int_equal(sqlite_reader_bet(library->reader, none[i], 0, json), STATUS_NOT_FOUND);
        assert_int_equal(json->length, 0);
    }
}

/* Proves that (account, nonce) finds the bet, the latest one when a nonce was used again later. */
static void bets_by_nonce(void **state)
{
    struct library *library = *state;
    uint8_t nonce[NONCE_BYTES];
    memset(nonce, 12, sizeof(nonce));
    assert_answer(
        library,
        sqlite_reader_bet_by_nonce(library->reader, story_accounts[1], nonce, 0, &library->json),
        BET_12);
    assert_int_equal(
        sqlite_reader_bet_by_nonce(library->reader, story_accounts[2], nonce, 0, &library->json),
        STATUS_NOT_FOUND);
    story_execute(library->dir, STORY_WEEK_2,
                  "UPDATE bets SET nonce = x'0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c' WHERE bet = 18");
    struct bet bet;
    char market[LIMIT_MARKET_BYTES + 1];
    assert_int_equal(
        sqlite_reader_find_nonce(library->reader, story_accounts[1], nonce, 0, &bet, market),
        STATUS_OK);
    assert_int_equal(bet.bet, 18);
    assert_int_equal(bet.state, BET_CONFIRMED);
    assert_string_equal(market, "BTC-USD");
}

/* Proves the account's figures, and the zeros of an unknown one. */
static void accounts(void **state)
{
    struct library *library = *state;
    struct json *json = &library->json;
    assert_answer(library, sqlite_reader_account(library->reader, story_accounts[1], 0, json),
                  "{\"account\":\"" ACCOUNT_1 "\",\"seq\":\"20\",\"available\":\"11150000\","
                  "\"held\":\"0\",\"open_bets\":\"1\"}");
    assert_answer(library, sqlite_reader_account(library->reader, story_accounts[0], 0, json),
                  "{\"account\":\"0x0000000000000000000000000000000000000000\",\"seq\":\"20\","
                  "\"available\":\"0\",\"held\":\"0\",\"open_bets\":\"0\"}");
}

/* Proves that an account's bets come newest first over the weeks, and the filter by state. */
static void bets_of_an_account(void **state)
{
    struct library *library = *state;
    struct json *json = &library->json;
    struct sqlite_reader_query query = {.account = story_accounts[1]};
    assert_answer(library, sqlite_reader_bets(library->reader, &query, json),
                  "{\"seq\":\"20\",\"bets\":[" BET_18 "," BET_12 "," BET_6 "],\"next\":null}");
    query.state = BET_CONFIRMED;
    assert_answer(library, sqlite_reader_bets(library->reader, &query, json),
                  "{\"seq\":\"20\",\"bets\":[" BET_18 "],\"next\":null}");
    query.state = BET_WON;
    assert_answer(library, sqlite_reader_bets(library->reader, &query, json),
                  "{\"seq\":\"20\",\"bets\":[" BET_6 "],\"next\":null}");
    query.state = BET_ACCEPTED;
    assert_answer(library, sqlite_reader_bets(library->reader, &query, json),
                  "{\"seq\":\"20\",\"bets\":[],\"next\":null}");
    query.account = story_accounts[0];
    query.state = 0;
    assert_answer(library, sqlite_reader_bets(library->reader, &query, json),
                  "{\"seq\":\"20\",\"bets\":[],\"next\":null}");
}

/* Proves that pages of bets join without a gap over the week border, and that the last has no next.
 */
static void pages_of_bets(void **state)
{
    struct library *library = *state;
    struct json *json = &library->json;
    struct sqlite_reader_query query = {.account = story_accounts[1], .limit = 1};
    assert_answer(library, sqlite_reader_bets(library->reader, &query, json),
                  "{\"seq\":\"20\",\"bets\":[" BET_18 "],\"next\":\"18\"}");
    query.before = 18;
    assert_answer(library, sqlite_reader_bets(library->reader, &query, json),
                  "{\"seq\":\"20\",\"bets\":[" BET_12 "],\"next\":\"12\"}");
    query.before = 12;
    assert_answer(library, sqlite_reader_bets(library->reader, &query, json),
                  "{\"seq\":\"20\",\"bets\":[" BET_6 "],\"next\":null}");
    query.before = 6;
    assert_answer(library, sqlite_reader_bets(library->reader, &query, json),
                  "{\"seq\":\"20\",\"bets\":[],\"next\":null}");
}

#define ROW(seq, line, at, amount, after, type, id)                                                \
    "{\"seq\":\"" seq "\",\"line\":\"" line "\",\"at\":\"" at "\",\"amount\":\"" amount            \
    "\",\"balance_after\":\"" after "\",\"ref_type\":\"" type "\",\"ref_id\":\"" id "\"}"

#define ROW_17 ROW("17", "0", "1795392006000", "-1000000", "3000000", "WITHDRAWAL", "w1")
#define ROW_14 ROW("14", "0", "1795391999800", "-1000000", "4000000", "BET_HOLD", "14")
#define ROW_10 ROW("10", "1", "1795388407600", "1000000", "5000000", "BET_RELEASE", "9")
#define ROW_9  ROW("9", "0", "1795388407000", "-1000000", "4000000", "BET_HOLD", "9")
#define ROW_4  ROW("4", "1", "1795388403000", "5000000", "5000000", "DEPOSIT", "d2 \\\"x\\\"")

#define LEDGER(rows, next) "{\"seq\":\"20\",\"rows\":[" rows "],\"next\":" next "}"

/* Proves the ledger over the week border without its OPENING rows, and each filter. */
static void ledger_of_an_account(void **state)
{
    struct library *library = *state;
    struct json *json = &library->json;
    struct sqlite_reader_query query = {.account = story_accounts[2]};
    assert_answer(library, sqlite_reader_ledger(library->reader, &query, json),
                  LEDGER(ROW_17 "," ROW_14 "," ROW_10 "," ROW_9 "," ROW_4, "null"));
    query.ref_type = "BET_HOLD";
    assert_answer(library, sqlite_reader_ledger(library->reader, &query, json),
                  LEDGER(ROW_14 "," ROW_9, "null"));
    query.ref_id = "9";
    assert_answer(library, sqlite_reader_ledger(library->reader, &query, json),
                  LEDGER(ROW_9, "null"));
    query.ref_type = NULL;
    assert_answer(library, sqlite_reader_ledger(library->reader, &query, json),
                  LEDGER(ROW_10 "," ROW_9, "null"));
    query.ref_type = "OPENING";
    query.ref_id = NULL;
    assert_answer(library, sqlite_reader_ledger(library->reader, &query, json), LEDGER("", "null"));
    query = (struct sqlite_reader_query){.account = story_accounts[2],
                                         .from_ms = 1795388407000, /* at of row 9: in */
                                         .to_ms = 1795391999800};  /* at of row 14: out */
    assert_answer(library, sqlite_reader_ledger(library->reader, &query, json),
                  LEDGER(ROW_10 "," ROW_9, "null"));
    query = (struct sqlite_reader_query){.account = story_accounts[2], .from_ms = STORY_BORDER_MS};
    assert_answer(library, sqlite_reader_ledger(library->reader, &query, json),
                  LEDGER(ROW_17, "null"));
    query = (struct sqlite_reader_query){.account = story_accounts[0]};
    assert_answer(library, sqlite_reader_ledger(library->reader, &query, json), LEDGER("", "null"));
}

/* The `next` of an answer, 0 for null. */
static uint64_t next_of(const struct json *json)
{
    const char *at = strstr(json->text, "\"next\":\"");
    unsigned long long next = 0;
    if (at != NULL) {
        assert_int_equal(sscanf(at, "\"next\":\"%llu\"", &next), 1);
    }
    return next;
}

/* Proves that pages of the ledger join without a gap or a repetition, for every size of page. */
static void pages_of_the_ledger(void **state)
{
    struct library *library = *state;
    struct json *json = &library->json;
    static const char *const rows[] = {ROW_17, ROW_14, ROW_10, ROW_9, ROW_4};
    for (uint32_t limit = 1; limit <= 6; limit++) {
        struct sqlite_reader_query query = {.account = story_accounts[2], .limit = limit};
        size_t row = 0;
        do {
            assert_int_equal(sqlite_reader_ledger(library->reader, &query, json), STATUS_OK);
            char expected[1024] = "";
            for (uint32_t i = 0; i < limit && row < 5; i++, row++) {
                strcat(expected, i == 0 ? "" : ",");
                strcat(expected, rows[row]);
            }
            assert_non_null(strstr(json->text, expected));
            query.before = next_of(json);
            json_reset(json);
        } while (query.before != 0);
        assert_int_equal(row, 5);
    }
}

/* Proves that a page may end within one record, whose rows are many, and goes on within it. */
static void pages_end_within_a_record(void **state)
{
    struct library *library = *state;
    struct json *json = &library->json;
    story_execute(library->dir, STORY_WEEK_2,
                  "INSERT INTO transaction_ledger SELECT seq, line + 5, account, user_id, amount,"
                  " balance_after, ref_type, ref_id, at FROM transaction_ledger WHERE seq = 17;"
                  "INSERT INTO transaction_ledger SELECT seq, line + 9, account, user_id, amount,"
                  " balance_after, ref_type, ref_id, at FROM transaction_ledger"
                  " WHERE seq = 17 AND line = 0");
    static const char *const lines[] = {
        "\"seq\":\"17\",\"line\":\"9\"", "\"seq\":\"17\",\"line\":\"5\"",
        "\"seq\":\"17\",\"line\":\"0\"", "\"seq\":\"14\",\"line\":\"0\""};
    struct sqlite_reader_query query = {.account = story_accounts[2], .limit = 1};
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(sqlite_reader_ledger(library->reader, &query, json), STATUS_OK);
        assert_non_null(strstr(json->text, lines[i]));
        query.before = next_of(json);
        assert_int_equal(query.before < 100, i >= 2); /* a plain seq between two seqs */
        json_reset(json);
    }
}

/* Proves a settled and a void column, the latter in a later week than its bets. */
static void columns(void **state)
{
    struct library *library = *state;
    struct json *json = &library->json;
#define TICKS(a, b, c, d, e)                                                                       \
    "\"ticks\":[{\"time\":\"" a "\",\"price\":\"972305678\",\"sources\":\"2\",\"set\":\"3\"},"     \
    "{\"time\":\"" b "\",\"price\":null,\"sources\":\"0\",\"set\":\"0\"},"                         \
    "{\"time\":\"" c "\",\"price\":\"972305678\",\"sources\":\"2\",\"set\":\"3\"},"                \
    "{\"time\":\"" d "\",\"price\":\"972305678\",\"sources\":\"2\",\"set\":\"3\"},"                \
    "{\"time\":\"" e "\",\"price\":\"972305678\",\"sources\":\"2\",\"set\":\"3\"}],"
    assert_answer(
        library, sqlite_reader_column(library->reader, 1795388415000, 0, json),
        "{\"seq\":\"11\",\"column\":\"1795388415000\",\"band_e4\":\"200000\","
        "\"state\":\"settled\",\"reason\":null,\"price\":\"972305678\","
        "\"band\":\"4861\"," TICKS(
            "1795388414200", "1795388414400", "1795388414600", "1795388414800",
            "1795388415000") "\"bets\":\"1\",\"stakes\":\"1500000\",\"paid\":\"3150000\"}");
    assert_answer(
        library, sqlite_reader_column(library->reader, 1795392005000, 0, json),
        "{\"seq\":\"16\",\"column\":\"1795392005000\",\"band_e4\":\"200000\","
        "\"state\":\"void\",\"reason\":\"SOURCE_JUMP\",\"price\":null,"
        "\"band\":null," TICKS(
            "1795392004200", "1795392004400", "1795392004600", "1795392004800",
            "1795392005000") "\"bets\":\"2\",\"stakes\":\"3000000\",\"paid\":\"2000000\"}");
    static const int64_t none[] = {-1, 0, 5000, 1795388415001, 1795392010000, INT64_MAX};
    for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++) {
        assert_int_equal(sqlite_reader_column(library->reader, none[i], 0, json), STATUS_NOT_FOUND);
    }
}

/* Proves that an epoch is found by its number and as the current one. */
static void configurations(void **state)
{
    struct library *library = *state;
    struct json *json = &library->json;
    static const char expected[] =
        "{\"config\":\"1\",\"seq\":\"1\",\"time\":\"1795388400000\",\"band_e4_from\":\"0\",";
    for (uint64_t epoch = 0; epoch <= 1; epoch++) {
        assert_int_equal(sqlite_reader_config(library->reader, epoch, 0, json), STATUS_OK);
        assert_memory_equal(json->text, expected, sizeof(expected) - 1);
        json_reset(json);
    }
    assert_int_equal(sqlite_reader_config(library->reader, 2, 0, json), STATUS_NOT_FOUND);
}

/* Proves that a missing week leaves the rest readable. */
static void absent_week_is_skipped(void **state)
{
    struct library *library = *state;
    struct json *json = &library->json;
    story_remove(library->dir, STORY_WEEK_1);
    struct sqlite_reader_query query = {.account = story_accounts[1]};
    assert_answer(library, sqlite_reader_bets(library->reader, &query, json),
                  "{\"seq\":\"20\",\"bets\":[" BET_18 "],\"next\":null}");
    assert_int_equal(sqlite_reader_bet(library->reader, 6, 0, json), STATUS_NOT_FOUND);
}

/* Proves that before the first file all reads have the answer of an empty market. */
static void no_files_yet(void **state)
{
    (void)state;
    char dir[64];
    struct json json = {0};
    struct sqlite_reader *reader;
    story_directory(dir);
    const struct sqlite_reader_options options = {0};
    assert_int_equal(sqlite_reader_open(dir, &options, &reader), STATUS_OK);
    assert_int_equal(sqlite_reader_bet(reader, 6, 0, &json), STATUS_NOT_FOUND);
    assert_int_equal(sqlite_reader_config(reader, 0, 0, &json), STATUS_NOT_FOUND);
    assert_int_equal(sqlite_reader_account(reader, story_accounts[0], 0, &json), STATUS_OK);
    assert_non_null(strstr(json.text, "\"available\":\"0\""));
    uint64_t seq = 9;
    assert_int_equal(sqlite_reader_seq(reader, &seq), STATUS_OK);
    assert_int_equal(seq, 0);
    json_text_free(&json);
    sqlite_reader_close(reader);
    story_remove_directory(dir);
}

/* Proves that a file which is there but cannot be opened is an error, never an empty answer: a
 * balance of zero for want of a descriptor would be a lie. */
static void unopenable_file_is_no_empty_answer(void **state)
{
    struct library *library = *state;
    struct json *json = &library->json;
    struct rlimit before;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    const struct rlimit none = {.rlim_cur = 3, .rlim_max = before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    const enum status account = sqlite_reader_account(library->reader, story_accounts[1], 0, json);
    const enum status bet = sqlite_reader_bet(library->reader, 6, 0, json);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_int_equal(account, STATUS_IO);
    assert_int_equal(bet, STATUS_IO);
    assert_int_equal(json->length, 0);
    assert_non_null(strstr(sqlite_reader_error(library->reader), "main.db"));
    assert_answer(library, sqlite_reader_bet(library->reader, 6, 0, json), BET_6);
}

static enum status refuse_wait(void *context, uint64_t seq, int timeout_ms)
{
    *(uint64_t *)context = seq;
    return timeout_ms == 7 ? STATUS_FULL : STATUS_OK;
}

/* Proves that a read asks for its seq first, and passes on that it did not come. */
static void reads_wait_for_their_seq(void **state)
{
    struct library *library = *state;
    struct json *json = &library->json;
    uint64_t asked = 0;
    const struct sqlite_reader_options options = {
        .context = &asked, .wait = refuse_wait, .wait_ms = 7};
    struct sqlite_reader *reader;
    assert_int_equal(sqlite_reader_open(library->dir, &options, &reader), STATUS_OK);
    assert_int_equal(sqlite_reader_account(reader, story_accounts[1], 21, json), STATUS_FULL);
    assert_int_equal(asked, 21);
    assert_int_equal(sqlite_reader_bet(reader, 6, 22, json), STATUS_FULL);
    const struct sqlite_reader_query query = {.account = story_accounts[1], .at_least_seq = 23};
    assert_int_equal(sqlite_reader_ledger(reader, &query, json), STATUS_FULL);
    assert_int_equal(sqlite_reader_bets(reader, &query, json), STATUS_FULL);
    assert_int_equal(asked, 23);
    assert_int_equal(json->length, 0);
    assert_int_equal(sqlite_reader_account(reader, story_accounts[1], 0, json), STATUS_OK);
    json_reset(json);
    sqlite_reader_close(reader);
}

#define WITH_LIBRARY(test) cmocka_unit_test_setup_teardown(test, open_library, close_library)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_LIBRARY(bets_by_id),
        WITH_LIBRARY(bets_by_nonce),
        WITH_LIBRARY(accounts),
        WITH_LIBRARY(bets_of_an_account),
        WITH_LIBRARY(pages_of_bets),
        WITH_LIBRARY(ledger_of_an_account),
        WITH_LIBRARY(pages_of_the_ledger),
        WITH_LIBRARY(pages_end_within_a_record),
        WITH_LIBRARY(columns),
        WITH_LIBRARY(configurations),
        WITH_LIBRARY(absent_week_is_skipped),
        WITH_LIBRARY(unopenable_file_is_no_empty_answer),
        cmocka_unit_test(no_files_yet),
        WITH_LIBRARY(reads_wait_for_their_seq),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
