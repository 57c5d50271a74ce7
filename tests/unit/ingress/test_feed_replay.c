/* Recordings: what is read of them, when it is delivered, and what wrong files are answered. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <zlib.h>

#include "ingress/feed.h"
#include "tests/unit/ingress/fake_time.h"
#include "tests/unit/ingress/recordings.h"

#define SEVERAL_HEADER                                                                             \
    "recv_ns,src,kind,exch_trade_ms,exch_event_ms,price_or_bid_e4,ask_e4,qty_or_update_id\n"

struct seen {
    uint64_t books;
    uint64_t trades;
    int64_t bids_e4; /* sums */
    int64_t asks_e4;
    int64_t trades_e4;
    int64_t last_ms;
    char last_word[FEED_ERROR_BYTES];
    int words;
};

static enum status on_quote(void *context, const struct source_quote *quote)
{
    struct seen *seen = context;
    switch (quote->kind) {
    case QUOTE_BOOK:
        seen->books += 1;
        seen->bids_e4 += quote->bid_e4;
        seen->asks_e4 += quote->ask_e4;
        break;
    case QUOTE_TRADE:
        seen->trades += 1;
        seen->trades_e4 += quote->price_e4;
        break;
    }
    seen->last_ms = quote->receive_ms;
    return STATUS_OK;
}

static void on_word(void *context, const char *text)
{
    struct seen *seen = context;
    seen->words += 1;
    snprintf(seen->last_word, sizeof seen->last_word, "%s", text);
}

struct fixture {
    struct fake_time time;
    struct clock clock;
    struct feed *feed;
    struct clock_recording recording;
    struct seen seen;
};

static void open_replay(struct fixture *fixture, const char *spec)
{
    char error[FEED_ERROR_BYTES] = "";
    memset(fixture, 0, sizeof *fixture);
    struct clock_source source = fake_source(&fixture->time);
    if (feed_open(spec, &fixture->feed, error, sizeof error) != STATUS_OK) {
        fail_msg("%s", error);
    }
    assert_true(feed_recording(fixture->feed, &fixture->recording));
    clock_init_recording(&fixture->clock, &source, &fixture->recording);
    const struct feed_sink sink = {
        .context = &fixture->seen, .on_quote = on_quote, .on_word = on_word};
    assert_int_equal(feed_start(fixture->feed, NULL, &fixture->clock, &sink, error, sizeof error),
                     STATUS_OK);
}

static void close_replay(struct fixture *fixture)
{
    feed_close(fixture->feed);
    feed_free(fixture->feed);
    clock_close(&fixture->clock);
}

/* A file of its own for each test, removed at once after the feed has opened it. */
static void write_file(char *path, const char *text)
{
    strcpy(path, "/tmp/tapline-test-replay-XXXXXX");
    const int file = mkstemp(path);
    assert_true(file >= 0);
    assert_int_equal(write(file, text, strlen(text)), strlen(text));
    close(file);
}

static void open_text(struct fixture *fixture, const char *text, const char *options)
{
    char path[64];
    char spec[128];
    write_file(path, text);
    snprintf(spec, sizeof spec, "replay:%s%s", path, options);
    open_replay(fixture, spec);
    unlink(path);
}

static bool ended(const struct fixture *fixture)
{
    struct feed_counts counts;
    feed_counts(fixture->feed, &counts);
    return counts.ended;
}

/* A quote received within a millisecond is not there yet at its beginning: 5,000,001 ns is past 5
 * ms. A moment delivers all that is due and nothing twice; after the end there is silence and one
 * word. */
static void quotes_are_due_to_the_nanosecond(void **state)
{
    (void)state;
    struct fixture fixture;
    open_text(&fixture,
              SEVERAL_HEADER "5000000,a,T,,,10,,\n"
                             "5000001,a,T,,,20,,\n"
                             "5999999,a,B,,,30,31,\n"
                             "6000000,b,T,,,40,,\n"
                             "9000000,b,T,,,50,,\n",
              "");
    assert_int_equal(fixture.recording.start_ms, 5);
    assert_int_equal(fixture.recording.speed_milli, CLOCK_SPEED_ONE);
    assert_false(fixture.recording.shift_now);
    feed_advance(fixture.feed, 4);
    assert_int_equal(fixture.seen.trades, 0);
    feed_advance(fixture.feed, 5);
    assert_int_equal(fixture.seen.trades_e4, 10);
    feed_advance(fixture.feed, 5);
    assert_int_equal(fixture.seen.trades, 1);
    feed_advance(fixture.feed, 6);
    assert_int_equal(fixture.seen.trades_e4, 10 + 20 + 40);
    assert_int_equal(fixture.seen.bids_e4, 30);
    assert_int_equal(fixture.seen.asks_e4, 31);
    assert_int_equal(fixture.seen.last_ms, 6);
    assert_false(ended(&fixture));
    feed_advance(fixture.feed, 100);
    assert_true(ended(&fixture));
    assert_int_equal(fixture.seen.trades, 4);
    feed_advance(fixture.feed, 1000);
    assert_int_equal(fixture.seen.trades, 4);
    assert_int_equal(fixture.seen.words, 1);
    assert_non_null(strstr(fixture.seen.last_word, "after 5 quotes"));
    close_replay(&fixture);
}

