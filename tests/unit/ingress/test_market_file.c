#include "ingress/market_file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "../random.h"

static struct config_change change;
static char problem[MARKET_FILE_PROBLEM_BYTES];

static enum status parse_bytes(const char *text, size_t length)
{
    char *exact = malloc(length + 1);
    assert_non_null(exact);
    memcpy(exact, text, length);
    memset(&change, 0, sizeof(change));
    problem[0] = '\0';
    const enum status status = market_file_parse("m.ini", exact, length, &change, problem);
    free(exact);
    return status;
}

/* Fails unless the text is refused at `line` with a problem that holds `word`. */
static void check_refused(const char *text, int line, const char *word)
{
    char place[32];
    snprintf(place, sizeof(place), "m.ini:%d: ", line);
    const struct config_change before = {0};
    assert_int_equal(parse_bytes(text, strlen(text)), STATUS_INVALID);
    if (strncmp(problem, place, strlen(place)) != 0 || strstr(problem, word) == NULL) {
        fail_msg("expected %s%s, got: %s", place, word, problem);
    }
    assert_memory_equal(&change, &before, sizeof(change));
}

/* Keys, the market's name, comments, empty lines and line ends of both kinds. */
static void good_file_is_read_whole(void **state)
{
    (void)state;
    static const char text[] = "# the market of the demo\n"
                               "; another comment\r\n"
                               "\n"
                               "[market]\n"
                               "market = ETH-USD\n"
                               "  # an indented comment\n"
                               "columns=8\r\n"
                               "stake_min = 1\n"
                               "cell_payout_max = 1000000000000000\n"
                               "house_reserve = 0";
    assert_int_equal(parse_bytes(text, sizeof(text) - 1), STATUS_OK);
    assert_true(change.market_given);
    assert_string_equal(change.market, "ETH-USD");
    assert_int_equal(change.given, 1u << CONFIG_columns | 1u << CONFIG_stake_min |
                                       1u << CONFIG_cell_payout_max | 1u << CONFIG_house_reserve);
    assert_int_equal(change.values[CONFIG_columns], 8);
    assert_int_equal(change.values[CONFIG_stake_min], 1);
    assert_true(change.values[CONFIG_cell_payout_max] == 1000000000000000);
    assert_int_equal(change.values[CONFIG_house_reserve], 0);
    assert_int_equal(parse_bytes("", 0), STATUS_OK);
    assert_int_equal(change.given, 0);
    assert_int_equal(parse_bytes("[market]\n", 9), STATUS_OK);
    assert_false(change.market_given);
}

/* Every key is known by its name, at both ends of its range and not beyond. */
static void every_key_has_its_range(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        int64_t least;
        int64_t greatest;
    } keys[] = {
#define X(name, standard, least, greatest, fixed) {#name, least, greatest},
        CONFIG_KEY_LIST(X)
#undef X
    };
    for (unsigned key = 0; key < CONFIG_KEY_COUNT; key++) {
        char text[128];
        const int64_t values[] = {keys[key].least, keys[key].greatest};
        for (unsigned i = 0; i < 2; i++) {
            const int length = snprintf(text, sizeof(text), "[market]\n%s = %lld\n", keys[key].name,
                                        (long long)values[i]);
            assert_int_equal(parse_bytes(text, (size_t)length), STATUS_OK);
            assert_int_equal(change.given, 1u << key);
            assert_true(change.values[key] == values[i]);
        }
        snprintf(text, sizeof(text), "[market]\n%s = %lld\n", keys[key].name,
                 (long long)keys[key].greatest + 1);
        check_refused(text, 2, keys[key].name);
        if (keys[key].least > 0) {
            snprintf(text, sizeof(text), "[market]\n\n%s = %lld\n", keys[key].name,
                     (long long)keys[key].least - 1);
            check_refused(text, 3, keys[key].name);
        }
    }
}

/* The rules beyond the range are found in the file too, with the line. */
static void rules_of_keys_hold(void **state)
{
    (void)state;
    check_refused("[market]\nbands = 20\n", 2, "bands");
    check_refused("[market]\ncolumn_ms = 1500\n", 2, "column_ms");
    check_refused("[market]\ntick_ms = 300\n", 2, "tick_ms");
    check_refused("[market]\ndegraded_ms = 5000\ncritical_ms = 5000\n", 3, "degraded_ms");
    check_refused("[market]\nstake_max = 5\nstake_min = 6\n", 3, "stake_min");
    /* With one of the pair the other may stand in the epoch in force. */
    assert_int_equal(parse_bytes("[market]\ndegraded_ms = 600000\n", 30), STATUS_OK);
    assert_int_equal(parse_bytes("[market]\nstake_min = 1000000000\n", 32), STATUS_OK);
}

