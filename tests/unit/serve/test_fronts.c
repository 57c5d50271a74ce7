/* The whole server in a process of its own, spoken to over loopback: the routes and the WebSocket
 * ops as anybody may send them, malformed ones too. The child is this same (sanitized) build, so
 * that whatever it trips over ends it with another code than 0. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/address.h"
#include "base/text.h"
#include "ingress/tap_text.h"
#include "ingress/wallet.h"
#include "net_client.h"
#include "tests/unit/random.h"
#include "tests/unit/replay/sample.h"
#include "tools/commands.h"

#define ANSWER_BYTES 262144

struct live {
    char dir[256];
    pid_t pid;
    uint16_t port;
};

static struct live live;
static char answer[ANSWER_BYTES];

/* --- The child. --- */

static void serve(int output)
{
    char program[] = "serve";
    char data[] = "--data";
    char demo[] = "--demo";
    char listen[] = "--listen";
    char address[] = "127.0.0.1:0";
    char limit[] = "--limit-address";
    char rate[] = "0";
    char *argv[] = {program, data, live.dir, demo, listen, address, limit, rate, NULL};
    if (dup2(output, STDOUT_FILENO) < 0) {
        _exit(99);
    }
    _exit(command_serve(8, argv));
}

/* Starts a server on live.dir and waits for its ready line. */
static void launch(void)
{
    int ends[2];
    char line[256];
    assert_int_equal(pipe(ends), 0);
    fflush(NULL);
    live.pid = fork();
    assert_true(live.pid >= 0);
    if (live.pid == 0) {
        close(ends[0]);
        serve(ends[1]);
    }
    close(ends[1]);
    FILE *output = fdopen(ends[0], "r");
    assert_non_null(output);
    const char *ready = fgets(line, sizeof(line), output);
    (void)fclose(output); /* only read from */
    assert_non_null(ready);
    const char *colon = strrchr(line, ':');
    assert_non_null(colon);
    live.port = (uint16_t)atoi(colon + 1);
}

