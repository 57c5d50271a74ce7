#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/check.h"
#include "journal/format.h"
#include "tools/bug_trap.h"
#include "tools/commands.h"
#include "tools/serve/engine_private.h"

#define OVERLOADED_RETRY_MS 200

/* --- In flight: taps that are sequenced and not yet applied, by account and nonce. --- */

static uint32_t in_flight_bucket(const struct tap *tap)
{
    /* The nonce is the player's choice and may be anything; the address is mixed in. This is no
     * state: a bad spread costs time, never a result. */
    const uint64_t mixed = (load_u64(tap->nonce) ^ load_u64(tap->nonce + 8) * 0x9e3779b97f4a7c15u ^
                            load_u64(tap->account) * 0xc2b2ae3d27d4eb4fu) *
                           0x9e3779b97f4a7c15u;
    return (uint32_t)(mixed >> 40) & (IN_FLIGHT_BUCKETS - 1);
}

static bool is_in_flight(const struct engine *engine, const struct tap *tap)
{
    const struct engine_request *request = engine->in_flight[in_flight_bucket(tap)];
    for (; request != NULL; request = request->next_in_flight) {
        const struct tap *other = &request->tap.tap;
        if (memcmp(other->nonce, tap->nonce, NONCE_BYTES) == 0 &&
            memcmp(other->account, tap->account, ADDRESS_BYTES) == 0) {
            return true;
        }
    }
    return false;
}

static void in_flight_add(struct engine *engine, struct engine_request *request)
{
    struct engine_request **bucket = &engine->in_flight[in_flight_bucket(&request->tap.tap)];
    request->next_in_flight = *bucket;
    *bucket = request;
}

static void in_flight_remove(struct engine *engine, struct engine_request *request)
{
    struct engine_request **link = &engine->in_flight[in_flight_bucket(&request->tap.tap)];
    while (*link != request) {
        CHECK(*link != NULL);
        link = &(*link)->next_in_flight;
    }
    *link = request->next_in_flight;
}

/* --- Taking requests. --- */

static void refuse(struct engine *engine, struct engine_request *request, enum refusal_code code,
                   const char *message, const struct refusal_extras *extras)
{
    request->answer = (struct engine_answer){.kind = ANSWER_REFUSED};
    refusal_set(&request->answer.refusal, code, message == NULL ? NULL : "%s", message);
    if (extras != NULL) {
        request->answer.extras = *extras;
    }
    request_list_push(&engine->answered, request);
}

static void refuse_overloaded(struct engine *engine, struct engine_request *request,
                              const char *message)
{
    const struct refusal_extras extras = {.retry_after_ms = OVERLOADED_RETRY_MS};
    refuse(engine, request, REFUSAL_OVERLOADED, message, &extras);
}

/* Gives the request a seq; it then waits in `pending` for its record to be applied. */
static void sequence(struct engine *engine, struct engine_request *request, struct input *input,
                     int64_t now_ms)
{
    const enum status status = sequencer_put(&engine->sequencer, now_ms, input);
    if (status == STATUS_OK) {
        request->pending_seq = input->seq;
        request_list_push(&engine->pending, request);
        if (request->kind == ENGINE_TAP) {
            in_flight_add(engine, request);
        }
        return;
    }
    if (status == STATUS_INVALID) {
        refuse(engine, request, REFUSAL_BAD_REQUEST, "a text is too long for a journal record",
               NULL);
    } else if (status == STATUS_CLOSED) {
        refuse(engine, request, REFUSAL_INTERNAL, NULL, NULL);
    } else {
        refuse_overloaded(engine, request, NULL);
    }
}

/* The order of interface.md section 3: known nonce, DRAINING, then the rules. True when the tap may
 * be sequenced; else it was answered. */
