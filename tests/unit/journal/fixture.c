#include "fixture.h"

#include <string.h>

#include "base/check.h"

size_t fixture_record(uint64_t seq, uint8_t *bytes)
{
    uint64_t random = seq;
    const size_t length = 1 + (size_t)(test_random(&random) % 97);
    for (size_t i = 0; i < length; i++) {
        bytes[i] = (uint8_t)test_random(&random);
    }
    return length;
}

static void on_durable(void *context, const struct journal_batch *batch)
{
    struct fixture *fixture = context;
    pthread_mutex_lock(&fixture->mutex);
    CHECK(batch->first_seq == fixture->durable + 1);
    fixture->durable = batch->first_seq + batch->count - 1;
    fixture->batches++;
    fixture->durable_after_failure = fixture->durable_after_failure || fixture->failures > 0;
    pthread_cond_broadcast(&fixture->changed);
    while (fixture->held) {
        pthread_cond_wait(&fixture->changed, &fixture->mutex);
    }
    pthread_mutex_unlock(&fixture->mutex);
}

static void on_failed(void *context, enum status status, const char *reason)
{
    struct fixture *fixture = context;
    CHECK(status != STATUS_OK);
    CHECK(reason[0] != '\0');
    pthread_mutex_lock(&fixture->mutex);
    fixture->failures++;
    pthread_cond_broadcast(&fixture->changed);
    pthread_mutex_unlock(&fixture->mutex);
}

void fixture_init(struct fixture *fixture, struct memory_disk *disk)
{
    memset(fixture, 0, sizeof *fixture);
    fixture->disk = disk;
    pthread_mutex_init(&fixture->mutex, NULL);
    pthread_cond_init(&fixture->changed, NULL);
    fixture->options = (struct journal_options){.disk = &disk->disk,
                                                .segment_bytes = 16384,
                                                .epoch = 0x0123456789abcdef,
                                                .context = fixture,
                                                .on_durable = on_durable,
                                                .on_failed = on_failed};
}

void fixture_destroy(struct fixture *fixture)
{
    pthread_cond_destroy(&fixture->changed);
    pthread_mutex_destroy(&fixture->mutex);
}

enum status fixture_open(struct fixture *fixture)
{
    enum status status =
        journal_open("data", &fixture->options, &fixture->journal, &fixture->report);
    if (status != STATUS_OK) {
        fixture->journal = NULL;
        return status;
    }
    struct journal_head head;
    journal_head(fixture->journal, &head);
    fixture->queued = head.seq;
    fixture->durable = head.seq;
    fixture->batches = 0;
    fixture->failures = 0;
    fixture->durable_after_failure = false;
    status = journal_start(fixture->journal);
    if (status != STATUS_OK) {
        (void)journal_close(fixture->journal);
        fixture->journal = NULL;
    }
    return status;
}

void fixture_must_open(struct fixture *fixture)
{
    CHECK(fixture_open(fixture) == STATUS_OK);
}

static enum status append_next(struct fixture *fixture)
{
    uint8_t record[FIXTURE_RECORD_MAX];
    const size_t length = fixture_record(fixture->queued + 1, record);
    const enum status status = journal_append(fixture->journal, record, length);
    fixture->queued += status == STATUS_OK;
    return status;
}

/* With the mutex held. */
static bool wait_until(struct fixture *fixture, uint64_t seq)
{
    while (fixture->durable < seq && fixture->failures == 0) {
        pthread_cond_wait(&fixture->changed, &fixture->mutex);
    }
    return fixture->durable >= seq;
}

bool fixture_append(struct fixture *fixture)
{
    if (append_next(fixture) != STATUS_OK) {
        return false;
    }
    pthread_mutex_lock(&fixture->mutex);
    const bool is_durable = wait_until(fixture, fixture->queued);
    pthread_mutex_unlock(&fixture->mutex);
    return is_durable;
}

void fixture_append_batch(struct fixture *fixture, unsigned count)
{
    pthread_mutex_lock(&fixture->mutex);
    fixture->held = true;
    CHECK(append_next(fixture) == STATUS_OK);
    CHECK(wait_until(fixture, fixture->queued));
    for (unsigned i = 0; i < count; i++) {
        CHECK(append_next(fixture) == STATUS_OK);
    }
    fixture->held = false;
    pthread_cond_broadcast(&fixture->changed);
    CHECK(wait_until(fixture, fixture->queued));
    pthread_mutex_unlock(&fixture->mutex);
}

void fixture_wait_for_failure(struct fixture *fixture)
{
    pthread_mutex_lock(&fixture->mutex);
    while (fixture->failures == 0) {
        pthread_cond_wait(&fixture->changed, &fixture->mutex);
    }
    pthread_mutex_unlock(&fixture->mutex);
}

enum status fixture_close(struct fixture *fixture)
{
    const enum status status = journal_close(fixture->journal);
    fixture->journal = NULL;
    return status;
}

enum status fixture_read(struct memory_disk *disk, uint64_t from_seq, uint64_t *last,
                         struct journal_report *report)
{
    struct journal_reader *reader;
    *last = from_seq - 1;
    enum status status = journal_reader_open("data", &disk->disk, from_seq, &reader);
    if (status != STATUS_OK) {
        return status;
    }
    struct journal_record record;
    while ((status = journal_reader_next(reader, &record)) == STATUS_OK) {
        uint8_t expected[FIXTURE_RECORD_MAX];
        const size_t length = fixture_record(record.seq, expected);
        CHECK(record.seq == *last + 1);
        CHECK(record.length == length);
        CHECK(memcmp(record.bytes, expected, length) == 0);
        *last = record.seq;
    }
    *report = *journal_reader_report(reader);
    journal_reader_free(reader);
    return status;
}
