/* Reads what snapshot.c writes. The bytes come from outside: every count, enum and link is checked
 * before it is used, the tables are rebuilt by the same functions that fill them in normal life,
 * and at the end every invariant must hold. */
#include <stddef.h>
#include <string.h>

#include "base/bytes.h"
#include "statemachine/limits.h"
#include "statemachine/machine.h"
#include "statemachine/odds.h"
#include "statemachine/risk.h"
#include "statemachine/snapshot.h"
#include "statemachine/state.h"

struct reader {
    const uint8_t *bytes;
    size_t left;
    enum status status; /* the first error; then every field reads as 0 */
};

static void fail(struct reader *reader, enum status status)
{
    if (reader->status == STATUS_OK) {
        reader->status = status;
    }
}

static bool fine(const struct reader *reader)
{
    return reader->status == STATUS_OK;
}

static void get_bytes(struct reader *reader, void *to, size_t count)
{
    if (!fine(reader) || reader->left < count) {
        fail(reader, STATUS_DAMAGED);
        memset(to, 0, count);
        return;
    }
    memcpy(to, reader->bytes, count);
    reader->bytes += count;
    reader->left -= count;
}

static uint8_t get_u8(struct reader *reader)
{
    uint8_t value;
    get_bytes(reader, &value, 1);
    return value;
}

static uint32_t get_u32(struct reader *reader)
{
    uint8_t bytes[4];
    get_bytes(reader, bytes, sizeof bytes);
    return load_u32(bytes);
}

static uint64_t get_u64(struct reader *reader)
{
    uint8_t bytes[8];
    get_bytes(reader, bytes, sizeof bytes);
    return load_u64(bytes);
}

static int64_t get_i64(struct reader *reader)
{
    return (int64_t)get_u64(reader);
}

static void require(struct reader *reader, bool holds)
{
    if (!holds) {
        fail(reader, STATUS_DAMAGED);
    }
}

/* The count of a list, which must fit its table. */
static uint32_t get_count(struct reader *reader, uint32_t capacity)
{
    const uint32_t count = get_u32(reader);
    if (count > capacity) {
        fail(reader, STATUS_FULL);
        return 0;
    }
    return count;
}

static void get_magic(struct reader *reader)
{
    char magic[SNAPSHOT_MAGIC_BYTES];
    get_bytes(reader, magic, sizeof magic);
    require(reader, memcmp(magic, SNAPSHOT_MAGIC, sizeof magic) == 0);
}

static void get_versions(struct reader *reader, struct machine *machine)
{
    get_magic(reader);
    const uint32_t layout = get_u32(reader);
    const struct rules *rules = rules_of(get_u32(reader));
    if (layout != SNAPSHOT_LAYOUT_VERSION || rules == NULL) {
        fail(reader, STATUS_VERSION);
        return;
    }
    machine->rules = rules;
}

static void get_limits(struct reader *reader, struct machine *machine)
{
    struct machine_limits limits;
    limits.accounts_max = get_u32(reader);
    limits.open_bets_max = get_u32(reader);
    limits.nonces_max = get_u32(reader);
    limits.transfers_max = get_u32(reader);
    require(reader, limits_are_possible(&limits));
    if (fine(reader)) {
        limits_put(machine, &limits);
    }
}

static void get_market(struct reader *reader, struct machine *machine)
{
    machine->seq = get_u64(reader);
    machine->time_ms = get_i64(reader);
    machine->epoch = get_u64(reader);
    get_bytes(reader, machine->config.market, LIMIT_MARKET_BYTES);
    require(reader, get_u32(reader) == CONFIG_KEY_COUNT);
    for (unsigned key = 0; key < CONFIG_KEY_COUNT; key++) {
        config_set(&machine->config, (enum config_key)key, get_i64(reader));
    }
    if (machine->epoch != 0) {
        require(reader, config_problem(&machine->config) == NULL);
    }
    machine->grid.band_e4_from = get_i64(reader);
    machine->grid.band_e4_before = get_i64(reader);
    machine->grid.band_e4_before_from = get_i64(reader);
    machine->grid.band_e4_oldest = get_i64(reader);
    machine->grid.offered_until_ms = get_i64(reader);
    require(reader, machine->epoch == 0 ||
                        (config_value_in_range(CONFIG_band_e4, machine->grid.band_e4_before) &&
                         config_value_in_range(CONFIG_band_e4, machine->grid.band_e4_oldest)));
    require(reader, machine->grid.band_e4_before_from <= machine->grid.band_e4_from);
    const uint8_t breaker = get_u8(reader);
    require(reader, breaker <= BREAKER_CRITICAL);
    machine->breaker.state = (enum breaker_state)breaker;
    machine->breaker.since_ms = get_i64(reader);
    machine->breaker.last_ms = get_i64(reader);
    machine->breaker.stable_since_ms = get_i64(reader);
    require(reader, machine->breaker.last_ms >= 0 && machine->breaker.stable_since_ms >= 0);
}

