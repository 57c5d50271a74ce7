#include "statemachine/odds.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <nettle/sha2.h>

#include "base/bytes.h"
#include "base/text.h"

#define GOLDEN_ROWS 400

/* The compiled table is the one the config epoch names: 1,025 entries as u32 little-endian. */
static void table_has_its_published_hash(void **state)
{
    (void)state;
    uint8_t bytes[4 * ODDS_TABLE_COUNT];
    for (size_t i = 0; i < ODDS_TABLE_COUNT; i++) {
        store_u32(bytes + 4 * i, odds_table[i]);
    }
    struct sha256_ctx context;
    sha256_init(&context);
    sha256_update(&context, sizeof bytes, bytes);
    uint8_t digest[SHA256_DIGEST_SIZE];
    sha256_digest(&context, sizeof digest, digest);
    char hex[2 * SHA256_DIGEST_SIZE + 1];
    text_format_hex(hex, digest, sizeof digest);
    assert_string_equal(hex, ODDS_TABLE_SHA256);
}

static FILE *open_golden(void)
{
    const char *shared = getenv("TAPLINE_SHARED");
    char path[1024];
    snprintf(path, sizeof path, "%s/data/odds_reference/odds_golden.csv",
             shared != NULL ? shared : TAPLINE_SHARED_DIR);
    FILE *file = fopen(path, "r");
    if (file == NULL) {
        printf("SKIPPED: no golden rows at %s (set TAPLINE_SHARED)\n", path);
        skip();
    }
    return file;
}

/* Every published row (made by other code) comes out to the last bit: p, the raw multiplier, and
 * whether the cell is offered. The rows are without skew and bands. */
static void golden_rows_match_exactly(void **state)
{
    (void)state;
    FILE *file = open_golden();
    char row[512];
    assert_non_null(fgets(row, sizeof row, file)); /* the names of the columns */
    int rows = 0;
    while (fgets(row, sizeof row, file) != NULL) {
        long long field[10];
        char *at = row;
        for (int i = 0; i < 10; i++) {
            field[i] = strtoll(at, &at, 10);
            at += *at == ',';
        }
        const struct odds_input input = {
            .price_e4 = field[0],
            .v_fast_q64 = (uint64_t)field[1],
            .v_slow_q64 = (uint64_t)field[2],
            .tau_ms = field[3],
            .lo_e4 = field[4],
            .hi_e4 = field[5],
            .edge_bp = field[6],
            .cell_payout_max_micro = 1,
        };
        struct odds odds;
        odds_price(&input, &odds);
        assert_int_equal(odds.p_q32, field[7]);
        assert_int_equal(odds.mult_raw_centi, field[8]);
        assert_int_equal(odds.offered ? odds.mult_centi : 0, field[9]);
        rows++;
    }
    fclose(file);
    assert_int_equal(rows, GOLDEN_ROWS);
}

/* A cell of which the figures were worked by hand.
 * vf = vs = 2^38 so all three v are 2^38; tau 4,000 ms: v * 4 = 2^40, rel = 2^20.
 * S = 64,000,000 e4: sd = 64,000,000 * 2^20 >> 24 = 4,000,000 (15,625 e4 with 8 fraction bits).
 * lo = S, hi = S + 15,625 (one sigma): z(0) = 0, q = Tab[0] = 2^31, F = ONE - 2^31 = 2,147,483,647.
 * z(hi) = (15,625 << 24) / 4,000,000 = 65,536, i = 128, no fraction: q = Tab[128], F = ONE -
 * Tab[128]. p = 2^31 - Tab[128]. */
static const struct odds_input worked = {
    .price_e4 = 64000000,
    .v_fast_q64 = (uint64_t)1 << 38,
    .v_slow_q64 = (uint64_t)1 << 38,
    .tau_ms = 4000,
    .lo_e4 = 64000000,
    .hi_e4 = 64015625,
    .edge_bp = 500,
    .skew_bp = 500,
    .cell_payout_max_micro = 10000000000,
};

static void breakdown_shows_every_figure(void **state)
{
    (void)state;
    struct odds odds;
    odds_price(&worked, &odds);
    for (int i = 0; i < ODDS_VARIANCE_COUNT; i++) {
        assert_int_equal(odds.of[i].v_q64, (uint64_t)1 << 38);
        assert_int_equal(odds.of[i].rel_q32, 1 << 20);
        assert_int_equal(odds.of[i].sd_e4_q8, 4000000);
        assert_int_equal(odds.of[i].p_q32, 2147483648u - odds_table[128]);
    }
    const uint64_t p = 2147483648u - odds_table[128];
    assert_int_equal(odds.p_q32, p);
    assert_int_equal(odds.mult_raw_centi, (uint64_t)100 * 9500 * 4294967295u / (10000 * p));
    assert_int_equal(odds.mult_centi, odds.mult_raw_centi);
    assert_true(odds.offered);
}

/* The three variances are the low, middle and high of fast and slow, never more than a factor two
 * from the middle: vf = 100, vs = 1,000 (times 10^9): vm = 550, vlo = max(100, 275), vhi =
 * min(1000, 1100). */
