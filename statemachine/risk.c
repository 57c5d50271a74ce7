#include "statemachine/risk.h"

#include <stddef.h>

int64_t risk_set_aside(int64_t largest_micro, int64_t stakes_micro)
{
    return largest_micro > stakes_micro ? largest_micro - stakes_micro : 0;
}

/* No sum here can overflow: payouts of a cell are at most 10^15 before this bet, a payout is at
 * most 10^9 * 50, and stakes are money that players had. */
bool risk_admits(const struct risk_input *input, int64_t *change_micro)
{
    const int64_t largest_before = input->column == NULL ? 0 : input->column->largest_micro;
    const int64_t stakes_before = input->column == NULL ? 0 : input->column->escrow_micro;
    const int64_t cell_after = input->cell_payouts_micro + input->payout_micro;
    if (cell_after > input->config->cell_payout_max) {
        return false;
    }
    const int64_t largest_after = cell_after > largest_before ? cell_after : largest_before;
    const int64_t stakes_after = stakes_before + input->stake_micro;
    if (largest_after - stakes_after > input->config->column_loss_max) {
        return false;
    }
    const int64_t change =
        risk_set_aside(largest_after, stakes_after) - risk_set_aside(largest_before, stakes_before);
    if (change > 0 && input->bankroll_micro - change < input->config->house_reserve) {
        return false;
    }
    *change_micro = change;
    return true;
}
