#include "tools/reckoning.h"

#include <stdlib.h>
#include <string.h>

#include "base/units.h"
#include "statemachine/rules.h"

#define TICKS_KEPT     64 /* a sample looks back 1,000 ms: 20 ticks of 50 ms; a column 4 ticks */
#define PRICE_MOST_E4  ((int64_t)1000000000000)
#define SAMPLE_MS      1000
#define VARIANCE_LEAST UINT64_C(7378638201)
#define VARIANCE_MOST  UINT64_C(73786966124356)
#define FAST_SHIFT     5
#define SLOW_SHIFT     9
#define WAIT_MS        2000 /* past the delay */
#define TICK_AGE_MS    1000 /* with no delay */

struct tick {
    int64_t grid_ms;
    int64_t price_e4; /* 0: not valid */
    uint32_t sources;
    uint32_t set;
};

/* A W, and the first column that has it. */
struct width {
    int64_t from_ms;
    int64_t band_e4;
};

struct cell {
    int64_t band;
    int64_t payouts_micro;
};

struct column {
    int64_t column_ms;
    int64_t stakes_micro;
    int64_t largest_micro; /* payouts of a band */
    struct cell *cells;
    size_t cell_count;
    size_t cell_room;
};

struct reckoning {
    uint64_t epoch; /* 0: no market yet */
    struct config config;
    uint32_t rules_version;
    struct width *widths; /* every one there ever was: a column may settle long after it closed */
    size_t width_count;
    size_t width_room;
    int64_t offered_until_ms; /* the last column that a Config record found on offer */
    struct tick ticks[TICKS_KEPT];
    uint64_t tick_count;
    struct tick last_valid;
    enum breaker_state breaker;
    int64_t stable_since_ms;
    uint64_t fast_q64;
    uint64_t slow_q64;
    int64_t samples;
    struct column *columns;
    size_t column_count;
    size_t column_room;
    int64_t bankroll_micro;
    uint64_t confirmed_bet; /* whose BET_CONFIRM moved the bankroll last */
    int64_t confirmed_micro;
};

static int64_t floor_of(__int128 a, int64_t b)
{
    return (int64_t)(a / b - (a % b < 0 ? 1 : 0));
}

static int64_t clamp(__int128 value)
{
    return value > INT64_MAX ? INT64_MAX : value < INT64_MIN ? INT64_MIN : (int64_t)value;
}

/* Room for one element more, of `bytes` each. */
static void *grow(void *list, size_t count, size_t *room, size_t bytes)
{
    if (count < *room) {
        return list;
    }
    const size_t wanted = 2 * *room + 8;
    void *grown = realloc(list, wanted * bytes);
    if (grown != NULL) {
        *room = wanted;
    }
    return grown;
}

enum status reckoning_open(struct reckoning **reckoning)
{
    struct reckoning *made = calloc(1, sizeof *made);
    if (made == NULL) {
        return STATUS_NO_MEMORY;
    }
    made->breaker = BREAKER_DEGRADED;
    made->rules_version = RULES_FIRST_VERSION;
    *reckoning = made;
    return STATUS_OK;
}

void reckoning_free(struct reckoning *reckoning)
{
    if (reckoning == NULL) {
        return;
    }
    for (size_t i = 0; i < reckoning->column_count; i++) {
        free(reckoning->columns[i].cells);
    }
    free(reckoning->columns);
    free(reckoning->widths);
    free(reckoning);
}

const struct config *reckoning_config(const struct reckoning *reckoning)
{
    return reckoning->epoch == 0 ? NULL : &reckoning->config;
}

uint64_t reckoning_epoch(const struct reckoning *reckoning)
{
    return reckoning->epoch;
}

int64_t reckoning_samples(const struct reckoning *reckoning)
{
    return reckoning->samples;
}

/* --- Config records.
 * ----------------------------------------------------------------------------- */

static enum status add_width(struct reckoning *reckoning, int64_t from_ms)
{
    struct width *grown =
        grow(reckoning->widths, reckoning->width_count, &reckoning->width_room, sizeof *grown);
    if (grown == NULL) {
        return STATUS_NO_MEMORY;
    }
    reckoning->widths = grown;
    grown[reckoning->width_count] = (struct width){from_ms, reckoning->config.band_e4};
    reckoning->width_count += 1;
    return STATUS_OK;
}

static int64_t width_of(const struct reckoning *reckoning, int64_t column_ms)
{
    size_t i = reckoning->width_count;
    while (i > 1 && column_ms < reckoning->widths[i - 1].from_ms) {
        i -= 1;
    }
    return reckoning->widths[i - 1].band_e4;
}

