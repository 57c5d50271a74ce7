#include "journal/writer.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/bytes.h"
#include "base/check.h"
#include "journal/chain.h"
#include "journal/spare.h"
#include "journal/witness.h"

#define SEGMENT_GROWTH 4
#define NS_PER_MS      ((int64_t)1000000)

/* One of the two buffers: a frame in the making. The header's place is left free in front. */
struct batch_buffer {
    uint8_t *frame; /* FORMAT_FRAME_BYTES_MAX */
    size_t payload_bytes;
    uint32_t count;
};

struct writer {
    const struct disk *disk;
    struct journal_options options;
    const char *directory;
    size_t payload_bytes_max;
    pthread_t thread;
    struct spare spare;

    _Atomic uint32_t rules_version; /* in force at the next record to be queued */

    pthread_mutex_t mutex; /* guards the next seven */
    pthread_cond_t wake;
    struct batch_buffer pending;
    uint64_t queued_seq; /* the last seq given out */
    struct journal_head head;
    bool closing;
    enum status failure;              /* the first error; of the spare's thread, too */
    char problem[DISK_PROBLEM_BYTES]; /* in the disk's words */

    /* Of the writer thread alone while it runs. */
    struct disk_file *file;
    uint64_t epoch;
    uint64_t segment_bytes;
    uint64_t offset;
    struct merkle tree;
    struct batch_buffer writing;
    struct witness witness;
    uint64_t witness_seq;
    int64_t witness_due_ns; /* by the monotonic clock */
};

static int64_t monotonic_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 * NS_PER_MS + now.tv_nsec;
}

/* --- Segments ----------------------------------------------------------------------------------
 */

/* Larger than the present one, up to what was asked for, and never too small for a batch: the
 * present one may be of a time when smaller ones were asked for. */
static uint64_t bytes_of_next_segment(const struct writer *writer, uint64_t present)
{
    const uint64_t asked = writer->options.segment_bytes;
    const uint64_t grown = present < asked / SEGMENT_GROWTH ? present * SEGMENT_GROWTH : asked;
    const uint64_t least = asked < WRITER_FIRST_SEGMENT_BYTES ? asked : WRITER_FIRST_SEGMENT_BYTES;
    return grown > least ? grown : least;
}

/* Turns the file DIR/journal/spare, all zeros, into the segment of the next record. The header is
 * durable before the name, and the name before any record, so that a crash in between leaves
 * nothing that has to be guessed. */
static enum status begin_segment(struct writer *writer, struct disk_file *file, uint64_t bytes)
{
    const struct disk *disk = writer->disk;
    const struct segment_header header = {.rules_version = atomic_load(&writer->rules_version),
                                          .epoch = writer->epoch,
                                          .segment_bytes = bytes,
                                          .tree = writer->tree};
    uint8_t header_bytes[FORMAT_SEGMENT_HEADER_BYTES];
    format_put_segment_header(&header, header_bytes);
    enum status status =
        disk->write(disk->context, file, 0, header_bytes, FORMAT_SEGMENT_HEADER_BYTES);
    if (status == STATUS_OK) {
        status = disk->sync(disk->context, file);
    }
    if (status != STATUS_OK) {
        return status;
    }
    char name[FORMAT_NAME_BYTES];
    format_segment_name(writer->tree.size + 1, name);
    char *to = chain_path(writer->directory, name);
    char *from = chain_path(writer->directory, FORMAT_SPARE_NAME);
    status = STATUS_NO_MEMORY;
    if (to != NULL && from != NULL) {
        status = disk->rename(disk->context, from, to);
    }
    free(to);
    free(from);
    if (status == STATUS_OK) {
        status = disk->sync_directory(disk->context, writer->directory);
    }
    if (status == STATUS_OK) {
        writer->segment_bytes = bytes;
        writer->offset = FORMAT_SEGMENT_HEADER_BYTES;
    }
    return status;
}

/* The present segment is full: seals it and goes on in the spare. */
static enum status rotate(struct writer *writer)
{
    struct disk_file *file;
    uint64_t bytes;
    enum status status = spare_take(&writer->spare, &file, &bytes);
    if (status != STATUS_OK) {
        return status;
    }
    status = begin_segment(writer, file, bytes);
    const enum status closed = writer->disk->close(writer->disk->context, writer->file);
    writer->file = file;
    if (status == STATUS_OK) {
        status = closed;
    }
    if (status == STATUS_OK) {
        spare_next(&writer->spare, bytes_of_next_segment(writer, bytes));
    }
    return status;
}

/* --- The thread --------------------------------------------------------------------------------
 */

