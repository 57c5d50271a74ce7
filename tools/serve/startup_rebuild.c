/* A data directory without SQLite files gets them before anything else: from the first record, in
 * bulk, several times as fast as a running server writes them. Until they are whole they count as
 * nothing, so a kill in the middle costs only the time, and the next start begins again. */
#include <inttypes.h>
#include <stdio.h>

#include "replay/rebuild.h"
#include "tools/commands.h"
#include "tools/progress.h"
#include "tools/serve/startup.h"

int startup_rebuild(struct server *server, uint64_t head_seq, struct sqlite_writer *writer)
{
    struct applier *applier;
    struct replay_result result;
    struct progress progress;
    if (applier_open(NULL, &applier) != STATUS_OK) {
        return startup_fail(server, EXIT_JOURNAL_IO, "no memory for the state machine");
    }
    const struct replay_options options = {.to_seq = head_seq,
                                           .read_ahead = true,
                                           .progress_context = &progress,
                                           .progress = progress_update};
    fprintf(stderr,
            "tapline serve: projections: there are no SQLite files; they are made from %" PRIu64
            " records of the journal\n",
            head_seq);
    progress_start(&progress, "SQLite");
    const enum status status =
        rebuild_into(writer, applier, server->options.data_dir, &options, progress_note, &result);
    progress_finish(&progress);
    applier_free(applier);
    if (status != STATUS_OK) {
        return startup_fail(server, startup_exit_code(status), "projections: %s: %s",
                            status_text(status), result.problem);
    }
    fprintf(stderr, "tapline serve: projections: made from %" PRIu64 " records in %.2f s\n",
            result.records, progress_seconds(&progress));
    return 0;
}
