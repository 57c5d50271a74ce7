/* The published market: what the loop thread shows without asking anybody. The last update of the
 * engine, the last index ticks, and the answers rendered from them, each rendered once per change.
 */
#ifndef TAPLINE_TOOLS_SERVE_BOARD_H
#define TAPLINE_TOOLS_SERVE_BOARD_H

#include <stdbool.h>

#include "projections/shapes.h"
#include "tools/serve/engine.h"

struct board {
    struct market_view market;
    struct config config;
    uint8_t digest[HASH_BYTES];
    struct grid_view *grid; /* NULL before the first tick; owned */
    struct shapes_index_tick ticks[LIMIT_INDEX_TICKS];
    size_t tick_first;
    size_t tick_count;
    struct json grid_json; /* empty: to be rendered */
    struct json index_json;
};

/* Takes over what an update says (its grid too); *previous_grid gets the grid before, which the
 * caller frees, when the update brought one, else NULL. */
void board_update(struct board *board, struct engine_update *update,
                  struct grid_view **previous_grid);

/* Notes an index tick, an EVENT_TICK of the replay at start; those of updates come by themselves.
 */
void board_note_tick(struct board *board, const struct event *event);

/* Rendered answers; borrowed until the next board_update. */
const struct json *board_grid(struct board *board);
const struct json *board_index(struct board *board);

void board_free(struct board *board);

#endif
