/* Snapshots made beside a journal and started from: the state comes out the same whichever is
 * taken, and one that cannot be trusted is not. */
#include "replay/snapshot_advance.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <fcntl.h>
#include <nettle/sha2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "replay/replay.h"
#include "replay/snapshot_shelf.h"
#include "sample.h"

static struct sample sample;
static uint64_t epoch;
static unsigned skipped;
static char last_line[512];

static _Atomic uint64_t durable;

static void on_durable(void *context, const struct journal_batch *batch)
{
    (void)context;
    durable = batch->first_seq + batch->count - 1;
}

/* The journal in `dir` again at `to`, in batches that end at every fifth record at least. Returns
 * its epoch. */
static uint64_t copy_journal(const char *dir, const char *to)
{
    struct journal_report report;
    struct journal_reader *reader;
    struct journal_record record;
    struct journal *journal;
    const struct journal_options options = {.segment_bytes = 16384, .on_durable = on_durable};
    durable = 0;
    assert_int_equal(journal_open(to, &options, &journal, &report), STATUS_OK);
    assert_int_equal(journal_start(journal), STATUS_OK);
    assert_int_equal(journal_reader_open(dir, NULL, 1, &reader), STATUS_OK);
    uint64_t last = 0;
    while (journal_reader_next(reader, &record) == STATUS_OK) {
        assert_int_equal(journal_append(journal, record.bytes, record.length), STATUS_OK);
        last = record.seq;
        while (record.seq % 5 == 0 && durable < record.seq) {
            usleep(50);
        }
    }
    while (durable < last) {
        usleep(50);
    }
    const uint64_t made = journal_epoch(journal);
    journal_reader_free(reader);
    assert_int_equal(journal_close(journal), STATUS_OK);
    return made;
}

static int make_sample(void **state)
{
    (void)state;
    struct sample source;
    sample_make(&source, &(struct sample_options){.segment_bytes = 0});
    sample = source;
    sample_directory(sample.dir);
    epoch = copy_journal(source.dir, sample.dir);
    sample_remove(&source);
    skipped = 0;
    return 0;
}

static int remove_sample(void **state)
{
    (void)state;
    sample_remove(&sample);
    return 0;
}

static void note_skipped(void *context, const char *line)
{
    (void)context;
    skipped++;
    (void)snprintf(last_line, sizeof last_line, "%s", line);
}

static bool stop_at_once(void *context)
{
    (void)context;
    return true;
}

static enum status advance(uint64_t durable_seq, struct snapshot_advance_result *result)
{
    const struct snapshot_advance_options options = {.epoch = epoch,
                                                     .durable_seq = durable_seq,
                                                     .limits = &sample_limits,
                                                     .on_skipped = note_skipped};
    return snapshot_advance(sample.dir, &options, result);
}

static void must_advance(uint64_t durable_seq)
{
    struct snapshot_advance_result result;
    assert_int_equal(advance(durable_seq, &result), STATUS_OK);
    assert_string_equal(result.problem, "");
    assert_int_equal(result.seq, durable_seq);
    assert_int_equal(result.imbalance_micro, 0);
}

struct bytes {
    uint8_t *at;
    size_t count;
};

static void take_bytes(void *context, const uint8_t *bytes, size_t count)
{
    struct bytes *all = context;
    all->at = realloc(all->at, all->count + count);
    assert_non_null(all->at);
    memcpy(all->at + all->count, bytes, count);
    all->count += count;
}

static struct bytes canonical(const struct applier *applier)
{
    struct bytes all = {0};
    machine_snapshot(applier_machine(applier), &all, take_bytes);
    return all;
}

/* A start: the newest snapshot up to newest_seq, else the first record, and the tail. Checks the
 * digest and the canonical bytes at the end. Returns the seq that it began with. */
