/* Caps and the house's set-aside (rules.md section 6, caps). Because only one band of a column can
 * win, the loss of a column is known exactly: the largest band's payouts less all stakes. */
#ifndef TAPLINE_STATEMACHINE_RISK_H
#define TAPLINE_STATEMACHINE_RISK_H

#include <stdbool.h>
#include <stdint.h>

#include "statemachine/config.h"
#include "statemachine/position.h"

struct risk_input {
    const struct config *config;
    int64_t bankroll_micro;
    const struct column *column; /* NULL: holds no bet yet */
    int64_t cell_payouts_micro;  /* of the cell, without this bet */
    int64_t stake_micro;
    int64_t payout_micro;
};

/* What a column makes the house set aside: max(largest band's payouts - stakes, 0). */
int64_t risk_set_aside(int64_t largest_micro, int64_t stakes_micro);

/* True when the bet may be confirmed; then *change_micro is d, by which the set-aside of its column
 * changes (negative too). False: EXPOSURE. */
bool risk_admits(const struct risk_input *input, int64_t *change_micro);

#endif
