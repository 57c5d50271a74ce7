#include "replay/rebuild.h"

#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "projections/outbox.h"
#include "projections/sqlite_writer.h"

/* Records of one transaction: few enough for little memory, many enough that a commit costs
 * nothing. */
#define OUTBOX_RECORDS 4096

struct rebuild {
    struct sqlite_writer *writer;
    struct outbox *outbox;  /* NULL between two */
    struct event_sink sink; /* of the outbox, or one that nobody calls */
    uint64_t records;       /* in the outbox */
};

static enum status flush(struct rebuild *rebuild, struct applier *applier)
{
    if (rebuild->outbox == NULL) {
        return STATUS_OK;
    }
    enum status status = outbox_seal(rebuild->outbox, applier_digest(applier));
    if (status == STATUS_OK) {
        status = sqlite_writer_apply(rebuild->writer, rebuild->outbox);
    }
    outbox_release(rebuild->outbox);
    rebuild->outbox = NULL;
    rebuild->records = 0;
    return status;
}

static enum status before_record(void *context, struct applier *applier,
                                 const struct journal_record *record)
{
    struct rebuild *rebuild = context;
    if (rebuild->outbox == NULL) {
        rebuild->outbox = outbox_new();
        if (rebuild->outbox == NULL) {
            return STATUS_NO_MEMORY;
        }
        rebuild->sink = outbox_sink(rebuild->outbox);
    }
    outbox_begin_record(rebuild->outbox, record->seq, applier_input(applier)->time_ms);
    return STATUS_OK;
}

static enum status after_record(void *context, struct applier *applier,
                                const struct journal_record *record)
{
    (void)record;
    struct rebuild *rebuild = context;
    rebuild->records += 1;
    return rebuild->records < OUTBOX_RECORDS ? STATUS_OK : flush(rebuild, applier);
}

static enum status replay_into(struct rebuild *rebuild, struct applier *applier,
                               const char *data_dir, const struct replay_options *options,
                               struct replay_result *result)
{
    struct replay_options with_hooks = *options;
    with_hooks.context = rebuild;
    with_hooks.sink = &rebuild->sink;
    with_hooks.before = before_record;
    with_hooks.after = after_record;
    enum status status = replay_run(applier, data_dir, &with_hooks, result);
    /* What was applied is shown, also when the journal ends in damage. */
    const enum status flushed = flush(rebuild, applier);
    if (status == STATUS_OK) {
        status = flushed;
    }
    const char *error = sqlite_writer_error(rebuild->writer);
    if (status != STATUS_OK && error[0] != '\0') {
        snprintf(result->problem, sizeof result->problem, "%.500s", error);
    } else if (status != STATUS_OK && result->problem[0] == '\0') {
        snprintf(result->problem, sizeof result->problem, "%s", status_text(status));
    }
    return status;
}

enum status rebuild_run(struct applier *applier, const char *data_dir, const char *out_dir,
                        const struct replay_options *options, struct replay_result *result)
{
    CHECK(options->sink == NULL);
    CHECK(options->before == NULL);
    CHECK(options->after == NULL);
    struct rebuild rebuild = {.writer = NULL};
    const struct sqlite_writer_options writer_options = {.head_seq = UINT64_MAX};
    struct sqlite_writer_report report;
    *result = (struct replay_result){0};
    const enum status opened =
        sqlite_writer_open(out_dir, &writer_options, &rebuild.writer, &report);
    if (opened != STATUS_OK) {
        snprintf(result->problem, sizeof result->problem, "%.200s: %.300s", out_dir,
                 report.text[0] != '\0' ? report.text : status_text(opened));
        return opened;
    }
    const enum status status = replay_into(&rebuild, applier, data_dir, options, result);
    sqlite_writer_close(rebuild.writer);
    return status;
}
