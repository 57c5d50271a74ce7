/* Group commit, rotation, a full disk, and the first error: on a disk in memory that fails on
 * demand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "fixture.h"
#include "journal/chain.h"

static struct memory_disk disk;
static struct fixture fixture;

static int make(void **state)
{
    (void)state;
    memory_disk_init(&disk);
    fixture_init(&fixture, &disk);
    return 0;
}

static int destroy(void **state)
{
    (void)state;
    fixture_destroy(&fixture);
    memory_disk_free(&disk);
    return 0;
}

static void sleep_ms(long ms)
{
    const struct timespec time = {ms / 1000, ms % 1000 * 1000000};
    nanosleep(&time, NULL);
}

/* What queues while a batch is being told is one batch; a lone record is one by itself. */
static void records_that_queue_become_one_batch(void **state)
{
    (void)state;
    fixture_must_open(&fixture);
    fixture_append(&fixture);
    assert_int_equal(fixture.batches, 1);
    fixture_append_batch(&fixture, 50);
    assert_int_equal(fixture.batches, 3);
    assert_int_equal(fixture.durable, 52);
    assert_int_equal(fixture_close(&fixture), STATUS_OK);
}

/* The queue is bounded: it refuses, and takes records again when the batch before is durable. */
static void full_queue_refuses_and_recovers(void **state)
{
    (void)state;
    fixture_must_open(&fixture);
    pthread_mutex_lock(&fixture.mutex);
    fixture.held = true;
    pthread_mutex_unlock(&fixture.mutex);
    enum status status = STATUS_OK;
    uint8_t record[FIXTURE_RECORD_MAX];
    while (status == STATUS_OK) {
        const size_t length = fixture_record(fixture.queued + 1, record);
        status = journal_append(fixture.journal, record, length);
        fixture.queued += status == STATUS_OK;
    }
    assert_int_equal(status, STATUS_FULL);
    pthread_mutex_lock(&fixture.mutex);
    fixture.held = false;
    pthread_cond_broadcast(&fixture.changed);
    while (fixture.durable < fixture.queued) {
        pthread_cond_wait(&fixture.changed, &fixture.mutex);
    }
    pthread_mutex_unlock(&fixture.mutex);
    assert_true(fixture_append(&fixture));
    assert_int_equal(fixture_close(&fixture), STATUS_OK);
    uint64_t last;
    struct journal_report report;
    assert_int_equal(fixture_read(&disk, 1, &last, &report), STATUS_END);
    assert_int_equal(last, fixture.queued);
}

/* The greatest record fits the smallest segment, and the greatest batch the largest frame. */
static void greatest_records_fit(void **state)
{
    (void)state;
    static uint8_t record[LIMIT_RECORD_BYTES];
    memset(record, 0x5a, sizeof record);
    fixture_must_open(&fixture);
    for (unsigned i = 0; i < 10; i++) {
        enum status status;
        while ((status = journal_append(fixture.journal, record, sizeof record)) == STATUS_FULL) {
            sleep_ms(1);
        }
        assert_int_equal(status, STATUS_OK);
    }
    assert_int_equal(fixture_close(&fixture), STATUS_OK);
    assert_int_equal(fixture.durable, 10);
    fixture_must_open(&fixture);
    assert_int_equal(fixture.durable, 10);
    assert_int_equal(fixture_close(&fixture), STATUS_OK);
}

/* A journal of small segments that is opened with large ones takes the large batches that come with
 * them: none is written over the end of a segment. */
static void batches_fit_when_segments_become_larger(void **state)
{
    (void)state;
    fixture_must_open(&fixture);
    assert_true(fixture_append(&fixture));
    assert_int_equal(fixture_close(&fixture), STATUS_OK);
    fixture.options.segment_bytes = (size_t)4 << 20;
    for (int i = 0; i < 3; i++) {
        fixture_must_open(&fixture);
        fixture_append_batch(&fixture, 4000);
        assert_int_equal(fixture_close(&fixture), STATUS_OK);
    }
    uint64_t last;
    struct journal_report report;
    assert_int_equal(fixture_read(&disk, 1, &last, &report), STATUS_END);
    assert_int_equal(last, fixture.queued);
    fixture_must_open(&fixture);
    assert_int_equal(fixture.report.rule, 0);
    assert_int_equal(fixture.queued, last);
    assert_int_equal(fixture_close(&fixture), STATUS_OK);
}

/* What is queued when the journal closes is written. */
static void closing_writes_what_is_queued(void **state)
{
    (void)state;
    fixture_must_open(&fixture);
    uint8_t record[FIXTURE_RECORD_MAX];
    for (uint64_t seq = 1; seq <= 20; seq++) {
        const size_t length = fixture_record(seq, record);
        assert_int_equal(journal_append(fixture.journal, record, length), STATUS_OK);
    }
    assert_int_equal(fixture_close(&fixture), STATUS_OK);
    assert_int_equal(fixture.durable, 20);
    uint64_t last;
    struct journal_report report;
    assert_int_equal(fixture_read(&disk, 1, &last, &report), STATUS_END);
    assert_int_equal(last, 20);
}

