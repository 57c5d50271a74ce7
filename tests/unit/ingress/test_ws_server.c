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

#include "ingress/ws_frame.h"
#include "net_client.h"
#include "net_fixture.h"

#define FUZZ_MS    3000
#define FUZZ_CASES 3000
#define SOCKETS    200

static struct net_server *shared;

static bool allow_example(void *context, const char *origin)
{
    (void)context;
    return origin == NULL || strcmp(origin, "http://example.com") == 0;
}

static struct net_server *start(const struct ws_options *ws)
{
    const struct net_options options = {.ws = *ws, .with_ws = true};
    return net_server_start(&options);
}

static int start_shared(void **state)
{
    (void)state;
    const struct ws_options ws = {.allow_origin = allow_example};
    shared = start(&ws);
    return 0;
}

static int stop_shared(void **state)
{
    (void)state;
    return net_server_stop(shared) ? 0 : -1;
}

static void sleep_ms(long ms)
{
    const struct timespec time = {ms / 1000, ms % 1000 * 1000000};
    nanosleep(&time, NULL);
}

static void read_counters(struct net_server *server, void *to)
{
    ws_server_counters(net_server_ws(server), to);
}

static struct ws_counters counters_of(struct net_server *server)
{
    struct ws_counters counters;
    net_server_call(server, read_counters, &counters);
    return counters;
}

static void read_count(struct net_server *server, void *to)
{
    size_t *count = to;
    *count = ws_server_count(net_server_ws(server));
}

static size_t count_of(struct net_server *server)
{
    size_t count;
    net_server_call(server, read_count, &count);
    return count;
}

static void expect_text(int fd, const char *text)
{
    struct net_frame frame;
    assert_true(net_read_frame(fd, &frame));
    assert_int_equal(frame.opcode, WS_OPCODE_TEXT);
    assert_int_equal(frame.length, strlen(text));
    assert_memory_equal(frame.payload, text, frame.length);
}

/* Reads on until the close frame and returns its code; 0 when the connection ended without one. */
static unsigned close_code(int fd)
{
    struct net_frame frame;
    while (net_read_frame(fd, &frame)) {
        if (frame.opcode == WS_OPCODE_CLOSE) {
            return frame.length < 2 ? WS_CLOSE_NO_STATUS
                                    : (unsigned)frame.payload[0] << 8 | frame.payload[1];
        }
    }
    return 0;
}

static bool is_ended(int fd)
{
    char byte;
    return recv(fd, &byte, 1, 0) <= 0;
}

/* The accept key is the RFC's own example, the subprotocol is echoed when offered, no extension
 * ever. */
static void upgrade_answers_as_the_rfc_says(void **state)
{
    (void)state;
    char answer[1024];
    const int plain = net_upgrade(net_server_port(shared), "", answer, sizeof answer);
    assert_true(plain >= 0);
    assert_non_null(strstr(answer, "HTTP/1.1 101 "));
    assert_non_null(strstr(answer, "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"));
    assert_null(strstr(answer, "Sec-WebSocket-Protocol"));
    close(plain);
    const int offered =
        net_upgrade(net_server_port(shared),
                    "Sec-WebSocket-Protocol: other, tapline.v1\r\n"
                    "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n"
                    "Origin: http://example.com\r\n",
                    answer, sizeof answer);
    assert_true(offered >= 0);
    assert_non_null(strstr(answer, "Sec-WebSocket-Protocol: tapline.v1\r\n"));
    assert_null(strstr(answer, "Extensions"));
    close(offered);
}

struct refusal_case {
    const char *request;
    const char *status;
};

