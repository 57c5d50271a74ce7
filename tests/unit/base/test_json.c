#include "base/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void check_text(struct json *json, const char *expected)
{
    assert_false(json->failed);
    assert_string_equal(json->text, expected);
    assert_int_equal(json->length, strlen(expected));
    json_text_free(json);
    assert_null(json->text);
}

/* Commas stand between values and nowhere else, in nested and empty containers too. */
static void commas_stand_where_they_belong(void **state)
{
    (void)state;
    struct json json = {0};
    json_open(&json, '{');
    json_key(&json, "seq");
    json_u64(&json, 42);
    json_key(&json, "empty");
    json_open(&json, '[');
    json_close(&json, ']');
    json_key(&json, "list");
    json_open(&json, '[');
    json_null(&json);
    json_bool(&json, true);
    json_open(&json, '{');
    json_close(&json, '}');
    json_number(&json, 7);
    json_close(&json, ']');
    json_key(&json, "last");
    json_string(&json, "x");
    json_close(&json, '}');
    check_text(&json, "{\"seq\":\"42\",\"empty\":[],\"list\":[null,true,{},7],\"last\":\"x\"}");
}

/* Integers are strings of decimal digits, over the whole range; null where 0 means not yet. */
static void integers_are_strings(void **state)
{
    (void)state;
    struct json json = {0};
    json_open(&json, '[');
    json_i64(&json, INT64_MIN);
    json_i64(&json, INT64_MAX);
    json_u64(&json, UINT64_MAX);
    json_u64_or_null(&json, 0);
    json_u64_or_null(&json, 1);
    json_i64_or_null(&json, 0);
    json_i64_or_null(&json, -1);
    json_close(&json, ']');
    check_text(&json, "[\"-9223372036854775808\",\"9223372036854775807\","
                      "\"18446744073709551615\",null,\"1\",null,\"-1\"]");
}

/* Bytes leave as lower-case hex, with a prefix when one is wanted. */
static void hex_is_lower_case(void **state)
{
    (void)state;
    struct json json = {0};
    const uint8_t bytes[] = {0x00, 0xab, 0xff};
    json_open(&json, '[');
    json_hex(&json, "0x", bytes, 3);
    json_hex(&json, "", bytes, 0);
    json_close(&json, ']');
    check_text(&json, "[\"0x00abff\",\"\"]");
}

/* Quotes, backslashes and control characters are escaped; the rest of UTF-8 is left alone. */
static void strings_are_escaped(void **state)
{
    (void)state;
    struct json json = {0};
    json_open(&json, '[');
    json_string(&json, "a\"b\\c\n\t\x01\x7f");
    json_string(&json, "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80");
    json_text(&json, "\0", 1);
    json_close(&json, ']');
    check_text(&json, "[\"a\\\"b\\\\c\\u000a\\u0009\\u0001\\u007f\","
                      "\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\",\"\\u0000\"]");
}

/* Bytes that are no UTF-8 (overlong, surrogates, too high, cut) leave one by one as \u00XX. */
static void broken_utf8_is_escaped_bytewise(void **state)
{
    (void)state;
    struct json json = {0};
    json_open(&json, '[');
    json_string(&json, "\xff");
    json_string(&json, "\xc0\xaf");
    json_string(&json, "\xed\xa0\x80");
    json_string(&json, "\xf4\x90\x80\x80");
    json_text(&json, "\xe2\x82\xac", 2);
    json_close(&json, ']');
    check_text(&json, "[\"\\u00ff\",\"\\u00c0\\u00af\",\"\\u00ed\\u00a0\\u0080\","
                      "\"\\u00f4\\u0090\\u0080\\u0080\",\"\\u00e2\\u0082\"]");
}

/* Growing keeps what was written; a reset keeps the memory and starts a fresh text. */
static void buffer_grows_and_resets(void **state)
{
    (void)state;
    struct json json = {0};
    json_open(&json, '[');
    for (unsigned i = 0; i < 1000; i++) {
        json_u64(&json, i);
    }
    json_close(&json, ']');
    assert_false(json.failed);
    /* 10 of one digit, 90 of two, 900 of three, each with two quotes; commas and brackets */
    assert_int_equal(json.length, 10 + 2 * 90 + 3 * 900 + 2 * 1000 + 999 + 2);
    assert_memory_equal(json.text, "[\"0\",\"1\",", 9);
    assert_string_equal(json.text + json.length - 13, ",\"998\",\"999\"]");
    const size_t capacity = json.capacity;
    json_reset(&json);
    assert_int_equal(json.length, 0);
    assert_int_equal(json.capacity, capacity);
    json_raw(&json, "{\"a\":1}", 7);
    json_append(&json, "\n", 1);
    json_raw(&json, "2", 1);
    check_text(&json, "{\"a\":1}\n,2");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(commas_stand_where_they_belong),
        cmocka_unit_test(integers_are_strings),
        cmocka_unit_test(hex_is_lower_case),
        cmocka_unit_test(strings_are_escaped),
        cmocka_unit_test(broken_utf8_is_escaped_bytewise),
        cmocka_unit_test(buffer_grows_and_resets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
