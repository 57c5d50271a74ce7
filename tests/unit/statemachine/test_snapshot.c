/* Snapshot bytes and what is made of them again. */
#include "statemachine/snapshot.h"

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "fixture.h"

/* A market with something of everything: confirmed and waiting bets, nonces, transfers, a pending
 * W. */
static struct fixture *busy_market(void)
{
    struct fixture *fixture = fixture_market(NULL);
    fixture_config(fixture, "band_e4=100000");
    for (unsigned player = 1; player <= 3; player++) {
        const struct tap tap =
            fixture_tap(fixture, player, 1015000, FIXTURE_BAND + (int)player / 2);
        fixture_apply_tap(fixture, &tap);
    }
    fixture_ticks(fixture, 1005200, 1006000, FIXTURE_PRICE_E4);
    const struct tap tap = fixture_tap(fixture, 1, 1025000, FIXTURE_BAND);
    fixture_apply_tap(fixture, &tap);
    return fixture;
}

static enum status restore(const struct machine_limits *limits, const uint8_t *bytes, size_t count,
                           struct machine **machine)
{
    static void *arena;
    const size_t size = machine_bytes(limits);
    free(arena);
    arena = aligned_alloc(64, size);
    assert_non_null(arena);
    memset(arena, 0, size);
    return machine_restore(arena, limits, bytes, count, machine);
}

/* A restored machine gives the same bytes and shows the same, and so does one before genesis. */
static void restored_machine_has_the_same_bytes(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        struct fixture *fixture = i == 0 ? fixture_new() : busy_market();
        size_t count;
        uint8_t *bytes = fixture_snapshot(fixture, &count);
        struct fixture *twin = fixture_restore(fixture, bytes, count);
        size_t twin_count;
        uint8_t *twin_bytes = fixture_snapshot(twin, &twin_count);
        assert_int_equal(twin_count, count);
        assert_memory_equal(twin_bytes, bytes, count);
        struct market_view a;
        struct market_view b;
        machine_market(fixture->machine, &a);
        machine_market(twin->machine, &b);
        assert_int_equal(a.seq, b.seq);
        assert_int_equal(a.reserved_micro, b.reserved_micro);
        assert_int_equal(a.open_bets, b.open_bets);
        assert_int_equal(a.band_e4_from, b.band_e4_from);
        free(bytes);
        free(twin_bytes);
        fixture_free(twin);
        fixture_free(fixture);
    }
}

/* The very bytes of the beginning are the format: magic, layout, rules, the limits in force, seq
 * and time, little-endian. */
static void bytes_begin_with_magic_and_versions(void **state)
{
    (void)state;
    struct fixture *fixture = busy_market();
    size_t count;
    uint8_t *bytes = fixture_snapshot(fixture, &count);
    assert_memory_equal(bytes, "tapstate", 8);
    assert_int_equal(load_u32(bytes + 8), SNAPSHOT_LAYOUT_VERSION);
    assert_int_equal(load_u32(bytes + 12), machine_rules(fixture->machine));
    assert_int_equal(load_u32(bytes + 16), 1000000);
    assert_int_equal(load_u32(bytes + 20), 1000000);
    assert_int_equal(load_u32(bytes + 24), 1000000);
    assert_int_equal(load_u32(bytes + 28), 2000000);
    assert_int_equal(load_u64(bytes + 32), fixture->seq);
    assert_int_equal(load_u64(bytes + 40), fixture->time_ms);
    assert_memory_equal(bytes + count - 8, "tapstate", 8);
    free(bytes);
    fixture_free(fixture);
}

/* Other versions of layout or rules are named as such, not as damage. */
static void other_versions_are_refused(void **state)
{
    (void)state;
    struct fixture *fixture = busy_market();
    size_t count;
    uint8_t *bytes = fixture_snapshot(fixture, &count);
    struct machine *machine;
    bytes[8] += 1;
    assert_int_equal(restore(&fixture->limits, bytes, count, &machine), STATUS_VERSION);
    bytes[8] -= 1;
    bytes[12] += 1;
    assert_int_equal(restore(&fixture->limits, bytes, count, &machine), STATUS_VERSION);
    free(bytes);
    fixture_free(fixture);
}

