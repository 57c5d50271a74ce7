/* Wallet signatures: EIP-191 personal_sign over a text, and the address that made it (rules.md
 * section 8). The only file that speaks to libsecp256k1. Our policy is narrower than what libraries
 * take, so that one tap has one signature: 65 bytes r || s || v, v in {27, 28}, 0 < r < n,
 * 0 < s <= n/2.
 *
 * Which wrong signature is which refusal:
 *
 * - BAD_REQUEST: no `0x`, a character that is no hex digit, or a count of digits that is not 130
 * and not of the next point (a session tap: not 128 digits).
 *
 * - SIGNER_UNSUPPORTED: hex of whole bytes, more than 65 of them, which is how contract wallets
 * sign: EIP-1271, multi-signatures, and the EIP-6492 wrapper that ends in 6492...6492.
 *
 * - BAD_SIGNATURE: 130 digits, but v, r or s out of range, or another address recovered. */
#ifndef TAPLINE_INGRESS_WALLET_H
#define TAPLINE_INGRESS_WALLET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/limits.h"
#include "base/status.h"
#include "base/units.h"

struct wallet; /* the curve's tables, blinded once; shared read-only by all threads */

#define WALLET_SECRET_BYTES 32

/* Makes the tables and blinds them with fresh randomness.
 * Owns: *wallet is freed by wallet_free. Errors: STATUS_NO_MEMORY; STATUS_IO no randomness. */
MUST_USE enum status wallet_open(struct wallet **wallet);

/* NULL is allowed; no thread may use it any more. */
void wallet_free(struct wallet *wallet);

enum wallet_shape {
    WALLET_SHAPE_GOOD,
    WALLET_SHAPE_BAD,
    WALLET_SHAPE_UNSUPPORTED
};

/* Reads text[0..length), `0x` and 130 hex digits of either case, into 65 bytes. Looks at the shape
 * alone; on BAD and UNSUPPORTED (list above) the bytes are untouched. */
enum wallet_shape wallet_parse_signature(const char *text, size_t length,
                                         uint8_t signature[LIMIT_SIGNATURE_BYTES]);

/* hash = Keccak-256 of "\x19Ethereum Signed Message:\n", the length in decimal, and the message. */
void wallet_message_hash(const void *message, size_t length, uint8_t hash[HASH_BYTES]);

/* The address whose key signed `hash`. False, address untouched, when v, r or s are out of the
 * ranges above or no key fits. Thread: any, also at the same time. */
MUST_USE bool wallet_recover(const struct wallet *wallet, const uint8_t hash[HASH_BYTES],
                             const uint8_t signature[LIMIT_SIGNATURE_BYTES],
                             uint8_t address[ADDRESS_BYTES]);

/* True when `account` personal_signed message[0..length). Thread: any, also at the same time. */
MUST_USE bool wallet_check(const struct wallet *wallet, const void *message, size_t length,
                           const uint8_t signature[LIMIT_SIGNATURE_BYTES],
                           const uint8_t account[ADDRESS_BYTES]);

/* For load generators and tests; a server holds no secret. The address of a secret, and its
 * personal_sign of a message (low s, v in {27, 28}, deterministic by RFC 6979). False when the
 * secret is 0 or not below n. Thread: any. */
MUST_USE bool wallet_address(const struct wallet *wallet, const uint8_t secret[WALLET_SECRET_BYTES],
                             uint8_t address[ADDRESS_BYTES]);
MUST_USE bool wallet_sign(const struct wallet *wallet, const uint8_t secret[WALLET_SECRET_BYTES],
                          const void *message, size_t length,
                          uint8_t signature[LIMIT_SIGNATURE_BYTES]);

#endif
