#include "journal/segment.h"

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/check.h"

#define TAIL_STEP_BYTES ((size_t)1 << 20)

enum status segment_init(struct segment *segment, const struct disk *disk)
{
    memset(segment, 0, sizeof *segment);
    segment->disk = disk;
    segment->window = malloc(SEGMENT_WINDOW_BYTES);
    return segment->window == NULL ? STATUS_NO_MEMORY : STATUS_OK;
}

void segment_free(struct segment *segment)
{
    segment_close(segment);
    free(segment->window);
    segment->window = NULL;
}

enum status segment_open(struct segment *segment, const char *path)
{
    CHECK(segment->file == NULL);
    struct disk_file *file;
    enum status status = segment->disk->open(segment->disk->context, path, false, true, &file);
    if (status != STATUS_OK) {
        return status;
    }
    segment->file = file;
    status = segment_refresh(segment);
    if (status != STATUS_OK) {
        segment_close(segment);
    }
    return status;
}

void segment_close(struct segment *segment)
{
    if (segment->file != NULL) {
        /* Opened for reading only: no error of a close can lose anything. */
        (void)segment->disk->close(segment->disk->context, segment->file);
        segment->file = NULL;
    }
}

enum status segment_refresh(struct segment *segment)
{
    segment->window_number++;
    segment->window_bytes = 0;
    return segment->disk->size(segment->disk->context, segment->file, &segment->bytes);
}

enum status segment_read(struct segment *segment, uint64_t offset, uint8_t *to, size_t bytes,
                         size_t *done)
{
    return segment->disk->read(segment->disk->context, segment->file, offset, to, bytes, done);
}

/* Points *at to the bytes from offset on, at most `bytes` of them; *available is less at the end of
 * the file only. */
static enum status view(struct segment *segment, uint64_t offset, size_t bytes, const uint8_t **at,
                        size_t *available)
{
    const uint64_t left = offset < segment->bytes ? segment->bytes - offset : 0;
    const size_t wanted = left < bytes ? (size_t)left : bytes;
    const bool begins_inside =
        offset >= segment->window_at && offset - segment->window_at <= segment->window_bytes;
    size_t have = 0;
    if (begins_inside) {
        have = segment->window_bytes - (size_t)(offset - segment->window_at);
    }
    if (have < wanted) {
        segment->window_number++;
        if (have > 0) {
            memmove(segment->window, segment->window + (offset - segment->window_at), have);
        }
        segment->window_at = offset;
        segment->window_bytes = have;
        const uint64_t fill = left < SEGMENT_WINDOW_BYTES ? left : SEGMENT_WINDOW_BYTES;
        size_t done = 0;
        const enum status status = segment_read(segment, offset + have, segment->window + have,
                                                (size_t)fill - have, &done);
        if (status != STATUS_OK) {
            segment->window_bytes = 0;
            return status;
        }
        segment->window_bytes += done;
        have = segment->window_bytes;
    }
    *at = wanted == 0 ? segment->window : segment->window + (offset - segment->window_at);
    *available = have < wanted ? have : wanted;
    return STATUS_OK;
}

const uint8_t *segment_peek(const struct segment *segment, uint64_t offset, size_t bytes)
{
    if (offset < segment->window_at || offset - segment->window_at > segment->window_bytes) {
        return NULL;
    }
    const size_t begin = (size_t)(offset - segment->window_at);
    return segment->window_bytes - begin < bytes ? NULL : segment->window + begin;
}

enum status segment_read_header(struct segment *segment, struct segment_header *header)
{
    const uint8_t *at;
    size_t available;
    const enum status status = view(segment, 0, FORMAT_SEGMENT_HEADER_BYTES, &at, &available);
    if (status != STATUS_OK) {
        return status;
    }
    if (available < FORMAT_SEGMENT_HEADER_BYTES) {
        return STATUS_NOT_FOUND;
    }
    return format_get_segment_header(at, header);
}