static void grow_tree(struct merkle *tree, const struct batch_buffer *batch)
{
    const uint8_t *record = batch->frame + FORMAT_FRAME_HEADER_BYTES;
    for (uint32_t i = 0; i < batch->count; i++) {
        const uint32_t length = load_u16(record);
        uint8_t hash[HASH_BYTES];
        merkle_leaf(record + FORMAT_RECORD_LENGTH_BYTES, length, hash);
        merkle_append(tree, hash);
        record += FORMAT_RECORD_LENGTH_BYTES + length;
    }
}

/* Writes and syncs the batch in `writing`. On STATUS_OK it is durable and the tree has grown. */
static enum status write_batch(struct writer *writer, int64_t *sync_ns)
{
    const struct batch_buffer *batch = &writer->writing;
    const size_t frame_bytes = format_frame_bytes(batch->payload_bytes);
    if (writer->offset + frame_bytes > writer->segment_bytes) {
        const enum status status = rotate(writer);
        if (status != STATUS_OK) {
            return status;
        }
    }
    struct frame_header header = {.epoch = writer->epoch,
                                  .first_seq = writer->tree.size + 1,
                                  .count = batch->count,
                                  .payload_bytes = (uint32_t)batch->payload_bytes};
    memcpy(header.root, writer->head.root, HASH_BYTES); /* only this thread changes it */
    format_put_frame(&header, batch->frame);

    const struct disk *disk = writer->disk;
    const int64_t began_ns = monotonic_ns();
    enum status status =
        disk->write(disk->context, writer->file, writer->offset, batch->frame, frame_bytes);
    if (status == STATUS_OK) {
        status = disk->sync(disk->context, writer->file);
    }
    if (status != STATUS_OK) {
        return status;
    }
    *sync_ns = monotonic_ns() - began_ns;
    writer->offset += frame_bytes;
    grow_tree(&writer->tree, batch);
    return STATUS_OK;
}

static enum status write_witness(struct writer *writer, bool sync)
{
    struct witness_head head = {.epoch = writer->epoch, .seq = writer->head.seq};
    memcpy(head.root, writer->head.root, HASH_BYTES);
    const enum status status = witness_write(&writer->witness, &head, sync);
    writer->witness_seq = head.seq;
    writer->witness_due_ns = monotonic_ns() + WRITER_WITNESS_MS * NS_PER_MS;
    return status;
}

static bool witness_is_stale(const struct writer *writer)
{
    return writer->witness_seq != writer->tree.size;
}

/* Waits, with the mutex held, until there is work: records, closing, a failure of the spare, or a
 * witness that is due. */
static void wait_for_work(struct writer *writer)
{
    while (writer->pending.count == 0 && !writer->closing && writer->failure == STATUS_OK) {
        if (!witness_is_stale(writer)) {
            pthread_cond_wait(&writer->wake, &writer->mutex);
            continue;
        }
        const struct timespec due = {
            .tv_sec = (time_t)(writer->witness_due_ns / (1000 * NS_PER_MS)),
            .tv_nsec = (long)(writer->witness_due_ns % (1000 * NS_PER_MS))};
        if (pthread_cond_timedwait(&writer->wake, &writer->mutex, &due) != 0) {
            return; /* time is up: the witness is due */
        }
    }
}

static void tell_durable(struct writer *writer, int64_t sync_ns)
{
    const struct batch_buffer *batch = &writer->writing;
    if (writer->options.on_durable == NULL) {
        return;
    }
    const struct journal_batch told = {.first_seq = writer->tree.size - batch->count + 1,
                                       .count = batch->count,
                                       .records = batch->frame + FORMAT_FRAME_HEADER_BYTES,
                                       .bytes = batch->payload_bytes,
                                       .sync_ns = sync_ns};
    writer->options.on_durable(writer->options.context, &told);
}

/* Takes an error that this thread met, if it is the first. With the mutex. */
static void note_failure(struct writer *writer, enum status status)
{
    if (writer->failure == STATUS_OK) {
        writer->failure = status;
        (void)snprintf(writer->problem, sizeof writer->problem, "%s",
                       disk_problem(writer->disk, status)); /* fits */
    }
}

/* Takes the first error for the journal's. Returns the error that counts. */
static enum status fail(struct writer *writer, enum status status)
{
    pthread_mutex_lock(&writer->mutex);
    note_failure(writer, status);
    status = writer->failure;
    pthread_mutex_unlock(&writer->mutex);
    return status;
}

/* One turn: a batch, a witness, or both. STATUS_CLOSED: all is written and the writer is to close.
 */
