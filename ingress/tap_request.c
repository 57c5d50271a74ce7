#include "ingress/tap_request.h"

#include <string.h>

#include "base/address.h"
#include "base/text.h"
#include "ingress/wallet.h"

#define MARKET_BYTES_MIN        3
#define SESSION_SIGNATURE_BYTES 64 /* Ed25519 */

static const char *const tap_keys[] = {"account", "market", "column", "band", "stake",   "min_mult",
                                       "config",  "nonce",  "time",   "sig",  "session", NULL};
static const char *const auth_keys[] = {"account", "time", "nonce", "sig", NULL};

/* What all fields need; each `take_` fills one or sets the refusal. */
struct reader {
    const struct strict_json *json;
    struct refusal *refusal;
};

static bool refuse(const struct reader *reader, const char *key, const char *rule)
{
    refusal_set(reader->refusal, REFUSAL_BAD_REQUEST, "%s: %s", key, rule);
    return false;
}

static bool check_keys(const struct reader *reader, const char *const *keys,
                       const char *const *more_allowed)
{
    if (!strict_json_is_object(reader->json)) {
        refusal_set(reader->refusal, REFUSAL_BAD_REQUEST, "the request must be a JSON object");
        return false;
    }
    const char *unknown = strict_json_unknown_key(reader->json, keys, more_allowed);
    if (unknown != NULL) {
        refusal_set(reader->refusal, REFUSAL_BAD_REQUEST, "%.64s: unknown field; leave it out",
                    unknown);
        return false;
    }
    return true;
}

static bool take_text(const struct reader *reader, const char *key, struct text_view *text)
{
    switch (strict_json_text(reader->json, key, text)) {
    case STRICT_JSON_STRING:
        return true;
    case STRICT_JSON_ABSENT:
        return refuse(reader, key, "is missing");
    case STRICT_JSON_OTHER:
        break;
    }
    return refuse(reader, key, "must be a JSON string, numbers too");
}

static bool take_integer(const struct reader *reader, const char *key, int64_t *value)
{
    struct text_view text;
    if (!take_text(reader, key, &text)) {
        return false;
    }
    if (!text_parse_decimal(text.text, text.length, value)) {
        return refuse(reader, key,
                      "must be decimal digits without sign or leading zeros, up to 2^63 - 1");
    }
    return true;
}

static bool take_account(const struct reader *reader, uint8_t account[ADDRESS_BYTES])
{
    struct text_view text;
    if (!take_text(reader, "account", &text)) {
        return false;
    }
    if (!address_parse(text.text, text.length, account)) {
        return refuse(
            reader, "account",
            "must be 0x and 40 hex digits, of one case or with a correct EIP-55 checksum");
    }
    return true;
}

static bool take_nonce(const struct reader *reader, uint8_t nonce[NONCE_BYTES])
{
    struct text_view text;
    if (!take_text(reader, "nonce", &text)) {
        return false;
    }
    if (!text_parse_hex_lower(text.text, text.length, nonce, NONCE_BYTES)) {
        return refuse(reader, "nonce", "must be 32 lower-case hex digits");
    }
    return true;
}

static bool is_market(struct text_view text)
{
    if (text.length < MARKET_BYTES_MIN || text.length > LIMIT_MARKET_BYTES) {
        return false;
    }
    for (size_t i = 0; i < text.length; i++) {
        const char letter = text.text[i];
        if (!((letter >= 'A' && letter <= 'Z') || (letter >= '0' && letter <= '9') ||
              letter == '-')) {
            return false;
        }
    }
    return true;
}

static bool take_market(const struct reader *reader, struct text_view *market)
{
    if (!take_text(reader, "market", market)) {
        return false;
    }
    if (!is_market(*market)) {
        return refuse(reader, "market", "must be 3 to 16 of A-Z, 0-9 and -");
    }
    return true;
}

