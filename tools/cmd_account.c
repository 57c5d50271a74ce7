/* tapline account: balance, held, open bets and statement of one account as of any moment, by
 * replay. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/address.h"
#include "base/text.h"
#include "projections/shapes.h"
#include "replay/replay.h"
#include "replay/snapshot_shelf.h"
#include "tools/bug_trap.h"
#include "tools/commands.h"
#include "tools/moment.h"
#include "tools/offline.h"
#include "tools/options.h"
#include "tools/progress.h"

enum row {
    ROW_DATA,
    ROW_ACCOUNT,
    ROW_AT,
    ROW_QUICK,
    ROW_JSON,
    ROW_COUNT
};

struct account_story {
    const char *data_dir;
    uint8_t address[ADDRESS_BYTES];
    struct moment at;
    struct applier *applier;
    bool quick;                /* begin with a snapshot, where there is one */
    struct journal_head begin; /* of the snapshot; seq 0: the first record */
    struct fields rows;        /* the statement, oldest first */
    int64_t available_micro;   /* the sum of its rows */
    int64_t held_micro;
    struct fields bets;
};

static enum status before_record(void *context, struct applier *applier,
                                 const struct journal_record *record)
{
    (void)context;
    (void)applier;
    bug_trap_note(record->seq);
    return STATUS_OK;
}

static void ignore_event(void *context, const struct event *event)
{
    (void)context;
    (void)event;
}

static void put_reference(struct fields *fields, const struct posting *posting)
{
    if (posting->ref_type <= REF_GOODWILL) {
        fields_text(fields, "ref_id",
                    (struct text_view){posting->reference, posting->reference_length});
    } else {
        fields_u64(fields, "ref_id", posting->ref_id);
    }
}

static void put_row(struct fields *fields, const struct input *input, const struct posting *posting)
{
    fields_item(fields, NULL);
    fields_u64(fields, "seq", input->seq);
    fields_u64(fields, "line", posting->line);
    if (fields->json) {
        fields_i64(fields, "at", input->time_ms);
    } else {
        char at[MOMENT_TEXT_BYTES];
        moment_format(at, input->time_ms);
        fields_string(fields, "at", at);
    }
    fields_i64(fields, "amount", posting->amount_micro);
    fields_i64(fields, "balance_after", posting->balance_after_micro);
    fields_string(fields, "ref_type", ref_type_text(posting->ref_type));
    put_reference(fields, posting);
    fields_item_end(fields);
}

/* What the snapshot says stands in for all rows before it. */
static void put_opening(struct account_story *story, const struct snapshot_header *header)
{
    struct account_view view;
    machine_account(applier_machine(story->applier), story->address, &view);
    story->available_micro = view.available_micro;
    story->held_micro = view.held_micro;
    struct fields *fields = &story->rows;
    fields_item(fields, NULL);
    fields_u64(fields, "seq", header->seq);
    fields_null(fields, "line");
    if (fields->json) {
        fields_i64(fields, "at", header->time_ms);
    } else {
        char at[MOMENT_TEXT_BYTES];
        moment_format(at, header->time_ms);
        fields_string(fields, "at", at);
    }
    fields_i64(fields, "amount", view.available_micro);
    fields_i64(fields, "balance_after", view.available_micro);
    fields_string(fields, "ref_type", "OPENING");
    fields_null(fields, "ref_id");
    fields_item_end(fields);
}

static void take_posting(void *context, const struct posting *posting)
{
    struct account_story *story = context;
    const bool available = posting->account == LEDGER_AVAILABLE;
    if ((!available && posting->account != LEDGER_HELD) ||
        memcmp(posting->address, story->address, ADDRESS_BYTES) != 0) {
        return;
    }
    if (!available) {
        story->held_micro += posting->amount_micro;
        return;
    }
    story->available_micro += posting->amount_micro;
    put_row(&story->rows, applier_input(story->applier), posting);
}

