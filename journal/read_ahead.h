/* A chain walked by a thread of its own, some batches ahead of who reads them: reading, checksums
 * and tree heads then cost the reader nothing but a copy. Batches come in order, one never before
 * all of them were checked; memory is bounded, the thread waits when it is too far ahead. The
 * normal course: the thread fills blocks of batches, the reader empties them, and the block after
 * the last batch says what the chain found, which is when the thread ends. */
#ifndef TAPLINE_JOURNAL_READ_AHEAD_H
#define TAPLINE_JOURNAL_READ_AHEAD_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"
#include "journal/chain.h"
#include "journal/disk.h"

/* A batch, and what the chain knew when it stood behind it. */
struct read_batch {
    struct frame_header header;
    const uint8_t *payload; /* lives until the next batch of another block is taken */
    uint32_t rules_version; /* of its segment */
    uint64_t segment_first_seq;
    uint8_t root_after[HASH_BYTES]; /* the tree head with it */
    uint64_t done_bytes;
    uint64_t total_bytes;
};

/* What chain_next said last. */
struct read_end {
    enum status status;
    struct finding finding; /* STATUS_END */
    char problem[DISK_PROBLEM_BYTES];
};

struct read_ahead;

/* Starts the thread. The chain is its own until read_ahead_next has returned NULL, or read_ahead
 * was freed. Owns: freed by read_ahead_free. Errors: STATUS_NO_MEMORY (also: no thread). */
MUST_USE enum status read_ahead_open(struct chain *chain, struct read_ahead **read_ahead);

/* The next batch; waits for it. It lives as long as its payload. NULL: there is none, *end says
 * why, and the thread has ended: the chain is the caller's again. */
const struct read_batch *read_ahead_next(struct read_ahead *read_ahead, struct read_end *end);

/* The batch that follows the one taken last by so many, 0: itself; NULL when it is not at hand. */
const struct read_batch *read_ahead_peek(const struct read_ahead *read_ahead, size_t distance);

/* Ends the thread and waits for it. NULL is allowed. */
void read_ahead_free(struct read_ahead *read_ahead);

#endif
