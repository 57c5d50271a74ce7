#include "tools/serve/engine.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/check.h"
#include "tools/commands.h"
#include "tools/serve/engine_private.h"

#define BACKLOG_RETRY_MS 2

void request_list_push(struct request_list *list, struct engine_request *request)
{
    request->next = NULL;
    if (list->last == NULL) {
        list->first = request;
    } else {
        list->last->next = request;
    }
    list->last = request;
    list->count += 1;
}

struct engine_request *request_list_pop(struct request_list *list)
{
    struct engine_request *request = list->first;
    if (request == NULL) {
        return NULL;
    }
    list->first = request->next;
    if (list->first == NULL) {
        list->last = NULL;
    }
    list->count -= 1;
    request->next = NULL;
    return request;
}

enum status engine_open(struct engine **engine)
{
    struct engine *made = calloc(1, sizeof(*made));
    if (made == NULL) {
        return STATUS_NO_MEMORY;
    }
    pthread_condattr_t attributes;
    CHECK(pthread_condattr_init(&attributes) == 0);
    CHECK(pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC) == 0);
    CHECK(pthread_mutex_init(&made->lock, NULL) == 0);
    CHECK(pthread_cond_init(&made->wake, &attributes) == 0);
    pthread_condattr_destroy(&attributes);
    *engine = made;
    return STATUS_OK;
}

/* --- Handing over, from other threads. --- */

enum status engine_submit(struct engine *engine, struct engine_request *request)
{
    enum status status = STATUS_OK;
    pthread_mutex_lock(&engine->lock);
    if (engine->stopping || engine->journal_failed) {
        status = STATUS_CLOSED;
    } else if (engine->requests.count >= ENGINE_QUEUE_REQUESTS) {
        status = STATUS_FULL;
    } else {
        request_list_push(&engine->requests, request);
        pthread_cond_signal(&engine->wake);
    }
    pthread_mutex_unlock(&engine->lock);
    return status;
}

bool engine_grid(struct engine *engine, int64_t grid_ms, int64_t now_ms,
                 const struct price_tick *tick)
{
    bool taken = false;
    pthread_mutex_lock(&engine->lock);
    if (engine->grid_count < GRID_QUEUE && !engine->stopping) {
        struct grid_record *grid =
            &engine->grid[(engine->grid_head + engine->grid_count) % GRID_QUEUE];
        grid->grid_ms = grid_ms;
        grid->now_ms = now_ms;
        grid->has_tick = tick != NULL;
        if (tick != NULL) {
            grid->tick = *tick;
        }
        engine->grid_count += 1;
        taken = true;
        pthread_cond_signal(&engine->wake);
    }
    pthread_mutex_unlock(&engine->lock);
    return taken;
}

void engine_drain(struct engine *engine)
{
    atomic_store(&engine->draining, true);
}

void engine_stop_intake(struct engine *engine, const char *reason)
{
    pthread_mutex_lock(&engine->lock);
    if (!engine->intake_stopped) {
        snprintf(engine->intake_reason, sizeof(engine->intake_reason), "%s", reason);
        engine->intake_stopped = true;
    }
    pthread_mutex_unlock(&engine->lock);
}

uint64_t engine_applied_seq(const struct engine *engine)
{
    return atomic_load(&engine->applied_seq);
}

uint32_t engine_waiting(struct engine *engine)
{
    pthread_mutex_lock(&engine->lock);
    const uint32_t count = engine->requests.count;
    pthread_mutex_unlock(&engine->lock);
    return count;
}

