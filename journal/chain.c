#include "journal/chain.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/check.h"
#include "journal/witness.h"

char *chain_path(const char *directory, const char *name)
{
    const size_t bytes = strlen(directory) + 1 + strlen(name) + 1;
    char *path = malloc(bytes);
    if (path != NULL) {
        (void)snprintf(path, bytes, "%s/%s", directory, name); /* fits by the line above */
    }
    return path;
}

/* --- The list of segments ----------------------------------------------------------------------
 */

struct listing {
    uint64_t *first_seqs;
    size_t count;
    size_t room;
    bool out_of_memory;
};

static void list_name(void *visitor, const char *name)
{
    struct listing *listing = visitor;
    uint64_t first_seq;
    if (listing->out_of_memory || !format_parse_segment_name(name, &first_seq)) {
        return;
    }
    if (listing->count == listing->room) {
        const size_t room = listing->room * 2 + 16;
        uint64_t *grown = realloc(listing->first_seqs, room * sizeof *grown);
        if (grown == NULL) {
            listing->out_of_memory = true;
            return;
        }
        listing->first_seqs = grown;
        listing->room = room;
    }
    listing->first_seqs[listing->count++] = first_seq;
}

static int compare_seqs(const void *a, const void *b)
{
    const uint64_t left = *(const uint64_t *)a;
    const uint64_t right = *(const uint64_t *)b;
    return (left > right) - (left < right);
}

static enum status file_bytes(const struct chain *chain, uint64_t first_seq, uint64_t *bytes)
{
    char name[FORMAT_NAME_BYTES];
    format_segment_name(first_seq, name);
    char *path = chain_path(chain->directory, name);
    if (path == NULL) {
        return STATUS_NO_MEMORY;
    }
    struct disk_file *file;
    enum status status = chain->disk->open(chain->disk->context, path, false, true, &file);
    free(path);
    if (status != STATUS_OK) {
        return status;
    }
    status = chain->disk->size(chain->disk->context, file, bytes);
    (void)chain->disk->close(chain->disk->context, file); /* was read only */
    return status;
}

/* Lists the segments. Names that were seen before keep their place: segments are only ever added.
 */
static enum status list_segments(struct chain *chain)
{
    struct listing listing = {0};
    enum status status =
        chain->disk->list(chain->disk->context, chain->directory, &listing, list_name);
    if (status == STATUS_OK && listing.out_of_memory) {
        status = STATUS_NO_MEMORY;
    }
    uint64_t *sizes = NULL;
    if (status == STATUS_OK && listing.count > 0) {
        qsort(listing.first_seqs, listing.count, sizeof *listing.first_seqs, compare_seqs);
        sizes = calloc(listing.count, sizeof *sizes);
        status = sizes == NULL ? STATUS_NO_MEMORY : STATUS_OK;
    }
    for (size_t i = 0; status == STATUS_OK && i < listing.count; i++) {
        status = file_bytes(chain, listing.first_seqs[i], &sizes[i]);
    }
    if (status != STATUS_OK) {
        free(listing.first_seqs);
        free(sizes);
        return status;
    }
    free(chain->first_seqs);
    free(chain->sizes);
    chain->first_seqs = listing.first_seqs;
    chain->sizes = sizes;
    chain->segment_count = listing.count;
    return STATUS_OK;
}

/* --- Findings ----------------------------------------------------------------------------------
 */

static bool is_last_segment(const struct chain *chain)
{
    return chain->segment_index + 1 >= chain->segment_count;
}

static enum status found(const struct chain *chain, enum finding_kind kind, struct finding *finding)
{
    memset(finding, 0, sizeof *finding);
    finding->kind = kind;
    finding->in_last_segment = is_last_segment(chain);
    finding->offset = chain->offset;
    finding->used_end = chain->offset;
    finding->seq = chain->next_seq;
    if (chain->segment_index < chain->segment_count) {
        finding->segment_first_seq = chain->first_seqs[chain->segment_index];
        format_segment_name(finding->segment_first_seq, finding->segment);
    }
    return STATUS_END;
}

