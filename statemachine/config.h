/* The market configuration (rules.md section 10): every number the rules call *(market)*. It lives
 * in the journal, changes only by a Config record, and carries an epoch number. */
#ifndef TAPLINE_STATEMACHINE_CONFIG_H
#define TAPLINE_STATEMACHINE_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include "base/limits.h"
#include "base/status.h"

/* The integer keys: name, default, least, greatest, fixed after the first Config record. The order
 * is that of the Config record's bit mask and of snapshots: append only. */
#define CONFIG_KEY_LIST(X)                                                                         \
    X(column_ms, 5000, 1000, 60000, true)                                                          \
    X(tick_ms, 200, 50, 1000, true)                                                                \
    X(columns, 12, 1, LIMIT_COLUMNS, false)                                                        \
    X(bands, 21, 1, LIMIT_BANDS, false)                                                            \
    X(band_e4, 200000, 10000, 1000000000, false)                                                   \
    X(quorum, 2, 1, LIMIT_SOURCES, false)                                                          \
    X(degraded_ms, 3000, 1000, 600000, false)                                                      \
    X(critical_ms, 10000, 1000, 600000, false)                                                     \
    X(degraded_stable_ms, 5000, 0, 3600000, false)                                                 \
    X(critical_stable_ms, 30000, 0, 3600000, false)                                                \
    X(edge_bp, 500, 0, 5000, false)                                                                \
    X(skew_bp, 500, 0, 5000, false)                                                                \
    X(min_lead_ms, 5000, 1000, 60000, false)                                                       \
    X(pricing_delay_ms, 400, 0, 2000, false)                                                       \
    X(stake_min, 100000, 1, 1000000000, false)                                                     \
    X(stake_max, 100000000, 1, 1000000000, false)                                                  \
    X(open_bets_max, 20, 1, 1000, false)                                                           \
    X(cell_payout_max, 10000000000, 1, 1000000000000000, false)                                    \
    X(column_loss_max, 20000000000, 0, 1000000000000000, false)                                    \
    X(house_reserve, 0, 0, 1000000000000000, false)                                                \
    X(vol_warmup, 300, 0, 100000, false)                                                           \
    X(vol_fast_start, 311749139025, 7378638201, 73786966124356, false)                             \
    X(vol_slow_start, 311749139025, 7378638201, 73786966124356, false)

enum config_key {
#define X(name, standard, least, greatest, fixed) CONFIG_##name,
    CONFIG_KEY_LIST(X)
#undef X
    CONFIG_KEY_COUNT
};

struct config {
    char market[LIMIT_MARKET_BYTES + 1]; /* [A-Z0-9-]{3,16}, NUL padded; fixed after the first */
#define X(name, standard, least, greatest, fixed) int64_t name;
    CONFIG_KEY_LIST(X)
#undef X
};

/* What a Config record says: every key is given, or keeps its default (first record) or its present
 * value (later). The codec and the INI reader fill it; only the state machine applies it. */
struct config_change {
    bool market_given;
    char market[LIMIT_MARKET_BYTES + 1];
    uint32_t given; /* bit mask by enum config_key */
    int64_t values[CONFIG_KEY_COUNT];
    char operator_name[LIMIT_OPERATOR_BYTES + 1];
};

_Static_assert(CONFIG_KEY_COUNT <= 32, "the mask of given keys has 32 bits");

/* The defaults of rules.md section 10. */
void config_defaults(struct config *config);

/* "band_e4" and so on. */
const char *config_key_name(enum config_key key);

/* The value of one integer key, and its address for writing. */
int64_t config_get(const struct config *config, enum config_key key);
void config_set(struct config *config, enum config_key key, int64_t value);

/* True when value is within the key's own range (cross-key rules: config_problem). */
bool config_value_in_range(enum config_key key, int64_t value);

/* Puts the given keys of `change` over `base` (the defaults, or the epoch in force) into `result`.
 */
void config_merge(const struct config *base, const struct config_change *change,
                  struct config *result);

/* NULL when every range and cross-key rule holds (column_ms a multiple of 1,000, tick_ms divides
 * 1,000, bands odd, degraded < critical, stake_min <= stake_max, market's letters); else one line
 * that names the key and the rule. */
const char *config_problem(const struct config *config);

/* NULL when no *fixed* key differs between two epochs, else one line that names it. */
const char *config_fixed_problem(const struct config *before, const struct config *after);

#endif