/* Each table of the arena that is too small is told apart from damage. */
static void smaller_arenas_are_full(void **state)
{
    (void)state;
    struct fixture *fixture = busy_market();
    size_t count;
    uint8_t *bytes = fixture_snapshot(fixture, &count);
    struct machine *machine;
    const struct machine_limits exact = {3, 4, 4, 4};
    assert_int_equal(restore(&exact, bytes, count, &machine), STATUS_OK);
    for (int i = 0; i < 4; i++) {
        struct machine_limits limits = exact;
        uint32_t *fields[] = {&limits.accounts_max, &limits.open_bets_max, &limits.nonces_max,
                              &limits.transfers_max};
        *fields[i] -= 1;
        assert_int_equal(restore(&limits, bytes, count, &machine), STATUS_FULL);
    }
    free(bytes);
    fixture_free(fixture);
}

/* Limits that were lowered below what is there come back with all that is there: nothing is lost,
 * nothing new is taken, and it goes on like the machine that was never stopped. */
static void lowered_limits_come_back_with_more_than_they_allow(void **state)
{
    (void)state;
    struct fixture *fixture = busy_market();
    fixture_start(fixture,
                  &(struct machine_limits){
                      .accounts_max = 1, .open_bets_max = 2, .nonces_max = 1, .transfers_max = 1});
    size_t count;
    uint8_t *bytes = fixture_snapshot(fixture, &count);
    struct fixture *twin = fixture_restore(fixture, bytes, count);
    assert_int_equal(twin->seq, fixture->seq);
    for (unsigned player = 1; player <= 3; player++) {
        const struct tap tap = fixture_tap(fixture, player, 1030000, FIXTURE_BAND);
        fixture_apply_tap(fixture, &tap);
        fixture_apply_tap(twin, &tap);
        fixture_expect(twin, fixture->text);
    }
    fixture_ticks(fixture, 1006000, 1031000, FIXTURE_PRICE_E4);
    fixture_ticks(twin, 1006000, 1031000, FIXTURE_PRICE_E4);
    size_t after;
    size_t twin_after;
    uint8_t *expected = fixture_snapshot(fixture, &after);
    uint8_t *found = fixture_snapshot(twin, &twin_after);
    assert_int_equal(twin_after, after);
    assert_memory_equal(found, expected, after);
    free(bytes);
    free(expected);
    free(found);
    fixture_free(twin);
    fixture_free(fixture);
}

/* Cut anywhere, or with a byte too many, it is damaged. */
static void cut_bytes_are_damaged(void **state)
{
    (void)state;
    struct fixture *fixture = busy_market();
    size_t count;
    uint8_t *bytes = fixture_snapshot(fixture, &count);
    bytes = realloc(bytes, count + 1);
    assert_non_null(bytes);
    bytes[count] = 0;
    struct machine *machine;
    for (size_t cut = 0; cut < count; cut++) {
        assert_int_equal(restore(&fixture->limits, bytes, cut, &machine), STATUS_DAMAGED);
    }
    assert_int_equal(restore(&fixture->limits, bytes, count + 1, &machine), STATUS_DAMAGED);
    free(bytes);
    fixture_free(fixture);
}

/* Any byte changed: either it is refused, or what was made holds every invariant and has other
 * bytes. The digest over a snapshot finds the change; this shows that no byte can crash the reader.
 */
static void changed_bytes_never_make_a_broken_machine(void **state)
{
    (void)state;
    struct fixture *fixture = busy_market();
    size_t count;
    uint8_t *bytes = fixture_snapshot(fixture, &count);
    for (size_t at = 0; at < count; at++) {
        for (int bit = 0; bit < 8; bit += 7) {
            bytes[at] ^= (uint8_t)(1 << bit);
            struct machine *machine = NULL;
            if (restore(&fixture->limits, bytes, count, &machine) == STATUS_OK) {
                assert_null(machine_invariant(machine));
            } else {
                assert_null(machine);
            }
            bytes[at] ^= (uint8_t)(1 << bit);
        }
    }
    struct machine *machine;
    assert_int_equal(restore(&fixture->limits, bytes, count, &machine), STATUS_OK);
    free(bytes);
    fixture_free(fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(restored_machine_has_the_same_bytes),
        cmocka_unit_test(bytes_begin_with_magic_and_versions),
        cmocka_unit_test(other_versions_are_refused),
        cmocka_unit_test(smaller_arenas_are_full),
        cmocka_unit_test(lowered_limits_come_back_with_more_than_they_allow),
        cmocka_unit_test(cut_bytes_are_damaged),
        cmocka_unit_test(changed_bytes_never_make_a_broken_machine),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
