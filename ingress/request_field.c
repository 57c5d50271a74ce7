#include "ingress/request_field.h"

#include "base/address.h"
#include "base/text.h"

bool request_field_refuse(struct refusal *refusal, const char *key, const char *rule)
{
    refusal_set(refusal, REFUSAL_BAD_REQUEST, "%s: %s", key, rule);
    return false;
}

bool request_field_keys(const struct strict_json *json, const char *const *allowed,
                        const char *const *more_allowed, struct refusal *refusal)
{
    if (!strict_json_is_object(json)) {
        refusal_set(refusal, REFUSAL_BAD_REQUEST, "the request must be a JSON object");
        return false;
    }
    const char *unknown = strict_json_unknown_key(json, allowed, more_allowed);
    if (unknown != NULL) {
        refusal_set(refusal, REFUSAL_BAD_REQUEST, "%.64s: unknown field; leave it out", unknown);
        return false;
    }
    return true;
}

bool request_field_present(const struct strict_json *json, const char *key)
{
    struct text_view ignored;
    return strict_json_text(json, key, &ignored) != STRICT_JSON_ABSENT;
}

bool request_field_text(const struct strict_json *json, const char *key, struct text_view *text,
                        struct refusal *refusal)
{
    switch (strict_json_text(json, key, text)) {
    case STRICT_JSON_STRING:
        return true;
    case STRICT_JSON_ABSENT:
        return request_field_refuse(refusal, key, "is missing");
    case STRICT_JSON_OTHER:
        break;
    }
    return request_field_refuse(refusal, key, "must be a JSON string, numbers too");
}

bool request_field_integer(const struct strict_json *json, const char *key, int64_t *value,
                           struct refusal *refusal)
{
    struct text_view text;
    if (!request_field_text(json, key, &text, refusal)) {
        return false;
    }
    if (!text_parse_decimal(text.text, text.length, value)) {
        return request_field_refuse(
            refusal, key, "must be decimal digits without sign or leading zeros, up to 2^63 - 1");
    }
    return true;
}

bool request_field_account(const struct strict_json *json, uint8_t account[ADDRESS_BYTES],
                           struct refusal *refusal)
{
    struct text_view text;
    if (!request_field_text(json, "account", &text, refusal)) {
        return false;
    }
    if (!address_parse(text.text, text.length, account)) {
        return request_field_refuse(
            refusal, "account",
            "must be 0x and 40 hex digits, of one case or with a correct EIP-55 checksum");
    }
    return true;
}

bool request_field_nonce(const struct strict_json *json, uint8_t nonce[NONCE_BYTES],
                         struct refusal *refusal)
{
    struct text_view text;
    if (!request_field_text(json, "nonce", &text, refusal)) {
        return false;
    }
    if (!text_parse_hex_lower(text.text, text.length, nonce, NONCE_BYTES)) {
        return request_field_refuse(refusal, "nonce", "must be 32 lower-case hex digits");
    }
    return true;
}
