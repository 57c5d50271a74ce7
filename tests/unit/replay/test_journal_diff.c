#include "replay/journal_diff.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "replay/replay.h"
#include "replay/state_diff.h"
#include "sample.h"

static const size_t segment_sizes[] = {0, 16384, 24576, 40960};

/* What a copy of a journal has otherwise; all zero: nothing. */
struct copy_options {
    size_t segment_bytes;
    uint64_t records;    /* stop after so many; 0: all */
    uint64_t change_seq; /* one bit of this record's last byte is another */
    bool extra;          /* one record more at the end, again the last one */
};

/* What the sample holds, several times over, so that it fills several segments. What its records
 * say does not matter to a comparison of records. */
#define REPEATS 6
struct base {
    struct sample sample;
    char dir[256];
    uint64_t records;
};

static void ignore_batch(void *context, const struct journal_batch *batch)
{
    (void)context;
    (void)batch;
}

static void fail_test(void *context, enum status status, const char *reason)
{
    (void)context;
    print_error("journal: %s, %s\n", status_text(status), reason);
    abort();
}

static void append(struct journal *journal, const uint8_t *bytes, size_t length)
{
    enum status status;
    do {
        status = journal_append(journal, bytes, length);
    } while (status == STATUS_FULL);
    assert_int_equal(status, STATUS_OK);
}

/* The records of a journal written once more, by the journal itself, into a new directory. */
static void copy_journal(const char *from, const char *to, const struct copy_options *asked)
{
    const struct journal_options options = {.segment_bytes = asked->segment_bytes,
                                            .epoch = 77,
                                            .on_durable = ignore_batch,
                                            .on_failed = fail_test};
    struct journal *journal;
    struct journal_report report;
    assert_int_equal(journal_open(to, &options, &journal, &report), STATUS_OK);
    assert_int_equal(journal_start(journal), STATUS_OK);
    struct journal_reader *reader;
    assert_int_equal(journal_reader_open(from, NULL, 1, &reader), STATUS_OK);
    struct journal_record record;
    uint8_t bytes[LIMIT_RECORD_BYTES];
    size_t length = 0;
    while (journal_reader_next(reader, &record) == STATUS_OK &&
           (asked->records == 0 || record.seq <= asked->records)) {
        length = record.length;
        memcpy(bytes, record.bytes, length);
        if (record.seq == asked->change_seq) {
            bytes[length - 1] ^= 1;
        }
        append(journal, bytes, length);
    }
    if (asked->extra) {
        append(journal, bytes, length);
    }
    journal_reader_free(reader);
    assert_int_equal(journal_close(journal), STATUS_OK);
}

static void make_base(struct base *base, size_t segment_bytes)
{
    sample_make(&base->sample, &(struct sample_options){.segment_bytes = 0});
    sample_directory(base->dir);
    const struct journal_options options = {.segment_bytes = segment_bytes,
                                            .epoch = 76,
                                            .on_durable = ignore_batch,
                                            .on_failed = fail_test};
    struct journal *journal;
    struct journal_report report;
    assert_int_equal(journal_open(base->dir, &options, &journal, &report), STATUS_OK);
    assert_int_equal(journal_start(journal), STATUS_OK);
    for (int i = 0; i < REPEATS; i++) {
        struct journal_reader *reader;
        assert_int_equal(journal_reader_open(base->sample.dir, NULL, 1, &reader), STATUS_OK);
        struct journal_record record;
        while (journal_reader_next(reader, &record) == STATUS_OK) {
            append(journal, record.bytes, record.length);
        }
        journal_reader_free(reader);
    }
    assert_int_equal(journal_close(journal), STATUS_OK);
    base->records = REPEATS * base->sample.records;
}

static void remove_base(struct base *base)
{
    sample_remove_directory(base->dir);
    sample_remove(&base->sample);
}

static void compare(const char *a, const char *b, bool full, struct journal_diff *diff)
{
    const char *const dirs[] = {a, b};
    const struct journal_diff_options options = {.full = full};
    assert_int_equal(journal_diff_run(dirs, &options, diff), STATUS_OK);
}

/* The same records in segments of other sizes, and of another epoch, are found to be the same, and
 * most of them without being read one by one. */
static void other_segments_do_not_make_other_records(void **state)
{
    (void)state;
    struct base base;
    make_base(&base, 16384);
    for (size_t i = 0; i < sizeof segment_sizes / sizeof segment_sizes[0]; i++) {
        char copy[256];
        sample_directory(copy);
        copy_journal(base.dir, copy, &(struct copy_options){.segment_bytes = segment_sizes[i]});
        struct journal_diff diff;
        compare(base.dir, copy, false, &diff);
        assert_false(diff.parts);
        assert_int_equal(diff.common_seq, base.records);
        assert_int_equal(diff.sides[0].end.seq, base.records);
        assert_int_equal(diff.sides[1].end.seq, base.records);
        assert_memory_equal(diff.sides[0].end.root, diff.sides[1].end.root, HASH_BYTES);
        assert_int_equal(diff.sides[0].end_ms, base.sample.time_ms);
        assert_int_equal(diff.sides[1].end_ms, base.sample.time_ms);
        assert_true(diff.sides[0].segments > 1);
        assert_true(diff.heads_seq > 0);
        assert_int_equal(diff.sides[1].epoch, 77);
        sample_remove_directory(copy);
    }
    remove_base(&base);
}

