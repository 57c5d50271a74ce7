/* The grid timer: which grid points become records, and what the index sees at each. Most tests
 * move the clock by hand and poll. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <uv.h>

#include "ingress/grid_timer.h"
#include "tests/unit/ingress/fake_time.h"
#include "tests/unit/ingress/recordings.h"
#include "tests/unit/random.h"

struct fixture {
    uv_loop_t loop;
    struct fake_time time;
    struct clock clock;
    struct index index;
    struct feed *feed; /* at most one */
    struct grid_timer *timer;
    bool refuse;
    int jumps;
    /* Of the records: */
    uint64_t count;
    uint64_t valid;
    int64_t grid_ms;
    int64_t now_ms;
    struct price_tick tick; /* price_e4 0 for a clock tick */
    uint64_t digest;
};

static void mix(struct fixture *fixture, int64_t word)
{
    fixture->digest = fixture->digest * 1000003 + (uint64_t)word;
}

static bool on_grid(void *context, int64_t grid_ms, int64_t now_ms, const struct price_tick *tick)
{
    struct fixture *fixture = context;
    assert_int_equal(grid_ms % 50, 0);
    assert_true(grid_ms > fixture->grid_ms);
    assert_true(grid_ms <= now_ms);
    if (fixture->refuse) {
        return false;
    }
    fixture->count += 1;
    fixture->grid_ms = grid_ms;
    fixture->now_ms = now_ms;
    fixture->tick = tick != NULL ? *tick : (struct price_tick){0};
    mix(fixture, grid_ms);
    if (tick == NULL) {
        mix(fixture, 0);
        return true;
    }
    assert_true(tick->grid_ms == grid_ms);
    fixture->valid += 1;
    mix(fixture, tick->price_e4);
    mix(fixture, tick->spread_e4);
    mix(fixture, tick->sources);
    mix(fixture, tick->set);
    mix(fixture, tick->m0_e4);
    return true;
}

static void on_jump(void *context)
{
    ((struct fixture *)context)->jumps += 1;
}

static enum status on_quote(void *context, const struct source_quote *quote)
{
    return index_quote(&((struct fixture *)context)->index, quote);
}

static void start_timer(struct fixture *fixture, int64_t tick_ms, int64_t quorum,
                        int64_t last_grid_ms)
{
    const struct grid_timer_options options = {.clock = &fixture->clock,
                                               .index = &fixture->index,
                                               .feeds = &fixture->feed,
                                               .feed_count = fixture->feed != NULL ? 1 : 0,
                                               .tick_ms = tick_ms,
                                               .quorum = quorum,
                                               .last_grid_ms = last_grid_ms,
                                               .context = fixture,
                                               .on_grid = on_grid,
                                               .on_jump = on_jump};
    assert_int_equal(grid_timer_open(&fixture->timer, &fixture->loop, &options), STATUS_OK);
}

/* A real clock at engine time now_ms, no feed. */
static void begin_real(struct fixture *fixture, int64_t now_ms, int64_t last_grid_ms)
{
    memset(fixture, 0, sizeof *fixture);
    assert_int_equal(uv_loop_init(&fixture->loop), 0);
    fixture->time.wall_ns = now_ms * FAKE_NS_PER_MS;
    struct clock_source source = fake_source(&fixture->time);
    clock_init_real(&fixture->clock, &source);
    index_init(&fixture->index);
    start_timer(fixture, 200, 1, last_grid_ms);
}

/* The recording of spec; the wall stands at wall_ms. */
static void begin_replay(struct fixture *fixture, const char *spec, int64_t quorum, int64_t wall_ms)
{
    char error[FEED_ERROR_BYTES] = "";
    memset(fixture, 0, sizeof *fixture);
    assert_int_equal(uv_loop_init(&fixture->loop), 0);
    fixture->time.wall_ns = wall_ms * FAKE_NS_PER_MS;
    struct clock_source source = fake_source(&fixture->time);
    index_init(&fixture->index);
    if (feed_open(spec, &fixture->feed, error, sizeof error) != STATUS_OK) {
        fail_msg("%s", error);
    }
    struct clock_recording recording;
    assert_true(feed_recording(fixture->feed, &recording));
    clock_init_recording(&fixture->clock, &source, &recording);
    const struct feed_sink sink = {.context = fixture, .on_quote = on_quote};
    assert_int_equal(
        feed_start(fixture->feed, &fixture->loop, &fixture->clock, &sink, error, sizeof error),
        STATUS_OK);
    start_timer(fixture, 200, quorum, 0);
}