void engine_journal_durable(void *context, const struct journal_batch *batch)
{
    struct engine *engine = context;
    struct durable *durable = malloc(sizeof(*durable) + batch->bytes);
    if (durable == NULL) {
        engine_journal_failed(engine, STATUS_NO_MEMORY, "no memory for a durable batch");
        return;
    }
    durable->next = NULL;
    durable->first_seq = batch->first_seq;
    durable->count = batch->count;
    durable->sync_ns = batch->sync_ns;
    durable->bytes = batch->bytes;
    memcpy(durable->records, batch->records, batch->bytes);
    pthread_mutex_lock(&engine->lock);
    if (engine->journal_failed) {
        free(durable); /* a batch before it is missing here: nothing may be applied any more */
    } else {
        if (engine->durable_last == NULL) {
            engine->durable_first = durable;
        } else {
            engine->durable_last->next = durable;
        }
        engine->durable_last = durable;
        pthread_cond_signal(&engine->wake);
    }
    pthread_mutex_unlock(&engine->lock);
}

void engine_journal_failed(void *context, enum status status, const char *reason)
{
    struct engine *engine = context;
    pthread_mutex_lock(&engine->lock);
    if (!engine->journal_failed) {
        engine->journal_failed = true;
        engine->journal_status = status;
        snprintf(engine->reason, sizeof(engine->reason), "%s: %s", status_text(status), reason);
    }
    pthread_cond_signal(&engine->wake);
    pthread_mutex_unlock(&engine->lock);
}

/* --- The thread. --- */

/* What one round takes from the queues, in one go under the lock. */
struct round {
    struct request_list requests;
    struct durable *durable;
    struct grid_record grid[GRID_QUEUE];
    uint32_t grid_count;
    bool left; /* requests or grid records had to wait */
    bool stopping;
    bool journal_failed;
};

/* With a full backlog only durable batches are taken, everything else waits. */
static bool takes_input(const struct engine *engine)
{
    return engine->backlog_count < ENGINE_BACKLOG_MAX / 2;
}

/* Is there something that this round can take? What has to wait does not count: asking for it over
 * and over would only burn the processor. */
static bool has_work(const struct engine *engine)
{
    return engine->durable_first != NULL || (engine->journal_failed && !engine->failed) ||
           (takes_input(engine) &&
            (engine->requests.count > 0 || (engine->grid_count > 0 && engine->held_count == 0)));
}

/* Waits until something may have changed: without end when only a new input can change anything,
 * else (a backlog or held grid records to try again, the end to be reached) for a moment. */
static void wait_for_work(struct engine *engine)
{
    while (!has_work(engine)) {
        if (engine->backlog_count == 0 && engine->held_count == 0 && !engine->stopping) {
            pthread_cond_wait(&engine->wake, &engine->lock);
            continue;
        }
        struct timespec until;
        clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_nsec += BACKLOG_RETRY_MS * 1000000;
        until.tv_sec += until.tv_nsec / 1000000000;
        until.tv_nsec %= 1000000000;
        pthread_cond_timedwait(&engine->wake, &engine->lock, &until);
        return;
    }
}

static void take_round(struct engine *engine, struct round *round)
{
    pthread_mutex_lock(&engine->lock);
    wait_for_work(engine);
    memset(round, 0, offsetof(struct round, grid));
    round->grid_count = 0;
    round->durable = engine->durable_first;
    engine->durable_first = engine->durable_last = NULL;
    if (takes_input(engine)) {
        round->requests = engine->requests;
        engine->requests = (struct request_list){0};
        while (engine->grid_count > 0 && engine->held_count == 0) {
            round->grid[round->grid_count++] = engine->grid[engine->grid_head];
            engine->grid_head = (engine->grid_head + 1) % GRID_QUEUE;
            engine->grid_count -= 1;
        }
    }
    round->left = engine->requests.count > 0 || engine->grid_count > 0;
    round->stopping = engine->stopping;
    round->journal_failed = engine->journal_failed;
    pthread_mutex_unlock(&engine->lock);
}

static void apply_durable(struct engine *engine, struct durable *durable)
{
    while (durable != NULL) {
        struct durable *next = durable->next;
        if (!engine->failed) {
            engine_apply(engine, durable);
        }
        free(durable);
        durable = next;
    }
}

