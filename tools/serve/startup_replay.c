/* The state at the start: the newest snapshot that serves everybody, and the journal behind it.
 *
 * Normal course: a snapshot is chosen that is not newer than what the SQLite files have applied
 * (they need the events behind that) and, where there is one, so far behind the journal's end that
 * the recent events and index ticks that clients ask for are made again by the way; the tail is
 * replayed; where the replay stands at main.db's seq, every user is compared.
 *
 * Failures: a snapshot that is damaged, or is not of this journal's history, is skipped with a
 * line, and the next older one serves, in the end the first record: the state is the same, the
 * start takes longer. Users that differ are named; the files are put aside and made again. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "projections/sqlite_aside.h"
#include "replay/replay.h"
#include "tools/bug_trap.h"
#include "tools/commands.h"
#include "tools/progress.h"
#include "tools/serve/recent.h"
#include "tools/serve/startup.h"
#include "tools/serve/user_check.h"

#define REPLAY_OUTBOX_RECORDS 4096
#define PROJECTOR_WAIT_MS     1000
/* Records replayed at least, where a snapshot is old enough: the 300 index ticks that clients ask
 * for are of 60 s, and at 3,000 taps a second so many records. */
#define BACK_RECORDS ((uint64_t)3 * HISTORY_EVENTS)
_Static_assert(BACK_RECORDS >= RECENT_RECORDS, "the history is of what is replayed");
/* Outboxes that may wait for the projector: each has thousands of records here, and the replay is
 * quicker than SQLite. */
#define REPLAY_QUEUE_OUTBOXES 16

struct start_replay {
    struct server *server;
    struct outbox *outbox; /* NULL: nobody needs the events of the record */
    struct event_sink outbox_sink;
    uint32_t records; /* in it */
    struct recent recent;
    bool history_began;
    uint64_t head_seq;
    const struct sqlite_writer_report *files;
    struct user_check users;
    bool users_differ;
    char difference[SQLITE_AUDIT_TEXT_BYTES];
    struct journal_head begin; /* seq 0: the first record */
    struct progress progress;
    bool has_base; /* the bar shows the way from the begin, not from the first record */
    uint64_t base_bytes;
};

/* --- Hooks of the replay. --- */

static void forward_event(void *context, const struct event *event)
{
    struct start_replay *start = context;
    if (event->kind == EVENT_TICK) {
        board_note_tick(&start->server->board, event);
    }
    if (start->outbox != NULL) {
        start->outbox_sink.event(start->outbox_sink.context, event);
    }
}

static void forward_posting(void *context, const struct posting *posting)
{
    struct start_replay *start = context;
    if (start->outbox != NULL) {
        start->outbox_sink.posting(start->outbox_sink.context, posting);
    }
}

/* True when nobody needs what the record brings: all files have it, with a whole outbox to spare
 * before the place where their digests are compared, and it is too far back for the history. */
static bool is_behind_all(const struct start_replay *start, uint64_t seq)
{
    return seq + RECENT_RECORDS < start->head_seq &&
           seq + REPLAY_OUTBOX_RECORDS < start->files->applied_seq;
}

/* The next outbox; with the first one the history begins, at the state before its first record. */
static enum status begin_outbox(struct start_replay *start, const struct applier *applier)
{
    start->outbox = outbox_new();
    if (start->outbox == NULL) {
        return STATUS_NO_MEMORY;
    }
    start->outbox_sink = outbox_sink(start->outbox);
    start->records = 0;
    if (start->history_began) {
        return STATUS_OK;
    }
    start->history_began = true;
    return history_begin(&start->server->history, applier_machine(applier));
}

static enum status before_record(void *context, struct applier *applier,
                                 const struct journal_record *record)
{
    struct start_replay *start = context;
    bug_trap_note(record->seq);
    if (start->outbox == NULL) {
        const enum status status =
            is_behind_all(start, record->seq) ? STATUS_OK : begin_outbox(start, applier);
        if (status != STATUS_OK || start->outbox == NULL) {
            return status;
        }
    }
    outbox_begin_record(start->outbox, record->seq, applier_input(applier)->time_ms);
    return STATUS_OK;
}

/* Hands the outbox on and waits while the projector is behind. What all files have is not handed
 * on; the one that ends where they do is, because its digest is compared there. */