/* Wherever one record is another, and however both are cut into segments, that record is named,
 * with the bytes of both. */
static void the_first_changed_record_is_named(void **state)
{
    (void)state;
    struct base base;
    make_base(&base, 24576);
    for (uint64_t seq = 1; seq <= base.records; seq += 53) {
        char copy[256];
        sample_directory(copy);
        const struct copy_options options = {.segment_bytes = segment_sizes[seq % 4],
                                             .change_seq = seq};
        copy_journal(base.dir, copy, &options);
        for (int full = 0; full < 2; full++) {
            struct journal_diff diff;
            compare(seq % 2 == 0 ? base.dir : copy, seq % 2 == 0 ? copy : base.dir, full != 0,
                    &diff);
            assert_true(diff.parts);
            assert_int_equal(diff.common_seq, seq - 1);
            assert_true(diff.heads_seq < seq);
            assert_int_equal(diff.lengths[0], diff.lengths[1]);
            assert_int_equal(
                diff.records[0][diff.lengths[0] - 1] ^ diff.records[1][diff.lengths[1] - 1], 1);
            assert_int_equal(diff.sides[0].end.seq, base.records);
            assert_int_equal(diff.sides[1].end.seq, base.records);
        }
        sample_remove_directory(copy);
    }
    remove_base(&base);
}

/* A shorter journal is the beginning of the longer one, to its last record, whichever is named
 * first; and an empty one is the beginning of all. */
static void a_prefix_is_a_prefix(void **state)
{
    (void)state;
    struct base base;
    make_base(&base, 16384);
    for (uint64_t records = 1; records < base.records; records += 201) {
        char copy[256];
        sample_directory(copy);
        const struct copy_options options = {.segment_bytes = segment_sizes[records % 4],
                                             .records = records};
        copy_journal(base.dir, copy, &options);
        struct journal_diff diff;
        compare(base.dir, copy, false, &diff);
        assert_false(diff.parts);
        assert_int_equal(diff.common_seq, records);
        assert_int_equal(diff.sides[0].end.seq, base.records);
        assert_int_equal(diff.sides[1].end.seq, records);
        assert_int_equal(diff.sides[1].end_ms,
                         base.sample.times_ms[(records - 1) % base.sample.records + 1]);
        compare(copy, base.dir, false, &diff);
        assert_false(diff.parts);
        assert_int_equal(diff.common_seq, records);
        sample_remove_directory(copy);
    }
    remove_base(&base);
}

/* Two that go on differently part behind what they share, also when that is a segment's end. */
static void journals_part_where_they_go_on(void **state)
{
    (void)state;
    struct base base;
    make_base(&base, 16384);
    char copy[256];
    sample_directory(copy);
    const uint64_t records = base.records / 2;
    copy_journal(base.dir, copy,
                 &(struct copy_options){.segment_bytes = 16384, .records = records, .extra = true});
    struct journal_diff diff;
    compare(base.dir, copy, false, &diff);
    assert_true(diff.parts);
    assert_int_equal(diff.common_seq, records);
    assert_int_equal(diff.sides[1].end.seq, records + 1);
    sample_remove_directory(copy);
    remove_base(&base);
}

static void flip(const char *dir, const char *segment, long offset)
{
    char path[600];
    snprintf(path, sizeof path, "%s/journal/%s", dir, segment);
    FILE *file = fopen(path, "r+");
    assert_non_null(file);
    assert_int_equal(fseek(file, offset, SEEK_SET), 0);
    const int byte = fgetc(file);
    assert_int_equal(fseek(file, offset, SEEK_SET), 0);
    assert_int_equal(fputc(byte ^ 1, file), byte ^ 1);
    assert_int_equal(fclose(file), 0);
}

/* Damage is told as damage, with its place, and never as a difference or as an end. */
static void damage_is_not_a_difference(void **state)
{
    (void)state;
    struct base base;
    make_base(&base, 16384);
    char copy[256];
    sample_directory(copy);
    copy_journal(base.dir, copy, &(struct copy_options){.segment_bytes = 16384});
    flip(copy, "00000000000000000001.seg", 4096 + 200);
    struct journal_diff diff;
    compare(base.dir, copy, true, &diff);
    assert_false(diff.parts);
    assert_int_equal(diff.sides[0].status, STATUS_OK);
    assert_int_equal(diff.sides[1].status, STATUS_DAMAGED);
    assert_string_equal(diff.sides[1].report.segment, "00000000000000000001.seg");
    assert_int_equal(diff.sides[0].end.seq, base.records);

    flip(copy, "00000000000000000001.seg", 4096 + 200);
    flip(copy, "00000000000000000001.seg", 50);
    compare(copy, base.dir, true, &diff);
    assert_int_equal(diff.sides[0].status, STATUS_DAMAGED);
    assert_false(diff.parts);
    sample_remove_directory(copy);
    remove_base(&base);
}

