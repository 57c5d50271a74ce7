#include "tests/property/players.h"

#include <stdio.h>
#include <string.h>

#include "statemachine/machine.h"
#include "tests/property/stakes.h"

static const uint8_t signature[LIMIT_SIGNATURE_BYTES] = {1}; /* never checked here */

void players_open(struct players *players, struct history *history, const char *market)
{
    *players = (struct players){
        .market = market,
        .count = (int)history_between(history, 2, PLAYERS_MAX),
    };
    for (int i = 0; i < players->count; i++) {
        for (int byte = 0; byte < ADDRESS_BYTES; byte++) {
            players->addresses[i][byte] = (uint8_t)history_between(history, 0, 255);
        }
    }
}

/* The first plays half of all bets; the last has no money. */
static const uint8_t *draw_player(const struct players *players, struct history *history)
{
    const int64_t number =
        history_chance(history, 400) ? 0 : history_between(history, 0, players->count - 1);
    if (number == players->count - 1 && history_chance(history, 800)) {
        return players->addresses[0];
    }
    return players->addresses[number];
}

/* --- Taps --- */

static int64_t draw_message_ms(struct history *history)
{
    if (history_chance(history, 60)) {
        return history->now_ms + PICK(history, -30001, -30000, 5000, 5001, -90001, 600000);
    }
    return history->now_ms - history_between(history, 0, 3000);
}

static int64_t draw_min_mult(struct history *history, int64_t mult)
{
    if (history_chance(history, 40)) {
        return PICK(history, 5000, 5001, INT64_MAX, 0);
    }
    return history_chance(history, 250) ? mult + history_between(history, -1, 1)
                                        : PICK(history, 100, 105);
}

/* One field that makes the tap wrong, or another cell than the one aimed at. */
static void spoil(const struct players *players, struct history *history, struct tap *tap)
{
    const struct config *config = machine_config(history_machine(history));
    switch (history_between(history, 0, 8)) {
    case 0:
        tap->config += PICK(history, -1, 1, -1000000);
        break;
    case 1:
        tap->market = history_text(strcmp(players->market, "OTHER") == 0 ? "THIRD" : "OTHER");
        break;
    case 2:
        tap->market.length = (size_t)PICK(history, 1, (int64_t)tap->market.length - 1);
        break;
    case 3:
        tap->column_ms += PICK(history, 1, -1, 1000, 500);
        break;
    case 4:
        /* Not INT64_MIN: its distance from the engine time has no int64, so no record holds it. */
        tap->column_ms = PICK(history, 0, INT64_MAX, INT64_MAX / 60000 * 60000, INT64_MIN / 2,
                              -60000, tap->column_ms + config->columns * config->column_ms,
                              tap->column_ms - config->columns * config->column_ms);
        break;
    case 5:
        tap->band = PICK(history, INT64_MAX, INT64_MIN, 0, -1, INT64_MAX / 10000);
        break;
    case 6:
        tap->band += PICK(history, -1, 1) * (config->bands / 2 + history_between(history, 0, 1));
        break;
    case 7:
        tap->session = (uint64_t)history_between(history, 1, 1000);
        break;
    default:
        tap->column_ms = (history->now_ms / config->column_ms + config->columns +
                          history_between(history, 0, 1)) *
                         config->column_ms;
        break;
    }
}

/* The cell with the greatest or the least multiplier of all: one of them is near a bound. */
static void aim_at_extreme(struct history *history, const struct grid_view *grid, uint32_t first,
                           struct tap *tap, int64_t *mult)
{
    const bool greatest = history_chance(history, 700);
    for (uint32_t i = first; i < grid->column_count; i++) {
        const struct column_view *column = &grid->columns[i];
        for (uint32_t j = 0; j < column->cell_count; j++) {
            const int64_t here = column->cells[j].mult_centi;
            if (greatest ? here > *mult : here < *mult) {
                *mult = here;
                tap->column_ms = column->column_ms;
                tap->band = column->cells[j].band;
            }
        }
    }
}

