#include "journal/tap_bytes.h"

#include <string.h>

/* A field's key: its number, and how its value is written. */
#define VARINT(number) ((number) << 3)
#define BYTES(number)  ((number) << 3 | 2)

/* Fields of Record and Tap in tapline.proto. */
enum {
    RECORD_TIME = VARINT(1),
    RECORD_TAP = BYTES(5),
    TAP_ACCOUNT = BYTES(1),
    TAP_NONCE = BYTES(2),
    TAP_MARKET = BYTES(3),
    TAP_ORIGIN = BYTES(4),
    TAP_COLUMN = VARINT(5),
    TAP_BAND = VARINT(6),
    TAP_STAKE = VARINT(7),
    TAP_MIN_MULT = VARINT(8),
    TAP_CONFIG = VARINT(9),
    TAP_MESSAGE = VARINT(10),
    TAP_SESSION = VARINT(11),
    TAP_SIGNATURE = BYTES(12),
};

#define VARINT_BYTES_MAX 10

static const char usual_market[] = "BTC-USD";

#define USUAL_MARKET_BYTES (sizeof usual_market - 1)

struct text_view tap_bytes_usual_market(void)
{
    return (struct text_view){usual_market, USUAL_MARKET_BYTES};
}

bool tap_bytes_is_usual_market(struct text_view market)
{
    return market.length == USUAL_MARKET_BYTES &&
           memcmp(market.text, usual_market, USUAL_MARKET_BYTES) == 0;
}

/* What is left to read; `end` is never passed. */
struct cursor {
    const uint8_t *at;
    const uint8_t *end;
    bool good; /* until something was not as expected */
};

/* True, and the key is passed, when the next field is this one. A field left out is 0 or empty. */
static bool next_is(struct cursor *cursor, uint8_t key)
{
    if (!cursor->good || cursor->at == cursor->end || *cursor->at != key) {
        return false;
    }
    cursor->at++;
    return true;
}

static uint64_t take_varint(struct cursor *cursor)
{
    uint64_t value = 0;
    for (unsigned i = 0; i < VARINT_BYTES_MAX && cursor->at < cursor->end; i++) {
        const uint8_t byte = *cursor->at;
        cursor->at++;
        value |= (uint64_t)(byte & 0x7f) << (7 * i);
        if (byte < 0x80) {
            cursor->good = cursor->good && (i + 1 < VARINT_BYTES_MAX || byte <= 1);
            return value;
        }
    }
    cursor->good = false;
    return 0;
}

static int64_t take_number(struct cursor *cursor, uint8_t key)
{
    return next_is(cursor, key) ? (int64_t)take_varint(cursor) : 0;
}

/* A time that is written as its distance from the record's: sint64, "zigzag". */
static int64_t take_time(struct cursor *cursor, uint8_t key, int64_t time_ms)
{
    const uint64_t zigzag = next_is(cursor, key) ? take_varint(cursor) : 0;
    const int64_t after_ms = (int64_t)(zigzag >> 1 ^ (0 - (zigzag & 1)));
    int64_t at_ms = 0;
    if (__builtin_add_overflow(time_ms, after_ms, &at_ms)) {
        cursor->good = false;
    }
    return at_ms;
}

/* An empty one is not written by the encoder. */
static struct text_view take_text(struct cursor *cursor, uint8_t key, size_t limit)
{
    struct text_view text = {0};
    if (!next_is(cursor, key)) {
        return text;
    }
    const uint64_t length = take_varint(cursor);
    if (!cursor->good || length == 0 || length > limit ||
        length > (size_t)(cursor->end - cursor->at)) {
        cursor->good = false;
        return text;
    }
    text = (struct text_view){(const char *)cursor->at, (size_t)length};
    cursor->at += length;
    return text;
}

static void take_exactly(struct cursor *cursor, uint8_t key, uint8_t *to, size_t count)
{
    const struct text_view text = take_text(cursor, key, count);
    if (text.length != count) {
        cursor->good = false;
        return;
    }
    memcpy(to, text.text, count);
}

bool tap_bytes_read(const uint8_t *bytes, size_t length, int64_t *time_ms, struct tap *tap)
{
    struct cursor cursor = {bytes, bytes + length, true};
    *time_ms = take_number(&cursor, RECORD_TIME);
    if (!next_is(&cursor, RECORD_TAP) ||
        take_varint(&cursor) != (uint64_t)(cursor.end - cursor.at) || !cursor.good) {
        return false;
    }
    /* In the order of the numbers, as the encoder writes them. */
    take_exactly(&cursor, TAP_ACCOUNT, tap->account, ADDRESS_BYTES);
    take_exactly(&cursor, TAP_NONCE, tap->nonce, NONCE_BYTES);
    tap->market = take_text(&cursor, TAP_MARKET, LIMIT_MARKET_BYTES);
    if (tap->market.length == 0) {
        tap->market = tap_bytes_usual_market();
    }
    tap->origin = take_text(&cursor, TAP_ORIGIN, LIMIT_ORIGIN_BYTES);
    tap->column_ms = take_time(&cursor, TAP_COLUMN, *time_ms);
    tap->band = take_number(&cursor, TAP_BAND);
    tap->stake_micro = take_number(&cursor, TAP_STAKE);
    tap->min_mult_centi = take_number(&cursor, TAP_MIN_MULT);
    tap->config = take_number(&cursor, TAP_CONFIG);
    tap->message_ms = take_time(&cursor, TAP_MESSAGE, *time_ms);
    tap->session = (uint64_t)take_number(&cursor, TAP_SESSION);
    const struct text_view signature = take_text(&cursor, TAP_SIGNATURE, LIMIT_SIGNATURE_BYTES);
    tap->signature = (const uint8_t *)signature.text;
    tap->signature_bytes = signature.length;
    return cursor.good && cursor.at == cursor.end && signature.length >= LIMIT_SIGNATURE_BYTES - 1;
}