/* The head is that of the records, at any time and after reopening. */
static void head_is_the_tree_over_all_records(void **state)
{
    (void)state;
    struct merkle tree;
    merkle_init(&tree);
    fixture_must_open(&fixture);
    for (uint64_t seq = 0; seq <= 500; seq++) {
        struct journal_head head;
        uint8_t root[HASH_BYTES];
        merkle_root(&tree, root);
        journal_head(fixture.journal, &head);
        assert_int_equal(head.seq, seq);
        assert_memory_equal(head.root, root, HASH_BYTES);
        if (seq % 100 == 99) {
            assert_int_equal(fixture_close(&fixture), STATUS_OK);
            fixture_must_open(&fixture);
        }
        uint8_t record[FIXTURE_RECORD_MAX];
        uint8_t leaf[HASH_BYTES];
        merkle_leaf(record, fixture_record(seq + 1, record), leaf);
        merkle_append(&tree, leaf);
        assert_true(fixture_append(&fixture));
    }
    assert_int_equal(fixture_close(&fixture), STATUS_OK);
}

/* --- A full disk --- */

static void wait_for_room(bool room)
{
    for (int i = 0; i < 2000 && journal_has_room(fixture.journal) != room; i++) {
        sleep_ms(1);
    }
    assert_int_equal(journal_has_room(fixture.journal), room);
}

/* A full disk is known while the present segment still has room, then refuses, and heals by itself.
 */
static void full_disk_is_known_early_and_heals(void **state)
{
    (void)state;
    disk.space_bytes = 3 * 16384;
    fixture_must_open(&fixture);
    while (memory_disk_count(&disk, ".seg") < 2) {
        assert_true(fixture_append(&fixture));
    }
    wait_for_room(false);
    const uint64_t known_at = fixture.durable;
    enum status status = STATUS_OK;
    uint8_t record[FIXTURE_RECORD_MAX];
    while (status == STATUS_OK) {
        const size_t length = fixture_record(fixture.queued + 1, record);
        status = journal_append(fixture.journal, record, length);
        fixture.queued += status == STATUS_OK;
        sleep_ms(1); /* the records go one by one, until the segment is full */
    }
    assert_int_equal(status, STATUS_FULL);
    assert_true(fixture.durable > known_at + 20);
    assert_int_equal(fixture.failures, 0);
    pthread_mutex_lock(&disk.mutex);
    disk.space_bytes = 0;
    pthread_mutex_unlock(&disk.mutex);
    wait_for_room(true);
    /* The queue may be full for a moment more, until the writer has moved on. */
    for (int tries = 0; !fixture_append(&fixture); tries++) {
        assert_true(tries < 10000);
        sleep_ms(1);
    }
    assert_int_equal(fixture_close(&fixture), STATUS_OK);
    uint64_t last;
    struct journal_report report;
    assert_int_equal(fixture_read(&disk, 1, &last, &report), STATUS_END);
    assert_int_equal(last, fixture.queued);
}

/* Closing does not wait for a full disk; what could not be written was never told durable. */
static void closing_on_a_full_disk_says_so(void **state)
{
    (void)state;
    disk.space_bytes = 16384 + FORMAT_WITNESS_SLOTS * FORMAT_WITNESS_SLOT_BYTES;
    fixture_must_open(&fixture);
    enum status status = STATUS_OK;
    uint8_t record[FIXTURE_RECORD_MAX];
    while (status == STATUS_OK) {
        const size_t length = fixture_record(fixture.queued + 1, record);
        status = journal_append(fixture.journal, record, length);
        fixture.queued += status == STATUS_OK;
        sleep_ms(1);
    }
    assert_int_equal(status, STATUS_FULL);
    assert_int_equal(fixture_close(&fixture), STATUS_NO_SPACE);
    assert_int_equal(fixture.failures, 1);
    disk.space_bytes = 0;
    const uint64_t durable = fixture.durable;
    fixture_must_open(&fixture);
    assert_int_equal(fixture.durable, durable);
    assert_int_equal(fixture_close(&fixture), STATUS_OK);
}

/* --- The first error --- */

#define LIFE_RECORDS 330 /* two rotations */

