#include "projections/sqlite_bets.h"

#include <stdlib.h>

#include "base/check.h"

#define CAPACITY_LEAST 256

struct sqlite_bet *sqlite_bets_at(const struct sqlite_bets *bets, size_t place)
{
    return &bets->ring[(bets->first + place) & (bets->capacity - 1)];
}

struct sqlite_bet *sqlite_bets_find(const struct sqlite_bets *bets, uint64_t id)
{
    size_t low = 0;
    size_t high = bets->count;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (sqlite_bets_at(bets, middle)->bet.bet < id) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    const bool found = low < bets->count && sqlite_bets_at(bets, low)->bet.bet == id;
    return found ? sqlite_bets_at(bets, low) : NULL;
}

static enum status grow(struct sqlite_bets *bets)
{
    const size_t capacity = bets->capacity == 0 ? CAPACITY_LEAST : bets->capacity * 2;
    struct sqlite_bet *grown = malloc(capacity * sizeof(struct sqlite_bet));
    if (grown == NULL) {
        return STATUS_NO_MEMORY;
    }
    for (size_t i = 0; i < bets->count; i++) {
        grown[i] = *sqlite_bets_at(bets, i);
    }
    free(bets->ring);
    bets->ring = grown;
    bets->capacity = capacity;
    bets->first = 0;
    return STATUS_OK;
}

enum status sqlite_bets_put(struct sqlite_bets *bets, const struct bet *bet)
{
    const bool newest =
        bets->count == 0 || sqlite_bets_at(bets, bets->count - 1)->bet.bet < bet->bet;
    struct sqlite_bet *known = newest ? NULL : sqlite_bets_find(bets, bet->bet);
    if (known == NULL) {
        CHECK(newest);
        if (bets->count == bets->capacity) {
            const enum status status = grow(bets);
            if (status != STATUS_OK) {
                return status;
            }
        }
        bets->count += 1;
        bets->open += 1;
        known = sqlite_bets_at(bets, bets->count - 1);
        known->over = false;
    }
    known->bet = *bet;
    if (bet->state != BET_ACCEPTED && bet->state != BET_CONFIRMED && !known->over) {
        known->over = true;
        bets->open -= 1;
    }
    return STATUS_OK;
}

void sqlite_bets_drop_first(struct sqlite_bets *bets)
{
    CHECK(bets->count > 0);
    bets->open -= sqlite_bets_at(bets, 0)->over ? 0 : 1;
    bets->first = (bets->first + 1) & (bets->capacity - 1);
    bets->count -= 1;
}

void sqlite_bets_free(struct sqlite_bets *bets)
{
    free(bets->ring);
    *bets = (struct sqlite_bets){0};
}
