/* Two journals against each other: how long they are the same, and the first record in which they
 * are not. Equal tree heads at n mean equal records 1..n, so that most of two long journals is
 * compared by the headers of their segments; from the last head that is equal on, the records
 * themselves are. Reads only, safe beside running servers.
 *
 *     heads:    =====|=====|=====|=====|          by binary search, a header each
 *     records:                         ======x    one by one, to the first that differs
 *
 * A head vouches for what its segment's writer hashed, not for what the disk has of it now: that is
 * verify's business, or journal_diff_options.full. */
#ifndef TAPLINE_REPLAY_JOURNAL_DIFF_H
#define TAPLINE_REPLAY_JOURNAL_DIFF_H

#include <stdbool.h>
#include <stdint.h>

#include "base/limits.h"
#include "base/status.h"
#include "journal/disk.h"
#include "journal/journal.h"

#define JOURNAL_DIFF_SIDES 2

struct journal_diff_options {
    const struct disk *disk; /* NULL: disk_posix() */
    bool full;               /* compare every record, whatever the tree heads say */
    void *progress_context;
    void (*progress)(void *progress_context, uint64_t records, uint64_t done_bytes,
                     uint64_t total_bytes);
};

struct journal_diff_side {
    uint64_t segments;
    bool has_epoch; /* a segment has begun */
    uint64_t epoch;
    struct journal_head end; /* seq 0: empty, or not known for damage */
    int64_t end_ms;          /* engine time of the last record; 0: unknown */
    enum status status;      /* OK, or why it cannot be read to its end */
    struct journal_report report;
};

struct journal_diff {
    struct journal_diff_side sides[JOURNAL_DIFF_SIDES];
    uint64_t heads_seq;  /* equal up to here by tree head alone */
    uint64_t common_seq; /* equal up to here */
    bool parts;          /* both have a record common_seq + 1, and not the same one: */
    uint8_t records[JOURNAL_DIFF_SIDES][LIMIT_RECORD_BYTES];
    size_t lengths[JOURNAL_DIFF_SIDES];
    char problem[512]; /* one line about a status that is returned */
};

/* Compares DIR/journal of both directories. Damage is no error here: the side's status names it,
 * and the comparison ends before it. Errors, with the problem: STATUS_NOT_FOUND there is no
 * journal; STATUS_IO; STATUS_NO_MEMORY. */
MUST_USE enum status journal_diff_run(const char *const data_dirs[JOURNAL_DIFF_SIDES],
                                      const struct journal_diff_options *options,
                                      struct journal_diff *diff);

#endif
