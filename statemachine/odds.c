#include "statemachine/odds.h"

#include "base/units.h"
#include "base/wide.h"

#define SD_LEAST_E4_Q8                                                                             \
    256 /* one e4: keeps the division defined and the steps of a dead market sane */
#define Z_GREATEST_Q16 ((uint64_t)1 << 30)

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static uint64_t greatest(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

static void measure(const struct odds_input *input, uint64_t v_q64, struct odds_deviation *to)
{
    const uint64_t tau = input->tau_ms > 0 ? (uint64_t)input->tau_ms : 0;
    const uint64_t price = input->price_e4 > 0 ? (uint64_t)input->price_e4 : 0;
    const uint64_t rel = wide_square_root(wide_divide((u128)v_q64 * tau, 1000));
    const u128 sd = (u128)price * rel >> 24;
    to->v_q64 = v_q64;
    to->rel_q32 = rel;
    to->sd_e4_q8 = greatest(sd > UINT64_MAX ? UINT64_MAX : (uint64_t)sd, SD_LEAST_E4_Q8);
}

void odds_measure(const struct odds_input *input, struct odds *odds)
{
    const uint64_t vf = input->v_fast_q64;
    const uint64_t vs = input->v_slow_q64;
    const uint64_t vm = (vf + vs) >> 1; /* both below 2^47: no wrap */
    measure(input, greatest(least(vf, vs), vm >> 1), &odds->of[ODDS_LOW]);
    measure(input, vm, &odds->of[ODDS_MIDDLE]);
    measure(input, least(greatest(vf, vs), vm << 1), &odds->of[ODDS_HIGH]);
}

/* F(edge - price): the probability of closing below the edge. */
static uint64_t below(int64_t edge_e4, int64_t price_e4, uint64_t sd_e4_q8)
{
    const bool negative = edge_e4 < price_e4;
    const uint64_t distance =
        negative ? (uint64_t)price_e4 - (uint64_t)edge_e4 : (uint64_t)edge_e4 - (uint64_t)price_e4;
    const u128 z_wide = wide_divide((u128)distance << 24, sd_e4_q8);
    const uint64_t z = z_wide > Z_GREATEST_Q16 ? Z_GREATEST_Q16 : (uint64_t)z_wide;
    const uint64_t i = z >> 9;
    uint64_t tail = 0;
    if (i < ODDS_TABLE_COUNT - 1) {
        const uint64_t fall = odds_table[i] - odds_table[i + 1];
        tail = odds_table[i] - (fall * (z & 511) >> 9);
    }
    return negative ? tail : Q32_ONE - tail;
}

void odds_price_measured(const struct odds_input *input, struct odds *odds)
{
    odds->p_q32 = 0;
    for (int i = 0; i < ODDS_VARIANCE_COUNT; i++) {
        struct odds_deviation *of = &odds->of[i];
        const uint64_t below_hi = below(input->hi_e4, input->price_e4, of->sd_e4_q8);
        const uint64_t below_lo = below(input->lo_e4, input->price_e4, of->sd_e4_q8);
        of->p_q32 = below_hi > below_lo ? below_hi - below_lo : 0;
        odds->p_q32 = greatest(odds->p_q32, of->p_q32);
    }
    /* A too low variance overpays the wings, a too high one the centre: the largest p is safe both
     * ways. */
    odds->mult_raw_centi = 0;
    if (odds->p_q32 > 0) {
        const uint64_t kept_bp = BP_ONE - (uint64_t)input->edge_bp;
        odds->mult_raw_centi = 100 * kept_bp * Q32_ONE / (BP_ONE * odds->p_q32);
    }
    const u128 weight = (u128)(odds->mult_raw_centi * (uint64_t)input->skew_bp) *
                        (uint64_t)input->cell_payout_micro;
    const u128 skew = wide_divide(weight, BP_ONE * (uint64_t)input->cell_payout_max_micro);
    /* A lowered cell_payout_max can leave L far above it; then nothing is left to offer. */
    odds->mult_centi = skew < odds->mult_raw_centi ? odds->mult_raw_centi - (uint64_t)skew : 0;
    odds->offered =
        odds->mult_centi >= ODDS_MULT_MIN_CENTI && odds->mult_centi <= ODDS_MULT_MAX_CENTI;
}

void odds_price(const struct odds_input *input, struct odds *odds)
{
    odds_measure(input, odds);
    odds_price_measured(input, odds);
}
