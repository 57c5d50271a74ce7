/* The index price against figures worked by hand from rules.md section 3. Prices are in e4;
 * 1,000,000 is $100, of which 1 bp is 100. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "ingress/index.h"
#include "tests/unit/random.h"

static void book(struct index *index, const char *source, int64_t bid_e4, int64_t ask_e4,
                 int64_t receive_ms)
{
    const struct source_quote quote = {.source = source,
                                       .kind = QUOTE_BOOK,
                                       .bid_e4 = bid_e4,
                                       .ask_e4 = ask_e4,
                                       .receive_ms = receive_ms};
    assert_int_equal(index_quote(index, &quote), STATUS_OK);
}

static void trade(struct index *index, const char *source, int64_t price_e4, int64_t receive_ms)
{
    const struct source_quote quote = {
        .source = source, .kind = QUOTE_TRADE, .price_e4 = price_e4, .receive_ms = receive_ms};
    assert_int_equal(index_quote(index, &quote), STATUS_OK);
}

/* The result of steps 2 to 5 for adjusted prices given directly (basis 0). */
static struct index_result of_prices(const int64_t *prices_e4, size_t count, int64_t quorum)
{
    struct quote quotes[LIMIT_SOURCES] = {0};
    for (size_t i = 0; i < count; i++) {
        quotes[i].price_e4 = prices_e4[i];
    }
    struct index_result result;
    index_from_quotes(quotes, count, quorum, &result);
    return result;
}

/* An odd count gives the middle one, an even count the floor of the mean of the middle two,
 * whatever the order of the sources. */
static void medians_of_odd_and_even_counts(void **state)
{
    (void)state;
    const int64_t odd[] = {1000300, 1000000, 1000100};
    struct index_result result = of_prices(odd, 3, 1);
    assert_int_equal(result.price_e4, 1000100);
    assert_int_equal(result.m0_e4, 1000100);
    assert_int_equal(result.spread_e4, 300);
    assert_int_equal(result.sources, 3);

    const int64_t even[] = {1000001, 1000000}; /* mean 1000000.5 */
    result = of_prices(even, 2, 1);
    assert_int_equal(result.price_e4, 1000000);
    assert_int_equal(result.spread_e4, 1);

    const int64_t four[] = {1000400, 1000003, 1000000, 1000006}; /* (1000003 + 1000006) / 2 */
    assert_int_equal(of_prices(four, 4, 1).price_e4, 1000004);

    const int64_t one[] = {7};
    result = of_prices(one, 1, 1);
    assert_true(result.valid);
    assert_int_equal(result.price_e4, 7);
    assert_int_equal(result.spread_e4, 0);
}

/* 25 bp of m1 = 1,000,000 are 2,500: a source exactly there stays, one unit further it is dropped,
 * on both sides. (While it stays the spread makes the index invalid.) */
static void outlier_is_dropped_just_past_25_bp(void **state)
{
    (void)state;
    const struct {
        int64_t third_e4;
        uint32_t sources;
        bool valid;
    } rows[] = {{1002500, 3, false}, {1002501, 2, true}, {997500, 3, false}, {997499, 2, true}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const int64_t prices[] = {1000000, rows[i].third_e4, 1000000};
        const struct index_result result = of_prices(prices, 3, 2);
        assert_int_equal(result.sources, rows[i].sources);
        assert_int_equal(result.kept, rows[i].sources == 3 ? 7 : 5);
        assert_int_equal(result.valid, rows[i].valid);
        assert_int_equal(result.price_e4, 1000000);
    }
}

/* m1 of {990000, 1000000, 1002510, 1002510} is 1001255: only 990000 is past 25 bp of it. The median
 * of the rest is 1002510, from which 1000000 is 2,510 > 2,506 away, but there is no second round.
 */
static void outliers_are_dropped_once(void **state)
{
    (void)state;
    const int64_t prices[] = {990000, 1000000, 1002510, 1002510};
    const struct index_result result = of_prices(prices, 4, 1);
    assert_int_equal(result.kept, 0xe);
    assert_int_equal(result.price_e4, 1002510);
    assert_int_equal(result.spread_e4, 2510);
    assert_false(result.valid);
}