static uint64_t start_from(uint64_t newest_seq, const struct bytes *expected)
{
    struct snapshot_shelf shelf;
    struct applier *applier;
    assert_int_equal(snapshot_shelf_open(&shelf, NULL, sample.dir, NULL, note_skipped), STATUS_OK);
    for (;;) {
        struct snapshot_header header = {.seq = 0};
        struct journal_head begin = {.seq = 0};
        enum status status =
            snapshot_shelf_take(&shelf, epoch, newest_seq, &sample_limits, &applier, &header);
        if (status == STATUS_NOT_FOUND) {
            status = applier_open(&sample_limits, &applier);
        } else {
            begin.seq = header.seq;
            merkle_root(&header.place.tree, begin.root);
        }
        assert_int_equal(status, STATUS_OK);
        struct replay_result result;
        const struct replay_options options = {.begin = &begin, .invariant_at_end = true};
        status = replay_run(applier, sample.dir, &options, &result);
        if (result.other_history) {
            assert_int_equal(status, STATUS_MISMATCH);
            assert_int_equal(result.records, 0);
            snapshot_shelf_reject(&shelf, begin.seq, result.problem);
            applier_free(applier);
            continue;
        }
        assert_int_equal(status, STATUS_OK);
        assert_int_equal(applier_seq(applier), sample.records);
        assert_memory_equal(applier_digest(applier), sample.digests[sample.records], HASH_BYTES);
        const struct bytes found = canonical(applier);
        assert_int_equal(found.count, expected->count);
        assert_memory_equal(found.at, expected->at, found.count);
        free(found.at);
        applier_free(applier);
        return begin.seq;
    }
}

static struct bytes state_from_genesis(void)
{
    struct applier *applier;
    struct replay_result result;
    assert_int_equal(applier_open(&sample_limits, &applier), STATUS_OK);
    assert_int_equal(
        replay_run(applier, sample.dir, &(struct replay_options){.to_seq = 0}, &result), STATUS_OK);
    const struct bytes all = canonical(applier);
    applier_free(applier);
    return all;
}

static void path_of(uint64_t seq, char path[512])
{
    char name[SNAPSHOT_NAME_BYTES];
    snapshot_name(seq, name);
    (void)snprintf(path, 512, "%s/" SNAPSHOT_FOLDER "/%s", sample.dir, name);
}

static void flip_byte(uint64_t seq, off_t at)
{
    char path[512];
    uint8_t byte;
    path_of(seq, path);
    const int file = open(path, O_RDWR);
    assert_true(file >= 0);
    assert_int_equal(pread(file, &byte, 1, at), 1);
    byte ^= 1;
    assert_int_equal(pwrite(file, &byte, 1, at), 1);
    assert_int_equal(close(file), 0);
}

/* For every A and, from the snapshot there, every later B: the snapshot at B that was made from the
 * one at A is byte for byte the one that is made from the first record; and the start from either
 * ends in the same state. Mid-segment, at segment ends, at the journal's end. */
static void any_two_snapshots_lead_to_the_same_state(void **state)
{
    (void)state;
    const struct bytes expected = state_from_genesis();
    char path[512];
    for (uint64_t a = 5; a < sample.records; a += 10) {
        must_advance(a);
        assert_int_equal(start_from(a, &expected), a);
        for (uint64_t b = a + 5; b <= sample.records; b += 25) {
            struct snapshot_advance_result result;
            assert_int_equal(advance(b, &result), STATUS_OK);
            assert_int_equal(result.from_seq, a);
            assert_int_equal(result.records, b - a);
            assert_true(result.written);
            assert_int_equal(start_from(b, &expected), b);
            path_of(b, path);
            assert_int_equal(unlink(path), 0);
        }
        path_of(a, path);
        assert_int_equal(unlink(path), 0);
    }
    must_advance(sample.records);
    assert_int_equal(start_from(sample.records, &expected), sample.records);
    assert_int_equal(skipped, 0);
    free(expected.at);
}

/* Asked again without a new record, nothing is written and the same seq is told. */
static void snapshot_of_the_same_seq_is_not_written_again(void **state)
{
    (void)state;
    struct snapshot_advance_result result;
    must_advance(50);
    assert_int_equal(advance(50, &result), STATUS_OK);
    assert_false(result.written);
    assert_int_equal(result.seq, 50);
}

/* Snapshots at 30, 60 and 90. Damaged from the newest on, one after the other: each is named, the
 * next older is taken, in the end the first record, and the state is the same every time. A writer
 * that finds them damaged begins before them too. */
