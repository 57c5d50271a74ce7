/* Recovery of a long journal: what is refused when only its end is walked is what is refused when
 * all of it is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "fixture.h"
#include "journal/outline.h"

#define SEGMENTS   24
#define WALKED     ((uint64_t)3 * 16384) /* bytes: three segments */
#define EVERYTHING UINT64_MAX

static struct memory_disk disk;
static uint64_t last_seq;

/* A journal of many segments, with batches of all sizes. */
static int make_journal(void **state)
{
    (void)state;
    struct fixture fixture;
    memory_disk_init(&disk);
    fixture_init(&fixture, &disk);
    fixture_must_open(&fixture);
    uint64_t random = 7;
    while (memory_disk_count(&disk, ".seg") < SEGMENTS) {
        if (test_random(&random) % 4 == 0) {
            fixture_append_batch(&fixture, 1 + (unsigned)(test_random(&random) % 40));
        } else {
            assert_true(fixture_append(&fixture));
        }
    }
    last_seq = fixture.durable;
    assert_int_equal(fixture_close(&fixture), STATUS_OK);
    fixture_destroy(&fixture);
    return 0;
}

static int free_journal(void **state)
{
    (void)state;
    memory_disk_free(&disk);
    return 0;
}

static struct memory_file *segment_at(struct memory_disk *in, size_t index)
{
    struct memory_file *segments[MEMORY_FILES_MAX];
    size_t count = 0;
    for (int i = 0; i < MEMORY_FILES_MAX; i++) {
        if (in->files[i].used && strstr(in->files[i].name, ".seg") != NULL) {
            size_t at = count++;
            for (; at > 0 && strcmp(segments[at - 1]->name, in->files[i].name) > 0; at--) {
                segments[at] = segments[at - 1];
            }
            segments[at] = &in->files[i];
        }
    }
    assert_true(index < count);
    return segments[index];
}

/* Opens (and closes) the journal, walking `bytes` of it. */
static enum status open_walking(struct memory_disk *on, uint64_t bytes,
                                struct journal_report *report)
{
    struct journal *journal;
    const struct journal_options options = {.disk = &on->disk, .recovery_bytes = bytes};
    const enum status status = journal_open("data", &options, &journal, report);
    if (status == STATUS_OK) {
        struct journal_head head;
        journal_head(journal, &head);
        assert_int_equal(head.seq, last_seq);
        assert_int_equal(journal_close(journal), STATUS_OK);
    }
    return status;
}

static uint64_t begin_of(struct memory_disk *on, uint64_t bytes)
{
    struct chain chain;
    uint64_t from_seq;
    assert_int_equal(chain_open(&chain, &on->disk, "data/journal", 1), STATUS_OK);
    assert_int_equal(outline_begin(&chain, bytes, &from_seq), STATUS_OK);
    chain_close(&chain);
    return from_seq;
}

static uint64_t first_seq_at(struct memory_disk *in, size_t index)
{
    uint64_t first_seq;
    const char *name = strrchr(segment_at(in, index)->name, '/') + 1;
    assert_true(format_parse_segment_name(name, &first_seq));
    return first_seq;
}

/* Of a sound journal only the asked bytes are walked, at least two segments and at most all. */
static void sound_journal_is_walked_from_its_end(void **state)
{
    (void)state;
    assert_int_equal(begin_of(&disk, WALKED), first_seq_at(&disk, SEGMENTS - 3));
    assert_int_equal(begin_of(&disk, WALKED + 1), first_seq_at(&disk, SEGMENTS - 4));
    assert_int_equal(begin_of(&disk, 1), first_seq_at(&disk, SEGMENTS - 2));
    assert_int_equal(begin_of(&disk, EVERYTHING), 1);
    struct journal_report report;
    assert_int_equal(open_walking(&disk, WALKED, &report), STATUS_OK);
    assert_int_equal(report.rule, 0);
}

