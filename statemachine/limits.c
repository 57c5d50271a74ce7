#include "statemachine/limits.h"

#include "statemachine/machine.h"
#include "statemachine/state.h"

#define LIMIT_GREATEST (1u << 30) /* so that the slots of a table count in 32 bits */

void machine_default_limits(struct machine_limits *limits)
{
    *limits = (struct machine_limits){
        .accounts_max = 1000000,
        .open_bets_max = 1000000,
        .nonces_max = 1000000, /* 90 s at 11,000 taps a second */
        .transfers_max = 2000000,
    };
}

void machine_limits_in_force(const struct machine *machine, struct machine_limits *limits)
{
    *limits = machine->limits;
}

bool limits_are_possible(const struct machine_limits *limits)
{
    return limits->accounts_max <= LIMIT_GREATEST && limits->open_bets_max <= LIMIT_GREATEST &&
           limits->nonces_max <= LIMIT_GREATEST && limits->transfers_max <= LIMIT_GREATEST;
}

void limits_put(struct machine *machine, const struct machine_limits *limits)
{
    machine->limits = *limits;
    machine->accounts.limit = limits->accounts_max;
    machine->positions.limit = limits->open_bets_max;
    machine->nonces.limit = limits->nonces_max;
    machine->transfers.limit = limits->transfers_max;
}

static void change(uint32_t *limit, uint32_t given)
{
    if (given != 0) {
        *limit = given;
    }
}

void limits_change(struct machine *machine, const struct machine_limits *limits)
{
    struct machine_limits next = machine->limits;
    change(&next.accounts_max, limits->accounts_max);
    change(&next.open_bets_max, limits->open_bets_max);
    change(&next.nonces_max, limits->nonces_max);
    change(&next.transfers_max, limits->transfers_max);
    limits_put(machine, &next);
}

bool limits_fit(const struct machine *machine, const struct machine_limits *limits)
{
    const struct machine_limits *arena = &machine->arena;
    return limits->accounts_max <= arena->accounts_max &&
           limits->open_bets_max <= arena->open_bets_max &&
           limits->nonces_max <= arena->nonces_max && limits->transfers_max <= arena->transfers_max;
}

/* At its limit a table refuses, and needs no place. */
static bool has_place(uint32_t count, uint32_t limit, uint32_t capacity)
{
    return count >= limit || count < capacity;
}

bool limits_leave_room(const struct machine *machine, enum input_kind kind)
{
    const struct accounts *accounts = &machine->accounts;
    const struct positions *positions = &machine->positions;
    const struct nonces *nonces = &machine->nonces;
    const struct transfers *transfers = &machine->transfers;
    switch (kind) {
    case INPUT_TAP:
        return has_place(positions->open_count, positions->limit, positions->capacity) &&
               has_place(nonces->count, nonces->limit, nonces->capacity);
    case INPUT_DEPOSIT:
        return has_place(accounts->count, accounts->limit, accounts->capacity) &&
               has_place(transfers->count, transfers->limit, transfers->capacity);
    case INPUT_WITHDRAWAL:
    case INPUT_HOUSE_DEPOSIT:
    case INPUT_HOUSE_WITHDRAWAL:
    case INPUT_GOODWILL:
        return has_place(transfers->count, transfers->limit, transfers->capacity);
    case INPUT_CONFIG:
    case INPUT_PRICE_TICK:
    case INPUT_CLOCK_TICK:
    case INPUT_ATTEST:
    case INPUT_START:
    case INPUT_RULES_CHANGE:
    case INPUT_RECOVERY:
        return true;
    }
    return true;
}
