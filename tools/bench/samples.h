/* Durations of single requests, all of them kept, so that a percentile is one of them and not an
 * interpolation between buckets. */
#ifndef TAPLINE_TOOLS_BENCH_SAMPLES_H
#define TAPLINE_TOOLS_BENCH_SAMPLES_H

#include <stddef.h>
#include <stdint.h>

struct samples {
    int64_t *ns;
    size_t count;
    size_t capacity;
};

/* Grows as needed; memory that runs out ends the program, for a benchmark with holes is none. */
void samples_add(struct samples *samples, int64_t ns);

/* Sorts; percentiles can be asked from here on, until the next samples_add. */
void samples_sort(struct samples *samples);

/* The smallest sample that at least `share` (0..1] of all do not exceed, in ms; 0 without any. */
double samples_percentile_ms(const struct samples *samples, double share);

void samples_free(struct samples *samples);

#endif
