#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "ingress/ws_frame.h"

#define EVENTS        32
#define PAYLOAD_BYTES 128 /* no padding behind it: traces are compared as bytes */

/* What a reader made of a sequence: one entry for each event. */
struct trace {
    struct {
        enum ws_event event;
        unsigned code;
        size_t bytes;
        uint8_t payload[PAYLOAD_BYTES];
    } entries[EVENTS];
    size_t count;
};

static void note(struct trace *trace, const struct ws_reader *reader, enum ws_event event)
{
    const bool is_text = event == WS_TEXT;
    const bool is_control = event == WS_PING || event == WS_PONG || event == WS_CLOSE;
    const uint8_t *payload = is_text ? reader->message : reader->control;
    assert_true(trace->count < EVENTS);
    trace->entries[trace->count].event = event;
    if (is_text || is_control) {
        const size_t bytes = is_text ? reader->message_bytes : reader->control_bytes;
        assert_true(bytes <= PAYLOAD_BYTES);
        trace->entries[trace->count].bytes = bytes;
        memcpy(trace->entries[trace->count].payload, payload, bytes);
    }
    if (event == WS_CLOSE || event == WS_FAIL) {
        trace->entries[trace->count].code = reader->code;
    }
    trace->count += 1;
}

/* Feeds one piece; false once the sequence has closed or failed. */
static bool feed(struct ws_reader *reader, const uint8_t *bytes, size_t length, struct trace *trace)
{
    size_t at = 0;
    while (at < length) {
        size_t used = 0;
        const enum ws_event event = ws_reader_take(reader, bytes + at, length - at, &used);
        at += used;
        if (event == WS_MORE) {
            continue;
        }
        note(trace, reader, event);
        if (event == WS_TEXT) {
            ws_reader_taken(reader);
        }
        if (event == WS_CLOSE || event == WS_FAIL) {
            return false;
        }
    }
    return true;
}

/* The sequence in pieces of `first`, then `rest` bytes each. */
static struct trace trace_of(const uint8_t *bytes, size_t length, size_t first, size_t rest)
{
    struct ws_reader reader = {0};
    struct trace trace;
    size_t at = 0;
    memset(&trace, 0, sizeof trace);
    while (at < length) {
        const size_t wanted = at == 0 ? first : rest;
        const size_t piece = wanted < length - at ? wanted : length - at;
        if (!feed(&reader, bytes + at, piece, &trace)) {
            break;
        }
        at += piece;
    }
    ws_reader_close(&reader);
    return trace;
}

static size_t put_frame(uint8_t *to, uint8_t first, const char *payload, size_t length)
{
    static const uint8_t mask[4] = {0x37, 0xfa, 0x21, 0x3d};
    to[0] = first;
    to[1] = (uint8_t)(0x80 | length);
    memcpy(to + 2, mask, 4);
    for (size_t i = 0; i < length; i++) {
        to[6 + i] = (uint8_t)payload[i] ^ mask[i % 4];
    }
    return 6 + length;
}

struct ending {
    uint8_t first;
    const char *payload;
    size_t length;
    enum ws_event event;
    unsigned code;
};

/* Where the network cuts a sequence changes nothing: neither in a header, nor in a character of a
 * text or of a close reason, nor between a close code and its reason. */
static void pieces_do_not_matter(void **state)
{
    (void)state;
    static const struct ending endings[] = {
        {0x88, "\x03\xe8\xe2\x82\xac", 5, WS_CLOSE, 1000},
        {0x88, "\x03\xe8ok \xf0\x9f\x98\x80 ok", 12, WS_CLOSE, 1000},
        {0x88, "\x03\xe8\xff", 3, WS_FAIL, WS_CLOSE_BAD_TEXT},
        {0x88, "\x03\xe8\xe2\x82", 4, WS_FAIL, WS_CLOSE_BAD_TEXT},
        {0x88, "\x03", 1, WS_FAIL, WS_CLOSE_PROTOCOL},
        {0x88, "", 0, WS_CLOSE, WS_CLOSE_NO_STATUS},
        {0x88, "\x03\xf4", 2, WS_CLOSE, 1012},
        {0x81, "\xed\xa0\x80", 3, WS_FAIL, WS_CLOSE_BAD_TEXT},
    };
    for (size_t i = 0; i < sizeof endings / sizeof endings[0]; i++) {
        const struct ending *ending = &endings[i];
        uint8_t bytes[256];
        size_t length = put_frame(bytes, 0x81, "caf\xc3\xa9", 5);
        length += put_frame(bytes + length, 0x01, "a\xe2\x82", 3);
        length += put_frame(bytes + length, 0x89, "ping", 4);
        length += put_frame(bytes + length, 0x00, "", 0);
        length += put_frame(bytes + length, 0x80, "\xac!", 2);
        length += put_frame(bytes + length, 0x8a, "", 0);
        length += put_frame(bytes + length, ending->first, ending->payload, ending->length);
        const struct trace whole = trace_of(bytes, length, length, length);
        assert_int_equal(whole.count, 6);
        assert_int_equal(whole.entries[0].event, WS_TEXT);
        assert_int_equal(whole.entries[1].event, WS_PING);
        assert_int_equal(whole.entries[2].event, WS_EMPTY);
        assert_int_equal(whole.entries[3].event, WS_TEXT);
        assert_memory_equal(whole.entries[3].payload, "a\xe2\x82\xac!", 5);
        assert_int_equal(whole.entries[4].event, WS_PONG);
        assert_int_equal(whole.entries[5].event, ending->event);
        assert_int_equal(whole.entries[5].code, ending->code);
        for (size_t cut = 1; cut <= length; cut++) {
            const struct trace in_two = trace_of(bytes, length, cut, length);
            const struct trace in_many = trace_of(bytes, length, cut, 1);
            assert_memory_equal(&in_two, &whole, sizeof whole);
            assert_memory_equal(&in_many, &whole, sizeof whole);
        }
    }
}

