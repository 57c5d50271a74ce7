/* tapline diff: two journals, how far they are the same, how they part, and what that leaves
 * different in their states. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "journal/codec.h"
#include "projections/shapes.h"
#include "replay/journal_diff.h"
#include "replay/state_diff.h"
#include "tools/commands.h"
#include "tools/members.h"
#include "tools/moment.h"
#include "tools/offline.h"
#include "tools/options.h"
#include "tools/progress.h"
#include "tools/record_fields.h"

enum row {
    ROW_FULL,
    ROW_NO_STATE,
    ROW_JSON,
    ROW_COUNT
};

/* People see this many of a kind of difference; machines all. */
#define SHOWN_MAX 20

static const char *const side_names[JOURNAL_DIFF_SIDES] = {"a", "b"};

struct difference {
    const char *dirs[JOURNAL_DIFF_SIDES];
    bool as_json;
    struct journal_diff journals;
    bool with_states;
    bool states_known;
    struct state_diff states;
    struct json accounts; /* items of a list in JSON, lines for people */
    struct json bets;
    uint64_t accounts_shown;
    uint64_t bets_shown;
};

/* --- The verdict.
 * -------------------------------------------------------------------------------- */

static bool is_damaged(const struct journal_diff *journals)
{
    return journals->sides[0].status != STATUS_OK || journals->sides[1].status != STATUS_OK;
}

static bool same_epoch(const struct journal_diff *journals)
{
    const struct journal_diff_side *a = &journals->sides[0];
    const struct journal_diff_side *b = &journals->sides[1];
    return a->has_epoch == b->has_epoch && a->epoch == b->epoch;
}

/* "equal", or in which way not; damage stands beside it. */
static const char *verdict(const struct journal_diff *journals)
{
    const uint64_t a = journals->sides[0].end.seq;
    const uint64_t b = journals->sides[1].end.seq;
    if (journals->parts) {
        return "different";
    }
    if (is_damaged(journals)) {
        return "unknown"; /* what can be read is the same, and no more can be */
    }
    if (a != b) {
        return a < b ? "a_is_prefix" : "b_is_prefix";
    }
    return same_epoch(journals) ? "equal" : "other_epoch";
}

/* --- States.
 * ------------------------------------------------------------------------------------- */

static void put_account_side(struct fields *fields, const char *name,
                             const struct account_view *view)
{
    fields_open(fields, name, '{');
    fields_u64_or_null(fields, "user", view->user_id);
    fields_i64(fields, "available", view->available_micro);
    fields_i64(fields, "held", view->held_micro);
    fields_u64(fields, "open_bets", view->open_bets);
    fields_close(fields, '}');
}

static void take_account(void *context, const uint8_t *address, const struct account_view *a,
                         const struct account_view *b)
{
    struct difference *difference = context;
    if (!difference->as_json && difference->accounts_shown == SHOWN_MAX) {
        return;
    }
    difference->accounts_shown += 1;
    struct fields fields = {.out = &difference->accounts, .json = difference->as_json};
    if (!fields.json) {
        json_append(fields.out, "\n    ", 5);
    } else {
        fields_open(&fields, NULL, '{');
    }
    fields_address(&fields, fields.json ? "account" : NULL, address);
    put_account_side(&fields, side_names[0], a);
    put_account_side(&fields, side_names[1], b);
    if (fields.json) {
        fields_close(&fields, '}');
    }
}

static void put_bet_side(struct fields *fields, const char *name, const struct bet *bet,
                         const char *market)
{
    if (bet == NULL) {
        fields_null(fields, name);
        return;
    }
    if (fields->json) {
        json_key(fields->out, name);
        shapes_bet(fields->out, market, bet);
        return;
    }
    fields_open(fields, name, '{');
    fields_string(fields, "state", bet_state_text(bet->state));
    fields_address(fields, "account", bet->account);
    fields_i64(fields, "column", bet->column_ms);
    fields_i64(fields, "band", bet->band);
    fields_i64(fields, "stake", bet->stake_micro);
    fields_i64_or_null(fields, "mult", bet->mult_centi);
    fields_i64_or_null(fields, "payout", bet->payout_micro);
    fields_close(fields, '}');
}

