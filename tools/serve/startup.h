/* What the parts of the start share: startup.c (journal, projections, engine), startup_rebuild.c
 * (projections that are not there) and startup_replay.c (the state). */
#ifndef TAPLINE_TOOLS_SERVE_STARTUP_H
#define TAPLINE_TOOLS_SERVE_STARTUP_H

#include "projections/sqlite_writer.h"
#include "tools/serve/server.h"

/* Fills server->error and gives the exit code back. */
int startup_fail(struct server *server, int exit_code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

int startup_exit_code(enum status status);

/* Says why the projection has halted, if it has. 0: it has not. What parts from the journal is
 * found again by the next start, so it is left to a person; another error may have gone by then. */
int startup_fail_if_halted(struct server *server);

/* Makes the projection files of a writer in bulk mode from the whole journal, and says so. The
 * writer stays the caller's, who closes it. 0 or the exit code. */
int startup_rebuild(struct server *server, uint64_t head_seq, struct sqlite_writer *writer);

/* Opens the projection files, which are made first where there are none, and their thread. `files`:
 * where they stand. 0 or the exit code. */
int startup_open_projections(struct server *server, uint64_t head_seq,
                             struct sqlite_writer_report *files);

/* Makes server->applier at head_seq, history, board, and what the projections lack, from the newest
 * snapshot that serves all of them and the journal behind it. The projections are open; when they
 * are found to differ they are put aside and opened anew. 0 or the exit code. */
int startup_replay(struct server *server, uint64_t head_seq, struct sqlite_writer_report *files);

#endif