/* A cell on offer where there is one, else the one the price is in. */
static void aim_at_cell(struct history *history, struct tap *tap, int64_t *mult)
{
    static struct grid_view grid;
    machine_grid(history_machine(history), &grid);
    const struct config *config = machine_config(history_machine(history));
    tap->column_ms = (history->now_ms / config->column_ms + 2) * config->column_ms;
    tap->band = grid.price_e4 / config->band_e4;
    *mult = 100;
    const int64_t ready_ms = history->now_ms + config->pricing_delay_ms + config->min_lead_ms;
    uint32_t first = 0;
    while (first + 1 < grid.column_count && grid.columns[first].column_ms < ready_ms) {
        first++;
    }
    if (grid.column_count == 0) {
        return;
    }
    const uint32_t left = grid.column_count - first;
    const uint32_t near = left < 3 || history_chance(history, 200) ? left : 3;
    const struct column_view *column = &grid.columns[first + random_below(&history->random, near)];
    tap->column_ms = column->column_ms;
    tap->band = grid.price_e4 / column->band_e4;
    if (column->cell_count > 0) {
        const int64_t last = (int64_t)column->cell_count - 1;
        const int64_t middle = last / 2;
        const int64_t i = PICK(history, 0, last, middle, middle, history_between(history, 0, last),
                               history_between(history, middle > 0 ? middle - 1 : 0, middle));
        tap->band = column->cells[i].band;
        *mult = column->cells[i].mult_centi;
    }
    if (history_chance(history, 150)) {
        aim_at_extreme(history, &grid, first, tap, mult);
    }
}

static void put_tap(struct history *history, const struct tap *tap)
{
    struct input input = {.kind = INPUT_TAP, .of.tap = *tap};
    input.of.tap.signature = signature;
    input.of.tap.signature_bytes = tap->session != 0 ? 64 : LIMIT_SIGNATURE_BYTES;
    history_put_tap(history, &input);
}

static void number_bytes(uint8_t *bytes, uint64_t number)
{
    for (int i = 0; i < 8; i++) {
        bytes[i] = (uint8_t)(number >> (8 * i));
    }
}

void players_tap(struct players *players, struct history *history)
{
    struct tap *tap = &players->past_taps[players->taps % PLAYERS_PAST];
    *tap = (struct tap){
        .market = history_text(players->market),
        .origin = history_text("http://127.0.0.1:8080"),
        .config = 1,
        .message_ms = draw_message_ms(history),
        .stake_micro = 1000000,
        .min_mult_centi = 100,
    };
    memcpy(tap->account, draw_player(players, history), ADDRESS_BYTES);
    players->nonces += 1;
    number_bytes(tap->nonce, players->nonces);
    if (machine_config(history_machine(history)) != NULL) {
        struct market_view market;
        machine_market(history_machine(history), &market);
        int64_t mult;
        aim_at_cell(history, tap, &mult);
        tap->config = (int64_t)market.epoch;
        tap->stake_micro = stakes_draw(history, tap, mult);
        tap->min_mult_centi = draw_min_mult(history, mult);
        if (history_chance(history, 120)) {
            spoil(players, history, tap);
        }
    }
    players->taps += 1;
    put_tap(history, tap);
}

void players_repeat(struct players *players, struct history *history)
{
    if (players->taps == 0) {
        return;
    }
    const uint64_t kept = players->taps < PLAYERS_PAST ? players->taps : PLAYERS_PAST;
    const bool aimed = players->again != NULL;
    struct tap tap =
        aimed ? *players->again : players->past_taps[random_below(&history->random, kept)];
    players->again = NULL;
    switch (history_between(history, 0, 9)) {
    case 0:
        tap.stake_micro ^= 1;
        break;
    case 1:
        tap.origin = history_text("http://localhost:8080");
        break;
    case 2:
        tap.min_mult_centi ^= 1;
        break;
    case 3:
        tap.band ^= 1;
        break;
    case 4:
        memcpy(tap.account, draw_player(players, history), ADDRESS_BYTES);
        break;
    case 5:
    case 6:
        tap.message_ms = history->now_ms; /* a new text under the old nonce, free when it is past */
        break;
    default:
        break;
    }
    put_tap(history, &tap);
    if (aimed && tap.message_ms == history->now_ms) {
        /* Perhaps the nonce is in use again: which of its two uses does the next one meet? */
        struct tap *latest = &players->past_taps[players->taps % PLAYERS_PAST];
        *latest = tap;
        players->taps += 1;
        players->again = latest;
    }
}