/* A finding after which the rest of the segment matters. */
static enum status found_before_tail(struct chain *chain, enum finding_kind kind,
                                     struct finding *finding)
{
    struct segment_tail tail;
    const enum status status = segment_read_tail(&chain->segment, chain->offset,
                                                 chain->has_epoch ? &chain->epoch : NULL, &tail);
    if (status != STATUS_OK) {
        return status;
    }
    /* Zeros where a frame would begin are an end only when nothing else follows. */
    if (kind == FINDING_END && tail.used_end > chain->offset) {
        kind = FINDING_BROKEN_FRAME;
    }
    (void)found(chain, kind, finding); /* STATUS_END, as below */
    finding->used_end = tail.used_end;
    finding->later_frame = tail.has_frame;
    return STATUS_END;
}

/* --- Opening -----------------------------------------------------------------------------------
 */

enum status chain_open(struct chain *chain, const struct disk *disk, const char *directory,
                       uint64_t from_seq)
{
    memset(chain, 0, sizeof *chain);
    chain->disk = disk;
    enum status status = segment_init(&chain->segment, disk);
    if (status != STATUS_OK) {
        return status;
    }
    status = prehash_open(&chain->prehash);
    if (status != STATUS_OK) {
        return status;
    }
    chain->directory = strdup(directory);
    if (chain->directory == NULL) {
        return STATUS_NO_MEMORY;
    }
    /* The witness first: the segments listed after it hold at least what it saw. */
    status = witness_read(disk, directory, &chain->has_witness, &chain->witness);
    if (status != STATUS_OK) {
        return status;
    }
    status = list_segments(chain);
    if (status != STATUS_OK) {
        return status;
    }
    while (chain->segment_index + 1 < chain->segment_count &&
           chain->first_seqs[chain->segment_index + 1] <= from_seq) {
        chain->segment_index++;
    }
    chain->next_seq = chain->segment_index == 0 ? 1 : chain->first_seqs[chain->segment_index];
    chain->tree_is_whole = true;
    merkle_init(&chain->tree);
    merkle_root(&chain->tree, chain->root);
    return STATUS_OK;
}

void chain_close(struct chain *chain)
{
    segment_free(&chain->segment);
    prehash_free(chain->prehash);
    free(chain->directory);
    free(chain->first_seqs);
    free(chain->sizes);
    memset(chain, 0, sizeof *chain);
}

static enum status open_file(struct chain *chain)
{
    char name[FORMAT_NAME_BYTES];
    format_segment_name(chain->first_seqs[chain->segment_index], name);
    char *path = chain_path(chain->directory, name);
    if (path == NULL) {
        return STATUS_NO_MEMORY;
    }
    const enum status status = segment_open(&chain->segment, path);
    free(path);
    return status;
}

/* Judges the header of the segment just opened. STATUS_OK: its frames come next. */
static enum status enter_segment(struct chain *chain, struct finding *finding)
{
    struct segment_header *header = &chain->header;
    chain->offset = 0;
    enum status status = segment_read_header(&chain->segment, header);
    if (status == STATUS_NOT_FOUND) {
        return found_before_tail(chain, FINDING_EMPTY_HEADER, finding);
    }
    if (status == STATUS_VERSION) {
        return found(chain, FINDING_UNKNOWN_VERSION, finding);
    }
    if (status == STATUS_DAMAGED) {
        return found(chain, FINDING_BROKEN_HEADER, finding);
    }
    if (status != STATUS_OK) {
        return status;
    }
    if (chain->rules_newest != 0 && header->rules_version > chain->rules_newest) {
        return found(chain, FINDING_UNKNOWN_VERSION, finding);
    }
    const uint64_t named = chain->first_seqs[chain->segment_index];
    if (header->tree.size + 1 != named || (chain->has_epoch && header->epoch != chain->epoch)) {
        return found(chain, FINDING_BROKEN_HEADER, finding);
    }
    const bool is_first_read = !chain->has_epoch;
    if (is_first_read && chain->has_witness && chain->witness.seq > 0 &&
        chain->witness.epoch != header->epoch) {
        return found(chain, FINDING_WRONG_TREE, finding);
    }
    if (chain->segment.bytes > header->segment_bytes ||
        (!is_last_segment(chain) && chain->segment.bytes < header->segment_bytes)) {
        return found(chain, FINDING_WRONG_SIZE, finding);
    }
    uint8_t root[HASH_BYTES];
    merkle_root(&header->tree, root);
    if (is_first_read) {
        chain->tree = header->tree; /* vouched for by the segments before, which are not read */
        memcpy(chain->root, root, HASH_BYTES);
    } else if (chain->tree_is_whole && (chain->tree.size != header->tree.size ||
                                        memcmp(chain->root, root, HASH_BYTES) != 0)) {
        return found(chain, FINDING_WRONG_TREE, finding);
    }
    chain->has_epoch = true;
    chain->epoch = header->epoch;
    chain->offset = FORMAT_SEGMENT_HEADER_BYTES;
    return STATUS_OK;
}

