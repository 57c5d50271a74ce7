#include "statemachine/bet.h"

#include <string.h>

#include "statemachine/state.h"

/* A running bet keeps the W its column had when it was confirmed. */
static int64_t band_width(const struct machine *machine, int64_t column_ms)
{
    const struct column *column =
        positions_column(&machine->positions, machine->config.column_ms, column_ms);
    return column != NULL ? column->band_e4
                          : grid_band_e4(&machine->grid, &machine->config, column_ms);
}

void bet_describe(const struct machine *machine, const struct position *position, struct bet *bet)
{
    *bet = (struct bet){
        .bet = position->bet,
        .user_id = position->user_id,
        .column_ms = position->column_ms,
        .band = position->band,
        .stake_micro = position->stake_micro,
        .min_mult_centi = position->min_mult_centi,
        .config = (int64_t)position->config,
        .session = position->session,
        .state = position->state,
        .mult_centi = position->mult_centi,
        .payout_micro = position->payout_micro,
        .accepted_at_ms = position->accepted_at_ms,
        .accepted_seq = position->bet,
        .priced_at_ms = position->priced_at_ms,
        .priced_seq = position->priced_seq,
        .tick_ms = position->tick_ms,
        .price_e4 = position->price_e4,
    };
    memcpy(bet->account, machine->accounts.records[position->user_id].address, ADDRESS_BYTES);
    memcpy(bet->nonce, position->nonce, NONCE_BYTES);
    grid_bounds(bet->band, band_width(machine, bet->column_ms), &bet->lo_e4, &bet->hi_e4);
}

void bet_describe_refused(const struct step *step, const struct tap *tap, uint64_t user_id,
                          enum reason reason, struct bet *bet)
{
    *bet = (struct bet){
        .bet = step->seq,
        .user_id = user_id,
        .column_ms = tap->column_ms,
        .band = tap->band,
        .stake_micro = tap->stake_micro,
        .min_mult_centi = tap->min_mult_centi,
        .config = tap->config,
        .session = tap->session,
        .state = BET_REJECTED,
        .reason = reason,
        .priced_at_ms = step->time_ms,
        .priced_seq = step->seq,
    };
    memcpy(bet->account, tap->account, ADDRESS_BYTES);
    memcpy(bet->nonce, tap->nonce, NONCE_BYTES);
    grid_bounds(bet->band, band_width(step->machine, bet->column_ms), &bet->lo_e4, &bet->hi_e4);
}
