/* The WebSocket cases of Autobahn and the generated frame sequences, fed to a running echo server
 * over loopback, through the real upgrade. Two policies of the server come before the cases'
 * expectations and are counted apart: binary messages end with 1003, messages beyond 4 KiB with
 * 1009 (docs/decisions/0021-websocket-dialect.md). */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ingress/ws_frame.h"
#include "net_fixture.h"

#define EVENTS      400
#define EVENT_BYTES 4200
#define WIRE_BYTES  400000

struct event {
    unsigned opcode;
    size_t length;
    uint8_t payload[EVENT_BYTES];
};

/* What the peer of the server saw. */
struct seen {
    struct event events[EVENTS]; /* texts, binaries and pongs */
    size_t count;
    unsigned close_code; /* 0: none */
    bool ended;
};

static struct net_server *server;
static struct seen seen;
static struct event expected[EVENTS];
static size_t expected_count;
static uint8_t wire[WIRE_BYTES];

static int start(void **state)
{
    (void)state;
    const struct net_options options = {.with_ws = true};
    server = net_server_start(&options);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    return net_server_stop(server) ? 0 : -1;
}

static json_t *load(const char *name)
{
    const char *shared = getenv("TAPLINE_SHARED");
    char path[1024];
    json_error_t error;
    snprintf(path, sizeof path, "%s/vectors/websocket/%s",
             shared == NULL ? TAPLINE_SHARED_DIR : shared, name);
    json_t *cases = json_load_file(path, 0, &error);
    if (cases == NULL) {
        print_message("SKIPPED: vectors/websocket/%s is not there (set TAPLINE_SHARED)\n", name);
        skip();
    }
    assert_true(json_array_size(cases) > 0);
    return cases;
}

/* Reads what the server sent until it ends the connection. Our side ends first, unless the server
 * must fail it: it has to do so while the peer just stands there. */
static void watch(int fd, bool must_fail)
{
    static struct net_frame frame;
    char byte;
    seen.count = 0;
    seen.close_code = 0;
    if (!must_fail) {
        shutdown(fd, SHUT_WR);
    }
    while (seen.close_code == 0 && net_read_frame(fd, &frame)) {
        if (frame.opcode == WS_OPCODE_CLOSE) {
            seen.close_code = frame.length < 2 ? WS_CLOSE_NO_STATUS
                                               : (unsigned)frame.payload[0] << 8 | frame.payload[1];
        } else if (frame.opcode != WS_OPCODE_PING) {
            assert_true(seen.count < EVENTS);
            struct event *event = &seen.events[seen.count];
            seen.count += 1;
            event->opcode = frame.opcode;
            event->length = frame.length;
            assert_true(frame.length <= EVENT_BYTES);
            memcpy(event->payload, frame.payload, frame.length);
        }
    }
    shutdown(fd, SHUT_WR);
    seen.ended = recv(fd, &byte, 1, 0) <= 0;
    close(fd);
}

static void expect(unsigned opcode, const char *hex)
{
    assert_true(expected_count < EVENTS);
    struct event *event = &expected[expected_count];
    expected_count += 1;
    event->opcode = opcode;
    event->length = net_unhex(hex, event->payload, EVENT_BYTES);
}

/* Whether what was seen is exactly what was expected. */
static bool as_expected(void)
{
    if (seen.count != expected_count) {
        return false;
    }
    for (size_t i = 0; i < expected_count; i++) {
        const struct event *a = &expected[i];
        const struct event *b = &seen.events[i];
        if (a->opcode != b->opcode || a->length != b->length ||
            memcmp(a->payload, b->payload, a->length) != 0) {
            return false;
        }
    }
    return true;
}

static const char *text_of(const json_t *object, const char *key)
{
    return json_string_value(json_object_get(object, key));
}

static void send_in_pieces(int fd, size_t length, const json_t *chunks)
{
    size_t at = 0;
    size_t index;
    json_t *piece;
    json_array_foreach(chunks, index, piece)
    {
        const size_t count = (size_t)json_integer_value(piece);
        if (at + count <= length && !net_send(fd, wire + at, count)) {
            return; /* closed on us; the verdict follows */
        }
        at += count;
    }
    if (at < length) {
        (void)net_send(fd, wire + at, length - at); /* likewise */
    }
}

/* Turns the recorded verdict into what our peer must see; returns the policy's close code, or 0. */
static unsigned expect_of_frames(const json_t *verdict, unsigned *close_code)
{
    size_t index;
    json_t *event;
    expected_count = 0;
    *close_code = 0;
    json_array_foreach(json_object_get(verdict, "events"), index, event)
    {
        const char *kind = json_string_value(json_array_get(event, 0));
        const json_t *value = json_array_get(event, 1);
        if (strcmp(kind, "text") == 0) {
            expect(WS_OPCODE_TEXT, json_string_value(value));
        } else if (strcmp(kind, "ping") == 0) {
            expect(WS_OPCODE_PONG, json_string_value(value));
        } else if (strcmp(kind, "binary") == 0) {
            return WS_CLOSE_UNSUPPORTED;
        } else if (strcmp(kind, "close") == 0) {
            *close_code = (unsigned)json_integer_value(value);
        }
    }
    return 0;
}

