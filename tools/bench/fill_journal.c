#define _GNU_SOURCE /* syncfs */
#include "tools/bench/fill_journal.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/check.h"
#include "base/limits.h"

#define BLOCKS       4
#define BLOCK_BYTES  ((size_t)1 << 19)
#define LENGTH_BYTES 4

_Static_assert(LIMIT_RECORD_BYTES + LENGTH_BYTES < BLOCK_BYTES, "a block holds any record");

/* u32 length and record, one after another. */
struct block {
    size_t bytes;
    uint8_t *data; /* BLOCK_BYTES */
};

struct fill_journal {
    struct fill_journal_options options;
    struct journal *journal;
    struct disk disk; /* the system's, its syncs left out on request */
    bool started;     /* the first record was appended */

    pthread_mutex_t mutex; /* guards the next six */
    pthread_cond_t changed;
    uint64_t filled; /* blocks handed over */
    uint64_t taken;  /* blocks done with */
    bool finished;   /* no further block comes */
    bool drained;    /* all is appended and durable */
    bool failed;
    char problem[FILL_PROBLEM_BYTES];

    struct block blocks[BLOCKS];
    size_t fill_at; /* the filler's, in its block */
    bool disk_full; /* the filler's */
    size_t take_at; /* the writer's, in its block */
};

static enum status no_sync(void *context, struct disk_file *file)
{
    (void)context;
    (void)file;
    return STATUS_OK;
}

static enum status no_sync_directory(void *context, const char *path)
{
    (void)context;
    (void)path;
    return STATUS_OK;
}

