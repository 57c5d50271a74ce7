#include "statemachine/rules.h"

#include <stddef.h>

/* Place i holds version i + 1. A released line is never edited: a change of the game is a new line,
 * and a new field when it differs in something new. */
static const struct rules known[] = {
    {.version = 1, .payout_step_micro = 1},
#ifdef TAPLINE_UNRELEASED_RULES
    /* Never released: built into the tests' library alone, to carry a journal across a change. It
     * pays whole cents. */
    {.version = 2, .payout_step_micro = 10000},
#endif
};

#define KNOWN_COUNT ((uint32_t)(sizeof known / sizeof known[0]))

const struct rules *rules_of(uint32_t version)
{
    return version >= RULES_FIRST_VERSION && version <= KNOWN_COUNT ? &known[version - 1] : NULL;
}

uint32_t rules_newest(void)
{
    return KNOWN_COUNT;
}

int64_t rules_payout(const struct rules *rules, int64_t stake_micro, uint32_t mult_centi)
{
    const int64_t payout_micro = stake_micro * (int64_t)mult_centi / 100;
    return payout_micro - payout_micro % rules->payout_step_micro;
}

bool rules_payout_is_known(const struct rules *rules, int64_t stake_micro, uint32_t mult_centi,
                           int64_t payout_micro)
{
    for (uint32_t version = RULES_FIRST_VERSION; version <= rules->version; version++) {
        if (payout_micro == rules_payout(rules_of(version), stake_micro, mult_centi)) {
            return true;
        }
    }
    return false;
}
