#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include <uv.h>

#include "net_fixture.h"

#define TEXT_BYTES 200000
#define STATUSES   64
#define FUZZ_MS    3000
#define FUZZ_CASES 4000

static char answer[TEXT_BYTES];
static struct net_server *shared; /* with default limits, for the tests that need nothing special */

static int start_shared(void **state)
{
    (void)state;
    const struct net_options options = {
        .http = {.html_policy = "default-src 'self'", .server_headers = "X-Test: all\r\n"}};
    shared = net_server_start(&options);
    return 0;
}

static int stop_shared(void **state)
{
    (void)state;
    return net_server_stop(shared) ? 0 : -1;
}

/* Sends a request to the shared server and returns the first status; the text is in `answer`. */
static unsigned ask(const char *request)
{
    unsigned statuses[STATUSES] = {0};
    bool ended;
    const size_t length = net_exchange(net_server_port(shared), request, strlen(request), 0, answer,
                                       sizeof answer, &ended);
    assert_true(ended);
    net_statuses(answer, length, statuses, STATUSES);
    return statuses[0];
}

static bool answer_has(const char *text)
{
    return strstr(answer, text) != NULL;
}

/* The plain course: a request gets its answer, the connection stays open for the next. */
static void keep_alive_serves_one_after_the_other(void **state)
{
    (void)state;
    const char *request = "GET /x?a=1 HTTP/1.1\r\nHost: h\r\n\r\n";
    const int fd = net_connect(net_server_port(shared), 5000);
    for (unsigned i = 0; i < 3; i++) {
        char text[1024];
        assert_true(net_send(fd, request, strlen(request)));
        size_t count = 0;
        while (count < 4 || strstr(text, "GET /x a=1 ") == NULL) {
            assert_true(net_read_exact(fd, text + count, 1));
            count += 1;
            text[count] = '\0';
        }
        assert_non_null(strstr(text, "Content-Length: 11\r\n"));
        assert_null(strstr(text, "Connection: close"));
    }
    close(fd);
}

/* Requests sent at once are answered in their order, though the first is answered last. */
static void pipelined_answers_keep_their_order(void **state)
{
    (void)state;
    assert_int_equal(ask("GET /later?80 HTTP/1.1\r\nHost: h\r\n\r\n"
                         "POST /b HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc"
                         "GET /later?10 HTTP/1.1\r\nHost: h\r\n\r\n"
                         "GET /d HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"
                         "GET /never HTTP/1.1\r\nHost: h\r\n\r\n"),
                     200);
    const char *first = strstr(answer, "later");
    const char *second = strstr(answer, "POST /b  abc");
    assert_non_null(first);
    assert_non_null(second);
    assert_true(first < second);
    const char *third = strstr(second, "later");
    assert_non_null(third);
    assert_non_null(strstr(third, "GET /d "));
    assert_false(answer_has("/never"));
}

/* A thousand pipelined requests in one piece are all answered: more than one read and one buffer.
 */
static void long_pipelines_are_answered_whole(void **state)
{
    (void)state;
    static char requests[40 * 1500];
    static char answers[600000];
    unsigned statuses[2000];
    bool ended;
    size_t length = 0;
    for (unsigned i = 0; i < 1500; i++) {
        length += (size_t)snprintf(requests + length, sizeof requests - length,
                                   "GET /%u HTTP/1.1\r\nHost: h\r\n\r\n", i);
    }
    const size_t got =
        net_exchange(net_server_port(shared), requests, length, 0, answers, sizeof answers, &ended);
    assert_int_equal(net_statuses(answers, got, statuses, 2000), 1500);
    assert_non_null(strstr(answers, "GET /1499 "));
}

/* Whatever the pieces in which it arrives, a chunked body is put together, its extensions and
 * trailer passed over. */
static void chunked_bodies_are_decoded(void **state)
{
    (void)state;
    const char *request = "POST /c HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
                          "5;a=b;c=\"x\\\"y\"\r\nhello\r\nA\r\n, world! :\r\n000\r\nVary: *\r\n\r\n"
                          "GET /next HTTP/1.1\r\nHost: h\r\n\r\n";
    for (size_t chop = 0; chop < 8; chop++) {
        unsigned statuses[STATUSES];
        bool ended;
        const size_t length = net_exchange(net_server_port(shared), request, strlen(request), chop,
                                           answer, sizeof answer, &ended);
        assert_int_equal(net_statuses(answer, length, statuses, STATUSES), 2);
        assert_true(answer_has("POST /c  hello, world! :"));
        assert_true(answer_has("GET /next "));
    }
}

