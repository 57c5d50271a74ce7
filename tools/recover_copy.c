/* The new journal of a recovery: the sound records once more, then the Recovery record. */
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/bytes.h"
#include "base/check.h"
#include "journal/codec.h"
#include "tools/recover.h"

#define PROGRESS_RECORDS 4096
/* How long a queue that does not empty on a disk without space is waited for. */
#define WAIT_MS       250
#define WAITS_MAX     8
#define NS_PER_MS     1000000
#define NS_PER_SECOND 1000000000

struct copy {
    const struct recover_options *options;
    const struct recover_plan *plan;
    const struct disk *disk;
    char *unfinished; /* the new data directory until it is complete */
    struct journal *journal;
    uint32_t rules; /* in force, as far as copied */
    struct merkle tree;
    uint64_t queued;
    char *problem; /* RECOVER_TEXT_BYTES, the caller's */
    struct codec_scratch scratch;
    struct input input;
    pthread_mutex_t mutex; /* guards the next two */
    pthread_cond_t changed;
    uint64_t durable;
    bool failed;
};

static void on_durable(void *context, const struct journal_batch *batch)
{
    struct copy *copy = context;
    pthread_mutex_lock(&copy->mutex);
    copy->durable = batch->first_seq + batch->count - 1;
    pthread_cond_signal(&copy->changed);
    pthread_mutex_unlock(&copy->mutex);
}

static void on_failed(void *context, enum status status, const char *reason)
{
    struct copy *copy = context;
    (void)status; /* journal_close tells it */
    (void)reason; /* and journal_failure this */
    pthread_mutex_lock(&copy->mutex);
    copy->failed = true;
    pthread_cond_signal(&copy->changed);
    pthread_mutex_unlock(&copy->mutex);
}

static enum status fail(struct copy *copy, enum status status, const char *what)
{
    if (copy->problem[0] == '\0') {
        (void)snprintf(copy->problem, RECOVER_TEXT_BYTES, "%s: %s", what, /* a cut text is a text */
                       disk_problem(copy->disk, status));
    }
    return status;
}

/* --- Waiting for the writer ----------------------------------------------------------------------
 */

/* Waits a moment for a batch. False: none came. With the mutex. */
static bool wait_a_moment(struct copy *copy)
{
    struct timespec until;
    const uint64_t before = copy->durable;
    clock_gettime(CLOCK_REALTIME, &until); /* a jump of the clock costs a round, no more */
    until.tv_nsec += (long)WAIT_MS * NS_PER_MS;
    until.tv_sec += until.tv_nsec / NS_PER_SECOND;
    until.tv_nsec %= NS_PER_SECOND;
    while (copy->durable == before && !copy->failed &&
           pthread_cond_timedwait(&copy->changed, &copy->mutex, &until) == 0) {
    }
    return copy->durable != before;
}

/* Waits until `seq` is durable, or for one batch when it is 0. Errors: STATUS_NO_SPACE nothing
 * moves and the disk is full; STATUS_CLOSED the journal has failed. */
static enum status wait_for(struct copy *copy, uint64_t seq)
{
    enum status status = STATUS_OK;
    unsigned waits = 0;
    pthread_mutex_lock(&copy->mutex);
    while (status == STATUS_OK && copy->durable < seq) {
        if (copy->failed) {
            status = STATUS_CLOSED;
        } else if (wait_a_moment(copy)) {
            waits = 0;
        } else if (!journal_has_room(copy->journal) && ++waits == WAITS_MAX) {
            status = STATUS_NO_SPACE;
        }
    }
    pthread_mutex_unlock(&copy->mutex);
    return status;
}

static enum status append(struct copy *copy, const uint8_t *bytes, size_t length)
{
    enum status status;
    while ((status = journal_append(copy->journal, bytes, length)) == STATUS_FULL) {
        pthread_mutex_lock(&copy->mutex);
        const uint64_t next = copy->durable + 1;
        pthread_mutex_unlock(&copy->mutex);
        status = wait_for(copy, next < copy->queued ? next : copy->queued);
        if (status != STATUS_OK) {
            return status;
        }
    }
    if (status == STATUS_OK) {
        copy->queued += 1;
    }
    return status;
}

/* --- The records ---------------------------------------------------------------------------------
 */

/* Segments that begin behind a change of the rules name the new ones. */
static enum status follow_rules(struct copy *copy, uint64_t seq, const uint8_t *bytes,
                                size_t length)
{
    const enum status status = codec_decode(&copy->scratch, seq, bytes, length, &copy->input);
    if (status != STATUS_OK || copy->input.kind != INPUT_RULES_CHANGE ||
        copy->input.of.rules_change.version <= copy->rules) {
        return status;
    }
    copy->rules = copy->input.of.rules_change.version;
    const enum status waited = wait_for(copy, copy->queued);
    journal_set_rules(copy->journal, copy->rules);
    return waited;
}

