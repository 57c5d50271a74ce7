#include "story.h"

#include <string.h>

#include "projections/client_event.h"

#define ACCOUNT_1 "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"

static void assert_text(struct json *json, const char *expected)
{
    assert_false(json->failed);
    assert_string_equal(json->text, expected);
    json_text_free(json);
}

/* The event at seq 16, time 5000, has this channel and text. */
static void assert_event(const struct event *event, const char *channel, const char *expected)
{
    struct json json = {0};
    assert_string_equal(client_event_of(&json, 16, 5000, event), channel);
    assert_text(&json, expected);
}

#define HEAD(type) "{\"seq\":\"16\",\"time\":\"5000\",\"type\":\"" type "\","

/* Proves the texts of all four bet events. */
static void bet_events(void **state)
{
    (void)state;
    struct bet bet = {.bet = 12,
                      .column_ms = 10000,
                      .band = 4861,
                      .stake_micro = 2000000,
                      .min_mult_centi = 210,
                      .state = BET_ACCEPTED};
    memset(bet.nonce, 0xab, NONCE_BYTES);
    struct event event = {.kind = EVENT_BET_ACCEPTED, .of.bet = &bet};
    assert_event(&event, "account",
                 HEAD("bet:accepted") "\"bet\":\"12\",\"nonce\":"
                                      "\"abababababababababababababababab\",\"column\":\"10000\","
                                      "\"band\":\"4861\",\"stake\":\"2000000\","
                                      "\"min_mult\":\"210\"}");
    bet.mult_centi = 215;
    bet.payout_micro = 4300000;
    bet.tick_ms = 4800;
    bet.price_e4 = 972301234;
    event.kind = EVENT_BET_CONFIRMED;
    assert_event(&event, "account",
                 HEAD("bet:confirmed") "\"bet\":\"12\",\"mult\":\"215\",\"payout\":\"4300000\","
                                       "\"tick\":\"4800\",\"price\":\"972301234\"}");
    event.kind = EVENT_BET_REJECTED;
    bet.reason = REASON_PRICE_MOVED;
    assert_event(&event, "account",
                 HEAD("bet:rejected") "\"bet\":\"12\",\"nonce\":"
                                      "\"abababababababababababababababab\","
                                      "\"reason\":\"PRICE_MOVED\"}");
    event.kind = EVENT_BET_SETTLED;
    bet.state = BET_VOID;
    bet.paid_micro = 2000000;
    bet.reason = REASON_DOWN;
    assert_event(&event, "account",
                 HEAD("bet:settled") "\"bet\":\"12\",\"result\":\"void\",\"paid\":\"2000000\","
                                     "\"settle_price\":null,\"reason\":\"DOWN\"}");
    bet.state = BET_LOST;
    bet.paid_micro = 0;
    bet.reason = REASON_NONE;
    bet.settle_price_e4 = 5;
    assert_event(&event, "account",
                 HEAD("bet:settled") "\"bet\":\"12\",\"result\":\"lost\",\"paid\":\"0\","
                                     "\"settle_price\":\"5\",\"reason\":null}");
}

/* Proves the tick and the column, and that a ClockTick has a null price. */
static void market_events(void **state)
{
    (void)state;
    struct event event = {
        .kind = EVENT_TICK,
        .of.tick = {.grid_ms = 4800, .price_e4 = 972301234, .spread_e4 = 15, .sources = 3}};
    assert_event(&event, "index",
                 HEAD("index:tick") "\"tick\":\"4800\",\"price\":\"972301234\",\"sources\":\"3\","
                                    "\"spread\":\"15\"}");
    event.of.tick.price_e4 = 0;
    event.of.tick.spread_e4 = 0;
    event.of.tick.sources = 0;
    assert_event(&event, "index",
                 HEAD("index:tick") "\"tick\":\"4800\",\"price\":null,\"sources\":\"0\","
                                    "\"spread\":\"0\"}");
    struct column_result column = {
        .column_ms = 5000, .band_e4 = 200000, .is_void = true, .reason = REASON_DOWN};
    event = (struct event){.kind = EVENT_COLUMN_SETTLED, .of.column = &column};
#define TICK "{\"time\":\"0\",\"price\":null,\"sources\":\"0\",\"set\":\"0\"}"
    assert_event(&event, "columns",
                 HEAD("column:settled") "\"column\":\"5000\",\"band_e4\":\"200000\","
                                        "\"state\":\"void\",\"reason\":\"DOWN\",\"price\":null,"
                                        "\"band\":null,\"ticks\":[" TICK "," TICK "," TICK "," TICK
                                        "," TICK "],\"bets\":\"0\",\"stakes\":\"0\","
                                        "\"paid\":\"0\"}");
}

