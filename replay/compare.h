/* SQLite against the replayed state, in the same pass as the replay: the daily check of a server
 * runs a replay for it, `verify` hangs it into its own. Nothing is built, the files are only read,
 * in short transactions: safe beside a running server. What is compared, and as of which record,
 * stands in projections/sqlite_checker.h. */
#ifndef TAPLINE_REPLAY_COMPARE_H
#define TAPLINE_REPLAY_COMPARE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"
#include "projections/sqlite_checker.h"
#include "replay/replay.h"

struct compare_options {
    void *progress_context;
    void (*progress)(void *progress_context, uint64_t records, uint64_t done_bytes,
                     uint64_t total_bytes);
    /* Asked now and then: true ends the check with STATUS_CLOSED. May be NULL. */
    bool (*cancelled)(void *progress_context);
};

struct compare_result {
    uint64_t tables;      /* compared and, without a difference, equal */
    uint64_t rows;        /* in them */
    uint64_t missing;     /* files that a replay makes and that are not here */
    uint64_t seq;         /* the record that main.db stands at; 0: it is missing or only begun */
    uint64_t differences; /* how many were seen */
    uint64_t first_seq;   /* the first record that a row differs in; 0: no difference */
    char problem[1024];   /* one line that names file, table, row, column and values; or "" */
};

/* One replay from seq 1 to the record that the furthest file stands at, and the comparison.
 * Errors: STATUS_MISMATCH a difference, named in the result; STATUS_LOST_TAIL the projections have
 * applied more than the journal holds; STATUS_CLOSED cancelled; those of compare_open and
 * replay_run, each with its line in the result. The indexes of closed weeks are looked at too;
 * those of a file that is written are left to `verify`. */
MUST_USE enum status compare_run(const char *data_dir, const struct compare_options *options,
                                 struct compare_result *result);

/* --- In another's replay. ------------------------------------------------------------------------
 *
 * Open it before the replay is begun, call compare_before and compare_after in its two hooks, with
 * the compare as their context, and give it compare_sink. A failure of SQLite ends the comparison
 * and not the replay. */
struct compare;

/* Owns: compare_free. Errors: STATUS_DAMAGED, STATUS_VERSION a file that cannot be read (with its
 * line in result->problem); STATUS_IO, STATUS_NO_MEMORY. */
MUST_USE enum status compare_open(const char *data_dir, struct compare **compare,
                                  struct compare_result *result);

const struct event_sink *compare_sink(struct compare *compare);
enum status compare_before(void *compare, struct applier *applier,
                           const struct journal_record *record);
enum status compare_after(void *compare, struct applier *applier,
                          const struct journal_record *record);

/* The record behind which nothing is compared. */
uint64_t compare_last(const struct compare *compare);

/* The indexes against their tables, as sqlite_checker_check_indexes, on a thread beside the replay;
 * compare_finish waits for it. Once, after compare_open. Errors: STATUS_NO_MEMORY no thread. */
MUST_USE enum status compare_indexes(struct compare *compare, bool open_too);

/* After the replay. Errors: STATUS_MISMATCH, STATUS_LOST_TAIL as above; a failure of SQLite. */
MUST_USE enum status compare_finish(struct compare *compare, struct compare_result *result);
void compare_free(struct compare *compare); /* NULL is allowed */

#endif
