/* Snapshot bytes of random markets: what they say at any moment, and what is made of them when they
 * are not as they were written. With the rules that were never released, which change on the way.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "journal/codec.h"
#include "journal/journal.h"
#include "replay/applier.h"
#include "tests/property/story.h"
#include "tests/unit/random.h"
#include "tests/unit/replay/sample.h"

#define POINTS        1500
#define MOMENTS       1000
#define ONE_IN        8
#define HOSTILE_CASES 4000 /* or TAPLINE_CASES of the environment */
#define SEEDS_KEPT    32   /* snapshots that are changed */
#define TICKS_AFTER   80

static const struct machine_limits arena = {64, 2048, 4096, 2048};

struct bytes {
    uint8_t *data;
    size_t count;
    size_t room;
};

static void keep(void *context, const uint8_t *data, size_t count)
{
    struct bytes *bytes = context;
    if (bytes->count + count > bytes->room) {
        bytes->room = (bytes->count + count) * 2;
        bytes->data = realloc(bytes->data, bytes->room);
        assert_non_null(bytes->data);
    }
    memcpy(bytes->data + bytes->count, data, count);
    bytes->count += count;
}

static void snapshot(const struct applier *applier, struct bytes *bytes)
{
    bytes->count = 0;
    machine_snapshot(applier_machine(applier), bytes, keep);
}

static void assert_same(const struct bytes *a, const struct bytes *b)
{
    assert_int_equal(a->count, b->count);
    assert_memory_equal(a->data, b->data, a->count);
}

/* A story, read record by record; Start records may be put between its own. */
struct script {
    char dir[256];
    struct journal_reader *reader;
    uint64_t seq;
    int64_t time_ms;
};

static void script_open(struct script *script, uint64_t seed)
{
    struct story_told told;
    sample_directory(script->dir);
    const struct story_options options = {
        .dir = script->dir, .seed = seed, .points = POINTS, .rules_version = 2};
    story_write(&options, &told);
    assert_int_equal(journal_reader_open(script->dir, NULL, 1, &script->reader), STATUS_OK);
    script->seq = 0;
    script->time_ms = 0;
}

static void script_close(struct script *script)
{
    journal_reader_free(script->reader);
    sample_remove_directory(script->dir);
}

/* False: the arena is too small for it, a Start of the story with limits above it. An Attest does
 * not fit, because the seqs are the script's own. */
static bool apply_one(const struct script *script, struct applier *applier, const uint8_t *record,
                      size_t length)
{
    const enum status status = applier_apply(applier, script->seq, record, length, NULL);
    if (status != STATUS_OK && status != STATUS_MISMATCH && status != STATUS_FULL) {
        fail_msg("%s", applier_report(applier)->reason);
    }
    return status != STATUS_FULL;
}

/* Applies it to both; the digests stay equal. */
static void apply(struct script *script, struct applier *one, struct applier *other,
                  const uint8_t *record, size_t length)
{
    script->seq += 1;
    const bool applied = apply_one(script, one, record, length);
    if (other != NULL) {
        assert_int_equal(apply_one(script, other, record, length), applied);
        assert_memory_equal(applier_digest(one), applier_digest(other), HASH_BYTES);
    }
    script->seq -= applied ? 0 : 1;
    script->time_ms = applier_time_ms(one);
}

/* The next record of the story. False: it is over. */
static bool apply_next(struct script *script, struct applier *one, struct applier *other)
{
    struct journal_record record;
    const enum status status = journal_reader_next(script->reader, &record);
    if (status == STATUS_END) {
        return false;
    }
    assert_int_equal(status, STATUS_OK);
    apply(script, one, other, record.bytes, record.length);
    return true;
}

/* Limits of any size that the arena has room for: below what is there, or above. */
static void apply_limits(struct script *script, struct random *random, struct applier *one,
                         struct applier *other)
{
    struct input input = {.kind = INPUT_START, .time_ms = script->time_ms};
    const bool wide = random_below(random, 2) == 0;
    const uint32_t greatest[] = {arena.accounts_max, arena.open_bets_max, arena.nonces_max,
                                 arena.transfers_max};
    uint32_t drawn[4];
    for (int i = 0; i < 4; i++) {
        drawn[i] = wide ? greatest[i] : (uint32_t)random_below(random, 12);
    }
    input.of.start.version = (struct text_view){.text = "0", .length = 1};
    input.of.start.limits = (struct machine_limits){drawn[0], drawn[1], drawn[2], drawn[3]};
    uint8_t bytes[LIMIT_RECORD_BYTES];
    const size_t length = codec_encode(&input, bytes, sizeof bytes);
    assert_true(length > 0);
    apply(script, one, other, bytes, length);
}

