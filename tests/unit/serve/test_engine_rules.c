/* The engine across a change of the rules, in the build that knows a version 2. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "engine_bench.h"
#include "journal/codec.h"

#define STAKE    ((int64_t)1234567) /* pays no whole cents by version 1 */
#define TAPS     40
#define TICKS    300 /* fill several segments behind the change */
#define DATA_DIR "data"

static struct engine_request *rules_request(uint32_t version)
{
    struct engine_request *request = bench_deposit(1, 1, "unused");
    request->kind = ENGINE_RULES;
    request->input = (struct input){.kind = INPUT_RULES_CHANGE};
    request->input.of.rules_change.version = version;
    return request;
}

/* Reads the journal's bytes: the change ends its batch, and each segment names the rules in force
 * at its first record. Counts the segments of each version. */
static void check_headers(struct bench *bench, unsigned segments[3])
{
    static struct codec_scratch scratch;
    static struct input input;
    struct journal_reader *reader;
    struct journal_record record;
    uint32_t in_force = 1;
    segments[1] = segments[2] = 0;
    assert_int_equal(journal_reader_open(DATA_DIR, &bench->disk.memory.disk, 1, &reader),
                     STATUS_OK);
    while (journal_reader_next(reader, &record) == STATUS_OK) {
        if (journal_reader_begins_segment(reader, record.seq)) {
            assert_int_equal(journal_reader_rules(reader), in_force);
            segments[in_force] += 1;
        }
        assert_int_equal(codec_decode(&scratch, record.seq, record.bytes, record.length, &input),
                         STATUS_OK);
        if (input.kind == INPUT_RULES_CHANGE) {
            assert_true(record.batch_end);
            in_force =
                input.of.rules_change.version > in_force ? input.of.rules_change.version : in_force;
        }
    }
    journal_reader_free(reader);
}

/* Proves that taps, prices and attests that arrive while a change is on its way to the disk are
 * queued behind it and answered, that the change ends its batch, and that segments which begin
 * behind it say so. */
static void a_change_ends_its_batch_and_the_engine_goes_on(void **state)
{
    struct bench bench;
    struct engine_request *taps[TAPS];
    unsigned segments[3];
    (void)state;
    bench_open_segments(&bench, 0, 16384);
    bench_fund(&bench, 1, TAPS * STAKE);
    struct engine_request *change = rules_request(2);
    struct engine_request *again = rules_request(2);
    for (uint32_t i = 0; i < TAPS; i++) {
        if (i == TAPS / 2) {
            bench_submit(&bench, change);
        }
        taps[i] = bench_tap(&bench, 1, i, 3 + i % 8, BENCH_BAND, STAKE);
        bench_submit(&bench, taps[i]);
    }
    for (uint32_t i = 0; i < TAPS; i++) {
        bench_await(&bench, taps[i]);
    }
    bench_await(&bench, change);
    assert_int_equal(change->answer.kind, ANSWER_APPLIED);
    assert_true(change->answer.seq > 0);
    bench_ask(&bench, again);
    assert_int_equal(again->answer.kind, ANSWER_REFUSED);
    for (int i = 0; i < TICKS; i++) {
        bench_tick(&bench);
        bench_await_tick(&bench);
    }
    bench_stop(&bench);
    assert_int_equal(machine_rules(applier_machine(bench.applier)), 2);
    check_headers(&bench, segments);
    assert_true(segments[1] >= 1 && segments[2] >= 2);
    for (uint32_t i = 0; i < TAPS; i++) {
        bench_free(taps[i]);
    }
    bench_free(change);
    bench_free(again);
    bench_close(&bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_change_ends_its_batch_and_the_engine_goes_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
