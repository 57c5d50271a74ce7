/* What a benchmark says: `name value unit` lines on stdout as they come to be known, or with --json
 * one object of all of them at the end. Names are fixed, so that results can be compared by
 * scripts. */
#ifndef TAPLINE_TOOLS_BENCH_FIGURES_H
#define TAPLINE_TOOLS_BENCH_FIGURES_H

#include <stdbool.h>
#include <stdint.h>

#include "base/json.h"
#include "base/status.h"

struct figures {
    bool as_json;
    struct json json;
};

void figures_open(struct figures *figures, bool as_json);

/* A measured value with that many digits after the point. */
void figures_value(struct figures *figures, const char *name, double value, int digits,
                   const char *unit);

void figures_count(struct figures *figures, const char *name, uint64_t value, const char *unit);

/* A text, such as the machine's name; it has no unit. */
void figures_text(struct figures *figures, const char *name, const char *text);

/* Prints what is left and frees. False when stdout did not take everything. */
MUST_USE bool figures_close(struct figures *figures);

#endif