/* At a thousand moments of random markets, with limits lowered below what is there and with rules
 * that change: a snapshot, restored, has the same bytes, and goes on with the same digest after
 * each record as the machine that was never stopped. */
static void snapshot_of_any_moment_goes_on_alike(void **state)
{
    (void)state;
    struct random random = random_start("restore", 20261120);
    unsigned moments = 0;
    unsigned lowered = 0;
    uint32_t newest_rules = 0;
    while (moments < MOMENTS) {
        struct script script;
        struct applier *whole;
        struct applier *twin;
        struct bytes first = {0};
        struct bytes second = {0};
        script_open(&script, random_next(&random));
        assert_int_equal(applier_open(&arena, &whole), STATUS_OK);
        assert_int_equal(applier_open(&arena, &twin), STATUS_OK);
        while (apply_next(&script, whole, twin)) {
            if (random_below(&random, ONE_IN * 4) == 0) {
                apply_limits(&script, &random, whole, twin);
            }
            if (random_below(&random, ONE_IN) != 0) {
                continue;
            }
            snapshot(twin, &second);
            applier_free(twin);
            assert_int_equal(
                applier_restore(&arena, second.data, second.count, applier_digest(whole), &twin),
                STATUS_OK);
            snapshot(whole, &first);
            snapshot(twin, &second);
            assert_same(&first, &second);
            struct machine_limits limits;
            struct market_view market;
            machine_limits_in_force(applier_machine(whole), &limits);
            machine_market(applier_machine(whole), &market);
            lowered += limits.accounts_max < market.accounts ||
                       limits.open_bets_max < market.open_bets ||
                       limits.nonces_max < market.nonces || limits.transfers_max < market.transfers;
            moments += 1;
        }
        newest_rules = machine_rules(applier_machine(whole));
        applier_free(whole);
        applier_free(twin);
        free(first.data);
        free(second.data);
        script_close(&script);
    }
    assert_int_equal(newest_rules, 2);
    assert_true(lowered > 20);
}

/* --- Hostile bytes. --- */

/* Snapshots of many moments of one market. */
static size_t gather(struct bytes kept[SEEDS_KEPT], uint64_t seed, struct random *random)
{
    struct script script;
    struct applier *applier;
    size_t count = 0;
    script_open(&script, seed);
    assert_int_equal(applier_open(&arena, &applier), STATUS_OK);
    while (count < SEEDS_KEPT && apply_next(&script, applier, NULL)) {
        if (random_below(random, 200) == 0) {
            kept[count] = (struct bytes){0};
            snapshot(applier, &kept[count++]);
        }
    }
    applier_free(applier);
    script_close(&script);
    return count;
}

static uint64_t odd_number(struct random *random)
{
    static const uint64_t odd[] = {0,
                                   1,
                                   2,
                                   UINT32_MAX,
                                   (uint64_t)UINT32_MAX + 1,
                                   INT64_MAX,
                                   (uint64_t)INT64_MAX + 1,
                                   (uint64_t)INT64_MAX - 1,
                                   UINT64_MAX,
                                   1000000000,
                                   5000};
    return odd[random_below(random, sizeof odd / sizeof odd[0])];
}

