#include "tests/property/prices.h"

#include "base/check.h"

#define PRICE_MAX_E4 ((int64_t)1000000000000)
#define BP           10000

static const char *const names[PRICES_SOURCES] = {"alpha", "beta", "gamma", "delta", "omega"};

void prices_open(struct prices *prices, struct history *history)
{
    *prices = (struct prices){
        .base_e4 = PICK(history, 970000000, 970000000, 970000000, 600000000, 31234567, 5000000,
                        40000, 5, 999999000000),
        .source_count = (int)history_between(history, 1, PRICES_SOURCES),
        .violent = history_chance(history, 200),
        .bends = history_chance(history, 250),
    };
    prices->price_e4 = prices->base_e4;
    /* Half of the histories have no offsets: then the index is the price to the digit, which
     * MOOD_EDGES and MOOD_FLICKER want. */
    const bool apart = history_chance(history, 500);
    for (int i = 0; apart && i < prices->source_count; i++) {
        const int64_t most = prices->base_e4 * PICK(history, 2, 5, 20) / BP;
        prices->offsets_e4[i] = history_between(history, -most, most);
    }
    index_init(&prices->index);
}

static int64_t clamped(int64_t price_e4)
{
    return price_e4 < 1 ? 1 : price_e4 > PRICE_MAX_E4 ? PRICE_MAX_E4 : price_e4;
}

static int64_t wander(struct history *history, int64_t price_e4, int64_t most_per_million)
{
    const int64_t most = price_e4 / 1000 * most_per_million / 1000 + 1;
    return price_e4 + history_between(history, -most, most);
}

static int64_t jumped(const struct prices *prices, struct history *history)
{
    const int64_t price_e4 = prices->price_e4;
    switch (history_between(history, 0, 9)) {
    case 0:
        return price_e4 * 2;
    case 1:
        return price_e4 / 2;
    case 2:
        return PICK(history, 1, PRICE_MAX_E4);
    default:
        return price_e4 + price_e4 / 100 * history_between(history, -6, 6);
    }
}

static void move_price(struct prices *prices, struct history *history)
{
    const int64_t band_e4 = machine_config(history_machine(history))->band_e4;
    int64_t price_e4 = prices->price_e4;
    switch (prices->mood) {
    case MOOD_NORMAL:
    case MOOD_PATCHY:
    case MOOD_COUNT:
        price_e4 = wander(history, price_e4, 100);
        break;
    case MOOD_CALM:
        break;
    case MOOD_EDGES:
        price_e4 = (price_e4 / band_e4 + history_between(history, -1, 1)) * band_e4 +
                   history_between(history, -1, 1);
        break;
    case MOOD_FLICKER:
        price_e4 += PICK(history, -1, 1) * (band_e4 / 2 + history_between(history, -1, 1));
        break;
    case MOOD_WILD:
        price_e4 = wander(history, price_e4, 3000);
        break;
    }
    if (prices->violent && history_chance(history, 10)) {
        price_e4 = jumped(prices, history);
    } else if (history_chance(history, 5)) {
        price_e4 = prices->base_e4;
    }
    prices->price_e4 = clamped(price_e4);
}

/* Which sources speak at this grid point: bit i is names[i]. */
static unsigned draw_present(const struct prices *prices, struct history *history)
{
    const unsigned all = (1u << prices->source_count) - 1;
    unsigned missing_per_mille = 20;
    switch (prices->mood) {
    case MOOD_FLICKER:
        missing_per_mille = 500;
        break;
    case MOOD_PATCHY:
        missing_per_mille = 350;
        break;
    case MOOD_NORMAL:
    case MOOD_CALM:
    case MOOD_EDGES:
    case MOOD_WILD:
    case MOOD_COUNT:
        break;
    }
    unsigned present = 0;
    for (int i = 0; i < prices->source_count; i++) {
        if (!history_chance(history, missing_per_mille)) {
            present |= 1u << i;
        }
    }
    /* A lone source would be off too often where flickering is about sets. */
    return present == 0 && prices->mood == MOOD_FLICKER ? all : present;
}

static void hear_sources(struct prices *prices, struct history *history)
{
    const unsigned present = draw_present(prices, history);
    for (int i = 0; i < prices->source_count; i++) {
        const int64_t price_e4 = clamped(prices->price_e4 + prices->offsets_e4[i]);
        const struct source_quote quote = {
            .source = names[i],
            .kind = QUOTE_TRADE,
            .price_e4 = (present >> i & 1) != 0 ? price_e4 : 0, /* 0: of no use */
            .receive_ms = history->now_ms,
        };
        const enum status status = index_quote(&prices->index, &quote);
        CHECK(status == STATUS_OK);
    }
}

