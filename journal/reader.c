/* The reading half of journal.h: records one by one out of the chain's batches. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/check.h"
#include "journal/chain.h"
#include "journal/journal.h"
#include "journal/read_ahead.h"
#include "journal/recovery.h"

struct journal_reader {
    struct chain chain;            /* the thread's while there is one */
    struct read_ahead *read_ahead; /* NULL: the chain is walked here */
    const struct read_batch *read; /* with a thread: the present batch */
    struct chain_batch batch;
    uint64_t from_seq;
    uint32_t done;       /* records of the batch that were handed out */
    const uint8_t *next; /* the length of the next record of the batch */
    /* Where journal_reader_peek looks: some records ahead, in this batch or one that follows. */
    uint32_t ahead;
    uint64_t scout_window; /* the segment's window_number then */
    uint64_t scout_frame;  /* where the frame behind the scout's begins */
    size_t scout_distance; /* with a thread: in batches */
    const uint8_t *scout;
    const uint8_t *scout_end;
    struct journal_report report;
};

enum status journal_reader_open(const char *data_dir, const struct disk *disk, uint64_t from_seq,
                                struct journal_reader **reader)
{
    struct journal_reader *made = calloc(1, sizeof *made);
    if (made == NULL) {
        return STATUS_NO_MEMORY;
    }
    char *directory = chain_path(data_dir, "journal");
    if (directory == NULL) {
        free(made);
        return STATUS_NO_MEMORY;
    }
    made->from_seq = from_seq;
    const enum status status =
        chain_open(&made->chain, disk != NULL ? disk : disk_posix(), directory, from_seq);
    free(directory);
    if (status != STATUS_OK) {
        journal_reader_free(made);
        return status;
    }
    *reader = made;
    return STATUS_OK;
}

enum status journal_reader_read_ahead(struct journal_reader *reader)
{
    CHECK(reader->read_ahead == NULL && reader->batch.header.count == 0);
    return read_ahead_open(&reader->chain, &reader->read_ahead);
}

void journal_reader_know_rules(struct journal_reader *reader, uint32_t newest)
{
    reader->chain.rules_newest = newest;
}

uint32_t journal_reader_rules(const struct journal_reader *reader)
{
    return reader->read != NULL ? reader->read->rules_version : reader->chain.header.rules_version;
}

bool journal_reader_begins_segment(const struct journal_reader *reader, uint64_t seq)
{
    const uint64_t first_seq =
        reader->read != NULL ? reader->read->segment_first_seq : reader->chain.header.tree.size + 1;
    return first_seq == seq;
}

/* Of the first segment with a good header. */
static bool first_epoch(const struct chain *chain, struct segment *segment, uint64_t *epoch)
{
    bool found = false;
    for (size_t i = 0; !found && i < chain->segment_count; i++) {
        char name[FORMAT_NAME_BYTES];
        format_segment_name(chain->first_seqs[i], name);
        char *path = chain_path(chain->directory, name);
        if (path == NULL) {
            return false;
        }
        if (segment_open(segment, path) == STATUS_OK) {
            struct segment_header header;
            found = segment_read_header(segment, &header) == STATUS_OK;
            *epoch = found ? header.epoch : 0;
            segment_close(segment);
        }
        free(path);
    }
    return found;
}

bool journal_peek_epoch(const char *data_dir, const struct disk *disk, uint64_t *epoch)
{
    const struct disk *used = disk != NULL ? disk : disk_posix();
    char *directory = chain_path(data_dir, "journal");
    if (directory == NULL) {
        return false;
    }
    struct chain chain;
    struct segment segment;
    bool found = false;
    if (chain_open(&chain, used, directory, 1) == STATUS_OK &&
        segment_init(&segment, used) == STATUS_OK) {
        found = first_epoch(&chain, &segment, epoch);
        segment_free(&segment);
    }
    chain_close(&chain);
    free(directory);
    return found;
}

/* What the finding means to one who only reads: an end, or a refusal. */
static enum status judge(struct journal_reader *reader, const struct finding *finding)
{
    const struct chain *chain = &reader->chain;
    const struct recovery_witness witness = {chain->has_witness ? chain->witness.seq : 0,
                                             FORMAT_HEAD_NAME};
    const struct recovery_verdict verdict = recovery_decide(finding, witness.seq);
    recovery_describe(finding, &verdict, &witness, &reader->report);
    if (verdict.action == RECOVERY_REFUSE) {
        return verdict.status;
    }
    if (verdict.action == RECOVERY_GO_ON) {
        /* Batches behind the witness are the normal thing to see beside a writer. */
        memset(&reader->report, 0, sizeof reader->report);
    }
    return STATUS_END;
}