/* Proves that what is no business of clients makes no event and no text. */
static void other_events_are_silent(void **state)
{
    (void)state;
    static const enum event_kind kinds[] = {EVENT_CONFIG,
                                            EVENT_CONFIG_REFUSED,
                                            EVENT_ACCOUNT_OPENED,
                                            EVENT_TRANSFER_APPLIED,
                                            EVENT_TRANSFER_REPEATED,
                                            EVENT_TRANSFER_REFUSED,
                                            EVENT_TAP_REFUSED,
                                            EVENT_TAP_REPEATED,
                                            EVENT_TICK_IGNORED,
                                            EVENT_BREAKER,
                                            EVENT_START};
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        struct json json = {0};
        const struct event event = {.kind = kinds[i]};
        assert_null(client_event_of(&json, 1, 1, &event));
        assert_int_equal(json.length, 0);
    }
}

/* Proves the events of an account that are no state machine events. */
static void account_events(void **state)
{
    (void)state;
    struct json json = {0};
    client_event_balance(&json, 16, 5000, 70, 8);
    assert_text(&json, HEAD("balance") "\"available\":\"70\",\"held\":\"8\"}");
    const struct account_view view = {
        .user_id = 1, .available_micro = 70, .held_micro = 8, .open_bets = 1};
    client_event_account_snapshot(&json, 16, 5000, story_accounts[1], &view, "BTC-USD", NULL, 0);
    assert_text(&json, HEAD("account:snapshot") "\"account\":\"" ACCOUNT_1 "\","
                                                "\"available\":\"70\",\"held\":\"8\","
                                                "\"open_bets\":\"1\",\"bets\":[]}");
    const struct bet bets[2] = {{.bet = 3, .state = BET_ACCEPTED},
                                {.bet = 4, .state = BET_CONFIRMED}};
    client_event_account_snapshot(&json, 16, 5000, story_accounts[1], &view, "BTC-USD", bets, 2);
    assert_non_null(strstr(json.text, "\"bets\":[{\"bet\":\"3\","));
    assert_non_null(strstr(json.text, "\"settle_price\":null},{\"bet\":\"4\","));
    json_text_free(&json);
    client_event_shutdown(&json, 16, 5000, "draining");
    assert_text(&json, HEAD("server:shutdown") "\"reason\":\"draining\"}");
}

/* Proves that a frame is the body with channel and n in front, and that n is a JSON number. */
static void frame_puts_channel_and_n_in_front(void **state)
{
    (void)state;
    struct json body = {0};
    struct json json = {0};
    client_event_balance(&body, 16, 5000, 70, 8);
    client_event_frame(&json, CLIENT_CHANNEL_ACCOUNT, 3, body.text, body.length);
    assert_text(&json, "{\"channel\":\"account\",\"n\":3,\"seq\":\"16\",\"time\":\"5000\","
                       "\"type\":\"balance\",\"available\":\"70\",\"held\":\"8\"}");
    json_text_free(&body);
}