static enum status begin(struct reckoning *reckoning, const struct config *config)
{
    reckoning->config = *config;
    reckoning->epoch = 1;
    reckoning->fast_q64 = (uint64_t)config->vol_fast_start;
    reckoning->slow_q64 = (uint64_t)config->vol_slow_start;
    return add_width(reckoning, INT64_MIN);
}

static enum status take_config(struct reckoning *reckoning, const struct config_change *change,
                               int64_t time_ms)
{
    struct config base;
    struct config next;
    config_defaults(&base);
    config_merge(reckoning->epoch == 0 ? &base : &reckoning->config, change, &next);
    if ((uint64_t)change->given >> CONFIG_KEY_COUNT != 0 || config_problem(&next) != NULL) {
        return STATUS_OK;
    }
    if (reckoning->epoch == 0) {
        return begin(reckoning, &next);
    }
    const struct config *now = &reckoning->config;
    const bool wider = next.band_e4 != now->band_e4;
    const int64_t pending_ms = reckoning->widths[reckoning->width_count - 1].from_ms;
    if (config_fixed_problem(now, &next) != NULL || (wider && time_ms < pending_ms)) {
        return STATUS_OK;
    }
    const __int128 first = (__int128)floor_of(time_ms, now->column_ms) * now->column_ms;
    const int64_t last = clamp(first + (__int128)now->columns * now->column_ms);
    if (last > reckoning->offered_until_ms) {
        reckoning->offered_until_ms = last;
    }
    reckoning->config = next;
    reckoning->epoch += 1;
    const int64_t from_ms = clamp((__int128)reckoning->offered_until_ms + next.column_ms);
    return wider ? add_width(reckoning, from_ms) : STATUS_OK;
}

/* --- Grid records.
 * ------------------------------------------------------------------------------- */

static const struct tick *find_tick(const struct reckoning *reckoning, int64_t grid_ms)
{
    for (uint64_t i = 0; i < TICKS_KEPT && i < reckoning->tick_count; i++) {
        const struct tick *tick = &reckoning->ticks[(reckoning->tick_count - 1 - i) % TICKS_KEPT];
        if (tick->grid_ms == grid_ms) {
            return tick->price_e4 > 0 ? tick : NULL;
        }
    }
    return NULL;
}

static bool is_valid(const struct reckoning *reckoning, const struct price_tick *tick)
{
    return tick->price_e4 >= 1 && tick->price_e4 <= PRICE_MOST_E4 &&
           tick->sources >= (uint64_t)reckoning->config.quorum &&
           (__int128)tick->spread_e4 * BP_ONE <= (__int128)10 * tick->price_e4;
}

static void step_breaker(struct reckoning *reckoning, const struct tick *tick)
{
    const struct config *config = &reckoning->config;
    const bool first = reckoning->last_valid.price_e4 == 0;
    const int64_t age_ms = first ? 0 : tick->grid_ms - reckoning->last_valid.grid_ms;
    if (age_ms > config->critical_ms) {
        reckoning->breaker = BREAKER_CRITICAL;
    } else if (age_ms > config->degraded_ms && reckoning->breaker == BREAKER_HEALTHY) {
        reckoning->breaker = BREAKER_DEGRADED;
    }
    if (tick->price_e4 == 0) {
        return;
    }
    if (first || age_ms > config->degraded_ms) {
        reckoning->stable_since_ms = tick->grid_ms;
    }
    const int64_t needed_ms = reckoning->breaker == BREAKER_CRITICAL ? config->critical_stable_ms
                                                                     : config->degraded_stable_ms;
    if (tick->grid_ms - reckoning->stable_since_ms >= needed_ms) {
        reckoning->breaker = BREAKER_HEALTHY;
    }
}

static uint64_t moved(uint64_t v, unsigned __int128 r2, unsigned shift)
{
    const unsigned __int128 next = r2 >= v ? v + ((r2 - v) >> shift) : v - ((v - r2) >> shift);
    return next < VARIANCE_LEAST  ? VARIANCE_LEAST
           : next > VARIANCE_MOST ? VARIANCE_MOST
                                  : (uint64_t)next;
}

/* r < 2^72 with prices up to 10^12, so its square is cut where both estimates have long reached
 * their upper bound. */
