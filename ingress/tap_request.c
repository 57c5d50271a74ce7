#include "ingress/tap_request.h"

#include <string.h>

#include "base/text.h"
#include "ingress/request_field.h"
#include "ingress/wallet.h"

#define MARKET_BYTES_MIN        3
#define SESSION_SIGNATURE_BYTES 64 /* Ed25519 */

static const char *const tap_keys[] = {"account", "market", "column", "band", "stake",   "min_mult",
                                       "config",  "nonce",  "time",   "sig",  "session", NULL};
static const char *const auth_keys[] = {"account", "time", "nonce", "sig", NULL};

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

static bool take_market(const struct strict_json *json, struct text_view *market,
                        struct refusal *refusal)
{
    if (!request_field_text(json, "market", market, refusal)) {
        return false;
    }
    if (!is_market(*market)) {
        return request_field_refuse(refusal, "market", "must be 3 to 16 of A-Z, 0-9 and -");
    }
    return true;
}

static bool take_signature(const struct strict_json *json, uint8_t signature[LIMIT_SIGNATURE_BYTES],
                           struct refusal *refusal)
{
    struct text_view text;
    if (!request_field_text(json, "sig", &text, refusal)) {
        return false;
    }
    switch (wallet_parse_signature(text.text, text.length, signature)) {
    case WALLET_SHAPE_GOOD:
        return true;
    case WALLET_SHAPE_UNSUPPORTED:
        refusal_set(refusal, REFUSAL_SIGNER_UNSUPPORTED, NULL);
        return false;
    case WALLET_SHAPE_BAD:
        break;
    }
    return request_field_refuse(refusal, "sig", "must be 0x and exactly 130 hex digits");
}

/* Always false: a tap that names a session is refused, for its shape or for the session itself. */
static bool refuse_session(const struct strict_json *json, struct refusal *refusal)
{
    int64_t session;
    struct text_view text;
    uint8_t signature[SESSION_SIGNATURE_BYTES];
    if (!request_field_integer(json, "session", &session, refusal) ||
        !request_field_text(json, "sig", &text, refusal)) {
        return false;
    }
    if (text.length < 2 || memcmp(text.text, "0x", 2) != 0 ||
        !text_parse_hex(text.text + 2, text.length - 2, signature, sizeof(signature))) {
        return request_field_refuse(refusal, "sig",
                                    "of a session tap must be 0x and exactly 128 hex digits");
    }
    refusal_set(refusal, REFUSAL_SESSION_EXPIRED, NULL);
    return false;
}

static bool take_fields(const struct strict_json *json, struct tap *tap, struct refusal *refusal)
{
    return request_field_account(json, tap->account, refusal) &&
           take_market(json, &tap->market, refusal) &&
           request_field_integer(json, "column", &tap->column_ms, refusal) &&
           request_field_integer(json, "band", &tap->band, refusal) &&
           request_field_integer(json, "stake", &tap->stake_micro, refusal) &&
           request_field_integer(json, "min_mult", &tap->min_mult_centi, refusal) &&
           request_field_integer(json, "config", &tap->config, refusal) &&
           request_field_nonce(json, tap->nonce, refusal) &&
           request_field_integer(json, "time", &tap->message_ms, refusal);
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
    struct tap *tap = &request->tap;
    *tap = (struct tap){.origin = origin};
    if (!request_field_keys(json, tap_keys, more_allowed, refusal) ||
        !take_fields(json, tap, refusal)) {
        return false;
    }
    if (request_field_present(json, "session")) {
        return refuse_session(json, refusal);
    }
    if (!take_signature(json, request->signature, refusal)) {
        return false;
    }
    request->text_length = tap_text_format(request->text, tap);
    if (request->text_length == 0) {
        return request_field_refuse(refusal, "origin", "is too long or not printable");
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
    struct tap_auth *auth = &request->auth;
    *auth = (struct tap_auth){.origin = origin};
    if (!request_field_keys(json, auth_keys, more_allowed, refusal) ||
        !request_field_account(json, auth->account, refusal) ||
        !request_field_integer(json, "time", &auth->message_ms, refusal) ||
        !request_field_nonce(json, auth->nonce, refusal) ||
        !take_signature(json, request->signature, refusal)) {
        return false;
    }
    request->text_length = tap_text_format_auth(request->text, auth);
    if (request->text_length == 0) {
        return request_field_refuse(refusal, "origin", "is too long or not printable");
    }
    return true;
}
