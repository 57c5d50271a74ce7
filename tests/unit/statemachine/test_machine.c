/* Grid records and records without effect, sizes, and the views. */
#include "statemachine/machine.h"

#include <stdio.h>
#include <string.h>

#include "fixture.h"

/* Before the first Config only Config and Start have an effect. */
static void nothing_happens_before_genesis(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_new();
    struct input input = {.kind = INPUT_START};
    fixture_apply(fixture, &input);
    fixture_expect(fixture, "start\n");
    fixture_tick(fixture, 1000000, FIXTURE_PRICE_E4);
    fixture_expect(fixture, "tick ignored 1000000\n");
    fixture_clock(fixture, 1000200);
    fixture_expect(fixture, "tick ignored 1000200\n");
    input = (struct input){.kind = INPUT_ATTEST};
    fixture_apply(fixture, &input);
    fixture_expect(fixture, "");
    struct market_view market;
    machine_market(fixture->machine, &market);
    assert_int_equal(market.seq, 4);
    assert_int_equal(market.epoch, 0);
    assert_int_equal(market.last_grid_ms, 0);
    assert_false(market.open);
    static struct grid_view grid;
    machine_grid(fixture->machine, &grid);
    assert_int_equal(grid.column_count, 0);
    assert_null(machine_config(fixture->machine));
    fixture_free(fixture);
}

/* Off the grid, not later than the last one, ahead of engine time, or not after the epoch: no
 * effect, and nothing else of the step happens (a due bet is not priced). */
static void grid_records_that_may_not_count_are_ignored(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_market(NULL);
    fixture->ticks_told = true;
    const struct tap tap = fixture_tap(fixture, 1, 1015000, FIXTURE_BAND);
    fixture_apply_tap(fixture, &tap);
    fixture->time_ms = 1005700;
    fixture_tick(fixture, 1005700, FIXTURE_PRICE_E4);
    fixture_expect(fixture, "tick ignored 1005700\n");
    fixture_tick(fixture, 1005200, FIXTURE_PRICE_E4);
    fixture_expect(fixture, "tick ignored 1005200\n");
    struct input input = {.kind = INPUT_CLOCK_TICK};
    input.of.clock_grid_ms = 1005800; /* engine time is 1,005,700 */
    fixture_apply(fixture, &input);
    fixture_expect(fixture, "tick ignored 1005800\n");
    fixture_clock(fixture, -200);
    fixture_expect(fixture, "tick ignored -200\n");
    fixture_clock(fixture, 0);
    fixture_expect(fixture, "tick ignored 0\n");
    fixture_clock(fixture, 1005600);
    fixture_expect(fixture, "tick 1005600 0\n");
    fixture_free(fixture);
}

/* A grid record may come late: its time is its g, not its engine time. The bet taken at 1,005,200
 * is priced by the tick of 1,005,600 although engine time is seconds on. */
static void time_of_a_tick_is_its_grid_time(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_market(NULL);
    const struct tap tap = fixture_tap(fixture, 1, 1015000, FIXTURE_BAND);
    fixture_apply_tap(fixture, &tap);
    fixture->time_ms = 1012345;
    fixture_tick(fixture, 1005600, FIXTURE_PRICE_E4);
    assert_int_equal(fixture->bet.state, BET_CONFIRMED);
    assert_int_equal(fixture->bet.mult_centi, 237);
    assert_int_equal(fixture->bet.tick_ms, 1005600);
    assert_int_equal(fixture->bet.priced_at_ms, 1012345);
    fixture_free(fixture);
}

static void apply_price(struct fixture *fixture, int64_t price_e4, uint32_t sources,
                        int64_t spread_e4)
{
    struct market_view market;
    machine_market(fixture->machine, &market);
    struct input input = {.kind = INPUT_PRICE_TICK};
    input.of.price_tick = (struct price_tick){
        .grid_ms = market.last_grid_ms + 200,
        .price_e4 = price_e4,
        .sources = sources,
        .spread_e4 = spread_e4,
        .set = 1,
    };
    fixture->time_ms = market.last_grid_ms + 200;
    fixture_apply(fixture, &input);
    assert_null(strstr(fixture->text, "ignored"));
}

