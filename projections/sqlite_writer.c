#include "projections/sqlite_writer.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/address.h"
#include "base/check.h"
#include "base/json.h"
#include "projections/shapes.h"
#include "projections/sqlite_directory.h"
#include "projections/sqlite_users.h"

struct sqlite_writer {
    struct sqlite_directory directory;
    struct sqlite_users users;
    bool bulk;          /* rows of open bets wait in memory, files have no indexes yet */
    uint64_t next_seq;  /* the record that must come next; 0: any up to applied + 1 */
    enum status halted; /* STATUS_OK while it works */
    char error[SQLITE_WRITER_TEXT_BYTES];
};

/* One record on its way into the files, and the file of its own week. */
struct step {
    struct sqlite_writer *writer;
    const struct outbox_record *record;
    struct sqlite_week *week;
    bool into_main;         /* main.db does not have it yet */
    uint64_t accepted_here; /* the bet that this record has inserted as accepted */
};

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

/* Describes a failure and gives its status back. */
__attribute__((format(printf, 3, 4))) static enum status
fail(struct sqlite_writer *writer, enum status status, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(writer->error, sizeof(writer->error), format, arguments);
    va_end(arguments);
    return status;
}

/* Passes a status of `file` up, with its own words. */
static enum status pass(struct sqlite_writer *writer, const struct sqlite_file *file,
                        enum status status)
{
    if (status == STATUS_OK) {
        return STATUS_OK;
    }
    return fail(writer, status, "%s", file->db.error[0] != '\0' ? file->db.error : file->name);
}

static bool is_written(const struct sqlite_file *file)
{
    return file->verdict == SQLITE_FILE_GOOD && !file->closed;
}

/* True when the record's rows are still to be written into `file`. */
static bool wants(const struct sqlite_file *file, uint64_t seq)
{
    return !file->closed && file->applied_seq < seq;
}

/* Writes the users that were changed since the last time. */
static enum status flush_users(struct sqlite_writer *writer)
{
    struct sqlite_file *main = &writer->directory.main;
    const struct sqlite_user *strange = NULL;
    const enum status status = sqlite_users_flush(&writer->users, main, &strange);
    if (status == STATUS_MISMATCH && strange != NULL) {
        return fail(writer, status,
                    "user %" PRIu64 " in main.db was changed by somebody else: balance %" PRId64
                    ", held %" PRId64 " and %" PRId64 " open bets were written last",
                    strange->id, strange->stored_balance_micro, strange->stored_held_micro,
                    strange->stored_open_bets);
    }
    return pass(writer, main, status);
}

/* Makes the file of a week at its first record, with the balances of this moment. */
static enum status create_week(struct sqlite_writer *writer, const struct outbox_record *record,
                               struct sqlite_week **week)
{
    struct sqlite_directory *directory = &writer->directory;
    const int64_t start_ms = week_start_ms(record->time_ms);
    if (directory->main.applied_seq >= record->seq) {
        return fail(writer, STATUS_DAMAGED,
                    "seq %" PRIu64 ": its week has no file, but main.db is past it; delete main.db "
                    "to rebuild both",
                    record->seq);
    }
    *week = sqlite_directory_add(directory, start_ms);
    if (*week == NULL) {
        return fail(writer, STATUS_NO_MEMORY, "no memory left");
    }
    struct sqlite_file *file = &(*week)->file;
    file->bulk = writer->bulk;
    enum status status = sqlite_file_create(file, directory->dir);
    if (status != STATUS_OK) {
        return pass(writer, file, status);
    }
    status = flush_users(writer); /* the OPENING rows are made from the table */
    if (status != STATUS_OK) {
        return status;
    }
    status = sqlite_rows_opening(&directory->main, file);
    return pass(writer, file->db.error[0] != '\0' ? file : &directory->main, status);
}

/* Finds or opens the week of a record, and notes it in main.db when it is new there. */
static enum status enter_week(struct step *step)
{
    struct sqlite_writer *writer = step->writer;
    struct sqlite_file *main = &writer->directory.main;
    const struct outbox_record *record = step->record;
    const int64_t start_ms = week_start_ms(record->time_ms);
    step->week = sqlite_directory_find(&writer->directory, start_ms);
    if (step->week == NULL) {
        const enum status status = create_week(writer, record, &step->week);
        if (status != STATUS_OK) {
            return status;
        }
    } else if (step->into_main && !step->week->listed && wants(&step->week->file, record->seq)) {
        return fail(writer, STATUS_DAMAGED,
                    "%s ends at seq %" PRIu64 " before its week begins at %" PRIu64
                    ": it is not of this history; delete it",
                    step->week->file.name, step->week->file.applied_seq, record->seq);
    }
    if (!step->into_main || step->week->listed) {
        return STATUS_OK;
    }
    step->week->listed = true;
    return pass(writer, main, sqlite_rows_week(main, start_ms, record->seq));
}