static void get_ticks(struct reader *reader, struct machine *machine)
{
    const int64_t valid_ms = get_i64(reader);
    const int64_t valid_price_e4 = get_i64(reader);
    require(reader, valid_ms >= 0 && (valid_ms > 0) == (valid_price_e4 > 0));
    require(reader, valid_price_e4 <= TICK_PRICE_MAX_E4);
    require(reader, valid_ms == machine->breaker.last_ms);
    require(reader, valid_ms == 0 || valid_ms <= machine->time_ms);
    const uint32_t count = get_u32(reader);
    require(reader, count <= TICKS_KEPT);
    for (uint32_t i = 0; fine(reader) && i < count; i++) {
        struct tick tick;
        tick.grid_ms = get_i64(reader);
        tick.price_e4 = get_i64(reader);
        tick.sources = get_u32(reader);
        tick.set = get_u32(reader);
        require(reader, tick.grid_ms > ticks_last_ms(&machine->ticks) &&
                            tick.grid_ms <= machine->time_ms && tick.price_e4 >= 0 &&
                            tick.price_e4 <= TICK_PRICE_MAX_E4);
        if (fine(reader)) {
            ticks_store(&machine->ticks, &tick);
        }
    }
    machine->ticks.valid_ms = valid_ms;
    machine->ticks.valid_price_e4 = valid_price_e4;
    machine->volatility.fast_q64 = get_u64(reader);
    machine->volatility.slow_q64 = get_u64(reader);
    machine->volatility.samples = get_i64(reader);
    const int64_t samples = machine->volatility.samples;
    require(reader, samples >= 0);
    require(reader, samples == 0 || samples <= machine->time_ms / 1000); /* at most one a second */
    if (machine->epoch != 0) {
        require(reader, config_value_in_range(CONFIG_vol_fast_start,
                                              (int64_t)machine->volatility.fast_q64));
        require(reader, config_value_in_range(CONFIG_vol_slow_start,
                                              (int64_t)machine->volatility.slow_q64));
    }
}

static void get_accounts(struct reader *reader, struct machine *machine)
{
    machine->bankroll_micro = get_i64(reader);
    machine->external_micro = get_i64(reader);
    const uint32_t count = get_count(reader, machine->accounts.capacity);
    for (uint32_t i = 0; fine(reader) && i < count; i++) {
        uint8_t address[ADDRESS_BYTES];
        get_bytes(reader, address, sizeof address);
        require(reader, accounts_find(&machine->accounts, address) == 0);
        if (fine(reader)) {
            struct account *account =
                &machine->accounts.records[accounts_open(&machine->accounts, address)];
            account->available_micro = get_i64(reader);
            account->held_micro = get_i64(reader);
        }
    }
}

/* A column keeps its slot to itself: another one there can only come from damage. */
static bool column_is_possible(const struct machine *machine, int64_t column_ms)
{
    const int64_t step_ms = machine->config.column_ms;
    if (column_ms <= 0 || column_ms % step_ms != 0) {
        return false;
    }
    for (uint32_t i = 0; i < POSITION_COLUMNS; i++) {
        const struct column *column = &machine->positions.columns[i];
        if (column->bets > 0 && column->column_ms != column_ms &&
            (column->column_ms - column_ms) / step_ms % POSITION_COLUMNS == 0) {
            return false;
        }
    }
    return true;
}

static bool payout_is_possible(const struct machine *machine, const struct position *bet)
{
    if (bet->mult_centi < ODDS_MULT_MIN_CENTI || bet->mult_centi > ODDS_MULT_MAX_CENTI ||
        !rules_payout_is_known(machine->rules, bet->stake_micro, bet->mult_centi,
                               bet->payout_micro)) {
        return false;
    }
    const int64_t in_cell = positions_cell_payouts(&machine->positions, bet->column_ms, bet->band);
    /* A small stake may pay nothing, where payouts are rounded down to more than a micro-USD. */
    return in_cell + bet->payout_micro == 0 ||
           config_value_in_range(CONFIG_cell_payout_max, in_cell + bet->payout_micro);
}

/* Confirms a bet that was just accepted, with what its pricing gave. No postings: the balances are
 * those of the snapshot, and what the columns hold follows from their bets. */
