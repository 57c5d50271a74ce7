/* A row of bets as the struct that it was made of: what sqlite_values_bet does, the other way
 * round. Inside of projections/ only. */
#ifndef TAPLINE_PROJECTIONS_SQLITE_BET_ROW_H
#define TAPLINE_PROJECTIONS_SQLITE_BET_ROW_H

#include <stdbool.h>

#include "base/limits.h"
#include "base/status.h"
#include "statemachine/event.h"

struct sqlite3_stmt;

/* The columns in the order in which they are read. */
#define SQLITE_BET_ROW_COLUMNS                                                                     \
    "bet, user_id, account, nonce, column_ms, band, price_lo, price_hi, stake, min_mult, config,"  \
    " session, state, reason, mult, payout, paid, accepted_at, accepted_seq, priced_at,"           \
    " priced_seq, tick, price, settled_at, settled_seq, settle_price, market"

/* The present row. `market` may be NULL. False: it is none of ours. */
MUST_USE bool sqlite_bet_row_read(struct sqlite3_stmt *row, struct bet *bet,
                                  char market[LIMIT_MARKET_BYTES + 1]);

#endif
