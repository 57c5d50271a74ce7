/* The market configuration and its Config records. */
#include "statemachine/config.h"

#include <stdio.h>
#include <string.h>

#include "fixture.h"

/* The defaults are the table of section 10 and hold every rule. */
static void defaults_are_a_valid_market(void **state)
{
    (void)state;
    struct config config;
    config_defaults(&config);
    assert_null(config_problem(&config));
    assert_string_equal(config.market, "BTC-USD");
    assert_int_equal(config.column_ms, 5000);
    assert_int_equal(config.bands, 21);
    assert_int_equal(config.critical_stable_ms, 30000);
    assert_int_equal(config.cell_payout_max, 10000000000);
    assert_int_equal(config.vol_slow_start, 311749139025);
}

/* Each integer key is reached by its number for reading and writing, and has a name of its own. */
static void every_key_reads_back_what_was_set(void **state)
{
    (void)state;
    struct config config;
    config_defaults(&config);
    for (unsigned key = 0; key < CONFIG_KEY_COUNT; key++) {
        config_set(&config, (enum config_key)key, 1000 + key);
    }
    for (unsigned key = 0; key < CONFIG_KEY_COUNT; key++) {
        assert_int_equal(config_get(&config, (enum config_key)key), 1000 + key);
        assert_true(strlen(config_key_name((enum config_key)key)) > 0);
        for (unsigned other = 0; other < key; other++) {
            assert_string_not_equal(config_key_name((enum config_key)key),
                                    config_key_name((enum config_key)other));
        }
    }
}

struct refusal {
    const char *keys;
    const char *problem;
};

/* First records that break a rule: no market begins, and the next good one is epoch 1 all the same.
 */
static void first_record_that_breaks_a_rule_begins_no_market(void **state)
{
    (void)state;
    const struct refusal rows[] = {
        {"column_ms=1500", "column_ms: must be a multiple of 1000"},
        {"column_ms=61000", "column_ms: must be 1000..60000"},
        {"tick_ms=300", "tick_ms: must divide 1000"},
        {"bands=20", "bands: must be odd"},
        {"bands=103", "bands: must be 1..101"},
        {"columns=0", "columns: must be 1..60"},
        {"degraded_ms=10000", "degraded_ms: must be less than critical_ms"},
        {"stake_min=2,stake_max=1", "stake_min: must be at most stake_max"},
        {"cell_payout_max=0", "cell_payout_max: must be 1..1000000000000000"},
        {"vol_fast_start=7378638200", "vol_fast_start: must be 7378638201..73786966124356"},
        {"market=BT", "market: 3 to 16 of A-Z, 0-9 and -"},
        {"market=btc-usd", "market: 3 to 16 of A-Z, 0-9 and -"},
        {"edge_bp=-9223372036854775808", "edge_bp: must be 0..5000"},
    };
    struct fixture *fixture = fixture_new();
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        fixture_config(fixture, rows[i].keys);
        char expected[160];
        snprintf(expected, sizeof expected, "config refused BAD_REQUEST: %s\n", rows[i].problem);
        fixture_expect(fixture, expected);
        assert_null(machine_config(fixture->machine));
    }
    fixture_config(fixture, "market=ETH-USD");
    fixture_expect(fixture, "config 1 W=200000 from=0 before=200000\n");
    assert_string_equal(machine_config(fixture->machine)->market, "ETH-USD");
    fixture_free(fixture);
}

/* The fixed keys cannot change; giving them again as they are is no change. A refused record leaves
 * epoch, configuration and waiting bets alone. */
static void fixed_keys_cannot_change(void **state)
{
    (void)state;
    const struct refusal rows[] = {
        {"market=ETH-USD", "market: cannot change after the first Config record"},
        {"column_ms=10000", "column_ms: cannot change after the first Config record"},
        {"tick_ms=100", "tick_ms: cannot change after the first Config record"},
    };
    struct fixture *fixture = fixture_market(NULL);
    const struct tap tap = fixture_tap(fixture, 1, 1015000, FIXTURE_BAND);
    fixture_apply_tap(fixture, &tap);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        fixture_config(fixture, rows[i].keys);
        char expected[160];
        snprintf(expected, sizeof expected, "config refused BAD_REQUEST: %s\n", rows[i].problem);
        fixture_expect(fixture, expected);
    }
    struct market_view market;
    machine_market(fixture->machine, &market);
    assert_int_equal(market.epoch, 1);
    assert_int_equal(market.open_bets, 1);
    fixture_config(fixture, "market=BTC-USD,column_ms=5000,tick_ms=200");
    assert_int_equal(strncmp(fixture->text, "config 2 ", 9), 0);
    fixture_free(fixture);
}

/* A key left out keeps its present value, not its default; cross-key rules see the merged epoch. */
static void later_record_keeps_what_it_does_not_name(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_open("edge_bp=700,stake_max=5000000");
    fixture_config(fixture, "skew_bp=1");
    assert_int_equal(machine_config(fixture->machine)->edge_bp, 700);
    assert_int_equal(machine_config(fixture->machine)->skew_bp, 1);
    fixture_config(fixture, "stake_min=5000001");
    fixture_expect(fixture, "config refused BAD_REQUEST: stake_min: must be at most stake_max\n");
    fixture_free(fixture);
}

/* A bit that names no key of this build is refused: it would silently mean nothing. */
static void unknown_key_bits_are_refused(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_new();
    struct input input = {.kind = INPUT_CONFIG};
    input.of.config.given = 1u << CONFIG_KEY_COUNT;
    fixture_apply(fixture, &input);
    fixture_expect(fixture, "config refused BAD_REQUEST: unknown key\n");
    fixture_free(fixture);
}

/* Letters after the end of the market's name, or no end at all, are refused and never read past. */
static void market_must_be_padded_with_zeros(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_new();
    struct input input = {.kind = INPUT_CONFIG};
    input.of.config.market_given = true;
    memcpy(input.of.config.market, "BTC\0USD", 7);
    fixture_apply(fixture, &input);
    fixture_expect(fixture, "config refused BAD_REQUEST: market: 3 to 16 of A-Z, 0-9 and -\n");
    input = (struct input){.kind = INPUT_CONFIG};
    input.of.config.market_given = true;
    memset(input.of.config.market, 'A', sizeof input.of.config.market);
    fixture_apply(fixture, &input);
    fixture_expect(fixture, "config refused BAD_REQUEST: market: 3 to 16 of A-Z, 0-9 and -\n");
    fixture_free(fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_are_a_valid_market),
        cmocka_unit_test(every_key_reads_back_what_was_set),
        cmocka_unit_test(first_record_that_breaks_a_rule_begins_no_market),
        cmocka_unit_test(fixed_keys_cannot_change),
        cmocka_unit_test(later_record_keeps_what_it_does_not_name),
        cmocka_unit_test(unknown_key_bits_are_refused),
        cmocka_unit_test(market_must_be_padded_with_zeros),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
