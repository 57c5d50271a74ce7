#include "tools/explain.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "ingress/wallet.h"
#include "journal/codec.h"
#include "replay/replay.h"
#include "tools/bug_trap.h"
#include "tools/progress.h"

struct telling {
    struct explain *story;
    struct applier *applier;
    const char *data_dir;
    const char *changed[EXPLAIN_STEPS_MAX]; /* what this record did to the bet */
    size_t changed_count;
    uint8_t digest_before[HASH_BYTES];
    int64_t cell_payout_micro; /* L: of the bets confirmed in the cell before this one */
    struct config config;      /* in force */
    int64_t band_e4_from;
    int64_t band_e4_before;
};

static void differs(struct explain *story, const char *what, int64_t recomputed, int64_t said)
{
    if (story->problem[0] == '\0') {
        snprintf(story->problem, sizeof story->problem,
                 "%s: recomputed %" PRId64 ", the state machine said %" PRId64, what, recomputed,
                 said);
    }
}

static void expect(struct explain *story, const char *what, int64_t recomputed, int64_t said)
{
    if (recomputed != said) {
        differs(story, what, recomputed, said);
    }
}

/* --- The tap.
 * -------------------------------------------------------------------------------------- */

static enum status check_signature(struct explain *story, size_t text_length)
{
    if (story->signature_bytes != LIMIT_SIGNATURE_BYTES) {
        return STATUS_OK; /* of a session key */
    }
    struct wallet *wallet;
    const enum status status = wallet_open(&wallet);
    if (status != STATUS_OK) {
        return status;
    }
    story->signature_checked = true;
    story->signature_good = text_length > 0 && wallet_check(wallet, story->text, text_length,
                                                            story->signature, story->account);
    wallet_free(wallet);
    return STATUS_OK;
}

static enum status take_tap(struct explain *story, const struct input *input)
{
    const struct tap *tap = &input->of.tap;
    memcpy(story->account, tap->account, ADDRESS_BYTES);
    memcpy(story->signature, tap->signature, tap->signature_bytes);
    story->signature_bytes = tap->signature_bytes;
    story->message_ms = tap->message_ms;
    story->time_ms = input->time_ms;
    story->column_ms = tap->column_ms;
    story->band = tap->band;
    return check_signature(story, tap_text_format(story->text, tap));
}

/* The tap's own record is read first, because the bets in its cell before it matter too. */
static enum status find_tap(const char *data_dir, struct explain *story, char *text)
{
    struct journal_reader *reader;
    enum status status = journal_reader_open(data_dir, NULL, story->id, &reader);
    if (status != STATUS_OK) {
        if (status == STATUS_NOT_FOUND) {
            snprintf(text, 512, "%s/journal: there is no journal", data_dir);
        } else {
            snprintf(text, 512, "%s", disk_problem(disk_posix(), status));
        }
        return status;
    }
    struct journal_record record;
    status = journal_reader_next(reader, &record);
    if (status == STATUS_OK) {
        static struct codec_scratch scratch; /* one command, one bet */
        struct input input;
        status = codec_decode(&scratch, record.seq, record.bytes, record.length, &input);
        if (status == STATUS_OK) {
            status = record.seq == story->id && input.kind == INPUT_TAP ? take_tap(story, &input)
                                                                        : STATUS_END;
        } else {
            status = STATUS_DAMAGED;
        }
    }
    if (status != STATUS_OK) {
        const struct journal_report *report = journal_reader_report(reader);
        if (status == STATUS_END) {
            snprintf(text, 512, "there is no tap with seq %" PRIu64 " in %s/journal", story->id,
                     data_dir);
        } else {
            snprintf(text, 512, "segment %s, offset %" PRIu64 ", seq %" PRIu64 ": %s",
                     report->segment, report->offset, story->id,
                     report->reason[0] != '\0' ? report->reason : status_text(status));
        }
    }
    journal_reader_free(reader);
    return status;
}

/* --- What the state machine says.
 * ------------------------------------------------------------------ */

