#include "tools/bench/fill_engine.h"

#include <string.h>

#include "base/check.h"
#include "journal/codec.h"

#define PROGRESS_EVERY 4096

static void count_settled(struct fill_counts *counts, const struct bet *bet)
{
    counts->won += bet->state == BET_WON ? 1 : 0;
    counts->lost += bet->state == BET_LOST ? 1 : 0;
    counts->cancelled += bet->state == BET_VOID ? 1 : 0;
}

static void on_event(void *context, const struct event *event)
{
    struct fill_counts *counts = context;
    switch (event->kind) {
    case EVENT_BET_ACCEPTED:
        counts->accepted += 1;
        break;
    case EVENT_BET_CONFIRMED:
        counts->confirmed += 1;
        break;
    case EVENT_BET_REJECTED:
        *(event->of.bet->accepted_seq == 0 ? &counts->refused : &counts->rejected) += 1;
        break;
    case EVENT_BET_SETTLED:
        count_settled(counts, event->of.bet);
        break;
    case EVENT_TAP_REFUSED:
    case EVENT_TAP_REPEATED:
        counts->no_bet += 1;
        break;
    case EVENT_TRANSFER_APPLIED:
        counts->transfers += 1;
        break;
    case EVENT_TRANSFER_REFUSED:
        counts->transfers_refused += 1;
        break;
    case EVENT_TICK:
        counts->ticks += 1;
        break;
    case EVENT_CONFIG:
        counts->epochs += 1;
        break;
    case EVENT_START:
        counts->starts += 1;
        break;
    case EVENT_CONFIG_REFUSED:
    case EVENT_ACCOUNT_OPENED:
    case EVENT_TRANSFER_REPEATED:
    case EVENT_COLUMN_SETTLED:
    case EVENT_TICK_IGNORED:
    case EVENT_RULES:
    case EVENT_RULES_REFUSED:
    case EVENT_RECOVERY:
    case EVENT_BREAKER:
        break;
    }
}

static void on_posting(void *context, const struct posting *posting)
{
    (void)context;
    (void)posting;
}

enum status fill_engine_open(struct fill_engine *engine, const struct fill_journal_options *options,
                             uint64_t records_max, struct fill_journal_result *result)
{
    *engine = (struct fill_engine){.records_max = records_max};
    enum status status = fill_journal_open(options, &engine->journal, result);
    if (status != STATUS_OK) {
        return status;
    }
    status = applier_open(NULL, &engine->applier);
    if (status != STATUS_OK) {
        (void)fill_journal_close(engine->journal, result); /* nothing was put */
        return status;
    }
    progress_start(&engine->progress, "fill");
    return STATUS_OK;
}

static bool put(struct fill_engine *engine, struct input *input, int64_t now_ms)
{
    const uint64_t seq = applier_seq(engine->applier) + 1;
    uint8_t *place = fill_journal_place(engine->journal);
    input->seq = seq;
    input->time_ms = now_ms;
    const size_t bytes = codec_encode(input, place, LIMIT_RECORD_BYTES);
    CHECK(bytes > 0); /* its texts are ours */
    engine->counts.taps += input->kind == INPUT_TAP ? 1 : 0;
    engine->counts.attests += input->kind == INPUT_ATTEST ? 1 : 0;
    engine->record_bytes += bytes;
    const struct event_sink sink = {&engine->counts, on_event, on_posting};
    CHECK(applier_apply(engine->applier, seq, place, bytes, &sink) == STATUS_OK);
    if (seq % PROGRESS_EVERY == 0) {
        progress_update(&engine->progress, seq, seq, engine->records_max);
    }
    return fill_journal_put(engine->journal, bytes) && seq < engine->records_max;
}

bool fill_engine_attest(struct fill_engine *engine, int64_t now_ms)
{
    struct input input = {.kind = INPUT_ATTEST,
                          .of.attest = {.of_seq = applier_seq(engine->applier)}};
    memcpy(input.of.attest.digest, applier_digest(engine->applier), HASH_BYTES);
    return put(engine, &input, now_ms);
}

bool fill_engine_put(struct fill_engine *engine, struct input *input, int64_t now_ms)
{
    const uint64_t seq = applier_seq(engine->applier);
    return seq > 0 && seq + 1 == engine->records_max ? fill_engine_attest(engine, now_ms)
                                                     : put(engine, input, now_ms);
}

const struct machine *fill_engine_machine(const struct fill_engine *engine)
{
    return applier_machine(engine->applier);
}

enum status fill_engine_close(struct fill_engine *engine, struct fill_journal_result *result,
                              const char **broken)
{
    const enum status status = fill_journal_close(engine->journal, result);
    progress_finish(&engine->progress);
    *broken = machine_invariant(applier_machine(engine->applier));
    applier_free(engine->applier);
    engine->applier = NULL;
    return status;
}
