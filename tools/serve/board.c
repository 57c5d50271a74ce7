#include "tools/serve/board.h"

#include <stdlib.h>
#include <string.h>

void board_note_tick(struct board *board, const struct event *event)
{
    if (board->tick_count == LIMIT_INDEX_TICKS) {
        board->tick_first = (board->tick_first + 1) % LIMIT_INDEX_TICKS;
        board->tick_count -= 1;
    }
    const size_t at = (board->tick_first + board->tick_count) % LIMIT_INDEX_TICKS;
    board->ticks[at] = (struct shapes_index_tick){
        .grid_ms = event->of.tick.grid_ms,
        .price_e4 = event->of.tick.price_e4,
        .spread_e4 = event->of.tick.spread_e4,
        .sources = event->of.tick.sources,
    };
    board->tick_count += 1;
}

/* Those of an update. */
static void note_ticks(struct board *board, const struct outbox *outbox)
{
    const struct outbox_record *record = outbox_records(outbox);
    for (; record != NULL; record = record->next) {
        const struct outbox_item *item = record->items;
        for (; item != NULL; item = item->next) {
            if (item->kind == OUTBOX_EVENT && item->of.event.kind == EVENT_TICK) {
                board_note_tick(board, &item->of.event);
            }
        }
    }
}

void board_update(struct board *board, struct engine_update *update,
                  struct grid_view **previous_grid)
{
    board->market = update->market;
    board->config = update->config;
    memcpy(board->digest, update->digest, HASH_BYTES);
    json_reset(&board->index_json);
    json_reset(&board->grid_json);
    if (update->outbox != NULL) {
        note_ticks(board, update->outbox);
    }
    *previous_grid = NULL;
    if (update->grid != NULL) {
        *previous_grid = board->grid;
        board->grid = update->grid;
        update->grid = NULL;
    }
}

const struct json *board_grid(struct board *board)
{
    if (board->grid_json.length == 0 && board->grid != NULL) {
        shapes_grid(&board->grid_json, board->grid);
    }
    return &board->grid_json;
}

const struct json *board_index(struct board *board)
{
    if (board->index_json.length == 0) {
        struct shapes_index_tick ordered[LIMIT_INDEX_TICKS];
        for (size_t i = 0; i < board->tick_count; i++) {
            ordered[i] = board->ticks[(board->tick_first + i) % LIMIT_INDEX_TICKS];
        }
        shapes_index(&board->index_json, board->market.seq, board->market.time_ms, ordered,
                     board->tick_count);
    }
    return &board->index_json;
}

void board_free(struct board *board)
{
    free(board->grid);
    json_text_free(&board->grid_json);
    json_text_free(&board->index_json);
}
