#include "replay/rebuild.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "projections/outbox.h"
#include "projections/sqlite_writer.h"

/* Records of one outbox: few enough for little memory, many enough that the hand-over costs
 * nothing; and outboxes on their way from the replay to the writer. */
#define OUTBOX_RECORDS 4096
#define QUEUE_OUTBOXES 8

/* Outboxes in order, from one thread to the other. */
struct queue {
    pthread_mutex_t lock;
    pthread_cond_t news;
    struct outbox *ring[QUEUE_OUTBOXES];
    size_t first;
    size_t count;
    bool ended;         /* no more will come */
    enum status status; /* of the writer; after a failure it throws away what comes */
};

struct rebuild {
    struct sqlite_writer *writer;
    struct queue queue;
    struct outbox *outbox;  /* NULL between two */
    struct event_sink sink; /* of the outbox, or one that nobody calls */
    uint64_t records;       /* in the outbox */
};

/* --- The writer's thread. ------------------------------------------------------------------------
 */

/* NULL: there is no more. */
static struct outbox *take(struct queue *queue)
{
    struct outbox *outbox = NULL;
    pthread_mutex_lock(&queue->lock);
    while (queue->count == 0 && !queue->ended) {
        pthread_cond_wait(&queue->news, &queue->lock);
    }
    if (queue->count > 0) {
        outbox = queue->ring[queue->first];
        queue->first = (queue->first + 1) % QUEUE_OUTBOXES;
        queue->count -= 1;
        pthread_cond_signal(&queue->news);
    }
    pthread_mutex_unlock(&queue->lock);
    return outbox;
}

static void *write_all(void *context)
{
    struct rebuild *rebuild = context;
    struct queue *queue = &rebuild->queue;
    struct outbox *outbox;
    enum status status = STATUS_OK;
    while ((outbox = take(queue)) != NULL) {
        if (status == STATUS_OK) {
            status = sqlite_writer_apply(rebuild->writer, outbox);
        }
        outbox_release(outbox);
        if (status != STATUS_OK) {
            pthread_mutex_lock(&queue->lock);
            queue->status = status;
            pthread_mutex_unlock(&queue->lock);
        }
    }
    return NULL;
}

/* --- The replay's. -------------------------------------------------------------------------------
 */

/* Hands an outbox over, waiting for room; gives the writer's status so far. */
static enum status put(struct queue *queue, struct outbox *outbox)
{
    pthread_mutex_lock(&queue->lock);
    while (queue->count == QUEUE_OUTBOXES) {
        pthread_cond_wait(&queue->news, &queue->lock);
    }
    queue->ring[(queue->first + queue->count) % QUEUE_OUTBOXES] = outbox;
    queue->count += 1;
    pthread_cond_signal(&queue->news);
    const enum status status = queue->status;
    pthread_mutex_unlock(&queue->lock);
    return status;
}

static enum status flush(struct rebuild *rebuild, struct applier *applier)
{
    struct outbox *outbox = rebuild->outbox;
    if (outbox == NULL) {
        return STATUS_OK;
    }
    rebuild->outbox = NULL;
    rebuild->records = 0;
    const enum status status = outbox_seal(outbox, applier_digest(applier));
    if (status != STATUS_OK) {
        outbox_release(outbox);
        return status;
    }
    return put(&rebuild->queue, outbox);
}

static enum status before_record(void *context, struct applier *applier,
                                 const struct journal_record *record)
{
    struct rebuild *rebuild = context;
    if (rebuild->outbox == NULL) {
        rebuild->outbox = outbox_new();
        if (rebuild->outbox == NULL) {
            return STATUS_NO_MEMORY;
        }
        rebuild->sink = outbox_sink(rebuild->outbox);
    }
    outbox_begin_record(rebuild->outbox, record->seq, applier_input(applier)->time_ms);
    return STATUS_OK;
}

