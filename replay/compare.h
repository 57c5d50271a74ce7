/* SQLite against the replayed state: the projections are made again from the journal in a directory
 * of their own, up to the seq that the old ones have applied, and every table is compared. For
 * `verify` and the daily check. The live files are read through SQLite's own locking and not
 * changed.
 *
 * A kill may have come between two files' commits: week files are then one transaction ahead of
 * main.db. So each file is compared as of main.db's seq, and, where that differs, as of the highest
 * seq that any file has applied. Files that are missing are counted, no difference: all but the
 * journal may be deleted and comes back. Without main.db, or with one that was only begun, week
 * files are not compared, only asked how far the journal went. */
#ifndef TAPLINE_REPLAY_COMPARE_H
#define TAPLINE_REPLAY_COMPARE_H

#include <stdint.h>

#include "base/status.h"

struct compare_options {
    const char *scratch_parent; /* where a directory to build in is made; NULL: TMPDIR, else /tmp */
    void *progress_context;
    void (*progress)(void *progress_context, uint64_t records, uint64_t done_bytes,
                     uint64_t total_bytes);
};

struct compare_result {
    uint64_t tables;  /* compared and equal */
    uint64_t rows;    /* in them */
    uint64_t missing; /* files that a replay makes and that are not here */
    uint64_t seq;     /* the record that main.db stands at; 0: it is missing or was only begun */
    uint64_t
        first_seq; /* the first record that a row differs in, else the last; 0: no difference */
    char problem[1024]; /* one line that names file, table and the first row that differs; or "" */
};

/* Errors: STATUS_MISMATCH a difference, named in the result; STATUS_LOST_TAIL the projections have
 * applied more than the journal holds; STATUS_IN_USE they are being written just now; those of
 * rebuild_run and sqlite_audit_tables, each with its line in the result. */
MUST_USE enum status compare_run(const char *data_dir, const struct compare_options *options,
                                 struct compare_result *result);

#endif