/* One change of any kind, mostly of a whole field. */
static void change(struct random *random, struct bytes *bytes, const struct bytes *other)
{
    const size_t at = random_below(random, bytes->count);
    const size_t room = bytes->count - at;
    const size_t width = random_below(random, 2) == 0 ? 8 : 4;
    uint64_t number;
    switch (random_below(random, 7)) {
    case 0:
        bytes->data[at] ^= (uint8_t)(1u << random_below(random, 8));
        break;
    case 1:
        bytes->data[at] = (uint8_t)random_next(random);
        break;
    case 2: /* a field of its own value plus or minus a little */
        if (room >= width) {
            memcpy(&number, bytes->data + at, sizeof number <= room ? sizeof number : width);
            number += random_below(random, 5) - 2;
            memcpy(bytes->data + at, &number, width);
        }
        break;
    case 3:
        number = odd_number(random);
        memcpy(bytes->data + at, &number, room < width ? room : width);
        break;
    case 4: /* a piece taken out */
        number = random_below(random, 128) + 1;
        number = number > room ? room : number;
        memmove(bytes->data + at, bytes->data + at + number, room - number);
        bytes->count -= number;
        break;
    case 5: /* a piece said twice */
        number = random_below(random, 128) + 1;
        number = number > room ? room : number;
        if (bytes->count + number <= bytes->room) {
            memmove(bytes->data + at + number, bytes->data + at, room);
            bytes->count += number;
        }
        break;
    default: /* a piece of another snapshot */
        number = random_below(random, 256) + 1;
        if (at + number <= bytes->count && at + number <= other->count) {
            memcpy(bytes->data + at, other->data + at, number);
        }
        break;
    }
}

static unsigned cases_asked(void)
{
    const char *given = getenv("TAPLINE_CASES");
    return given != NULL ? (unsigned)strtoul(given, NULL, 10) : HOSTILE_CASES;
}

static void hear_event(void *context, const struct event *event)
{
    (void)context;
    (void)event;
}

static void hear_posting(void *context, const struct posting *posting)
{
    (void)context;
    (void)posting;
}

/* A while of ticks, through which what is open is priced and settled. */
static void go_on(struct machine *machine)
{
    static const struct event_sink sink = {NULL, hear_event, hear_posting};
    struct market_view market;
    machine_market(machine, &market);
    if (market.epoch == 0 || market.time_ms < 0 || market.time_ms > INT64_MAX / 2) {
        return;
    }
    struct input input = {.kind = INPUT_PRICE_TICK, .seq = market.seq, .time_ms = market.time_ms};
    for (int i = 0; i < TICKS_AFTER; i++) {
        input.time_ms += 1000 - input.time_ms % 1000;
        input.seq += 1;
        input.of.price_tick = (struct price_tick){
            .grid_ms = input.time_ms, .price_e4 = 617100000, .sources = 2, .set = 3};
        machine_apply(machine, &input, &sink);
    }
    assert_null(machine_invariant(machine));
}

/* Bytes that are no snapshot, or no possible one, whose hash was made to fit: they are refused, or
 * every invariant holds and the state says the same bytes again, so that nothing in them was passed
 * over; and the market goes on. No case crashes. */
static void changed_snapshots_are_refused_or_sound(void **state)
{
    (void)state;
    struct random random = random_start("hostile", 77);
    struct bytes kept[SEEDS_KEPT];
    const size_t seeds = gather(kept, random_next(&random), &random);
    assert_true(seeds > 5);
    struct bytes bytes = {0};
    struct bytes again = {0};
    void *memory = aligned_alloc(64, machine_bytes(&arena));
    assert_non_null(memory);
    unsigned taken = 0;
    const unsigned cases = cases_asked();
    for (unsigned i = 0; i < cases; i++) {
        const struct bytes *from = &kept[random_below(&random, seeds)];
        bytes.count = 0;
        keep(&bytes, from->data, from->count);
        const uint64_t changes = 1 + random_below(&random, 3);
        for (uint64_t j = 0; j < changes; j++) {
            change(&random, &bytes, &kept[random_below(&random, seeds)]);
        }
        struct machine *machine = NULL;
        memset(memory, 0, machine_bytes(&arena));
        if (machine_restore(memory, &arena, bytes.data, bytes.count, &machine) != STATUS_OK) {
            assert_null(machine);
            continue;
        }
        taken += 1;
        assert_null(machine_invariant(machine));
        again.count = 0;
        machine_snapshot(machine, &again, keep);
        assert_same(&bytes, &again);
        go_on(machine);
    }
    print_message("%u of %u were taken\n", taken, cases);
    assert_true(taken > 0);
    free(memory);
    free(bytes.data);
    free(again.data);
    for (size_t i = 0; i < seeds; i++) {
        free(kept[i].data);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(snapshot_of_any_moment_goes_on_alike),
        cmocka_unit_test(changed_snapshots_are_refused_or_sound),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
