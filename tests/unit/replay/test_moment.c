#include "tools/moment.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

/* Digits below 10^12 name a record, from there on milliseconds; ISO texts in UTC are times. */
static void seqs_and_times_are_told_apart(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint64_t seq;
        int64_t time_ms;
    } cases[] = {
        {"1", 1, 0},
        {"999999999999", 999999999999, 0},
        {"1000000000000", 0, 1000000000000},
        {"1732077288123", 0, 1732077288123},
        {"2024-11-20T04:34:48Z", 0, 1732077288000},
        {"2024-11-20T04:34:48.123Z", 0, 1732077288123},
        {"2024-02-29T00:00:00Z", 0, 1709164800000},
        {"2000-03-01T00:00:00.001Z", 0, 951868800001},
        {"1970-01-01T00:00:00.001Z", 0, 1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct moment moment = {7, 7};
        assert_true(moment_parse(cases[i].text, &moment));
        assert_true(moment.seq == cases[i].seq);
        assert_true(moment.time_ms == cases[i].time_ms);
    }
}

/* Everything else is refused and leaves the moment as it was. */
static void other_texts_are_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",
        "0",
        "-1",
        "01",
        "1 ",
        "1e3",
        "9223372036854775808",
        "2024-11-20",
        "2024-11-20T04:34:48",
        "2024-11-20 04:34:48Z",
        "2024-11-20T04:34:48.1Z",
        "2024-11-20T04:34:48.123",
        "2023-02-29T00:00:00Z",
        "2024-13-01T00:00:00Z",
        "2024-00-01T00:00:00Z",
        "2024-01-00T00:00:00Z",
        "2024-01-32T00:00:00Z",
        "2024-01-01T24:00:00Z",
        "2024-01-01T00:60:00Z",
        "2024-01-01T00:00:60Z",
        "2024-11-20T04:34:48Zx",
        "1969-12-31T23:59:59Z",
        "1970-01-01T00:00:00Z",
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct moment moment = {7, 7};
        assert_false(moment_parse(texts[i], &moment));
        assert_true(moment.seq == 7);
        assert_true(moment.time_ms == 7);
    }
    struct moment moment;
    assert_false(moment_parse(NULL, &moment));
}

/* A formatted time is a text that parses to the same time. */
static void formatted_times_parse_back(void **state)
{
    (void)state;
    static const int64_t times_ms[] = {1, 1732077288123, 951782400000, 4102444799999};
    for (size_t i = 0; i < sizeof times_ms / sizeof times_ms[0]; i++) {
        char text[MOMENT_TEXT_BYTES];
        struct moment moment;
        moment_format(text, times_ms[i]);
        assert_true(moment_parse(text, &moment));
        assert_true(moment.time_ms == times_ms[i]);
    }
    char text[MOMENT_TEXT_BYTES];
    moment_format(text, -5);
    assert_string_equal(text, "-5ms");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(seqs_and_times_are_told_apart),
        cmocka_unit_test(other_texts_are_refused),
        cmocka_unit_test(formatted_times_parse_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
