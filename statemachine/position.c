#include "statemachine/position.h"

#include <stddef.h>

#include "base/check.h"
#include "base/wide.h"
#include "statemachine/mix.h"

/* How many bets ahead what hangs on them is asked for. */
#define AHEAD_LINKS 4
_Static_assert(AHEAD_LINKS < POSITION_AHEAD, "their records have come by then");

/* Bets that were accepted together are opened, priced and settled together: eight ids next to each
 * other share a line of the table, so that most look-ups find it in the cache. */
static uint64_t hash_of_bet(uint64_t bet)
{
    return (table_fold(mix_scramble(bet / 8)) & ~(uint32_t)7) | (bet & 7);
}

static uint64_t hash_of_cell(int64_t column_ms, int64_t band)
{
    struct mix mix = MIX_START;
    mix_u64(&mix, (uint64_t)column_ms);
    mix_u64(&mix, (uint64_t)band);
    return mix.first;
}

static uint64_t hash_of_player(uint32_t user_id, int64_t column_ms, int64_t band)
{
    return mix_scramble(hash_of_cell(column_ms, band) + user_id);
}

static uint32_t slot_of(int64_t column_step_ms, int64_t column_ms)
{
    return (uint32_t)(uint64_t)(column_ms / column_step_ms) % POSITION_COLUMNS;
}

bool positions_full(const struct positions *positions)
{
    return positions->open_count >= positions->limit;
}

uint32_t positions_find(const struct positions *positions, uint64_t bet)
{
    struct table_walk walk = table_walk(&positions->by_bet, hash_of_bet(bet));
    uint32_t number;
    while ((number = table_next(&walk)) != 0) {
        if (positions->records[number].bet == bet) {
            return number;
        }
    }
    return 0;
}

bool positions_taken(const struct positions *positions, uint32_t user_id, int64_t column_ms,
                     int64_t band)
{
    struct table_walk walk =
        table_walk(&positions->by_player, hash_of_player(user_id, column_ms, band));
    uint32_t number;
    while ((number = table_next(&walk)) != 0) {
        const struct position *bet = &positions->records[number];
        if (bet->user_id == user_id && bet->column_ms == column_ms && bet->band == band) {
            return true;
        }
    }
    return false;
}

/* All its lines, to be written. */
static void prefetch_record(const struct position *record)
{
    for (size_t at = 0; at < sizeof *record; at += 64) {
        __builtin_prefetch((const char *)record + at, 1);
    }
}

void positions_prefetch_taken(const struct positions *positions, const struct account *account,
                              uint32_t user_id, int64_t column_ms, int64_t band)
{
    table_prefetch(&positions->by_player, hash_of_player(user_id, column_ms, band));
    __builtin_prefetch(&positions->records[account->first_open].account_previous, 1);
}

/* The record some places later is asked for by its number in this one: a walk from each to the next
 * would wait for memory at each step. Then what free_record will touch of one that has come. */
void positions_ahead_step(struct positions_ahead *ahead, uint32_t number)
{
    const struct positions *positions = ahead->positions;
    prefetch_record(&positions->records[positions->records[number].queue_ahead]);
    if (ahead->links == 0) {
        return;
    }
    const struct position *bet = &positions->records[ahead->links];
    ahead->links = bet->queue_next;
    __builtin_prefetch(&ahead->accounts[bet->user_id], 1);
    if (!ahead->leave) {
        return;
    }
    table_prefetch(&positions->by_bet, hash_of_bet(bet->bet));
    table_prefetch(&positions->by_player, hash_of_player(bet->user_id, bet->column_ms, bet->band));
    __builtin_prefetch(&positions->records[bet->account_previous].account_next, 1);
    __builtin_prefetch(&positions->records[bet->account_next].account_next, 1);
    __builtin_prefetch(&positions->records[bet->open_previous].open_next, 1);
    __builtin_prefetch(&positions->records[bet->open_next].open_next, 1);
}

void positions_ahead_begin(struct positions_ahead *ahead, const struct positions *positions,
                           const struct account *accounts, uint32_t first, bool leave)
{
    *ahead = (struct positions_ahead){positions, accounts, leave, first};
    uint32_t number = first;
    for (uint32_t i = 0; i < AHEAD_LINKS; i++) {
        positions_ahead_step(ahead, number);
        number = positions->records[number].queue_next; /* of record 0: 0 */
    }
}

