/* Every record of a journal that can still be read, damaged or not: for `inspect`. Where the reader
 * finds damage it is told in one line and passed over. Writes nothing, safe on a live directory. */
#ifndef TAPLINE_TOOLS_SALVAGE_H
#define TAPLINE_TOOLS_SALVAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

struct salvage_visitor {
    void *context;
    /* The bytes live for the call; seqs rise, with gaps where there is damage. Not STATUS_OK ends
     * the reading; STATUS_END ends it well. */
    enum status (*record)(void *context, uint64_t seq, const uint8_t *bytes, size_t length);
    /* One line that names segment, offset, seq and reason. Not `serious`: a write that was not
     * finished, or one that goes on just now. */
    void (*damage)(void *context, const char *line, bool serious);
};

/* Visits the records from from_seq (at least 1) on. Errors: STATUS_NOT_FOUND there is no journal;
 * STATUS_IO; STATUS_NO_MEMORY; the visitor's. */
MUST_USE enum status salvage_run(const char *data_dir, uint64_t from_seq,
                                 const struct salvage_visitor *visitor);

#endif
