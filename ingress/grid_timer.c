#include "ingress/grid_timer.h"

#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "base/check.h"
#include "base/wide.h"

/* The timer never sleeps longer, so that a wall that steps forward a little is noticed. */
#define WAIT_MS_MAX 1000

struct grid_timer {
    uv_timer_t uv;
    struct grid_timer_options options;
    struct feed **feeds;
    struct grid_timer_counts counts;
    bool jumped;
    bool closed; /* uv has let go of the handle */
};

static bool record(struct grid_timer *timer, int64_t grid_ms, int64_t now_ms)
{
    struct grid_timer_options *options = &timer->options;
    const int64_t receive_ms = clock_grid_receive_ms(options->clock, grid_ms);
    for (size_t i = 0; i < options->feed_count; i++) {
        feed_advance(timer->feeds[i], receive_ms);
    }
    struct price_tick tick;
    const bool valid = index_take(options->index, receive_ms, grid_ms, options->quorum, &tick);
    if (!options->on_grid(options->context, grid_ms, now_ms, valid ? &tick : NULL)) {
        timer->counts.refused += 1;
        return false;
    }
    if (valid) {
        index_commit(options->index);
        timer->counts.price_ticks += 1;
    } else {
        timer->counts.clock_ticks += 1;
    }
    return true;
}

bool grid_timer_poll(struct grid_timer *timer)
{
    struct grid_timer_options *options = &timer->options;
    const int64_t now_ms = clock_now_ms(options->clock);
    if (clock_jumped(options->clock)) {
        if (!timer->jumped) {
            timer->jumped = true;
            if (options->on_jump != NULL) {
                options->on_jump(options->context);
            }
        }
        return false;
    }
    int64_t grid_ms = options->last_grid_ms + options->tick_ms;
    if (grid_ms > now_ms) {
        return false;
    }
    if (clock_real_ms(options->clock, now_ms - grid_ms) >= options->tick_ms) { /* a stall */
        grid_ms = floor_divide(now_ms, options->tick_ms) * options->tick_ms;
    }
    if (!record(timer, grid_ms, now_ms)) {
        return false;
    }
    timer->counts.missed += (uint64_t)((grid_ms - options->last_grid_ms) / options->tick_ms - 1);
    options->last_grid_ms = grid_ms;
    return true;
}

static void arm(struct grid_timer *timer);

static void on_timer(uv_timer_t *uv)
{
    struct grid_timer *timer = uv->data;
    while (grid_timer_poll(timer)) { /* fired too early is no harm: it is armed again */
    }
    if (!timer->jumped && !uv_is_closing((uv_handle_t *)uv)) {
        arm(timer);
    }
}

static void arm(struct grid_timer *timer)
{
    const struct grid_timer_options *options = &timer->options;
    const int64_t next_ms = options->last_grid_ms + options->tick_ms;
    int64_t wait_ms = clock_wait_ms(options->clock, next_ms);
    if (wait_ms < 1) { /* a record was refused */
        wait_ms = 1;
    }
    if (wait_ms > WAIT_MS_MAX) {
        wait_ms = WAIT_MS_MAX;
    }
    uv_update_time(timer->uv.loop); /* uv counts from its cached time, which may be old */
    CHECK(uv_timer_start(&timer->uv, on_timer, (uint64_t)wait_ms, 0) == 0);
}

enum status grid_timer_open(struct grid_timer **timer, struct uv_loop_s *loop,
                            const struct grid_timer_options *options)
{
    CHECK(options->tick_ms > 0);
    struct grid_timer *made = calloc(1, sizeof *made);
    struct feed **feeds = calloc(options->feed_count + 1, sizeof *feeds);
    if (made == NULL || feeds == NULL) {
        free(made);
        free(feeds);
        return STATUS_NO_MEMORY;
    }
    if (options->feed_count > 0) {
        memcpy(feeds, options->feeds, options->feed_count * sizeof *feeds);
    }
    made->options = *options;
    made->options.feeds = NULL; /* the copy serves */
    made->feeds = feeds;
    /* The first grid point is the first at or after the clock's beginning: one before it is not
     * taken up with quotes that came after it. */
    const int64_t begin_ms = clock_begin_ms(options->clock);
    const int64_t passed_ms = floor_divide(begin_ms - 1, options->tick_ms) * options->tick_ms;
    if (made->options.last_grid_ms < passed_ms) {
        made->options.last_grid_ms = passed_ms;
    }
    CHECK(uv_timer_init(loop, &made->uv) == 0);
    made->uv.data = made;
    arm(made);
    *timer = made;
    return STATUS_OK;
}

void grid_timer_set_quorum(struct grid_timer *timer, int64_t quorum)
{
    timer->options.quorum = quorum;
}

void grid_timer_counts(const struct grid_timer *timer, struct grid_timer_counts *counts)
{
    *counts = timer->counts;
}

static void on_closed(uv_handle_t *handle)
{
    struct grid_timer *timer = handle->data;
    timer->closed = true;
}

void grid_timer_close(struct grid_timer *timer)
{
    if (!uv_is_closing((uv_handle_t *)&timer->uv)) {
        uv_close((uv_handle_t *)&timer->uv, on_closed);
    }
}

void grid_timer_free(struct grid_timer *timer)
{
    if (timer == NULL) {
        return;
    }
    CHECK(timer->closed);
    free(timer->feeds);
    free(timer);
}
