/* Readers beside a running writer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "fixture.h"

#define RECORDS 200000

static char directory[64];
static struct journal *journal;
static _Atomic uint64_t durable;
static _Atomic bool done;

static void on_durable(void *context, const struct journal_batch *batch)
{
    (void)context;
    durable = batch->first_seq + batch->count - 1;
}

static void *append_all(void *argument)
{
    (void)argument;
    for (uint64_t seq = 1; seq <= RECORDS; seq++) {
        uint8_t record[FIXTURE_RECORD_MAX];
        const size_t length = fixture_record(seq, record);
        while (journal_append(journal, record, length) == STATUS_FULL) {
            usleep(50);
        }
        if (seq % 500 == 0) {
            usleep(200); /* batches of all sizes */
        }
    }
    return NULL;
}

/* Reads on until the writer is done and the end was seen once more. Returns the last seq. */
static uint64_t follow(struct journal_reader *reader)
{
    uint64_t last = 0;
    for (;;) {
        const bool was_done = done;
        const uint64_t was_durable = durable;
        struct journal_record record;
        enum status status;
        while ((status = journal_reader_next(reader, &record)) == STATUS_OK) {
            uint8_t expected[FIXTURE_RECORD_MAX];
            if (record.seq != last + 1 || record.length != fixture_record(record.seq, expected) ||
                memcmp(record.bytes, expected, record.length) != 0) {
                return 0;
            }
            last = record.seq;
        }
        if (status != STATUS_END || last < was_durable) {
            const struct journal_report *report = journal_reader_report(reader);
            print_message("%s after %llu: %s %llu %c %s\n", status_text(status),
                          (unsigned long long)last, report->segment,
                          (unsigned long long)report->offset, report->rule, report->reason);
            return 0;
        }
        if (was_done) {
            return last;
        }
    }
}

static void *follow_in_thread(void *argument)
{
    uint64_t *last = argument;
    struct journal_reader *reader;
    *last = 0;
    if (journal_reader_open(directory, NULL, 1, &reader) == STATUS_OK) {
        *last = follow(reader);
        journal_reader_free(reader);
    }
    return NULL;
}

/* Opens anew all the time: each reader sees at least what was durable when it began, and never
 * damage. */
static void *reopen_in_thread(void *argument)
{
    uint64_t *last = argument;
    while (!done) {
        const uint64_t least = durable;
        struct journal_reader *reader;
        struct journal_record record = {0};
        if (journal_reader_open(directory, NULL, least > 500 ? least - 500 : 1, &reader) !=
            STATUS_OK) {
            return NULL;
        }
        enum status status;
        while ((status = journal_reader_next(reader, &record)) == STATUS_OK) {
        }
        journal_reader_free(reader);
        if (status != STATUS_END || (least > 0 && record.seq < least)) {
            print_message("%s at %llu, durable %llu\n", status_text(status),
                          (unsigned long long)record.seq, (unsigned long long)least);
            return NULL;
        }
    }
    *last = RECORDS;
    return NULL;
}

/* Readers that run beside the writer see every durable record in order, over rotations, and take a
 * half-written batch for an end and never for damage. */
static void readers_beside_a_writer_see_no_damage(void **state)
{
    (void)state;
    strcpy(directory, "/tmp/tapline-reader-XXXXXX");
    assert_non_null(mkdtemp(directory));
    const struct journal_options options = {.segment_bytes = 256 << 10, .on_durable = on_durable};
    struct journal_report report;
    assert_int_equal(journal_open(directory, &options, &journal, &report), STATUS_OK);
    assert_int_equal(journal_start(journal), STATUS_OK);
    pthread_t threads[3];
    uint64_t last[3] = {0};
    assert_int_equal(pthread_create(&threads[1], NULL, follow_in_thread, &last[1]), 0);
    assert_int_equal(pthread_create(&threads[2], NULL, reopen_in_thread, &last[2]), 0);
    assert_int_equal(pthread_create(&threads[0], NULL, append_all, NULL), 0);
    pthread_join(threads[0], NULL);
    while (durable < RECORDS) {
        usleep(100);
    }
    done = true;
    pthread_join(threads[1], NULL);
    pthread_join(threads[2], NULL);
    assert_int_equal(last[1], RECORDS);
    assert_int_equal(last[2], RECORDS);
    assert_int_equal(journal_close(journal), STATUS_OK);
    char command[128];
    (void)snprintf(command, sizeof command, "rm -rf '%s'", directory); /* fits */
    assert_int_equal(system(command), 0);
}

/* A reader that was opened on an empty journal goes on when records come. */
static void reader_of_an_empty_journal_goes_on(void **state)
{
    (void)state;
    struct memory_disk disk;
    struct fixture fixture;
    memory_disk_init(&disk);
    fixture_init(&fixture, &disk);
    fixture_must_open(&fixture);
    struct journal_reader *reader;
    struct journal_record record;
    assert_int_equal(journal_reader_open("data", &disk.disk, 1, &reader), STATUS_OK);
    for (unsigned i = 0; i < 400; i++) {
        assert_int_equal(journal_reader_next(reader, &record), STATUS_END);
        assert_int_equal(journal_reader_report(reader)->rule, 0);
        assert_true(fixture_append(&fixture));
        assert_int_equal(journal_reader_next(reader, &record), STATUS_OK);
        assert_int_equal(record.seq, i + 1);
        assert_true(record.batch_end);
        struct journal_head expected;
        struct journal_head head;
        journal_head(fixture.journal, &expected);
        journal_reader_head(reader, &head);
        assert_memory_equal(&head, &expected, sizeof head);
    }
    journal_reader_free(reader);
    assert_int_equal(fixture_close(&fixture), STATUS_OK);
    fixture_destroy(&fixture);
    memory_disk_free(&disk);
}

/* What a writer has written of a batch, cut at any byte, is an end for a reader, with row a. */
static void half_written_batch_is_an_end(void **state)
{
    (void)state;
    struct memory_disk disk;
    struct memory_disk copy;
    struct fixture fixture;
    memory_disk_init(&disk);
    memory_disk_init(&copy);
    fixture_init(&fixture, &disk);
    fixture_must_open(&fixture);
    assert_true(fixture_append(&fixture));
    const struct memory_file *segment = memory_disk_find(&disk, ".seg");
    uint8_t before[16384];
    memcpy(before, segment->bytes, sizeof before);
    assert_true(fixture_append(&fixture));
    size_t begin = 0;
    size_t end = sizeof before;
    while (segment->bytes[begin] == before[begin]) {
        begin++;
    }
    while (segment->bytes[end - 1] == before[end - 1]) {
        end--;
    }
    for (size_t written = begin; written < end; written++) {
        memory_disk_copy(&copy, &disk);
        memcpy(memory_disk_find(&copy, ".seg")->bytes + written, before + written,
               sizeof before - written);
        uint64_t last;
        struct journal_report report;
        assert_int_equal(fixture_read(&copy, 1, &last, &report), STATUS_END);
        assert_int_equal(last, 1);
        assert_int_equal(report.rule, written == begin ? 0 : 'a');
    }
    assert_int_equal(fixture_close(&fixture), STATUS_OK);
    fixture_destroy(&fixture);
    memory_disk_free(&disk);
    memory_disk_free(&copy);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(readers_beside_a_writer_see_no_damage),
        cmocka_unit_test(reader_of_an_empty_journal_goes_on),
        cmocka_unit_test(half_written_batch_is_an_end),
    };
    return cmocka_run_group_tests_name("reader", tests, NULL, NULL);
}
