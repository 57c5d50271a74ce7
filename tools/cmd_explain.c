/* tapline explain: the whole story of one bet, every figure recomputed from the journal. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "projections/shapes.h"
#include "tools/commands.h"
#include "tools/explain.h"
#include "tools/moment.h"
#include "tools/offline.h"
#include "tools/options.h"
#include "tools/progress.h"

enum row {
    ROW_DATA,
    ROW_BET,
    ROW_ALL,
    ROW_FROM,
    ROW_TO,
    ROW_JSON,
    ROW_COUNT
};

/* What is asked, and what came of it. */
struct question {
    const char *data_dir;
    bool all;
    uint64_t from_seq; /* one bet: both are its id */
    uint64_t to_seq;
    bool as_json;
    uint64_t told;
    uint64_t wrong;    /* stories with a figure that differs, or a wrong signature */
    char problem[256]; /* of the first one; "" when only a signature is wrong */
};

static void put_time(struct fields *fields, const char *key, int64_t time_ms)
{
    if (fields->json) {
        fields_i64(fields, key, time_ms);
        return;
    }
    char text[MOMENT_TEXT_BYTES];
    moment_format(text, time_ms);
    fields_string(fields, key, text);
}

/* The signed text as it was: its own lines, indented for people. */
static void put_text(struct fields *fields, const char *text)
{
    if (fields->json) {
        fields_string(fields, "signed_text", text);
        return;
    }
    fields_section(fields, "signed text");
    json_append(fields->out, "\n    ", 5);
    for (const char *at = text; *at != '\0'; at++) {
        json_append(fields->out, *at == '\n' ? "\n    " : at, *at == '\n' ? 5 : 1);
    }
    fields_section_end(fields);
}

static const char *verdict(const struct explain *story)
{
    if (!story->signature_checked) {
        return "not checked: of a session key";
    }
    return story->signature_good ? "good" : "wrong";
}

static void put_tap(struct fields *fields, const struct explain *story)
{
    fields_section(fields, "tap");
    fields_u64(fields, "seq", story->id);
    put_time(fields, "time", story->time_ms);
    put_time(fields, "msg_time", story->message_ms);
    fields_address(fields, "account", story->account);
    fields_hex(fields, "sig", "0x", story->signature, story->signature_bytes);
    fields_string(fields, "signature", verdict(story));
    if (!story->made && story->repeated_bet != 0) {
        fields_u64(fields, "repeats_bet", story->repeated_bet);
    } else if (!story->made) {
        fields_string(fields, "refused", reason_text(story->refused));
    }
    fields_section_end(fields);
}

static void put_bet(struct fields *fields, const struct explain *story)
{
    const struct bet *bet = &story->bet;
    if (fields->json) {
        json_key(fields->out, "bet");
        if (story->made) {
            shapes_bet(fields->out, story->market, bet);
        } else {
            json_null(fields->out);
        }
        return;
    }
    if (!story->made) {
        return;
    }
    fields_section(fields, "bet");
    fields_string(fields, "state", bet_state_text(bet->state));
    if (bet->reason != REASON_NONE) {
        fields_string(fields, "reason", reason_text(bet->reason));
    }
    put_time(fields, "column", bet->column_ms);
    fields_i64(fields, "band", bet->band);
    fields_i64(fields, "lo", bet->lo_e4);
    fields_i64(fields, "hi", bet->hi_e4);
    fields_i64(fields, "stake", bet->stake_micro);
    fields_i64(fields, "min_mult", bet->min_mult_centi);
    fields_i64_or_null(fields, "mult", bet->mult_centi);
    fields_i64_or_null(fields, "payout", bet->payout_micro);
    fields_i64(fields, "paid", bet->paid_micro);
    fields_section_end(fields);
}