/* What the index makes of the sources, as a PriceTick where it is one. The quorum is left to the
 * state machine, so that records short of it reach the journal too. */
static void put_taken(struct prices *prices, struct history *history, int64_t grid_ms)
{
    struct input input = {.kind = INPUT_PRICE_TICK};
    if (!index_take(&prices->index, history->now_ms, grid_ms, 1, &input.of.price_tick)) {
        input.kind = INPUT_CLOCK_TICK;
        input.of.clock_grid_ms = grid_ms;
    }
    history_put(history, &input);
    index_commit(&prices->index);
}

/* A PriceTick that no index made, at the bounds of what counts as one. */
static void put_bent(struct prices *prices, struct history *history)
{
    const struct config *config = machine_config(history_machine(history));
    struct input input = {.kind = INPUT_PRICE_TICK};
    struct price_tick *tick = &input.of.price_tick;
    *tick = (struct price_tick){
        .grid_ms = prices->grid_ms,
        .price_e4 = prices->price_e4,
        .sources = (uint32_t)config->quorum,
        .set = (uint32_t)history_between(history, 0, 7),
    };
    switch (history_between(history, 0, 3)) {
    case 0:
        tick->price_e4 =
            PICK(history, 0, 1, -1, PRICE_MAX_E4, PRICE_MAX_E4 + 1, INT64_MAX, INT64_MIN);
        break;
    case 1:
        tick->spread_e4 = tick->price_e4 / 1000 + PICK(history, -1, 0, 1);
        break;
    case 2:
        tick->spread_e4 = PICK(history, -1, 900000000000000, -900000000000000);
        break;
    default:
        tick->sources = (uint32_t)(config->quorum + PICK(history, -1, 0, 1));
        break;
    }
    history_put(history, &input);
    prices->bent += 1;
}

void prices_tell(struct prices *prices, struct history *history)
{
    move_price(prices, history);
    if (prices->bends && history_chance(history, 40)) {
        put_bent(prices, history);
        return;
    }
    hear_sources(prices, history);
    put_taken(prices, history, prices->grid_ms);
}

void prices_tell_none(struct prices *prices, struct history *history)
{
    struct input input = {.kind = INPUT_CLOCK_TICK, .of.clock_grid_ms = prices->grid_ms};
    history_put(history, &input);
}

void prices_tell_wrong(struct prices *prices, struct history *history)
{
    struct market_view market;
    machine_market(history_machine(history), &market);
    if (market.last_grid_ms == 0) {
        return; /* a time around the epoch would be the first there is, and right */
    }
    const int64_t tick_ms = machine_config(history_machine(history))->tick_ms;
    const int64_t ahead_ms = (history->now_ms / tick_ms + 1) * tick_ms;
    const int64_t grid_ms = PICK(history, market.last_grid_ms, market.last_grid_ms - tick_ms,
                                 history->now_ms / tick_ms * tick_ms - 1, ahead_ms);
    /* A record may happen to be right: then the grid has moved on. */
    if (grid_ms <= history->now_ms && grid_ms > prices->grid_ms && grid_ms % tick_ms == 0) {
        prices->grid_ms = grid_ms;
    }
    hear_sources(prices, history);
    put_taken(prices, history, grid_ms);
}

/* Tables of a size that a short history fills, or that it never does; 0 leaves one as it was. */
static void draw_limits(struct history *history, struct machine_limits *limits)
{
    const int64_t ample = 100000;
    limits->accounts_max = (uint32_t)PICK(history, 0, history_between(history, 1, 20), ample);
    limits->open_bets_max = (uint32_t)PICK(history, 0, history_between(history, 1, 40), ample);
    limits->nonces_max = (uint32_t)PICK(history, 0, history_between(history, 1, 200), ample);
    limits->transfers_max = (uint32_t)PICK(history, 0, history_between(history, 1, 200), ample);
}

void prices_restart(struct prices *prices, struct history *history)
{
    struct input input = {.kind = INPUT_START, .of.start.version = history_text("property")};
    if (history_chance(history, 100)) {
        draw_limits(history, &input.of.start.limits);
    }
    history_put(history, &input);
    index_init(&prices->index);
}
