/* tapline account --quick: from a snapshot, the same answer. (Without it: test_commands, and
 * against an oracle tests/property/audit.py.) */
#include "tools/commands.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <inttypes.h>
#include <jansson.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/address.h"
#include "capture.h"
#include "journal/disk.h"
#include "replay/replay.h"
#include "replay/snapshot_file.h"
#include "sample.h"

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

/* The sample's records in batches of a few, because snapshots stand at the ends of batches. */
static void write_in_batches(const struct sample *sample, const char *to)
{
    const struct journal_options options = {
        .segment_bytes = 1 << 20, .on_durable = ignore_batch, .on_failed = fail_test};
    struct journal *journal;
    struct journal_report report;
    assert_int_equal(journal_open(to, &options, &journal, &report), STATUS_OK);
    assert_int_equal(journal_start(journal), STATUS_OK);
    struct journal_reader *reader;
    assert_int_equal(journal_reader_open(sample->dir, NULL, 1, &reader), STATUS_OK);
    struct journal_record record;
    while (journal_reader_next(reader, &record) == STATUS_OK) {
        assert_int_equal(journal_append(journal, record.bytes, record.length), STATUS_OK);
        struct journal_head head = {0};
        while (record.seq % 5 == 0 && head.seq < record.seq) {
            sched_yield();
            journal_head(journal, &head);
        }
    }
    journal_reader_free(reader);
    assert_int_equal(journal_close(journal), STATUS_OK);
}

/* A sample with a journal of several batches. */
static void make_sample(struct sample *sample, const struct sample_options *options)
{
    sample_make(sample, options);
    char batches[256];
    sample_directory(batches);
    write_in_batches(sample, batches);
    sample_remove(sample);
    memcpy(sample->dir, batches, sizeof batches);
}

/* Writes snapshots at the ends of some batches; returns how many. */
static size_t write_snapshots(const struct sample *sample, const char *to_dir, uint64_t first,
                              uint64_t step)
{
    size_t written = 0;
    for (uint64_t seq = first; seq < sample->records && written < SNAPSHOT_KEPT; seq += step) {
        struct applier *applier;
        struct replay_result result;
        const struct replay_options options = {.to_seq = seq};
        assert_int_equal(applier_open(NULL, &applier), STATUS_OK);
        assert_int_equal(replay_run(applier, sample->dir, &options, &result), STATUS_OK);
        if (result.has_place) {
            char problem[SNAPSHOT_PROBLEM_BYTES];
            assert_int_equal(snapshot_write(disk_posix(), to_dir, applier, &result.place, problem),
                             STATUS_OK);
            written += 1;
        }
        applier_free(applier);
    }
    return written;
}

static json_t *ask(const struct sample *sample, const char *at, bool quick)
{
    char account[ADDRESS_TEXT_BYTES + 1];
    address_format(account, sample->account);
    const char *const texts[] = {"account", "--data", sample->dir, "--account", account,
                                 "--json",  "--at",   at,          "--quick"};
    char *argv[10] = {NULL};
    const int count = quick ? 9 : 8;
    memcpy(argv, texts, (size_t)count * sizeof argv[0]);
    struct capture capture;
    capture_begin(&capture);
    const int code = command_account(count, argv);
    capture_end(&capture);
    if (code != EXIT_GOOD) {
        print_error("--at %s: exit %d: %s", at, code, capture.errors);
    }
    assert_int_equal(code, EXIT_GOOD);
    json_t *told = json_loads(capture.output, JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(told);
    capture_free(&capture);
    return told;
}

static const char *text_of(const json_t *object, const char *key)
{
    assert_true(json_is_string(json_object_get(object, key)));
    return json_string_value(json_object_get(object, key));
}

/* Same balances, open bets and digest; the rows are the last ones of the whole statement, and what
 * stands in for the others is their sum. Returns the snapshot's seq, 0 for none. */
static uint64_t compare(const json_t *whole, const json_t *quick)
{
    static const char *const keys[] = {"seq",       "time", "digest",    "user",
                                       "available", "held", "open_bets", "bets"};
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        assert_true(json_equal(json_object_get(whole, keys[i]), json_object_get(quick, keys[i])));
    }
    const json_t *all = json_object_get(whole, "statement");
    const json_t *rows = json_object_get(quick, "statement");
    if (json_is_null(json_object_get(quick, "snapshot"))) {
        assert_true(json_equal(all, rows));
        return 0;
    }
    const uint64_t seq = strtoull(text_of(quick, "snapshot"), NULL, 10);
    const json_t *opening = json_array_get(rows, 0);
    assert_string_equal(text_of(opening, "ref_type"), "OPENING");
    const size_t left = json_array_size(rows) - 1;
    const size_t before = json_array_size(all) - left;
    int64_t sum = 0;
    for (size_t i = 0; i < before; i++) {
        const json_t *row = json_array_get(all, i);
        assert_true(strtoull(text_of(row, "seq"), NULL, 10) <= seq);
        sum += strtoll(text_of(row, "amount"), NULL, 10);
    }
    assert_int_equal(strtoll(text_of(opening, "amount"), NULL, 10), sum);
    for (size_t i = 0; i < left; i++) {
        assert_true(json_equal(json_array_get(all, before + i), json_array_get(rows, i + 1)));
    }
    return seq;
}

/* At every moment, by seq and by time, before, between and behind the snapshots. */
static void a_snapshot_does_not_change_the_answer(void **state)
{
    (void)state;
    struct sample sample;
    make_sample(&sample, &(struct sample_options){.segment_bytes = 0});
    const size_t snapshots = write_snapshots(&sample, sample.dir, sample.records / 15 * 5, 30);
    assert_true(snapshots >= 1);
    size_t used = 0;
    for (uint64_t seq = 1; seq <= sample.records + 20; seq += 13) {
        for (int by_time = 0; by_time < 2; by_time++) {
            char at[32];
            const uint64_t known = seq <= sample.records ? seq : sample.records;
            snprintf(at, sizeof at, "%" PRIu64,
                     by_time != 0 ? (uint64_t)sample.times_ms[known] + seq % 2 : seq);
            json_t *whole = ask(&sample, at, false);
            json_t *quick = ask(&sample, at, true);
            const uint64_t begin = compare(whole, quick);
            assert_true(begin == 0 || begin < strtoull(text_of(whole, "seq"), NULL, 10) + 1);
            used += begin != 0 ? 1 : 0;
            json_decref(whole);
            json_decref(quick);
        }
    }
    assert_true(used > 10);
    sample_remove(&sample);
}

/* A snapshot of another journal is no beginning of this one: it is passed over, and the answer
 * comes from the first record. */
static void a_snapshot_of_another_journal_is_not_used(void **state)
{
    (void)state;
    struct sample sample;
    struct sample other;
    make_sample(&sample, &(struct sample_options){.segment_bytes = 0});
    make_sample(&other, &(struct sample_options){.wrong_price = true});
    assert_true(write_snapshots(&other, sample.dir, other.records / 10 * 5, 30) >= 1);
    json_t *whole = ask(&sample, "100000", false);
    json_t *quick = ask(&sample, "100000", true);
    assert_int_equal(compare(whole, quick), 0);
    json_decref(whole);
    json_decref(quick);
    sample_remove(&sample);
    sample_remove(&other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_snapshot_does_not_change_the_answer),
        cmocka_unit_test(a_snapshot_of_another_journal_is_not_used),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