/* SIGTERM, twice, must end it with 0. */
static bool end(void)
{
    int status = 0;
    kill(live.pid, SIGTERM);
    kill(live.pid, SIGTERM);
    assert_int_equal(waitpid(live.pid, &status, 0), live.pid);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static int start_server(void **state)
{
    (void)state;
    sample_directory(live.dir);
    launch();
    return live.port == 0;
}

static int stop_server(void **state)
{
    (void)state;
    const bool good = end();
    sample_remove_directory(live.dir);
    return !good;
}

/* --- HTTP. --- */

/* The status of one request; the whole answer is in `answer`. */
static unsigned ask(const char *method, const char *target, const char *headers, const char *body)
{
    static char request[8192];
    bool ended;
    const int length = snprintf(request, sizeof(request),
                                "%s %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n%s"
                                "Content-Length: %zu\r\n\r\n%s",
                                method, target, headers, strlen(body), body);
    assert_true(length > 0 && (size_t)length < sizeof(request));
    unsigned status = 0;
    const size_t got =
        net_exchange(live.port, request, (size_t)length, 0, answer, sizeof(answer), &ended);
    assert_true(ended);
    if (strcmp(method, "HEAD") == 0) {
        return (unsigned)atoi(answer + 9);
    }
    assert_int_equal(net_statuses(answer, got, &status, 1), 1);
    return status;
}

#define JSON_TYPE "Content-Type: application/json\r\n"
#define ADDRESS   "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"

struct call {
    const char *method;
    const char *target;
    const char *headers;
    const char *body;
    unsigned status;
    const char *part; /* of the whole answer; NULL: any */
};

/* Proves, row by row, what each route says to what it takes and to what it does not. */
static void routes_answer_as_the_interface_says(void **state)
{
    static const struct call calls[] = {
        {"GET", "/livez", "", "", 200, "\"ok\""},
        {"GET", "/readyz", "", "", 200, "\"ok\""},
        {"GET", "/healthz", "", "", 200, "\"durable_seq\""},
        {"GET", "/metrics", "", "", 200, "tapline_ledger_imbalance_micro 0\n"},
        {"GET", "/metrics", "", "", 200, "tapline_queue_depth{queue=\"engine\"}"},
        {"GET", "/", "", "", 200, "text/html"},
        {"GET", "/v1/time", "", "", 200, "{\"time\":\""},
        {"GET", "/v1/status", "", "", 200, "\"bankroll\":\"1000000000000\""},
        {"GET", "/v1/config/current", "", "", 200, "\"config\":\"1\""},
        {"GET", "/v1/config/1", "", "", 200, "\"config\":\"1\""},
        {"GET", "/v1/config/0", "", "", 404, "NOT_FOUND"},
        {"GET", "/v1/config/01", "", "", 400, "BAD_REQUEST"},
        {"GET", "/v1/config/x", "", "", 400, "BAD_REQUEST"},
        {"GET", "/v1/bets/0", "", "", 404, "NOT_FOUND"},
        {"GET", "/v1/bets/-1", "", "", 400, "BAD_REQUEST"},
        {"GET", "/v1/bets/9223372036854775807", "", "", 404, "NOT_FOUND"},
        {"GET", "/v1/bets/9223372036854775808", "", "", 400, "BAD_REQUEST"},
        {"GET", "/v1/bets/", "", "", 404, "NOT_FOUND"},
        {"GET", "/v1/bets/1/", "", "", 404, "NOT_FOUND"},
        {"GET", "/v1/columns/5000", "", "", 404, "NOT_FOUND"},
        {"GET", "/v1/accounts/" ADDRESS, "", "", 200, "\"available\":\"0\""},
        {"GET", "/v1/accounts/0x12", "", "", 400, "BAD_REQUEST"},
        {"GET", "/v1/accounts/0x5aaeb6053F3E94C9b9A09f33669435E7Ef1BeAed", "", "", 400, NULL},
        {"GET", "/v1/accounts/" ADDRESS "/bets?limit=2&state=won", "", "", 200, "\"bets\":[]"},
        {"GET", "/v1/accounts/" ADDRESS "/bets?limit=2&foo=", "", "", 400, "unknown"},
        {"GET", "/v1/accounts/" ADDRESS "/ledger", "", "", 200, "\"rows\":[]"},
        {"GET", "/v1/bets/by-nonce/" ADDRESS "/00000000000000000000000000000000", "", "", 404,
         NULL},
        {"GET", "/v1/bets/by-nonce/" ADDRESS "/0000000000000000000000000000000A", "", "", 400,
         NULL},
        {"HEAD", "/v1/time", "", "", 200, NULL},
        {"HEAD", "/", "", "", 200, NULL},
        {"HEAD", "/v1/bets", "", "", 405, "Allow: POST\r\n"},
        {"GET", "/v1/bets", "", "", 405, "Allow: POST\r\n"},
        {"DELETE", "/v1/grid", "", "", 405, "Allow: GET, HEAD\r\n"},
        {"OPTIONS", "/v1/grid", "", "", 405, "Allow: GET, HEAD\r\n"},
        {"POST", "/", JSON_TYPE, "{}", 405, "Allow: GET, HEAD\r\n"},
        {"GET", "/nothing", "", "", 404, "NOT_FOUND"},
        {"GET", "/../etc/passwd", "", "", 404, "NOT_FOUND"},
        {"GET", "/v1/time", "Origin: http://evil.example\r\n", "", 403, "BAD_REQUEST"},
        {"POST", "/v1/bets", "", "{}", 415, "BAD_REQUEST"},
        {"POST", "/v1/bets", "Content-Type: text/plain\r\n", "{}", 415, "BAD_REQUEST"},
        {"POST", "/v1/bets", "Content-Type: application/jsonp\r\n", "{}", 415, "BAD_REQUEST"},
        {"POST", "/v1/bets", "Content-Type: Application/JSON;charset=utf-8\r\n", "{}", 400, NULL},
        {"POST", "/v1/bets", JSON_TYPE, "", 400, "BAD_REQUEST"},
        {"POST", "/v1/bets", JSON_TYPE, "[]", 400, "BAD_REQUEST"},
        {"POST", "/v1/demo/deposit", JSON_TYPE,
         "{\"account\":\"" ADDRESS "\",\"amount\":\"7\",\"ref\":\"a b\"}", 200,
         "\"ref\":\"a b\",\"available\":\"7\""},
        {"POST", "/v1/demo/deposit", JSON_TYPE,
         "{\"account\":\"" ADDRESS "\",\"amount\":\"7\",\"ref\":\"a b\"}", 200,
         "\"available\":\"7\""},
        {"POST", "/v1/demo/deposit", JSON_TYPE,
         "{\"account\":\"" ADDRESS "\",\"amount\":\"8\",\"ref\":\"a b\"}", 409, "NONCE_REUSED"},
        {"POST", "/v1/demo/deposit", JSON_TYPE, "{\"account\":\"" ADDRESS "\",\"amount\":\"0\"}",
         422, "LIMIT"},
        {"POST", "/v1/demo/deposit", JSON_TYPE, "{\"account\":\"" ADDRESS "\",\"amount\":7}", 400,
         "BAD_REQUEST"},
        {"POST", "/v1/demo/deposit", JSON_TYPE,
         "{\"account\":\"" ADDRESS "\",\"amount\":\"7\",\"more\":\"\"}", 400, "BAD_REQUEST"},
        {"GET", "/v1/accounts/" ADDRESS, "", "", 200, "\"available\":\"7\""},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
        const struct call *call = &calls[i];
        const unsigned status = ask(call->method, call->target, call->headers, call->body);
        if (status != call->status || (call->part != NULL && strstr(answer, call->part) == NULL)) {
            fail_msg("%s %s: %u instead of %u: %s", call->method, call->target, status,
                     call->status, answer);
        }
    }
}

#define ONES_64 "1111111111111111111111111111111111111111111111111111111111111111"
#define FORGED_TAP                                                                                 \
    "{\"account\":\"" ADDRESS "\",\"market\":\"BTC-USD\",\"column\":\"1732077300000\","            \
    "\"band\":\"4861\",\"stake\":\"1500000\",\"min_mult\":\"210\",\"config\":\"1\","               \
    "\"nonce\":\"00000000000000000000000000000000\",\"time\":\"1732077288123\","                   \
    "\"sig\":\"0x" ONES_64 ONES_64 "1b\"}"

/* Proves that every answer is counted under its own route and code: the page, health, errors of the
 * HTTP layer and methods that are refused. */
static void every_answer_is_counted(void **state)
{
    static const char *const lines[] = {
        "{route=\"/livez\",code=\"200\"}",
        "{route=\"page\",code=\"200\"}",
        "{route=\"/metrics\",code=\"200\"}",
        "{route=\"/v1/bets\",code=\"405\"}",
        "{route=\"/v1/bets\",code=\"415\"}",
        "{route=\"/v1/time\",code=\"403\"}",
        "{route=\"/v1/bets/*\",code=\"404\"}",
        "{route=\"other\",code=\"404\"}",
        "{route=\"other\",code=\"400\"}",
        "tapline_bets_total{state=\"refused\",reason=\"BAD_REQUEST\"}",
        "tapline_bets_total{state=\"refused\",reason=\"BAD_SIGNATURE\"}",
    };
    (void)state;
    (void)ask("GET", "/livez", "", "");
    (void)ask("GET", "/", "", "");
    (void)ask("GET", "/nothing", "", "");
    (void)ask("GET", "/v1/bets", "", "");
    (void)ask("POST", "/v1/bets", "", "{}");
    (void)ask("GET", "/v1/bets/7777", "", "");
    (void)ask("GET", "/v1/time", "Origin: http://evil.example\r\n", "");
    (void)ask("GET", "/v1/time", "Bad Header\r\n", "");
    assert_int_equal(ask("POST", "/v1/bets", JSON_TYPE, "{}"), 400);
    assert_int_equal(ask("POST", "/v1/bets", JSON_TYPE, FORGED_TAP), 401);
    (void)ask("GET", "/metrics", "", "");
    assert_int_equal(ask("GET", "/metrics", "", ""), 200);
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        if (strstr(answer, lines[i]) == NULL) {
            fail_msg("no %s in %s", lines[i], answer);
        }
    }
}