static bool all_zero(const uint8_t *bytes, size_t length)
{
    /* Equal to itself shifted by one and beginning with zero: memcmp is the fastest loop there is.
     */
    return length == 0 || (bytes[0] == 0 && memcmp(bytes, bytes + 1, length - 1) == 0);
}

enum status segment_read_frame(struct segment *segment, uint64_t offset, enum frame_kind *kind,
                               struct frame_header *header, const uint8_t **frame)
{
    const uint8_t *at;
    size_t available;
    enum status status = view(segment, offset, FORMAT_FRAME_HEADER_BYTES, &at, &available);
    if (status != STATUS_OK) {
        return status;
    }
    if (all_zero(at, available)) {
        *kind = FRAME_NONE;
        return STATUS_OK;
    }
    *kind = FRAME_BROKEN;
    struct frame_header found;
    if (available < FORMAT_FRAME_HEADER_BYTES || !format_get_frame_header(at, &found)) {
        return STATUS_OK;
    }
    const size_t frame_bytes = format_frame_bytes(found.payload_bytes);
    status = view(segment, offset, frame_bytes, &at, &available);
    if (status != STATUS_OK) {
        return status;
    }
    if (available == frame_bytes && format_frame_is_whole(&found, at)) {
        *kind = FRAME_WHOLE;
        *header = found;
        *frame = at;
    }
    return STATUS_OK;
}

/* Whether a whole frame of the epoch begins at offset. The epoch is compared before the checksum,
 * so that records made to look like frame headers cannot make the search slow. */
static enum status is_frame_of(struct segment *segment, uint64_t offset, const uint64_t *epoch,
                               bool *found)
{
    const uint8_t *at;
    size_t available;
    struct frame_header header;
    *found = false;
    enum status status = view(segment, offset, FORMAT_FRAME_HEADER_BYTES, &at, &available);
    if (status != STATUS_OK || available < FORMAT_FRAME_HEADER_BYTES ||
        !format_get_frame_header(at, &header) || (epoch != NULL && header.epoch != *epoch)) {
        return status;
    }
    enum frame_kind kind;
    status = segment_read_frame(segment, offset, &kind, &header, &at);
    *found = status == STATUS_OK && kind == FRAME_WHOLE;
    return status;
}

enum status segment_read_tail(struct segment *segment, uint64_t offset, const uint64_t *epoch,
                              struct segment_tail *tail)
{
    CHECK(offset % FORMAT_FRAME_ALIGNMENT == 0);
    tail->used_end = offset;
    tail->has_frame = false;
    tail->frame_at = 0;
    while (offset < segment->bytes) {
        const uint8_t *at;
        size_t available;
        enum status status = view(segment, offset, TAIL_STEP_BYTES, &at, &available);
        if (status != STATUS_OK) {
            return status;
        }
        if (available == 0) {
            return STATUS_OK; /* the file became shorter */
        }
        if (all_zero(at, available)) {
            offset += available;
            continue;
        }
        /* Words of 4 up to the first that may begin a frame; the last word may be a shorter one. */
        size_t i = 0;
        for (; i < available; i += FORMAT_FRAME_ALIGNMENT) {
            const size_t left = available - i;
            const size_t word = left < FORMAT_FRAME_ALIGNMENT ? left : FORMAT_FRAME_ALIGNMENT;
            if (all_zero(at + i, word)) {
                continue;
            }
            tail->used_end = offset + i + word;
            if (word == FORMAT_FRAME_ALIGNMENT && format_may_begin_frame(at + i)) {
                break;
            }
        }
        if (i >= available) {
            offset += available;
            continue;
        }
        status = is_frame_of(segment, offset + i, epoch, &tail->has_frame);
        if (status != STATUS_OK) {
            return status;
        }
        if (tail->has_frame) {
            tail->frame_at = offset + i;
            return STATUS_OK;
        }
        offset += i + FORMAT_FRAME_ALIGNMENT;
    }
    return STATUS_OK;
}
