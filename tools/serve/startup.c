/* The start is a replay: the data directory is locked, the journal recovered, the state made from a
 * snapshot and the records behind it (startup_replay.c), and what the projections lack is written.
 * Then the engine begins, with the first records of a new journal, or a Start record. */
#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ingress/market_file.h"
#include "projections/sqlite_audit.h"
#include "tools/commands.h"
#include "tools/serve/keeper.h"
#include "tools/serve/startup.h"

#define CHECK_BYTES_MAX       ((uint64_t)64 << 20) /* of a database walked at the start: 0.3 s */
#define FIRST_RECORDS_WAIT_MS 60000
#define FIRST_RECORDS_STEP_MS 100
#define DEMO_HOUSE_MICRO      (1000000 * MICRO_PER_USD)

int startup_fail(struct server *server, int exit_code, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(server->error, sizeof(server->error), format, arguments);
    va_end(arguments);
    return exit_code;
}

int startup_exit_code(enum status status)
{
    switch (status) {
    case STATUS_OK:
        return EXIT_GOOD;
    case STATUS_IN_USE:
        return EXIT_IN_USE;
    case STATUS_DAMAGED:
    case STATUS_LOST_TAIL:
    case STATUS_VERSION:
    case STATUS_MISMATCH:
    case STATUS_INVALID:
    case STATUS_FULL: /* the journal needs more room than this program's arena has */
        return EXIT_JOURNAL_DAMAGED;
    case STATUS_USAGE:
    case STATUS_NOT_FOUND:
        return EXIT_USAGE;
    case STATUS_IO:
    case STATUS_NO_SPACE:
    case STATUS_NO_MEMORY:
    case STATUS_END:
    case STATUS_CLOSED:
        return EXIT_JOURNAL_IO;
    }
    return EXIT_JOURNAL_IO;
}

/* --- Hooks of the engine. --- */

static bool on_update(void *context, struct engine_update *update)
{
    struct server *server = context;
    if (!server->closing && mailbox_depth(server->updates) >= SERVER_UPDATES_MAX) {
        return false;
    }
    return mailbox_post(server->updates, update) == STATUS_OK;
}

static bool on_outbox(void *context, struct outbox *outbox)
{
    struct server *server = context;
    /* A halted projection has said so loudly (on_halt); the journal goes on without it. */
    return projector_push(server->projector, outbox) != STATUS_FULL;
}

static void on_failed(void *context, int exit_code, const char *reason)
{
    struct server *server = context;
    fprintf(stderr, "tapline serve: %s; no more bets are taken, the process ends with %d\n", reason,
            exit_code);
    atomic_store(&server->failed_code, exit_code);
    uv_async_send(&server->on_failure);
}

static void on_halt(void *context, enum status status, const char *reason)
{
    struct server *server = context;
    metrics_count_divergence(server->metrics);
    fprintf(stderr,
            "tapline serve: ALARM: the SQLite projection has halted (%s): %s; the journal goes on, "
            "restart to rebuild it\n",
            status_text(status), reason);
}

/* --- Journal. --- */

static int make_directory(struct server *server)
{
    const char *path = server->options.data_dir;
    struct stat seen;
    int error = mkdir(path, 0750) == 0 || errno == EEXIST ? 0 : errno;
    if (error != 0) {
        return startup_fail(server, EXIT_USAGE, "--data '%s': cannot make the directory: %s", path,
                            strerror(error));
    }
    error = stat(path, &seen) != 0 ? errno : S_ISDIR(seen.st_mode) ? 0 : ENOTDIR;
    if (error == 0 && access(path, R_OK | W_OK | X_OK) != 0) {
        error = errno;
    }
    return error == 0
               ? 0
               : startup_fail(server, EXIT_USAGE, "--data '%s': cannot use the directory: %s", path,
                              strerror(error));
}

static void on_skipped_snapshot(void *context, const char *line)
{
    (void)context;
    fprintf(stderr, "tapline serve: %s\n", line);
}

/* The newest good snapshot as a witness of the journal's end. Without the folder, or when it cannot
 * be read, there is none: a start needs no snapshot. */