static enum status push(const struct start_replay *start)
{
    struct projector *projector = start->server->projector;
    const uint64_t last_seq = outbox_last_seq(start->outbox);
    if (last_seq < start->files->applied_seq) {
        return STATUS_OK;
    }
    while (projector_queue_depth(projector) >= REPLAY_QUEUE_OUTBOXES &&
           projector_wait(projector, projector_applied(projector) + 1, PROJECTOR_WAIT_MS) !=
               STATUS_CLOSED) {
    }
    enum status status;
    while ((status = projector_push(projector, start->outbox)) == STATUS_FULL) {
        (void)projector_wait_room(projector, PROJECTOR_WAIT_MS); /* the push tells */
    }
    return status;
}

static enum status flush(struct start_replay *start, const struct applier *applier)
{
    struct server *server = start->server;
    enum status status = outbox_seal(start->outbox, applier_digest(applier));
    if (status == STATUS_OK) {
        status = recent_put(&start->recent, &server->history, start->outbox);
    }
    if (status == STATUS_OK) {
        status = push(start);
    }
    outbox_release(start->outbox);
    start->outbox = NULL;
    return status;
}

/* STATUS_MISMATCH when the replay stands where main.db does and a user is another. */
static enum status check_users(struct start_replay *start, const struct applier *applier)
{
    if (start->users.seq == 0 || applier_seq(applier) != start->users.seq ||
        user_check_agrees(&start->users, applier_machine(applier), start->difference)) {
        return STATUS_OK;
    }
    start->users_differ = true;
    return STATUS_MISMATCH;
}

static enum status after_record(void *context, struct applier *applier,
                                const struct journal_record *record)
{
    struct start_replay *start = context;
    const enum status status = check_users(start, applier);
    if (status != STATUS_OK || start->outbox == NULL) {
        return status;
    }
    start->records += 1;
    if (start->records < REPLAY_OUTBOX_RECORDS && record->seq < start->head_seq &&
        !sqlite_writer_ends_at(start->files, record->seq)) {
        return STATUS_OK;
    }
    return flush(start, applier);
}

static void show_progress(void *context, uint64_t records, uint64_t done_bytes,
                          uint64_t total_bytes)
{
    struct start_replay *start = context;
    if (!start->has_base) {
        start->has_base = true;
        start->base_bytes = done_bytes;
    }
    progress_update(&start->progress, records, done_bytes - start->base_bytes,
                    total_bytes - start->base_bytes);
}

/* --- Where to begin. --- */

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* The newest snapshot that serves: not newer than what the files need, and `back` records before
 * the journal's end when there is one so old. Else, in a short journal, the first record, which
 * brings all of the history; in a long one the newest that there is. */
static enum status take_snapshot(struct start_replay *start, struct snapshot_header *header)
{
    struct server *server = start->server;
    const uint64_t epoch = journal_epoch(server->journal);
    const uint64_t newest = least(start->head_seq, start->files->applied_seq);
    const uint64_t back = least(BACK_RECORDS, server->options.snapshot_every);
    enum status status = STATUS_NOT_FOUND;
    if (start->head_seq > back) {
        status = snapshot_shelf_take(&server->shelf, epoch, least(newest, start->head_seq - back),
                                     NULL, &server->applier, header);
    }
    if (status == STATUS_NOT_FOUND && start->head_seq > 2 * back) {
        status = snapshot_shelf_take(&server->shelf, epoch, newest, NULL, &server->applier, header);
    }
    return status;
}

/* The applier and the history where the replay begins. */
static enum status begin(struct start_replay *start)
{
    struct server *server = start->server;
    struct snapshot_header header;
    applier_free(server->applier);
    server->applier = NULL;
    start->begin = (struct journal_head){0};
    start->has_base = false;
    enum status status = take_snapshot(start, &header);
    if (status == STATUS_NOT_FOUND) {
        status = applier_open(NULL, &server->applier);
    } else if (status == STATUS_OK) {
        start->begin.seq = header.seq;
        merkle_root(&header.place.tree, start->begin.root);
    }
    if (status == STATUS_OK) {
        server->board.tick_first = 0;
        server->board.tick_count = 0;
        start->history_began = false; /* but there may be no record to come */
        status = history_begin(&server->history, applier_machine(server->applier));
    }
    return status;
}

/* --- One replay, and what may make another one necessary. --- */

