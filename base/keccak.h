/* Keccak-256 as Ethereum uses it: the sponge of rate 136 with padding 0x01, not the 0x06 of
 * SHA3-256. Hashes signed texts, public keys and EIP-55 addresses. The only file that speaks to
 * nettle's permutation. */
#ifndef TAPLINE_BASE_KECCAK_H
#define TAPLINE_BASE_KECCAK_H

#include <stddef.h>
#include <stdint.h>

#include "base/units.h"

/* hash = Keccak-256 of bytes[0..length). `bytes` may be NULL when length is 0. */
void keccak256(const void *bytes, size_t length, uint8_t hash[HASH_BYTES]);

/* The same over the concatenation of two pieces, so that a prefix needs no copy. */
void keccak256_two(const void *first, size_t first_length, const void *second, size_t second_length,
                   uint8_t hash[HASH_BYTES]);

#endif
