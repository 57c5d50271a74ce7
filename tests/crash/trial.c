#include "trial.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "fixture.h"
#include "journal/journal.h"

#define HEAD_BYTES (FORMAT_WITNESS_SLOTS * FORMAT_WITNESS_SLOT_BYTES)

void trial_init(struct trial *trial, const struct made_journal *made,
                const struct made_journal *other)
{
    memset(trial, 0, sizeof *trial);
    trial->made = made;
    trial->other = other;
    memory_disk_init(&trial->base);
    memory_disk_init(&trial->work);
    made_journal_put(made, &trial->base);
}

void trial_free(struct trial *trial)
{
    memory_disk_free(&trial->base);
    memory_disk_free(&trial->work);
}

static void last_segment_name(const struct trial *trial, char name[128])
{
    strcpy(name, "data/journal/");
    format_segment_name(made_last_segment(trial->made)->first_seq, name + strlen(name));
}

void trial_put(struct trial *trial, const uint8_t *image, size_t size,
               const struct trial_witness *witness)
{
    char name[128];
    last_segment_name(trial, name);
    memory_disk_copy(&trial->work, &trial->base);
    made_put_file(&trial->work, name, image, size);
    if (witness->head_batch >= 0) {
        const struct made_batch *batch = &trial->made->batches[witness->head_batch];
        struct witness_head head = {.epoch = trial->made->shape->epoch, .seq = batch->last_seq};
        uint8_t bytes[HEAD_BYTES] = {0};
        memcpy(head.root, batch->root, HASH_BYTES);
        format_put_witness(&head, bytes);
        made_put_file(&trial->work, "data/journal/HEAD", bytes, sizeof bytes);
    }
    trial->work.calls = 0;
    trial->work.changes = 0;
}

static uint64_t highest(const struct trial *trial, const struct trial_witness *witness)
{
    const uint64_t head =
        witness->head_batch < 0 ? 0 : trial->made->batches[witness->head_batch].last_seq;
    return head > witness->outside_seq ? head : witness->outside_seq;
}

struct expectation trial_expect(const struct trial *trial, const uint8_t *image, size_t size,
                                const struct trial_witness *witness)
{
    return expect_verdict(trial->made, trial->other, image, size, highest(trial, witness));
}

static void fill_options(struct fixture *fixture, const struct trial *trial,
                         const struct trial_witness *witness)
{
    fixture->options.epoch = trial->made->shape->epoch;
    fixture->options.witness_seq = witness->outside_seq;
    fixture->options.witness_name = "main.db";
    /* Every other recovery reads the last segment alone frame by frame, as that of a long journal.
     */
    fixture->options.recovery_bytes = trial->recoveries % 2;
}

void trial_expect_unchanged(struct trial *trial, struct memory_disk *before)
{
    for (int i = 0; i < MEMORY_FILES_MAX; i++) {
        const struct memory_file *now = &trial->work.files[i];
        if (!now->used || now->name[0] == '\0') {
            continue;
        }
        const struct memory_file *then = memory_disk_find(before, now->name);
        if (then == NULL) {
            assert_int_equal(now->size, 0);
            continue;
        }
        assert_int_equal(now->size, then->size);
        if (now->size > 0) {
            assert_memory_equal(now->bytes, then->bytes, now->size);
        }
    }
}

bool trial_quarantine_holds(const struct trial *trial, const uint8_t *bytes, size_t length)
{
    while (length > 0 && bytes[length - 1] == 0) {
        length--;
    }
    for (int i = 0; i < MEMORY_FILES_MAX; i++) {
        const struct memory_file *file = &trial->work.files[i];
        if (!file->used || strstr(file->name, "quarantine") == NULL || file->size < length) {
            continue;
        }
        bool rest_is_zero = true;
        for (size_t j = length; j < file->size; j++) {
            rest_is_zero = rest_is_zero && file->bytes[j] == 0;
        }
        if (rest_is_zero && (length == 0 || memcmp(file->bytes, bytes, length) == 0)) {
            return true;
        }
    }
    return false;
}

