/* Every record of a journal that can still be read, damaged or not: for `inspect`. Each segment is
 * read frame by frame; where a frame is broken the next whole one is looked for. Believes checksums
 * alone, not the tree heads nor the witnesses (that is `verify`), and writes nothing. */
#ifndef TAPLINE_TOOLS_SALVAGE_H
#define TAPLINE_TOOLS_SALVAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

struct salvage_visitor {
    void *context;
    /* The bytes live for the call. Not STATUS_OK ends the reading; STATUS_END ends it well. */
    enum status (*record)(void *context, uint64_t seq, const uint8_t *bytes, size_t length);
    /* A stretch without records: one line that names segment, offset, seq and reason. `is_tail`: it
     * may be a write that was not finished, or one that goes on just now; nothing is missing behind
     * it. */
    void (*damage)(void *context, const char *line, bool is_tail);
};

/* Visits the records from the segment that holds from_seq on (earlier ones of it too), seqs rising.
 * Errors: STATUS_NOT_FOUND there is no journal; STATUS_IO; STATUS_NO_MEMORY; the visitor's. */
MUST_USE enum status salvage_run(const char *data_dir, uint64_t from_seq,
                                 const struct salvage_visitor *visitor);

#endif
