/* Columns and bands (rules.md section 2): which columns are on offer, how wide their bands are, and
 * what a band covers. Arithmetic only. */
#ifndef TAPLINE_STATEMACHINE_GRID_H
#define TAPLINE_STATEMACHINE_GRID_H

#include <stdbool.h>
#include <stdint.h>

#include "statemachine/config.h"

/* The history of W that columns not settled yet can still need. One change at most is pending at a
 * time; the one before it still matters when grid records are late while engine time goes on. */
struct grid {
    int64_t band_e4_from;        /* the W in force holds for columns >= this; 0 since genesis */
    int64_t band_e4_before;      /* and this one before it, */
    int64_t band_e4_before_from; /* for columns >= this; */
    int64_t band_e4_oldest;      /* and this one before that */
    int64_t offered_until_ms;    /* the last column that was on offer under an epoch now past */
};

/* K: the column boundary at or before engine time t. */
int64_t grid_boundary(const struct config *config, int64_t time_ms);

/* The last column on offer at engine time t; the first is the one after K. */
int64_t grid_last_offered(const struct config *config, int64_t time_ms);

/* W of a column. */
int64_t grid_band_e4(const struct grid *grid, const struct config *config, int64_t column_ms);

/* What a band covers, [lo, hi); both saturate. */
void grid_bounds(int64_t band, int64_t band_e4, int64_t *lo_e4, int64_t *hi_e4);

/* The band that a price lies in. */
int64_t grid_band_of(int64_t price_e4, int64_t band_e4);

/* True when the band is among the `bands` centred on the price's own. */
bool grid_band_on_offer(const struct config *config, int64_t band, int64_t price_e4,
                        int64_t band_e4);

/* Notes that another epoch takes over at engine time t: what was on offer stays known, and a new W
 * starts with the first column that never was. */
void grid_change(struct grid *grid, const struct config *before, const struct config *after,
                 int64_t time_ms);

#endif
