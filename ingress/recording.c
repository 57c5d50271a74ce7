#include "ingress/recording.h"

#include <string.h>

#include "base/text.h"
#include "ingress/binance_frame.h"

#define NS_PER_MS  ((int64_t)1000000)
#define FIELDS_MAX 8

static const struct {
    const char *header;
    enum recording_format format;
} headers[] = {
    {"recv_ns,src,kind,exch_trade_ms,exch_event_ms,price_or_bid_e4,ask_e4,qty_or_update_id",
     RECORDING_SEVERAL},
    {"ts_ms,mid_e4", RECORDING_MIDS},
    {"ts_ms,open_e4,high_e4,low_e4,close_e4,volume_btc", RECORDING_COINBASE_BARS},
    {"ts_ms,open_e4,high_e4,low_e4,close_e4,volume_usd", RECORDING_FTX_BARS},
};

bool recording_detect(const char *line, size_t length, enum recording_format *format, bool *header)
{
    for (size_t i = 0; i < sizeof headers / sizeof headers[0]; i++) {
        if (strlen(headers[i].header) == length && memcmp(headers[i].header, line, length) == 0) {
            *format = headers[i].format;
            *header = true;
            return true;
        }
    }
    struct recording_line first;
    if (recording_parse(RECORDING_FRAMES, line, length, &first) != STATUS_OK) {
        return false;
    }
    *format = RECORDING_FRAMES;
    *header = false;
    return true;
}

/* The fields of a CSV line without quoting. */
struct fields {
    size_t count;
    struct {
        const char *text;
        size_t length;
    } of[FIELDS_MAX];
};

static bool split(const char *text, size_t length, struct fields *fields)
{
    fields->count = 0;
    size_t begin = 0;
    for (size_t i = 0; i <= length; i++) {
        if (i < length && text[i] != ',') {
            continue;
        }
        if (fields->count == FIELDS_MAX) {
            return false;
        }
        fields->of[fields->count].text = text + begin;
        fields->of[fields->count].length = i - begin;
        fields->count += 1;
        begin = i + 1;
    }
    return true;
}

static bool field_i64(const struct fields *fields, size_t number, int64_t *value)
{
    return text_parse_decimal(fields->of[number].text, fields->of[number].length, value);
}

static bool field_is(const struct fields *fields, size_t number, const char *text)
{
    return fields->of[number].length == strlen(text) &&
           memcmp(fields->of[number].text, text, strlen(text)) == 0;
}

static bool field_time_ms(const struct fields *fields, int64_t *receive_ns)
{
    int64_t ms;
    if (!field_i64(fields, 0, &ms) || ms > INT64_MAX / NS_PER_MS) {
        return false;
    }
    *receive_ns = ms * NS_PER_MS;
    return true;
}

static bool parse_frame(const char *text, size_t length, struct recording_line *line)
{
    const char *space = memchr(text, ' ', length);
    if (space == NULL) {
        return false;
    }
    const size_t digits = (size_t)(space - text);
    if (!text_parse_decimal(text, digits, &line->receive_ns)) {
        return false;
    }
    const enum status status = binance_frame_parse(space + 1, length - digits - 1, &line->quote);
    line->has_quote = status == STATUS_OK;
    return status == STATUS_OK || status == STATUS_NOT_FOUND;
}

static bool parse_several(const struct fields *fields, struct recording_line *line)
{
    if (fields->count != 8 || !field_i64(fields, 0, &line->receive_ns) ||
        fields->of[1].length == 0 || fields->of[1].length > LIMIT_SOURCE_BYTES) {
        return false;
    }
    memcpy(line->source, fields->of[1].text, fields->of[1].length);
    line->source[fields->of[1].length] = '\0';
    line->quote.source = line->source;
    line->has_quote = true;
    if (field_is(fields, 2, "B")) {
        line->quote.kind = QUOTE_BOOK;
        return field_i64(fields, 5, &line->quote.bid_e4) &&
               field_i64(fields, 6, &line->quote.ask_e4);
    }
    line->quote.kind = QUOTE_TRADE;
    return field_is(fields, 2, "T") && field_i64(fields, 5, &line->quote.price_e4);
}

/* A line with a time in ms and one price, taken as a trade. */
static bool parse_price(const struct fields *fields, size_t count, size_t price_field,
                        const char *source, struct recording_line *line)
{
    line->has_quote = true;
    line->quote.source = source;
    line->quote.kind = QUOTE_TRADE;
    return fields->count == count && field_time_ms(fields, &line->receive_ns) &&
           field_i64(fields, price_field, &line->quote.price_e4);
}

static bool parse_line(enum recording_format format, const char *text, size_t length,
                       struct recording_line *line)
{
    struct fields fields;
    if (format != RECORDING_FRAMES && !split(text, length, &fields)) {
        return false;
    }
    switch (format) {
    case RECORDING_FRAMES:
        return parse_frame(text, length, line);
    case RECORDING_SEVERAL:
        return parse_several(&fields, line);
    case RECORDING_MIDS:
        return parse_price(&fields, 2, 1, BINANCE_SOURCE, line);
    case RECORDING_COINBASE_BARS:
        return parse_price(&fields, 6, 4, "coinbase", line);
    case RECORDING_FTX_BARS:
        return parse_price(&fields, 6, 4, "ftx", line);
    }
    return false;
}

enum status recording_parse(enum recording_format format, const char *text, size_t length,
                            struct recording_line *line)
{
    struct recording_line parsed = {0};
    if (!parse_line(format, text, length, &parsed)) {
        return STATUS_INVALID;
    }
    parsed.quote.receive_ms = parsed.receive_ns / NS_PER_MS;
    *line = parsed;
    if (parsed.quote.source == parsed.source) {
        line->quote.source = line->source; /* the name moved along */
    }
    return STATUS_OK;
}
