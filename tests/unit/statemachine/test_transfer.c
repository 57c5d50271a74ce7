/* Money from and to the outside. */
#include "statemachine/transfer.h"

#include <stdio.h>
#include <string.h>

#include "fixture.h"

#define USD MICRO_PER_USD

/* The postings of each kind, in the order of the table in section 7. */
static void each_kind_posts_its_row(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_open(NULL);
    fixture_transfer(fixture, INPUT_DEPOSIT, 1, 5 * USD, "d1");
    fixture_expect(fixture, "account 1\n"
                            "post external -5000000 =-1005000000 DEPOSIT d1\n"
                            "post available:1 +5000000 =5000000 DEPOSIT d1\n"
                            "transfer 3\n");
    fixture_transfer(fixture, INPUT_WITHDRAWAL, 1, 2 * USD, "w1");
    fixture_expect(fixture, "post available:1 -2000000 =3000000 WITHDRAWAL w1\n"
                            "post external +2000000 =-1003000000 WITHDRAWAL w1\n"
                            "transfer 4\n");
    fixture_transfer(fixture, INPUT_HOUSE_DEPOSIT, 0, 7, "h1");
    fixture_expect(fixture, "post external -7 =-1003000007 HOUSE_DEPOSIT h1\n"
                            "post bankroll +7 =1000000007 HOUSE_DEPOSIT h1\n"
                            "transfer 5\n");
    fixture_transfer(fixture, INPUT_HOUSE_WITHDRAWAL, 0, 7, "h2");
    fixture_expect(fixture, "post bankroll -7 =1000000000 HOUSE_WITHDRAWAL h2\n"
                            "post external +7 =-1003000000 HOUSE_WITHDRAWAL h2\n"
                            "transfer 6\n");
    fixture_transfer(fixture, INPUT_GOODWILL, 1, USD, "g1");
    fixture_expect(fixture, "post bankroll -1000000 =999000000 GOODWILL g1\n"
                            "post available:1 +1000000 =4000000 GOODWILL g1\n"
                            "transfer 7\n");
    fixture_free(fixture);
}

/* User ids count from 1 in the order of the first deposits. */
static void first_deposit_opens_the_account(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_open(NULL);
    fixture_deposit(fixture, 9, USD);
    fixture_deposit(fixture, 4, USD);
    fixture_deposit(fixture, 9, USD);
    struct account_view view;
    uint8_t address[ADDRESS_BYTES];
    fixture_address(9, address);
    machine_account(fixture->machine, address, &view);
    assert_int_equal(view.user_id, 1);
    assert_int_equal(view.available_micro, 2 * USD);
    fixture_address(4, address);
    machine_account(fixture->machine, address, &view);
    assert_int_equal(view.user_id, 2);
    fixture_free(fixture);
}

/* Again with the same content: no effect, and the first record is named. With another kind, account
 * or amount: refused. References are one set for all kinds. */
static void reference_is_unique_for_ever(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_open(NULL);
    fixture_transfer(fixture, INPUT_DEPOSIT, 1, 5 * USD, "ref");
    fixture_transfer(fixture, INPUT_DEPOSIT, 1, 5 * USD, "ref");
    fixture_expect(fixture, "transfer repeated 3\n");
    fixture_transfer(fixture, INPUT_DEPOSIT, 1, 6 * USD, "ref");
    fixture_expect(fixture, "transfer refused NONCE_REUSED\n");
    fixture_transfer(fixture, INPUT_DEPOSIT, 2, 5 * USD, "ref");
    fixture_expect(fixture, "transfer refused NONCE_REUSED\n");
    fixture_transfer(fixture, INPUT_WITHDRAWAL, 1, 5 * USD, "ref");
    fixture_expect(fixture, "transfer refused NONCE_REUSED\n");
    fixture_transfer(fixture, INPUT_HOUSE_DEPOSIT, 0, 5 * USD, "ref");
    fixture_expect(fixture, "transfer refused NONCE_REUSED\n");
    fixture_transfer(fixture, INPUT_DEPOSIT, 1, -1, "ref"); /* known comes before its amount */
    fixture_expect(fixture, "transfer refused NONCE_REUSED\n");
    fixture_free(fixture);
}

