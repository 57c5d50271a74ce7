/* Makes the next snapshot from an independent copy: the newest good one (or the empty state) is
 * restored into a state machine of its own, the journal's tail is replayed from disk, and the state
 * at its end is written. Nothing of a running server is touched, paused or copied: what is read are
 * the durable bytes, and the Attest records in them compare the running engine with this copy.
 *
 * A difference is STATUS_MISMATCH, and then nothing is written: a snapshot of a doubtful state
 * would hide the doubt. Thread: any one; the journal may have a running writer. */
#ifndef TAPLINE_REPLAY_SNAPSHOT_ADVANCE_H
#define TAPLINE_REPLAY_SNAPSHOT_ADVANCE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"
#include "journal/disk.h"
#include "statemachine/machine.h"

struct snapshot_advance_options {
    const struct disk *disk; /* NULL: disk_posix() */
    uint64_t epoch;          /* the journal's */
    /* A seq that is durable: the snapshot is that of the end of its batch. Never read beyond it: a
     * batch that is not synced yet must not be witnessed. */
    uint64_t durable_seq;
    const struct machine_limits *limits; /* NULL: machine_default_limits */
    void *context;
    bool (*stop)(void *context);                         /* asked now and then; may be NULL */
    void (*on_skipped)(void *context, const char *line); /* of snapshots not used; may be NULL */
};

struct snapshot_advance_result {
    uint64_t from_seq;        /* of the snapshot begun with, 0: the first record */
    uint64_t seq;             /* of the newest snapshot there is now; 0: none */
    uint64_t records;         /* replayed */
    uint64_t attests_checked; /* digests of the engine that were compared, all equal */
    bool written;             /* false: it was there already */
    int64_t imbalance_micro;  /* the sum over all accounts of the ledger: 0 */
    char problem[512];        /* one line when it is not STATUS_OK */
};

/* *result is filled whatever the outcome. Errors: STATUS_MISMATCH; STATUS_CLOSED `stop` said so;
 * those of journal_reader_next; STATUS_IO, STATUS_NO_SPACE, STATUS_NO_MEMORY. */
MUST_USE enum status snapshot_advance(const char *data_dir,
                                      const struct snapshot_advance_options *options,
                                      struct snapshot_advance_result *result);

#endif
