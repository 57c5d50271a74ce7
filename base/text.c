#include "base/text.h"

bool text_parse_decimal(const char *text, size_t length, int64_t *value)
{
    if (length == 0 || length > 19 || (text[0] == '0' && length > 1)) {
        return false;
    }
    uint64_t sum = 0;
    for (size_t i = 0; i < length; i++) {
        if (text[i] < '0' || text[i] > '9') {
            return false;
        }
        sum = sum * 10 + (uint64_t)(text[i] - '0'); /* 19 digits fit 64 bits */
    }
    if (sum > INT64_MAX) {
        return false;
    }
    *value = (int64_t)sum;
    return true;
}

size_t text_format_u64(char *to, uint64_t value)
{
    char digits[20];
    size_t count = 0;
    do {
        digits[count++] = (char)('0' + value % 10);
        value /= 10;
    } while (value != 0);
    for (size_t i = 0; i < count; i++) {
        to[i] = digits[count - 1 - i];
    }
    to[count] = '\0';
    return count;
}

size_t text_format_i64(char *to, int64_t value)
{
    if (value >= 0) {
        return text_format_u64(to, (uint64_t)value);
    }
    to[0] = '-';
    return 1 + text_format_u64(to + 1, ~(uint64_t)value + 1);
}

void text_format_hex(char *to, const uint8_t *bytes, size_t count)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < count; i++) {
        to[2 * i] = digits[bytes[i] >> 4];
        to[2 * i + 1] = digits[bytes[i] & 15];
    }
    to[2 * count] = '\0';
}

/* The value of a hex digit, or -1. */
static int digit_value(char digit, bool lower_only)
{
    if (digit >= '0' && digit <= '9') {
        return digit - '0';
    }
    if (digit >= 'a' && digit <= 'f') {
        return digit - 'a' + 10;
    }
    if (!lower_only && digit >= 'A' && digit <= 'F') {
        return digit - 'A' + 10;
    }
    return -1;
}

static bool parse_hex(const char *text, size_t length, uint8_t *bytes, size_t count, bool lower)
{
    if (length != 2 * count) {
        return false;
    }
    for (size_t i = 0; i < length; i++) {
        if (digit_value(text[i], lower) < 0) {
            return false;
        }
    }
    for (size_t i = 0; i < count; i++) {
        bytes[i] =
            (uint8_t)(digit_value(text[2 * i], lower) << 4 | digit_value(text[2 * i + 1], lower));
    }
    return true;
}

bool text_parse_hex(const char *text, size_t length, uint8_t *bytes, size_t count)
{
    return parse_hex(text, length, bytes, count, false);
}

bool text_parse_hex_lower(const char *text, size_t length, uint8_t *bytes, size_t count)
{
    return parse_hex(text, length, bytes, count, true);
}
