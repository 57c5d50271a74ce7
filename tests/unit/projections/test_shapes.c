#include "story.h"

#include <string.h>

#include "projections/shapes.h"
#include "statemachine/odds.h"

#define ACCOUNT_1 "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"

/* The text in json is exactly this; json is emptied. */
static void assert_text(struct json *json, const char *expected)
{
    assert_false(json->failed);
    assert_string_equal(json->text, expected);
    json_text_free(json);
}

static struct bet accepted_bet(void)
{
    struct bet bet = {.bet = 12,
                      .user_id = 1,
                      .column_ms = 1795392005000,
                      .band = -3,
                      .lo_e4 = -600000,
                      .hi_e4 = -400000,
                      .stake_micro = 2000000,
                      .min_mult_centi = 0,
                      .config = 4,
                      .state = BET_ACCEPTED,
                      .accepted_at_ms = 1795391990000,
                      .accepted_seq = 12};
    memcpy(bet.account, story_accounts[1], ADDRESS_BYTES);
    memset(bet.nonce, 0xab, NONCE_BYTES);
    return bet;
}

#define BET_HEAD(seq)                                                                              \
    "{\"bet\":\"12\",\"seq\":\"" seq "\",\"account\":\"" ACCOUNT_1 "\",\"market\":\"BTC-USD\","    \
    "\"column\":\"1795392005000\",\"band\":\"-3\",\"lo\":\"-600000\",\"hi\":\"-400000\","          \
    "\"stake\":\"2000000\",\"min_mult\":\"0\",\"config\":\"4\","                                   \
    "\"nonce\":\"abababababababababababababababab\","

/* Proves that fields which do not apply yet are null, and that a true zero is "0". */
static void accepted_bet_has_nulls(void **state)
{
    (void)state;
    const struct bet bet = accepted_bet();
    struct json json = {0};
    shapes_bet(&json, "BTC-USD", &bet);
    assert_text(&json, BET_HEAD("12") "\"session\":null,\"state\":\"accepted\",\"reason\":null,"
                                      "\"mult\":null,\"payout\":null,\"paid\":null,"
                                      "\"accepted_at\":\"1795391990000\",\"accepted_seq\":\"12\","
                                      "\"priced_at\":null,\"priced_seq\":null,\"tick\":null,"
                                      "\"price\":null,\"settled_at\":null,\"settled_seq\":null,"
                                      "\"settle_price\":null}");
}

/* Proves the shape of a bet that is over: paid is a number, also 0, and seq is its last change. */
static void finished_bets_say_what_came_back(void **state)
{
    (void)state;
    struct bet bet = accepted_bet();
    struct json json = {0};
    bet.session = 9;
    bet.state = BET_LOST;
    bet.mult_centi = 300;
    bet.payout_micro = 6000000;
    bet.priced_at_ms = 1795391990600;
    bet.priced_seq = 13;
    bet.tick_ms = 1795391990600;
    bet.price_e4 = 972301234;
    bet.settled_at_ms = 1795392005000;
    bet.settled_seq = 16;
    bet.settle_price_e4 = 972305678;
    shapes_bet(&json, "BTC-USD", &bet);
    assert_text(&json, BET_HEAD("16") "\"session\":\"9\",\"state\":\"lost\",\"reason\":null,"
                                      "\"mult\":\"300\",\"payout\":\"6000000\",\"paid\":\"0\","
                                      "\"accepted_at\":\"1795391990000\",\"accepted_seq\":\"12\","
                                      "\"priced_at\":\"1795391990600\",\"priced_seq\":\"13\","
                                      "\"tick\":\"1795391990600\",\"price\":\"972301234\","
                                      "\"settled_at\":\"1795392005000\",\"settled_seq\":\"16\","
                                      "\"settle_price\":\"972305678\"}");
    bet = accepted_bet(); /* refused in its own step */
    bet.state = BET_REJECTED;
    bet.reason = REASON_TOO_LATE;
    bet.accepted_at_ms = 0;
    bet.accepted_seq = 0;
    bet.priced_at_ms = 1795391990000;
    bet.priced_seq = 12;
    shapes_bet(&json, "BTC-USD", &bet);
    assert_text(&json, BET_HEAD("12") "\"session\":null,\"state\":\"rejected\","
                                      "\"reason\":\"TOO_LATE\",\"mult\":null,\"payout\":null,"
                                      "\"paid\":\"0\",\"accepted_at\":null,\"accepted_seq\":null,"
                                      "\"priced_at\":\"1795391990000\",\"priced_seq\":\"12\","
                                      "\"tick\":null,\"price\":null,\"settled_at\":null,"
                                      "\"settled_seq\":null,\"settle_price\":null}");
}