static void finish(struct fixture *fixture)
{
    grid_timer_close(fixture->timer);
    if (fixture->feed != NULL) {
        feed_close(fixture->feed);
    }
    uv_run(&fixture->loop, UV_RUN_DEFAULT);
    grid_timer_free(fixture->timer);
    feed_free(fixture->feed);
    assert_int_equal(uv_loop_close(&fixture->loop), 0);
    clock_close(&fixture->clock);
}

static void quote(struct fixture *fixture, const char *source, int64_t price_e4)
{
    const struct source_quote message = {.source = source,
                                         .kind = QUOTE_TRADE,
                                         .price_e4 = price_e4,
                                         .receive_ms = clock_receive_ms(&fixture->clock)};
    assert_int_equal(index_quote(&fixture->index, &message), STATUS_OK);
}

static bool after_ms(struct fixture *fixture, int64_t ms)
{
    fake_pass_ms(&fixture->time, ms);
    return grid_timer_poll(fixture->timer);
}

/* A record at each multiple of 200 ms and none between; a clock tick without a source, a price tick
 * with one. */
static void each_grid_point_is_recorded_once(void **state)
{
    (void)state;
    struct fixture fixture;
    begin_real(&fixture, 1000001, 0);
    assert_false(after_ms(&fixture, 198));
    assert_true(after_ms(&fixture, 1));
    assert_int_equal(fixture.grid_ms, 1000200);
    assert_int_equal(fixture.now_ms, 1000200);
    assert_int_equal(fixture.tick.price_e4, 0);
    assert_false(grid_timer_poll(fixture.timer));
    quote(&fixture, "a", 972300000);
    assert_false(after_ms(&fixture, 199));
    assert_true(after_ms(&fixture, 60)); /* late by 59 ms: the point is still its own */
    assert_int_equal(fixture.grid_ms, 1000400);
    assert_int_equal(fixture.now_ms, 1000459);
    assert_int_equal(fixture.tick.price_e4, 972300000);
    assert_false(after_ms(&fixture, 140));
    assert_true(after_ms(&fixture, 1));
    struct grid_timer_counts counts;
    grid_timer_counts(fixture.timer, &counts);
    assert_int_equal(counts.clock_ticks, 1);
    assert_int_equal(counts.price_ticks, 2);
    assert_int_equal(counts.missed, 0);
    finish(&fixture);
}

/* A start on a grid point records that point; the points before it were never ours. */
static void start_on_a_grid_point_records_it(void **state)
{
    (void)state;
    struct fixture fixture;
    begin_real(&fixture, 1000200, 0);
    assert_true(grid_timer_poll(fixture.timer));
    assert_int_equal(fixture.grid_ms, 1000200);
    struct grid_timer_counts counts;
    grid_timer_counts(fixture.timer, &counts);
    assert_int_equal(counts.missed, 0);
    finish(&fixture);
}

/* After two seconds of stall the latest passed point is recorded, the nine others are counted and
 * never come. */
static void stall_records_only_the_latest_point(void **state)
{
    (void)state;
    struct fixture fixture;
    begin_real(&fixture, 1000000, 0);
    assert_true(grid_timer_poll(fixture.timer));
    assert_true(after_ms(&fixture, 2050));
    assert_int_equal(fixture.grid_ms, 1002000);
    assert_int_equal(fixture.count, 2);
    assert_false(grid_timer_poll(fixture.timer));
    struct grid_timer_counts counts;
    grid_timer_counts(fixture.timer, &counts);
    assert_int_equal(counts.missed, 9);
    assert_true(after_ms(&fixture, 150));
    assert_int_equal(fixture.grid_ms, 1002200);
    finish(&fixture);
}

/* Restarted with a clock behind the journal's last grid time, it waits until that has passed. */
static void grid_times_rise_across_a_restart(void **state)
{
    (void)state;
    struct fixture fixture;
    begin_real(&fixture, 1000000, 1001000);
    for (int i = 0; i < 5; i++) {
        assert_false(after_ms(&fixture, 200));
    }
    assert_true(after_ms(&fixture, 200));
    assert_int_equal(fixture.grid_ms, 1001200);
    finish(&fixture);
}

