/* A journal read from seq 1 through an applier, with hooks: the engine under every offline command
 * and the start of `serve`. It reads only, needs no lock, and is safe beside a running server (it
 * ends at the durable end it finds). */
#ifndef TAPLINE_REPLAY_REPLAY_H
#define TAPLINE_REPLAY_REPLAY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"
#include "journal/journal.h"
#include "replay/applier.h"

struct replay_options {
    const struct disk *disk; /* NULL: disk_posix() */
    /* Where the applier stands in the journal's history, as its snapshot says: the tree head after
     * applier_seq. Compared before the first record is applied and before any hook. NULL: not
     * known, or seq 0. */
    const struct journal_head *begin;
    uint64_t to_seq;    /* stop after this record; 0: no such end */
    int64_t to_time_ms; /* stop after the last record of this engine time or earlier; 0: none */
    uint64_t invariant_every; /* check the machine's invariants every so many records; 0: never */
    /* But no oftener than so many records for each account, open bet, nonce and transfer that the
     * state holds, because a check looks at them all; 0: always that often. */
    uint64_t invariant_share;
    bool invariant_at_end;
    bool read_ahead;       /* by a thread; has_place is then known at the journal's end alone */
    bool mismatch_goes_on; /* count Attest records that do not fit instead of stopping at the first
                            */

    void *context; /* of the two hooks; the sink has its own */
    /* All of what the state machine says, or NULL. During the calls applier_input is the record. */
    const struct event_sink *sink;
    /* Each record, decoded and not yet applied / just applied. May be NULL. Not OK ends the replay
     * with that status; STATUS_END ends it well. */
    enum status (*before)(void *context, struct applier *applier,
                          const struct journal_record *record);
    enum status (*after)(void *context, struct applier *applier,
                         const struct journal_record *record);
    /* Now and then; bytes read so far, bytes in all. May be NULL. */
    void *progress_context;
    void (*progress)(void *progress_context, uint64_t records, uint64_t done_bytes,
                     uint64_t total_bytes);
};

struct replay_result {
    uint64_t records;            /* applied */
    uint64_t mismatches;         /* Attest records that did not fit */
    uint64_t first_mismatch_seq; /* the record attested, 0: none */
    bool other_history; /* STATUS_MISMATCH: the journal has another tree head at the begin */
    bool has_place;     /* the replay ended at the end of a batch: */
    struct journal_place place;
    /* Of the records applied; seq 0 where it is not known: the replay ended at a time, by reading
     * one record more, or began behind seq 1. */
    struct journal_head head;
    struct journal_report journal; /* where the journal is damaged; rule 'a': where it ended */
    struct applier_report applier; /* the first record that was none, or did not match */
    char problem[512];             /* one line: what ended the replay; "" when all is well */
};

/* Replays DIR/journal into an applier that is new (or stands before some seq: then from there on).
 * *result is filled whatever the outcome. Errors: those of journal_reader_open and _next;
 * STATUS_DAMAGED also for a frame whose content is no record; STATUS_VERSION; STATUS_MISMATCH an
 * Attest record or an invariant that does not hold, or `begin` does not fit; the hooks' own. */
MUST_USE enum status replay_run(struct applier *applier, const char *data_dir,
                                const struct replay_options *options, struct replay_result *result);

#endif
