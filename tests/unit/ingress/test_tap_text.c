#include "ingress/tap_text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/address.h"

static struct text_view view(const char *text)
{
    return (struct text_view){.text = text, .length = strlen(text)};
}

static struct tap example(void)
{
    struct tap tap = {
        .market = view("BTC-USD"),
        .origin = view("http://127.0.0.1:8080"),
        .column_ms = 1732077300000,
        .band = 4861,
        .stake_micro = 1500000,
        .min_mult_centi = 210,
        .config = 1,
        .message_ms = 1732077288123,
    };
    for (unsigned i = 0; i < NONCE_BYTES; i++) {
        tap.nonce[i] = (uint8_t)(0xa0 + i);
    }
    assert_true(address_parse("0x5aaeb6053f3e94c9b9a09f33669435e7ef1beaed", ADDRESS_TEXT_BYTES,
                              tap.account));
    return tap;
}

/* The bytes of the interface's page: order, labels, checksummed account, no line feed at the end.
 */
static void tap_text_is_exact(void **state)
{
    (void)state;
    const struct tap tap = example();
    static const char expected[] = "tap-bet-v1\n"
                                   "origin: http://127.0.0.1:8080\n"
                                   "account: 0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed\n"
                                   "market: BTC-USD\n"
                                   "column: 1732077300000\n"
                                   "band: 4861\n"
                                   "stake: 1500000\n"
                                   "min_mult: 210\n"
                                   "config: 1\n"
                                   "nonce: a0a1a2a3a4a5a6a7a8a9aaabacadaeaf\n"
                                   "time: 1732077288123";
    char text[TAP_TEXT_BYTES_MAX];
    assert_int_equal(tap_text_format(text, &tap), sizeof(expected) - 1);
    assert_string_equal(text, expected);
}

/* The login text, likewise. */
static void auth_text_is_exact(void **state)
{
    (void)state;
    const struct tap tap = example();
    struct tap_auth auth = {.origin = tap.origin, .message_ms = 5};
    memcpy(auth.account, tap.account, ADDRESS_BYTES);
    memcpy(auth.nonce, tap.nonce, NONCE_BYTES);
    static const char expected[] = "tap-auth-v1\n"
                                   "origin: http://127.0.0.1:8080\n"
                                   "account: 0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed\n"
                                   "nonce: a0a1a2a3a4a5a6a7a8a9aaabacadaeaf\n"
                                   "time: 5";
    char text[TAP_TEXT_BYTES_MAX];
    assert_int_equal(tap_text_format_auth(text, &auth), sizeof(expected) - 1);
    assert_string_equal(text, expected);
}

/* The longest fields there can be fit, so that no tap is ever cut. */
static void longest_tap_fits(void **state)
{
    (void)state;
    char origin[LIMIT_ORIGIN_BYTES];
    char market[LIMIT_MARKET_BYTES];
    memset(origin, 'o', sizeof(origin));
    memset(market, 'M', sizeof(market));
    struct tap tap = example();
    tap.origin = (struct text_view){.text = origin, .length = sizeof(origin)};
    tap.market = (struct text_view){.text = market, .length = sizeof(market)};
    tap.column_ms = tap.band = tap.stake_micro = INT64_MIN;
    tap.min_mult_centi = tap.config = tap.message_ms = INT64_MIN;
    char text[TAP_TEXT_BYTES_MAX];
    const size_t length = tap_text_format(text, &tap);
    assert_true(length > LIMIT_ORIGIN_BYTES + LIMIT_MARKET_BYTES + 6 * 20);
    assert_int_equal(strlen(text), length);
    assert_non_null(strstr(text, "\ntime: -9223372036854775808"));
}

/* Two different taps can never give the same text: a text that would need cutting, or that brings
 * its own line feed, is an error. */
static void forged_and_long_lines_are_refused(void **state)
{
    (void)state;
    char text[TAP_TEXT_BYTES_MAX];
    struct tap tap = example();
    tap.origin = view("http://a\naccount: 0x0000000000000000000000000000000000000000");
    assert_int_equal(tap_text_format(text, &tap), 0);
    tap = example();
    tap.market = (struct text_view){.text = "BTC\0USD", .length = 7};
    assert_int_equal(tap_text_format(text, &tap), 0);
    tap = example();
    char origin[LIMIT_ORIGIN_BYTES + 1];
    memset(origin, 'o', sizeof(origin));
    tap.origin = (struct text_view){.text = origin, .length = sizeof(origin)};
    assert_int_equal(tap_text_format(text, &tap), 0);
    struct tap_auth auth = {.origin = tap.origin};
    assert_int_equal(tap_text_format_auth(text, &auth), 0);
    tap = example();
    tap.market = view("MARKET-OF-17-LONG");
    assert_int_equal(tap_text_format(text, &tap), 0);
}

/* A tap whose market or origin is empty, as one can be decoded from a journal, has its lines too.
 */
static void empty_texts_have_their_lines(void **state)
{
    (void)state;
    char text[TAP_TEXT_BYTES_MAX];
    struct tap tap = example();
    tap.origin = (struct text_view){.text = NULL, .length = 0};
    tap.market = (struct text_view){.text = NULL, .length = 0};
    assert_true(tap_text_format(text, &tap) > 0);
    assert_non_null(strstr(text, "\norigin: \naccount: "));
    assert_non_null(strstr(text, "\nmarket: \ncolumn: "));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tap_text_is_exact),
        cmocka_unit_test(auth_text_is_exact),
        cmocka_unit_test(longest_tap_fits),
        cmocka_unit_test(forged_and_long_lines_are_refused),
        cmocka_unit_test(empty_texts_have_their_lines),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