static bool counts(struct fixture *fixture, int64_t price_e4, uint32_t sources, int64_t spread_e4)
{
    apply_price(fixture, price_e4, sources, spread_e4);
    struct market_view market;
    machine_market(fixture->machine, &market);
    return market.last_tick_ms == market.last_grid_ms;
}

/* A PriceTick outside of price 1..10^12, below the quorum of 2 or with spread * 10,000 > 10 * price
 * counts as a ClockTick; the bounds themselves are valid. */
static void price_ticks_out_of_bounds_count_as_clock_ticks(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_market(NULL);
    assert_true(counts(fixture, 1, 2, 0));
    assert_false(counts(fixture, 0, 2, 0));
    assert_false(counts(fixture, -1, 2, INT64_MIN));
    assert_true(counts(fixture, 1000000000000, 2, 0));
    assert_false(counts(fixture, 1000000000001, 2, 0));
    assert_false(counts(fixture, INT64_MAX, 2, 0));
    assert_false(counts(fixture, 1000000, 1, 0));
    assert_true(counts(fixture, 1000000, UINT32_MAX, 0));
    assert_true(counts(fixture, 1000999, 2, 1000));  /* 10,000,000 <= 10,009,990 */
    assert_false(counts(fixture, 1000999, 2, 1001)); /* 10,010,000 > 10,009,990 */
    assert_false(counts(fixture, 1000000, 2, INT64_MAX));
    fixture->ticks_told = true;
    apply_price(fixture, 1000000, 1, 0);
    char expected[64];
    snprintf(expected, sizeof expected, "tick %lld 0\n", (long long)fixture->time_ms);
    fixture_expect(fixture, expected);
    fixture_free(fixture);
}

/* Within one step: breaker, tick, columns, waiting bets. The record at 1,015,000 settles one bet
 * and prices another, in this order, and a change of the breaker comes before all. */
static void step_of_a_grid_record_has_one_order(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_market(NULL);
    struct tap tap = fixture_tap(fixture, 1, 1015000, FIXTURE_BAND);
    fixture_apply_tap(fixture, &tap);
    fixture_ticks(fixture, 1005200, 1014600, FIXTURE_PRICE_E4);
    tap = fixture_tap(fixture, 2, 1025000, FIXTURE_BAND);
    fixture_apply_tap(fixture, &tap);
    fixture_ticks(fixture, 1014600, 1014800, FIXTURE_PRICE_E4);
    fixture->ticks_told = true;
    fixture_tick(fixture, 1015000, FIXTURE_PRICE_E4);
    const char *tick = strstr(fixture->text, "tick 1015000 617100000\n");
    const char *won = strstr(fixture->text, "won 32");
    const char *column = strstr(fixture->text, "column 1015000");
    const char *confirmed = strstr(fixture->text, "confirmed 80");
    assert_true(tick == fixture->text && won > tick && column > won && confirmed > column);
    fixture_tick(fixture, 1020000, FIXTURE_PRICE_E4);
    assert_int_equal(strncmp(fixture->text, "breaker HEALTHY to DEGRADED\ntick 1020000", 40), 0);
    fixture_free(fixture);
}

/* Lists in the order of ids, whatever happened to the bets between. */
static void collect_id(void *context, const struct bet *bet)
{
    uint64_t **to = context;
    **to = bet->bet;
    *to += 1;
}

static void open_bets_are_listed_in_id_order(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_market(NULL);
    for (int i = 0; i < 3; i++) {
        for (unsigned player = 1; player <= 2; player++) {
            const struct tap tap = fixture_tap(fixture, player, 1025000 - 5000 * i, FIXTURE_BAND);
            fixture_apply_tap(fixture, &tap);
        }
    }
    fixture_ticks(fixture, 1005200, 1015000, FIXTURE_PRICE_E4); /* settles 36 and 37 */
    uint64_t ids[8] = {0};
    uint64_t *to = ids;
    machine_each_open_bet(fixture->machine, &to, collect_id);
    const uint64_t expected[] = {32, 33, 34, 35, 0, 0, 0, 0};
    assert_memory_equal(ids, expected, sizeof ids);
    uint8_t address[ADDRESS_BYTES];
    fixture_address(2, address);
    uint64_t own[8] = {0};
    to = own;
    machine_each_bet_of(fixture->machine, address, &to, collect_id);
    const uint64_t expected_own[] = {35, 33, 0, 0, 0, 0, 0, 0};
    assert_memory_equal(own, expected_own, sizeof own);
    struct bet bet;
    assert_true(machine_open_bet(fixture->machine, 34, &bet));
    assert_int_equal(bet.state, BET_CONFIRMED);
    assert_false(machine_open_bet(fixture->machine, 36, &bet));
    fixture_free(fixture);
}

