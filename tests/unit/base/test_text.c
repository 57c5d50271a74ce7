#include "base/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "../random.h"

/* The grammar 0|[1-9][0-9]{0,18} up to 2^63 - 1. */
static void decimals_of_the_grammar_are_read(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t value;
    } cases[] = {
        {"0", 0},
        {"1", 1},
        {"9", 9},
        {"10", 10},
        {"1000000000000000000", 1000000000000000000},
        {"9223372036854775806", INT64_MAX - 1},
        {"9223372036854775807", INT64_MAX},
    };
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        int64_t value = -1;
        assert_true(text_parse_decimal(cases[i].text, strlen(cases[i].text), &value));
        assert_true(value == cases[i].value);
    }
}

/* Whatever another parser might take, in its own way, is refused and leaves the output alone. */
static void other_numbers_are_refused(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "",
        "-1",
        "-0",
        "+1",
        "00",
        "01",
        "007",
        " 1",
        "1 ",
        "1\n",
        "1.0",
        "1e3",
        "0x10",
        "1_000",
        "1,000",
        "9223372036854775808",
        "9999999999999999999",
        "18446744073709551616",
        "10000000000000000000",
        "99999999999999999999999999",
        "nan",
        "\xd9\xa1",
        "\xef\xbc\x91",
        "/",
        ":",
    };
    for (unsigned i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        int64_t value = 42;
        assert_false(text_parse_decimal(wrong[i], strlen(wrong[i]), &value));
        assert_int_equal(value, 42);
    }
    int64_t value = 42;
    assert_false(text_parse_decimal("1\0", 2, &value));
    assert_true(text_parse_decimal("123", 2, &value)); /* the length decides, not a NUL */
    assert_int_equal(value, 12);
}

/* Formatting agrees with the C library's over edges and random values, and parses back. */
static void integers_come_back_from_text(void **state)
{
    (void)state;
    struct random random = random_start("integers_come_back_from_text", 2);
    static const int64_t edges[] = {0, 1, -1, 9, 10, -10, INT64_MAX, INT64_MIN, INT64_MIN + 1};
    for (unsigned i = 0; i < 20000; i++) {
        const unsigned shift = (unsigned)random_below(&random, 64);
        const int64_t value = i < sizeof(edges) / sizeof(edges[0])
                                  ? edges[i]
                                  : (int64_t)random_next(&random) >> shift;
        char expected[32];
        char text[TEXT_I64_BYTES_MAX];
        snprintf(expected, sizeof(expected), "%" PRId64, value);
        assert_int_equal(text_format_i64(text, value), strlen(expected));
        assert_string_equal(text, expected);
        snprintf(expected, sizeof(expected), "%" PRIu64, (uint64_t)value);
        assert_int_equal(text_format_u64(text, (uint64_t)value), strlen(expected));
        assert_string_equal(text, expected);
        int64_t parsed = -1;
        const size_t length = text_format_i64(text, value);
        assert_int_equal(text_parse_decimal(text, length, &parsed), value >= 0);
        assert_true(value < 0 || parsed == value);
    }
}

/* Hex goes out in lower case and comes back, in either case where that is allowed. */
static void hex_comes_back_from_text(void **state)
{
    (void)state;
    uint8_t bytes[256];
    for (unsigned i = 0; i < 256; i++) {
        bytes[i] = (uint8_t)i;
    }
    char text[513];
    text_format_hex(text, bytes, 256);
    assert_memory_equal(text, "000102", 6);
    assert_string_equal(text + 504, "fcfdfeff");
    uint8_t parsed[256] = {0};
    assert_true(text_parse_hex_lower(text, 512, parsed, 256));
    assert_memory_equal(parsed, bytes, 256);
    uint8_t two[2];
    assert_true(text_parse_hex("aBCd", 4, two, 2));
    assert_int_equal(two[0], 0xab);
    assert_int_equal(two[1], 0xcd);
    assert_false(text_parse_hex_lower("aBcd", 4, two, 2));
}

/* Exactly the wanted count of hex digits and nothing else; the output stays untouched. */
static void other_hex_is_refused(void **state)
{
    (void)state;
    static const char *const wrong[] = {"",     "a",    "abc",  "abcde", "0xab", "ab d",
                                        "abg0", "ab/0", "ab:0", "ab@0",  "ab`0", "G000"};
    for (unsigned i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        uint8_t two[2] = {7, 8};
        assert_false(text_parse_hex(wrong[i], strlen(wrong[i]), two, 2));
        assert_false(text_parse_hex_lower(wrong[i], strlen(wrong[i]), two, 2));
        assert_int_equal(two[0], 7);
        assert_int_equal(two[1], 8);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(decimals_of_the_grammar_are_read),
        cmocka_unit_test(other_numbers_are_refused),
        cmocka_unit_test(integers_come_back_from_text),
        cmocka_unit_test(hex_comes_back_from_text),
        cmocka_unit_test(other_hex_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