/* Money does not agree: says how, with all figures. */
static enum status report_move(struct step *step, const struct posting *posting,
                               const struct sqlite_user *user)
{
    struct sqlite_writer *writer = step->writer;
    char account[ADDRESS_TEXT_BYTES + 1];
    address_format(account, posting->address);
    if (user == NULL) {
        return fail(writer, STATUS_MISMATCH,
                    "seq %" PRIu64 ": user %" PRIu64 " (%s) is not in main.db", step->record->seq,
                    posting->user_id, account);
    }
    const bool held = posting->account == LEDGER_HELD;
    return fail(writer, STATUS_MISMATCH,
                "seq %" PRIu64 ": %s of user %" PRIu64 " (%s) is %" PRId64
                " in main.db; the posting of %" PRId64 " (%s) must leave %" PRId64,
                step->record->seq, held ? "held" : "available", posting->user_id, account,
                held ? user->held_micro : user->balance_micro, posting->amount_micro,
                ref_type_text(posting->ref_type), posting->balance_after_micro);
}

/* What the state machine decided in memory must be possible here as well, and must give the
 * balance that it says. */
static enum status move_money(struct step *step, const struct posting *posting)
{
    struct sqlite_writer *writer = step->writer;
    struct sqlite_file *main = &writer->directory.main;
    struct sqlite_user *user;
    const enum status status = sqlite_users_find(&writer->users, main, posting->user_id, &user);
    if (status != STATUS_OK) {
        return pass(writer, main, status);
    }
    if (user == NULL || !sqlite_users_move(user, posting)) {
        return report_move(step, posting, user);
    }
    return pass(writer, main, sqlite_users_mark(&writer->users, user));
}

static enum status apply_posting(struct step *step, const struct posting *posting)
{
    const bool available = posting->account == LEDGER_AVAILABLE;
    if (!available && posting->account != LEDGER_HELD) {
        return STATUS_OK; /* the house's side is in the journal alone */
    }
    if (step->into_main) {
        const enum status status = move_money(step, posting);
        if (status != STATUS_OK) {
            return status;
        }
    }
    struct sqlite_file *file = &step->week->file;
    if (!available || !wants(file, step->record->seq)) {
        return STATUS_OK;
    }
    return pass(step->writer, file,
                sqlite_rows_ledger(file, step->record->seq, step->record->time_ms, posting));
}

/* What the event does to the number of open bets of its account. */
static int open_bets_delta(const struct step *step, const struct event *event)
{
    const struct bet *bet = event->of.bet;
    /* With no pricing delay a bet may be decided in its own step, without an event between. */
    const bool was_open = bet->bet != step->record->seq || step->accepted_here == bet->bet;
    const bool is_open = bet->state == BET_ACCEPTED || bet->state == BET_CONFIRMED;
    if (event->kind == EVENT_BET_ACCEPTED) {
        return 1;
    }
    return (is_open ? 1 : 0) - (was_open ? 1 : 0);
}

/* Puts the bet into the file of the week of its own record, which may be an earlier one. */
static enum status write_bet(struct step *step, const struct event *event)
{
    struct sqlite_writer *writer = step->writer;
    const struct bet *bet = event->of.bet;
    const uint64_t seq = step->record->seq;
    const bool fresh = bet->bet == seq && step->accepted_here != bet->bet;
    struct sqlite_week *week = step->week;
    if (!fresh && bet->bet != seq) {
        week = sqlite_directory_find(&writer->directory, week_start_ms(bet->accepted_at_ms));
    }
    if (week == NULL) {
        return fail(writer, STATUS_MISMATCH,
                    "seq %" PRIu64 ": the week of bet %" PRIu64 " has no file", seq, bet->bet);
    }
    struct sqlite_file *file = &week->file;
    if (!wants(file, seq)) {
        return STATUS_OK;
    }
    /* What a bet goes through within a transaction is one row, written at its end. */
    if (fresh || sqlite_bets_find(&week->waiting, bet->bet) != NULL) {
        return pass(writer, file, sqlite_bets_put(&week->waiting, bet));
    }
    bool changed = false;
    const enum status status = sqlite_rows_update_bet(file, bet, &changed);
    if (status == STATUS_OK && !changed) {
        return fail(writer, STATUS_MISMATCH,
                    "seq %" PRIu64 ": bet %" PRIu64 " becomes %s, but is not open in %s", seq,
                    bet->bet, bet_state_text(bet->state), file->name);
    }
    return pass(writer, file, status);
}

