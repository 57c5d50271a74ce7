/* SHA-256 of many short messages at once, for the Merkle tree: where the processor has instructions
 * for it, several messages go through them side by side, because one alone waits for each step's
 * result. Elsewhere one after the other by nettle, which the results are compared with by a test.
 * The chained digest, which cannot be done side by side, speaks to nettle itself. */
#ifndef TAPLINE_JOURNAL_SHA256_H
#define TAPLINE_JOURNAL_SHA256_H

#include <stddef.h>
#include <stdint.h>

#include "base/units.h"

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

#endif
