#include "ingress/refusal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/json.h"

/* The table of the interface's page, written out a second time on purpose. */
static const struct {
    enum refusal_code code;
    const char *name;
    unsigned http;
    int id;
    const char *retry;
} table[] = {
    {REFUSAL_BAD_REQUEST, "BAD_REQUEST", 400, 1001, "never"},
    {REFUSAL_BAD_SIGNATURE, "BAD_SIGNATURE", 401, 1002, "never"},
    {REFUSAL_SIGNER_UNSUPPORTED, "SIGNER_UNSUPPORTED", 422, 1003, "never"},
    {REFUSAL_TIME_SKEW, "TIME_SKEW", 400, 1004, "new_quote"},
    {REFUSAL_NONCE_REUSED, "NONCE_REUSED", 409, 1005, "never"},
    {REFUSAL_SESSION_EXPIRED, "SESSION_EXPIRED", 401, 1006, "never"},
    {REFUSAL_SESSION_SCOPE, "SESSION_SCOPE", 403, 1007, "never"},
    {REFUSAL_NOT_FOUND, "NOT_FOUND", 404, 1008, "never"},
    {REFUSAL_RATE_LIMITED, "RATE_LIMITED", 429, 1009, "same"},
    {REFUSAL_INSUFFICIENT_FUNDS, "INSUFFICIENT_FUNDS", 402, 1201, "never"},
    {REFUSAL_LIMIT, "LIMIT", 422, 1202, "never"},
    {REFUSAL_CELL_CLOSED, "CELL_CLOSED", 409, 1203, "new_quote"},
    {REFUSAL_CELL_TAKEN, "CELL_TAKEN", 409, 1204, "never"},
    {REFUSAL_TOO_LATE, "TOO_LATE", 409, 1205, "new_quote"},
    {REFUSAL_TOO_EARLY, "TOO_EARLY", 409, 1206, "new_quote"},
    {REFUSAL_PRICE_MOVED, "PRICE_MOVED", 409, 1207, "new_quote"},
    {REFUSAL_NO_PRICE, "NO_PRICE", 409, 1208, "new_quote"},
    {REFUSAL_BREAKER, "BREAKER", 409, 1209, "new_quote"},
    {REFUSAL_EXPOSURE, "EXPOSURE", 409, 1210, "new_quote"},
    {REFUSAL_CONFIG_CHANGED, "CONFIG_CHANGED", 409, 1211, "new_quote"},
    {REFUSAL_OVERLOADED, "OVERLOADED", 503, 1301, "same"},
    {REFUSAL_DRAINING, "DRAINING", 503, 1302, "same"},
    {REFUSAL_INTERNAL, "INTERNAL", 500, 1303, "same"},
};
#define CODE_COUNT (sizeof(table) / sizeof(table[0]))

static void check_json(enum refusal_code code, const char *message,
                       const struct refusal_extras *extras, const char *expected)
{
    struct json json = {0};
    refusal_json(&json, code, message, extras);
    assert_false(json.failed);
    assert_string_equal(json.text, expected);
    json_text_free(&json);
}

/* Status, id and retry of every code are those of the interface, and every code says what to do. */
static void codes_are_those_of_the_interface(void **state)
{
    (void)state;
    unsigned listed = 0;
#define X(name, http, id, retry) listed += 1;
    REFUSAL_LIST(X)
#undef X
    assert_int_equal(listed, CODE_COUNT);
    for (size_t i = 0; i < CODE_COUNT; i++) {
        assert_int_equal((int)table[i].code, table[i].id);
        assert_string_equal(refusal_name(table[i].code), table[i].name);
        assert_int_equal(refusal_http_status(table[i].code), table[i].http);
        assert_string_equal(refusal_retry(table[i].code), table[i].retry);
        const char *message = refusal_message(table[i].code);
        assert_true(strlen(message) > 20);
        assert_non_null(strpbrk(message, ";")); /* what happened; what to do */
        for (size_t j = 0; j < i; j++) {
            assert_string_not_equal(message, refusal_message(table[j].code));
        }
    }
}

/* The object is exactly the interface's: the id alone is a JSON number. */
static void error_object_is_exact(void **state)
{
    (void)state;
    check_json(REFUSAL_PRICE_MOVED, "m", NULL,
               "{\"error\":{\"code\":\"PRICE_MOVED\",\"id\":1207,\"message\":\"m\","
               "\"retry\":\"new_quote\"}}");
    check_json(REFUSAL_BAD_REQUEST, "stake: a \"quoted\" field", NULL,
               "{\"error\":{\"code\":\"BAD_REQUEST\",\"id\":1001,"
               "\"message\":\"stake: a \\\"quoted\\\" field\",\"retry\":\"never\"}}");
}

