/* The request cases of llhttp (nodejs), fed to a running server over loopback. What llhttp refuses,
 * the server must refuse; what it takes only with a lenient flag, the server refuses too; what it
 * takes, the server takes, but for the policies below. docs/decisions/0020-http-dialect.md has the
 * reasons. */
#define _GNU_SOURCE /* memmem */

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
#include <strings.h>

#include "net_fixture.h"

#define INPUT_BYTES  8192
#define ANSWER_BYTES 65536
#define STATUSES     32

/* Cases that llhttp takes and we refuse, each with its reason. */
static const struct {
    const char *title;
    unsigned status;
} policies[] = {
    {"SOURCE request with ICE", 400},    /* the protocol is HTTP, nothing else */
    {"OPTIONS request with RTSP", 400},  /* likewise */
    {"PRI request HTTP2", 400},          /* HTTP/2 is not served */
    {"Underscore in hostname", 405},     /* CONNECT: this is not a proxy */
    {"`host:port` and basic auth", 400}, /* user information in a target is for phishing */
};

static struct net_server *server;

static int start(void **state)
{
    (void)state;
    const struct net_options options = {0};
    server = net_server_start(&options);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    return net_server_stop(server) ? 0 : -1;
}

static json_t *load(void)
{
    const char *shared = getenv("TAPLINE_SHARED");
    char path[1024];
    json_error_t error;
    snprintf(path, sizeof path, "%s/vectors/http1_llhttp/requests.json",
             shared == NULL ? TAPLINE_SHARED_DIR : shared);
    return json_load_file(path, 0, &error);
}

static unsigned policy_of(const char *title)
{
    for (size_t i = 0; i < sizeof policies / sizeof policies[0]; i++) {
        if (strcmp(policies[i].title, title) == 0) {
            return policies[i].status;
        }
    }
    return 0;
}

/* Every HTTP/1.1 request needs a Host; most cases were written without. Puts one behind the first
 * line, so that the case shows what it is about. */
static size_t with_host(const char *from, size_t length, char *to)
{
    static const char field[] = "Host: vector.example\r\n";
    const char *end = memmem(from, length, "\r\n", 2);
    const char *has = memmem(from, length, "\nHost:", 6);
    if (has == NULL) {
        has = memmem(from, length, "\nHOST:", 6);
    }
    if (end == NULL || has != NULL) {
        memcpy(to, from, length);
        return length;
    }
    const size_t head = (size_t)(end + 2 - from);
    memcpy(to, from, head);
    memcpy(to + head, field, sizeof field - 1);
    memcpy(to + head + sizeof field - 1, from + head, length - head);
    return length + sizeof field - 1;
}

struct outcome {
    size_t good;      /* answers 2xx */
    unsigned refused; /* the first status from 400 on; 0: none */
    bool ended;
};

static struct outcome exchange(const char *input, size_t length, size_t chop)
{
    static char answer[ANSWER_BYTES];
    struct outcome outcome = {0};
    unsigned statuses[STATUSES];
    const size_t got = net_exchange(net_server_port(server), input, length, chop, answer,
                                    sizeof answer, &outcome.ended);
    const size_t count = net_statuses(answer, got, statuses, STATUSES);
    for (size_t i = 0; i < count; i++) {
        outcome.good += statuses[i] >= 200 && statuses[i] < 300;
        if (outcome.refused == 0 && statuses[i] >= 400) {
            outcome.refused = statuses[i];
        }
    }
    return outcome;
}

/* Refused: answered with 4xx or 505. Where the input is cut off before its fault is complete there
 * is nothing to answer yet, and the connection just ends; then the same input with its head
 * completed must be refused. */
static void expect_refused(const char *title, char *input, size_t length)
{
    struct outcome outcome = exchange(input, length, 0);
    if (outcome.refused == 0 && outcome.good == 0) {
        memcpy(input + length, "\r\n\r\n", 4);
        outcome = exchange(input, length + 4, 0);
    }
    if (outcome.refused == 0 || !outcome.ended) {
        fail_msg("'%s' must be refused but was not (%zu answers 2xx)", title, outcome.good);
    }
}

/* Taken: no refusal, and an answer if the input holds a whole request. */
static void expect_taken(const char *title, const char *input, size_t length)
{
    for (size_t chop = 0; chop < 2; chop++) {
        const struct outcome outcome = exchange(input, length, chop);
        const bool whole =
            strcmp(title, "It should be unsafe to finish inside of the header") != 0 &&
            strcmp(title, "Content-Length reset when no body is received") != 0 &&
            strcmp(title, "Spaces in `Content-Length` (surrounding)") != 0;
        if (outcome.refused != 0 || !outcome.ended || (outcome.good > 0) != whole) {
            fail_msg("'%s' must be taken: %zu answers 2xx, then %u", title, outcome.good,
                     outcome.refused);
        }
    }
}

/* Every case, as it is and with a Host where it lacks one. */
static void llhttp_cases_are_judged_alike(void **state)
{
    (void)state;
    json_t *cases = load();
    size_t index;
    json_t *item;
    unsigned counts[4] = {0};
    if (cases == NULL) {
        print_message("SKIPPED: vectors/http1_llhttp is not there (set TAPLINE_SHARED)\n");
        skip();
    }
    json_array_foreach(cases, index, item)
    {
        uint8_t raw[INPUT_BYTES];
        char input[INPUT_BYTES + 64];
        const char *title = json_string_value(json_object_get(item, "title"));
        const bool reject = json_is_true(json_object_get(item, "reject"));
        const bool lenient = json_is_true(json_object_get(item, "lenient"));
        const size_t raw_length =
            net_unhex(json_string_value(json_object_get(item, "input_hex")), raw, sizeof raw);
        const size_t length = with_host((const char *)raw, raw_length, input);
        const unsigned policy = policy_of(title);
        if (reject || lenient) {
            counts[reject ? 0 : 1] += 1;
            expect_refused(title, input, length);
            memcpy(input, raw, raw_length);
            expect_refused(title, input, raw_length);
        } else if (policy != 0) {
            counts[2] += 1;
            assert_int_equal(exchange(input, length, 0).refused, policy);
        } else {
            counts[3] += 1;
            expect_taken(title, input, length);
        }
    }
    print_message("%u refused, %u lenient ones refused, %u refused by policy, %u taken\n",
                  counts[0], counts[1], counts[2], counts[3]);
    assert_int_equal(counts[0] + counts[1] + counts[2] + counts[3], json_array_size(cases));
    assert_true(json_array_size(cases) > 0);
    json_decref(cases);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(llhttp_cases_are_judged_alike),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
