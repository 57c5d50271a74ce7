/* The made-up feed: same seed, same walk; and the walk looks like a market. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "ingress/feed.h"
#include "tests/unit/ingress/fake_time.h"

struct seen {
    uint64_t count;
    uint64_t digest;
    int64_t last_ms;
    int64_t last_of[3];
    int64_t gap_least_ms;
    int64_t gap_most_ms;
    int64_t mid_a_e4; /* the latest of sim-a */
};

static enum status on_quote(void *context, const struct source_quote *quote)
{
    struct seen *seen = context;
    assert_int_equal(quote->kind, QUOTE_BOOK);
    assert_true(quote->ask_e4 > quote->bid_e4 && quote->bid_e4 > 0);
    assert_true(quote->receive_ms >= seen->last_ms); /* in order */
    seen->last_ms = quote->receive_ms;
    assert_int_equal(strlen(quote->source), 5);
    const int number = quote->source[4] - 'a';
    assert_in_range(number, 0, 2);
    if (seen->last_of[number] != 0) {
        const int64_t gap_ms = quote->receive_ms - seen->last_of[number];
        seen->gap_least_ms = gap_ms < seen->gap_least_ms ? gap_ms : seen->gap_least_ms;
        seen->gap_most_ms = gap_ms > seen->gap_most_ms ? gap_ms : seen->gap_most_ms;
    }
    seen->last_of[number] = quote->receive_ms;
    if (number == 0) {
        seen->mid_a_e4 = (quote->bid_e4 + quote->ask_e4) / 2;
    }
    const int64_t words[] = {number, quote->bid_e4, quote->ask_e4, quote->receive_ms};
    for (size_t i = 0; i < 4; i++) {
        seen->digest = seen->digest * 1000003 + (uint64_t)words[i];
    }
    seen->count += 1;
    return STATUS_OK;
}

struct fixture {
    struct fake_time time;
    struct clock clock;
    struct feed *feed;
    struct seen seen;
};

static void open_sim(struct fixture *fixture, const char *spec)
{
    char error[FEED_ERROR_BYTES];
    memset(fixture, 0, sizeof *fixture);
    fixture->time.monotonic_ns = 1000 * FAKE_NS_PER_MS;
    fixture->seen.gap_least_ms = INT64_MAX;
    struct clock_source source = fake_source(&fixture->time);
    clock_init_real(&fixture->clock, &source);
    assert_int_equal(feed_open(spec, &fixture->feed, error, sizeof error), STATUS_OK);
    const struct feed_sink sink = {.context = &fixture->seen, .on_quote = on_quote};
    assert_int_equal(feed_start(fixture->feed, NULL, &fixture->clock, &sink, error, sizeof error),
                     STATUS_OK);
}

static void close_sim(struct fixture *fixture)
{
    feed_close(fixture->feed);
    feed_free(fixture->feed);
    clock_close(&fixture->clock);
}

/* The digest after ten minutes, pulled in steps of step_ms. */
static uint64_t digest_of(const char *spec, int64_t step_ms)
{
    struct fixture fixture;
    open_sim(&fixture, spec);
    for (int64_t ms = 1000; ms <= 601000; ms += step_ms) {
        feed_advance(fixture.feed, ms);
    }
    feed_advance(fixture.feed, 601000);
    const uint64_t digest = fixture.seen.digest;
    close_sim(&fixture);
    return digest;
}

/* A seed gives the same quotes however they are pulled, another seed others; `sim` is seed 1. */
static void seed_decides_the_walk(void **state)
{
    (void)state;
    const uint64_t one = digest_of("sim:seed=1", 200);
    assert_true(digest_of("sim:seed=1", 7) == one);
    assert_true(digest_of("sim", 600000) == one);
    assert_true(digest_of("sim:seed=2", 200) != one);
}

/* Nothing later than the moment asked for is delivered; each source quotes every 50 to 100 ms. */
static void quotes_come_every_50_to_100_ms(void **state)
{
    (void)state;
    struct fixture fixture;
    struct feed_counts counts;
    open_sim(&fixture, "sim");
    for (int64_t ms = 1000; ms <= 61000; ms += 10) {
        feed_advance(fixture.feed, ms);
        assert_true(fixture.seen.last_ms <= ms);
    }
    assert_int_equal(fixture.seen.gap_least_ms, 50);
    assert_int_equal(fixture.seen.gap_most_ms, 100);
    feed_counts(fixture.feed, &counts);
    assert_int_equal(counts.quotes, fixture.seen.count);
    assert_in_range(counts.quotes, 3 * 60000 / 100, 3 * 60000 / 50);
    close_sim(&fixture);
}

/* The walk's deviation over 10 s, measured over eleven hours, is 1.3 bps per root-second within 5 %
 * (4,000 samples: one standard error is 1.1 %), and the price stays near that of Bitcoin. */
static void walk_has_the_stated_volatility(void **state)
{
    (void)state;
    struct fixture fixture;
    open_sim(&fixture, "sim:seed=7");
    const int samples = 4000;
    double squares = 0;
    feed_advance(fixture.feed, 1100);
    double before = (double)fixture.seen.mid_a_e4;
    for (int i = 1; i <= samples; i++) {
        feed_advance(fixture.feed, 1100 + (int64_t)i * 10000);
        const double now = (double)fixture.seen.mid_a_e4;
        const double move_bps = 10000 * (now - before) / before;
        squares += move_bps * move_bps / 10;
        before = now;
    }
    const double sigma = sqrt(squares / samples);
    printf("sim: %.4f bps per root-second\n", sigma);
    assert_true(sigma > 1.3 * 0.95 && sigma < 1.3 * 1.05);
    assert_true(before > 972300000 * 0.7 && before < 972300000 * 1.4);
    close_sim(&fixture);
}

/* A wrong seed is refused with a line that says what is right. */
static void wrong_seed_is_refused(void **state)
{
    (void)state;
    const char *const specs[] = {"sim:seed=", "sim:seed=x", "sim:seed=-1", "sim:seed=1,x", "sim:x"};
    for (size_t i = 0; i < sizeof specs / sizeof specs[0]; i++) {
        char error[FEED_ERROR_BYTES] = "";
        struct feed *feed = NULL;
        assert_int_equal(feed_open(specs[i], &feed, error, sizeof error), STATUS_USAGE);
        assert_null(feed);
        assert_non_null(strstr(error, "sim:seed=N"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(seed_decides_the_walk),
        cmocka_unit_test(quotes_come_every_50_to_100_ms),
        cmocka_unit_test(walk_has_the_stated_volatility),
        cmocka_unit_test(wrong_seed_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