/* Once the wall has jumped no grid point follows, also when the wall comes back, and it is said
 * once. */
static void jump_silences_the_grid(void **state)
{
    (void)state;
    struct fixture fixture;
    begin_real(&fixture, 1000000, 0);
    quote(&fixture, "a", 1);
    assert_true(after_ms(&fixture, 200));
    fake_step_wall_ms(&fixture.time, CLOCK_JUMP_MS + 1000);
    assert_false(after_ms(&fixture, 200));
    fake_step_wall_ms(&fixture.time, -CLOCK_JUMP_MS - 1000);
    assert_false(after_ms(&fixture, 200));
    assert_int_equal(fixture.jumps, 1);
    assert_int_equal(fixture.count, 1);
    finish(&fixture);
}

/* A record that was not taken over moves no basis, so records alone tell every basis, and is
 * offered again until that would be a stall. */
static void refused_record_is_offered_again(void **state)
{
    (void)state;
    struct fixture fixture;
    struct grid_timer_counts counts;
    begin_real(&fixture, 1000000, 1000000);
    quote(&fixture, "a", 1000000);
    quote(&fixture, "b", 1000200);
    fixture.refuse = true;
    assert_false(after_ms(&fixture, 200));
    assert_false(fixture.index.sources[0].basis_known);
    fixture.refuse = false;
    assert_true(after_ms(&fixture, 199));
    assert_int_equal(fixture.grid_ms, 1000200);
    assert_true(fixture.index.sources[0].basis_known);
    fixture.refuse = true;
    assert_false(after_ms(&fixture, 1)); /* 1000400 */
    fixture.refuse = false;
    assert_true(after_ms(&fixture, 200));
    assert_int_equal(fixture.grid_ms, 1000600);
    grid_timer_counts(fixture.timer, &counts);
    assert_int_equal(counts.refused, 2);
    assert_int_equal(counts.price_ticks, 2);
    assert_int_equal(counts.missed, 1);
    finish(&fixture);
}

/* A new epoch's quorum holds from the next grid point on. */
static void quorum_can_change(void **state)
{
    (void)state;
    struct fixture fixture;
    begin_real(&fixture, 1000000, 0);
    quote(&fixture, "a", 1000000);
    assert_true(after_ms(&fixture, 200));
    assert_int_equal(fixture.tick.price_e4, 1000000);
    grid_timer_set_quorum(fixture.timer, 2);
    assert_true(after_ms(&fixture, 200));
    assert_int_equal(fixture.tick.price_e4, 0);
    finish(&fixture);
}

/* The index of grid point g has exactly the quotes received up to g in it, though the timer fires
 * 150 ms late when the next quote is long in the file. */
static void recording_is_taken_at_the_grid_point(void **state)
{
    (void)state;
    char path[] = "/tmp/tapline-test-grid-XXXXXX";
    char spec[64];
    const char text[] = "ts_ms,mid_e4\n1000150,10\n1000200,20\n1000201,30\n1000400,40\n";
    const int file = mkstemp(path);
    assert_int_equal(write(file, text, strlen(text)), strlen(text));
    close(file);
    snprintf(spec, sizeof spec, "replay:%s", path);
    struct fixture fixture;
    begin_replay(&fixture, spec, 1, 0);
    unlink(path);
    assert_true(after_ms(&fixture, 200)); /* 1000350 */
    assert_int_equal(fixture.grid_ms, 1000200);
    assert_int_equal(fixture.tick.price_e4, 20);
    assert_true(after_ms(&fixture, 249)); /* 1000599 */
    assert_int_equal(fixture.grid_ms, 1000400);
    assert_int_equal(fixture.tick.price_e4, 40);
    /* The file is over; its source is fresh for 3,000 ms, then the clock goes on alone. */
    assert_true(after_ms(&fixture, 2801)); /* 1003400 */
    assert_int_equal(fixture.tick.price_e4, 40);
    assert_true(after_ms(&fixture, 200));
    assert_int_equal(fixture.grid_ms, 1003600);
    assert_int_equal(fixture.tick.price_e4, 0);
    finish(&fixture);
}

/* At speed 20 a tick is 10 ms of real time: 190 ms late, nineteen more points have passed and each
 * gets its record; 200 ms late is a stall, and only the latest does. */
