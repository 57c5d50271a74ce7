/* The grid timer: at each grid point (multiple of tick_ms in engine time) it lets the feeds deliver
 * what is due, takes the index and hands it on as one grid record: a price tick or a clock tick.
 *
 * After a stall only the latest passed grid point is recorded; the others are never written later
 * (rules.md section 3), they are counted. Grid times strictly rise, also across restarts: it begins
 * after the last one of the journal. When the clock has jumped (clock_jumped) it falls silent for
 * good, for no price may be recorded under a time that is not believed; columns whose close passes
 * meanwhile are void after the restart.
 *
 * A stall is one in real time: a point that is taken up less than tick_ms of real time late is not
 * missed. For a real clock that is what the rule says, the point is still the last one passed. For
 * a recording that runs faster, several points may pass within such a moment; they are taken in
 * turn, each with exactly the quotes received up to it, so that a replay at speed 20 does not
 * depend on a few ms of scheduling.
 *
 * **Thread:** all calls and callbacks on the loop's thread. */
#ifndef TAPLINE_INGRESS_GRID_TIMER_H
#define TAPLINE_INGRESS_GRID_TIMER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include "ingress/clock.h"
#include "ingress/feed.h"
#include "ingress/index.h"
#include "statemachine/input.h"

struct grid_timer;
struct uv_loop_s;

struct grid_timer_options {
    struct clock *clock;
    struct index *index;
    struct feed *const *feeds; /* copied; advanced in this order */
    size_t feed_count;
    int64_t tick_ms;      /* of the market configuration, fixed for the journal */
    int64_t quorum;       /* of the epoch in force */
    int64_t last_grid_ms; /* the last grid time of the journal; 0 for none */
    void *context;
    /* One grid record: tick NULL means ClockTick. now_ms is the engine time of this moment (>=
     * grid_ms), for the sequencer. The tick is borrowed for the call, its names live as long as the
     * index. Answers false when the record could not be taken over: nothing has happened then, and
     * the point is taken and offered again a moment later, until that would be a stall. */
    bool (*on_grid)(void *context, int64_t grid_ms, int64_t now_ms, const struct price_tick *tick);
    /* The clock has jumped: no grid point follows. Once; may be NULL. */
    void (*on_jump)(void *context);
};

struct grid_timer_counts {
    uint64_t price_ticks;
    uint64_t clock_ticks;
    uint64_t missed;  /* grid points that passed unrecorded since the start */
    uint64_t refused; /* times that on_grid did not take a record */
};

/* Starts the timer. **Owns:** *timer is freed by grid_timer_free; clock, index and feeds are
 * borrowed until it is closed. **Errors:** STATUS_NO_MEMORY. */
MUST_USE enum status grid_timer_open(struct grid_timer **timer, struct uv_loop_s *loop,
                                     const struct grid_timer_options *options);

/* The quorum of a new epoch. */
void grid_timer_set_quorum(struct grid_timer *timer, int64_t quorum);

/* Does what the timer does when it fires: records one grid point if one has passed, and returns
 * whether one had (then call again). Tests and simulators may call it instead of running a loop. */
bool grid_timer_poll(struct grid_timer *timer);

void grid_timer_counts(const struct grid_timer *timer, struct grid_timer_counts *counts);

/* Stops; the loop must run on to finish it. */
void grid_timer_close(struct grid_timer *timer);

/* Frees a closed timer after the loop has run empty; NULL is allowed. */
void grid_timer_free(struct grid_timer *timer);

#endif