/* Proves that a server which starts again shows the market of its journal with the ready line, and
 * not only from the next price on; and that a drained one ends with 0. */
static void a_restart_shows_the_grid_at_once(void **state)
{
    (void)state;
    assert_true(end());
    launch();
    assert_int_equal(ask("GET", "/v1/grid", "", ""), 200);
    assert_int_equal(ask("GET", "/v1/index", "", ""), 200);
    assert_int_equal(ask("GET", "/metrics", "", ""), 200);
    assert_non_null(strstr(answer, "tapline_ledger_imbalance_micro 0\n"));
    assert_non_null(strstr(answer, "tapline_integrity_last_ok_timestamp 0\n")); /* no check yet */
    assert_int_equal(ask("GET", "/v1/accounts/" ADDRESS, "", ""), 200);
    assert_non_null(strstr(answer, "\"available\":\"7\""));
}

/* --- WebSocket. --- */

static struct net_frame frame;

static void say(int fd, const char *text)
{
    assert_true(net_send_frame(fd, 0x81, text, strlen(text)));
}

/* The next frame that begins so; others (events) are passed over. */
static const char *hear(int fd, const char *begin)
{
    do {
        if (!net_read_frame(fd, &frame)) {
            fail_msg("nothing like %s came", begin);
        }
        assert_true(frame.length < sizeof(frame.payload));
        frame.payload[frame.length] = '\0';
    } while (strncmp((const char *)frame.payload, begin, strlen(begin)) != 0);
    return (const char *)frame.payload;
}

