#include "statemachine/nonce.h"

#include <stddef.h>
#include <string.h>

#include "statemachine/saturate.h"

static uint64_t hash_of(const uint8_t *account, const uint8_t *nonce)
{
    struct mix mix = MIX_START;
    mix_bytes(&mix, account, ADDRESS_BYTES);
    mix_bytes(&mix, nonce, NONCE_BYTES);
    return mix.first;
}

/* 128 bits that are not cryptographic are enough: a collision needs two texts of one account under
 * one nonce, so it could only make a signer's second message pass for a repetition of his first. */
static struct mix digest_of(const struct tap *tap)
{
    struct mix mix = MIX_START;
    mix_bytes(&mix, (const uint8_t *)tap->origin.text, tap->origin.length);
    mix_bytes(&mix, tap->account, ADDRESS_BYTES);
    mix_bytes(&mix, (const uint8_t *)tap->market.text, tap->market.length);
    mix_u64(&mix, (uint64_t)tap->column_ms);
    mix_u64(&mix, (uint64_t)tap->band);
    mix_u64(&mix, (uint64_t)tap->stake_micro);
    mix_u64(&mix, (uint64_t)tap->min_mult_centi);
    mix_u64(&mix, (uint64_t)tap->config);
    mix_bytes(&mix, tap->nonce, NONCE_BYTES);
    mix_u64(&mix, (uint64_t)tap->message_ms);
    return mix;
}

static bool is_past(int64_t message_ms, int64_t time_ms)
{
    return saturating_subtract(time_ms, message_ms) > LIMIT_NONCE_KEPT_MS;
}

const struct nonce *nonces_find(const struct nonces *nonces, const struct tap *tap, int64_t time_ms)
{
    struct table_walk walk = table_walk(&nonces->by_key, hash_of(tap->account, tap->nonce));
    uint32_t number;
    while ((number = table_next(&walk)) != 0) {
        const struct nonce *entry = &nonces->records[number];
        if (memcmp(entry->account, tap->account, ADDRESS_BYTES) == 0 &&
            memcmp(entry->nonce, tap->nonce, NONCE_BYTES) == 0) {
            return is_past(entry->message_ms, time_ms) ? NULL : entry;
        }
    }
    return NULL;
}

void nonces_prefetch(const struct nonces *nonces, const struct tap *tap)
{
    table_prefetch(&nonces->by_key, hash_of(tap->account, tap->nonce));
}

bool nonce_same_text(const struct nonce *nonce, const struct tap *tap)
{
    const struct mix digest = digest_of(tap);
    return nonce->digest.first == digest.first && nonce->digest.second == digest.second;
}

/* How many of the heap from `at` down are past at this time, counted up to `most`. */
static uint32_t count_past(const struct nonces *nonces, uint32_t at, int64_t time_ms, uint32_t most)
{
    if (most == 0 || at > nonces->count || !is_past(nonces->heap[at].message_ms, time_ms)) {
        return 0;
    }
    uint32_t past = 1;
    past += count_past(nonces, 2 * at, time_ms, most - past);
    past += count_past(nonces, 2 * at + 1, time_ms, most - past);
    return past;
}

bool nonces_full(const struct nonces *nonces, int64_t time_ms)
{
    if (nonces->count < nonces->limit) {
        return false;
    }
    /* Those that are past at this time would be dropped first; more than one matters only when the
     * limit was lowered below what was there. */
    const uint32_t above = nonces->count - nonces->limit + 1;
    return count_past(nonces, 1, time_ms, above) < above;
}

static void heap_push(struct nonces *nonces, struct nonce_due due)
{
    uint32_t at = nonces->count;
    while (at > 1 && due.message_ms < nonces->heap[at / 2].message_ms) {
        nonces->heap[at] = nonces->heap[at / 2];
        at /= 2;
    }
    nonces->heap[at] = due;
}

/* Removes the root; count is still the one with it. */
static void heap_pop(struct nonces *nonces)
{
    struct nonce_due *heap = nonces->heap;
    const struct nonce_due due = heap[nonces->count];
    const uint32_t left = nonces->count - 1;
    uint32_t at = 1;
    for (;;) {
        uint32_t child = at * 2;
        if (child > left) {
            break;
        }
        if (child < left && heap[child + 1].message_ms < heap[child].message_ms) {
            child += 1;
        }
        if (heap[child].message_ms >= due.message_ms) {
            break;
        }
        heap[at] = heap[child];
        at = child;
    }
    heap[at] = due;
}

