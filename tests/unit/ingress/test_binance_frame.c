/* Frames of Binance's combined stream. The texts have the shape of recorded ones. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "ingress/binance_frame.h"

static enum status parse(const char *json, struct source_quote *quote)
{
    return binance_frame_parse(json, strlen(json), quote);
}

/* Best bid and ask become a book, a trade a trade, each exact; the receive time is not touched. */
static void book_ticker_and_trade_become_quotes(void **state)
{
    (void)state;
    struct source_quote quote = {.receive_ms = 42};
    assert_int_equal(parse("{\"stream\":\"btcusdt@bookTicker\",\"data\":{\"u\":5,\"s\":\"BTCUSDT\","
                           "\"b\":\"61837.63000000\",\"B\":\"3.7\",\"a\":\"61837.64000000\",\"A\":"
                           "\"1.5\"}}",
                           &quote),
                     STATUS_OK);
    assert_int_equal(quote.kind, QUOTE_BOOK);
    assert_int_equal(quote.bid_e4, 618376300);
    assert_int_equal(quote.ask_e4, 618376400);
    assert_string_equal(quote.source, "binance-spot");
    assert_int_equal(parse("{\"stream\":\"btcusdt@trade\",\"data\":{\"e\":\"trade\",\"E\":1,\"s\":"
                           "\"BTCUSDT\",\"p\":\"61837.01000000\",\"q\":\"0.02\",\"m\":true}}",
                           &quote),
                     STATUS_OK);
    assert_int_equal(quote.kind, QUOTE_TRADE);
    assert_int_equal(quote.price_e4, 618370100);
    assert_int_equal(quote.receive_ms, 42);
}

/* Other streams, other symbols and answers without a stream carry no price for us. */
static void other_frames_carry_no_price(void **state)
{
    (void)state;
    const char *const frames[] = {
        "{\"stream\":\"btcusdt@depth@100ms\",\"data\":{\"b\":[[\"1.0\",\"2\"]],\"a\":[]}}",
        "{\"stream\":\"ethusdt@trade\",\"data\":{\"p\":\"1.0\"}}",
        "{\"lastUpdateId\":1,\"bids\":[[\"1.0\",\"2.0\"]]}",
        "{\"result\":null,\"id\":1}",
    };
    for (size_t i = 0; i < sizeof frames / sizeof frames[0]; i++) {
        struct source_quote quote;
        assert_int_equal(parse(frames[i], &quote), STATUS_NOT_FOUND);
    }
}

/* What is not JSON, or carries a price that is no exact text, is an error and never half a quote.
 */
static void malformed_frames_are_invalid(void **state)
{
    (void)state;
    const char *const frames[] = {
        "",
        "{",
        "[]",
        "{\"stream\":\"btcusdt@trade\"}",
        "{\"stream\":\"btcusdt@trade\",\"data\":{\"p\":61837.01}}",
        "{\"stream\":\"btcusdt@trade\",\"data\":{\"p\":\"1e5\"}}",
        "{\"stream\":\"btcusdt@trade\",\"data\":{\"p\":\"1\"}} x",
        "{\"stream\":\"btcusdt@trade\",\"stream\":\"btcusdt@trade\",\"data\":{\"p\":\"1\"}}",
        "{\"stream\":\"btcusdt@bookTicker\",\"data\":{\"b\":\"61837.63\"}}",
        "{\"stream\":\"btcusdt@bookTicker\",\"data\":{\"b\":\"61837.63\",\"a\":null}}",
    };
    for (size_t i = 0; i < sizeof frames / sizeof frames[0]; i++) {
        struct source_quote quote = {.source = "untouched", .bid_e4 = 7};
        if (parse(frames[i], &quote) != STATUS_INVALID) {
            fail_msg("taken: %s", frames[i]);
        }
        assert_string_equal(quote.source, "untouched");
        assert_int_equal(quote.bid_e4, 7);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(book_ticker_and_trade_become_quotes),
        cmocka_unit_test(other_frames_carry_no_price),
        cmocka_unit_test(malformed_frames_are_invalid),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
