#include "tools/reckoning.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <string.h>

#include "journal/codec.h"
#include "replay/replay.h"
#include "sample.h"

#define START_MS ((int64_t)1700000000000)

static struct reckoning *open_market(const struct config_change *change)
{
    struct reckoning *reckoning;
    assert_int_equal(reckoning_open(&reckoning), STATUS_OK);
    assert_null(reckoning_config(reckoning));
    struct input input = {.seq = 1, .time_ms = START_MS, .kind = INPUT_CONFIG};
    input.of.config = *change;
    assert_int_equal(reckoning_input(reckoning, &input), STATUS_OK);
    assert_int_equal(reckoning_epoch(reckoning), 1);
    return reckoning;
}

static void give(struct config_change *change, enum config_key key, int64_t value)
{
    change->given |= (uint32_t)1 << (unsigned)key;
    change->values[key] = value;
}

static void tick(struct reckoning *reckoning, int64_t grid_ms, int64_t price_e4)
{
    struct input input = {.time_ms = grid_ms, .kind = INPUT_PRICE_TICK};
    input.of.price_tick =
        (struct price_tick){.grid_ms = grid_ms, .price_e4 = price_e4, .sources = 2, .set = 3};
    assert_int_equal(reckoning_input(reckoning, &input), STATUS_OK);
}

/* The reckoning of a whole journal ends where the state machine does: epoch, variances, samples,
 * last tick and bankroll, without having read one of them from it. */
static void it_ends_where_the_state_machine_ends(void **state)
{
    (void)state;
    struct sample sample;
    sample_make(&sample, &(struct sample_options){.second_config = true});
    struct applier *applier;
    struct replay_result result;
    const struct replay_options options = {.to_seq = 0};
    assert_int_equal(applier_open(&sample_limits, &applier), STATUS_OK);
    assert_int_equal(replay_run(applier, sample.dir, &options, &result), STATUS_OK);
    struct market_view market;
    machine_market(applier_machine(applier), &market);

    struct reckoning *reckoning;
    struct journal_reader *reader;
    static struct codec_scratch scratch;
    assert_int_equal(reckoning_open(&reckoning), STATUS_OK);
    assert_int_equal(journal_reader_open(sample.dir, NULL, 1, &reader), STATUS_OK);
    struct journal_record record;
    while (journal_reader_next(reader, &record) == STATUS_OK) {
        struct input input;
        assert_int_equal(codec_decode(&scratch, record.seq, record.bytes, record.length, &input),
                         STATUS_OK);
        assert_int_equal(reckoning_input(reckoning, &input), STATUS_OK);
    }
    journal_reader_free(reader);
    const struct bet bet = {.column_ms = market.last_tick_ms + 10000, .stake_micro = 1000000};
    struct reckoned_price price;
    reckoning_price(reckoning, &bet, &price);
    assert_int_equal(reckoning_epoch(reckoning), market.epoch);
    assert_int_equal(reckoning_samples(reckoning), market.samples);
    assert_int_equal(price.tick_ms, market.last_tick_ms);
    assert_int_equal(price.input.price_e4, market.last_price_e4);
    assert_int_equal(price.input.v_fast_q64, market.v_fast_q64);
    assert_int_equal(price.input.v_slow_q64, market.v_slow_q64);
    assert_true(market.samples > 0);
    reckoning_free(reckoning);
    applier_free(applier);
    sample_remove(&sample);
}

/* W of a column is the one it was offered with, through two changes; one that comes before the last
 * has taken effect is refused. Columns of 5 s, 12 of them on offer. */
static void a_column_keeps_its_band_width(void **state)
{
    (void)state;
    struct config_change change = {0};
    give(&change, CONFIG_band_e4, 200000);
    struct reckoning *reckoning = open_market(&change);
    struct input input = {.kind = INPUT_CONFIG};
    const struct {
        int64_t at_ms;
        int64_t band_e4;
        uint64_t epoch;
    } steps[] = {
        {START_MS, 100000, 2},         /* from START + 65,000 on */
        {START_MS + 64999, 400000, 2}, /* too early */
        {START_MS + 65000, 400000, 3}, /* from START + 130,000 on */
    };
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        input.time_ms = steps[i].at_ms;
        input.of.config = (struct config_change){0};
        give(&input.of.config, CONFIG_band_e4, steps[i].band_e4);
        assert_int_equal(reckoning_input(reckoning, &input), STATUS_OK);
        assert_int_equal(reckoning_epoch(reckoning), steps[i].epoch);
    }
    const struct {
        int64_t column_ms;
        int64_t band_e4;
    } columns[] = {
        {START_MS + 60000, 200000},
        {START_MS + 65000, 100000},
        {START_MS + 125000, 100000},
        {START_MS + 130000, 400000},
    };
    for (size_t i = 0; i < sizeof columns / sizeof columns[0]; i++) {
        const struct bet bet = {.column_ms = columns[i].column_ms, .band = 3};
        struct reckoned_price price;
        tick(reckoning, START_MS + 70000 + 200 * (int64_t)i, 600000000);
        reckoning_price(reckoning, &bet, &price);
        assert_int_equal(price.band_e4, columns[i].band_e4);
        assert_int_equal(price.input.lo_e4, 3 * columns[i].band_e4);
    }
    reckoning_free(reckoning);
}

/* Variances worked by hand: a move of 1 in 10^4 within a second; none across a gap. r = 429496,
 * r2 = 184466814016; v - ((v - r2) >> n). */