/* Sequences the grid records in their order; those without room are held for the next round. */
static void take_grid(struct engine *engine, const struct round *round)
{
    uint32_t taken = 0;
    while (taken < engine->held_count && engine_take_grid(engine, &engine->held[taken])) {
        taken += 1;
    }
    engine->held_count -= taken;
    memmove(engine->held, engine->held + taken, engine->held_count * sizeof(engine->held[0]));
    for (uint32_t i = 0; i < round->grid_count; i++) {
        if (engine->held_count > 0 || !engine_take_grid(engine, &round->grid[i])) {
            engine->held[engine->held_count++] = round->grid[i];
        }
    }
}

static bool all_done(const struct engine *engine, const struct round *round)
{
    return round->stopping && !round->left && engine->backlog_count == 0 &&
           round->requests.count == 0 &&
           (engine->failed || (atomic_load(&engine->applied_seq) == engine->sequencer.last_seq &&
                               engine->parked.count == 0 && engine->held_count == 0));
}

static void *run(void *context)
{
    struct engine *engine = context;
    static _Thread_local struct round round;
    for (;;) {
        take_round(engine, &round);
        const bool had_requests = round.requests.count > 0;
        apply_durable(engine, round.durable);
        /* What was parked before the batches above may be decided now; what parks again waits. */
        struct request_list retry = engine->parked;
        engine->parked = (struct request_list){0};
        for (struct engine_request *request; (request = request_list_pop(&retry)) != NULL;) {
            engine_take_request(engine, request);
        }
        if (!engine->failed) {
            take_grid(engine, &round);
        }
        for (struct engine_request *request;
             (request = request_list_pop(&round.requests)) != NULL;) {
            engine_take_request(engine, request);
        }
        if (!engine->failed && !round.stopping) {
            engine_attest(engine);
        }
        if (round.journal_failed && !engine->failed) {
            engine_fail(engine, EXIT_JOURNAL_IO, engine->reason);
        }
        engine_flush_answers(engine);
        engine_send_backlog(engine);
        if (!had_requests && all_done(engine, &round)) {
            return NULL;
        }
    }
}

enum status engine_start(struct engine *engine, const struct engine_options *options)
{
    engine->options = *options;
    const uint64_t last = applier_seq(options->applier);
    sequencer_init(&engine->sequencer, options->journal, last, applier_time_ms(options->applier));
    atomic_store(&engine->applied_seq, last);
    engine->attested_seq = last;
    for (size_t i = 0; i < options->first_count; i++) {
        const enum status status =
            sequencer_put(&engine->sequencer, clock_now_ms(options->clock), &options->first[i]);
        if (status != STATUS_OK) {
            return status;
        }
    }
    if (pthread_create(&engine->thread, NULL, run, engine) != 0) {
        return STATUS_NO_MEMORY;
    }
    engine->started = true;
    return STATUS_OK;
}

void engine_stop(struct engine *engine)
{
    if (!engine->started) {
        return;
    }
    pthread_mutex_lock(&engine->lock);
    engine->stopping = true;
    pthread_cond_signal(&engine->wake);
    pthread_mutex_unlock(&engine->lock);
    CHECK(pthread_join(engine->thread, NULL) == 0);
    engine->started = false;
}

void engine_free(struct engine *engine)
{
    if (engine == NULL) {
        return;
    }
    CHECK(!engine->started);
    for (struct durable *durable = engine->durable_first; durable != NULL;) {
        struct durable *next = durable->next;
        free(durable);
        durable = next;
    }
    pthread_mutex_destroy(&engine->lock);
    pthread_cond_destroy(&engine->wake);
    free(engine);
}

void engine_update_free(struct engine_update *update)
{
    if (update == NULL) {
        return;
    }
    if (update->outbox != NULL) {
        outbox_release(update->outbox);
    }
    free(update->grid);
    free(update);
}