static enum status copy_record(struct copy *copy, uint64_t seq, const uint8_t *bytes, size_t length)
{
    uint8_t hash[HASH_BYTES];
    merkle_leaf(bytes, length, hash);
    merkle_append(&copy->tree, hash);
    const enum status status = append(copy, bytes, length);
    return status == STATUS_OK ? follow_rules(copy, seq, bytes, length) : status;
}

static enum status copy_batch(struct copy *copy, struct chain *chain,
                              const struct chain_batch *batch)
{
    const struct recover_options *options = copy->options;
    const uint8_t *record = batch->payload;
    for (uint32_t i = 0; i < batch->header.count; i++) {
        const uint64_t seq = batch->header.first_seq + i;
        if (seq > copy->plan->kept_to) {
            return STATUS_OK;
        }
        const uint32_t length = load_u16(record);
        const enum status status =
            copy_record(copy, seq, record + FORMAT_RECORD_LENGTH_BYTES, length);
        if (status != STATUS_OK) {
            return status;
        }
        record += FORMAT_RECORD_LENGTH_BYTES + length;
        if (options->progress != NULL && seq % PROGRESS_RECORDS == 0) {
            uint64_t done;
            uint64_t total;
            chain_progress(chain, &done, &total);
            options->progress(options->progress_context, seq, done, total);
        }
    }
    return STATUS_OK;
}

static enum status copy_records(struct copy *copy)
{
    struct chain chain;
    char *directory = chain_path(copy->options->data_dir, "journal");
    if (directory == NULL) {
        return STATUS_NO_MEMORY;
    }
    enum status status = chain_open(&chain, copy->disk, directory, 1);
    free(directory);
    while (status == STATUS_OK && copy->tree.size < copy->plan->kept_to) {
        struct chain_batch batch;
        struct finding finding;
        status = chain_next(&chain, &batch, &finding);
        if (status == STATUS_OK) {
            status = copy_batch(copy, &chain, &batch);
        }
    }
    chain_close(&chain);
    uint8_t root[HASH_BYTES];
    merkle_root(&copy->tree, root);
    if (status == STATUS_END ||
        (status == STATUS_OK && memcmp(root, copy->plan->root, HASH_BYTES) != 0)) {
        (void)snprintf(copy->problem, RECOVER_TEXT_BYTES,
                       "the journal read otherwise than a moment ago: its disk cannot be trusted, "
                       "copy the directory to another one first");
        return STATUS_IO;
    }
    return status;
}

static struct text_view view_of(const char *text)
{
    return (struct text_view){.text = text, .length = strlen(text)};
}

static enum status append_recovery(struct copy *copy, const struct recover_author *author)
{
    const struct recover_plan *plan = copy->plan;
    struct input *input = &copy->input;
    uint8_t bytes[LIMIT_RECORD_BYTES];
    /* The engine time of the record before: it moves no clock, of a recording neither. */
    *input = (struct input){.kind = INPUT_RECOVERY, .time_ms = plan->kept_time_ms};
    input->of.recovery = (struct recovery){.kept_to = plan->kept_to,
                                           .lost_to = plan->lost_to,
                                           .epoch_before = plan->epoch_before,
                                           .made_ms = author->made_ms,
                                           .operator_name = view_of(author->operator_name),
                                           .reason = view_of(author->reason),
                                           .version = view_of(author->version)};
    memcpy(input->of.recovery.root, plan->root, HASH_BYTES);
    const size_t length = codec_encode(input, bytes, sizeof bytes);
    CHECK(length > 0); /* the texts were bounded by the caller */
    enum status status = append(copy, bytes, length);
    return status == STATUS_OK ? wait_for(copy, copy->queued) : status;
}

static enum status write_journal(struct copy *copy, const struct recover_author *author)
{
    const struct journal_options journal_options = {
        .disk = copy->disk, .context = copy, .on_durable = on_durable, .on_failed = on_failed};
    struct journal_report report;
    enum status status = journal_open(copy->unfinished, &journal_options, &copy->journal, &report);
    if (status != STATUS_OK) {
        return fail(copy, status, "the new journal");
    }
    status = journal_start(copy->journal);
    if (status == STATUS_OK) {
        status = copy_records(copy);
        if (status == STATUS_OK) {
            status = append_recovery(copy, author);
        }
        if (status == STATUS_CLOSED && copy->problem[0] == '\0') {
            char why[DISK_PROBLEM_BYTES];
            journal_failure(copy->journal, why);
            (void)snprintf(copy->problem, RECOVER_TEXT_BYTES, "the new journal: %s", why);
        }
    }
    const enum status closed = journal_close(copy->journal);
    status = status == STATUS_OK || status == STATUS_CLOSED ? closed : status;
    return status == STATUS_OK ? STATUS_OK : fail(copy, status, "the new journal");
}

