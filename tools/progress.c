#include "tools/progress.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define BAR_CELLS     30
#define DRAW_EVERY_NS 100000000

static int64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

void progress_start(struct progress *progress, const char *label)
{
    *progress = (struct progress){
        .label = label,
        .shown = isatty(STDERR_FILENO) == 1,
        .started_ns = now_ns(),
    };
}

double progress_seconds(const struct progress *progress)
{
    return (double)(now_ns() - progress->started_ns) / 1e9;
}

void progress_update(void *context, uint64_t records, uint64_t done_bytes, uint64_t total_bytes)
{
    struct progress *progress = context;
    if (!progress->shown || total_bytes == 0) {
        return;
    }
    const int64_t now = now_ns();
    if (now - progress->drawn_ns < DRAW_EVERY_NS) {
        return;
    }
    progress->drawn_ns = now;
    progress->drawn = true;
    const double seconds = (double)(now - progress->started_ns) / 1e9;
    double part = (double)done_bytes / (double)total_bytes;
    part = part > 1 ? 1 : part;
    char bar[BAR_CELLS + 1];
    memset(bar, '.', BAR_CELLS);
    memset(bar, '#', (size_t)(part * BAR_CELLS));
    bar[BAR_CELLS] = '\0';
    const double left = part > 0.001 ? seconds * (1 - part) / part : 0;
    fprintf(stderr, "\r%s [%s] %3.0f%%  %" PRIu64 " records, %.0f/s, %.0f s left \033[K",
            progress->label, bar, part * 100, records, seconds > 0 ? (double)records / seconds : 0,
            left);
    fflush(stderr);
}

void progress_note(void *context, const char *file)
{
    struct progress *progress = context;
    if (progress->shown) {
        fprintf(stderr, "\r%s: indexes of %s, %.0f s so far\033[K", progress->label, file,
                progress_seconds(progress));
        fflush(stderr);
        progress->drawn = true;
    }
}

void progress_finish(struct progress *progress)
{
    if (progress->drawn) {
        fprintf(stderr, "\r\033[K");
        fflush(stderr);
        progress->drawn = false;
    }
}
