/* The bytes of the journal's files, and nothing else: no I/O here. Drawn in docs/JOURNAL_FORMAT.md.
 * All integers are little-endian. Every part carries a CRC32C and the journal's epoch, a random
 * number drawn when the journal is made, so that blocks of another journal are seen as what they
 * are. */
#ifndef TAPLINE_JOURNAL_FORMAT_H
#define TAPLINE_JOURNAL_FORMAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/limits.h"
#include "base/status.h"
#include "base/units.h"
#include "journal/merkle.h"

#define FORMAT_VERSION 1u

/* --- Names in DIR/journal ----------------------------------------------------------------------
 */

#define FORMAT_NAME_BYTES 64 /* holds any of the names, with NUL */
#define FORMAT_SPARE_NAME "spare"
#define FORMAT_HEAD_NAME  "HEAD"

/* "00000000000000000001.seg": the seq of its first record, so that names sort as seqs do. */
void format_segment_name(uint64_t first_seq, char *name);

/* False when `name` is not a segment's. */
MUST_USE bool format_parse_segment_name(const char *name, uint64_t *first_seq);

/* --- Segment: a header of 4 KiB, frames, zeros -------------------------------------------------
 */

#define FORMAT_SEGMENT_HEADER_BYTES ((size_t)4096)

struct segment_header {
    uint32_t rules_version; /* of the game, in force at the first record; from 1 */
    uint64_t epoch;
    uint64_t segment_bytes; /* size of the file */
    /* Over records 1 .. size, all durable in earlier segments; the segment begins with size + 1. */
    struct merkle tree;
};

/* Writes FORMAT_SEGMENT_HEADER_BYTES. */
void format_put_segment_header(const struct segment_header *header, uint8_t *to);

/* Reads FORMAT_SEGMENT_HEADER_BYTES. Errors: STATUS_NOT_FOUND all zero; STATUS_DAMAGED;
 * STATUS_VERSION the format is newer than this program. Which rules a program knows is not judged
 * here: the bytes need none. */
MUST_USE enum status format_get_segment_header(const uint8_t *from, struct segment_header *header);

/* --- Frame: one batch. A header, the records, zeros up to a multiple of 4 ----------------------
 */

#define FORMAT_FRAME_HEADER_BYTES  ((size_t)64)
#define FORMAT_FRAME_ALIGNMENT     ((size_t)4)
#define FORMAT_FRAME_BYTES_MAX     ((size_t)LIMIT_BATCH_BYTES)
#define FORMAT_PAYLOAD_BYTES_MAX   (FORMAT_FRAME_BYTES_MAX - FORMAT_FRAME_HEADER_BYTES)
#define FORMAT_RECORD_LENGTH_BYTES ((size_t)2) /* before each record in the payload */

_Static_assert(LIMIT_BATCH_BYTES % FORMAT_FRAME_ALIGNMENT == 0, "the greatest frame is aligned");
_Static_assert(FORMAT_FRAME_HEADER_BYTES % FORMAT_FRAME_ALIGNMENT == 0, "payloads are aligned");
_Static_assert(LIMIT_RECORD_BYTES + FORMAT_RECORD_LENGTH_BYTES <= FORMAT_PAYLOAD_BYTES_MAX,
               "any record fits a frame");
_Static_assert(LIMIT_RECORD_BYTES <= UINT16_MAX, "a length fits its two bytes");

struct frame_header {
    uint64_t epoch;
    uint64_t first_seq;
    uint32_t count; /* of records, at least 1 */
    uint32_t payload_bytes;
    uint8_t root[HASH_BYTES]; /* tree head over records 1 .. first_seq - 1 */
};

/* Bytes of a frame with this payload, padding counted. */
size_t format_frame_bytes(size_t payload_bytes);

/* Completes the frame at `frame`, whose payload stands FORMAT_FRAME_HEADER_BYTES behind its begin:
 * writes header, padding and checksum. `frame` has room for format_frame_bytes. */
void format_put_frame(const struct frame_header *header, uint8_t *frame);

/* True when these 4 bytes could begin a frame; for searching. */
bool format_may_begin_frame(const uint8_t *from);

/* Reads and bounds a frame header without its checksum, which covers the payload: what it says is
 * to be believed only after format_frame_is_whole. False: these 64 bytes begin no frame. */
MUST_USE bool format_get_frame_header(const uint8_t *from, struct frame_header *header);

/* True when the checksum of the whole frame holds and its records fill its payload exactly. `frame`
 * has the format_frame_bytes that its header asks for. */
MUST_USE bool format_frame_is_whole(const struct frame_header *header, const uint8_t *frame);

/* --- Witness: DIR/journal/HEAD, two slots written in turn, so that one is whole at any time -----
 */

#define FORMAT_WITNESS_SLOTS      2
#define FORMAT_WITNESS_SLOT_BYTES ((size_t)4096)
#define FORMAT_WITNESS_BYTES      ((size_t)64) /* used of a slot */

struct witness_head {
    uint64_t epoch;
    uint64_t seq;             /* the end of a durable batch */
    uint8_t root[HASH_BYTES]; /* tree head over records 1 .. seq */
};

/* Writes FORMAT_WITNESS_BYTES. */
void format_put_witness(const struct witness_head *head, uint8_t *to);

/* Reads FORMAT_WITNESS_BYTES. False: no witness. */
MUST_USE bool format_get_witness(const uint8_t *from, struct witness_head *head);

#endif