static bool tap_may_pass(struct engine *engine, struct engine_request *request, int64_t now_ms)
{
    const struct machine *machine = applier_machine(engine->options.applier);
    struct tap_check check = machine_check_tap(machine, &request->tap.tap, now_ms, true);
    if (check.outcome == TAP_REPEATED) {
        request->answer = (struct engine_answer){.kind = ANSWER_KNOWN, .bet = check.bet};
        request_list_push(&engine->answered, request);
        return false;
    }
    if (check.outcome == TAP_WOULD_BET && atomic_load(&engine->draining)) {
        refuse(engine, request, REFUSAL_DRAINING, NULL, NULL);
        return false;
    }
    if (check.outcome == TAP_WOULD_BET) {
        check = machine_check_tap(machine, &request->tap.tap, now_ms, false);
    }
    if (check.outcome == TAP_REFUSED) {
        const struct refusal_extras extras = {
            .time_ms = check.reason == REASON_TIME_SKEW ? now_ms : 0,
            .retry_after_ms = check.reason == REASON_OVERLOADED ? OVERLOADED_RETRY_MS : 0,
        };
        refuse(engine, request, refusal_of_reason(check.reason), NULL, &extras);
        return false;
    }
    if (!journal_has_room(engine->options.journal)) {
        refuse_overloaded(engine, request,
                          "the journal's disk is nearly full, no bets are taken until the operator "
                          "has freed space");
        return false;
    }
    return true;
}

static void copy_bet(void *context, const struct bet *bet)
{
    struct engine_answer *answer = context;
    answer->bets[answer->bet_count++] = *bet;
}

/* A read that must agree with the events that follow it, so the engine answers it. */
static void show_account(struct engine *engine, struct engine_request *request)
{
    const struct machine *machine = applier_machine(engine->options.applier);
    struct engine_answer *answer = &request->answer;
    *answer = (struct engine_answer){.kind = ANSWER_ACCOUNT};
    answer->seq = applier_seq(engine->options.applier);
    answer->time_ms = applier_time_ms(engine->options.applier);
    machine_account(machine, request->tap.tap.account, &answer->account);
    answer->bets = calloc(answer->account.open_bets + 1u, sizeof(struct bet));
    if (answer->bets == NULL) {
        refuse_overloaded(engine, request, NULL);
        return;
    }
    machine_each_bet_of(machine, request->tap.tap.account, answer, copy_bet);
    request_list_push(&engine->answered, request);
}

/* A version that this program cannot apply must not come into the journal: nothing could go on
 * behind it. True when the request was answered. */
static bool refuse_unknown_rules(struct engine *engine, struct engine_request *request)
{
    const uint32_t version = request->input.of.rules_change.version;
    const uint32_t newest = machine_rules_newest();
    if (version <= newest) {
        return false;
    }
    char message[160];
    snprintf(message, sizeof(message),
             "rules: this program knows the rules up to version %u, not %u; start a newer program "
             "first",
             newest, version);
    refuse(engine, request, REFUSAL_BAD_REQUEST, message, NULL);
    return true;
}

void engine_take_request(struct engine *engine, struct engine_request *request)
{
    if (engine->failed) {
        refuse(engine, request, REFUSAL_INTERNAL, NULL, NULL);
        return;
    }
    if (request->kind == ENGINE_ACCOUNT) {
        show_account(engine, request);
        return;
    }
    if (engine->pending.count >= ENGINE_QUEUE_REQUESTS ||
        engine->backlog_count >= ENGINE_BACKLOG_MAX / 4) {
        refuse_overloaded(engine, request, NULL);
        return;
    }
    pthread_mutex_lock(&engine->lock);
    const bool stopped = engine->intake_stopped;
    pthread_mutex_unlock(&engine->lock);
    if (stopped) {
        refuse_overloaded(engine, request, engine->intake_reason);
        return;
    }
    int64_t now_ms = clock_now_ms(engine->options.clock);
    if (now_ms < engine->sequencer.last_time_ms) {
        now_ms = engine->sequencer.last_time_ms;
    }
    if (request->kind == ENGINE_RULES && refuse_unknown_rules(engine, request)) {
        return;
    }
    if (request->kind != ENGINE_TAP) {
        sequence(engine, request, &request->input, now_ms);
        return;
    }
    if (is_in_flight(engine, &request->tap.tap)) {
        request_list_push(&engine->parked, request);
        return;
    }
    if (tap_may_pass(engine, request, now_ms)) {
        engine->input.kind = INPUT_TAP;
        engine->input.of.tap = request->tap.tap;
        sequence(engine, request, &engine->input, now_ms);
    }
}