/* An error of the disk, in the system's words. Gives the status back. */
static enum status describe_failure(struct journal_reader *reader, enum status status,
                                    const char *problem)
{
    const struct chain *chain = &reader->chain;
    struct journal_report *report = &reader->report;
    memset(report, 0, sizeof *report);
    if (chain->segment_index < chain->segment_count) {
        format_segment_name(chain->first_seqs[chain->segment_index], report->segment);
    }
    report->offset = chain->offset;
    report->seq = chain->next_seq;
    (void)snprintf(report->reason, sizeof report->reason, "%s", problem); /* fits */
    return status;
}

/* There is no further batch, for now or for good. */
static enum status end_of_batches(struct journal_reader *reader, const struct read_end *end)
{
    reader->batch.header.count = 0;
    reader->done = 0;
    return end->status == STATUS_END ? judge(reader, &end->finding)
                                     : describe_failure(reader, end->status, end->problem);
}

/* The next batch of the thread. When it has no more, it is over with it: a later call walks the
 * chain here. */
static enum status next_of_thread(struct journal_reader *reader)
{
    struct read_end end;
    reader->read = read_ahead_next(reader->read_ahead, &end);
    if (reader->read == NULL) {
        read_ahead_free(reader->read_ahead);
        reader->read_ahead = NULL;
        reader->ahead = 0;
        return end_of_batches(reader, &end);
    }
    reader->batch = (struct chain_batch){reader->read->header, reader->read->payload};
    return STATUS_OK;
}

static enum status next_of_chain(struct journal_reader *reader)
{
    struct read_end end = {.problem = ""};
    end.status = chain_next(&reader->chain, &reader->batch, &end.finding);
    if (end.status == STATUS_OK) {
        return STATUS_OK;
    }
    (void)snprintf(end.problem, sizeof end.problem, "%s",
                   disk_problem(reader->chain.disk, end.status)); /* fits */
    return end_of_batches(reader, &end);
}

static enum status next_batch(struct journal_reader *reader)
{
    const enum status status =
        reader->read_ahead != NULL ? next_of_thread(reader) : next_of_chain(reader);
    if (status == STATUS_OK) {
        reader->done = 0;
        reader->next = reader->batch.payload;
        reader->scout_distance -= reader->scout_distance > 0 ? 1 : 0;
    }
    return status;
}

/* True when what the scout points at is still there. */
static bool scout_is_placed(const struct journal_reader *reader)
{
    return reader->ahead > 0 && (reader->read_ahead != NULL ||
                                 reader->scout_window == reader->chain.segment.window_number);
}

enum status journal_reader_next(struct journal_reader *reader, struct journal_record *record)
{
    for (;;) {
        if (reader->done == reader->batch.header.count) {
            const enum status status = next_batch(reader);
            if (status != STATUS_OK) {
                return status;
            }
        }
        const struct frame_header *header = &reader->batch.header;
        record->seq = header->first_seq + reader->done;
        record->length = load_u16(reader->next);
        record->bytes = reader->next + FORMAT_RECORD_LENGTH_BYTES;
        reader->next = record->bytes + record->length;
        reader->done++;
        record->batch_end = reader->done == header->count;
        /* Where the window has moved or was read again, other bytes may stand in the same place. */
        record->peeked = scout_is_placed(reader) ? reader->ahead : 0;
        reader->ahead -= reader->ahead > 0 ? 1 : 0;
        if (record->seq >= reader->from_seq) {
            return STATUS_OK;
        }
    }
}

/* The scout begins where the reader stands. */
static void place_scout(struct journal_reader *reader)
{
    const struct frame_header *header = &reader->batch.header;
    reader->ahead = 0;
    reader->scout_distance = 0;
    reader->scout_window = reader->chain.segment.window_number;
    reader->scout_frame = reader->chain.offset;
    reader->scout = header->count == 0 ? NULL : reader->next;
    reader->scout_end = header->count == 0 ? NULL : reader->batch.payload + header->payload_bytes;
}

