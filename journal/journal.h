/* The journal: the one ordered, durable list of inputs. The engine appends encoded records; one
 * writer thread groups all that queued while the last sync ran into a batch frame, writes it to the
 * preallocated segment, syncs, and tells the engine. Byte layout: docs/JOURNAL_FORMAT.md.
 *
 * Normal course: journal_open (lock, recover, preallocate) -> reader from seq 1 (replay) ->
 * journal_start (writer thread) -> journal_append ... on_durable ... -> journal_close.
 *
 * Failures: the first write, sync or close error stops the writer for ever; on_failed is called
 * once, no later append is accepted and on_durable is never called again. A failed sync is never
 * retried. */
#ifndef TAPLINE_JOURNAL_JOURNAL_H
#define TAPLINE_JOURNAL_JOURNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include "base/units.h"
#include "journal/disk.h"
#include "journal/merkle.h"

struct journal;

/* One durable batch, as written. Borrowed, lives for the call. */
struct journal_batch {
    uint64_t first_seq;
    uint32_t count;
    const uint8_t *records; /* count times: u16 length, length bytes (docs/JOURNAL_FORMAT.md) */
    size_t bytes;
    int64_t sync_ns; /* how long write + sync took, by the monotonic clock; for metrics only */
};

struct journal_options {
    const struct disk *disk; /* NULL: disk_posix() */
    size_t segment_bytes;    /* 0: JOURNAL_SEGMENT_BYTES */
    /* The highest seq that a witness outside the journal has seen applied (SQLite's applied), 0 if
     * none: recovery refuses to start below it (STATUS_LOST_TAIL). */
    uint64_t witness_seq;
    const char *witness_name; /* "main.db", for the message; may be NULL */
    /* Another witness that knows which journal it saw: the newest good snapshot, seq 0 if none. It
     * counts in a journal of its epoch, and where there is none at all. */
    uint64_t snapshot_seq;
    uint64_t snapshot_epoch;
    const char *snapshot_name; /* may be NULL */
    /* How much of the journal's end recovery reads frame by frame, in whole segments; of what is
     * older it checks headers and ends (journal/outline.h). 0: JOURNAL_RECOVERY_BYTES. */
    uint64_t recovery_bytes;
    /* The highest rules version that the program knows: segments of later ones are refused
     * (STATUS_VERSION) before anything is written. 0: whoever opens applies nothing. */
    uint32_t rules_newest;
    /* The epoch of a journal that is made new, for simulations; 0: drawn at random. */
    uint64_t epoch;
    void *context;
    /* On the writer thread, batches strictly in order, each exactly once. */
    void (*on_durable)(void *context, const struct journal_batch *batch);
    /* On the writer thread, once. */
    void (*on_failed)(void *context, enum status status, const char *reason);
};

#define JOURNAL_SEGMENT_BYTES  ((size_t)64 << 20)
#define JOURNAL_RECOVERY_BYTES ((uint64_t)128 << 20)

/* Where and why a journal is damaged or what recovery did; also the text for people. */
struct journal_report {
    char segment[64]; /* file name, "" when not of one segment */
    uint64_t offset;  /* of the first bad byte's frame in it */
    uint64_t seq;     /* first seq that cannot be read */
    char rule;        /* row of the recovery table, 'a'..'j', 0 when clean */
    char reason[384]; /* one line; "" when clean */
};

/* What can be done about damage; ends every reason that names some. */
#define JOURNAL_ADVICE                                                                             \
    "copy the directory aside, look at it with 'tapline verify' and 'tapline inspect', then put "  \
    "back journal/ from a backup, or keep what is sound by 'tapline recover'"

/* The end of the durable journal: the last seq and the RFC 6962 tree head over records 1..seq. */
struct journal_head {
    uint64_t seq; /* 0: empty */
    uint8_t root[HASH_BYTES];
};

/* A place in one journal's history: the tree over records 1..tree.size with its complete subtrees,
 * from which the history can be gone on with. What a snapshot keeps. */
struct journal_place {
    uint64_t epoch;
    struct merkle tree;
};

/* Creates or opens DIR/journal under the exclusive lock DIR/LOCK, recovers by the decision table of
 * docs/JOURNAL_FORMAT.md, and leaves the writer stopped. `report` is always filled.
 * Owns: *journal is freed by journal_close.
 * Errors: STATUS_IN_USE another process holds the lock; STATUS_DAMAGED, STATUS_LOST_TAIL,
 * STATUS_VERSION as the report says; STATUS_IO, STATUS_NO_SPACE, STATUS_NO_MEMORY, with the
 * report's reason in the system's words. */
MUST_USE enum status journal_open(const char *data_dir, const struct journal_options *options,
                                  struct journal **journal, struct journal_report *report);

/* The epoch of the journal in DIR, by the header of its first segment that has one. False: there is
 * none to be read. Needs no lock. disk NULL: disk_posix(). */
bool journal_peek_epoch(const char *data_dir, const struct disk *disk, uint64_t *epoch);

/* The durable head now. Thread: any. */
void journal_head(struct journal *journal, struct journal_head *head);

/* The journal's epoch, a random number that no other journal has. Thread: any. */
uint64_t journal_epoch(const struct journal *journal);

/* Starts the writer thread. Errors: STATUS_IO, STATUS_NO_SPACE when the first segment cannot be
 * made; STATUS_NO_MEMORY. */