/* Proves snapshot, delta and silence of the grid. */
static void grid_events(void **state)
{
    (void)state;
    static struct grid_view before;
    static struct grid_view after;
    struct json json = {0};
    before = (struct grid_view){
        .seq = 15, .time_ms = 4800, .epoch = 1, .tick_ms = 4800, .price_e4 = 9, .column_count = 1};
    before.columns[0] =
        (struct column_view){.column_ms = 10000, .band_e4 = 4, .open = true, .cell_count = 1};
    before.columns[0].cells[0] =
        (struct cell_view){.band = 2, .lo_e4 = 8, .hi_e4 = 12, .mult_centi = 200};
    after = before;
    after.seq = 16;
    after.time_ms = 5000;
    after.tick_ms = 5000;
    assert_false(client_event_grid_delta(&json, &before, &after));
    assert_int_equal(json.length, 0);
    after.columns[0].cells[0].mult_centi = 201;
    assert_true(client_event_grid_delta(&json, &before, &after));
    assert_text(&json,
                HEAD("grid:delta") "\"config\":\"1\",\"tick\":{\"time\":\"5000\",\"price\":\"9\"},"
                                   "\"breaker\":\"HEALTHY\",\"columns\":[{\"column\":\"10000\","
                                   "\"band_e4\":\"4\",\"open\":true,\"cells\":[{\"band\":\"2\","
                                   "\"lo\":\"8\",\"hi\":\"12\",\"mult\":\"201\"}]}]}");
    client_event_grid_snapshot(&json, &after);
    assert_text(
        &json,
        HEAD("grid:snapshot") "\"config\":\"1\",\"tick\":{\"time\":\"5000\",\"price\":\"9\"},"
                              "\"breaker\":\"HEALTHY\",\"columns\":[{\"column\":\"10000\","
                              "\"band_e4\":\"4\",\"open\":true,\"cells\":[{\"band\":\"2\","
                              "\"lo\":\"8\",\"hi\":\"12\",\"mult\":\"201\"}]}]}");
}

/* Proves that the status event is the status page with a type. */
static void status_event(void **state)
{
    (void)state;
    struct json json = {0};
    const struct market_view market = {.seq = 16, .time_ms = 5000, .epoch = 1};
    client_event_status(&json, &(struct shapes_status){.market = &market, .draining = true});
    assert_text(&json, HEAD("status") "\"breaker\":\"HEALTHY\",\"breaker_since\":null,"
                                      "\"last_tick\":null,\"sources\":[],\"samples\":\"0\","
                                      "\"warm\":false,\"config\":\"1\",\"draining\":true,"
                                      "\"bankroll\":\"0\",\"reserved\":\"0\",\"clients\":\"0\"}");
}

/* Proves the listing for people: every kind has a type, refusals say their reason. */
static void inspect_names_every_event(void **state)
{
    (void)state;
    struct json json = {0};
    uint8_t nonce[NONCE_BYTES] = {0};
    client_event_inspect(&json, &(struct event){.kind = EVENT_TAP_REFUSED,
                                                .of.tap = {.account = story_accounts[1],
                                                           .nonce = nonce,
                                                           .reason = REASON_TIME_SKEW}});
    assert_text(&json, "{\"type\":\"tap:refused\",\"account\":\"" ACCOUNT_1 "\",\"nonce\":"
                       "\"00000000000000000000000000000000\",\"bet\":null,"
                       "\"reason\":\"TIME_SKEW\"}");
    client_event_inspect(&json, &(struct event){.kind = EVENT_TRANSFER_REFUSED,
                                                .of.transfer = {.reason = REASON_LIMIT}});
    assert_text(&json, "{\"type\":\"transfer:refused\",\"first_seq\":null,\"reason\":\"LIMIT\"}");
    client_event_inspect(
        &json, &(struct event){.kind = EVENT_CONFIG_REFUSED,
                               .of.refusal = {.reason = REASON_BAD_REQUEST, .problem = "why"}});
    assert_text(&json, "{\"type\":\"config:refused\",\"reason\":\"BAD_REQUEST\","
                       "\"problem\":\"why\"}");
    client_event_inspect(
        &json, &(struct event){.kind = EVENT_BREAKER,
                               .of.breaker = {.from = BREAKER_HEALTHY, .to = BREAKER_CRITICAL}});
    assert_text(&json, "{\"type\":\"breaker\",\"from\":\"HEALTHY\",\"to\":\"CRITICAL\"}");
    client_event_inspect(&json, &(struct event){.kind = EVENT_START});
    assert_text(&json, "{\"type\":\"start\"}");
    client_event_inspect(
        &json, &(struct event){.kind = EVENT_TICK, .of.tick = {.grid_ms = 200, .price_e4 = 3}});
    assert_text(&json, "{\"type\":\"index:tick\",\"tick\":\"200\",\"price\":\"3\","
                       "\"sources\":\"0\",\"spread\":\"0\"}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bet_events),
        cmocka_unit_test(market_events),
        cmocka_unit_test(other_events_are_silent),
        cmocka_unit_test(account_events),
        cmocka_unit_test(frame_puts_channel_and_n_in_front),
        cmocka_unit_test(grid_events),
        cmocka_unit_test(status_event),
        cmocka_unit_test(inspect_names_every_event),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
