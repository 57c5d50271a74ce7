#include "statemachine/nonce.h"

#include <stddef.h>
#include <string.h>

#include "statemachine/saturate.h"

/* Nonces of this many times ahead of those that are due are asked for, four times in turn, and of
 * each ms no more than this. */
#define AHEAD_STEP_MS 4
#define AHEAD_OF_MS   6

static uint64_t hash_of(const uint8_t *account, const uint8_t *nonce)
{
    return mix_scramble(mix_scramble(mix_address(account) ^ load_u64(nonce)) ^ load_u64(nonce + 8));
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

static uint32_t *chain_of(const struct nonces *nonces, int64_t message_ms)
{
    return &nonces->by_time[(uint64_t)message_ms % NONCE_SPAN_MS];
}

/* How many live ones are past at time_ms, counted up to `most`. */
static uint32_t count_past(const struct nonces *nonces, int64_t time_ms, uint32_t most)
{
    uint32_t past = 0;
    for (int64_t ms = nonces->first_ms; is_past(ms, time_ms) && ms <= nonces->last_ms; ms++) {
        for (uint32_t number = *chain_of(nonces, ms); number != 0;
             number = nonces->links[number].same_ms) {
            past += 1;
            if (past == most) {
                return past;
            }
        }
    }
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
    return count_past(nonces, time_ms, above) < above;
}

bool nonces_fit(const struct nonces *nonces, int64_t message_ms)
{
    return nonces->count == 0 ||
           (saturating_subtract(message_ms, nonces->first_ms) < NONCE_SPAN_MS &&
            saturating_subtract(nonces->last_ms, message_ms) < NONCE_SPAN_MS);
}

static void add_to_time(struct nonces *nonces, uint32_t number, int64_t message_ms)
{
    CHECK(nonces_fit(nonces, message_ms));
    if (nonces->count == 0 || message_ms < nonces->first_ms) {
        nonces->first_ms = message_ms;
    }
    if (nonces->count == 0 || message_ms > nonces->last_ms) {
        nonces->last_ms = message_ms;
    }
    uint32_t *chain = chain_of(nonces, message_ms);
    nonces->links[number].same_ms = *chain;
    *chain = number;
}

static uint32_t take_record(struct nonces *nonces)
{
    const uint32_t number = nonces->first_free;
    if (number != 0) {
        nonces->first_free = nonces->links[number].next;
        __builtin_prefetch(&nonces->links[nonces->first_free], 1); /* for the next one */
        __builtin_prefetch(&nonces->records[nonces->first_free], 1);
        __builtin_prefetch(&nonces->records[nonces->first_free].digest, 1);
        return number;
    }
    nonces->used += 1;
    return nonces->used;
}

void nonces_put(struct nonces *nonces, const struct nonce *entry)
{
    CHECK(nonces->count < nonces->capacity);
    const uint32_t number = take_record(nonces);
    nonces->records[number] = *entry;
    const uint32_t hash = table_fold(hash_of(entry->account, entry->nonce));
    nonces->links[number] = (struct nonce_links){.previous = nonces->last, .hash = hash};
    if (nonces->last != 0) {
        nonces->links[nonces->last].next = number;
    } else {
        nonces->first = number;
    }
    nonces->last = number;
    add_to_time(nonces, number, entry->message_ms);
    nonces->count += 1;
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

static void drop(struct nonces *nonces, uint32_t number)
{
    struct nonce_links *links = &nonces->links[number];
    table_remove(&nonces->by_key, links->hash, number);
    if (links->previous != 0) {
        nonces->links[links->previous].next = links->next;
    } else {
        nonces->first = links->next;
    }
    if (links->next != 0) {
        nonces->links[links->next].previous = links->previous;
    } else {
        nonces->last = links->previous;
    }
    links->next = nonces->first_free;
    nonces->first_free = number;
}

static void prefetch_slots(const struct nonces *nonces, uint32_t number)
{
    for (uint32_t i = 0; i < AHEAD_OF_MS && number != 0; i++) {
        table_prefetch(&nonces->by_key, nonces->links[number].hash);
        number = nonces->links[number].same_ms;
    }
}

/* A chain is as slow as memory when each one says where the next lies. So the processor is asked
 * for the first ones of the chains that come, in steps: at each ms for the first of a chain, the
 * second of an earlier, the third of a still earlier one, and then for their slots. */
static void prefetch_chains(const struct nonces *nonces, int64_t ms)
{
    const struct nonce_links *links = nonces->links; /* those of number 0 are all zero */
    __builtin_prefetch(&links[*chain_of(nonces, ms + 4 * AHEAD_STEP_MS)], 1);
    const uint32_t first = *chain_of(nonces, ms + 3 * AHEAD_STEP_MS);
    __builtin_prefetch(&links[links[first].same_ms], 1);
    const uint32_t second = links[*chain_of(nonces, ms + 2 * AHEAD_STEP_MS)].same_ms;
    __builtin_prefetch(&links[links[second].same_ms], 1);
    prefetch_slots(nonces, *chain_of(nonces, ms + AHEAD_STEP_MS));
}

/* Takes the earliest out of its chain. 0: none is past. */
static uint32_t take_past(struct nonces *nonces, int64_t time_ms)
{
    while (nonces->count > 0 && is_past(nonces->first_ms, time_ms)) {
        uint32_t *chain = chain_of(nonces, nonces->first_ms);
        const uint32_t number = *chain;
        if (number != 0) {
            *chain = nonces->links[number].same_ms;
            nonces->count -= 1;
            return number;
        }
        nonces->first_ms += 1;
        prefetch_chains(nonces, nonces->first_ms);
    }
    return 0;
}

void nonces_expire(struct nonces *nonces, int64_t time_ms)
{
    uint32_t number;
    while ((number = take_past(nonces, time_ms)) != 0) {
        drop(nonces, number);
    }
}

/* Each live one hangs in the chain of its time, and nothing else does. */
static const char *times_problem(const struct nonces *nonces)
{
    uint32_t hanging = 0;
    for (int64_t slot = 0; slot < NONCE_SPAN_MS; slot++) {
        for (uint32_t number = nonces->by_time[slot]; number != 0;
             number = nonces->links[number].same_ms) {
            const int64_t message_ms = nonces->records[number].message_ms;
            if (chain_of(nonces, message_ms) != &nonces->by_time[slot] ||
                message_ms < nonces->first_ms || message_ms > nonces->last_ms) {
                return "nonces: one hangs at another time than its own";
            }
            hanging += 1;
            if (hanging > nonces->count) {
                return "nonces: more hang at their times than are live";
            }
        }
    }
    return hanging == nonces->count ? NULL : "nonces: one does not hang at its time";
}

const char *nonces_problem(const struct nonces *nonces)
{
    uint32_t listed = 0;
    uint64_t bet = 0;
    for (uint32_t number = nonces->first; number != 0; number = nonces->links[number].next) {
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
    return times_problem(nonces);
}