static enum status count_open_bet(struct step *step, const struct bet *bet, int delta)
{
    struct sqlite_writer *writer = step->writer;
    struct sqlite_file *main = &writer->directory.main;
    struct sqlite_user *user;
    const enum status status = sqlite_users_find(&writer->users, main, bet->user_id, &user);
    if (status != STATUS_OK) {
        return pass(writer, main, status);
    }
    if (user == NULL || user->open_bets + delta < 0) {
        return fail(writer, STATUS_MISMATCH,
                    "seq %" PRIu64 ": user %" PRIu64
                    " has no open bet in main.db to make bet %" PRIu64 " %s",
                    step->record->seq, bet->user_id, bet->bet, bet_state_text(bet->state));
    }
    user->open_bets += delta;
    return pass(writer, main, sqlite_users_mark(&writer->users, user));
}

static enum status apply_bet(struct step *step, const struct event *event)
{
    const struct bet *bet = event->of.bet;
    const int delta = open_bets_delta(step, event);
    if (step->into_main && delta != 0) {
        const enum status status = count_open_bet(step, bet, delta);
        if (status != STATUS_OK) {
            return status;
        }
    }
    const enum status status = write_bet(step, event);
    if (event->kind == EVENT_BET_ACCEPTED) {
        step->accepted_here = bet->bet;
    }
    return status;
}

static enum status apply_config(struct step *step, const struct event *event)
{
    struct sqlite_writer *writer = step->writer;
    struct sqlite_file *main = &writer->directory.main;
    const struct config *config = event->of.config.config;
    snprintf(writer->directory.market, sizeof(writer->directory.market), "%s", config->market);
    if (!step->into_main) {
        return STATUS_OK;
    }
    const struct shapes_config shape = {.epoch = event->of.config.epoch,
                                        .seq = step->record->seq,
                                        .time_ms = step->record->time_ms,
                                        .band_e4_from = event->of.config.band_e4_from,
                                        .band_e4_before = event->of.config.band_e4_before,
                                        .config = config};
    struct json body = {0};
    shapes_config(&body, &shape);
    enum status status = STATUS_NO_MEMORY;
    if (!body.failed) {
        status = sqlite_rows_config(main, shape.epoch, shape.seq, shape.time_ms, body.text);
    }
    json_text_free(&body);
    if (status == STATUS_OK) {
        status = sqlite_rows_meta(main, "market", config->market);
    }
    return pass(writer, main, status);
}

static enum status apply_event(struct step *step, const struct event *event)
{
    struct sqlite_file *file = &step->week->file;
    const struct outbox_record *record = step->record;
    switch (event->kind) {
    case EVENT_CONFIG:
        return apply_config(step, event);
    case EVENT_BET_ACCEPTED:
    case EVENT_BET_CONFIRMED:
    case EVENT_BET_REJECTED:
    case EVENT_BET_SETTLED:
        return apply_bet(step, event);
    case EVENT_COLUMN_SETTLED:
        if (!wants(file, record->seq)) {
            return STATUS_OK;
        }
        return pass(step->writer, file,
                    sqlite_rows_column(file, record->seq, record->time_ms, event->of.column));
    case EVENT_ACCOUNT_OPENED: /* before all postings, see open_accounts */
    case EVENT_CONFIG_REFUSED:
    case EVENT_TRANSFER_APPLIED:
    case EVENT_TRANSFER_REPEATED:
    case EVENT_TRANSFER_REFUSED:
    case EVENT_TAP_REFUSED:
    case EVENT_TAP_REPEATED:
    case EVENT_TICK:
    case EVENT_TICK_IGNORED:
    case EVENT_BREAKER:
    case EVENT_START:
    case EVENT_RULES:
    case EVENT_RULES_REFUSED:
    case EVENT_RECOVERY:
        return STATUS_OK;
    }
    return STATUS_OK;
}

