/* An invariant that cannot fail proves nothing: each kind of damage to the state is named. */
#include <stdlib.h>
#include <string.h>

#include "fixture.h"
#include "statemachine/state.h"

/* A machine with two confirmed bets (one column, two bands), one that waits, nonces and transfers.
 */
static struct fixture *busy(void)
{
    struct fixture *fixture = fixture_market(NULL);
    for (unsigned player = 1; player <= 2; player++) {
        const struct tap tap =
            fixture_tap(fixture, player, 1015000, FIXTURE_BAND + (int)player - 1);
        fixture_apply_tap(fixture, &tap);
    }
    fixture_ticks(fixture, 1005200, 1005600, FIXTURE_PRICE_E4);
    const struct tap tap = fixture_tap(fixture, 3, 1015000, FIXTURE_BAND);
    fixture_apply_tap(fixture, &tap);
    return fixture;
}

static struct column *column_of(struct machine *machine)
{
    for (uint32_t i = 0; i < POSITION_COLUMNS; i++) {
        if (machine->positions.columns[i].bets > 0) {
            return &machine->positions.columns[i];
        }
    }
    fail_msg("no column holds bets");
    return NULL;
}

/* Adds to a field, expects this line, and takes it back. */
static void expect_named(const struct machine *machine, int64_t *field, int64_t change,
                         const char *expected)
{
    assert_null(machine_invariant(machine));
    *field += change;
    const char *problem = machine_invariant(machine);
    assert_non_null(problem);
    assert_string_equal(problem, expected);
    *field -= change;
    assert_null(machine_invariant(machine));
}

static void wrong_amounts_are_named(void **state)
{
    (void)state;
    struct fixture *fixture = busy();
    struct machine *machine = fixture->machine;
    struct column *column = column_of(machine);
    struct position *bet = &machine->positions.records[column->first];
    struct cell *cell = &machine->positions.cells[column->first_cell];
    const char *sum = "the sum over all accounts is not 0";
    expect_named(machine, &machine->bankroll_micro, 1, sum);
    expect_named(machine, &machine->bankroll_micro, -2000000000,
                 "bankroll is below or external above zero");
    expect_named(machine, &machine->external_micro, -1, sum);
    expect_named(machine, &machine->accounts.records[1].available_micro, -1, sum);
    expect_named(machine, &machine->accounts.records[1].available_micro, -20000000,
                 "accounts: a balance is below zero");
    expect_named(machine, &machine->accounts.records[3].held_micro, 1,
                 "held is not the stakes of accepted bets");
    expect_named(machine, &column->escrow_micro, 1,
                 "escrow is not the stakes of the column's confirmed bets");
    expect_named(machine, &column->reserved_micro, 1,
                 "escrow + reserved is not the larger of largest band and stakes");
    expect_named(machine, &cell->payouts_micro, 1, "cells: payouts are not those of the bets");
    expect_named(machine, &bet->payout_micro, 1, "bets: a payout is not stake times multiplier");
    expect_named(machine, &bet->stake_micro, -2000000, "bets: one without account or stake");
    fixture_free(fixture);
}

static void expect_problem(const struct machine *machine, const char *expected)
{
    const char *problem = machine_invariant(machine);
    assert_non_null(problem);
    assert_string_equal(problem, expected);
}

static void wrong_links_are_named(void **state)
{
    (void)state;
    struct fixture *fixture = busy();
    struct machine *machine = fixture->machine;
    struct positions *positions = &machine->positions;
    struct column *column = column_of(machine);
    const struct column kept = *column;

    column->largest_micro = kept.largest_micro - 1;
    column->reserved_micro = kept.reserved_micro - 1;
    machine->bankroll_micro += 1;
    expect_problem(machine, "columns: the largest band differs");
    machine->bankroll_micro -= 1;
    *column = kept;

    column->bets += 1;
    expect_problem(machine, "columns: bets differ from their count");
    *column = kept;

    column->last = column->first;
    expect_problem(machine, "columns: bets differ from their count");
    *column = kept;

    column->first_cell = positions->cells[column->first_cell].column_next;
    expect_problem(machine, "cells: the column has bets in no cell");
    *column = kept;

    positions->records[positions->first_waiting].state = BET_CONFIRMED;
    expect_problem(machine, "held is not the stakes of accepted bets");
    positions->records[positions->first_waiting].state = BET_WON;
    machine->accounts.records[3].held_micro = 0;
    expect_problem(machine, "bets: an open one is in a final state");
    machine->accounts.records[3].held_micro = MICRO_PER_USD;
    positions->records[positions->first_waiting].state = BET_ACCEPTED;

    positions->open_count += 1;
    expect_problem(machine, "bets: open ones differ from their count");
    positions->open_count -= 1;

    positions->waiting_count += 1;
    expect_problem(machine, "bets: waiting ones differ from their count");
    positions->waiting_count -= 1;

    const uint32_t waiting = positions->first_waiting;
    positions->first_waiting = 0;
    expect_problem(machine, "bets: the waiting queue is not the accepted ones in id order");
    positions->first_waiting = waiting;

    machine->accounts.records[1].open_bets += 1;
    expect_problem(machine, "accounts: open bets differ from their count");
    machine->accounts.records[1].open_bets -= 1;

    struct table_slot *slots = positions->by_bet.slots;
    positions->by_bet.slots = calloc((size_t)positions->by_bet.mask + 1, sizeof *slots);
    expect_problem(machine, "bets: one is not found by its id");
    free(positions->by_bet.slots);
    positions->by_bet.slots = slots;
    assert_null(machine_invariant(machine));
    fixture_free(fixture);
}

static void wrong_nonces_and_transfers_are_named(void **state)
{
    (void)state;
    struct fixture *fixture = busy();
    struct machine *machine = fixture->machine;
    struct nonces *nonces = &machine->nonces;

    nonces->records[nonces->last].bet = 1;
    expect_problem(machine, "nonces: not in the order of their bets");
    nonces->records[nonces->last].bet = 36;

    nonces->records[nonces->last].nonce[9] ^= 1;
    expect_problem(machine, "nonces: one is not in the table");
    nonces->records[nonces->last].nonce[9] ^= 1;

    nonces->records[nonces->last].message_ms += 1;
    expect_problem(machine, "nonces: one hangs at another time than its own");
    nonces->records[nonces->last].message_ms -= 1;
    nonces->last_ms -= NONCE_SPAN_MS;
    expect_problem(machine, "nonces: one hangs at another time than its own");
    nonces->last_ms += NONCE_SPAN_MS;
    uint32_t *chain =
        &nonces->by_time[(uint64_t)nonces->records[nonces->last].message_ms % NONCE_SPAN_MS];
    const uint32_t newest = *chain;
    *chain = nonces->links[newest].same_ms;
    expect_problem(machine, "nonces: one does not hang at its time");
    *chain = newest;

    nonces->count += 1;
    expect_problem(machine, "nonces: the list is shorter than the count");
    nonces->count -= 1;

    machine->transfers.records[2].reference[0] ^= 1;
    expect_problem(machine, "transfers: one is out of order or not found by its reference");
    machine->transfers.records[2].reference[0] ^= 1;
    machine->accounts.records[2].address[0] ^= 1;
    expect_problem(machine, "accounts: one is not found by its address");
    machine->accounts.records[2].address[0] ^= 1;
    assert_null(machine_invariant(machine));
    fixture_free(fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wrong_amounts_are_named),
        cmocka_unit_test(wrong_links_are_named),
        cmocka_unit_test(wrong_nonces_and_transfers_are_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