/* To the first record of a batch that the thread has handed over. */
static bool scout_enters_batch(struct journal_reader *reader)
{
    const struct read_batch *batch =
        read_ahead_peek(reader->read_ahead, reader->scout_distance + 1);
    if (batch == NULL) {
        return false;
    }
    reader->scout = batch->payload;
    reader->scout_end = batch->payload + batch->header.payload_bytes;
    reader->scout_distance++;
    return true;
}

/* To the first record of the next frame, when all of it is in the window. */
static bool scout_enters_frame(struct journal_reader *reader)
{
    const struct segment *segment = &reader->chain.segment;
    const uint8_t *frame = segment_peek(segment, reader->scout_frame, FORMAT_FRAME_HEADER_BYTES);
    struct frame_header header;
    if (frame == NULL || !format_get_frame_header(frame, &header)) {
        return false;
    }
    const size_t frame_bytes = format_frame_bytes(header.payload_bytes);
    if (segment_peek(segment, reader->scout_frame, frame_bytes) == NULL) {
        return false;
    }
    reader->scout = frame + FORMAT_FRAME_HEADER_BYTES;
    reader->scout_end = reader->scout + header.payload_bytes;
    reader->scout_frame += frame_bytes;
    return true;
}

bool journal_reader_peek(struct journal_reader *reader, uint32_t farthest, const uint8_t **bytes,
                         size_t *length)
{
    if (!scout_is_placed(reader)) {
        place_scout(reader);
    }
    if (reader->ahead >= farthest || reader->scout == NULL) {
        return false;
    }
    if (reader->scout == reader->scout_end &&
        !(reader->read_ahead != NULL ? scout_enters_batch(reader) : scout_enters_frame(reader))) {
        return false;
    }
    const size_t left = (size_t)(reader->scout_end - reader->scout);
    if (left < FORMAT_RECORD_LENGTH_BYTES ||
        load_u16(reader->scout) > left - FORMAT_RECORD_LENGTH_BYTES) {
        return false;
    }
    *length = load_u16(reader->scout);
    *bytes = reader->scout + FORMAT_RECORD_LENGTH_BYTES;
    reader->scout = *bytes + *length;
    reader->ahead++;
    return true;
}

enum status journal_reader_skip_damage(struct journal_reader *reader)
{
    reader->batch.header.count = 0;
    reader->done = 0;
    reader->ahead = 0; /* what comes is not what was seen */
    return chain_skip(&reader->chain);
}

const struct journal_report *journal_reader_report(const struct journal_reader *reader)
{
    return &reader->report;
}

void journal_reader_head(const struct journal_reader *reader, struct journal_head *head)
{
    memset(head, 0, sizeof *head);
    if (reader->read != NULL) {
        head->seq = reader->read->header.first_seq + reader->read->header.count - 1;
        memcpy(head->root, reader->read->root_after, HASH_BYTES);
        return;
    }
    if (reader->read_ahead != NULL) {
        return; /* nothing was read yet */
    }
    if (reader->chain.tree_is_whole) {
        head->seq = reader->chain.tree.size;
        merkle_root(&reader->chain.tree, head->root);
    }
}

void journal_reader_head_before(const struct journal_reader *reader, struct journal_head *head)
{
    if (reader->batch.header.count == 0 ||
        (reader->read_ahead == NULL && !reader->chain.tree_is_whole)) {
        journal_reader_head(reader, head); /* no batch is at hand */
        return;
    }
    head->seq = reader->batch.header.first_seq - 1;
    memcpy(head->root, reader->batch.header.root, HASH_BYTES);
}

bool journal_reader_place(const struct journal_reader *reader, struct journal_place *place)
{
    if (reader->read_ahead != NULL || !reader->chain.has_epoch || !reader->chain.tree_is_whole) {
        return false;
    }
    place->epoch = reader->chain.epoch;
    place->tree = reader->chain.tree;
    return true;
}

void journal_reader_progress(const struct journal_reader *reader, uint64_t *done, uint64_t *total)
{
    if (reader->read_ahead == NULL) {
        chain_progress(&reader->chain, done, total);
        return;
    }
    *done = reader->read != NULL ? reader->read->done_bytes : 0;
    *total = reader->read != NULL ? reader->read->total_bytes : 0;
}

void journal_reader_free(struct journal_reader *reader)
{
    if (reader != NULL) {
        read_ahead_free(reader->read_ahead);
        chain_close(&reader->chain);
        free(reader);
    }
}
