#include "made_journal.h"

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/check.h"
#include "fixture.h"

#define SEGMENT_ROOM ((size_t)16384) /* no shape's segment is larger */

/* Appends a frame with `count` records at `to` and grows the tree. */
static void put_batch(struct made_batch *batch, struct merkle *tree, uint64_t epoch, unsigned count,
                      uint8_t *to)
{
    struct frame_header header = {.epoch = epoch, .first_seq = tree->size + 1, .count = count};
    merkle_root(tree, header.root);
    uint8_t *record = to + FORMAT_FRAME_HEADER_BYTES;
    for (unsigned i = 0; i < count; i++) {
        uint8_t hash[HASH_BYTES];
        const size_t length = fixture_record(tree->size + 1, record + FORMAT_RECORD_LENGTH_BYTES);
        store_u16(record, (uint16_t)length);
        merkle_leaf(record + FORMAT_RECORD_LENGTH_BYTES, length, hash);
        merkle_append(tree, hash);
        record += FORMAT_RECORD_LENGTH_BYTES + length;
    }
    header.payload_bytes = (uint32_t)(record - to - (ptrdiff_t)FORMAT_FRAME_HEADER_BYTES);
    format_put_frame(&header, to);
    batch->bytes = format_frame_bytes(header.payload_bytes);
    batch->first_seq = header.first_seq;
    batch->last_seq = tree->size;
    merkle_root(tree, batch->root);
}

/* Makes one segment of the counts up to a 0. Returns how many there were. */
static unsigned make_segment(struct made_journal *made, const unsigned *counts, struct merkle *tree)
{
    struct made_segment *segment = &made->segments[made->segment_count];
    struct segment_header header = {.rules_version = 1, .epoch = made->shape->epoch, .tree = *tree};
    segment->first_seq = tree->size + 1;
    segment->bytes = calloc(1, SEGMENT_ROOM);
    CHECK(segment->bytes != NULL);
    uint64_t offset = FORMAT_SEGMENT_HEADER_BYTES;
    unsigned count = 0;
    for (; counts[count] != 0; count++) {
        struct made_batch *batch = &made->batches[made->batch_count++];
        batch->segment = made->segment_count;
        batch->offset = offset;
        put_batch(batch, tree, made->shape->epoch, counts[count], segment->bytes + offset);
        offset += batch->bytes;
    }
    segment->size = (size_t)offset + made->shape->room_bytes;
    CHECK(segment->size <= SEGMENT_ROOM);
    header.segment_bytes = segment->size;
    format_put_segment_header(&header, segment->bytes);
    made->segment_count++;
    return count;
}

void made_journal_init(struct made_journal *made, const struct made_shape *shape)
{
    struct merkle tree;
    memset(made, 0, sizeof *made);
    made->shape = shape;
    merkle_init(&tree);
    for (const unsigned *counts = shape->counts; *counts != 0;) {
        counts += make_segment(made, counts, &tree) + 1;
    }
}

void made_journal_free(struct made_journal *made)
{
    for (unsigned i = 0; i < made->segment_count; i++) {
        free(made->segments[i].bytes);
    }
}

const uint8_t *made_frame(const struct made_journal *made, unsigned batch)
{
    const struct made_batch *at = &made->batches[batch];
    return made->segments[at->segment].bytes + at->offset;
}

const struct made_segment *made_last_segment(const struct made_journal *made)
{
    return &made->segments[made->segment_count - 1];
}

void made_put_file(struct memory_disk *disk, const char *name, const uint8_t *bytes, size_t size)
{
    const struct disk *to = &disk->disk;
    struct disk_file *file;
    CHECK(to->open(to->context, name, true, false, &file) == STATUS_OK);
    CHECK(to->truncate(to->context, file, 0) == STATUS_OK);
    if (size > 0) {
        CHECK(to->write(to->context, file, 0, bytes, size) == STATUS_OK);
    }
    CHECK(to->sync(to->context, file) == STATUS_OK);
    CHECK(to->close(to->context, file) == STATUS_OK);
    CHECK(to->sync_directory(to->context, "data/journal") == STATUS_OK);
    CHECK(to->sync_directory(to->context, "data") == STATUS_OK);
}

void made_journal_put(const struct made_journal *made, struct memory_disk *disk)
{
    made_put_file(disk, "data/LOCK", NULL, 0);
    for (unsigned i = 0; i + 1 < made->segment_count; i++) {
        char name[128] = "data/journal/";
        format_segment_name(made->segments[i].first_seq, name + strlen(name));
        made_put_file(disk, name, made->segments[i].bytes, made->segments[i].size);
    }
}