static enum status after_record(void *context, struct applier *applier,
                                const struct journal_record *record)
{
    (void)record;
    struct rebuild *rebuild = context;
    rebuild->records += 1;
    return rebuild->records < OUTBOX_RECORDS ? STATUS_OK : flush(rebuild, applier);
}

/* Tells the writer that this was all, and waits for it. */
static enum status join(struct rebuild *rebuild, pthread_t thread)
{
    struct queue *queue = &rebuild->queue;
    pthread_mutex_lock(&queue->lock);
    queue->ended = true;
    pthread_cond_signal(&queue->news);
    pthread_mutex_unlock(&queue->lock);
    const int joined = pthread_join(thread, NULL);
    CHECK(joined == 0);
    return queue->status;
}

static enum status replay_into(struct rebuild *rebuild, struct applier *applier,
                               const char *data_dir, const struct replay_options *options,
                               struct replay_result *result)
{
    pthread_t thread;
    if (pthread_create(&thread, NULL, write_all, rebuild) != 0) {
        return STATUS_NO_MEMORY;
    }
    struct replay_options with_hooks = *options;
    with_hooks.context = rebuild;
    with_hooks.sink = &rebuild->sink;
    with_hooks.before = before_record;
    with_hooks.after = after_record;
    enum status status = replay_run(applier, data_dir, &with_hooks, result);
    /* What was applied is shown, also when the journal ends in damage. */
    const enum status flushed = flush(rebuild, applier);
    const enum status written = join(rebuild, thread);
    if (status == STATUS_OK) {
        status = flushed != STATUS_OK ? flushed : written;
    }
    return status;
}

/* The words of the one that failed. */
static void explain(const struct rebuild *rebuild, enum status status, struct replay_result *result)
{
    const char *error = sqlite_writer_error(rebuild->writer);
    if (status != STATUS_OK && error[0] != '\0') {
        snprintf(result->problem, sizeof result->problem, "%.500s", error);
    } else if (status != STATUS_OK && result->problem[0] == '\0') {
        snprintf(result->problem, sizeof result->problem, "%s", status_text(status));
    }
}

enum status rebuild_into(struct sqlite_writer *writer, struct applier *applier,
                         const char *data_dir, const struct replay_options *options,
                         void (*indexes)(void *progress_context, const char *file),
                         struct replay_result *result)
{
    CHECK(options->sink == NULL);
    CHECK(options->before == NULL);
    CHECK(options->after == NULL);
    struct rebuild rebuild = {.writer = writer, .queue = {.status = STATUS_OK}};
    *result = (struct replay_result){0};
    pthread_mutex_init(&rebuild.queue.lock, NULL);
    pthread_cond_init(&rebuild.queue.news, NULL);
    enum status status = replay_into(&rebuild, applier, data_dir, options, result);
    const enum status finished =
        sqlite_writer_finish_bulk(rebuild.writer, options->progress_context, indexes);
    status = status == STATUS_OK ? finished : status;
    explain(&rebuild, status, result);
    pthread_cond_destroy(&rebuild.queue.news);
    pthread_mutex_destroy(&rebuild.queue.lock);
    return status;
}

enum status rebuild_run(struct applier *applier, const char *data_dir, const char *out_dir,
                        const struct replay_options *options,
                        void (*indexes)(void *progress_context, const char *file),
                        struct replay_result *result)
{
    const struct sqlite_writer_options writer_options = {.head_seq = UINT64_MAX, .bulk = true};
    struct sqlite_writer_report report;
    struct sqlite_writer *writer;
    *result = (struct replay_result){0};
    enum status status = sqlite_writer_open(out_dir, &writer_options, &writer, &report);
    if (status != STATUS_OK) {
        snprintf(result->problem, sizeof result->problem, "%.200s: %.300s", out_dir,
                 report.text[0] != '\0' ? report.text : status_text(status));
        return status;
    }
    status = rebuild_into(writer, applier, data_dir, options, indexes, result);
    sqlite_writer_close(writer);
    return status;
}
