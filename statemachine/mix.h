/* Mixing of fields into hashes: for the tables (64 bits) and for telling two signed texts apart
 * (128). Not cryptographic: whoever finds a collision can only confuse two messages of his own.
 * Equal on every machine: bytes are read as little-endian, and there is no seed. Header only. */
#ifndef TAPLINE_STATEMACHINE_MIX_H
#define TAPLINE_STATEMACHINE_MIX_H

#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"

struct mix {
    uint64_t first;
    uint64_t second;
};

#define MIX_START                                                                                  \
    {                                                                                              \
        .first = 0x243f6a8885a308d3u, .second = 0x13198a2e03707344u                                \
    } /* digits of pi: nothing up the sleeve */

/* The finisher of SplitMix64: every input bit moves about half of the output bits. */
static inline uint64_t mix_scramble(uint64_t value)
{
    value = (value ^ value >> 30) * 0xbf58476d1ce4e5b9u;
    value = (value ^ value >> 27) * 0x94d049bb133111ebu;
    return value ^ value >> 31;
}

static inline void mix_u64(struct mix *mix, uint64_t value)
{
    mix->first = mix_scramble(mix->first ^ value) + 0x9e3779b97f4a7c15u;
    mix->second = mix_scramble(mix->second + value * 0xff51afd7ed558ccdu) ^ mix->first;
}

/* Inline always: most callers want the first half alone, and the second then costs nothing. */
__attribute__((always_inline)) static inline void mix_bytes(struct mix *mix, const uint8_t *bytes,
                                                            size_t count)
{
    size_t at = 0;
    for (; at + 8 <= count; at += 8) {
        mix_u64(mix, load_u64(bytes + at));
    }
    uint64_t rest = 0;
    for (size_t shift = 0; at < count; at++, shift += 8) {
        rest |= (uint64_t)bytes[at] << shift;
    }
    mix_u64(mix, rest);
    mix_u64(mix, count); /* so that texts side by side cannot trade their ends */
}

/* A hash of an address for the tables: two of its words and a half, which are a hash already. */
static inline uint64_t mix_address(const uint8_t *address)
{
    return mix_scramble(load_u64(address) ^ load_u64(address + 8) * 0x9e3779b97f4a7c15u ^
                        load_u32(address + 16));
}

#endif
