#include "journal/sha256.h"

#include <nettle/sha2.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"

_Static_assert(HASH_BYTES == SHA256_DIGEST_SIZE, "the tree is made of SHA-256");

#define BLOCK_BYTES SHA256_BLOCK_BYTES
#define PAD_BYTES   9 /* one bit, and the length in 8 bytes */

struct sha256_stream {
    bool portable; /* through the context; else the words, ordered as the instructions want them */
    uint64_t bytes;
    _Alignas(16) uint8_t words[HASH_BYTES];
    struct sha256_ctx context;
};

static void hash_one(const struct sha256_message *message)
{
    struct sha256_ctx context;
    sha256_init(&context);
    sha256_update(&context, 1, &message->prefix);
    sha256_update(&context, message->first_bytes, message->first);
    sha256_update(&context, message->second_bytes, message->second);
    sha256_digest(&context, HASH_BYTES, message->hash);
}

void sha256_many_portable(const struct sha256_message *messages, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        hash_one(&messages[i]);
    }
}

#if defined(__x86_64__)
#include <cpuid.h>
#include <immintrin.h>

#define LANES      4   /* side by side: enough to fill the wait for one step's result */
#define LANE_BYTES 512 /* of a padded message; a longer one goes alone */

#define NI __attribute__((target("sha,sse4.1")))

static const uint32_t round_constants[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

/* The instructions want the eight words as (a b e f) and (c d g h), the first one highest. */
struct lane {
    __m128i abef;
    __m128i cdgh;
    const uint8_t *at; /* the next block */
    size_t blocks;     /* left */
    uint8_t *hash;
    uint8_t bytes[LANE_BYTES];
};

NI static void begin_state(__m128i *abef, __m128i *cdgh)
{
    *abef = _mm_set_epi32(0x6a09e667, (int)0xbb67ae85u, 0x510e527f, (int)0x9b05688cu);
    *cdgh = _mm_set_epi32(0x3c6ef372, (int)0xa54ff53au, 0x1f83d9ab, 0x5be0cd19);
}

NI static void end_state(__m128i abef, __m128i cdgh, uint8_t *hash)
{
    const __m128i swap = _mm_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203);
    const __m128i feba = _mm_shuffle_epi32(abef, 0x1b);
    const __m128i dchg = _mm_shuffle_epi32(cdgh, 0xb1);
    const __m128i dcba = _mm_blend_epi16(feba, dchg, 0xf0);
    const __m128i hgfe = _mm_alignr_epi8(dchg, feba, 8);
    _mm_storeu_si128((__m128i *)(void *)hash, _mm_shuffle_epi8(dcba, swap));
    _mm_storeu_si128((__m128i *)(void *)(hash + 16), _mm_shuffle_epi8(hgfe, swap));
}

/* One block of each lane. All loops have fixed bounds and are unrolled, so that the steps of the
 * lanes stand next to each other. */
NI static void compress(struct lane *const *lanes)
{
    const __m128i swap = _mm_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203);
    __m128i words[LANES][4];
    __m128i abef[LANES];
    __m128i cdgh[LANES];
#pragma GCC unroll 4
    for (int lane = 0; lane < LANES; lane++) {
        abef[lane] = lanes[lane]->abef;
        cdgh[lane] = lanes[lane]->cdgh;
#pragma GCC unroll 4
        for (int i = 0; i < 4; i++) {
            const void *from = lanes[lane]->at + 16 * i;
            words[lane][i] = _mm_shuffle_epi8(_mm_loadu_si128(from), swap);
        }
    }
#pragma GCC unroll 16
    for (int i = 0; i < 16; i++) {
        const __m128i constants = _mm_loadu_si128((const void *)(round_constants + 4 * i));
#pragma GCC unroll 4
        for (int lane = 0; lane < LANES; lane++) {
            __m128i *w = words[lane];
            __m128i sum = _mm_add_epi32(w[i % 4], constants);
            cdgh[lane] = _mm_sha256rnds2_epu32(cdgh[lane], abef[lane], sum);
            sum = _mm_shuffle_epi32(sum, 0x0e);
            abef[lane] = _mm_sha256rnds2_epu32(abef[lane], cdgh[lane], sum);
            if (i < 12) {
                const __m128i before = _mm_alignr_epi8(w[(i + 3) % 4], w[(i + 2) % 4], 4);
                w[i % 4] = _mm_sha256msg1_epu32(w[i % 4], w[(i + 1) % 4]);
                w[i % 4] = _mm_add_epi32(w[i % 4], before);
                w[i % 4] = _mm_sha256msg2_epu32(w[i % 4], w[(i + 3) % 4]);
            }
        }
    }