/* Proves the small shapes: account, ledger row, time, health. */
static void small_shapes(void **state)
{
    (void)state;
    struct json json = {0};
    shapes_account(&json, 42, story_accounts[1],
                   &(struct account_view){
                       .user_id = 1, .available_micro = 5, .held_micro = 6, .open_bets = 2});
    assert_text(&json, "{\"account\":\"" ACCOUNT_1 "\",\"seq\":\"42\",\"available\":\"5\","
                       "\"held\":\"6\",\"open_bets\":\"2\"}");
    shapes_ledger_row(&json, &(struct shapes_ledger_row){.seq = 3,
                                                         .line = 1,
                                                         .at_ms = 77,
                                                         .amount_micro = -5,
                                                         .balance_after_micro = 0,
                                                         .ref_type = "WITHDRAWAL",
                                                         .ref_id = "a \"b\""});
    assert_text(&json, "{\"seq\":\"3\",\"line\":\"1\",\"at\":\"77\",\"amount\":\"-5\","
                       "\"balance_after\":\"0\",\"ref_type\":\"WITHDRAWAL\","
                       "\"ref_id\":\"a \\\"b\\\"\"}");
    shapes_time(&json, 1234);
    assert_text(&json, "{\"time\":\"1234\"}");
    uint8_t digest[HASH_BYTES] = {0xde, 0xad};
    shapes_health(&json, &(struct shapes_health){.status = "ok",
                                                 .breaker = BREAKER_DEGRADED,
                                                 .feed_age_ms = -1,
                                                 .seq = 5,
                                                 .durable_seq = 6,
                                                 .digest = digest});
    assert_text(&json, "{\"status\":\"ok\",\"breaker\":\"DEGRADED\",\"feed_age_ms\":null,"
                       "\"seq\":\"5\",\"durable_seq\":\"6\",\"digest\":\"dead0000000000000000000000"
                       "00000000000000000000000000000000000000\"}");
}

/* Two columns with three and one cells. */
static void make_grid(struct grid_view *grid)
{
    *grid = (struct grid_view){.seq = 8,
                               .time_ms = 1000,
                               .epoch = 1,
                               .tick_ms = 800,
                               .price_e4 = 4100000,
                               .breaker = BREAKER_HEALTHY,
                               .column_count = 2};
    grid->columns[0] =
        (struct column_view){.column_ms = 5000, .band_e4 = 200000, .open = false, .cell_count = 3};
    for (int i = 0; i < 3; i++) {
        grid->columns[0].cells[i] = (struct cell_view){.band = 19 + i,
                                                       .lo_e4 = (19 + i) * 200000,
                                                       .hi_e4 = (20 + i) * 200000,
                                                       .mult_centi = (uint32_t)(150 + i)};
    }
    grid->columns[1] =
        (struct column_view){.column_ms = 10000, .band_e4 = 200000, .open = true, .cell_count = 1};
    grid->columns[1].cells[0] =
        (struct cell_view){.band = 20, .lo_e4 = 4000000, .hi_e4 = 4200000, .mult_centi = 220};
}

