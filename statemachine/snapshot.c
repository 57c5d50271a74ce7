/* The whole state as canonical bytes, little-endian, without padding. Everything that follows from
 * something else (tables, queues, cells, columns, held stakes' bets) is left out and rebuilt by
 * restore.c: what is written is in the order of ids or of first use, so equal states give equal
 * bytes whatever way the tables were filled.
 *
 *   magic 8 | layout u32 | rules u32 | limits | seq | time | epoch | config | grid | breaker |
 * ticks | volatility | bankroll | external | accounts | open bets | nonces | transfers | magic 8
 *
 * Lists begin with their count as u32. Rules and limits are those in force; what the
 * arena has room for is not state and not in here. */
#include "statemachine/snapshot.h"

#include <string.h>

#include "base/bytes.h"
#include "statemachine/machine.h"
#include "statemachine/state.h"

/* Collects small fields, so that the caller's function is not called for each. */
struct writer {
    void *context;
    void (*write)(void *context, const uint8_t *bytes, size_t count);
    size_t used;
    uint8_t buffer[4096];
};

static void flush(struct writer *writer)
{
    if (writer->used > 0) {
        writer->write(writer->context, writer->buffer, writer->used);
        writer->used = 0;
    }
}

/* Room for the next `count` bytes, which are at most a field's. */
static uint8_t *room(struct writer *writer, size_t count)
{
    if (writer->used + count > sizeof writer->buffer) {
        flush(writer);
    }
    uint8_t *to = writer->buffer + writer->used;
    writer->used += count;
    return to;
}

static void put_bytes(struct writer *writer, const void *bytes, size_t count)
{
    memcpy(room(writer, count), bytes, count);
}

static void put_u8(struct writer *writer, uint8_t value)
{
    *room(writer, 1) = value;
}

static void put_u32(struct writer *writer, uint32_t value)
{
    store_u32(room(writer, 4), value);
}

static void put_u64(struct writer *writer, uint64_t value)
{
    store_u64(room(writer, 8), value);
}

static void put_i64(struct writer *writer, int64_t value)
{
    put_u64(writer, (uint64_t)value);
}

static void put_limits(struct writer *writer, const struct machine_limits *limits)
{
    put_u32(writer, limits->accounts_max);
    put_u32(writer, limits->open_bets_max);
    put_u32(writer, limits->nonces_max);
    put_u32(writer, limits->transfers_max);
}

static void put_market(struct writer *writer, const struct machine *machine)
{
    put_u64(writer, machine->seq);
    put_i64(writer, machine->time_ms);
    put_u64(writer, machine->epoch);
    put_bytes(writer, machine->config.market, LIMIT_MARKET_BYTES);
    put_u32(writer, CONFIG_KEY_COUNT);
    for (unsigned key = 0; key < CONFIG_KEY_COUNT; key++) {
        put_i64(writer, config_get(&machine->config, (enum config_key)key));
    }
    put_i64(writer, machine->grid.band_e4_from);
    put_i64(writer, machine->grid.band_e4_before);
    put_i64(writer, machine->grid.band_e4_before_from);
    put_i64(writer, machine->grid.band_e4_oldest);
    put_i64(writer, machine->grid.offered_until_ms);
    put_u8(writer, (uint8_t)machine->breaker.state);
    put_i64(writer, machine->breaker.since_ms);
    put_i64(writer, machine->breaker.last_ms);
    put_i64(writer, machine->breaker.stable_since_ms);
}

static void put_ticks(struct writer *writer, const struct machine *machine)
{
    const struct ticks *ticks = &machine->ticks;
    put_i64(writer, ticks->valid_ms);
    put_i64(writer, ticks->valid_price_e4);
    put_u32(writer, ticks_count(ticks));
    for (uint32_t i = 0; i < ticks_count(ticks); i++) {
        const struct tick *tick = ticks_at(ticks, i);
        put_i64(writer, tick->grid_ms);
        put_i64(writer, tick->price_e4);
        put_u32(writer, tick->sources);
        put_u32(writer, tick->set);
    }
    put_u64(writer, machine->volatility.fast_q64);
    put_u64(writer, machine->volatility.slow_q64);
    put_i64(writer, machine->volatility.samples);
}

