/* The accounts of players: address to user id (from 1, in the order of the first deposits),
 * balances, and the chain of each one's open bets. */
#ifndef TAPLINE_STATEMACHINE_ACCOUNT_H
#define TAPLINE_STATEMACHINE_ACCOUNT_H

#include <stdint.h>

#include "base/units.h"
#include "statemachine/table.h"

struct account {
    uint8_t address[ADDRESS_BYTES];
    uint32_t open_bets;  /* accepted and confirmed */
    uint32_t first_open; /* the newest of its open bets, chained by account_next; 0: none */
    int64_t available_micro;
    int64_t held_micro; /* stakes of its accepted bets */
};

struct accounts {
    struct account *records; /* by user id; 0 is unused */
    uint32_t capacity;
    uint32_t limit; /* in force: at this count the rules refuse */
    uint32_t count;
    struct table by_address;
};

/* The user id of an address, 0 when it never had a deposit. */
uint32_t accounts_find(const struct accounts *accounts, const uint8_t *address);

/* Asks the processor for what accounts_find of this address will look at; changes nothing. */
void accounts_prefetch(const struct accounts *accounts, const uint8_t *address);

/* The same for the account itself, when what the first asks for has come. */
void accounts_prefetch_record(const struct accounts *accounts, const uint8_t *address);

/* Opens an account and returns its user id. The address must be new, and the arena has room;
 * whether the limit in force admits it is the caller's question. */
uint32_t accounts_open(struct accounts *accounts, const uint8_t *address);

#endif