static void damaged_snapshots_cost_time_and_nothing_else(void **state)
{
    (void)state;
    const struct bytes expected = state_from_genesis();
    static const uint64_t seqs[] = {30, 60, 90};
    for (size_t i = 0; i < 3; i++) {
        must_advance(seqs[i]);
    }
    assert_int_equal(start_from(UINT64_MAX, &expected), 90);
    assert_int_equal(start_from(89, &expected), 60);
    assert_int_equal(start_from(29, &expected), 0);
    assert_int_equal(skipped, 0);
    for (size_t i = 3; i-- > 0;) {
        skipped = 0;
        flip_byte(seqs[i], SNAPSHOT_HEADER_BYTES + 100);
        assert_int_equal(start_from(UINT64_MAX, &expected), i == 0 ? 0 : seqs[i - 1]);
        assert_int_equal(skipped, 3 - i);
        assert_non_null(strstr(last_line, "its hash does not fit; it is not used"));
    }
    struct snapshot_advance_result result;
    assert_int_equal(advance(sample.records, &result), STATUS_OK);
    assert_int_equal(result.from_seq, 0);
    assert_int_equal(start_from(UINT64_MAX, &expected), sample.records);
    free(expected.at);
}

/* The snapshot of seq again, of a history that was another one up to there. */
static void change_history(uint64_t seq)
{
    struct snapshot snapshot;
    char problem[SNAPSHOT_PROBLEM_BYTES];
    struct applier *applier;
    unsigned level = 0;
    while ((seq >> level & 1) == 0) {
        level++;
    }
    assert_int_equal(snapshot_read(disk_posix(), sample.dir, seq, &snapshot, problem), STATUS_OK);
    assert_int_equal(applier_restore(&sample_limits, snapshot.body,
                                     (size_t)snapshot.header.body_bytes, snapshot.header.digest,
                                     &applier),
                     STATUS_OK);
    snapshot.header.place.tree.subtrees[level][0] ^= 1;
    assert_int_equal(
        snapshot_write(disk_posix(), sample.dir, applier, &snapshot.header.place, problem),
        STATUS_OK);
    applier_free(applier);
    free(snapshot.body);
}

/* At the very end of the journal, where no record follows that could show it, another history is
 * seen as well. */
static void snapshot_at_the_end_is_compared_as_well(void **state)
{
    (void)state;
    const struct bytes expected = state_from_genesis();
    must_advance(sample.records);
    skipped = 0;
    assert_int_equal(start_from(UINT64_MAX, &expected), sample.records);
    assert_int_equal(skipped, 0);
    change_history(sample.records);
    assert_int_equal(start_from(UINT64_MAX, &expected), 0);
    assert_int_equal(skipped, 1);
    assert_non_null(strstr(last_line, "another history up to seq"));
    free(expected.at);
}

/* A snapshot whose epoch is another journal's is skipped; so is one with this epoch and another
 * history: its tree head is not the journal's there, in the middle of a segment too. */
static void snapshot_of_another_history_is_not_used(void **state)
{
    (void)state;
    const struct bytes expected = state_from_genesis();
    must_advance(40);
    epoch += 1;
    assert_int_equal(start_from(UINT64_MAX, &expected), 0);
    assert_int_equal(skipped, 1);
    assert_non_null(strstr(last_line, "another journal"));
    epoch -= 1;

    change_history(40);
    skipped = 0;
    assert_int_equal(start_from(UINT64_MAX, &expected), 0);
    assert_int_equal(skipped, 1);
    assert_non_null(strstr(last_line, "another history up to seq 40"));
    struct snapshot_advance_result result;
    assert_int_equal(advance(60, &result), STATUS_OK);
    assert_int_equal(result.from_seq, 0);
    free(expected.at);
}

/* A newer snapshot of another journal hides none of this one: the newest of this journal is still
 * the witness of its end. */