MUST_USE enum status journal_start(struct journal *journal);

/* The rules version in force at the next record, for the headers of segments that begin from now
 * on; 1 until told otherwise. The caller tells it before journal_start, and when a RulesChange has
 * been applied before it appends anything behind that record, so that a header never names rules
 * that were not in force at the segment's first record. Thread: the one that appends. */
void journal_set_rules(struct journal *journal, uint32_t version);

/* Queues one encoded record, which gets seq = last queued + 1; copies it, never blocks.
 * Thread: one engine thread. Errors: STATUS_FULL the queue or the disk's reserve is used up
 * (nothing queued; try after the next on_durable); STATUS_CLOSED the writer has failed or was
 * closed. */
MUST_USE enum status journal_append(struct journal *journal, const uint8_t *record, size_t bytes);

/* False when the next segment could not be preallocated: the present one has room left for
 * settlements and withdrawals, but new bets should be refused (OVERLOADED). Thread: any. */
bool journal_has_room(struct journal *journal);

/* The first failure of the writer, in the disk's words; "" when there was none. What STATUS_CLOSED
 * is about, also before on_failed was called. Thread: any. */
void journal_failure(struct journal *journal, char text[DISK_PROBLEM_BYTES]);

/* Writes and syncs what is queued, stops the writer, unlocks, frees. Returns the first error of the
 * journal's life, STATUS_OK if none. */
enum status journal_close(struct journal *journal);

/* --- Reading: needs no lock, safe beside a running writer (stops at the durable end it finds) ---
 */

struct journal_reader;

struct journal_record {
    uint64_t seq;
    const uint8_t *bytes; /* borrowed until the next call */
    size_t length;
    bool batch_end;  /* the last record of its batch */
    uint32_t peeked; /* how many calls of journal_reader_peek that gave a record came from the one
                        that gave these very bytes up to now, itself included; 0: none gave them */
};

/* Opens DIR/journal for reading from `from_seq` (1 for all). Verifies checksums, seqs and tree
 * heads from the begin of the segment that holds from_seq; what is before that is vouched for by
 * the segment's header alone. Errors: STATUS_NOT_FOUND no journal there; STATUS_IO;
 * STATUS_NO_MEMORY. */
MUST_USE enum status journal_reader_open(const char *data_dir, const struct disk *disk,
                                         uint64_t from_seq, struct journal_reader **reader);

/* Reads ahead by a thread of its own from here on, until the end or damage is found; before the
 * first record, and after journal_reader_know_rules. Everything below says the same, but
 * journal_reader_place speaks only at the end. Errors: STATUS_NO_MEMORY (also: no thread), then all
 * is as without. */
MUST_USE enum status journal_reader_read_ahead(struct journal_reader *reader);

/* The next record. Errors: STATUS_END clean end (or an unsynced tail after it, named in the report
 * with rule 'a'), a later call looks again for what a writer added (and scans the rest of the last
 * segment to do so: not for a busy loop); STATUS_DAMAGED, STATUS_LOST_TAIL, STATUS_VERSION with the
 * report filled; STATUS_IO, with the report's reason in the system's words. */
MUST_USE enum status journal_reader_next(struct journal_reader *reader,
                                         struct journal_record *record);

/* The bytes of a record that comes later, each in its turn, up to `farthest` of them ahead of
 * journal_reader_next: for hints alone, nothing of it has been checked. False: that far, or it
 * cannot be seen from here yet. *bytes live until the next call of the reader. */
bool journal_reader_peek(struct journal_reader *reader, uint32_t farthest, const uint8_t **bytes,
                         size_t *length);

/* After STATUS_DAMAGED, LOST_TAIL or VERSION: goes on with the next whole batch, wherever it is and
 * whatever its seq, for tools that show what is left. Tree heads are no longer checked. Errors:
 * STATUS_END nothing whole follows; STATUS_IO; STATUS_NO_MEMORY. */
MUST_USE enum status journal_reader_skip_damage(struct journal_reader *reader);

/* For whoever applies what he reads: segments whose rules are later than `newest` (from 1) are
 * refused with STATUS_VERSION from here on. Without this all are read, the bytes need no rules. */
void journal_reader_know_rules(struct journal_reader *reader, uint32_t newest);

/* The rules version in the header of the segment that holds the present batch: what was in force at
 * its first record. 0 before the first record. */
uint32_t journal_reader_rules(const struct journal_reader *reader);

/* True when record `seq` is the first of the segment that holds the present batch. */
bool journal_reader_begins_segment(const struct journal_reader *reader, uint64_t seq);

const struct journal_report *journal_reader_report(const struct journal_reader *reader);

/* Tree head over all records of the batches read so far, the present one to its end. All zero, with
 * seq 0, after damage was skipped. */
void journal_reader_head(const struct journal_reader *reader, struct journal_head *head);

/* The head before the first record of the present batch; after STATUS_END the one at the end. All
 * zero after damage was skipped. */
void journal_reader_head_before(const struct journal_reader *reader, struct journal_head *head);

/* The place at the end of the present batch. False: nothing was read yet, damage was skipped, or a
 * thread reads ahead. */
bool journal_reader_place(const struct journal_reader *reader, struct journal_place *place);

/* Bytes of all segments up to the read position, and in all; for progress bars. */
void journal_reader_progress(const struct journal_reader *reader, uint64_t *done, uint64_t *total);

void journal_reader_free(struct journal_reader *reader);

#endif
