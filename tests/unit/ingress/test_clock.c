/* The clock over raw clocks that the test moves by hand. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/ingress/fake_time.h"

#define START_MS ((int64_t)1700000000000)

static struct fake_time begin(void)
{
    return (struct fake_time){.wall_ns = START_MS * FAKE_NS_PER_MS,
                              .monotonic_ns = 5000 * FAKE_NS_PER_MS};
}

/* In quiet times engine time is the wall and receive time the monotonic clock. */
static void real_clock_tells_the_wall(void **state)
{
    (void)state;
    struct fake_time time = begin();
    struct clock_source source = fake_source(&time);
    struct clock clock;
    clock_init_real(&clock, &source);
    assert_int_equal(clock_now_ms(&clock), START_MS);
    assert_int_equal(clock_receive_ms(&clock), 5000);
    fake_pass_ms(&time, 1234);
    assert_int_equal(clock_now_ms(&clock), START_MS + 1234);
    assert_int_equal(clock_receive_ms(&clock), 6234);
    assert_int_equal(clock_wait_ms(&clock, START_MS + 2000), 766);
    assert_int_equal(clock_wait_ms(&clock, START_MS), 0);
    assert_int_equal(clock_grid_receive_ms(&clock, START_MS + 1200), 6234);
    assert_false(clock_jumped(&clock));
    clock_close(&clock);
}

/* A wall set back by an hour neither stops nor turns back the clock: it goes on, half a percent
 * slow, and has met the wall again 200 hours later. */
static void backward_step_changes_nothing(void **state)
{
    (void)state;
    struct fake_time time = begin();
    struct clock_source source = fake_source(&time);
    struct clock clock;
    clock_init_real(&clock, &source);
    fake_step_wall_ms(&time, -3600000);
    int64_t last_ms = START_MS;
    assert_int_equal(clock_now_ms(&clock), last_ms);
    for (int i = 1; i <= 100; i++) {
        fake_pass_ms(&time, 200);
        const int64_t now_ms = clock_now_ms(&clock);
        assert_int_equal(now_ms - last_ms, 199);
        last_ms = now_ms;
    }
    for (int hour = 0; hour < 201; hour++) {
        fake_pass_ms(&time, 3600000);
        const int64_t now_ms = clock_now_ms(&clock);
        assert_true(now_ms > last_ms);
        last_ms = now_ms;
    }
    assert_int_equal(last_ms, time.wall_ns / FAKE_NS_PER_MS);
    assert_false(clock_jumped(&clock));
    clock_close(&clock);
}

/* A step of exactly the bound is followed, one more millisecond is a jump; ordinary waiting,
 * however long, is none. */
static void forward_step_past_the_bound_is_a_jump(void **state)
{
    (void)state;
    struct fake_time time = begin();
    struct clock_source source = fake_source(&time);
    struct clock clock;
    clock_init_real(&clock, &source);
    fake_pass_ms(&time, 86400000);
    assert_int_equal(clock_now_ms(&clock), START_MS + 86400000);
    fake_step_wall_ms(&time, CLOCK_JUMP_MS);
    assert_int_equal(clock_now_ms(&clock), START_MS + 86400000 + CLOCK_JUMP_MS);
    assert_false(clock_jumped(&clock));
    fake_step_wall_ms(&time, CLOCK_JUMP_MS + 1);
    const int64_t before_ms = START_MS + 86400000 + CLOCK_JUMP_MS;
    assert_int_equal(clock_now_ms(&clock), before_ms); /* not followed */
    assert_true(clock_jumped(&clock));
    fake_pass_ms(&time, 1000);
    assert_int_equal(clock_now_ms(&clock), before_ms + 1000);
    fake_step_wall_ms(&time, -CLOCK_JUMP_MS); /* back again: still not to be believed */
    (void)clock_now_ms(&clock);
    assert_true(clock_jumped(&clock));
    clock_close(&clock);
}

/* A wall that was set back and is then set right is no jump, though the step is more than the
 * bound. */
static void correction_of_a_backward_step_is_no_jump(void **state)
{
    (void)state;
    struct fake_time time = begin();
    struct clock_source source = fake_source(&time);
    struct clock clock;
    clock_init_real(&clock, &source);
    fake_step_wall_ms(&time, -600000);
    for (int i = 0; i < 600; i++) {
        fake_pass_ms(&time, 1000);
        (void)clock_now_ms(&clock);
    }
    fake_step_wall_ms(&time, 600000);
    assert_int_equal(clock_now_ms(&clock), START_MS + 600000);
    assert_false(clock_jumped(&clock));
    clock_close(&clock);
}

