#include "replay/applier.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "journal/codec.h"
#include "sample.h"

static size_t encode(struct input *input, uint8_t *record)
{
    const size_t bytes = codec_encode(input, record, LIMIT_RECORD_BYTES);
    assert_true(bytes > 0);
    return bytes;
}

static size_t encode_clock_tick(int64_t time_ms, uint8_t *record)
{
    struct input input = {.time_ms = time_ms, .kind = INPUT_CLOCK_TICK};
    input.of.clock_grid_ms = time_ms - time_ms % 200;
    return encode(&input, record);
}

static size_t encode_config(int64_t time_ms, uint8_t *record)
{
    struct input input = {.time_ms = time_ms, .kind = INPUT_CONFIG};
    return encode(&input, record);
}

static size_t encode_attest(int64_t time_ms, uint64_t of_seq, const uint8_t *digest,
                            uint8_t *record)
{
    struct input input = {.time_ms = time_ms, .kind = INPUT_ATTEST};
    input.of.attest.of_seq = of_seq;
    memcpy(input.of.attest.digest, digest, HASH_BYTES);
    return encode(&input, record);
}

/* A Config record and `ticks` clock ticks. */
static struct applier *begin(uint64_t ticks)
{
    struct applier *applier;
    uint8_t record[LIMIT_RECORD_BYTES];
    assert_int_equal(applier_open(&sample_limits, &applier), STATUS_OK);
    size_t bytes = encode_config(SAMPLE_START_MS, record);
    assert_int_equal(applier_apply(applier, 1, record, bytes, NULL), STATUS_OK);
    for (uint64_t i = 1; i <= ticks; i++) {
        bytes = encode_clock_tick(SAMPLE_START_MS + 200 * (int64_t)i, record);
        assert_int_equal(applier_apply(applier, i + 1, record, bytes, NULL), STATUS_OK);
    }
    return applier;
}

/* The same records give the same digests, twice in one process; each record moves the digest. */
static void equal_records_give_equal_digests(void **state)
{
    (void)state;
    struct applier *one = begin(20);
    struct applier *other = begin(20);
    assert_int_equal(applier_seq(one), 21);
    for (uint64_t seq = 1; seq <= 21; seq++) {
        assert_memory_equal(applier_digest_of(one, seq), applier_digest_of(other, seq), HASH_BYTES);
        assert_true(seq == 1 || memcmp(applier_digest_of(one, seq), applier_digest_of(one, seq - 1),
                                       HASH_BYTES) != 0);
    }
    assert_memory_equal(applier_digest(one), applier_digest_of(one, 21), HASH_BYTES);
    assert_null(applier_digest_of(one, 22));
    applier_free(one);
    applier_free(other);
}

/* An Attest record that tells the digest of an earlier record passes, and is counted. */
static void a_true_attest_passes(void **state)
{
    (void)state;
    struct applier *applier = begin(10);
    uint8_t record[LIMIT_RECORD_BYTES];
    size_t bytes = encode_attest(SAMPLE_START_MS + 3000, 7, applier_digest_of(applier, 7), record);
    assert_int_equal(applier_apply(applier, 12, record, bytes, NULL), STATUS_OK);
    bytes = encode_attest(SAMPLE_START_MS + 3000, 12, applier_digest(applier), record);
    assert_int_equal(applier_apply(applier, 13, record, bytes, NULL), STATUS_OK);
    assert_int_equal(applier_attests_checked(applier), 2);
    assert_int_equal(applier_report(applier)->seq, 0);
    applier_free(applier);
}

/* One bit off, and the report names the record whose digests differ, with both of them; the record
 * is applied all the same. */
static void a_false_attest_is_named(void **state)
{
    (void)state;
    struct applier *applier = begin(10);
    uint8_t record[LIMIT_RECORD_BYTES];
    uint8_t wrong[HASH_BYTES];
    memcpy(wrong, applier_digest_of(applier, 9), HASH_BYTES);
    wrong[31] ^= 0x80;
    const size_t bytes = encode_attest(SAMPLE_START_MS + 3000, 9, wrong, record);
    assert_int_equal(applier_apply(applier, 12, record, bytes, NULL), STATUS_MISMATCH);
    const struct applier_report *report = applier_report(applier);
    assert_int_equal(report->seq, 12);
    assert_int_equal(report->of_seq, 9);
    assert_memory_equal(report->recorded, wrong, HASH_BYTES);
    assert_memory_equal(report->computed, applier_digest_of(applier, 9), HASH_BYTES);
    assert_non_null(strstr(report->reason, "seq 9"));
    assert_int_equal(applier_seq(applier), 12);
    applier_free(applier);
}

