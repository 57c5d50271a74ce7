#include "tests/property/story.h"

#include <inttypes.h>

#include "tests/property/market.h"
#include "tests/property/players.h"
#include "tests/property/prices.h"

#define START_MS ((int64_t)1732077240000) /* a column boundary for every column_ms */

struct story {
    struct history history;
    struct prices prices;
    struct players players;
    unsigned taps_per_mille; /* how likely one more record comes before the next grid point */
    bool changes;            /* Config records after the first */
    int64_t quiet_until_ms;  /* no tick before this grid point */
    bool silent;             /* and no ClockTick either */
};

static const char *const markets[] = {"BTC-USD", "A-1", "ABCDEFGHIJKLMN-9"};

/* Records before there is a market: none may have an effect. */
static void before_genesis(struct story *story)
{
    struct history *history = &story->history;
    prices_restart(&story->prices, history);
    if (history_chance(history, 300)) {
        players_tap(&story->players, history);
        players_transfer(&story->players, history);
        story->prices.grid_ms = history->now_ms / 1000 * 1000;
        prices_tell_none(&story->prices, history);
    }
    if (history_chance(history, 300)) {
        struct input input = {.kind = INPUT_CONFIG};
        input.of.config.given = (uint32_t)1 << CONFIG_bands;
        input.of.config.values[CONFIG_bands] = 2;
        history_put(history, &input);
    }
}

static void genesis(struct story *story)
{
    struct history *history = &story->history;
    struct input input = {.kind = INPUT_CONFIG};
    market_draw(history, story->players.market, story->prices.base_e4, &input.of.config);
    history_put(history, &input);
    const int64_t tick_ms = machine_config(history_machine(history))->tick_ms;
    story->prices.grid_ms = history->now_ms / tick_ms * tick_ms;
    players_fund(&story->players, history);
}

static void change_config(struct story *story)
{
    struct input input = {.kind = INPUT_CONFIG};
    market_change(&story->history, story->prices.price_e4, &input.of.config);
    history_put(&story->history, &input);
}

static void put_rules(struct story *story, uint32_t version)
{
    struct input input = {.kind = INPUT_RULES_CHANGE};
    input.of.rules_change.version = version;
    input.of.rules_change.operator_name = history_text("property");
    history_put_rules(&story->history, &input);
}

/* Rules that are in force already, or older ones: no effect. */
static void refuse_rules(struct story *story)
{
    const int64_t in_force = machine_rules(history_machine(&story->history));
    put_rules(story, (uint32_t)history_between(&story->history, 0, in_force));
}

/* What `tapline recover` writes behind what it kept: no effect on the state. */
static void recover(struct story *story)
{
    struct history *history = &story->history;
    struct market_view market;
    machine_market(history_machine(history), &market);
    struct input input = {.kind = INPUT_RECOVERY};
    input.of.recovery = (struct recovery){
        .kept_to = market.seq,
        .lost_to = history_chance(history, 500) ? 0 : market.seq + 7,
        .made_ms = history->now_ms,
        .operator_name = history_text("property"),
        .reason = history_text("random"),
        .version = history_text("property"),
    };
    history_put(history, &input);
}

/* When a W is pending: another one in the ms in which that is allowed again, or just before. */
static void maybe_change_band(struct story *story, int64_t limit_ms)
{
    struct history *history = &story->history;
    struct market_view market;
    machine_market(history_machine(history), &market);
    const int64_t at_ms = market.band_e4_from - history_between(history, 0, 1);
    if (at_ms < history->now_ms || at_ms > limit_ms || history_chance(history, 500)) {
        return;
    }
    history->now_ms = at_ms;
    struct input input = {.kind = INPUT_CONFIG};
    market_change_band(history, story->prices.price_e4, &input.of.config);
    history_put(history, &input);
}

/* One record that is not the next grid point's. */
static void act(struct story *story)
{
    struct history *history = &story->history;
    const int64_t what = history_between(history, 0, 999);
    if (story->players.again != NULL) {
        players_repeat(&story->players, history);
    } else if (what < 700) {
        players_tap(&story->players, history);
    } else if (what < 770) {
        players_repeat(&story->players, history);
    } else if (what < 890) {
        players_transfer(&story->players, history);
    } else if (what < 920) {
        prices_tell_wrong(&story->prices, history);
    } else if (what < 985) {
        history_attest(history);
    } else if (what < 988) {
        prices_restart(&story->prices, history);
    } else if (what < 989) {
        refuse_rules(story);
    } else if (what < 990) {
        recover(story);
    } else if (story->changes) {
        change_config(story);
    }
}

