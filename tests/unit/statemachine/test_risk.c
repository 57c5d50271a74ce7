/* Caps and the exact set-aside of the house. */
#include "statemachine/risk.h"

#include "fixture.h"

static struct config config;

static struct risk_input input_of(const struct column *column, int64_t cell, int64_t stake,
                                  int64_t payout)
{
    return (struct risk_input){
        .config = &config,
        .bankroll_micro = 1000,
        .column = column,
        .cell_payouts_micro = cell,
        .stake_micro = stake,
        .payout_micro = payout,
    };
}

static int set_up(void **state)
{
    (void)state;
    config_defaults(&config);
    config.cell_payout_max = 1000;
    config.column_loss_max = 900;
    config.house_reserve = 100;
    return 0;
}

/* The first bet of a column: loss = payout - stake, all of it set aside. */
static void first_bet_sets_aside_its_whole_loss(void **state)
{
    (void)state;
    const struct risk_input input = input_of(NULL, 0, 100, 300);
    int64_t change = 0;
    assert_true(risk_admits(&input, &change));
    assert_int_equal(change, 200);
}

/* A bet in another band brings its stake but does not raise the largest band: d is negative, the
 * house gets some of its set-aside back. Largest 500, stakes 100: 400 aside. Another 50 for a
 * payout of 200: 350. */
static void bet_in_a_smaller_band_frees_set_aside(void **state)
{
    (void)state;
    const struct column column = {.largest_micro = 500, .escrow_micro = 100};
    struct risk_input input = input_of(&column, 0, 50, 200);
    input.bankroll_micro = 0; /* d <= 0 asks for no bankroll, even below the reserve */
    int64_t change = 0;
    assert_true(risk_admits(&input, &change));
    assert_int_equal(change, -50);
}

/* Stakes above the largest band: nothing is set aside, before (max(500 - 450, 0) = 50) and after
 * (max(500 - 550, 0) = 0): d = -50. And with more stakes yet d = 0. */
static void stakes_above_the_largest_band_set_nothing_aside(void **state)
{
    (void)state;
    struct column column = {.largest_micro = 500, .escrow_micro = 450};
    const struct risk_input input = input_of(&column, 0, 100, 110);
    int64_t change = 0;
    assert_true(risk_admits(&input, &change));
    assert_int_equal(change, -50);
    column.escrow_micro = 600;
    assert_true(risk_admits(&input, &change));
    assert_int_equal(change, 0);
}

/* The three caps at their exact edges. */
static void caps_hold_to_the_last_micro(void **state)
{
    (void)state;
    int64_t change = 77;
    struct risk_input input = input_of(NULL, 700, 300, 300);
    assert_true(risk_admits(&input, &change)); /* cell 1,000 of 1,000; loss 700 */
    input.payout_micro = 301;
    assert_false(risk_admits(&input, &change));

    input = input_of(NULL, 0, 100, 1000); /* loss 900 of 900; bankroll 1,000 - 900 = reserve 100 */
    assert_true(risk_admits(&input, &change));
    assert_int_equal(change, 900);
    input.stake_micro = 99; /* loss 901 */
    change = 77;
    assert_false(risk_admits(&input, &change));
    assert_int_equal(change, 77);

    input = input_of(NULL, 0, 100, 1000);
    input.bankroll_micro = 999; /* one short of the reserve */
    assert_false(risk_admits(&input, &change));
}

/* In the machine: the house has 1,000 USD less a reserve, and the third bet is one too many. Player
 * 1 to 3 on 3085 with m = 237 each (caps far away, so no skew shows): each adds 1,370,000 to the
 * loss. The bankroll may fall to 997,260,000 = two of them. */
static void exposure_rejects_the_bet_that_goes_too_far(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_market("house_reserve=997260000,skew_bp=0");
    for (unsigned player = 1; player <= 3; player++) {
        const struct tap tap = fixture_tap(fixture, player, 1015000, FIXTURE_BAND);
        fixture_apply_tap(fixture, &tap);
    }
    const struct tap tap = fixture_tap(fixture, 3, 1015000, FIXTURE_BAND + 1);
    fixture_apply_tap(fixture, &tap); /* fits, because it raises no band above the largest */
    fixture_ticks(fixture, 1005200, 1005600, FIXTURE_PRICE_E4);
    fixture_expect(fixture, "post held:1 -1000000 =0 BET_CONFIRM 32\n"
                            "post escrow:1015000 +1000000 =1000000 BET_CONFIRM 32\n"
                            "post bankroll -1370000 =998630000 BET_CONFIRM 32\n"
                            "post reserved:1015000 +1370000 =1370000 BET_CONFIRM 32\n"
                            "confirmed 32 mult=237 payout=2370000\n"
                            "post held:2 -1000000 =0 BET_CONFIRM 33\n"
                            "post escrow:1015000 +1000000 =2000000 BET_CONFIRM 33\n"
                            "post bankroll -1370000 =997260000 BET_CONFIRM 33\n"
                            "post reserved:1015000 +1370000 =2740000 BET_CONFIRM 33\n"
                            "confirmed 33 mult=237 payout=2370000\n"
                            "post held:3 -1000000 =1000000 BET_RELEASE 34\n"
                            "post available:3 +1000000 =9000000 BET_RELEASE 34\n"
                            "rejected 34 EXPOSURE\n"
                            "post held:3 -1000000 =0 BET_CONFIRM 35\n"
                            "post escrow:1015000 +1000000 =3000000 BET_CONFIRM 35\n"
                            "post bankroll +1000000 =998260000 BET_CONFIRM 35\n"
                            "post reserved:1015000 -1000000 =1740000 BET_CONFIRM 35\n"
                            "confirmed 35 mult=425 payout=4250000\n");
    fixture_free(fixture);
}

/* A house without money confirms nothing that exposes it. */
static void house_without_bankroll_confirms_nothing(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_market(NULL);
    fixture_transfer(fixture, INPUT_HOUSE_WITHDRAWAL, 0, 1000 * MICRO_PER_USD, "all");
    const struct tap tap = fixture_tap(fixture, 1, 1015000, FIXTURE_BAND);
    fixture_apply_tap(fixture, &tap);
    fixture_ticks(fixture, 1005200, 1005600, FIXTURE_PRICE_E4);
    assert_int_equal(fixture->bet.reason, REASON_EXPOSURE);
    fixture_free(fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(first_bet_sets_aside_its_whole_loss, set_up),
        cmocka_unit_test_setup(bet_in_a_smaller_band_frees_set_aside, set_up),
        cmocka_unit_test_setup(stakes_above_the_largest_band_set_nothing_aside, set_up),
        cmocka_unit_test_setup(caps_hold_to_the_last_micro, set_up),
        cmocka_unit_test(exposure_rejects_the_bet_that_goes_too_far),
        cmocka_unit_test(house_without_bankroll_confirms_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