/* An attest of itself, of the future or of nothing can be true of no run. */
static void an_attest_of_no_earlier_record_is_false(void **state)
{
    (void)state;
    static const uint64_t of_seqs[] = {0, 12, 13, UINT64_MAX};
    static const uint8_t zeros[HASH_BYTES];
    for (size_t i = 0; i < sizeof of_seqs / sizeof of_seqs[0]; i++) {
        struct applier *applier = begin(10);
        uint8_t record[LIMIT_RECORD_BYTES];
        const size_t bytes = encode_attest(SAMPLE_START_MS + 3000, of_seqs[i], zeros, record);
        assert_int_equal(applier_apply(applier, 12, record, bytes, NULL), STATUS_MISMATCH);
        applier_free(applier);
    }
}

/* Bytes that are no record, a seq out of turn and a time that goes back are refused before the
 * state machine, whose checks would end the process; the state does not move. */
static void what_is_no_next_record_changes_nothing(void **state)
{
    (void)state;
    struct applier *applier = begin(3);
    uint8_t digest[HASH_BYTES];
    memcpy(digest, applier_digest(applier), HASH_BYTES);
    uint8_t record[LIMIT_RECORD_BYTES];
    const size_t bytes = encode_clock_tick(SAMPLE_START_MS + 5000, record);
    assert_int_equal(applier_apply(applier, 4, record, bytes, NULL), STATUS_INVALID);
    assert_int_equal(applier_apply(applier, 6, record, bytes, NULL), STATUS_INVALID);
    assert_int_equal(applier_apply(applier, 5, record, 3, NULL), STATUS_INVALID);
    assert_int_equal(applier_report(applier)->seq, 5);
    const size_t old = encode_clock_tick(SAMPLE_START_MS + 599, record);
    assert_int_equal(applier_apply(applier, 5, record, old, NULL), STATUS_INVALID);
    assert_non_null(strstr(applier_report(applier)->reason, "time"));
    assert_int_equal(applier_seq(applier), 4);
    assert_memory_equal(applier_digest(applier), digest, HASH_BYTES);
    const size_t same = encode_clock_tick(SAMPLE_START_MS + 600, record);
    assert_int_equal(applier_apply(applier, 5, record, same, NULL), STATUS_OK);
    applier_free(applier);
}

struct snapshot {
    uint8_t *bytes;
    size_t length;
};

static void take_piece(void *context, const uint8_t *bytes, size_t count)
{
    struct snapshot *snapshot = context;
    snapshot->bytes = realloc(snapshot->bytes, snapshot->length + count);
    assert_non_null(snapshot->bytes);
    memcpy(snapshot->bytes + snapshot->length, bytes, count);
    snapshot->length += count;
}

/* From a snapshot and its digest the chain goes on as if it had never stopped; an attest from
 * before the snapshot cannot be checked, and is counted as that. */
static void a_restored_applier_goes_on(void **state)
{
    (void)state;
    struct applier *whole = begin(10);
    struct snapshot snapshot = {NULL, 0};
    machine_snapshot(applier_machine(whole), &snapshot, take_piece);
    struct applier *restored;
    assert_int_equal(applier_restore(&sample_limits, snapshot.bytes, snapshot.length,
                                     applier_digest(whole), &restored),
                     STATUS_OK);
    assert_int_equal(applier_seq(restored), 11);
    assert_memory_equal(applier_digest_of(restored, 11), applier_digest(whole), HASH_BYTES);
    assert_null(applier_digest_of(restored, 10));
    uint8_t record[LIMIT_RECORD_BYTES];
    const size_t bytes =
        encode_attest(SAMPLE_START_MS + 3000, 10, applier_digest_of(whole, 10), record);
    assert_int_equal(applier_apply(whole, 12, record, bytes, NULL), STATUS_OK);
    assert_int_equal(applier_apply(restored, 12, record, bytes, NULL), STATUS_OK);
    assert_int_equal(applier_attests_unknown(restored), 1);
    const size_t tick = encode_clock_tick(SAMPLE_START_MS + 3200, record);
    assert_int_equal(applier_apply(whole, 13, record, tick, NULL), STATUS_OK);
    assert_int_equal(applier_apply(restored, 13, record, tick, NULL), STATUS_OK);
    assert_memory_equal(applier_digest(whole), applier_digest(restored), HASH_BYTES);
    free(snapshot.bytes);
    applier_free(whole);
    applier_free(restored);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equal_records_give_equal_digests),
        cmocka_unit_test(a_true_attest_passes),
        cmocka_unit_test(a_false_attest_is_named),
        cmocka_unit_test(an_attest_of_no_earlier_record_is_false),
        cmocka_unit_test(what_is_no_next_record_changes_nothing),
        cmocka_unit_test(a_restored_applier_goes_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
