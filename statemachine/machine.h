/* The deterministic state machine: rules.md as a function of (state, input). Same state, same
 * input, same events, postings and bytes, on any machine, any day. It allocates nothing after
 * machine_init, reads no clock, calls nothing of the operating system, and is total: every
 * decodable input has an outcome. One thread owns a machine. */
#ifndef TAPLINE_STATEMACHINE_MACHINE_H
#define TAPLINE_STATEMACHINE_MACHINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include "statemachine/event.h"
#include "statemachine/input.h"
#include "statemachine/view.h"

struct machine;

/* The limits in force until a Start record gives others: 1,000,000 accounts, 1,000,000 open bets,
 * 1,000,000 nonces and 2,000,000 transfers. An arena for them is below 1 GiB. */
void machine_default_limits(struct machine_limits *limits);

/* The size of the one arena with room for these limits. A machine may have a larger arena than the
 * limits in force ask for, and a smaller one as long as the tables fit: what is refused follows
 * from the limits in force alone. */
size_t machine_bytes(const struct machine_limits *limits);

/* Makes an empty machine (before genesis, under rules version 1 and the default limits) in
 * arena[0..machine_bytes), aligned to 64 and all zero; `limits` is what the arena has room for.
 * Owns: nothing; the caller frees the arena when done with the machine. */
struct machine *machine_init(void *arena, const struct machine_limits *limits);

/* Whether this build and this arena can apply the input: to be asked before each machine_apply.
 * Errors: STATUS_VERSION a change to rules that this build does not know; STATUS_FULL a Start whose
 * limits the arena has no room for, or a table with room by the limits in force but not in the
 * arena. Neither is a refusal: no record may be skipped, whoever applies stops here. */
MUST_USE enum status machine_can_apply(const struct machine *machine, const struct input *input);

/* Applies one input: seq = last + 1, time >= the last one's and machine_can_apply (CHECKed). Before
 * the first applied Config only Config, Start and RulesChange records have an effect; taps and
 * transfers are refused NOT_FOUND. */
void machine_apply(struct machine *machine, const struct input *input,
                   const struct event_sink *sink);

/* What machine_apply would answer to this tap now, without doing it (the edge's advisory check). */
enum tap_outcome {
    TAP_WOULD_BET,
    TAP_REPEATED,
    TAP_REFUSED
};
struct tap_check {
    enum tap_outcome outcome;
    enum reason reason; /* TAP_REFUSED: would be refused, with or without a bet */
    uint64_t bet;       /* TAP_REPEATED: the first bet */
};
/* Rules 6.2 (a) to (h) at engine time now_ms. *known_nonce_only* stops after the nonce look-up. */
struct tap_check machine_check_tap(const struct machine *machine, const struct tap *tap,
                                   int64_t now_ms, bool known_nonce_only);

/* Hints that this tap will be applied soon: the processor begins to fetch what its look-ups will
 * touch. Changes nothing and may be left out; only account, nonce, column and band are looked at,
 * and may be anything. Once for each distance, from far to near: each asks for what hangs on what
 * the one before has brought. */
enum machine_distance {
    MACHINE_FAR,    /* some twelve records ahead */
    MACHINE_MIDDLE, /* eight */
    MACHINE_NEAR,   /* four */
};
void machine_prefetch(const struct machine *machine, const struct tap *tap,
                      enum machine_distance distance);

/* --- Views: copies for readers, nothing borrowed unless said. --- */

void machine_market(const struct machine *machine, struct market_view *view);

/* The rules version in force: that of the last record's successor. */
uint32_t machine_rules(const struct machine *machine);

/* The highest rules version this build knows; it knows all from 1. */
uint32_t machine_rules_newest(void);

/* The capacities in force. */
void machine_limits_in_force(const struct machine *machine, struct machine_limits *limits);

/* The epoch in force; borrowed until the next apply. NULL before genesis. */
const struct config *machine_config(const struct machine *machine);

void machine_account(const struct machine *machine, const uint8_t *address,
                     struct account_view *view);

/* Calls `visit` for each account in the order of user ids / each open bet in the order of ids. */
void machine_each_account(const struct machine *machine, void *context,
                          void (*visit)(void *context, const uint8_t *address,
                                        const struct account_view *view));
void machine_each_open_bet(const struct machine *machine, void *context,
                           void (*visit)(void *context, const struct bet *bet));

/* The same for one account, newest first; costs what it has open. */
void machine_each_bet_of(const struct machine *machine, const uint8_t *address, void *context,
                         void (*visit)(void *context, const struct bet *bet));

/* Fills *bet when bet `id` is open (accepted or confirmed); else false. */
bool machine_open_bet(const struct machine *machine, uint64_t id, struct bet *bet);

/* The columns on offer at the machine's engine time, priced at the last valid tick. */
void machine_grid(const struct machine *machine, struct grid_view *view);

/* Checks every invariant of rules.md section 7 and of the tables. NULL when all hold, else one line
 * that names the first that does not. Costs O(state). */
const char *machine_invariant(const struct machine *machine);

/* --- Snapshot: canonical bytes of the whole state, equal for equal states on any machine. --- */

/* Streams the bytes to `write` (called with pieces of any size). */
void machine_snapshot(const struct machine *machine, void *context,
                      void (*write)(void *context, const uint8_t *bytes, size_t count));

/* Makes a machine from snapshot bytes in a fresh zeroed arena of machine_bytes(limits).
 * Errors: STATUS_DAMAGED the bytes are not a snapshot; STATUS_VERSION another layout, or rules
 * that this build does not know; STATUS_FULL the arena is too small for it. */
MUST_USE enum status machine_restore(void *arena, const struct machine_limits *limits,
                                     const uint8_t *bytes, size_t count, struct machine **machine);

#endif
