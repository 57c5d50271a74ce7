/* Journals of released formats, replayed by this build: see golden.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/replay/sample.h"
#include "tests/vectors/golden.h"

#define GOLDEN_DIR TAPLINE_SOURCE_DIR "/tests/vectors/golden/"

static void read_expected(const char *name, char text[GOLDEN_TEXT_BYTES])
{
    char path[1024];
    snprintf(path, sizeof path, GOLDEN_DIR "%s/" GOLDEN_EXPECTED, name);
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    const size_t count = fread(text, 1, GOLDEN_TEXT_BYTES - 1, file);
    text[count] = '\0';
    assert_int_equal(fclose(file), 0);
}

/* Format 1 under rules 1: this build finds the same digests, tree head, events and reasons as the
 * one that made it. When this fails, a released journal would be read as another history. */
static void format_1_rules_1_is_the_same_history(void **state)
{
    (void)state;
    static char expected[GOLDEN_TEXT_BYTES];
    static char found[GOLDEN_TEXT_BYTES];
    char dir[256];
    char golden[1024];
    read_expected("format-1-rules-1", expected);
    snprintf(golden, sizeof golden, GOLDEN_DIR "format-1-rules-1");
    sample_directory(dir);
    golden_unpack(golden, dir);
    golden_describe(dir, found);
    assert_string_equal(found, expected);
    sample_remove_directory(dir);
}

/* The golden journal is worth its place: every kind of record and of event that rules 1 can make,
 * and every reason but those of sessions, which rules 1 never grants or scopes. */
static void the_golden_journal_shows_everything(void **state)
{
    (void)state;
    static char expected[GOLDEN_TEXT_BYTES];
    static const unsigned records[] = {2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 15, 16};
    static const unsigned events[] = {1,  2,  3,  4,  5,  6,  7,  8,  9, 10,
                                      11, 12, 13, 14, 15, 16, 17, 19, 20};
    static const char *const reasons[] = {
        "BAD_REQUEST",        "TIME_SKEW",   "NONCE_REUSED", "SESSION_EXPIRED", "NOT_FOUND",
        "INSUFFICIENT_FUNDS", "LIMIT",       "CELL_CLOSED",  "CELL_TAKEN",      "TOO_LATE",
        "TOO_EARLY",          "PRICE_MOVED", "NO_PRICE",     "BREAKER",         "EXPOSURE",
        "CONFIG_CHANGED",     "OVERLOADED",  "DOWN",         "NO_TICKS",        "SOURCE_JUMP",
    };
    char line[64];
    read_expected("format-1-rules-1", expected);
    for (size_t i = 0; i < sizeof records / sizeof records[0]; i++) {
        snprintf(line, sizeof line, "\nrecord %u ", records[i]);
        assert_non_null(strstr(expected, line));
    }
    for (size_t i = 0; i < sizeof events / sizeof events[0]; i++) {
        snprintf(line, sizeof line, "\nevent %u ", events[i]);
        assert_non_null(strstr(expected, line));
    }
    for (size_t i = 0; i < sizeof reasons / sizeof reasons[0]; i++) {
        snprintf(line, sizeof line, "\nreason %s ", reasons[i]);
        assert_non_null(strstr(expected, line));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(format_1_rules_1_is_the_same_history),
        cmocka_unit_test(the_golden_journal_shows_everything),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
