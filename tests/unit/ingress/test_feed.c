/* The door to all feeds: which specs there are, and what becomes of refused quotes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "ingress/feed.h"
#include "ingress/feed_kind.h"

/* Unknown words and exchanges are refused with one line that names what to do. */
static void unknown_feeds_are_refused_in_words(void **state)
{
    (void)state;
    const struct {
        const char *spec;
        const char *word;
    } rows[] = {{"", "unknown"},          {"simx", "unknown"},    {"SIM", "unknown"},
                {"coinbaseX", "unknown"}, {"coinbase", "lines:"}, {"binance=wss://x", "lines:"},
                {"kraken", "lines:"},     {"bitstamp", "lines:"}, {"kraken=wss://a:1/b", "lines:"}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char error[FEED_ERROR_BYTES] = "";
        struct feed *feed = NULL;
        assert_int_equal(feed_open(rows[i].spec, &feed, error, sizeof error), STATUS_USAGE);
        assert_null(feed);
        assert_non_null(strstr(error, rows[i].word));
        assert_null(strchr(error, '\n'));
        assert_null(strstr(error, "feed")); /* whoever asked has said which one */
    }
}

/* A spec is kept for logs, and only a recording rules the clock. */
static void spec_is_kept(void **state)
{
    (void)state;
    char error[FEED_ERROR_BYTES];
    struct feed *feed;
    struct clock_recording recording;
    assert_int_equal(feed_open("sim:seed=5", &feed, error, sizeof error), STATUS_OK);
    assert_string_equal(feed_spec(feed), "sim:seed=5");
    assert_false(feed_recording(feed, &recording));
    assert_int_equal(feed_port(feed), 0);
    feed_close(feed);
    feed_free(feed);
    feed_free(NULL);
}

static int words;
static char last_word[FEED_ERROR_BYTES];

static void on_word(void *context, const char *text)
{
    (void)context;
    words += 1;
    snprintf(last_word, sizeof last_word, "%s", text);
}

static enum status refuse(void *context, const struct source_quote *quote)
{
    (void)quote;
    return *(const enum status *)context;
}

/* A refused quote is counted each time and said once, in characters that harm no terminal. */
static void refused_quote_is_said_once(void **state)
{
    (void)state;
    enum status answer = STATUS_FULL;
    struct feed_run run = {.sink = {.context = &answer, .on_quote = refuse, .on_word = on_word}};
    const struct source_quote quote = {.source = "a\033[2Jb", .kind = QUOTE_TRADE};
    words = 0;
    for (int i = 0; i < 3; i++) {
        assert_int_equal(feed_deliver(&run, &quote), STATUS_FULL);
    }
    assert_int_equal(words, 1);
    assert_non_null(strstr(last_word, "a?[2Jb"));
    assert_non_null(strstr(last_word, "32 sources"));
    assert_int_equal(run.counts.refused, 3);
    assert_int_equal(run.counts.quotes, 0);
    answer = STATUS_OK;
    assert_int_equal(feed_deliver(&run, &quote), STATUS_OK);
    assert_int_equal(run.counts.quotes, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(unknown_feeds_are_refused_in_words),
        cmocka_unit_test(spec_is_kept),
        cmocka_unit_test(refused_quote_is_said_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
