/* Plain copies of the state for readers: what the state machine shows of itself, and what
 * projections turn into answers. Nothing here is borrowed. */
#ifndef TAPLINE_STATEMACHINE_VIEW_H
#define TAPLINE_STATEMACHINE_VIEW_H

#include <stdbool.h>
#include <stdint.h>

#include "base/limits.h"
#include "statemachine/event.h"

struct market_view {
    uint64_t seq;    /* last applied */
    int64_t time_ms; /* engine time */
    uint64_t epoch;  /* 0 before genesis */
    enum breaker_state breaker;
    int64_t breaker_since_ms; /* grid time of the last change; 0 at genesis */
    int64_t last_tick_ms;     /* last valid tick, 0 if none */
    int64_t last_price_e4;
    int64_t last_grid_ms; /* last grid record that took effect */
    int64_t samples;      /* of the volatility estimate */
    bool warm;            /* samples >= vol_warmup */
    bool open;            /* warm, HEALTHY and the last tick young enough: bets are taken */
    int64_t bankroll_micro;
    int64_t reserved_micro; /* over all columns */
    int64_t external_micro;
    uint64_t v_fast_q64;
    uint64_t v_slow_q64;
    uint32_t accounts;
    uint32_t open_bets;
    uint32_t nonces;
    uint32_t transfers;
    int64_t band_e4_from; /* W holds for columns >= this, band_e4_before until then */
    int64_t band_e4_before;
};

struct account_view {
    uint64_t user_id; /* 0: unknown, all else 0 */
    int64_t available_micro;
    int64_t held_micro;
    uint32_t open_bets;
};

struct cell_view {
    int64_t band;
    int64_t lo_e4;
    int64_t hi_e4;
    uint32_t mult_centi; /* after the skew; offered cells only */
};

struct column_view {
    int64_t column_ms;
    int64_t band_e4;
    bool open; /* engine time + pricing_delay_ms + min_lead_ms <= column */
    uint32_t cell_count;
    struct cell_view cells[LIMIT_BANDS]; /* bands ascending */
};

struct grid_view {
    uint64_t seq;
    int64_t time_ms;
    uint64_t epoch;
    int64_t tick_ms; /* the tick the multipliers come from; 0 when there is none: no cells */
    int64_t price_e4;
    enum breaker_state breaker;
    uint32_t column_count;
    struct column_view columns[LIMIT_COLUMNS]; /* T ascending */
};

#endif
