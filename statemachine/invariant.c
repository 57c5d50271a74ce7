/* Every invariant of rules.md section 7 and of the tables, recomputed from the open bets. */
#include <stddef.h>
#include <string.h>

#include "base/money.h"
#include "statemachine/machine.h"
#include "statemachine/risk.h"
#include "statemachine/state.h"

static const char *check_account(const struct machine *machine, uint32_t user_id)
{
    const struct account *account = &machine->accounts.records[user_id];
    if (accounts_find(&machine->accounts, account->address) != user_id) {
        return "accounts: one is not found by its address";
    }
    if (account->available_micro < 0 || account->held_micro < 0) {
        return "accounts: a balance is below zero";
    }
    int64_t held_micro = 0;
    uint32_t bets = 0;
    uint32_t previous = 0;
    for (uint32_t number = account->first_open; number != 0;) {
        const struct position *bet = &machine->positions.records[number];
        if (bet->user_id != user_id || bet->account_previous != previous ||
            bets >= account->open_bets) {
            return "accounts: the chain of open bets is broken";
        }
        if (bet->state == BET_ACCEPTED && !money_add(held_micro, bet->stake_micro, &held_micro)) {
            return "accounts: held overflows";
        }
        bets += 1;
        previous = number;
        number = bet->account_next;
    }
    if (bets != account->open_bets) {
        return "accounts: open bets differ from their count";
    }
    return held_micro == account->held_micro ? NULL : "held is not the stakes of accepted bets";
}

static const char *check_open_bet(const struct machine *machine, uint32_t number)
{
    const struct positions *positions = &machine->positions;
    const struct position *bet = &positions->records[number];
    if (bet->state != BET_ACCEPTED && bet->state != BET_CONFIRMED) {
        return "bets: an open one is in a final state";
    }
    if (bet->user_id == 0 || bet->user_id > machine->accounts.count || bet->stake_micro < 1) {
        return "bets: one without account or stake";
    }
    if (positions_find(positions, bet->bet) != number) {
        return "bets: one is not found by its id";
    }
    if (!positions_taken(positions, bet->user_id, bet->column_ms, bet->band)) {
        return "bets: one is not found by its cell";
    }
    return NULL;
}

static const char *check_lists(const struct machine *machine, uint64_t *confirmed)
{
    const struct positions *positions = &machine->positions;
    uint64_t chained = 0;
    for (uint32_t user_id = 1; user_id <= machine->accounts.count; user_id++) {
        chained += machine->accounts.records[user_id].open_bets;
    }
    uint32_t listed = 0;
    uint32_t accepted = 0;
    uint64_t last_bet = 0;
    uint32_t waiting = positions->first_waiting;
    for (uint32_t number = positions->first_open; number != 0;
         number = positions->records[number].open_next) {
        const struct position *bet = &positions->records[number];
        if (bet->bet <= last_bet || listed >= positions->open_count) {
            return "bets: the list of open ones is out of order";
        }
        last_bet = bet->bet;
        listed += 1;
        const char *problem = check_open_bet(machine, number);
        if (problem != NULL) {
            return problem;
        }
        if (bet->state == BET_ACCEPTED) {
            if (waiting != number) {
                return "bets: the waiting queue is not the accepted ones in id order";
            }
            waiting = bet->queue_next;
            accepted += 1;
        }
    }
    if (listed != positions->open_count || chained != listed) {
        return "bets: open ones differ from their count";
    }
    if (waiting != 0 || accepted != positions->waiting_count) {
        return "bets: waiting ones differ from their count";
    }
    *confirmed = listed - accepted;
    return NULL;
}

/* The cells of a column: each holds exactly its bets, and the largest is known. */
static const char *check_cells(const struct machine *machine, const struct column *column)
{
    const struct positions *positions = &machine->positions;
    uint32_t bets = 0;
    int64_t largest_micro = 0;
    for (uint32_t number = column->first_cell; number != 0;
         number = positions->cells[number].column_next) {
        const struct cell *cell = &positions->cells[number];
        int64_t payouts_micro = 0;
        for (uint32_t of = cell->first; of != 0; of = positions->records[of].cell_next) {
            const struct position *bet = &positions->records[of];
            if (bet->column_ms != column->column_ms || bet->band != cell->band ||
                bet->state != BET_CONFIRMED || bets >= column->bets) {
                return "cells: one holds a bet that is not its own";
            }
            if (!money_add(payouts_micro, bet->payout_micro, &payouts_micro)) {
                return "cells: payouts overflow";
            }
            bets += 1;
        }
        if (payouts_micro != cell->payouts_micro || cell->column_ms != column->column_ms ||
            positions_cell_payouts(positions, cell->column_ms, cell->band) != payouts_micro) {
            return "cells: payouts are not those of the bets";
        }
        largest_micro = payouts_micro > largest_micro ? payouts_micro : largest_micro;
    }
    if (bets != column->bets) {
        return "cells: the column has bets in no cell";
    }
    return largest_micro == column->largest_micro ? NULL : "columns: the largest band differs";
}