static void take_bet(void *context, const struct bet *a, const struct bet *b)
{
    struct difference *difference = context;
    if (!difference->as_json && difference->bets_shown == SHOWN_MAX) {
        return;
    }
    difference->bets_shown += 1;
    struct fields fields = {.out = &difference->bets, .json = difference->as_json};
    if (!fields.json) {
        json_append(fields.out, "\n    ", 5);
    } else {
        fields_open(&fields, NULL, '{');
    }
    fields_u64(&fields, "bet", a != NULL ? a->bet : b->bet);
    put_bet_side(&fields, side_names[0], a, difference->states.names[0]);
    put_bet_side(&fields, side_names[1], b, difference->states.names[1]);
    if (fields.json) {
        fields_close(&fields, '}');
    }
}

static void put_market(struct fields *fields, const struct state_diff *states, int side)
{
    const struct market_view *market = &states->markets[side];
    fields_u64(fields, "seq", market->seq);
    fields_i64(fields, "time", market->time_ms);
    fields_u64(fields, "config", market->epoch);
    fields_string(fields, "breaker", breaker_state_text(market->breaker));
    fields_i64(fields, "last_tick", market->last_tick_ms);
    fields_i64(fields, "last_price", market->last_price_e4);
    fields_i64(fields, "bankroll", market->bankroll_micro);
    fields_i64(fields, "reserved", market->reserved_micro);
    fields_i64(fields, "external", market->external_micro);
    fields_u64(fields, "accounts", market->accounts);
    fields_u64(fields, "open_bets", market->open_bets);
    fields_u64(fields, "nonces", market->nonces);
    fields_u64(fields, "attests_wrong", states->attests_wrong[side]);
    fields_hex(fields, "digest", "", states->digests[side], HASH_BYTES);
}

static enum status compare_states(struct difference *difference)
{
    struct progress progress;
    progress_start(&progress, "diff: states");
    const struct state_diff_options options = {
        .common_seq = difference->journals.common_seq,
        .context = difference,
        .account = take_account,
        .bet = take_bet,
        .progress_context = &progress,
        .progress = progress_update,
    };
    const enum status status = state_diff_run(difference->dirs, &options, &difference->states);
    progress_finish(&progress);
    difference->states_known = status == STATUS_OK;
    return status;
}

/* --- The record in which they part.
 * ------------------------------------------------------------ */

/* A record as inspect shows it, but a Config record as it was written: which epoch it became is
 * known only by all records before it. Undecodable bytes as hex. */
static void put_record(struct json *out, const struct journal_diff *journals, int side)
{
    struct codec_scratch *scratch = calloc(1, sizeof *scratch);
    struct input input;
    struct fields fields = {.out = out, .json = true};
    const uint64_t seq = journals->common_seq + 1;
    const uint8_t *bytes = journals->records[side];
    const size_t length = journals->lengths[side];
    fields_open(&fields, NULL, '{');
    if (scratch == NULL) {
        out->failed = true;
    } else if (codec_decode(scratch, seq, bytes, length, &input) == STATUS_OK) {
        const struct record_config written = {.known = false};
        record_fields(&fields, &input, &written);
    } else {
        fields_u64(&fields, "seq", seq);
        fields_hex(&fields, "bytes", "", bytes, length);
    }
    fields_close(&fields, '}');
    free(scratch);
}

static void put_key(void *context, const struct member *a, const struct member *b)
{
    const struct member *member = a != NULL ? a : b;
    json_text(context, member->key, (size_t)member->key_length);
}

static void print_member(const char *name, const struct member *member)
{
    printf("    %s %-18.*s %.*s\n", name, member->key_length, member->key, member->value_length,
           member->value);
}

static void print_difference(void *context, const struct member *a, const struct member *b)
{
    (void)context;
    if (a != NULL) {
        print_member(side_names[0], a);
    }
    if (b != NULL) {
        print_member(side_names[1], b);
    }
}

static void print_object(const char *name, const char *object)
{
    struct member member;
    while (members_next(&object, &member)) {
        print_member(name, &member);
    }
}

/* --- Printing.
 * ----------------------------------------------------------------------------------- */