static bool take_signature(const struct reader *reader, uint8_t signature[LIMIT_SIGNATURE_BYTES])
{
    struct text_view text;
    if (!take_text(reader, "sig", &text)) {
        return false;
    }
    switch (wallet_parse_signature(text.text, text.length, signature)) {
    case WALLET_SHAPE_GOOD:
        return true;
    case WALLET_SHAPE_UNSUPPORTED:
        refusal_set(reader->refusal, REFUSAL_SIGNER_UNSUPPORTED, NULL);
        return false;
    case WALLET_SHAPE_BAD:
        break;
    }
    return refuse(reader, "sig", "must be 0x and exactly 130 hex digits");
}

/* Always false: a tap that names a session is refused, for its shape or for the session itself. */
static bool refuse_session(const struct reader *reader)
{
    int64_t session;
    struct text_view text;
    uint8_t signature[SESSION_SIGNATURE_BYTES];
    if (!take_integer(reader, "session", &session) || !take_text(reader, "sig", &text)) {
        return false;
    }
    if (text.length < 2 || memcmp(text.text, "0x", 2) != 0 ||
        !text_parse_hex(text.text + 2, text.length - 2, signature, sizeof(signature))) {
        return refuse(reader, "sig", "of a session tap must be 0x and exactly 128 hex digits");
    }
    refusal_set(reader->refusal, REFUSAL_SESSION_EXPIRED, NULL);
    return false;
}

static bool take_fields(const struct reader *reader, struct tap *tap)
{
    return take_account(reader, tap->account) && take_market(reader, &tap->market) &&
           take_integer(reader, "column", &tap->column_ms) &&
           take_integer(reader, "band", &tap->band) &&
           take_integer(reader, "stake", &tap->stake_micro) &&
           take_integer(reader, "min_mult", &tap->min_mult_centi) &&
           take_integer(reader, "config", &tap->config) && take_nonce(reader, tap->nonce) &&
           take_integer(reader, "time", &tap->message_ms);
}

/* Copies a text that fits its place and ends it with NUL. */
static struct text_view keep(char *to, struct text_view text)
{
    memcpy(to, text.text, text.length);
    to[text.length] = '\0';
    return (struct text_view){.text = to, .length = text.length};
}

bool tap_request_parse(const struct strict_json *json, struct text_view origin,
                       const char *const *more_allowed, struct tap_request *request,
                       struct refusal *refusal)
{
    const struct reader reader = {.json = json, .refusal = refusal};
    struct tap *tap = &request->tap;
    *tap = (struct tap){.origin = origin};
    if (!check_keys(&reader, tap_keys, more_allowed) || !take_fields(&reader, tap)) {
        return false;
    }
    struct text_view ignored;
    if (strict_json_text(json, "session", &ignored) != STRICT_JSON_ABSENT) {
        return refuse_session(&reader);
    }
    if (!take_signature(&reader, request->signature)) {
        return false;
    }
    request->text_length = tap_text_format(request->text, tap);
    if (request->text_length == 0) {
        return refuse(&reader, "origin", "is too long or not printable");
    }
    tap->market = keep(request->market, tap->market);
    tap->origin = keep(request->origin, tap->origin);
    tap->signature = request->signature;
    tap->signature_bytes = LIMIT_SIGNATURE_BYTES;
    return true;
}

void tap_request_copy(struct tap_request *to, const struct tap_request *from)
{
    *to = *from;
    to->tap.market.text = to->market;
    to->tap.origin.text = to->origin;
    to->tap.signature = to->signature;
}

bool tap_request_parse_auth(const struct strict_json *json, struct text_view origin,
                            const char *const *more_allowed, struct auth_request *request,
                            struct refusal *refusal)
{
    const struct reader reader = {.json = json, .refusal = refusal};
    struct tap_auth *auth = &request->auth;
    *auth = (struct tap_auth){.origin = origin};
    if (!check_keys(&reader, auth_keys, more_allowed) || !take_account(&reader, auth->account) ||
        !take_integer(&reader, "time", &auth->message_ms) || !take_nonce(&reader, auth->nonce) ||
        !take_signature(&reader, request->signature)) {
        return false;
    }
    request->text_length = tap_text_format_auth(request->text, auth);
    if (request->text_length == 0) {
        return refuse(&reader, "origin", "is too long or not printable");
    }
    return true;
}