/* What is done to one old segment. */
enum harm {
    HARM_HEADER_BYTE,
    HARM_HEADER_ZERO,
    HARM_MISSING,
    HARM_SHORTER,
    HARM_LONGER,
    HARM_LAST_FRAME,
    HARM_BEHIND_LAST_FRAME,
    HARM_LAST_FRAME_GONE,
    HARM_OF_ANOTHER_NAME,
};
#define HARMS (HARM_OF_ANOTHER_NAME + 1)

static size_t used_bytes(const struct memory_file *file)
{
    size_t used = file->size;
    while (used > 0 && file->bytes[used - 1] == 0) {
        used--;
    }
    return used;
}

/* Where the last frame of a segment begins. */
static size_t last_frame(const struct memory_file *file)
{
    size_t at = FORMAT_SEGMENT_HEADER_BYTES;
    struct frame_header header;
    size_t last = at;
    while (at + FORMAT_FRAME_HEADER_BYTES <= file->size &&
           format_get_frame_header(file->bytes + at, &header)) {
        last = at;
        at += format_frame_bytes(header.payload_bytes);
    }
    return last;
}

static void harm(struct memory_file *file, enum harm how)
{
    const size_t used = used_bytes(file);
    switch (how) {
    case HARM_HEADER_BYTE:
        file->bytes[100] ^= 1;
        break;
    case HARM_HEADER_ZERO:
        memset(file->bytes, 0, FORMAT_SEGMENT_HEADER_BYTES);
        break;
    case HARM_MISSING:
        file->name[0] = '\0';
        file->used = false;
        break;
    case HARM_SHORTER:
        file->size -= 8;
        break;
    case HARM_LONGER:
        file->bytes = realloc(file->bytes, file->size + 8);
        assert_non_null(file->bytes);
        memset(file->bytes + file->size, 0, 8);
        file->size += 8;
        break;
    case HARM_LAST_FRAME:
        file->bytes[used - 1] ^= 1;
        break;
    case HARM_BEHIND_LAST_FRAME:
        file->bytes[file->size - 1] = 1;
        break;
    case HARM_LAST_FRAME_GONE:
        memset(file->bytes + last_frame(file), 0, file->size - last_frame(file));
        break;
    case HARM_OF_ANOTHER_NAME:
        file->name[strlen(file->name) - 5] ^= 1; /* the last digit */
        break;
    }
}

/* Every harm to the header, the size, the name or the end of any segment that is not walked is
 * refused, with the same words as by a walk over everything. */
static void old_segments_are_judged_as_by_a_whole_walk(void **state)
{
    (void)state;
    for (size_t index = 0; index < SEGMENTS - 3; index++) {
        for (int how = 0; how < HARMS; how++) {
            struct journal_report shortly;
            struct journal_report fully;
            struct memory_disk copy;
            memory_disk_init(&copy);
            memory_disk_copy(&copy, &disk);
            harm(segment_at(&copy, index), (enum harm)how);
            const enum status expected = open_walking(&copy, EVERYTHING, &fully);
            const enum status status = open_walking(&copy, WALKED, &shortly);
            assert_int_not_equal(expected, STATUS_OK);
            assert_int_equal(status, expected);
            assert_int_equal(shortly.rule, fully.rule);
            assert_string_equal(shortly.segment, fully.segment);
            assert_int_equal(shortly.offset, fully.offset);
            assert_int_equal(shortly.seq, fully.seq);
            assert_string_equal(shortly.reason, fully.reason);
            memory_disk_free(&copy);
        }
    }
}

