/* The hash table against a plain list, with crowded homes. */
#include "statemachine/table.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../random.h"

#define RECORDS 40
#define ROUNDS  20000

static bool contains(const struct table *table, uint64_t hash, uint32_t number)
{
    struct table_walk walk = table_walk(table, hash);
    uint32_t found;
    while ((found = table_next(&walk)) != 0) {
        if (found == number) {
            return true;
        }
    }
    return false;
}

/* Random insertions and removals of records of which many share a hash or a home: after each one
 * exactly those that should be are found. Removal shifts back, so a wrong shift loses a neighbour.
 */
static void removal_never_loses_a_neighbour(void **state)
{
    (void)state;
    struct random random = random_start("table", 0x7461626c65);
    struct table_slot slots[128] = {{0}};
    assert_true(table_slots_for(RECORDS) <= 128);
    struct table table = {.slots = slots, .mask = table_slots_for(RECORDS) - 1};
    uint64_t hash[RECORDS + 1];
    bool in[RECORDS + 1] = {false};
    for (uint32_t number = 1; number <= RECORDS; number++) {
        hash[number] = 56 + number % 11; /* few homes, some around the end of the slots */
    }
    for (int round = 0; round < ROUNDS; round++) {
        const uint32_t number = 1 + (uint32_t)random_below(&random, RECORDS);
        if (in[number]) {
            table_remove(&table, hash[number], number);
        } else {
            table_insert(&table, hash[number], number);
        }
        in[number] = !in[number];
        for (uint32_t i = 1; i <= RECORDS; i++) {
            assert_int_equal(contains(&table, hash[i], i), in[i]);
        }
    }
}

/* At least a third of the slots stays empty at full capacity, so that every walk ends. */
static void full_table_keeps_a_third_of_its_slots_empty(void **state)
{
    (void)state;
    const uint32_t entries[] = {0, 1, 2, 3, 10, 43, 100, 500000, 1000000, 2000000, 1u << 30};
    for (size_t i = 0; i < sizeof entries / sizeof entries[0]; i++) {
        const uint32_t slots = table_slots_for(entries[i]);
        assert_int_equal(slots & (slots - 1), 0);
        assert_true((uint64_t)entries[i] * 3 <= (uint64_t)slots * 2);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(removal_never_loses_a_neighbour),
        cmocka_unit_test(full_table_keeps_a_third_of_its_slots_empty),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