static enum status turn(struct writer *writer)
{
    pthread_mutex_lock(&writer->mutex);
    wait_for_work(writer);
    const enum status failure = writer->failure;
    const bool has_batch = writer->pending.count > 0;
    const bool closing = writer->closing;
    if (has_batch) {
        const struct batch_buffer swapped = writer->pending;
        writer->pending = writer->writing;
        writer->writing = swapped;
        writer->pending.count = 0;
        writer->pending.payload_bytes = 0;
    }
    pthread_mutex_unlock(&writer->mutex);
    if (failure != STATUS_OK) {
        return failure;
    }
    if (has_batch) {
        int64_t sync_ns = 0;
        enum status status = write_batch(writer, &sync_ns);
        if (status != STATUS_OK) {
            return status;
        }
        struct journal_head head = {.seq = writer->tree.size};
        merkle_root(&writer->tree, head.root);
        pthread_mutex_lock(&writer->mutex);
        writer->head = head;
        status = writer->failure;
        pthread_mutex_unlock(&writer->mutex);
        if (status != STATUS_OK) {
            return status;
        }
        tell_durable(writer, sync_ns);
    }
    if (witness_is_stale(writer) && monotonic_ns() >= writer->witness_due_ns) {
        return write_witness(writer, false);
    }
    return closing && !has_batch ? STATUS_CLOSED : STATUS_OK;
}

static void *run(void *argument)
{
    struct writer *writer = argument;
    enum status status;
    do {
        status = turn(writer);
    } while (status == STATUS_OK);
    if (status == STATUS_CLOSED) {
        status = write_witness(writer, true);
        if (status == STATUS_OK) {
            return NULL;
        }
    }
    status = fail(writer, status);
    if (writer->options.on_failed != NULL) {
        char reason[DISK_PROBLEM_BYTES + 128];
        (void)snprintf(reason, sizeof reason, /* fits; the problem was settled by fail */
                       "the journal could not be written (%s): nothing after seq %llu is confirmed",
                       writer->problem, (unsigned long long)writer->head.seq);
        writer->options.on_failed(writer->options.context, status, reason);
    }
    return NULL;
}

/* On the spare's thread: an I/O error there is an I/O error of the journal. */
static void spare_failed(void *context, enum status status)
{
    struct writer *writer = context;
    pthread_mutex_lock(&writer->mutex);
    note_failure(writer, status);
    pthread_cond_signal(&writer->wake);
    pthread_mutex_unlock(&writer->mutex);
}

/* --- Opening and closing -----------------------------------------------------------------------
 */

static enum status make_first_segment(struct writer *writer)
{
    const struct disk *disk = writer->disk;
    const uint64_t asked = writer->options.segment_bytes;
    const uint64_t bytes = asked < WRITER_FIRST_SEGMENT_BYTES ? asked : WRITER_FIRST_SEGMENT_BYTES;
    char *path = chain_path(writer->directory, FORMAT_SPARE_NAME);
    if (path == NULL) {
        return STATUS_NO_MEMORY;
    }
    enum status status = disk->open(disk->context, path, true, false, &writer->file);
    free(path);
    if (status == STATUS_OK) {
        status = disk->preallocate(disk->context, writer->file, bytes);
    }
    return status == STATUS_OK ? begin_segment(writer, writer->file, bytes) : status;
}

static enum status open_last_segment(struct writer *writer, const struct journal_tail *tail)
{
    const struct disk *disk = writer->disk;
    char name[FORMAT_NAME_BYTES];
    format_segment_name(tail->segment_first_seq, name);
    char *path = chain_path(writer->directory, name);
    if (path == NULL) {
        return STATUS_NO_MEMORY;
    }
    enum status status = disk->open(disk->context, path, false, false, &writer->file);
    free(path);
    if (status == STATUS_OK) {
        /* A file that a crash or a copy cut short gets its zeros back. */
        status = disk->preallocate(disk->context, writer->file, tail->segment_bytes);
    }
    if (status == STATUS_OK) {
        /* Also makes sure that what recovery read is on the disk and not only in the cache. */
        status = disk->sync(disk->context, writer->file);
    }
    writer->segment_bytes = tail->segment_bytes;
    writer->offset = tail->offset;
    return status;
}

static enum status open_files(struct writer *writer, const struct journal_tail *tail)
{
    writer->epoch = tail->epoch;
    writer->tree = tail->tree;
    enum status status =
        tail->is_new ? make_first_segment(writer) : open_last_segment(writer, tail);
    if (status == STATUS_OK) {
        status = witness_open(&writer->witness, writer->disk, writer->directory);
    }
    writer->queued_seq = writer->tree.size;
    writer->head.seq = writer->tree.size;
    merkle_root(&writer->tree, writer->head.root);
    return status == STATUS_OK ? write_witness(writer, false) : status;
}

