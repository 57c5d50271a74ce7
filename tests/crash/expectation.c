#include "expectation.h"

#include <string.h>

#define HEADER_BYTES ((size_t)4096)

static bool is_zero(const uint8_t *image, size_t from, size_t size)
{
    for (size_t i = from; i < size; i++) {
        if (image[i] != 0) {
            return false;
        }
    }
    return true;
}

/* True when some frame of the journal, whole to its last byte, stands at `at`. */
static bool frame_stands_at(const struct made_journal *made, const uint8_t *image, size_t size,
                            size_t at)
{
    for (unsigned i = 0; i < made->batch_count; i++) {
        const size_t bytes = made->batches[i].bytes;
        if (bytes <= size - at && memcmp(image + at, made_frame(made, i), bytes) == 0) {
            return true;
        }
    }
    return false;
}

static bool frame_stands_from(const struct made_journal *made, const uint8_t *image, size_t size,
                              size_t from)
{
    for (size_t at = from; at < size; at += FORMAT_FRAME_ALIGNMENT) {
        if (frame_stands_at(made, image, size, at)) {
            return true;
        }
    }
    return false;
}

static struct expectation refused(struct expectation found, char rule, enum status status)
{
    found.rule = rule;
    found.status = status;
    return found;
}

/* Rows b, c and f: the last segment has no header. */
static struct expectation without_header(const struct made_journal *made, const uint8_t *image,
                                         size_t size, uint64_t witness, struct expectation found)
{
    found.offset = 0;
    found.seq = made_last_segment(made)->first_seq;
    if (frame_stands_from(made, image, size, 0)) {
        return refused(found, 'b', STATUS_DAMAGED);
    }
    if (found.seq <= witness) {
        return refused(found, 'c', STATUS_DAMAGED);
    }
    found.rule = 'f';
    found.removed = true;
    return found;
}

struct expectation expect_verdict(const struct made_journal *made, const struct made_journal *other,
                                  const uint8_t *image, size_t size, uint64_t witness)
{
    struct expectation found = {.status = STATUS_OK};
    const struct made_segment *last = made_last_segment(made);
    if (size < HEADER_BYTES || is_zero(image, 0, HEADER_BYTES)) {
        return without_header(made, image, size, witness, found);
    }
    found.seq = last->first_seq;
    if (memcmp(image, last->bytes, HEADER_BYTES) != 0) {
        return refused(found, 'd', STATUS_DAMAGED);
    }
    /* B: the first batch that is not what it was. */
    found.offset = HEADER_BYTES;
    for (unsigned i = 0; i < made->batch_count; i++) {
        const struct made_batch *batch = &made->batches[i];
        if (batch->segment + 1 != made->segment_count) {
            continue;
        }
        if (batch->offset + batch->bytes > size ||
            memcmp(image + batch->offset, made_frame(made, i), batch->bytes) != 0) {
            break;
        }
        found.offset = batch->offset + batch->bytes;
        found.seq = batch->last_seq + 1;
    }
    const size_t at = found.offset < size ? (size_t)found.offset : size;
    const bool is_end = is_zero(image, at, size);
    if (frame_stands_from(made, image, size, at)) {
        return refused(found, 'b', STATUS_DAMAGED);
    }
    if (found.seq <= witness) {
        return is_end ? refused(found, 'e', STATUS_LOST_TAIL) : refused(found, 'c', STATUS_DAMAGED);
    }
    if (is_end) {
        found.rule = found.seq - 1 > witness ? 'h' : 0;
        return found;
    }
    found.rule = frame_stands_at(other, image, size, at) ? 'i' : 'a';
    found.cut = true;
    return found;
}
