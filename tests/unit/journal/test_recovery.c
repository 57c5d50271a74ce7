/* The decision table, and what recovery does to a journal whose last batch was torn. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "fixture.h"
#include "journal/chain.h"
#include "journal/recovery.h"

static const enum finding_kind kinds[] = {
    FINDING_END,           FINDING_BROKEN_FRAME,   FINDING_FOREIGN_FRAME, FINDING_WRONG_SEQ,
    FINDING_WRONG_TREE,    FINDING_EMPTY_HEADER,   FINDING_BROKEN_HEADER, FINDING_WRONG_SIZE,
    FINDING_SEGMENT_ORDER, FINDING_UNKNOWN_VERSION};
_Static_assert(sizeof kinds / sizeof kinds[0] == FINDING_KINDS, "all kinds are tried");

/* What docs/JOURNAL_FORMAT.md says, written a second time as the letters of its rows. Index: last
 * segment, later frame, witnessed. '-' is 0 with STATUS_OK, 'v' is 0 with STATUS_VERSION. */
static const char *const expected[FINDING_KINDS] = {
    [FINDING_END] = "ddddhebb",           [FINDING_BROKEN_FRAME] = "ddddacbb",
    [FINDING_FOREIGN_FRAME] = "ddddicbb", [FINDING_WRONG_SEQ] = "bbbbbbbb",
    [FINDING_WRONG_TREE] = "gggggggg",    [FINDING_EMPTY_HEADER] = "ddddfcbb",
    [FINDING_BROKEN_HEADER] = "dddddddd", [FINDING_WRONG_SIZE] = "dddddddd",
    [FINDING_SEGMENT_ORDER] = "dddddddd", [FINDING_UNKNOWN_VERSION] = "vvvvvvvv",
};

/* Every combination of facts has exactly the verdict of the table, and each letter its status. */
static void the_decision_table_is_total(void **state)
{
    (void)state;
    for (unsigned i = 0; i < FINDING_KINDS; i++) {
        for (unsigned facts = 0; facts < 8; facts++) {
            const struct finding finding = {.kind = kinds[i],
                                            .in_last_segment = (facts & 4) != 0,
                                            .later_frame = (facts & 2) != 0,
                                            .segment = "x",
                                            .seq = 10};
            const struct recovery_witness witness = {(facts & 1) != 0 ? 10 : 8, "main.db"};
            const struct recovery_verdict verdict = recovery_decide(&finding, witness.seq);
            const char letter = expected[kinds[i]][facts];
            const bool goes_on = strchr("ahif", letter) != NULL;
            assert_int_equal(verdict.rule, letter == 'v' ? 0 : letter);
            assert_int_equal(verdict.action == RECOVERY_REFUSE, !goes_on);
            const enum status refused = letter == 'v'   ? STATUS_VERSION
                                        : letter == 'e' ? STATUS_LOST_TAIL
                                                        : STATUS_DAMAGED;
            assert_int_equal(verdict.status, goes_on ? STATUS_OK : refused);
            struct journal_report report;
            recovery_describe(&finding, &verdict, &witness, &report);
            assert_int_not_equal(strlen(report.reason), 0);
            assert_int_equal(strchr("ce", letter) != NULL && letter != 'v',
                             strstr(report.reason, "main.db") != NULL);
            const bool advises = strstr(report.reason, JOURNAL_ADVICE) != NULL;
            assert_int_equal(advises, !goes_on && letter != 'v');
        }
    }
    const struct finding end = {.kind = FINDING_END, .in_last_segment = true, .seq = 10};
    assert_int_equal(recovery_decide(&end, 9).rule, 0);
    assert_int_equal(recovery_decide(&end, 9).action, RECOVERY_GO_ON);
    assert_int_equal(recovery_decide(&end, 8).rule, 'h');
}

/* --- The last batch, torn in every way --- */

/* A journal of two segments whose last batch has three records, as a crash and as a clean close
 * leave it, and where that batch is. */
struct torn {
    struct memory_disk crashed;
    struct memory_disk closed;
    struct memory_disk work;
    uint64_t begin;
    uint64_t end;
    uint64_t last_before; /* the last seq before that batch */
    uint64_t last;
};

