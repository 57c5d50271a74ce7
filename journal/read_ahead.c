#include "journal/read_ahead.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/limits.h"

#define BLOCKS        8
#define BLOCK_BATCHES 512
#define BLOCK_FULL                                                                                 \
    ((size_t)256 << 10) /* payload bytes that make a block full; one more may come                 \
                         */
#define BLOCK_BYTES (BLOCK_FULL + LIMIT_BATCH_BYTES)

struct block {
    size_t count;
    size_t bytes; /* used */
    bool is_last;
    struct read_end end; /* of the last one */
    struct read_batch batches[BLOCK_BATCHES];
    uint8_t payloads[BLOCK_BYTES];
};

struct read_ahead {
    struct chain *chain;
    struct block *blocks; /* BLOCKS of them, used in turn */
    pthread_t thread;
    size_t taken;          /* batches of the block being read */
    pthread_mutex_t mutex; /* over the rest; block i is the thread's unless read <= i < filled */
    pthread_cond_t wake;
    uint64_t filled; /* blocks that the thread has handed over */
    uint64_t read;   /* blocks that the reader is done with */
    bool stopping;
};

static struct block *block_of(const struct read_ahead *read_ahead, uint64_t number)
{
    return &read_ahead->blocks[number % BLOCKS];
}

static void add_batch(struct block *block, const struct chain *chain,
                      const struct chain_batch *batch)
{
    struct read_batch *to = &block->batches[block->count];
    uint8_t *payload = block->payloads + block->bytes;
    memcpy(payload, batch->payload, batch->header.payload_bytes);
    to->header = batch->header;
    to->payload = payload;
    to->rules_version = chain->header.rules_version;
    to->segment_first_seq = chain->header.tree.size + 1;
    memcpy(to->root_after, chain->root, HASH_BYTES);
    if (block->count == 0) {
        chain_progress(chain, &to->done_bytes, &to->total_bytes);
    } else { /* near enough, and it costs the length of the list of segments */
        to->done_bytes = block->batches[0].done_bytes;
        to->total_bytes = block->batches[0].total_bytes;
    }
    block->bytes += batch->header.payload_bytes;
    block->count++;
}

static void fill(struct block *block, struct chain *chain)
{
    block->count = 0;
    block->bytes = 0;
    block->is_last = false;
    while (block->count < BLOCK_BATCHES && block->bytes < BLOCK_FULL) {
        struct chain_batch batch;
        struct read_end *end = &block->end;
        end->status = chain_next(chain, &batch, &end->finding);
        if (end->status != STATUS_OK) {
            block->is_last = true;
            /* The words are this thread's alone. */
            (void)snprintf(end->problem, sizeof end->problem, "%s",
                           disk_problem(chain->disk, end->status)); /* fits */
            return;
        }
        add_batch(block, chain, &batch);
    }
}

/* Waits for a block to fill. False: the reader wants no more. */
static bool wait_for_room(struct read_ahead *read_ahead)
{
    CHECK(pthread_mutex_lock(&read_ahead->mutex) == 0);
    while (read_ahead->filled - read_ahead->read == BLOCKS && !read_ahead->stopping) {
        CHECK(pthread_cond_wait(&read_ahead->wake, &read_ahead->mutex) == 0);
    }
    const bool stopping = read_ahead->stopping;
    CHECK(pthread_mutex_unlock(&read_ahead->mutex) == 0);
    return !stopping;
}

static void *walk(void *argument)
{
    struct read_ahead *read_ahead = argument;
    bool is_last = false;
    while (!is_last && wait_for_room(read_ahead)) {
        struct block *block = block_of(read_ahead, read_ahead->filled); /* only set here */
        fill(block, read_ahead->chain);
        is_last = block->is_last;
        CHECK(pthread_mutex_lock(&read_ahead->mutex) == 0);
        read_ahead->filled++;
        CHECK(pthread_cond_signal(&read_ahead->wake) == 0);
        CHECK(pthread_mutex_unlock(&read_ahead->mutex) == 0);
    }
    return NULL;
}

