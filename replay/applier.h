/* Journal records into a state machine: decode, apply, digest, and compare each Attest record with
 * what was computed here. The engine of `serve` and every offline command apply records through
 * this and nothing else, so that start-up, audit and live service are the same code.
 *
 * It owns the machine's arena (mapped, touched lazily), the decoder's scratch, the digest chain and
 * the digests of the last APPLIER_HISTORY records. It does no I/O. Thread: one at a time. */
#ifndef TAPLINE_REPLAY_APPLIER_H
#define TAPLINE_REPLAY_APPLIER_H

#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include "base/units.h"
#include "statemachine/event.h"
#include "statemachine/input.h"
#include "statemachine/machine.h"

/* How far back an Attest record may point: `serve` must write one with seq - of_seq below it. */
#define APPLIER_HISTORY ((uint64_t)1 << 18)

struct applier;

/* Why a record was not decoded, or did not match; all zero after open. */
struct applier_report {
    uint64_t seq;    /* the record, 0: no trouble so far */
    uint64_t of_seq; /* mismatch: the record whose digest was attested */
    uint8_t recorded[HASH_BYTES];
    uint8_t computed[HASH_BYTES];
    char reason[256]; /* one line for people, names the seq */
};

/* An empty machine before genesis. limits NULL: machine_default_limits.
 * Owns: freed by applier_free. Errors: STATUS_NO_MEMORY. */
MUST_USE enum status applier_open(const struct machine_limits *limits, struct applier **applier);

/* A machine from snapshot bytes, and the digest (HASH_BYTES bytes) of the record it was taken
 * after. Owns: freed by applier_free. Errors: those of machine_restore; STATUS_NO_MEMORY. */
MUST_USE enum status applier_restore(const struct machine_limits *limits, const uint8_t *snapshot,
                                     size_t bytes, const uint8_t *digest, struct applier **applier);

/* The next record in one step: applier_decode, then applier_step. Errors: those of both. */
MUST_USE enum status applier_apply(struct applier *applier, uint64_t seq, const uint8_t *record,
                                   size_t length, const struct event_sink *sink);

/* Decodes the next record; the state is untouched. *input is borrowed until the next decode.
 * Errors, with the report filled: STATUS_INVALID the bytes are no record, seq is not the next one,
 * or engine time goes back; STATUS_VERSION a kind or rules this build does not know; STATUS_FULL
 * the arena is too small for the journal. */
MUST_USE enum status applier_decode(struct applier *applier, uint64_t seq, const uint8_t *record,
                                    size_t length, const struct input **input);

/* The same of a record whose tap codec_peek_tap has read, from bytes that are still the same.
 * Errors: as above, but for those of the bytes. */
MUST_USE enum status applier_take_tap(struct applier *applier, uint64_t seq, int64_t time_ms,
                                      const struct tap *tap, const struct input **input);

/* Applies what was decoded last and moves the digest on; events and postings go to `sink` too (may
 * be NULL). While the sink is called, applier_input is the record and applier_digest the digest
 * before it. Errors: STATUS_MISMATCH an Attest record that does not fit, with the report filled;
 * the record is applied all the same, so that the caller may go on and count. */
MUST_USE enum status applier_step(struct applier *applier, const struct event_sink *sink);

/* What was decoded last; NULL before the first. Borrowed until the next decode. */
const struct input *applier_input(const struct applier *applier);

/* The machine, for views and machine_check_tap; nobody else applies to it. */
const struct machine *applier_machine(const struct applier *applier);

uint64_t applier_seq(const struct applier *applier);    /* last applied, 0 before the first */
int64_t applier_time_ms(const struct applier *applier); /* its engine time */

/* The digest after the last applied record, HASH_BYTES bytes; borrowed until the next apply. */
const uint8_t *applier_digest(const struct applier *applier);

/* The digest after record `seq`; NULL when it is not among the last APPLIER_HISTORY ones. */
const uint8_t *applier_digest_of(const struct applier *applier, uint64_t seq);

/* Attest records compared, and those that point further back than the history (after a restore). */
uint64_t applier_attests_checked(const struct applier *applier);
uint64_t applier_attests_unknown(const struct applier *applier);

const struct applier_report *applier_report(const struct applier *applier);

/* Bytes of address space of the arena, for the line `serve` prints at start. */
size_t applier_bytes(const struct applier *applier);

void applier_free(struct applier *applier);

#endif