static void variances_move_by_the_rule(void **state)
{
    (void)state;
    struct reckoning *reckoning = open_market(&(struct config_change){0});
    tick(reckoning, START_MS + 1000, 100000000);
    tick(reckoning, START_MS + 2000, 100010000);
    tick(reckoning, START_MS + 4000, 110000000);
    struct reckoned_price price;
    const struct bet bet = {.column_ms = START_MS + 20000};
    reckoning_price(reckoning, &bet, &price);
    const uint64_t r2 = UINT64_C(429496) * 429496;
    const uint64_t v = 311749139025;
    assert_int_equal(reckoning_samples(reckoning), 1);
    assert_int_equal(price.input.v_fast_q64, v - ((v - r2) >> 5));
    assert_int_equal(price.input.v_slow_q64, v - ((v - r2) >> 9));
    reckoning_free(reckoning);
}

/* A cell and its column count what is confirmed in them, and nothing once the column is closed. */
static void a_column_holds_what_was_confirmed(void **state)
{
    (void)state;
    struct reckoning *reckoning = open_market(&(struct config_change){0});
    tick(reckoning, START_MS + 1000, 600000000);
    const int64_t column_ms = START_MS + 20000;
    const struct bet first = {.bet = 5, .column_ms = column_ms, .band = 3000, .stake_micro = 100};
    const struct bet second = {.bet = 6, .column_ms = column_ms, .band = 3001, .stake_micro = 50};
    assert_int_equal(reckoning_confirm(reckoning, &first, 700), STATUS_OK);
    assert_int_equal(reckoning_confirm(reckoning, &second, 300), STATUS_OK);
    assert_int_equal(reckoning_confirm(reckoning, &first, 200), STATUS_OK);
    struct reckoned_price price;
    reckoning_price(reckoning, &second, &price);
    assert_int_equal(price.input.cell_payout_micro, 300);
    assert_int_equal(price.column_stakes_micro, 250);
    assert_int_equal(price.column_payout_micro, 900);
    reckoning_close(reckoning, column_ms);
    reckoning_price(reckoning, &second, &price);
    assert_int_equal(price.input.cell_payout_micro, 0);
    assert_int_equal(price.column_stakes_micro, 0);
    reckoning_free(reckoning);
}

/* The bankroll before a bet is without what confirming that very bet has moved already. */
static void the_bankroll_is_that_before_the_bet(void **state)
{
    (void)state;
    struct reckoning *reckoning = open_market(&(struct config_change){0});
    tick(reckoning, START_MS + 1000, 600000000);
    const struct posting in = {
        .account = LEDGER_BANKROLL, .amount_micro = 1000, .ref_type = REF_HOUSE_DEPOSIT};
    const struct posting aside = {
        .account = LEDGER_BANKROLL, .amount_micro = -70, .ref_type = REF_BET_CONFIRM, .ref_id = 9};
    reckoning_posting(reckoning, &in);
    reckoning_posting(reckoning, &aside);
    struct reckoned_price price;
    struct bet bet = {.bet = 9, .column_ms = START_MS + 20000};
    reckoning_price(reckoning, &bet, &price);
    assert_int_equal(price.bankroll_micro, 1000);
    bet.bet = 10;
    reckoning_price(reckoning, &bet, &price);
    assert_int_equal(price.bankroll_micro, 930);
    reckoning_free(reckoning);
}

/* The order of the causes of a void, and the median: DOWN before NO_TICKS, which needs 3 of the 5
 * and one of the last two; an even count is the floor of the mean of the middle two. */
static void a_column_settles_by_its_ticks(void **state)
{
    (void)state;
    const int64_t column_ms = START_MS + 10000;
    const struct {
        int missing; /* bit mask over the five */
        int64_t median_e4;
        enum reason void_for;
    } cases[] = {
        {0x00, 600000003, REASON_NONE},     {0x01, 600000003, REASON_NONE},
        {0x10, 600000002, REASON_NONE},     {0x03, 600000004, REASON_NONE},
        {0x07, 600000004, REASON_NO_TICKS}, {0x18, 600000002, REASON_NO_TICKS},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct config_change change = {0};
        give(&change, CONFIG_degraded_stable_ms, 0);
        struct reckoning *reckoning = open_market(&change);
        tick(reckoning, column_ms - 1000, 600000000);
        for (int k = 0; k < SETTLEMENT_TICKS; k++) {
            const bool there = (cases[i].missing >> k & 1) == 0;
            tick(reckoning, column_ms - 800 + 200 * k, there ? 600000001 + k : 0);
        }
        struct reckoned_settlement settlement;
        reckoning_settle(reckoning, column_ms, &settlement);
        assert_int_equal(settlement.void_for, cases[i].void_for);
        assert_int_equal(settlement.median_e4, cases[i].median_e4);
        assert_int_equal(settlement.price_e4,
                         cases[i].void_for == REASON_NONE ? cases[i].median_e4 : 0);
        tick(reckoning, column_ms + 200, 600000001);
        reckoning_settle(reckoning, column_ms, &settlement);
        assert_int_equal(settlement.void_for, REASON_DOWN);
        reckoning_free(reckoning);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_ends_where_the_state_machine_ends),
        cmocka_unit_test(a_column_keeps_its_band_width),
        cmocka_unit_test(variances_move_by_the_rule),
        cmocka_unit_test(a_column_holds_what_was_confirmed),
        cmocka_unit_test(the_bankroll_is_that_before_the_bet),
        cmocka_unit_test(a_column_settles_by_its_ticks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
