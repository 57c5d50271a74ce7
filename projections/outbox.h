/* One batch of outcomes on its way to the projections: deep copies of the events and postings of
 * the records first_seq..last_seq, each record with its seq and engine time, and the state digest
 * after the last one. The engine thread fills it through an event sink and seals it; from then on
 * it is immutable, and any thread that holds a reference reads the same copy. Nothing here knows
 * who reads.
 *
 *     struct outbox *outbox = outbox_new();
 *     const struct event_sink sink = outbox_sink(outbox);
 *     for each record: outbox_begin_record(outbox, seq, time_ms); machine_apply(machine, &input,
 * &sink); status = outbox_seal(outbox, digest); projector_push(projector, outbox); ...
 * outbox_release(outbox);
 *
 * Memory: one arena of few growing blocks, no allocation per event; its size is bounded by the
 * batch. */
#ifndef TAPLINE_PROJECTIONS_OUTBOX_H
#define TAPLINE_PROJECTIONS_OUTBOX_H

#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include "base/units.h"
#include "statemachine/event.h"

struct outbox;

enum outbox_item_kind {
    OUTBOX_EVENT = 1,
    OUTBOX_POSTING = 2
};

/* One event or posting, in the order in which the state machine told it. Pointers inside of it
 * point into the outbox. */
struct outbox_item {
    const struct outbox_item *next; /* of the same record; NULL at its end */
    enum outbox_item_kind kind;
    union {
        struct event event;
        struct posting posting;
    } of;
};

/* One record; also those without any event are here, so that seqs are dense. */
struct outbox_record {
    const struct outbox_record *next; /* NULL at the end */
    uint64_t seq;
    int64_t time_ms; /* engine time */
    const struct outbox_item *items;
};

/* An empty outbox with one reference. NULL when memory is out. Owns: outbox_release. */
struct outbox *outbox_new(void);

/* Begins the copies of record `seq`, which follows the last one begun (CHECKed). */
void outbox_begin_record(struct outbox *outbox, uint64_t seq, int64_t time_ms);

/* A sink that copies into this outbox; valid until the seal. */
struct event_sink outbox_sink(struct outbox *outbox);

/* Ends the filling. digest: the state's after the last record. At least one record was begun.
 * Errors: STATUS_NO_MEMORY a copy failed, the outbox may only be released. */
MUST_USE enum status outbox_seal(struct outbox *outbox, const uint8_t digest[HASH_BYTES]);

/* One more, one less holder; the last release frees. Thread: any. */
struct outbox *outbox_retain(struct outbox *outbox);
void outbox_release(struct outbox *outbox);

/* --- Reading, after the seal. Thread: any holder. --- */

const struct outbox_record *outbox_records(const struct outbox *outbox); /* the first */
uint64_t outbox_first_seq(const struct outbox *outbox);
uint64_t outbox_last_seq(const struct outbox *outbox);
const uint8_t *outbox_digest(const struct outbox *outbox); /* HASH_BYTES */
size_t outbox_bytes(const struct outbox *outbox);          /* memory held, for limits */

#endif
