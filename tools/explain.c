#include "tools/explain.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ingress/wallet.h"
#include "journal/codec.h"
#include "replay/replay.h"
#include "tools/bug_trap.h"

/* Stories that go on are found by the bet's id. As many lists as a busy market has open bets, so
 * that each is short. */
#define LISTS ((size_t)1 << 16)

struct live {
    struct explain story;
    struct live *next; /* of its list */
};

/* What the present record did to a story. */
struct touch {
    struct live *live;
    const char *what;
    bool ended;
};

struct telling {
    const struct explain_options *options;
    struct applier *applier;
    struct wallet *wallet;
    struct reckoning *reckoning;
    struct live **lists;
    uint64_t live_count;
    struct live *tap; /* of the present record, until it is known what becomes of it */
    struct touch *touches;
    size_t touch_count;
    size_t touch_room;
    uint8_t digest_before[HASH_BYTES];
    enum status failed; /* memory ran out where no status can be returned */
};

static void expect(struct explain *story, const char *what, int64_t reckoned, int64_t said)
{
    if (reckoned != said && story->problem[0] == '\0') {
        snprintf(story->problem, sizeof story->problem,
                 "bet %" PRIu64 ": %s: recomputed %" PRId64 ", the state machine said %" PRId64,
                 story->id, what, reckoned, said);
    }
}

/* --- Stories that go on.
 * ------------------------------------------------------------------------- */

static struct live **list_of(const struct telling *telling, uint64_t id)
{
    return &telling->lists[id % LISTS];
}

static struct live *find(const struct telling *telling, uint64_t id)
{
    struct live *live = *list_of(telling, id);
    while (live != NULL && live->story.id != id) {
        live = live->next;
    }
    return live;
}

static void put_in(struct telling *telling, struct live *live)
{
    struct live **list = list_of(telling, live->story.id);
    live->next = *list;
    *list = live;
    telling->live_count += 1;
}

static void take_out(struct telling *telling, struct live *live)
{
    struct live **at = list_of(telling, live->story.id);
    while (*at != live) {
        at = &(*at)->next;
    }
    *at = live->next;
    telling->live_count -= 1;
}

static int by_id(const void *a, const void *b)
{
    const uint64_t left = (*(struct live *const *)a)->story.id;
    const uint64_t right = (*(struct live *const *)b)->story.id;
    return (left > right) - (left < right);
}

/* Those that have not ended, in the order of ids. */
static enum status tell_rest(struct telling *telling)
{
    struct live **rest = calloc(telling->live_count + 1, sizeof(struct live *));
    if (rest == NULL) {
        return STATUS_NO_MEMORY;
    }
    size_t count = 0;
    for (size_t i = 0; i < LISTS; i++) {
        for (struct live *live = telling->lists[i]; live != NULL; live = live->next) {
            rest[count] = live;
            count += 1;
        }
    }
    qsort(rest, count, sizeof(struct live *), by_id);
    enum status status = STATUS_OK;
    for (size_t i = 0; status == STATUS_OK && i < count; i++) {
        status = telling->options->told(telling->options->context, &rest[i]->story);
    }
    free(rest);
    return status;
}

/* --- The tap.
 * -------------------------------------------------------------------------------------- */

static bool is_asked(const struct telling *telling, uint64_t seq)
{
    return seq >= telling->options->from_seq && seq <= telling->options->to_seq;
}

static void check_signature(const struct telling *telling, struct explain *story, size_t length)
{
    if (story->signature_bytes != LIMIT_SIGNATURE_BYTES) {
        return; /* of a session key */
    }
    story->signature_checked = true;
    story->signature_good = length > 0 && wallet_check(telling->wallet, story->text, length,
                                                       story->signature, story->account);
}

static enum status take_tap(struct telling *telling, const struct input *input)
{
    const struct tap *tap = &input->of.tap;
    struct live *live = calloc(1, sizeof *live);
    if (live == NULL) {
        return STATUS_NO_MEMORY;
    }
    struct explain *story = &live->story;
    story->id = input->seq;
    story->time_ms = input->time_ms;
    story->message_ms = tap->message_ms;
    memcpy(story->account, tap->account, ADDRESS_BYTES);
    memcpy(story->signature, tap->signature, tap->signature_bytes);
    story->signature_bytes = tap->signature_bytes;
    const struct config *config = reckoning_config(telling->reckoning);
    if (config != NULL) {
        memcpy(story->market, config->market, sizeof story->market);
    }
    check_signature(telling, story, tap_text_format(story->text, tap));
    telling->tap = live;
    return STATUS_OK;
}