static void take_bet(struct telling *telling, const struct bet *bet, const char *what)
{
    struct explain *story = telling->story;
    if (bet->bet != story->id) {
        const bool confirmed = strcmp(what, "confirmed") == 0;
        if (confirmed && bet->column_ms == story->column_ms && bet->band == story->band &&
            story->bet.priced_seq == 0) {
            telling->cell_payout_micro += bet->payout_micro;
        }
        return;
    }
    story->made = true;
    story->bet = *bet;
    if (telling->changed_count < EXPLAIN_STEPS_MAX) {
        telling->changed[telling->changed_count] = what;
        telling->changed_count += 1;
    }
}

/* Ticks are kept as the journal's price records say, apart from what the state machine shows. */
static void take_tick(struct explain *story, const struct config *config, int64_t grid_ms,
                      const struct event *event)
{
    for (size_t i = 0; i < SETTLEMENT_TICKS; i++) {
        struct settlement_tick *tick = &story->settlement.ticks[i];
        tick->time_ms = story->column_ms - (int64_t)(SETTLEMENT_TICKS - 1 - i) * config->tick_ms;
        if (tick->time_ms == grid_ms) {
            tick->price_e4 = event->of.tick.price_e4;
            tick->sources = event->of.tick.sources;
            tick->set = event->of.tick.set;
        }
    }
}

static void take_tap_outcome(struct telling *telling, const struct event *event)
{
    if (applier_input(telling->applier)->seq == telling->story->id) {
        telling->story->refused = event->of.tap.reason;
        telling->story->repeated_bet = event->of.tap.bet;
    }
}

static void take_event(void *context, const struct event *event)
{
    struct telling *telling = context;
    struct explain *story = telling->story;
    switch (event->kind) {
    case EVENT_CONFIG:
        telling->config = *event->of.config.config;
        telling->band_e4_from = event->of.config.band_e4_from;
        telling->band_e4_before = event->of.config.band_e4_before;
        return;
    case EVENT_TAP_REFUSED:
    case EVENT_TAP_REPEATED:
        take_tap_outcome(telling, event);
        return;
    case EVENT_BET_ACCEPTED:
        take_bet(telling, event->of.bet, "accepted");
        return;
    case EVENT_BET_CONFIRMED:
        take_bet(telling, event->of.bet, "confirmed");
        return;
    case EVENT_BET_REJECTED:
        take_bet(telling, event->of.bet, "rejected");
        return;
    case EVENT_BET_SETTLED:
        take_bet(telling, event->of.bet, "settled");
        return;
    case EVENT_COLUMN_SETTLED:
        if (event->of.column->column_ms == story->column_ms && story->bet.settled_seq != 0) {
            story->settlement.column = *event->of.column;
        }
        return;
    case EVENT_TICK:
        story->settlement.grid_ms = event->of.tick.grid_ms;
        take_tick(story, &telling->config, event->of.tick.grid_ms, event);
        return;
    case EVENT_CONFIG_REFUSED:
    case EVENT_ACCOUNT_OPENED:
    case EVENT_TRANSFER_APPLIED:
    case EVENT_TRANSFER_REPEATED:
    case EVENT_TRANSFER_REFUSED:
    case EVENT_TICK_IGNORED:
    case EVENT_BREAKER:
    case EVENT_START:
    case EVENT_RULES:
    case EVENT_RULES_REFUSED:
    case EVENT_RECOVERY:
        return;
    }
}

static void take_posting(void *context, const struct posting *posting)
{
    struct telling *telling = context;
    struct explain *story = telling->story;
    const bool of_bet = posting->ref_type >= REF_BET_HOLD && posting->ref_type <= REF_BET_VOID;
    if (!of_bet || posting->ref_id != story->id || story->row_count == EXPLAIN_ROWS_MAX) {
        return;
    }
    struct explain_row *row = &story->rows[story->row_count];
    row->seq = applier_input(telling->applier)->seq;
    row->at_ms = applier_input(telling->applier)->time_ms;
    row->posting = *posting;
    row->posting.address = story->account;
    row->posting.reference = NULL;
    row->posting.reference_length = 0;
    story->row_count += 1;
}

