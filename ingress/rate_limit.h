/* Token buckets per key (a 20-byte account, a 16-byte IP address) in a table of fixed size. The
 * time is an input. A bucket is one number, the time at which it will be full again (GCRA); a full
 * bucket is the same as one never seen, so only those make room for new keys: nobody can get an
 * exhausted bucket forgotten by coming with many addresses. Where all slots that a new key may take
 * are in use, the new key waits for the first of them to fill up; the keys share slots by a secret
 * hash, so that nobody can choose whose neighbour to be.
 *
 * Accounts are charged by whoever can name them, so take from an account's bucket only once the
 * signature was found good, and look (rate_limit_wait_ms) before spending a check on it.
 *
 * Thread: one at a time; the network loop owns its tables. */
#ifndef TAPLINE_INGRESS_RATE_LIMIT_H
#define TAPLINE_INGRESS_RATE_LIMIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

#define RATE_LIMIT_KEY_BYTES_MAX 20
#define RATE_LIMIT_IP_BYTES      16
#define RATE_LIMIT_RATE_MAX      1000000 /* also of the burst */

/* `per_second` 0 means no limit; else both are 1..RATE_LIMIT_RATE_MAX. */
struct rate {
    int64_t per_second;
    int64_t burst;
};

/* Parses an option RATE:BURST ("10:20"), or "0" (also "0:BURST") for no limit. False on anything
 * else. */
MUST_USE bool rate_limit_parse(const char *text, struct rate *rate);

struct rate_limit;

/* A table for at least `keys` keys that are not full at the same time, each key_bytes long.
 * Owns: *limit is freed by rate_limit_free.
 * Errors: STATUS_NO_MEMORY; STATUS_IO no randomness for the secret of the hash. */
MUST_USE enum status rate_limit_open(struct rate rate, size_t key_bytes, size_t keys,
                                     struct rate_limit **limit);

/* NULL is allowed. */
void rate_limit_free(struct rate_limit *limit);

/* Takes one token of the key at now_ns (monotonic, > 0). Returns 0 when allowed, else the ms to
 * wait, at least 1, and nothing is taken. */
int64_t rate_limit_take(struct rate_limit *limit, const uint8_t *key, int64_t now_ns);

/* The key of an IP address (IPv6 bytes, IPv4 as ::ffff:a.b.c.d): IPv4 as it is, of IPv6 the first
 * 64 bits, because one customer has all of the other 2^64. */
void rate_limit_ip_key(uint8_t key[RATE_LIMIT_IP_BYTES],
                       const uint8_t address[RATE_LIMIT_IP_BYTES]);

/* What rate_limit_take would return now, without taking. */
int64_t rate_limit_wait_ms(const struct rate_limit *limit, const uint8_t *key, int64_t now_ns);

#endif
