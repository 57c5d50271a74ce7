/* What is open: bets that wait for their price (accepted) or run (confirmed), the cells and columns
 * that the running ones lie in, and the links that make every step cost what it touches. Postings
 * are not made here (ledger.h), decisions neither (tap.h, pricing.h, settle.h).
 *
 * A bet is in exactly one of two queues, both in id order: the one that waits, or its column's.
 * Besides it is in the list of all open bets (id order), in its account's chain and, when
 * confirmed, in its cell's. */
#ifndef TAPLINE_STATEMACHINE_POSITION_H
#define TAPLINE_STATEMACHINE_POSITION_H

#include <stdbool.h>
#include <stdint.h>

#include "base/limits.h"
#include "base/units.h"
#include "statemachine/account.h"
#include "statemachine/event.h"
#include "statemachine/table.h"

struct position {
    uint64_t bet; /* id = seq of its tap */
    uint64_t config;
    uint64_t session;
    uint64_t priced_seq;
    int64_t column_ms;
    int64_t band;
    int64_t stake_micro;
    int64_t min_mult_centi;
    int64_t payout_micro;
    int64_t accepted_at_ms;
    int64_t priced_at_ms;
    int64_t tick_ms;
    int64_t price_e4;
    uint8_t nonce[NONCE_BYTES];
    uint32_t user_id;
    uint32_t mult_centi;
    enum bet_state state; /* ACCEPTED or CONFIRMED */
    uint32_t queue_next;  /* in the waiting queue or the column's, later id */
    uint32_t open_previous;
    uint32_t open_next;
    uint32_t account_previous;
    uint32_t account_next;
    uint32_t cell_next;
    uint32_t queue_ahead; /* POSITION_AHEAD places later in its queue, or any; for hints alone */
};

/* A cell that holds confirmed bets. */
struct cell {
    int64_t column_ms;
    int64_t band;
    int64_t payouts_micro;
    uint32_t first; /* its newest bet, chained by cell_next */
    uint32_t column_next;
};

/* How many bets of a queue their records are asked for ahead, when it is worked on. */
#define POSITION_AHEAD 8

/* The last that joined a queue, so that they learn who joins it behind them. */
struct position_recent {
    uint32_t joined; /* modulo 2^32 */
    uint32_t numbers[POSITION_AHEAD];
};

/* A column that holds confirmed bets. The stakes stay in escrow until it settles; together with
 * what is reserved that covers the largest band. */
struct column {
    int64_t column_ms; /* meaningful while bets > 0 */
    int64_t band_e4;   /* W when its first bet was confirmed: it keeps it */
    int64_t escrow_micro;
    int64_t reserved_micro;
    int64_t largest_micro; /* the largest payouts of a band */
    uint32_t bets;         /* in the queue */
    uint32_t first;
    uint32_t last;
    uint32_t first_cell;
    struct position_recent recent;
};

/* Columns that can hold confirmed bets at one time are those after the last grid record and at most
 * LIMIT_COLUMNS after an engine time that is at most 1,000 ms past a tick: 62. A column's slot is
 * its number modulo this. */
#define POSITION_COLUMNS 64
_Static_assert(LIMIT_COLUMNS + 2 <= POSITION_COLUMNS, "each open column has a slot of its own");

struct positions {
    struct position *records; /* from 1; free ones are chained by queue_next */
    struct cell *cells;       /* from 1; free ones are chained by column_next */
    uint32_t capacity;        /* of both: each confirmed bet needs one cell at most */
    uint32_t limit;           /* in force: at this count the rules refuse */
    uint32_t used;
    uint32_t first_free;
    uint32_t cells_used;
    uint32_t cells_first_free;
    uint32_t open_count;
    uint32_t first_open;
    uint32_t last_open;
    uint32_t waiting_count;
    uint32_t first_waiting;
    uint32_t last_waiting;
    struct position_recent recent_waiting;
    struct table by_bet;
    struct table by_player; /* account and cell: one open bet each */
    struct table by_cell;
    struct column columns[POSITION_COLUMNS];
};

bool positions_full(const struct positions *positions);

/* The record number of an open bet, 0 when there is none with this id. */
uint32_t positions_find(const struct positions *positions, uint64_t bet);

/* True when the account has an open bet in the cell. */
bool positions_taken(const struct positions *positions, uint32_t user_id, int64_t column_ms,
                     int64_t band);

/* The column's slot when it holds confirmed bets, else NULL. */
const struct column *positions_column(const struct positions *positions, int64_t column_step_ms,
                                      int64_t column_ms);

/* Payouts of the bets confirmed in a cell so far. */
int64_t positions_cell_payouts(const struct positions *positions, int64_t column_ms, int64_t band);

/* Adds an accepted bet with an id above all others: it waits. `bet` carries the fields up to the
 * accepted ones; the links are set here. Returns its record number; the pool must not be full. */
uint32_t positions_accept(struct positions *positions, struct account *account,
                          const struct position *bet);

/* Takes a waiting bet out for good. Only the first in the queue leaves it (or the newest when
 * priced in its own step, which then is the first too). */
void positions_drop_waiting(struct positions *positions, struct account *account, uint32_t number);

/* Moves a waiting bet, its pricing fields filled, to its column. */
void positions_confirm(struct positions *positions, int64_t column_step_ms, int64_t band_e4,
                       uint32_t number, struct column **column);

/* Asks the processor for what positions_taken of this cell will look at and positions_accept of it
 * will write to; changes nothing. */
void positions_prefetch_taken(const struct positions *positions, const struct account *account,
                              uint32_t user_id, int64_t column_ms, int64_t band);

/* Walks a queue ahead of who works on it, so that each bet's record, and what hangs on it, have
 * come when its turn comes. Hints only. */
struct positions_ahead {
    const struct positions *positions;
    const struct account *accounts; /* by user id */
    bool leave;                     /* the bets leave for good: their links are touched too */
    uint32_t links;                 /* the bet whose links are asked for next; 0: none is left */
};

/* Before the first bet of a queue is worked on. */
void positions_ahead_begin(struct positions_ahead *ahead, const struct positions *positions,
                           const struct account *accounts, uint32_t first, bool leave);

/* Before each bet, record `number`, is worked on. Changes nothing but *ahead. */
void positions_ahead_step(struct positions_ahead *ahead, uint32_t number);

/* Takes the first bet of a column out for good. */
void positions_drop_settled(struct positions *positions, struct column *column,
                            struct account *account, uint32_t number);

/* Frees the cells of a column whose bets are all gone, and the column. */
void positions_close_column(struct positions *positions, struct column *column);

#endif