/* The clock starts at the first local time, that of a frame without a price too; gzip and plain
 * text read alike. */
static void frames_start_the_clock_with_any_frame(void **state)
{
    (void)state;
    const char frames[] = "1999999999 {\"stream\":\"btcusdt@depth@100ms\",\"data\":{}}\n"
                          "2000000000 {\"stream\":\"btcusdt@trade\",\"data\":{\"p\":\"1.5\"}}\n";
    struct fixture fixture;
    open_text(&fixture, frames, "");
    assert_int_equal(fixture.recording.start_ms, 1999);
    feed_advance(fixture.feed, 2000);
    assert_int_equal(fixture.seen.trades_e4, 15000);
    assert_true(ended(&fixture));
    close_replay(&fixture);

    char path[64];
    char spec[128];
    write_file(path, "");
    gzFile file = gzopen(path, "wb");
    assert_int_equal(gzwrite(file, frames, sizeof frames - 1), sizeof frames - 1);
    assert_int_equal(gzclose(file), Z_OK);
    snprintf(spec, sizeof spec, "replay:%s", path);
    open_replay(&fixture, spec);
    unlink(path);
    feed_advance(fixture.feed, 2000);
    assert_int_equal(fixture.seen.trades_e4, 15000);
    close_replay(&fixture);
}

/* A line that turns out wrong ends the recording with file, line and reason; what stood before it
 * was delivered, what stands after it never is. */
static void a_wrong_line_is_named_and_ends_the_recording(void **state)
{
    (void)state;
    const struct {
        const char *text;
        const char *word;
    } rows[] = {
        {"ts_ms,mid_e4\n1,10\nx,20\n3,30\n", ":3: the line is not of the format"},
        {"ts_ms,mid_e4\n1,10\n\n3,30\n", ":3: the line is not of the format"},
        {"ts_ms,mid_e4\n1,10\n2,20", ":3: the line has no end"},
        {"ts_ms,mid_e4\n5,10\n4,20\n6,30\n", ":3: the time is before"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct fixture fixture;
        open_text(&fixture, rows[i].text, "");
        feed_advance(fixture.feed, 1000);
        assert_int_equal(fixture.seen.trades_e4, 10);
        assert_true(ended(&fixture));
        assert_int_equal(fixture.seen.words, 1);
        assert_non_null(strstr(fixture.seen.last_word, rows[i].word));
        close_replay(&fixture);
    }
}

/* A gzip file cut short is told from a clean end. */
static void truncated_gzip_is_an_error(void **state)
{
    (void)state;
    char path[64];
    char spec[128];
    write_file(path, "");
    gzFile file = gzopen(path, "wb");
    gzputs(file, "ts_ms,mid_e4\n");
    unsigned noise = 1;
    for (int i = 0; i < 200000; i++) {
        noise = noise * 1103515245 + 12345;
        gzprintf(file, "%d,%u\n", i, noise >> 4);
    }
    assert_int_equal(gzclose(file), Z_OK);
    assert_int_equal(truncate(path, 500000), 0);
    snprintf(spec, sizeof spec, "replay:%s", path);
    struct fixture fixture;
    open_replay(&fixture, spec);
    unlink(path);
    feed_advance(fixture.feed, 1000000);
    assert_true(ended(&fixture));
    assert_true(fixture.seen.trades > 1000);
    assert_null(strstr(fixture.seen.last_word, " quotes; its sources"));
    close_replay(&fixture);
}

/* Options stand at the end; commas before them belong to the file's name. */
static void options_are_taken_from_the_end(void **state)
{
    (void)state;
    const char text[] = "ts_ms,mid_e4\n1000,10\n";
    const struct {
        const char *options;
        int64_t speed_milli;
        bool shift_now;
    } rows[] = {{"", 1000, false},
                {",speed=20", 20000, false},
                {",speed=0.5", 500, false},
                {",speed=1.25,shift=now", 1250, true},
                {",shift=now,speed=1000", 1000000, true},
                {",speed=0.001", 1, false}};
    struct fixture fixture;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        open_text(&fixture, text, rows[i].options);
        assert_int_equal(fixture.recording.speed_milli, rows[i].speed_milli);
        assert_int_equal(fixture.recording.shift_now, rows[i].shift_now);
        close_replay(&fixture);
    }
    char path[64];
    char comma[96];
    char spec[128];
    write_file(path, text);
    snprintf(comma, sizeof comma, "%s,a,b", path);
    assert_int_equal(rename(path, comma), 0);
    snprintf(spec, sizeof spec, "replay:%s,speed=2", comma);
    open_replay(&fixture, spec);
    unlink(comma);
    assert_int_equal(fixture.recording.speed_milli, 2000);
    close_replay(&fixture);

    const char *const bad[] = {"replay:",
                               "replay",
                               "replay:,speed=2",
                               "replay:x,speed=0",
                               "replay:x,speed=",
                               "replay:x,speed=1e3",
                               "replay:x,speed=-1",
                               "replay:x,speed=1.",
                               "replay:x,speed=0.0001",
                               "replay:x,speed=1000.001",
                               "replay:x,shift=later"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        char error[FEED_ERROR_BYTES] = "";
        struct feed *feed = NULL;
        if (feed_open(bad[i], &feed, error, sizeof error) != STATUS_USAGE) {
            fail_msg("taken: %s", bad[i]);
        }
        assert_true(error[0] != '\0');
    }
}