static void find_snapshot(struct server *server, struct snapshot_header *newest,
                          char name[SNAPSHOT_NAME_BYTES + sizeof SNAPSHOT_FOLDER])
{
    uint64_t epoch;
    const bool has_epoch = journal_peek_epoch(server->options.data_dir, NULL, &epoch);
    *newest = (struct snapshot_header){0};
    const enum status status = snapshot_shelf_open(&server->shelf, NULL, server->options.data_dir,
                                                   NULL, on_skipped_snapshot);
    if (status != STATUS_OK) {
        fprintf(stderr, "tapline serve: snapshots: %s; none is used\n",
                disk_problem(disk_posix(), status));
    } else if (snapshot_shelf_newest(&server->shelf, has_epoch ? &epoch : NULL, newest)) {
        char file[SNAPSHOT_NAME_BYTES];
        snapshot_name(newest->seq, file);
        snprintf(name, SNAPSHOT_NAME_BYTES + sizeof SNAPSHOT_FOLDER, "%s/%s", SNAPSHOT_FOLDER,
                 file);
    }
}

static int open_journal(struct server *server)
{
    uint64_t witness_seq;
    char witness_name[32];
    struct snapshot_header newest;
    char snapshot[SNAPSHOT_NAME_BYTES + sizeof SNAPSHOT_FOLDER] = "";
    struct journal_report report;
    const int exit_code = make_directory(server);
    if (exit_code != 0) {
        return exit_code;
    }
    sqlite_audit_witness(server->options.data_dir, &witness_seq, witness_name);
    find_snapshot(server, &newest, snapshot);
    const struct journal_options options = {
        .segment_bytes = server->options.segment_bytes,
        .witness_seq = witness_seq,
        .witness_name = witness_name,
        .snapshot_seq = newest.seq,
        .snapshot_epoch = newest.place.epoch,
        .snapshot_name = snapshot,
        .rules_newest = machine_rules_newest(),
        .context = server->engine,
        .on_durable = engine_journal_durable,
        .on_failed = engine_journal_failed,
    };
    const enum status status =
        journal_open(server->options.data_dir, &options, &server->journal, &report);
    if (status == STATUS_OK) {
        if (report.reason[0] != '\0') {
            fprintf(stderr, "tapline serve: journal: %s\n", report.reason);
        }
        if (newest.place.epoch == journal_epoch(server->journal)) {
            server->snapshot_seq = newest.seq;
        }
        return 0;
    }
    if (status == STATUS_IN_USE) {
        return startup_fail(server, EXIT_IN_USE,
                            "the data directory '%s' is in use by another process",
                            server->options.data_dir);
    }
    if (startup_exit_code(status) == EXIT_JOURNAL_IO) {
        return startup_fail(server, EXIT_JOURNAL_IO, "journal: %s",
                            report.reason[0] != '\0' ? report.reason : status_text(status));
    }
    return startup_fail(server, startup_exit_code(status),
                        "journal: %s: segment %s, offset %llu, seq %llu, rule %c: %s",
                        status_text(status), report.segment[0] == '\0' ? "-" : report.segment,
                        (unsigned long long)report.offset, (unsigned long long)report.seq,
                        report.rule == 0 ? '-' : report.rule, report.reason);
}

/* --- Projections. --- */

static int open_files(struct server *server, const struct sqlite_writer_options *options,
                      struct sqlite_writer **writer, struct sqlite_writer_report *report)
{
    const enum status status =
        sqlite_writer_open(server->options.data_dir, options, writer, report);
    if (status != STATUS_OK) {
        return startup_fail(server, startup_exit_code(status), "projections: %s: %s",
                            status_text(status), report->text);
    }
    if (report->text[0] != '\0') {
        fprintf(stderr, "tapline serve: projections: %s\n", report->text);
    }
    return 0;
}

int startup_open_projections(struct server *server, uint64_t head_seq,
                             struct sqlite_writer_report *report)
{
    struct sqlite_writer_options options = {.head_seq = head_seq,
                                            .repair = true,
                                            .bulk = head_seq > 0,
                                            .check_pages = true,
                                            .check_bytes_max = CHECK_BYTES_MAX};
    struct sqlite_writer *writer;
    int exit_code = open_files(server, &options, &writer, report);
    if (exit_code == 0 && report->bulk) {
        exit_code = startup_rebuild(server, head_seq, writer);
        sqlite_writer_close(writer);
        options.bulk = false;
        if (exit_code == 0) {
            exit_code = open_files(server, &options, &writer, report);
        }
    }
    if (exit_code != 0) {
        return exit_code;
    }
    const struct projector_options projector = {.context = server, .on_halt = on_halt};
    const enum status status = projector_open(writer, &projector, &server->projector);
    if (status != STATUS_OK) {
        sqlite_writer_close(writer);
        return startup_fail(server, EXIT_JOURNAL_IO, "projections: %s", status_text(status));
    }
    return 0;
}

