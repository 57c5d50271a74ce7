#include "tools/bench/samples.h"

#include <math.h>
#include <stdlib.h>

#include "base/check.h"

#define FIRST_CAPACITY 65536

void samples_add(struct samples *samples, int64_t ns)
{
    if (samples->count == samples->capacity) {
        const size_t capacity = samples->capacity == 0 ? FIRST_CAPACITY : samples->capacity * 2;
        int64_t *grown = realloc(samples->ns, capacity * sizeof(*grown));
        CHECK(grown != NULL);
        samples->ns = grown;
        samples->capacity = capacity;
    }
    samples->ns[samples->count] = ns;
    samples->count += 1;
}

static int compare(const void *left, const void *right)
{
    const int64_t a = *(const int64_t *)left;
    const int64_t b = *(const int64_t *)right;
    return (a > b) - (a < b);
}

void samples_sort(struct samples *samples)
{
    if (samples->count > 0) {
        qsort(samples->ns, samples->count, sizeof(samples->ns[0]), compare);
    }
}

double samples_percentile_ms(const struct samples *samples, double share)
{
    if (samples->count == 0) {
        return 0;
    }
    const double rank = ceil(share * (double)samples->count);
    size_t place = rank < 1 ? 0 : (size_t)rank - 1;
    if (place >= samples->count) {
        place = samples->count - 1;
    }
    return (double)samples->ns[place] / 1e6;
}

void samples_free(struct samples *samples)
{
    free(samples->ns);
    *samples = (struct samples){0};
}
