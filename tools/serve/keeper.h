/* The keeper: one thread of the lowest priority that looks after what was written. Every so many
 * records, and when an operator asks, it makes a snapshot from a copy of its own
 * (replay/snapshot_advance.h), which compares the engine's attested digests with that copy; once a
 * day it replays the whole journal and compares every row of the SQLite files
 * (replay/compare.h). The engine, the journal and the projector are not paused, locked or asked for
 * anything but the seq that is durable.
 *
 * A difference is an ALARM on stderr that names it, tapline_replay_divergence_total and the status
 * of /healthz; no snapshot is written of a state that differs. A full disk or an error of it is
 * said, and tried again at the next interval; the service goes on. */
#ifndef TAPLINE_TOOLS_SERVE_KEEPER_H
#define TAPLINE_TOOLS_SERVE_KEEPER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"
#include "projections/metrics.h"
#include "replay/snapshot_format.h"

#define KEEPER_SNAPSHOT_RECORDS 250000
#define KEEPER_CHECK_S          86400
#define KEEPER_FIRST_CHECK_S    600
#define KEEPER_ASKED_MAX        16 /* operators who wait at one time */
#define KEEPER_PROBLEM_BYTES    512

/* What became of an asked snapshot. */
struct keeper_answer {
    uint64_t ticket; /* the asker's */
    enum status status;
    uint64_t seq; /* STATUS_OK: of the snapshot, which is durable */
    char name[SNAPSHOT_NAME_BYTES];
    char problem[KEEPER_PROBLEM_BYTES];
};

struct keeper_options {
    const char *data_dir;    /* outlives the keeper */
    uint64_t epoch;          /* the journal's */
    uint64_t snapshot_every; /* records */
    uint64_t snapshot_seq;   /* of the newest good one that is there already; 0: none */
    uint64_t check_every_s;
    struct metrics *metrics;
    void *context;
    /* Both on the keeper's thread. */
    uint64_t (*durable_seq)(void *context); /* 0: nothing yet */
    /* Takes the answer over, made by malloc. */
    void (*on_answer)(void *context, struct keeper_answer *answer);
};

struct keeper;

/* Starts the thread. Owns: keeper_close. Errors: STATUS_NO_MEMORY. */
MUST_USE enum status keeper_open(const struct keeper_options *options, struct keeper **keeper);

/* Asks for a snapshot of now; on_answer tells when it is durable. False: too many wait. Thread:
 * any. */
MUST_USE bool keeper_ask(struct keeper *keeper, uint64_t ticket);

/* True after a check or a copy found a difference, until one of the same kind found none. NULL is
 * allowed: false. Thread: any. */
bool keeper_alarmed(const struct keeper *keeper);

/* Breaks off what runs, ends the thread, frees. Who still waits is answered STATUS_CLOSED. NULL is
 * allowed. */
void keeper_close(struct keeper *keeper);

#endif
