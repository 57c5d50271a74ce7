#include "ingress/wallet.h"

#include <errno.h>
#include <secp256k1.h>
#include <secp256k1_recovery.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/check.h"
#include "base/keccak.h"
#include "base/text.h"

#define SCALAR_BYTES     32
#define SIGNATURE_DIGITS (2 * LIMIT_SIGNATURE_BYTES)
#define PUBLIC_KEY_BYTES 65 /* 0x04, x, y */
#define RECOVERY_V       27 /* v = 27 + parity of the nonce point's y */
#define MESSAGE_PREFIX                                                                             \
    "\x19"                                                                                         \
    "Ethereum Signed Message:\n"

_Static_assert(LIMIT_SIGNATURE_BYTES == 2 * SCALAR_BYTES + 1, "r || s || v");

/* The greatest r, n - 1, and the greatest s, n / 2 rounded down; n is the order of the curve. */
static const uint8_t r_greatest[SCALAR_BYTES] = {
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfe,
    0xba, 0xae, 0xdc, 0xe6, 0xaf, 0x48, 0xa0, 0x3b, 0xbf, 0xd2, 0x5e, 0x8c, 0xd0, 0x36, 0x41, 0x40};
static const uint8_t s_greatest[SCALAR_BYTES] = {
    0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    0x5d, 0x57, 0x6e, 0x73, 0x57, 0xa4, 0x50, 0x1d, 0xdf, 0xe9, 0x2f, 0x46, 0x68, 0x1b, 0x20, 0xa0};

struct wallet {
    secp256k1_context *context;
};

enum status wallet_open(struct wallet **wallet)
{
    uint8_t seed[32];
    ssize_t got;
    do {
        got = getrandom(seed, sizeof(seed), 0);
    } while (got < 0 && errno == EINTR);
    if (got != (ssize_t)sizeof(seed)) {
        return STATUS_IO;
    }
    struct wallet *made = malloc(sizeof(*made));
    if (made == NULL) {
        return STATUS_NO_MEMORY;
    }
    made->context = secp256k1_context_create(SECP256K1_CONTEXT_SIGN | SECP256K1_CONTEXT_VERIFY);
    if (made->context == NULL) {
        free(made);
        return STATUS_NO_MEMORY;
    }
    CHECK(secp256k1_context_randomize(made->context, seed) ==
          1); /* fails on a static context alone */
    *wallet = made;
    return STATUS_OK;
}

void wallet_free(struct wallet *wallet)
{
    if (wallet != NULL) {
        secp256k1_context_destroy(wallet->context);
        free(wallet);
    }
}

static bool is_hex_digit(char digit)
{
    return (digit >= '0' && digit <= '9') || (digit >= 'a' && digit <= 'f') ||
           (digit >= 'A' && digit <= 'F');
}

enum wallet_shape wallet_parse_signature(const char *text, size_t length,
                                         uint8_t signature[LIMIT_SIGNATURE_BYTES])
{
    if (length < 2 || text[0] != '0' || text[1] != 'x') {
        return WALLET_SHAPE_BAD;
    }
    for (size_t i = 2; i < length; i++) {
        if (!is_hex_digit(text[i])) {
            return WALLET_SHAPE_BAD;
        }
    }
    const size_t digits = length - 2;
    if (digits > SIGNATURE_DIGITS && digits % 2 == 0) {
        return WALLET_SHAPE_UNSUPPORTED;
    }
    if (!text_parse_hex(text + 2, digits, signature, LIMIT_SIGNATURE_BYTES)) {
        return WALLET_SHAPE_BAD;
    }
    return WALLET_SHAPE_GOOD;
}

void wallet_message_hash(const void *message, size_t length, uint8_t hash[HASH_BYTES])
{
    char prefix[sizeof(MESSAGE_PREFIX) + TEXT_I64_BYTES_MAX] = MESSAGE_PREFIX;
    const size_t fixed = strlen(MESSAGE_PREFIX);
    const size_t digits = text_format_u64(prefix + fixed, length);
    keccak256_two(prefix, fixed + digits, message, length, hash);
}

