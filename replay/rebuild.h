/* The projections made again from the journal into another directory: what `tapline replay` does,
 * and what `verify` compares with. Nothing of the data directory but its journal is read. */
#ifndef TAPLINE_REPLAY_REBUILD_H
#define TAPLINE_REPLAY_REBUILD_H

#include "base/status.h"
#include "replay/replay.h"

/* Replays DIR/journal into a new applier's state and out_dir's projection files (an existing, empty
 * directory, or one that an earlier rebuild of the same applier left). Of `options` the sink and
 * the two hooks must be NULL. *result as of replay_run. Errors: those of replay_run; those of
 * sqlite_writer_open and _apply, named in the result. */
MUST_USE enum status rebuild_run(struct applier *applier, const char *data_dir, const char *out_dir,
                                 const struct replay_options *options,
                                 struct replay_result *result);

#endif