#pragma GCC unroll 4
    for (int lane = 0; lane < LANES; lane++) {
        lanes[lane]->abef = _mm_add_epi32(lanes[lane]->abef, abef[lane]);
        lanes[lane]->cdgh = _mm_add_epi32(lanes[lane]->cdgh, cdgh[lane]);
    }
}

static bool fits_lane(const struct sha256_message *message)
{
    return message->first_bytes <= LANE_BYTES && message->second_bytes <= LANE_BYTES &&
           1 + message->first_bytes + message->second_bytes + PAD_BYTES <= LANE_BYTES;
}

/* Puts a message with its padding into a lane. */
NI static void load(struct lane *lane, const struct sha256_message *message)
{
    const size_t length = 1 + message->first_bytes + message->second_bytes;
    lane->blocks = (length + PAD_BYTES + BLOCK_BYTES - 1) / BLOCK_BYTES;
    const size_t padded = lane->blocks * BLOCK_BYTES;
    memset(lane->bytes + padded - BLOCK_BYTES, 0, BLOCK_BYTES);
    if (length % BLOCK_BYTES + PAD_BYTES > BLOCK_BYTES) {
        memset(lane->bytes + padded - 2 * BLOCK_BYTES, 0, BLOCK_BYTES);
    }
    lane->bytes[0] = message->prefix;
    memcpy(lane->bytes + 1, message->first, message->first_bytes);
    if (message->second_bytes > 0) {
        memcpy(lane->bytes + 1 + message->first_bytes, message->second, message->second_bytes);
    }
    lane->bytes[length] = 0x80;
    store_u64(lane->bytes + padded - 8, __builtin_bswap64((uint64_t)length * 8));
    lane->at = lane->bytes;
    lane->hash = message->hash;
    begin_state(&lane->abef, &lane->cdgh);
}

/* What is still to do; the messages that fit no lane are hashed on the way. */
struct rest {
    const struct sha256_message *messages;
    size_t count;
};

/* Gives the lane the next message. False when there is none left. */
static bool load_next(struct lane *lane, struct rest *rest)
{
    while (rest->count > 0) {
        const struct sha256_message *message = rest->messages;
        rest->messages++;
        rest->count--;
        if (fits_lane(message)) {
            load(lane, message);
            return true;
        }
        hash_one(message);
    }
    return false;
}

static void hash_in_lanes(const struct sha256_message *messages, size_t count)
{
    struct rest rest = {messages, count};
    struct lane own[LANES];
    struct lane *lanes[LANES];
    size_t busy = 0;
    while (busy < LANES && load_next(&own[busy], &rest)) {
        busy++;
    }
    if (busy == 0) {
        return;
    }
    for (size_t i = busy; i < LANES; i++) {
        own[i] = own[0]; /* without work: it goes through the motions */
    }
    for (size_t i = 0; i < LANES; i++) {
        lanes[i] = &own[i];
    }
    while (busy > 0) {
        compress(lanes);
        for (size_t i = 0; i < busy; i++) {
            struct lane *lane = lanes[i];
            lane->at += BLOCK_BYTES;
            lane->blocks--;
            if (lane->blocks > 0) {
                continue;
            }
            end_state(lane->abef, lane->cdgh, lane->hash);
            if (!load_next(lane, &rest)) {
                /* From here on it goes through the motions with its last block. */
                lane->at -= BLOCK_BYTES;
                busy--;
                lanes[i] = lanes[busy];
                lanes[busy] = lane;
                i--;
            }
        }
    }
}

/* Blocks of one message. Nothing stands beside a step to fill the wait for its result, so all that
 * is done here is to keep the state in registers from block to block. */
NI static void compress_alone(uint8_t *words, const uint8_t *blocks, size_t count)
{
    const __m128i swap = _mm_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203);
    __m128i abef = _mm_loadu_si128((const void *)words);
    __m128i cdgh = _mm_loadu_si128((const void *)(words + 16));
    for (; count > 0; count--, blocks += BLOCK_BYTES) {
        const __m128i abef_before = abef;
        const __m128i cdgh_before = cdgh;
        __m128i w[4];
#pragma GCC unroll 4
        for (int i = 0; i < 4; i++) {
            w[i] = _mm_shuffle_epi8(_mm_loadu_si128((const void *)(blocks + 16 * i)), swap);
        }
#pragma GCC unroll 16
        for (int i = 0; i < 16; i++) {
            const __m128i constants = _mm_loadu_si128((const void *)(round_constants + 4 * i));
            __m128i sum = _mm_add_epi32(w[i % 4], constants);
            cdgh = _mm_sha256rnds2_epu32(cdgh, abef, sum);
            sum = _mm_shuffle_epi32(sum, 0x0e);
            abef = _mm_sha256rnds2_epu32(abef, cdgh, sum);
            if (i < 12) {
                const __m128i before = _mm_alignr_epi8(w[(i + 3) % 4], w[(i + 2) % 4], 4);
                w[i % 4] = _mm_sha256msg1_epu32(w[i % 4], w[(i + 1) % 4]);
                w[i % 4] = _mm_add_epi32(w[i % 4], before);
                w[i % 4] = _mm_sha256msg2_epu32(w[i % 4], w[(i + 3) % 4]);
            }
        }
        abef = _mm_add_epi32(abef, abef_before);
        cdgh = _mm_add_epi32(cdgh, cdgh_before);
    }
    _mm_storeu_si128((__m128i *)(void *)words, abef);
    _mm_storeu_si128((__m128i *)(void *)(words + 16), cdgh);
}