/* Opens the segment at segment_index. Errors: STATUS_END with the finding. */
static enum status begin_segment(struct chain *chain, struct finding *finding)
{
    chain->offset = 0;
    if (chain->segment_index == chain->segment_count) {
        return found(chain, FINDING_END, finding); /* no segment at all */
    }
    if (chain->first_seqs[chain->segment_index] != chain->next_seq) {
        return found(chain, FINDING_SEGMENT_ORDER, finding);
    }
    enum status status = open_file(chain);
    if (status != STATUS_OK) {
        return status;
    }
    status = enter_segment(chain, finding);
    if (status != STATUS_OK) {
        segment_close(&chain->segment);
    }
    return status;
}

/* --- Walking -----------------------------------------------------------------------------------
 */

/* Judges a whole frame against what came before. */
static bool frame_continues(const struct chain *chain, const struct frame_header *header,
                            enum finding_kind *kind)
{
    if (header->epoch != chain->epoch) {
        *kind = FINDING_FOREIGN_FRAME;
        return false;
    }
    if (header->first_seq != chain->next_seq) {
        *kind = FINDING_WRONG_SEQ;
        return false;
    }
    /* Behind skipped damage a frame's own word is all there is. */
    if (chain->tree_is_whole && memcmp(chain->root, header->root, HASH_BYTES) != 0) {
        *kind = FINDING_WRONG_TREE;
        return false;
    }
    return true;
}

static void grow_tree(struct chain *chain, const struct frame_header *header)
{
    prehash_grow(chain->prehash, &chain->segment, chain->offset, header, chain->root, &chain->tree,
                 chain->root);
}

/* The batch that the witness saw the end of, or should have. False: the tree after it is not the
 * one that the witness saw; then it is as if the batch were not taken. */
static bool grow_to_witness(struct chain *chain, const struct frame_header *header)
{
    const struct merkle tree = chain->tree;
    uint8_t root[HASH_BYTES];
    memcpy(root, chain->root, HASH_BYTES);
    grow_tree(chain, header);
    if (chain->witness.seq == chain->tree.size &&
        memcmp(chain->root, chain->witness.root, HASH_BYTES) == 0) {
        return true;
    }
    chain->tree = tree;
    memcpy(chain->root, root, HASH_BYTES);
    return false;
}

/* Takes a whole frame that continues the chain. False: the witness saw another history. */
static bool take_batch(struct chain *chain, const struct chain_batch *batch)
{
    const struct frame_header *header = &batch->header;
    if (chain->tree_is_whole) {
        const bool has_witness = chain->has_witness && chain->witness.seq >= header->first_seq &&
                                 chain->witness.seq - header->first_seq < header->count;
        if (!has_witness) {
            grow_tree(chain, header);
        } else if (!grow_to_witness(chain, header)) {
            return false;
        }
    }
    chain->offset += format_frame_bytes(header->payload_bytes);
    chain->next_seq += header->count;
    return true;
}

/* Looks at the present offset. STATUS_OK with *taken: the batch; without: *kind says what is there.
 */