static void take_bet(void *context, const struct bet *bet)
{
    struct account_story *story = context;
    if (memcmp(bet->account, story->address, ADDRESS_BYTES) != 0) {
        return;
    }
    struct fields *fields = &story->bets;
    if (fields->json) {
        shapes_bet(fields->out, machine_config(applier_machine(story->applier))->market, bet);
        return;
    }
    fields_item(fields, NULL);
    fields_u64(fields, "bet", bet->bet);
    fields_string(fields, "state", bet_state_text(bet->state));
    fields_i64(fields, "column", bet->column_ms);
    fields_i64(fields, "band", bet->band);
    fields_i64(fields, "stake", bet->stake_micro);
    fields_i64_or_null(fields, "mult", bet->mult_centi);
    fields_i64_or_null(fields, "payout", bet->payout_micro);
    fields_item_end(fields);
}

/* Appends a list that was made before, with its heading. */
static void put_list(struct fields *fields, const char *key, const struct json *list)
{
    if (fields->json) {
        json_key(fields->out, key);
        json_raw(fields->out, list->text, list->length);
        return;
    }
    fields_section(fields, key);
    json_append(fields->out, list->length > 0 ? list->text : "\n  none",
                list->length > 0 ? list->length : 7);
    fields_section_end(fields);
}

static bool print_story(const struct account_story *story, const struct account_view *view)
{
    const struct applier *applier = story->applier;
    struct json text = {0};
    struct fields fields = {.out = &text, .json = story->rows.json};
    if (fields.json) {
        fields_open(&fields, NULL, '{');
    }
    fields_address(&fields, "account", story->address);
    fields.lines = !fields.json;
    fields_u64(&fields, "seq", applier_seq(applier));
    fields_i64(&fields, "time", applier_time_ms(applier));
    fields_hex(&fields, "digest", "", applier_digest(applier), HASH_BYTES);
    fields_u64_or_null(&fields, "snapshot", story->begin.seq);
    fields_u64_or_null(&fields, "user", view->user_id);
    fields_i64(&fields, "available", view->available_micro);
    fields_i64(&fields, "held", view->held_micro);
    fields_u64(&fields, "open_bets", view->open_bets);
    put_list(&fields, "bets", story->bets.out);
    put_list(&fields, "statement", story->rows.out);
    if (fields.json) {
        fields_close(&fields, '}');
    }
    text.failed = text.failed || story->rows.out->failed || story->bets.out->failed;
    const bool printed = offline_print(&text);
    json_text_free(&text);
    return printed;
}

static enum status replay(struct account_story *story, struct replay_result *result)
{
    struct progress progress;
    progress_start(&progress, "account");
    const struct event_sink sink = {story, ignore_event, take_posting};
    const struct replay_options options = {
        .begin = &story->begin,
        .to_seq = story->at.seq,
        .to_time_ms = story->at.time_ms,
        .context = story,
        .sink = &sink,
        .before = before_record,
        .progress_context = &progress,
        .progress = progress_update,
    };
    const enum status status = replay_run(story->applier, story->data_dir, &options, result);
    progress_finish(&progress);
    return status;
}

static void open_lists(struct account_story *story)
{
    json_reset(story->rows.out);
    json_reset(story->bets.out);
    story->available_micro = 0;
    story->held_micro = 0;
    if (story->rows.json) {
        json_open(story->rows.out, '[');
        json_open(story->bets.out, '[');
    }
}

/* The newest good snapshot before the asked moment. One record at least is left to be read behind
 * it: with that the replay sees whether the journal's history is the snapshot's. */
static enum status take_snapshot(struct account_story *story, struct snapshot_shelf *shelf)
{
    struct snapshot_header header;
    uint64_t epoch;
    if (!journal_peek_epoch(story->data_dir, NULL, &epoch)) {
        return STATUS_NOT_FOUND;
    }
    uint64_t below = story->at.seq != 0 ? story->at.seq : UINT64_MAX;
    for (;;) {
        const enum status status =
            snapshot_shelf_take(shelf, epoch, below - 1, NULL, &story->applier, &header);
        if (status != STATUS_OK) {
            return status;
        }
        if (story->at.time_ms == 0 || header.time_ms <= story->at.time_ms) {
            break;
        }
        applier_free(story->applier);
        story->applier = NULL;
        below = header.seq;
    }
    story->begin.seq = header.seq;
    merkle_root(&header.place.tree, story->begin.root);
    put_opening(story, &header);
    return STATUS_OK;
}

