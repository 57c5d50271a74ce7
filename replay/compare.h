/* SQLite against the replayed state: the projections are built again from the journal into a
 * scratch directory, up to the seq that the old ones have applied, and every table is compared row
 * by row. For `verify` and the daily check. Reads the live files through SQLite's own locking and
 * changes nothing. */
#ifndef TAPLINE_REPLAY_COMPARE_H
#define TAPLINE_REPLAY_COMPARE_H

#include <stdint.h>

#include "base/status.h"

struct compare_result {
    uint64_t files;    /* compared */
    uint64_t rows;     /* compared */
    uint64_t seq;      /* the record the projections stand at; 0: there are none */
    char problem[512]; /* one line that names file, table and row of the first difference; or "" */
};

struct compare_options {
    const char *scratch_dir; /* empty directory to build in; its content is removed afterwards */
    void *context;
    void (*progress)(void *context, uint64_t records, uint64_t done_bytes, uint64_t total_bytes);
};

/* Errors: STATUS_MISMATCH a difference, named in the result; STATUS_LOST_TAIL the projections have
 * applied more than the journal holds; those of replay_run and of the file system. */
MUST_USE enum status compare_run(const char *data_dir, const struct compare_options *options,
                                 struct compare_result *result);

#endif
