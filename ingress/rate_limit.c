#include "ingress/rate_limit.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/bytes.h"
#include "base/check.h"
#include "base/keccak.h"
#include "base/text.h"

#define SECRET_BYTES  16
#define WINDOW_SLOTS  16 /* the slots that one key may take, side by side */
#define NS_PER_SECOND ((int64_t)1000000000)
#define NS_PER_MS     ((int64_t)1000000)

/* A bucket that misses tokens until full_at_ns, and is free for another key from then on. */
struct slot {
    uint8_t key[RATE_LIMIT_KEY_BYTES_MAX];
    int64_t full_at_ns;
};

struct rate_limit {
    struct rate rate;
    int64_t token_ns; /* how long a token takes to come back */
    size_t key_bytes;
    size_t slot_count; /* a power of two */
    uint8_t secret[SECRET_BYTES];
    struct slot slots[];
};

/* Exactly decimal, 0..RATE_LIMIT_RATE_MAX. */
static bool parse_part(const char *text, size_t length, int64_t *value)
{
    return text_parse_decimal(text, length, value) && *value <= RATE_LIMIT_RATE_MAX;
}

bool rate_limit_parse(const char *text, struct rate *rate)
{
    if (strcmp(text, "0") == 0) {
        *rate = (struct rate){0};
        return true;
    }
    const char *colon = strchr(text, ':');
    struct rate parsed;
    if (colon == NULL || !parse_part(text, (size_t)(colon - text), &parsed.per_second) ||
        !parse_part(colon + 1, strlen(colon + 1), &parsed.burst)) {
        return false;
    }
    if (parsed.per_second == 0) {
        parsed.burst = 0;
    } else if (parsed.burst == 0) {
        return false; /* it would refuse everything for ever */
    }
    *rate = parsed;
    return true;
}

enum status rate_limit_open(struct rate rate, size_t key_bytes, size_t keys,
                            struct rate_limit **limit)
{
    CHECK(key_bytes > 0 && key_bytes <= RATE_LIMIT_KEY_BYTES_MAX);
    CHECK(rate.per_second >= 0 && rate.per_second <= RATE_LIMIT_RATE_MAX);
    CHECK(rate.burst <= RATE_LIMIT_RATE_MAX && (rate.burst >= 1 || rate.per_second == 0));
    CHECK(keys <= SIZE_MAX / 4 / sizeof(struct slot));
    /* Half full at most, so that windows with no free slot stay rare. */
    size_t slot_count = WINDOW_SLOTS;
    while (slot_count < 2 * keys) {
        slot_count *= 2;
    }
    struct rate_limit *made = calloc(1, sizeof(*made) + slot_count * sizeof(struct slot));
    if (made == NULL) {
        return STATUS_NO_MEMORY;
    }
    ssize_t got;
    do {
        got = getrandom(made->secret, SECRET_BYTES, 0);
    } while (got < 0 && errno == EINTR);
    if (got != SECRET_BYTES) {
        free(made);
        return STATUS_IO;
    }
    made->rate = rate;
    made->token_ns = rate.per_second == 0 ? 0 : NS_PER_SECOND / rate.per_second;
    made->key_bytes = key_bytes;
    made->slot_count = slot_count;
    *limit = made;
    return STATUS_OK;
}

void rate_limit_free(struct rate_limit *limit)
{
    free(limit);
}

static size_t window_start(const struct rate_limit *limit, const uint8_t *key)
{
    uint8_t hash[HASH_BYTES];
    keccak256_two(limit->secret, SECRET_BYTES, key, limit->key_bytes, hash);
    return (size_t)load_u64(hash) & (limit->slot_count - 1);
}

/* The index of the key's slot, or of a free one of its window, and in *wait_ns 0; else the time
 * until the first of the window is free. The whole window is searched for the key first, because
 * slots before its own may have become free since it was put there. */
static size_t find_slot(const struct rate_limit *limit, const uint8_t *key, int64_t now_ns,
                        int64_t *wait_ns)
{
    const size_t start = window_start(limit, key);
    size_t free_index = 0;
    int64_t earliest_ns = INT64_MAX;
    for (size_t i = 0; i < WINDOW_SLOTS; i++) {
        const size_t index = (start + i) & (limit->slot_count - 1);
        const struct slot *slot = &limit->slots[index];
        if (slot->full_at_ns > now_ns && memcmp(slot->key, key, limit->key_bytes) == 0) {
            *wait_ns = 0;
            return index;
        }
        if (slot->full_at_ns < earliest_ns) {
            earliest_ns = slot->full_at_ns;
            free_index = index;
        }
    }
    *wait_ns = earliest_ns > now_ns ? earliest_ns - now_ns : 0;
    return free_index;
}

/* The time at which the bucket is full again if a token is taken now: the generic cell rate
 * algorithm. In *wait_ns 0 when there is a token, else the time until there is. */
static int64_t next_full_ns(const struct rate_limit *limit, const struct slot *slot, int64_t now_ns,
                            int64_t *wait_ns)
{
    const int64_t from_ns = slot->full_at_ns > now_ns ? slot->full_at_ns : now_ns;
    const int64_t full_at_ns = from_ns + limit->token_ns;
    const int64_t allowed_ns = now_ns + limit->rate.burst * limit->token_ns;
    *wait_ns = full_at_ns > allowed_ns ? full_at_ns - allowed_ns : 0;
    return full_at_ns;
}

void rate_limit_ip_key(uint8_t key[RATE_LIMIT_IP_BYTES], const uint8_t address[RATE_LIMIT_IP_BYTES])
{
    static const uint8_t mapped_ipv4[12] = {[10] = 0xff, [11] = 0xff};
    memcpy(key, address, RATE_LIMIT_IP_BYTES);
    if (memcmp(address, mapped_ipv4, sizeof(mapped_ipv4)) != 0) {
        memset(key + RATE_LIMIT_IP_BYTES / 2, 0, RATE_LIMIT_IP_BYTES / 2);
    }
}

static int64_t ms_rounded_up(int64_t wait_ns)
{
    return wait_ns == 0 ? 0 : (wait_ns - 1) / NS_PER_MS + 1;
}

int64_t rate_limit_take(struct rate_limit *limit, const uint8_t *key, int64_t now_ns)
{
    if (limit->rate.per_second == 0) {
        return 0;
    }
    int64_t wait_ns;
    struct slot *slot = &limit->slots[find_slot(limit, key, now_ns, &wait_ns)];
    if (wait_ns == 0) {
        const int64_t full_at_ns = next_full_ns(limit, slot, now_ns, &wait_ns);
        if (wait_ns == 0) {
            memcpy(slot->key, key, limit->key_bytes);
            slot->full_at_ns = full_at_ns;
        }
    }
    return ms_rounded_up(wait_ns);
}

int64_t rate_limit_wait_ms(const struct rate_limit *limit, const uint8_t *key, int64_t now_ns)
{
    if (limit->rate.per_second == 0) {
        return 0;
    }
    int64_t wait_ns;
    const size_t index = find_slot(limit, key, now_ns, &wait_ns);
    if (wait_ns == 0) {
        (void)next_full_ns(limit, &limit->slots[index], now_ns, &wait_ns); /* only its wait */
    }
    return ms_rounded_up(wait_ns);
}