/* What is wrong is named with its line: keys, repeats, sections, values. */
static void mistakes_are_named_with_their_line(void **state)
{
    (void)state;
    check_refused("[market]\nedge = 5\n", 2, "edge");
    check_refused("[market]\ncolumns = 5\n\ncolumns = 5\n", 4, "twice");
    check_refused("[market]\nmarket = ABC\nmarket = ABC\n", 3, "twice");
    check_refused("columns = 5\n", 1, "section");
    check_refused("[Market]\ncolumns = 5\n", 1, "[market]");
    check_refused("[market]\ncolumns = 5\n[other]\n", 3, "[market]");
    check_refused("[market\n", 1, "[market]");
    check_refused("[market]\ncolumns\n", 2, "key = value");
    check_refused("[market]\ncolumns =\n", 2, "columns");
    check_refused("[market]\ncolumns = -1\n", 2, "columns");
    check_refused("[market]\ncolumns = 0x5\n", 2, "columns");
    check_refused("[market]\ncolumns = 5.0\n", 2, "columns");
    check_refused("[market]\ncolumns = 05\n", 2, "columns");
    check_refused("[market]\ncolumns = 5 # five\n", 2, "columns");
    check_refused("[market]\ncolumns = 5 ; five\n", 2, "comment");
    check_refused("[market]\nstake_max = 99999999999999999999\n", 2, "stake_max");
    check_refused("[market]\nmarket = btc\n", 2, "market");
    check_refused("[market]\nmarket = AB\n", 2, "market");
    check_refused("[market]\nmarket = ABCDEFGHIJKLMNOPQ\n", 2, "market");
    check_refused("[market]\nmarket = \"BTC-USD\"\n", 2, "market");
    check_refused("[market]\ncolumns = 5\n  6\n", 3, "space");
    check_refused("[market]\n columns = 5\n", 2, "space");
    check_refused("[market]\nCOLUMNS = 5\n", 2, "COLUMNS");
    check_refused("[market]\nmarket_given = 1\n", 2, "market_given");
    check_refused("[market]\ncolumns = 0\nfoo = 1\n", 2, "columns"); /* the first one counts */
    char text[1000] = "[market]\n# ";
    memset(text + strlen(text), 'x', 900);
    check_refused(text, 2, "long");
    assert_int_equal(parse_bytes("[market]\ncolu\0mns = 5\n", 22), STATUS_INVALID);
}

/* More than the limit is refused, the limit itself is taken. */
static void size_is_bounded(void **state)
{
    (void)state;
    static char text[MARKET_FILE_BYTES_MAX + 1];
    memset(text, '\n', sizeof(text));
    assert_int_equal(parse_bytes(text, MARKET_FILE_BYTES_MAX), STATUS_OK);
    assert_int_equal(parse_bytes(text, MARKET_FILE_BYTES_MAX + 1), STATUS_INVALID);
    assert_non_null(strstr(problem, "longer"));
}

/* The name of the operator, which the caller knows, is left alone. */
static void operator_stays(void **state)
{
    (void)state;
    memset(&change, 0, sizeof(change));
    strcpy(change.operator_name, "alice");
    change.given = 1;
    const char text[] = "[market]\nbands = 3\n";
    assert_int_equal(market_file_parse("m", text, strlen(text), &change, problem), STATUS_OK);
    assert_string_equal(change.operator_name, "alice");
    assert_int_equal(change.given, 1u << CONFIG_bands);
}

/* From a file as from memory; a missing one and a directory are told apart, with the path. */
static void files_are_read(void **state)
{
    (void)state;
    char path[] = "/tmp/tapline-market-XXXXXX";
    const int file = mkstemp(path);
    assert_true(file >= 0);
    assert_int_equal(write(file, "[market]\nbands = 5\n", 19), 19);
    memset(&change, 0, sizeof(change));
    assert_int_equal(market_file_read(path, &change, problem), STATUS_OK);
    assert_int_equal(change.values[CONFIG_bands], 5);
    assert_int_equal(write(file, "bands = 6\n", 10), 10);
    close(file);
    assert_int_equal(market_file_read(path, &change, problem), STATUS_INVALID);
    assert_non_null(strstr(problem, path));
    assert_non_null(strstr(problem, ":3: "));
    unlink(path);
    assert_int_equal(market_file_read(path, &change, problem), STATUS_NOT_FOUND);
    assert_non_null(strstr(problem, path));
    assert_int_equal(market_file_read("/tmp", &change, problem), STATUS_IO);
    assert_non_null(strstr(problem, "/tmp: "));
}

/* Seeded changes of a good file: an answer for each, within its bytes (the sanitizers watch), and
 * what is taken is always in range. */
static void mutated_files_have_an_answer(void **state)
{
    (void)state;
    static const char good[] = "[market]\n# comment\nmarket = BTC-USD\ncolumns = 12\nbands = 21\n"
                               "stake_min = 100000\nstake_max = 100000000\n";
    struct random random = random_start("mutated_files_have_an_answer", 11);
    for (unsigned round = 0; round < 30000; round++) {
        static const char letters[] = "[]=;#: \t\r\n0123456789abcdef";
        char text[sizeof(good)];
        memcpy(text, good, sizeof(good));
        for (uint64_t changes = 1 + random_below(&random, 4); changes > 0; changes--) {
            text[random_below(&random, sizeof(good) - 1)] =
                random_below(&random, 4) == 0 ? (char)random_next(&random)
                                              : letters[random_below(&random, sizeof(letters) - 1)];
        }
        if (parse_bytes(text, random_below(&random, sizeof(good))) != STATUS_OK) {
            assert_true(strncmp(problem, "m.ini:", 6) == 0);
            continue;
        }
        for (unsigned key = 0; key < CONFIG_KEY_COUNT; key++) {
            assert_true((change.given >> key & 1) == 0 ||
                        config_value_in_range((enum config_key)key, change.values[key]));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_file_is_read_whole),
        cmocka_unit_test(every_key_has_its_range),
        cmocka_unit_test(rules_of_keys_hold),
        cmocka_unit_test(mistakes_are_named_with_their_line),
        cmocka_unit_test(size_is_bounded),
        cmocka_unit_test(operator_stays),
        cmocka_unit_test(files_are_read),
        cmocka_unit_test(mutated_files_have_an_answer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