static struct torn torn;

static void find_last_batch(struct memory_disk *disk)
{
    struct chain chain;
    struct chain_batch batch;
    struct finding finding;
    assert_int_equal(chain_open(&chain, &disk->disk, "data/journal", 1), STATUS_OK);
    while (chain_next(&chain, &batch, &finding) == STATUS_OK) {
        torn.end = chain.offset;
        torn.begin = chain.offset - format_frame_bytes(batch.header.payload_bytes);
        torn.last_before = batch.header.first_seq - 1;
        torn.last = torn.last_before + batch.header.count;
    }
    chain_close(&chain);
}

static int make_torn(void **state)
{
    (void)state;
    struct memory_disk disk;
    struct fixture fixture;
    memory_disk_init(&disk);
    memory_disk_init(&torn.crashed);
    memory_disk_init(&torn.closed);
    memory_disk_init(&torn.work);
    fixture_init(&fixture, &disk);
    fixture_must_open(&fixture);
    while (memory_disk_count(&disk, ".seg") < 2) {
        fixture_append(&fixture);
    }
    fixture_append_batch(&fixture, 3);
    memory_disk_copy(&torn.crashed, &disk);
    assert_int_equal(fixture_close(&fixture), STATUS_OK);
    memory_disk_copy(&torn.closed, &disk);
    fixture_destroy(&fixture);
    memory_disk_free(&disk);
    find_last_batch(&torn.closed);
    assert_int_equal(torn.last - torn.last_before, 3);
    return 0;
}

static int free_torn(void **state)
{
    (void)state;
    memory_disk_free(&torn.crashed);
    memory_disk_free(&torn.closed);
    memory_disk_free(&torn.work);
    return 0;
}

static bool is_all_zero(const uint8_t *bytes, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        if (bytes[i] != 0) {
            return false;
        }
    }
    return true;
}

/* The work disk's journal is recovered with this rule, ends at `last`, and goes on from there. */
static void expect_recovered(char rule, uint64_t last)
{
    struct fixture fixture;
    fixture_init(&fixture, &torn.work);
    fixture_must_open(&fixture);
    assert_int_equal(fixture.report.rule, rule);
    assert_int_equal(fixture.durable, last);
    assert_true(fixture_append(&fixture));
    assert_int_equal(fixture_close(&fixture), STATUS_OK);
    fixture_destroy(&fixture);
    uint64_t read;
    struct journal_report report;
    assert_int_equal(fixture_read(&torn.work, 1, &read, &report), STATUS_END);
    assert_int_equal(read, last + 1);
    assert_int_equal(report.rule, 0);
}

/* Opening and reading are both refused alike, and nothing was written. */
static void expect_refused(enum status status, char rule)
{
    struct memory_disk before;
    memory_disk_init(&before);
    memory_disk_copy(&before, &torn.work);
    struct fixture fixture;
    fixture_init(&fixture, &torn.work);
    assert_int_equal(fixture_open(&fixture), status);
    assert_int_equal(fixture.report.rule, rule);
    assert_int_equal(fixture.report.offset, torn.begin);
    assert_int_equal(fixture.report.seq, torn.last_before + 1);
    fixture_destroy(&fixture);
    const struct memory_file *now = memory_disk_find(&torn.work, ".seg");
    const struct memory_file *then = memory_disk_find(&before, ".seg");
    assert_int_equal(now->size, then->size);
    assert_memory_equal(now->bytes, then->bytes, now->size);
    memory_disk_free(&before);
    uint64_t read;
    struct journal_report report;
    assert_int_equal(fixture_read(&torn.work, 1, &read, &report), status);
    assert_int_equal(read, torn.last_before);
    assert_int_equal(report.rule, rule);
    assert_int_equal(report.offset, torn.begin);
}