/* 10 bp of 1,000,000 are 1,000. */
static void spread_of_exactly_10_bp_is_valid(void **state)
{
    (void)state;
    const int64_t at[] = {1000000, 1000000, 1001000};
    assert_true(of_prices(at, 3, 3).valid);
    const int64_t past[] = {1000000, 1000000, 1001001};
    assert_int_equal(of_prices(past, 3, 3).spread_e4, 1001);
    assert_false(of_prices(past, 3, 3).valid);
}

/* Two sources 100 % apart lie both more than 25 bp from the mean of the two: nothing is left. */
static void no_source_left_is_invalid(void **state)
{
    (void)state;
    const int64_t prices[] = {1000000, 2000000};
    const struct index_result result = of_prices(prices, 2, 1);
    assert_false(result.valid);
    assert_int_equal(result.sources, 0);
    assert_int_equal(result.m0_e4, 1500000);
    assert_false(of_prices(prices, 0, 1).valid);
}

/* Valid when at least quorum sources make the rest. */
static void quorum_counts_the_rest(void **state)
{
    (void)state;
    const int64_t prices[] = {1000000, 1000000, 1005000}; /* the third is dropped */
    for (size_t count = 1; count <= 3; count++) {
        for (int64_t quorum = 1; quorum <= 3; quorum++) {
            const int64_t rest = count == 3 ? 2 : (int64_t)count;
            assert_int_equal(of_prices(prices, count, quorum).valid, rest >= quorum);
        }
    }
}

/* Worked by hand. First tick: m0 = 1000100, differences -100 and +100 serve as basis, both adjusted
 * prices are 1000100. Then B = -409600 and 409600 (the EWMA step is zero: -100 - -100).
 * Second tick, b moves to 1001000: m0 = 1000500, adjusted 1000100 and 1000900, index 1000500,
 * spread 800. B_a = -409600 - 500 + 100 = -410000, B_b = 409600 + 500 - 100 = 410000. Third tick:
 * -410000 / 4096 = -100.1 floors to -101, 410000 / 4096 = 100.1 to 100. */
static void basis_follows_by_floor_shifts(void **state)
{
    (void)state;
    struct index index;
    struct price_tick tick;
    index_init(&index);
    book(&index, "a", 999990, 1000010, 0);
    book(&index, "b", 1000190, 1000210, 0);
    assert_true(index_take(&index, 0, 200, 2, &tick));
    assert_int_equal(tick.grid_ms, 200);
    assert_int_equal(tick.price_e4, 1000100);
    assert_int_equal(tick.m0_e4, 1000100);
    assert_int_equal(tick.spread_e4, 0);
    assert_int_equal(tick.sources, 2);
    assert_int_equal(tick.set, 3);
    assert_int_equal(tick.quote_count, 2);
    assert_int_equal(tick.quotes[0].price_e4, 1000000);
    assert_int_equal(tick.quotes[0].basis_e4, -100);
    assert_int_equal(tick.quotes[1].basis_e4, 100);
    assert_int_equal(tick.quotes[1].name.length, 1);
    assert_memory_equal(tick.quotes[1].name.text, "b", 1);
    index_commit(&index);

    book(&index, "b", 1000990, 1001010, 200);
    assert_true(index_take(&index, 200, 400, 2, &tick));
    assert_int_equal(tick.price_e4, 1000500);
    assert_int_equal(tick.spread_e4, 800);
    assert_int_equal(tick.quotes[0].basis_e4, -100);
    index_commit(&index);
    index_commit(&index); /* a second one has nothing to do */
    assert_int_equal(index.sources[0].basis, -410000);
    assert_int_equal(index.sources[1].basis, 410000);

    assert_true(index_take(&index, 400, 600, 2, &tick));
    assert_int_equal(tick.quotes[0].basis_e4, -101);
    assert_int_equal(tick.quotes[1].basis_e4, 100);
    /* adjusted 1000101 and 1000900: mean 1000500.5 */
    assert_int_equal(tick.price_e4, 1000500);
    assert_int_equal(tick.spread_e4, 799);
}

