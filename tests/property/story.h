/* A random history from its first record to its last: a real journal whose records bring the rules
 * to their bounds. Whoever links the state machine with the rules that were never released may have
 * them put in force half way. */
#ifndef TAPLINE_TESTS_PROPERTY_STORY_H
#define TAPLINE_TESTS_PROPERTY_STORY_H

#include <stddef.h>
#include <stdint.h>

struct story_options {
    const char *dir; /* a data directory without a journal */
    uint64_t seed;
    long points;            /* of the grid */
    size_t segment_bytes;   /* 0: HISTORY_SEGMENT_BYTES */
    uint32_t rules_version; /* put in force half way; 0: none */
};

struct story_told {
    uint64_t records;
    uint64_t bent; /* price ticks that follow from no quotes */
};

/* Writes it. The same options make the same records. */
void story_write(const struct story_options *options, struct story_told *told);

#endif
