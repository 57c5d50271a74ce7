#include "projections/outbox.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"

/* Small enough for a batch of one tap, and soon large when a batch has thousands. */
#define BLOCK_BYTES_FIRST ((size_t)8 << 10)
#define BLOCK_BYTES_MAX   ((size_t)256 << 10)

struct block {
    struct block *previous;
    size_t used;
    size_t capacity;
    _Alignas(max_align_t) uint8_t bytes[];
};

struct outbox {
    atomic_uint references;
    bool sealed;
    bool failed; /* a copy found no memory */
    struct block *block;
    size_t bytes;
    struct outbox_record *first;
    struct outbox_record *last;
    struct outbox_item *last_item; /* of the last record; NULL while it has none */
    uint8_t digest[HASH_BYTES];
};

struct outbox *outbox_new(void)
{
    struct outbox *outbox = calloc(1, sizeof(*outbox));
    if (outbox == NULL) {
        return NULL;
    }
    atomic_init(&outbox->references, 1);
    outbox->bytes = sizeof(*outbox);
    return outbox;
}

/* Memory that lives as long as the outbox; NULL, and failed for good, when there is none. */
static void *take(struct outbox *outbox, size_t bytes)
{
    const size_t alignment = _Alignof(max_align_t);
    const size_t size = (bytes + alignment - 1) / alignment * alignment;
    struct block *block = outbox->block;
    if (block == NULL || block->capacity - block->used < size) {
        size_t capacity = block == NULL ? BLOCK_BYTES_FIRST : block->capacity * 2;
        capacity = capacity > BLOCK_BYTES_MAX ? BLOCK_BYTES_MAX : capacity;
        CHECK(size <= BLOCK_BYTES_FIRST);
        struct block *fresh = malloc(sizeof(*fresh) + capacity);
        if (fresh == NULL) {
            outbox->failed = true;
            return NULL;
        }
        *fresh = (struct block){.previous = block, .capacity = capacity};
        outbox->block = fresh;
        outbox->bytes += sizeof(*fresh) + capacity;
        block = fresh;
    }
    void *memory = block->bytes + block->used;
    block->used += size;
    return memory;
}

/* A copy of from[0..bytes); NULL stays NULL. */
static const void *copy(struct outbox *outbox, const void *from, size_t bytes)
{
    if (from == NULL) {
        return NULL;
    }
    void *to = take(outbox, bytes);
    if (to != NULL) {
        memcpy(to, from, bytes);
    }
    return to;
}

void outbox_begin_record(struct outbox *outbox, uint64_t seq, int64_t time_ms)
{
    CHECK(!outbox->sealed);
    if (outbox->failed) {
        return;
    }
    CHECK(outbox->last == NULL || seq == outbox->last->seq + 1);
    struct outbox_record *record = take(outbox, sizeof(*record));
    if (record == NULL) {
        return;
    }
    *record = (struct outbox_record){.seq = seq, .time_ms = time_ms};
    if (outbox->last == NULL) {
        outbox->first = record;
    } else {
        outbox->last->next = record;
    }
    outbox->last = record;
    outbox->last_item = NULL;
}

/* A further item of the last record, still empty; NULL when memory is out. */
static struct outbox_item *append_item(struct outbox *outbox, enum outbox_item_kind kind)
{
    CHECK(!outbox->sealed);
    if (outbox->failed) {
        return NULL;
    }
    CHECK(outbox->last != NULL);
    struct outbox_item *item = take(outbox, sizeof(*item));
    if (item == NULL) {
        return NULL;
    }
    *item = (struct outbox_item){.kind = kind};
    if (outbox->last_item == NULL) {
        outbox->last->items = item;
    } else {
        outbox->last_item->next = item;
    }
    outbox->last_item = item;
    return item;
}

