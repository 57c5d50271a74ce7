/* tapline recover: the last resort for a damaged journal. What is sound of it becomes a new journal
 * in a new directory, with a record of what was done; the damaged one is only read. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/text.h"
#include "projections/sqlite_audit.h"
#include "replay/snapshot_shelf.h"
#include "tools/commands.h"
#include "tools/offline.h"
#include "tools/options.h"
#include "tools/progress.h"
#include "tools/recover.h"

#define RECOVER_SNAPSHOT_BYTES (SNAPSHOT_NAME_BYTES + sizeof SNAPSHOT_FOLDER)

enum row {
    ROW_DATA,
    ROW_OUT,
    ROW_TO,
    ROW_OPERATOR,
    ROW_REASON,
    ROW_COUNT
};

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* What stands above the plan in RECOVERY.txt. */
static void describe_author(const struct recover_author *author, struct json *text)
{
    char line[1024];
    const int length =
        snprintf(line, sizeof line,
                 "This directory was made by 'tapline recover' (%s) from a damaged journal, by %s "
                 "at %" PRId64 " ms.\nReason: %s\n\nThe records kept are the same, with the same "
                 "seqs and the same tree head. "
                 "What followed them is lost; its\nseqs, which are the ids of its bets too, are "
                 "given out again. "
                 "Keep the damaged directory: receipts and bets\nof the lost part can be proved by "
                 "it alone.\n\n",
                 author->version, author->operator_name, author->made_ms, author->reason);
    json_append(text, line, (size_t)length < sizeof line ? (size_t)length : sizeof line - 1);
}

static int print(const struct json *text)
{
    if (text->failed || fwrite(text->text, 1, text->length, stdout) != text->length) {
        return offline_fail("recover", STATUS_IO, "cannot write the result");
    }
    return EXIT_GOOD;
}

static int copy(const struct recover_options *options, const struct recover_plan *plan,
                const struct option_row *rows)
{
    const char *out = rows[ROW_OUT].value;
    const struct recover_author author = {.operator_name = rows[ROW_OPERATOR].value,
                                          .reason = rows[ROW_REASON].value,
                                          .version = "tapline " TAPLINE_VERSION,
                                          .made_ms = now_ms()};
    char problem[RECOVER_TEXT_BYTES];
    struct json text = {0};
    describe_author(&author, &text);
    recover_describe(options, plan, &text);
    struct progress progress;
    progress_start(&progress, "copy");
    struct recover_options copying = *options;
    copying.progress_context = &progress;
    const enum status status =
        text.failed ? STATUS_NO_MEMORY : recover_copy(&copying, plan, out, &author, &text, problem);
    progress_finish(&progress);
    json_text_free(&text);
    if (status != STATUS_OK) {
        char line[RECOVER_TEXT_BYTES + 64];
        (void)snprintf(line, sizeof line, "%s; nothing was made that can be started", /* fits */
                       text.failed || problem[0] == '\0' ? status_text(status) : problem);
        return offline_fail("recover", status, line);
    }
    printf("made         %s, with a recovery record at seq %" PRIu64
           "; read its " RECOVER_REPORT_NAME ", then 'tapline verify --data %s'\n",
           out, plan->kept_to + 1, out);
    return EXIT_GOOD;
}

/* The witnesses outside of the journal, as those of a start. */
static void find_witnesses(struct recover_options *options, char file[32],
                           char snapshot[RECOVER_SNAPSHOT_BYTES])
{
    struct snapshot_shelf shelf;
    struct snapshot_header newest;
    uint64_t epoch;
    const bool has_epoch = journal_peek_epoch(options->data_dir, NULL, &epoch);
    sqlite_audit_witness(options->data_dir, &options->witness_seq, file);
    options->witness_name = file;
    if (snapshot_shelf_open(&shelf, NULL, options->data_dir, NULL, NULL) == STATUS_OK &&
        snapshot_shelf_newest(&shelf, has_epoch ? &epoch : NULL, &newest)) {
        char name[SNAPSHOT_NAME_BYTES];
        snapshot_name(newest.seq, name);
        (void)snprintf(snapshot, RECOVER_SNAPSHOT_BYTES, "%s/%s", SNAPSHOT_FOLDER, name); /* fits */
        options->snapshot_seq = newest.seq;
        options->snapshot_epoch = newest.place.epoch;
        options->snapshot_name = snapshot;
    }
}

static int run(const struct option_row *rows, uint64_t to_seq)
{
    char witness_name[32];
    char snapshot[RECOVER_SNAPSHOT_BYTES];
    struct progress progress;
    struct recover_options options = {.data_dir = rows[ROW_DATA].value,
                                      .to_seq = to_seq,
                                      .progress_context = &progress,
                                      .progress = progress_update};
    find_witnesses(&options, witness_name, snapshot);
    struct recover_plan plan;
    progress_start(&progress, "read");
    const enum status status = recover_plan(&options, &plan);
    progress_finish(&progress);
    int code;
    struct json text = {0};
    if (status == STATUS_NOT_FOUND && offline_lost_journal("recover", options.data_dir)) {
        code = EXIT_DAMAGED;
    } else if (status != STATUS_OK) {
        code = offline_fail("recover", status, plan.problem);
    } else {
        recover_describe(&options, &plan, &text);
        code = print(&text);
    }
    json_text_free(&text);
    if (status == STATUS_OK && code == EXIT_GOOD) {
        if (!plan.damaged && !plan.cut_by_hand) {
            printf("nothing to recover: start the server on it\n");
        } else if (rows[ROW_OUT].value == NULL) {
            printf("nothing was written: name a new directory with --out DIR2\n");
            code = plan.damaged ? EXIT_DAMAGED : EXIT_GOOD;
        } else {
            code = copy(&options, &plan, rows);
        }
    }
    recover_plan_free(&plan);
    return code;
}