/* A house transfer has no account: whatever stands in the unused field is not part of its content.
 */
static void unused_account_of_a_house_transfer_is_not_content(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_open(NULL);
    fixture_transfer(fixture, INPUT_HOUSE_DEPOSIT, 5, 3, "ref");
    fixture_transfer(fixture, INPUT_HOUSE_DEPOSIT, 6, 3, "ref");
    fixture_expect(fixture, "transfer repeated 3\n");
    fixture_free(fixture);
}

/* A refused transfer leaves its reference unused: with money there, the same one goes through. */
static void refused_reference_stays_unused(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_open(NULL);
    fixture_deposit(fixture, 1, USD);
    fixture_transfer(fixture, INPUT_WITHDRAWAL, 1, 2 * USD, "w");
    fixture_expect(fixture, "transfer refused INSUFFICIENT_FUNDS\n");
    fixture_deposit(fixture, 1, USD);
    fixture_transfer(fixture, INPUT_WITHDRAWAL, 1, 2 * USD, "w");
    assert_non_null(strstr(fixture->text, "transfer 6\n"));
    fixture_free(fixture);
}

/* Amounts are 1 .. 10^15. */
static void amounts_beyond_their_bounds_are_refused(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_open(NULL);
    const int64_t bad[] = {0, -1, INT64_MIN, 1000000000000001, INT64_MAX};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        fixture_transfer(fixture, INPUT_DEPOSIT, 1, bad[i], "d");
        fixture_expect(fixture, "transfer refused LIMIT\n");
    }
    fixture_transfer(fixture, INPUT_DEPOSIT, 1, 1000000000000000, "d");
    assert_non_null(strstr(fixture->text, "transfer 8\n"));
    fixture_transfer(fixture, INPUT_DEPOSIT, 1, 1, "e");
    assert_non_null(strstr(fixture->text, "transfer 9\n"));
    fixture_free(fixture);
}

/* References: 1 to 64 characters of printable ASCII. */
static void malformed_references_are_refused(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_open(NULL);
    char long_reference[66];
    memset(long_reference, 'x', sizeof long_reference);
    long_reference[65] = '\0';
    const char *bad[] = {"", "tab\t", "del\x7f", "\xc3\xa4", long_reference};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        fixture_transfer(fixture, INPUT_DEPOSIT, 1, 1, bad[i]);
        fixture_expect(fixture, "transfer refused BAD_REQUEST\n");
    }
    fixture_transfer(fixture, INPUT_DEPOSIT, 1, 1, long_reference + 1);
    assert_int_equal(strncmp(fixture->text, "account 1\n", 10), 0);
    fixture_transfer(fixture, INPUT_DEPOSIT, 1, 1, "a space ~");
    assert_null(strstr(fixture->text, "refused"));
    fixture_free(fixture);
}

/* Withdrawals come from available only, to the last micro; an unknown account has 0. */
static void withdrawal_takes_no_more_than_is_available(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_market(NULL);
    const struct tap tap = fixture_tap(fixture, 1, 1015000, FIXTURE_BAND);
    fixture_apply_tap(fixture, &tap); /* 1 USD held of 10 */
    fixture_transfer(fixture, INPUT_WITHDRAWAL, 1, 9 * USD + 1, "w");
    fixture_expect(fixture, "transfer refused INSUFFICIENT_FUNDS\n");
    fixture_transfer(fixture, INPUT_WITHDRAWAL, 1, 9 * USD, "w");
    assert_null(strstr(fixture->text, "refused"));
    fixture_transfer(fixture, INPUT_WITHDRAWAL, 8, 1, "x");
    fixture_expect(fixture, "transfer refused INSUFFICIENT_FUNDS\n");
    fixture_free(fixture);
}

/* The house keeps its reserve: withdrawal and goodwill go down to it and no further. Goodwill opens
 * no account. */