/* Who shuts down its side behind its request still gets the answer, however late it comes. */
static void half_closed_peers_are_answered(void **state)
{
    (void)state;
    assert_int_equal(ask("GET /later?150 HTTP/1.1\r\nHost: h\r\n\r\n"), 200);
    assert_true(answer_has("later"));
}

/* HEAD tells the length of what GET would send, and sends none of it. */
static void head_has_no_body(void **state)
{
    (void)state;
    assert_int_equal(ask("HEAD /big?100 HTTP/1.1\r\nHost: h\r\n\r\n"), 200);
    assert_true(answer_has("Content-Length: 100\r\n"));
    assert_string_equal(answer + strlen(answer) - 4, "\r\n\r\n");
}

/* A client that asks first is told to go on, and only when its body will be taken. */
static void expectation_is_met(void **state)
{
    (void)state;
    const char *head = "POST /e HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n"
                       "Expect: 100-continue\r\n\r\n";
    char line[25];
    bool ended;
    const int fd = net_connect(net_server_port(shared), 5000);
    assert_true(net_send(fd, head, strlen(head)));
    assert_true(net_read_exact(fd, line, 25));
    assert_memory_equal(line, "HTTP/1.1 100 Continue\r\n\r\n", 25);
    assert_true(net_send(fd, "ok", 2));
    shutdown(fd, SHUT_WR);
    net_read_all(fd, answer, sizeof answer, &ended);
    assert_true(answer_has("POST /e  ok"));
    close(fd);
    assert_int_equal(ask("POST /e HTTP/1.1\r\nHost: h\r\nContent-Length: 5000\r\n"
                         "Expect: 100-continue\r\n\r\n"),
                     413);
    assert_int_equal(ask("GET /e HTTP/1.1\r\nHost: h\r\nExpect: miracles\r\n\r\n"), 417);
}

/* HTTP/1.0 closes unless it asks to stay; 1.1 stays unless it asks to close. */
static void version_decides_who_stays(void **state)
{
    (void)state;
    assert_int_equal(ask("GET /a HTTP/1.0\r\n\r\nGET /b HTTP/1.0\r\n\r\n"), 200);
    assert_true(answer_has("Connection: close"));
    assert_false(answer_has("/b"));
    assert_int_equal(ask("GET /a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"
                         "GET /b HTTP/1.0\r\n\r\n"),
                     200);
    assert_true(answer_has("Connection: keep-alive"));
    assert_true(answer_has("GET /b "));
    assert_int_equal(ask("GET /a HTTP/1.1\r\nHost: h\r\nConnection: foo, Close\r\n\r\n"), 200);
    assert_true(answer_has("Connection: close"));
}

struct case_of {
    const char *request;
    unsigned status;
};