static const char *check_column(const struct machine *machine, const struct column *column)
{
    int64_t stakes_micro = 0;
    uint32_t bets = 0;
    uint64_t last_bet = 0;
    uint32_t last = 0;
    for (uint32_t number = column->first; number != 0;
         number = machine->positions.records[number].queue_next) {
        const struct position *bet = &machine->positions.records[number];
        if (bet->bet <= last_bet || bet->column_ms != column->column_ms ||
            bet->state != BET_CONFIRMED || bets >= column->bets) {
            return "columns: the queue is not its confirmed bets in id order";
        }
        if (!rules_payout_is_known(machine->rules, bet->stake_micro, bet->mult_centi,
                                   bet->payout_micro)) {
            return "bets: a payout is not stake times multiplier";
        }
        last_bet = bet->bet;
        last = number;
        bets += 1;
        stakes_micro += bet->stake_micro;
    }
    if (bets != column->bets || last != column->last) {
        return "columns: bets differ from their count";
    }
    if (stakes_micro != column->escrow_micro) {
        return "escrow is not the stakes of the column's confirmed bets";
    }
    if (column->reserved_micro != risk_set_aside(column->largest_micro, stakes_micro)) {
        return "escrow + reserved is not the larger of largest band and stakes";
    }
    return check_cells(machine, column);
}

static const char *check_columns(const struct machine *machine, uint64_t confirmed)
{
    static const struct column empty;
    uint64_t bets = 0;
    for (uint32_t i = 0; i < POSITION_COLUMNS; i++) {
        const struct column *column = &machine->positions.columns[i];
        if (column->bets == 0) {
            if (memcmp(column, &empty, sizeof empty) != 0) {
                return "columns: one without bets is not empty";
            }
            continue;
        }
        if (positions_column(&machine->positions, machine->config.column_ms, column->column_ms) !=
            column) {
            return "columns: one is not in its slot";
        }
        const char *problem = check_column(machine, column);
        if (problem != NULL) {
            return problem;
        }
        bets += column->bets;
    }
    return bets == confirmed ? NULL : "columns: confirmed bets differ from their count";
}

/* Adds without a wrap in any order: all but external are at least 0 and external at most 0. */
static const char *check_sum(const struct machine *machine)
{
    int64_t sum_micro = machine->external_micro;
    bool fits = money_add(sum_micro, machine->bankroll_micro, &sum_micro);
    for (uint32_t i = 0; i < POSITION_COLUMNS; i++) {
        const struct column *column = &machine->positions.columns[i];
        fits = fits && money_add(sum_micro, column->escrow_micro, &sum_micro);
        fits = fits && money_add(sum_micro, column->reserved_micro, &sum_micro);
    }
    for (uint32_t user_id = 1; user_id <= machine->accounts.count; user_id++) {
        const struct account *account = &machine->accounts.records[user_id];
        fits = fits && money_add(sum_micro, account->available_micro, &sum_micro);
        fits = fits && money_add(sum_micro, account->held_micro, &sum_micro);
    }
    return fits && sum_micro == 0 ? NULL : "the sum over all accounts is not 0";
}

static const char *check_transfers(const struct transfers *transfers)
{
    uint64_t last_seq = 0;
    for (uint32_t number = 1; number <= transfers->count; number++) {
        const struct transfer_record *record = &transfers->records[number];
        const struct text_view reference = {
            .text = record->reference,
            .length = record->reference_length,
        };
        if (record->seq <= last_seq || transfers_find(transfers, &reference) != record) {
            return "transfers: one is out of order or not found by its reference";
        }
        last_seq = record->seq;
    }
    return NULL;
}

const char *machine_invariant(const struct machine *machine)
{
    if (machine->bankroll_micro < 0 || machine->external_micro > 0) {
        return "bankroll is below or external above zero";
    }
    for (uint32_t user_id = 1; user_id <= machine->accounts.count; user_id++) {
        const char *problem = check_account(machine, user_id);
        if (problem != NULL) {
            return problem;
        }
    }
    uint64_t confirmed = 0;
    const char *problem = check_lists(machine, &confirmed);
    if (problem == NULL) {
        problem = check_columns(machine, confirmed);
    }
    if (problem == NULL) {
        problem = check_sum(machine);
    }
    if (problem == NULL) {
        problem = nonces_problem(&machine->nonces);
    }
    return problem == NULL ? check_transfers(&machine->transfers) : problem;
}