/* --- What the state machine says, and what is reckoned beside it.
 * -------------------------------- */

static void touch(struct telling *telling, struct live *live, const char *what, bool ended)
{
    if (telling->touch_count == telling->touch_room) {
        const size_t room = 2 * telling->touch_room + 16;
        struct touch *grown = realloc(telling->touches, room * sizeof *grown);
        if (grown == NULL) {
            telling->failed = STATUS_NO_MEMORY;
            return;
        }
        telling->touches = grown;
        telling->touch_room = room;
    }
    telling->touches[telling->touch_count] = (struct touch){live, what, ended};
    telling->touch_count += 1;
}

/* The tap of the present record has become a bet. */
static struct live *make_bet(struct telling *telling)
{
    struct live *live = telling->tap;
    telling->tap = NULL;
    put_in(telling, live);
    live->story.made = true;
    return live;
}

static struct live *live_of(struct telling *telling, const struct bet *bet)
{
    if (telling->tap != NULL && telling->tap->story.id == bet->bet) {
        return make_bet(telling);
    }
    return find(telling, bet->bet);
}

/* Bets that were not asked for count in the cells all the same. */
static void take_confirmed(struct telling *telling, const struct bet *bet)
{
    struct reckoned_price price;
    reckoning_price(telling->reckoning, bet, &price);
    struct live *live = live_of(telling, bet);
    if (live != NULL) {
        struct explain *story = &live->story;
        story->bet = *bet;
        story->priced = true;
        story->price = price;
        story->samples = reckoning_samples(telling->reckoning);
        expect(story, "time of the pricing tick", price.tick_ms, bet->tick_ms);
        expect(story, "price of the pricing tick", price.input.price_e4, bet->price_e4);
        expect(story, "lower edge of the cell", price.input.lo_e4, bet->lo_e4);
        expect(story, "upper edge of the cell", price.input.hi_e4, bet->hi_e4);
        expect(story, "multiplier", (int64_t)price.odds.mult_centi, bet->mult_centi);
        expect(story, "payout", price.payout_micro, bet->payout_micro);
        expect(story, "reason", price.verdict, REASON_NONE);
        touch(telling, live, "confirmed", false);
    }
    const enum status status = reckoning_confirm(telling->reckoning, bet, price.payout_micro);
    if (status != STATUS_OK) {
        telling->failed = status;
    }
}

/* With a tick the checks of pricing gave the reason; without one a rule of time did, or, in its own
 * step, one of the tap's. */
static void check_rejected(const struct telling *telling, struct explain *story)
{
    const struct bet *bet = &story->bet;
    const struct input *input = applier_input(telling->applier);
    if (bet->accepted_seq == 0) {
        return;
    }
    if (bet->price_e4 != 0) {
        story->priced = true;
        reckoning_price(telling->reckoning, bet, &story->price);
        story->samples = reckoning_samples(telling->reckoning);
        expect(story, "time of the pricing tick", story->price.tick_ms, bet->tick_ms);
        expect(story, "price of the pricing tick", story->price.input.price_e4, bet->price_e4);
        expect(story, "reason", story->price.verdict, bet->reason);
    } else if (input->kind == INPUT_CONFIG) {
        expect(story, "reason", REASON_CONFIG_CHANGED, bet->reason);
    } else {
        expect(story, "reason", REASON_NO_PRICE, bet->reason);
        expect(story, "too late for a price",
               reckoning_price_is_late(telling->reckoning, bet->accepted_at_ms, input->time_ms), 1);
    }
}

static void take_rejected(struct telling *telling, const struct bet *bet)
{
    struct live *live = live_of(telling, bet);
    if (live != NULL) {
        live->story.bet = *bet;
        check_rejected(telling, &live->story);
        touch(telling, live, "rejected", true);
    }
}

static void check_settled(struct explain *story)
{
    const struct bet *bet = &story->bet;
    const struct reckoned_settlement *settlement = &story->settlement;
    const bool is_void = settlement->void_for != REASON_NONE;
    const int64_t price = settlement->price_e4;
    const bool won = !is_void && price >= bet->lo_e4 && price < bet->hi_e4;
    expect(story, "void", is_void ? 1 : 0, bet->state == BET_VOID ? 1 : 0);
    expect(story, "reason of the void", settlement->void_for, bet->reason);
    expect(story, "settlement price", price, bet->settle_price_e4);
    expect(story, "won", won ? 1 : 0, bet->state == BET_WON ? 1 : 0);
    expect(story, "paid",
           is_void ? bet->stake_micro
           : won   ? story->price.payout_micro
                   : 0,
           bet->paid_micro);
}