static void take_sample(struct reckoning *reckoning, int64_t before_e4, int64_t price_e4)
{
    const int64_t move = price_e4 > before_e4 ? price_e4 - before_e4 : before_e4 - price_e4;
    unsigned __int128 r = ((unsigned __int128)(uint64_t)move << 32) / (uint64_t)before_e4;
    r = r > UINT64_MAX ? UINT64_MAX : r;
    reckoning->fast_q64 = moved(reckoning->fast_q64, r * r, FAST_SHIFT);
    reckoning->slow_q64 = moved(reckoning->slow_q64, r * r, SLOW_SHIFT);
    reckoning->samples += 1;
}

static void take_grid(struct reckoning *reckoning, int64_t time_ms, const struct tick *tick)
{
    const uint64_t count = reckoning->tick_count;
    /* Before the first record the last one lies at 0, as the rules' first tick may not. */
    const int64_t last_ms = count == 0 ? 0 : reckoning->ticks[(count - 1) % TICKS_KEPT].grid_ms;
    if (reckoning->epoch == 0 || tick->grid_ms <= last_ms || tick->grid_ms > time_ms ||
        tick->grid_ms % reckoning->config.tick_ms != 0) {
        return;
    }
    step_breaker(reckoning, tick);
    reckoning->ticks[count % TICKS_KEPT] = *tick;
    reckoning->tick_count += 1;
    if (tick->price_e4 == 0) {
        return;
    }
    const struct tick *before = find_tick(reckoning, tick->grid_ms - SAMPLE_MS);
    if (tick->grid_ms % SAMPLE_MS == 0 && before != NULL) {
        take_sample(reckoning, before->price_e4, tick->price_e4);
    }
    reckoning->last_valid = *tick;
}

enum status reckoning_input(struct reckoning *reckoning, const struct input *input)
{
    if (input->kind == INPUT_CONFIG) {
        return take_config(reckoning, &input->of.config, input->time_ms);
    }
    if (input->kind == INPUT_RULES_CHANGE) {
        const uint32_t version = input->of.rules_change.version;
        if (version > reckoning->rules_version) {
            reckoning->rules_version = version;
        }
    } else if (input->kind == INPUT_CLOCK_TICK) {
        const struct tick tick = {.grid_ms = input->of.clock_grid_ms};
        take_grid(reckoning, input->time_ms, &tick);
    } else if (input->kind == INPUT_PRICE_TICK) {
        const struct price_tick *price = &input->of.price_tick;
        struct tick tick = {.grid_ms = price->grid_ms};
        if (reckoning->epoch != 0 && is_valid(reckoning, price)) {
            tick.price_e4 = price->price_e4;
            tick.sources = price->sources;
            tick.set = price->set;
        }
        take_grid(reckoning, input->time_ms, &tick);
    }
    return STATUS_OK;
}

/* --- Bets.
 * --------------------------------------------------------------------------------------- */

void reckoning_posting(struct reckoning *reckoning, const struct posting *posting)
{
    if (posting->account != LEDGER_BANKROLL) {
        return;
    }
    reckoning->bankroll_micro += posting->amount_micro;
    if (posting->ref_type == REF_BET_CONFIRM) {
        reckoning->confirmed_bet = posting->ref_id;
        reckoning->confirmed_micro = posting->amount_micro;
    }
}

static struct column *find_column(const struct reckoning *reckoning, int64_t column_ms)
{
    for (size_t i = 0; i < reckoning->column_count; i++) {
        if (reckoning->columns[i].column_ms == column_ms) {
            return &reckoning->columns[i];
        }
    }
    return NULL;
}

static struct cell *find_cell(const struct column *column, int64_t band)
{
    for (size_t i = 0; i < column->cell_count; i++) {
        if (column->cells[i].band == band) {
            return &column->cells[i];
        }
    }
    return NULL;
}

static int64_t set_aside(int64_t largest_micro, int64_t stakes_micro)
{
    return largest_micro > stakes_micro ? largest_micro - stakes_micro : 0;
}

/* The three caps of rules.md section 6. */
static bool is_exposed(const struct reckoned_price *price, int64_t stake_micro)
{
    const int64_t cell = price->input.cell_payout_micro + price->payout_micro;
    const int64_t largest = cell > price->column_payout_micro ? cell : price->column_payout_micro;
    const int64_t loss = largest - price->column_stakes_micro - stake_micro;
    const int64_t change = price->set_aside_change_micro;
    return cell > price->input.cell_payout_max_micro || loss > price->column_loss_max_micro ||
           (change > 0 && price->bankroll_micro - change < price->house_reserve_micro);
}

