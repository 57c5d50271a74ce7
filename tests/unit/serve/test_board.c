/* The published market: what the loop shows of the last update. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/serve/board.h"

static const uint8_t digest[HASH_BYTES];

/* An update with ticks of seqs first..last, 200 ms apart. */
static struct engine_update *update_of(uint64_t first, uint64_t last)
{
    struct engine_update *update = calloc(1, sizeof(*update));
    assert_non_null(update);
    update->outbox = outbox_new();
    const struct event_sink sink = outbox_sink(update->outbox);
    for (uint64_t seq = first; seq <= last; seq++) {
        outbox_begin_record(update->outbox, seq, (int64_t)seq * 200);
        const struct event event = {
            .kind = EVENT_TICK,
            .of.tick = {.grid_ms = (int64_t)seq * 200, .price_e4 = (int64_t)seq, .sources = 2}};
        sink.event(sink.context, &event);
        const struct event other = {.kind = EVENT_START};
        sink.event(sink.context, &other);
    }
    assert_int_equal(outbox_seal(update->outbox, digest), STATUS_OK);
    update->market.seq = last;
    update->market.time_ms = (int64_t)last * 200;
    return update;
}

static void apply(struct board *board, struct engine_update *update)
{
    struct grid_view *previous;
    board_update(board, update, &previous);
    free(previous);
    engine_update_free(update);
}

static size_t count_ticks(const struct json *json)
{
    size_t count = 0;
    for (const char *at = json->text; (at = strstr(at, "\"sources\":")) != NULL; at++) {
        count += 1;
    }
    return count;
}

/* Proves that the last 300 ticks are shown, oldest first, however many came and in whatever
 * portions. */
static void the_index_shows_the_last_ticks(void **state)
{
    struct board board = {0};
    char expected[128];
    (void)state;
    assert_string_equal(board_index(&board)->text, "{\"seq\":\"0\",\"time\":\"0\",\"ticks\":[]}");
    apply(&board, update_of(1, 299));
    assert_int_equal(count_ticks(board_index(&board)), 299);
    apply(&board, update_of(300, 300));
    assert_int_equal(count_ticks(board_index(&board)), 300);
    apply(&board, update_of(301, 750));
    const struct json *json = board_index(&board);
    assert_int_equal(count_ticks(json), 300);
    snprintf(expected, sizeof(expected),
             "{\"seq\":\"750\",\"time\":\"150000\",\"ticks\":[{\"time\":\"%d\"", 451 * 200);
    assert_memory_equal(json->text, expected, strlen(expected));
    assert_non_null(strstr(json->text, "{\"time\":\"150000\",\"price\":\"750\""));
    board_free(&board);
}

static struct grid_view *grid_of(uint64_t seq)
{
    struct grid_view *grid = calloc(1, sizeof(*grid));
    assert_non_null(grid);
    grid->seq = seq;
    grid->tick_ms = 200;
    grid->price_e4 = 5;
    return grid;
}

/* Proves that the grid before is handed out when a new one comes, that an update without a grid
 * leaves the shown one, and that the answer follows. */
static void the_grid_is_that_of_the_last_update_with_one(void **state)
{
    struct board board = {0};
    struct grid_view *previous;
    (void)state;
    assert_int_equal(board_grid(&board)->length, 0);
    struct engine_update *update = update_of(1, 1);
    struct grid_view *first = update->grid = grid_of(1);
    board_update(&board, update, &previous);
    assert_null(previous);
    assert_null(update->grid);
    engine_update_free(update);
    assert_non_null(strstr(board_grid(&board)->text, "{\"seq\":\"1\""));

    update = update_of(2, 2);
    board_update(&board, update, &previous);
    assert_null(previous);
    engine_update_free(update);
    assert_non_null(strstr(board_grid(&board)->text, "{\"seq\":\"1\""));

    update = update_of(3, 3);
    update->grid = grid_of(3);
    board_update(&board, update, &previous);
    assert_ptr_equal(previous, first);
    free(previous);
    engine_update_free(update);
    const struct json *shown = board_grid(&board);
    assert_non_null(strstr(shown->text, "{\"seq\":\"3\""));
    const size_t length = shown->length;
    assert_int_equal(board_grid(&board)->length, length); /* rendered once, not appended */
    board_free(&board);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_index_shows_the_last_ticks),
        cmocka_unit_test(the_grid_is_that_of_the_last_update_with_one),
    };
    return cmocka_run_group_tests_name("board", tests, NULL, NULL);
}