/* Inserts the accounts that a record opens: its postings, which may come before the event, need
 * them. */
static enum status open_accounts(struct step *step)
{
    struct sqlite_file *main = &step->writer->directory.main;
    if (!step->into_main) {
        return STATUS_OK;
    }
    for (const struct outbox_item *item = step->record->items; item != NULL; item = item->next) {
        if (item->kind != OUTBOX_EVENT || item->of.event.kind != EVENT_ACCOUNT_OPENED) {
            continue;
        }
        const enum status status =
            sqlite_users_open(&step->writer->users, main, item->of.event.of.account.user_id,
                              item->of.event.of.account.address);
        if (status != STATUS_OK) {
            return pass(step->writer, main, status);
        }
    }
    return STATUS_OK;
}

/* Every record's postings sum to zero, whatever they are on. */
static enum status check_balance(struct step *step)
{
    __int128 sum = 0;
    for (const struct outbox_item *item = step->record->items; item != NULL; item = item->next) {
        if (item->kind == OUTBOX_POSTING) {
            sum += item->of.posting.amount_micro;
        }
    }
    if (sum != 0) {
        return fail(step->writer, STATUS_MISMATCH,
                    "seq %" PRIu64 ": its postings do not sum to zero (the low 64 bits are %" PRId64
                    ")",
                    step->record->seq, (int64_t)sum);
    }
    return STATUS_OK;
}

static enum status apply_record(struct sqlite_writer *writer, const struct outbox_record *record)
{
    struct step step = {.writer = writer,
                        .record = record,
                        .into_main = writer->directory.main.applied_seq < record->seq};
    enum status status = enter_week(&step);
    if (status == STATUS_OK) {
        status = check_balance(&step);
    }
    if (status == STATUS_OK) {
        status = open_accounts(&step);
    }
    for (const struct outbox_item *item = record->items; status == STATUS_OK && item != NULL;
         item = item->next) {
        status = item->kind == OUTBOX_POSTING ? apply_posting(&step, &item->of.posting)
                                              : apply_event(&step, &item->of.event);
    }
    return status;
}

/* A file that ends where this outbox ends must have seen the same state. */
static enum status check_digest(struct sqlite_writer *writer, const struct sqlite_file *file,
                                const struct outbox *outbox)
{
    if (file->verdict != SQLITE_FILE_GOOD || file->applied_seq != outbox_last_seq(outbox) ||
        memcmp(file->digest, outbox_digest(outbox), HASH_BYTES) == 0) {
        return STATUS_OK;
    }
    return fail(writer, STATUS_MISMATCH,
                "seq %" PRIu64 ": %s was made from another history (its state digest differs); "
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
        return fail(writer, STATUS_INVALID,
                    "the projection expects the record of seq %" PRIu64 ", but is given %" PRIu64,
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
        status = apply_record(writer, record);
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
    enum status status = pass(writer, &directory->main, sqlite_file_begin(&directory->main));
    for (size_t i = 0; status == STATUS_OK && i < directory->week_count; i++) {
        struct sqlite_file *file = &directory->weeks[i]->file;
        if (is_written(file)) {
            status = pass(writer, file, sqlite_file_begin(file));
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
            return pass(writer, &week->file, status);
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
            status = pass(writer, file, sqlite_rows_any_open_bet(file, &any_open));
        }
    }
    if (status != STATUS_OK) {
        return status;
    }
    return pass(writer, file,
                sqlite_file_set_applied(file, outbox_last_seq(last), outbox_digest(last), !any_open,
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
        status = flush_users(writer);
    }
    if (status == STATUS_OK && main->applied_seq < outbox_last_seq(last)) {
        status = pass(
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
            status = pass(writer, file, sqlite_file_commit(file));
        } else if (file->closed) {
            status = pass(writer, file, sqlite_file_finish_bulk(file));
        }
        if (status == STATUS_OK && file->closed) {
            sqlite_file_close(file);
        }
    }
    return status == STATUS_OK && !directory->main.bulk
               ? pass(writer, &directory->main, sqlite_file_commit(&directory->main))
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
            status = pass(writer, &week->file, sqlite_file_finish_bulk(&week->file));
        }
    }
    if (status == STATUS_OK) {
        status = flush_users(writer);
    }
    return status == STATUS_OK
               ? pass(writer, &directory->main, sqlite_file_finish_bulk(&directory->main))
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
