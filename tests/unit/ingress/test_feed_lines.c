/* The lines feed over real sockets: the loop and the bridges share this one thread. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <cmocka.h>
#include <uv.h>

#include "ingress/feed.h"
#include "tests/unit/ingress/fake_time.h"

#define QUOTES_MAX 256

struct fixture {
    uv_loop_t loop;
    struct fake_time time;
    struct clock clock;
    struct feed *feed;
    enum status answer;
    size_t count;
    struct source_quote quotes[QUOTES_MAX];
    char names[QUOTES_MAX][LIMIT_SOURCE_BYTES + 1];
};

static enum status on_quote(void *context, const struct source_quote *quote)
{
    struct fixture *fixture = context;
    if (fixture->answer != STATUS_OK) {
        return fixture->answer;
    }
    assert_in_range(fixture->count, 0, QUOTES_MAX - 1);
    fixture->quotes[fixture->count] = *quote;
    snprintf(fixture->names[fixture->count], sizeof fixture->names[0], "%s", quote->source);
    fixture->count += 1;
    return STATUS_OK;
}

static int begin(void **state)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);
    char error[FEED_ERROR_BYTES] = "";
    fixture->time.monotonic_ns = 777 * FAKE_NS_PER_MS;
    struct clock_source source = fake_source(&fixture->time);
    clock_init_real(&fixture->clock, &source);
    assert_int_equal(uv_loop_init(&fixture->loop), 0);
    assert_int_equal(feed_open("lines:127.0.0.1:0", &fixture->feed, error, sizeof error),
                     STATUS_OK);
    const struct feed_sink sink = {.context = fixture, .on_quote = on_quote};
    assert_int_equal(
        feed_start(fixture->feed, &fixture->loop, &fixture->clock, &sink, error, sizeof error),
        STATUS_OK);
    assert_true(feed_port(fixture->feed) != 0);
    *state = fixture;
    return 0;
}

static int end(void **state)
{
    struct fixture *fixture = *state;
    feed_close(fixture->feed);
    uv_run(&fixture->loop, UV_RUN_DEFAULT);
    feed_free(fixture->feed);
    assert_int_equal(uv_loop_close(&fixture->loop), 0);
    clock_close(&fixture->clock);
    free(fixture);
    return 0;
}

static int dial(const struct fixture *fixture)
{
    const int file = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons(feed_port(fixture->feed)),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    const int on = 1; /* pieces of lines leave as they are sent */
    assert_int_equal(setsockopt(file, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on), 0);
    assert_int_equal(connect(file, (struct sockaddr *)&address, sizeof address), 0);
    return file;
}

/* Lets the loop do all it has to do. */
static void settle(struct fixture *fixture)
{
    for (int i = 0; i < 20; i++) {
        uv_run(&fixture->loop, UV_RUN_NOWAIT);
        usleep(500);
    }
}

static void say(struct fixture *fixture, int file, const char *text, size_t bytes)
{
    assert_int_equal(send(file, text, bytes, MSG_NOSIGNAL), bytes);
    settle(fixture);
}

/* What has been answered so far; "" when nothing, NULL when the connection is closed. */
static const char *heard(int file)
{
    static char answer[65536];
    const ssize_t count = recv(file, answer, sizeof answer - 1, MSG_DONTWAIT);
    if (count < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
        return "";
    }
    if (count <= 0) {
        return NULL;
    }
    answer[count] = '\0';
    return answer;
}

static struct feed_counts counts_of(const struct fixture *fixture)
{
    struct feed_counts counts;
    feed_counts(fixture->feed, &counts);
    return counts;
}

#define SAY(fixture, file, text) say(fixture, file, text, strlen(text))

/* Trades and books arrive with their numbers and the receive time, several to a packet, one across
 * packets, with LF or CR LF. Good lines are not answered. */
