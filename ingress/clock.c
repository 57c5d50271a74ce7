#include "ingress/clock.h"

#include <stddef.h>
#include <time.h>

#include "base/check.h"
#include "base/wide.h"

#define NS_PER_MS ((int64_t)1000000)
#define NS_PER_S  ((int64_t)1000000000)

/* While the wall is behind, `now` runs slower by one part in this many. */
#define SLEW_PART 200

/* The two raw clocks are read one after the other; when the thread was away between them for longer
 * than this they do not belong together and are read again. */
#define READ_APART_NS  (NS_PER_MS)
#define READ_TRIES_MAX 8

static int64_t system_ns(clockid_t id)
{
    struct timespec time;
    CHECK(clock_gettime(id, &time) == 0);
    return (int64_t)time.tv_sec * NS_PER_S + time.tv_nsec;
}

static int64_t system_wall_ns(void *context)
{
    (void)context; /* the system has no state of ours */
    return system_ns(CLOCK_REALTIME);
}

static int64_t system_monotonic_ns(void *context)
{
    (void)context;
    return system_ns(CLOCK_MONOTONIC);
}

struct clock_source clock_system(void)
{
    return (struct clock_source){.wall_ns = system_wall_ns, .monotonic_ns = system_monotonic_ns};
}

int64_t clock_elapsed_ns(void)
{
    return system_ns(CLOCK_MONOTONIC);
}

static int64_t wall_ns(struct clock *clock)
{
    return clock->source.wall_ns(clock->source.context);
}

static int64_t monotonic_ns(struct clock *clock)
{
    return clock->source.monotonic_ns(clock->source.context);
}

static void read_both(struct clock *clock, int64_t *wall, int64_t *monotonic)
{
    for (int i = 0; i < READ_TRIES_MAX; i++) {
        *monotonic = monotonic_ns(clock);
        *wall = wall_ns(clock);
        if (monotonic_ns(clock) - *monotonic <= READ_APART_NS) {
            return;
        }
    }
}

static void init_common(struct clock *clock, const struct clock_source *source)
{
    *clock = (struct clock){.source = source != NULL ? *source : clock_system(),
                            .speed_milli = CLOCK_SPEED_ONE};
    CHECK(pthread_mutex_init(&clock->lock, NULL) == 0);
    read_both(clock, &clock->last_ns, &clock->last_monotonic_ns);
    clock->start_monotonic_ns = clock->last_monotonic_ns;
}

void clock_init_real(struct clock *clock, const struct clock_source *source)
{
    init_common(clock, source);
}

void clock_init_recording(struct clock *clock, const struct clock_source *source,
                          const struct clock_recording *recording)
{
    CHECK(recording->speed_milli >= 1);
    CHECK(recording->speed_milli <= CLOCK_SPEED_MILLI_MAX);
    init_common(clock, source);
    clock->recorded = true;
    clock->speed_milli = recording->speed_milli;
    clock->start_ms = recording->start_ms;
    if (recording->shift_now) {
        clock->shift_ms = floor_divide(clock->last_ns, NS_PER_MS) - recording->start_ms;
    }
}

void clock_close(struct clock *clock)
{
    CHECK(pthread_mutex_destroy(&clock->lock) == 0);
}

/* The recording's local time now. The start is constant, so this needs no lock; the raw monotonic
 * clock never goes back. */
static int64_t recording_ms(struct clock *clock)
{
    const __int128 elapsed = monotonic_ns(clock) - clock->start_monotonic_ns;
    const __int128 ms = elapsed * clock->speed_milli / (CLOCK_SPEED_ONE * NS_PER_MS);
    return clock->start_ms + (int64_t)ms;
}

/* One step of the real clock, under the lock. */
static int64_t real_step_ns(struct clock *clock, int64_t wall, int64_t monotonic)
{
    int64_t elapsed = monotonic - clock->last_monotonic_ns;
    if (elapsed < 0) { /* another thread read its clocks later and came first */
        elapsed = 0;
    } else {
        clock->last_monotonic_ns = monotonic;
    }
    const int64_t steady = clock->last_ns + elapsed;
    if (wall - steady > CLOCK_JUMP_MS * NS_PER_MS) {
        clock->jumped = true;
    }
    if (clock->jumped) {
        clock->last_ns = steady;
    } else {
        const int64_t slewed = steady - (elapsed + SLEW_PART - 1) / SLEW_PART;
        clock->last_ns = wall > slewed ? wall : slewed;
    }
    return clock->last_ns;
}

int64_t clock_now_ms(struct clock *clock)
{
    if (clock->recorded) {
        return recording_ms(clock) + clock->shift_ms;
    }
    int64_t wall;
    int64_t monotonic;
    read_both(clock, &wall, &monotonic);
    pthread_mutex_lock(&clock->lock);
    const int64_t now_ns = real_step_ns(clock, wall, monotonic);
    pthread_mutex_unlock(&clock->lock);
    return floor_divide(now_ns, NS_PER_MS);
}

int64_t clock_begin_ms(struct clock *clock)
{
    return clock->recorded ? clock->start_ms + clock->shift_ms : clock_now_ms(clock);
}

int64_t clock_receive_ms(struct clock *clock)
{
    return clock->recorded ? recording_ms(clock) : floor_divide(monotonic_ns(clock), NS_PER_MS);
}

bool clock_jumped(struct clock *clock)
{
    pthread_mutex_lock(&clock->lock);
    const bool jumped = clock->jumped;
    pthread_mutex_unlock(&clock->lock);
    return jumped;
}

int64_t clock_grid_receive_ms(struct clock *clock, int64_t grid_ms)
{
    return clock->recorded ? grid_ms - clock->shift_ms : clock_receive_ms(clock);
}

int64_t clock_real_ms(const struct clock *clock, int64_t span_ms)
{
    return (int64_t)((__int128)span_ms * CLOCK_SPEED_ONE / clock->speed_milli);
}

int64_t clock_wait_ms(struct clock *clock, int64_t until_ms)
{
    const int64_t left_ms = until_ms - clock_now_ms(clock);
    if (left_ms <= 0) {
        return 0;
    }
    const __int128 scaled = (__int128)left_ms * CLOCK_SPEED_ONE + clock->speed_milli - 1;
    return (int64_t)(scaled / clock->speed_milli);
}