struct op_case {
    const char *text;
    const char *begin;
    const char *part; /* NULL: any */
};

/* Proves that each op has exactly one answer, in order, which repeats op and id as far as they
 * could be read. */
static void each_op_has_one_answer(void **state)
{
    static const struct op_case cases[] = {
        {"{\"op\":\"ping\"}", "{\"type\":\"reply\",\"op\":\"ping\",\"id\":null,\"result\":{}}",
         NULL},
        {"{\"op\":\"ping\",\"id\":\"\xc3\xa4\"}",
         "{\"type\":\"reply\",\"op\":\"ping\",\"id\":\"\xc3\xa4\",", NULL},
        {"{\"op\":\"ping\",\"id\":\"\"}", "{\"type\":\"error\",\"op\":\"ping\",\"id\":null,",
         "id:"},
        {"{\"op\":\"ping\",\"id\":7}", "{\"type\":\"error\",\"op\":\"ping\",\"id\":null,", "id:"},
        {"{\"op\":\"ping\",\"id\":\"a\\u0000b\"}",
         "{\"type\":\"error\",\"op\":\"ping\",\"id\":null,", "id:"},
        {"{\"op\":\"ping\",\"more\":\"\"}", "{\"type\":\"error\",\"op\":\"ping\",\"id\":null,",
         "BAD_REQUEST"},
        {"{\"id\":\"x\"}", "{\"type\":\"error\",\"op\":null,\"id\":\"x\",", "op:"},
        {"{\"op\":\"dance\",\"id\":\"x\"}", "{\"type\":\"error\",\"op\":\"dance\",\"id\":\"x\",",
         "op:"},
        {"{\"op\":\"a word that is longer than any op\",\"id\":\"x\"}",
         "{\"type\":\"error\",\"op\":null,\"id\":\"x\",", "op:"},
        {"[]", "{\"type\":\"error\",\"op\":null,\"id\":null,", "object"},
        {"{", "{\"type\":\"error\",\"op\":null,\"id\":null,", "BAD_REQUEST"},
        {"", "{\"type\":\"error\",\"op\":null,\"id\":null,", "BAD_REQUEST"},
        {"{\"op\":\"ping\",\"op\":\"ping\"}", "{\"type\":\"error\",\"op\":null,\"id\":null,", NULL},
        {"{\"op\":\"subscribe\",\"id\":\"1\"}",
         "{\"type\":\"error\",\"op\":\"subscribe\",\"id\":\"1\",", "channel"},
        {"{\"op\":\"subscribe\",\"channel\":\"account\"}",
         "{\"type\":\"error\",\"op\":\"subscribe\",", "SESSION_EXPIRED"},
        {"{\"op\":\"resume\",\"channel\":\"account\",\"after\":\"0\"}",
         "{\"type\":\"error\",\"op\":\"resume\",", "SESSION_EXPIRED"},
        {"{\"op\":\"resume\",\"channel\":\"grid\",\"after\":\"0\"}",
         "{\"type\":\"error\",\"op\":\"resume\",", "BAD_REQUEST"},
        {"{\"op\":\"resume\",\"channel\":\"account\",\"after\":\"-1\"}",
         "{\"type\":\"error\",\"op\":\"resume\",", "after"},
        {"{\"op\":\"auth\"}", "{\"type\":\"error\",\"op\":\"auth\",", "BAD_REQUEST"},
        {"{\"op\":\"tap\",\"id\":\"t\"}", "{\"type\":\"error\",\"op\":\"tap\",\"id\":\"t\",",
         "BAD_REQUEST"},
        {"{\"op\":\"unsubscribe\",\"channel\":\"index\"}",
         "{\"type\":\"reply\",\"op\":\"unsubscribe\",", NULL},
    };
    (void)state;
    const int fd = net_upgrade(live.port, "", NULL, 0);
    assert_true(fd >= 0);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        say(fd, cases[i].text);
        const char *heard = hear(fd, cases[i].begin[0] == '{' ? "{\"type\":" : "");
        if (strncmp(heard, cases[i].begin, strlen(cases[i].begin)) != 0 ||
            (cases[i].part != NULL && strstr(heard, cases[i].part) == NULL)) {
            fail_msg("%s: %s", cases[i].text, heard);
        }
    }
    close(fd);
}