/* Every upgrade that is not exactly one is refused with an HTTP answer. */
static void odd_upgrades_are_refused(void **state)
{
    (void)state;
#define BEGIN "GET /v1/ws HTTP/1.1\r\nHost: h\r\n"
#define UP    "Upgrade: websocket\r\nConnection: Upgrade\r\n"
#define KEY   "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
#define V13   "Sec-WebSocket-Version: 13\r\n"
    static const struct refusal_case cases[] = {
        {BEGIN UP KEY V13 "Origin: http://evil.example\r\n\r\n", "403"},
        {BEGIN UP KEY V13 "Origin: null\r\n\r\n", "403"},
        {BEGIN UP KEY V13 "Origin: http://example.com\r\nOrigin: http://example.com\r\n\r\n",
         "400"},
        {BEGIN UP KEY V13 "Sec-WebSocket-Protocol: other\r\n\r\n", "400"},
        {BEGIN UP KEY V13 "Sec-WebSocket-Protocol: TAPLINE.V1\r\n\r\n", "400"},
        {BEGIN UP KEY "Sec-WebSocket-Version: 8\r\n\r\n", "426"},
        {BEGIN UP KEY "\r\n", "426"},
        {BEGIN UP V13 "\r\n", "400"},
        {BEGIN UP V13 "Sec-WebSocket-Key: short==\r\n\r\n", "400"},
        {BEGIN UP V13 "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25j!Q==\r\n\r\n", "400"},
        {BEGIN UP V13 KEY KEY "\r\n", "400"},
        {BEGIN KEY V13 "\r\n", "426"},
        {BEGIN KEY V13 "Upgrade: h2c\r\nConnection: Upgrade\r\n\r\n", "426"},
        {BEGIN KEY V13 "Upgrade: websocket\r\n\r\n", "426"},
        {BEGIN UP KEY V13 "Content-Length: 1\r\n\r\nx", "400"},
        {BEGIN UP KEY V13 "\r\n\x81\x80", "400"}, /* bytes behind the handshake */
        {"GET /v1/ws HTTP/1.0\r\n" UP KEY V13 "\r\n", "426"},
        {"POST /v1/ws HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n" UP KEY V13 "\r\n", "405"},
        {"GET /v1/ws/ HTTP/1.1\r\nHost: h\r\n" UP KEY V13 "\r\n", "200"}, /* another path */
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char answer[4096];
        bool ended;
        net_exchange(net_server_port(shared), cases[i].request, strlen(cases[i].request), 0, answer,
                     sizeof answer, &ended);
        if (strncmp(answer + 9, cases[i].status, 3) != 0) {
            fail_msg("not %s but %.12s for:\n%s", cases[i].status, answer, cases[i].request);
        }
    }
}

/* Texts come back whole, whether sent in one frame, in fragments with a ping between, or byte by
 * byte. */
static void texts_are_echoed(void **state)
{
    (void)state;
    static char longest[WS_MESSAGE_BYTES + 2];
    const int fd = net_upgrade(net_server_port(shared), "", NULL, 0);
    struct net_frame frame;
    assert_true(net_send_frame(fd, 0x81, "hello", 5));
    expect_text(fd, "hello");
    assert_true(net_send_frame(fd, 0x01, "a\xc3", 2));
    assert_true(net_send_frame(fd, 0x89, "ping", 4));
    assert_true(net_send_frame(fd, 0x00, "", 0));
    assert_true(net_send_frame(fd, 0x80, "\xa4z", 2));
    assert_true(net_read_frame(fd, &frame));
    assert_int_equal(frame.opcode, WS_OPCODE_PONG);
    assert_memory_equal(frame.payload, "ping", 4);
    expect_text(fd, "a\xc3\xa4z");
    memset(longest, 'x', WS_MESSAGE_BYTES);
    assert_true(net_send_frame(fd, 0x81, longest, WS_MESSAGE_BYTES));
    expect_text(fd, longest);
    assert_true(net_send_frame(fd, 0x81, "", 0));
    expect_text(fd, "");
    assert_true(net_send_frame(fd, 0x81, "twice", 5));
    expect_text(fd, "twice");
    expect_text(fd, "twice");
    assert_true(net_send_frame(fd, 0x88, "\x03\xe8", 2));
    const time_t from = time(NULL);
    assert_int_equal(close_code(fd), 1000);
    assert_true(is_ended(fd));
    assert_true(time(NULL) - from <= 2); /* both have closed, so the server ends at once */
    close(fd);
}

struct frame_case {
    const char *name;
    uint8_t first;
    const char *payload;
    size_t length;
    unsigned code;
};