const struct column *positions_column(const struct positions *positions, int64_t column_step_ms,
                                      int64_t column_ms)
{
    const struct column *column = &positions->columns[slot_of(column_step_ms, column_ms)];
    return column->bets > 0 && column->column_ms == column_ms ? column : NULL;
}

static uint32_t find_cell(const struct positions *positions, int64_t column_ms, int64_t band)
{
    struct table_walk walk = table_walk(&positions->by_cell, hash_of_cell(column_ms, band));
    uint32_t number;
    while ((number = table_next(&walk)) != 0) {
        const struct cell *cell = &positions->cells[number];
        if (cell->column_ms == column_ms && cell->band == band) {
            return number;
        }
    }
    return 0;
}

int64_t positions_cell_payouts(const struct positions *positions, int64_t column_ms, int64_t band)
{
    const uint32_t number = find_cell(positions, column_ms, band);
    return number == 0 ? 0 : positions->cells[number].payouts_micro;
}

static uint32_t take_record(struct positions *positions)
{
    /* Not the limit: a snapshot may hold more than a limit that was lowered later. */
    CHECK(positions->open_count < positions->capacity);
    const uint32_t number = positions->first_free;
    if (number != 0) {
        positions->first_free = positions->records[number].queue_next;
        prefetch_record(&positions->records[positions->first_free]); /* for the next one */
        return number;
    }
    positions->used += 1;
    return positions->used;
}

static uint32_t take_cell(struct positions *positions)
{
    const uint32_t number = positions->cells_first_free;
    if (number != 0) {
        positions->cells_first_free = positions->cells[number].column_next;
        return number;
    }
    CHECK(positions->cells_used < positions->capacity);
    positions->cells_used += 1;
    return positions->cells_used;
}

static void link_open(struct positions *positions, struct account *account, uint32_t number)
{
    struct position *bet = &positions->records[number];
    bet->open_previous = positions->last_open;
    bet->open_next = 0;
    if (positions->last_open != 0) {
        CHECK(positions->records[positions->last_open].bet < bet->bet);
        positions->records[positions->last_open].open_next = number;
    } else {
        positions->first_open = number;
    }
    positions->last_open = number;
    positions->open_count += 1;

    bet->account_previous = 0;
    bet->account_next = account->first_open;
    if (account->first_open != 0) {
        positions->records[account->first_open].account_previous = number;
    }
    account->first_open = number;
    account->open_bets += 1;
}

static void unlink_open(struct positions *positions, struct account *account, uint32_t number)
{
    const struct position *bet = &positions->records[number];
    if (bet->open_previous != 0) {
        positions->records[bet->open_previous].open_next = bet->open_next;
    } else {
        positions->first_open = bet->open_next;
    }
    if (bet->open_next != 0) {
        positions->records[bet->open_next].open_previous = bet->open_previous;
    } else {
        positions->last_open = bet->open_previous;
    }
    positions->open_count -= 1;

    if (bet->account_previous != 0) {
        positions->records[bet->account_previous].account_next = bet->account_next;
    } else {
        account->first_open = bet->account_next;
    }
    if (bet->account_next != 0) {
        positions->records[bet->account_next].account_previous = bet->account_previous;
    }
    account->open_bets -= 1;
}

/* A queue of `count` bets gets one more: the one so many places before learns its number. */
static void join_queue(struct positions *positions, struct position_recent *recent, uint32_t count,
                       uint32_t number)
{
    uint32_t *place = &recent->numbers[recent->joined % POSITION_AHEAD];
    if (count >= POSITION_AHEAD) {
        positions->records[*place].queue_ahead = number;
    }
    *place = number;
    recent->joined += 1;
    positions->records[number].queue_ahead = 0;
}

