#include "statemachine/machine.h"

#include "base/check.h"
#include "statemachine/arena.h"
#include "statemachine/limits.h"
#include "statemachine/pricing.h"
#include "statemachine/saturate.h"
#include "statemachine/settle.h"
#include "statemachine/state.h"
#include "statemachine/tap.h"

#define SPREAD_PER_UNIT 1000 /* spread * 10000 > 10 * price, both sides by 10 */

void step_event(struct step *step, const struct event *event)
{
    if (step->sink != NULL && step->sink->event != NULL) {
        step->sink->event(step->sink->context, event);
    }
}

size_t machine_bytes(const struct machine_limits *limits)
{
    struct machine measured;
    return arena_lay_out(&measured, NULL, limits);
}

struct machine *machine_init(void *arena, const struct machine_limits *limits)
{
    CHECK((uintptr_t)arena % ARENA_ALIGNMENT == 0);
    CHECK(limits_are_possible(limits));
    struct machine *machine = arena;
    machine->arena = *limits;
    machine->rules = rules_of(RULES_FIRST_VERSION);
    (void)arena_lay_out(machine, arena,
                        limits); /* the size is machine_bytes, known to the caller */
    struct machine_limits standard;
    machine_default_limits(&standard);
    limits_put(machine, &standard);
    return machine;
}

static void begin_market(struct machine *machine, const struct config *config)
{
    machine->breaker.state = BREAKER_DEGRADED;
    machine->volatility.fast_q64 = (uint64_t)config->vol_fast_start;
    machine->volatility.slow_q64 = (uint64_t)config->vol_slow_start;
    machine->grid.band_e4_before = config->band_e4;
    machine->grid.band_e4_oldest = config->band_e4;
}

static void refuse_config(struct step *step, enum reason reason, const char *problem)
{
    const struct event event = {
        .kind = EVENT_CONFIG_REFUSED,
        .of.refusal = {.reason = reason, .problem = problem},
    };
    step_event(step, &event);
}

static void apply_config(struct step *step, const struct config_change *change)
{
    struct machine *machine = step->machine;
    const bool first = machine->epoch == 0;
    struct config base;
    config_defaults(&base);
    struct config next;
    config_merge(first ? &base : &machine->config, change, &next);
    const char *problem = (uint64_t)change->given >> CONFIG_KEY_COUNT != 0 ? "unknown key" : NULL;
    if (problem == NULL) {
        problem = config_problem(&next);
    }
    if (problem == NULL && !first) {
        problem = config_fixed_problem(&machine->config, &next);
    }
    if (problem != NULL) {
        refuse_config(step, REASON_BAD_REQUEST, problem);
        return;
    }
    if (!first && next.band_e4 != machine->config.band_e4 &&
        step->time_ms < machine->grid.band_e4_from) {
        refuse_config(step, REASON_TOO_EARLY, "band_e4: the last change has not taken effect yet");
        return;
    }
    if (first) {
        begin_market(machine, &next);
    } else {
        grid_change(&machine->grid, &machine->config, &next, step->time_ms);
    }
    machine->config = next;
    machine->epoch += 1;
    const struct event event = {
        .kind = EVENT_CONFIG,
        .of.config = {.epoch = machine->epoch,
                      .band_e4_from = machine->grid.band_e4_from,
                      .band_e4_before = machine->grid.band_e4_before,
                      .config = &machine->config},
    };
    step_event(step, &event);
    pricing_reject_all(step);
}

/* A grid record, with a price or without; its price, sources, spread and set as they count. */
struct grid_record {
    int64_t grid_ms;
    int64_t price_e4; /* 0: a ClockTick, or a PriceTick that counts as one */
    int64_t spread_e4;
    uint32_t sources;
    uint32_t set;
};