static void put_deviations(struct fields *fields, const struct odds *odds)
{
    static const char *const names[ODDS_VARIANCE_COUNT] = {"low", "middle", "high"};
    if (fields->json) {
        fields_open(fields, "variances", '[');
    }
    for (size_t i = 0; i < ODDS_VARIANCE_COUNT; i++) {
        fields_item(fields, names[i]);
        fields_u64(fields, "v", odds->of[i].v_q64);
        fields_u64(fields, "rel", odds->of[i].rel_q32);
        fields_u64(fields, "sd", odds->of[i].sd_e4_q8);
        fields_u64(fields, "p", odds->of[i].p_q32);
        fields_item_end(fields);
    }
    if (fields->json) {
        fields_close(fields, ']');
    }
}

/* What confirming would have done to the column and the house: the caps' own figures. */
static void put_exposure(struct fields *fields, const struct reckoned_price *price)
{
    fields_i64(fields, "column_stakes", price->column_stakes_micro);
    fields_i64(fields, "column_payout", price->column_payout_micro);
    fields_i64(fields, "set_aside_change", price->set_aside_change_micro);
    fields_i64(fields, "column_loss_max", price->column_loss_max_micro);
    fields_i64(fields, "bankroll", price->bankroll_micro);
    fields_i64(fields, "house_reserve", price->house_reserve_micro);
}

static void put_pricing(struct fields *fields, const struct explain *story)
{
    if (!story->priced) {
        if (fields->json) {
            fields_null(fields, "pricing");
        }
        return;
    }
    const struct reckoned_price *price = &story->price;
    const struct odds_input *input = &price->input;
    fields_section(fields, "pricing");
    fields_u64(fields, "seq", story->bet.priced_seq);
    put_time(fields, "time", story->bet.priced_at_ms);
    put_time(fields, "tick", price->tick_ms);
    fields_i64(fields, "price", input->price_e4);
    fields_i64(fields, "tau_ms", input->tau_ms);
    fields_i64(fields, "min_lead_ms", price->min_lead_ms);
    fields_i64(fields, "band_e4", price->band_e4);
    fields_i64(fields, "lo", input->lo_e4);
    fields_i64(fields, "hi", input->hi_e4);
    fields_i64(fields, "samples", story->samples);
    fields_u64(fields, "v_fast", input->v_fast_q64);
    fields_u64(fields, "v_slow", input->v_slow_q64);
    put_deviations(fields, &price->odds);
    fields_u64(fields, "p", price->odds.p_q32);
    fields_i64(fields, "edge_bp", input->edge_bp);
    fields_u64(fields, "mult_before_skew", price->odds.mult_raw_centi);
    fields_i64(fields, "skew_bp", input->skew_bp);
    fields_i64(fields, "cell_payouts", input->cell_payout_micro);
    fields_i64(fields, "cell_payout_max", input->cell_payout_max_micro);
    fields_u64(fields, "mult", price->odds.mult_centi);
    fields_i64(fields, "min_mult", story->bet.min_mult_centi);
    fields_u64(fields, "rules", price->rules_version);
    fields_i64(fields, "payout_step", price->payout_step_micro);
    fields_i64(fields, "payout", price->payout_micro);
    put_exposure(fields, price);
    fields_string(fields, "verdict",
                  price->verdict == REASON_NONE ? "confirmed" : reason_text(price->verdict));
    fields_section_end(fields);
}

static void put_settlement(struct fields *fields, const struct explain *story)
{
    const struct reckoned_settlement *settlement = &story->settlement;
    if (!story->settled) {
        if (fields->json) {
            fields_null(fields, "settlement");
        }
        return;
    }
    fields_section(fields, "settlement");
    fields_u64(fields, "seq", story->bet.settled_seq);
    put_time(fields, "time", story->bet.settled_at_ms);
    put_time(fields, "grid", settlement->grid_ms);
    if (fields->json) {
        fields_open(fields, "ticks", '[');
    }
    for (size_t i = 0; i < SETTLEMENT_TICKS; i++) {
        const struct settlement_tick *tick = &settlement->ticks[i];
        fields_item(fields, NULL);
        put_time(fields, "time", tick->time_ms);
        fields_i64_or_null(fields, "price", tick->price_e4);
        fields_u64(fields, "sources", tick->sources);
        fields_u64(fields, "set", tick->set);
        fields_item_end(fields);
    }
    if (fields->json) {
        fields_close(fields, ']');
    }
    fields_u64(fields, "valid", settlement->valid);
    fields_i64_or_null(fields, "median", settlement->median_e4);
    fields_i64_or_null(fields, "settle_price", settlement->price_e4);
    fields_string(fields, "result", bet_state_text(story->bet.state));
    if (story->bet.reason != REASON_NONE) {
        fields_string(fields, "reason", reason_text(story->bet.reason));
    }
    fields_i64(fields, "paid", story->bet.paid_micro);
    fields_section_end(fields);
}