/* Replaces what an event borrows by copies. The text of a refusal is static and stays. */
static void own_event(struct outbox *outbox, struct event *event)
{
    switch (event->kind) {
    case EVENT_CONFIG:
        event->of.config.config =
            copy(outbox, event->of.config.config, sizeof(*event->of.config.config));
        return;
    case EVENT_ACCOUNT_OPENED:
        event->of.account.address = copy(outbox, event->of.account.address, ADDRESS_BYTES);
        return;
    case EVENT_TAP_REFUSED:
    case EVENT_TAP_REPEATED:
        event->of.tap.account = copy(outbox, event->of.tap.account, ADDRESS_BYTES);
        event->of.tap.nonce = copy(outbox, event->of.tap.nonce, NONCE_BYTES);
        return;
    case EVENT_BET_ACCEPTED:
    case EVENT_BET_CONFIRMED:
    case EVENT_BET_REJECTED:
    case EVENT_BET_SETTLED:
        event->of.bet = copy(outbox, event->of.bet, sizeof(*event->of.bet));
        return;
    case EVENT_COLUMN_SETTLED:
        event->of.column = copy(outbox, event->of.column, sizeof(*event->of.column));
        return;
    case EVENT_CONFIG_REFUSED:
    case EVENT_TRANSFER_APPLIED:
    case EVENT_TRANSFER_REPEATED:
    case EVENT_TRANSFER_REFUSED:
    case EVENT_TICK:
    case EVENT_TICK_IGNORED:
    case EVENT_BREAKER:
    case EVENT_START:
    case EVENT_RULES:
    case EVENT_RULES_REFUSED:
    case EVENT_RECOVERY:
        return;
    }
}

static void take_event(void *context, const struct event *event)
{
    struct outbox *outbox = context;
    struct outbox_item *item = append_item(outbox, OUTBOX_EVENT);
    if (item != NULL) {
        item->of.event = *event;
        own_event(outbox, &item->of.event);
    }
}

static void take_posting(void *context, const struct posting *posting)
{
    struct outbox *outbox = context;
    struct outbox_item *item = append_item(outbox, OUTBOX_POSTING);
    if (item != NULL) {
        item->of.posting = *posting;
        item->of.posting.address = copy(outbox, posting->address, ADDRESS_BYTES);
        item->of.posting.reference = copy(outbox, posting->reference, posting->reference_length);
    }
}

struct event_sink outbox_sink(struct outbox *outbox)
{
    return (struct event_sink){.context = outbox, .event = take_event, .posting = take_posting};
}

enum status outbox_seal(struct outbox *outbox, const uint8_t digest[HASH_BYTES])
{
    CHECK(!outbox->sealed);
    if (outbox->failed) {
        return STATUS_NO_MEMORY;
    }
    CHECK(outbox->first != NULL);
    memcpy(outbox->digest, digest, HASH_BYTES);
    outbox->sealed = true;
    return STATUS_OK;
}

struct outbox *outbox_retain(struct outbox *outbox)
{
    atomic_fetch_add_explicit(&outbox->references, 1, memory_order_relaxed);
    return outbox;
}

void outbox_release(struct outbox *outbox)
{
    /* Release, then acquire by the last holder: its free comes after every other thread's reads. */
    if (atomic_fetch_sub_explicit(&outbox->references, 1, memory_order_acq_rel) != 1) {
        return;
    }
    struct block *block = outbox->block;
    while (block != NULL) {
        struct block *previous = block->previous;
        free(block);
        block = previous;
    }
    free(outbox);
}

const struct outbox_record *outbox_records(const struct outbox *outbox)
{
    CHECK(outbox->sealed);
    return outbox->first;
}

uint64_t outbox_first_seq(const struct outbox *outbox)
{
    CHECK(outbox->sealed);
    return outbox->first->seq;
}

uint64_t outbox_last_seq(const struct outbox *outbox)
{
    CHECK(outbox->sealed);
    return outbox->last->seq;
}

const uint8_t *outbox_digest(const struct outbox *outbox)
{
    CHECK(outbox->sealed);
    return outbox->digest;
}

size_t outbox_bytes(const struct outbox *outbox)
{
    return outbox->bytes;
}