int startup_fail_if_halted(struct server *server)
{
    char why[SQLITE_WRITER_TEXT_BYTES];
    const enum status halted = projector_halted(server->projector, why);
    if (halted == STATUS_OK) {
        return 0;
    }
    return startup_fail(server, halted == STATUS_MISMATCH ? EXIT_JOURNAL_DAMAGED : EXIT_JOURNAL_IO,
                        "projections: %s: %s", status_text(halted), why);
}

/* --- The first records. --- */

static int fill_genesis(struct server *server, struct input *input)
{
    struct config config;
    struct config_change *change = &input->of.config;
    memset(change, 0, sizeof(*change));
    input->kind = INPUT_CONFIG;
    config_defaults(&config);
    if (server->options.demo) {
        config.quorum = 1;
        config.vol_warmup = 0;
    }
    if (server->options.market_file != NULL) {
        char problem[MARKET_FILE_PROBLEM_BYTES];
        struct config merged;
        const enum status status = market_file_read(server->options.market_file, change, problem);
        if (status != STATUS_OK) {
            return startup_fail(server, EXIT_USAGE, "--market: %s", problem);
        }
        config_merge(&config, change, &merged);
        config = merged;
    }
    const char *problem = config_problem(&config);
    if (problem != NULL) {
        return startup_fail(server, EXIT_USAGE, "the market configuration: %s", problem);
    }
    server->board.config = config;
    change->market_given = true;
    memcpy(change->market, config.market, sizeof(change->market));
    for (int key = 0; key < CONFIG_KEY_COUNT; key++) {
        change->values[key] = config_get(&config, (enum config_key)key);
        change->given |= 1u << key;
    }
    snprintf(change->operator_name, sizeof(change->operator_name), "genesis");
    return 0;
}

int startup_check_market(struct server *server)
{
    static struct input genesis; /* large */
    return fill_genesis(server, &genesis);
}

static void fill_demo_house(struct input *input)
{
    static const char reference[] = "demo";
    input->kind = INPUT_HOUSE_DEPOSIT;
    memset(&input->of.transfer, 0, sizeof(input->of.transfer));
    input->of.transfer.amount_micro = DEMO_HOUSE_MICRO;
    input->of.transfer.reference = (struct text_view){reference, sizeof(reference) - 1};
    input->of.transfer.operator_name = (struct text_view){reference, sizeof(reference) - 1};
}

/* The records that begin a journal may reach the disk one by one, and a crash may come between: the
 * house of a demo is owed until the second is there. */
static int start_engine(struct server *server, uint64_t head_seq)
{
    static struct input first[3];
    static const char version[] = "tapline " TAPLINE_VERSION;
    size_t count = 0;
    if (head_seq == 0) {
        const int exit_code = fill_genesis(server, &first[count]);
        if (exit_code != 0) {
            return exit_code;
        }
        count += 1;
    } else if (server->options.market_file != NULL) {
        fprintf(
            stderr,
            "tapline serve: --market is ignored: the journal has its configuration; change it by "
            "'tapline admin config FILE'\n");
    }
    if (server->options.demo && head_seq <= 1) {
        fill_demo_house(&first[count++]);
    }
    first[count].kind = INPUT_START;
    first[count].of.start.version = (struct text_view){version, sizeof(version) - 1};
    machine_default_limits(&first[count++].of.start.limits); /* those of the applier's arena */
    journal_set_rules(server->journal, machine_rules(applier_machine(server->applier)));

    server->first_count = count;
    enum status status = journal_start(server->journal);
    if (status != STATUS_OK) {
        return startup_fail(server, EXIT_JOURNAL_IO, "the journal cannot be written: %s",
                            disk_problem(disk_posix(), status));
    }
    const struct engine_options options = {
        .clock = &server->clock,
        .journal = server->journal,
        .applier = server->applier,
        .first = first,
        .first_count = count,
        .context = server,
        .on_update = on_update,
        .on_outbox = on_outbox,
        .on_failed = on_failed,
    };
    status = engine_start(server->engine, &options);
    if (status != STATUS_OK) {
        char problem[DISK_PROBLEM_BYTES];
        journal_failure(server->journal, problem); /* it may have failed already */
        return startup_fail(server, startup_exit_code(status), "the journal cannot be written: %s",
                            problem[0] != '\0' ? problem : status_text(status));
    }
    return 0;
}