static void good_lines_become_quotes(void **state)
{
    struct fixture *fixture = *state;
    const int file = dial(fixture);
    SAY(fixture, file, "kraken 972300000\nbitstamp 972299900 972300100\r\nkra");
    assert_int_equal(fixture->count, 2);
    assert_string_equal(fixture->names[0], "kraken");
    assert_int_equal(fixture->quotes[0].kind, QUOTE_TRADE);
    assert_int_equal(fixture->quotes[0].price_e4, 972300000);
    assert_int_equal(fixture->quotes[0].receive_ms, 777);
    assert_string_equal(fixture->names[1], "bitstamp");
    assert_int_equal(fixture->quotes[1].kind, QUOTE_BOOK);
    assert_int_equal(fixture->quotes[1].bid_e4, 972299900);
    assert_int_equal(fixture->quotes[1].ask_e4, 972300100);
    fake_pass_ms(&fixture->time, 5);
    SAY(fixture, file, "ken 1\nx 0 1000000000000\n");
    assert_int_equal(fixture->count, 4);
    assert_string_equal(fixture->names[2], "kraken");
    assert_int_equal(fixture->quotes[2].price_e4, 1);
    assert_int_equal(fixture->quotes[2].receive_ms, 782);
    assert_int_equal(fixture->quotes[3].bid_e4, 0); /* a one-sided book: for the index to refuse */
    assert_string_equal(heard(file), "");
    assert_int_equal(counts_of(fixture).quotes, 4);
    assert_int_equal(counts_of(fixture).bad_lines, 0);
    assert_int_equal(counts_of(fixture).connections, 1);
    close(file);
    settle(fixture);
    assert_int_equal(counts_of(fixture).connections, 0);
}

/* Each bad line is answered with its number and counted, and the connection goes on. */
static void bad_lines_are_answered_and_counted(void **state)
{
    struct fixture *fixture = *state;
    const char *const bad[] = {"",
                               "x",
                               "x ",
                               " x 1",
                               "x  1",
                               "x 1 ",
                               "x 1 2 3",
                               "x 01",
                               "x -1",
                               "x +1",
                               "x 1.5",
                               "x 1e3",
                               "x 0",
                               "x\t1",
                               "x 1000000000001",
                               "x 1 10000000000000000000",
                               "x 1,2",
                               "x 0x10",
                               "x 99999999999999999999"};
    const size_t lines = sizeof bad / sizeof bad[0];
    const int file = dial(fixture);
    for (size_t i = 0; i < lines; i++) {
        char prefix[32];
        SAY(fixture, file, bad[i]);
        SAY(fixture, file, "\n");
        snprintf(prefix, sizeof prefix, "error line %zu: ", i + 1);
        const char *answer = heard(file);
        if (answer == NULL || strncmp(answer, prefix, strlen(prefix)) != 0 ||
            strchr(answer, '\n') != answer + strlen(answer) - 1) {
            fail_msg("for \"%s\": %s", bad[i], answer == NULL ? "closed" : answer);
        }
    }
    say(fixture, file, "x\0y 1\n", 6);
    assert_non_null(strstr(heard(file), "error line"));
    say(fixture, file, "x 1\0\n", 5);
    assert_non_null(strstr(heard(file), "error line"));
    assert_int_equal(fixture->count, 0);
    assert_int_equal(counts_of(fixture).bad_lines, lines + 2);
    SAY(fixture, file, "x 5\n");
    assert_int_equal(fixture->count, 1);
    close(file);
}

/* A line that does not end is answered once, whatever its length, and the next one counts again. */
static void overlong_line_is_skipped(void **state)
{
    struct fixture *fixture = *state;
    static char flood[5000];
    memset(flood, '1', sizeof flood);
    const int file = dial(fixture);
    SAY(fixture, file, "x 1");
    say(fixture, file, flood, sizeof flood);
    say(fixture, file, flood, sizeof flood);
    assert_string_equal(heard(file), "error line 1: the line is too long\n");
    SAY(fixture, file, "\nx 7\nx\n");
    assert_int_equal(fixture->count, 1);
    assert_int_equal(fixture->quotes[0].price_e4, 7);
    assert_non_null(strstr(heard(file), "error line 3: "));
    assert_int_equal(counts_of(fixture).bad_lines, 2);
    close(file);
}

/* What a dying connection leaves without LF is no price: "x 9723" may be the half of "x 972300000".
 */
static void line_cut_by_the_end_is_dropped(void **state)
{
    struct fixture *fixture = *state;
    const int file = dial(fixture);
    SAY(fixture, file, "x 9723");
    close(file);
    settle(fixture);
    assert_int_equal(fixture->count, 0);
    assert_int_equal(counts_of(fixture).bad_lines, 1);
    assert_int_equal(counts_of(fixture).connections, 0);
}

/* When the index has no room for a name the bridge hears of it. */
static void refused_source_is_answered(void **state)
{
    struct fixture *fixture = *state;
    const int file = dial(fixture);
    fixture->answer = STATUS_FULL;
    SAY(fixture, file, "x 1\n");
    assert_string_equal(heard(file), "error line 1: too many sources\n");
    fixture->answer = STATUS_INVALID;
    SAY(fixture, file, "x\x01 1\n");
    assert_non_null(strstr(heard(file), "error line 2: a source is"));
    assert_int_equal(counts_of(fixture).refused, 2);
    assert_int_equal(counts_of(fixture).bad_lines, 2);
    close(file);
}

