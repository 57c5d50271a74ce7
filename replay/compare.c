#include "replay/compare.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"

struct compare {
    struct sqlite_checker *checker;
    struct event_sink sink;
    bool with_indexes; /* a thread looks at the indexes */
    bool open_too;
    _Atomic bool stop;
    pthread_t thread;
    struct sqlite_index_findings indexes;
};

static enum status say(struct compare_result *result, enum status status, const char *text)
{
    snprintf(result->problem, sizeof result->problem, "%s",
             text[0] != '\0' ? text : status_text(status));
    return status;
}

enum status compare_open(const char *data_dir, struct compare **compare,
                         struct compare_result *result)
{
    *result = (struct compare_result){0};
    struct compare *made = calloc(1, sizeof *made);
    if (made == NULL) {
        return say(result, STATUS_NO_MEMORY, "");
    }
    char text[SQLITE_CHECKER_TEXT_BYTES];
    const enum status status = sqlite_checker_open(data_dir, &made->checker, text);
    if (status != STATUS_OK) {
        free(made);
        return say(result, status, text);
    }
    made->sink = sqlite_checker_sink(made->checker);
    *compare = made;
    return STATUS_OK;
}

static void *check_indexes(void *context)
{
    struct compare *compare = context;
    sqlite_checker_check_indexes(compare->checker, compare->open_too, &compare->stop,
                                 &compare->indexes);
    return NULL;
}

static void join_indexes(struct compare *compare)
{
    if (compare->with_indexes) {
        const int joined = pthread_join(compare->thread, NULL);
        CHECK(joined == 0);
        compare->with_indexes = false;
        sqlite_checker_add_indexes(compare->checker, &compare->indexes);
    }
}

enum status compare_indexes(struct compare *compare, bool open_too)
{
    compare->open_too = open_too;
    compare->with_indexes = pthread_create(&compare->thread, NULL, check_indexes, compare) == 0;
    return compare->with_indexes ? STATUS_OK : STATUS_NO_MEMORY;
}

void compare_free(struct compare *compare)
{
    if (compare != NULL) {
        compare->stop = true;
        join_indexes(compare);
        sqlite_checker_close(compare->checker);
        free(compare);
    }
}

const struct event_sink *compare_sink(struct compare *compare)
{
    return &compare->sink;
}

uint64_t compare_last(const struct compare *compare)
{
    return sqlite_checker_last(compare->checker);
}

enum status compare_before(void *context, struct applier *applier,
                           const struct journal_record *record)
{
    struct compare *compare = context;
    sqlite_checker_begin_record(compare->checker, record->seq, applier_input(applier)->time_ms);
    return STATUS_OK;
}

enum status compare_after(void *context, struct applier *applier,
                          const struct journal_record *record)
{
    (void)record;
    struct compare *compare = context;
    sqlite_checker_end_record(compare->checker, applier_digest(applier));
    return STATUS_OK;
}

enum status compare_finish(struct compare *compare, struct compare_result *result)
{
    struct sqlite_checker_result checked;
    join_indexes(compare);
    const enum status status = sqlite_checker_finish(compare->checker, &checked);
    *result = (struct compare_result){
        .tables = checked.tables,
        .rows = checked.rows,
        .missing = checked.missing,
        .seq = checked.seq,
        .differences = checked.differences,
        .first_seq = checked.first_seq,
    };
    snprintf(result->problem, sizeof result->problem, "%s", checked.problem);
    return status;
}

/* --- A replay of its own. ------------------------------------------------------------------------
 */

#define ASK_EVERY 1024 /* records between two questions whether to go on */

struct run {
    struct compare *compare;
    const struct compare_options *options;
};

static enum status before_record(void *context, struct applier *applier,
                                 const struct journal_record *record)
{
    struct run *run = context;
    return compare_before(run->compare, applier, record);
}

static enum status after_record(void *context, struct applier *applier,
                                const struct journal_record *record)
{
    struct run *run = context;
    const struct compare_options *options = run->options;
    if (record->seq % ASK_EVERY == 0 && options->cancelled != NULL &&
        options->cancelled(options->progress_context)) {
        return STATUS_CLOSED;
    }
    return compare_after(run->compare, applier, record);
}

static enum status replay_beside(struct run *run, const char *data_dir,
                                 struct compare_result *result)
{
    struct applier *applier;
    enum status status = applier_open(NULL, &applier);
    if (status != STATUS_OK) {
        return say(result, status, "");
    }
    const struct replay_options options = {
        .to_seq = compare_last(run->compare),
        .mismatch_goes_on = true, /* verify tells it; a digest of a file that differs comes out */
        .context = run,
        .sink = compare_sink(run->compare),
        .before = before_record,
        .after = after_record,
        .progress_context = run->options->progress_context,
        .progress = run->options->progress,
    };
    struct replay_result replayed;
    status = replay_run(applier, data_dir, &options, &replayed);
    applier_free(applier);
    return status == STATUS_OK ? status : say(result, status, replayed.problem);
}

enum status compare_run(const char *data_dir, const struct compare_options *options,
                        struct compare_result *result)
{
    struct run run = {.options = options};
    enum status status = compare_open(data_dir, &run.compare, result);
    if (status != STATUS_OK) {
        return status;
    }
    if (compare_last(run.compare) > 0) {
        status = compare_indexes(run.compare, false);
    }
    if (status == STATUS_OK && compare_last(run.compare) > 0) {
        status = replay_beside(&run, data_dir, result);
    }
    if (status == STATUS_OK) {
        status = compare_finish(run.compare, result);
    }
    compare_free(run.compare);
    return status;
}
