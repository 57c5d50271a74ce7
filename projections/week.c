#include "projections/week.h"

#include <stdio.h>
#include <string.h>

#define DAY_MS ((int64_t)24 * 3600 * 1000)

/* Day 0 of the epoch was a Thursday, three days after a Monday. */
#define EPOCH_WEEKDAY 3

/* The proleptic Gregorian year of a day counted from 1970-01-01, and the day's place in it from 0.
 * Days are counted in eras of 400 years that begin on 1 March, so that leap days come last. */
static void year_of_day(int64_t day, int64_t *year, int64_t *day_of_year)
{
    const int64_t shifted = day + 719468; /* from 0000-03-01 */
    const int64_t era = shifted / 146097;
    const int64_t of_era = shifted % 146097;
    const int64_t year_of_era = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    const int64_t from_march = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    const int64_t march_year = year_of_era + era * 400;
    const bool next_year = from_march >= 306; /* January and February */
    *year = march_year + (next_year ? 1 : 0);
    if (next_year) {
        *day_of_year = from_march - 306;
        return;
    }
    const bool leap = (*year % 4 == 0 && *year % 100 != 0) || *year % 400 == 0;
    *day_of_year = from_march + 59 + (leap ? 1 : 0);
}

int64_t week_start_ms(int64_t time_ms)
{
    const int64_t day = time_ms / DAY_MS;
    return (day - (day + EPOCH_WEEKDAY) % 7) * DAY_MS;
}

/* The ISO year and number of a week: those of its Thursday. */
static void week_number(int64_t start_ms, int *year, int *number)
{
    int64_t of_year;
    int64_t day_of_year;
    /* The week of the epoch itself begins before it; its Thursday does not. */
    year_of_day(start_ms / DAY_MS + 3, &of_year, &day_of_year);
    *year = (int)of_year;
    *number = (int)(day_of_year / 7 + 1);
}

void week_text(int64_t start_ms, char to[WEEK_TEXT_BYTES])
{
    int year;
    int number;
    week_number(start_ms, &year, &number);
    snprintf(to, WEEK_TEXT_BYTES, "%04d-W%02d", year % 10000, number % 100);
}

void week_file_name(int64_t start_ms, char to[WEEK_FILE_BYTES])
{
    int year;
    int number;
    week_number(start_ms, &year, &number);
    snprintf(to, WEEK_FILE_BYTES, "bets_%04d_w%02d.db", year % 10000, number % 100);
}

/* `count` decimal digits at text, or -1. */
static int digits(const char *text, int count)
{
    int value = 0;
    for (int i = 0; i < count; i++) {
        if (text[i] < '0' || text[i] > '9') {
            return -1;
        }
        value = value * 10 + (text[i] - '0');
    }
    return value;
}

/* The start of week `number` of `year`; false when that year has no such week. */
static bool week_of(int year, int number, int64_t *start_ms)
{
    if (year < 1970 || number < 1 || number > 53) {
        return false;
    }
    /* 4 January lies in week 1 of its year. */
    const int64_t before = year - 1;
    const int64_t first_of_january =
        before * 365 + before / 4 - before / 100 + before / 400 - 719162; /* days to 1970 */
    const int64_t fourth = first_of_january + 3;
    const int64_t monday = fourth - (fourth + EPOCH_WEEKDAY) % 7;
    const int64_t start = (monday + (int64_t)(number - 1) * 7) * DAY_MS;
    int real_year;
    int real_number;
    week_number(start, &real_year, &real_number);
    if (real_year != year || real_number != number) {
        return false;
    }
    *start_ms = start;
    return true;
}

bool week_from_file_name(const char *name, int64_t *start_ms)
{
    if (strlen(name) != strlen("bets_2026_w47.db") || memcmp(name, "bets_", 5) != 0 ||
        memcmp(name + 9, "_w", 2) != 0 || memcmp(name + 13, ".db", 3) != 0) {
        return false;
    }
    return week_of(digits(name + 5, 4), digits(name + 11, 2), start_ms);
}

bool week_from_text(const char *text, int64_t *start_ms)
{
    if (strlen(text) != strlen("2026-W47") || memcmp(text + 4, "-W", 2) != 0) {
        return false;
    }
    return week_of(digits(text, 4), digits(text + 6, 2), start_ms);
}
