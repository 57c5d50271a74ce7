/* Walks the batches of a journal from segment to segment and stops at the first thing that does not
 * continue the one before: wrong checksum, seq, tree head, epoch, file. It names what it found and
 * judges nothing; what to do about it is recovery.h's table. Never writes.
 *
 * Works beside a writer: before it names a finding in the last segment it looks again, because what
 * was half written a moment ago may be whole now, and a new segment may have begun. A batch is
 * written only when the one before it is durable, so a frame that is still bad once something later
 * is there is bad for good. */
#ifndef TAPLINE_JOURNAL_CHAIN_H
#define TAPLINE_JOURNAL_CHAIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include "journal/format.h"
#include "journal/merkle.h"
#include "journal/prehash.h"
#include "journal/segment.h"

enum finding_kind {
    FINDING_END,           /* nothing but zeros follows, to the end of the last segment */
    FINDING_BROKEN_FRAME,  /* bytes that are no frame: magic, length or checksum */
    FINDING_FOREIGN_FRAME, /* checksum good, epoch of another journal */
    FINDING_WRONG_SEQ,     /* checksum and epoch good, not the seq that is next */
    FINDING_WRONG_TREE,    /* all good but the tree head: history before it is another one */
    FINDING_EMPTY_HEADER,  /* a segment whose header is all zero or cut short */
    FINDING_BROKEN_HEADER, /* a segment header with a wrong checksum or another file's content */
    FINDING_WRONG_SIZE,    /* a segment file longer, or when sealed shorter, than its header says */
    FINDING_SEGMENT_ORDER, /* a segment is missing, repeated or out of order */
    FINDING_UNKNOWN_VERSION, /* written by a newer program */
};
#define FINDING_KINDS (FINDING_UNKNOWN_VERSION + 1)

struct finding {
    enum finding_kind kind;
    bool in_last_segment;
    bool later_frame; /* a whole frame of this journal follows in the segment */
    char segment[FORMAT_NAME_BYTES];
    uint64_t segment_first_seq; /* by its name */
    uint64_t offset;            /* in the segment */
    uint64_t used_end;          /* behind its last byte that is not zero */
    uint64_t seq;               /* the first that cannot be read */
};

struct chain_batch {
    struct frame_header header;
    const uint8_t *payload; /* borrowed until the next call */
};

struct chain {
    const struct disk *disk;
    char *directory;
    uint64_t *first_seqs; /* of the segments, ascending; by their names */
    uint64_t *sizes;      /* of their files when listed */
    size_t segment_count;
    size_t segment_room;
    size_t segment_index; /* the one being read */
    struct segment segment;
    struct segment_header header; /* of it */
    uint64_t offset;              /* of the next frame in it */
    uint32_t rules_newest; /* segments of later rules are FINDING_UNKNOWN_VERSION; 0: none are */
    bool has_epoch;
    uint64_t epoch;
    uint64_t next_seq;
    struct merkle tree;       /* over records 1 .. next_seq - 1, while tree_is_whole */
    uint8_t root[HASH_BYTES]; /* its head */
    struct prehash *prehash;
    bool tree_is_whole; /* false after damage was skipped */
    bool has_witness;
    struct witness_head witness; /* DIR/journal/HEAD as it was when the chain was opened */
};

/* Begins at the segment that holds from_seq. An empty journal is fine: the first call finds its
 * end. Owns: the caller calls chain_close whatever is returned. Errors: STATUS_NOT_FOUND no
 * directory; STATUS_IO; STATUS_NO_MEMORY. */
MUST_USE enum status chain_open(struct chain *chain, const struct disk *disk, const char *directory,
                                uint64_t from_seq);
void chain_close(struct chain *chain);

/* The next batch. Errors: STATUS_END *finding says why there is none, and the same will be found
 * again unless a writer adds to the journal; STATUS_IO; STATUS_NO_MEMORY. */
MUST_USE enum status chain_next(struct chain *chain, struct chain_batch *batch,
                                struct finding *finding);

/* After a finding: goes on with the next whole frame wherever it is, believing its seq. From here
 * on the tree is not checked. Errors: STATUS_END there is none; STATUS_IO; STATUS_NO_MEMORY. */
MUST_USE enum status chain_skip(struct chain *chain);

/* Bytes of the files before the read position, and of all. */
void chain_progress(const struct chain *chain, uint64_t *done, uint64_t *total);

/* Frees nothing of the chain: the path of a file in its directory, in memory of the caller's. NULL
 * when there is no memory. */
char *chain_path(const char *directory, const char *name);

#endif