/* Cuts the last segment at each byte of its last batch. */
static void cut_in_the_last_batch(struct memory_disk *from, bool witnessed)
{
    for (uint64_t at = torn.begin; at < torn.end; at++) {
        memory_disk_copy(&torn.work, from);
        memory_disk_find(&torn.work, ".seg")->size = (size_t)at;
        if (witnessed) {
            expect_refused(at == torn.begin ? STATUS_LOST_TAIL : STATUS_DAMAGED,
                           at == torn.begin ? 'e' : 'c');
        } else {
            expect_recovered(at == torn.begin ? 'h' : 'a', torn.last_before);
            assert_int_equal(memory_disk_count(&torn.work, "quarantine"), at != torn.begin);
        }
    }
}

/* Zeroes the last batch from each byte on, and each sector-like run of 8 in it. */
static void zero_the_last_batch(struct memory_disk *from, bool witnessed)
{
    for (uint64_t at = torn.begin; at < torn.end; at++) {
        memory_disk_copy(&torn.work, from);
        struct memory_file *file = memory_disk_find(&torn.work, ".seg");
        if (is_all_zero(file->bytes + at, torn.end - at)) {
            continue; /* the padding: nothing changes */
        }
        memset(file->bytes + at, 0, torn.end - at);
        if (witnessed) {
            expect_refused(at == torn.begin ? STATUS_LOST_TAIL : STATUS_DAMAGED,
                           at == torn.begin ? 'e' : 'c');
        } else {
            expect_recovered(at == torn.begin ? 'h' : 'a', torn.last_before);
        }
    }
}

static void flip_in_the_last_batch(struct memory_disk *from, bool witnessed)
{
    for (uint64_t at = torn.begin; at < torn.end; at++) {
        for (unsigned way = 0; way < 3; way++) {
            memory_disk_copy(&torn.work, from);
            uint8_t *byte = memory_disk_find(&torn.work, ".seg")->bytes + at;
            const uint8_t flipped[3] = {(uint8_t)(*byte ^ 1u), 0x00, 0xff};
            if (*byte == flipped[way]) {
                continue;
            }
            *byte = flipped[way];
            if (witnessed) {
                expect_refused(STATUS_DAMAGED, 'c');
            } else {
                expect_recovered('a', torn.last_before);
            }
        }
    }
}

static void torn_tail_is_dropped_when_nobody_saw_it(void **state)
{
    (void)state;
    cut_in_the_last_batch(&torn.crashed, false);
    zero_the_last_batch(&torn.crashed, false);
    flip_in_the_last_batch(&torn.crashed, false);
}

/* After a clean close the same bytes are covered by HEAD: not one of them can change unseen. */
static void torn_tail_is_refused_after_a_clean_close(void **state)
{
    (void)state;
    cut_in_the_last_batch(&torn.closed, true);
    zero_the_last_batch(&torn.closed, true);
    flip_in_the_last_batch(&torn.closed, true);
}

/* The bytes that are taken out of the journal are in the quarantine file, all and in order. */
static void torn_bytes_are_kept_in_quarantine(void **state)
{
    (void)state;
    memory_disk_copy(&torn.work, &torn.crashed);
    struct memory_file *file = memory_disk_find(&torn.work, ".seg");
    uint8_t torn_bytes[4096];
    const size_t length = (size_t)(torn.end - torn.begin);
    assert_true(length <= sizeof torn_bytes);
    file->bytes[torn.begin + 100] ^= 0x80;
    memcpy(torn_bytes, file->bytes + torn.begin, length);
    expect_recovered('a', torn.last_before);
    const struct memory_file *quarantine = memory_disk_find(&torn.work, "quarantine");
    assert_non_null(quarantine);
    assert_true(quarantine->size <= length);
    assert_true(is_all_zero(torn_bytes + quarantine->size, length - quarantine->size));
    assert_memory_equal(quarantine->bytes, torn_bytes, quarantine->size);
}

/* True when one quarantine file holds these bytes, the zeros at their end apart. */
static bool quarantine_holds(const uint8_t *bytes, size_t length)
{
    for (int i = 0; i < MEMORY_FILES_MAX; i++) {
        const struct memory_file *file = &torn.work.files[i];
        if (file->used && strstr(file->name, "quarantine") != NULL && file->size > 0 &&
            file->size <= length && memcmp(file->bytes, bytes, file->size) == 0 &&
            is_all_zero(bytes + file->size, length - file->size)) {
            return true;
        }
    }
    return false;
}

