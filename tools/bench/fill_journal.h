/* A journal that is filled as fast as it can be written, through the production writer, in batches
 * of a chosen size. The filler encodes records into blocks; the writer's thread takes the next
 * batch out of them whenever one is durable, from within on_durable, so that each batch has the
 * size asked for however fast either side is: the same records give the same frames. Memory is
 * bounded: the filler waits when all blocks are full. Called by `tapline bench fill` alone. */
#ifndef TAPLINE_TOOLS_BENCH_FILL_JOURNAL_H
#define TAPLINE_TOOLS_BENCH_FILL_JOURNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include "journal/journal.h"

#define FILL_PROBLEM_BYTES 512

struct fill_journal;

struct fill_journal_options {
    const char *data_dir;
    uint32_t batch; /* records of a batch; fewer when they do not fit one */
    bool sync;      /* false: nothing is synced but all of it once at the end */
    uint64_t epoch; /* of the new journal, not 0: so that the same seed makes the same bytes */
};

/* How it ended. */
struct fill_journal_result {
    struct journal_head head;
    bool disk_full;                   /* no room for a further segment: what was put is there */
    char problem[FILL_PROBLEM_BYTES]; /* one line; "" when all is well */
};

/* Makes a new journal. Owns: freed by fill_journal_close. Errors: those of journal_open and
 * journal_start, STATUS_USAGE when there is a journal already; `result` then has the problem. */
MUST_USE enum status fill_journal_open(const struct fill_journal_options *options,
                                       struct fill_journal **journal,
                                       struct fill_journal_result *result);

/* Room for one record of LIMIT_RECORD_BYTES; until the next call. Waits for the writer. */
uint8_t *fill_journal_place(struct fill_journal *journal);

/* The record in the place has so many bytes. False when the journal takes no further ones: the disk
 * is full, or the writer failed. The record itself still counts in the first case. */
MUST_USE bool fill_journal_put(struct fill_journal *journal, size_t bytes);

/* Waits until all that was put is written, and closes. Errors: the first one of the journal's life;
 * the result has its words. */
enum status fill_journal_close(struct fill_journal *journal, struct fill_journal_result *result);

#endif