/* --- The directory -------------------------------------------------------------------------------
 */

static enum status write_report(struct copy *copy, const struct json *text)
{
    const struct disk *disk = copy->disk;
    char *path = chain_path(copy->unfinished, RECOVER_REPORT_NAME);
    if (path == NULL) {
        return STATUS_NO_MEMORY;
    }
    struct disk_file *file;
    enum status status = disk->open(disk->context, path, true, false, &file);
    free(path);
    if (status == STATUS_OK) {
        status = disk->write(disk->context, file, 0, text->text, text->length);
        if (status == STATUS_OK) {
            status = disk->sync(disk->context, file);
        }
        const enum status closed = disk->close(disk->context, file);
        status = status == STATUS_OK ? closed : status;
    }
    if (status == STATUS_OK) {
        status = disk->sync_directory(disk->context, copy->unfinished);
    }
    return status == STATUS_OK ? STATUS_OK : fail(copy, status, RECOVER_REPORT_NAME);
}

static enum status refuse_existing(struct copy *copy, const char *path, const char *advice)
{
    const struct disk *disk = copy->disk;
    struct disk_file *file;
    const enum status status = disk->open(disk->context, path, false, true, &file);
    if (status == STATUS_NOT_FOUND) {
        return STATUS_OK;
    }
    if (status != STATUS_OK) {
        return fail(copy, status, "the new directory");
    }
    (void)disk->close(disk->context, file); /* was read only */
    (void)snprintf(copy->problem, RECOVER_TEXT_BYTES, "'%.300s' exists: %s", path, advice);
    return STATUS_USAGE;
}

/* Gives the complete directory its name, durably. */
static enum status finish(struct copy *copy, const char *out_dir)
{
    const struct disk *disk = copy->disk;
    char *parent = strdup(out_dir);
    if (parent == NULL) {
        return STATUS_NO_MEMORY;
    }
    size_t length = strlen(parent);
    while (length > 0 && parent[length - 1] != '/') {
        length--;
    }
    while (length > 1 && parent[length - 1] == '/') {
        length--;
    }
    parent[length] = '\0';
    enum status status = disk->rename(disk->context, copy->unfinished, out_dir);
    if (status == STATUS_OK) {
        status = disk->sync_directory(disk->context, length == 0 ? "." : parent);
    }
    free(parent);
    return status == STATUS_OK ? STATUS_OK : fail(copy, status, "the new directory");
}

static enum status run(struct copy *copy, const char *out_dir, const struct recover_author *author,
                       const struct json *text)
{
    enum status status = refuse_existing(copy, out_dir, "name a directory that is not there yet");
    if (status == STATUS_OK) {
        status = refuse_existing(copy, copy->unfinished,
                                 "an earlier recovery did not finish it; remove it");
    }
    if (status == STATUS_OK) {
        status = write_journal(copy, author);
    }
    if (status == STATUS_OK) {
        status = write_report(copy, text);
    }
    return status == STATUS_OK ? finish(copy, out_dir) : status;
}

enum status recover_copy(const struct recover_options *options, const struct recover_plan *plan,
                         const char *out_dir, const struct recover_author *author,
                         const struct json *text, char problem[RECOVER_TEXT_BYTES])
{
    struct copy *copy = calloc(1, sizeof *copy);
    if (copy == NULL) {
        return STATUS_NO_MEMORY;
    }
    size_t length = strlen(out_dir);
    while (length > 1 && out_dir[length - 1] == '/') {
        length--;
    }
    char *out = strndup(out_dir, length);
    const size_t bytes = length + sizeof RECOVER_UNFINISHED;
    problem[0] = '\0';
    copy->options = options;
    copy->plan = plan;
    copy->disk = options->disk != NULL ? options->disk : disk_posix();
    copy->rules = 1;
    copy->problem = problem;
    merkle_init(&copy->tree);
    copy->unfinished = malloc(bytes);
    enum status status = STATUS_NO_MEMORY;
    if (copy->unfinished != NULL && out != NULL) {
        (void)snprintf(copy->unfinished, bytes, "%s" RECOVER_UNFINISHED, out); /* fits */
        CHECK(pthread_mutex_init(&copy->mutex, NULL) == 0);
        CHECK(pthread_cond_init(&copy->changed, NULL) == 0);
        status = run(copy, out, author, text);
        pthread_cond_destroy(&copy->changed);
        pthread_mutex_destroy(&copy->mutex);
    }
    free(out);
    free(copy->unfinished);
    free(copy);
    return status;
}
