/* The keeper's thread: snapshots when asked and when due, alarms, and its end. */
#include "tools/serve/keeper.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "replay/rebuild.h"
#include "replay/snapshot_file.h"
#include "tests/unit/replay/sample.h"

#define STEP_US 1000
#define STEPS   60000 /* a minute: never reached, unless nothing comes */
#define NEVER   UINT64_C(1000000000)
#define ANSWERS 64

static struct sample sample;
static struct metrics *metrics;
static _Atomic uint64_t durable_seq;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static struct keeper_answer answers[ANSWERS]; /* under the mutex */
static size_t answer_count;                   /* likewise */
static _Atomic bool held;                     /* on_answer waits */

static uint64_t tell_durable(void *context)
{
    (void)context;
    return durable_seq;
}

static void on_answer(void *context, struct keeper_answer *answer)
{
    (void)context;
    pthread_mutex_lock(&mutex);
    answers[answer_count++] = *answer;
    pthread_mutex_unlock(&mutex);
    free(answer);
    while (held) {
        usleep(STEP_US);
    }
}

static size_t count_answers(void)
{
    pthread_mutex_lock(&mutex);
    const size_t count = answer_count;
    pthread_mutex_unlock(&mutex);
    return count;
}

static void wait_for_answers(size_t count)
{
    for (int i = 0; i < STEPS && count_answers() < count; i++) {
        usleep(STEP_US);
    }
    assert_true(count_answers() >= count);
}

static uint64_t epoch_of(const char *dir)
{
    struct journal_reader *reader;
    struct journal_record record;
    struct journal_place place;
    assert_int_equal(journal_reader_open(dir, NULL, 1, &reader), STATUS_OK);
    assert_int_equal(journal_reader_next(reader, &record), STATUS_OK);
    assert_true(journal_reader_place(reader, &place));
    journal_reader_free(reader);
    return place.epoch;
}

static struct keeper *open_keeper(uint64_t snapshot_every, uint64_t check_every_s)
{
    struct keeper *keeper;
    const struct keeper_options options = {.data_dir = sample.dir,
                                           .epoch = epoch_of(sample.dir),
                                           .snapshot_every = snapshot_every,
                                           .check_every_s = check_every_s,
                                           .metrics = metrics,
                                           .durable_seq = tell_durable,
                                           .on_answer = on_answer};
    assert_int_equal(keeper_open(&options, &keeper), STATUS_OK);
    return keeper;
}

static void make(bool wrong_attest)
{
    sample_make(&sample, &(struct sample_options){.wrong_attest = wrong_attest});
    metrics = metrics_new();
    assert_non_null(metrics);
    durable_seq = sample.records;
    answer_count = 0;
    held = false;
}

static int make_good(void **state)
{
    (void)state;
    make(false);
    return 0;
}

static int make_wrong(void **state)
{
    (void)state;
    make(true);
    return 0;
}

static int destroy(void **state)
{
    (void)state;
    metrics_free(metrics);
    sample_remove(&sample);
    return 0;
}

static bool metrics_say(const char *line)
{
    struct json page = {0};
    metrics_write(metrics, &page);
    json_append(&page, "", 1);
    const bool says = strstr(page.text, line) != NULL;
    json_text_free(&page);
    return says;
}

/* Whoever asks is answered with the seq of a snapshot that can be read: it is durable. */
static void asked_snapshot_is_there_when_it_is_told(void **state)
{
    (void)state;
    struct keeper *keeper = open_keeper(NEVER, NEVER);
    assert_true(keeper_ask(keeper, 7));
    wait_for_answers(1);
    assert_int_equal(answers[0].ticket, 7);
    assert_int_equal(answers[0].status, STATUS_OK);
    assert_int_equal(answers[0].seq, sample.records);
    struct snapshot snapshot;
    char problem[SNAPSHOT_PROBLEM_BYTES];
    assert_int_equal(snapshot_read(disk_posix(), sample.dir, sample.records, &snapshot, problem),
                     STATUS_OK);
    assert_memory_equal(snapshot.header.digest, sample.digests[sample.records], HASH_BYTES);
    free(snapshot.body);
    assert_false(keeper_alarmed(keeper));
    keeper_close(keeper);
}