/* What must not be is answered with the close code that says why. */
static void bad_frames_close_with_their_code(void **state)
{
    (void)state;
    static char big[WS_MESSAGE_BYTES + 1];
    memset(big, 'x', sizeof big);
    const struct frame_case cases[] = {
        {"too big", 0x81, big, sizeof big, 1009},
        {"binary", 0x82, "x", 1, 1003},
        {"not UTF-8", 0x81, "\xff", 1, 1007},
        {"surrogate", 0x81, "\xed\xa0\x80", 3, 1007},
        {"overlong", 0x81, "\xc0\xaf", 2, 1007},
        {"above the last character", 0x81, "\xf4\x90\x80\x80", 4, 1007},
        {"cut inside a character", 0x81, "\xe2\x82", 2, 1007},
        {"reserved bit", 0xc1, "x", 1, 1002},
        {"opcode 3", 0x83, "x", 1, 1002},
        {"opcode 11", 0x8b, "x", 1, 1002},
        {"fragmented ping", 0x09, "x", 1, 1002},
        {"long ping", 0x89, big, 126, 1002},
        {"continuation of nothing", 0x80, "x", 1, 1002},
        {"half a close code", 0x88, "\x03", 1, 1002},
        {"close code 1005", 0x88, "\x03\xed", 2, 1002},
        {"close reason not UTF-8", 0x88, "\x03\xe8\xff", 3, 1007},
        {"close without a code", 0x88, "", 0, WS_CLOSE_NO_STATUS},
        {"close 3000", 0x88, "\x0b\xb8", 2, 3000},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const int fd = net_upgrade(net_server_port(shared), "", NULL, 0);
        assert_true(net_send_frame(fd, cases[i].first, cases[i].payload, cases[i].length));
        const unsigned code = close_code(fd);
        if (code != cases[i].code) {
            fail_msg("%s: %u, not %u", cases[i].name, code, cases[i].code);
        }
        assert_true(is_ended(fd));
        close(fd);
    }
    const int unmasked = net_upgrade(net_server_port(shared), "", NULL, 0);
    assert_true(net_send(unmasked, "\x81\x01x", 3));
    assert_int_equal(close_code(unmasked), 1002);
    close(unmasked);
    const int wasteful = net_upgrade(net_server_port(shared), "", NULL, 0);
    assert_true(net_send(wasteful, "\x81\xfe\x00\x01\0\0\0\0x", 9));
    assert_int_equal(close_code(wasteful), 1002);
    close(wasteful);
    const int wider = net_upgrade(net_server_port(shared), "", NULL, 0);
    assert_true(net_send(wider, "\x81\xff\0\0\0\0\0\0\xff\xff\0\0\0\0", 14));
    assert_int_equal(close_code(wider), 1002);
    close(wider);
}

/* A reader who does not read is cut with 1013 and a reason, once; others do not notice. */
static void slow_readers_are_cut(void **state)
{
    (void)state;
    const struct ws_options ws = {.queue_bytes_max = 100000};
    struct net_server *server = start(&ws);
    const int slow = net_upgrade(net_server_port(server), "", NULL, 0);
    const int other = net_upgrade(net_server_port(server), "", NULL, 0);
    assert_true(net_send_frame(slow, 0x81, "burst 90", 8)); /* fits the queue */
    for (unsigned i = 0; i < 90; i++) {
        struct net_frame frame;
        assert_true(net_read_frame(slow, &frame));
        assert_int_equal(frame.length, 1000);
    }
    assert_int_equal(counters_of(server).cut_slow, 0);
    assert_true(net_send_frame(slow, 0x81, "burst 101", 9)); /* at once more than the queue holds */
    struct net_frame next;
    assert_true(net_read_frame(slow, &next));
    assert_int_equal(next.opcode, WS_OPCODE_CLOSE); /* what was queued is dropped */
    assert_int_equal((unsigned)next.payload[0] << 8 | next.payload[1], 1013);
    assert_true(next.length > 2);
    assert_int_equal(counters_of(server).cut_slow, 1);
    assert_true(net_send_frame(other, 0x81, "still here", 10));
    expect_text(other, "still here");
    close(slow);
    close(other);
    assert_true(net_server_stop(server));
}

