/* The recent account events, rendered, for `resume`: a ring of the last HISTORY_EVENTS ones, filled
 * by the replay at start and by every update, so that a client that was away for a restart finds
 * its events. Each entry points to the account's entry before it, so that a resume costs what the
 * account has. */
#ifndef TAPLINE_TOOLS_SERVE_HISTORY_H
#define TAPLINE_TOOLS_SERVE_HISTORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include "base/units.h"
#include "projections/outbox.h"
#include "statemachine/machine.h"

#define HISTORY_EVENTS  65536 /* a power of two */
#define HISTORY_RESUMED 1024  /* more than this for one account: a snapshot instead */
/* The same in bytes: a resume must fit the queue of a socket several times, or it would cut the
 * reader each time it comes back. */
#define HISTORY_RESUMED_BYTES (96 * 1024)

struct history_entry {
    uint64_t seq;
    uint8_t account[ADDRESS_BYTES];
    char *body; /* owned: {"seq",...} of projections/client_event.h */
    uint32_t length;
    uint64_t before; /* number of the account's entry before this, 0 none */
};

/* The last known balances of a user, by id; follows the postings, from the first record on or from
 * the state that the start began with. */
struct history_balance {
    int64_t available_micro;
    int64_t held_micro;
    uint8_t account[ADDRESS_BYTES];
    uint64_t touched_seq;
    uint64_t next_touched; /* user id, within one record; 0 none */
};

struct history {
    struct history_entry *entries;    /* number k at k % HISTORY_EVENTS; numbers from 1 */
    uint64_t last;                    /* number of the newest, 0 none */
    uint64_t complete_from;           /* every event of seq >= this is here */
    uint64_t *heads;                  /* newest number by a hash of the account; 0 none */
    struct history_balance *balances; /* of user id i + 1 */
    uint64_t balance_capacity;
    /* All postings since then, by themselves: what users have (available and held) and what stands
     * in escrow. The ledger's check compares them with the state's own totals. */
    int64_t users_micro;
    int64_t escrow_micro;
};

MUST_USE enum status history_open(struct history *history);

/* Begins anew behind the machine's last record: everybody's balances, and no event yet. Errors:
 * STATUS_NO_MEMORY. */
MUST_USE enum status history_begin(struct history *history, const struct machine *machine);

/* Renders the account events of an outbox and hands each to `told` (may be NULL) in order. */
void history_add(struct history *history, const struct outbox *outbox, void *context,
                 void (*told)(void *context, const struct history_entry *entry));

/* Follows the balances of an outbox of long ago and keeps none of its events: what is further back
 * than the ring can hold is not worth rendering. Only before the first history_add. */
void history_follow(struct history *history, const struct outbox *outbox);

/* The events that history_add would make of an outbox, or a few less: who is paid several times by
 * one record hears of one balance, and so counts once here for all. */
uint64_t history_least_events(const struct outbox *outbox);

/* The account's entries with seq >= after, oldest first, into entries[0..*count), at most
 * HISTORY_RESUMED and HISTORY_RESUMED_BYTES. False when they are not all here any more (answer with
 * a snapshot). */
bool history_since(const struct history *history, const uint8_t *account, uint64_t after,
                   const struct history_entry **entries, size_t *count);

void history_free(struct history *history);

#endif
