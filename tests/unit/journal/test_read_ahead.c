/* A reader with a thread ahead of it says what one without says, record for record. */
#define _GNU_SOURCE /* memmem */
#include "journal/read_ahead.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <string.h>
#include <time.h>

#include "fixture.h"
#include "tests/unit/random.h"

#define BATCHES 9000 /* of one record: more than twice what the thread may be ahead */

/* Batches of one record, of some and of many, over several segments. */
static void fill_disk(struct memory_disk *disk)
{
    struct fixture fixture;
    fixture_init(&fixture, disk);
    fixture_must_open(&fixture);
    for (unsigned i = 0; i < 20; i++) {
        fixture_append_batch(&fixture, 1 + i % 7);
    }
    for (unsigned i = 0; i < 10; i++) {
        assert_true(fixture_append(&fixture));
    }
    assert_int_equal(fixture_close(&fixture), STATUS_OK);
    fixture_destroy(&fixture);
}

static struct journal_reader *open_reader(struct memory_disk *disk, uint64_t from_seq, bool ahead)
{
    struct journal_reader *reader;
    assert_int_equal(journal_reader_open("data", &disk->disk, from_seq, &reader), STATUS_OK);
    if (ahead) {
        assert_int_equal(journal_reader_read_ahead(reader), STATUS_OK);
    }
    return reader;
}

static void assert_same_head(const struct journal_head *one, const struct journal_head *other)
{
    assert_int_equal(one->seq, other->seq);
    assert_memory_equal(one->root, other->root, HASH_BYTES);
}

/* All that can be asked of the two, standing at one place. */
static void assert_same_place(const struct journal_reader *one, const struct journal_reader *other)
{
    struct journal_head heads[2];
    journal_reader_head(one, &heads[0]);
    journal_reader_head(other, &heads[1]);
    assert_same_head(&heads[0], &heads[1]);
    journal_reader_head_before(one, &heads[0]);
    journal_reader_head_before(other, &heads[1]);
    assert_same_head(&heads[0], &heads[1]);
    assert_int_equal(journal_reader_rules(one), journal_reader_rules(other));
}

/* Reads both to their end and compares each record and what was found. Returns the status. */
static enum status compare_readers(struct memory_disk *disk, uint64_t from_seq, uint64_t *records)
{
    struct journal_reader *one = open_reader(disk, from_seq, false);
    struct journal_reader *other = open_reader(disk, from_seq, true);
    *records = 0;
    for (;;) {
        struct journal_record records_of[2];
        const enum status status = journal_reader_next(one, &records_of[0]);
        assert_int_equal(journal_reader_next(other, &records_of[1]), status);
        assert_same_place(one, other);
        if (status != STATUS_OK) {
            const struct journal_report *reports[] = {journal_reader_report(one),
                                                      journal_reader_report(other)};
            assert_int_equal(reports[0]->rule, reports[1]->rule);
            assert_int_equal(reports[0]->seq, reports[1]->seq);
            assert_int_equal(reports[0]->offset, reports[1]->offset);
            assert_string_equal(reports[0]->segment, reports[1]->segment);
            assert_string_equal(reports[0]->reason, reports[1]->reason);
            struct journal_place places[2];
            const bool has_place = journal_reader_place(one, &places[0]);
            assert_int_equal(journal_reader_place(other, &places[1]), has_place);
            journal_reader_free(one);
            journal_reader_free(other);
            return status;
        }
        const struct journal_record *a = &records_of[0];
        const struct journal_record *b = &records_of[1];
        assert_int_equal(a->seq, b->seq);
        assert_int_equal(a->length, b->length);
        assert_memory_equal(a->bytes, b->bytes, a->length);
        assert_int_equal(a->batch_end, b->batch_end);
        assert_int_equal(journal_reader_begins_segment(one, a->seq),
                         journal_reader_begins_segment(other, a->seq));
        *records += 1;
    }
}

/* A sound journal from its begin and from the middle: the same records, heads and end. */
static void sound_journal_reads_the_same(void **state)
{
    (void)state;
    struct memory_disk disk;
    memory_disk_init(&disk);
    fill_disk(&disk);
    uint64_t records;
    assert_int_equal(compare_readers(&disk, 1, &records), STATUS_END);
    assert_true(records > 100);
    uint64_t rest;
    assert_int_equal(compare_readers(&disk, 71, &rest), STATUS_END);
    assert_int_equal(rest, records - 70);
    memory_disk_free(&disk);
}

/* Far more than the thread may be ahead, and a reader that lets it come that far: it waits, and
 * nothing is written over what is being read. */
