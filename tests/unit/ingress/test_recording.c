/* Lines of recordings, one format at a time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "ingress/recording.h"

static enum status parse(enum recording_format format, const char *text,
                         struct recording_line *line)
{
    return recording_parse(format, text, strlen(text), line);
}

static bool detect(const char *text, enum recording_format *format, bool *header)
{
    return recording_detect(text, strlen(text), format, header);
}

/* The first line tells the format; anything else is refused. */
static void first_line_tells_the_format(void **state)
{
    (void)state;
    enum recording_format format;
    bool header;
    assert_true(detect("ts_ms,mid_e4", &format, &header));
    assert_int_equal(format, RECORDING_MIDS);
    assert_true(header);
    assert_true(detect("ts_ms,open_e4,high_e4,low_e4,close_e4,volume_btc", &format, &header));
    assert_int_equal(format, RECORDING_COINBASE_BARS);
    assert_true(detect("ts_ms,open_e4,high_e4,low_e4,close_e4,volume_usd", &format, &header));
    assert_int_equal(format, RECORDING_FTX_BARS);
    assert_true(detect(
        "recv_ns,src,kind,exch_trade_ms,exch_event_ms,price_or_bid_e4,ask_e4,qty_or_update_id",
        &format, &header));
    assert_int_equal(format, RECORDING_SEVERAL);
    assert_true(
        detect("1723161254087891268 {\"stream\":\"btcusdt@depth@100ms\"}", &format, &header));
    assert_int_equal(format, RECORDING_FRAMES);
    assert_false(header);
    const char *const others[] = {
        "", "hello", "ts_ms,mid", "1723161255000,618240050", "123 not json", "ts_ms,mid_e4,more"};
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        assert_false(detect(others[i], &format, &header));
    }
}

/* B is a book, T a trade; the name is copied, the time floors to ms. */
static void several_sources_by_name(void **state)
{
    (void)state;
    struct recording_line line;
    assert_int_equal(parse(RECORDING_SEVERAL,
                           "1723161254087891268,binance-usdm,B,,,618376300,618376400,5009", &line),
                     STATUS_OK);
    assert_true(line.receive_ns == 1723161254087891268);
    assert_true(line.has_quote);
    assert_string_equal(line.quote.source, "binance-usdm");
    assert_int_equal(line.quote.kind, QUOTE_BOOK);
    assert_int_equal(line.quote.bid_e4, 618376300);
    assert_int_equal(line.quote.ask_e4, 618376400);
    assert_true(line.quote.receive_ms == 1723161254087);
    assert_int_equal(parse(RECORDING_SEVERAL, "5000000,x,T,1,2,618376200,,0.02", &line), STATUS_OK);
    assert_int_equal(line.quote.kind, QUOTE_TRADE);
    assert_int_equal(line.quote.price_e4, 618376200);
    assert_string_equal(line.quote.source, "x");
    assert_int_equal(line.quote.receive_ms, 5);
}

/* A bar is a trade at its close, received at its ts_ms; a mid is a trade too. */
static void bars_and_mids_are_trades(void **state)
{
    (void)state;
    struct recording_line line;
    assert_int_equal(parse(RECORDING_COINBASE_BARS, "1475798404000,1,2,3,6118700,0.6", &line),
                     STATUS_OK);
    assert_true(line.receive_ns == 1475798404000000000);
    assert_int_equal(line.quote.kind, QUOTE_TRADE);
    assert_int_equal(line.quote.price_e4, 6118700);
    assert_string_equal(line.quote.source, "coinbase");
    assert_int_equal(parse(RECORDING_FTX_BARS, "1640991660000,1,2,3,463770000,0.6", &line),
                     STATUS_OK);
    assert_string_equal(line.quote.source, "ftx");
    assert_int_equal(line.quote.price_e4, 463770000);
    assert_int_equal(parse(RECORDING_MIDS, "1723161255000,618240050", &line), STATUS_OK);
    assert_string_equal(line.quote.source, "binance-spot");
    assert_int_equal(line.quote.price_e4, 618240050);
}

/* Lines out of shape are errors and leave the output alone. */
static void malformed_lines_are_invalid(void **state)
{
    (void)state;
    const struct {
        enum recording_format format;
        const char *text;
    } rows[] = {
        {RECORDING_SEVERAL, ""},
        {RECORDING_SEVERAL, "5000000,x,T,1,2,618376200,"},
        {RECORDING_SEVERAL, "5000000,x,T,1,2,618376200,,0.02,more"},
        {RECORDING_SEVERAL, "5000000,x,Q,1,2,618376200,,0.02"},
        {RECORDING_SEVERAL, "5000000,,T,1,2,618376200,,0.02"},
        {RECORDING_SEVERAL, "5000000,x,B,1,2,618376200,,0.02"},
        {RECORDING_SEVERAL, "5000000,x,T,1,2,61837.62,,0.02"},
        {RECORDING_SEVERAL, "-5,x,T,1,2,618376200,,0.02"},
        {RECORDING_SEVERAL, "5,123456789012345678901234567890123,T,1,2,3,,0"},
        {RECORDING_MIDS, "1723161255000"},
        {RECORDING_MIDS, "1723161255000,618240050,1"},
        {RECORDING_MIDS, "1723161255000, 618240050"},
        {RECORDING_MIDS, "9999999999999999,618240050"}, /* past what ns can hold */
        {RECORDING_FTX_BARS, "1640991660000,1,2,3,463770000.5,0.6"},
        {RECORDING_COINBASE_BARS, "1640991660000,1,2,3"},
        {RECORDING_FRAMES, "1723161254087891268"},
        {RECORDING_FRAMES, "1723161254087891268 {"},
        {RECORDING_FRAMES, "x {}"},
        {RECORDING_FRAMES, " {}"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct recording_line line = {.receive_ns = 7};
        if (parse(rows[i].format, rows[i].text, &line) != STATUS_INVALID) {
            fail_msg("taken: %s", rows[i].text);
        }
        assert_int_equal(line.receive_ns, 7);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(first_line_tells_the_format),
        cmocka_unit_test(several_sources_by_name),
        cmocka_unit_test(bars_and_mids_are_trades),
        cmocka_unit_test(malformed_lines_are_invalid),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