/* --- Recomputing.
 * ---------------------------------------------------------------------------------- */

/* W of the bet's column as the Config records before have it. */
static int64_t band_width(const struct telling *telling)
{
    return telling->story->column_ms >= telling->band_e4_from ? telling->config.band_e4
                                                              : telling->band_e4_before;
}

/* Where band b begins; a signed text may name any band, so both ends saturate as the rules' do. */
static int64_t band_edge(__int128 band, int64_t band_e4)
{
    const __int128 edge = band * band_e4;
    return edge > INT64_MAX ? INT64_MAX : (int64_t)edge;
}

/* Floor of stake * m / 100, in 128 bits as the rules have it. */
static int64_t payout(int64_t stake_micro, uint64_t mult_centi)
{
    return (int64_t)((__int128)stake_micro * (__int128)mult_centi / 100);
}

static void recompute_pricing(struct telling *telling)
{
    struct explain *story = telling->story;
    const struct bet *bet = &story->bet;
    if (bet->price_e4 == 0) {
        return; /* rejected before there was a tick for it */
    }
    struct market_view market;
    machine_market(applier_machine(telling->applier), &market);
    struct explain_pricing *pricing = &story->pricing;
    pricing->done = true;
    pricing->band_e4 = band_width(telling);
    pricing->input = (struct odds_input){
        .price_e4 = bet->price_e4,
        .v_fast_q64 = market.v_fast_q64,
        .v_slow_q64 = market.v_slow_q64,
        .tau_ms = bet->column_ms - bet->tick_ms,
        .lo_e4 = bet->lo_e4,
        .hi_e4 = bet->hi_e4,
        .edge_bp = telling->config.edge_bp,
        .skew_bp = telling->config.skew_bp,
        .cell_payout_micro = telling->cell_payout_micro,
        .cell_payout_max_micro = telling->config.cell_payout_max,
    };
    odds_price(&pricing->input, &pricing->odds);
    pricing->payout_micro = payout(bet->stake_micro, pricing->odds.mult_centi);
    expect(story, "price of the pricing tick", market.last_price_e4, bet->price_e4);
    expect(story, "time of the pricing tick", market.last_tick_ms, bet->tick_ms);
    expect(story, "lower edge of the cell", band_edge(bet->band, pricing->band_e4), bet->lo_e4);
    expect(story, "upper edge of the cell", band_edge((__int128)bet->band + 1, pricing->band_e4),
           bet->hi_e4);
    if (bet->state == BET_CONFIRMED) {
        expect(story, "multiplier", (int64_t)pricing->odds.mult_centi, bet->mult_centi);
        expect(story, "payout", pricing->payout_micro, bet->payout_micro);
    }
}

/* Median of the valid ones; an even count gives the floor of the mean of the middle two. */
static int64_t median(const struct settlement_tick *ticks, size_t *valid)
{
    int64_t prices[SETTLEMENT_TICKS];
    size_t count = 0;
    for (size_t i = 0; i < SETTLEMENT_TICKS; i++) {
        if (ticks[i].price_e4 == 0) {
            continue;
        }
        size_t at = count;
        for (; at > 0 && prices[at - 1] > ticks[i].price_e4; at--) {
            prices[at] = prices[at - 1];
        }
        prices[at] = ticks[i].price_e4;
        count += 1;
    }
    *valid = count;
    if (count == 0) {
        return 0;
    }
    return count % 2 == 1 ? prices[count / 2] : (prices[count / 2 - 1] + prices[count / 2]) / 2;
}