static void foreign_snapshot_hides_no_witness(void **state)
{
    (void)state;
    must_advance(40);
    must_advance(60);
    struct snapshot_shelf shelf;
    struct snapshot_header header;
    struct applier *applier;
    assert_int_equal(snapshot_shelf_open(&shelf, NULL, sample.dir, NULL, NULL), STATUS_OK);
    assert_int_equal(
        snapshot_shelf_take(&shelf, epoch, UINT64_MAX, &sample_limits, &applier, &header),
        STATUS_OK);
    assert_int_equal(header.seq, 60);
    header.place.epoch += 1;
    char problem[SNAPSHOT_PROBLEM_BYTES];
    assert_int_equal(snapshot_write(disk_posix(), sample.dir, applier, &header.place, problem),
                     STATUS_OK);
    applier_free(applier);

    uint64_t peeked;
    assert_true(journal_peek_epoch(sample.dir, NULL, &peeked));
    assert_int_equal(peeked, epoch);
    assert_int_equal(snapshot_shelf_open(&shelf, NULL, sample.dir, NULL, NULL), STATUS_OK);
    assert_true(snapshot_shelf_newest(&shelf, &peeked, &header));
    assert_int_equal(header.seq, 40);
    assert_true(snapshot_shelf_newest(&shelf, NULL, &header));
    assert_int_equal(header.seq, 60);
    peeked += 2;
    assert_false(snapshot_shelf_newest(&shelf, &peeked, &header));
}

/* A header that says another time than the state behind it, with a hash that fits:
 * the two were not made together. */
static void header_of_another_state_is_not_used(void **state)
{
    (void)state;
    const struct bytes expected = state_from_genesis();
    char path[512];
    struct stat seen;
    uint8_t hash[HASH_BYTES];
    must_advance(40);
    flip_byte(40, 32 /* the engine time */);
    path_of(40, path);
    assert_int_equal(stat(path, &seen), 0);
    const size_t hashed = (size_t)seen.st_size - HASH_BYTES;
    uint8_t *bytes = malloc(hashed);
    assert_non_null(bytes);
    const int file = open(path, O_RDWR);
    assert_true(file >= 0);
    assert_int_equal(pread(file, bytes, hashed, 0), hashed);
    struct sha256_ctx sha;
    sha256_init(&sha);
    sha256_update(&sha, hashed, bytes);
    sha256_digest(&sha, sizeof hash, hash);
    assert_int_equal(pwrite(file, hash, sizeof hash, (off_t)hashed), sizeof hash);
    assert_int_equal(close(file), 0);
    free(bytes);
    skipped = 0;
    assert_int_equal(start_from(UINT64_MAX, &expected), 0);
    assert_int_equal(skipped, 1);
    assert_non_null(strstr(last_line, "not that of its header"));
    free(expected.at);
}

/* An Attest record that does not fit is named, and no snapshot of such a state is written. */
static void no_snapshot_is_made_of_a_state_that_differs(void **state)
{
    (void)state;
    struct sample wrong;
    struct snapshot_advance_result result;
    struct snapshot_list list;
    struct journal_reader *reader;
    struct journal_record record;
    struct journal_place place;
    sample_make(&wrong, &(struct sample_options){.wrong_attest = true});
    assert_int_equal(journal_reader_open(wrong.dir, NULL, 1, &reader), STATUS_OK);
    assert_int_equal(journal_reader_next(reader, &record), STATUS_OK);
    assert_true(journal_reader_place(reader, &place));
    journal_reader_free(reader);
    const struct snapshot_advance_options options = {
        .epoch = place.epoch, .durable_seq = wrong.records, .limits = &sample_limits};
    assert_int_equal(snapshot_advance(wrong.dir, &options, &result), STATUS_MISMATCH);
    assert_non_null(strstr(result.problem, "digest after seq "));
    assert_non_null(strstr(result.problem, " differs "));
    assert_int_equal(snapshot_list(disk_posix(), wrong.dir, &list), STATUS_OK);
    assert_int_equal(list.count, 0);
    sample_remove(&wrong);
}

/* Nothing is read or written beyond what is durable; asked for more than there is, it says so. */
static void nothing_is_taken_beyond_the_durable_end(void **state)
{
    (void)state;
    struct snapshot_advance_result result;
    assert_int_equal(advance(sample.records + 1, &result), STATUS_LOST_TAIL);
    assert_string_not_equal(result.problem, "");
    struct snapshot_list list;
    assert_int_equal(snapshot_list(disk_posix(), sample.dir, &list), STATUS_OK);
    assert_int_equal(list.count, 0);
    /* Nor is a snapshot at the very end of what is there taken for one of what should be. */
    must_advance(sample.records);
    assert_int_equal(advance(sample.records + 1, &result), STATUS_LOST_TAIL);
    assert_string_not_equal(result.problem, "");
}