/* Taking without committing, and an invalid take, leave every basis where it was. */
static void basis_moves_only_with_a_recorded_tick(void **state)
{
    (void)state;
    struct index index;
    struct price_tick tick;
    struct index_view views[LIMIT_SOURCES];
    index_init(&index);
    book(&index, "a", 999990, 1000010, 0);
    book(&index, "b", 1000190, 1000210, 0);
    for (int i = 0; i < 3; i++) {
        assert_true(index_take(&index, 0, 200, 2, &tick));
        assert_int_equal(tick.quotes[0].basis_e4, -100);
    }
    assert_int_equal(index_views(&index, 0, views), 2);
    assert_int_equal(views[0].basis_e4, 0); /* it still has none */
    index_commit(&index);
    (void)index_views(&index, 0, views);
    assert_int_equal(views[0].basis_e4, -100);

    book(&index, "b", 1000990, 1001010, 200);
    assert_true(index_take(&index, 200, 400, 2, &tick));
    assert_false(
        index_take(&index, 200, 400, 3, &tick)); /* no quorum, and the take before is void */
    index_commit(&index);
    (void)index_views(&index, 0, views);
    assert_int_equal(views[0].basis_e4, -100);
    assert_int_equal(index.sources[0].basis, -409600);
    assert_false(views[0].used);

    index_reset(&index);
    (void)index_views(&index, 0, views);
    assert_int_equal(views[0].basis_e4, 0);
    assert_true(index_take(&index, 200, 400, 2, &tick));
    assert_int_equal(tick.quotes[0].basis_e4, -500);
}

/* c starts 100 bp off: 25 bp of it are taken as basis, the rest makes it an outlier, and it gets no
 * basis of its own. Back among the others it is taken at its price. */
static void a_source_that_starts_as_an_outlier_earns_no_basis(void **state)
{
    (void)state;
    struct index index;
    struct price_tick tick;
    index_init(&index);
    trade(&index, "a", 1000000, 0);
    trade(&index, "b", 1000000, 0);
    trade(&index, "c", 1010000, 0);
    assert_true(index_take(&index, 0, 200, 2, &tick));
    assert_int_equal(tick.quotes[2].basis_e4, 2500);
    assert_int_equal(tick.set, 3);
    assert_int_equal(tick.sources, 2);
    index_commit(&index);
    trade(&index, "c", 1000000, 100);
    assert_true(index_take(&index, 100, 400, 2, &tick));
    assert_int_equal(tick.quotes[2].basis_e4, 0);
    assert_int_equal(tick.set, 7);
}

/* c's own basis of 2,000 is more than 25 bp of a market that fell to a tenth: 250 are applied. */
static void applied_basis_is_clamped_to_25_bp_of_m0(void **state)
{
    (void)state;
    struct index index;
    struct price_tick tick;
    index_init(&index);
    trade(&index, "a", 1000000, 0);
    trade(&index, "b", 1000000, 0);
    trade(&index, "c", 1002000, 0);
    trade(&index, "d", 998000, 0);
    trade(&index, "e", 1000000, 0);
    assert_true(index_take(&index, 0, 200, 5, &tick));
    index_commit(&index);
    trade(&index, "a", 100000, 0);
    trade(&index, "b", 100000, 0);
    trade(&index, "c", 100200, 0);
    trade(&index, "d", 99800, 0);
    trade(&index, "e", 100000, 0);
    assert_true(index_take(&index, 0, 400, 5, &tick));
    assert_int_equal(tick.quotes[2].basis_e4, 250);
    assert_int_equal(tick.quotes[3].basis_e4, -250);
    assert_int_equal(tick.price_e4, 100000);
    assert_int_equal(tick.spread_e4, 100); /* 99950 to 100050 */
}

/* 3,000 ms old is fresh, 3,001 ms is not. */
static void age_of_exactly_3000_ms_is_fresh(void **state)
{
    (void)state;
    struct index index;
    struct price_tick tick;
    index_init(&index);
    trade(&index, "a", 1000000, 5000);
    assert_true(index_take(&index, 8000, 8000, 1, &tick));
    assert_false(index_take(&index, 8001, 8001, 1, &tick));
    trade(&index, "b", 1000000, 5001);
    assert_true(index_take(&index, 8001, 8001, 1, &tick));
    assert_int_equal(tick.set, 2); /* b alone, by its own bit */
    assert_int_equal(tick.quote_count, 1);
}

