#include <stddef.h>

#include "statemachine/bet.h"
#include "statemachine/machine.h"
#include "statemachine/pricing.h"
#include "statemachine/saturate.h"
#include "statemachine/state.h"
#include "statemachine/tap.h"

void machine_market(const struct machine *machine, struct market_view *view)
{
    int64_t reserved_micro = 0;
    for (uint32_t i = 0; i < POSITION_COLUMNS; i++) {
        reserved_micro += machine->positions.columns[i].reserved_micro;
    }
    const bool exists = machine->epoch != 0;
    *view = (struct market_view){
        .seq = machine->seq,
        .time_ms = machine->time_ms,
        .epoch = machine->epoch,
        .breaker = exists ? machine->breaker.state : BREAKER_DEGRADED,
        .breaker_since_ms = machine->breaker.since_ms,
        .last_tick_ms = machine->ticks.valid_ms,
        .last_price_e4 = machine->ticks.valid_price_e4,
        .last_grid_ms = ticks_last_ms(&machine->ticks),
        .samples = machine->volatility.samples,
        .warm = exists && machine->volatility.samples >= machine->config.vol_warmup,
        .open = exists && tap_is_open(machine, machine->time_ms),
        .bankroll_micro = machine->bankroll_micro,
        .reserved_micro = reserved_micro,
        .external_micro = machine->external_micro,
        .v_fast_q64 = machine->volatility.fast_q64,
        .v_slow_q64 = machine->volatility.slow_q64,
        .accounts = machine->accounts.count,
        .open_bets = machine->positions.open_count,
        .nonces = machine->nonces.count,
        .transfers = machine->transfers.count,
        .band_e4_from = machine->grid.band_e4_from,
        .band_e4_before = machine->grid.band_e4_before,
    };
}

const struct config *machine_config(const struct machine *machine)
{
    return machine->epoch == 0 ? NULL : &machine->config;
}

static struct account_view view_of(const struct machine *machine, uint32_t user_id)
{
    const struct account *account = &machine->accounts.records[user_id];
    return (struct account_view){
        .user_id = user_id,
        .available_micro = account->available_micro,
        .held_micro = account->held_micro,
        .open_bets = account->open_bets,
    };
}

void machine_account(const struct machine *machine, const uint8_t *address,
                     struct account_view *view)
{
    *view = view_of(machine, accounts_find(&machine->accounts, address));
}

void machine_each_account(const struct machine *machine, void *context,
                          void (*visit)(void *context, const uint8_t *address,
                                        const struct account_view *view))
{
    for (uint32_t user_id = 1; user_id <= machine->accounts.count; user_id++) {
        const struct account_view view = view_of(machine, user_id);
        visit(context, machine->accounts.records[user_id].address, &view);
    }
}

void machine_each_open_bet(const struct machine *machine, void *context,
                           void (*visit)(void *context, const struct bet *bet))
{
    const struct positions *positions = &machine->positions;
    for (uint32_t number = positions->first_open; number != 0;
         number = positions->records[number].open_next) {
        struct bet bet;
        bet_describe(machine, &positions->records[number], &bet);
        visit(context, &bet);
    }
}

void machine_each_bet_of(const struct machine *machine, const uint8_t *address, void *context,
                         void (*visit)(void *context, const struct bet *bet))
{
    const struct positions *positions = &machine->positions;
    const uint32_t user_id = accounts_find(&machine->accounts, address);
    for (uint32_t number = machine->accounts.records[user_id].first_open; number != 0;
         number = positions->records[number].account_next) {
        struct bet bet;
        bet_describe(machine, &positions->records[number], &bet);
        visit(context, &bet);
    }
}

bool machine_open_bet(const struct machine *machine, uint64_t id, struct bet *bet)
{
    const uint32_t number = positions_find(&machine->positions, id);
    if (number == 0) {
        return false;
    }
    bet_describe(machine, &machine->positions.records[number], bet);
    return true;
}

static void fill_cells(const struct machine *machine, struct column_view *column)
{
    const int64_t price_e4 = machine->ticks.valid_price_e4;
    const int64_t centre = grid_band_of(price_e4, column->band_e4);
    const int64_t reach = machine->config.bands / 2;
    struct odds odds;
    for (int64_t band = centre - reach; band <= centre + reach; band++) {
        struct odds_input input;
        pricing_input(machine, column->column_ms, band, column->band_e4, machine->ticks.valid_ms,
                      price_e4, &input);
        if (band == centre - reach) {
            odds_measure(&input, &odds); /* the same for all cells of the column */
        }
        odds_price_measured(&input, &odds);
        if (odds.offered) {
            column->cells[column->cell_count] = (struct cell_view){
                .band = band,
                .lo_e4 = input.lo_e4,
                .hi_e4 = input.hi_e4,
                .mult_centi = (uint32_t)odds.mult_centi,
            };
            column->cell_count += 1;
        }
    }
}

void machine_grid(const struct machine *machine, struct grid_view *view)
{
    view->seq = machine->seq;
    view->time_ms = machine->time_ms;
    view->epoch = machine->epoch;
    view->tick_ms = machine->ticks.valid_ms;
    view->price_e4 = machine->ticks.valid_price_e4;
    view->breaker = machine->epoch == 0 ? BREAKER_DEGRADED : machine->breaker.state;
    view->column_count = 0;
    if (machine->epoch == 0) {
        return;
    }
    const struct config *config = &machine->config;
    const int64_t ready_ms =
        saturating_add(machine->time_ms, config->pricing_delay_ms + config->min_lead_ms);
    int64_t column_ms = grid_boundary(config, machine->time_ms);
    for (int64_t i = 0; i < config->columns; i++) {
        column_ms = saturating_add(column_ms, config->column_ms);
        struct column_view *column = &view->columns[view->column_count];
        column->column_ms = column_ms;
        column->band_e4 = grid_band_e4(&machine->grid, config, column_ms);
        column->open = ready_ms <= column_ms;
        column->cell_count = 0;
        if (machine->ticks.valid_ms != 0) {
            fill_cells(machine, column);
        }
        view->column_count += 1;
    }
}