/* Proves the grid's shape, with and without a tick. */
static void grid_shape(void **state)
{
    (void)state;
    static struct grid_view grid;
    struct json json = {0};
    make_grid(&grid);
    grid.columns[0].cell_count = 1;
    shapes_grid(&json, &grid);
    assert_text(&json, "{\"seq\":\"8\",\"time\":\"1000\",\"config\":\"1\","
                       "\"tick\":{\"time\":\"800\",\"price\":\"4100000\"},\"breaker\":\"HEALTHY\","
                       "\"columns\":[{\"column\":\"5000\",\"band_e4\":\"200000\",\"open\":false,"
                       "\"cells\":[{\"band\":\"19\",\"lo\":\"3800000\",\"hi\":\"4000000\","
                       "\"mult\":\"150\"}]},"
                       "{\"column\":\"10000\",\"band_e4\":\"200000\",\"open\":true,"
                       "\"cells\":[{\"band\":\"20\",\"lo\":\"4000000\",\"hi\":\"4200000\","
                       "\"mult\":\"220\"}]}]}");
    grid = (struct grid_view){.seq = 1, .time_ms = 5, .breaker = BREAKER_DEGRADED};
    shapes_grid(&json, &grid);
    assert_text(&json, "{\"seq\":\"1\",\"time\":\"5\",\"config\":\"0\",\"tick\":null,"
                       "\"breaker\":\"DEGRADED\",\"columns\":[]}");
}

/* Proves that the changes of a grid are exactly its differences: changed, new and withdrawn cells,
 * a column that closed, one that went and one that came. */
static void grid_changes_are_the_differences(void **state)
{
    (void)state;
    static struct grid_view before;
    static struct grid_view after;
    struct json json = {0};
    make_grid(&before);
    make_grid(&after);
    assert_int_equal(shapes_grid_changes(&json, &before, &after), 0);
    assert_text(&json, "[]");

    after.columns[0].cells[0].mult_centi = 151; /* changed */
    after.columns[0].cells[1] = after.columns[0].cells[2];
    after.columns[0].cell_count = 2; /* band 20 withdrawn */
    after.columns[1].cells[1] =
        (struct cell_view){.band = 21, .lo_e4 = 4200000, .hi_e4 = 4400000, .mult_centi = 300};
    after.columns[1].cell_count = 2; /* band 21 new */
    assert_int_equal(shapes_grid_changes(&json, &before, &after), 2);
    assert_text(&json,
                "[{\"column\":\"5000\",\"band_e4\":\"200000\",\"open\":false,\"cells\":["
                "{\"band\":\"19\",\"lo\":\"3800000\",\"hi\":\"4000000\",\"mult\":\"151\"},"
                "{\"band\":\"20\",\"lo\":\"4000000\",\"hi\":\"4200000\",\"mult\":\"0\"}]},"
                "{\"column\":\"10000\",\"band_e4\":\"200000\",\"open\":true,\"cells\":["
                "{\"band\":\"21\",\"lo\":\"4200000\",\"hi\":\"4400000\",\"mult\":\"300\"}]}]");

    make_grid(&after);
    after.columns[0] = after.columns[1]; /* 5000 went, 10000 closed, 15000 came */
    after.columns[0].open = false;
    after.columns[1].column_ms = 15000;
    before.columns[0].cell_count = 1;
    assert_int_equal(shapes_grid_changes(&json, &before, &after), 3);
    assert_text(&json,
                "[{\"column\":\"5000\",\"band_e4\":\"200000\",\"open\":false,\"cells\":["
                "{\"band\":\"19\",\"lo\":\"3800000\",\"hi\":\"4000000\",\"mult\":\"0\"}]},"
                "{\"column\":\"10000\",\"band_e4\":\"200000\",\"open\":false,\"cells\":[]},"
                "{\"column\":\"15000\",\"band_e4\":\"200000\",\"open\":true,\"cells\":["
                "{\"band\":\"20\",\"lo\":\"4000000\",\"hi\":\"4200000\",\"mult\":\"220\"}]}]");
}

/* Proves the index page: price null for a ClockTick. */
static void index_shape(void **state)
{
    (void)state;
    const struct shapes_index_tick ticks[] = {
        {.grid_ms = 200, .price_e4 = 972301234, .spread_e4 = 15, .sources = 3},
        {.grid_ms = 400},
    };
    struct json json = {0};
    shapes_index(&json, 9, 401, ticks, 2);
    assert_text(&json, "{\"seq\":\"9\",\"time\":\"401\",\"ticks\":["
                       "{\"time\":\"200\",\"price\":\"972301234\",\"sources\":\"3\","
                       "\"spread\":\"15\"},"
                       "{\"time\":\"400\",\"price\":null,\"sources\":\"0\",\"spread\":\"0\"}]}");
}

