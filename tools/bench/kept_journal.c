#include "tools/bench/kept_journal.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#include "base/bytes.h"
#include "journal/disk.h"
#include "journal/format.h"
#include "statemachine/input.h"
#include "tools/bench/journal_files.h"

/* One field of a protobuf message: its number, and where its content is. */
struct wire_field {
    uint32_t number;
    size_t bytes; /* with tag and length */
    const uint8_t *content;
    size_t content_bytes; /* of a length-delimited one, else 0 */
};

struct reading {
    struct kept_journal *kept;
    ZSTD_CCtx *packer;
    uint8_t *file;
    size_t file_room;
    size_t file_bytes;
    uint8_t *packed;
    size_t packed_room;
};

static bool take_varint(const uint8_t *from, size_t length, size_t *at, uint64_t *value)
{
    *value = 0;
    for (unsigned shift = 0; shift < 64 && *at < length; shift += 7) {
        const uint8_t byte = from[(*at)++];
        *value |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80) {
            return true;
        }
    }
    return false;
}

/* The field at *at, which moves behind it. Our messages have varints and length-delimited fields
 * only. */
static bool take_field(const uint8_t *from, size_t length, size_t *at, struct wire_field *field)
{
    const size_t begin = *at;
    uint64_t tag;
    uint64_t value;
    if (!take_varint(from, length, at, &tag) || !take_varint(from, length, at, &value) ||
        (tag & 7) > 2 || (tag & 7) == 1) {
        return false;
    }
    *field = (struct wire_field){.number = tag >> 3 < KEPT_FIELDS ? (uint32_t)(tag >> 3) : 0};
    if ((tag & 7) == 2) {
        if (value > length - *at) {
            return false;
        }
        field->content = from + *at;
        field->content_bytes = (size_t)value;
        *at += (size_t)value;
    }
    field->bytes = *at - begin;
    return true;
}

static bool count_tap(struct kept_journal *kept, const struct wire_field *tap, size_t record_bytes)
{
    size_t at = 0;
    while (at < tap->content_bytes) {
        struct wire_field field;
        if (!take_field(tap->content, tap->content_bytes, &at, &field)) {
            return false;
        }
        kept->tap_field_bytes[field.number] += field.bytes;
    }
    kept->taps += 1;
    kept->tap_frame_bytes += record_bytes - tap->content_bytes;
    return true;
}

static bool count_record(struct kept_journal *kept, const uint8_t *record, size_t length)
{
    struct wire_field kind = {0};
    for (size_t at = 0; at < length;) {
        struct wire_field field;
        if (!take_field(record, length, &at, &field)) {
            return false;
        }
        kind = field.content == NULL ? kind : field;
    }
    kept->records += 1;
    kept->kind_count[kind.number] += 1;
    kept->kind_bytes[kind.number] += length;
    return kind.number != INPUT_TAP || count_tap(kept, &kind, length);
}

/* All frames of the segment in memory. */
static enum status count_segment(const struct reading *reading)
{
    struct kept_journal *kept = reading->kept;
    struct segment_header about;
    if (reading->file_bytes < FORMAT_SEGMENT_HEADER_BYTES) {
        return STATUS_DAMAGED;
    }
    const enum status status = format_get_segment_header(reading->file, &about);
    if (status != STATUS_OK) {
        return status == STATUS_NOT_FOUND ? STATUS_DAMAGED : status;
    }
    kept->segments += 1;
    kept->segment_header_bytes += FORMAT_SEGMENT_HEADER_BYTES;
    size_t at = FORMAT_SEGMENT_HEADER_BYTES;
    struct frame_header header;
    while (reading->file_bytes - at >= FORMAT_FRAME_HEADER_BYTES &&
           format_get_frame_header(reading->file + at, &header)) {
        const uint8_t *frame = reading->file + at;
        const size_t bytes = format_frame_bytes(header.payload_bytes);
        if (bytes > reading->file_bytes - at || !format_frame_is_whole(&header, frame)) {
            break; /* the end, or damage: not ours to judge */
        }
        const uint8_t *record = frame + FORMAT_FRAME_HEADER_BYTES;
        for (uint32_t i = 0; i < header.count; i++) {
            const uint32_t length = load_u16(record);
            record += FORMAT_RECORD_LENGTH_BYTES;
            if (!count_record(kept, record, length)) {
                return STATUS_INVALID;
            }
            record += length;
        }
        kept->frames += 1;
        kept->frame_header_bytes += FORMAT_FRAME_HEADER_BYTES;
        kept->length_bytes += header.count * FORMAT_RECORD_LENGTH_BYTES;
        kept->padding_bytes += bytes - FORMAT_FRAME_HEADER_BYTES - header.payload_bytes;
        at += bytes;
    }
    return STATUS_OK;
}

