#include "replay/whatif.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "sample.h"

static void give(struct config_change *change, enum config_key key, int64_t value)
{
    change->given |= (uint32_t)1 << (unsigned)key;
    change->values[key] = value;
}

static enum status ask(const struct sample *sample, const struct config_change *change,
                       struct whatif_result *result)
{
    const struct whatif_options options = {.change = change};
    return whatif_run(sample->dir, &options, result);
}

/* Without a key of its own the other side is the same history to the last figure, and the recorded
 * side ends with the digest of the journal's maker: looking does not change what is looked at. */
static void nothing_changed_is_the_same_history(void **state)
{
    (void)state;
    struct sample sample;
    sample_make(&sample, &(struct sample_options){.second_config = true});
    struct whatif_result result;
    assert_int_equal(ask(&sample, &(struct config_change){0}, &result), STATUS_OK);
    assert_string_equal(result.problem, "");
    assert_memory_equal(&result.recorded, &result.other, sizeof result.other);
    assert_int_equal(result.changed, 0);
    assert_int_equal(result.seq, sample.records);
    assert_memory_equal(result.digest, sample.digests[sample.records], HASH_BYTES);
    assert_true(result.recorded.won >= 1);
    assert_true(result.recorded.lost >= 1);
    assert_true(result.recorded.rejected >= 1);
    assert_int_equal(tally_open(&result.recorded), 0);
    sample_remove(&sample);
}

/* A stake below the least is LIMIT on the other side; the recorded side stays what it was. */
static void a_stricter_stake_refuses_what_was_taken(void **state)
{
    (void)state;
    struct sample sample;
    sample_make(&sample, &(struct sample_options){.segment_bytes = 0});
    struct whatif_result before;
    struct whatif_result result;
    assert_int_equal(ask(&sample, &(struct config_change){0}, &before), STATUS_OK);
    struct config_change change = {0};
    give(&change, CONFIG_stake_min, 50000000);
    assert_int_equal(ask(&sample, &change, &result), STATUS_OK);
    assert_memory_equal(&result.recorded, &before.recorded, sizeof before.recorded);
    assert_int_equal(result.changed, (uint32_t)1 << CONFIG_stake_min);
    assert_true(result.other.rejected_for[REASON_LIMIT] >
                result.recorded.rejected_for[REASON_LIMIT]);
    assert_int_equal(result.other.confirmed, 0);
    assert_int_equal(tally_house_micro(&result.other), 0);
    assert_int_equal(result.recorded_config.stake_min, before.recorded_config.stake_min);
    assert_int_equal(result.other_config.stake_min, 50000000);
    sample_remove(&sample);
}

/* The higher edge pays less for the same wins, and taps that signed for more are PRICE_MOVED. */
static void an_edge_moves_multipliers(void **state)
{
    (void)state;
    struct sample sample;
    sample_make(&sample, &(struct sample_options){.segment_bytes = 0});
    struct whatif_result result;
    struct config_change change = {0};
    give(&change, CONFIG_edge_bp, 5000);
    assert_int_equal(ask(&sample, &change, &result), STATUS_OK);
    assert_true(result.other.payouts_micro < result.recorded.payouts_micro);
    assert_int_equal(result.other.offered, result.recorded.offered);
    assert_true(result.other.rejected_for[REASON_PRICE_MOVED] >=
                result.recorded.rejected_for[REASON_PRICE_MOVED]);
    sample_remove(&sample);
}

/* What cannot be otherwise is refused with its record and rule: a fixed key, the market's name, a
 * value that does not go with one that stays. */