/* Proves that a void column has no price and no band, but band 0 of a settled one is "0". */
static void column_shape(void **state)
{
    (void)state;
    struct column_result column = {.column_ms = 5000,
                                   .band_e4 = 200000,
                                   .price_e4 = 7,
                                   .band = 0,
                                   .bets = 2,
                                   .stakes_micro = 30,
                                   .paid_micro = 40};
    for (int i = 0; i < SETTLEMENT_TICKS; i++) {
        column.ticks[i].time_ms = 4200 + i * 200;
    }
    column.ticks[4] = (struct settlement_tick){5000, 7, 2, 3};
    struct json json = {0};
    shapes_column(&json, 11, &column);
    assert_text(&json,
                "{\"seq\":\"11\",\"column\":\"5000\",\"band_e4\":\"200000\",\"state\":\"settled\","
                "\"reason\":null,\"price\":\"7\",\"band\":\"0\",\"ticks\":["
                "{\"time\":\"4200\",\"price\":null,\"sources\":\"0\",\"set\":\"0\"},"
                "{\"time\":\"4400\",\"price\":null,\"sources\":\"0\",\"set\":\"0\"},"
                "{\"time\":\"4600\",\"price\":null,\"sources\":\"0\",\"set\":\"0\"},"
                "{\"time\":\"4800\",\"price\":null,\"sources\":\"0\",\"set\":\"0\"},"
                "{\"time\":\"5000\",\"price\":\"7\",\"sources\":\"2\",\"set\":\"3\"}],"
                "\"bets\":\"2\",\"stakes\":\"30\",\"paid\":\"40\"}");
    column.is_void = true;
    column.reason = REASON_NO_TICKS;
    column.price_e4 = 0;
    shapes_column_fields(&json, &column);
    assert_non_null(strstr(json.text, "\"state\":\"void\",\"reason\":\"NO_TICKS\",\"price\":null,"
                                      "\"band\":null,"));
    json_text_free(&json);
}

/* Proves that a configuration shows its epoch and every key of the rules. */
static void config_shape(void **state)
{
    (void)state;
    const struct config config = {.market = "BTC-USD",
#define X(name, standard, least, greatest, fixed) .name = standard,
                                  CONFIG_KEY_LIST(X)
#undef X
    };
    struct json json = {0};
    shapes_config(&json, &(struct shapes_config){.epoch = 2,
                                                 .seq = 7,
                                                 .time_ms = 99,
                                                 .band_e4_from = 5000,
                                                 .band_e4_before = 100000,
                                                 .config = &config});
    assert_text(
        &json, "{\"config\":\"2\",\"seq\":\"7\",\"time\":\"99\",\"band_e4_from\":\"5000\","
               "\"band_e4_before\":\"100000\",\"table_sha256\":"
               "\"d4e04739e86f4a10f63daaf1a85b04b6b491304a460d15a96d13ab9942a6ccc4\","
               "\"market\":\"BTC-USD\",\"column_ms\":\"5000\",\"tick_ms\":\"200\","
               "\"columns\":\"12\",\"bands\":\"21\",\"band_e4\":\"200000\",\"quorum\":\"2\","
               "\"degraded_ms\":\"3000\",\"critical_ms\":\"10000\",\"degraded_stable_ms\":\"5000\","
               "\"critical_stable_ms\":\"30000\",\"edge_bp\":\"500\",\"skew_bp\":\"500\","
               "\"min_lead_ms\":\"5000\",\"pricing_delay_ms\":\"400\",\"stake_min\":\"100000\","
               "\"stake_max\":\"100000000\",\"open_bets_max\":\"20\","
               "\"cell_payout_max\":\"10000000000\",\"column_loss_max\":\"20000000000\","
               "\"house_reserve\":\"0\",\"vol_warmup\":\"300\","
               "\"vol_fast_start\":\"311749139025\",\"vol_slow_start\":\"311749139025\"}");
}