static void recompute_settlement(struct explain *story)
{
    struct explain_settlement *settlement = &story->settlement;
    const struct bet *bet = &story->bet;
    settlement->done = true;
    settlement->median_e4 = median(settlement->ticks, &settlement->valid);
    for (size_t i = 0; i < SETTLEMENT_TICKS; i++) {
        expect(story, "price of a settlement tick", settlement->ticks[i].price_e4,
               settlement->column.ticks[i].price_e4);
    }
    const int64_t price = settlement->median_e4;
    const bool last_two = settlement->ticks[3].price_e4 > 0 || settlement->ticks[4].price_e4 > 0;
    const bool priced =
        settlement->grid_ms == story->column_ms && settlement->valid >= 3 && last_two;
    if (bet->state == BET_VOID) {
        expect(story, "what a void bet pays back", bet->stake_micro, bet->paid_micro);
        return;
    }
    expect(story, "a settlement without a price is void", priced ? 1 : 0, 1);
    expect(story, "settlement price", price, bet->settle_price_e4);
    const bool won = price >= bet->lo_e4 && price < bet->hi_e4;
    expect(story, "won", won ? 1 : 0, bet->state == BET_WON ? 1 : 0);
    expect(story, "paid", won ? bet->payout_micro : 0, bet->paid_micro);
}

/* --- The replay.
 * ----------------------------------------------------------------------------------- */

static enum status before_record(void *context, struct applier *applier,
                                 const struct journal_record *record)
{
    struct telling *telling = context;
    bug_trap_note(record->seq);
    memcpy(telling->digest_before, applier_digest(applier), HASH_BYTES);
    telling->changed_count = 0;
    return STATUS_OK;
}

static void add_steps(struct telling *telling)
{
    struct explain *story = telling->story;
    const struct input *input = applier_input(telling->applier);
    for (size_t i = 0; i < telling->changed_count; i++) {
        if (story->step_count == EXPLAIN_STEPS_MAX) {
            return;
        }
        struct explain_step *step = &story->steps[story->step_count];
        step->name = telling->changed[i];
        step->seq = input->seq;
        step->time_ms = input->time_ms;
        memcpy(step->digest_before, telling->digest_before, HASH_BYTES);
        memcpy(step->digest_after, applier_digest(telling->applier), HASH_BYTES);
        story->step_count += 1;
    }
}

/* After the record that priced the bet the state still holds what it was priced with: volatility
 * and the tick come before pricing in the step of a grid record. */
static enum status after_record(void *context, struct applier *applier,
                                const struct journal_record *record)
{
    struct telling *telling = context;
    struct explain *story = telling->story;
    (void)applier;
    add_steps(telling);
    if (story->made && story->bet.priced_seq == record->seq) {
        recompute_pricing(telling);
    }
    if (story->made && story->bet.settled_seq == record->seq) {
        recompute_settlement(story);
    }
    if (record->seq == story->id) {
        story->config = telling->config;
    }
    const bool over = story->made
                          ? story->bet.state != BET_ACCEPTED && story->bet.state != BET_CONFIRMED
                          : record->seq >= story->id;
    return over ? STATUS_END : STATUS_OK;
}

static enum status replay(struct telling *telling, char *text)
{
    struct progress progress;
    progress_start(&progress, "explain");
    const struct event_sink sink = {telling, take_event, take_posting};
    const struct replay_options options = {
        .context = telling,
        .sink = &sink,
        .before = before_record,
        .after = after_record,
        .progress_context = &progress,
        .progress = progress_update,
    };
    struct replay_result result;
    const enum status status = replay_run(telling->applier, telling->data_dir, &options, &result);
    progress_finish(&progress);
    snprintf(text, 512, "%s", result.problem);
    return status;
}

enum status explain_run(const char *data_dir, uint64_t id, struct explain *explain, char *text)
{
    *explain = (struct explain){.id = id};
    text[0] = '\0';
    enum status status = find_tap(data_dir, explain, text);
    if (status != STATUS_OK) {
        return status;
    }
    struct telling telling = {.story = explain, .data_dir = data_dir};
    status = applier_open(NULL, &telling.applier);
    if (status != STATUS_OK) {
        return status;
    }
    status = replay(&telling, text);
    memcpy(explain->market, explain->config.market, sizeof explain->market);
    applier_free(telling.applier);
    return status;
}