int startup_open_data(struct server *server)
{
    struct journal_head head;
    if (engine_open(&server->engine) != STATUS_OK || history_open(&server->history) != STATUS_OK) {
        return startup_fail(server, EXIT_JOURNAL_IO, "no memory for the state machine");
    }
    int exit_code = open_journal(server);
    if (exit_code != 0) {
        return exit_code;
    }
    journal_head(server->journal, &head);
    struct sqlite_writer_report files;
    exit_code = startup_open_projections(server, head.seq, &files);
    if (exit_code == 0 && head.seq > 0) {
        exit_code = startup_replay(server, head.seq, &files);
    } else if (exit_code == 0 && applier_open(NULL, &server->applier) != STATUS_OK) {
        exit_code = startup_fail(server, EXIT_JOURNAL_IO, "no memory for the state machine");
    }
    server->head_seq = head.seq;
    return exit_code;
}

/* Ready means: what the start wrote can be read. False: the engine or the projection has failed, or
 * it takes too long. */
static bool await_first_records(struct server *server)
{
    const uint64_t seq = server->head_seq + server->first_count;
    enum status status = STATUS_FULL;
    for (int waited_ms = 0; waited_ms < FIRST_RECORDS_WAIT_MS && status == STATUS_FULL &&
                            atomic_load(&server->failed_code) == 0;
         waited_ms += FIRST_RECORDS_STEP_MS) {
        status = projector_wait(server->projector, seq, FIRST_RECORDS_STEP_MS);
    }
    return status == STATUS_OK;
}

static uint64_t keeper_durable_seq(void *context)
{
    const struct server *server = context;
    return engine_applied_seq(server->engine);
}

static void on_kept(void *context, struct keeper_answer *answer)
{
    struct server *server = context;
    if (mailbox_post(server->kept, answer) != STATUS_OK) {
        free(answer); /* the server ends */
    }
}

/* The keeper begins when everything else runs: what it reads is durable. */
static int start_keeper(struct server *server)
{
    const struct keeper_options options = {
        .data_dir = server->options.data_dir,
        .epoch = journal_epoch(server->journal),
        .snapshot_every = server->options.snapshot_every,
        .snapshot_seq = server->snapshot_seq,
        .check_every_s = server->options.check_every_s,
        .metrics = server->metrics,
        .context = server,
        .durable_seq = keeper_durable_seq,
        .on_answer = on_kept,
    };
    return keeper_open(&options, &server->keeper) == STATUS_OK
               ? 0
               : startup_fail(server, EXIT_JOURNAL_IO, "no memory or threads for the keeper");
}

int startup_start_engine(struct server *server)
{
    const int exit_code = start_engine(server, server->head_seq);
    if (exit_code == 0 && clock_now_ms(&server->clock) < server->last_grid_ms) {
        fprintf(stderr,
                "tapline serve: the clock is behind the journal's last grid record; no price is "
                "recorded until it has passed %lld\n",
                (long long)server->last_grid_ms);
    }
    if (exit_code == 0 && !await_first_records(server)) {
        const int failed_code = atomic_load(&server->failed_code);
        const int halted_code = failed_code != 0 ? 0 : startup_fail_if_halted(server);
        if (halted_code != 0) {
            return halted_code;
        }
        return startup_fail(server, failed_code != 0 ? failed_code : EXIT_JOURNAL_IO,
                            "the first records could not be written and applied");
    }
    server->tick_ms = server->board.config.tick_ms;
    server->quorum = server->board.config.quorum;
    return exit_code == 0 ? start_keeper(server) : exit_code;
}

void startup_close_data(struct server *server)
{
    if (server->journal != NULL) {
        const enum status status = journal_close(server->journal);
        if (status != STATUS_OK && server->exit_code == 0) {
            fprintf(stderr, "tapline serve: the journal did not close well: %s\n",
                    status_text(status));
            server->exit_code = EXIT_JOURNAL_IO;
        }
        server->journal = NULL;
    }
    projector_close(server->projector);
    server->projector = NULL;
    engine_free(server->engine);
    server->engine = NULL;
    applier_free(server->applier);
    server->applier = NULL;
    history_free(&server->history);
    board_free(&server->board);
}
