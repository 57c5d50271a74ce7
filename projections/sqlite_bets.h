/* The bets of one week that are still on their way into rows, or to a comparison with them, in the
 * order of ids: a ring in memory, as long as the bets that are younger than the oldest open one.
 * Inside of projections/ only. */
#ifndef TAPLINE_PROJECTIONS_SQLITE_BETS_H
#define TAPLINE_PROJECTIONS_SQLITE_BETS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include "statemachine/event.h"

struct sqlite_bet {
    struct bet bet;
    bool over; /* neither accepted nor confirmed any more */
};

/* All zero: empty. */
struct sqlite_bets {
    struct sqlite_bet *ring;
    size_t capacity; /* a power of two */
    size_t first;
    size_t count;
    size_t open; /* of them, not over */
};

/* The bet as it is now: a new one, with the highest id, or one that is in the ring.
 * Errors: STATUS_NO_MEMORY. */
MUST_USE enum status sqlite_bets_put(struct sqlite_bets *bets, const struct bet *bet);

/* NULL: it is not in the ring. */
struct sqlite_bet *sqlite_bets_find(const struct sqlite_bets *bets, uint64_t id);

/* By their place from 0, the oldest; place < count. */
struct sqlite_bet *sqlite_bets_at(const struct sqlite_bets *bets, size_t place);

/* Takes out the oldest. */
void sqlite_bets_drop_first(struct sqlite_bets *bets);

void sqlite_bets_free(struct sqlite_bets *bets);

#endif