/* Without being asked one is made when so many records came since the last, and not before. */
static void snapshot_is_made_when_it_is_due(void **state)
{
    (void)state;
    struct snapshot_list list;
    durable_seq = sample.records - 1;
    struct keeper *keeper = open_keeper(sample.records, NEVER);
    usleep(1500 * 1000); /* one look at least */
    assert_int_equal(snapshot_list(disk_posix(), sample.dir, &list), STATUS_OK);
    assert_int_equal(list.count, 0);
    durable_seq = sample.records;
    for (int i = 0; i < STEPS && list.count == 0; i++) {
        usleep(STEP_US);
        assert_int_equal(snapshot_list(disk_posix(), sample.dir, &list), STATUS_OK);
    }
    assert_int_equal(list.seqs[0], sample.records);
    assert_int_equal(count_answers(), 0);
    keeper_close(keeper);
}

/* An Attest record that differs from the copy is an alarm and counted; no snapshot is written. */
static void difference_is_an_alarm(void **state)
{
    (void)state;
    struct snapshot_list list;
    struct keeper *keeper = open_keeper(NEVER, NEVER);
    assert_true(metrics_say("tapline_replay_divergence_total 0"));
    assert_true(keeper_ask(keeper, 1));
    wait_for_answers(1);
    assert_int_equal(answers[0].status, STATUS_MISMATCH);
    assert_non_null(strstr(answers[0].problem, "digest after seq "));
    assert_true(keeper_alarmed(keeper));
    assert_true(metrics_say("tapline_replay_divergence_total 1"));
    assert_int_equal(snapshot_list(disk_posix(), sample.dir, &list), STATUS_OK);
    assert_int_equal(list.count, 0);
    keeper_close(keeper);
    assert_false(keeper_alarmed(NULL));
}

/* So many may wait; one more is told at once. All of them are answered, each once, also when the
 * keeper is closed before their turn. */
static void everybody_is_answered_once(void **state)
{
    (void)state;
    struct keeper *keeper = open_keeper(NEVER, NEVER);
    held = true;
    assert_true(keeper_ask(keeper, 100));
    wait_for_answers(1);
    for (uint64_t ticket = 0; ticket < KEEPER_ASKED_MAX; ticket++) {
        assert_true(keeper_ask(keeper, ticket));
    }
    assert_false(keeper_ask(keeper, 99));
    held = false;
    keeper_close(keeper);
    assert_int_equal(count_answers(), 1 + KEEPER_ASKED_MAX);
    for (uint64_t i = 0; i < KEEPER_ASKED_MAX; i++) {
        assert_int_equal(answers[1 + i].ticket, i);
        assert_true(answers[1 + i].status == STATUS_OK || answers[1 + i].status == STATUS_CLOSED);
    }
}

/* The projections of the sample beside its journal. */
static void add_projections(void)
{
    struct applier *applier;
    struct replay_result result;
    char made[256];
    char from[300];
    char to[300];
    sample_directory(made);
    assert_int_equal(applier_open(&sample_limits, &applier), STATUS_OK);
    assert_int_equal(rebuild_run(applier, sample.dir, made, &(struct replay_options){.to_seq = 0},
                                 NULL, &result),
                     STATUS_OK);
    applier_free(applier);
    (void)snprintf(from, sizeof from, "%s/journal", sample.dir);
    (void)snprintf(to, sizeof to, "%s/journal", made);
    assert_int_equal(rename(from, to), 0);
    sample_remove(&sample);
    memcpy(sample.dir, made, sizeof made);
}

/* Everything is checked, first after the interval; what it found good is told with its time. With
 * nothing to compare, nothing is told to be good. */
static void check_tells_when_all_was_good(void **state)
{
    (void)state;
    struct keeper *without = open_keeper(NEVER, 1);
    usleep(3000 * 1000); /* one check at least */
    assert_true(metrics_say("tapline_integrity_last_ok_timestamp 0"));
    assert_false(keeper_alarmed(without));
    keeper_close(without);
    add_projections();
    struct keeper *keeper = open_keeper(NEVER, 1);
    assert_true(metrics_say("tapline_integrity_last_ok_timestamp 0"));
    for (int i = 0; i < STEPS && metrics_say("tapline_integrity_last_ok_timestamp 0"); i++) {
        usleep(STEP_US);
    }
    assert_false(metrics_say("tapline_integrity_last_ok_timestamp 0"));
    assert_false(keeper_alarmed(keeper));
    keeper_close(keeper);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(asked_snapshot_is_there_when_it_is_told, make_good,
                                        destroy),
        cmocka_unit_test_setup_teardown(snapshot_is_made_when_it_is_due, make_good, destroy),
        cmocka_unit_test_setup_teardown(difference_is_an_alarm, make_wrong, destroy),
        cmocka_unit_test_setup_teardown(everybody_is_answered_once, make_good, destroy),
        cmocka_unit_test_setup_teardown(check_tells_when_all_was_good, make_good, destroy),
    };
    return cmocka_run_group_tests_name("keeper", tests, NULL, NULL);
}