/* Extras stand inside of the object, as digit strings, and only when they are set. */
static void extras_are_digit_strings(void **state)
{
    (void)state;
    check_json(REFUSAL_TIME_SKEW, "m", &(struct refusal_extras){.time_ms = 1732077288123},
               "{\"error\":{\"code\":\"TIME_SKEW\",\"id\":1004,\"message\":\"m\","
               "\"retry\":\"new_quote\",\"time\":\"1732077288123\"}}");
    check_json(REFUSAL_RATE_LIMITED, "m", &(struct refusal_extras){.retry_after_ms = 1},
               "{\"error\":{\"code\":\"RATE_LIMITED\",\"id\":1009,\"message\":\"m\","
               "\"retry\":\"same\",\"retry_after_ms\":\"1\"}}");
    check_json(REFUSAL_LIMIT, "m", &(struct refusal_extras){.bet = 1, .seq = UINT64_MAX},
               "{\"error\":{\"code\":\"LIMIT\",\"id\":1202,\"message\":\"m\",\"retry\":\"never\","
               "\"bet\":\"1\",\"seq\":\"18446744073709551615\"}}");
}

/* Without words of its own a refusal carries the code's; the value nests in a WebSocket answer. */
static void default_message_and_nesting(void **state)
{
    (void)state;
    struct json json = {0};
    json_open(&json, '{');
    json_key(&json, "type");
    json_string(&json, "error");
    json_key(&json, "error");
    refusal_json_value(&json, REFUSAL_DRAINING, "", NULL);
    json_close(&json, '}');
    assert_non_null(strstr(json.text, "{\"type\":\"error\",\"error\":{\"code\":\"DRAINING\""));
    assert_non_null(strstr(json.text, refusal_message(REFUSAL_DRAINING)));
    json_text_free(&json);
}

/* Messages are cut to their place, never run over. */
static void messages_are_cut(void **state)
{
    (void)state;
    char word[2 * REFUSAL_MESSAGE_BYTES];
    memset(word, 'x', sizeof(word) - 1);
    word[sizeof(word) - 1] = '\0';
    struct refusal refusal;
    refusal_set(&refusal, REFUSAL_BAD_REQUEST, "%s", word);
    assert_int_equal(strlen(refusal.message), REFUSAL_MESSAGE_BYTES - 1);
    refusal_set(&refusal, REFUSAL_LIMIT, NULL);
    assert_int_equal(refusal.code, REFUSAL_LIMIT);
    assert_string_equal(refusal.message, "");
}

/* A refusal by the state machine has the code of the same name; what is never a refusal is a bug
 * that the client sees as an unknown outcome. */
static void reasons_map_by_name(void **state)
{
    (void)state;
    static const enum reason all[] = {
#define X(name, number) REASON_##name,
        REASON_LIST(X)
#undef X
    };
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        const enum refusal_code code = refusal_of_reason(all[i]);
        if (all[i] == REASON_NONE || all[i] == REASON_DOWN || all[i] == REASON_NO_TICKS ||
            all[i] == REASON_SOURCE_JUMP) {
            assert_int_equal(code, REFUSAL_INTERNAL);
        } else {
            assert_string_equal(refusal_name(code), reason_text(all[i]));
        }
    }
}

/* The header counts whole seconds and never says "now". */
static void retry_after_rounds_up(void **state)
{
    (void)state;
    assert_int_equal(refusal_retry_after_s(0), 1);
    assert_int_equal(refusal_retry_after_s(1), 1);
    assert_int_equal(refusal_retry_after_s(1000), 1);
    assert_int_equal(refusal_retry_after_s(1001), 2);
    assert_int_equal(refusal_retry_after_s(INT64_MAX), INT64_MAX / 1000 + 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(codes_are_those_of_the_interface),
        cmocka_unit_test(error_object_is_exact),
        cmocka_unit_test(extras_are_digit_strings),
        cmocka_unit_test(default_message_and_nesting),
        cmocka_unit_test(messages_are_cut),
        cmocka_unit_test(reasons_map_by_name),
        cmocka_unit_test(retry_after_rounds_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
