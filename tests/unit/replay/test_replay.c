#include "replay/replay.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "sample.h"

static enum status replay(const struct sample *sample, const struct replay_options *options,
                          struct applier **applier, struct replay_result *result)
{
    assert_int_equal(applier_open(&sample_limits, applier), STATUS_OK);
    return replay_run(*applier, sample->dir, options, result);
}

/* The journal of the sample, replayed, gives the digest that its maker had after each record, every
 * attest holds, and so do the invariants after each record. */
static void a_replay_gives_the_digests_of_the_first_run(void **state)
{
    (void)state;
    struct sample sample;
    sample_make(&sample, &(struct sample_options){.segment_bytes = 0});
    struct applier *applier;
    struct replay_result result;
    const struct replay_options options = {.invariant_every = 1, .invariant_at_end = true};
    assert_int_equal(replay(&sample, &options, &applier, &result), STATUS_OK);
    assert_string_equal(result.problem, "");
    assert_int_equal(result.records, sample.records);
    assert_int_equal(result.head.seq, sample.records);
    assert_true(applier_attests_checked(applier) >= 15);
    for (uint64_t seq = 0; seq <= sample.records; seq++) {
        assert_memory_equal(applier_digest_of(applier, seq), sample.digests[seq], HASH_BYTES);
    }
    applier_free(applier);
    sample_remove(&sample);
}

/* --to a seq: that record is the last, whatever the batches were. */
static void a_replay_ends_at_the_asked_seq(void **state)
{
    (void)state;
    struct sample sample;
    sample_make(&sample, &(struct sample_options){.segment_bytes = 0});
    for (uint64_t to = 1; to <= sample.records; to += 7) {
        struct applier *applier;
        struct replay_result result;
        const struct replay_options options = {.to_seq = to};
        assert_int_equal(replay(&sample, &options, &applier, &result), STATUS_OK);
        assert_int_equal(applier_seq(applier), to);
        assert_memory_equal(applier_digest(applier), sample.digests[to], HASH_BYTES);
        applier_free(applier);
    }
    sample_remove(&sample);
}

/* --to a time: all records of that engine time and earlier, none later, also between two times. */
static void a_replay_ends_at_the_asked_time(void **state)
{
    (void)state;
    struct sample sample;
    sample_make(&sample, &(struct sample_options){.segment_bytes = 0});
    for (int64_t to_ms = SAMPLE_START_MS; to_ms < sample.time_ms; to_ms += 1111) {
        uint64_t last = 0;
        while (last < sample.records && sample.times_ms[last + 1] <= to_ms) {
            last += 1;
        }
        struct applier *applier;
        struct replay_result result;
        const struct replay_options options = {.to_time_ms = to_ms};
        assert_int_equal(replay(&sample, &options, &applier, &result), STATUS_OK);
        assert_int_equal(applier_seq(applier), last);
        assert_memory_equal(applier_digest(applier), sample.digests[last], HASH_BYTES);
        applier_free(applier);
    }
    sample_remove(&sample);
}

/* A replay that stopped goes on where it stands, and ends as one in a piece does. */
static void a_replay_goes_on_from_where_it_stands(void **state)
{
    (void)state;
    struct sample sample;
    sample_make(&sample, &(struct sample_options){.segment_bytes = 0});
    struct applier *applier;
    struct replay_result result;
    const struct replay_options half = {.to_seq = sample.records / 2};
    assert_int_equal(replay(&sample, &half, &applier, &result), STATUS_OK);
    const struct replay_options rest = {.to_seq = 0};
    assert_int_equal(replay_run(applier, sample.dir, &rest, &result), STATUS_OK);
    assert_int_equal(result.records, sample.records - sample.records / 2);
    assert_memory_equal(applier_digest(applier), sample.digests[sample.records], HASH_BYTES);
    applier_free(applier);
    sample_remove(&sample);
}

/* A digest that is not ours ends the replay at its attest and names the record; or is counted. */
static void a_false_attest_ends_the_replay(void **state)
{
    (void)state;
    struct sample sample;
    sample_make(&sample, &(struct sample_options){.wrong_attest = true});
    struct applier *applier;
    struct replay_result result;
    const struct replay_options stop = {.to_seq = 0};
    assert_int_equal(replay(&sample, &stop, &applier, &result), STATUS_MISMATCH);
    assert_true(applier_seq(applier) < sample.records);
    assert_int_equal(result.first_mismatch_seq, result.applier.of_seq);
    assert_true(result.applier.of_seq < result.applier.seq);
    assert_non_null(strstr(result.problem, "differs"));
    applier_free(applier);
    const struct replay_options go_on = {.mismatch_goes_on = true};
    assert_int_equal(replay(&sample, &go_on, &applier, &result), STATUS_OK);
    assert_int_equal(result.mismatches, 1);
    assert_int_equal(applier_seq(applier), sample.records);
    applier_free(applier);
    sample_remove(&sample);
}