static void put_side(struct fields *fields, const struct difference *difference, int side)
{
    const struct journal_diff_side *told = &difference->journals.sides[side];
    fields_text(fields, "dir",
                (struct text_view){difference->dirs[side], strlen(difference->dirs[side])});
    char epoch[24];
    snprintf(epoch, sizeof epoch, "%016" PRIx64, told->epoch);
    if (told->has_epoch) {
        fields_string(fields, "epoch", epoch);
    } else {
        fields_null(fields, "epoch");
    }
    fields_u64(fields, "segments", told->segments);
    fields_u64(fields, "records", told->end.seq);
    fields_i64_or_null(fields, "time", told->end_ms);
    fields_hex(fields, "tree_head", "", told->end.root, HASH_BYTES);
    fields_string(fields, "status", told->status == STATUS_OK ? "good" : told->report.reason);
    const uint64_t common = difference->journals.common_seq;
    fields_u64(fields, "further", told->end.seq > common ? told->end.seq - common : 0);
}

static void put_states_json(struct fields *fields, const struct difference *difference)
{
    if (!difference->states_known) {
        fields_null(fields, "states");
        return;
    }
    fields_open(fields, "states", '{');
    for (int i = 0; i < JOURNAL_DIFF_SIDES; i++) {
        fields_open(fields, side_names[i], '{');
        put_market(fields, &difference->states, i);
        fields_close(fields, '}');
    }
    fields_u64(fields, "accounts_different", difference->states.accounts_different);
    fields_u64(fields, "bets_different", difference->states.bets_different);
    fields_open(fields, "accounts", '[');
    json_append(fields->out, difference->accounts.text != NULL ? difference->accounts.text : "",
                difference->accounts.length);
    fields_close(fields, ']');
    fields_open(fields, "bets", '[');
    json_append(fields->out, difference->bets.text != NULL ? difference->bets.text : "",
                difference->bets.length);
    fields_close(fields, ']');
    fields_close(fields, '}');
}

static void put_parting_json(struct fields *fields, const struct difference *difference)
{
    const struct journal_diff *journals = &difference->journals;
    if (!journals->parts) {
        fields_null(fields, "first_difference");
        return;
    }
    fields_open(fields, "first_difference", '{');
    fields_u64(fields, "seq", journals->common_seq + 1);
    struct json objects[JOURNAL_DIFF_SIDES] = {{0}, {0}};
    for (int i = 0; i < JOURNAL_DIFF_SIDES; i++) {
        put_record(&objects[i], journals, i);
        fields->out->failed |= objects[i].failed;
    }
    if (!fields->out->failed) {
        fields_open(fields, "fields", '[');
        members_differ(objects[0].text, objects[1].text, fields->out, put_key);
        fields_close(fields, ']');
        for (int i = 0; i < JOURNAL_DIFF_SIDES; i++) {
            json_key(fields->out, side_names[i]);
            json_raw(fields->out, objects[i].text, objects[i].length);
        }
    }
    for (int i = 0; i < JOURNAL_DIFF_SIDES; i++) {
        json_text_free(&objects[i]);
    }
    fields_close(fields, '}');
}

static bool print_json(const struct difference *difference)
{
    const struct journal_diff *journals = &difference->journals;
    struct json text = {0};
    struct fields fields = {.out = &text, .json = true};
    fields_open(&fields, NULL, '{');
    fields_string(&fields, "result", verdict(journals));
    fields_bool(&fields, "same_epoch", same_epoch(journals));
    fields_u64(&fields, "common_seq", journals->common_seq);
    fields_u64(&fields, "heads_seq", journals->heads_seq);
    for (int i = 0; i < JOURNAL_DIFF_SIDES; i++) {
        fields_open(&fields, side_names[i], '{');
        put_side(&fields, difference, i);
        fields_close(&fields, '}');
    }
    put_parting_json(&fields, difference);
    put_states_json(&fields, difference);
    fields_close(&fields, '}');
    const bool printed = offline_print(&text);
    json_text_free(&text);
    return printed;
}