/* ask > bid > 0 or the source is out; a good book brings it back. */
static void crossed_locked_or_one_sided_book_is_unusable(void **state)
{
    (void)state;
    const int64_t bad[][2] = {
        {1000010, 1000000},          {1000000, 1000000},    {0, 1000000}, {1000000, 0}, {-5, 5},
        {1, INDEX_PRICE_MAX_E4 + 1}, {INT64_MIN, INT64_MAX}};
    struct index index;
    struct price_tick tick;
    struct index_view views[LIMIT_SOURCES];
    index_init(&index);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        book(&index, "a", bad[i][0], bad[i][1], 0);
        trade(&index, "a", 1000000, 0); /* a trade does not stand in: it has shown a book */
        assert_false(index_take(&index, 0, 200, 1, &tick));
        (void)index_views(&index, 0, views);
        assert_int_equal(views[0].price_e4, 0);
        book(&index, "a", 1000000, 1000001, 0);
        assert_true(index_take(&index, 0, 200, 1, &tick));
        assert_int_equal(tick.price_e4, 1000000); /* floor of the mean */
    }
    trade(&index, "b", 0, 0);
    trade(&index, "c", INDEX_PRICE_MAX_E4 + 1, 0);
    trade(&index, "d", -1000000, 0);
    assert_true(index_take(&index, 0, 200, 1, &tick));
    assert_int_equal(tick.quote_count, 1);
}

/* The last trade is the price until the first book, the book's mean ever after; a trade then keeps
 * the source fresh without moving its price. */
static void trade_is_the_price_only_before_any_book(void **state)
{
    (void)state;
    struct index index;
    struct price_tick tick;
    index_init(&index);
    trade(&index, "a", 1000000, 0);
    trade(&index, "a", 1000500, 100);
    assert_true(index_take(&index, 200, 200, 1, &tick));
    assert_int_equal(tick.price_e4, 1000500);
    book(&index, "a", 1000100, 1000200, 300);
    trade(&index, "a", 1000900, 400);
    assert_true(
        index_take(&index, 3400, 3400, 1, &tick)); /* the book alone would be 3,100 ms old */
    assert_int_equal(tick.price_e4, 1000150);
    assert_false(index_take(&index, 3401, 3401, 1, &tick));
}

/* The 33rd name is refused and changes nothing; names out of shape never count. */
static void at_most_32_sources_and_only_plain_names(void **state)
{
    (void)state;
    struct index index;
    struct price_tick tick;
    index_init(&index);
    char name[8];
    for (int i = 0; i < LIMIT_SOURCES; i++) {
        assert_true(snprintf(name, sizeof name, "s%d", i) > 0);
        trade(&index, name, 1000000, 0);
    }
    const struct source_quote more = {
        .source = "s32", .kind = QUOTE_TRADE, .price_e4 = 1000000, .receive_ms = 0};
    assert_int_equal(index_quote(&index, &more), STATUS_FULL);
    assert_true(index_take(&index, 0, 200, 32, &tick));
    assert_int_equal(tick.sources, 32);
    assert_true(tick.set == UINT32_MAX);
    trade(&index, "s31", 1000001, 0); /* a known one is still heard */

    index_init(&index);
    const char *const bad[] = {
        "", "a b", "a\"", "\xc3\xa4", "a/b", "a\n", "123456789012345678901234567890123"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        const struct source_quote quote = {.source = bad[i], .kind = QUOTE_TRADE, .price_e4 = 1};
        assert_int_equal(index_quote(&index, &quote), STATUS_INVALID);
    }
    trade(&index, "12345678901234567890123456789.-_", 1, 0);
    assert_int_equal(index.count, 1);
}

/* b sits 3 bp under a and drops out every other tick, as a flapping connection does. The plain mean
 * would jump by 1.5 bp = 150 each time; with the basis the index moves by a few units. */
static void flapping_source_does_not_move_the_index(void **state)
{
    (void)state;
    struct index index;
    struct price_tick tick;
    index_init(&index);
    for (int64_t i = 0; i < 2000; i++) {
        const int64_t now_ms = i * 10000; /* whoever is silent in a tick is stale in it */
        book(&index, "a", 999990, 1000010, now_ms);
        if (i % 2 == 0) {
            book(&index, "b", 999690, 999710, now_ms);
        }
        assert_true(index_take(&index, now_ms, now_ms, 1, &tick));
        index_commit(&index);
        assert_int_equal(tick.set, i % 2 == 0 ? 3 : 1);
        assert_in_range(tick.price_e4, 999850 - 1, 1000000);
        if (i < 100) {
            assert_in_range(tick.price_e4, 999849, 999853);
        }
    }
}

