#include "base/keccak.h"

#include <nettle/sha3.h>
#include <string.h>

#include "base/bytes.h"

#define RATE_BYTES 136 /* 200 - 2 * 32 */

struct sponge {
    struct sha3_state state;
    uint8_t block[RATE_BYTES];
    size_t used; /* always below RATE_BYTES between calls */
};

static void absorb_block(struct sponge *sponge)
{
    for (size_t lane = 0; lane < RATE_BYTES / 8; lane++) {
        sponge->state.a[lane] ^= load_u64(sponge->block + 8 * lane);
    }
    sha3_permute(&sponge->state);
    sponge->used = 0;
}

static void absorb(struct sponge *sponge, const uint8_t *bytes, size_t length)
{
    while (length > 0) {
        size_t part = RATE_BYTES - sponge->used;
        if (part > length) {
            part = length;
        }
        memcpy(sponge->block + sponge->used, bytes, part);
        sponge->used += part;
        bytes += part;
        length -= part;
        if (sponge->used == RATE_BYTES) {
            absorb_block(sponge);
        }
    }
}

static void finish(struct sponge *sponge, uint8_t hash[HASH_BYTES])
{
    memset(sponge->block + sponge->used, 0, RATE_BYTES - sponge->used);
    sponge->block[sponge->used] = 0x01; /* Keccak's own padding; SHA3 has 0x06 here */
    sponge->block[RATE_BYTES - 1] |= 0x80;
    absorb_block(sponge);
    for (size_t lane = 0; lane < HASH_BYTES / 8; lane++) {
        store_u64(hash + 8 * lane, sponge->state.a[lane]);
    }
}

void keccak256_two(const void *first, size_t first_length, const void *second, size_t second_length,
                   uint8_t hash[HASH_BYTES])
{
    struct sponge sponge = {.used = 0};
    absorb(&sponge, first, first_length);
    absorb(&sponge, second, second_length);
    finish(&sponge, hash);
}

void keccak256(const void *bytes, size_t length, uint8_t hash[HASH_BYTES])
{
    keccak256_two(bytes, length, NULL, 0, hash);
}