static void take_settled(struct telling *telling, const struct bet *bet)
{
    struct live *live = live_of(telling, bet);
    if (live != NULL) {
        live->story.bet = *bet;
        live->story.settled = true;
        reckoning_settle(telling->reckoning, bet->column_ms, &live->story.settlement);
        check_settled(&live->story);
        touch(telling, live, "settled", true);
    }
}

static void take_accepted(struct telling *telling, const struct bet *bet)
{
    struct live *live = live_of(telling, bet);
    if (live != NULL) {
        live->story.bet = *bet;
        touch(telling, live, "accepted", false);
    }
}

static void take_event(void *context, const struct event *event)
{
    struct telling *telling = context;
    /* Not a switch: all else that the state machine says has no part in a bet's story. */
    const enum event_kind kind = event->kind;
    if (kind == EVENT_BET_ACCEPTED) {
        take_accepted(telling, event->of.bet);
    } else if (kind == EVENT_BET_CONFIRMED) {
        take_confirmed(telling, event->of.bet);
    } else if (kind == EVENT_BET_REJECTED) {
        take_rejected(telling, event->of.bet);
    } else if (kind == EVENT_BET_SETTLED) {
        take_settled(telling, event->of.bet);
    } else if (kind == EVENT_COLUMN_SETTLED) {
        reckoning_close(telling->reckoning, event->of.column->column_ms);
    } else if ((kind == EVENT_TAP_REFUSED || kind == EVENT_TAP_REPEATED) && telling->tap != NULL) {
        telling->tap->story.refused = event->of.tap.reason;
        telling->tap->story.repeated_bet = event->of.tap.bet;
    }
}

static void take_posting(void *context, const struct posting *posting)
{
    struct telling *telling = context;
    reckoning_posting(telling->reckoning, posting);
    if (posting->ref_type < REF_BET_HOLD || posting->ref_type > REF_BET_VOID) {
        return;
    }
    /* A bet's first posting comes before the event that makes it one. */
    struct live *live = telling->tap != NULL && telling->tap->story.id == posting->ref_id
                            ? telling->tap
                            : find(telling, posting->ref_id);
    if (live == NULL || live->story.row_count == EXPLAIN_ROWS_MAX) {
        return;
    }
    struct explain_row *row = &live->story.rows[live->story.row_count];
    row->seq = applier_input(telling->applier)->seq;
    row->at_ms = applier_input(telling->applier)->time_ms;
    row->posting = *posting;
    row->posting.address = NULL;
    row->posting.reference = NULL;
    row->posting.reference_length = 0;
    live->story.row_count += 1;
}

/* --- The replay.
 * ----------------------------------------------------------------------------------- */

static enum status before_record(void *context, struct applier *applier,
                                 const struct journal_record *record)
{
    struct telling *telling = context;
    const struct input *input = applier_input(applier);
    if (record->seq > telling->options->to_seq && telling->live_count == 0) {
        return STATUS_END;
    }
    bug_trap_note(record->seq);
    memcpy(telling->digest_before, applier_digest(applier), HASH_BYTES);
    telling->touch_count = 0;
    const enum status status = reckoning_input(telling->reckoning, input);
    if (status == STATUS_OK && input->kind == INPUT_TAP && is_asked(telling, input->seq)) {
        return take_tap(telling, input);
    }
    return status;
}

/* What the money of an ended bet comes to: all legs to nothing, the player's to what he got. */
static void check_rows(struct explain *story)
{
    const struct bet *bet = &story->bet;
    int64_t all = 0;
    int64_t player = 0;
    for (size_t i = 0; i < story->row_count; i++) {
        const struct posting *posting = &story->rows[i].posting;
        all += posting->amount_micro;
        player += posting->account == LEDGER_AVAILABLE ? posting->amount_micro : 0;
    }
    const bool staked = bet->accepted_seq != 0 && bet->state != BET_REJECTED;
    expect(story, "sum of its postings", 0, all);
    expect(story, "what the player's postings come to",
           bet->paid_micro - (staked ? bet->stake_micro : 0), player);
}

static void add_step(const struct telling *telling, const struct touch *touched)
{
    struct explain *story = &touched->live->story;
    const struct input *input = applier_input(telling->applier);
    if (story->step_count == EXPLAIN_STEPS_MAX) {
        return;
    }
    struct explain_step *step = &story->steps[story->step_count];
    step->name = touched->what;
    step->seq = input->seq;
    step->time_ms = input->time_ms;
    memcpy(step->digest_before, telling->digest_before, HASH_BYTES);
    memcpy(step->digest_after, applier_digest(telling->applier), HASH_BYTES);
    story->step_count += 1;
}

