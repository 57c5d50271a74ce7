/* The texts that players sign (interface.md section 2), built from fields and never parsed: what
 * the wallet showed is what the rules of the game say about these fields, byte for byte. LF between
 * lines, none at the end. Called by the ingress before a signature is checked, and by whoever
 * checks one again (verify, explain). */
#ifndef TAPLINE_INGRESS_TAP_TEXT_H
#define TAPLINE_INGRESS_TAP_TEXT_H

#include <stddef.h>
#include <stdint.h>

#include "base/limits.h"
#include "base/units.h"
#include "statemachine/input.h"

/* Enough for every text with its NUL; the longest possible one is tied to it in tap_text.c. */
#define TAP_TEXT_BYTES_MAX 512

/* Writes the tap-bet-v1 text of the tap's own fields, origin and market included, and NUL;
 * `session` and the signature are no part of it. Returns its length; `to` holds TAP_TEXT_BYTES_MAX.
 * Errors: 0 when origin or market is longer than its limit of base/limits.h, or holds a byte below
 * 0x20, which would forge a line. */
MUST_USE size_t tap_text_format(char to[TAP_TEXT_BYTES_MAX], const struct tap *tap);

/* The login of a connection, tap-auth-v1 (interface.md section 4). */
struct tap_auth {
    uint8_t account[ADDRESS_BYTES];
    uint8_t nonce[NONCE_BYTES];
    int64_t message_ms;
    struct text_view origin;
};

/* Writes the tap-auth-v1 text and NUL; returns and errors as tap_text_format. */
MUST_USE size_t tap_text_format_auth(char to[TAP_TEXT_BYTES_MAX], const struct tap_auth *auth);

#endif