static void house_keeps_its_reserve(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_open("house_reserve=900000000");
    fixture_deposit(fixture, 1, USD);
    fixture_transfer(fixture, INPUT_HOUSE_WITHDRAWAL, 0, 100 * USD + 1, "h");
    fixture_expect(fixture, "transfer refused INSUFFICIENT_FUNDS\n");
    fixture_transfer(fixture, INPUT_GOODWILL, 1, 100 * USD + 1, "g");
    fixture_expect(fixture, "transfer refused INSUFFICIENT_FUNDS\n");
    fixture_transfer(fixture, INPUT_GOODWILL, 7, 1, "g");
    fixture_expect(fixture, "transfer refused NOT_FOUND\n");
    fixture_transfer(fixture, INPUT_GOODWILL, 1, 40 * USD, "g");
    assert_null(strstr(fixture->text, "refused"));
    fixture_transfer(fixture, INPUT_HOUSE_WITHDRAWAL, 0, 60 * USD, "h");
    assert_null(strstr(fixture->text, "refused"));
    fixture_transfer(fixture, INPUT_HOUSE_WITHDRAWAL, 0, 1, "i");
    fixture_expect(fixture, "transfer refused INSUFFICIENT_FUNDS\n");
    fixture_free(fixture);
}

/* All the money that fits an int64 may come in, and not one transfer more: refused, never a wrap.
 * 9,223 times 10^15 fit below 2^63 - 1 = 9,223,372,036,854,775,807. */
static void sum_of_all_money_stops_at_the_end_of_the_type(void **state)
{
    (void)state;
    const struct machine_limits limits = {2, 1, 1, 10000};
    struct fixture *fixture = fixture_new_limits(&limits);
    fixture->unchecked = true;
    fixture_config(fixture, "");
    for (int i = 0; i < 9223; i++) {
        fixture_deposit(fixture, 1, 1000000000000000);
        assert_null(strstr(fixture->text, "refused"));
    }
    fixture_deposit(fixture, 1, 1000000000000000);
    fixture_expect(fixture, "transfer refused LIMIT\n");
    fixture_transfer(fixture, INPUT_HOUSE_DEPOSIT, 0, 372036854775808, "one too many");
    fixture_expect(fixture, "transfer refused LIMIT\n");
    fixture_transfer(fixture, INPUT_HOUSE_DEPOSIT, 0, 372036854775807, "the rest");
    assert_null(strstr(fixture->text, "refused"));
    assert_null(machine_invariant(fixture->machine));
    fixture_free(fixture);
}

/* Full tables refuse with LIMIT: accounts, then transfers. */
static void full_tables_refuse(void **state)
{
    (void)state;
    const struct machine_limits limits = {1, 1, 1, 2};
    struct fixture *fixture = fixture_new();
    fixture_start(fixture, &limits);
    fixture_config(fixture, "");
    fixture_deposit(fixture, 1, 1);
    fixture_deposit(fixture, 2, 1);
    fixture_expect(fixture, "transfer refused LIMIT\n");
    fixture_deposit(fixture, 1, 1);
    assert_null(strstr(fixture->text, "refused"));
    fixture_deposit(fixture, 1, 1);
    fixture_expect(fixture, "transfer refused LIMIT\n");
    fixture_free(fixture);
}

/* Before the first Config there is no market and no ledger. */
static void transfer_before_genesis_is_refused(void **state)
{
    (void)state;
    struct fixture *fixture = fixture_new();
    fixture_deposit(fixture, 1, 1);
    fixture_expect(fixture, "transfer refused NOT_FOUND\n");
    fixture_free(fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_kind_posts_its_row),
        cmocka_unit_test(first_deposit_opens_the_account),
        cmocka_unit_test(reference_is_unique_for_ever),
        cmocka_unit_test(unused_account_of_a_house_transfer_is_not_content),
        cmocka_unit_test(refused_reference_stays_unused),
        cmocka_unit_test(amounts_beyond_their_bounds_are_refused),
        cmocka_unit_test(malformed_references_are_refused),
        cmocka_unit_test(withdrawal_takes_no_more_than_is_available),
        cmocka_unit_test(house_keeps_its_reserve),
        cmocka_unit_test(sum_of_all_money_stops_at_the_end_of_the_type),
        cmocka_unit_test(full_tables_refuse),
        cmocka_unit_test(transfer_before_genesis_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
