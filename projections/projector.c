#include "projections/projector.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/check.h"

#define MERGE_OUTBOXES 512 /* of one transaction; tied to nothing but its array */

/* A mark_archived on its way to the projector thread and back. */
struct archive_request {
    bool pending;
    bool done;
    int64_t week_start_ms;
    bool archived;
    enum status status;
};

struct projector {
    struct sqlite_writer *writer;
    struct projector_options options;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t work;  /* something for the thread to do */
    pthread_cond_t news;  /* applied or halted; room in the queue; a request is done */
    struct outbox **ring; /* queue_outboxes places */
    size_t capacity;
    size_t head; /* the oldest */
    size_t count;
    uint64_t pushed_seq;
    unsigned waiting;          /* readers that wait for a seq: no time to gather */
    struct timespec gather_to; /* the next transaction begins no earlier, if nothing presses */
    bool closing;
    enum status halted;
    char halt_text[SQLITE_WRITER_TEXT_BYTES];
    struct archive_request archive;
    _Atomic uint64_t applied; /* read without the lock */
};

/* The moment timeout_ms from now, on the clock of the conditions. */
static struct timespec deadline(int timeout_ms)
{
    struct timespec when;
    const int result = clock_gettime(CLOCK_MONOTONIC, &when);
    CHECK(result == 0);
    when.tv_sec += timeout_ms / 1000;
    when.tv_nsec += (long)(timeout_ms % 1000) * 1000000;
    if (when.tv_nsec >= 1000000000) {
        when.tv_sec += 1;
        when.tv_nsec -= 1000000000;
    }
    return when;
}

/* Takes the oldest outboxes, as many as make one transaction. The lock is held. */
static size_t take_merge(struct projector *projector, struct outbox *taken[MERGE_OUTBOXES])
{
    size_t count = 0;
    uint64_t records = 0;
    while (projector->count > 0 && count < MERGE_OUTBOXES) {
        struct outbox *outbox = projector->ring[projector->head];
        records += outbox_last_seq(outbox) - outbox_first_seq(outbox) + 1;
        if (count > 0 && records > PROJECTOR_MERGE_RECORDS) {
            break;
        }
        taken[count] = outbox;
        count += 1;
        projector->head = (projector->head + 1) % projector->capacity;
        projector->count -= 1;
    }
    return count;
}

/* Empties the queue of a halted projection. The lock is held. */
static void drop_queue(struct projector *projector)
{
    while (projector->count > 0) {
        outbox_release(projector->ring[projector->head]);
        projector->head = (projector->head + 1) % projector->capacity;
        projector->count -= 1;
    }
}

/* Applies what was taken, without the lock, and tells of it. */
static void apply_taken(struct projector *projector, struct outbox *const *taken, size_t count)
{
    const enum status status = sqlite_writer_apply_many(projector->writer, taken, count);
    uint64_t applied = 0;
    for (size_t i = 0; i < count; i++) {
        outbox_release(taken[i]);
    }
    pthread_mutex_lock(&projector->lock);
    if (status == STATUS_OK) {
        /* Replayed records that the files had already do not take it back. */
        applied = sqlite_writer_applied(projector->writer);
        atomic_store_explicit(&projector->applied, applied, memory_order_release);
    } else {
        projector->halted = status;
        snprintf(projector->halt_text, sizeof(projector->halt_text), "%s",
                 sqlite_writer_error(projector->writer));
        drop_queue(projector);
    }
    pthread_cond_broadcast(&projector->news);
    pthread_mutex_unlock(&projector->lock);
    const struct projector_options *options = &projector->options;
    if (status == STATUS_OK && options->on_applied != NULL) {
        options->on_applied(options->context, applied);
    }
    if (status != STATUS_OK && options->on_halt != NULL) {
        options->on_halt(options->context, status, projector->halt_text);
    }
}

