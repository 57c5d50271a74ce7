/* The server's clock: the only place of the program that reads a clock. It tells two times:
 *
 *   now      engine time before the sequencer's max: ms since the Unix epoch, UTC
 *   receive  local monotonic ms by which the index measures the age of quotes; its zero means
 *            nothing, only differences do
 *
 * A real clock takes `now` from the wall (CLOCK_REALTIME) and watches it against CLOCK_MONOTONIC:
 *   wall steps backward     nothing changes: `now` runs on by the monotonic clock, 0.5 % slow until
 *                           the wall has caught up. Standing still would leave an old price on
 * offer wall steps forward      up to CLOCK_JUMP_MS it is followed; beyond, clock_jumped() is true
 * for ever, `now` runs on by the monotonic clock and is not to be believed: the server stops intake
 * loudly and the grid timer falls silent. Following a wrong step could never be undone, since
 * engine time never decreases A recording's clock runs in the recording's time: start + elapsed *
 * speed; receive time is the recording's own local time, and `now` differs from it by the shift (0,
 * or such that the recording begins at the present).
 *
 * **Thread:** after init every function may be called on any thread. */
#ifndef TAPLINE_INGRESS_CLOCK_H
#define TAPLINE_INGRESS_CLOCK_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#define CLOCK_JUMP_MS         60000   /* a longer step forward stops intake */
#define CLOCK_SPEED_ONE       1000    /* speeds are in thousandths */
#define CLOCK_SPEED_MILLI_MAX 1000000 /* a thousand times real time */

/* Where raw time comes from; tests put their own here. */
struct clock_source {
    void *context;
    int64_t (*wall_ns)(void *context);
    int64_t (*monotonic_ns)(void *context);
};

/* What a recording's clock needs to know (feed_recording tells it). */
struct clock_recording {
    int64_t start_ms;    /* the recording's first local receive time, ms since the epoch */
    int64_t speed_milli; /* 1..CLOCK_SPEED_MILLI_MAX, CLOCK_SPEED_ONE = as fast as it was */
    bool shift_now;      /* `now` starts at the present instead of at start_ms */
};

/* Fields are private to clock.c. */
struct clock {
    struct clock_source source;
    bool recorded;
    int64_t speed_milli;
    int64_t start_ms;
    int64_t shift_ms; /* now - receive of a recording */
    int64_t start_monotonic_ns;
    pthread_mutex_t lock; /* over the fields below; no system call is made under it */
    int64_t last_ns;      /* the latest answer, and when it was given */
    int64_t last_monotonic_ns;
    bool jumped;
};

/* The system's clocks. */
struct clock_source clock_system(void);

/* Starts a real clock at the wall's present time. `source` NULL means the system's. */
void clock_init_real(struct clock *clock, const struct clock_source *source);

/* Starts a recording's clock now; call it right before the grid timer starts, so that nothing of
 * the recording passes unseen. `source` NULL means the system's. */
void clock_init_recording(struct clock *clock, const struct clock_source *source,
                          const struct clock_recording *recording);

void clock_close(struct clock *clock);

/* Engine time now, ms; never less than an earlier answer. */
int64_t clock_now_ms(struct clock *clock);

/* The engine time from which on grid points are to be recorded: with a recording the one at which
 * it began, with a real clock the present. */
int64_t clock_begin_ms(struct clock *clock);

/* Local monotonic receive time now, ms. */
int64_t clock_receive_ms(struct clock *clock);

/* True for ever once the wall has jumped forward by more than CLOCK_JUMP_MS (seen by clock_now_ms).
 * A recording's clock never jumps. */
bool clock_jumped(struct clock *clock);

/* The receive time at which the index of grid point grid_ms is taken: with a recording exactly the
 * grid point's own, so that a replay does not depend on how late the timer fired; with a real clock
 * the present. */
int64_t clock_grid_receive_ms(struct clock *clock, int64_t grid_ms);

/* How long a span of `now` lasts in real ms, rounded down: the same but for a recording's speed. */
int64_t clock_real_ms(const struct clock *clock, int64_t span_ms);

/* Real ms to wait until `now` reaches until_ms, rounded up; 0 when it already has. */
int64_t clock_wait_ms(struct clock *clock, int64_t until_ms);

/* The system's monotonic clock in ns, for durations in metrics: no engine time is made of it. */
int64_t clock_elapsed_ns(void);

#endif