/* One random market of up to five sources, some of them now and then stale, crossed or far off. */
static bool random_take(struct index *index, struct random *random, int64_t now_ms,
                        struct price_tick *tick)
{
    static const char *const names[] = {"a", "b", "c", "d", "e"};
    for (size_t i = 0; i < 5; i++) {
        const uint64_t dice = random_below(random, 20);
        if (dice < 4) {
            continue;
        }
        const int64_t off = dice == 4 ? 50000 : (int64_t)(random_below(random, 600));
        const int64_t bid_e4 = 10000000 + off + (int64_t)i * 700;
        book(index, names[i], bid_e4, dice == 5 ? bid_e4 : bid_e4 + 100, now_ms);
    }
    return index_take(index, now_ms, now_ms, 1 + (int64_t)(random_below(random, 3)), tick);
}

/* Whoever has only the records comes to the same basis, price and spread in each of them. */
static void audit_accepts_every_tick_of_a_long_run(void **state)
{
    (void)state;
    struct index index;
    struct index audit;
    struct price_tick tick;
    struct random random = random_start("audit_accepts_every_tick_of_a_long_run", 20261120);
    size_t valid = 0;
    index_init(&index);
    index_init(&audit);
    for (int64_t i = 0; i < 5000; i++) {
        if (random_take(&index, &random, i * 1000, &tick)) {
            index_commit(&index);
            assert_int_equal(index_audit(&audit, &tick), STATUS_OK);
            valid++;
        }
    }
    assert_in_range(valid, 1000, 5000);
    for (size_t i = 0; i < audit.count; i++) {
        for (size_t j = 0; j < index.count; j++) {
            if (strcmp(index.sources[j].name, audit.sources[i].name) == 0) {
                assert_int_equal(audit.sources[i].basis, index.sources[j].basis);
            }
        }
    }
}

/* Each number of a record, changed by one, is found, also the basis of a source that was dropped
 * and so has no part in the price. */
static void audit_finds_any_changed_number(void **state)
{
    (void)state;
    struct index index;
    struct price_tick tick;
    index_init(&index);
    book(&index, "a", 999990, 1000010, 0);
    book(&index, "b", 1000190, 1000210, 0);
    book(&index, "c", 1000090, 1000110, 0);
    book(&index, "d", 1009990, 1010010, 0);
    assert_true(index_take(&index, 0, 200, 2, &tick));
    assert_int_equal(tick.set, 7);
    for (int change = 0; change <= 10; change++) {
        struct price_tick other = tick;
        other.price_e4 += change == 1;
        other.spread_e4 += change == 2;
        other.m0_e4 += change == 3;
        other.sources -= change == 4;
        other.set = change == 5 ? 3 : other.set;
        other.quotes[3].basis_e4 += change == 6;
        other.quotes[3].basis_e4 -= change == 10;
        other.quotes[2].price_e4 += change == 7;
        other.quotes[1].name.text = change == 8 ? "a" : other.quotes[1].name.text;
        other.quote_count = change == 9 ? 0 : other.quote_count;
        struct index audit;
        index_init(&audit);
        assert_int_equal(index_audit(&audit, &other), change == 0 ? STATUS_OK : STATUS_MISMATCH);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(medians_of_odd_and_even_counts),
        cmocka_unit_test(outlier_is_dropped_just_past_25_bp),
        cmocka_unit_test(outliers_are_dropped_once),
        cmocka_unit_test(spread_of_exactly_10_bp_is_valid),
        cmocka_unit_test(no_source_left_is_invalid),
        cmocka_unit_test(quorum_counts_the_rest),
        cmocka_unit_test(basis_follows_by_floor_shifts),
        cmocka_unit_test(basis_moves_only_with_a_recorded_tick),
        cmocka_unit_test(a_source_that_starts_as_an_outlier_earns_no_basis),
        cmocka_unit_test(applied_basis_is_clamped_to_25_bp_of_m0),
        cmocka_unit_test(age_of_exactly_3000_ms_is_fresh),
        cmocka_unit_test(crossed_locked_or_one_sided_book_is_unusable),
        cmocka_unit_test(trade_is_the_price_only_before_any_book),
        cmocka_unit_test(at_most_32_sources_and_only_plain_names),
        cmocka_unit_test(flapping_source_does_not_move_the_index),
        cmocka_unit_test(audit_accepts_every_tick_of_a_long_run),
        cmocka_unit_test(audit_finds_any_changed_number),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