/* A changed byte in the middle is damage, named by segment, offset and seq, and nothing behind it
 * is applied. */
static void a_changed_byte_is_named(void **state)
{
    (void)state;
    struct sample sample;
    sample_make(&sample, &(struct sample_options){.segment_bytes = 0});
    char path[512];
    snprintf(path, sizeof path, "%s/journal/00000000000000000001.seg", sample.dir);
    FILE *file = fopen(path, "r+b");
    assert_non_null(file);
    assert_int_equal(fseek(file, 8000, SEEK_SET), 0);
    const int byte = fgetc(file);
    assert_int_equal(fseek(file, 8000, SEEK_SET), 0);
    assert_true(fputc(byte ^ 0x10, file) != EOF);
    assert_int_equal(fclose(file), 0);
    struct applier *applier;
    struct replay_result result;
    const struct replay_options options = {.to_seq = 0};
    assert_int_equal(replay(&sample, &options, &applier, &result), STATUS_DAMAGED);
    assert_string_equal(result.journal.segment, "00000000000000000001.seg");
    assert_true(result.journal.offset <= 8000);
    assert_int_equal(result.journal.seq, applier_seq(applier) + 1);
    assert_non_null(strstr(result.problem, "00000000000000000001.seg"));
    assert_true(result.journal.reason[0] != '\0');
    applier_free(applier);
    sample_remove(&sample);
}

struct heard {
    uint64_t before;
    uint64_t after;
    uint64_t end_at;
    const struct applier *applier;
    uint64_t bets_confirmed;
    uint64_t confirmed_in; /* the record that applier_input told during the event */
};

static enum status before(void *context, struct applier *applier,
                          const struct journal_record *record)
{
    struct heard *heard = context;
    assert_int_equal(applier_input(applier)->seq, record->seq);
    assert_int_equal(applier_seq(applier), record->seq - 1);
    heard->before += 1;
    return STATUS_OK;
}

static enum status after(void *context, struct applier *applier,
                         const struct journal_record *record)
{
    struct heard *heard = context;
    assert_int_equal(applier_seq(applier), record->seq);
    heard->after += 1;
    return record->seq == heard->end_at ? STATUS_END : STATUS_OK;
}

static void hear_event(void *context, const struct event *event)
{
    struct heard *heard = context;
    if (event->kind == EVENT_BET_CONFIRMED) {
        heard->bets_confirmed += 1;
        heard->confirmed_in = applier_input(heard->applier)->seq;
        assert_int_equal(event->of.bet->priced_seq, heard->confirmed_in);
    }
}

static void hear_posting(void *context, const struct posting *posting)
{
    (void)context;
    (void)posting;
}

/* The hooks stand around each record, the sink hears events with their record known, and STATUS_END
 * from a hook ends the replay well. */
static void hooks_and_sink_hear_each_record(void **state)
{
    (void)state;
    struct sample sample;
    sample_make(&sample, &(struct sample_options){.segment_bytes = 0});
    struct applier *applier;
    assert_int_equal(applier_open(&sample_limits, &applier), STATUS_OK);
    struct heard heard = {.applier = applier, .end_at = sample.records - 3};
    const struct event_sink sink = {&heard, hear_event, hear_posting};
    const struct replay_options options = {
        .context = &heard, .sink = &sink, .before = before, .after = after};
    struct replay_result result;
    assert_int_equal(replay_run(applier, sample.dir, &options, &result), STATUS_OK);
    assert_int_equal(heard.before, sample.records - 3);
    assert_int_equal(heard.after, sample.records - 3);
    assert_int_equal(heard.bets_confirmed, 3);
    applier_free(applier);
    sample_remove(&sample);
}

static void a_directory_without_journal_is_not_found(void **state)
{
    (void)state;
    char dir[256];
    sample_directory(dir);
    struct applier *applier;
    assert_int_equal(applier_open(&sample_limits, &applier), STATUS_OK);
    struct replay_result result;
    const struct replay_options options = {.to_seq = 0};
    assert_int_equal(replay_run(applier, dir, &options, &result), STATUS_NOT_FOUND);
    assert_non_null(strstr(result.problem, dir));
    applier_free(applier);
    sample_remove_directory(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_replay_gives_the_digests_of_the_first_run),
        cmocka_unit_test(a_replay_ends_at_the_asked_seq),
        cmocka_unit_test(a_replay_ends_at_the_asked_time),
        cmocka_unit_test(a_replay_goes_on_from_where_it_stands),
        cmocka_unit_test(a_false_attest_ends_the_replay),
        cmocka_unit_test(a_changed_byte_is_named),
        cmocka_unit_test(hooks_and_sink_hear_each_record),
        cmocka_unit_test(a_directory_without_journal_is_not_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