static void get_confirmed(struct reader *reader, struct machine *machine, uint32_t number)
{
    struct position *bet = &machine->positions.records[number];
    bet->mult_centi = get_u32(reader);
    bet->payout_micro = get_i64(reader);
    bet->priced_at_ms = get_i64(reader);
    bet->priced_seq = get_u64(reader);
    bet->tick_ms = get_i64(reader);
    bet->price_e4 = get_i64(reader);
    const int64_t band_e4 = get_i64(reader);
    require(reader, config_value_in_range(CONFIG_band_e4, band_e4));
    require(reader, payout_is_possible(machine, bet));
    require(reader, fine(reader) && column_is_possible(machine, bet->column_ms));
    if (!fine(reader)) {
        return;
    }
    const struct column *known =
        positions_column(&machine->positions, machine->config.column_ms, bet->column_ms);
    if (known != NULL && known->band_e4 != band_e4) {
        fail(reader, STATUS_DAMAGED);
        return;
    }
    struct column *column;
    positions_confirm(&machine->positions, machine->config.column_ms, band_e4, number, &column);
    column->escrow_micro += bet->stake_micro;
    column->reserved_micro = risk_set_aside(column->largest_micro, column->escrow_micro);
}

static void get_bet(struct reader *reader, struct machine *machine, uint64_t *last_bet)
{
    struct position bet = {.bet = get_u64(reader)};
    const uint8_t state = get_u8(reader);
    bet.user_id = get_u32(reader);
    get_bytes(reader, bet.nonce, NONCE_BYTES);
    bet.config = get_u64(reader);
    bet.session = get_u64(reader);
    bet.column_ms = get_i64(reader);
    bet.band = get_i64(reader);
    bet.stake_micro = get_i64(reader);
    bet.min_mult_centi = get_i64(reader);
    bet.accepted_at_ms = get_i64(reader);
    require(reader, machine->epoch != 0 && bet.bet > *last_bet);
    require(reader, state == BET_ACCEPTED || state == BET_CONFIRMED);
    require(reader, bet.user_id >= 1 && bet.user_id <= machine->accounts.count);
    require(reader, config_value_in_range(CONFIG_stake_max, bet.stake_micro));
    if (!fine(reader)) {
        return;
    }
    *last_bet = bet.bet;
    struct account *account = &machine->accounts.records[bet.user_id];
    const uint32_t number = positions_accept(&machine->positions, account, &bet);
    if (state == BET_CONFIRMED) {
        /* Bets are priced in id order, so none that waits is older than one that runs. */
        require(reader, machine->positions.first_waiting == number);
        if (fine(reader)) {
            get_confirmed(reader, machine, number);
        }
    }
}

static void get_bets(struct reader *reader, struct machine *machine)
{
    const uint32_t count = get_count(reader, machine->positions.capacity);
    uint64_t last_bet = 0;
    for (uint32_t i = 0; fine(reader) && i < count; i++) {
        get_bet(reader, machine, &last_bet);
    }
    require(reader, last_bet <= machine->seq);
}

static void get_nonces(struct reader *reader, struct machine *machine)
{
    const uint32_t count = get_count(reader, machine->nonces.capacity);
    for (uint32_t i = 0; fine(reader) && i < count; i++) {
        struct nonce entry = {0};
        get_bytes(reader, entry.account, ADDRESS_BYTES);
        get_bytes(reader, entry.nonce, NONCE_BYTES);
        entry.message_ms = get_i64(reader);
        entry.bet = get_u64(reader);
        entry.digest.first = get_u64(reader);
        entry.digest.second = get_u64(reader);
        require(reader, nonces_fit(&machine->nonces, entry.message_ms));
        if (fine(reader)) {
            nonces_put(&machine->nonces, &entry);
        }
    }
}

static void get_transfers(struct reader *reader, struct machine *machine)
{
    const uint32_t count = get_count(reader, machine->transfers.capacity);
    for (uint32_t i = 0; fine(reader) && i < count; i++) {
        struct transfer_record record = {.seq = get_u64(reader)};
        record.type = get_u8(reader);
        get_bytes(reader, record.account, ADDRESS_BYTES);
        record.amount_micro = get_i64(reader);
        record.reference_length = get_u8(reader);
        require(reader, record.type >= REF_DEPOSIT && record.type <= REF_GOODWILL);
        require(reader,
                record.reference_length >= 1 && record.reference_length <= LIMIT_REFERENCE_BYTES);
        if (fine(reader)) {
            get_bytes(reader, record.reference, record.reference_length);
        }
        if (fine(reader)) {
            transfers_put(&machine->transfers, &record);
        }
    }
}

enum status machine_restore(void *arena, const struct machine_limits *limits, const uint8_t *bytes,
                            size_t count, struct machine **machine)
{
    struct machine *made = machine_init(arena, limits);
    struct reader reader = {.bytes = bytes, .left = count, .status = STATUS_OK};
    get_versions(&reader, made);
    get_limits(&reader, made);
    get_market(&reader, made);
    get_ticks(&reader, made);
    get_accounts(&reader, made);
    get_bets(&reader, made);
    get_nonces(&reader, made);
    get_transfers(&reader, made);
    get_magic(&reader);
    require(&reader, reader.left == 0);
    if (fine(&reader)) {
        require(&reader, machine_invariant(made) == NULL);
    }
    if (fine(&reader)) {
        *machine = made;
    }
    return reader.status;
}