static void what_cannot_be_is_refused(void **state)
{
    (void)state;
    struct sample sample;
    sample_make(&sample, &(struct sample_options){.segment_bytes = 0});
    struct whatif_result result;
    struct config_change change = {0};
    give(&change, CONFIG_column_ms, 10000);
    assert_int_equal(ask(&sample, &change, &result), STATUS_USAGE);
    assert_non_null(strstr(result.problem, "column_ms: cannot change"));
    assert_non_null(strstr(result.problem, "seq "));

    change = (struct config_change){.market_given = true, .market = "ETH-USD"};
    assert_int_equal(ask(&sample, &change, &result), STATUS_USAGE);
    assert_non_null(strstr(result.problem, "market: cannot change"));

    change = (struct config_change){0};
    give(&change, CONFIG_critical_ms, 1000);
    assert_int_equal(ask(&sample, &change, &result), STATUS_USAGE);
    assert_non_null(strstr(result.problem, "degraded_ms: must be less than critical_ms"));
    sample_remove(&sample);
}

/* A range counts the taps in it alone, and two that part the journal sum to the whole. */
static void ranges_add_up(void **state)
{
    (void)state;
    struct sample sample;
    sample_make(&sample, &(struct sample_options){.segment_bytes = 0});
    struct config_change change = {0};
    give(&change, CONFIG_edge_bp, 1000);
    struct whatif_result whole;
    assert_int_equal(ask(&sample, &change, &whole), STATUS_OK);
    for (uint64_t cut = 1; cut < sample.records; cut += sample.records / 7) {
        struct whatif_result first;
        struct whatif_result second;
        const struct whatif_options until = {.change = &change, .to.seq = cut};
        const struct whatif_options from = {.change = &change, .from.seq = cut + 1};
        assert_int_equal(whatif_run(sample.dir, &until, &first), STATUS_OK);
        assert_int_equal(whatif_run(sample.dir, &from, &second), STATUS_OK);
        assert_int_equal(first.other.taps + second.other.taps, whole.other.taps);
        assert_int_equal(first.other.won + second.other.won, whole.other.won);
        assert_int_equal(first.recorded.rejected + second.recorded.rejected,
                         whole.recorded.rejected);
        assert_int_equal(tally_house_micro(&first.other) + tally_house_micro(&second.other),
                         tally_house_micro(&whole.other));
        const struct whatif_options time_until = {.change = &change,
                                                  .to.time_ms = sample.times_ms[cut]};
        assert_int_equal(whatif_run(sample.dir, &time_until, &first), STATUS_OK);
        assert_true(first.recorded.last_seq >= cut);
        assert_int_equal(first.last_ms, sample.times_ms[cut]);
    }
    sample_remove(&sample);
}

/* The house's result over time ends where the figures end, and begins with nothing. */
static void the_series_ends_with_the_result(void **state)
{
    (void)state;
    struct sample sample;
    sample_make(&sample, &(struct sample_options){.segment_bytes = 0});
    struct config_change change = {0};
    give(&change, CONFIG_edge_bp, 0);
    struct whatif_result result;
    assert_int_equal(ask(&sample, &change, &result), STATUS_OK);
    const struct whatif_series *series = &result.series;
    assert_in_range(series->count, 2, WHATIF_POINTS);
    assert_int_equal(series->points[0].recorded_micro, 0);
    const struct whatif_point *last = &series->points[series->count - 1];
    assert_int_equal(last->recorded_micro, tally_house_micro(&result.recorded));
    assert_int_equal(last->other_micro, tally_house_micro(&result.other));
    assert_true(last->other_micro != last->recorded_micro);
    sample_remove(&sample);
}

/* A directory without a journal is said to be one. */
static void no_journal_is_not_an_empty_answer(void **state)
{
    (void)state;
    char path[256];
    sample_directory(path);
    struct whatif_result result;
    const struct config_change change = {0};
    const struct whatif_options options = {.change = &change};
    assert_int_equal(whatif_run(path, &options, &result), STATUS_NOT_FOUND);
    assert_non_null(strstr(result.problem, "there is no journal"));
    sample_remove_directory(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_changed_is_the_same_history),
        cmocka_unit_test(a_stricter_stake_refuses_what_was_taken),
        cmocka_unit_test(an_edge_moves_multipliers),
        cmocka_unit_test(what_cannot_be_is_refused),
        cmocka_unit_test(ranges_add_up),
        cmocka_unit_test(the_series_ends_with_the_result),
        cmocka_unit_test(no_journal_is_not_an_empty_answer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