static enum status replay_once(struct start_replay *start, struct replay_result *result)
{
    struct server *server = start->server;
    const struct event_sink sink = {start, forward_event, forward_posting};
    const struct replay_options options = {
        .begin = &start->begin,
        .to_seq = start->head_seq,
        .invariant_at_end = true,
        .read_ahead = true,
        .context = start,
        .sink = &sink,
        .before = before_record,
        .after = after_record,
        .progress_context = start,
        .progress = show_progress,
    };
    *result = (struct replay_result){0};
    enum status status = check_users(start, server->applier);
    if (status == STATUS_OK) {
        status = replay_run(server->applier, server->options.data_dir, &options, result);
    }
    if (status == STATUS_OK) {
        recent_tell(&start->recent, &server->history);
    }
    recent_free(&start->recent);
    progress_finish(&start->progress);
    bug_trap_note(0);
    if (start->outbox != NULL) {
        outbox_release(start->outbox);
        start->outbox = NULL;
    }
    return status;
}

/* Users that differ: the files are kept for whoever asks why, and made again from the journal. */
static int rebuild_projections(struct start_replay *start, struct sqlite_writer_report *files)
{
    struct server *server = start->server;
    metrics_count_divergence(server->metrics);
    fprintf(stderr,
            "tapline serve: ALARM: %s; somebody or something changed it: the SQLite files are "
            "kept as .damaged and made again from the journal\n",
            start->difference);
    projector_close(server->projector);
    server->projector = NULL;
    if (sqlite_aside(server->options.data_dir) != STATUS_OK) {
        return startup_fail(server, EXIT_JOURNAL_IO,
                            "projections: the files cannot be renamed to .damaged");
    }
    user_check_free(&start->users);
    start->users_differ = false;
    return startup_open_projections(server, start->head_seq, files);
}

static int judge(struct start_replay *start, enum status status, const struct replay_result *result)
{
    struct server *server = start->server;
    if (status == STATUS_CLOSED) { /* of the projector's push; the replay itself never says so */
        const int exit_code = startup_fail_if_halted(server);
        if (exit_code != 0) {
            return exit_code;
        }
    }
    if (status == STATUS_OK && applier_seq(server->applier) != start->head_seq) {
        return startup_fail(server, EXIT_JOURNAL_DAMAGED,
                            "replay: the journal ended at seq %" PRIu64 " instead of %" PRIu64,
                            applier_seq(server->applier), start->head_seq);
    }
    if (status != STATUS_OK) {
        return startup_fail(server, startup_exit_code(status), "replay: %s: %s",
                            status_text(status), result->problem);
    }
    return 0;
}

static void say_done(const struct start_replay *start, uint64_t records)
{
    const struct server *server = start->server;
    char from[64] = "the first record";
    if (start->begin.seq > 0) {
        (void)snprintf(from, sizeof(from), "the snapshot of seq %" PRIu64, start->begin.seq);
    }
    fprintf(stderr,
            "tapline serve: replayed %" PRIu64 " records in %.2f s from %s, state machine arena "
            "%zu MiB\n",
            records, progress_seconds(&start->progress), from,
            applier_bytes(server->applier) >> 20);
}

static int replay_from_any(struct start_replay *start, struct sqlite_writer_report *files)
{
    struct server *server = start->server;
    for (;;) {
        struct replay_result result;
        enum status status = begin(start);
        if (status != STATUS_OK) {
            return startup_fail(server, startup_exit_code(status), "the state machine: %s",
                                status_text(status));
        }
        status = replay_once(start, &result);
        if (result.other_history) {
            snapshot_shelf_reject(&server->shelf, start->begin.seq, result.problem);
            continue;
        }
        if (start->users_differ) {
            const int exit_code = rebuild_projections(start, files);
            if (exit_code != 0) {
                return exit_code;
            }
            continue;
        }
        const int exit_code = judge(start, status, &result);
        if (exit_code == 0) {
            say_done(start, result.records);
        }
        return exit_code;
    }
}

int startup_replay(struct server *server, uint64_t head_seq, struct sqlite_writer_report *files)
{
    struct start_replay start = {.server = server, .head_seq = head_seq, .files = files};
    char text[SQLITE_AUDIT_TEXT_BYTES];
    progress_start(&start.progress, "replay");
    const enum status status = user_check_read(server->options.data_dir, &start.users, text);
    if (status != STATUS_OK) {
        return startup_fail(server, startup_exit_code(status), "projections: %s: %s",
                            status_text(status), text);
    }
    const int exit_code = replay_from_any(&start, files);
    user_check_free(&start.users);
    return exit_code;
}
