#include "replay/journal_diff.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "journal/chain.h"
#include "journal/codec.h"

#define PROGRESS_EVERY 8192

/* One of the two. */
struct side {
    const char *data_dir;
    const struct disk *disk;
    char *directory;       /* DIR/journal */
    struct chain listing;  /* for its list of segments alone: no batch is ever read from it */
    struct segment header; /* of one segment after the other */
    struct journal_reader *reader;
    struct journal_diff_side *told;
    struct codec_scratch *scratch;
};

struct comparison {
    const struct journal_diff_options *options;
    struct journal_diff *diff;
    struct side sides[JOURNAL_DIFF_SIDES];
};

/* --- Segments.
 * ----------------------------------------------------------------------------------- */

static enum status open_side(struct side *side, const char *data_dir, const struct disk *disk,
                             struct journal_diff_side *told)
{
    *side = (struct side){.data_dir = data_dir, .disk = disk, .told = told};
    side->directory = chain_path(data_dir, "journal");
    side->scratch = calloc(1, sizeof *side->scratch);
    if (side->directory == NULL || side->scratch == NULL) {
        return STATUS_NO_MEMORY;
    }
    enum status status = segment_init(&side->header, disk);
    if (status == STATUS_OK) {
        status = chain_open(&side->listing, disk, side->directory, 1);
        told->segments = side->listing.segment_count;
    }
    return status;
}

static void close_side(struct side *side)
{
    journal_reader_free(side->reader);
    chain_close(&side->listing);
    segment_free(&side->header);
    free(side->scratch);
    free(side->directory);
}

static enum status read_header(struct side *side, size_t index, struct segment_header *header)
{
    char name[FORMAT_NAME_BYTES];
    format_segment_name(side->listing.first_seqs[index], name);
    char *path = chain_path(side->directory, name);
    if (path == NULL) {
        return STATUS_NO_MEMORY;
    }
    enum status status = segment_open(&side->header, path);
    free(path);
    if (status == STATUS_OK) {
        status = segment_read_header(&side->header, header);
        segment_close(&side->header);
    }
    return status;
}

static void read_epoch(struct side *side)
{
    struct segment_header header;
    if (side->listing.segment_count > 0 && read_header(side, 0, &header) == STATUS_OK) {
        side->told->has_epoch = true;
        side->told->epoch = header.epoch;
    }
}

/* The last segment that begins with seq + 1 or before. */
static size_t segment_before(const struct side *side, uint64_t seq)
{
    size_t index = 0;
    while (index + 1 < side->listing.segment_count &&
           side->listing.first_seqs[index + 1] <= seq + 1) {
        index += 1;
    }
    return index;
}

/* --- Tree heads.
 * --------------------------------------------------------------------------------- */

/* Appends the records of a batch up to seq. */
static void grow(struct merkle *tree, const struct chain_batch *batch, uint64_t seq)
{
    const uint8_t *record = batch->payload;
    for (uint32_t i = 0; i < batch->header.count && tree->size < seq; i++) {
        const size_t length = load_u16(record);
        uint8_t hash[HASH_BYTES];
        record += FORMAT_RECORD_LENGTH_BYTES;
        merkle_leaf(record, length, hash);
        merkle_append(tree, hash);
        record += length;
    }
}

/* The tree head over records 1..seq: from a header alone where a segment ends with seq, else by
 * reading one segment. False: the side does not reach so far, or cannot be read there. */
static bool head_at(struct side *side, uint64_t seq, uint8_t *root)
{
    if (side->listing.segment_count == 0) {
        return false;
    }
    const size_t index = segment_before(side, seq);
    struct segment_header header;
    if (read_header(side, index, &header) != STATUS_OK || header.tree.size > seq) {
        return false;
    }
    struct merkle tree = header.tree;
    struct chain chain;
    struct chain_batch batch;
    struct finding finding;
    enum status status = STATUS_OK;
    if (tree.size < seq) {
        status = chain_open(&chain, side->disk, side->directory, seq);
        while (status == STATUS_OK && tree.size < seq) {
            status = chain_next(&chain, &batch, &finding);
            if (status == STATUS_OK) {
                grow(&tree, &batch, seq);
            }
        }
        chain_close(&chain);
    }
    merkle_root(&tree, root);
    return status == STATUS_OK && tree.size == seq;
}

static bool heads_equal(struct comparison *comparison, size_t index)
{
    struct side *a = &comparison->sides[0];
    struct segment_header header;
    if (read_header(a, index, &header) != STATUS_OK) {
        return false;
    }
    uint8_t root_a[HASH_BYTES];
    uint8_t root_b[HASH_BYTES];
    merkle_root(&header.tree, root_a);
    return head_at(&comparison->sides[1], header.tree.size, root_b) &&
           memcmp(root_a, root_b, HASH_BYTES) == 0;
}

/* The end of the last segment of A up to which both are the same. What is equal at one head is
 * equal at all before it. Something unreadable counts as unequal: the records are looked at then,
 * and the reader says what is wrong. */
static uint64_t search_heads(struct comparison *comparison)
{
    const struct chain *listing = &comparison->sides[0].listing;
    size_t equal = 0; /* the first segment begins with an empty history */
    size_t unequal = listing->segment_count;
    while (equal + 1 < unequal) {
        const size_t middle = equal + (unequal - equal) / 2;
        if (heads_equal(comparison, middle)) {
            equal = middle;
        } else {
            unequal = middle;
        }
    }
    return listing->segment_count == 0 ? 0 : listing->first_seqs[equal] - 1;
}