static void fast_recording_is_not_stalled_by_scheduling(void **state)
{
    (void)state;
    char path[] = "/tmp/tapline-test-grid-XXXXXX";
    char spec[64];
    const char text[] = "ts_ms,mid_e4\n1000000,10\n";
    const int file = mkstemp(path);
    assert_int_equal(write(file, text, strlen(text)), strlen(text));
    close(file);
    snprintf(spec, sizeof spec, "replay:%s,speed=20", path);
    struct fixture fixture;
    struct grid_timer_counts counts;
    begin_replay(&fixture, spec, 1, 0);
    unlink(path);
    fake_pass_ms(&fixture.time, 199); /* 1003980 */
    for (int i = 0; i < 20; i++) {
        assert_true(grid_timer_poll(fixture.timer));
        assert_int_equal(fixture.grid_ms, 1000000 + i * 200);
    }
    assert_false(grid_timer_poll(fixture.timer));
    grid_timer_counts(fixture.timer, &counts);
    assert_int_equal(counts.missed, 0);
    fake_pass_ms(&fixture.time, 201); /* 1008000: the next was 1004000 */
    assert_true(grid_timer_poll(fixture.timer));
    assert_int_equal(fixture.grid_ms, 1008000);
    grid_timer_counts(fixture.timer, &counts);
    assert_int_equal(counts.missed, 20);
    finish(&fixture);
}

/* A server that takes 150 ms of real time between starting the clock and the timer misses nothing
 * of a recording: its first grid point is that of the file. */
static void recording_begins_at_its_first_grid_point(void **state)
{
    (void)state;
    char path[] = "/tmp/tapline-test-grid-XXXXXX";
    char spec[64];
    const char text[] = "ts_ms,mid_e4\n1000001,10\n";
    const int file = mkstemp(path);
    assert_int_equal(write(file, text, strlen(text)), strlen(text));
    close(file);
    snprintf(spec, sizeof spec, "replay:%s,speed=20", path);
    struct fixture fixture;
    begin_replay(&fixture, spec, 1, 0);
    unlink(path);
    grid_timer_close(fixture.timer);
    uv_run(&fixture.loop, UV_RUN_NOWAIT);
    grid_timer_free(fixture.timer);
    fake_pass_ms(&fixture.time, 150);
    start_timer(&fixture, 200, 1, 0);
    assert_true(grid_timer_poll(fixture.timer));
    assert_int_equal(fixture.grid_ms, 1000200);
    finish(&fixture);
}

/* What is known of a replay from an independent reading of the rules (a script over the same
 * files). */
struct known {
    const char *file;
    int64_t quorum;
    uint64_t count; /* grid points up to 5 s after the last quote */
    uint64_t valid;
    int64_t last_grid_ms;
    uint64_t digest;
};

/* Replays at a speed, the timer firing late by up to 150 ms of real time: at speed 20 fifteen grid
 * points may have passed, at speed 1 none but its own. */
static void replay_at(const struct known *known, int64_t speed, bool shift, struct fixture *fixture)
{
    char spec[1024];
    char options[64];
    snprintf(options, sizeof options, ",speed=%lld%s", (long long)speed, shift ? ",shift=now" : "");
    recording_spec(known->file, options, spec, sizeof spec);
    begin_replay(fixture, spec, known->quorum, known->last_grid_ms + 1000000000);
    struct random random = random_start("replay", (uint64_t)speed);
    int64_t next_ms = clock_now_ms(&fixture->clock);
    while (fixture->count < known->count) {
        const int64_t wait_ms = clock_wait_ms(&fixture->clock, next_ms);
        const int64_t late_ms = (int64_t)random_below(&random, 150);
        fixture->time.monotonic_ns += (wait_ms + late_ms) * FAKE_NS_PER_MS;
        while (fixture->count < known->count && grid_timer_poll(fixture->timer)) {
        }
        next_ms = (clock_now_ms(&fixture->clock) / 200 + 1) * 200;
    }
    struct grid_timer_counts counts;
    grid_timer_counts(fixture->timer, &counts);
    assert_int_equal(counts.missed, 0);
    assert_int_equal(fixture->valid, known->valid);
}