static enum status start_threads(struct writer *writer)
{
    pthread_condattr_t monotonic;
    CHECK(pthread_condattr_init(&monotonic) == 0);
    CHECK(pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC) == 0);
    CHECK(pthread_mutex_init(&writer->mutex, NULL) == 0);
    CHECK(pthread_cond_init(&writer->wake, &monotonic) == 0);
    pthread_condattr_destroy(&monotonic);
    enum status status =
        spare_init(&writer->spare, writer->disk, writer->directory,
                   bytes_of_next_segment(writer, writer->segment_bytes), writer, spare_failed);
    if (status == STATUS_OK && pthread_create(&writer->thread, NULL, run, writer) != 0) {
        spare_free(&writer->spare);
        status = STATUS_NO_MEMORY;
    }
    if (status != STATUS_OK) {
        pthread_cond_destroy(&writer->wake);
        pthread_mutex_destroy(&writer->mutex);
    }
    return status;
}

/* Closes the files and frees. Returns the first of `status` and what closing says. */
static enum status free_writer(struct writer *writer, enum status status)
{
    if (writer->file != NULL) {
        const enum status closed = writer->disk->close(writer->disk->context, writer->file);
        status = status == STATUS_OK ? closed : status;
    }
    const enum status closed = witness_close(&writer->witness);
    status = status == STATUS_OK ? closed : status;
    free(writer->pending.frame);
    free(writer->writing.frame);
    free(writer);
    return status;
}

enum status writer_open(const struct journal_options *options, const char *directory,
                        const struct journal_tail *tail, struct writer **writer)
{
    struct writer *made = calloc(1, sizeof *made);
    if (made == NULL) {
        return STATUS_NO_MEMORY;
    }
    made->disk = options->disk;
    made->options = *options;
    made->directory = directory;
    atomic_init(&made->rules_version, tail->rules_version);
    const size_t segment_payload =
        options->segment_bytes - FORMAT_SEGMENT_HEADER_BYTES - FORMAT_FRAME_HEADER_BYTES;
    made->payload_bytes_max =
        segment_payload < FORMAT_PAYLOAD_BYTES_MAX ? segment_payload : FORMAT_PAYLOAD_BYTES_MAX;
    made->pending.frame = malloc(FORMAT_FRAME_BYTES_MAX);
    made->writing.frame = malloc(FORMAT_FRAME_BYTES_MAX);
    if (made->pending.frame == NULL || made->writing.frame == NULL) {
        return free_writer(made, STATUS_NO_MEMORY);
    }
    enum status status = open_files(made, tail);
    if (status == STATUS_OK) {
        status = start_threads(made);
    }
    if (status != STATUS_OK) {
        return free_writer(made, status);
    }
    *writer = made;
    return STATUS_OK;
}

enum status writer_append(struct writer *writer, const uint8_t *record, size_t bytes)
{
    CHECK(bytes > 0);
    CHECK(bytes <= LIMIT_RECORD_BYTES);
    pthread_mutex_lock(&writer->mutex);
    struct batch_buffer *pending = &writer->pending;
    enum status status = STATUS_OK;
    if (writer->closing || writer->failure != STATUS_OK) {
        status = STATUS_CLOSED;
    } else if (pending->count == LIMIT_BATCH_RECORDS ||
               bytes + FORMAT_RECORD_LENGTH_BYTES >
                   writer->payload_bytes_max - pending->payload_bytes) {
        status = STATUS_FULL;
    } else {
        uint8_t *to = pending->frame + FORMAT_FRAME_HEADER_BYTES + pending->payload_bytes;
        store_u16(to, (uint16_t)bytes);
        memcpy(to + FORMAT_RECORD_LENGTH_BYTES, record, bytes);
        pending->payload_bytes += FORMAT_RECORD_LENGTH_BYTES + bytes;
        pending->count++;
        writer->queued_seq++;
        if (pending->count == 1) {
            pthread_cond_signal(&writer->wake);
        }
    }
    pthread_mutex_unlock(&writer->mutex);
    return status;
}

void writer_set_rules(struct writer *writer, uint32_t version)
{
    atomic_store(&writer->rules_version, version);
}

bool writer_has_room(struct writer *writer)
{
    return spare_has_room(&writer->spare);
}

void writer_head(struct writer *writer, struct journal_head *head)
{
    pthread_mutex_lock(&writer->mutex);
    *head = writer->head;
    pthread_mutex_unlock(&writer->mutex);
}

void writer_problem(struct writer *writer, char text[DISK_PROBLEM_BYTES])
{
    pthread_mutex_lock(&writer->mutex);
    memcpy(text, writer->problem, DISK_PROBLEM_BYTES);
    pthread_mutex_unlock(&writer->mutex);
}

enum status writer_close(struct writer *writer)
{
    pthread_mutex_lock(&writer->mutex);
    writer->closing = true;
    pthread_cond_signal(&writer->wake);
    pthread_mutex_unlock(&writer->mutex);
    spare_hurry(&writer->spare);
    pthread_join(writer->thread, NULL);
    spare_free(&writer->spare);
    pthread_cond_destroy(&writer->wake);
    pthread_mutex_destroy(&writer->mutex);
    return free_writer(writer, writer->failure);
}
