/* A progress bar with rate and time left, on stderr and only when that is a terminal; else nothing.
 */
#ifndef TAPLINE_TOOLS_PROGRESS_H
#define TAPLINE_TOOLS_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

struct progress {
    const char *label;
    bool shown;         /* stderr is a terminal */
    bool drawn;         /* a bar stands on the line now */
    int64_t started_ns; /* monotonic */
    int64_t drawn_ns;
};

void progress_start(struct progress *progress, const char *label);

/* Draws at most every 100 ms. Fits the progress hook of replay_run (context: the progress). */
void progress_update(void *progress, uint64_t records, uint64_t done_bytes, uint64_t total_bytes);

/* A line in place of the bar for work whose end cannot be told: "replay: indexes of FILE". */
void progress_note(void *progress, const char *file);

/* Wipes the bar, so that results begin on a clean line. */
void progress_finish(struct progress *progress);

/* Seconds since progress_start. */
double progress_seconds(const struct progress *progress);

#endif
