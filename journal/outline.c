#include "journal/outline.h"

#include <stdlib.h>
#include <string.h>

#include "journal/segment.h"

/* How much of a segment's end is searched for its last frame: first a little, which is nearly
 * always enough, then four times as much, up to what the largest frame and the room that it did not
 * fit into can take. */
#define TAIL_BYTES_FIRST ((uint64_t)64 << 10)
#define TAIL_BYTES_MAX   ((uint64_t)4 << 20)
_Static_assert(TAIL_BYTES_MAX >= 2 * FORMAT_FRAME_BYTES_MAX, "a last frame is within the tail");

/* --- One segment ------------------------------------------------------------------------------ */

/* Follows frames from `at`, where a whole one is. *last_seq: of the last of them, 0 when something
 * but zeros follows. */
static enum status follow_frames(struct segment *segment, uint64_t epoch, uint64_t at,
                                 uint64_t *last_seq)
{
    *last_seq = 0;
    for (;;) {
        enum frame_kind kind;
        struct frame_header header;
        const uint8_t *frame;
        const enum status status = segment_read_frame(segment, at, &kind, &header, &frame);
        if (status != STATUS_OK) {
            return status;
        }
        if (kind != FRAME_WHOLE || header.epoch != epoch) {
            break;
        }
        *last_seq = header.first_seq + header.count - 1;
        at += format_frame_bytes(header.payload_bytes);
    }
    struct segment_tail tail;
    const enum status status = segment_read_tail(segment, at, &epoch, &tail);
    if (status == STATUS_OK && tail.used_end > at) {
        *last_seq = 0;
    }
    return status;
}

/* The seq that a sealed segment ends with; 0: not to be told from its end. */
static enum status find_last_seq(struct segment *segment, uint64_t epoch, uint64_t *last_seq)
{
    *last_seq = 0;
    for (uint64_t bytes = TAIL_BYTES_FIRST; bytes <= TAIL_BYTES_MAX; bytes *= 4) {
        uint64_t from = FORMAT_SEGMENT_HEADER_BYTES;
        if (segment->bytes > bytes + from) {
            from = segment->bytes - bytes;
            from -= from % FORMAT_FRAME_ALIGNMENT;
        }
        struct segment_tail tail;
        const enum status status = segment_read_tail(segment, from, &epoch, &tail);
        if (status != STATUS_OK) {
            return status;
        }
        if (tail.has_frame) {
            return follow_frames(segment, epoch, tail.frame_at, last_seq);
        }
    }
    return STATUS_OK;
}

/* --- All of them ------------------------------------------------------------------------------ */

struct outline {
    const struct chain *chain;
    struct segment segment;
    struct segment_header before; /* of the segment before, when index > 0 */
    struct segment_header header; /* of the one at hand */
};

/* A tree keeps the complete subtrees of the one it grew from whose bits of the size, from the
 * highest down, are the same in both. By XOR: a loop that is left where the bit tests of two
 * numbers differ is compiled wrongly by gcc 12.2 at -O2 (its value range pass; clang and -O1 are
 * right). */
static bool grew_from(const struct merkle *tree, const struct merkle *before)
{
    const uint64_t differing = tree->size ^ before->size;
    for (int level = MERKLE_LEVELS - 1; level >= 0 && differing >> level == 0; level--) {
        if ((tree->size >> level & 1) != 0 &&
            memcmp(tree->subtrees[level], before->subtrees[level], HASH_BYTES) != 0) {
            return false;
        }
    }
    return tree->size > before->size;
}

/* The header of the open segment, read by itself: the segment's window would bring in megabytes.
 * *fits: it is what it should be at this place. */
static enum status check_header(struct outline *outline, size_t index, bool *fits)
{
    const struct chain *chain = outline->chain;
    const struct segment_header *header = &outline->header;
    uint8_t bytes[FORMAT_SEGMENT_HEADER_BYTES];
    size_t done;
    *fits = false;
    const enum status status = segment_read(&outline->segment, 0, bytes, sizeof bytes, &done);
    if (status != STATUS_OK) {
        return status;
    }
    if (done < sizeof bytes || format_get_segment_header(bytes, &outline->header) != STATUS_OK) {
        return STATUS_OK;
    }
    if (header->tree.size + 1 != chain->first_seqs[index] ||
        outline->segment.bytes != header->segment_bytes) {
        return STATUS_OK;
    }
    *fits = index == 0 || (header->epoch == outline->before.epoch &&
                           grew_from(&header->tree, &outline->before.tree));
    return STATUS_OK;
}

/* One segment. *fits: its header is good, and so is its end when it is not walked. */
static enum status check_segment(struct outline *outline, size_t index, bool is_walked, bool *fits)
{
    const struct chain *chain = outline->chain;
    char name[FORMAT_NAME_BYTES];
    format_segment_name(chain->first_seqs[index], name);
    char *path = chain_path(chain->directory, name);
    if (path == NULL) {
        return STATUS_NO_MEMORY;
    }
    enum status status = segment_open(&outline->segment, path);
    free(path);
    if (status != STATUS_OK) {
        return status;
    }
    status = check_header(outline, index, fits);
    if (status == STATUS_OK && *fits && !is_walked) {
        uint64_t last_seq;
        status = find_last_seq(&outline->segment, outline->header.epoch, &last_seq);
        *fits = last_seq + 1 == chain->first_seqs[index + 1];
    }
    segment_close(&outline->segment);
    outline->before = outline->header;
    return status;
}

/* The first segment that is walked in any case. */
static size_t first_walked(const struct chain *chain, uint64_t bytes)
{
    size_t index = chain->segment_count;
    uint64_t behind = 0;
    while (index > 0 && (behind < bytes || index + 2 > chain->segment_count)) {
        index--;
        behind += chain->sizes[index];
    }
    return index;
}

enum status outline_begin(const struct chain *chain, uint64_t bytes, uint64_t *from_seq)
{
    struct outline outline = {.chain = chain};
    size_t begin = first_walked(chain, bytes);
    *from_seq = 1;
    if (begin == 0 || chain->first_seqs[0] != 1) {
        return STATUS_OK; /* short; or without its beginning, which the walk will say */
    }
    enum status status = segment_init(&outline.segment, chain->disk);
    /* The first that is walked, too: the walk believes its header, having read nothing before. */
    for (size_t i = 0; status == STATUS_OK && i <= begin; i++) {
        bool fits;
        status = check_segment(&outline, i, i == begin, &fits);
        if (status == STATUS_OK && !fits) {
            /* The segment before it too: the tree and the epoch are judged against it. */
            begin = i > 0 ? i - 1 : 0;
            break;
        }
    }
    segment_free(&outline.segment);
    if (status == STATUS_OK) {
        *from_seq = chain->first_seqs[begin];
    }
    return status;
}