/* Asked for a seq within a batch, it takes the end of the batch: the place between two batches is
 * what a snapshot is held against. */
static void batch_is_taken_to_its_end(void **state)
{
    (void)state;
    unsigned within = 0;
    for (uint64_t seq = 30; seq < 60; seq++) {
        char path[512];
        struct snapshot_advance_result result;
        assert_int_equal(advance(seq, &result), STATUS_OK);
        assert_true(result.seq >= seq);
        assert_true(result.seq < seq + 5);
        within += result.seq > seq;
        path_of(result.seq, path);
        assert_int_equal(unlink(path), 0);
    }
    assert_true(within > 0);
}

/* A journal of another epoch than the one asked for is no journal to make a snapshot of. */
static void snapshot_of_another_journal_is_not_made(void **state)
{
    (void)state;
    struct snapshot_advance_result result;
    struct snapshot_list list;
    epoch += 1;
    assert_int_equal(advance(sample.records, &result), STATUS_MISMATCH);
    epoch -= 1;
    assert_string_not_equal(result.problem, "");
    assert_int_equal(snapshot_list(disk_posix(), sample.dir, &list), STATUS_OK);
    assert_int_equal(list.count, 0);
}

/* A snapshots folder that cannot be made is told in the system's words. */
static void folder_that_cannot_be_made_is_told(void **state)
{
    (void)state;
    char path[512];
    struct snapshot_advance_result result;
    (void)snprintf(path, sizeof path, "%s/" SNAPSHOT_FOLDER, sample.dir);
    const int file = open(path, O_CREAT | O_WRONLY, 0600);
    assert_true(file >= 0);
    assert_int_equal(close(file), 0);
    assert_int_equal(advance(sample.records, &result), STATUS_IO);
    assert_non_null(strstr(result.problem, "snapshots"));
}

/* Who is asked to stop stops within some records. */
static void copy_stops_when_asked(void **state)
{
    (void)state;
    struct applier *applier;
    struct snapshot_advance_result result;
    const struct snapshot_advance_options options = {.epoch = epoch,
                                                     .durable_seq = sample.records,
                                                     .limits = &sample_limits,
                                                     .stop = stop_at_once};
    assert_int_equal(applier_open(&sample_limits, &applier), STATUS_OK);
    applier_free(applier);
    assert_int_equal(snapshot_advance(sample.dir, &options, &result), STATUS_CLOSED);
    assert_false(result.written);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(any_two_snapshots_lead_to_the_same_state, make_sample,
                                        remove_sample),
        cmocka_unit_test_setup_teardown(snapshot_of_the_same_seq_is_not_written_again, make_sample,
                                        remove_sample),
        cmocka_unit_test_setup_teardown(damaged_snapshots_cost_time_and_nothing_else, make_sample,
                                        remove_sample),
        cmocka_unit_test_setup_teardown(snapshot_of_another_history_is_not_used, make_sample,
                                        remove_sample),
        cmocka_unit_test_setup_teardown(foreign_snapshot_hides_no_witness, make_sample,
                                        remove_sample),
        cmocka_unit_test_setup_teardown(snapshot_at_the_end_is_compared_as_well, make_sample,
                                        remove_sample),
        cmocka_unit_test_setup_teardown(header_of_another_state_is_not_used, make_sample,
                                        remove_sample),
        cmocka_unit_test_setup_teardown(no_snapshot_is_made_of_a_state_that_differs, make_sample,
                                        remove_sample),
        cmocka_unit_test_setup_teardown(nothing_is_taken_beyond_the_durable_end, make_sample,
                                        remove_sample),
        cmocka_unit_test_setup_teardown(batch_is_taken_to_its_end, make_sample, remove_sample),
        cmocka_unit_test_setup_teardown(snapshot_of_another_journal_is_not_made, make_sample,
                                        remove_sample),
        cmocka_unit_test_setup_teardown(folder_that_cannot_be_made_is_told, make_sample,
                                        remove_sample),
        cmocka_unit_test_setup_teardown(copy_stops_when_asked, make_sample, remove_sample),
    };
    return cmocka_run_group_tests_name("snapshot_advance", tests, NULL, NULL);
}
