/* tapline whatif: the journal's inputs once as recorded and once under another market
 * configuration. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ingress/market_file.h"
#include "replay/whatif.h"
#include "tools/commands.h"
#include "tools/moment.h"
#include "tools/offline.h"
#include "tools/options.h"
#include "tools/progress.h"
#include "tools/whatif_report.h"

enum row {
    ROW_DATA,
    ROW_MARKET,
    ROW_FROM,
    ROW_TO,
    ROW_JSON,
    ROW_HTML,
    ROW_COUNT
};

struct question {
    const char *data_dir;
    const char *market_file;
    const char *html_file; /* NULL: none is wanted */
    bool as_json;
    struct config_change change;
    struct moment from;
    struct moment to;
};

static struct whatif_bound bound_of(const struct moment *moment)
{
    return (struct whatif_bound){.seq = moment->seq, .time_ms = moment->time_ms};
}

static enum status ask(const struct question *question, struct whatif_result *result)
{
    struct progress progress;
    progress_start(&progress, "whatif");
    const struct whatif_options options = {
        .change = &question->change,
        .from = bound_of(&question->from),
        .to = bound_of(&question->to),
        .progress_context = &progress,
        .progress = progress_update,
    };
    const enum status status = whatif_run(question->data_dir, &options, result);
    progress_finish(&progress);
    return status;
}

/* Beside its name first, so that a report that is there is whole. */
static int write_html(const struct question *question, const struct whatif_report *report)
{
    struct json text = {0};
    whatif_report_html(report, &text);
    char beside[4096];
    const int length = snprintf(beside, sizeof beside, "%s.part", question->html_file);
    const bool fits = length > 0 && (size_t)length < sizeof beside;
    FILE *file = fits && !text.failed ? fopen(beside, "w") : NULL;
    bool written = file != NULL && fwrite(text.text, 1, text.length, file) == text.length;
    written = (file != NULL && fclose(file) == 0) && written;
    written = written && rename(beside, question->html_file) == 0;
    const int error = errno;
    json_text_free(&text);
    if (written) {
        return EXIT_GOOD;
    }
    if (file != NULL) {
        (void)remove(beside); /* the error to tell is the first one */
    }
    fprintf(stderr, "tapline whatif: --html '%s': %s; name a file that can be written\n",
            question->html_file, strerror(error));
    return EXIT_USAGE;
}

static int print(const struct question *question, const struct whatif_report *report)
{
    struct json text = {0};
    if (question->as_json) {
        whatif_report_json(report, &text);
    } else {
        whatif_report_people(report, &text);
    }
    const bool printed = offline_print(&text);
    json_text_free(&text);
    return printed ? EXIT_GOOD : offline_fail("whatif", STATUS_IO, "cannot write the result");
}

static int answer(const struct question *question)
{
    struct whatif_result *result = malloc(sizeof *result);
    if (result == NULL) {
        return offline_fail("whatif", STATUS_NO_MEMORY, "");
    }
    const enum status status = ask(question, result);
    int code;
    if (status != STATUS_OK) {
        code = offline_fail("whatif", status, result->problem);
    } else {
        const struct whatif_report report = {question->data_dir, question->market_file, result};
        code = print(question, &report);
        if (code == EXIT_GOOD && question->html_file != NULL) {
            code = write_html(question, &report);
        }
    }
    free(result);
    return code;
}

static int check_and_run(const struct option_row *rows)
{
    struct question question = {
        .data_dir = rows[ROW_DATA].value,
        .market_file = rows[ROW_MARKET].value,
        .html_file = rows[ROW_HTML].value,
        .as_json = rows[ROW_JSON].given,
    };
    if (question.market_file == NULL) {
        return offline_fail("whatif", STATUS_USAGE,
                            "name the other configuration with --market FILE");
    }
    if (rows[ROW_FROM].value != NULL && !moment_parse(rows[ROW_FROM].value, &question.from)) {
        return offline_fail("whatif", STATUS_USAGE, "--from takes a seq or a time, see --help");
    }
    if (rows[ROW_TO].value != NULL && !moment_parse(rows[ROW_TO].value, &question.to)) {
        return offline_fail("whatif", STATUS_USAGE, "--to takes a seq or a time, see --help");
    }
    char problem[MARKET_FILE_PROBLEM_BYTES];
    if (market_file_read(question.market_file, &question.change, problem) != STATUS_OK) {
        return offline_fail("whatif", STATUS_USAGE, problem);
    }
    int code;
    if (!offline_is_directory("whatif", "--data", question.data_dir, &code)) {
        return code;
    }
    return answer(&question);
}

int command_whatif(int argc, char **argv)
{
    struct option_row rows[ROW_COUNT] = {
        [ROW_DATA] = OPTION_ROW("data", OPTION_TEXT, "DIR", "./data", "the data directory"),
        [ROW_MARKET] = OPTION_ROW("market", OPTION_TEXT, "FILE", NULL,
                                  "the keys that are otherwise; those left out stay as recorded"),
        [ROW_FROM] = OPTION_ROW("from", OPTION_TEXT, "SEQ|TIME", NULL, "count taps from here on"),
        [ROW_TO] = OPTION_ROW("to", OPTION_TEXT, "SEQ|TIME", NULL, "count taps up to here"),
        [ROW_JSON] = OPTION_ROW("json", OPTION_FLAG, NULL, NULL, "one JSON object"),
        [ROW_HTML] =
            OPTION_ROW("html", OPTION_TEXT, "FILE", NULL, "also write a report with plots"),
    };
    struct options options = {
        .command = "whatif",
        .usage = "tapline whatif --data DIR --market FILE [--from SEQ|TIME] [--to SEQ|TIME] "
                 "[--json] [--html FILE]",
        .summary = "Tells the journal's taps again under another market configuration: return to "
                   "players, house result, refusals.",
        .notes = "The other configuration holds from the first record on; --from and --to choose "
                 "which taps are counted.\n" WHATIF_LIMITS "\n" MOMENT_HELP "\n" OFFLINE_EXIT_HELP,
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
