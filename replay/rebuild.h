/* The projections made again from the journal into another directory: what `tapline replay` does.
 * Nothing of the data directory but its journal is read. One thread replays, another writes; the
 * files are made in one go, indexes last, and what a rebuild that did not end leaves counts as
 * nothing. */
#ifndef TAPLINE_REPLAY_REBUILD_H
#define TAPLINE_REPLAY_REBUILD_H

#include "base/status.h"
#include "projections/sqlite_writer.h"
#include "replay/replay.h"

/* Replays DIR/journal into a new applier's state and out_dir's projection files (an existing, empty
 * directory). Of `options` the sink and the two hooks must be NULL. When all records are there,
 * `indexes` (may be NULL) is called with options->progress_context before each file gets its
 * indexes, which takes its time. *result as of replay_run. Errors: those of replay_run; those of
 * sqlite_writer_open and _apply, named in the result. */
MUST_USE enum status rebuild_run(struct applier *applier, const char *data_dir, const char *out_dir,
                                 const struct replay_options *options,
                                 void (*indexes)(void *progress_context, const char *file),
                                 struct replay_result *result);

/* The same into the files of a writer that is new and in bulk mode; it goes on as any other
 * afterwards, and stays the caller's. */
MUST_USE enum status rebuild_into(struct sqlite_writer *writer, struct applier *applier,
                                  const char *data_dir, const struct replay_options *options,
                                  void (*indexes)(void *progress_context, const char *file),
                                  struct replay_result *result);

#endif
