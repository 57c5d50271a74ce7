/* The writer thread: natural group commit. While one batch is being written and synced, appends
 * gather in the other of two buffers; when the sync is over they are the next batch. No timer
 * delays a record: a lone one is written at once, and under load batches grow by themselves.
 *
 *   append -> [pending buffer] -- swap --> [frame] -> write -> sync -> head -> on_durable
 *
 * The first error ends it: on_failed once, then silence. A sync that failed is never asked again,
 * because the kernel may have dropped the pages and would then answer that all is well. */
#ifndef TAPLINE_JOURNAL_WRITER_H
#define TAPLINE_JOURNAL_WRITER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include "journal/format.h"
#include "journal/journal.h"
#include "journal/merkle.h"

/* The first segment of a new journal is small, and each next one four times as large up to the size
 * asked for: a server that starts and stops writes little, a busy one soon has large segments. */
#define WRITER_FIRST_SEGMENT_BYTES                                                                 \
    ((uint64_t)FORMAT_SEGMENT_HEADER_BYTES + (uint64_t)FORMAT_FRAME_BYTES_MAX)
#define WRITER_SEGMENT_BYTES_MIN ((size_t)16384)
#define WRITER_WITNESS_MS        1000

_Static_assert(FORMAT_SEGMENT_HEADER_BYTES + FORMAT_FRAME_HEADER_BYTES +
                       FORMAT_RECORD_LENGTH_BYTES + LIMIT_RECORD_BYTES + FORMAT_FRAME_ALIGNMENT <=
                   WRITER_SEGMENT_BYTES_MIN,
               "the smallest segment holds any record");

/* Where the journal ends, as recovery found it. */
struct journal_tail {
    bool is_new;                /* no segment yet */
    uint64_t epoch;             /* chosen by the caller for a new journal */
    uint64_t segment_first_seq; /* the last segment's */
    uint64_t segment_bytes;     /* by its header */
    uint64_t offset;            /* in it, of the next frame */
    struct merkle tree;         /* over all records */
    uint32_t rules_version;     /* in force at the next record */
};

struct writer;

/* Makes the first segment of a new journal or opens the last one, and starts the thread.
 * `directory` is DIR/journal, borrowed for the writer's life; of `options` all but witness_*.
 * Owns: *writer is freed by writer_close. Errors: STATUS_IO, STATUS_NO_SPACE, STATUS_NO_MEMORY. */
MUST_USE enum status writer_open(const struct journal_options *options, const char *directory,
                                 const struct journal_tail *tail, struct writer **writer);

/* As journal_append, journal_has_room, journal_head and journal_failure. */
MUST_USE enum status writer_append(struct writer *writer, const uint8_t *record, size_t bytes);
bool writer_has_room(struct writer *writer);
void writer_head(struct writer *writer, struct journal_head *head);
void writer_problem(struct writer *writer, char text[DISK_PROBLEM_BYTES]);

/* As journal_set_rules. */
void writer_set_rules(struct writer *writer, uint32_t version);

/* Writes what is queued, ends the thread, frees. Returns the first error of the writer's life. */
enum status writer_close(struct writer *writer);

#endif