static void print_sides(const struct difference *difference)
{
    for (int i = 0; i < JOURNAL_DIFF_SIDES; i++) {
        struct json text = {0};
        struct fields fields = {.out = &text, .lines = true};
        put_side(&fields, difference, i);
        printf("%s%.*s\n", side_names[i], (int)text.length, text.text != NULL ? text.text : "");
        json_text_free(&text);
    }
}

/* False when memory ran out. */
static bool print_parting(const struct difference *difference)
{
    const struct journal_diff *journals = &difference->journals;
    struct json objects[JOURNAL_DIFF_SIDES] = {{0}, {0}};
    put_record(&objects[0], journals, 0);
    put_record(&objects[1], journals, 1);
    const bool made = !objects[0].failed && !objects[1].failed;
    if (made) {
        printf("the first record that differs\n");
        print_object(side_names[0], objects[0].text);
        printf("    -\n");
        print_object(side_names[1], objects[1].text);
        printf("  and in what\n");
        members_differ(objects[0].text, objects[1].text, NULL, print_difference);
    }
    json_text_free(&objects[0]);
    json_text_free(&objects[1]);
    return made;
}

static void print_list(const char *what, uint64_t count, uint64_t shown, const struct json *list)
{
    printf("  %s that differ: %" PRIu64 "%s\n", what, count, list->text != NULL ? list->text : "");
    if (count > shown) {
        printf("    and %" PRIu64 " more, see --json\n", count - shown);
    }
}

static bool print_states(const struct difference *difference)
{
    struct json objects[JOURNAL_DIFF_SIDES] = {{0}, {0}};
    for (int i = 0; i < JOURNAL_DIFF_SIDES; i++) {
        struct fields fields = {.out = &objects[i], .json = true};
        fields_open(&fields, NULL, '{');
        put_market(&fields, &difference->states, i);
        fields_close(&fields, '}');
    }
    const bool made = !objects[0].failed && !objects[1].failed;
    if (made) {
        printf("states at both ends, what differs\n");
        members_differ(objects[0].text, objects[1].text, NULL, print_difference);
        print_list("accounts", difference->states.accounts_different, difference->accounts_shown,
                   &difference->accounts);
        print_list("open bets", difference->states.bets_different, difference->bets_shown,
                   &difference->bets);
    }
    json_text_free(&objects[0]);
    json_text_free(&objects[1]);
    return made;
}

static void print_verdict(const struct journal_diff *journals)
{
    const uint64_t a = journals->sides[0].end.seq;
    const uint64_t b = journals->sides[1].end.seq;
    printf("records\n  the same up to seq %" PRIu64 ", to seq %" PRIu64
           " by their tree heads and from there one by one\n",
           journals->common_seq, journals->heads_seq);
    if (journals->parts) {
        printf("  they part at seq %" PRIu64 "\n", journals->common_seq + 1);
    } else if (is_damaged(journals)) {
        printf("  what comes behind it cannot be read\n");
    } else if (a < b) {
        printf("  a is the beginning of b, which goes on for %" PRIu64 " records\n", b - a);
    } else if (a > b) {
        printf("  b is the beginning of a, which goes on for %" PRIu64 " records\n", a - b);
    } else {
        printf("  %s\n", same_epoch(journals)
                             ? "both are equal"
                             : "both hold the same records, but they are not one journal: their "
                               "epochs differ");
    }
}

static bool print_people(const struct difference *difference)
{
    print_sides(difference);
    print_verdict(&difference->journals);
    bool made = true;
    if (difference->journals.parts) {
        made = print_parting(difference);
    }
    if (difference->states_known) {
        made = print_states(difference) && made;
    }
    return fflush(stdout) == 0 && made;
}

/* --- The command.
 * -------------------------------------------------------------------------------- */

static enum status compare_journals(struct difference *difference, bool full)
{
    struct progress progress;
    progress_start(&progress, "diff: records");
    const struct journal_diff_options options = {
        .full = full,
        .progress_context = &progress,
        .progress = progress_update,
    };
    const enum status status = journal_diff_run(difference->dirs, &options, &difference->journals);
    progress_finish(&progress);
    return status;
}