/* What can be seen at once is refused at once, with file and line. */
static void wrong_files_do_not_open(void **state)
{
    (void)state;
    char error[FEED_ERROR_BYTES] = "";
    struct feed *feed = NULL;
    assert_int_equal(feed_open("replay:/nonexistent/file", &feed, error, sizeof error),
                     STATUS_NOT_FOUND);
    assert_non_null(strstr(error, "/nonexistent/file"));
    assert_non_null(strstr(error, "No such file"));
    assert_int_equal(feed_open("replay:/tmp", &feed, error, sizeof error), STATUS_IO);

    const struct {
        const char *text;
        const char *word;
    } rows[] = {{"", ":0: the file is empty"},
                {"ts_ms,mid_e4\n", ":1: there is no line of data"},
                {"ts_ms,mid_e4\n1,\n", ":2: the line is not of the format"},
                {"hello\n", ":1: not a recording"}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char path[64];
        char spec[128];
        write_file(path, rows[i].text);
        snprintf(spec, sizeof spec, "replay:%s", path);
        assert_int_equal(feed_open(spec, &feed, error, sizeof error), STATUS_INVALID);
        assert_non_null(strstr(error, rows[i].word));
        assert_non_null(strstr(error, path));
        unlink(path);
    }
    assert_null(feed);
}

/* The real recordings read through. The figures come from zcat, grep and awk over the files: lines
 * by kind and the sums of their price columns. */
static void real_recordings_read_through(void **state)
{
    (void)state;
    const struct {
        const char *file;
        uint64_t books;
        uint64_t trades;
        int64_t bids_e4;
        int64_t asks_e4;
        int64_t trades_e4;
        int64_t start_ms;
        int64_t last_ms;
    } rows[] = {
        {RECORDING_FRAMES_FILE, 28040, 9757, 17312271363000, 17312358461800,
         23334074016900 - 17312271363000, 1723161253937, 1723161599999},
        {RECORDING_SEVERAL_FILE, 5700, 33356, 3517652165600, 3517760142800, 20580954544900,
         1723161254087, 1723161599997},
        {RECORDING_MIDS_FILE, 0, 345, 0, 0, 213027213800, 1723161255000, 1723161599000},
        {RECORDING_COINBASE_FILE, 0, 7516, 0, 0, 46364474900, 1475798404000, 1475971198000},
        {RECORDING_FTX_FILE, 0, 28859, 0, 0, 12560893605000, 1640991660000, 1642723140000},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char spec[1024];
        struct fixture fixture;
        recording_spec(rows[i].file, "", spec, sizeof spec);
        open_replay(&fixture, spec);
        assert_int_equal(fixture.recording.start_ms, rows[i].start_ms);
        feed_advance(fixture.feed, INT64_MAX);
        assert_true(ended(&fixture));
        assert_non_null(strstr(fixture.seen.last_word, " quotes; its sources"));
        assert_int_equal(fixture.seen.books, rows[i].books);
        assert_int_equal(fixture.seen.trades, rows[i].trades);
        assert_int_equal(fixture.seen.bids_e4, rows[i].bids_e4);
        assert_int_equal(fixture.seen.asks_e4, rows[i].asks_e4);
        assert_int_equal(fixture.seen.trades_e4, rows[i].trades_e4);
        assert_int_equal(fixture.seen.last_ms, rows[i].last_ms);
        close_replay(&fixture);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(quotes_are_due_to_the_nanosecond),
        cmocka_unit_test(frames_start_the_clock_with_any_frame),
        cmocka_unit_test(a_wrong_line_is_named_and_ends_the_recording),
        cmocka_unit_test(truncated_gzip_is_an_error),
        cmocka_unit_test(options_are_taken_from_the_end),
        cmocka_unit_test(wrong_files_do_not_open),
        cmocka_unit_test(real_recordings_read_through),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
