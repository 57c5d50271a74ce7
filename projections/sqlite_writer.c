#include "projections/sqlite_writer.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "projections/sqlite_apply.h"

enum status sqlite_writer_open(const char *dir, const struct sqlite_writer_options *options,
                               struct sqlite_writer **writer, struct sqlite_writer_report *report)
{
    struct sqlite_writer *made = calloc(1, sizeof(*made));
    if (made == NULL) {
        *report = (struct sqlite_writer_report){.text = "no memory left"};
        return STATUS_NO_MEMORY;
    }
    const enum status status = sqlite_directory_open(&made->directory, dir, options, report);
    if (status != STATUS_OK) {
        free(made);
        return status;
    }
    made->bulk = made->directory.main.bulk;
    report->bulk = made->bulk;
    *writer = made;
    return STATUS_OK;
}

bool sqlite_writer_ends_at(const struct sqlite_writer_report *report, uint64_t seq)
{
    for (size_t i = 0; i < report->end_count; i++) {
        if (report->ends[i] == seq) {
            return true;
        }
    }
    return false;
}

void sqlite_writer_close(struct sqlite_writer *writer)
{
    if (writer != NULL) {
        sqlite_directory_close(&writer->directory);
        sqlite_users_free(&writer->users);
        free(writer);
    }
}

const char *sqlite_writer_error(const struct sqlite_writer *writer)
{
    return writer->error;
}

uint64_t sqlite_writer_applied(const struct sqlite_writer *writer)
{
    return sqlite_directory_applied(&writer->directory);
}

static bool is_written(const struct sqlite_file *file)
{
    return file->verdict == SQLITE_FILE_GOOD && !file->closed;
}

/* A file that ends where this outbox ends must have seen the same state. */
static enum status check_digest(struct sqlite_writer *writer, const struct sqlite_file *file,
                                const struct outbox *outbox)
{
    if (file->verdict != SQLITE_FILE_GOOD || file->applied_seq != outbox_last_seq(outbox) ||
        memcmp(file->digest, outbox_digest(outbox), HASH_BYTES) == 0) {
        return STATUS_OK;
    }
    return sqlite_apply_fail(writer, STATUS_MISMATCH,
                             "seq %" PRIu64
                             ": %s was made from another history (its state digest differs); "
                             "delete it to rebuild it from this journal",
                             file->applied_seq, file->name);
}

static enum status apply_outbox(struct sqlite_writer *writer, const struct outbox *outbox)
{
    struct sqlite_directory *directory = &writer->directory;
    const uint64_t first = outbox_first_seq(outbox);
    const bool begun = writer->next_seq != 0;
    const uint64_t expected = begun ? writer->next_seq : sqlite_directory_applied(directory) + 1;
    if (begun ? first != expected : first > expected) {
        return sqlite_apply_fail(writer, STATUS_INVALID,
                                 "the projection expects the record of seq %" PRIu64
                                 ", but is given %" PRIu64,
                                 expected, first);
    }
    enum status status = check_digest(writer, &directory->main, outbox);
    for (size_t i = 0; status == STATUS_OK && i < directory->week_count; i++) {
        status = check_digest(writer, &directory->weeks[i]->file, outbox);
    }
    const struct outbox_record *record = outbox_records(outbox);
    if (outbox_last_seq(outbox) <= sqlite_directory_applied(directory)) {
        record = NULL; /* a replay from the first record: every file has them */
    }
    for (; status == STATUS_OK && record != NULL; record = record->next) {
        status = sqlite_apply_record(writer, record);
    }
    if (status == STATUS_OK) {
        writer->next_seq = outbox_last_seq(outbox) + 1;
    }
    return status;
}

static enum status begin_all(struct sqlite_writer *writer)
{
    if (!writer->bulk) { /* which is one transaction from begin to end */
        sqlite_users_begin(&writer->users);
    }
    struct sqlite_directory *directory = &writer->directory;
    enum status status =
        sqlite_apply_pass(writer, &directory->main, sqlite_file_begin(&directory->main));
    for (size_t i = 0; status == STATUS_OK && i < directory->week_count; i++) {
        struct sqlite_file *file = &directory->weeks[i]->file;
        if (is_written(file)) {
            status = sqlite_apply_pass(writer, file, sqlite_file_begin(file));
        }
    }
    return status;
}

/* Writes the bets that wait: all of them, or in bulk mode those that are over, in the order of ids,
 * so that a row is written once and its page for good. */
static enum status flush_bets(struct sqlite_writer *writer, struct sqlite_week *week, bool open_too)
{
    struct sqlite_bets *waiting = &week->waiting;
    while (waiting->count > 0 && (open_too || sqlite_bets_at(waiting, 0)->over)) {
        const enum status status = sqlite_rows_insert_bet(&week->file, writer->directory.market,
                                                          &sqlite_bets_at(waiting, 0)->bet);
        if (status != STATUS_OK) {
            return sqlite_apply_pass(writer, &week->file, status);
        }
        sqlite_bets_drop_first(waiting);
    }
    return STATUS_OK;
}

/* Marks one week up to the last record, and closes it when it is over and nothing in it is open. */
static enum status finish_week(struct sqlite_writer *writer, struct sqlite_week *week,
                               const struct outbox *last, int64_t current_ms)
{
    struct sqlite_file *file = &week->file;
    enum status status = flush_bets(writer, week, !writer->bulk);
    bool any_open = true;
    if (status == STATUS_OK && file->start_ms < current_ms) {
        any_open = week->waiting.count > 0;
        if (!file->bulk) {
            status = sqlite_apply_pass(writer, file, sqlite_rows_any_open_bet(file, &any_open));
        }
    }
    if (status != STATUS_OK) {
        return status;
    }
    return sqlite_apply_pass(writer, file,
                             sqlite_file_set_applied(file, outbox_last_seq(last),
                                                     outbox_digest(last), !any_open,
                                                     writer->directory.main.applied_seq));
}

