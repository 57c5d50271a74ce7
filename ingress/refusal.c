#include "ingress/refusal.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/json.h"

void refusal_set(struct refusal *refusal, enum refusal_code code, const char *format, ...)
{
    refusal->code = code;
    refusal->message[0] = '\0';
    if (format != NULL) {
        va_list arguments;
        va_start(arguments, format);
        vsnprintf(refusal->message, sizeof(refusal->message), format, arguments);
        va_end(arguments);
    }
}

const char *refusal_name(enum refusal_code code)
{
    switch (code) {
#define X(name, http, id, retry)                                                                   \
    case REFUSAL_##name:                                                                           \
        return #name;
        REFUSAL_LIST(X)
#undef X
    }
    return "INTERNAL";
}

unsigned refusal_http_status(enum refusal_code code)
{
    switch (code) {
#define X(name, http, id, retry)                                                                   \
    case REFUSAL_##name:                                                                           \
        return http;
        REFUSAL_LIST(X)
#undef X
    }
    return 500;
}

#define RETRY_SAME      "same"
#define RETRY_NEW_QUOTE "new_quote"
#define RETRY_NEVER     "never"

const char *refusal_retry(enum refusal_code code)
{
    switch (code) {
#define X(name, http, id, retry)                                                                   \
    case REFUSAL_##name:                                                                           \
        return RETRY_##retry;
        REFUSAL_LIST(X)
#undef X
    }
    return RETRY_SAME;
}

const char *refusal_message(enum refusal_code code)
{
    switch (code) {
    case REFUSAL_BAD_REQUEST:
        return "the request is not well formed; compare it with the API reference";
    case REFUSAL_BAD_SIGNATURE:
        return "the signature is not the account's over this text; sign the exact text again";
    case REFUSAL_SIGNER_UNSUPPORTED:
        return "contract wallets are not supported; sign with an ordinary wallet (65 bytes)";
    case REFUSAL_TIME_SKEW:
        return "time is not within 30 s before and 5 s after the server's; set the clock and sign "
               "a new tap";
    case REFUSAL_NONCE_REUSED:
        return "this nonce was used for another content; choose a new one";
    case REFUSAL_SESSION_EXPIRED:
        return "the session is unknown, not yet valid, expired or revoked; grant a new one";
    case REFUSAL_SESSION_SCOPE:
        return "the tap is outside of what the session allows; grant a wider one";
    case REFUSAL_NOT_FOUND:
        return "there is no such thing here; check the path and the id";
    case REFUSAL_RATE_LIMITED:
        return "too many requests; send the same bytes again after retry_after_ms";
    case REFUSAL_INSUFFICIENT_FUNDS:
        return "the available balance is below the amount; deposit first or stake less";
    case REFUSAL_LIMIT:
        return "an amount or a count is outside of the market's limits; see the config";
    case REFUSAL_CELL_CLOSED:
        return "this cell is not on offer; take one of the grid";
    case REFUSAL_CELL_TAKEN:
        return "the account has an open bet in this cell; take another one";
    case REFUSAL_TOO_LATE:
        return "the column closes too soon; take a later one";
    case REFUSAL_TOO_EARLY:
        return "the column is not on offer yet; take an earlier one";
    case REFUSAL_PRICE_MOVED:
        return "the multiplier is below min_mult by now; sign a tap with the new one";
    case REFUSAL_NO_PRICE:
        return "there was no valid price in time; sign a new tap";
    case REFUSAL_BREAKER:
        return "betting is paused while the price feeds are not healthy; wait for status HEALTHY";
    case REFUSAL_EXPOSURE:
        return "the house is at its limit in this cell or column; take another one or stake less";
    case REFUSAL_CONFIG_CHANGED:
        return "the market configuration has changed; sign a tap with the current one";
    case REFUSAL_OVERLOADED:
        return "the server is at its limit; send the same bytes again after retry_after_ms";
    case REFUSAL_DRAINING:
        return "the server is shutting down; send the same bytes again to the next one";
    case REFUSAL_INTERNAL:
        return "the outcome is unknown; ask by nonce before you send the same bytes again";
    }
    return "the outcome is unknown; ask by nonce before you send the same bytes again";
}

int64_t refusal_retry_after_s(int64_t retry_after_ms)
{
    return retry_after_ms <= 1000 ? 1 : (retry_after_ms - 1) / 1000 + 1;
}

enum refusal_code refusal_of_reason(enum reason reason)
{
    switch (reason) {
    case REASON_BAD_REQUEST:
        return REFUSAL_BAD_REQUEST;
    case REASON_TIME_SKEW:
        return REFUSAL_TIME_SKEW;
    case REASON_NONCE_REUSED:
        return REFUSAL_NONCE_REUSED;
    case REASON_SESSION_EXPIRED:
        return REFUSAL_SESSION_EXPIRED;
    case REASON_SESSION_SCOPE:
        return REFUSAL_SESSION_SCOPE;
    case REASON_NOT_FOUND:
        return REFUSAL_NOT_FOUND;
    case REASON_INSUFFICIENT_FUNDS:
        return REFUSAL_INSUFFICIENT_FUNDS;
    case REASON_LIMIT:
        return REFUSAL_LIMIT;
    case REASON_CELL_CLOSED:
        return REFUSAL_CELL_CLOSED;
    case REASON_CELL_TAKEN:
        return REFUSAL_CELL_TAKEN;
    case REASON_TOO_LATE:
        return REFUSAL_TOO_LATE;
    case REASON_TOO_EARLY:
        return REFUSAL_TOO_EARLY;
    case REASON_PRICE_MOVED:
        return REFUSAL_PRICE_MOVED;
    case REASON_NO_PRICE:
        return REFUSAL_NO_PRICE;
    case REASON_BREAKER:
        return REFUSAL_BREAKER;
    case REASON_EXPOSURE:
        return REFUSAL_EXPOSURE;
    case REASON_CONFIG_CHANGED:
        return REFUSAL_CONFIG_CHANGED;
    case REASON_OVERLOADED:
        return REFUSAL_OVERLOADED;
    case REASON_NONE:
    case REASON_DOWN:
    case REASON_NO_TICKS:
    case REASON_SOURCE_JUMP:
        break;
    }
    return REFUSAL_INTERNAL;
}

static void extra_i64(struct json *json, const char *key, int64_t value)
{
    if (value != 0) {
        json_key(json, key);
        json_i64(json, value);
    }
}

static void extra_u64(struct json *json, const char *key, uint64_t value)
{
    if (value != 0) {
        json_key(json, key);
        json_u64(json, value);
    }
}

void refusal_json_value(struct json *json, enum refusal_code code, const char *message,
                        const struct refusal_extras *extras)
{
    json_open(json, '{');
    json_key(json, "code");
    json_string(json, refusal_name(code));
    json_key(json, "id");
    json_number(json, (uint64_t)code);
    json_key(json, "message");
    json_string(json, message == NULL || message[0] == '\0' ? refusal_message(code) : message);
    json_key(json, "retry");
    json_string(json, refusal_retry(code));
    if (extras != NULL) {
        extra_i64(json, "time", extras->time_ms);
        extra_i64(json, "retry_after_ms", extras->retry_after_ms);
        extra_u64(json, "bet", extras->bet);
        extra_u64(json, "seq", extras->seq);
    }
    json_close(json, '}');
}

void refusal_json(struct json *json, enum refusal_code code, const char *message,
                  const struct refusal_extras *extras)
{
    json_open(json, '{');
    json_key(json, "error");
    refusal_json_value(json, code, message, extras);
    json_close(json, '}');
}