static struct grid_record read_price_tick(const struct config *config,
                                          const struct price_tick *tick)
{
    struct grid_record record = {.grid_ms = tick->grid_ms};
    const bool valid = tick->price_e4 >= 1 && tick->price_e4 <= TICK_PRICE_MAX_E4 &&
                       (int64_t)tick->sources >= config->quorum &&
                       tick->spread_e4 <= tick->price_e4 / SPREAD_PER_UNIT;
    if (valid) {
        record.price_e4 = tick->price_e4;
        record.spread_e4 = tick->spread_e4;
        record.sources = tick->sources;
        record.set = tick->set;
    }
    return record;
}

static bool takes_effect(const struct machine *machine, int64_t grid_ms, int64_t time_ms)
{
    return machine->epoch != 0 && grid_ms > ticks_last_ms(&machine->ticks) && grid_ms <= time_ms &&
           grid_ms % machine->config.tick_ms == 0;
}

static void tell_tick(struct step *step, enum event_kind kind, const struct grid_record *record)
{
    const struct event event = {
        .kind = kind,
        .of.tick = {.grid_ms = record->grid_ms,
                    .price_e4 = record->price_e4,
                    .spread_e4 = record->spread_e4,
                    .sources = record->sources,
                    .set = record->set},
    };
    step_event(step, &event);
}

static void step_breaker(struct step *step, const struct grid_record *record)
{
    struct machine *machine = step->machine;
    const enum breaker_state from = machine->breaker.state;
    breaker_step(&machine->breaker, &machine->config, record->grid_ms, record->price_e4 > 0);
    if (machine->breaker.state != from) {
        const struct event event = {
            .kind = EVENT_BREAKER,
            .of.breaker = {.from = from, .to = machine->breaker.state},
        };
        step_event(step, &event);
    }
}

static void step_volatility(struct machine *machine, const struct grid_record *record)
{
    if (record->price_e4 == 0 || record->grid_ms % VOLATILITY_SAMPLE_MS != 0) {
        return;
    }
    const struct tick *before = ticks_find(&machine->ticks, record->grid_ms - VOLATILITY_SAMPLE_MS);
    if (before != NULL && before->price_e4 > 0) {
        volatility_sample(&machine->volatility, before->price_e4, record->price_e4);
    }
}

/* The step of a grid record (rules.md section 3), in that order. */
static void apply_grid_record(struct step *step, const struct grid_record *record)
{
    struct machine *machine = step->machine;
    if (!takes_effect(machine, record->grid_ms, step->time_ms)) {
        tell_tick(step, EVENT_TICK_IGNORED, record);
        return;
    }
    step_breaker(step, record);
    const struct tick tick = {
        .grid_ms = record->grid_ms,
        .price_e4 = record->price_e4,
        .sources = record->sources,
        .set = record->set,
    };
    ticks_store(&machine->ticks, &tick);
    tell_tick(step, EVENT_TICK, record);
    step_volatility(machine, record);
    settle_columns(step, record->grid_ms);
    pricing_due(step, record->grid_ms, record->price_e4);
    nonces_expire(&machine->nonces, step->time_ms);
}

static void apply_start(struct step *step, const struct start *start)
{
    limits_change(step->machine, &start->limits);
    const struct event event = {.kind = EVENT_START};
    step_event(step, &event);
}

/* In force from the next record on. There is no way back: a bet's rules are read off its seq. */
static void apply_rules_change(struct step *step, const struct rules_change *change)
{
    struct machine *machine = step->machine;
    const uint32_t from = machine->rules->version;
    if (change->version <= from) {
        const struct event refused = {
            .kind = EVENT_RULES_REFUSED,
            .of.refusal = {.reason = REASON_BAD_REQUEST,
                           .problem = "rules: the version is not above the one in force"},
        };
        step_event(step, &refused);
        return;
    }
    machine->rules = rules_of(change->version);
    const struct event event = {
        .kind = EVENT_RULES,
        .of.rules = {.from = from, .to = change->version},
    };
    step_event(step, &event);
}