static bool is_failure(unsigned code)
{
    return code == WS_CLOSE_PROTOCOL || code == WS_CLOSE_BAD_TEXT || code == WS_CLOSE_TOO_BIG;
}

/* Every generated sequence: failures fail, everything else is answered exactly, nothing else is. */
static void generated_sequences_are_judged_alike(void **state)
{
    (void)state;
    json_t *cases = load("frames.json");
    size_t index;
    json_t *item;
    unsigned counts[4] = {0};
    json_array_foreach(cases, index, item)
    {
        const char *name = text_of(item, "name");
        const char *verdict = text_of(item, "expect");
        const size_t length = net_unhex(text_of(item, "wire_hex"), wire, sizeof wire);
        const int fd = net_upgrade(net_server_port(server), "", NULL, 0);
        unsigned close_code;
        assert_true(fd >= 0);
        send_in_pieces(fd, length, json_object_get(item, "chunks"));
        const unsigned policy = expect_of_frames(json_object_get(item, "ws"), &close_code);
        watch(fd, policy != 0 || strcmp(verdict, "fail") == 0);
        bool good = seen.ended;
        if (policy != 0) {
            counts[0] += 1;
            good = good && as_expected() && seen.close_code == policy;
        } else if (strcmp(verdict, "fail") == 0) {
            counts[1] += 1;
            good = good && as_expected() && is_failure(seen.close_code);
        } else if (strncmp(name, "non-minimal", 11) == 0) {
            counts[2] += 1; /* RFC 6455 section 5.2: the shortest form MUST be used */
            good = good && seen.count == 0 && seen.close_code == WS_CLOSE_PROTOCOL;
        } else {
            counts[3] += 1;
            good = good && as_expected() && seen.close_code == close_code;
        }
        if (!good) {
            fail_msg("%s (case %zu): %zu events of %zu, close %u, ended %d", name, index,
                     seen.count, expected_count, seen.close_code, seen.ended);
        }
    }
    print_message("%u binary refused (1003), %u failed, %u not minimal refused, %u answered\n",
                  counts[0], counts[1], counts[2], counts[3]);
    json_decref(cases);
}

/* Builds the wire bytes of one step into `wire` and returns their count. */
static size_t bytes_of_step(const json_t *step)
{
    static const uint8_t mask[4] = {0x37, 0xfa, 0x21, 0x3d};
    const char *hex = text_of(step, "wire_hex");
    if (hex != NULL) {
        return net_unhex(hex, wire, sizeof wire);
    }
    const size_t length = (size_t)json_integer_value(json_object_get(step, "payload_len"));
    uint8_t unit[16];
    const size_t unit_bytes = net_unhex(text_of(step, "payload_repeat_hex"), unit, sizeof unit);
    const bool final = json_is_true(json_object_get(step, "fin"));
    wire[0] =
        (uint8_t)((final ? 0x80 : 0) | (int)json_integer_value(json_object_get(step, "opcode")));
    assert_true(length > 125);
    const size_t extra = length <= 0xffff ? 2 : 8;
    wire[1] = (uint8_t)(0x80 | (extra == 2 ? 126 : 127));
    for (size_t i = 0; i < extra; i++) {
        wire[2 + i] = (uint8_t)((uint64_t)length >> (8 * (extra - 1 - i)));
    }
    memcpy(wire + 2 + extra, mask, 4);
    for (size_t i = 0; i < length; i++) {
        wire[6 + extra + i] = unit[i % unit_bytes] ^ mask[i % 4];
    }
    return 6 + extra + length;
}

struct plan {
    bool binary; /* a well-formed data message that is binary */
    size_t message_bytes;
    bool too_big;
    bool close_sent;
};

static void note_step(struct plan *plan, const json_t *step)
{
    const json_int_t opcode = json_integer_value(json_object_get(step, "opcode"));
    const bool data = opcode <= WS_OPCODE_BINARY && json_object_get(step, "opcode") != NULL;
    if (!data) {
        return;
    }
    plan->binary |=
        opcode == WS_OPCODE_BINARY && json_integer_value(json_object_get(step, "rsv")) == 0;
    plan->message_bytes = opcode == WS_OPCODE_CONTINUATION ? plan->message_bytes : 0;
    plan->message_bytes += (size_t)json_integer_value(json_object_get(step, "payload_len"));
    plan->too_big |= plan->message_bytes > WS_MESSAGE_BYTES;
}

