/* Reading one segment file: a window of its bytes, the frame at an offset, and what lies behind the
 * last good frame. Knows nothing of the segments before and after it. Never writes. */
#ifndef TAPLINE_JOURNAL_SEGMENT_H
#define TAPLINE_JOURNAL_SEGMENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include "journal/disk.h"
#include "journal/format.h"

/* The window: large, so that a scan asks the kernel seldom. */
#define SEGMENT_WINDOW_BYTES ((size_t)4 << 20)

_Static_assert(FORMAT_FRAME_BYTES_MAX <= SEGMENT_WINDOW_BYTES, "the window holds any frame");

struct segment {
    const struct disk *disk;
    struct disk_file *file; /* NULL: closed */
    uint64_t bytes;         /* size of the file when it was opened or last refreshed */
    uint8_t *window;        /* SEGMENT_WINDOW_BYTES, owned */
    uint64_t window_at;
    size_t window_bytes;
    uint64_t window_number; /* another one whenever the window's bytes or their place change */
};

enum frame_kind {
    FRAME_WHOLE,  /* checksum and lengths hold; epoch, seq and tree are the caller's to judge */
    FRAME_NONE,   /* zeros, or the end of the file, where a frame header would be */
    FRAME_BROKEN, /* other bytes */
};

/* What follows an offset at which no good frame was found. */
struct segment_tail {
    uint64_t
        used_end; /* behind the last byte that is not zero; the offset itself when there is none */
    bool has_frame; /* a whole frame of the epoch lies there: the search ends at it */
    uint64_t frame_at;
};

/* Errors: STATUS_NO_MEMORY. */
MUST_USE enum status segment_init(struct segment *segment, const struct disk *disk);
void segment_free(struct segment *segment);

/* Errors: STATUS_NOT_FOUND, STATUS_IO, STATUS_NO_MEMORY. */
MUST_USE enum status segment_open(struct segment *segment, const char *path);
void segment_close(struct segment *segment);

/* Forgets the window and asks for the size again, so that the next read sees what a writer wrote
 * since. Errors: STATUS_IO. */
MUST_USE enum status segment_refresh(struct segment *segment);

/* The header. Errors: STATUS_NOT_FOUND zero or too short; STATUS_DAMAGED; STATUS_VERSION;
 * STATUS_IO. */
MUST_USE enum status segment_read_header(struct segment *segment, struct segment_header *header);

/* What is at offset; for FRAME_WHOLE *header and *frame too.
 * Owns: *frame lives until the next call. Errors: STATUS_IO. */
MUST_USE enum status segment_read_frame(struct segment *segment, uint64_t offset,
                                        enum frame_kind *kind, struct frame_header *header,
                                        const uint8_t **frame);

/* The bytes from offset on when the window holds all of them, else NULL. They live until the next
 * call of the others. */
const uint8_t *segment_peek(const struct segment *segment, uint64_t offset, size_t bytes);

/* Searches from offset (a multiple of 4) to the end of the file. `epoch` NULL: a frame of any epoch
 * will do. Errors: STATUS_IO. */
MUST_USE enum status segment_read_tail(struct segment *segment, uint64_t offset,
                                       const uint64_t *epoch, struct segment_tail *tail);

/* Copies bytes from offset on; *done is less at the end of the file only. Errors: STATUS_IO. */
MUST_USE enum status segment_read(struct segment *segment, uint64_t offset, uint8_t *to,
                                  size_t bytes, size_t *done);

#endif
