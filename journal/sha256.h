/* SHA-256 of many short messages at once, for the Merkle tree: where the processor has instructions
 * for it, several messages go through them side by side, because one alone waits for each step's
 * result. Elsewhere one after the other by nettle, which the results are compared with by a test.
 * And of one message of any length, block by block out of its maker's own buffer, for the chained
 * digest, which cannot be done side by side. */
#ifndef TAPLINE_JOURNAL_SHA256_H
#define TAPLINE_JOURNAL_SHA256_H

#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include "base/units.h"

#define SHA256_BLOCK_BYTES 64

/* One message in two pieces, so that neither a prefix nor a pair of hashes needs a copy. */
struct sha256_message {
    uint8_t prefix; /* the first byte of the message */
    const uint8_t *first;
    size_t first_bytes;
    const uint8_t *second;
    size_t second_bytes;
    uint8_t *hash; /* where HASH_BYTES bytes go; may be one of the pieces of this message alone */
};

/* Hashes all of them. */
void sha256_many(const struct sha256_message *messages, size_t count);

/* The same without the processor's instructions; the two are compared by a test. */
void sha256_many_portable(const struct sha256_message *messages, size_t count);

/* One message: begin, any number of blocks, end; then the next one. The bytes are hashed where they
 * lie. */
struct sha256_stream;

/* Owns: freed by sha256_stream_free. Errors: STATUS_NO_MEMORY. */
MUST_USE enum status sha256_stream_open(struct sha256_stream **stream);

/* The same without the processor's instructions; the two are compared by a test. */
MUST_USE enum status sha256_stream_open_portable(struct sha256_stream **stream);

void sha256_stream_begin(struct sha256_stream *stream);

/* The next `count` blocks of the message, SHA256_BLOCK_BYTES each. */
void sha256_stream_blocks(struct sha256_stream *stream, const uint8_t *blocks, size_t count);

/* The rest of the message, of any length. Its padding is written behind it: the buffer has
 * 2 * SHA256_BLOCK_BYTES bytes more. HASH_BYTES bytes go to `hash`. */
void sha256_stream_end(struct sha256_stream *stream, uint8_t *rest, size_t bytes, uint8_t *hash);

void sha256_stream_free(struct sha256_stream *stream); /* NULL is allowed */

#endif