/* A segment of another history, with a good checksum and of this epoch, is seen by its tree. */
static void old_segment_of_another_history_is_refused(void **state)
{
    (void)state;
    struct memory_disk copy;
    struct journal_report report;
    struct segment_header header;
    memory_disk_init(&copy);
    memory_disk_copy(&copy, &disk);
    struct memory_file *file = segment_at(&copy, 9);
    assert_int_equal(format_get_segment_header(file->bytes, &header), STATUS_OK);
    int highest = MERKLE_LEVELS - 1;
    while ((header.tree.size >> highest & 1) == 0) {
        highest--;
    }
    header.tree.subtrees[highest][0] ^= 1;
    format_put_segment_header(&header, file->bytes);
    assert_int_equal(open_walking(&copy, WALKED, &report), STATUS_DAMAGED);
    assert_int_equal(report.rule, 'g');
    memory_disk_free(&copy);
}

/* Makes the segments from `index` on those of the journal with another epoch, each checksum good.
 */
static void change_epoch(struct memory_disk *in, size_t index)
{
    for (; index < SEGMENTS; index++) {
        struct memory_file *file = segment_at(in, index);
        struct segment_header header;
        struct frame_header frame;
        assert_int_equal(format_get_segment_header(file->bytes, &header), STATUS_OK);
        header.epoch ^= 1;
        format_put_segment_header(&header, file->bytes);
        size_t at = FORMAT_SEGMENT_HEADER_BYTES;
        while (at + FORMAT_FRAME_HEADER_BYTES <= file->size &&
               format_get_frame_header(file->bytes + at, &frame)) {
            frame.epoch = header.epoch;
            format_put_frame(&frame, file->bytes + at);
            at += format_frame_bytes(frame.payload_bytes);
        }
    }
}

/* The segments that are walked may be whole and continue each other, and be another journal's, or
 * tell another history than those before them: their first header is held against the one before.
 */
static void end_of_another_journal_is_refused(void **state)
{
    (void)state;
    for (size_t index = 1; index < SEGMENTS; index++) {
        struct memory_disk copy;
        struct journal_report fully;
        struct journal_report shortly;
        memory_disk_init(&copy);
        memory_disk_copy(&copy, &disk);
        change_epoch(&copy, index);
        struct memory_file *head = memory_disk_find(&copy, "data/journal/HEAD");
        head->size = 0; /* it knows the epoch, and may be missing */
        assert_int_equal(open_walking(&copy, EVERYTHING, &fully), STATUS_DAMAGED);
        assert_int_equal(open_walking(&copy, WALKED, &shortly), STATUS_DAMAGED);
        assert_int_equal(shortly.rule, 'd');
        assert_string_equal(shortly.reason, fully.reason);
        assert_string_equal(shortly.segment, segment_at(&copy, index)->name + 13);
        memory_disk_free(&copy);
    }
}

/* A frame in the middle of an old segment is not read at the start: that is what the daily check
 * and `verify` are for, and a reader from the begin finds it. */
static void middle_of_an_old_segment_is_left_to_the_check(void **state)
{
    (void)state;
    struct memory_disk copy;
    struct journal_report report;
    memory_disk_init(&copy);
    memory_disk_copy(&copy, &disk);
    struct memory_file *file = segment_at(&copy, 4);
    file->bytes[FORMAT_SEGMENT_HEADER_BYTES + FORMAT_FRAME_HEADER_BYTES + 4] ^= 1;
    assert_int_equal(open_walking(&copy, WALKED, &report), STATUS_OK);
    assert_int_equal(open_walking(&copy, EVERYTHING, &report), STATUS_DAMAGED);
    assert_int_equal(report.rule, 'd');
    uint64_t last;
    assert_int_equal(fixture_read(&copy, 1, &last, &report), STATUS_DAMAGED);
    assert_int_equal(last + 1, first_seq_at(&copy, 4));
    memory_disk_free(&copy);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sound_journal_is_walked_from_its_end),
        cmocka_unit_test(old_segments_are_judged_as_by_a_whole_walk),
        cmocka_unit_test(old_segment_of_another_history_is_refused),
        cmocka_unit_test(end_of_another_journal_is_refused),
        cmocka_unit_test(middle_of_an_old_segment_is_left_to_the_check),
    };
    return cmocka_run_group_tests_name("outline", tests, make_journal, free_journal);
}