static enum status look(struct chain *chain, struct chain_batch *batch, bool *taken,
                        enum finding_kind *kind)
{
    enum frame_kind frame_kind;
    const uint8_t *frame;
    *taken = false;
    const enum status status =
        segment_read_frame(&chain->segment, chain->offset, &frame_kind, &batch->header, &frame);
    if (status != STATUS_OK) {
        return status;
    }
    switch (frame_kind) {
    case FRAME_NONE:
        *kind = FINDING_END;
        return STATUS_OK;
    case FRAME_BROKEN:
        *kind = FINDING_BROKEN_FRAME;
        return STATUS_OK;
    case FRAME_WHOLE:
        break;
    }
    batch->payload = frame + FORMAT_FRAME_HEADER_BYTES;
    if (frame_continues(chain, &batch->header, kind)) {
        *taken = take_batch(chain, batch);
        *kind = FINDING_WRONG_TREE;
    }
    return STATUS_OK;
}

/* Nothing good at the offset of the last segment: looks whether the rest is settled, then once
 * more. *again: something was added meanwhile, so that the caller has to begin anew. */
static enum status look_again(struct chain *chain, struct chain_batch *batch, bool *taken,
                              bool *again, struct finding *finding)
{
    enum finding_kind kind;
    const size_t segments_before = chain->segment_count;
    *taken = false;
    *again = false;
    /* In this order: what is still bad after the others were looked at is bad for good. */
    enum status status = found_before_tail(chain, FINDING_END, finding);
    if (status != STATUS_END) {
        return status;
    }
    status = list_segments(chain);
    if (status != STATUS_OK) {
        return status;
    }
    status = segment_refresh(&chain->segment);
    if (status != STATUS_OK) {
        return status;
    }
    status = look(chain, batch, taken, &kind);
    if (status != STATUS_OK || *taken) {
        return status;
    }
    if (chain->segment_count != segments_before) {
        *again = true;
        return STATUS_OK;
    }
    if (kind != FINDING_END) {
        finding->kind = kind;
    }
    return STATUS_END;
}

enum status chain_next(struct chain *chain, struct chain_batch *batch, struct finding *finding)
{
    for (;;) {
        if (chain->segment.file == NULL) {
            if (chain->segment_count == 0) {
                const enum status listed = list_segments(chain);
                if (listed != STATUS_OK) {
                    return listed;
                }
            }
            const enum status begun = begin_segment(chain, finding);
            if (begun != STATUS_OK) {
                return begun;
            }
        }
        bool taken;
        enum finding_kind kind;
        enum status status = look(chain, batch, &taken, &kind);
        if (status != STATUS_OK || taken) {
            return status;
        }
        if (is_last_segment(chain)) {
            bool again;
            status = look_again(chain, batch, &taken, &again, finding);
            if (!again) {
                return status;
            }
            continue;
        }
        status = found_before_tail(chain, kind, finding);
        if (status != STATUS_END || finding->kind != FINDING_END) {
            return status;
        }
        segment_close(&chain->segment);
        chain->segment_index++;
    }
}

enum status chain_skip(struct chain *chain)
{
    chain->tree_is_whole = false;
    while (chain->segment_index < chain->segment_count) {
        enum status status = STATUS_OK;
        if (chain->segment.file == NULL) {
            status = open_file(chain);
            chain->offset = 0;
        }
        struct segment_tail tail = {0};
        if (status == STATUS_OK) {
            status = segment_read_tail(&chain->segment, chain->offset,
                                       chain->has_epoch ? &chain->epoch : NULL, &tail);
        }
        if (status != STATUS_OK) {
            return status;
        }
        if (tail.has_frame) {
            enum frame_kind kind;
            struct frame_header header;
            const uint8_t *frame;
            status = segment_read_frame(&chain->segment, tail.frame_at, &kind, &header, &frame);
            if (status != STATUS_OK) {
                return status;
            }
            CHECK(kind == FRAME_WHOLE);
            chain->offset = tail.frame_at;
            chain->next_seq = header.first_seq;
            chain->has_epoch = true;
            chain->epoch = header.epoch;
            return STATUS_OK;
        }
        segment_close(&chain->segment);
        chain->segment_index++;
    }
    return STATUS_END;
}

void chain_progress(const struct chain *chain, uint64_t *done, uint64_t *total)
{
    *done = chain->offset;
    *total = 0;
    for (size_t i = 0; i < chain->segment_count; i++) {
        *total += chain->sizes[i];
        if (i < chain->segment_index) {
            *done += chain->sizes[i];
        }
    }
}
