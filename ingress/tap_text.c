#include "ingress/tap_text.h"

#include <string.h>

#include "base/address.h"
#include "base/check.h"
#include "base/text.h"

/* Eleven lines; "min_mult: " is the longest label. */
_Static_assert(sizeof("tap-bet-v1") + 10 * sizeof("min_mult: \n") + LIMIT_ORIGIN_BYTES +
                       LIMIT_MARKET_BYTES + ADDRESS_TEXT_BYTES + 2 * NONCE_BYTES +
                       6 * TEXT_I64_BYTES_MAX <=
                   TAP_TEXT_BYTES_MAX,
               "the longest text fits");

struct lines {
    char *to;
    size_t length;
};

static void put(struct lines *lines, const char *text, size_t length)
{
    CHECK(lines->length + length < TAP_TEXT_BYTES_MAX);
    if (length > 0) { /* an empty text that was decoded may have no address */
        memcpy(lines->to + lines->length, text, length);
    }
    lines->length += length;
    lines->to[lines->length] = '\0';
}

static void put_line(struct lines *lines, const char *label, const char *value, size_t length)
{
    put(lines, "\n", 1);
    put(lines, label, strlen(label));
    put(lines, ": ", 2);
    put(lines, value, length);
}

static void put_integer(struct lines *lines, const char *label, int64_t value)
{
    char digits[TEXT_I64_BYTES_MAX];
    const size_t length = text_format_i64(digits, value);
    put_line(lines, label, digits, length);
}

static void put_account(struct lines *lines, const uint8_t *account)
{
    char text[ADDRESS_TEXT_BYTES + 1];
    address_format(text, account);
    put_line(lines, "account", text, ADDRESS_TEXT_BYTES);
}

static void put_nonce(struct lines *lines, const uint8_t *nonce)
{
    char digits[2 * NONCE_BYTES + 1];
    text_format_hex(digits, nonce, NONCE_BYTES);
    put_line(lines, "nonce", digits, 2 * NONCE_BYTES);
}

static bool fits_a_line(struct text_view view, size_t length_max)
{
    if (view.length > length_max) {
        return false;
    }
    for (size_t i = 0; i < view.length; i++) {
        if ((unsigned char)view.text[i] < 0x20) {
            return false;
        }
    }
    return true;
}

size_t tap_text_format(char to[TAP_TEXT_BYTES_MAX], const struct tap *tap)
{
    if (!fits_a_line(tap->origin, LIMIT_ORIGIN_BYTES) ||
        !fits_a_line(tap->market, LIMIT_MARKET_BYTES)) {
        return 0;
    }
    struct lines lines = {.to = to};
    put(&lines, "tap-bet-v1", strlen("tap-bet-v1"));
    put_line(&lines, "origin", tap->origin.text, tap->origin.length);
    put_account(&lines, tap->account);
    put_line(&lines, "market", tap->market.text, tap->market.length);
    put_integer(&lines, "column", tap->column_ms);
    put_integer(&lines, "band", tap->band);
    put_integer(&lines, "stake", tap->stake_micro);
    put_integer(&lines, "min_mult", tap->min_mult_centi);
    put_integer(&lines, "config", tap->config);
    put_nonce(&lines, tap->nonce);
    put_integer(&lines, "time", tap->message_ms);
    return lines.length;
}

size_t tap_text_format_auth(char to[TAP_TEXT_BYTES_MAX], const struct tap_auth *auth)
{
    if (!fits_a_line(auth->origin, LIMIT_ORIGIN_BYTES)) {
        return 0;
    }
    struct lines lines = {.to = to};
    put(&lines, "tap-auth-v1", strlen("tap-auth-v1"));
    put_line(&lines, "origin", auth->origin.text, auth->origin.length);
    put_account(&lines, auth->account);
    put_nonce(&lines, auth->nonce);
    put_integer(&lines, "time", auth->message_ms);
    return lines.length;
}