NI static void begin_alone(uint8_t *words)
{
    __m128i abef;
    __m128i cdgh;
    begin_state(&abef, &cdgh);
    _mm_storeu_si128((__m128i *)(void *)words, abef);
    _mm_storeu_si128((__m128i *)(void *)(words + 16), cdgh);
}

NI static void end_alone(const uint8_t *words, uint8_t *hash)
{
    end_state(_mm_loadu_si128((const void *)words), _mm_loadu_si128((const void *)(words + 16)),
              hash);
}

static bool has_instructions;
static pthread_once_t asked = PTHREAD_ONCE_INIT;

static void ask_processor(void)
{
    unsigned a, b, c, d;
    has_instructions = __builtin_cpu_supports("sse4.1") != 0 &&
                       __get_cpuid_count(7, 0, &a, &b, &c, &d) != 0 && (b & bit_SHA) != 0;
}

static bool has_processor_instructions(void)
{
    (void)pthread_once(&asked, ask_processor); /* fails only on a bad argument */
    return has_instructions;
}

void sha256_many(const struct sha256_message *messages, size_t count)
{
    if (count > 1 && has_processor_instructions()) {
        hash_in_lanes(messages, count);
    } else {
        sha256_many_portable(messages, count);
    }
}
#else
static bool has_processor_instructions(void)
{
    return false;
}

/* Never called: every stream is portable here. */
static void compress_alone(uint8_t *words, const uint8_t *blocks, size_t count)
{
    (void)words;
    (void)blocks;
    (void)count;
}

static void begin_alone(uint8_t *words)
{
    (void)words;
}

static void end_alone(const uint8_t *words, uint8_t *hash)
{
    (void)words;
    (void)hash;
}

void sha256_many(const struct sha256_message *messages, size_t count)
{
    sha256_many_portable(messages, count);
}
#endif

enum status sha256_stream_open_portable(struct sha256_stream **stream)
{
    struct sha256_stream *made = calloc(1, sizeof *made);
    if (made == NULL) {
        return STATUS_NO_MEMORY;
    }
    made->portable = true;
    *stream = made;
    return STATUS_OK;
}

enum status sha256_stream_open(struct sha256_stream **stream)
{
    const enum status status = sha256_stream_open_portable(stream);
    if (status == STATUS_OK) {
        (*stream)->portable = !has_processor_instructions();
    }
    return status;
}

void sha256_stream_begin(struct sha256_stream *stream)
{
    if (stream->portable) {
        sha256_init(&stream->context);
        return;
    }
    stream->bytes = 0;
    begin_alone(stream->words);
}

void sha256_stream_blocks(struct sha256_stream *stream, const uint8_t *blocks, size_t count)
{
    if (stream->portable) {
        sha256_update(&stream->context, count * BLOCK_BYTES, blocks);
        return;
    }
    stream->bytes += count * BLOCK_BYTES;
    compress_alone(stream->words, blocks, count);
}

void sha256_stream_end(struct sha256_stream *stream, uint8_t *rest, size_t bytes, uint8_t *hash)
{
    if (stream->portable) {
        sha256_update(&stream->context, bytes, rest);
        sha256_digest(&stream->context, HASH_BYTES, hash);
        return;
    }
    const size_t blocks = (bytes + PAD_BYTES + BLOCK_BYTES - 1) / BLOCK_BYTES;
    const uint64_t bits = (stream->bytes + bytes) * 8;
    memset(rest + bytes, 0, 2 * BLOCK_BYTES);
    rest[bytes] = 0x80;
    store_u64(rest + blocks * BLOCK_BYTES - 8, __builtin_bswap64(bits));
    compress_alone(stream->words, rest, blocks);
    end_alone(stream->words, hash);
}

void sha256_stream_free(struct sha256_stream *stream)
{
    free(stream);
}