static void thread_waits_for_a_slow_reader(void **state)
{
    (void)state;
    struct memory_disk disk;
    struct fixture fixture;
    memory_disk_init(&disk);
    fixture_init(&fixture, &disk);
    fixture_must_open(&fixture);
    for (unsigned i = 0; i < BATCHES; i++) {
        assert_true(fixture_append(&fixture));
    }
    assert_int_equal(fixture_close(&fixture), STATUS_OK);
    fixture_destroy(&fixture);
    struct journal_reader *reader = open_reader(&disk, 1, true);
    struct journal_record record;
    uint64_t seq = 0;
    while (journal_reader_next(reader, &record) == STATUS_OK) {
        uint8_t expected[FIXTURE_RECORD_MAX];
        seq += 1;
        assert_int_equal(record.seq, seq);
        if (seq % 700 == 1) { /* so long that it has filled all that it may */
            const struct timespec pause = {.tv_nsec = 20000000};
            nanosleep(&pause, NULL);
        }
        const size_t length = fixture_record(seq, expected);
        assert_int_equal(record.length, length);
        assert_memory_equal(record.bytes, expected, length);
    }
    assert_int_equal(seq, BATCHES);
    journal_reader_free(reader);
    memory_disk_free(&disk);
}

/* One bit changed anywhere: the same records are delivered before the same damage is named. */
static void damage_is_named_the_same(void **state)
{
    (void)state;
    struct random random = random_start("damage_is_named_the_same", 4);
    struct memory_disk disk;
    struct memory_disk copy;
    memory_disk_init(&disk);
    memory_disk_init(&copy);
    fill_disk(&disk);
    unsigned damaged = 0;
    for (int round = 0; round < 300; round++) {
        memory_disk_copy(&copy, &disk);
        struct memory_file *file = NULL;
        while (file == NULL || !file->used || strstr(file->name, ".seg") == NULL) {
            file = &copy.files[random_below(&random, MEMORY_FILES_MAX)];
        }
        file->bytes[random_below(&random, file->size)] ^= (uint8_t)(1 << random_below(&random, 8));
        uint64_t records;
        damaged += compare_readers(&copy, 1, &records) == STATUS_DAMAGED ? 1 : 0;
    }
    assert_true(damaged > 100);
    memory_disk_free(&disk);
    memory_disk_free(&copy);
}

/* A disk that fails: the words are those of the call that failed, though it was another thread's.
 */
static void failing_disk_is_described(void **state)
{
    (void)state;
    struct memory_disk disk;
    memory_disk_init(&disk);
    fill_disk(&disk);
    struct journal_reader *reader = open_reader(&disk, 1, false);
    disk.fault = (struct memory_fault){disk.calls + 3, true, false, STATUS_IO};
    assert_int_equal(journal_reader_read_ahead(reader), STATUS_OK);
    struct journal_record record;
    enum status status;
    while ((status = journal_reader_next(reader, &record)) == STATUS_OK) {
    }
    assert_int_equal(status, STATUS_IO);
    assert_string_equal(journal_reader_report(reader)->reason, disk_problem(&disk.disk, STATUS_IO));
    journal_reader_free(reader);
    disk.fault = (struct memory_fault){0};
    memory_disk_free(&disk);
}

/* What a writer adds after the end was told is found by a later call, without the thread. */
static void later_records_are_found(void **state)
{
    (void)state;
    struct memory_disk disk;
    struct fixture fixture;
    memory_disk_init(&disk);
    fixture_init(&fixture, &disk);
    fixture_must_open(&fixture);
    assert_true(fixture_append(&fixture));
    struct journal_reader *reader = open_reader(&disk, 1, true);
    struct journal_record record;
    assert_int_equal(journal_reader_next(reader, &record), STATUS_OK);
    assert_int_equal(journal_reader_next(reader, &record), STATUS_END);
    assert_true(fixture_append(&fixture));
    assert_int_equal(journal_reader_next(reader, &record), STATUS_OK);
    assert_int_equal(record.seq, 2);
    assert_int_equal(journal_reader_next(reader, &record), STATUS_END);
    journal_reader_free(reader);
    assert_int_equal(fixture_close(&fixture), STATUS_OK);
    fixture_destroy(&fixture);
    memory_disk_free(&disk);
}

/* A reader may go away at any time: the thread ends, whether it waits or walks. */
static void reader_may_leave_early(void **state)
{
    (void)state;
    struct memory_disk disk;
    memory_disk_init(&disk);
    fill_disk(&disk);
    for (unsigned records = 0; records < 12; records += 3) {
        struct journal_reader *reader = open_reader(&disk, 1, true);
        for (unsigned i = 0; i < records; i++) {
            struct journal_record record;
            assert_int_equal(journal_reader_next(reader, &record), STATUS_OK);
        }
        journal_reader_free(reader);
    }
    memory_disk_free(&disk);
}