/* Proves the status page, with a source that was never heard. */
static void status_shape(void **state)
{
    (void)state;
    const struct market_view market = {.seq = 5,
                                       .time_ms = 1000,
                                       .epoch = 1,
                                       .breaker = BREAKER_CRITICAL,
                                       .breaker_since_ms = 800,
                                       .samples = 12,
                                       .warm = true,
                                       .bankroll_micro = 77,
                                       .reserved_micro = 8};
    const struct shapes_source sources[] = {
        {.name = "coinbase", .price_e4 = 972301234, .basis_e4 = -55, .age_ms = 120, .used = true},
        {.name = "kraken", .age_ms = -1},
    };
    struct json json = {0};
    shapes_status(&json,
                  &(struct shapes_status){
                      .market = &market, .sources = sources, .source_count = 2, .clients = 3});
    assert_text(&json,
                "{\"seq\":\"5\",\"time\":\"1000\",\"breaker\":\"CRITICAL\","
                "\"breaker_since\":\"800\",\"last_tick\":null,\"sources\":["
                "{\"name\":\"coinbase\",\"price\":\"972301234\",\"basis\":\"-55\","
                "\"age_ms\":\"120\",\"used\":true},"
                "{\"name\":\"kraken\",\"price\":null,\"basis\":\"0\",\"age_ms\":null,"
                "\"used\":false}],\"samples\":\"12\",\"warm\":true,\"config\":\"1\","
                "\"draining\":false,\"bankroll\":\"77\",\"reserved\":\"8\",\"clients\":\"3\"}");
}

/* Proves that the hash shown to players is the one of the table that bets are priced with; that the
 * table has it is the claim of the odds' own test. */
static void shown_table_hash_is_that_of_the_odds(void **state)
{
    (void)state;
    assert_string_equal(SHAPES_TABLE_SHA256, ODDS_TABLE_SHA256);
}

/* Proves the names of the six ledger accounts, and both kinds of references. */
static void posting_shape(void **state)
{
    (void)state;
    struct posting posting = {.line = 2,
                              .account = LEDGER_AVAILABLE,
                              .address = story_accounts[1],
                              .column_ms = 5000,
                              .amount_micro = -9,
                              .ref_type = REF_BET_HOLD,
                              .ref_id = 12};
    struct json json = {0};
    shapes_posting(&json, &posting);
    assert_text(&json, "{\"line\":\"2\",\"account\":\"available:" ACCOUNT_1 "\",\"amount\":\"-9\","
                       "\"ref_type\":\"BET_HOLD\",\"ref_id\":\"12\"}");
    static const struct {
        enum ledger_account account;
        const char *text;
    } names[] = {{LEDGER_HELD, "\"held:" ACCOUNT_1 "\""},
                 {LEDGER_ESCROW, "\"escrow:5000\""},
                 {LEDGER_RESERVED, "\"reserved:5000\""},
                 {LEDGER_BANKROLL, "\"bankroll\""},
                 {LEDGER_EXTERNAL, "\"external\""}};
    posting.reference = "wire 1, not all of it";
    posting.reference_length = 6;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        posting.account = names[i].account;
        shapes_posting(&json, &posting);
        assert_non_null(strstr(json.text, names[i].text));
        assert_non_null(strstr(json.text, "\"ref_id\":\"wire 1\"}"));
        json_text_free(&json);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(accepted_bet_has_nulls),
        cmocka_unit_test(finished_bets_say_what_came_back),
        cmocka_unit_test(small_shapes),
        cmocka_unit_test(grid_shape),
        cmocka_unit_test(grid_changes_are_the_differences),
        cmocka_unit_test(index_shape),
        cmocka_unit_test(column_shape),
        cmocka_unit_test(config_shape),
        cmocka_unit_test(status_shape),
        cmocka_unit_test(posting_shape),
        cmocka_unit_test(shown_table_hash_is_that_of_the_odds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