/* Sixty-four bridges are served at once, the next one is cut, and there is room again when one
 * left. */
static void connections_are_bounded(void **state)
{
    struct fixture *fixture = *state;
    int files[64];
    for (int i = 0; i < 64; i++) {
        char line[32];
        files[i] = dial(fixture);
        snprintf(line, sizeof line, "s%d %d\n", i, i + 1);
        assert_int_equal(send(files[i], line, strlen(line), 0), strlen(line));
    }
    settle(fixture);
    assert_int_equal(fixture->count, 64);
    const int more = dial(fixture);
    settle(fixture);
    assert_null(heard(more));
    close(more);
    assert_int_equal(counts_of(fixture).connections, 64);
    close(files[0]);
    settle(fixture);
    files[0] = dial(fixture);
    SAY(fixture, files[0], "again 1\n");
    assert_int_equal(fixture->count, 65);
    for (int i = 0; i < 64; i++) {
        close(files[i]);
    }
}

/* A bridge that sends nonsense for ever and reads nothing is cut instead of being stored for. */
static void peer_that_does_not_read_is_cut(void **state)
{
    struct fixture *fixture = *state;
    static char nonsense[65536];
    memset(nonsense, '\n', sizeof nonsense);
    const int file = dial(fixture);
    struct timeval patience = {.tv_usec = 20000};
    assert_int_equal(setsockopt(file, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience), 0);
    bool was_cut = false;
    for (int i = 0; i < 2000 && !was_cut; i++) {
        (void)send(file, nonsense, sizeof nonsense, MSG_NOSIGNAL); /* how much goes is no matter */
        uv_run(&fixture->loop, UV_RUN_NOWAIT);
        was_cut = i > 0 && counts_of(fixture).connections == 0;
    }
    assert_true(was_cut);
    close(file);
}

/* Wrong addresses and busy ports are refused in words; a feed that did not start closes cleanly. */
static void wrong_addresses_are_refused(void **state)
{
    struct fixture *fixture = *state;
    const char *const bad[] = {"lines",
                               "lines:",
                               "lines:9000",
                               "lines:host:9000",
                               "lines:127.0.0.1:",
                               "lines:127.0.0.1:65536",
                               "lines:127.0.0.1:x",
                               "lines:[::1:9000",
                               "lines:::1:9000",
                               "lines:1.2.3.4.5:1"};
    char error[FEED_ERROR_BYTES];
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct feed *feed = NULL;
        if (feed_open(bad[i], &feed, error, sizeof error) != STATUS_USAGE) {
            fail_msg("taken: %s", bad[i]);
        }
        assert_non_null(strstr(error, "expected lines:ADDR:PORT"));
    }
    char spec[64];
    struct feed *feed;
    snprintf(spec, sizeof spec, "lines:localhost:%d", feed_port(fixture->feed));
    assert_int_equal(feed_open(spec, &feed, error, sizeof error), STATUS_OK);
    const struct feed_sink sink = {.context = fixture, .on_quote = on_quote};
    assert_int_equal(feed_start(feed, &fixture->loop, &fixture->clock, &sink, error, sizeof error),
                     STATUS_IN_USE);
    assert_non_null(strstr(error, "cannot listen: address already in use"));
    feed_close(feed);
    uv_run(&fixture->loop, UV_RUN_NOWAIT);
    feed_free(feed);

    assert_int_equal(feed_open("lines:[::1]:9000", &feed, error, sizeof error), STATUS_OK);
    feed_close(feed);
    feed_free(feed); /* never started */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(good_lines_become_quotes, begin, end),
        cmocka_unit_test_setup_teardown(bad_lines_are_answered_and_counted, begin, end),
        cmocka_unit_test_setup_teardown(overlong_line_is_skipped, begin, end),
        cmocka_unit_test_setup_teardown(line_cut_by_the_end_is_dropped, begin, end),
        cmocka_unit_test_setup_teardown(refused_source_is_answered, begin, end),
        cmocka_unit_test_setup_teardown(connections_are_bounded, begin, end),
        cmocka_unit_test_setup_teardown(peer_that_does_not_read_is_cut, begin, end),
        cmocka_unit_test_setup_teardown(wrong_addresses_are_refused, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