/* --- Money --- */

static int64_t draw_amount(struct history *history)
{
    if (history_chance(history, 60)) {
        return PICK(history, 0, -1, 1000000000000001, INT64_MAX, INT64_MIN);
    }
    return PICK(history, 1, 1000000, 5000000, 20000000, 100000000, 1000000000, 10000000000,
                1000000000000000);
}

static void put_transfer(struct players *players, struct history *history, enum input_kind kind,
                         const struct past_transfer *what)
{
    struct past_transfer *past = &players->past_transfers[players->transfers % PLAYERS_PAST];
    *past = *what;
    past->kind = kind;
    players->transfers += 1;
    struct input input = {.kind = kind, .of.transfer = past->transfer};
    input.of.transfer.reference = (struct text_view){past->reference, past->reference_bytes};
    input.of.transfer.operator_name = history_text("property");
    history_put(history, &input);
}

/* Sometimes of a length or with a letter that no reference has. */
static void draw_reference(struct players *players, struct history *history,
                           struct past_transfer *transfer)
{
    players->references += 1;
    int length = snprintf(transfer->reference, sizeof transfer->reference, "ref-%llu",
                          (unsigned long long)players->references);
    if (history_chance(history, 60)) {
        length = (int)PICK(history, 0, 64, 65);
        memset(transfer->reference, 'r', sizeof transfer->reference);
        transfer->reference[0] = (char)history_between(history, ' ', '~');
    } else if (history_chance(history, 20)) {
        transfer->reference[0] = (char)PICK(history, 31, 127, 1);
    }
    transfer->reference_bytes = (size_t)length;
}

static const enum input_kind transfer_kinds[] = {
    INPUT_DEPOSIT,    INPUT_DEPOSIT,       INPUT_DEPOSIT,          INPUT_WITHDRAWAL,
    INPUT_WITHDRAWAL, INPUT_HOUSE_DEPOSIT, INPUT_HOUSE_WITHDRAWAL, INPUT_GOODWILL,
};

/* What an account or the bankroll has, or one more. */
static int64_t draw_all_there_is(struct history *history, enum input_kind kind,
                                 const uint8_t *account)
{
    struct account_view view;
    machine_account(history_machine(history), account, &view);
    struct market_view market;
    machine_market(history_machine(history), &market);
    const struct config *config = machine_config(history_machine(history));
    const int64_t reserve = config == NULL ? 0 : config->house_reserve;
    const int64_t all =
        kind == INPUT_WITHDRAWAL ? view.available_micro : market.bankroll_micro - reserve;
    return all + history_between(history, 0, 1);
}

void players_transfer(struct players *players, struct history *history)
{
    enum input_kind kind = transfer_kinds[random_below(
        &history->random, sizeof transfer_kinds / sizeof transfer_kinds[0])];
    struct past_transfer transfer = {.kind = kind};
    if (players->transfers > 0 && history_chance(history, 200)) {
        const uint64_t kept = players->transfers < PLAYERS_PAST ? players->transfers : PLAYERS_PAST;
        transfer = players->past_transfers[random_below(&history->random, kept)];
        kind = history_chance(history, 200) ? kind : transfer.kind;
        transfer.transfer.amount_micro ^= history_chance(history, 200) ? 1 : 0;
        if (history_chance(history, 100)) {
            memcpy(transfer.transfer.account, draw_player(players, history), ADDRESS_BYTES);
        }
    } else {
        memcpy(transfer.transfer.account, draw_player(players, history), ADDRESS_BYTES);
        const bool takes =
            kind == INPUT_WITHDRAWAL || kind == INPUT_HOUSE_WITHDRAWAL || kind == INPUT_GOODWILL;
        transfer.transfer.amount_micro =
            takes && history_chance(history, 80)
                ? draw_all_there_is(history, kind, transfer.transfer.account)
                : draw_amount(history);
        draw_reference(players, history, &transfer);
    }
    put_transfer(players, history, kind, &transfer);
}

