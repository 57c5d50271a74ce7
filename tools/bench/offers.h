/* The cells that a load generator may tap: those on offer by the last GET /v1/grid, each tapped
 * once per account, so that CELL_TAKEN does not bite. Two threads share it: the watcher brings
 * grids, the signer takes cells. */
#ifndef TAPLINE_TOOLS_BENCH_OFFERS_H
#define TAPLINE_TOOLS_BENCH_OFFERS_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/limits.h"

/* Cells of the columns on offer, and of those that price moved out of the bands. */
#define OFFERS_CELLS_MAX (4 * LIMIT_COLUMNS * LIMIT_BANDS)

/* What a tap must leave between its signing and the close of its column besides the market's own
 * lead: the way to the server, and the wait for the pricing tick. */
#define OFFERS_LEAD_MS 8500

struct offer {
    int64_t column_ms;
    int64_t band;
    bool on_offer;  /* in the last grid */
    uint32_t taken; /* by the first so many accounts in this cell's own order of them */
};

struct offer_choice {
    int64_t column_ms;
    int64_t band;
    uint32_t account; /* 0 .. accounts - 1 */
};

/* Fields are private to offers.c. */
struct offers {
    pthread_mutex_t lock;
    uint32_t accounts;
    uint32_t stride; /* shares no factor with `accounts` */
    struct offer cells[OFFERS_CELLS_MAX];
    size_t count;
    size_t next;
};

void offers_init(struct offers *offers, uint32_t accounts);

/* Takes over the grid of an answer of our own server (in each column, `column` and `open` stand
 * before `cells`). Returns the cells now on offer. */
size_t offers_take_grid(struct offers *offers, const char *text, int64_t now_ms);

/* The next cell and account in turn. False when everything on offer is taken. */
bool offers_choose(struct offers *offers, int64_t now_ms, struct offer_choice *choice);

#endif
