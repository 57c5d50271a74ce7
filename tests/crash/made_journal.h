/* A journal made to order, byte by byte with format.h and without the writer: small segments, and
 * batches of the sizes asked for. Its records are the fixture's. It remembers where each batch is
 * and what it was, so that a test can say what a damage means without reading the journal. */
#ifndef TAPLINE_TEST_MADE_JOURNAL_H
#define TAPLINE_TEST_MADE_JOURNAL_H

#include <stddef.h>
#include <stdint.h>

#include "journal/format.h"
#include "memory_disk.h"

#define MADE_SEGMENTS_MAX 4
#define MADE_BATCHES_MAX  16

/* Records of each batch, segment by segment; a 0 ends a segment, two end the journal. */
struct made_shape {
    const char *name;
    unsigned counts[MADE_SEGMENTS_MAX + MADE_BATCHES_MAX];
    uint64_t epoch;
    size_t room_bytes; /* behind the last batch of each segment */
};

struct made_batch {
    unsigned segment;
    uint64_t offset;
    size_t bytes; /* of the frame */
    uint64_t first_seq;
    uint64_t last_seq;
    uint8_t root[HASH_BYTES]; /* tree head after it */
};

struct made_segment {
    uint64_t first_seq;
    uint8_t *bytes;
    size_t size;
};

struct made_journal {
    const struct made_shape *shape;
    struct made_segment segments[MADE_SEGMENTS_MAX];
    unsigned segment_count;
    struct made_batch batches[MADE_BATCHES_MAX];
    unsigned batch_count;
};

void made_journal_init(struct made_journal *made, const struct made_shape *shape);
void made_journal_free(struct made_journal *made);

/* The bytes of a batch's frame. */
const uint8_t *made_frame(const struct made_journal *made, unsigned batch);
const struct made_segment *made_last_segment(const struct made_journal *made);

/* Puts all but the last segment on the empty disk, as data/journal, with data/LOCK; all durable. */
void made_journal_put(const struct made_journal *made, struct memory_disk *disk);

/* Puts a durable file on the disk, in place of one that has the name. */
void made_put_file(struct memory_disk *disk, const char *name, const uint8_t *bytes, size_t size);

#endif
