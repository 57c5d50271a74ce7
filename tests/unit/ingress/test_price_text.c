/* Prices from text, exactly. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "ingress/price_text.h"

/* What exchanges write comes out to the last unit; more than four digits are floored. */
static void well_formed_prices_are_exact(void **state)
{
    (void)state;
    const struct {
        const char *text;
        int64_t price_e4;
    } rows[] = {{"61837.63000000", 618376300},
                {"0", 0},
                {"1", 10000},
                {"0.0001", 1},
                {"0.00009999", 0},
                {"105944.2", 1059442000},
                {"612.3", 6123000},
                {"61837.63019999", 618376301},
                {"100000000", 1000000000000},
                {"99999999.99999999", 999999999999},
                {"0.1", 1000},
                {"100000000.00009", 1000000000000}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        int64_t price_e4 = -1;
        assert_true(price_parse(rows[i].text, strlen(rows[i].text), &price_e4));
        assert_int_equal(price_e4, rows[i].price_e4);
    }
}

/* Everything else is refused and leaves the output alone: signs, exponents, blanks, leading zeros,
 * bare points, prices past 10^12. */
static void other_texts_are_refused(void **state)
{
    (void)state;
    const char *const texts[] = {"",
                                 "-1",
                                 "+1",
                                 "1e5",
                                 "1.",
                                 ".5",
                                 "01",
                                 "00.1",
                                 " 1",
                                 "1 ",
                                 "1.2.3",
                                 "1,5",
                                 "nan",
                                 "inf",
                                 "0x10",
                                 "1.-5",
                                 "100000000.0001",
                                 "99999999999",
                                 "1.23x",
                                 "1.00005x",
                                 "9223372036854775808",
                                 "1\n",
                                 "."};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        int64_t price_e4 = -7;
        if (price_parse(texts[i], strlen(texts[i]), &price_e4)) {
            fail_msg("taken: %s", texts[i]);
        }
        assert_int_equal(price_e4, -7);
    }
    int64_t price_e4;
    assert_false(price_parse("1\0002", 3, &price_e4));
    assert_true(price_parse("12345", 2, &price_e4)); /* the length rules */
    assert_int_equal(price_e4, 120000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(well_formed_prices_are_exact),
        cmocka_unit_test(other_texts_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
