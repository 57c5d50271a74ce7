/* The price side of a random history: what the sources say, and the grid records that follow. */
#ifndef TAPLINE_TESTS_PROPERTY_PRICES_H
#define TAPLINE_TESTS_PROPERTY_PRICES_H

#include "ingress/index.h"
#include "tests/property/history.h"

#define PRICES_SOURCES 5

enum mood {
    MOOD_NORMAL,  /* about a basis point a tick */
    MOOD_CALM,    /* no move: variances fall */
    MOOD_EDGES,   /* on the borders of bands */
    MOOD_FLICKER, /* sources come and go, moves of about half a band */
    MOOD_PATCHY,  /* many grid points without a price */
    MOOD_WILD,    /* variances rise to their clamp */
    MOOD_COUNT
};

struct prices {
    struct index index;
    enum mood mood;
    int64_t base_e4;
    int64_t price_e4;
    int64_t grid_ms; /* of the last grid point passed, recorded or not */
    int source_count;
    int64_t offsets_e4[PRICES_SOURCES]; /* each source's distance from the price */
    bool violent;                       /* jumps of whole percents */
    bool bends;                         /* writes ticks that follow from no quotes */
    uint64_t bent;                      /* how many of those */
};

/* Draws the kind of price history. */
void prices_open(struct prices *prices, struct history *history);

/* The records of the grid point at prices->grid_ms: the price moves on, and it is told. */
void prices_tell(struct prices *prices, struct history *history);

/* A ClockTick of that grid point. */
void prices_tell_none(struct prices *prices, struct history *history);

/* A grid record that must have no effect: off the grid, again, earlier, or ahead of its time. */
void prices_tell_wrong(struct prices *prices, struct history *history);

/* A new process: every basis and the order of names are forgotten. */
void prices_restart(struct prices *prices, struct history *history);

#endif
