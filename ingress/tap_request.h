/* A tap as it comes in (POST /v1/bets, and the WebSocket op `tap`), from its JSON object to struct
 * tap with the exact text that was signed. Checks shapes only: no money, no clock, no signature. */
#ifndef TAPLINE_INGRESS_TAP_REQUEST_H
#define TAPLINE_INGRESS_TAP_REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/limits.h"
#include "base/status.h"
#include "ingress/refusal.h"
#include "ingress/strict_json.h"
#include "ingress/tap_text.h"
#include "statemachine/input.h"

/* A tap and the storage of its texts. The views of `tap` point into this very object: copy it with
 * tap_request_copy, never by assignment. */
struct tap_request {
    struct tap tap;
    size_t text_length;
    char text[TAP_TEXT_BYTES_MAX]; /* what was signed, see tap_text.h */
    char market[LIMIT_MARKET_BYTES + 1];
    char origin[LIMIT_ORIGIN_BYTES + 1];
    uint8_t signature[LIMIT_SIGNATURE_BYTES];
};

/* Fills *request from the object {account, market, column, band, stake, min_mult, config, nonce,
 * time, sig, session?}. `origin` is the connection's (already found on the list of the server).
 * `more_allowed` (NULL, or keys ending with NULL, such as "op" and "id") are further keys that may
 * be there and are left to the caller. False, with *refusal saying which field is wrong and how,
 * and *request undefined: BAD_REQUEST; or SIGNER_UNSUPPORTED (see wallet.h); or SESSION_EXPIRED for
 * any tap that names a session, after its shape was checked, as there are no sessions yet. */
MUST_USE bool tap_request_parse(const struct strict_json *json, struct text_view origin,
                                const char *const *more_allowed, struct tap_request *request,
                                struct refusal *refusal);

/* Copies, with the views of the copy pointing into the copy. */
void tap_request_copy(struct tap_request *to, const struct tap_request *from);

/* The object of the `auth` op: {account, time, nonce, sig} and `more_allowed`. */
struct auth_request {
    struct tap_auth auth; /* its origin is borrowed from the call */
    size_t text_length;
    char text[TAP_TEXT_BYTES_MAX];
    uint8_t signature[LIMIT_SIGNATURE_BYTES];
};

/* As tap_request_parse, for tap-auth-v1 signed by a wallet. */
MUST_USE bool tap_request_parse_auth(const struct strict_json *json, struct text_view origin,
                                     const char *const *more_allowed, struct auth_request *request,
                                     struct refusal *refusal);

#endif