struct header {
    const char *name;
    const char *bytes;
    size_t length;
    unsigned code;
};

/* A frame that must fail does so with the header that says it: nobody can declare 2^40 bytes, send
 * none and be waited for. */
static void a_header_is_enough_to_fail(void **state)
{
    (void)state;
    static const struct header headers[] = {
        {"reserved bit", "\xc1", 1, WS_CLOSE_PROTOCOL},
        {"unknown opcode", "\x83", 1, WS_CLOSE_PROTOCOL},
        {"unknown control opcode", "\x8b", 1, WS_CLOSE_PROTOCOL},
        {"continuation of nothing", "\x80", 1, WS_CLOSE_PROTOCOL},
        {"fragmented ping", "\x09", 1, WS_CLOSE_PROTOCOL},
        {"no mask", "\x81\x05", 2, WS_CLOSE_PROTOCOL},
        {"long ping", "\x89\xfe", 2, WS_CLOSE_PROTOCOL},
        {"binary", "\x82\x81\0\0\0\0", 6, WS_CLOSE_UNSUPPORTED},
        {"4097 bytes", "\x81\xfe\x10\x01\0\0\0\0", 8, WS_CLOSE_TOO_BIG},
        {"2^40 bytes", "\x81\xff\0\0\1\0\0\0\0\0\0\0\0\0", 14, WS_CLOSE_TOO_BIG},
        {"2^63 bytes", "\x81\xff\x80\0\0\0\0\0\0\0\0\0\0\0", 14, WS_CLOSE_PROTOCOL},
        {"125 bytes in 2", "\x81\xfe\0\x7d\0\0\0\0", 8, WS_CLOSE_PROTOCOL},
        {"65535 bytes in 8", "\x81\xff\0\0\0\0\0\0\xff\xff\0\0\0\0", 14, WS_CLOSE_PROTOCOL},
    };
    for (size_t i = 0; i < sizeof headers / sizeof headers[0]; i++) {
        const struct trace trace =
            trace_of((const uint8_t *)headers[i].bytes, headers[i].length, headers[i].length, 1);
        if (trace.count != 1 || trace.entries[0].event != WS_FAIL ||
            trace.entries[0].code != headers[i].code) {
            fail_msg("%s: %zu events, code %u", headers[i].name, trace.count,
                     trace.entries[0].code);
        }
    }
}

/* A message may be cut into as many fragments as it has bytes, but not be longer in sum. */
static void fragments_are_limited_by_their_sum(void **state)
{
    (void)state;
    struct ws_reader reader = {0};
    uint8_t frame[8];
    size_t used;
    for (size_t i = 0; i < WS_MESSAGE_BYTES; i++) {
        const size_t length = put_frame(frame, i == 0 ? 0x01 : 0x00, "x", 1);
        assert_int_equal(ws_reader_take(&reader, frame, length, &used), WS_MORE);
        assert_int_equal(used, length);
    }
    assert_int_equal(reader.message_bytes, WS_MESSAGE_BYTES);
    assert_int_equal(ws_reader_take(&reader, frame, put_frame(frame, 0x80, "x", 1), &used),
                     WS_FAIL);
    assert_int_equal(reader.code, WS_CLOSE_TOO_BIG);
    ws_reader_close(&reader);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pieces_do_not_matter),
        cmocka_unit_test(a_header_is_enough_to_fail),
        cmocka_unit_test(fragments_are_limited_by_their_sum),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