/* What the repair did to the files, to the byte. */
static void expect_repaired(struct trial *trial, const struct expectation *expected,
                            const uint8_t *image, size_t size)
{
    char name[128];
    last_segment_name(trial, name);
    const struct memory_file *segment = memory_disk_find(&trial->work, name);
    assert_int_equal(memory_disk_count(&trial->work, "quarantine"),
                     expected->cut || expected->removed);
    if (expected->removed) {
        assert_null(segment);
        assert_true(trial_quarantine_holds(trial, image, size));
        return;
    }
    assert_non_null(segment);
    assert_int_equal(segment->size, size);
    const size_t kept = expected->offset < size ? (size_t)expected->offset : size;
    assert_memory_equal(segment->bytes, image, kept);
    for (size_t i = kept; i < size; i++) {
        assert_int_equal(segment->bytes[i], 0);
    }
    if (expected->cut) {
        assert_true(trial_quarantine_holds(trial, image + kept, size - kept));
    }
}

static void expect_report(const struct trial *trial, const struct expectation *expected,
                          const struct trial_witness *witness, const struct journal_report *report)
{
    char name[128];
    assert_int_equal(report->rule, expected->rule);
    if (expected->rule == 0) {
        assert_string_equal(report->reason, "");
        return;
    }
    last_segment_name(trial, name);
    assert_string_equal(report->segment, strrchr(name, '/') + 1);
    assert_int_equal(report->offset, expected->offset);
    assert_int_equal(report->seq, expected->seq);
    assert_string_not_equal(report->reason, "");
    if (expected->rule == 'c' || expected->rule == 'e') {
        char range[64];
        (void)snprintf(range, sizeof range, "seq %llu to %llu", (unsigned long long)expected->seq,
                       (unsigned long long)highest(trial, witness)); /* fits */
        assert_non_null(strstr(report->reason, range));
    }
}

void trial_go_on(struct trial *trial, uint64_t last, const struct trial_witness *witness)
{
    const unsigned quarantined = memory_disk_count(&trial->work, "quarantine");
    struct fixture fixture;
    fixture_init(&fixture, &trial->work);
    fill_options(&fixture, trial, witness);
    assert_int_equal(fixture_open(&fixture), STATUS_OK);
    assert_true(fixture.report.rule == 0 || fixture.report.rule == 'h');
    assert_int_equal(fixture.durable, last);
    assert_true(fixture_append(&fixture));
    assert_int_equal(fixture_close(&fixture), STATUS_OK);
    fixture_destroy(&fixture);
    assert_int_equal(memory_disk_count(&trial->work, "quarantine"), quarantined);
    uint64_t read;
    struct journal_report report;
    assert_int_equal(fixture_read(&trial->work, 1, &read, &report), STATUS_END);
    assert_int_equal(report.rule, 0);
    assert_int_equal(read, last + 1);
}

void trial_run(struct trial *trial, const uint8_t *image, size_t size,
               const struct trial_witness *witness)
{
    const struct expectation expected = trial_expect(trial, image, size, witness);
    struct fixture fixture;
    struct journal *journal;
    struct journal_report report;
    trial_put(trial, image, size, witness);
    fixture_init(&fixture, &trial->work);
    fill_options(&fixture, trial, witness);
    const enum status status = journal_open("data", &fixture.options, &journal, &report);
    fixture_destroy(&fixture);
    trial->recoveries++;
    trial->rows[(unsigned char)report.rule]++;
    trial->statuses[status]++;
    assert_int_equal(status, expected.status);
    expect_report(trial, &expected, witness, &report);
    if (status != STATUS_OK) {
        char name[128];
        last_segment_name(trial, name);
        assert_int_equal(memory_disk_count(&trial->work, "quarantine"), 0);
        const struct memory_file *segment = memory_disk_find(&trial->work, name);
        assert_int_equal(segment->size, size);
        assert_memory_equal(segment->bytes, image, size);
        assert_int_equal(trial->work.changes, 0);
        return;
    }
    struct journal_head head;
    journal_head(journal, &head);
    assert_int_equal(head.seq, expected.seq - 1);
    assert_int_equal(journal_close(journal), STATUS_OK);
    expect_repaired(trial, &expected, image, size);
    trial_go_on(trial, expected.seq - 1, witness);
}
