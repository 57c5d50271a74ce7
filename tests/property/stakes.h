/* What a random tap stakes: mostly anything within the bounds, sometimes just outside, sometimes
 * exactly as much as a cap or the balance leaves. */
#ifndef TAPLINE_TESTS_PROPERTY_STAKES_H
#define TAPLINE_TESTS_PROPERTY_STAKES_H

#include "tests/property/history.h"

/* A stake of the tap's account for the tap's cell, which is shown at `mult`. */
int64_t stakes_draw(struct history *history, const struct tap *tap, int64_t mult);

#endif