bool engine_take_grid(struct engine *engine, const struct grid_record *grid)
{
    if (grid->has_tick) {
        engine->input.kind = INPUT_PRICE_TICK;
        engine->input.of.price_tick = grid->tick;
    } else {
        engine->input.kind = INPUT_CLOCK_TICK;
        engine->input.of.clock_grid_ms = grid->grid_ms;
    }
    /* Closed: nothing is recorded any more, and the failure is on its way. */
    return sequencer_put(&engine->sequencer, grid->now_ms, &engine->input) != STATUS_FULL;
}

void engine_attest(struct engine *engine)
{
    const uint64_t seq = applier_seq(engine->options.applier);
    const int64_t now_ms = clock_now_ms(engine->options.clock);
    if (seq == engine->attested_seq || now_ms - engine->attested_ms < ENGINE_ATTEST_MS) {
        return;
    }
    engine->input.kind = INPUT_ATTEST;
    engine->input.of.attest.of_seq = seq;
    memcpy(engine->input.of.attest.digest, applier_digest(engine->options.applier), HASH_BYTES);
    if (sequencer_put(&engine->sequencer, now_ms, &engine->input) == STATUS_OK) {
        engine->attested_ms = now_ms;
        engine->attested_seq = engine->input.seq; /* an attest alone needs no attest */
    }
}

/* --- Applying. --- */

static void note_bet(struct verdict *verdict, const struct bet *bet)
{
    if (bet->bet != verdict->seq) {
        return; /* another bet that this record priced or settled */
    }
    verdict->kind = bet->state == BET_REJECTED ? ANSWER_REFUSED : ANSWER_BET;
    verdict->bet = bet->bet;
    verdict->state = bet->state;
    verdict->reason = bet->reason;
}

static void note_event(struct engine *engine, const struct event *event)
{
    struct verdict *verdict = &engine->verdict;
    switch (event->kind) {
    case EVENT_BET_ACCEPTED:
    case EVENT_BET_CONFIRMED:
    case EVENT_BET_REJECTED:
        note_bet(verdict, event->of.bet);
        break;
    case EVENT_TAP_REFUSED:
        verdict->kind = ANSWER_REFUSED;
        verdict->reason = event->of.tap.reason;
        break;
    case EVENT_TAP_REPEATED:
        verdict->kind = ANSWER_KNOWN;
        verdict->bet = event->of.tap.bet;
        break;
    case EVENT_TRANSFER_APPLIED:
    case EVENT_TRANSFER_REPEATED:
        verdict->kind = ANSWER_APPLIED;
        verdict->applied_seq = event->of.transfer.first_seq;
        break;
    case EVENT_TRANSFER_REFUSED:
        verdict->kind = ANSWER_REFUSED;
        verdict->reason = event->of.transfer.reason;
        if (verdict->reason == REASON_NONCE_REUSED) { /* the code's own words speak of a tap */
            verdict->problem = "this reference was used for another transfer; choose a new one";
        }
        break;
    case EVENT_CONFIG:
        verdict->kind = ANSWER_APPLIED;
        verdict->applied_seq = verdict->seq;
        verdict->epoch = event->of.config.epoch;
        engine->grid_changed = true;
        break;
    case EVENT_RULES:
        verdict->kind = ANSWER_APPLIED;
        verdict->applied_seq = verdict->seq;
        break;
    case EVENT_CONFIG_REFUSED:
    case EVENT_RULES_REFUSED:
        verdict->kind = ANSWER_REFUSED;
        verdict->reason = event->of.refusal.reason;
        verdict->problem = event->of.refusal.problem;
        break;
    case EVENT_TICK:
        engine->grid_changed = true;
        break;
    case EVENT_ACCOUNT_OPENED:
    case EVENT_BET_SETTLED:
    case EVENT_COLUMN_SETTLED:
    case EVENT_TICK_IGNORED:
    case EVENT_BREAKER:
    case EVENT_START:
    case EVENT_RECOVERY:
        break;
    }
}