static enum reason judge(const struct reckoning *reckoning, const struct bet *bet,
                         const struct reckoned_price *price)
{
    const struct config *config = &reckoning->config;
    if (reckoning->breaker != BREAKER_HEALTHY) {
        return REASON_BREAKER;
    }
    if (price->input.tau_ms < config->min_lead_ms) {
        return REASON_TOO_LATE;
    }
    const int64_t centre = floor_of(price->input.price_e4, price->band_e4);
    const __int128 away = (__int128)bet->band - centre;
    if ((away < 0 ? -away : away) > config->bands / 2 || !price->odds.offered) {
        return REASON_CELL_CLOSED;
    }
    if ((__int128)price->odds.mult_centi < bet->min_mult_centi) {
        return REASON_PRICE_MOVED;
    }
    return is_exposed(price, bet->stake_micro) ? REASON_EXPOSURE : REASON_NONE;
}

void reckoning_price(const struct reckoning *reckoning, const struct bet *bet,
                     struct reckoned_price *price)
{
    const struct config *config = &reckoning->config;
    const struct column *column = find_column(reckoning, bet->column_ms);
    const struct cell *cell = column == NULL ? NULL : find_cell(column, bet->band);
    const bool posted = reckoning->confirmed_bet == bet->bet;
    *price = (struct reckoned_price){
        .tick_ms = reckoning->last_valid.grid_ms,
        .band_e4 = width_of(reckoning, bet->column_ms),
        .column_stakes_micro = column == NULL ? 0 : column->stakes_micro,
        .column_payout_micro = column == NULL ? 0 : column->largest_micro,
        .bankroll_micro = reckoning->bankroll_micro - (posted ? reckoning->confirmed_micro : 0),
        .column_loss_max_micro = config->column_loss_max,
        .house_reserve_micro = config->house_reserve,
        .min_lead_ms = config->min_lead_ms,
    };
    const int64_t lo_e4 = clamp((__int128)bet->band * price->band_e4);
    price->input = (struct odds_input){
        .price_e4 = reckoning->last_valid.price_e4,
        .v_fast_q64 = reckoning->fast_q64,
        .v_slow_q64 = reckoning->slow_q64,
        .tau_ms = clamp((__int128)bet->column_ms - price->tick_ms),
        .lo_e4 = lo_e4,
        .hi_e4 = clamp((__int128)lo_e4 + price->band_e4),
        .edge_bp = config->edge_bp,
        .skew_bp = config->skew_bp,
        .cell_payout_micro = cell == NULL ? 0 : cell->payouts_micro,
        .cell_payout_max_micro = config->cell_payout_max,
    };
    odds_price(&price->input, &price->odds);
    price->rules_version = reckoning->rules_version;
    price->payout_step_micro = rules_of(reckoning->rules_version)->payout_step_micro;
    const __int128 payout = (__int128)bet->stake_micro * (__int128)price->odds.mult_centi / 100;
    price->payout_micro = (int64_t)(payout - payout % price->payout_step_micro);
    const int64_t in_cell = price->input.cell_payout_micro + price->payout_micro;
    const int64_t largest =
        in_cell > price->column_payout_micro ? in_cell : price->column_payout_micro;
    price->set_aside_change_micro =
        set_aside(largest, price->column_stakes_micro + bet->stake_micro) -
        set_aside(price->column_payout_micro, price->column_stakes_micro);
    price->verdict = judge(reckoning, bet, price);
}

bool reckoning_price_is_late(const struct reckoning *reckoning, int64_t accepted_at_ms,
                             int64_t now_ms)
{
    const int64_t delay_ms = reckoning->config.pricing_delay_ms;
    if (delay_ms == 0) {
        return reckoning->last_valid.price_e4 == 0 ||
               now_ms - reckoning->last_valid.grid_ms > TICK_AGE_MS;
    }
    const uint64_t count = reckoning->tick_count;
    return count > 0 &&
           reckoning->ticks[(count - 1) % TICKS_KEPT].grid_ms - accepted_at_ms > delay_ms + WAIT_MS;
}

static struct column *need_column(struct reckoning *reckoning, int64_t column_ms)
{
    struct column *found = find_column(reckoning, column_ms);
    if (found != NULL) {
        return found;
    }
    struct column *grown =
        grow(reckoning->columns, reckoning->column_count, &reckoning->column_room, sizeof *grown);
    if (grown == NULL) {
        return NULL;
    }
    reckoning->columns = grown;
    grown[reckoning->column_count] = (struct column){.column_ms = column_ms};
    reckoning->column_count += 1;
    return &grown[reckoning->column_count - 1];
}

