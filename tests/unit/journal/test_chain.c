/* Damage in the durable part of a journal: every byte of it, order, and edits with right checksums.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "fixture.h"
#include "journal/chain.h"

#define BATCHES_MAX 4096
#define SEGMENTS    3

/* Where a batch is. */
struct place {
    uint64_t first_seq;
    uint64_t segment_first_seq;
    uint64_t begin;
    uint64_t end;
};

/* A cleanly closed journal of several segments, the last batch first in a segment or not. */
static struct memory_disk whole;
static struct memory_disk work;
static struct place places[BATCHES_MAX];
static unsigned place_count;

static void map_batches(void)
{
    struct chain chain;
    struct chain_batch batch;
    struct finding finding;
    place_count = 0;
    assert_int_equal(chain_open(&chain, &whole.disk, "data/journal", 1), STATUS_OK);
    while (chain_next(&chain, &batch, &finding) == STATUS_OK) {
        assert_true(place_count < BATCHES_MAX);
        places[place_count++] = (struct place){
            batch.header.first_seq, chain.first_seqs[chain.segment_index],
            chain.offset - format_frame_bytes(batch.header.payload_bytes), chain.offset};
    }
    assert_int_equal(finding.kind, FINDING_END);
    chain_close(&chain);
}

static int make_whole(void **state)
{
    (void)state;
    struct fixture fixture;
    memory_disk_init(&whole);
    memory_disk_init(&work);
    fixture_init(&fixture, &whole);
    fixture_must_open(&fixture);
    while (memory_disk_count(&whole, ".seg") < SEGMENTS) {
        fixture_append_batch(&fixture, (unsigned)(fixture.queued % 7) + 1);
    }
    fixture_append_batch(&fixture, 5);
    assert_int_equal(fixture_close(&fixture), STATUS_OK);
    fixture_destroy(&fixture);
    map_batches();
    return 0;
}

static int free_whole(void **state)
{
    (void)state;
    memory_disk_free(&whole);
    memory_disk_free(&work);
    return 0;
}

static struct memory_file *segment_of(uint64_t first_seq)
{
    char name[FORMAT_NAME_BYTES];
    format_segment_name(first_seq, name);
    return memory_disk_find(&work, name);
}

/* Opening and reading both refuse the work disk with this status, at this place. */
static void expect_refused(enum status status, char rule, uint64_t segment, uint64_t offset)
{
    char name[FORMAT_NAME_BYTES];
    format_segment_name(segment, name);
    struct journal *journal;
    struct journal_report report;
    const struct journal_options options = {.disk = &work.disk};
    assert_int_equal(journal_open("data", &options, &journal, &report), status);
    assert_string_equal(report.segment, name);
    assert_int_equal(report.offset, offset);
    if (rule != 0) {
        assert_int_equal(report.rule, rule);
    }
    uint64_t last;
    struct journal_report read;
    assert_int_equal(fixture_read(&work, 1, &last, &read), status);
    assert_string_equal(read.segment, name);
    assert_int_equal(read.offset, offset);
    assert_int_equal(read.seq, report.seq);
    assert_int_equal(read.seq, last + 1);
    assert_int_equal(read.rule, report.rule);
}

/* The offset that damage at `at` of a segment is named with: its frame's, or the header's, or that
 * of the zeros behind the last frame. */
static uint64_t named_offset(uint64_t segment, uint64_t at)
{
    uint64_t end = 0;
    for (unsigned i = 0; i < place_count; i++) {
        if (places[i].segment_first_seq == segment) {
            if (at >= places[i].begin && at < places[i].end) {
                return places[i].begin;
            }
            end = places[i].end;
        }
    }
    return at < FORMAT_SEGMENT_HEADER_BYTES ? 0 : end;
}

/* After a clean close no byte can change, from the first header to the last batch, sealed zeros
 * included, without being refused and named. */
static void any_flipped_byte_is_refused_and_named(void **state)
{
    (void)state;
    uint64_t random = 7;
    const struct place *last = &places[place_count - 1];
    for (unsigned i = 0; i < place_count; i++) {
        const uint64_t segment = places[i].segment_first_seq;
        if (i > 0 && segment == places[i - 1].segment_first_seq) {
            continue;
        }
        memory_disk_copy(&work, &whole);
        struct memory_file *file = segment_of(segment);
        const uint64_t end = segment == last->segment_first_seq ? last->end : file->size;
        for (uint64_t at = 0; at < end; at += 1 + test_random(&random) % 19) {
            const uint8_t bit = (uint8_t)(1u << (test_random(&random) & 7));
            file->bytes[at] ^= bit;
            expect_refused(STATUS_DAMAGED, 0, segment, named_offset(segment, at));
            file->bytes[at] ^= bit;
        }
    }
}

