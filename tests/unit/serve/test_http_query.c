/* Query strings of the paged reads: what is taken, what is refused, and with which words. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "tests/unit/random.h"
#include "tools/serve/http_query.h"

struct row {
    enum read_kind kind;
    const char *query;
    const char *problem; /* how it begins; NULL: good */
};

static const char *parse(enum read_kind kind, const char *query, struct read *read)
{
    *read = (struct read){.kind = kind};
    return http_query_page(query, read);
}

#define X16  "xxxxxxxxxxxxxxxx"
#define X64  X16 X16 X16 X16
#define X128 X64 X64

/* Proves, row by row, which query strings are refused: unknown and repeated parameters, those of
 * the other page, values out of range or out of the grammar, broken percent-encoding. */
static void wrong_queries_are_refused(void **state)
{
    static const struct row rows[] = {
        {READ_BETS, "", NULL},
        {READ_BETS, "&&", NULL},
        {READ_BETS, "limit=1&", NULL},
        {READ_BETS, "limit=200", NULL},
        {READ_BETS, "limit=", NULL},
        {READ_BETS, "state=&before=&limit=", NULL},
        {READ_LEDGER, "ref_type=&ref_id=&from=&to=&before=&limit=", NULL},
        {READ_BETS, "%6cimit=5", NULL},
        {READ_BETS, "limit=%35", NULL},
        {READ_BETS, "limit=0", "limit"},
        {READ_BETS, "limit=201", "limit"},
        {READ_BETS, "limit=-1", "limit"},
        {READ_BETS, "limit=05", "limit"},
        {READ_BETS, "limit=5x", "limit"},
        {READ_BETS, "limit=+5", "limit"},
        {READ_BETS, "limit=99999999999999999999", "limit"},
        {READ_BETS, "limit=1&limit=1", "a query parameter is repeated"},
        {READ_BETS, "limit=&limit=1", "a query parameter is repeated"},
        {READ_BETS, "limit=1&%6cimit=1", "a query parameter is repeated"},
        {READ_BETS, "foo=1", "unknown"},
        {READ_BETS, "limit=1&foo=", "unknown"},
        {READ_BETS, "foo=", "unknown"},
        {READ_BETS, "=5", "unknown"},
        {READ_BETS, "limit=1&=", "unknown"},
        {READ_BETS, "Limit=1", "unknown"},
        {READ_BETS, "ref_type=DEPOSIT", "unknown"},
        {READ_BETS, "limit=1&ref_type=", "unknown"},
        {READ_LEDGER, "state=won", "unknown"},
        {READ_BETS, "state=WON", "state"},
        {READ_BETS, "state=open", "state"},
        {READ_BETS, "before=0", "before"},
        {READ_BETS, "before=9223372036854775808", "before"},
        {READ_LEDGER, "ref_type=OPENINGS", "ref_type"},
        {READ_LEDGER, "from=-1", "from, to"},
        {READ_LEDGER, "to=1e3", "from, to"},
        {READ_LEDGER, "ref_id=" X64, NULL},
        {READ_LEDGER, "ref_id=" X64 "x", "ref_id"},
        {READ_LEDGER, "ref_id=" X128, "the query string is malformed or too long"},
        {READ_LEDGER, "ref_id=%", "the query string is malformed or too long"},
        {READ_LEDGER, "ref_id=%4", "the query string is malformed or too long"},
        {READ_LEDGER, "ref_id=%4&x", "the query string is malformed or too long"},
        {READ_LEDGER, "ref_id=%zz", "the query string is malformed or too long"},
        {READ_LEDGER, "ref_id=a%00b", "the query string is malformed or too long"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct read read;
        const char *problem = parse(rows[i].kind, rows[i].query, &read);
        const bool good = rows[i].problem == NULL
                              ? problem == NULL
                              : problem != NULL &&
                                    strncmp(problem, rows[i].problem, strlen(rows[i].problem)) == 0;
        if (!good) {
            fail_msg("'%s': %s", rows[i].query, problem == NULL ? "taken" : problem);
        }
    }
}

/* Proves that the values arrive, decoded. */
static void good_queries_fill_the_read(void **state)
{
    struct read read;
    (void)state;
    assert_null(parse(READ_BETS, "state=void&before=77&limit=3", &read));
    assert_int_equal(read.query.state, BET_VOID);
    assert_int_equal(read.query.before, 77);
    assert_int_equal(read.query.limit, 3);
    assert_null(parse(READ_LEDGER, "ref_type=BET_WIN&ref_id=wire%2B1+2%261&from=5&to=9", &read));
    assert_string_equal(read.query.ref_type, "BET_WIN");
    assert_string_equal(read.query.ref_id, "wire+1 2&1");
    assert_int_equal(read.query.from_ms, 5);
    assert_int_equal(read.query.to_ms, 9);
}

/* Proves that `to=0` asks for what is older than 1970, which is nothing, and not for everything. */
static void an_end_at_zero_is_an_end(void **state)
{
    struct read read;
    (void)state;
    assert_null(parse(READ_LEDGER, "to=0", &read));
    assert_true(read.query.to_ms > 0);
    assert_true(read.query.to_ms <= 1);
}

/* Proves that no bytes at all read or write out of bounds (under the sanitizers) and that texts
 * stay in their places; a third of the bytes come from the grammar. */
static void no_query_breaks_the_parser(void **state)
{
    static const char grammar[] = "%%&&==limit=before=state=ref_type=ref_id=from=to=0159aAfF+";
    struct random random = random_start("http_query", 20261120);
    (void)state;
    for (size_t round = 0; round < 50000; round++) {
        const size_t length = random_below(&random, 300);
        char *query = malloc(length + 1); /* exact, so that a read beyond it is seen */
        assert_non_null(query);
        for (size_t i = 0; i < length; i++) {
            query[i] = random_below(&random, 3) != 0
                           ? grammar[random_below(&random, sizeof(grammar) - 1)]
                           : (char)(1 + random_below(&random, 255));
        }
        query[length] = '\0';
        struct read read;
        const char *problem = parse(round % 2 == 0 ? READ_BETS : READ_LEDGER, query, &read);
        if (problem == NULL) {
            assert_true(read.query.limit <= LIMIT_PAGE_ROWS);
            assert_true(strlen(read.ref_id) <= LIMIT_REFERENCE_BYTES);
            assert_true(strlen(read.ref_type) <= LIMIT_REFERENCE_BYTES);
        }
        free(query);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wrong_queries_are_refused),
        cmocka_unit_test(good_queries_fill_the_read),
        cmocka_unit_test(an_end_at_zero_is_an_end),
        cmocka_unit_test(no_query_breaks_the_parser),
    };
    return cmocka_run_group_tests_name("http_query", tests, NULL, NULL);
}