/* A power cut at any call of the recovery, followed by another recovery, ends as the first would
 * have, and the torn bytes are in quarantine. */
static void recovery_can_be_interrupted_anywhere(void **state)
{
    (void)state;
    memory_disk_copy(&torn.work, &torn.crashed);
    struct memory_file *file = memory_disk_find(&torn.work, ".seg");
    file->bytes[torn.begin + 100] ^= 0x80;
    file->synced_bytes[torn.begin + 100] ^= 0x80;
    uint8_t torn_bytes[4096];
    const size_t length = (size_t)(torn.end - torn.begin);
    memcpy(torn_bytes, file->bytes + torn.begin, length);
    struct memory_disk damaged;
    memory_disk_init(&damaged);
    memory_disk_copy(&damaged, &torn.work);
    /* Several cuts at each call, because each keeps other sectors; the last rounds fail nothing. */
    bool was_ok = false;
    for (uint64_t n = 0; !was_ok || n % 8 != 0; n++) {
        memory_disk_copy(&torn.work, &damaged);
        torn.work.fault = (struct memory_fault){
            .at_call = n / 8 + 1, .for_ever = true, .half = true, .status = STATUS_IO};
        struct journal_report report;
        struct journal *journal;
        const struct journal_options options = {.disk = &torn.work.disk};
        const enum status status = journal_open("data", &options, &journal, &report);
        was_ok = status == STATUS_OK;
        if (was_ok) {
            assert_int_equal(journal_close(journal), STATUS_OK);
        } else {
            assert_int_equal(status, STATUS_IO);
        }
        torn.work.fault = (struct memory_fault){0};
        memory_disk_cut_power(&torn.work, n);
        struct fixture fixture;
        fixture_init(&fixture, &torn.work);
        fixture_must_open(&fixture);
        assert_int_equal(fixture.durable, torn.last_before);
        assert_true(quarantine_holds(torn_bytes, length));
        assert_int_equal(fixture_close(&fixture), STATUS_OK);
        fixture_destroy(&fixture);
    }
    memory_disk_free(&damaged);
}

/* A batch that a killed process left in the cache is on the disk before anybody reads it: a power
 * cut right after the recovery that told of it does not take it back. */
static void recovered_batch_outlives_a_power_cut(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 16; seed++) {
        memory_disk_copy(&torn.work, &torn.crashed);
        struct memory_file *file = memory_disk_find(&torn.work, ".seg");
        memset(file->synced_bytes + torn.begin, 0, torn.end - torn.begin); /* its sync never came */
        struct journal_report report;
        struct journal *journal;
        struct journal_head head;
        const struct journal_options options = {.disk = &torn.work.disk};
        assert_int_equal(journal_open("data", &options, &journal, &report), STATUS_OK);
        journal_head(journal, &head);
        assert_int_equal(head.seq, torn.last);
        assert_int_equal(journal_close(journal), STATUS_OK);
        memory_disk_cut_power(&torn.work, seed);
        expect_recovered('h', torn.last);
    }
}

/* Each witness alone refuses a journal that is cut at the end of a batch. */
static void clean_cut_is_refused_by_each_witness(void **state)
{
    (void)state;
    memory_disk_copy(&torn.work, &torn.crashed);
    memset(memory_disk_find(&torn.work, ".seg")->bytes + torn.begin, 0, torn.end - torn.begin);
    struct fixture fixture;
    fixture_init(&fixture, &torn.work);
    fixture.options.witness_seq = torn.last_before + 1;
    fixture.options.witness_name = "main.db";
    assert_int_equal(fixture_open(&fixture), STATUS_LOST_TAIL);
    assert_int_equal(fixture.report.rule, 'e');
    assert_non_null(strstr(fixture.report.reason, "main.db"));
    fixture.options.witness_seq = torn.last_before;
    fixture_must_open(&fixture);
    assert_int_equal(fixture.report.rule, 0);
    assert_int_equal(fixture_close(&fixture), STATUS_OK);
    fixture_destroy(&fixture);

    memory_disk_copy(&torn.work, &torn.closed); /* HEAD */
    memset(memory_disk_find(&torn.work, ".seg")->bytes + torn.begin, 0, torn.end - torn.begin);
    expect_refused(STATUS_LOST_TAIL, 'e');
}

