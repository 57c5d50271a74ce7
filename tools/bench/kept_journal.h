/* What a journal is made of, byte by byte: frames, lengths, records by kind, taps by field, and
 * what zstd makes of a sealed segment. Reads the files as they are and verifies frames' checksums
 * alone; whether the journal is sound is for `tapline verify` to say. */
#ifndef TAPLINE_TOOLS_BENCH_KEPT_JOURNAL_H
#define TAPLINE_TOOLS_BENCH_KEPT_JOURNAL_H

#include <stdint.h>

#include "base/status.h"

/* Numbers of the fields of Record (its kinds) and of Tap in tapline.proto; greater ones are counted
 * at place 0. */
#define KEPT_FIELDS 32

#define KEPT_LEVELS 2

struct kept_journal {
    uint64_t segments;
    uint64_t frames;
    uint64_t records;
    uint64_t taps;
    /* Together all bytes up to the end of the last frame of each segment. */
    uint64_t segment_header_bytes;
    uint64_t frame_header_bytes;
    uint64_t padding_bytes;
    uint64_t length_bytes;
    uint64_t kind_bytes[KEPT_FIELDS]; /* of whole records, by kind */
    uint64_t kind_count[KEPT_FIELDS];
    /* Together kind_bytes of the taps. */
    uint64_t tap_field_bytes[KEPT_FIELDS]; /* with tag and length; empty fields have none */
    uint64_t tap_frame_bytes;              /* engine time, tag and length of the whole */
    /* Of the sealed segments that were compressed, as whole files. */
    uint64_t packed_segments;
    uint64_t packed_taps;
    uint64_t packed_from_bytes;
    uint64_t packed_to_bytes[KEPT_LEVELS];
};

/* Reads all segments and compresses `sample` of the sealed ones, evenly spread (0: all), at both
 * levels. A journal of one segment has that one compressed.
 * Errors: STATUS_NOT_FOUND no journal; STATUS_DAMAGED, STATUS_VERSION a segment's header;
 * STATUS_INVALID a record that is no protobuf message; STATUS_IO; STATUS_NO_MEMORY. */
MUST_USE enum status kept_journal_read(const char *data_dir, const int levels[KEPT_LEVELS],
                                       uint64_t sample, struct kept_journal *kept);

#endif