static const char *account_text(enum ledger_account account)
{
    switch (account) {
    case LEDGER_AVAILABLE:
        return "available";
    case LEDGER_HELD:
        return "held";
    case LEDGER_ESCROW:
        return "escrow";
    case LEDGER_RESERVED:
        return "reserved";
    case LEDGER_BANKROLL:
        return "bankroll";
    case LEDGER_EXTERNAL:
        return "external";
    }
    return "unknown";
}

static void put_ledger(struct fields *fields, const struct explain *story)
{
    if (fields->json) {
        fields_open(fields, "ledger", '[');
    } else {
        fields_section(fields, "ledger");
    }
    for (size_t i = 0; i < story->row_count; i++) {
        const struct explain_row *row = &story->rows[i];
        fields_item(fields, NULL);
        fields_u64(fields, "seq", row->seq);
        put_time(fields, "at", row->at_ms);
        fields_u64(fields, "line", row->posting.line);
        fields_string(fields, "account", account_text(row->posting.account));
        fields_i64(fields, "amount", row->posting.amount_micro);
        fields_i64(fields, "balance_after", row->posting.balance_after_micro);
        fields_string(fields, "ref_type", ref_type_text(row->posting.ref_type));
        fields_u64(fields, "ref_id", row->posting.ref_id);
        fields_item_end(fields);
    }
    if (fields->json) {
        fields_close(fields, ']');
    }
}

static void put_steps(struct fields *fields, const struct explain *story)
{
    if (fields->json) {
        fields_open(fields, "steps", '[');
    } else {
        fields_section(fields, "steps");
    }
    for (size_t i = 0; i < story->step_count; i++) {
        const struct explain_step *step = &story->steps[i];
        fields_item(fields, step->name);
        fields_u64(fields, "seq", step->seq);
        put_time(fields, "time", step->time_ms);
        fields_hex(fields, "digest_before", "", step->digest_before, HASH_BYTES);
        fields_hex(fields, "digest_after", "", step->digest_after, HASH_BYTES);
        fields_item_end(fields);
    }
    if (fields->json) {
        fields_close(fields, ']');
    }
}

static bool print_story(const struct explain *story, bool as_json)
{
    struct json text = {0};
    struct fields fields = {.out = &text, .json = as_json, .lines = !as_json};
    if (as_json) {
        fields_open(&fields, NULL, '{');
    }
    put_bet(&fields, story);
    put_text(&fields, story->text);
    put_tap(&fields, story);
    put_pricing(&fields, story);
    put_settlement(&fields, story);
    put_ledger(&fields, story);
    put_steps(&fields, story);
    if (as_json) {
        fields_string(&fields, "recomputed", story->problem[0] == '\0' ? "equal" : "differs");
        fields_close(&fields, '}');
    }
    const bool printed = offline_print(&text);
    json_text_free(&text);
    return printed;
}

static enum status take_story(void *context, const struct explain *story)
{
    struct question *question = context;
    question->told += 1;
    if (story->problem[0] != '\0' || (story->signature_checked && !story->signature_good)) {
        if (question->wrong == 0) {
            snprintf(question->problem, sizeof question->problem, "%s", story->problem);
        }
        question->wrong += 1;
    }
    if (!question->as_json && question->told > 1) {
        printf("\n");
    }
    return print_story(story, question->as_json) ? STATUS_OK : STATUS_IO;
}