static enum status end_story(struct telling *telling, struct live *live)
{
    check_rows(&live->story);
    take_out(telling, live);
    const enum status status = telling->options->told(telling->options->context, &live->story);
    free(live);
    return status;
}

/* The present record's tap made no bet. */
static enum status end_tap(struct telling *telling)
{
    struct live *live = telling->tap;
    telling->tap = NULL;
    if (live == NULL) {
        return STATUS_OK;
    }
    const enum status status = telling->options->all_taps
                                   ? telling->options->told(telling->options->context, &live->story)
                                   : STATUS_OK;
    free(live);
    return status;
}

static enum status after_record(void *context, struct applier *applier,
                                const struct journal_record *record)
{
    struct telling *telling = context;
    (void)applier;
    (void)record;
    enum status status = telling->failed;
    for (size_t i = 0; status == STATUS_OK && i < telling->touch_count; i++) {
        add_step(telling, &telling->touches[i]);
        if (telling->touches[i].ended) {
            status = end_story(telling, telling->touches[i].live);
        }
    }
    return status == STATUS_OK ? end_tap(telling) : status;
}

static enum status replay(struct telling *telling, const char *data_dir, char *text)
{
    const struct event_sink sink = {telling, take_event, take_posting};
    const struct replay_options options = {
        .context = telling,
        .sink = &sink,
        .before = before_record,
        .after = after_record,
        .progress_context = telling->options->progress_context,
        .progress = telling->options->progress,
    };
    struct replay_result result;
    enum status status = replay_run(telling->applier, data_dir, &options, &result);
    snprintf(text, 512, "%s", result.problem);
    return status == STATUS_OK ? tell_rest(telling) : status;
}

static void close_telling(struct telling *telling)
{
    for (size_t i = 0; telling->lists != NULL && i < LISTS; i++) {
        while (telling->lists[i] != NULL) {
            struct live *live = telling->lists[i];
            telling->lists[i] = live->next;
            free(live);
        }
    }
    free(telling->tap);
    free(telling->lists);
    free(telling->touches);
    reckoning_free(telling->reckoning);
    wallet_free(telling->wallet);
    applier_free(telling->applier);
}

enum status explain_run(const char *data_dir, const struct explain_options *options, char *text)
{
    struct telling telling = {.options = options};
    text[0] = '\0';
    telling.lists = calloc(LISTS, sizeof(struct live *));
    enum status status = telling.lists == NULL ? STATUS_NO_MEMORY : wallet_open(&telling.wallet);
    if (status == STATUS_OK) {
        status = reckoning_open(&telling.reckoning);
    }
    if (status == STATUS_OK) {
        status = applier_open(NULL, &telling.applier);
    }
    if (status == STATUS_OK) {
        status = replay(&telling, data_dir, text);
    }
    close_telling(&telling);
    return status;
}

/* --- A quick look.
 * --------------------------------------------------------------------------------- */

static enum status read_kind(struct journal_reader *reader, uint64_t id)
{
    struct journal_record record;
    enum status status = journal_reader_next(reader, &record);
    if (status != STATUS_OK) {
        return status;
    }
    struct codec_scratch *scratch = calloc(1, sizeof *scratch);
    struct input input;
    if (scratch == NULL) {
        return STATUS_NO_MEMORY;
    }
    status = codec_decode(scratch, record.seq, record.bytes, record.length, &input);
    free(scratch);
    if (status != STATUS_OK) {
        return STATUS_DAMAGED;
    }
    return record.seq == id && input.kind == INPUT_TAP ? STATUS_OK : STATUS_END;
}

enum status explain_find(const char *data_dir, uint64_t id, char *text)
{
    struct journal_reader *reader;
    text[0] = '\0';
    enum status status = journal_reader_open(data_dir, NULL, id, &reader);
    if (status == STATUS_NOT_FOUND) {
        snprintf(text, 512, "%s/journal: there is no journal", data_dir);
        return status;
    }
    if (status != STATUS_OK) {
        snprintf(text, 512, "%s", disk_problem(disk_posix(), status));
        return status;
    }
    status = read_kind(reader, id);
    const struct journal_report *report = journal_reader_report(reader);
    if (status == STATUS_END) {
        snprintf(text, 512, "there is no tap with seq %" PRIu64 " in %s/journal", id, data_dir);
    } else if (status != STATUS_OK) {
        snprintf(text, 512, "segment %s, offset %" PRIu64 ", seq %" PRIu64 ": %s", report->segment,
                 report->offset, id,
                 report->reason[0] != '\0' ? report->reason : status_text(status));
    }
    journal_reader_free(reader);
    return status;
}
