/* The tree heads of a journal's frames, made ahead: the records of the frames that follow in the
 * window are hashed together with those of the present one, side by side (merkle.h). A head is only
 * handed out for bytes that the caller has found whole, so that what follows may be anything. */
#ifndef TAPLINE_JOURNAL_PREHASH_H
#define TAPLINE_JOURNAL_PREHASH_H

#include <stdint.h>

#include "base/status.h"
#include "journal/format.h"
#include "journal/merkle.h"
#include "journal/segment.h"

struct prehash;

/* Owns: freed by prehash_free. Errors: STATUS_NO_MEMORY. */
MUST_USE enum status prehash_open(struct prehash **prehash);

/* Appends the records of the whole frame at `offset` of the segment, as it stands in its window, to
 * *tree, whose head is root_before; root_after gets the new head. The two roots may be one. */
void prehash_grow(struct prehash *prehash, const struct segment *segment, uint64_t offset,
                  const struct frame_header *header, const uint8_t *root_before,
                  struct merkle *tree, uint8_t *root_after);

void prehash_free(struct prehash *prehash); /* NULL is allowed */

#endif