/* The highest witness counts, by one record too: main.db stands one before HEAD. */
static void highest_witness_counts(void **state)
{
    (void)state;
    memory_disk_copy(&torn.work, &torn.closed);
    memset(memory_disk_find(&torn.work, ".seg")->bytes + torn.begin, 0, torn.end - torn.begin);
    const uint64_t outer[] = {torn.last - 1, torn.last, torn.last + 1};
    const char *names[] = {"HEAD", "main.db", "main.db"};
    for (int i = 0; i < 3; i++) {
        struct fixture fixture;
        fixture_init(&fixture, &torn.work);
        fixture.options.witness_seq = outer[i];
        fixture.options.witness_name = "main.db";
        assert_int_equal(fixture_open(&fixture), STATUS_LOST_TAIL);
        assert_int_equal(fixture.report.rule, 'e');
        /* At the same seq either may be named. */
        assert_true(i == 1 || strstr(fixture.report.reason, names[i]) != NULL);
        fixture_destroy(&fixture);
    }
}

/* Any call of the disk that fails while a journal is opened fails the opening: above all the sync
 * of what is about to be believed. */
static void no_failed_call_is_overlooked(void **state)
{
    (void)state;
    uint64_t calls = 0;
    for (uint64_t at = 0; at <= calls; at++) {
        struct journal *journal;
        struct journal_report report;
        const struct journal_options options = {.disk = &torn.work.disk};
        memory_disk_copy(&torn.work, &torn.crashed);
        const uint64_t before = torn.work.calls;
        torn.work.fault =
            (struct memory_fault){.at_call = at == 0 ? 0 : before + at, .status = STATUS_IO};
        const enum status status = journal_open("data", &options, &journal, &report);
        assert_int_equal(status, at == 0 ? STATUS_OK : STATUS_IO);
        if (status == STATUS_OK) {
            calls = torn.work.calls - before;
            assert_int_equal(journal_close(journal), STATUS_OK);
        }
        torn.work.fault = (struct memory_fault){0};
    }
    assert_true(calls > 5);
}

/* What is believed and what is put aside has a durable name before anybody is told: a segment that
 * was copied into place without one, and the quarantine of a crash during rotation. */
static void names_are_durable_before_anything_is_told(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        struct journal *journal;
        struct journal_report report;
        const struct journal_options options = {.disk = &torn.work.disk};
        memory_disk_copy(&torn.work, &torn.crashed);
        if (i == 0) {
            memory_disk_find(&torn.work, ".seg")->synced[0] = '\0';
        } else {
            char path[128] = "data/journal/";
            format_segment_name(torn.last + 1, path + strlen(path));
            struct disk_file *file;
            const struct disk *disk = &torn.work.disk;
            assert_int_equal(disk->open(disk->context, path, true, false, &file), STATUS_OK);
            assert_int_equal(disk->close(disk->context, file), STATUS_OK);
        }
        assert_int_equal(journal_open("data", &options, &journal, &report), STATUS_OK);
        const struct memory_file *file =
            memory_disk_find(&torn.work, i == 0 ? ".seg" : "quarantine");
        assert_non_null(file);
        assert_string_equal(file->synced, file->name);
        assert_int_equal(journal_close(journal), STATUS_OK);
    }
}

/* All segments gone is a lost tail like any other, not a new journal. */
static void removed_segments_are_a_lost_tail(void **state)
{
    (void)state;
    memory_disk_copy(&torn.work, &torn.closed);
    for (int i = 0; i < MEMORY_FILES_MAX; i++) {
        if (strstr(torn.work.files[i].name, ".seg") != NULL) {
            torn.work.files[i].name[0] = '\0';
        }
    }
    struct fixture fixture;
    fixture_init(&fixture, &torn.work);
    assert_int_equal(fixture_open(&fixture), STATUS_LOST_TAIL);
    assert_int_equal(fixture.report.rule, 'e');
    fixture_destroy(&fixture);
}

