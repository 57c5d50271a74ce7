#include "journal/prehash.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/check.h"

/* About the bytes of a record; so many are asked for with each one, some records ahead. Behind the
 * window's end that asks for nothing. */
#define AHEAD_BYTES 192

struct prehash {
    /* The run that was hashed, and what it was made of. */
    const struct segment *segment;
    uint64_t window; /* the segment's window_number then: the bytes are still those */
    size_t next;     /* the frame of the run that is asked for next */
    uint64_t offsets[MERKLE_RUN_ENDS];
    struct merkle_run run;
    struct merkle_record records[MERKLE_RUN_LEAVES];
};

enum status prehash_open(struct prehash **prehash)
{
    struct prehash *made = calloc(1, sizeof *made);
    if (made == NULL) {
        return STATUS_NO_MEMORY;
    }
    *prehash = made;
    return STATUS_OK;
}

void prehash_free(struct prehash *prehash)
{
    free(prehash);
}

/* Adds the records of a frame to the run. False, and nothing added, when they are not within the
 * payload or do not fit the run any more. */
static bool add_frame(struct prehash *prehash, uint64_t offset, const struct frame_header *header,
                      const uint8_t *payload)
{
    struct merkle_run *run = &prehash->run;
    if (run->end_count == MERKLE_RUN_ENDS || header->count > MERKLE_RUN_LEAVES - run->count) {
        return false;
    }
    size_t left = header->payload_bytes;
    for (uint32_t i = 0; i < header->count; i++) {
        if (left < FORMAT_RECORD_LENGTH_BYTES) {
            return false;
        }
        const uint32_t length = load_u16(payload);
        left -= FORMAT_RECORD_LENGTH_BYTES;
        if (length > left) {
            return false;
        }
        /* Nobody has touched these bytes since they were read, and where a record begins is known
         * only from the one before it. */
        for (size_t line = 0; line < AHEAD_BYTES; line += 64) {
            __builtin_prefetch((const void *)((uintptr_t)payload + 6 * AHEAD_BYTES + line));
        }
        prehash->records[run->count + i] =
            (struct merkle_record){payload + FORMAT_RECORD_LENGTH_BYTES, length};
        payload += FORMAT_RECORD_LENGTH_BYTES + length;
        left -= length;
    }
    prehash->offsets[run->end_count] = offset;
    run->count += header->count;
    run->ends[run->end_count] = (uint32_t)run->count;
    run->end_count++;
    return true;
}

/* The frame at an offset, when all of it is in the window. Its checksum is not looked at. */
static const uint8_t *peek_frame(const struct segment *segment, uint64_t offset,
                                 struct frame_header *header)
{
    const uint8_t *at = segment_peek(segment, offset, FORMAT_FRAME_HEADER_BYTES);
    if (at == NULL || !format_get_frame_header(at, header)) {
        return NULL;
    }
    return segment_peek(segment, offset, format_frame_bytes(header->payload_bytes));
}

/* Begins a run with the frame at `offset` and takes in what follows and looks like its like. False:
 * the frame alone is longer than a run. */
static bool begin_run(struct prehash *prehash, const struct segment *segment, uint64_t offset,
                      const struct merkle *tree)
{
    struct merkle_run *run = &prehash->run;
    run->before = *tree;
    run->count = 0;
    run->end_count = 0;
    prehash->next = 0;
    prehash->segment = segment;
    prehash->window = segment->window_number;
    for (;;) {
        struct frame_header header;
        const uint8_t *frame = peek_frame(segment, offset, &header);
        if (frame == NULL || header.first_seq != tree->size + 1 + run->count ||
            !add_frame(prehash, offset, &header, frame + FORMAT_FRAME_HEADER_BYTES)) {
            break;
        }
        offset += format_frame_bytes(header.payload_bytes);
    }
    if (run->end_count == 0) {
        return false;
    }
    merkle_run_leaves(run, prehash->records, run->count);
    merkle_run_grow(run);
    return true;
}

static bool is_next_of_run(const struct prehash *prehash, const struct segment *segment,
                           uint64_t offset, const uint8_t *root_before, const struct merkle *tree)
{
    const struct merkle_run *run = &prehash->run;
    const size_t next = prehash->next;
    return next > 0 && next < run->end_count && prehash->segment == segment &&
           prehash->window == segment->window_number && prehash->offsets[next] == offset &&
           tree->size == run->before.size + run->ends[next - 1] &&
           memcmp(root_before, run->roots[next - 1], HASH_BYTES) == 0;
}

/* A frame of more records than a run holds: a run after the other. */
static void grow_long(struct prehash *prehash, const struct frame_header *header,
                      const uint8_t *payload, struct merkle *tree, uint8_t *root_after)
{
    struct merkle_run *run = &prehash->run;
    for (uint32_t done = 0; done < header->count; done += (uint32_t)run->count) {
        const uint32_t left = header->count - done;
        run->before = *tree;
        run->count = left < MERKLE_RUN_LEAVES ? left : MERKLE_RUN_LEAVES;
        for (size_t i = 0; i < run->count; i++) {
            const uint32_t length = load_u16(payload);
            prehash->records[i] =
                (struct merkle_record){payload + FORMAT_RECORD_LENGTH_BYTES, length};
            payload += FORMAT_RECORD_LENGTH_BYTES + length;
        }
        run->ends[0] = (uint32_t)run->count;
        run->end_count = 1;
        merkle_run_leaves(run, prehash->records, run->count);
        merkle_run_grow(run);
        merkle_run_tree(run, 0, tree);
        memcpy(root_after, run->roots[0], HASH_BYTES);
    }
    prehash->next = 0;
    run->end_count = 0;
}

void prehash_grow(struct prehash *prehash, const struct segment *segment, uint64_t offset,
                  const struct frame_header *header, const uint8_t *root_before,
                  struct merkle *tree, uint8_t *root_after)
{
    if (!is_next_of_run(prehash, segment, offset, root_before, tree) &&
        !begin_run(prehash, segment, offset, tree)) {
        const uint8_t *frame =
            segment_peek(segment, offset, format_frame_bytes(header->payload_bytes));
        CHECK(frame != NULL);
        grow_long(prehash, header, frame + FORMAT_FRAME_HEADER_BYTES, tree, root_after);
        return;
    }
    merkle_run_tree(&prehash->run, prehash->next, tree);
    memcpy(root_after, prehash->run.roots[prehash->next], HASH_BYTES);
    prehash->next++;
}