/* Even one who stops reading while the kernel's buffers are full is gone after the close deadline,
 * with never more than the queue's limit held for it. */
static void readers_that_stand_still_are_dropped(void **state)
{
    (void)state;
    const struct ws_options ws = {.queue_bytes_max = 50000};
    struct net_server *server = start(&ws);
    const int fd = net_upgrade(net_server_port(server), "", NULL, 0);
    for (unsigned i = 0; i < 20000 && counters_of(server).cut_slow == 0; i++) {
        if (!net_send_frame(fd, 0x81, "burst 40", 8)) {
            break;
        }
    }
    assert_int_equal(counters_of(server).cut_slow, 1);
    sleep_ms(6500);
    assert_int_equal(count_of(server), 0);
    close(fd);
    assert_true(net_server_stop(server));
}

/* The server's own close carries code and reason, waits for the peer's, and closes only once. */
static void server_closes_with_code_and_reason(void **state)
{
    (void)state;
    struct net_frame frame;
    const uint64_t before = counters_of(shared).messages;
    const int fd = net_upgrade(net_server_port(shared), "", NULL, 0);
    assert_true(net_send_frame(fd, 0x81, "close 4001 because", 18));
    assert_true(net_read_frame(fd, &frame));
    assert_int_equal(frame.opcode, WS_OPCODE_CLOSE);
    assert_int_equal(frame.length, 9);
    assert_memory_equal(frame.payload,
                        "\x0f\xa1"
                        "because",
                        9);
    assert_true(net_send_frame(fd, 0x81, "too late", 8)); /* not delivered any more */
    assert_true(net_send_frame(fd, 0x88, "\x0f\xa1", 2));
    assert_true(is_ended(fd));
    assert_int_equal(counters_of(shared).messages, before + 1);
    close(fd);
}

/* A text that is queued from within the loop's last step before it sleeps (a pipelined request
 * handled there) leaves at once all the same. */
static void nothing_waits_for_a_sleeping_loop(void **state)
{
    (void)state;
    const char *requests = "GET /hold HTTP/1.1\r\nHost: h\r\n\r\n"
                           "GET /push HTTP/1.1\r\nHost: h\r\n\r\n";
    const int fd = net_upgrade(net_server_port(shared), "", NULL, 0);
    const int http = net_connect(net_server_port(shared), 5000);
    for (unsigned i = 0; i < 20; i++) {
        struct timespec from;
        struct timespec to;
        clock_gettime(CLOCK_MONOTONIC, &from);
        assert_true(net_send(http, requests, strlen(requests)));
        net_server_release(shared);
        expect_text(fd, "pushed");
        clock_gettime(CLOCK_MONOTONIC, &to);
        assert_true((to.tv_sec - from.tv_sec) * 1000 + (to.tv_nsec - from.tv_nsec) / 1000000 < 250);
    }
    close(http);
    close(fd);
}

/* The server pings; who answers stays, who is silent is dropped. */
static void the_silent_are_dropped(void **state)
{
    (void)state;
    const struct ws_options ws = {.ping_interval_ms = 100, .dead_after_ms = 400};
    struct net_server *server = start(&ws);
    struct net_frame frame;
    const int silent = net_upgrade(net_server_port(server), "", NULL, 0);
    const int alive = net_upgrade(net_server_port(server), "", NULL, 0);
    for (unsigned i = 0; i < 10; i++) {
        assert_true(net_read_frame(alive, &frame));
        assert_int_equal(frame.opcode, WS_OPCODE_PING);
        assert_true(net_send_frame(alive, 0x8a, frame.payload, frame.length));
    }
    assert_int_equal(close_code(silent), 0); /* pings, then the end without a word */
    assert_int_equal(counters_of(server).cut_dead, 1);
    assert_int_equal(count_of(server), 1);
    close(silent);
    close(alive);
    assert_true(net_server_stop(server));
}

