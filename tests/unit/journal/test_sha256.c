/* Hashes made side by side are those of nettle. */
#include "journal/sha256.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <nettle/sha2.h>
#include <string.h>

#include "tests/unit/random.h"

#define MESSAGES_MAX 40
#define BYTES_MAX    700 /* beyond what goes side by side */

struct batch {
    struct sha256_message messages[MESSAGES_MAX];
    uint8_t bytes[MESSAGES_MAX][BYTES_MAX];
    uint8_t hashes[MESSAGES_MAX][HASH_BYTES];
};

static void assert_hashes(const struct batch *batch, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct sha256_message *message = &batch->messages[i];
        struct sha256_ctx context;
        uint8_t expected[HASH_BYTES];
        sha256_init(&context);
        sha256_update(&context, 1, &message->prefix);
        sha256_update(&context, message->first_bytes, message->first);
        sha256_update(&context, message->second_bytes, message->second);
        sha256_digest(&context, sizeof expected, expected);
        assert_memory_equal(batch->hashes[i], expected, HASH_BYTES);
    }
}

/* Every length up to beyond the longest that goes side by side, so each place of the padding, cut
 * into two pieces anywhere, in batches of every size. */
static void each_length_hashes_as_alone(void **state)
{
    (void)state;
    static struct batch batch;
    struct random random = random_start("each_length_hashes_as_alone", 1);
    for (size_t i = 0; i < MESSAGES_MAX; i++) {
        for (size_t k = 0; k < BYTES_MAX; k++) {
            batch.bytes[i][k] = (uint8_t)random_next(&random);
        }
    }
    for (size_t length = 0; length <= BYTES_MAX; length++) {
        const size_t count = length % MESSAGES_MAX + 1;
        for (size_t i = 0; i < count; i++) {
            const size_t cut = random_below(&random, length + 1);
            batch.messages[i] = (struct sha256_message){
                .prefix = (uint8_t)random_next(&random),
                .first = batch.bytes[i],
                .first_bytes = cut,
                .second = batch.bytes[i] + cut,
                .second_bytes = length - cut,
                .hash = batch.hashes[i],
            };
        }
        sha256_many(batch.messages, count);
        assert_hashes(&batch, count);
        memset(batch.hashes, 0, sizeof batch.hashes);
        sha256_many_portable(batch.messages, count);
        assert_hashes(&batch, count);
    }
}

/* Messages of many lengths in one batch: those that end early make room for the next, the long ones
 * go alone, and each finds its own hash. */
static void mixed_lengths_find_their_own_hashes(void **state)
{
    (void)state;
    static struct batch batch;
    struct random random = random_start("mixed_lengths_find_their_own_hashes", 2);
    for (int round = 0; round < 500; round++) {
        const size_t count = 1 + random_below(&random, MESSAGES_MAX);
        for (size_t i = 0; i < count; i++) {
            const size_t length = random_below(&random, BYTES_MAX + 1);
            memset(batch.bytes[i], (int)random_below(&random, 256), length);
            batch.messages[i] = (struct sha256_message){
                .prefix = 1,
                .first = batch.bytes[i],
                .first_bytes = length,
                .hash = batch.hashes[i],
            };
        }
        sha256_many(batch.messages, count);
        assert_hashes(&batch, count);
    }
}

/* A node's hash may take the place of one of its halves: the tree's roots are made so. */
static void hash_may_replace_a_piece(void **state)
{
    (void)state;
    static struct batch plain;
    static struct batch replaced;
    memset(plain.bytes, 0x5a, sizeof plain.bytes);
    for (size_t i = 0; i < MESSAGES_MAX; i++) {
        plain.bytes[i][0] = (uint8_t)i;
        plain.messages[i] = (struct sha256_message){1,          plain.bytes[i],
                                                    HASH_BYTES, plain.bytes[i] + HASH_BYTES,
                                                    HASH_BYTES, plain.hashes[i]};
    }
    memcpy(replaced.bytes, plain.bytes, sizeof plain.bytes);
    for (size_t i = 0; i < MESSAGES_MAX; i++) {
        uint8_t *right = replaced.bytes[i] + HASH_BYTES;
        replaced.messages[i] =
            (struct sha256_message){1, replaced.bytes[i], HASH_BYTES, right, HASH_BYTES, right};
    }
    sha256_many(plain.messages, MESSAGES_MAX);
    sha256_many(replaced.messages, MESSAGES_MAX);
    for (size_t i = 0; i < MESSAGES_MAX; i++) {
        assert_memory_equal(replaced.bytes[i] + HASH_BYTES, plain.hashes[i], HASH_BYTES);
    }
}

/* One message out of its own buffer: every length with any part of it given as blocks, by the
 * processor's instructions and without, and one message after another by one stream. */
static void stream_hashes_as_nettle(void **state)
{
    (void)state;
    struct random random = random_start("stream_hashes_as_nettle", 3);
    struct sha256_stream *streams[2];
    assert_int_equal(sha256_stream_open(&streams[0]), STATUS_OK);
    assert_int_equal(sha256_stream_open_portable(&streams[1]), STATUS_OK);
    for (size_t length = 0; length <= BYTES_MAX; length++) {
        uint8_t message[BYTES_MAX];
        for (size_t i = 0; i < length; i++) {
            message[i] = (uint8_t)random_next(&random);
        }
        struct sha256_ctx context;
        uint8_t expected[HASH_BYTES];
        sha256_init(&context);
        sha256_update(&context, length, message);
        sha256_digest(&context, sizeof expected, expected);
        const size_t blocks = random_below(&random, length / SHA256_BLOCK_BYTES + 1);
        const size_t first = random_below(&random, blocks + 1);
        for (int i = 0; i < 2; i++) {
            uint8_t buffer[BYTES_MAX + 2 * SHA256_BLOCK_BYTES];
            uint8_t hash[HASH_BYTES];
            memset(buffer, 0xa5, sizeof buffer);
            memcpy(buffer, message, length);
            sha256_stream_begin(streams[i]);
            sha256_stream_blocks(streams[i], buffer, first);
            sha256_stream_blocks(streams[i], buffer + first * SHA256_BLOCK_BYTES, blocks - first);
            const size_t done = blocks * SHA256_BLOCK_BYTES;
            sha256_stream_end(streams[i], buffer + done, length - done, hash);
            assert_memory_equal(hash, expected, HASH_BYTES);
        }
    }
    sha256_stream_free(streams[0]);
    sha256_stream_free(streams[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_length_hashes_as_alone),
        cmocka_unit_test(mixed_lengths_find_their_own_hashes),
        cmocka_unit_test(hash_may_replace_a_piece),
        cmocka_unit_test(stream_hashes_as_nettle),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