static void on_event(void *context, const struct event *event)
{
    struct engine *engine = context;
    note_event(engine, event);
    engine->outbox_sink.event(engine->outbox_sink.context, event);
}

static void on_posting(void *context, const struct posting *posting)
{
    struct engine *engine = context;
    engine->outbox_sink.posting(engine->outbox_sink.context, posting);
}

/* Fills the answer of the request whose record was just applied. */
static void answer_from_verdict(struct engine *engine, struct engine_request *request)
{
    const struct verdict *verdict = &engine->verdict;
    struct engine_answer *answer = &request->answer;
    *answer = (struct engine_answer){.kind = verdict->kind, .bet = verdict->bet};
    switch (verdict->kind) {
    case ANSWER_REFUSED:
        refusal_set(&answer->refusal, refusal_of_reason(verdict->reason),
                    verdict->problem == NULL ? NULL : "%s", verdict->problem);
        if (verdict->bet != 0) {
            answer->extras.bet = verdict->bet;
            answer->extras.seq = verdict->seq;
        }
        if (verdict->reason == REASON_TIME_SKEW) {
            answer->extras.time_ms = applier_time_ms(engine->options.applier);
        }
        if (verdict->reason == REASON_OVERLOADED) {
            answer->extras.retry_after_ms = OVERLOADED_RETRY_MS;
        }
        break;
    case ANSWER_BET:
        answer->seq = verdict->seq;
        answer->state = verdict->state;
        break;
    case ANSWER_KNOWN:
    case ANSWER_ACCOUNT:
        break;
    case ANSWER_APPLIED:
        answer->seq = verdict->applied_seq;
        answer->epoch = verdict->epoch;
        if (request->kind == ENGINE_TRANSFER) {
            struct account_view view;
            machine_account(applier_machine(engine->options.applier),
                            request->input.of.transfer.account, &view);
            answer->available_micro = view.available_micro;
        }
        break;
    }
}

/* Applies one record; what waits for it is answered. False when the state parts from the journal.
 */
static bool apply_record(struct engine *engine, struct outbox *outbox, uint64_t seq,
                         const uint8_t *record, size_t length, struct engine_update *update)
{
    struct applier *applier = engine->options.applier;
    const struct input *input;
    if (applier_decode(applier, seq, record, length, &input) != STATUS_OK) {
        return false;
    }
    engine->verdict = (struct verdict){.seq = seq, .kind = ANSWER_REFUSED};
    outbox_begin_record(outbox, seq, input->time_ms);
    const struct event_sink sink = {engine, on_event, on_posting};
    bug_trap_note(seq);
    const enum status status = applier_step(applier, &sink);
    bug_trap_note(0);
    if (status != STATUS_OK) {
        return false;
    }
    if (input->kind == INPUT_RULES_CHANGE) {
        journal_set_rules(engine->options.journal, machine_rules(applier_machine(applier)));
        sequencer_go_on(&engine->sequencer);
    }
    struct engine_request *request = engine->pending.first;
    if (request != NULL && request->pending_seq == seq) {
        (void)request_list_pop(&engine->pending);
        if (request->kind == ENGINE_TAP) {
            in_flight_remove(engine, request);
        }
        answer_from_verdict(engine, request);
        request->next = update->answered; /* reversed; the order of answers is of no meaning */
        update->answered = request;
    }
    return true;
}