/* Proves that an id has 64 characters, whatever their bytes. */
static void ids_count_in_characters(void **state)
{
    char text[600] = "{\"op\":\"ping\",\"id\":\"";
    (void)state;
    const int fd = net_upgrade(live.port, "", NULL, 0);
    assert_true(fd >= 0);
    for (size_t i = 0; i < 64; i++) {
        strcat(text, "\xf0\x9f\x99\x82");
    }
    const size_t length = strlen(text);
    strcat(text, "\"}");
    say(fd, text);
    (void)hear(fd, "{\"type\":\"reply\",\"op\":\"ping\",\"id\":\"\xf0\x9f\x99\x82");
    strcpy(text + length, "x\"}");
    say(fd, text);
    (void)hear(fd, "{\"type\":\"error\",\"op\":\"ping\",\"id\":null");
    close(fd);
}

static int64_t server_time(void)
{
    assert_int_equal(ask("GET", "/v1/time", "", ""), 200);
    const char *at = strstr(answer, "{\"time\":\"");
    assert_non_null(at);
    return strtoll(at + 9, NULL, 10);
}

/* A signed auth op of the wallet with secret 5, for a text of this time. */
static void auth_text(int64_t time_ms, char *to, size_t bytes)
{
    struct wallet *wallet;
    char origin[64];
    char signed_text[TAP_TEXT_BYTES_MAX];
    char address[ADDRESS_TEXT_BYTES + 1];
    char signature[2 * LIMIT_SIGNATURE_BYTES + 1];
    uint8_t raw[LIMIT_SIGNATURE_BYTES];
    const uint8_t secret[WALLET_SECRET_BYTES] = {[31] = 5};
    snprintf(origin, sizeof(origin), "http://127.0.0.1:%u", live.port);
    struct tap_auth auth = {.origin = {origin, strlen(origin)}, .message_ms = time_ms};
    assert_int_equal(wallet_open(&wallet), STATUS_OK);
    assert_true(wallet_address(wallet, secret, auth.account));
    const size_t length = tap_text_format_auth(signed_text, &auth);
    assert_true(wallet_sign(wallet, secret, signed_text, length, raw));
    wallet_free(wallet);
    address_format(address, auth.account);
    text_format_hex(signature, raw, sizeof(raw));
    snprintf(to, bytes,
             "{\"op\":\"auth\",\"id\":\"a\",\"account\":\"%s\",\"time\":\"%lld\","
             "\"nonce\":\"00000000000000000000000000000000\",\"sig\":\"0x%s\"}",
             address, (long long)time_ms, signature);
}

/* Proves the way to one's own events: auth with a fresh signature (an old one is TIME_SKEW with the
 * server's time), then resume, which replays the account's events, first none and then
 * the one there is. */
static void auth_opens_the_account_channel(void **state)
{
    char text[1024];
    (void)state;
    const int fd = net_upgrade(live.port, "", NULL, 0);
    assert_true(fd >= 0);
    const int64_t now_ms = server_time();
    auth_text(now_ms - 60000, text, sizeof(text));
    say(fd, text);
    const char *skew = hear(fd, "{\"type\":\"error\",\"op\":\"auth\",\"id\":\"a\"");
    assert_non_null(strstr(skew, "TIME_SKEW"));
    assert_non_null(strstr(skew, "\"time\":\""));
    auth_text(now_ms, text, sizeof(text));
    char *digit = strstr(text, "\"nonce\":\"") + 9;
    *digit = '1'; /* another text than the signed one */
    say(fd, text);
    assert_non_null(strstr(hear(fd, "{\"type\":\"error\",\"op\":\"auth\""), "BAD_SIGNATURE"));
    *digit = '0';
    say(fd, text);
    (void)hear(fd, "{\"type\":\"reply\",\"op\":\"auth\",\"id\":\"a\",\"result\":{}}");
    say(fd, "{\"op\":\"resume\",\"channel\":\"account\",\"after\":\"0\"}");
    (void)hear(fd, "{\"type\":\"reply\",\"op\":\"resume\",");
    const char *account = strstr(text, "0x");
    char body[160];
    snprintf(body, sizeof(body), "{\"account\":\"%.42s\",\"amount\":\"9\"}", account);
    assert_int_equal(ask("POST", "/v1/demo/deposit", JSON_TYPE, body), 200);
    assert_non_null(strstr(hear(fd, "{\"channel\":\"account\",\"n\":1,"),
                           "\"type\":\"balance\",\"available\":\"9\""));
    say(fd, "{\"op\":\"resume\",\"channel\":\"account\",\"after\":\"0\"}");
    (void)hear(fd, "{\"type\":\"reply\",\"op\":\"resume\",");
    (void)hear(fd, "{\"channel\":\"account\",\"n\":2,"); /* the same once more, as asked for */
    close(fd);
}

