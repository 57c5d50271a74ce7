/* The outline of a long journal: where a recovery that need not read all of it has to begin. A
 * journal of many gigabytes is not read at each start. Of all segments the header is looked at (its
 * checksum, order, epoch, size, tree), and of the older ones the last frame, which must end where
 * the next segment begins; only the last ones are walked frame by frame. What looks wrong anywhere
 * is not judged here: the walk begins before it and finds it like any other damage.
 *
 * What this leaves unread, the frames in the middle of old segments, is read by `verify` and by the
 * keeper's check. */
#ifndef TAPLINE_JOURNAL_OUTLINE_H
#define TAPLINE_JOURNAL_OUTLINE_H

#include <stdint.h>

#include "base/status.h"
#include "journal/chain.h"

/* The first seq of the segment to walk from, for chain_open: at least `bytes` of segments and the
 * last two are behind it, or all of them. `chain` is open and nothing was read from it yet; it is
 * used for its list alone. Errors: STATUS_IO, STATUS_NO_MEMORY. */
MUST_USE enum status outline_begin(const struct chain *chain, uint64_t bytes, uint64_t *from_seq);

#endif