static struct cell *need_cell(struct column *column, int64_t band)
{
    struct cell *found = find_cell(column, band);
    if (found != NULL) {
        return found;
    }
    struct cell *grown = grow(column->cells, column->cell_count, &column->cell_room, sizeof *grown);
    if (grown == NULL) {
        return NULL;
    }
    column->cells = grown;
    grown[column->cell_count] = (struct cell){.band = band};
    column->cell_count += 1;
    return &grown[column->cell_count - 1];
}

enum status reckoning_confirm(struct reckoning *reckoning, const struct bet *bet,
                              int64_t payout_micro)
{
    struct column *column = need_column(reckoning, bet->column_ms);
    struct cell *cell = column == NULL ? NULL : need_cell(column, bet->band);
    if (cell == NULL) {
        return STATUS_NO_MEMORY;
    }
    column->stakes_micro += bet->stake_micro;
    cell->payouts_micro += payout_micro;
    if (cell->payouts_micro > column->largest_micro) {
        column->largest_micro = cell->payouts_micro;
    }
    return STATUS_OK;
}

/* --- Columns.
 * ------------------------------------------------------------------------------------ */

/* An even count gives the floor of the mean of the middle two. */
static int64_t median(const struct settlement_tick *ticks, size_t *valid)
{
    int64_t prices[SETTLEMENT_TICKS];
    size_t count = 0;
    for (size_t i = 0; i < SETTLEMENT_TICKS; i++) {
        if (ticks[i].price_e4 == 0) {
            continue;
        }
        size_t at = count;
        for (; at > 0 && prices[at - 1] > ticks[i].price_e4; at--) {
            prices[at] = prices[at - 1];
        }
        prices[at] = ticks[i].price_e4;
        count += 1;
    }
    *valid = count;
    if (count == 0) {
        return 0;
    }
    return count % 2 == 1 ? prices[count / 2] : (prices[count / 2 - 1] + prices[count / 2]) / 2;
}

static bool has_jump(const struct settlement_tick *ticks, int64_t band_e4)
{
    const struct settlement_tick *before = NULL;
    for (size_t i = 0; i < SETTLEMENT_TICKS; i++) {
        const struct settlement_tick *tick = &ticks[i];
        if (tick->price_e4 == 0) {
            continue;
        }
        if (before != NULL && before->set != tick->set) {
            const int64_t change = tick->price_e4 - before->price_e4;
            if (2 * (change < 0 ? -change : change) > band_e4) {
                return true;
            }
        }
        before = tick;
    }
    return false;
}

void reckoning_settle(const struct reckoning *reckoning, int64_t column_ms,
                      struct reckoned_settlement *settlement)
{
    *settlement = (struct reckoned_settlement){0};
    struct settlement_tick *ticks = settlement->ticks;
    for (size_t i = 0; i < SETTLEMENT_TICKS; i++) {
        const int64_t back_ms = (int64_t)(SETTLEMENT_TICKS - 1 - i) * reckoning->config.tick_ms;
        ticks[i].time_ms = clamp((__int128)column_ms - back_ms);
        const struct tick *tick = find_tick(reckoning, ticks[i].time_ms);
        if (tick != NULL) {
            ticks[i].price_e4 = tick->price_e4;
            ticks[i].sources = tick->sources;
            ticks[i].set = tick->set;
        }
    }
    const uint64_t count = reckoning->tick_count;
    settlement->grid_ms = count == 0 ? 0 : reckoning->ticks[(count - 1) % TICKS_KEPT].grid_ms;
    settlement->median_e4 = median(ticks, &settlement->valid);
    const bool last_two =
        ticks[SETTLEMENT_TICKS - 2].price_e4 > 0 || ticks[SETTLEMENT_TICKS - 1].price_e4 > 0;
    if (settlement->grid_ms != column_ms) {
        settlement->void_for = REASON_DOWN;
        return;
    }
    if (settlement->valid < 3 || !last_two) {
        settlement->void_for = REASON_NO_TICKS;
        return;
    }
    settlement->price_e4 = settlement->median_e4;
    if (reckoning->breaker != BREAKER_HEALTHY) {
        settlement->void_for = REASON_BREAKER;
    } else if (has_jump(ticks, width_of(reckoning, column_ms))) {
        settlement->void_for = REASON_SOURCE_JUMP;
    }
}

void reckoning_close(struct reckoning *reckoning, int64_t column_ms)
{
    struct column *column = find_column(reckoning, column_ms);
    if (column == NULL) {
        return;
    }
    free(column->cells);
    reckoning->column_count -= 1;
    *column = reckoning->columns[reckoning->column_count];
}