static void free_memory(struct read_ahead *read_ahead)
{
    CHECK(pthread_cond_destroy(&read_ahead->wake) == 0);
    CHECK(pthread_mutex_destroy(&read_ahead->mutex) == 0);
    free(read_ahead->blocks);
    free(read_ahead);
}

enum status read_ahead_open(struct chain *chain, struct read_ahead **read_ahead)
{
    struct read_ahead *made = calloc(1, sizeof *made);
    if (made == NULL) {
        return STATUS_NO_MEMORY;
    }
    made->chain = chain;
    CHECK(pthread_mutex_init(&made->mutex, NULL) == 0);
    CHECK(pthread_cond_init(&made->wake, NULL) == 0);
    made->blocks = calloc(BLOCKS, sizeof made->blocks[0]);
    /* Signals belong to the main thread; this one is born with all of them blocked. */
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    CHECK(pthread_sigmask(SIG_SETMASK, &all, &before) == 0);
    const bool started =
        made->blocks != NULL && pthread_create(&made->thread, NULL, walk, made) == 0;
    CHECK(pthread_sigmask(SIG_SETMASK, &before, NULL) == 0);
    if (!started) {
        free_memory(made);
        return STATUS_NO_MEMORY;
    }
    *read_ahead = made;
    return STATUS_OK;
}

/* Gives the block back that was read to its end, and waits for the next one. */
static struct block *next_block(struct read_ahead *read_ahead)
{
    CHECK(pthread_mutex_lock(&read_ahead->mutex) == 0);
    read_ahead->read++;
    CHECK(pthread_cond_signal(&read_ahead->wake) == 0);
    while (read_ahead->filled == read_ahead->read) {
        CHECK(pthread_cond_wait(&read_ahead->wake, &read_ahead->mutex) == 0);
    }
    CHECK(pthread_mutex_unlock(&read_ahead->mutex) == 0);
    read_ahead->taken = 0;
    return block_of(read_ahead, read_ahead->read);
}

static struct block *first_block(struct read_ahead *read_ahead)
{
    CHECK(pthread_mutex_lock(&read_ahead->mutex) == 0);
    while (read_ahead->filled == 0) {
        CHECK(pthread_cond_wait(&read_ahead->wake, &read_ahead->mutex) == 0);
    }
    CHECK(pthread_mutex_unlock(&read_ahead->mutex) == 0);
    return block_of(read_ahead, 0);
}

const struct read_batch *read_ahead_next(struct read_ahead *read_ahead, struct read_end *end)
{
    const bool is_first = read_ahead->read == 0 && read_ahead->taken == 0;
    struct block *block =
        is_first ? first_block(read_ahead) : block_of(read_ahead, read_ahead->read);
    while (read_ahead->taken == block->count) {
        if (block->is_last) {
            *end = block->end;
            return NULL;
        }
        block = next_block(read_ahead);
    }
    read_ahead->taken++;
    return &block->batches[read_ahead->taken - 1];
}

const struct read_batch *read_ahead_peek(const struct read_ahead *read_ahead, size_t distance)
{
    const struct block *block = block_of(read_ahead, read_ahead->read);
    if (read_ahead->taken == 0 || distance > block->count - read_ahead->taken) {
        return NULL;
    }
    return &block->batches[read_ahead->taken - 1 + distance];
}

void read_ahead_free(struct read_ahead *read_ahead)
{
    if (read_ahead == NULL) {
        return;
    }
    CHECK(pthread_mutex_lock(&read_ahead->mutex) == 0);
    read_ahead->stopping = true;
    CHECK(pthread_cond_signal(&read_ahead->wake) == 0);
    CHECK(pthread_mutex_unlock(&read_ahead->mutex) == 0);
    CHECK(pthread_join(read_ahead->thread, NULL) == 0);
    free_memory(read_ahead);
}