static enum status finish_all(struct sqlite_writer *writer, const struct outbox *last)
{
    struct sqlite_directory *directory = &writer->directory;
    const struct outbox_record *record = outbox_records(last);
    while (record->next != NULL) {
        record = record->next;
    }
    const int64_t current_ms = week_start_ms(record->time_ms);
    enum status status = STATUS_OK;
    for (size_t i = 0; status == STATUS_OK && i < directory->week_count; i++) {
        struct sqlite_week *week = directory->weeks[i];
        if (is_written(&week->file) && week->file.applied_seq < outbox_last_seq(last)) {
            status = finish_week(writer, week, last, current_ms);
        }
    }
    struct sqlite_file *main = &directory->main;
    if (status == STATUS_OK && !writer->bulk) { /* which writes them once, at the end */
        status = sqlite_apply_users(writer);
    }
    if (status == STATUS_OK && main->applied_seq < outbox_last_seq(last)) {
        status = sqlite_apply_pass(
            writer, main,
            sqlite_file_set_applied(main, outbox_last_seq(last), outbox_digest(last), false, 0));
    }
    return status;
}

/* Weeks first, main.db last: after a kill in between main.db is not ahead of any of them. */
static enum status commit_all(struct sqlite_writer *writer)
{
    struct sqlite_directory *directory = &writer->directory;
    enum status status = STATUS_OK;
    for (size_t i = 0; status == STATUS_OK && i < directory->week_count; i++) {
        struct sqlite_file *file = &directory->weeks[i]->file;
        if (!file->bulk) {
            status = sqlite_apply_pass(writer, file, sqlite_file_commit(file));
        } else if (file->closed) {
            status = sqlite_apply_pass(writer, file, sqlite_file_finish_bulk(file));
        }
        if (status == STATUS_OK && file->closed) {
            sqlite_file_close(file);
        }
    }
    return status == STATUS_OK && !directory->main.bulk
               ? sqlite_apply_pass(writer, &directory->main, sqlite_file_commit(&directory->main))
               : status;
}

static void rollback_all(struct sqlite_writer *writer)
{
    struct sqlite_directory *directory = &writer->directory;
    for (size_t i = 0; i < directory->week_count; i++) {
        sqlite_file_rollback(&directory->weeks[i]->file);
    }
    sqlite_file_rollback(&directory->main);
}

enum status sqlite_writer_apply_many(struct sqlite_writer *writer, struct outbox *const *outboxes,
                                     size_t count)
{
    if (writer->halted != STATUS_OK || count == 0) {
        return writer->halted;
    }
    enum status status = begin_all(writer);
    for (size_t i = 0; status == STATUS_OK && i < count; i++) {
        status = apply_outbox(writer, outboxes[i]);
    }
    if (status == STATUS_OK) {
        status = finish_all(writer, outboxes[count - 1]);
    }
    if (status == STATUS_OK) {
        status = commit_all(writer);
    }
    if (status != STATUS_OK) {
        writer->halted = status;
        rollback_all(writer);
    }
    return status;
}

enum status sqlite_writer_apply(struct sqlite_writer *writer, struct outbox *outbox)
{
    return sqlite_writer_apply_many(writer, &outbox, 1);
}

/* One file after the other; main.db last, as always. */
static enum status finish_files(struct sqlite_writer *writer, void *context,
                                void (*progress)(void *context, const char *file))
{
    struct sqlite_directory *directory = &writer->directory;
    enum status status = STATUS_OK;
    for (size_t i = 0; status == STATUS_OK && i < directory->week_count; i++) {
        struct sqlite_week *week = directory->weeks[i];
        if (!week->file.bulk) {
            continue;
        }
        if (progress != NULL) {
            progress(context, week->file.name);
        }
        status = flush_bets(writer, week, true);
        if (status == STATUS_OK) {
            status = sqlite_apply_pass(writer, &week->file, sqlite_file_finish_bulk(&week->file));
        }
    }
    if (status == STATUS_OK) {
        status = sqlite_apply_users(writer);
    }
    return status == STATUS_OK ? sqlite_apply_pass(writer, &directory->main,
                                                   sqlite_file_finish_bulk(&directory->main))
                               : status;
}

enum status sqlite_writer_finish_bulk(struct sqlite_writer *writer, void *context,
                                      void (*progress)(void *context, const char *file))
{
    if (writer->halted != STATUS_OK || !writer->bulk) {
        return writer->halted;
    }
    const enum status status = finish_files(writer, context, progress);
    if (status == STATUS_OK) {
        writer->bulk = false;
    } else {
        writer->halted = status;
        rollback_all(writer);
    }
    return status;
}

enum status sqlite_writer_mark_archived(struct sqlite_writer *writer, int64_t week_ms,
                                        bool archived)
{
    if (writer->halted != STATUS_OK) {
        return writer->halted;
    }
    struct sqlite_directory *directory = &writer->directory;
    struct sqlite_week *week = sqlite_directory_find(directory, week_ms);
    if (week == NULL || !week->listed || !week->file.closed) {
        return STATUS_NOT_FOUND;
    }
    const enum status status = sqlite_rows_archived(&directory->main, week_ms, archived);
    if (status == STATUS_OK) {
        week->archived = archived;
    }
    return status;
}