/* 0 < scalar <= greatest, both big-endian. */
static bool in_range(const uint8_t *scalar, const uint8_t *greatest)
{
    static const uint8_t zero[SCALAR_BYTES];
    return memcmp(scalar, zero, SCALAR_BYTES) != 0 && memcmp(scalar, greatest, SCALAR_BYTES) <= 0;
}

/* The address is the last 20 bytes of the hash of x || y. */
static void address_of_key(const struct wallet *wallet, const secp256k1_pubkey *key,
                           uint8_t address[ADDRESS_BYTES])
{
    uint8_t bytes[PUBLIC_KEY_BYTES];
    size_t count = sizeof(bytes);
    CHECK(secp256k1_ec_pubkey_serialize(wallet->context, bytes, &count, key,
                                        SECP256K1_EC_UNCOMPRESSED) == 1);
    uint8_t hash[HASH_BYTES];
    keccak256(bytes + 1, sizeof(bytes) - 1, hash);
    memcpy(address, hash + HASH_BYTES - ADDRESS_BYTES, ADDRESS_BYTES);
}

bool wallet_recover(const struct wallet *wallet, const uint8_t hash[HASH_BYTES],
                    const uint8_t signature[LIMIT_SIGNATURE_BYTES], uint8_t address[ADDRESS_BYTES])
{
    const uint8_t v = signature[2 * SCALAR_BYTES];
    if (v != RECOVERY_V && v != RECOVERY_V + 1) {
        return false;
    }
    /* A high s is the same signature in other clothes (EIP-2); the library would recover it. */
    if (!in_range(signature, r_greatest) || !in_range(signature + SCALAR_BYTES, s_greatest)) {
        return false;
    }
    secp256k1_ecdsa_recoverable_signature parsed;
    secp256k1_pubkey key;
    if (secp256k1_ecdsa_recoverable_signature_parse_compact(wallet->context, &parsed, signature,
                                                            v - RECOVERY_V) != 1 ||
        secp256k1_ecdsa_recover(wallet->context, &key, &parsed, hash) != 1) {
        return false;
    }
    address_of_key(wallet, &key, address);
    return true;
}

bool wallet_check(const struct wallet *wallet, const void *message, size_t length,
                  const uint8_t signature[LIMIT_SIGNATURE_BYTES],
                  const uint8_t account[ADDRESS_BYTES])
{
    uint8_t hash[HASH_BYTES];
    uint8_t signer[ADDRESS_BYTES];
    wallet_message_hash(message, length, hash);
    return wallet_recover(wallet, hash, signature, signer) &&
           memcmp(signer, account, ADDRESS_BYTES) == 0;
}

bool wallet_address(const struct wallet *wallet, const uint8_t secret[WALLET_SECRET_BYTES],
                    uint8_t address[ADDRESS_BYTES])
{
    secp256k1_pubkey key;
    if (secp256k1_ec_pubkey_create(wallet->context, &key, secret) != 1) {
        return false;
    }
    address_of_key(wallet, &key, address);
    return true;
}

bool wallet_sign(const struct wallet *wallet, const uint8_t secret[WALLET_SECRET_BYTES],
                 const void *message, size_t length, uint8_t signature[LIMIT_SIGNATURE_BYTES])
{
    uint8_t hash[HASH_BYTES];
    wallet_message_hash(message, length, hash);
    secp256k1_ecdsa_recoverable_signature made;
    if (secp256k1_ecdsa_sign_recoverable(wallet->context, &made, hash, secret, NULL, NULL) != 1) {
        return false;
    }
    int recovery;
    CHECK(secp256k1_ecdsa_recoverable_signature_serialize_compact(wallet->context, signature,
                                                                  &recovery, &made) == 1);
    CHECK(recovery == 0 || recovery == 1); /* 2 and 3 need an r above n: a chance of 2^-127 */
    signature[2 * SCALAR_BYTES] = (uint8_t)(RECOVERY_V + recovery);
    return true;
}