/* The lock is held; it is given up while the writer works. */
static void answer_archive(struct projector *projector)
{
    struct archive_request *request = &projector->archive;
    request->pending = false;
    pthread_mutex_unlock(&projector->lock);
    const enum status status =
        sqlite_writer_mark_archived(projector->writer, request->week_start_ms, request->archived);
    pthread_mutex_lock(&projector->lock);
    request->status = status;
    request->done = true;
    pthread_cond_broadcast(&projector->news);
}

/* Waits until there is something to do, and then for more of it: a transaction writes whole pages
 * of SQLite, nearly the same ones for one record as for a hundred, and under load each batch of the
 * journal has but a few. The lock is held. */
static void wait_for_work(struct projector *projector)
{
    while (projector->count == 0 && !projector->archive.pending && !projector->closing) {
        pthread_cond_wait(&projector->work, &projector->lock);
    }
    int result = 0;
    while (projector->count < MERGE_OUTBOXES && projector->count < projector->capacity &&
           projector->waiting == 0 && !projector->archive.pending && !projector->closing &&
           result != ETIMEDOUT) {
        result = pthread_cond_timedwait(&projector->work, &projector->lock, &projector->gather_to);
    }
    projector->gather_to = deadline(PROJECTOR_GATHER_MS);
}

static void *run(void *context)
{
    struct projector *projector = context;
    struct outbox *taken[MERGE_OUTBOXES];
    pthread_mutex_lock(&projector->lock);
    for (;;) {
        wait_for_work(projector);
        if (projector->archive.pending) {
            answer_archive(projector);
        }
        const size_t count = take_merge(projector, taken);
        if (count == 0 && projector->closing) {
            break;
        }
        if (count > 0) {
            pthread_mutex_unlock(&projector->lock);
            apply_taken(projector, taken, count);
            pthread_mutex_lock(&projector->lock);
        }
    }
    pthread_mutex_unlock(&projector->lock);
    return NULL;
}

static void destroy(struct projector *projector)
{
    pthread_cond_destroy(&projector->news);
    pthread_cond_destroy(&projector->work);
    pthread_mutex_destroy(&projector->lock);
    free(projector->ring);
    free(projector);
}

enum status projector_open(struct sqlite_writer *writer, const struct projector_options *options,
                           struct projector **projector)
{
    struct projector *made = calloc(1, sizeof(*made));
    if (made == NULL) {
        return STATUS_NO_MEMORY;
    }
    made->writer = writer;
    made->options = *options;
    made->capacity =
        options->queue_outboxes == 0 ? PROJECTOR_QUEUE_OUTBOXES : options->queue_outboxes;
    made->ring = calloc(made->capacity, sizeof(struct outbox *));
    const uint64_t applied = sqlite_writer_applied(writer);
    made->pushed_seq = applied;
    atomic_init(&made->applied, applied);
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_mutex_init(&made->lock, NULL);
    pthread_cond_init(&made->work, &attributes);
    pthread_cond_init(&made->news, &attributes);
    pthread_condattr_destroy(&attributes);
    if (made->ring == NULL || pthread_create(&made->thread, NULL, run, made) != 0) {
        destroy(made);
        return STATUS_NO_MEMORY;
    }
    *projector = made;
    return STATUS_OK;
}

enum status projector_push(struct projector *projector, struct outbox *outbox)
{
    enum status status = STATUS_OK;
    pthread_mutex_lock(&projector->lock);
    if (projector->halted != STATUS_OK || projector->closing) {
        status = STATUS_CLOSED;
    } else if (projector->count == projector->capacity) {
        status = STATUS_FULL;
    } else {
        const size_t place = (projector->head + projector->count) % projector->capacity;
        projector->ring[place] = outbox_retain(outbox);
        projector->count += 1;
        if (outbox_last_seq(outbox) > projector->pushed_seq) {
            projector->pushed_seq = outbox_last_seq(outbox);
        }
        /* In between the thread gathers, and looks by itself in time. */
        if (projector->count == 1 || projector->count == MERGE_OUTBOXES ||
            projector->count == projector->capacity) {
            pthread_cond_signal(&projector->work);
        }
    }
    pthread_mutex_unlock(&projector->lock);
    return status;
}