/* The first bet that waits for its price. */
static void note_waiting(void *context, const struct bet *bet)
{
    int64_t *accepted_at_ms = context;
    if (bet->state == BET_ACCEPTED && *accepted_at_ms == 0) {
        *accepted_at_ms = bet->accepted_at_ms;
    }
}

/* No tick until the last moment at which a waiting bet can be priced, or one tick longer. */
static void starve_waiting(struct story *story)
{
    struct history *history = &story->history;
    const struct config *config = machine_config(history_machine(history));
    int64_t accepted_at_ms = 0;
    machine_each_open_bet(history_machine(history), &accepted_at_ms, note_waiting);
    if (accepted_at_ms != 0) {
        const int64_t last_ms = accepted_at_ms + config->pricing_delay_ms + 2000;
        story->quiet_until_ms =
            (last_ms / config->tick_ms + history_between(history, 0, 1)) * config->tick_ms;
        story->silent = history_chance(history, 500);
    }
}

/* The lengths at which the breaker, a waiting bet or a late tick change their minds. */
static void maybe_fall_quiet(struct story *story)
{
    struct history *history = &story->history;
    if (history_chance(history, 10)) {
        starve_waiting(story);
        return;
    }
    if (!history_chance(history, 20)) {
        return;
    }
    const struct config *config = machine_config(history_machine(history));
    const int64_t tick_ms = config->tick_ms;
    const int64_t ms =
        PICK(history, tick_ms, 2 * tick_ms, 5 * tick_ms, 1000, config->degraded_ms,
             config->degraded_ms + tick_ms, config->critical_ms, config->critical_ms + tick_ms,
             config->pricing_delay_ms + 2000, history_between(history, 0, 2 * config->critical_ms));
    struct market_view market;
    machine_market(history_machine(history), &market);
    story->quiet_until_ms = (market.last_tick_ms + ms) / tick_ms * tick_ms;
    story->silent = history_chance(history, 500);
}

static void set_mood(struct story *story)
{
    if (history_chance(&story->history, 30)) {
        story->prices.mood = (enum mood)history_between(&story->history, 0, MOOD_COUNT - 1);
    }
}

/* Engine time reaches the grid point, or overtakes it a little; a clock that stood still for long
 * passes grid points that are never written. */
static void reach_grid_point(struct story *story)
{
    struct history *history = &story->history;
    struct prices *prices = &story->prices;
    const int64_t tick_ms = machine_config(history_machine(history))->tick_ms;
    prices->grid_ms += tick_ms;
    if (history->now_ms >= prices->grid_ms + tick_ms && history_chance(history, 700)) {
        prices->grid_ms = history->now_ms / tick_ms * tick_ms;
    }
    const int64_t lag_ms = history_chance(history, 900) ? history_between(history, 0, tick_ms / 4)
                                                        : history_between(history, 0, 3 * tick_ms);
    if (history->now_ms < prices->grid_ms + lag_ms) {
        history->now_ms = prices->grid_ms + lag_ms;
    }
}

static void pass_grid_point(struct story *story)
{
    struct history *history = &story->history;
    const int64_t tick_ms = machine_config(history_machine(history))->tick_ms;
    const int64_t next_ms = story->prices.grid_ms + tick_ms;
    const int64_t limit_ms = history_chance(history, 30) ? next_ms + 3000 : next_ms - 1;
    while (history_chance(history, story->taps_per_mille)) {
        history->now_ms = players_aim(&story->players, history, limit_ms);
        act(story);
    }
    maybe_change_band(story, limit_ms);
    set_mood(story);
    maybe_fall_quiet(story);
    reach_grid_point(story);
    if (story->prices.grid_ms >= story->quiet_until_ms) {
        prices_tell(&story->prices, history);
    } else if (!story->silent) {
        prices_tell_none(&story->prices, history);
    }
}

void story_write(const struct story_options *options, struct story_told *told)
{
    static struct story story;
    struct history *history = &story.history;
    story = (struct story){0};
    history_open(history, options->dir, options->seed, START_MS, options->segment_bytes);
    history->now_ms += history_between(history, 0, 60000);
    players_open(&story.players, history,
                 markets[random_below(&history->random, sizeof markets / sizeof markets[0])]);
    prices_open(&story.prices, history);
    story.taps_per_mille = (unsigned)PICK(history, 300, 500, 700);
    story.changes = history_chance(history, 600);
    before_genesis(&story);
    genesis(&story);
    for (long point = 0; point < options->points; point++) {
        if (options->rules_version != 0 && point == options->points / 2) {
            put_rules(&story, options->rules_version);
        }
        pass_grid_point(&story);
    }
    history_attest(history);
    told->records = history_close(history);
    told->bent = story.prices.bent;
}