static void apply_recovery(struct step *step, const struct recovery *recovery)
{
    const struct event event = {
        .kind = EVENT_RECOVERY,
        .of.recovery = {.kept_to = recovery->kept_to, .lost_to = recovery->lost_to},
    };
    step_event(step, &event);
}

static void dispatch(struct step *step, const struct input *input)
{
    switch (input->kind) {
    case INPUT_CONFIG:
        apply_config(step, &input->of.config);
        return;
    case INPUT_PRICE_TICK: {
        const struct grid_record record =
            read_price_tick(&step->machine->config, &input->of.price_tick);
        apply_grid_record(step, &record);
        return;
    }
    case INPUT_CLOCK_TICK: {
        const struct grid_record record = {.grid_ms = input->of.clock_grid_ms};
        apply_grid_record(step, &record);
        return;
    }
    case INPUT_TAP:
        tap_apply(step, &input->of.tap);
        return;
    case INPUT_DEPOSIT:
        transfer_apply(step, REF_DEPOSIT, &input->of.transfer);
        return;
    case INPUT_WITHDRAWAL:
        transfer_apply(step, REF_WITHDRAWAL, &input->of.transfer);
        return;
    case INPUT_HOUSE_DEPOSIT:
        transfer_apply(step, REF_HOUSE_DEPOSIT, &input->of.transfer);
        return;
    case INPUT_HOUSE_WITHDRAWAL:
        transfer_apply(step, REF_HOUSE_WITHDRAWAL, &input->of.transfer);
        return;
    case INPUT_GOODWILL:
        transfer_apply(step, REF_GOODWILL, &input->of.transfer);
        return;
    case INPUT_ATTEST:
        return; /* speaks about the state, to whoever compares digests */
    case INPUT_START:
        apply_start(step, &input->of.start);
        return;
    case INPUT_RULES_CHANGE:
        apply_rules_change(step, &input->of.rules_change);
        return;
    case INPUT_RECOVERY:
        apply_recovery(step, &input->of.recovery);
        return;
    }
}

enum status machine_can_apply(const struct machine *machine, const struct input *input)
{
    if (input->kind == INPUT_RULES_CHANGE) {
        /* A version below the one in force is refused in the open; version 0 is one of those. */
        return input->of.rules_change.version <= rules_newest() ? STATUS_OK : STATUS_VERSION;
    }
    if (input->kind == INPUT_START) {
        return limits_fit(machine, &input->of.start.limits) ? STATUS_OK : STATUS_FULL;
    }
    return limits_leave_room(machine, input->kind) ? STATUS_OK : STATUS_FULL;
}

uint32_t machine_rules(const struct machine *machine)
{
    return machine->rules->version;
}

uint32_t machine_rules_newest(void)
{
    return rules_newest();
}

void machine_apply(struct machine *machine, const struct input *input,
                   const struct event_sink *sink)
{
    CHECK(input->seq == machine->seq + 1);
    CHECK(machine->seq == 0 || input->time_ms >= machine->time_ms);
    CHECK(machine_can_apply(machine, input) == STATUS_OK);
    machine->seq = input->seq;
    machine->time_ms = input->time_ms;
    struct step step = {
        .machine = machine,
        .sink = sink,
        .seq = input->seq,
        .time_ms = input->time_ms,
    };
    dispatch(&step, input);
}

void machine_prefetch(const struct machine *machine, const struct tap *tap,
                      enum machine_distance distance)
{
    switch (distance) {
    case MACHINE_FAR:
        nonces_prefetch(&machine->nonces, tap);
        accounts_prefetch(&machine->accounts, tap->account);
        return;
    case MACHINE_MIDDLE:
        accounts_prefetch_record(&machine->accounts, tap->account);
        return;
    case MACHINE_NEAR: {
        const uint32_t user_id = accounts_find(&machine->accounts, tap->account);
        positions_prefetch_taken(&machine->positions, &machine->accounts.records[user_id], user_id,
                                 tap->column_ms, tap->band);
        return;
    }
    }
}