static void variances_stay_within_a_factor_two_of_the_middle(void **state)
{
    (void)state;
    struct odds_input input = worked;
    input.v_fast_q64 = 100000000000;
    input.v_slow_q64 = 1000000000000;
    struct odds odds;
    odds_price(&input, &odds);
    assert_int_equal(odds.of[ODDS_LOW].v_q64, 275000000000);
    assert_int_equal(odds.of[ODDS_MIDDLE].v_q64, 550000000000);
    assert_int_equal(odds.of[ODDS_HIGH].v_q64, 1000000000000);
    struct odds swapped;
    input.v_fast_q64 = 1000000000000;
    input.v_slow_q64 = 100000000000;
    odds_price(&input, &swapped);
    assert_int_equal(swapped.of[ODDS_LOW].v_q64, 275000000000);
    assert_int_equal(swapped.of[ODDS_HIGH].v_q64, 1000000000000);
    assert_int_equal(swapped.p_q32, odds.p_q32);
}

/* Skew: half of the cell's cap paid out takes half of 5 % off: m - floor(m * 500 * L / (10^4 *
 * cap)). */
static void skew_lowers_the_multiplier_with_the_payouts_of_the_cell(void **state)
{
    (void)state;
    struct odds_input input = worked;
    struct odds odds;
    odds_price(&input, &odds);
    const uint64_t raw = odds.mult_raw_centi;
    input.cell_payout_micro = 5000000000;
    odds_price(&input, &odds);
    assert_int_equal(odds.mult_raw_centi, raw);
    assert_int_equal(odds.mult_centi, raw - raw * 25 / 1000);
}

/* After cell_payout_max was lowered far below what a cell already holds, the skew would be more
 * than the whole multiplier: the cell is closed, nothing wraps. */
static void skew_beyond_the_whole_multiplier_closes_the_cell(void **state)
{
    (void)state;
    struct odds_input input = worked;
    input.cell_payout_micro = 1000000000000000;
    input.cell_payout_max_micro = 1;
    input.skew_bp = 5000;
    struct odds odds;
    odds_price(&input, &odds);
    assert_int_equal(odds.mult_centi, 0);
    assert_false(odds.offered);
}

/* Far from every price the tail is 0, p is 0, and so is the multiplier: not offered. */
static void impossible_cell_has_no_multiplier(void **state)
{
    (void)state;
    struct odds_input input = worked;
    input.lo_e4 = INT64_MAX - 1;
    input.hi_e4 = INT64_MAX;
    struct odds odds;
    odds_price(&input, &odds);
    assert_int_equal(odds.p_q32, 0);
    assert_int_equal(odds.mult_raw_centi, 0);
    assert_false(odds.offered);
    input.lo_e4 = INT64_MIN;
    input.hi_e4 = INT64_MIN + 1;
    odds_price(&input, &odds);
    assert_int_equal(odds.mult_centi, 0);
}

/* With no time left the deviation is its least, one e4, and the band that holds the price is
 * certain: p = ONE, m = floor(95 * ONE / ONE) = 95, below what is offered. */
static void certain_cell_pays_less_than_its_stake_and_is_not_offered(void **state)
{
    (void)state;
    struct odds_input input = worked;
    input.tau_ms = 0;
    input.lo_e4 = 63900000;
    input.hi_e4 = 64100000;
    struct odds odds;
    odds_price(&input, &odds);
    assert_int_equal(odds.of[ODDS_LOW].sd_e4_q8, 256);
    assert_int_equal(odds.p_q32, 4294967295u);
    assert_int_equal(odds.mult_raw_centi, 95);
    assert_false(odds.offered);
}

/* Offered are 1.05x to 50.00x, both inclusive. The edges and cells are found by search so that the
 * raw multiplier falls on and just beyond the two bounds. */
static void offered_multipliers_include_their_bounds(void **state)
{
    (void)state;
    const struct {
        int64_t lo_e4;
        int64_t hi_e4;
        int64_t edge_bp;
        uint64_t mult_centi;
        bool offered;
    } rows[] = {
        {64000000, 64000511, 1989, 5000, true},
        {64000000, 64000511, 1988, 5001, false},
        {63976000, 64024000, 594, 104, false},
        {63976000, 64024000, 505, 105, true},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct odds_input input = worked;
        input.lo_e4 = rows[i].lo_e4;
        input.hi_e4 = rows[i].hi_e4;
        input.edge_bp = rows[i].edge_bp;
        struct odds odds;
        odds_price(&input, &odds);
        assert_int_equal(odds.mult_centi, rows[i].mult_centi);
        assert_int_equal(odds.offered, rows[i].offered);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(table_has_its_published_hash),
        cmocka_unit_test(golden_rows_match_exactly),
        cmocka_unit_test(breakdown_shows_every_figure),
        cmocka_unit_test(variances_stay_within_a_factor_two_of_the_middle),
        cmocka_unit_test(skew_lowers_the_multiplier_with_the_payouts_of_the_cell),
        cmocka_unit_test(skew_beyond_the_whole_multiplier_closes_the_cell),
        cmocka_unit_test(impossible_cell_has_no_multiplier),
        cmocka_unit_test(offered_multipliers_include_their_bounds),
        cmocka_unit_test(certain_cell_pays_less_than_its_stake_and_is_not_offered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
