#include "ingress/binance_frame.h"

#include <jansson.h>
#include <string.h>

#include "ingress/price_text.h"

/* A price stands as a JSON string: "61837.63000000". */
static bool price_of(const json_t *data, const char *key, int64_t *price_e4)
{
    const json_t *value = json_object_get(data, key);
    return json_is_string(value) &&
           price_parse(json_string_value(value), json_string_length(value), price_e4);
}

static enum status quote_of(const json_t *frame, struct source_quote *quote)
{
    if (!json_is_object(frame)) {
        return STATUS_INVALID;
    }
    const char *stream = json_string_value(json_object_get(frame, "stream"));
    const json_t *data = json_object_get(frame, "data");
    if (stream == NULL) {
        return STATUS_NOT_FOUND;
    }
    if (strcmp(stream, "btcusdt@bookTicker") == 0) {
        int64_t bid_e4;
        int64_t ask_e4;
        if (!price_of(data, "b", &bid_e4) || !price_of(data, "a", &ask_e4)) {
            return STATUS_INVALID;
        }
        quote->source = BINANCE_SOURCE;
        quote->kind = QUOTE_BOOK;
        quote->bid_e4 = bid_e4;
        quote->ask_e4 = ask_e4;
        return STATUS_OK;
    }
    if (strcmp(stream, "btcusdt@trade") == 0) {
        int64_t price_e4;
        if (!price_of(data, "p", &price_e4)) {
            return STATUS_INVALID;
        }
        quote->source = BINANCE_SOURCE;
        quote->kind = QUOTE_TRADE;
        quote->price_e4 = price_e4;
        return STATUS_OK;
    }
    return STATUS_NOT_FOUND;
}

enum status binance_frame_parse(const char *json, size_t length, struct source_quote *quote)
{
    json_t *frame = json_loadb(json, length, JSON_REJECT_DUPLICATES, NULL);
    if (frame == NULL) {
        return STATUS_INVALID;
    }
    const enum status status = quote_of(frame, quote);
    json_decref(frame);
    return status;
}
