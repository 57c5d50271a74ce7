#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <http_parser.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ingress/http_message.h"
#include "net_client.h"

#define CASES 20000

/* Feeds the whole of bytes, in pieces of `chop`, through head and body. */
static enum http_progress feed(struct http_message *message, const char *bytes, size_t length,
                               size_t chop, size_t *taken)
{
    enum http_progress progress = HTTP_MORE;
    bool body = false;
    size_t at = 0;
    http_message_init(message);
    while (at < length) {
        const size_t rest = length - at;
        const size_t piece = chop == 0 || chop > rest ? rest : chop;
        size_t used = 0;
        progress = body ? http_message_body(message, bytes + at, piece, &used)
                        : http_message_head(message, bytes + at, piece, &used);
        assert_true(used <= piece);
        at += used;
        if (progress == HTTP_DONE && !body && message->has_body) {
            body = true;
            progress = HTTP_MORE;
        } else if (progress != HTTP_MORE) {
            break;
        }
    }
    *taken = at;
    return progress;
}

struct collected {
    char body[70000];
    size_t count;
    bool done;
};

static int collect(http_parser *parser, const char *at, size_t length)
{
    struct collected *collected = parser->data;
    memcpy(collected->body + collected->count, at, length);
    collected->count += length;
    return 0;
}

static int finish(http_parser *parser)
{
    struct collected *collected = parser->data;
    collected->done = true;
    http_parser_pause(parser, 1);
    return 0;
}

/* A random well-formed chunked body, and now and then one byte changed. */
static size_t make_chunked(uint64_t *random, char *to)
{
    static const char head[] = "POST /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n";
    size_t length = sizeof head - 1;
    memcpy(to, head, length);
    for (uint64_t chunks = net_random(random) % 6; chunks > 0; chunks--) {
        const unsigned size = 1 + (unsigned)(net_random(random) % 40);
        length += (size_t)snprintf(to + length, 16, "%x", size);
        if (net_random(random) % 4 == 0) {
            length += (size_t)snprintf(to + length, 16, ";e=\"v;\"");
        }
        memcpy(to + length, "\r\n", 2);
        length += 2;
        for (unsigned i = 0; i < size; i++) {
            to[length + i] = "\r\n0a;"[net_random(random) % 5];
        }
        length += size;
        memcpy(to + length, "\r\n", 2);
        length += 2;
    }
    length += (size_t)snprintf(to + length, 32, "0\r\n%s\r\n",
                               net_random(random) % 3 == 0 ? "T: v\r\n" : "");
    if (net_random(random) % 2 == 0) {
        const size_t at = sizeof head - 1 + net_random(random) % (length - sizeof head + 1);
        to[at] = "\r\n0aZ; \t\""[net_random(random) % 9];
    }
    return length;
}

/* Two decoders, one of them not ours: whatever our chunk decoder takes, http_parser takes too, with
 * the same body and the same end. (The other way round it must not be: http_parser takes more.) */
static void what_we_take_http_parser_takes_alike(void **state)
{
    (void)state;
    uint64_t random = 4711;
    unsigned taken_count = 0;
    unsigned refused_count = 0;
    struct http_message *message = malloc(sizeof *message);
    struct collected *collected = malloc(sizeof *collected);
    assert_non_null(message);
    assert_non_null(collected);
    print_message("seed %llu\n", (unsigned long long)random);
    for (unsigned i = 0; i < CASES; i++) {
        char bytes[1024];
        size_t taken;
        const size_t length = make_chunked(&random, bytes);
        const enum http_progress progress =
            feed(message, bytes, length, net_random(&random) % 3, &taken);
        if (progress != HTTP_DONE) {
            refused_count += progress == HTTP_REFUSED;
            continue;
        }
        http_parser_settings settings;
        http_parser parser;
        http_parser_settings_init(&settings);
        settings.on_body = collect;
        settings.on_message_complete = finish;
        http_parser_init(&parser, HTTP_REQUEST);
        parser.data = collected;
        collected->count = 0;
        collected->done = false;
        assert_int_equal(http_parser_execute(&parser, &settings, bytes, length), taken);
        assert_true(collected->done);
        assert_int_equal(collected->count, message->request.body_bytes);
        assert_memory_equal(collected->body, message->body, collected->count);
        taken_count += 1;
    }
    assert_true(taken_count > CASES / 3);
    assert_true(refused_count > CASES / 10);
    free(message);
    free(collected);
}

/* However the bytes are cut, the outcome is the same: request, refusal, and how far it was read. */
static void pieces_do_not_matter(void **state)
{
    (void)state;
    static const char *const inputs[] = {
        "\r\nPOST /a?b HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhelloGET",
        "POST /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\nGET",
        "GET /a HTTP/1.1\r\nHost: h\r\nX: b\r\n c\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: h\n\n",
        "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n0\r\n\r\n",
    };
    struct http_message *whole = malloc(sizeof *whole);
    struct http_message *cut = malloc(sizeof *cut);
    assert_non_null(whole);
    assert_non_null(cut);
    for (size_t i = 0; i < sizeof inputs / sizeof inputs[0]; i++) {
        const size_t length = strlen(inputs[i]);
        size_t whole_taken;
        const enum http_progress expected = feed(whole, inputs[i], length, 0, &whole_taken);
        assert_int_not_equal(expected, HTTP_MORE);
        for (size_t chop = 1; chop < length; chop++) {
            size_t cut_taken;
            assert_int_equal(feed(cut, inputs[i], length, chop, &cut_taken), expected);
            assert_int_equal(cut_taken, whole_taken);
            assert_int_equal(cut->refusal.status, whole->refusal.status);
            if (expected == HTTP_DONE) {
                assert_string_equal(cut->request.path, whole->request.path);
                assert_string_equal(cut->body, whole->body);
            }
        }
    }
    free(whole);
    free(cut);
}

/* The token list of Connection and Upgrade: any case, white space and empty elements passed over.
 */
static void tokens_are_found(void **state)
{
    (void)state;
    assert_true(http_value_has_token("close", "close"));
    assert_true(http_value_has_token("keep-alive ,\tUpgrade", "upgrade"));
    assert_true(http_value_has_token(", ,close,", "close"));
    assert_false(http_value_has_token("closed", "close"));
    assert_false(http_value_has_token("not close", "close"));
    assert_false(http_value_has_token("", "close"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_we_take_http_parser_takes_alike),
        cmocka_unit_test(pieces_do_not_matter),
        cmocka_unit_test(tokens_are_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