/* The standard capacities fit 1 GiB, an account costs at most 400 bytes and an open bet at most
 * 256, all tables included. */
static void standard_limits_fit_their_memory(void **state)
{
    (void)state;
    struct machine_limits limits;
    machine_default_limits(&limits);
    assert_int_equal(limits.accounts_max, 1000000);
    assert_int_equal(limits.open_bets_max, 1000000);
    assert_int_equal(limits.nonces_max, 1000000);
    assert_int_equal(limits.transfers_max, 2000000);
    assert_true(machine_bytes(&limits) <= (size_t)1 << 30);
    const struct machine_limits none = {0, 0, 0, 0};
    const size_t base = machine_bytes(&none);
    const struct machine_limits accounts = {1000000, 0, 0, 0};
    assert_true((machine_bytes(&accounts) - base) / 1000000 < 400);
    const struct machine_limits bets = {0, 1000000, 0, 0};
    assert_true((machine_bytes(&bets) - base) / 1000000 < 256);
    printf("arena: %zu bytes; account %zu, open bet %zu bytes\n", machine_bytes(&limits),
           (machine_bytes(&accounts) - base) / 1000000, (machine_bytes(&bets) - base) / 1000000);
}

/* A replay that looks at nothing but the end: no sink, or one without callbacks, changes nothing.
 */
static void machine_works_without_listeners(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_market(NULL);
    const struct tap tap = fixture_tap(fixture, 1, 1015000, FIXTURE_BAND);
    const struct event_sink deaf = {0};
    struct input input = {.seq = 32, .time_ms = 1005200, .kind = INPUT_TAP, .of.tap = tap};
    machine_apply(fixture->machine, &input, &deaf);
    struct bet bet;
    assert_true(machine_open_bet(fixture->machine, 32, &bet));
    input = (struct input){.seq = 33, .time_ms = 1005200, .kind = INPUT_CONFIG};
    machine_apply(fixture->machine, &input, NULL);
    assert_false(machine_open_bet(fixture->machine, 32, &bet));
    assert_null(machine_invariant(fixture->machine));
    fixture_free(fixture);
}

/* The market view tells when bets are taken, by engine time. */
static void market_view_tells_whether_bets_are_taken(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_market("vol_warmup=5");
    struct market_view market;
    machine_market(fixture->machine, &market);
    assert_false(market.warm);
    assert_false(market.open);
    assert_int_equal(market.breaker, BREAKER_HEALTHY);
    assert_int_equal(market.breaker_since_ms, 1005200);
    assert_int_equal(market.v_fast_q64, 274569393753);
    assert_int_equal(market.v_slow_q64, 309320724964);
    fixture_ticks(fixture, 1005200, 1006000, FIXTURE_PRICE_E4);
    machine_market(fixture->machine, &market);
    assert_true(market.open);
    fixture->time_ms = 1009001;
    struct input input = {.kind = INPUT_START};
    fixture_apply(fixture, &input);
    machine_market(fixture->machine, &market);
    assert_int_equal(market.breaker, BREAKER_HEALTHY);
    assert_false(market.open);
    assert_int_equal(market.external_micro, -1030000000);
    assert_int_equal(market.bankroll_micro, 1000000000);
    fixture_free(fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_happens_before_genesis),
        cmocka_unit_test(grid_records_that_may_not_count_are_ignored),
        cmocka_unit_test(time_of_a_tick_is_its_grid_time),
        cmocka_unit_test(price_ticks_out_of_bounds_count_as_clock_ticks),
        cmocka_unit_test(step_of_a_grid_record_has_one_order),
        cmocka_unit_test(open_bets_are_listed_in_id_order),
        cmocka_unit_test(standard_limits_fit_their_memory),
        cmocka_unit_test(machine_works_without_listeners),
        cmocka_unit_test(market_view_tells_whether_bets_are_taken),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
