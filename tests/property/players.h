/* The players and the operator of a random history: taps that mostly are bets and otherwise miss
 * one bound by one, taps shown again, and money that comes and goes. */
#ifndef TAPLINE_TESTS_PROPERTY_PLAYERS_H
#define TAPLINE_TESTS_PROPERTY_PLAYERS_H

#include "tests/property/history.h"

#define PLAYERS_MAX  16
#define PLAYERS_PAST 512 /* taps and transfers that may come again */

struct past_transfer {
    enum input_kind kind;
    struct transfer transfer;
    char reference[80];
    size_t reference_bytes;
};

struct players {
    const char *market;
    int count;
    uint8_t addresses[PLAYERS_MAX][ADDRESS_BYTES]; /* the last one never gets a deposit */
    uint64_t nonces;
    uint64_t references;
    uint64_t taps;
    uint64_t transfers;
    struct tap past_taps[PLAYERS_PAST];
    const struct tap *again; /* the moment was chosen for this one: players_repeat shows it */
    struct past_transfer past_transfers[PLAYERS_PAST];
};

void players_open(struct players *players, struct history *history, const char *market);

/* A new tap, or sometimes an old one. */
void players_tap(struct players *players, struct history *history);

/* An old tap, as it was or changed. */
void players_repeat(struct players *players, struct history *history);

/* A deposit, withdrawal or goodwill, of an account or the house; new or repeated. */
void players_transfer(struct players *players, struct history *history);

/* Money for the house and for each player to begin with. */
void players_fund(struct players *players, struct history *history);

/* A moment in (now, limit_ms] at which a bound of the rules lies, else one soon after now. */
int64_t players_aim(struct players *players, struct history *history, int64_t limit_ms);

#endif