static enum status tell(struct question *question, char *text)
{
    struct progress progress;
    progress_start(&progress, "explain");
    const struct explain_options options = {
        .from_seq = question->from_seq,
        .to_seq = question->to_seq,
        .all_taps = !question->all,
        .context = question,
        .told = take_story,
        .progress_context = &progress,
        .progress = progress_update,
    };
    const enum status status = explain_run(question->data_dir, &options, text);
    progress_finish(&progress);
    return status;
}

static int run(struct question *question)
{
    char text[512];
    enum status status =
        question->all ? STATUS_OK : explain_find(question->data_dir, question->from_seq, text);
    if (status == STATUS_END) {
        fprintf(stderr, "tapline explain: %s; a bet's id is the seq of its tap\n", text);
        return EXIT_DIFFERENCE;
    }
    if (status == STATUS_OK) {
        status = tell(question, text);
    }
    if (status != STATUS_OK) {
        return offline_fail("explain", status, text);
    }
    if (question->wrong == 0) {
        return EXIT_GOOD;
    }
    return question->problem[0] == '\0'
               ? EXIT_DIFFERENCE /* of the signature, and the story says so */
               : offline_fail("explain", STATUS_MISMATCH, question->problem);
}

/* One bet by its id, or a range of all; anything between would be guessed. */
static bool read_question(const struct option_row *rows, struct question *question)
{
    *question = (struct question){.data_dir = rows[ROW_DATA].value,
                                  .all = rows[ROW_ALL].given,
                                  .from_seq = 1,
                                  .to_seq = UINT64_MAX,
                                  .as_json = rows[ROW_JSON].given};
    const bool has_range = rows[ROW_FROM].value != NULL || rows[ROW_TO].value != NULL;
    if (!question->all) {
        const bool good = options_positive(rows[ROW_BET].value, &question->from_seq) && !has_range;
        question->to_seq = question->from_seq;
        return good;
    }
    return rows[ROW_BET].value == NULL &&
           (rows[ROW_FROM].value == NULL ||
            options_positive(rows[ROW_FROM].value, &question->from_seq)) &&
           (rows[ROW_TO].value == NULL || options_positive(rows[ROW_TO].value, &question->to_seq));
}

int command_explain(int argc, char **argv)
{
    struct option_row rows[ROW_COUNT] = {
        [ROW_DATA] = OPTION_ROW("data", OPTION_TEXT, "DIR", "./data", "the data directory"),
        [ROW_BET] = OPTION_ROW("bet", OPTION_TEXT, "ID", NULL, "which bet"),
        [ROW_ALL] = OPTION_ROW("all", OPTION_FLAG, NULL, NULL, "every bet, in the order they end"),
        [ROW_FROM] = OPTION_ROW("from", OPTION_TEXT, "SEQ", NULL, "with --all: the first bet"),
        [ROW_TO] = OPTION_ROW("to", OPTION_TEXT, "SEQ", NULL, "with --all: the last bet"),
        [ROW_JSON] = OPTION_ROW("json", OPTION_FLAG, NULL, NULL, "one JSON object a bet and line"),
    };
    struct options options = {
        .command = "explain",
        .usage = "tapline explain --data DIR --bet ID|--all [--from SEQ] [--to SEQ] [--json]",
        .summary = "Tells the whole story of a bet, or of all, every figure recomputed from the "
                   "journal.",
        .notes = OFFLINE_EXIT_HELP,
        .rows = rows,
        .row_count = ROW_COUNT,
    };
    int code;
    if (!options_parse(&options, argc, argv, &code)) {
        return code;
    }
    struct question question;
    if (!read_question(rows, &question)) {
        code = offline_fail("explain", STATUS_USAGE,
                            "name the bet with --bet ID, or all with --all and perhaps --from SEQ "
                            "and --to SEQ");
    } else if (offline_is_directory("explain", "--data", question.data_dir, &code)) {
        code = run(&question);
    }
    options_free(&options);
    return code;
}
