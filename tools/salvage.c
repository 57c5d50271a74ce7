#include "tools/salvage.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "journal/disk.h"
#include "journal/segment.h"

#define PATH_BYTES 1024

struct salvage {
    const struct salvage_visitor *visitor;
    char journal_dir[PATH_BYTES];
    uint64_t *segments; /* first seqs, rising */
    size_t segment_count;
    bool list_failed;
    size_t open_segment; /* which of them is open */
    struct segment segment;
    char name[FORMAT_NAME_BYTES]; /* of the open one */
    uint64_t epoch;               /* of the journal; 0: not known yet */
    uint64_t next_seq;            /* 0: any */
};

static void tell(struct salvage *salvage, bool is_tail, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static void tell(struct salvage *salvage, bool is_tail, const char *format, ...)
{
    char line[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    salvage->visitor->damage(salvage->visitor->context, line, is_tail);
}

/* --- Which segments there are. -------------------------------------------------------------------
 */

static void note_name(void *context, const char *name)
{
    struct salvage *salvage = context;
    uint64_t first_seq;
    if (!format_parse_segment_name(name, &first_seq)) {
        return;
    }
    uint64_t *grown =
        realloc(salvage->segments, (salvage->segment_count + 1) * sizeof salvage->segments[0]);
    if (grown == NULL) {
        salvage->list_failed = true;
        return;
    }
    salvage->segments = grown;
    salvage->segments[salvage->segment_count] = first_seq;
    salvage->segment_count += 1;
}

static int order_seqs(const void *a, const void *b)
{
    const uint64_t left = *(const uint64_t *)a;
    const uint64_t right = *(const uint64_t *)b;
    return left < right ? -1 : left > right ? 1 : 0;
}

static enum status list_segments(struct salvage *salvage)
{
    const struct disk *disk = disk_posix();
    const enum status status = disk->list(disk->context, salvage->journal_dir, salvage, note_name);
    if (status != STATUS_OK) {
        return status;
    }
    if (salvage->list_failed) {
        return STATUS_NO_MEMORY;
    }
    if (salvage->segment_count == 0) {
        return STATUS_NOT_FOUND;
    }
    qsort(salvage->segments, salvage->segment_count, sizeof salvage->segments[0], order_seqs);
    return STATUS_OK;
}

/* --- One segment. --------------------------------------------------------------------------------
 */

static enum status visit_frame(struct salvage *salvage, uint64_t offset,
                               const struct frame_header *header, const uint8_t *frame)
{
    if (salvage->epoch != 0 && header->epoch != salvage->epoch) {
        tell(salvage, false, "%s, offset %" PRIu64 ": a frame of another journal, passed over",
             salvage->name, offset);
        return STATUS_OK;
    }
    salvage->epoch = header->epoch;
    if (salvage->next_seq != 0 && header->first_seq < salvage->next_seq) {
        tell(salvage, false, "%s, offset %" PRIu64 ": an old frame of seq %" PRIu64 ", passed over",
             salvage->name, offset, header->first_seq);
        return STATUS_OK;
    }
    if (salvage->next_seq != 0 && header->first_seq > salvage->next_seq) {
        tell(salvage, false,
             "%s, offset %" PRIu64 ": seq %" PRIu64 " to %" PRIu64 " cannot be read", salvage->name,
             offset, salvage->next_seq, header->first_seq - 1);
    }
    const uint8_t *at = frame + FORMAT_FRAME_HEADER_BYTES;
    for (uint32_t i = 0; i < header->count; i++) {
        const uint32_t length = load_u32(at);
        at += FORMAT_RECORD_LENGTH_BYTES;
        salvage->next_seq = header->first_seq + i + 1;
        const enum status status =
            salvage->visitor->record(salvage->visitor->context, header->first_seq + i, at, length);
        if (status != STATUS_OK) {
            return status;
        }
        at += length;
    }
    return STATUS_OK;
}

/* True when no record can be missing between the open segment and the next one. */
static bool is_tail(const struct salvage *salvage)
{
    const size_t next = salvage->open_segment + 1;
    return next == salvage->segment_count || salvage->segments[next] == salvage->next_seq;
}

/* Behind a place where no whole frame is: the next whole one, or STATUS_END. Zeros up to the end of
 * the file are the room that was allocated in advance. */
static enum status skip_broken(struct salvage *salvage, uint64_t *offset)
{
    struct segment_tail tail;
    const enum status status = segment_read_tail(&salvage->segment, *offset, NULL, &tail);
    if (status != STATUS_OK) {
        return status;
    }
    if (tail.has_frame) {
        tell(salvage, false,
             "%s, offset %" PRIu64 ": %" PRIu64 " damaged bytes, from seq %" PRIu64 " on",
             salvage->name, *offset, tail.frame_at - *offset, salvage->next_seq);
        *offset = tail.frame_at;
        return STATUS_OK;
    }
    if (tail.used_end > *offset) {
        tell(salvage, is_tail(salvage),
             "%s, offset %" PRIu64 ": %" PRIu64 " bytes that are no whole frame, from seq %" PRIu64
             " on (an unfinished write, if nothing follows)",
             salvage->name, *offset, tail.used_end - *offset, salvage->next_seq);
    }
    return STATUS_END;
}

static enum status visit_frames(struct salvage *salvage)
{
    uint64_t offset = FORMAT_SEGMENT_HEADER_BYTES;
    for (;;) {
        enum frame_kind kind;
        struct frame_header header;
        const uint8_t *frame;
        enum status status = segment_read_frame(&salvage->segment, offset, &kind, &header, &frame);
        if (status != STATUS_OK) {
            return status;
        }
        switch (kind) {
        case FRAME_WHOLE:
            status = visit_frame(salvage, offset, &header, frame);
            offset += format_frame_bytes(header.payload_bytes);
            break;
        case FRAME_NONE:
        case FRAME_BROKEN:
            status = skip_broken(salvage, &offset);
            if (status == STATUS_END) {
                return STATUS_OK;
            }
            break;
        }
        if (status != STATUS_OK) {
            return status;
        }
    }
}

static enum status visit_segment(struct salvage *salvage, size_t which)
{
    const uint64_t first_seq = salvage->segments[which];
    salvage->open_segment = which;
    char path[PATH_BYTES + FORMAT_NAME_BYTES + 1];
    format_segment_name(first_seq, salvage->name);
    snprintf(path, sizeof path, "%s/%s", salvage->journal_dir, salvage->name);
    enum status status = segment_open(&salvage->segment, path);
    if (status != STATUS_OK) {
        tell(salvage, false, "%s: cannot be opened: %s", salvage->name, status_text(status));
        return STATUS_OK;
    }
    struct segment_header header;
    status = segment_read_header(&salvage->segment, &header);
    if (status != STATUS_OK) {
        tell(salvage, false, "%s, offset 0: the header: %s", salvage->name, status_text(status));
    } else if (salvage->epoch == 0) {
        salvage->epoch = header.epoch;
    }
    if (salvage->next_seq == 0) {
        salvage->next_seq = first_seq;
    }
    status = visit_frames(salvage);
    segment_close(&salvage->segment);
    return status;
}

/* The segment that holds seq: the last that begins at it or before. */
static size_t first_segment(const struct salvage *salvage, uint64_t seq)
{
    size_t first = 0;
    for (size_t i = 0; i < salvage->segment_count && salvage->segments[i] <= seq; i++) {
        first = i;
    }
    return first;
}

enum status salvage_run(const char *data_dir, uint64_t from_seq,
                        const struct salvage_visitor *visitor)
{
    struct salvage salvage = {.visitor = visitor};
    snprintf(salvage.journal_dir, sizeof salvage.journal_dir, "%s/journal", data_dir);
    enum status status = list_segments(&salvage);
    if (status == STATUS_OK) {
        status = segment_init(&salvage.segment, disk_posix());
        if (status == STATUS_OK) {
            for (size_t i = first_segment(&salvage, from_seq);
                 status == STATUS_OK && i < salvage.segment_count; i++) {
                status = visit_segment(&salvage, i);
            }
            segment_free(&salvage.segment);
        }
    }
    free(salvage.segments);
    return status == STATUS_END ? STATUS_OK : status;
}