/* A flood of pings ends with 1008; a reasonable number is answered one by one. */
static void ping_floods_are_ended(void **state)
{
    (void)state;
    struct net_frame frame;
    const int fd = net_upgrade(net_server_port(shared), "", NULL, 0);
    for (unsigned i = 0; i < 100; i++) {
        assert_true(net_send_frame(fd, 0x89, "p", 1));
        assert_true(net_read_frame(fd, &frame));
        assert_int_equal(frame.opcode, WS_OPCODE_PONG);
    }
    for (unsigned i = 0; i < 2000; i++) {
        if (!net_send_frame(fd, 0x89, "p", 1)) {
            break;
        }
    }
    assert_int_equal(close_code(fd), 1008);
    close(fd);
}

struct broadcast {
    struct ws_text *text;
    uint64_t ids[SOCKETS + 1];
};

static struct broadcast broadcast;
static size_t opened;

static void remember(void *context, uint64_t id, const char *origin, const struct http_peer *peer)
{
    (void)context;
    (void)origin;
    (void)peer;
    broadcast.ids[opened] = id;
    opened += 1;
}

static void send_to_all(struct net_server *server, void *to)
{
    (void)to;
    for (size_t i = 0; i < SOCKETS; i++) {
        assert_true(ws_send_shared(net_server_ws(server), broadcast.ids[i], broadcast.text));
    }
    /* Ids that never were, or are dead, are harmless. */
    assert_false(ws_send_shared(net_server_ws(server), 0, broadcast.text));
    assert_false(ws_send_shared(net_server_ws(server), broadcast.ids[0] + ((uint64_t)1 << 40),
                                broadcast.text));
    assert_false(ws_send_shared(net_server_ws(server), UINT64_MAX, broadcast.text));
    ws_text_release(broadcast.text);
}

/* One text goes to many sockets and outlives its maker's reference; each gets it whole. */
static void one_text_serves_many_sockets(void **state)
{
    (void)state;
    int fds[SOCKETS];
    const struct net_options options = {.with_ws = true, .watch_open = remember};
    opened = 0;
    struct net_server *server = net_server_start(&options);
    for (size_t i = 0; i < SOCKETS; i++) {
        fds[i] = net_upgrade(net_server_port(server), "", NULL, 0);
        assert_true(fds[i] >= 0);
    }
    broadcast.text = ws_text_make("to all", 6);
    net_server_call(server, send_to_all, NULL);
    for (size_t i = 0; i < SOCKETS; i++) {
        expect_text(fds[i], "to all");
        close(fds[i]);
    }
    assert_true(net_server_stop(server));
}

/* One socket more than allowed is refused 503, before the handshake. */
static void sockets_are_limited(void **state)
{
    (void)state;
    const struct ws_options ws = {.connections_max = 1};
    struct net_server *server = start(&ws);
    char answer[1024];
    const int fd = net_upgrade(net_server_port(server), "", NULL, 0);
    assert_true(fd >= 0);
    assert_int_equal(net_upgrade(net_server_port(server), "", answer, sizeof answer), -1);
    assert_non_null(strstr(answer, "HTTP/1.1 503 "));
    close(fd);
    assert_true(net_server_stop(server));
}

static void drain(struct net_server *server, void *to)
{
    (void)to;
    ws_server_drain(net_server_ws(server), WS_CLOSE_GOING_AWAY, "server:shutdown");
}

/* Draining says good-bye to everybody and takes nobody new. */
static void drain_closes_everybody(void **state)
{
    (void)state;
    const struct ws_options ws = {0};
    struct net_server *server = start(&ws);
    int fds[3];
    for (size_t i = 0; i < 3; i++) {
        fds[i] = net_upgrade(net_server_port(server), "", NULL, 0);
    }
    net_server_call(server, drain, NULL);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(close_code(fds[i]), 1001);
        assert_true(net_send_frame(fds[i], 0x88, "\x03\xe9", 2));
        assert_true(is_ended(fds[i]));
        close(fds[i]);
    }
    char answer[1024];
    assert_int_equal(net_upgrade(net_server_port(server), "", answer, sizeof answer), -1);
    assert_non_null(strstr(answer, "HTTP/1.1 503 "));
    while (count_of(server) > 0) {
        sleep_ms(5);
    }
    assert_true(net_server_stop(server));
}

