/* The multiplier of a cell (rules.md section 5), with every intermediate figure, so that `explain`
 * and the golden rows look at the very numbers a bet was priced with. A pure function of its input;
 * the state machine and the tools call it. */
#ifndef TAPLINE_STATEMACHINE_ODDS_H
#define TAPLINE_STATEMACHINE_ODDS_H

#include <stdbool.h>
#include <stdint.h>

#define ODDS_TABLE_COUNT 1025

/* SHA-256 of the 1,025 entries as u32 little-endian; part of the config epoch. */
#define ODDS_TABLE_SHA256 "d4e04739e86f4a10f63daaf1a85b04b6b491304a460d15a96d13ab9942a6ccc4"

/* The least and the greatest multiplier that is offered, after the skew. */
#define ODDS_MULT_MIN_CENTI 105
#define ODDS_MULT_MAX_CENTI 5000

extern const uint32_t odds_table[ODDS_TABLE_COUNT];

struct odds_input {
    int64_t price_e4;    /* S, 1..10^12 */
    uint64_t v_fast_q64; /* within the clamp of section 4 */
    uint64_t v_slow_q64;
    int64_t tau_ms; /* column - time of the pricing tick; 0 or less counts as 0 */
    int64_t lo_e4;  /* the cell covers [lo, hi) */
    int64_t hi_e4;
    int64_t edge_bp;               /* 0..5000 */
    int64_t skew_bp;               /* 0..5000 */
    int64_t cell_payout_micro;     /* L: payouts of the bets confirmed in the cell so far */
    int64_t cell_payout_max_micro; /* 1..10^15 */
};

/* One of the three variances and what follows from it. */
struct odds_deviation {
    uint64_t v_q64;
    uint64_t rel_q32;  /* isqrt(v * tau / 1000): the relative move of one sigma */
    uint64_t sd_e4_q8; /* that move in e4 with 8 fraction bits */
    uint64_t p_q32;    /* the cell's probability under it */
};

enum odds_variance {
    ODDS_LOW,
    ODDS_MIDDLE,
    ODDS_HIGH,
    ODDS_VARIANCE_COUNT
};

struct odds {
    struct odds_deviation of[ODDS_VARIANCE_COUNT];
    uint64_t p_q32;          /* the largest of the three */
    uint64_t mult_raw_centi; /* before the skew; 0 when p is 0 */
    uint64_t mult_centi;     /* after it */
    bool offered;            /* ODDS_MULT_MIN_CENTI <= mult <= ODDS_MULT_MAX_CENTI (bands apart) */
};

/* Prices one cell. */
void odds_price(const struct odds_input *input, struct odds *odds);

/* The two halves of odds_price, for whoever prices many cells of one column: the first fills v, rel
 * and sd from price, variances and tau; the second fills the rest from those and the other inputs.
 */
void odds_measure(const struct odds_input *input, struct odds *odds);
void odds_price_measured(const struct odds_input *input, struct odds *odds);

#endif