/* Proves that the first message of a channel is the state that its later ones change, and that the
 * count n begins at 1. */
static void channels_begin_with_their_state(void **state)
{
    (void)state;
    const int fd = net_upgrade(live.port, "", NULL, 0);
    assert_true(fd >= 0);
    say(fd, "{\"op\":\"subscribe\",\"channel\":\"status\"}");
    (void)hear(fd, "{\"type\":\"reply\"");
    (void)hear(fd, "{\"channel\":\"status\",\"n\":1,");
    say(fd, "{\"op\":\"subscribe\",\"channel\":\"index\"}");
    (void)hear(fd, "{\"channel\":\"index\",\"n\":1,");
    (void)hear(fd, "{\"channel\":\"index\",\"n\":2,");
    say(fd, "{\"op\":\"subscribe\",\"channel\":\"grid\"}");
    assert_non_null(strstr(hear(fd, "{\"channel\":\"grid\",\"n\":1,"), "grid:snapshot"));
    close(fd);
}

static const char *const words[] = {
    "{\"op\":\"",
    "subscribe",
    "unsubscribe",
    "resume",
    "auth",
    "tap",
    "ping",
    "\",\"channel\":\"",
    "index",
    "grid",
    "columns",
    "status",
    "account",
    "\",\"id\":\"",
    "\",\"after\":\"",
    "0",
    "99",
    "\"}",
    "}",
    "{",
    "[",
    "]",
    "\"",
    ":",
    ",",
    "null",
    "\\u0000",
    "\xc3\xa4",
    ADDRESS,
    "\"account\":\"",
    "\"market\":\"BTC-USD\"",
    "\"column\":\"1732077300000\"",
    "\"stake\":\"1500000\"",
    "\"sig\":\"0x",
};

static size_t babble(struct random *random, char *to, size_t bytes)
{
    size_t length = 0;
    const uint64_t count = 1 + random_below(random, 14);
    for (uint64_t i = 0; i < count; i++) {
        const char *word = words[random_below(random, sizeof(words) / sizeof(words[0]))];
        if (length + strlen(word) < bytes) {
            memcpy(to + length, word, strlen(word));
            length += strlen(word);
        }
    }
    return length;
}

/* Proves that no words in any order end the server or leave an op without its answer: after each
 * round of babble a ping is still answered, and every message before it was. */
static void babble_is_answered_and_harmless(void **state)
{
    struct random random = random_start("fronts", 20261120);
    char text[600];
    (void)state;
    for (size_t round = 0; round < 20; round++) {
        const int fd = net_upgrade(live.port, "", NULL, 0);
        assert_true(fd >= 0);
        for (size_t i = 0; i < 60; i++) {
            const size_t length = babble(&random, text, sizeof(text));
            assert_true(net_send_frame(fd, 0x81, text, length));
            (void)hear(fd, "{\"type\":");
        }
        say(fd, "{\"op\":\"ping\",\"id\":\"last\"}");
        (void)hear(fd, "{\"type\":\"reply\",\"op\":\"ping\",\"id\":\"last\"");
        close(fd);
        text[babble(&random, text, sizeof(text) - 1)] = '\0';
        assert_in_range(
            ask("POST", round % 2 == 0 ? "/v1/bets" : "/v1/demo/deposit", JSON_TYPE, text), 400,
            422);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(routes_answer_as_the_interface_says),
        cmocka_unit_test(every_answer_is_counted),
        cmocka_unit_test(a_restart_shows_the_grid_at_once),
        cmocka_unit_test(each_op_has_one_answer),
        cmocka_unit_test(ids_count_in_characters),
        cmocka_unit_test(auth_opens_the_account_channel),
        cmocka_unit_test(channels_begin_with_their_state),
        cmocka_unit_test(babble_is_answered_and_harmless),
    };
    return cmocka_run_group_tests_name("fronts", tests, start_server, stop_server);
}