/* --- Records.
 * ------------------------------------------------------------------------------------ */

/* The next record; false at the end of the side or of what can be read of it. */
static bool read_next(struct side *side, struct journal_record *record)
{
    const enum status status = journal_reader_next(side->reader, record);
    if (status == STATUS_OK) {
        return true;
    }
    if (status != STATUS_END) {
        side->told->status = status;
        side->told->report = *journal_reader_report(side->reader);
    }
    return false;
}

static void note_end(struct side *side, const struct journal_record *last)
{
    struct input input;
    if (codec_decode(side->scratch, last->seq, last->bytes, last->length, &input) == STATUS_OK) {
        side->told->end_ms = input.time_ms;
    }
}

/* Reads the last segment, for where the side ends. The last record's bytes live until the next is
 * read, so each is noted before it is known to be the last: only its time costs, and only once per
 * batch. */
static enum status find_end(struct side *side)
{
    const struct chain *listing = &side->listing;
    if (listing->segment_count == 0) {
        return STATUS_OK;
    }
    journal_reader_free(side->reader);
    side->reader = NULL;
    const enum status status = journal_reader_open(
        side->data_dir, side->disk, listing->first_seqs[listing->segment_count - 1], &side->reader);
    if (status != STATUS_OK) {
        return status;
    }
    struct journal_record record;
    while (read_next(side, &record)) {
        if (record.batch_end) {
            note_end(side, &record);
        }
    }
    if (side->told->status == STATUS_OK) {
        journal_reader_head(side->reader, &side->told->end);
    }
    return STATUS_OK;
}

static void tell_progress(struct comparison *comparison)
{
    const struct journal_diff_options *options = comparison->options;
    if (options->progress != NULL) {
        uint64_t done;
        uint64_t total;
        journal_reader_progress(comparison->sides[0].reader, &done, &total);
        options->progress(options->progress_context, comparison->diff->common_seq, done, total);
    }
}

static void compare_records(struct comparison *comparison)
{
    struct journal_diff *diff = comparison->diff;
    struct journal_record records[JOURNAL_DIFF_SIDES];
    for (;;) {
        bool read[JOURNAL_DIFF_SIDES];
        for (int i = 0; i < JOURNAL_DIFF_SIDES; i++) {
            read[i] = read_next(&comparison->sides[i], &records[i]);
        }
        if (!read[0] || !read[1]) {
            return;
        }
        if (records[0].length != records[1].length ||
            memcmp(records[0].bytes, records[1].bytes, records[0].length) != 0) {
            break;
        }
        diff->common_seq = records[0].seq;
        if (diff->common_seq % PROGRESS_EVERY == 0) {
            tell_progress(comparison);
        }
    }
    diff->parts = true;
    for (int i = 0; i < JOURNAL_DIFF_SIDES; i++) {
        diff->lengths[i] = records[i].length;
        memcpy(diff->records[i], records[i].bytes, records[i].length);
    }
}

static enum status compare(struct comparison *comparison)
{
    struct journal_diff *diff = comparison->diff;
    if (!comparison->options->full) {
        diff->heads_seq = search_heads(comparison);
        diff->common_seq = diff->heads_seq;
    }
    for (int i = 0; i < JOURNAL_DIFF_SIDES; i++) {
        struct side *side = &comparison->sides[i];
        const enum status status =
            journal_reader_open(side->data_dir, side->disk, diff->common_seq + 1, &side->reader);
        if (status != STATUS_OK) {
            return status;
        }
    }
    compare_records(comparison);
    tell_progress(comparison);
    for (int i = 0; i < JOURNAL_DIFF_SIDES; i++) {
        struct side *side = &comparison->sides[i];
        /* One that could not be read to the end has said so; its end is not known. */
        if (side->told->status == STATUS_OK) {
            const enum status status = find_end(side);
            if (status != STATUS_OK) {
                return status;
            }
        }
    }
    return STATUS_OK;
}

static enum status say(struct journal_diff *diff, const struct side *side, enum status status)
{
    if (status == STATUS_NOT_FOUND) {
        snprintf(diff->problem, sizeof diff->problem, "%s/journal: there is no journal",
                 side->data_dir);
    } else {
        snprintf(diff->problem, sizeof diff->problem, "%s/journal: %s", side->data_dir,
                 disk_problem(side->disk, status));
    }
    return status;
}

enum status journal_diff_run(const char *const data_dirs[JOURNAL_DIFF_SIDES],
                             const struct journal_diff_options *options, struct journal_diff *diff)
{
    memset(diff, 0, sizeof *diff);
    struct comparison comparison = {.options = options, .diff = diff};
    const struct disk *disk = options->disk != NULL ? options->disk : disk_posix();
    enum status status = STATUS_OK;
    for (int i = 0; i < JOURNAL_DIFF_SIDES; i++) {
        struct side *side = &comparison.sides[i];
        const enum status opened = open_side(side, data_dirs[i], disk, &diff->sides[i]);
        if (opened != STATUS_OK && status == STATUS_OK) {
            status = say(diff, side, opened);
        }
    }
    if (status == STATUS_OK) {
        read_epoch(&comparison.sides[0]);
        read_epoch(&comparison.sides[1]);
        status = compare(&comparison);
        if (status != STATUS_OK) {
            status = say(diff, &comparison.sides[0], status);
        }
    }
    for (int i = 0; i < JOURNAL_DIFF_SIDES; i++) {
        close_side(&comparison.sides[i]);
    }
    return status;
}