static void put_accounts(struct writer *writer, const struct machine *machine)
{
    put_i64(writer, machine->bankroll_micro);
    put_i64(writer, machine->external_micro);
    put_u32(writer, machine->accounts.count);
    for (uint32_t user_id = 1; user_id <= machine->accounts.count; user_id++) {
        const struct account *account = &machine->accounts.records[user_id];
        put_bytes(writer, account->address, ADDRESS_BYTES);
        put_i64(writer, account->available_micro);
        put_i64(writer, account->held_micro);
    }
}

static void put_bet(struct writer *writer, const struct position *bet, int64_t band_e4)
{
    put_u64(writer, bet->bet);
    put_u8(writer, (uint8_t)bet->state);
    put_u32(writer, bet->user_id);
    put_bytes(writer, bet->nonce, NONCE_BYTES);
    put_u64(writer, bet->config);
    put_u64(writer, bet->session);
    put_i64(writer, bet->column_ms);
    put_i64(writer, bet->band);
    put_i64(writer, bet->stake_micro);
    put_i64(writer, bet->min_mult_centi);
    put_i64(writer, bet->accepted_at_ms);
    if (bet->state != BET_CONFIRMED) {
        return;
    }
    put_u32(writer, bet->mult_centi);
    put_i64(writer, bet->payout_micro);
    put_i64(writer, bet->priced_at_ms);
    put_u64(writer, bet->priced_seq);
    put_i64(writer, bet->tick_ms);
    put_i64(writer, bet->price_e4);
    put_i64(writer, band_e4); /* W of its column */
}

static void put_bets(struct writer *writer, const struct machine *machine)
{
    const struct positions *positions = &machine->positions;
    put_u32(writer, positions->open_count);
    for (uint32_t number = positions->first_open; number != 0;
         number = positions->records[number].open_next) {
        const struct position *bet = &positions->records[number];
        const struct column *column =
            bet->state == BET_CONFIRMED
                ? positions_column(positions, machine->config.column_ms, bet->column_ms)
                : NULL;
        put_bet(writer, bet, column == NULL ? 0 : column->band_e4);
    }
}

static void put_nonces(struct writer *writer, const struct nonces *nonces)
{
    put_u32(writer, nonces->count);
    for (uint32_t number = nonces->first; number != 0; number = nonces->links[number].next) {
        const struct nonce *entry = &nonces->records[number];
        put_bytes(writer, entry->account, ADDRESS_BYTES);
        put_bytes(writer, entry->nonce, NONCE_BYTES);
        put_i64(writer, entry->message_ms);
        put_u64(writer, entry->bet);
        put_u64(writer, entry->digest.first);
        put_u64(writer, entry->digest.second);
    }
}

static void put_transfers(struct writer *writer, const struct transfers *transfers)
{
    put_u32(writer, transfers->count);
    for (uint32_t number = 1; number <= transfers->count; number++) {
        const struct transfer_record *record = &transfers->records[number];
        put_u64(writer, record->seq);
        put_u8(writer, record->type);
        put_bytes(writer, record->account, ADDRESS_BYTES);
        put_i64(writer, record->amount_micro);
        put_u8(writer, record->reference_length);
        put_bytes(writer, record->reference, record->reference_length);
    }
}

void machine_snapshot(const struct machine *machine, void *context,
                      void (*write)(void *context, const uint8_t *bytes, size_t count))
{
    struct writer writer = {.context = context, .write = write};
    put_bytes(&writer, SNAPSHOT_MAGIC, SNAPSHOT_MAGIC_BYTES);
    put_u32(&writer, SNAPSHOT_LAYOUT_VERSION);
    put_u32(&writer, machine->rules->version);
    put_limits(&writer, &machine->limits);
    put_market(&writer, machine);
    put_ticks(&writer, machine);
    put_accounts(&writer, machine);
    put_bets(&writer, machine);
    put_nonces(&writer, &machine->nonces);
    put_transfers(&writer, &machine->transfers);
    put_bytes(&writer, SNAPSHOT_MAGIC, SNAPSHOT_MAGIC_BYTES);
    flush(&writer);
}
