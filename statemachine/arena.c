#include "statemachine/arena.h"

#include "statemachine/state.h"

struct arena {
    unsigned char *base;
    size_t used;
};

static void *take(struct arena *arena, size_t count, size_t bytes)
{
    void *taken = arena->base == NULL ? NULL : arena->base + arena->used;
    const size_t wanted = count * bytes;
    arena->used += (wanted + ARENA_ALIGNMENT - 1) / ARENA_ALIGNMENT * ARENA_ALIGNMENT;
    return taken;
}

static void take_table(struct arena *arena, struct table *table, uint32_t entries)
{
    const uint32_t slots = table_slots_for(entries);
    table->slots = take(arena, slots, sizeof *table->slots);
    table->mask = slots - 1;
}

size_t arena_lay_out(struct machine *machine, unsigned char *base,
                     const struct machine_limits *limits)
{
    struct arena arena = {.base = base};
    (void)take(&arena, 1, sizeof(struct machine)); /* the caller's own pointer to it */

    /* Records count from 1; number 0 stays a zero record. */
    struct accounts *accounts = &machine->accounts;
    accounts->capacity = limits->accounts_max;
    accounts->records = take(&arena, (size_t)limits->accounts_max + 1, sizeof *accounts->records);
    take_table(&arena, &accounts->by_address, limits->accounts_max);

    struct positions *positions = &machine->positions;
    const size_t bets = (size_t)limits->open_bets_max + 1;
    positions->capacity = limits->open_bets_max;
    positions->records = take(&arena, bets, sizeof *positions->records);
    positions->cells = take(&arena, bets, sizeof *positions->cells);
    take_table(&arena, &positions->by_bet, limits->open_bets_max);
    take_table(&arena, &positions->by_player, limits->open_bets_max);
    take_table(&arena, &positions->by_cell, limits->open_bets_max);

    struct nonces *nonces = &machine->nonces;
    nonces->capacity = limits->nonces_max;
    nonces->records = take(&arena, (size_t)limits->nonces_max + 1, sizeof *nonces->records);
    nonces->links = take(&arena, (size_t)limits->nonces_max + 1, sizeof *nonces->links);
    nonces->by_time = take(&arena, NONCE_SPAN_MS, sizeof *nonces->by_time);
    take_table(&arena, &nonces->by_key, limits->nonces_max);

    struct transfers *transfers = &machine->transfers;
    transfers->capacity = limits->transfers_max;
    transfers->records =
        take(&arena, (size_t)limits->transfers_max + 1, sizeof *transfers->records);
    take_table(&arena, &transfers->by_reference, limits->transfers_max);
    return arena.used;
}
