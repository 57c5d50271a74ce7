#include "projections/sqlite_apply.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/address.h"
#include "base/json.h"
#include "projections/shapes.h"

/* One record on its way into the files, and the file of its own week. */
struct step {
    struct sqlite_writer *writer;
    const struct outbox_record *record;
    struct sqlite_week *week;
    bool into_main;         /* main.db does not have it yet */
    uint64_t accepted_here; /* the bet that this record has inserted as accepted */
};

__attribute__((format(printf, 3, 4))) enum status
sqlite_apply_fail(struct sqlite_writer *writer, enum status status, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(writer->error, sizeof(writer->error), format, arguments);
    va_end(arguments);
    return status;
}

enum status sqlite_apply_pass(struct sqlite_writer *writer, const struct sqlite_file *file,
                              enum status status)
{
    if (status == STATUS_OK) {
        return STATUS_OK;
    }
    return sqlite_apply_fail(writer, status, "%s",
                             file->db.error[0] != '\0' ? file->db.error : file->name);
}

/* True when the record's rows are still to be written into `file`. */
static bool wants(const struct sqlite_file *file, uint64_t seq)
{
    return !file->closed && file->applied_seq < seq;
}

enum status sqlite_apply_users(struct sqlite_writer *writer)
{
    struct sqlite_file *main = &writer->directory.main;
    const struct sqlite_user *strange = NULL;
    const enum status status = sqlite_users_flush(&writer->users, main, &strange);
    if (status == STATUS_MISMATCH && strange != NULL) {
        return sqlite_apply_fail(writer, status,
                                 "user %" PRIu64
                                 " in main.db was changed by somebody else: balance %" PRId64
                                 ", held %" PRId64 " and %" PRId64 " open bets were written last",
                                 strange->id, strange->stored_balance_micro,
                                 strange->stored_held_micro, strange->stored_open_bets);
    }
    return sqlite_apply_pass(writer, main, status);
}

/* Makes the file of a week at its first record, with the balances of this moment. */
static enum status create_week(struct sqlite_writer *writer, const struct outbox_record *record,
                               struct sqlite_week **week)
{
    struct sqlite_directory *directory = &writer->directory;
    const int64_t start_ms = week_start_ms(record->time_ms);
    if (directory->main.applied_seq >= record->seq) {
        return sqlite_apply_fail(writer, STATUS_DAMAGED,
                                 "seq %" PRIu64
                                 ": its week has no file, but main.db is past it; delete main.db "
                                 "to rebuild both",
                                 record->seq);
    }
    *week = sqlite_directory_add(directory, start_ms);
    if (*week == NULL) {
        return sqlite_apply_fail(writer, STATUS_NO_MEMORY, "no memory left");
    }
    struct sqlite_file *file = &(*week)->file;
    file->bulk = writer->bulk;
    enum status status = sqlite_file_create(file, directory->dir);
    if (status != STATUS_OK) {
        return sqlite_apply_pass(writer, file, status);
    }
    status = sqlite_apply_users(writer); /* the OPENING rows are made from the table */
    if (status != STATUS_OK) {
        return status;
    }
    status = sqlite_rows_opening(&directory->main, file);
    return sqlite_apply_pass(writer, file->db.error[0] != '\0' ? file : &directory->main, status);
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
        return sqlite_apply_fail(writer, STATUS_DAMAGED,
                                 "%s ends at seq %" PRIu64 " before its week begins at %" PRIu64
                                 ": it is not of this history; delete it",
                                 step->week->file.name, step->week->file.applied_seq, record->seq);
    }
    if (!step->into_main || step->week->listed) {
        return STATUS_OK;
    }
    step->week->listed = true;
    return sqlite_apply_pass(writer, main, sqlite_rows_week(main, start_ms, record->seq));
}

