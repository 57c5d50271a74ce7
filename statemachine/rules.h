/* The released rule sets. A version is frozen when it is released: what it says about a record is
 * said for ever, so that every journal replays to the balances it had. The state carries the
 * version in force (1 at the beginning); a RulesChange record puts a later one in force from the
 * next record on. docs/DETERMINISM.md says how a version is added.
 *
 * struct rules holds exactly the points in which versions differ; what all of them share stands in
 * the code alone. */
#ifndef TAPLINE_STATEMACHINE_RULES_H
#define TAPLINE_STATEMACHINE_RULES_H

#include <stdbool.h>
#include <stdint.h>

#define RULES_FIRST_VERSION 1u

struct rules {
    uint32_t version;
    int64_t payout_step_micro; /* a payout is a whole multiple; the rest stays with the house */
};

/* The rules of a version; NULL when this build does not know it. Static. */
const struct rules *rules_of(uint32_t version);

/* The highest version that this build knows; it knows all from the first to it. */
uint32_t rules_newest(void);

/* What a bet pays when it wins: floor(stake * m / 100), down to the step. The stake is at most
 * 10^9 and m within the odds' bounds, so that nothing overflows. */
int64_t rules_payout(const struct rules *rules, int64_t stake_micro, uint32_t mult_centi);

/* True when `payout_micro` is what some version up to `rules` pays: a bet keeps the payout of the
 * rules under which it was confirmed. */
bool rules_payout_is_known(const struct rules *rules, int64_t stake_micro, uint32_t mult_centi,
                           int64_t payout_micro);

#endif