static struct engine_update *new_update(struct engine *engine)
{
    struct engine_update *update = calloc(1, sizeof(*update));
    CHECK(update != NULL); /* a few hundred bytes; without them nothing can be told any more */
    const struct machine *machine = applier_machine(engine->options.applier);
    machine_market(machine, &update->market);
    if (machine_config(machine) != NULL) {
        update->config = *machine_config(machine);
    }
    memcpy(update->digest, applier_digest(engine->options.applier), HASH_BYTES);
    if (engine->grid_changed) {
        update->grid = malloc(sizeof(*update->grid));
        if (update->grid != NULL) {
            machine_grid(machine, update->grid);
            engine->grid_changed = false;
        }
    }
    return update;
}

static void queue_update(struct engine *engine, struct engine_update *update, struct outbox *outbox)
{
    CHECK(engine->backlog_count < ENGINE_BACKLOG_MAX);
    engine->backlog[(engine->backlog_head + engine->backlog_count) % ENGINE_BACKLOG_MAX] =
        (struct backlog_entry){update, outbox};
    engine->backlog_count += 1;
}

/* Requests whose answers must not leave, as the state they speak of is not the journal's. */
static void refuse_unknown(struct engine *engine, struct engine_request *request)
{
    while (request != NULL) {
        struct engine_request *next = request->next;
        refuse(engine, request, REFUSAL_INTERNAL, NULL, NULL);
        request = next;
    }
}

void engine_apply(struct engine *engine, const struct durable *durable)
{
    struct outbox *outbox = outbox_new();
    CHECK(outbox != NULL);
    engine->outbox_sink = outbox_sink(outbox);
    struct engine_update answers = {0};
    const uint8_t *at = durable->records;
    for (uint32_t i = 0; i < durable->count; i++) {
        const uint32_t length = load_u16(at);
        at += FORMAT_RECORD_LENGTH_BYTES;
        if (!apply_record(engine, outbox, durable->first_seq + i, at, length, &answers)) {
            const struct applier_report *report = applier_report(engine->options.applier);
            outbox_release(outbox);
            refuse_unknown(engine, answers.answered);
            engine_fail(engine, EXIT_BUG, report->reason);
            return;
        }
        at += length;
    }
    CHECK(at == durable->records + durable->bytes);
    CHECK(outbox_seal(outbox, applier_digest(engine->options.applier)) == STATUS_OK);
    atomic_store(&engine->applied_seq, applier_seq(engine->options.applier));

    struct engine_update *update = new_update(engine);
    update->answered = answers.answered;
    update->outbox = outbox_retain(outbox);
    update->sync_ns = durable->sync_ns;
    update->batch_records = durable->count;
    queue_update(engine, update, outbox);
}

void engine_flush_answers(struct engine *engine)
{
    if (engine->answered.count == 0 || engine->backlog_count >= ENGINE_BACKLOG_MAX) {
        return;
    }
    struct engine_update *update = new_update(engine);
    update->answered = engine->answered.first;
    engine->answered = (struct request_list){0};
    queue_update(engine, update, NULL);
}

void engine_send_backlog(struct engine *engine)
{
    while (engine->backlog_count > 0) {
        struct backlog_entry *entry = &engine->backlog[engine->backlog_head];
        if (entry->outbox != NULL) {
            if (!engine->options.on_outbox(engine->options.context, entry->outbox)) {
                return;
            }
            outbox_release(entry->outbox);
            entry->outbox = NULL;
        }
        if (!engine->options.on_update(engine->options.context, entry->update)) {
            return;
        }
        engine->backlog_head = (engine->backlog_head + 1) % ENGINE_BACKLOG_MAX;
        engine->backlog_count -= 1;
    }
}

void engine_fail(struct engine *engine, int exit_code, const char *reason)
{
    engine->failed = true;
    struct request_list *lists[] = {&engine->pending, &engine->parked};
    for (size_t i = 0; i < 2; i++) {
        for (struct engine_request *request; (request = request_list_pop(lists[i])) != NULL;) {
            refuse(engine, request, REFUSAL_INTERNAL, NULL, NULL);
        }
    }
    memset(engine->in_flight, 0, sizeof(engine->in_flight));
    engine->held_count = 0; /* no grid record is written any more */
    engine->options.on_failed(engine->options.context, exit_code, reason);
}