/* From a snapshot. Errors: STATUS_NOT_FOUND there is none to begin with. */
static enum status replay_quick(struct account_story *story, struct replay_result *result)
{
    struct snapshot_shelf shelf;
    enum status status = snapshot_shelf_open(&shelf, NULL, story->data_dir, NULL, NULL);
    while (status == STATUS_OK) {
        open_lists(story);
        status = take_snapshot(story, &shelf);
        if (status == STATUS_OK) {
            status = replay(story, result);
            if (!result->other_history) {
                return status;
            }
            /* Of another journal, or of one that went on otherwise: an older one may do. */
            snapshot_shelf_reject(&shelf, story->begin.seq, result->problem);
            applier_free(story->applier);
            story->applier = NULL;
            status = STATUS_OK;
        }
    }
    story->begin = (struct journal_head){0};
    return status;
}

static enum status replay_whole(struct account_story *story, struct replay_result *result)
{
    open_lists(story);
    const enum status status = applier_open(NULL, &story->applier);
    return status == STATUS_OK ? replay(story, result) : status;
}

static int tell(struct account_story *story)
{
    struct replay_result result = {0};
    enum status status = STATUS_NOT_FOUND;
    if (story->quick) {
        status = replay_quick(story, &result);
    }
    if (status == STATUS_NOT_FOUND || story->applier == NULL) {
        status = replay_whole(story, &result);
    }
    if (status != STATUS_OK) {
        return offline_fail("account", status, result.problem);
    }
    struct account_view view;
    machine_account(applier_machine(story->applier), story->address, &view);
    machine_each_open_bet(applier_machine(story->applier), story, take_bet);
    if (story->rows.json) {
        json_close(story->rows.out, ']');
        json_close(story->bets.out, ']');
    }
    if (view.available_micro != story->available_micro || view.held_micro != story->held_micro) {
        return offline_fail("account", STATUS_MISMATCH,
                            "the postings do not sum to the balance of the state machine");
    }
    if (!print_story(story, &view)) {
        return offline_fail("account", STATUS_IO, "cannot write the result");
    }
    return EXIT_GOOD;
}

static int check_and_run(const struct option_row *rows)
{
    struct json statement = {0};
    struct json bets = {0};
    const bool as_json = rows[ROW_JSON].given;
    struct account_story story = {
        .data_dir = rows[ROW_DATA].value,
        .quick = rows[ROW_QUICK].given,
        .rows = {.out = &statement, .json = as_json, .lines = !as_json},
        .bets = {.out = &bets, .json = as_json, .lines = !as_json},
    };
    const char *account = rows[ROW_ACCOUNT].value;
    if (account == NULL || !address_parse(account, strlen(account), story.address)) {
        return offline_fail("account", STATUS_USAGE,
                            "name the account with --account 0x..., 40 hex digits");
    }
    if (rows[ROW_AT].value != NULL && !moment_parse(rows[ROW_AT].value, &story.at)) {
        return offline_fail("account", STATUS_USAGE, "--at takes a seq or a time, see --help");
    }
    int code;
    if (!offline_is_directory("account", "--data", story.data_dir, &code)) {
        return code;
    }
    code = tell(&story);
    applier_free(story.applier);
    json_text_free(&statement);
    json_text_free(&bets);
    return code;
}

int command_account(int argc, char **argv)
{
    struct option_row rows[ROW_COUNT] = {
        [ROW_DATA] = OPTION_ROW("data", OPTION_TEXT, "DIR", "./data", "the data directory"),
        [ROW_ACCOUNT] = OPTION_ROW("account", OPTION_TEXT, "0x...", NULL, "whose account"),
        [ROW_AT] = OPTION_ROW("at", OPTION_TEXT, "SEQ|TIME", NULL, "as of this moment"),
        [ROW_QUICK] = OPTION_ROW("quick", OPTION_FLAG, NULL, NULL,
                                 "begin with the newest snapshot before that moment, not with the "
                                 "first record"),
        [ROW_JSON] = OPTION_ROW("json", OPTION_FLAG, NULL, NULL, "one JSON object"),
    };
    struct options options = {
        .command = "account",
        .usage = "tapline account --data DIR --account 0x... [--at SEQ|TIME] [--quick] [--json]",
        .summary = "Shows balance, held, open bets and statement, recomputed from the journal.",
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