static void real_recordings_give_the_known_ticks_at_any_speed(void **state)
{
    (void)state;
    const struct known rows[] = {
        {RECORDING_SEVERAL_FILE, 2, 1754, 1737, 1723161604800, 10862994290131697189u},
        {RECORDING_SEVERAL_FILE, 1, 1754, 1744, 1723161604800, 17438876022611253096u},
        {RECORDING_SEVERAL_FILE, 3, 1754, 1569, 1723161604800, 13237291790600597037u},
        {RECORDING_FRAMES_FILE, 1, 1755, 1744, 1723161604800, 16220843776105040520u},
        {RECORDING_MIDS_FILE, 1, 1746, 1736, 1723161604000, 6971724054802142892u},
        {RECORDING_COINBASE_FILE, 1, 863996, 114043, 1475971203000, 1883904742384811772u},
    };
    const int64_t speeds[] = {1, 3, 20};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        for (size_t j = 0; j < sizeof speeds / sizeof speeds[0]; j++) {
            struct fixture fixture;
            replay_at(&rows[i], speeds[j], false, &fixture);
            assert_true(fixture.grid_ms == rows[i].last_grid_ms);
            assert_true(fixture.digest == rows[i].digest);
            finish(&fixture);
            if (rows[i].count > 100000) {
                break; /* two days: one speed is enough */
            }
        }
    }
}

/* shift=now moves engine time alone: the same quotes under other grid times, at any speed. */
static void shifted_replays_agree_at_any_speed(void **state)
{
    (void)state;
    const struct known row = {RECORDING_SEVERAL_FILE, 2, 1500, 1494, 1723161604800,
                              3448375102189895141u};
    const int64_t speeds[] = {1, 20};
    for (size_t i = 0; i < 2; i++) {
        struct fixture fixture;
        replay_at(&row, speeds[i], true, &fixture);
        assert_true(fixture.grid_ms == 1724161904600);
        assert_true(fixture.digest == row.digest);
        finish(&fixture);
    }
}

/* The real thing for half a second: real clocks, the made-up feed, uv's timer. */
static void stop_loop(uv_timer_t *timer)
{
    uv_stop(timer->loop);
}

static void real_timer_ticks_on_the_loop(void **state)
{
    (void)state;
    struct fixture fixture;
    char error[FEED_ERROR_BYTES];
    memset(&fixture, 0, sizeof fixture);
    assert_int_equal(uv_loop_init(&fixture.loop), 0);
    clock_init_real(&fixture.clock, NULL);
    index_init(&fixture.index);
    assert_int_equal(feed_open("sim", &fixture.feed, error, sizeof error), STATUS_OK);
    const struct feed_sink sink = {.context = &fixture, .on_quote = on_quote};
    assert_int_equal(
        feed_start(fixture.feed, &fixture.loop, &fixture.clock, &sink, error, sizeof error),
        STATUS_OK);
    start_timer(&fixture, 50, 3, 0);
    uv_timer_t stop;
    assert_int_equal(uv_timer_init(&fixture.loop, &stop), 0);
    assert_int_equal(uv_timer_start(&stop, stop_loop, 520, 0), 0);
    uv_run(&fixture.loop, UV_RUN_DEFAULT);
    struct grid_timer_counts counts;
    grid_timer_counts(fixture.timer, &counts);
    assert_int_equal(counts.clock_ticks, 0);
    assert_in_range(counts.price_ticks + counts.missed, 10, 40);
    assert_true(counts.price_ticks >= 2); /* a loaded machine may stall, it still ticks */
    uv_close((uv_handle_t *)&stop, NULL);
    finish(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_grid_point_is_recorded_once),
        cmocka_unit_test(start_on_a_grid_point_records_it),
        cmocka_unit_test(stall_records_only_the_latest_point),
        cmocka_unit_test(grid_times_rise_across_a_restart),
        cmocka_unit_test(jump_silences_the_grid),
        cmocka_unit_test(refused_record_is_offered_again),
        cmocka_unit_test(quorum_can_change),
        cmocka_unit_test(recording_is_taken_at_the_grid_point),
        cmocka_unit_test(fast_recording_is_not_stalled_by_scheduling),
        cmocka_unit_test(recording_begins_at_its_first_grid_point),
        cmocka_unit_test(real_recordings_give_the_known_ticks_at_any_speed),
        cmocka_unit_test(shifted_replays_agree_at_any_speed),
        cmocka_unit_test(real_timer_ticks_on_the_loop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