static struct plan play(int fd, const json_t *steps)
{
    static const uint8_t close_1000[] = {0x88, 0x82, 0, 0, 0, 0, 0x03, 0xe8};
    struct plan plan = {0};
    size_t index;
    json_t *step;
    json_array_foreach(steps, index, step)
    {
        const char *op = text_of(step, "op");
        if (strcmp(op, "send") == 0 || strcmp(op, "send_close") == 0) {
            const size_t length = bytes_of_step(step);
            const json_int_t chop_value =
                json_integer_value(json_object_get(step, "tcp_chop_bytes"));
            const size_t chop = chop_value > 0 ? (size_t)chop_value : length;
            note_step(&plan, step);
            for (size_t at = 0; at < length; at += chop) {
                if (!net_send(fd, wire + at, length - at < chop ? length - at : chop)) {
                    return plan;
                }
            }
        } else if (strcmp(op, "close_1000_after_s") == 0) {
            (void)net_send(fd, close_1000, sizeof close_1000); /* the server may have closed */
            plan.close_sent = true;
        } /* the waits are for slow peers; ours answers in its order anyway */
    }
    return plan;
}

/* Loads one list of expected events; false when it asks for what only a policy case has. */
static void expect_of_autobahn(const json_t *events)
{
    size_t index;
    json_t *event;
    expected_count = 0;
    json_array_foreach(events, index, event)
    {
        const char *kind = json_string_value(json_array_get(event, 0));
        const char *hex = text_of(json_array_get(event, 1), "hex");
        if (strcmp(kind, "timeout") == 0) {
            continue; /* a mark of the tester's clock */
        }
        expect(strcmp(kind, "pong") == 0 ? WS_OPCODE_PONG : WS_OPCODE_TEXT, hex);
    }
}

static bool any_expected(const json_t *alternatives)
{
    const char *key;
    json_t *events;
    json_object_foreach((json_t *)alternatives, key, events)
    {
        expect_of_autobahn(events);
        if (as_expected()) {
            return true;
        }
    }
    return false;
}

static bool code_is_among(unsigned code, const json_t *codes)
{
    size_t index;
    json_t *item;
    json_array_foreach(codes, index, item)
    {
        if (json_integer_value(item) == (json_int_t)code) {
            return true;
        }
    }
    return false;
}

/* Whether the close is what the case allows. A tester that just goes away sees no close frame. */
static bool close_is_allowed(const json_t *close, const struct plan *plan)
{
    const json_t *codes = json_object_get(close, "codes");
    if (json_is_false(json_object_get(close, "closed_by_tester"))) {
        return seen.close_code == 0 || code_is_among(seen.close_code, codes);
    }
    if (plan->close_sent) {
        return code_is_among(seen.close_code, codes);
    }
    return seen.close_code == 0 || seen.close_code == WS_CLOSE_NO_STATUS ||
           code_is_among(seen.close_code, codes);
}

/* Every Autobahn case: what must fail fails with an allowed code, each echo and pong arrives in
 * order. */
static void autobahn_cases_pass(void **state)
{
    (void)state;
    json_t *cases = load("autobahn_cases.json");
    size_t index;
    json_t *item;
    unsigned counts[3] = {0};
    json_array_foreach(cases, index, item)
    {
        const json_t *close = json_object_get(item, "expected_close");
        const bool must_fail = json_is_false(json_object_get(close, "closed_by_tester"));
        const int fd = net_upgrade(net_server_port(server), "", NULL, 0);
        assert_true(fd >= 0);
        const struct plan plan = play(fd, json_object_get(item, "steps"));
        watch(fd, must_fail);
        bool good = seen.ended;
        if (!must_fail && (plan.binary || plan.too_big)) {
            counts[0] += 1;
            good =
                good && seen.close_code == (plan.too_big ? WS_CLOSE_TOO_BIG : WS_CLOSE_UNSUPPORTED);
        } else {
            counts[must_fail ? 1 : 2] += 1;
            good = good && any_expected(json_object_get(item, "expected_events")) &&
                   close_is_allowed(close, &plan);
            good = good && (!must_fail || seen.close_code != 0);
        }
        if (!good) {
            fail_msg("case %s (%s): %zu events, close %u, ended %d", text_of(item, "id"),
                     text_of(item, "description"), seen.count, seen.close_code, seen.ended);
        }
    }
    print_message("%u ended by policy (1003, 1009), %u failed, %u answered\n", counts[0], counts[1],
                  counts[2]);
    json_decref(cases);
}

/* Compression is never negotiated, so every compressed frame fails, whatever is in it, and a bomb
 * of 8 KiB costs no more than any other frame. */
static void compressed_frames_fail(void **state)
{
    (void)state;
    json_t *cases = load("permessage_deflate.json");
    size_t index;
    json_t *item;
    json_array_foreach(cases, index, item)
    {
        char answer[1024];
        const size_t length = net_unhex(text_of(item, "wire_hex"), wire, sizeof wire);
        const int fd =
            net_upgrade(net_server_port(server),
                        "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n",
                        answer, sizeof answer);
        assert_true(fd >= 0);
        assert_null(strstr(answer, "Sec-WebSocket-Extensions"));
        (void)net_send(fd, wire, length); /* the server may close before it is all sent */
        watch(fd, true);
        assert_true(seen.ended);
        assert_int_equal(seen.count, 0);
        assert_int_equal(seen.close_code, WS_CLOSE_PROTOCOL);
    }
    json_decref(cases);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(generated_sequences_are_judged_alike),
        cmocka_unit_test(autobahn_cases_pass),
        cmocka_unit_test(compressed_frames_fail),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
