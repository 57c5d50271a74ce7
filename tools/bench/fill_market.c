#include "tools/bench/fill_market.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "tools/commands.h"

#define ATTEST_MS  1000
#define CONFIG_MS  120000
#define RESTART_MS 7200000
#define DOWN_MS    12000 /* long enough for the breaker, and for columns without their ticks */
#define LAG_MS     4     /* a grid record's engine time is up to this behind its grid point */
#define LOST_EVERY 2000  /* grid points: one has no price */
#define EDGE_BP    500
#define EDGE_TWO   510

/* Open bets of an account: its share of a minute's taps, four times over. */
static int64_t open_bets_max(const struct fill_market_options *options)
{
    const int64_t share = (int64_t)options->taps_per_second * 60 * 4 / options->accounts;
    return share < 20 ? 20 : share > 1000 ? 1000 : share;
}

static void give(struct config_change *change, enum config_key key, int64_t value)
{
    change->given |= 1u << key;
    change->values[key] = value;
}

static bool put(struct fill_market *market)
{
    return fill_engine_put(market->engine, &market->input, market->now_ms);
}

static bool put_start(struct fill_market *market)
{
    index_init(&market->index); /* a basis is forgotten with its process */
    market->started_ms = market->now_ms;
    market->input.kind = INPUT_START;
    market->input.of.start = (struct start){.version = {TAPLINE_VERSION, strlen(TAPLINE_VERSION)}};
    machine_default_limits(&market->input.of.start.limits);
    return put(market);
}

static bool begin(struct fill_market *market)
{
    struct config_change *change = &market->input.of.config;
    market->input.kind = INPUT_CONFIG;
    *change = (struct config_change){.operator_name = "bench"};
    give(change, CONFIG_quorum, 1);
    give(change, CONFIG_vol_warmup, 0);
    give(change, CONFIG_open_bets_max, open_bets_max(&market->options));
    give(change, CONFIG_cell_payout_max, 1000000000000000);
    give(change, CONFIG_column_loss_max, 1000000000000000);
    return put(market) && put_start(market) && fill_taps_fund(&market->taps, market->now_ms);
}

static bool put_grid_record(struct fill_market *market)
{
    feed_advance(market->feed, market->grid_ms);
    market->now_ms =
        market->grid_ms + (int64_t)fill_random_below(&market->random, (uint64_t)LAG_MS);
    const bool lost = fill_random_below(&market->random, LOST_EVERY) == 0;
    if (!lost && index_take(&market->index, market->grid_ms, market->grid_ms, 1,
                            &market->input.of.price_tick)) {
        index_commit(&market->index);
        market->input.kind = INPUT_PRICE_TICK;
    } else {
        market->input.kind = INPUT_CLOCK_TICK;
        market->input.of.clock_grid_ms = market->grid_ms;
    }
    return put(market);
}

/* What comes once in a while, each when its time is. */
static bool put_due(struct fill_market *market)
{
    if (market->now_ms - market->attested_ms >= ATTEST_MS) {
        market->attested_ms = market->now_ms;
        if (!fill_engine_attest(market->engine, market->now_ms)) {
            return false;
        }
    }
    if (market->now_ms - market->config_ms >= CONFIG_MS) {
        market->config_ms = market->now_ms;
        market->other_edge = !market->other_edge;
        market->input.kind = INPUT_CONFIG;
        market->input.of.config = (struct config_change){.operator_name = "bench"};
        give(&market->input.of.config, CONFIG_edge_bp, market->other_edge ? EDGE_TWO : EDGE_BP);
        return put(market);
    }
    return true;
}

/* The taps of one interval between grid points, evenly. */
static bool put_taps(struct fill_market *market, int64_t tick_ms)
{
    struct market_view view;
    machine_market(fill_engine_machine(market->engine), &view);
    if (!view.open) {
        return true;
    }
    market->taps_owed_milli += (int64_t)market->options.taps_per_second * tick_ms;
    const int64_t count = market->taps_owed_milli / 1000;
    market->taps_owed_milli %= 1000;
    fill_taps_see_grid(&market->taps, tick_ms);
    bool going = true;
    for (int64_t i = 0; going && i < count; i++) {
        market->now_ms = market->grid_ms + LAG_MS + i * (tick_ms - LAG_MS) / count;
        going = fill_taps_tap(&market->taps, market->now_ms);
    }
    return going;
}

static bool restart(struct fill_market *market, int64_t tick_ms)
{
    market->grid_ms += DOWN_MS / tick_ms * tick_ms;
    market->now_ms = market->grid_ms;
    return put_start(market);
}

void fill_market_run(struct fill_market *market)
{
    if (!begin(market)) {
        return;
    }
    const int64_t tick_ms = machine_config(fill_engine_machine(market->engine))->tick_ms;
    market->grid_ms = (market->now_ms + tick_ms - 1) / tick_ms * tick_ms;
    bool going = true;
    while (going) {
        going = put_grid_record(market) && put_due(market) && put_taps(market, tick_ms);
        market->grid_ms += tick_ms;
        if (going && market->grid_ms - market->started_ms >= RESTART_MS) {
            going = restart(market, tick_ms);
        }
    }
}

/* --- Opening. --- */

static enum status on_quote(void *context, const struct source_quote *quote)
{
    struct fill_market *market = context;
    return index_quote(&market->index, quote);
}

static int64_t no_time(void *context)
{
    (void)context;
    return 0;
}

static enum status open_feed(struct fill_market *market)
{
    static const struct clock_source still = {.wall_ns = no_time, .monotonic_ns = no_time};
    const struct clock_recording recording = {.start_ms = market->options.start_ms,
                                              .speed_milli = CLOCK_SPEED_ONE};
    const struct feed_sink sink = {.context = market, .on_quote = on_quote};
    char spec[64];
    char error[FEED_ERROR_BYTES];
    snprintf(spec, sizeof(spec), "sim:seed=%" PRIu64, market->options.seed);
    enum status status = feed_open(spec, &market->feed, error, sizeof(error));
    if (status != STATUS_OK) {
        return status;
    }
    clock_init_recording(&market->clock, &still, &recording);
    return feed_start(market->feed, NULL, &market->clock, &sink, error, sizeof(error));
}

enum status fill_market_open(struct fill_market *market, struct fill_engine *engine,
                             const struct fill_market_options *options)
{
    memset(market, 0, sizeof(*market));
    market->options = *options;
    market->engine = engine;
    market->random.state = options->seed;
    market->now_ms = options->start_ms;
    market->config_ms = options->start_ms;
    index_init(&market->index);
    enum status status = fill_taps_open(&market->taps, engine, &market->random, options->accounts,
                                        options->with_signatures);
    if (status != STATUS_OK) {
        return status;
    }
    status = open_feed(market);
    CHECK(status == STATUS_OK || status == STATUS_NO_MEMORY); /* its words are ours */
    if (status != STATUS_OK) {
        feed_free(market->feed);
        fill_taps_close(&market->taps);
    }
    return status;
}

void fill_market_close(struct fill_market *market)
{
    feed_close(market->feed);
    feed_free(market->feed);
    clock_close(&market->clock);
    fill_taps_close(&market->taps);
}