/* Opens, appends, closes; stops at the first thing that fails. Returns what was told durable. */
static uint64_t live(unsigned records, enum status *status)
{
    uint64_t durable = 0;
    *status = fixture_open(&fixture);
    if (*status != STATUS_OK) {
        return 0;
    }
    for (unsigned i = 0; i < records; i++) {
        if (!fixture_append(&fixture)) {
            fixture_wait_for_failure(&fixture); /* CLOSED may be seen just before it is told */
            const uint8_t record = 1;
            assert_int_equal(journal_append(fixture.journal, &record, 1), STATUS_CLOSED);
            break;
        }
    }
    *status = fixture_close(&fixture);
    durable = fixture.durable;
    assert_true(fixture.failures <= 1);
    assert_true(fixture.failures == 0 || *status != STATUS_OK);
    assert_false(fixture.durable_after_failure);
    return durable;
}

static void expect_recovery_of(uint64_t durable)
{
    disk.fault = (struct memory_fault){0};
    fixture_must_open(&fixture);
    assert_true(fixture.durable >= durable);
    assert_true(fixture.durable <= durable + LIMIT_BATCH_RECORDS);
    assert_true(fixture_append(&fixture));
    assert_int_equal(fixture_close(&fixture), STATUS_OK);
    uint64_t last;
    struct journal_report report;
    assert_int_equal(fixture_read(&disk, 1, &last, &report), STATUS_END);
    assert_int_equal(last, fixture.durable);
}

static struct memory_disk fresh;

/* For each call that the journal makes from opening to closing: when that one fails, nothing is
 * told durable afterwards, no failed sync is asked again, and what was told survives the power cut.
 */
static void fail_each_call(enum status error, bool for_ever, bool half)
{
    bool reached = true;
    for (uint64_t n = 1; reached; n++) {
        memory_disk_copy(&disk, &fresh);
        disk.fault = (struct memory_fault){n, for_ever, half, error};
        enum status status;
        const uint64_t durable = live(LIFE_RECORDS, &status);
        reached = disk.has_failed;
        assert_int_equal(disk.syncs_after, 0);
        if (!reached) {
            assert_int_equal(status, STATUS_OK);
        }
        memory_disk_cut_power(&disk, n);
        expect_recovery_of(durable);
    }
}

static void nothing_is_told_after_an_io_error(void **state)
{
    (void)state;
    memory_disk_init(&fresh);
    fail_each_call(STATUS_IO, false, false);
    fail_each_call(STATUS_IO, true, true);
    memory_disk_free(&fresh);
}

/* The same with a call that finds no space, once. For the spare that is no error of the journal: it
 * is made a little later. */
static void nothing_is_told_after_a_write_without_space(void **state)
{
    (void)state;
    memory_disk_init(&fresh);
    fail_each_call(STATUS_NO_SPACE, false, true);
    memory_disk_free(&fresh);
}

/* Power cuts at random calls in several lives of one journal: each time all that was told durable
 * is there again, in order, and the journal opens. */
static void power_cuts_lose_nothing_that_was_told(void **state)
{
    (void)state;
    memory_disk_init(&fresh);
    for (uint64_t seed = 1; seed <= 150; seed++) {
        uint64_t random = seed;
        uint64_t durable = 0;
        memory_disk_copy(&disk, &fresh);
        for (unsigned life = 0; life < 4; life++) {
            disk.calls = 0;
            disk.fault = (struct memory_fault){1 + test_random(&random) % 500, true,
                                               (test_random(&random) & 1) != 0, STATUS_IO};
            enum status status;
            const uint64_t told = live((unsigned)(test_random(&random) % 300), &status);
            durable = told > durable ? told : durable;
            disk.fault = (struct memory_fault){0};
            disk.failed_sync_file = -1;
            memory_disk_cut_power(&disk, test_random(&random));
        }
        expect_recovery_of(durable);
    }
    memory_disk_free(&fresh);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(records_that_queue_become_one_batch, make, destroy),
        cmocka_unit_test_setup_teardown(full_queue_refuses_and_recovers, make, destroy),
        cmocka_unit_test_setup_teardown(greatest_records_fit, make, destroy),
        cmocka_unit_test_setup_teardown(batches_fit_when_segments_become_larger, make, destroy),
        cmocka_unit_test_setup_teardown(closing_writes_what_is_queued, make, destroy),
        cmocka_unit_test_setup_teardown(head_is_the_tree_over_all_records, make, destroy),
        cmocka_unit_test_setup_teardown(full_disk_is_known_early_and_heals, make, destroy),
        cmocka_unit_test_setup_teardown(closing_on_a_full_disk_says_so, make, destroy),
        cmocka_unit_test_setup_teardown(nothing_is_told_after_an_io_error, make, destroy),
        cmocka_unit_test_setup_teardown(nothing_is_told_after_a_write_without_space, make, destroy),
        cmocka_unit_test_setup_teardown(power_cuts_lose_nothing_that_was_told, make, destroy),
    };
    return cmocka_run_group_tests_name("writer", tests, NULL, NULL);
}
