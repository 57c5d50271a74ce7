/* The version of the rules as state, and what each version pays. Built twice: with the released
 * versions, and with the one that never was. */
#include "statemachine/rules.h"

#include <stdlib.h>
#include <string.h>

#include "fixture.h"

/* All versions from the first to the newest are known, and no others. */
static void versions_have_no_gaps(void **state)
{
    (void)state;
    assert_null(rules_of(0));
    for (uint32_t version = RULES_FIRST_VERSION; version <= rules_newest(); version++) {
        assert_non_null(rules_of(version));
        assert_int_equal(rules_of(version)->version, version);
    }
    assert_null(rules_of(rules_newest() + 1));
    assert_null(rules_of(UINT32_MAX));
}

/* What is released is version 1; it pays to the micro-USD, down. */
static void version_1_pays_to_the_micro(void **state)
{
    (void)state;
    const struct rules *rules = rules_of(1);
    assert_int_equal(rules_payout(rules, 1234567, 199), 2456788);
    assert_int_equal(rules_payout(rules, 1, 199), 1);
    assert_int_equal(rules_payout(rules, 1000000000, 5000), 50000000000);
    assert_true(rules_payout_is_known(rules, 1234567, 199, 2456788));
    assert_false(rules_payout_is_known(rules, 1234567, 199, 2456789));
    assert_false(rules_payout_is_known(rules, 1234567, 199, 2450000));
}

/* A version that is not above the one in force is refused in the open, also before genesis. */
static void versions_not_above_the_present_are_refused(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_new();
    assert_int_equal(machine_rules(fixture->machine), 1);
    for (uint32_t version = 0; version <= 1; version++) {
        fixture_rules(fixture, version);
        fixture_expect(
            fixture,
            "rules refused BAD_REQUEST: rules: the version is not above the one in force\n");
        assert_int_equal(machine_rules(fixture->machine), 1);
    }
    fixture_free(fixture);
}

/* A version that this build does not know cannot be applied; it is not a refusal. */
static void an_unknown_version_cannot_be_applied(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_market(NULL);
    struct input input = {.kind = INPUT_RULES_CHANGE};
    input.of.rules_change.version = machine_rules_newest() + 1;
    assert_int_equal(machine_can_apply(fixture->machine, &input), STATUS_VERSION);
    input.of.rules_change.version = UINT32_MAX;
    assert_int_equal(machine_can_apply(fixture->machine, &input), STATUS_VERSION);
    input.of.rules_change.version = machine_rules_newest();
    assert_int_equal(machine_can_apply(fixture->machine, &input), STATUS_OK);
    fixture_free(fixture);
}

#ifdef TAPLINE_UNRELEASED_RULES
static int64_t confirmed_payout(struct fixture *fixture, int64_t column_ms)
{
    struct tap tap = fixture_tap(fixture, 1, column_ms, FIXTURE_BAND);
    tap.stake_micro = 1234567;
    fixture_apply_tap(fixture, &tap);
    assert_int_equal(fixture->bet.state, BET_CONFIRMED);
    return fixture->bet.payout_micro;
}

/* A later version is in force from the next record on: the bet before keeps its payout, the bet
 * behind has the new one, and both survive a restore and are settled with what they were confirmed
 * for. */
static void a_later_version_holds_from_the_next_record_on(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_market("pricing_delay_ms=0");
    const int64_t before = confirmed_payout(fixture, 1015000);
    assert_int_not_equal(before % 10000, 0);
    fixture_rules(fixture, 2);
    fixture_expect(fixture, "rules 1 to 2\n");
    assert_int_equal(machine_rules(fixture->machine), 2);
    const int64_t after = confirmed_payout(fixture, 1020000);
    assert_int_equal(after % 10000, 0);
    fixture_rules(fixture, 2);
    assert_non_null(strstr(fixture->text, "rules refused"));

    size_t count;
    uint8_t *bytes = fixture_snapshot(fixture, &count);
    struct fixture *twin = fixture_restore(fixture, bytes, count);
    assert_int_equal(machine_rules(twin->machine), 2);
    fixture_ticks(twin, 1005200, 1015000, FIXTURE_PRICE_E4);
    assert_int_equal(twin->column.paid_micro, before);
    fixture_ticks(twin, 1015000, 1020000, FIXTURE_PRICE_E4);
    assert_int_equal(twin->column.paid_micro, after);
    free(bytes);
    fixture_free(twin);
    fixture_free(fixture);
}

#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(versions_have_no_gaps),
        cmocka_unit_test(version_1_pays_to_the_micro),
        cmocka_unit_test(versions_not_above_the_present_are_refused),
        cmocka_unit_test(an_unknown_version_cannot_be_applied),
#ifdef TAPLINE_UNRELEASED_RULES
        cmocka_unit_test(a_later_version_holds_from_the_next_record_on),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
