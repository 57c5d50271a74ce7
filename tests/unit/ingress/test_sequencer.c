/* The sequencer over a journal that the test plays: what it is given, and what it refuses. The
 * codec is the real one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "ingress/sequencer.h"
#include "journal/codec.h"
#include "journal/journal.h"

static struct {
    enum status answer;
    int calls;
    uint8_t record[LIMIT_RECORD_BYTES];
    size_t bytes;
} fake;

/* Stands in for the journal's: the archive's own is not linked when this one is there. */
enum status journal_append(struct journal *journal, const uint8_t *record, size_t bytes)
{
    assert_ptr_equal(journal, (struct journal *)&fake);
    fake.calls += 1;
    if (fake.answer == STATUS_OK) {
        memcpy(fake.record, record, bytes);
        fake.bytes = bytes;
    }
    return fake.answer;
}

static struct sequencer sequencer;

static int begin(void **state)
{
    (void)state;
    memset(&fake, 0, sizeof fake);
    sequencer_init(&sequencer, (struct journal *)&fake, 41, 5000);
    return 0;
}

/* Engine time is max(previous, now): it follows the clock forward and stands when the clock is
 * behind, also behind what was recovered. */
static void engine_time_never_decreases(void **state)
{
    (void)state;
    const struct {
        int64_t now_ms;
        int64_t time_ms;
    } rows[] = {{4000, 5000}, {5000, 5000}, {5001, 5001}, {4999, 5001}, {9000, 9000}, {0, 9000}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct input input = {.kind = INPUT_CLOCK_TICK, .of.clock_grid_ms = 4000};
        assert_int_equal(sequencer_put(&sequencer, rows[i].now_ms, &input), STATUS_OK);
        assert_int_equal(input.seq, 42 + i);
        assert_int_equal(input.time_ms, rows[i].time_ms);
        assert_int_equal(sequencer.last_seq, input.seq);

        static struct codec_scratch scratch;
        struct input decoded;
        assert_int_equal(codec_decode(&scratch, input.seq, fake.record, fake.bytes, &decoded),
                         STATUS_OK);
        assert_int_equal(decoded.time_ms, rows[i].time_ms);
        assert_int_equal(decoded.kind, INPUT_CLOCK_TICK);
        assert_int_equal(decoded.of.clock_grid_ms, 4000);
    }
}

/* A refusal of the journal is passed on unchanged; the next input gets the same seq, and the time
 * of the refused one is forgotten. */
static void refused_append_consumes_nothing(void **state)
{
    (void)state;
    const enum status refusals[] = {STATUS_FULL, STATUS_CLOSED};
    for (size_t i = 0; i < 2; i++) {
        struct input input = {.seq = 7, .time_ms = 8, .kind = INPUT_CLOCK_TICK};
        fake.answer = refusals[i];
        assert_int_equal(sequencer_put(&sequencer, 999999, &input), refusals[i]);
        assert_int_equal(input.seq, 7);
        assert_int_equal(input.time_ms, 8);
    }
    fake.answer = STATUS_OK;
    struct input input = {.kind = INPUT_CLOCK_TICK};
    assert_int_equal(sequencer_put(&sequencer, 6000, &input), STATUS_OK);
    assert_int_equal(input.seq, 42);
    assert_int_equal(input.time_ms, 6000);
}

/* What cannot be encoded does not reach the journal. */
static void unencodable_input_consumes_nothing(void **state)
{
    (void)state;
    static char text[LIMIT_VERSION_BYTES + 1];
    memset(text, 'x', sizeof text);
    struct input input = {.kind = INPUT_START,
                          .of.start.version = {.text = text, .length = sizeof text}};
    assert_int_equal(sequencer_put(&sequencer, 6000, &input), STATUS_INVALID);
    assert_int_equal(fake.calls, 0);
    assert_int_equal(sequencer.last_seq, 41);
    assert_int_equal(sequencer.last_time_ms, 5000);
    input.of.start.version.length -= 1;
    assert_int_equal(sequencer_put(&sequencer, 6000, &input), STATUS_OK);
}

/* A change of the rules ends its batch: nothing is queued behind it, and nothing consumed, until it
 * was applied. */
static void nothing_is_queued_behind_a_change_of_rules(void **state)
{
    (void)state;
    struct input change = {.kind = INPUT_RULES_CHANGE, .of.rules_change.version = 2};
    assert_int_equal(sequencer_put(&sequencer, 6000, &change), STATUS_OK);
    assert_int_equal(fake.calls, 1);
    struct input input = {.kind = INPUT_CLOCK_TICK, .of.clock_grid_ms = 4000};
    assert_int_equal(sequencer_put(&sequencer, 7000, &input), STATUS_FULL);
    assert_int_equal(fake.calls, 1);
    assert_int_equal(sequencer.last_seq, 42);
    assert_int_equal(sequencer.last_time_ms, 6000);
    sequencer_go_on(&sequencer);
    assert_int_equal(sequencer_put(&sequencer, 7000, &input), STATUS_OK);
    assert_int_equal(input.seq, 43);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(engine_time_never_decreases, begin),
        cmocka_unit_test_setup(refused_append_consumes_nothing, begin),
        cmocka_unit_test_setup(unencodable_input_consumes_nothing, begin),
        cmocka_unit_test_setup(nothing_is_queued_behind_a_change_of_rules, begin),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
