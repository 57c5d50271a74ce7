#include "ingress/price_text.h"

#include "ingress/index.h"

#define FRACTION_DIGITS 4

/* Appends a digit; false when the value leaves the range of prices. */
static bool append_digit(int64_t *value, char digit)
{
    if (digit < '0' || digit > '9') {
        return false;
    }
    *value = *value * 10 + (digit - '0');
    return *value <= INDEX_PRICE_MAX_E4;
}

bool price_parse(const char *text, size_t length, int64_t *price_e4)
{
    int64_t value = 0;
    size_t at = 0;
    while (at < length && text[at] != '.') {
        if (!append_digit(&value, text[at])) {
            return false;
        }
        at++;
    }
    if (at == 0 || (at > 1 && text[0] == '0') || at + 1 == length) {
        return false; /* no digits, a leading zero, or nothing behind the point */
    }
    size_t fraction = 0;
    for (at++; at < length; at++) {
        if (text[at] < '0' || text[at] > '9') {
            return false;
        }
        if (fraction < FRACTION_DIGITS) {
            if (!append_digit(&value, text[at])) {
                return false;
            }
            fraction++;
        }
    }
    for (; fraction < FRACTION_DIGITS; fraction++) {
        if (!append_digit(&value, '0')) {
            return false;
        }
    }
    *price_e4 = value;
    return true;
}
