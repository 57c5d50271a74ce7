/* The chained state digest: one SHA-256 per record over everything the state machine said about it.
 *
 *     digest_0 = 32 zero bytes
 *     digest_n = SHA-256(digest_{n-1} || i64 time || each event and posting, in order)
 *
 * Two runs of one journal with equal digests after a record told the same story up to it; the first
 * record whose digests differ is where they part. The bytes of each event and posting are drawn in
 * docs/DETERMINISM.md. The applier calls this, nobody else needs to; the journal is never read
 * here. */
#ifndef TAPLINE_REPLAY_DIGEST_H
#define TAPLINE_REPLAY_DIGEST_H

#include <stdint.h>

#include "base/status.h"
#include "base/units.h"
#include "statemachine/event.h"

struct digest;

/* Begins at digest_0. Owns: freed by digest_free. Errors: STATUS_NO_MEMORY. */
MUST_USE enum status digest_open(struct digest **digest);

/* Goes on from the digest of a snapshot, HASH_BYTES bytes. Not within a record. */
void digest_restore(struct digest *digest, const uint8_t *value);

/* Begins record `seq`, which the events are checked against. What enters the sink below until
 * digest_end is hashed and then forwarded to `next`, which may be NULL and must live until
 * digest_end. */
void digest_begin(struct digest *digest, uint64_t seq, int64_t time_ms,
                  const struct event_sink *next);

/* The sink to hand to machine_apply. Lives as long as the digest. */
const struct event_sink *digest_sink(struct digest *digest);

/* Ends the record: the value moves on. */
void digest_end(struct digest *digest);

/* HASH_BYTES bytes, the digest after the last ended record; borrowed until the next digest_end. */
const uint8_t *digest_value(const struct digest *digest);

void digest_free(struct digest *digest);

#endif
