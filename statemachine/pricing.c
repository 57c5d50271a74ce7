#include "statemachine/pricing.h"

#include <stddef.h>

#include "statemachine/bet.h"
#include "statemachine/ledger.h"
#include "statemachine/risk.h"
#include "statemachine/saturate.h"

#define PRICE_AGE_MAX_MS  1000 /* with delay 0: how old the latest valid tick may be */
#define PRICE_WAIT_MAX_MS 2000 /* with a delay: how long past it a bet waits for a valid tick */

#define MEASURED_COLUMNS                                                                           \
    16 /* more than are on offer by default; two in one slot only cost time                        \
        */

/* What pricing decided for a bet. */
struct verdict {
    enum reason reason; /* NONE: confirmed with what follows */
    int64_t band_e4;
    uint32_t mult_centi;
    int64_t payout_micro;
    int64_t set_aside_change_micro;
};

void pricing_input(const struct machine *machine, int64_t column_ms, int64_t band, int64_t band_e4,
                   int64_t tick_ms, int64_t price_e4, struct odds_input *input)
{
    *input = (struct odds_input){
        .price_e4 = price_e4,
        .v_fast_q64 = machine->volatility.fast_q64,
        .v_slow_q64 = machine->volatility.slow_q64,
        .tau_ms = saturating_subtract(column_ms, tick_ms),
        .edge_bp = machine->config.edge_bp,
        .skew_bp = machine->config.skew_bp,
        .cell_payout_micro = positions_cell_payouts(&machine->positions, column_ms, band),
        .cell_payout_max_micro = machine->config.cell_payout_max,
    };
    grid_bounds(band, band_e4, &input->lo_e4, &input->hi_e4);
}

/* What one tick measured of each column. The deviations depend on the tick and the column alone,
 * and their square roots cost more than all the rest of a price: a tick that prices hundreds of
 * bets takes them once a column. */
struct measured {
    int64_t column_ms[MEASURED_COLUMNS]; /* -1, never a column: none yet */
    struct odds odds[MEASURED_COLUMNS];
};

static void forget(struct measured *measured)
{
    for (size_t i = 0; i < MEASURED_COLUMNS; i++) {
        measured->column_ms[i] = -1;
    }
}

/* odds_price with the first half from `measured`; the tick must be the same for all of its life. */
static void price_cell(const struct odds_input *input, int64_t column_step_ms, int64_t column_ms,
                       struct measured *measured, struct odds *odds)
{
    const uint64_t slot = (uint64_t)(column_ms / column_step_ms) % MEASURED_COLUMNS;
    if (measured->column_ms[slot] != column_ms) {
        odds_measure(input, &measured->odds[slot]);
        measured->column_ms[slot] = column_ms;
    }
    *odds = measured->odds[slot];
    odds_price_measured(input, odds);
}

/* The checks of step 3 in their order, at a valid tick. */
static struct verdict decide(const struct machine *machine, const struct position *bet,
                             int64_t tick_ms, int64_t price_e4, struct measured *measured)
{
    const struct config *config = &machine->config;
    struct verdict verdict = {
        .band_e4 = grid_band_e4(&machine->grid, config, bet->column_ms),
    };
    if (machine->breaker.state != BREAKER_HEALTHY) {
        verdict.reason = REASON_BREAKER;
        return verdict;
    }
    if (saturating_subtract(bet->column_ms, tick_ms) < config->min_lead_ms) {
        verdict.reason = REASON_TOO_LATE;
        return verdict;
    }
    if (!grid_band_on_offer(config, bet->band, price_e4, verdict.band_e4)) {
        verdict.reason = REASON_CELL_CLOSED;
        return verdict;
    }
    struct odds_input input;
    struct odds odds;
    pricing_input(machine, bet->column_ms, bet->band, verdict.band_e4, tick_ms, price_e4, &input);
    price_cell(&input, config->column_ms, bet->column_ms, measured, &odds);
    if (!odds.offered) {
        verdict.reason = REASON_CELL_CLOSED;
        return verdict;
    }
    verdict.mult_centi = (uint32_t)odds.mult_centi;
    if ((int64_t)verdict.mult_centi < bet->min_mult_centi) {
        verdict.reason = REASON_PRICE_MOVED;
        return verdict;
    }
    verdict.payout_micro = rules_payout(machine->rules, bet->stake_micro, verdict.mult_centi);
    const struct risk_input risk = {
        .config = config,
        .bankroll_micro = machine->bankroll_micro,
        .column = positions_column(&machine->positions, config->column_ms, bet->column_ms),
        .cell_payouts_micro = input.cell_payout_micro,
        .stake_micro = bet->stake_micro,
        .payout_micro = verdict.payout_micro,
    };
    if (!risk_admits(&risk, &verdict.set_aside_change_micro)) {
        verdict.reason = REASON_EXPOSURE;
    }
    return verdict;
}