/* A directory without a journal is an error that names it. */
static void no_journal_is_named(void **state)
{
    (void)state;
    struct sample sample;
    sample_make(&sample, &(struct sample_options){.segment_bytes = 0});
    char empty[256];
    sample_directory(empty);
    const char *const dirs[] = {sample.dir, empty};
    const struct journal_diff_options options = {.full = false};
    struct journal_diff diff;
    assert_int_equal(journal_diff_run(dirs, &options, &diff), STATUS_NOT_FOUND);
    assert_non_null(strstr(diff.problem, empty));
    sample_remove_directory(empty);
    sample_remove(&sample);
}

/* --- States.
 * ------------------------------------------------------------------------------------- */

struct seen {
    uint64_t accounts;
    uint64_t bets;
    int64_t available_change_micro;
};

static void see_account(void *context, const uint8_t *address, const struct account_view *a,
                        const struct account_view *b)
{
    struct seen *seen = context;
    (void)address;
    seen->accounts += 1;
    seen->available_change_micro += b->available_micro - a->available_micro;
}

static void see_bet(void *context, const struct bet *a, const struct bet *b)
{
    struct seen *seen = context;
    assert_true(a != NULL || b != NULL);
    seen->bets += 1;
}

static int64_t available_at(const struct sample *sample, uint64_t seq)
{
    struct applier *applier;
    struct replay_result result;
    const struct replay_options options = {.to_seq = seq};
    assert_int_equal(applier_open(&sample_limits, &applier), STATUS_OK);
    assert_int_equal(replay_run(applier, sample->dir, &options, &result), STATUS_OK);
    struct account_view view;
    machine_account(applier_machine(applier), sample->account, &view);
    applier_free(applier);
    return view.available_micro;
}

static void sum_open(void *context, const struct bet *bet)
{
    (void)bet;
    *(uint64_t *)context += 1;
}

static uint64_t open_at(const struct sample *sample, uint64_t seq)
{
    struct applier *applier;
    struct replay_result result;
    const struct replay_options options = {.to_seq = seq};
    assert_int_equal(applier_open(&sample_limits, &applier), STATUS_OK);
    assert_int_equal(replay_run(applier, sample->dir, &options, &result), STATUS_OK);
    uint64_t open = 0;
    machine_each_open_bet(applier_machine(applier), &open, sum_open);
    applier_free(applier);
    return open;
}

/* The states of a whole journal and of its beginning differ by what the rest did: balances to the
 * micro, and every open bet of the beginning (at its own end the sample has none). */
static void states_differ_by_what_the_rest_did(void **state)
{
    (void)state;
    struct sample sample;
    sample_make(&sample, &(struct sample_options){.segment_bytes = 0});
    assert_int_equal(open_at(&sample, sample.records), 0);
    uint64_t with_bets = 0;
    for (uint64_t records = 20; records < sample.records; records += 29) {
        char copy[256];
        sample_directory(copy);
        copy_journal(sample.dir, copy, &(struct copy_options){.records = records});
        struct seen seen = {0};
        const char *const dirs[] = {copy, sample.dir};
        const struct state_diff_options options = {
            .common_seq = records, .context = &seen, .account = see_account, .bet = see_bet};
        struct state_diff diff;
        assert_int_equal(state_diff_run(dirs, &options, &diff), STATUS_OK);
        assert_int_equal(diff.markets[0].seq, records);
        assert_int_equal(diff.markets[1].seq, sample.records);
        assert_memory_equal(diff.digests[0], sample.digests[records], HASH_BYTES);
        assert_memory_equal(diff.digests[1], sample.digests[sample.records], HASH_BYTES);
        assert_int_equal(diff.accounts_different, seen.accounts);
        assert_int_equal(diff.bets_different, seen.bets);
        assert_int_equal(seen.bets, open_at(&sample, records));
        with_bets += seen.bets;
        if (available_at(&sample, records) != available_at(&sample, sample.records)) {
            assert_true(seen.accounts >= 1);
        }
        sample_remove_directory(copy);
    }
    assert_true(with_bets > 0);
    sample_remove(&sample);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(other_segments_do_not_make_other_records),
        cmocka_unit_test(the_first_changed_record_is_named),
        cmocka_unit_test(a_prefix_is_a_prefix),
        cmocka_unit_test(journals_part_where_they_go_on),
        cmocka_unit_test(damage_is_not_a_difference),
        cmocka_unit_test(no_journal_is_named),
        cmocka_unit_test(states_differ_by_what_the_rest_did),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