uint32_t positions_accept(struct positions *positions, struct account *account,
                          const struct position *bet)
{
    const uint32_t number = take_record(positions);
    struct position *record = &positions->records[number];
    *record = *bet;
    record->state = BET_ACCEPTED;
    record->queue_next = 0;
    record->cell_next = 0;
    link_open(positions, account, number);
    if (positions->last_waiting != 0) {
        positions->records[positions->last_waiting].queue_next = number;
    } else {
        positions->first_waiting = number;
    }
    positions->last_waiting = number;
    join_queue(positions, &positions->recent_waiting, positions->waiting_count, number);
    positions->waiting_count += 1;
    table_insert(&positions->by_bet, hash_of_bet(bet->bet), number);
    table_prefetch(&positions->by_bet, hash_of_bet(bet->bet + 8)); /* the next line's first */
    table_insert(&positions->by_player, hash_of_player(bet->user_id, bet->column_ms, bet->band),
                 number);
    return number;
}

static void leave_waiting(struct positions *positions, uint32_t number)
{
    CHECK(positions->first_waiting == number);
    positions->first_waiting = positions->records[number].queue_next;
    if (positions->first_waiting == 0) {
        positions->last_waiting = 0;
    }
    positions->waiting_count -= 1;
}

static void free_record(struct positions *positions, struct account *account, uint32_t number)
{
    struct position *bet = &positions->records[number];
    unlink_open(positions, account, number);
    table_remove(&positions->by_bet, hash_of_bet(bet->bet), number);
    table_remove(&positions->by_player, hash_of_player(bet->user_id, bet->column_ms, bet->band),
                 number);
    bet->queue_next = positions->first_free;
    positions->first_free = number;
}

void positions_drop_waiting(struct positions *positions, struct account *account, uint32_t number)
{
    leave_waiting(positions, number);
    free_record(positions, account, number);
}

static void add_to_cell(struct positions *positions, struct column *column, uint32_t number)
{
    struct position *bet = &positions->records[number];
    uint32_t cell_number = find_cell(positions, bet->column_ms, bet->band);
    if (cell_number == 0) {
        cell_number = take_cell(positions);
        positions->cells[cell_number] = (struct cell){
            .column_ms = bet->column_ms,
            .band = bet->band,
            .column_next = column->first_cell,
        };
        column->first_cell = cell_number;
        table_insert(&positions->by_cell, hash_of_cell(bet->column_ms, bet->band), cell_number);
    }
    struct cell *cell = &positions->cells[cell_number];
    bet->cell_next = cell->first;
    cell->first = number;
    cell->payouts_micro += bet->payout_micro; /* below cell_payout_max: risk.h */
    if (cell->payouts_micro > column->largest_micro) {
        column->largest_micro = cell->payouts_micro;
    }
}

void positions_confirm(struct positions *positions, int64_t column_step_ms, int64_t band_e4,
                       uint32_t number, struct column **column)
{
    leave_waiting(positions, number);
    struct position *bet = &positions->records[number];
    struct column *slot = &positions->columns[slot_of(column_step_ms, bet->column_ms)];
    if (slot->bets == 0) {
        *slot = (struct column){.column_ms = bet->column_ms, .band_e4 = band_e4};
    }
    CHECK(slot->column_ms == bet->column_ms);
    CHECK(slot->band_e4 == band_e4); /* one column has one W */
    if (slot->last != 0) {
        CHECK(positions->records[slot->last].bet < bet->bet);
        positions->records[slot->last].queue_next = number;
    } else {
        slot->first = number;
    }
    slot->last = number;
    join_queue(positions, &slot->recent, slot->bets, number);
    slot->bets += 1;
    bet->queue_next = 0;
    bet->state = BET_CONFIRMED;
    add_to_cell(positions, slot, number);
    *column = slot;
}

void positions_drop_settled(struct positions *positions, struct column *column,
                            struct account *account, uint32_t number)
{
    CHECK(column->first == number);
    column->first = positions->records[number].queue_next;
    column->bets -= 1;
    free_record(positions, account, number);
}

void positions_close_column(struct positions *positions, struct column *column)
{
    CHECK(column->bets == 0);
    uint32_t number = column->first_cell;
    while (number != 0) {
        struct cell *cell = &positions->cells[number];
        const uint32_t next = cell->column_next;
        table_remove(&positions->by_cell, hash_of_cell(cell->column_ms, cell->band), number);
        cell->column_next = positions->cells_first_free;
        positions->cells_first_free = number;
        number = next;
    }
    *column = (struct column){0};
}
