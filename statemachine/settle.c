#include "statemachine/settle.h"

#include <stddef.h>

#include "statemachine/bet.h"
#include "statemachine/ledger.h"
#include "statemachine/saturate.h"

#define VALID_TICKS_MIN 3

static void sort(int64_t *prices, uint32_t count)
{
    for (uint32_t i = 1; i < count; i++) {
        const int64_t price = prices[i];
        uint32_t at = i;
        while (at > 0 && prices[at - 1] > price) {
            prices[at] = prices[at - 1];
            at--;
        }
        prices[at] = price;
    }
}

/* An even count gives the floor of the mean of the middle two; prices are at most 10^12. */
static int64_t median(int64_t *prices, uint32_t count)
{
    sort(prices, count);
    const int64_t upper = prices[count / 2];
    return count % 2 == 1 ? upper : (prices[count / 2 - 1] + upper) / 2;
}

/* Two consecutive valid ticks that differ in source set and by more than half a band: the price
 * moved because a source came or went, not because the market did. */
static bool jumps(const struct settlement_tick *ticks, int64_t band_e4)
{
    const struct settlement_tick *before = NULL;
    for (int i = 0; i < SETTLEMENT_TICKS; i++) {
        const struct settlement_tick *tick = &ticks[i];
        if (tick->price_e4 == 0) {
            continue;
        }
        if (before != NULL && before->set != tick->set) {
            const int64_t move = tick->price_e4 > before->price_e4
                                     ? tick->price_e4 - before->price_e4
                                     : before->price_e4 - tick->price_e4;
            if (2 * move > band_e4) {
                return true;
            }
        }
        before = tick;
    }
    return false;
}

struct settle_verdict settle_decide(const struct machine *machine, int64_t column_ms,
                                    int64_t band_e4, int64_t grid_ms, struct settlement_tick *ticks)
{
    int64_t prices[SETTLEMENT_TICKS];
    uint32_t valid = 0;
    for (int i = 0; i < SETTLEMENT_TICKS; i++) {
        const int64_t back_ms = (SETTLEMENT_TICKS - 1 - i) * machine->config.tick_ms;
        ticks[i] = (struct settlement_tick){.time_ms = saturating_subtract(column_ms, back_ms)};
        const struct tick *tick = ticks_find(&machine->ticks, ticks[i].time_ms);
        if (tick != NULL && tick->price_e4 > 0) {
            ticks[i].price_e4 = tick->price_e4;
            ticks[i].sources = tick->sources;
            ticks[i].set = tick->set;
            prices[valid] = tick->price_e4;
            valid++;
        }
    }
    struct settle_verdict verdict = {.reason = REASON_NONE};
    if (grid_ms != column_ms) {
        verdict.reason = REASON_DOWN;
        return verdict;
    }
    if (valid < VALID_TICKS_MIN ||
        (ticks[SETTLEMENT_TICKS - 1].price_e4 == 0 && ticks[SETTLEMENT_TICKS - 2].price_e4 == 0)) {
        verdict.reason = REASON_NO_TICKS;
        return verdict;
    }
    verdict.price_e4 = median(prices, valid);
    if (machine->breaker.state != BREAKER_HEALTHY) {
        verdict.reason = REASON_BREAKER;
    } else if (jumps(ticks, band_e4)) {
        verdict.reason = REASON_SOURCE_JUMP;
    }
    return verdict;
}

static void pay_void(struct step *step, struct column *column, const struct position *position)
{
    const struct ledger_ref ref = {.type = REF_BET_VOID, .id = position->bet};
    ledger_post_escrow(step, column, -position->stake_micro, &ref);
    ledger_post_available(step, position->user_id, position->stake_micro, &ref);
}

/* Escrow first, then what the house has reserved: together they cover the largest band. */
static void pay_win(struct step *step, struct column *column, const struct position *position)
{
    const struct ledger_ref ref = {.type = REF_BET_WIN, .id = position->bet};
    const int64_t payout = position->payout_micro;
    const int64_t from_escrow = payout < column->escrow_micro ? payout : column->escrow_micro;
    ledger_post_escrow(step, column, -from_escrow, &ref);
    ledger_post_reserved(step, column, -(payout - from_escrow), &ref);
    ledger_post_available(step, position->user_id, payout, &ref);
}