static int report_damage(const struct journal_diff *journals)
{
    int code = EXIT_GOOD;
    for (int i = 0; i < JOURNAL_DIFF_SIDES; i++) {
        const struct journal_diff_side *side = &journals->sides[i];
        if (side->status != STATUS_OK) {
            char text[700];
            snprintf(text, sizeof text, "%s: segment %s, offset %" PRIu64 ", seq %" PRIu64 ": %s",
                     side_names[i], side->report.segment, side->report.offset, side->report.seq,
                     side->report.reason);
            code = offline_fail("diff", side->status, text);
        }
    }
    return code;
}

static int run(struct difference *difference, bool full)
{
    enum status status = compare_journals(difference, full);
    if (status != STATUS_OK) {
        return offline_fail("diff", status, difference->journals.problem);
    }
    const bool damaged = is_damaged(&difference->journals);
    const bool equal = strcmp(verdict(&difference->journals), "equal") == 0;
    int code = equal ? EXIT_GOOD : EXIT_DIFFERENCE;
    if (difference->with_states && !damaged && !equal) {
        status = compare_states(difference);
        if (status != STATUS_OK) {
            code = offline_fail("diff", status, difference->states.problem);
        }
    }
    const bool printed = difference->as_json ? print_json(difference) : print_people(difference);
    if (!printed) {
        return offline_fail("diff", STATUS_IO, "cannot write the result");
    }
    return damaged ? report_damage(&difference->journals) : code;
}

/* A data directory, or the folder `journal` in one. */
static void name_directory(char to[4096], const char *path)
{
    size_t length = strlen(path);
    while (length > 1 && path[length - 1] == '/') {
        length -= 1;
    }
    static const char folder[] = "journal";
    const size_t folder_length = sizeof folder - 1;
    const bool inside = length >= folder_length &&
                        memcmp(path + length - folder_length, folder, folder_length) == 0 &&
                        (length == folder_length || path[length - folder_length - 1] == '/');
    snprintf(to, 4096, "%.*s%s", (int)length, path, inside ? "/.." : "");
}

static int check_and_run(const struct options *options)
{
    if (options->positional_count != JOURNAL_DIFF_SIDES) {
        return offline_fail("diff", STATUS_USAGE, "name two data directories");
    }
    struct difference *difference = calloc(1, sizeof *difference);
    if (difference == NULL) {
        return offline_fail("diff", STATUS_NO_MEMORY, "");
    }
    char dirs[JOURNAL_DIFF_SIDES][4096];
    int code = EXIT_GOOD;
    bool good = true;
    for (int i = 0; good && i < JOURNAL_DIFF_SIDES; i++) {
        name_directory(dirs[i], options->positional[i]);
        difference->dirs[i] = dirs[i];
        good = offline_is_directory("diff", "the directory", dirs[i], &code);
    }
    difference->as_json = options->rows[ROW_JSON].given;
    difference->with_states = !options->rows[ROW_NO_STATE].given;
    if (good) {
        code = run(difference, options->rows[ROW_FULL].given);
    }
    json_text_free(&difference->accounts);
    json_text_free(&difference->bets);
    free(difference);
    return code;
}

int command_diff(int argc, char **argv)
{
    struct option_row rows[ROW_COUNT] = {
        [ROW_FULL] = OPTION_ROW("full", OPTION_FLAG, NULL, NULL,
                                "compare every record, not tree heads where they are equal"),
        [ROW_NO_STATE] = OPTION_ROW("no-state", OPTION_FLAG, NULL, NULL,
                                    "the records alone, without a replay of both"),
        [ROW_JSON] = OPTION_ROW("json", OPTION_FLAG, NULL, NULL, "one JSON object"),
    };
    struct options options = {
        .command = "diff",
        .usage = "tapline diff A B [--full] [--no-state] [--json]",
        .summary = "Compares two journals and the states they lead to.",
        .notes = "A and B are data directories, or the folder journal in one.\n"
                 "exit codes: 0 equal; 1 different, also when one is the beginning of the other;\n"
                 "2 one is damaged; 64 wrong usage; 73 input/output error",
        .rows = rows,
        .row_count = ROW_COUNT,
        .positionals_max = JOURNAL_DIFF_SIDES,
    };
    int code;
    if (!options_parse(&options, argc, argv, &code)) {
        return code;
    }
    code = check_and_run(&options);
    options_free(&options);
    return code;
}