static bool make_room(uint8_t **memory, size_t *room, size_t bytes)
{
    if (bytes > *room) {
        uint8_t *grown = realloc(*memory, bytes);
        if (grown == NULL) {
            return false;
        }
        *memory = grown;
        *room = bytes;
    }
    return true;
}

static enum status load(struct reading *reading, const char *path)
{
    const struct disk *disk = disk_posix();
    struct disk_file *file;
    enum status status = disk->open(disk->context, path, false, true, &file);
    if (status != STATUS_OK) {
        return status;
    }
    uint64_t bytes;
    status = disk->size(disk->context, file, &bytes);
    if (status == STATUS_OK && !make_room(&reading->file, &reading->file_room, bytes)) {
        status = STATUS_NO_MEMORY;
    }
    if (status == STATUS_OK) {
        status = disk->read(disk->context, file, 0, reading->file, bytes, &reading->file_bytes);
    }
    (void)disk->close(disk->context, file); /* it was only read */
    return status;
}

static enum status pack_segment(struct reading *reading, const int levels[KEPT_LEVELS],
                                uint64_t taps)
{
    struct kept_journal *kept = reading->kept;
    const size_t room = ZSTD_compressBound(reading->file_bytes);
    if (!make_room(&reading->packed, &reading->packed_room, room)) {
        return STATUS_NO_MEMORY;
    }
    for (size_t i = 0; i < KEPT_LEVELS; i++) {
        const size_t bytes =
            ZSTD_compressCCtx(reading->packer, reading->packed, reading->packed_room, reading->file,
                              reading->file_bytes, levels[i]);
        if (ZSTD_isError(bytes)) {
            return STATUS_NO_MEMORY; /* the room suffices by its bound */
        }
        kept->packed_to_bytes[i] += bytes;
    }
    kept->packed_segments += 1;
    kept->packed_taps += taps;
    kept->packed_from_bytes += reading->file_bytes;
    return STATUS_OK;
}

/* True for `sample` of the sealed segments, evenly spread. */
static bool is_in_sample(size_t index, size_t sealed, uint64_t sample)
{
    if (index >= sealed) {
        return false;
    }
    return sample == 0 || sample >= sealed ||
           index * sample / sealed != (index + 1) * sample / sealed;
}

enum status kept_journal_read(const char *data_dir, const int levels[KEPT_LEVELS], uint64_t sample,
                              struct kept_journal *kept)
{
    struct reading reading = {.kept = kept, .packer = ZSTD_createCCtx()};
    uint64_t *first_seqs = NULL;
    size_t count = 0;
    *kept = (struct kept_journal){0};
    enum status status = reading.packer == NULL ? STATUS_NO_MEMORY
                                                : journal_files_list(data_dir, &first_seqs, &count);
    if (status == STATUS_OK && count == 0) {
        status = STATUS_NOT_FOUND;
    }
    const size_t sealed = count > 1 ? count - 1 : count;
    for (size_t i = 0; status == STATUS_OK && i < count; i++) {
        char path[JOURNAL_FILES_PATH_BYTES];
        const uint64_t taps_before = kept->taps;
        journal_files_path(data_dir, first_seqs[i], path);
        status = load(&reading, path);
        if (status == STATUS_OK) {
            status = count_segment(&reading);
        }
        if (status == STATUS_OK && is_in_sample(i, sealed, sample)) {
            status = pack_segment(&reading, levels, kept->taps - taps_before);
        }
    }
    free(first_seqs);
    free(reading.file);
    free(reading.packed);
    ZSTD_freeCCtx(reading.packer);
    return status;
}
