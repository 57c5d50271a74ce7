/* The capacities of the tables: in force by the journal's Start records, whatever the arena holds.
 */
#include "statemachine/limits.h"

#include <stdlib.h>
#include <string.h>

#include "fixture.h"

/* Before any Start the limits are those of rules version 1, in any arena. */
static void limits_at_the_beginning_are_the_defaults(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_new();
    struct machine_limits limits;
    machine_limits_in_force(fixture->machine, &limits);
    assert_int_equal(limits.accounts_max, 1000000);
    assert_int_equal(limits.open_bets_max, 1000000);
    assert_int_equal(limits.nonces_max, 1000000);
    assert_int_equal(limits.transfers_max, 2000000);
    fixture_free(fixture);
}

/* A Start changes what it gives and nothing else, from that record on. */
static void a_start_changes_what_it_gives(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_new();
    fixture_start(fixture, &(struct machine_limits){.accounts_max = 7, .transfers_max = 9});
    fixture_start(fixture, &(struct machine_limits){.accounts_max = 8});
    struct machine_limits limits;
    machine_limits_in_force(fixture->machine, &limits);
    assert_int_equal(limits.accounts_max, 8);
    assert_int_equal(limits.open_bets_max, 1000000);
    assert_int_equal(limits.nonces_max, 1000000);
    assert_int_equal(limits.transfers_max, 9);
    fixture_free(fixture);
}

/* A limit below what is there refuses what is new and takes nothing away; raised again, it takes
 * more. */
static void a_lowered_limit_keeps_what_is_there(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_market(NULL);
    fixture_start(fixture, &(struct machine_limits){.accounts_max = 1, .transfers_max = 2});
    fixture_deposit(fixture, 1, 5);
    fixture_expect(fixture, "transfer refused LIMIT\n");
    fixture_start(fixture, &(struct machine_limits){.transfers_max = 6});
    fixture_deposit(fixture, 4, 5);
    fixture_expect(fixture, "transfer refused LIMIT\n");
    fixture_deposit(fixture, 3, 5);
    assert_null(strstr(fixture->text, "refused"));
    fixture_start(fixture, &(struct machine_limits){.accounts_max = 4});
    fixture_deposit(fixture, 4, 5);
    assert_null(strstr(fixture->text, "refused"));
    fixture_free(fixture);
}

/* The advisory check counts the nonces that the step would drop first, also when the limit was
 * lowered below them. */
static void a_lowered_limit_of_nonces_waits_for_as_many_to_pass(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_new();
    fixture_config(fixture, "vol_warmup=0");
    for (unsigned i = 0; i < 5; i++) {
        const struct tap tap = fixture_tap(fixture, 1, 1015000, FIXTURE_BAND);
        fixture_apply_tap(fixture, &tap);
        fixture->time_ms += 1000;
    }
    fixture_start(fixture, &(struct machine_limits){.nonces_max = 3});
    for (int past = 0; past <= 5; past++) {
        fixture->time_ms = 1000000 + 90000 + past * 1000;
        const struct tap tap = fixture_tap(fixture, 2, 1015000, FIXTURE_BAND);
        const struct tap_check check =
            machine_check_tap(fixture->machine, &tap, fixture->time_ms, false);
        assert_int_equal(check.reason == REASON_OVERLOADED, past < 3);
    }
    fixture_free(fixture);
}

static enum status can_start(const struct machine *machine, struct machine_limits limits)
{
    const struct input input = {.kind = INPUT_START, .of.start.limits = limits};
    return machine_can_apply(machine, &input);
}

/* A Start that asks for more than the arena has is not applied, and not refused either: whoever
 * replays stops. */
static void an_arena_too_small_for_a_start_is_full(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_new();
    const struct machine *machine = fixture->machine;
    assert_int_equal(can_start(machine, fixture->limits), STATUS_OK);
    assert_int_equal(can_start(machine, (struct machine_limits){.accounts_max = 101}), STATUS_FULL);
    assert_int_equal(can_start(machine, (struct machine_limits){.open_bets_max = 201}),
                     STATUS_FULL);
    assert_int_equal(can_start(machine, (struct machine_limits){.nonces_max = 301}), STATUS_FULL);
    assert_int_equal(can_start(machine, (struct machine_limits){.transfers_max = 201}),
                     STATUS_FULL);
    assert_int_equal(can_start(machine, (struct machine_limits){.transfers_max = UINT32_MAX}),
                     STATUS_FULL);
    fixture_free(fixture);
}

/* A table that has room by the limits in force and none in the arena stops the replay: to refuse
 * here what the writer took would be another history. */
static void a_full_arena_is_never_a_refusal(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_new_limits(&(struct machine_limits){2, 1, 3, 4});
    fixture_config(fixture, "vol_warmup=0");
    fixture_transfer(fixture, INPUT_HOUSE_DEPOSIT, 0, 1000000000, "house");
    fixture_deposit(fixture, 1, 10000000);
    struct input deposit = {.kind = INPUT_DEPOSIT};
    struct input tap = {.kind = INPUT_TAP};
    struct input clock = {.kind = INPUT_CLOCK_TICK};
    assert_int_equal(machine_can_apply(fixture->machine, &deposit), STATUS_OK);
    assert_int_equal(machine_can_apply(fixture->machine, &tap), STATUS_OK);
    fixture_warm_up(fixture, FIXTURE_PRICE_E4);
    const struct tap good = fixture_tap(fixture, 1, 1015000, FIXTURE_BAND);
    fixture_apply_tap(fixture, &good);
    assert_int_equal(machine_can_apply(fixture->machine, &tap), STATUS_FULL);
    fixture_deposit(fixture, 2, 1);
    assert_int_equal(machine_can_apply(fixture->machine, &deposit), STATUS_FULL);
    assert_int_equal(machine_can_apply(fixture->machine, &clock), STATUS_OK);
    fixture_start(fixture, &fixture->limits); /* the limits in force are reached: refusals again */
    assert_int_equal(machine_can_apply(fixture->machine, &deposit), STATUS_OK);
    assert_int_equal(machine_can_apply(fixture->machine, &tap), STATUS_OK);
    fixture_free(fixture);
}

/* The limits are state: the snapshot has them, and a machine made from it refuses alike in an arena
 * of any size, also when more is there than they admit. */
static void limits_outlive_a_restore(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_market(NULL);
    fixture_start(fixture, &(struct machine_limits){.accounts_max = 1, .nonces_max = 17});
    size_t count;
    uint8_t *bytes = fixture_snapshot(fixture, &count);
    struct fixture *twin = fixture_restore(fixture, bytes, count);
    struct machine_limits limits;
    machine_limits_in_force(twin->machine, &limits);
    assert_int_equal(limits.accounts_max, 1);
    assert_int_equal(limits.nonces_max, 17);
    fixture_deposit(twin, 4, 5);
    fixture_expect(twin, "transfer refused LIMIT\n");
    free(bytes);
    fixture_free(twin);
    fixture_free(fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(limits_at_the_beginning_are_the_defaults),
        cmocka_unit_test(a_start_changes_what_it_gives),
        cmocka_unit_test(a_lowered_limit_keeps_what_is_there),
        cmocka_unit_test(a_lowered_limit_of_nonces_waits_for_as_many_to_pass),
        cmocka_unit_test(an_arena_too_small_for_a_start_is_full),
        cmocka_unit_test(a_full_arena_is_never_a_refusal),
        cmocka_unit_test(limits_outlive_a_restore),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