/* A segment that had got its name but no header yet is a crash during rotation; not when it is seen
 * to have held records. */
static void empty_last_segment_is_a_crash_during_rotation(void **state)
{
    (void)state;
    static const size_t sizes[] = {0, 100, 4095, 4096, 16384};
    for (unsigned i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        for (unsigned witnessed = 0; witnessed < 2; witnessed++) {
            memory_disk_copy(&torn.work, &torn.crashed);
            char path[128] = "data/journal/";
            format_segment_name(torn.last + 1, path + strlen(path));
            struct disk_file *file;
            const struct disk *disk = &torn.work.disk;
            assert_int_equal(disk->open(disk->context, path, true, false, &file), STATUS_OK);
            assert_int_equal(disk->preallocate(disk->context, file, sizes[i]), STATUS_OK);
            assert_int_equal(disk->close(disk->context, file), STATUS_OK);
            if (witnessed == 0) {
                expect_recovered('f', torn.last);
                continue;
            }
            struct fixture fixture;
            fixture_init(&fixture, &torn.work);
            fixture.options.witness_seq = torn.last + 1;
            assert_int_equal(fixture_open(&fixture), STATUS_DAMAGED);
            assert_int_equal(fixture.report.rule, 'c');
            fixture_destroy(&fixture);
        }
    }
}

/* A refusal leaves every file, also the spare that a good start removes. */
static void refusal_leaves_the_spare(void **state)
{
    (void)state;
    for (unsigned damaged = 0; damaged < 2; damaged++) {
        memory_disk_copy(&torn.work, &torn.crashed);
        if (damaged != 0) {
            memory_disk_find(&torn.work, "00000000000000000001.seg")->bytes[5000] ^= 1;
        }
        const struct disk *disk = &torn.work.disk;
        struct disk_file *file;
        struct journal_report report;
        struct journal *journal;
        const struct journal_options options = {.disk = disk};
        assert_int_equal(disk->open(disk->context, "data/journal/spare", true, false, &file),
                         STATUS_OK);
        assert_int_equal(disk->close(disk->context, file), STATUS_OK);
        torn.work.changes = 0;
        const enum status status = journal_open("data", &options, &journal, &report);
        assert_int_equal(status, damaged != 0 ? STATUS_DAMAGED : STATUS_OK);
        assert_int_equal(torn.work.changes, damaged != 0 ? 0 : 1);
        assert_int_equal(memory_disk_count(&torn.work, "spare"), damaged);
        if (status == STATUS_OK) {
            assert_int_equal(journal_close(journal), STATUS_OK);
        }
    }
}

/* A block of another journal behind the end is the end. */
static void foreign_block_is_the_end_of_the_log(void **state)
{
    (void)state;
    memory_disk_copy(&torn.work, &torn.crashed);
    uint8_t *frame = memory_disk_find(&torn.work, ".seg")->bytes + torn.begin;
    struct frame_header header;
    assert_true(format_get_frame_header(frame, &header));
    header.epoch++;
    format_put_frame(&header, frame);
    expect_recovered('i', torn.last_before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_decision_table_is_total),
        cmocka_unit_test(torn_tail_is_dropped_when_nobody_saw_it),
        cmocka_unit_test(torn_tail_is_refused_after_a_clean_close),
        cmocka_unit_test(torn_bytes_are_kept_in_quarantine),
        cmocka_unit_test(recovery_can_be_interrupted_anywhere),
        cmocka_unit_test(recovered_batch_outlives_a_power_cut),
        cmocka_unit_test(clean_cut_is_refused_by_each_witness),
        cmocka_unit_test(highest_witness_counts),
        cmocka_unit_test(no_failed_call_is_overlooked),
        cmocka_unit_test(names_are_durable_before_anything_is_told),
        cmocka_unit_test(removed_segments_are_a_lost_tail),
        cmocka_unit_test(empty_last_segment_is_a_crash_during_rotation),
        cmocka_unit_test(refusal_leaves_the_spare),
        cmocka_unit_test(foreign_block_is_the_end_of_the_log),
    };
    return cmocka_run_group_tests_name("recovery", tests, make_torn, free_torn);
}