static uint32_t take_record(struct nonces *nonces)
{
    const uint32_t number = nonces->first_free;
    if (number != 0) {
        nonces->first_free = nonces->records[number].next;
        return number;
    }
    nonces->used += 1;
    return nonces->used;
}

void nonces_put(struct nonces *nonces, const struct nonce *entry)
{
    CHECK(nonces->count < nonces->capacity);
    const uint32_t number = take_record(nonces);
    struct nonce *record = &nonces->records[number];
    *record = *entry;
    record->previous = nonces->last;
    record->next = 0;
    if (nonces->last != 0) {
        nonces->records[nonces->last].next = number;
    } else {
        nonces->first = number;
    }
    nonces->last = number;
    nonces->count += 1;
    const uint32_t hash = table_fold(hash_of(record->account, record->nonce));
    heap_push(nonces, (struct nonce_due){record->message_ms, number, hash});
    table_insert(&nonces->by_key, hash, number);
}

void nonces_use(struct nonces *nonces, const struct tap *tap, uint64_t bet)
{
    struct nonce entry = {
        .message_ms = tap->message_ms,
        .bet = bet,
        .digest = digest_of(tap),
    };
    memcpy(entry.account, tap->account, ADDRESS_BYTES);
    memcpy(entry.nonce, tap->nonce, NONCE_BYTES);
    nonces_put(nonces, &entry);
}

static void drop(struct nonces *nonces, struct nonce_due due)
{
    const uint32_t number = due.number;
    struct nonce *entry = &nonces->records[number];
    table_remove(&nonces->by_key, due.hash, number);
    if (entry->previous != 0) {
        nonces->records[entry->previous].next = entry->next;
    } else {
        nonces->first = entry->next;
    }
    if (entry->next != 0) {
        nonces->records[entry->next].previous = entry->previous;
    } else {
        nonces->last = entry->previous;
    }
    entry->next = nonces->first_free;
    nonces->first_free = number;
}

/* The next to go is one of the first three; what will be looked at is on its way meanwhile. */
static void prefetch_next(const struct nonces *nonces)
{
    for (uint32_t at = 1; at <= 3 && at <= nonces->count; at++) {
        table_prefetch(&nonces->by_key, nonces->heap[at].hash);
        __builtin_prefetch(&nonces->records[nonces->heap[at].number]);
    }
}

void nonces_expire(struct nonces *nonces, int64_t time_ms)
{
    while (nonces->count > 0 && is_past(nonces->heap[1].message_ms, time_ms)) {
        const struct nonce_due due = nonces->heap[1];
        heap_pop(nonces);
        nonces->count -= 1;
        prefetch_next(nonces);
        drop(nonces, due);
    }
}

const char *nonces_problem(const struct nonces *nonces)
{
    uint32_t listed = 0;
    uint64_t bet = 0;
    for (uint32_t number = nonces->first; number != 0; number = nonces->records[number].next) {
        const struct nonce *entry = &nonces->records[number];
        if (entry->bet <= bet) {
            return "nonces: not in the order of their bets";
        }
        bet = entry->bet;
        listed += 1;
        if (listed > nonces->count) {
            return "nonces: the list is longer than the count";
        }
        struct table_walk walk = table_walk(&nonces->by_key, hash_of(entry->account, entry->nonce));
        uint32_t found;
        while ((found = table_next(&walk)) != 0 && found != number) {
        }
        if (found != number) {
            return "nonces: one is not in the table";
        }
    }
    if (listed != nonces->count) {
        return "nonces: the list is shorter than the count";
    }
    for (uint32_t at = 1; at <= nonces->count; at++) {
        const struct nonce_due *due = &nonces->heap[at];
        const struct nonce *entry = &nonces->records[due->number];
        if (entry->message_ms != due->message_ms ||
            due->hash != table_fold(hash_of(entry->account, entry->nonce))) {
            return "nonces: the heap has another time or key than the record";
        }
    }
    for (uint32_t at = 2; at <= nonces->count; at++) {
        if (nonces->heap[at].message_ms < nonces->heap[at / 2].message_ms) {
            return "nonces: the heap is out of order";
        }
    }
    return NULL;
}
