#include "tools/moment.h"

#include <stdio.h>
#include <time.h>

#include "tools/options.h"

/* From here on digits are milliseconds: 2001-09-09, long before any journal; no journal has as many
 * records. */
#define FIRST_TIME_MS ((int64_t)1000000000000)

/* Exactly `count` digits at *text, which moves on. */
static bool take_digits(const char **text, int count, int64_t *value)
{
    *value = 0;
    for (int i = 0; i < count; i++) {
        const char digit = **text;
        if (digit < '0' || digit > '9') {
            return false;
        }
        *value = *value * 10 + (digit - '0');
        *text += 1;
    }
    return true;
}

static bool take_char(const char **text, char expected)
{
    if (**text != expected) {
        return false;
    }
    *text += 1;
    return true;
}

static bool is_leap(int64_t year)
{
    return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

static int64_t days_of_month(int64_t year, int64_t month)
{
    static const uint8_t days[12] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    return days[month - 1] + (month == 2 && is_leap(year) ? 1 : 0);
}

static int64_t days_since_1970(int64_t year, int64_t month, int64_t day)
{
    int64_t days = day - 1;
    for (int64_t y = 1970; y < year; y++) {
        days += is_leap(y) ? 366 : 365;
    }
    for (int64_t m = 1; m < month; m++) {
        days += days_of_month(year, m);
    }
    return days;
}

/* 2026-11-20T07:08:28Z or 2026-11-20T07:08:28.123Z */
static bool parse_iso(const char *text, int64_t *time_ms)
{
    int64_t year, month, day, hour, minute, second, thousandths = 0;
    if (!take_digits(&text, 4, &year) || !take_char(&text, '-') || !take_digits(&text, 2, &month) ||
        !take_char(&text, '-') || !take_digits(&text, 2, &day) || !take_char(&text, 'T') ||
        !take_digits(&text, 2, &hour) || !take_char(&text, ':') ||
        !take_digits(&text, 2, &minute) || !take_char(&text, ':') ||
        !take_digits(&text, 2, &second)) {
        return false;
    }
    if (*text == '.' && (!take_char(&text, '.') || !take_digits(&text, 3, &thousandths))) {
        return false;
    }
    if (!take_char(&text, 'Z') || *text != '\0' || year < 1970 || month < 1 || month > 12 ||
        day < 1 || day > days_of_month(year, month) || hour > 23 || minute > 59 || second > 59) {
        return false;
    }
    const int64_t seconds =
        days_since_1970(year, month, day) * 86400 + hour * 3600 + minute * 60 + second;
    *time_ms = seconds * 1000 + thousandths;
    return true;
}

bool moment_parse(const char *text, struct moment *moment)
{
    uint64_t digits;
    if (options_positive(text, &digits)) {
        *moment = (int64_t)digits < FIRST_TIME_MS ? (struct moment){.seq = digits}
                                                  : (struct moment){.time_ms = (int64_t)digits};
        return true;
    }
    int64_t time_ms;
    if (text == NULL || !parse_iso(text, &time_ms) || time_ms <= 0) {
        return false;
    }
    *moment = (struct moment){.time_ms = time_ms};
    return true;
}

void moment_format(char to[MOMENT_TEXT_BYTES], int64_t time_ms)
{
    const time_t seconds = (time_t)(time_ms / 1000);
    struct tm parts;
    if (time_ms < 0 || gmtime_r(&seconds, &parts) == NULL || parts.tm_year > 8099) {
        snprintf(to, MOMENT_TEXT_BYTES, "%lldms", (long long)time_ms);
        return;
    }
    char whole[MOMENT_TEXT_BYTES];
    strftime(whole, sizeof whole, "%Y-%m-%dT%H:%M:%S", &parts);
    snprintf(to, MOMENT_TEXT_BYTES, "%.19s.%03dZ", whole, (int)(time_ms % 1000));
}