/* Closing the server under open, closing and writing sockets leaves nothing behind. */
static void close_in_the_middle_is_clean(void **state)
{
    (void)state;
    const struct ws_options ws = {0};
    struct net_server *server = start(&ws);
    static const char *const texts[] = {"x", "close 1000 x", "burst 200"};
    int fds[3];
    for (size_t i = 0; i < 3; i++) {
        fds[i] = net_upgrade(net_server_port(server), "", NULL, 0);
        assert_true(net_send_frame(fds[i], 0x81, texts[i], strlen(texts[i])));
    }
    sleep_ms(100);
    assert_true(net_server_stop(server)); /* also checks that each on_open had its on_close */
    for (size_t i = 0; i < 3; i++) {
        close(fds[i]);
    }
}

/* Mutated frames, seeded: no crash, no hang, every socket closed in the end. */
static void mutated_frames_do_no_harm(void **state)
{
    (void)state;
    uint64_t random = 20261121;
    struct timespec from;
    struct timespec now;
    print_message("seed %llu\n", (unsigned long long)random);
    clock_gettime(CLOCK_MONOTONIC, &from);
    for (unsigned round = 0; round < FUZZ_CASES; round++) {
        uint8_t bytes[600];
        size_t length = 0;
        const int fd = net_upgrade(net_server_port(shared), "", NULL, 0);
        assert_true(fd >= 0);
        for (uint64_t frames = 1 + net_random(&random) % 5; frames > 0; frames--) {
            const uint8_t payload_bytes = (uint8_t)(net_random(&random) % 100);
            bytes[length] = (uint8_t)("\x81\x01\x00\x80\x89\x8a\x88\x82"[net_random(&random) % 8]);
            bytes[length + 1] = 0x80 | payload_bytes;
            for (size_t i = 2; i < 6u + payload_bytes; i++) {
                bytes[length + i] = i < 6 ? 0 : (uint8_t)('a' + net_random(&random) % 26);
            }
            length += 6u + payload_bytes;
        }
        for (uint64_t flips = net_random(&random) % 4; flips > 0; flips--) {
            bytes[net_random(&random) % length] ^= (uint8_t)(1u << net_random(&random) % 8);
        }
        (void)net_send(fd, bytes, length); /* it may be closed meanwhile */
        shutdown(fd, SHUT_WR);
        char answer[4096];
        bool ended;
        net_read_all(fd, answer, sizeof answer, &ended);
        assert_true(ended);
        close(fd);
        clock_gettime(CLOCK_MONOTONIC, &now);
        if ((now.tv_sec - from.tv_sec) * 1000 + (now.tv_nsec - from.tv_nsec) / 1000000 > FUZZ_MS) {
            break;
        }
    }
    const int fd = net_upgrade(net_server_port(shared), "", NULL, 0);
    assert_true(net_send_frame(fd, 0x81, "alive", 5));
    expect_text(fd, "alive");
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(upgrade_answers_as_the_rfc_says),
        cmocka_unit_test(odd_upgrades_are_refused),
        cmocka_unit_test(texts_are_echoed),
        cmocka_unit_test(bad_frames_close_with_their_code),
        cmocka_unit_test(slow_readers_are_cut),
        cmocka_unit_test(readers_that_stand_still_are_dropped),
        cmocka_unit_test(server_closes_with_code_and_reason),
        cmocka_unit_test(nothing_waits_for_a_sleeping_loop),
        cmocka_unit_test(the_silent_are_dropped),
        cmocka_unit_test(ping_floods_are_ended),
        cmocka_unit_test(one_text_serves_many_sockets),
        cmocka_unit_test(sockets_are_limited),
        cmocka_unit_test(drain_closes_everybody),
        cmocka_unit_test(close_in_the_middle_is_clean),
        cmocka_unit_test(mutated_frames_do_no_harm),
    };
    return cmocka_run_group_tests(tests, start_shared, stop_shared);
}
