/* tapline replay: the projections of a data directory, made again from its journal somewhere else.
 */
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/text.h"
#include "replay/rebuild.h"
#include "replay/replay.h"
#include "tools/commands.h"
#include "tools/moment.h"
#include "tools/offline.h"
#include "tools/options.h"
#include "tools/progress.h"

enum row {
    ROW_DATA,
    ROW_OUT,
    ROW_TO,
    ROW_NO_SQLITE,
    ROW_JSON,
    ROW_COUNT
};

static bool is_empty(DIR *directory)
{
    const struct dirent *entry;
    while ((entry = readdir(directory)) != NULL) {
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) {
            return false;
        }
    }
    return true;
}

/* Makes the directory, or takes an empty one: a replay never writes over anything. */
static enum status prepare_out(const char *path, char problem[512])
{
    if (mkdir(path, 0777) == 0) {
        return STATUS_OK;
    }
    if (errno != EEXIST) {
        const int error = errno;
        snprintf(problem, 512, "cannot make --out '%s': %s", path, strerror(error));
        return error == ENOSPC || error == EDQUOT || error == EIO ? STATUS_IO : STATUS_USAGE;
    }
    DIR *directory = opendir(path);
    if (directory == NULL || access(path, W_OK) != 0) {
        snprintf(problem, 512, "cannot build in --out '%s': %s", path, strerror(errno));
        if (directory != NULL) {
            (void)closedir(directory); /* nothing was written */
        }
        return STATUS_USAGE;
    }
    const bool empty = is_empty(directory);
    (void)closedir(directory); /* likewise */
    if (!empty) {
        snprintf(problem, 512, "--out '%s' is not an empty directory; name one that does not exist",
                 path);
        return STATUS_USAGE;
    }
    return STATUS_OK;
}

static bool print_result(const struct applier *applier, const struct replay_result *result,
                         const char *out, double seconds, bool as_json)
{
    struct json text = {0};
    struct fields fields = {.out = &text, .json = as_json};
    if (as_json) {
        fields_open(&fields, NULL, '{');
    }
    fields_u64(&fields, "records", result->records);
    fields_u64(&fields, "seq", applier_seq(applier));
    fields_i64(&fields, "time", applier_time_ms(applier));
    fields_hex(&fields, "digest", "", applier_digest(applier), HASH_BYTES);
    fields_u64(&fields, "elapsed_ms", (uint64_t)(seconds * 1000));
    if (out != NULL) {
        fields_string(&fields, "out", out);
    }
    if (as_json) {
        fields_close(&fields, '}');
    }
    const bool good = offline_print(&text);
    json_text_free(&text);
    return good;
}

static int run(const struct option_row *rows, const struct moment *to)
{
    const char *out = rows[ROW_NO_SQLITE].given ? NULL : rows[ROW_OUT].value;
    const char *data_dir = rows[ROW_DATA].value;
    struct progress progress;
    progress_start(&progress, "replay");
    const struct replay_options options = {
        .to_seq = to->seq,
        .to_time_ms = to->time_ms,
        .progress_context = &progress,
        .progress = progress_update,
    };
    struct applier *applier;
    enum status status = applier_open(NULL, &applier);
    if (status != STATUS_OK) {
        return offline_fail("replay", status, "");
    }
    struct replay_result result;
    status = out != NULL ? rebuild_run(applier, data_dir, out, &options, progress_note, &result)
                         : replay_run(applier, data_dir, &options, &result);
    const double seconds = progress_seconds(&progress);
    progress_finish(&progress);
    int code = EXIT_GOOD;
    if (status != STATUS_OK) {
        code = offline_fail("replay", status, result.problem);
    } else if (!print_result(applier, &result, out, seconds, rows[ROW_JSON].given)) {
        code = offline_fail("replay", STATUS_IO, "cannot write the result");
    }
    applier_free(applier);
    return code;
}

static int check_and_run(const struct option_row *rows)
{
    struct moment to = {0};
    if (rows[ROW_TO].value != NULL && !moment_parse(rows[ROW_TO].value, &to)) {
        return offline_fail("replay", STATUS_USAGE, "--to takes a seq or a time, see --help");
    }
    int code;
    if (!offline_is_directory("replay", "--data", rows[ROW_DATA].value, &code)) {
        return code;
    }
    if (rows[ROW_NO_SQLITE].given) {
        return run(rows, &to);
    }
    if (rows[ROW_OUT].value == NULL) {
        return offline_fail("replay", STATUS_USAGE,
                            "name the directory to build in with --out DIR2");
    }
    char problem[512];
    const enum status status = prepare_out(rows[ROW_OUT].value, problem);
    return status == STATUS_OK ? run(rows, &to) : offline_fail("replay", status, problem);
}

int command_replay(int argc, char **argv)
{
    struct option_row rows[ROW_COUNT] = {
        [ROW_DATA] = OPTION_ROW("data", OPTION_TEXT, "DIR", "./data", "the data directory"),
        [ROW_OUT] = OPTION_ROW("out", OPTION_TEXT, "DIR2", NULL,
                               "where to build; must not exist, or be empty"),
        [ROW_TO] = OPTION_ROW("to", OPTION_TEXT, "SEQ|TIME", NULL, "stop after this moment"),
        [ROW_NO_SQLITE] = OPTION_ROW("no-sqlite", OPTION_FLAG, NULL, NULL,
                                     "print the digest alone, build nothing"),
        [ROW_JSON] = OPTION_ROW("json", OPTION_FLAG, NULL, NULL, "one JSON object"),
    };
    struct options options = {
        .command = "replay",
        .usage = "tapline replay --data DIR --out DIR2 [--to SEQ|TIME]",
        .summary = "Rebuilds the projections from the journal and prints the final digest.",
        .notes = MOMENT_HELP "\n" OFFLINE_EXIT_HELP,
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
