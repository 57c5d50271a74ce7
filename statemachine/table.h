/* A hash table of record numbers: open addressing with linear probing, sized once, removal by
 * shifting back (no tombstones, so it never needs rebuilding). The records live in pools of their
 * owners and count from 1; 0 means none. Equality is the owner's business: he walks the candidates
 * of a hash.
 *
 *     struct table_walk walk = table_walk(&table, hash);
 *     while ((number = table_next(&walk)) != 0) { if (records[number] is it) ... }
 *
 * The hash has no secret seed: behaviour must be equal on every machine. Whoever floods one bucket
 * pays with signed, funded or operator inputs. Nothing may depend on the order of slots. Header
 * only. */
#ifndef TAPLINE_STATEMACHINE_TABLE_H
#define TAPLINE_STATEMACHINE_TABLE_H

#include <stdint.h>

#include "base/check.h"

struct table_slot {
    uint32_t hash;
    uint32_t number; /* 0: empty */
};

struct table {
    struct table_slot *slots;
    uint32_t mask;
};

struct table_walk {
    const struct table *table;
    uint32_t hash;
    uint32_t at;
};

/* Slots for `entries` records: a power of two, at least one and a half times as many. */
static inline uint32_t table_slots_for(uint32_t entries)
{
    const uint64_t wanted = (uint64_t)entries + entries / 2 + 2;
    uint64_t slots = 4;
    while (slots < wanted) {
        slots *= 2;
    }
    CHECK(slots <= UINT32_MAX);
    return (uint32_t)slots;
}

/* The 32 bits of a hash that a slot keeps; they serve as the hash as well. */
static inline uint32_t table_fold(uint64_t hash)
{
    return (uint32_t)(hash ^ hash >> 32);
}

static inline struct table_walk table_walk(const struct table *table, uint64_t hash)
{
    const uint32_t folded = table_fold(hash);
    return (struct table_walk){.table = table, .hash = folded, .at = folded & table->mask};
}

/* Asks the processor for the slots of a hash, for a walk that comes soon; changes nothing. */
static inline void table_prefetch(const struct table *table, uint64_t hash)
{
    __builtin_prefetch(&table->slots[table_fold(hash) & table->mask]);
}

/* The next record number that may be it, 0 when there is none left. */
static inline uint32_t table_next(struct table_walk *walk)
{
    for (;;) {
        const struct table_slot *slot = &walk->table->slots[walk->at];
        if (slot->number == 0) {
            return 0;
        }
        walk->at = (walk->at + 1) & walk->table->mask;
        if (slot->hash == walk->hash) {
            return slot->number;
        }
    }
}

/* Adds a record. The owner's capacity keeps at least a third of the slots empty. */
static inline void table_insert(struct table *table, uint64_t hash, uint32_t number)
{
    const uint32_t folded = table_fold(hash);
    uint32_t at = folded & table->mask;
    while (table->slots[at].number != 0) {
        at = (at + 1) & table->mask;
    }
    table->slots[at] = (struct table_slot){.hash = folded, .number = number};
}

/* Removes a record that is in the table. */
static inline void table_remove(struct table *table, uint64_t hash, uint32_t number)
{
    const uint32_t mask = table->mask;
    uint32_t hole = table_fold(hash) & mask;
    while (table->slots[hole].number != number) {
        CHECK(table->slots[hole].number != 0);
        hole = (hole + 1) & mask;
    }
    for (uint32_t at = (hole + 1) & mask; table->slots[at].number != 0; at = (at + 1) & mask) {
        const uint32_t home = table->slots[at].hash & mask;
        /* Move it back unless its home lies between the hole and where it stands. */
        if (((at - home) & mask) >= ((at - hole) & mask)) {
            table->slots[hole] = table->slots[at];
            hole = at;
        }
    }
    table->slots[hole] = (struct table_slot){0};
}

#endif