/* What lies ahead is shown in order and as it will come, in both ways, however far is asked. */
static void peek_shows_what_comes(void **state)
{
    (void)state;
    struct memory_disk disk;
    memory_disk_init(&disk);
    fill_disk(&disk);
    for (int ahead = 0; ahead < 2; ahead++) {
        struct journal_reader *reader = open_reader(&disk, 1, ahead == 1);
        uint64_t shown = 0; /* seq of the last one that was shown */
        uint64_t hits = 0;
        struct journal_record record;
        while (journal_reader_next(reader, &record) == STATUS_OK) {
            const uint8_t *bytes;
            size_t length;
            shown = shown < record.seq ? record.seq : shown;
            while (journal_reader_peek(reader, 5, &bytes, &length)) {
                uint8_t expected[FIXTURE_RECORD_MAX];
                if (shown >= record.seq + 5) {
                    shown = record.seq; /* the window moved: it is shown again */
                }
                shown += 1;
                assert_int_equal(length, fixture_record(shown, expected));
                assert_memory_equal(bytes, expected, length);
                hits += 1;
            }
        }
        assert_true(hits > 80);
        journal_reader_free(reader);
    }
    memory_disk_free(&disk);
}

/* A record says which of the looks ahead showed its very bytes, in both ways and whether or not the
 * reader looks on after each: whoever decoded them then need not do it again. */
static void record_knows_the_look_that_showed_it(void **state)
{
    (void)state;
    struct memory_disk disk;
    memory_disk_init(&disk);
    fill_disk(&disk);
    for (int round = 0; round < 4; round++) {
        struct journal_reader *reader = open_reader(&disk, 1, round % 2 == 1);
        const uint8_t *shown[1000];
        uint64_t looks = 0;
        uint64_t known = 0;
        struct journal_record record;
        while (journal_reader_next(reader, &record) == STATUS_OK) {
            if (record.peeked > 0) {
                uint8_t expected[FIXTURE_RECORD_MAX];
                assert_true(record.peeked <= 5 && record.peeked <= looks);
                assert_ptr_equal(shown[looks - record.peeked], record.bytes);
                assert_int_equal(record.length, fixture_record(record.seq, expected));
                assert_memory_equal(record.bytes, expected, record.length);
                known += 1;
            }
            size_t length;
            while ((round < 2 || record.seq % 3 == 0) && looks < 1000 &&
                   journal_reader_peek(reader, 5, &shown[looks], &length)) {
                looks += 1;
            }
        }
        assert_true(known > 60);
        journal_reader_free(reader);
    }
    memory_disk_free(&disk);
}

/* A frame is looked at while it is being written, and is whole when it is read: the record has the
 * same place, but is not taken for the one that was shown. */
static void record_read_again_was_not_shown(void **state)
{
    (void)state;
    struct memory_disk disk;
    struct fixture fixture;
    memory_disk_init(&disk);
    fixture_init(&fixture, &disk);
    fixture_must_open(&fixture);
    assert_true(fixture_append(&fixture));
    assert_true(fixture_append(&fixture));
    struct journal_reader *reader = open_reader(&disk, 1, false);
    uint8_t expected[FIXTURE_RECORD_MAX];
    const size_t expected_bytes = fixture_record(2, expected);
    struct memory_file *file = memory_disk_find(&disk, ".seg");
    uint8_t *place = memmem(file->bytes, file->size, expected, expected_bytes);
    assert_non_null(place);
    place[expected_bytes - 1] ^= 1;
    struct journal_record record;
    const uint8_t *shown;
    size_t length;
    assert_int_equal(journal_reader_next(reader, &record), STATUS_OK);
    assert_true(journal_reader_peek(reader, 5, &shown, &length));
    assert_int_equal(length, expected_bytes);
    assert_memory_not_equal(shown, expected, expected_bytes);
    assert_int_not_equal(journal_reader_next(reader, &record), STATUS_OK);
    place[expected_bytes - 1] ^= 1;
    assert_int_equal(journal_reader_next(reader, &record), STATUS_OK);
    assert_memory_equal(record.bytes, expected, expected_bytes);
    assert_int_equal(record.peeked, 0);
    journal_reader_free(reader);
    assert_int_equal(fixture_close(&fixture), STATUS_OK);
    fixture_destroy(&fixture);
    memory_disk_free(&disk);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sound_journal_reads_the_same),
        cmocka_unit_test(thread_waits_for_a_slow_reader),
        cmocka_unit_test(damage_is_named_the_same),
        cmocka_unit_test(failing_disk_is_described),
        cmocka_unit_test(later_records_are_found),
        cmocka_unit_test(reader_may_leave_early),
        cmocka_unit_test(peek_shows_what_comes),
        cmocka_unit_test(record_knows_the_look_that_showed_it),
        cmocka_unit_test(record_read_again_was_not_shown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