/* The dialect (docs/decisions/0020-http-dialect.md), row by row: what is refused, and with what. */
static void dialect_is_strict(void **state)
{
    (void)state;
    static const struct case_of cases[] = {
        {"GET / HTTP/1.1\r\n\r\n", 400},                          /* no Host */
        {"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400},    /* two */
        {"GET / HTTP/1.1\r\nHost:\r\n\r\n", 400},                 /* empty */
        {"GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400},             /* not a host */
        {"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400},             /* not a host */
        {"GET / HTTP/1.0\r\n\r\n", 200},                          /* 1.0 needs none */
        {"GET / HTTP/1.1\r\nHost : a\r\n\r\n", 400},              /* space before colon */
        {"GET / HTTP/1.1\r\nHost: a\r\nA B: c\r\n\r\n", 400},     /* space in name */
        {"GET / HTTP/1.1\r\nHost: a\r\n: c\r\n\r\n", 400},        /* no name */
        {"GET / HTTP/1.1\r\nHost: a\r\nnonsense\r\n\r\n", 400},   /* no colon */
        {"GET / HTTP/1.1\r\nHost: a\r\nX: b\x01\r\n\r\n", 400},   /* control character */
        {"GET / HTTP/1.1\r\nHost: a\r\nX: b\r\n c\r\n\r\n", 400}, /* folding */
        {"GET / HTTP/1.1\nHost: a\n\n", 400},                     /* bare LF */
        {"GET / HTTP/1.1\r\nHost: a\nX: b\r\n\r\n", 400},         /* bare LF */
        {"GET / HTTP/1.1\r\nHost: a\rX: b\r\n\r\n", 400},         /* bare CR */
        {"GET  / HTTP/1.1\r\nHost: a\r\n\r\n", 400},              /* two spaces */
        {"GET /  HTTP/1.1\r\nHost: a\r\n\r\n", 400},              /* two spaces */
        {"GET / HTTP/1.1 \r\nHost: a\r\n\r\n", 400},              /* trailing space */
        {"GET /\xc3\xa4 HTTP/1.1\r\nHost: a\r\n\r\n", 400},       /* not ASCII */
        {"GET x HTTP/1.1\r\nHost: a\r\n\r\n", 400},               /* not a path */
        {"get / HTTP/1.1\r\nHost: a\r\n\r\n", 400},               /* lower case */
        {"FOO / HTTP/1.1\r\nHost: a\r\n\r\n", 400},               /* unknown */
        {"GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505},
        {"GET / HTTP/1.2\r\nHost: a\r\n\r\n", 505},
        {"GET / http/1.1\r\nHost: a\r\n\r\n", 400},
        {"GET / HTTP/1.10\r\nHost: a\r\n\r\n", 400},
        {"GET /\r\n\r\n", 400}, /* HTTP/0.9 */
        {"CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n", 405},
        {"POST / HTTP/1.1\r\nHost: a\r\n\r\n", 411},
        {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4097\r\n\r\n", 413},
        {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999\r\n\r\n", 400},
        {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +1\r\n\r\nx", 400},
        {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\nx", 400},
        {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0x1\r\n\r\nx", 400},
        {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1 1\r\n\r\nx", 400},
        {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1,1\r\n\r\nx", 400},
        {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length:\r\n\r\nx", 400},
        {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx", 400},
        {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n"
         "0\r\n\r\n",
         400},
        {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 400},
        {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n", 400},
        {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: identity\r\n\r\n", 400},
        {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n"
         "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
         400},
        {"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400},
        {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\n\r\n0\r\n\r\n", 200},
        {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\rXhello\r\n0\r\n\r\n",
         400},
        {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\nhello\r\n0\r\n\r\n",
         400},
        {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhelloXX0\r\n\r\n",
         400},
        {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: "
         "chunked\r\n\r\n0x5\r\nhello\r\n0\r\n\r\n",
         400},
        {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n\r\n", 400},
        {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5 \r\nhello\r\n0\r\n\r\n",
         400},
        {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n000000005\r\nhello\r\n",
         400},
        {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1001\r\n", 413},
        {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nffffffff\r\n", 413},
        {"POST / HTTP/1.1\r\nHost: a\r\nContent-Encoding: gzip\r\nContent-Length: 1\r\n\r\nx", 415},
        {"GET / HTTP/1.1\r\nHost: a\r\nOrigin: http://a\r\nOrigin: http://b\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\nHost: a\r\nAuthorization: x\r\nAuthorization: y\r\n\r\n", 400},
        {"GET http://u:p@h/ HTTP/1.1\r\nHost: h\r\n\r\n", 400}, /* user information */
        {"GET ftp://h/ HTTP/1.1\r\nHost: h\r\n\r\n", 400},
        {"\r\n\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n", 200}, /* empty lines in front */
        {"\r\n\r\n\r\n\r\n\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n", 400},
        {"OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n", 200},
        {"GET /%00%2e HTTP/1.1\r\nHost: h\r\n\r\n", 200}, /* raw; the router judges */
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const unsigned status = ask(cases[i].request);
        if (status != cases[i].status) {
            fail_msg("got %u, not %u, for:\n%s", status, cases[i].status, cases[i].request);
        }
        if (status != 200) {
            assert_true(answer_has("Connection: close"));
            assert_true(answer_has("Content-Type: application/json"));
            assert_true(answer_has("\"detail\":"));
        }
    }
}

/* A NUL byte anywhere in the head is refused and does not cut the head short. */
static void nul_is_refused(void **state)
{
    (void)state;
    static const char request[] = "GET /a\0b HTTP/1.1\r\nHost: h\r\n\r\n";
    unsigned statuses[STATUSES] = {0};
    bool ended;
    const size_t length = net_exchange(net_server_port(shared), request, sizeof request - 1, 0,
                                       answer, sizeof answer, &ended);
    assert_int_equal(net_statuses(answer, length, statuses, STATUSES), 1);
    assert_int_equal(statuses[0], 400);
}

/* Each size limit, at its edge: the last that passes and the first that does not. */
static void sizes_are_limited(void **state)
{
    (void)state;
    static char request[40000];
    static char filler[12000];
    memset(filler, 'a', sizeof filler);
    for (unsigned over = 0; over < 2; over++) {
        snprintf(request, sizeof request, "GET /%.*s HTTP/1.1\r\nHost: h\r\n\r\n",
                 (int)(HTTP_URL_BYTES - 1 + over), filler);
        assert_int_equal(ask(request), over == 0 ? 200 : 414);

        /* "Host: h", "X: ", three line ends and the empty line count. */
        const int value = HTTP_HEADERS_BYTES - 9 - 3 - 4 + (int)over;
        snprintf(request, sizeof request, "GET / HTTP/1.1\r\nHost: h\r\nX: %.*s\r\n\r\n", value,
                 filler);
        assert_int_equal(ask(request), over == 0 ? 200 : 431);

        size_t length = (size_t)snprintf(request, sizeof request, "GET / HTTP/1.1\r\nHost: h\r\n");
        for (unsigned i = 0; i < HTTP_HEADERS_COUNT - 1 + over; i++) {
            length += (size_t)snprintf(request + length, sizeof request - length, "A%u: b\r\n", i);
        }
        snprintf(request + length, sizeof request - length, "\r\n");
        assert_int_equal(ask(request), over == 0 ? 200 : 431);

        snprintf(request, sizeof request,
                 "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: %u\r\n\r\n%.*s",
                 HTTP_BODY_BYTES + over, (int)(HTTP_BODY_BYTES + over), filler);
        assert_int_equal(ask(request), over == 0 ? 200 : 413);
    }
    snprintf(request, sizeof request, "GET /%.*s", 11000, filler); /* no line end ever comes */
    assert_int_equal(ask(request), 414);
}

/* The absolute form names the host itself; a fragment is cut off. */
static void absolute_targets_are_understood(void **state)
{
    (void)state;
    assert_int_equal(ask("GET http://example.com:81/a/b?c=/d HTTP/1.1\r\nHost: h\r\n\r\n"), 200);
    assert_true(answer_has("GET /a/b c=/d "));
    assert_int_equal(ask("GET http://example.com:81/host HTTP/1.1\r\nHost: h\r\n\r\n"), 200);
    assert_true(answer_has("\r\n\r\nexample.com:81"));
    assert_int_equal(ask("GET HTTP://example.com?x HTTP/1.1\r\nHost: h\r\n\r\n"), 200);
    assert_true(answer_has("GET / x "));
    assert_int_equal(ask("GET /a#b?c HTTP/1.1\r\nHost: h\r\n\r\n"), 200);
    assert_true(answer_has("GET /a  "));
}

/* Every answer carries the security headers and the caller's own; html also its policy. */
static void answers_carry_security_headers(void **state)
{
    (void)state;
    assert_int_equal(ask("GET /html HTTP/1.1\r\nHost: h\r\n\r\n"), 200);
    assert_true(answer_has("X-Content-Type-Options: nosniff\r\n"));
    assert_true(answer_has("Referrer-Policy: no-referrer\r\n"));
    assert_true(answer_has("Content-Security-Policy: default-src 'self'\r\n"));
    assert_true(answer_has("X-Test: all\r\n"));
    assert_true(answer_has("Date: "));
    assert_int_equal(ask("GET / HTTP/1.1\r\nHost: h\r\n\r\n"), 200);
    assert_true(answer_has("X-Content-Type-Options: nosniff\r\n"));
    assert_false(answer_has("Content-Security-Policy"));
    assert_int_equal(ask("bad\r\n\r\n"), 400);
    assert_true(answer_has("X-Content-Type-Options: nosniff\r\n"));
}

/* The handler's own refusals use the same error body and leave the connection open. */
static void refusals_by_the_handler_keep_the_connection(void **state)
{
    (void)state;
    assert_int_equal(ask("GET /refuse?404 HTTP/1.1\r\nHost: h\r\n\r\n"
                         "GET /still HTTP/1.1\r\nHost: h\r\n\r\n"),
                     404);
    assert_true(answer_has("{\"status\":\"404\",\"detail\":\"no\"}"));
    assert_true(answer_has("GET /still "));
}

static void read_counters(struct net_server *server, void *to)
{
    http_server_counters(net_server_http(server), to);
}

static struct http_counters counters_of(struct net_server *server)
{
    struct http_counters counters;
    net_server_call(server, read_counters, &counters);
    return counters;
}

static void read_connections(struct net_server *server, void *to)
{
    size_t *count = to;
    *count = http_server_connections(net_server_http(server));
}

static size_t connections_of(struct net_server *server)
{
    size_t count;
    net_server_call(server, read_connections, &count);
    return count;
}

static void sleep_ms(long ms)
{
    const struct timespec time = {ms / 1000, ms % 1000 * 1000000};
    nanosleep(&time, NULL);
}

/* An answer to a connection that was reset meanwhile, and a second answer to one request, go
 * nowhere. */
static void late_answers_are_dropped(void **state)
{
    (void)state;
    const struct net_options options = {.http = {.idle_timeout_ms = 5000}};
    struct net_server *server = net_server_start(&options);
    const struct linger reset = {1, 0};
    const char *mine = "GET /mine HTTP/1.1\r\nHost: h\r\n\r\n";
    const char *request = "GET /later?150 HTTP/1.1\r\nHost: h\r\n\r\n";
    const int fd = net_connect(net_server_port(server), 5000);
    assert_true(net_send(fd, request, strlen(request)));
    sleep_ms(50);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset), 0);
    close(fd);
    /* Takes the slot of the one that went; must not get its answer. */
    const int other = net_connect(net_server_port(server), 5000);
    assert_true(net_send(other, mine, strlen(mine)));
    sleep_ms(300);
    shutdown(other, SHUT_WR);
    bool ended;
    net_read_all(other, answer, sizeof answer, &ended);
    close(other);
    assert_true(answer_has("GET /mine"));
    assert_false(answer_has("later"));
    assert_int_equal(counters_of(server).late_answers, 1);

    const char *twice = "GET /after HTTP/1.1\r\nHost: h\r\n\r\n";
    unsigned statuses[STATUSES];
    const size_t length = net_exchange(net_server_port(server), twice, strlen(twice), 0, answer,
                                       sizeof answer, &ended);
    assert_int_equal(net_statuses(answer, length, statuses, STATUSES), 1);
    assert_int_equal(counters_of(server).late_answers, 2);
    assert_true(net_server_stop(server));
}

/* Somebody who begins and does not go on is answered 408 (or just closed, before a first byte). */
static void slow_requests_time_out(void **state)
{
    (void)state;
    const struct net_options options = {.http = {.header_timeout_ms = 150,
                                                 .body_timeout_ms = 150,
                                                 .idle_timeout_ms = 300,
                                                 .write_timeout_ms = 300}};
    static const struct case_of cases[] = {
        {"", 0},
        {"\r\n", 0},
        {"GET / HT", 408},
        {"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nab", 408},
    };
    struct net_server *server = net_server_start(&options);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        unsigned statuses[STATUSES] = {0};
        bool ended;
        const int fd = net_connect(net_server_port(server), 3000);
        assert_true(net_send(fd, cases[i].request, strlen(cases[i].request)));
        const size_t length = net_read_all(fd, answer, sizeof answer, &ended);
        assert_true(ended);
        net_statuses(answer, length, statuses, STATUSES);
        assert_int_equal(statuses[0], cases[i].status);
        close(fd);
    }
    /* A handler that takes its time is not the client's fault. */
    const char *late = "GET /later?700 HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";
    bool ended;
    const int fd = net_connect(net_server_port(server), 3000);
    assert_true(net_send(fd, late, strlen(late)));
    net_read_all(fd, answer, sizeof answer, &ended);
    assert_true(answer_has("later"));
    close(fd);
    assert_int_equal(connections_of(server), 0);
    assert_true(net_server_stop(server));
}

/* A peer that does not read its answer holds the connection for the write timeout only. */
static void readers_that_stand_still_are_closed(void **state)
{
    (void)state;
    const struct net_options options = {.http = {.write_timeout_ms = 300}};
    struct net_server *server = net_server_start(&options);
    const char *request = "GET /big?20000000 HTTP/1.1\r\nHost: h\r\n\r\n";
    const int fd = net_connect(net_server_port(server), 3000);
    assert_true(net_send(fd, request, strlen(request)));
    sleep_ms(1000);
    assert_int_equal(connections_of(server), 0);
    assert_int_equal(counters_of(server).timeouts, 1);
    close(fd);
    assert_true(net_server_stop(server));
}

/* A large answer arrives whole although the kernel takes it in pieces. */
static void large_answers_arrive_whole(void **state)
{
    (void)state;
    const size_t bytes = 20000000;
    const char *request = "GET /big?20000000 HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";
    char *text = malloc(bytes + 1000);
    bool ended;
    assert_non_null(text);
    const size_t got = net_exchange(net_server_port(shared), request, strlen(request), 0, text,
                                    bytes + 1000, &ended);
    const char *body = strstr(text, "\r\n\r\n");
    assert_non_null(body);
    assert_int_equal(got - (size_t)(body + 4 - text), bytes);
    free(text);
}

/* At the limit of connections one more is told 503; when one goes, the next is served. */
static void connections_are_limited(void **state)
{
    (void)state;
    const struct net_options options = {.http = {.connections_max = 2}};
    struct net_server *server = net_server_start(&options);
    const char *request = "GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";
    unsigned statuses[STATUSES] = {0};
    bool ended;
    const int one = net_connect(net_server_port(server), 3000);
    const int two = net_connect(net_server_port(server), 3000);
    while (connections_of(server) < 2) {
        sleep_ms(5);
    }
    const int three = net_connect(net_server_port(server), 3000);
    size_t length = net_read_all(three, answer, sizeof answer, &ended);
    net_statuses(answer, length, statuses, STATUSES);
    assert_int_equal(statuses[0], 503);
    assert_true(answer_has("Retry-After: "));
    close(three);
    close(one);
    while (connections_of(server) > 1) {
        sleep_ms(5);
    }
    length = net_exchange(net_server_port(server), request, strlen(request), 0, answer,
                          sizeof answer, &ended);
    net_statuses(answer, length, statuses, STATUSES);
    assert_int_equal(statuses[0], 200);
    assert_int_equal(counters_of(server).refused, 1);
    close(two);
    assert_true(net_server_stop(server));
}

/* At the limit, a connection that has done nothing for a second gives way to a new one: doing
 * nothing is no way to lock others out. */
static void the_idle_give_way(void **state)
{
    (void)state;
    const struct net_options options = {.http = {.connections_max = 2}};
    struct net_server *server = net_server_start(&options);
    const char *request = "GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";
    bool ended;
    const int first = net_connect(net_server_port(server), 3000);
    sleep_ms(100);
    const int begun = net_connect(net_server_port(server), 3000);
    assert_true(net_send(begun, "GET /begun ", 11));
    while (connections_of(server) < 2) {
        sleep_ms(5);
    }
    sleep_ms(1200);
    net_exchange(net_server_port(server), request, strlen(request), 0, answer, sizeof answer,
                 &ended);
    assert_true(answer_has("HTTP/1.1 200 "));
    assert_int_equal(net_read_all(first, answer, sizeof answer, &ended), 0);
    assert_true(ended);
    assert_int_equal(counters_of(server).evicted, 1);
    assert_true(net_send(begun, "HTTP/1.0\r\n\r\n", 12));
    net_read_all(begun, answer, sizeof answer, &ended);
    assert_true(answer_has("GET /begun "));
    close(first);
    close(begun);
    assert_true(net_server_stop(server));
}

static void drain(struct net_server *server, void *to)
{
    (void)to;
    http_server_drain(net_server_http(server));
}

/* Draining closes who is idle, answers who waits, and takes nobody new. */
static void drain_finishes_what_is_begun(void **state)
{
    (void)state;
    const struct net_options options = {.http = {.idle_timeout_ms = 60000}};
    struct net_server *server = net_server_start(&options);
    const char *request = "GET /later?200 HTTP/1.1\r\nHost: h\r\n\r\n";
    bool ended;
    const int idle = net_connect(net_server_port(server), 3000);
    const int busy = net_connect(net_server_port(server), 3000);
    assert_true(net_send(busy, request, strlen(request)));
    while (counters_of(server).requests < 1 || connections_of(server) < 2) {
        sleep_ms(5);
    }
    net_server_call(server, drain, NULL);
    assert_int_equal(net_read_all(idle, answer, sizeof answer, &ended), 0);
    assert_true(ended);
    net_read_all(busy, answer, sizeof answer, &ended);
    assert_true(ended);
    assert_true(answer_has("Connection: close"));
    assert_true(answer_has("later"));
    assert_int_equal(net_connect(net_server_port(server), 500), -1);
    close(idle);
    close(busy);
    assert_true(net_server_stop(server));
}

/* Closing in the middle of everything leaves nothing behind (the sanitizers watch). */
static void close_in_the_middle_is_clean(void **state)
{
    (void)state;
    const struct net_options options = {.http = {.idle_timeout_ms = 60000}};
    struct net_server *server = net_server_start(&options);
    static const char *const beginnings[] = {
        "", "GET / H", "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\nab",
        "GET /later?400 HTTP/1.1\r\nHost: h\r\n\r\nGET /",
        "GET /big?9000000 HTTP/1.1\r\nHost: h\r\n\r\n"};
    int fds[5];
    for (size_t i = 0; i < 5; i++) {
        fds[i] = net_connect(net_server_port(server), 3000);
        assert_true(net_send(fds[i], beginnings[i], strlen(beginnings[i])));
    }
    while (counters_of(server).requests < 2) {
        sleep_ms(5);
    }
    assert_true(net_server_stop(server));
    for (size_t i = 0; i < 5; i++) {
        close(fds[i]);
    }
}

/* X-Forwarded-For counts only when the proxy is trusted, and then its last element, if an address.
 */
static void forwarded_peer_needs_trust(void **state)
{
    (void)state;
    static const struct {
        const char *value;
        const char *peer;
    } cases[] = {
        {"203.0.113.9", "203.0.113.9"},
        {"1.2.3.4, 2001:DB8::1", "2001:db8::1"},
        {"::ffff:198.51.100.7", "198.51.100.7"},
        {"1.2.3.4, unknown", "127.0.0.1"},
        {"1.2.3.4,", "127.0.0.1"},
        {"1.2.3.4:80", "127.0.0.1"},
    };
    const struct net_options options = {.http = {.trust_proxy = true}};
    struct net_server *server = net_server_start(&options);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char request[256];
        char expected[64];
        bool ended;
        snprintf(request, sizeof request,
                 "GET /peer HTTP/1.1\r\nHost: h\r\nX-Forwarded-For: %s\r\n\r\n", cases[i].value);
        net_exchange(net_server_port(server), request, strlen(request), 0, answer, sizeof answer,
                     &ended);
        snprintf(expected, sizeof expected, "\r\n\r\n%s", cases[i].peer);
        assert_true(answer_has(expected));
        assert_int_equal(ask(request), 200); /* the shared server trusts nobody */
        assert_true(answer_has("\r\n\r\n127.0.0.1"));
    }
    assert_true(net_server_stop(server));
}

static void never_called(void *context, const struct http_request *request)
{
    (void)context;
    (void)request;
}

/* A port that is taken, and an address that is none, are named plainly. */
static void bad_listen_addresses_are_named(void **state)
{
    (void)state;
    struct http_options options = {
        .address = "127.0.0.1", .port = net_server_port(shared), .on_request = never_called};
    struct http_server *server = NULL;
    char error[128] = "";
    uv_loop_t loop;
    assert_int_equal(uv_loop_init(&loop), 0);
    assert_int_equal(http_server_open(&server, &loop, &options, error, sizeof error),
                     STATUS_IN_USE);
    assert_non_null(strstr(error, "address already in use"));
    options.address = "nowhere.example";
    assert_int_equal(http_server_open(&server, &loop, &options, error, sizeof error), STATUS_USAGE);
    assert_non_null(strstr(error, "nowhere.example"));
    assert_null(server);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&loop), 0);
}

/* Mutated requests, seeded: the server neither crashes nor hangs, and still serves afterwards. */
static void mutated_requests_do_no_harm(void **state)
{
    (void)state;
    static const char *const seeds[] = {
        "GET /v1/x?a=b HTTP/1.1\r\nHost: h\r\nOrigin: http://h\r\nCookie: a=b\r\n\r\n",
        "POST /v1/bets HTTP/1.1\r\nHost: h\r\nContent-Length: 11\r\n\r\n{\"a\":\"b\"}\r\n",
        ("POST /c HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
         "5;x=\"y\"\r\nhello\r\n3\r\nabc\r\n0\r\nT: v\r\n\r\n"),
        "GET http://h/a HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\nx",
        "GET /a HTTP/1.1\r\nHost: h\r\n\r\nHEAD /b HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
    };
    uint64_t random = 20261120;
    print_message("seed %llu\n", (unsigned long long)random);
    struct timespec from;
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &from);
    for (unsigned round = 0; round < FUZZ_CASES; round++) {
        char request[1024];
        size_t length = 0;
        bool ended;
        const char *seed = seeds[net_random(&random) % 5];
        length = strlen(seed);
        memcpy(request, seed, length);
        for (uint64_t n = net_random(&random) % 6; n > 0; n--) {
            const size_t at = net_random(&random) % length;
            const uint64_t kind = net_random(&random) % 4;
            if (kind == 0) {
                request[at] = (char)net_random(&random);
            } else if (kind == 1) {
                request[at] = "\r\n\0 :;,\"0f\t"[net_random(&random) % 11];
            } else if (kind == 2 && length > 10) {
                memmove(request + at, request + at + 1, length - at - 1);
                length -= 1;
            } else if (length * 2 < sizeof request) {
                memmove(request + length, request, length);
                length *= 2;
            }
        }
        net_exchange(net_server_port(shared), request, length, net_random(&random) % 3 * 20, answer,
                     sizeof answer, &ended);
        assert_true(ended);
        clock_gettime(CLOCK_MONOTONIC, &now);
        if ((now.tv_sec - from.tv_sec) * 1000 + (now.tv_nsec - from.tv_nsec) / 1000000 > FUZZ_MS) {
            break;
        }
    }
    assert_int_equal(ask("GET /alive HTTP/1.1\r\nHost: h\r\n\r\n"), 200);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keep_alive_serves_one_after_the_other),
        cmocka_unit_test(pipelined_answers_keep_their_order),
        cmocka_unit_test(long_pipelines_are_answered_whole),
        cmocka_unit_test(chunked_bodies_are_decoded),
        cmocka_unit_test(half_closed_peers_are_answered),
        cmocka_unit_test(head_has_no_body),
        cmocka_unit_test(expectation_is_met),
        cmocka_unit_test(version_decides_who_stays),
        cmocka_unit_test(dialect_is_strict),
        cmocka_unit_test(nul_is_refused),
        cmocka_unit_test(sizes_are_limited),
        cmocka_unit_test(absolute_targets_are_understood),
        cmocka_unit_test(answers_carry_security_headers),
        cmocka_unit_test(refusals_by_the_handler_keep_the_connection),
        cmocka_unit_test(late_answers_are_dropped),
        cmocka_unit_test(slow_requests_time_out),
        cmocka_unit_test(readers_that_stand_still_are_closed),
        cmocka_unit_test(large_answers_arrive_whole),
        cmocka_unit_test(connections_are_limited),
        cmocka_unit_test(the_idle_give_way),
        cmocka_unit_test(drain_finishes_what_is_begun),
        cmocka_unit_test(close_in_the_middle_is_clean),
        cmocka_unit_test(forwarded_peer_needs_trust),
        cmocka_unit_test(bad_listen_addresses_are_named),
        cmocka_unit_test(mutated_requests_do_no_harm),
    };
    return cmocka_run_group_tests(tests, start_shared, stop_shared);
}