bool projector_wait_room(struct projector *projector, int timeout_ms)
{
    const struct timespec end = deadline(timeout_ms);
    pthread_mutex_lock(&projector->lock);
    int result = 0;
    /* A halted projection has an empty queue; the push tells. An apply makes room and gives news.
     */
    while (projector->count == projector->capacity && result != ETIMEDOUT) {
        result = pthread_cond_timedwait(&projector->news, &projector->lock, &end);
    }
    const bool room = projector->count < projector->capacity;
    pthread_mutex_unlock(&projector->lock);
    return room;
}

uint64_t projector_applied(const struct projector *projector)
{
    return atomic_load_explicit(&projector->applied, memory_order_acquire);
}

uint64_t projector_lag(struct projector *projector)
{
    pthread_mutex_lock(&projector->lock);
    const uint64_t pushed = projector->pushed_seq;
    pthread_mutex_unlock(&projector->lock);
    const uint64_t applied = projector_applied(projector);
    return pushed > applied ? pushed - applied : 0;
}

size_t projector_queue_depth(struct projector *projector)
{
    pthread_mutex_lock(&projector->lock);
    const size_t count = projector->count;
    pthread_mutex_unlock(&projector->lock);
    return count;
}

enum status projector_wait(struct projector *projector, uint64_t seq, int timeout_ms)
{
    if (projector_applied(projector) >= seq) {
        return STATUS_OK;
    }
    const struct timespec end = deadline(timeout_ms);
    pthread_mutex_lock(&projector->lock);
    int result = 0;
    projector->waiting += 1;
    pthread_cond_signal(&projector->work);
    while (projector_applied(projector) < seq && projector->halted == STATUS_OK &&
           !projector->closing && result != ETIMEDOUT) {
        result = pthread_cond_timedwait(&projector->news, &projector->lock, &end);
    }
    projector->waiting -= 1;
    enum status status = STATUS_FULL;
    if (projector_applied(projector) >= seq) {
        status = STATUS_OK;
    } else if (projector->halted != STATUS_OK || projector->closing) {
        status = STATUS_CLOSED;
    }
    pthread_mutex_unlock(&projector->lock);
    return status;
}

enum status projector_halted(struct projector *projector, char text[SQLITE_WRITER_TEXT_BYTES])
{
    pthread_mutex_lock(&projector->lock);
    const enum status status = projector->halted;
    memcpy(text, projector->halt_text, SQLITE_WRITER_TEXT_BYTES);
    pthread_mutex_unlock(&projector->lock);
    return status;
}

enum status projector_mark_archived(struct projector *projector, int64_t week_start_ms,
                                    bool archived)
{
    struct archive_request *request = &projector->archive;
    pthread_mutex_lock(&projector->lock);
    /* One request at a time: another thread's is waited for. */
    while ((request->pending || request->done) && !projector->closing) {
        pthread_cond_wait(&projector->news, &projector->lock);
    }
    if (projector->closing) {
        pthread_mutex_unlock(&projector->lock);
        return STATUS_CLOSED;
    }
    *request = (struct archive_request){
        .pending = true, .week_start_ms = week_start_ms, .archived = archived};
    pthread_cond_signal(&projector->work);
    while (!request->done) {
        pthread_cond_wait(&projector->news, &projector->lock);
    }
    const enum status status = request->status;
    *request = (struct archive_request){0};
    pthread_cond_broadcast(&projector->news);
    pthread_mutex_unlock(&projector->lock);
    return status;
}

void projector_close(struct projector *projector)
{
    if (projector == NULL) {
        return;
    }
    pthread_mutex_lock(&projector->lock);
    projector->closing = true;
    pthread_cond_broadcast(&projector->work);
    pthread_cond_broadcast(&projector->news);
    pthread_mutex_unlock(&projector->lock);
    const int joined = pthread_join(projector->thread, NULL);
    CHECK(joined == 0);
    sqlite_writer_close(projector->writer);
    destroy(projector);
}