static void settle_bet(struct step *step, struct column *column, uint32_t number,
                       struct column_result *result)
{
    struct machine *machine = step->machine;
    const struct position *position = &machine->positions.records[number];
    struct bet bet;
    bet_describe(machine, position, &bet);
    bet.reason = result->reason;
    bet.settled_at_ms = step->time_ms;
    bet.settled_seq = step->seq;
    bet.settle_price_e4 = result->price_e4;
    if (result->is_void) {
        bet.state = BET_VOID;
        bet.paid_micro = position->stake_micro;
        pay_void(step, column, position);
    } else if (position->band == result->band) {
        bet.state = BET_WON;
        bet.paid_micro = position->payout_micro;
        pay_win(step, column, position);
    } else {
        bet.state = BET_LOST;
    }
    result->bets += 1;
    result->stakes_micro += position->stake_micro;
    result->paid_micro += bet.paid_micro;
    positions_drop_settled(&machine->positions, column,
                           &machine->accounts.records[position->user_id], number);
    const struct event event = {.kind = EVENT_BET_SETTLED, .of.bet = &bet};
    step_event(step, &event);
}

static struct column_result decide(const struct machine *machine, int64_t column_ms,
                                   int64_t band_e4, int64_t grid_ms)
{
    struct column_result result = {.column_ms = column_ms, .band_e4 = band_e4};
    const struct settle_verdict verdict =
        settle_decide(machine, column_ms, band_e4, grid_ms, result.ticks);
    result.is_void = verdict.reason != REASON_NONE;
    result.reason = verdict.reason;
    result.price_e4 = verdict.price_e4;
    result.band = verdict.price_e4 > 0 ? grid_band_of(verdict.price_e4, band_e4) : 0;
    return result;
}

static void tell_column(struct step *step, const struct column_result *result)
{
    const struct event event = {.kind = EVENT_COLUMN_SETTLED, .of.column = result};
    step_event(step, &event);
}

static void settle_column(struct step *step, struct column *column, int64_t grid_ms)
{
    struct machine *machine = step->machine;
    struct column_result result = decide(machine, column->column_ms, column->band_e4, grid_ms);
    struct positions_ahead ahead;
    positions_ahead_begin(&ahead, &machine->positions, machine->accounts.records, column->first,
                          true);
    while (column->bets > 0) {
        const uint32_t number = column->first;
        positions_ahead_step(&ahead, number);
        settle_bet(step, column, number, &result);
    }
    const struct ledger_ref ref = {.type = REF_COLUMN, .id = (uint64_t)column->column_ms};
    const int64_t escrow = column->escrow_micro;
    const int64_t reserved = column->reserved_micro;
    ledger_post_escrow(step, column, -escrow, &ref);
    ledger_post_reserved(step, column, -reserved, &ref);
    ledger_post_bankroll(step, escrow + reserved, &ref);
    positions_close_column(&machine->positions, column);
    tell_column(step, &result);
}

/* The earliest column that holds bets and has closed, NULL when there is none. */
static struct column *earliest_due(struct positions *positions, int64_t grid_ms)
{
    struct column *earliest = NULL;
    for (uint32_t i = 0; i < POSITION_COLUMNS; i++) {
        struct column *column = &positions->columns[i];
        if (column->bets > 0 && column->column_ms <= grid_ms &&
            (earliest == NULL || column->column_ms < earliest->column_ms)) {
            earliest = column;
        }
    }
    return earliest;
}

void settle_columns(struct step *step, int64_t grid_ms)
{
    struct machine *machine = step->machine;
    bool announced = false;
    struct column *column;
    while ((column = earliest_due(&machine->positions, grid_ms)) != NULL) {
        announced = column->column_ms == grid_ms;
        settle_column(step, column, grid_ms);
    }
    if (!announced && grid_ms % machine->config.column_ms == 0) {
        const int64_t band_e4 = grid_band_e4(&machine->grid, &machine->config, grid_ms);
        const struct column_result result = decide(machine, grid_ms, band_e4, grid_ms);
        tell_column(step, &result);
    }
}