/* A cut of a sealed segment anywhere is refused, also in the zeros behind its last batch. */
static void cut_sealed_segment_is_refused(void **state)
{
    (void)state;
    memory_disk_copy(&work, &whole);
    struct memory_file *file = segment_of(1);
    const size_t size = file->size;
    for (size_t cut = 0; cut < size; cut += 61) {
        file->size = cut;
        expect_refused(STATUS_DAMAGED, 'd', 1, 0);
    }
    file->size = size;
}

/* A segment missing, or there under another's name, or of another journal, is refused. */
static void segments_are_in_order(void **state)
{
    (void)state;
    const uint64_t last_segment = places[place_count - 1].segment_first_seq;
    uint64_t middle = 0;
    for (unsigned i = 0; i < place_count; i++) {
        if (places[i].segment_first_seq != 1 && places[i].segment_first_seq != last_segment) {
            middle = places[i].segment_first_seq;
        }
    }
    memory_disk_copy(&work, &whole);
    segment_of(middle)->name[0] = '\0';
    expect_refused(STATUS_DAMAGED, 'd', last_segment, 0);

    memory_disk_copy(&work, &whole);
    segment_of(1)->name[0] = '\0';
    expect_refused(STATUS_DAMAGED, 'd', middle, 0);

    memory_disk_copy(&work, &whole);
    memcpy(segment_of(middle)->bytes, segment_of(1)->bytes, segment_of(1)->size);
    expect_refused(STATUS_DAMAGED, 'd', middle, 0);

    memory_disk_copy(&work, &whole);
    struct segment_header header;
    uint8_t *bytes = segment_of(middle)->bytes;
    assert_int_equal(format_get_segment_header(bytes, &header), STATUS_OK);
    header.epoch++;
    format_put_segment_header(&header, bytes);
    expect_refused(STATUS_DAMAGED, 'd', middle, 0);
}

/* Replaces a record of a batch by another of the same length and makes the checksum right again. */
static void edit_batch(const struct place *place)
{
    uint8_t *frame = segment_of(place->segment_first_seq)->bytes + place->begin;
    struct frame_header header;
    assert_true(format_get_frame_header(frame, &header));
    frame[FORMAT_FRAME_HEADER_BYTES + FORMAT_RECORD_LENGTH_BYTES] ^= 0x40;
    format_put_frame(&header, frame);
    assert_true(format_frame_is_whole(&header, frame));
}

static void expect_tampering(uint64_t segment, uint64_t offset)
{
    char name[FORMAT_NAME_BYTES];
    format_segment_name(segment, name);
    struct journal *journal;
    struct journal_report report;
    const struct journal_options options = {.disk = &work.disk};
    assert_int_equal(journal_open("data", &options, &journal, &report), STATUS_DAMAGED);
    assert_int_equal(report.rule, 'g');
    assert_string_equal(report.segment, name);
    assert_int_equal(report.offset, offset);
}

/* An edit with a right checksum shows in the next tree head: of the next batch, of the next
 * segment, or of HEAD. */
static void edited_history_is_refused(void **state)
{
    (void)state;
    for (unsigned i = 0; i + 1 < place_count; i++) {
        memory_disk_copy(&work, &whole);
        edit_batch(&places[i]);
        const bool same = places[i + 1].segment_first_seq == places[i].segment_first_seq;
        expect_tampering(places[i + 1].segment_first_seq, same ? places[i + 1].begin : 0);
    }
    memory_disk_copy(&work, &whole);
    edit_batch(&places[place_count - 1]);
    expect_tampering(places[place_count - 1].segment_first_seq, places[place_count - 1].begin);
}

/* A whole batch repeated in place of the next one is out of order, not torn. */
static void repeated_batch_is_refused(void **state)
{
    (void)state;
    memory_disk_copy(&work, &whole);
    const struct place *last = &places[place_count - 1];
    const struct place *before = &places[place_count - 2];
    assert_int_equal(last->segment_first_seq, before->segment_first_seq);
    uint8_t *bytes = segment_of(last->segment_first_seq)->bytes;
    memmove(bytes + last->begin, bytes + before->begin, before->end - before->begin);
    expect_refused(STATUS_DAMAGED, 'b', last->segment_first_seq, last->begin);
}

static void put_rules(uint32_t version)
{
    uint8_t *bytes = segment_of(1)->bytes;
    struct segment_header header;
    assert_int_equal(format_get_segment_header(bytes, &header), STATUS_OK);
    header.rules_version = version;
    format_put_segment_header(&header, bytes);
}

/* No rules have the number 0: whatever wrote that is not known here. */
static void segment_without_rules_is_refused(void **state)
{
    (void)state;
    memory_disk_copy(&work, &whole);
    put_rules(0);
    expect_refused(STATUS_VERSION, 0, 1, 0);
}

/* Who applies what he reads is refused at the header of a segment under rules he does not know, and
 * nothing is written then; who looks at the bytes alone reads on. */
