/* The bytes of a snapshot file, and nothing else: no I/O here. Drawn in docs/SNAPSHOT_FORMAT.md.
 * All integers are little-endian. A header of 4 KiB says which journal's history the state belongs
 * to and where in it, the body is the state (machine_snapshot's canonical bytes), and a SHA-256
 * over both ends the file. */
#ifndef TAPLINE_REPLAY_SNAPSHOT_FORMAT_H
#define TAPLINE_REPLAY_SNAPSHOT_FORMAT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"
#include "base/units.h"
#include "journal/journal.h"

#define SNAPSHOT_FORMAT_VERSION 1u
#define SNAPSHOT_HEADER_BYTES   4096
/* More than the largest arena's state; a length beyond it is no length. */
#define SNAPSHOT_BODY_BYTES_MAX ((uint64_t)4 << 30)

struct snapshot_header {
    uint32_t rules_version; /* in force after the record */
    uint64_t seq;           /* the record it was taken after: the end of a batch, from 1 */
    int64_t time_ms;        /* engine time of it */
    uint64_t body_bytes;
    uint8_t digest[HASH_BYTES]; /* the state digest after the record */
    struct journal_place place; /* the journal's epoch, the tree over records 1 .. seq */
};

/* Writes SNAPSHOT_HEADER_BYTES. */
void snapshot_put_header(const struct snapshot_header *header, uint8_t *to);

/* Reads SNAPSHOT_HEADER_BYTES; what it says is to be believed only after the file's hash was
 * checked. `rules_newest`: the highest rules version that the program knows. *problem: in a few
 * words, when it is not STATUS_OK. Errors: STATUS_DAMAGED; STATUS_VERSION the format or the rules
 * are newer than this program. */
MUST_USE enum status snapshot_get_header(const uint8_t *from, uint32_t rules_newest,
                                         struct snapshot_header *header, const char **problem);

/* "00000000000000500000.snap": names sort as seqs do. */
#define SNAPSHOT_NAME_BYTES 32
void snapshot_name(uint64_t seq, char name[SNAPSHOT_NAME_BYTES]);

/* False when `name` is not a snapshot's. */
MUST_USE bool snapshot_parse_name(const char *name, uint64_t *seq);

#endif