/* What the syncs that were left out would have done. */
static enum status sync_all(const char *data_dir)
{
    const int directory = open(data_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (directory < 0) {
        return STATUS_IO;
    }
    const bool synced = syncfs(directory) == 0;
    return close(directory) == 0 && synced ? STATUS_OK : STATUS_IO;
}

/* The writer's present block; NULL when all there ever will be is appended. */
static const struct block *block_to_take(struct fill_journal *journal)
{
    pthread_mutex_lock(&journal->mutex);
    if (journal->take_at > 0 &&
        journal->take_at == journal->blocks[journal->taken % BLOCKS].bytes) {
        journal->take_at = 0;
        journal->taken += 1;
        pthread_cond_broadcast(&journal->changed);
    }
    while (journal->taken == journal->filled && !journal->finished) {
        pthread_cond_wait(&journal->changed, &journal->mutex);
    }
    const bool any = journal->taken < journal->filled;
    pthread_mutex_unlock(&journal->mutex);
    return any ? &journal->blocks[journal->taken % BLOCKS] : NULL;
}

/* Appends up to `count` records out of the blocks. Returns how many. */
static uint32_t append_batch(struct fill_journal *journal, uint32_t count)
{
    uint32_t appended = 0;
    while (appended < count) {
        const struct block *block = block_to_take(journal);
        if (block == NULL) {
            break;
        }
        for (; appended < count && journal->take_at < block->bytes; appended++) {
            const uint8_t *record = block->data + journal->take_at;
            const uint32_t bytes = load_u32(record);
            /* Before the append: after the very first one the writer's thread goes on here. */
            journal->take_at += LENGTH_BYTES + bytes;
            if (journal_append(journal->journal, record + LENGTH_BYTES, bytes) != STATUS_OK) {
                journal->take_at -= LENGTH_BYTES + bytes;
                return appended; /* FULL: the next batch begins with it; CLOSED: on_failed tells */
            }
        }
    }
    return appended;
}

static void on_durable(void *context, const struct journal_batch *batch)
{
    struct fill_journal *journal = context;
    (void)batch;
    if (append_batch(journal, journal->options.batch) == 0) {
        pthread_mutex_lock(&journal->mutex);
        journal->drained = true;
        pthread_cond_broadcast(&journal->changed);
        pthread_mutex_unlock(&journal->mutex);
    }
}

static void on_failed(void *context, enum status status, const char *reason)
{
    struct fill_journal *journal = context;
    (void)status;
    pthread_mutex_lock(&journal->mutex);
    journal->failed = true;
    (void)snprintf(journal->problem, sizeof(journal->problem), "%s", reason); /* fits */
    pthread_cond_broadcast(&journal->changed);
    pthread_mutex_unlock(&journal->mutex);
}

static void free_all(struct fill_journal *journal)
{
    for (size_t i = 0; i < BLOCKS; i++) {
        free(journal->blocks[i].data);
    }
    pthread_cond_destroy(&journal->changed);
    pthread_mutex_destroy(&journal->mutex);
    free(journal);
}

static enum status open_journal(struct fill_journal *made, struct fill_journal_result *result)
{
    made->disk = *disk_posix();
    if (!made->options.sync) {
        made->disk.sync = no_sync;
        made->disk.sync_directory = no_sync_directory;
    }
    const struct journal_options options = {
        .disk = &made->disk,
        .epoch = made->options.epoch,
        .context = made,
        .on_durable = on_durable,
        .on_failed = on_failed,
    };
    struct journal_report report;
    enum status status = journal_open(made->options.data_dir, &options, &made->journal, &report);
    if (status != STATUS_OK) {
        snprintf(result->problem, sizeof(result->problem), "%s",
                 report.reason[0] == '\0' ? status_text(status) : report.reason);
        return status;
    }
    struct journal_head head;
    journal_head(made->journal, &head);
    if (head.seq > 0) {
        snprintf(result->problem, sizeof(result->problem),
                 "there is a journal already; a new one is made in an empty directory only");
        status = STATUS_USAGE;
    } else {
        status = journal_start(made->journal);
        if (status != STATUS_OK) {
            journal_failure(made->journal, result->problem);
        }
    }
    if (status != STATUS_OK) {
        (void)journal_close(made->journal); /* nothing was written */
    }
    return status;
}

enum status fill_journal_open(const struct fill_journal_options *options,
                              struct fill_journal **journal, struct fill_journal_result *result)
{
    *result = (struct fill_journal_result){0};
    struct fill_journal *made = calloc(1, sizeof(*made));
    if (made == NULL) {
        return STATUS_NO_MEMORY;
    }
    made->options = *options;
    CHECK(pthread_mutex_init(&made->mutex, NULL) == 0);
    CHECK(pthread_cond_init(&made->changed, NULL) == 0);
    enum status status = STATUS_OK;
    for (size_t i = 0; i < BLOCKS; i++) {
        made->blocks[i].data = malloc(BLOCK_BYTES);
        status = made->blocks[i].data == NULL ? STATUS_NO_MEMORY : status;
    }
    if (status == STATUS_OK) {
        status = open_journal(made, result);
    }
    if (status != STATUS_OK) {
        free_all(made);
        return status;
    }
    *journal = made;
    return STATUS_OK;
}

/* Hands the filler's block to the writer. */
static void hand_over(struct fill_journal *journal)
{
    pthread_mutex_lock(&journal->mutex);
    journal->blocks[journal->filled % BLOCKS].bytes = journal->fill_at;
    journal->filled += 1;
    pthread_cond_broadcast(&journal->changed);
    pthread_mutex_unlock(&journal->mutex);
    journal->fill_at = 0;
    if (!journal->started) {
        journal->started = true; /* a batch of one; from here on the writer's thread appends */
        (void)append_batch(journal, 1); /* what fails here is told by on_failed */
    }
    journal->disk_full = journal->disk_full || !journal_has_room(journal->journal);
}

uint8_t *fill_journal_place(struct fill_journal *journal)
{
    if (journal->fill_at == 0) {
        pthread_mutex_lock(&journal->mutex);
        /* A writer that failed reads no block any more. */
        while (journal->filled - journal->taken == BLOCKS && !journal->failed) {
            pthread_cond_wait(&journal->changed, &journal->mutex);
        }
        pthread_mutex_unlock(&journal->mutex);
    }
    return journal->blocks[journal->filled % BLOCKS].data + journal->fill_at + LENGTH_BYTES;
}

bool fill_journal_put(struct fill_journal *journal, size_t bytes)
{
    CHECK(bytes > 0 && bytes <= LIMIT_RECORD_BYTES);
    store_u32(journal->blocks[journal->filled % BLOCKS].data + journal->fill_at, (uint32_t)bytes);
    journal->fill_at += LENGTH_BYTES + bytes;
    if (journal->fill_at + LENGTH_BYTES + LIMIT_RECORD_BYTES <= BLOCK_BYTES) {
        return true;
    }
    pthread_mutex_lock(&journal->mutex);
    const bool failed = journal->failed;
    pthread_mutex_unlock(&journal->mutex);
    if (failed) {
        return false;
    }
    hand_over(journal);
    return !journal->disk_full;
}

enum status fill_journal_close(struct fill_journal *journal, struct fill_journal_result *result)
{
    *result = (struct fill_journal_result){0};
    pthread_mutex_lock(&journal->mutex);
    const bool failed = journal->failed;
    pthread_mutex_unlock(&journal->mutex);
    if (!failed && journal->fill_at > 0) {
        hand_over(journal);
    }
    pthread_mutex_lock(&journal->mutex);
    journal->finished = true;
    pthread_cond_broadcast(&journal->changed);
    while (journal->started && !journal->drained && !journal->failed) {
        pthread_cond_wait(&journal->changed, &journal->mutex);
    }
    pthread_mutex_unlock(&journal->mutex);
    journal_head(journal->journal, &result->head);
    enum status status = journal_close(journal->journal);
    memcpy(result->problem, journal->problem, sizeof(result->problem)); /* its thread has ended */
    if (status == STATUS_OK && !journal->options.sync) {
        status = sync_all(journal->options.data_dir);
    }
    if (status != STATUS_OK && result->problem[0] == '\0') {
        snprintf(result->problem, sizeof(result->problem), "%s", status_text(status));
    }
    result->disk_full = journal->disk_full;
    free_all(journal);
    return status;
}