static bool is_text(const char *text, size_t limit)
{
    if (text == NULL || text[0] == '\0' || strlen(text) > limit) {
        return false;
    }
    for (const char *at = text; *at != '\0'; at++) {
        if ((unsigned char)*at < ' ' || *at == 0x7f) {
            return false; /* it stands in one line of a report */
        }
    }
    return true;
}

/* True when `out` would be made inside of the directory that is only read. */
static bool is_inside(const char *out, const char *data)
{
    char *copy = strdup(out);
    if (copy == NULL) {
        return false;
    }
    size_t length = strlen(copy);
    while (length > 1 && copy[length - 1] == '/') {
        length--;
    }
    while (length > 0 && copy[length - 1] != '/') {
        length--;
    }
    copy[length] = '\0';
    char *parent = realpath(length == 0 ? "." : copy, NULL);
    char *whole = realpath(data, NULL);
    const size_t bytes = whole == NULL ? 0 : strlen(whole);
    const bool inside = parent != NULL && whole != NULL && strncmp(parent, whole, bytes) == 0 &&
                        (parent[bytes] == '\0' || parent[bytes] == '/');
    free(parent);
    free(whole);
    free(copy);
    return inside;
}

/* A link without its end looks like nothing, and cannot be given the new directory's name. */
static bool is_link(const char *path)
{
    struct stat seen;
    return lstat(path, &seen) == 0 && S_ISLNK(seen.st_mode);
}

static int check_and_run(const struct option_row *rows)
{
    uint64_t to_seq = 0;
    int code;
    const char *out = rows[ROW_OUT].value;
    if (rows[ROW_TO].value != NULL && !options_positive(rows[ROW_TO].value, &to_seq)) {
        return offline_fail("recover", STATUS_USAGE, "--to takes a seq from 1");
    }
    if (out != NULL && (!is_text(rows[ROW_OPERATOR].value, LIMIT_OPERATOR_BYTES) ||
                        !is_text(rows[ROW_REASON].value, LIMIT_NOTE_BYTES))) {
        return offline_fail("recover", STATUS_USAGE,
                            "a recovery is journaled with --operator NAME (at most 64 bytes) and "
                            "--reason TEXT (at most 256)");
    }
    if (!offline_is_directory("recover", "--data", rows[ROW_DATA].value, &code)) {
        return code;
    }
    if (out != NULL && is_inside(out, rows[ROW_DATA].value)) {
        return offline_fail("recover", STATUS_USAGE,
                            "--out lies in --data, where nothing is written; name another place");
    }
    if (out != NULL && is_link(out)) {
        return offline_fail("recover", STATUS_USAGE,
                            "--out is a link; name a directory that is not there yet");
    }
    struct disk_file *lock;
    const enum status status = recover_lock(disk_posix(), rows[ROW_DATA].value, &lock);
    if (status == STATUS_IN_USE) {
        return offline_fail("recover", status,
                            "a server runs on the data directory; stop it first");
    }
    if (status != STATUS_OK) {
        return offline_fail("recover", status, disk_problem(disk_posix(), status));
    }
    code = run(rows, to_seq);
    recover_unlock(disk_posix(), lock);
    return code;
}

int command_recover(int argc, char **argv)
{
    struct option_row rows[ROW_COUNT] = {
        [ROW_DATA] = OPTION_ROW("data", OPTION_TEXT, "DIR", "./data",
                                "the damaged data directory; it is only read"),
        [ROW_OUT] = OPTION_ROW("out", OPTION_TEXT, "DIR2", NULL,
                               "the new data directory, not there yet; without it nothing is made"),
        [ROW_TO] = OPTION_ROW("to", OPTION_TEXT, "SEQ", NULL, "keep no more than this record"),
        [ROW_OPERATOR] = OPTION_ROW("operator", OPTION_TEXT, "NAME", NULL, "who does it"),
        [ROW_REASON] = OPTION_ROW("reason", OPTION_TEXT, "TEXT", NULL, "why"),
    };
    struct options options = {
        .command = "recover",
        .usage = "tapline recover --data DIR [--out DIR2 --operator NAME --reason TEXT] [--to SEQ]",
        .summary =
            "Keeps what is sound of a damaged journal, in a new one. The last resort: records\n"
            "that players were told of are lost by it. Without --out it shows which.",
        .notes =
            "exit codes: 0 made, or nothing to recover; 2 damaged, and nothing made (without "
            "--out, or\nnothing is sound); 1 a sound record that the rules cannot replay; 64 "
            "usage, or DIR2 exists;\n70 bug; 73 input/output error, disk full or no memory; 75 "
            "a server runs on DIR",
        .rows = rows,
        .row_count = ROW_COUNT,
    };
    int code;
    if (!options_parse(&options, argc, argv, &code)) {
        return code;
    }
    code = check_and_run(rows);
    options_free(&options);
    return code;
}