/* Money does not agree: says how, with all figures. */
static enum status report_move(struct step *step, const struct posting *posting,
                               const struct sqlite_user *user)
{
    struct sqlite_writer *writer = step->writer;
    char account[ADDRESS_TEXT_BYTES + 1];
    address_format(account, posting->address);
    if (user == NULL) {
        return sqlite_apply_fail(writer, STATUS_MISMATCH,
                                 "seq %" PRIu64 ": user %" PRIu64 " (%s) is not in main.db",
                                 step->record->seq, posting->user_id, account);
    }
    const bool held = posting->account == LEDGER_HELD;
    return sqlite_apply_fail(writer, STATUS_MISMATCH,
                             "seq %" PRIu64 ": %s of user %" PRIu64 " (%s) is %" PRId64
                             " in main.db; the posting of %" PRId64 " (%s) must leave %" PRId64,
                             step->record->seq, held ? "held" : "available", posting->user_id,
                             account, held ? user->held_micro : user->balance_micro,
                             posting->amount_micro, ref_type_text(posting->ref_type),
                             posting->balance_after_micro);
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
        return sqlite_apply_pass(writer, main, status);
    }
    if (user == NULL || !sqlite_users_move(user, posting)) {
        return report_move(step, posting, user);
    }
    return sqlite_apply_pass(writer, main, sqlite_users_mark(&writer->users, user));
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
    return sqlite_apply_pass(
        step->writer, file,
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
        return sqlite_apply_fail(writer, STATUS_MISMATCH,
                                 "seq %" PRIu64 ": the week of bet %" PRIu64 " has no file", seq,
                                 bet->bet);
    }
    struct sqlite_file *file = &week->file;
    if (!wants(file, seq)) {
        return STATUS_OK;
    }
    /* What a bet goes through within a transaction is one row, written at its end. */
    const struct sqlite_bet *waits = fresh ? NULL : sqlite_bets_find(&week->waiting, bet->bet);
    if (fresh || (waits != NULL && !waits->over)) {
        return sqlite_apply_pass(writer, file, sqlite_bets_put(&week->waiting, bet));
    }
    bool changed = false;
    const enum status status =
        waits != NULL ? STATUS_OK : sqlite_rows_update_bet(file, bet, &changed);
    if (status == STATUS_OK && !changed) {
        return sqlite_apply_fail(writer, STATUS_MISMATCH,
                                 "seq %" PRIu64 ": bet %" PRIu64
                                 " becomes %s, but is not open in %s",
                                 seq, bet->bet, bet_state_text(bet->state), file->name);
    }
    return sqlite_apply_pass(writer, file, status);
}

static enum status count_open_bet(struct step *step, const struct bet *bet, int delta)
{
    struct sqlite_writer *writer = step->writer;
    struct sqlite_file *main = &writer->directory.main;
    struct sqlite_user *user;
    const enum status status = sqlite_users_find(&writer->users, main, bet->user_id, &user);
    if (status != STATUS_OK) {
        return sqlite_apply_pass(writer, main, status);
    }
    if (user == NULL || user->open_bets + delta < 0) {
        return sqlite_apply_fail(writer, STATUS_MISMATCH,
                                 "seq %" PRIu64 ": user %" PRIu64
                                 " has no open bet in main.db to make bet %" PRIu64 " %s",
                                 step->record->seq, bet->user_id, bet->bet,
                                 bet_state_text(bet->state));
    }
    user->open_bets += delta;
    return sqlite_apply_pass(writer, main, sqlite_users_mark(&writer->users, user));
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
    return sqlite_apply_pass(writer, main, status);
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
        return sqlite_apply_pass(
            step->writer, file,
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
            return sqlite_apply_pass(step->writer, main, status);
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
        return sqlite_apply_fail(
            step->writer, STATUS_MISMATCH,
            "seq %" PRIu64 ": its postings do not sum to zero (the low 64 bits are %" PRId64 ")",
            step->record->seq, (int64_t)sum);
    }
    return STATUS_OK;
}

enum status sqlite_apply_record(struct sqlite_writer *writer, const struct outbox_record *record)
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
