#include "tests/property/market.h"

#include <stdio.h>
#include <string.h>

#define V_LEAST    7378638201
#define V_GREATEST 73786966124356
#define V_USUAL    311749139025

static void give(struct config_change *change, enum config_key key, int64_t value)
{
    change->given |= (uint32_t)1 << key;
    change->values[key] = value;
}

/* Around the move of some seconds, so that a band is neither hit always nor never. */
static int64_t draw_band_e4(struct history *history, int64_t price_e4)
{
    const int64_t part = PICK(history, 100, 1000, 2500, 5000, 5000, 10000, 10000, 20000);
    const int64_t band_e4 = price_e4 / part + history_between(history, 0, 999);
    return band_e4 < 10000 ? 10000 : band_e4 > 1000000000 ? 1000000000 : band_e4;
}

static int64_t draw_value(struct history *history, enum config_key key, int64_t price_e4,
                          int64_t tick_ms)
{
    switch (key) {
    case CONFIG_column_ms:
        return PICK(history, 1000, 1000, 1000, 2000, 2000, 3000, 5000, 10000);
    case CONFIG_tick_ms:
        return PICK(history, 50, 100, 125, 200, 200, 200, 200, 250, 500, 1000);
    case CONFIG_columns:
        return PICK(history, 1, 2, 5, 12, 12, 30, 60);
    case CONFIG_bands:
        return PICK(history, 1, 3, 5, 21, 21, 51, 101);
    case CONFIG_band_e4:
        return draw_band_e4(history, price_e4);
    case CONFIG_quorum:
        return PICK(history, 1, 1, 1, 1, 2, 2, 3);
    case CONFIG_degraded_ms:
        return PICK(history, 1000, 1000, 1001, 2000, 2999, 3000, 3001);
    case CONFIG_critical_ms:
        return PICK(history, 3002, 3200, 4000, 5000, 5001, 10000);
    case CONFIG_degraded_stable_ms:
        return PICK(history, 0, 1, tick_ms, 1000, 1001, 5000);
    case CONFIG_critical_stable_ms:
        return PICK(history, 0, tick_ms, 1000, 3000, 7001);
    case CONFIG_edge_bp:
        return PICK(history, 0, 1, 500, 500, 5000);
    case CONFIG_skew_bp:
        return PICK(history, 0, 1, 500, 2500, 5000);
    case CONFIG_min_lead_ms:
        return PICK(history, 1000, 1000, 1001, 1500, 2000, 5000);
    case CONFIG_pricing_delay_ms:
        return PICK(history, 0, 0, 0, 1, tick_ms, 399, 400, 400, 401, 1000, 2000);
    case CONFIG_stake_min:
        return PICK(history, 1, 1, 99, 100000, 1000000);
    case CONFIG_stake_max:
        return PICK(history, 1000000, 5000000, 100000000, 1000000000);
    case CONFIG_open_bets_max:
        return PICK(history, 1, 3, 10, 20, 20, 100, 1000, 1000);
    case CONFIG_cell_payout_max:
        return PICK(history, 1000000, 20000000, 100000000, 1000000000, 10000000000, 10000000000,
                    1000000000000000);
    case CONFIG_column_loss_max:
        return PICK(history, 0, 20000000, 200000000, 2000000000, 20000000000, 20000000000,
                    1000000000000000);
    case CONFIG_house_reserve:
        return PICK(history, 0, 0, 0, 1000000, 500000000, 1000000000000000);
    case CONFIG_vol_warmup:
        return PICK(history, 0, 0, 0, 1, 5);
    case CONFIG_vol_fast_start:
    case CONFIG_vol_slow_start:
        return PICK(history, V_LEAST, V_LEAST + 200, V_USUAL, V_USUAL, V_USUAL, V_USUAL,
                    V_GREATEST);
    case CONFIG_KEY_COUNT:
        break;
    }
    return 0;
}

/* Without this most drawn markets would never offer a column late enough to bet on. */
static void reach_far_enough(struct history *history, struct config_change *change)
{
    const int64_t column_ms = change->values[CONFIG_column_ms];
    const int64_t wait_ms =
        change->values[CONFIG_min_lead_ms] + change->values[CONFIG_pricing_delay_ms];
    const int64_t needed = wait_ms / column_ms + 2 + history_between(history, 0, 4);
    if (change->values[CONFIG_columns] < needed && history_chance(history, 950)) {
        give(change, CONFIG_columns, needed);
    }
}

void market_draw(struct history *history, const char *market, int64_t price_e4,
                 struct config_change *change)
{
    *change = (struct config_change){.market_given = true};
    snprintf(change->market, sizeof change->market, "%s", market);
    snprintf(change->operator_name, sizeof change->operator_name, "property");
    give(change, CONFIG_tick_ms, draw_value(history, CONFIG_tick_ms, price_e4, 0));
    for (enum config_key key = 0; key < CONFIG_KEY_COUNT; key++) {
        if (key != CONFIG_tick_ms) {
            give(change, key, draw_value(history, key, price_e4, change->values[CONFIG_tick_ms]));
        }
    }
    reach_far_enough(history, change);
}

/* A value that no rule allows, for the key alone or together with another. */
static void spoil(struct history *history, const struct config *now, struct config_change *change)
{
    switch (history_between(history, 0, 8)) {
    case 0:
        give(change, CONFIG_column_ms, now->column_ms == 5000 ? 6000 : 5000);
        break;
    case 1:
        give(change, CONFIG_tick_ms, now->tick_ms == 200 ? 250 : 200);
        break;
    case 2:
        give(change, CONFIG_bands, 20);
        break;
    case 3:
        give(change, CONFIG_degraded_ms, now->critical_ms);
        break;
    case 4:
        give(change, CONFIG_stake_min, now->stake_max + 1);
        break;
    case 5:
        change->market_given = true;
        memcpy(change->market, strcmp(now->market, "OTHER") == 0 ? "THIRD" : "OTHER", 6);
        break;
    case 6:
        give(change, CONFIG_columns, PICK(history, 0, 61, -1, INT64_MAX));
        break;
    case 7:
        give(change, CONFIG_band_e4, PICK(history, 9999, 1000000001, 0, INT64_MIN));
        break;
    default:
        change->market_given = true;
        memcpy(change->market, "no", 3);
        break;
    }
}

void market_change_band(struct history *history, int64_t price_e4, struct config_change *change)
{
    *change = (struct config_change){.market_given = false};
    give(change, CONFIG_band_e4, draw_band_e4(history, price_e4));
}

void market_change(struct history *history, int64_t price_e4, struct config_change *change)
{
    const struct config *now = machine_config(history_machine(history));
    *change = (struct config_change){.market_given = false};
    snprintf(change->operator_name, sizeof change->operator_name, "property");
    const int64_t keys = history_between(history, 0, 3);
    for (int64_t i = 0; i < keys; i++) {
        const enum config_key key =
            (enum config_key)history_between(history, CONFIG_columns, CONFIG_KEY_COUNT - 1);
        give(change, key, draw_value(history, key, price_e4, now->tick_ms));
    }
    if (history_chance(history, 400)) {
        give(change, CONFIG_band_e4, draw_band_e4(history, price_e4));
    }
    if (history_chance(history, 200)) {
        spoil(history, now, change);
    }
}