void players_fund(struct players *players, struct history *history)
{
    struct past_transfer transfer = {.kind = INPUT_HOUSE_DEPOSIT};
    transfer.transfer.amount_micro =
        PICK(history, 5000000, 100000000, 10000000000, 1000000000000, 1000000000000000);
    players->references += 1;
    transfer.reference_bytes =
        (size_t)snprintf(transfer.reference, sizeof transfer.reference, "house");
    put_transfer(players, history, INPUT_HOUSE_DEPOSIT, &transfer);
    for (int i = 0; i < players->count - 1; i++) {
        struct past_transfer deposit = {.kind = INPUT_DEPOSIT};
        deposit.transfer.amount_micro =
            PICK(history, 3000000, 50000000, 1000000000, 1000000000, 1000000000000);
        memcpy(deposit.transfer.account, players->addresses[i], ADDRESS_BYTES);
        deposit.reference_bytes =
            (size_t)snprintf(deposit.reference, sizeof deposit.reference, "first-%d", i);
        put_transfer(players, history, INPUT_DEPOSIT, &deposit);
    }
}

/* --- Time --- */

static int64_t draw_bound(struct history *history)
{
    const struct config *config = machine_config(history_machine(history));
    struct market_view market;
    machine_market(history_machine(history), &market);
    const int64_t one = history_between(history, -1, 1);
    const int64_t column_ms = history->now_ms / config->column_ms * config->column_ms;
    const int64_t grid_ms = (history->now_ms / config->tick_ms + 1) * config->tick_ms;
    switch (history_between(history, 0, 6)) {
    case 0: { /* the last moment for some column */
        const int64_t lead = (config->min_lead_ms + config->column_ms - 1) / config->column_ms;
        return column_ms + (lead + history_between(history, 0, 1)) * config->column_ms -
               config->min_lead_ms + one;
    }
    case 1: /* one column more is on offer */
        return column_ms + config->column_ms + one;
    case 2: /* the tick is just young enough to price a bet at once */
        return market.last_tick_ms + 1000 + one;
    case 3: /* betting closes without any record */
        return market.last_tick_ms + config->degraded_ms + one;
    case 4: /* due exactly at a grid point */
        return grid_ms + history_between(history, 0, 3) * config->tick_ms -
               config->pricing_delay_ms % config->tick_ms + one;
    case 5: /* gives up exactly at a grid point */
        return grid_ms + history_between(history, 0, 3) * config->tick_ms -
               (config->pricing_delay_ms + 2000) % config->tick_ms + one;
    default:
        return market.last_tick_ms + config->critical_ms + one;
    }
}

/* A moment at which the nonce of some past tap is just still, or no longer, kept; 0 when none is
 * near. That tap is what players_repeat shows next. */
static int64_t aim_at_nonce(struct players *players, struct history *history, int64_t limit_ms)
{
    const uint64_t kept = players->taps < PLAYERS_PAST ? players->taps : PLAYERS_PAST;
    for (uint64_t i = 0; i < kept; i++) {
        const int64_t end_ms = players->past_taps[i].message_ms + 90000;
        const int64_t at_ms = end_ms + history_between(history, 0, 1);
        if (at_ms >= history->now_ms && at_ms <= limit_ms) {
            players->again = &players->past_taps[i];
            return at_ms;
        }
    }
    return 0;
}

int64_t players_aim(struct players *players, struct history *history, int64_t limit_ms)
{
    if (machine_config(history_machine(history)) != NULL && history_chance(history, 30)) {
        const int64_t at_ms = aim_at_nonce(players, history, limit_ms);
        if (at_ms != 0) {
            return at_ms;
        }
    }
    if (machine_config(history_machine(history)) != NULL && history_chance(history, 500)) {
        for (int attempt = 0; attempt < 4; attempt++) {
            const int64_t bound_ms = draw_bound(history);
            if (bound_ms >= history->now_ms && bound_ms <= limit_ms) {
                return bound_ms;
            }
        }
    }
    const int64_t soon_ms = history->now_ms + history_between(history, 0, 40);
    return soon_ms < limit_ms ? soon_ms : history->now_ms;
}
