#include "tests/property/stakes.h"

#define BANDS_KEPT 256

/* What is confirmed in a column, added up from the open bets. */
struct load {
    int64_t column_ms;
    int64_t stakes;
    int count;
    int64_t bands[BANDS_KEPT];
    int64_t payouts[BANDS_KEPT];
};

static void add_bet(void *context, const struct bet *bet)
{
    struct load *load = context;
    if (bet->state != BET_CONFIRMED || bet->column_ms != load->column_ms) {
        return;
    }
    load->stakes += bet->stake_micro;
    int i = 0;
    while (i < load->count && load->bands[i] != bet->band) {
        i++;
    }
    if (i < BANDS_KEPT) {
        load->count = i == load->count ? i + 1 : load->count;
        load->bands[i] = bet->band;
        load->payouts[i] += bet->payout_micro;
    }
}

static int64_t payouts_of(const struct load *load, int64_t band)
{
    for (int i = 0; i < load->count; i++) {
        if (load->bands[i] == band) {
            return load->payouts[i];
        }
    }
    return 0;
}

static int64_t set_aside(const struct load *load)
{
    int64_t largest = load->stakes;
    for (int i = 0; i < load->count; i++) {
        largest = load->payouts[i] > largest ? load->payouts[i] : largest;
    }
    return largest - load->stakes;
}

/* The least stake whose winnings (payout, or payout less stake) reach `room`; with small
 * multipliers it often meets it exactly. */
static int64_t stake_for(int64_t room, int64_t centi)
{
    if (room < 1 || room > INT64_MAX / 100 || centi < 1) {
        return 1;
    }
    return (room * 100 + centi - 1) / centi;
}

static int64_t at_a_cap(struct history *history, const struct tap *tap, int64_t mult)
{
    const struct config *config = machine_config(history_machine(history));
    static struct load load;
    load = (struct load){.column_ms = tap->column_ms};
    machine_each_open_bet(history_machine(history), &load, add_bet);
    struct market_view market;
    machine_market(history_machine(history), &market);
    const int64_t payouts = payouts_of(&load, tap->band);
    const int64_t more = history_between(history, 0, 1);
    switch (history_between(history, 0, 2)) {
    case 0:
        return stake_for(config->cell_payout_max - payouts + more, mult);
    case 1:
        return stake_for(config->column_loss_max + load.stakes - payouts + more, mult - 100);
    default:
        return stake_for(market.bankroll_micro - config->house_reserve + set_aside(&load) +
                             load.stakes - payouts + more,
                         mult - 100);
    }
}

int64_t stakes_draw(struct history *history, const struct tap *tap, int64_t mult)
{
    const struct config *config = machine_config(history_machine(history));
    if (history_chance(history, 60)) {
        return PICK(history, config->stake_min - 1, config->stake_max + 1, 0, -1, INT64_MAX);
    }
    struct account_view account;
    machine_account(history_machine(history), tap->account, &account);
    if (history_chance(history, 250)) {
        const int64_t stake = history_chance(history, 200)
                                  ? account.available_micro + history_between(history, 0, 1)
                                  : at_a_cap(history, tap, mult);
        if (stake >= config->stake_min && stake <= config->stake_max) {
            return stake;
        }
    }
    const int64_t most = config->stake_max < 20000000 ? config->stake_max : 20000000;
    return PICK(history, config->stake_min, config->stake_max,
                history_between(history, config->stake_min, config->stake_max),
                history_between(history, config->stake_min, most),
                history_between(history, config->stake_min, most));
}