/* tick_ms and price_e4 are 0 when no tick decided it. */
static void reject(struct step *step, uint32_t number, enum reason reason, int64_t tick_ms,
                   int64_t price_e4)
{
    struct machine *machine = step->machine;
    struct position *position = &machine->positions.records[number];
    const uint32_t user_id = position->user_id;
    const struct ledger_ref ref = {.type = REF_BET_RELEASE, .id = position->bet};
    ledger_post_held(step, user_id, -position->stake_micro, &ref);
    ledger_post_available(step, user_id, position->stake_micro, &ref);

    struct bet bet;
    bet_describe(machine, position, &bet);
    bet.state = BET_REJECTED;
    bet.reason = reason;
    bet.priced_at_ms = step->time_ms;
    bet.priced_seq = step->seq;
    bet.tick_ms = tick_ms;
    bet.price_e4 = price_e4;
    positions_drop_waiting(&machine->positions, &machine->accounts.records[user_id], number);
    const struct event event = {.kind = EVENT_BET_REJECTED, .of.bet = &bet};
    step_event(step, &event);
}

static void confirm(struct step *step, uint32_t number, const struct verdict *verdict,
                    int64_t tick_ms, int64_t price_e4)
{
    struct machine *machine = step->machine;
    struct position *position = &machine->positions.records[number];
    position->mult_centi = verdict->mult_centi;
    position->payout_micro = verdict->payout_micro;
    position->priced_at_ms = step->time_ms;
    position->priced_seq = step->seq;
    position->tick_ms = tick_ms;
    position->price_e4 = price_e4;
    struct column *column;
    positions_confirm(&machine->positions, machine->config.column_ms, verdict->band_e4, number,
                      &column);

    const struct ledger_ref ref = {.type = REF_BET_CONFIRM, .id = position->bet};
    ledger_post_held(step, position->user_id, -position->stake_micro, &ref);
    ledger_post_escrow(step, column, position->stake_micro, &ref);
    ledger_post_bankroll(step, -verdict->set_aside_change_micro, &ref);
    ledger_post_reserved(step, column, verdict->set_aside_change_micro, &ref);

    struct bet bet;
    bet_describe(machine, position, &bet);
    const struct event event = {.kind = EVENT_BET_CONFIRMED, .of.bet = &bet};
    step_event(step, &event);
}

static void price(struct step *step, uint32_t number, int64_t tick_ms, int64_t price_e4,
                  struct measured *measured)
{
    const struct machine *machine = step->machine;
    const struct verdict verdict =
        decide(machine, &machine->positions.records[number], tick_ms, price_e4, measured);
    if (verdict.reason != REASON_NONE) {
        reject(step, number, verdict.reason, tick_ms, price_e4);
    } else {
        confirm(step, number, &verdict, tick_ms, price_e4);
    }
}

void pricing_at_once(struct step *step, uint32_t number)
{
    const struct ticks *ticks = &step->machine->ticks;
    if (ticks->valid_ms == 0 ||
        saturating_subtract(step->time_ms, ticks->valid_ms) > PRICE_AGE_MAX_MS) {
        reject(step, number, REASON_NO_PRICE, 0, 0);
        return;
    }
    struct measured measured;
    forget(&measured);
    price(step, number, ticks->valid_ms, ticks->valid_price_e4, &measured);
}

void pricing_due(struct step *step, int64_t grid_ms, int64_t price_e4)
{
    const struct machine *machine = step->machine;
    const int64_t delay_ms = machine->config.pricing_delay_ms;
    struct measured measured;
    forget(&measured);
    struct positions_ahead ahead;
    positions_ahead_begin(&ahead, &machine->positions, machine->accounts.records,
                          machine->positions.first_waiting, false);
    uint32_t number;
    /* The queue is in id order, hence in the order of acceptance: the first that is not due ends
     * it. */
    while ((number = machine->positions.first_waiting) != 0) {
        positions_ahead_step(&ahead, number);
        const int64_t due_ms =
            saturating_add(machine->positions.records[number].accepted_at_ms, delay_ms);
        if (grid_ms > saturating_add(due_ms, PRICE_WAIT_MAX_MS)) {
            reject(step, number, REASON_NO_PRICE, 0, 0);
        } else if (grid_ms >= due_ms && price_e4 > 0) {
            price(step, number, grid_ms, price_e4, &measured);
        } else {
            return;
        }
    }
}

void pricing_reject_all(struct step *step)
{
    const struct positions *positions = &step->machine->positions;
    while (positions->first_waiting != 0) {
        reject(step, positions->first_waiting, REASON_CONFIG_CHANGED, 0, 0);
    }
}