/* A recording's time runs speed times as fast from its first local time; the wall does not matter.
 */
static void recording_runs_at_its_speed(void **state)
{
    (void)state;
    struct fake_time time = begin();
    struct clock_source source = fake_source(&time);
    const struct clock_recording recording = {.start_ms = 1000000, .speed_milli = 20000};
    struct clock clock;
    clock_init_recording(&clock, &source, &recording);
    assert_int_equal(clock_now_ms(&clock), 1000000);
    fake_pass_ms(&time, 10);
    fake_step_wall_ms(&time, 999999999);
    assert_int_equal(clock_now_ms(&clock), 1000200);
    assert_int_equal(clock_receive_ms(&clock), 1000200);
    assert_int_equal(clock_grid_receive_ms(&clock, 1000200), 1000200);
    assert_int_equal(clock_wait_ms(&clock, 1000400), 10);
    assert_int_equal(clock_wait_ms(&clock, 1000201), 1); /* rounded up */
    assert_false(clock_jumped(&clock));
    clock_close(&clock);

    const struct clock_recording slow = {.start_ms = 1000000, .speed_milli = 500};
    clock_init_recording(&clock, &source, &slow);
    fake_pass_ms(&time, 3);
    assert_int_equal(clock_now_ms(&clock), 1000001);
    assert_int_equal(clock_wait_ms(&clock, 1000002), 2);
    clock_close(&clock);
}

/* shift=now: engine time begins at the present, receive time stays the recording's. */
static void shifted_recording_begins_at_the_present(void **state)
{
    (void)state;
    struct fake_time time = begin();
    struct clock_source source = fake_source(&time);
    const struct clock_recording recording = {
        .start_ms = 1000000, .speed_milli = 2000, .shift_now = true};
    struct clock clock;
    clock_init_recording(&clock, &source, &recording);
    assert_int_equal(clock_now_ms(&clock), START_MS);
    assert_int_equal(clock_receive_ms(&clock), 1000000);
    fake_pass_ms(&time, 100);
    assert_int_equal(clock_now_ms(&clock), START_MS + 200);
    assert_int_equal(clock_receive_ms(&clock), 1000200);
    assert_int_equal(clock_grid_receive_ms(&clock, START_MS + 200), 1000200);
    clock_close(&clock);
}

/* The real clocks behind it go forward and agree on how much. */
static void system_clock_goes_forward(void **state)
{
    (void)state;
    struct clock clock;
    clock_init_real(&clock, NULL);
    const int64_t now_ms = clock_now_ms(&clock);
    assert_true(now_ms > START_MS);
    const int64_t begin_ns = clock_elapsed_ns();
    while (clock_elapsed_ns() - begin_ns < 3 * FAKE_NS_PER_MS) {
    }
    assert_true(clock_now_ms(&clock) >= now_ms + 2);
    assert_false(clock_jumped(&clock));
    clock_close(&clock);
}

struct reader {
    pthread_t thread;
    struct clock *clock;
    _Atomic int64_t *latest_ms; /* of all readers */
    bool went_back;
};

static void *read_often(void *argument)
{
    struct reader *reader = argument;
    for (int i = 0; i < 20000; i++) {
        const int64_t before_ms = atomic_load(reader->latest_ms);
        const int64_t now_ms = clock_now_ms(reader->clock);
        if (now_ms < before_ms || clock_jumped(reader->clock)) {
            reader->went_back = true;
        }
        atomic_store(reader->latest_ms, now_ms);
    }
    return NULL;
}

/* Whatever one thread was told, no thread is told less afterwards. */
static void clock_never_goes_back_between_threads(void **state)
{
    (void)state;
    struct clock clock;
    clock_init_real(&clock, NULL);
    _Atomic int64_t latest_ms = 0;
    struct reader readers[4];
    for (size_t i = 0; i < 4; i++) {
        readers[i] = (struct reader){.clock = &clock, .latest_ms = &latest_ms};
        assert_int_equal(pthread_create(&readers[i].thread, NULL, read_often, &readers[i]), 0);
    }
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(pthread_join(readers[i].thread, NULL), 0);
        assert_false(readers[i].went_back);
    }
    clock_close(&clock);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(real_clock_tells_the_wall),
        cmocka_unit_test(backward_step_changes_nothing),
        cmocka_unit_test(forward_step_past_the_bound_is_a_jump),
        cmocka_unit_test(correction_of_a_backward_step_is_no_jump),
        cmocka_unit_test(recording_runs_at_its_speed),
        cmocka_unit_test(shifted_recording_begins_at_the_present),
        cmocka_unit_test(system_clock_goes_forward),
        cmocka_unit_test(clock_never_goes_back_between_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