static void segment_of_later_rules_is_refused_to_who_applies(void **state)
{
    (void)state;
    memory_disk_copy(&work, &whole);
    put_rules(3);
    struct journal_options options = {.disk = &work.disk, .rules_newest = 2};
    struct journal *journal;
    struct journal_report report;
    assert_int_equal(journal_open("data", &options, &journal, &report), STATUS_VERSION);
    assert_int_equal(report.seq, 1);
    options.rules_newest = 3;
    assert_int_equal(journal_open("data", &options, &journal, &report), STATUS_OK);
    assert_int_equal(journal_close(journal), STATUS_OK);

    struct journal_reader *reader;
    struct journal_record record;
    assert_int_equal(journal_reader_open("data", &work.disk, 1, &reader), STATUS_OK);
    journal_reader_know_rules(reader, 2);
    assert_int_equal(journal_reader_next(reader, &record), STATUS_VERSION);
    assert_int_equal(journal_reader_report(reader)->seq, 1);
    journal_reader_free(reader);
    assert_int_equal(journal_reader_open("data", &work.disk, 1, &reader), STATUS_OK);
    assert_int_equal(journal_reader_next(reader, &record), STATUS_OK);
    assert_int_equal(journal_reader_rules(reader), 3);
    journal_reader_free(reader);
}

/* HEAD of another journal is a mix-up of files. */
static void witness_of_another_journal_is_refused(void **state)
{
    (void)state;
    memory_disk_copy(&work, &whole);
    struct memory_file *head = memory_disk_find(&work, "HEAD");
    for (unsigned slot = 0; slot < FORMAT_WITNESS_SLOTS; slot++) {
        uint8_t *bytes = head->bytes + slot * FORMAT_WITNESS_SLOT_BYTES;
        struct witness_head witness;
        if (format_get_witness(bytes, &witness)) {
            witness.epoch++;
            format_put_witness(&witness, bytes);
        }
    }
    expect_tampering(1, 0);
}

/* A tool that shows what is left finds every batch but the damaged ones, by their right seqs. */
static void skipping_damage_shows_all_that_is_left(void **state)
{
    (void)state;
    memory_disk_copy(&work, &whole);
    const struct place *hit[3] = {&places[2], &places[place_count / 2], &places[place_count - 2]};
    uint64_t missing = 0;
    for (unsigned i = 0; i < 3; i++) {
        segment_of(hit[i]->segment_first_seq)->bytes[hit[i]->begin + FORMAT_FRAME_HEADER_BYTES] ^=
            1;
        missing += (hit[i] + 1)->first_seq - hit[i]->first_seq;
    }
    segment_of(places[place_count - 1].segment_first_seq)->bytes[9] ^= 1; /* and a header */

    struct journal_reader *reader;
    assert_int_equal(journal_reader_open("data", &work.disk, 1, &reader), STATUS_OK);
    struct journal_record record;
    uint64_t seen = 0;
    uint64_t last = 0;
    unsigned skips = 0;
    enum status status = STATUS_OK;
    while (status != STATUS_END) {
        status = journal_reader_next(reader, &record);
        if (status == STATUS_OK) {
            uint8_t expected[FIXTURE_RECORD_MAX];
            assert_int_equal(record.length, fixture_record(record.seq, expected));
            assert_memory_equal(record.bytes, expected, record.length);
            assert_true(record.seq > last);
            last = record.seq;
            seen++;
        } else if (status == STATUS_DAMAGED) {
            skips++;
            assert_int_equal(journal_reader_skip_damage(reader), STATUS_OK);
        }
    }
    assert_int_equal(status, STATUS_END);
    assert_true(skips >= 3);
    assert_int_equal(seen + missing, last);
    journal_reader_free(reader);
}

/* Reading from any seq gives the same records, checked from the begin of that seq's segment. */
static void reading_from_any_seq(void **state)
{
    (void)state;
    memory_disk_copy(&work, &whole);
    uint64_t end;
    struct journal_report report;
    assert_int_equal(fixture_read(&work, 1, &end, &report), STATUS_END);
    for (uint64_t from = 1; from <= end + 1; from++) {
        uint64_t last;
        assert_int_equal(fixture_read(&work, from, &last, &report), STATUS_END);
        assert_int_equal(last, end);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_flipped_byte_is_refused_and_named),
        cmocka_unit_test(cut_sealed_segment_is_refused),
        cmocka_unit_test(segments_are_in_order),
        cmocka_unit_test(edited_history_is_refused),
        cmocka_unit_test(repeated_batch_is_refused),
        cmocka_unit_test(segment_without_rules_is_refused),
        cmocka_unit_test(segment_of_later_rules_is_refused_to_who_applies),
        cmocka_unit_test(witness_of_another_journal_is_refused),
        cmocka_unit_test(skipping_damage_shows_all_that_is_left),
        cmocka_unit_test(reading_from_any_seq),
    };
    return cmocka_run_group_tests_name("chain", tests, make_whole, free_whole);
}
