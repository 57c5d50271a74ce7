#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "projections/week.h"

#define DAY_MS ((int64_t)86400000)

static void assert_week(int64_t time_ms, const char *text, const char *file)
{
    char found[WEEK_TEXT_BYTES];
    char name[WEEK_FILE_BYTES];
    const int64_t start_ms = week_start_ms(time_ms);
    week_text(start_ms, found);
    week_file_name(start_ms, name);
    assert_string_equal(found, text);
    assert_string_equal(name, file);
}

/* Proves the names around turns of years, where the ISO year is not that of the date (`date
 * +%G-W%V`). */
static void weeks_of_known_days(void **state)
{
    (void)state;
    assert_week(1795132800000, "2026-W47", "bets_2026_w47.db"); /* 2026-11-20, a Friday */
    assert_week(1795391999999, "2026-W47", "bets_2026_w47.db"); /* the last ms of Sunday */
    assert_week(1795392000000, "2026-W48", "bets_2026_w48.db"); /* the first of Monday */
    assert_week(1798761600000, "2026-W53", "bets_2026_w53.db"); /* 2027-01-01 */
    assert_week(1609632000000, "2020-W53", "bets_2020_w53.db"); /* 2021-01-03 */
    assert_week(1735516800000, "2025-W01", "bets_2025_w01.db"); /* 2024-12-30 */
    assert_week(1709164800000, "2024-W09", "bets_2024_w09.db"); /* 2024-02-29 */
    assert_week(4107542400000, "2100-W09", "bets_2100_w09.db"); /* 2100-03-01, no leap year */
    assert_week(0, "1970-W01", "bets_1970_w01.db");
}

/* Proves for every week of 200 years that names rise, and lead back to the week. */
static void names_lead_back(void **state)
{
    (void)state;
    char before[WEEK_FILE_BYTES] = "";
    int64_t start_ms = week_start_ms(0);
    for (int i = 0; i < 200 * 52; i++, start_ms += 7 * DAY_MS) {
        char text[WEEK_TEXT_BYTES];
        char name[WEEK_FILE_BYTES];
        int64_t found_ms = -1;
        week_text(start_ms, text);
        week_file_name(start_ms, name);
        assert_true(strcmp(before, name) < 0);
        assert_true(week_from_text(text, &found_ms));
        assert_int_equal(found_ms, start_ms);
        found_ms = -1;
        assert_true(week_from_file_name(name, &found_ms));
        assert_int_equal(found_ms, start_ms);
        memcpy(before, name, sizeof(before));
    }
}

/* Proves that other files of a directory are not taken for weeks. */
static void other_names_are_no_weeks(void **state)
{
    (void)state;
    static const char *const names[] = {
        "",
        "main.db",
        "bets_2026_w00.db",
        "bets_2026_w54.db",
        "bets_2025_w53.db", /* 2025 has 52 */
        "bets_2026_W47.db",
        "bets_2026_w4x.db",
        "bets_2026_w47.db-wal",
        "bets_2026_w47.dbx",
        "bets_2026_w47.db.zst",
        "bets_1969_w47.db",
        "bets_ 026_w47.db",
    };
    int64_t start_ms = 42;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        assert_false(week_from_file_name(names[i], &start_ms));
    }
    assert_false(week_from_text("2026-w47", &start_ms));
    assert_false(week_from_text("2026-W477", &start_ms));
    assert_int_equal(start_ms, 42);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(weeks_of_known_days),
        cmocka_unit_test(names_lead_back),
        cmocka_unit_test(other_names_are_no_weeks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
