#include "replay/digest.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/check.h"
#include "base/limits.h"
#include "journal/sha256.h"

/* The bytes of a record gather here and are hashed at once; a record that says more than this is
 * hashed in pieces. Small enough to stay in the processor's first cache. */
#define GATHER_BYTES 8192

/* One element never needs more; the largest are the config event and a column's. */
#define ELEMENT_BYTES_MAX 512

/* The first byte of an element: the kind of an event, or this bit with account and ref_type. */
#define POSTING_BIT   0x80
#define ACCOUNT_SHIFT 4

_Static_assert(ELEMENT_BYTES_MAX < GATHER_BYTES, "an element fits");
_Static_assert(EVENT_RECOVERY < POSTING_BIT, "an event's kind is no posting");
_Static_assert(LEDGER_EXTERNAL < 8 && REF_COLUMN < 16, "account and ref_type share a byte");
_Static_assert(LIMIT_REFERENCE_BYTES <= UINT8_MAX, "a reference's length is a byte");
_Static_assert(28 + CONFIG_KEY_COUNT * 8 + LIMIT_MARKET_BYTES + 1 <= ELEMENT_BYTES_MAX,
               "a config fits");

struct digest {
    struct sha256_stream *hash;
    struct event_sink sink;
    const struct event_sink *next;
    bool within; /* between begin and end */
    uint64_t seq;
    int64_t time_ms;
    uint32_t line; /* of the next posting */
    uint8_t *at;   /* in `gathered`: behind what waits to be hashed */
    uint8_t value[HASH_BYTES];
    uint8_t gathered[GATHER_BYTES + 2 * SHA256_BLOCK_BYTES]; /* and the padding */
};

static void put_u8(struct digest *digest, uint32_t value)
{
    CHECK(value <= UINT8_MAX);
    *digest->at = (uint8_t)value;
    digest->at += 1;
}

static void put_u32(struct digest *digest, uint64_t value)
{
    CHECK(value <= UINT32_MAX);
    store_u32(digest->at, (uint32_t)value);
    digest->at += 4;
}

static void put_u64(struct digest *digest, uint64_t value)
{
    store_u64(digest->at, value);
    digest->at += 8;
}

static void put_i64(struct digest *digest, int64_t value)
{
    put_u64(digest, (uint64_t)value);
}

static void put_bytes(struct digest *digest, const uint8_t *bytes, size_t count)
{
    memcpy(digest->at, bytes, count);
    digest->at += count;
}

/* Hashes the whole blocks of what has gathered. */
static void flush(struct digest *digest)
{
    const size_t count = (size_t)(digest->at - digest->gathered);
    const size_t rest = count % SHA256_BLOCK_BYTES;
    sha256_stream_blocks(digest->hash, digest->gathered, count / SHA256_BLOCK_BYTES);
    memmove(digest->gathered, digest->at - rest, rest);
    digest->at = digest->gathered + rest;
}

/* Room for one element: those that put it in need not ask again. */
static void make_room(struct digest *digest)
{
    CHECK(digest->within);
    if (digest->gathered + GATHER_BYTES - digest->at < ELEMENT_BYTES_MAX) {
        flush(digest);
    }
}

/* --- Bets ---------------------------------------------------------------------------------------
 * Each event of a bet has the fields that it is the first to tell. Of those left out, the ones that
 * must repeat the record's own seq and time, or be zero, are checked here; the ones that an earlier
 * event of the bet has told are checked by a test (the state machine keeps them in one place). */

static void check_not_settled(const struct bet *bet)
{
    CHECK(bet->settled_at_ms == 0 && bet->settled_seq == 0 && bet->settle_price_e4 == 0);
    CHECK(bet->paid_micro == 0);
}

static void check_priced_now(const struct digest *digest, const struct bet *bet)
{
    CHECK(bet->priced_seq == digest->seq && bet->priced_at_ms == digest->time_ms);
}

static void check_without_price(const struct bet *bet)
{
    CHECK(bet->mult_centi == 0 && bet->payout_micro == 0);
}

/* What every later event says of a bet besides what it adds. The bounds are told each time: they
 * follow the W of the column, which need not be that of the acceptance. */
static void put_known_bet(struct digest *digest, const struct bet *bet)
{
    CHECK(bet->accepted_seq == bet->bet);
    put_u64(digest, bet->bet);
    put_i64(digest, bet->lo_e4);
    put_i64(digest, bet->hi_e4);
}

static void put_accepted(struct digest *digest, const struct bet *bet)
{
    CHECK(bet->state == BET_ACCEPTED && bet->reason == REASON_NONE);
    CHECK(bet->bet == digest->seq && bet->accepted_seq == digest->seq);
    CHECK(bet->accepted_at_ms == digest->time_ms);
    CHECK(bet->priced_seq == 0 && bet->priced_at_ms == 0);
    CHECK(bet->tick_ms == 0 && bet->price_e4 == 0);
    check_without_price(bet);
    check_not_settled(bet);
    put_u32(digest, bet->user_id);
    put_bytes(digest, bet->nonce, NONCE_BYTES);
    put_i64(digest, bet->column_ms);
    put_i64(digest, bet->band);
    put_i64(digest, bet->lo_e4);
    put_i64(digest, bet->hi_e4);
    put_i64(digest, bet->stake_micro);
    put_i64(digest, bet->min_mult_centi);
    put_i64(digest, bet->config);
    put_u64(digest, bet->session);
}

static void put_confirmed(struct digest *digest, const struct bet *bet)
{
    CHECK(bet->state == BET_CONFIRMED && bet->reason == REASON_NONE);
    check_priced_now(digest, bet);
    check_not_settled(bet);
    put_known_bet(digest, bet);
    put_u32(digest, bet->mult_centi);
    put_i64(digest, bet->payout_micro);
    put_i64(digest, bet->tick_ms);
    put_i64(digest, bet->price_e4);
}

/* A bet refused in its own step was never accepted: all that is known of it stands here. */
static void put_never_accepted(struct digest *digest, const struct bet *bet)
{
    CHECK(bet->bet == digest->seq && bet->accepted_at_ms == 0);
    put_u32(digest, bet->user_id);
    put_bytes(digest, bet->account, ADDRESS_BYTES);
    put_bytes(digest, bet->nonce, NONCE_BYTES);
    put_i64(digest, bet->column_ms);
    put_i64(digest, bet->band);
    put_i64(digest, bet->lo_e4);
    put_i64(digest, bet->hi_e4);
    put_i64(digest, bet->stake_micro);
    put_i64(digest, bet->min_mult_centi);
    put_i64(digest, bet->config);
    put_u64(digest, bet->session);
}

static void put_rejected(struct digest *digest, const struct bet *bet)
{
    const bool accepted = bet->accepted_seq != 0;
    CHECK(bet->state == BET_REJECTED);
    check_priced_now(digest, bet);
    check_without_price(bet);
    check_not_settled(bet);
    put_u8(digest, accepted ? 1 : 0);
    if (accepted) {
        put_known_bet(digest, bet);
    } else {
        put_never_accepted(digest, bet);
    }
    put_u8(digest, (uint32_t)bet->reason);
    put_i64(digest, bet->tick_ms);
    put_i64(digest, bet->price_e4);
}

static void put_settled(struct digest *digest, const struct bet *bet)
{
    CHECK(bet->settled_seq == digest->seq && bet->settled_at_ms == digest->time_ms);
    put_known_bet(digest, bet);
    put_u8(digest, (uint32_t)bet->state);
    put_u8(digest, (uint32_t)bet->reason);
    put_i64(digest, bet->paid_micro);
    put_i64(digest, bet->settle_price_e4);
}

/* --- The other events and the postings ----------------------------------------------------------
 */

static void put_column(struct digest *digest, const struct column_result *column)
{
    put_i64(digest, column->column_ms);
    put_i64(digest, column->band_e4);
    put_u8(digest, column->is_void ? 1 : 0);
    put_u8(digest, (uint32_t)column->reason);
    put_i64(digest, column->price_e4);
    put_i64(digest, column->price_e4 > 0 ? column->band : 0);
    for (size_t i = 0; i < SETTLEMENT_TICKS; i++) {
        put_i64(digest, column->ticks[i].time_ms);
        put_i64(digest, column->ticks[i].price_e4);
        put_u32(digest, column->ticks[i].sources);
        put_u32(digest, column->ticks[i].set);
    }
    put_i64(digest, column->bets);
    put_i64(digest, column->stakes_micro);
    put_i64(digest, column->paid_micro);
}

static void put_config(struct digest *digest, const struct config *config)
{
    put_bytes(digest, (const uint8_t *)config->market, sizeof config->market);
    put_u32(digest, CONFIG_KEY_COUNT);
    const int64_t values[] = {
#define X(name, standard, least, greatest, fixed) config->name,
        CONFIG_KEY_LIST(X)
#undef X
    };
    for (size_t i = 0; i < CONFIG_KEY_COUNT; i++) {
        put_i64(digest, values[i]);
    }
}

static void put_event(struct digest *digest, const struct event *event)
{
    put_u8(digest, (uint32_t)event->kind);
    switch (event->kind) {
    case EVENT_CONFIG:
        put_u64(digest, event->of.config.epoch);
        put_i64(digest, event->of.config.band_e4_from);
        put_i64(digest, event->of.config.band_e4_before);
        put_config(digest, event->of.config.config);
        return;
    case EVENT_CONFIG_REFUSED:
    case EVENT_RULES_REFUSED:
        /* The line for people is left out: its wording may improve, history may not change. */
        put_u8(digest, (uint32_t)event->of.refusal.reason);
        return;
    case EVENT_ACCOUNT_OPENED:
        put_u64(digest, event->of.account.user_id);
        put_bytes(digest, event->of.account.address, ADDRESS_BYTES);
        return;
    case EVENT_TRANSFER_APPLIED:
    case EVENT_TRANSFER_REPEATED:
    case EVENT_TRANSFER_REFUSED:
        put_u64(digest, event->of.transfer.first_seq);
        put_u8(digest, (uint32_t)event->of.transfer.reason);
        return;
    case EVENT_TAP_REFUSED:
    case EVENT_TAP_REPEATED:
        put_bytes(digest, event->of.tap.account, ADDRESS_BYTES);
        put_bytes(digest, event->of.tap.nonce, NONCE_BYTES);
        put_u64(digest, event->of.tap.bet);
        put_u8(digest, (uint32_t)event->of.tap.reason);
        return;
    case EVENT_BET_ACCEPTED:
        put_accepted(digest, event->of.bet);
        return;
    case EVENT_BET_CONFIRMED:
        put_confirmed(digest, event->of.bet);
        return;
    case EVENT_BET_REJECTED:
        put_rejected(digest, event->of.bet);
        return;
    case EVENT_BET_SETTLED:
        put_settled(digest, event->of.bet);
        return;
    case EVENT_COLUMN_SETTLED:
        put_column(digest, event->of.column);
        return;
    case EVENT_TICK:
    case EVENT_TICK_IGNORED:
        put_i64(digest, event->of.tick.grid_ms);
        put_i64(digest, event->of.tick.price_e4);
        put_i64(digest, event->of.tick.spread_e4);
        put_u32(digest, event->of.tick.sources);
        put_u32(digest, event->of.tick.set);
        return;
    case EVENT_BREAKER:
        put_u8(digest, (uint32_t)event->of.breaker.from);
        put_u8(digest, (uint32_t)event->of.breaker.to);
        return;
    case EVENT_START:
        return;
    case EVENT_RECOVERY:
        put_u64(digest, event->of.recovery.kept_to);
        put_u64(digest, event->of.recovery.lost_to);
        return;
    case EVENT_RULES:
        put_u32(digest, event->of.rules.from);
        put_u32(digest, event->of.rules.to);
        return;
    }
    const bool kind_has_an_encoding = false;
    CHECK(kind_has_an_encoding);
}

/* The holder's address is not told: EVENT_ACCOUNT_OPENED bound it to the user id. */
static void put_holder(struct digest *digest, const struct posting *posting)
{
    switch (posting->account) {
    case LEDGER_AVAILABLE:
    case LEDGER_HELD:
        put_u32(digest, posting->user_id);
        return;
    case LEDGER_ESCROW:
    case LEDGER_RESERVED:
        put_i64(digest, posting->column_ms);
        return;
    case LEDGER_BANKROLL:
    case LEDGER_EXTERNAL:
        return;
    }
    const bool account_has_an_encoding = false;
    CHECK(account_has_an_encoding);
}

static void put_posting(struct digest *digest, const struct posting *posting)
{
    CHECK(posting->line == digest->line);
    digest->line += 1;
    CHECK((unsigned)posting->ref_type <= REF_COLUMN);
    put_u8(digest,
           POSTING_BIT | (uint32_t)posting->account << ACCOUNT_SHIFT | (uint32_t)posting->ref_type);
    put_holder(digest, posting);
    put_i64(digest, posting->amount_micro);
    put_i64(digest, posting->balance_after_micro);
    if (posting->ref_type > REF_GOODWILL) {
        put_u64(digest, posting->ref_id);
        return;
    }
    put_u8(digest, posting->reference_length);
    put_bytes(digest, (const uint8_t *)posting->reference, posting->reference_length);
}

static void take_event(void *context, const struct event *event)
{
    struct digest *digest = context;
    make_room(digest);
    put_event(digest, event);
    if (digest->next != NULL) {
        digest->next->event(digest->next->context, event);
    }
}

static void take_posting(void *context, const struct posting *posting)
{
    struct digest *digest = context;
    make_room(digest);
    put_posting(digest, posting);
    if (digest->next != NULL) {
        digest->next->posting(digest->next->context, posting);
    }
}

enum status digest_open(struct digest **digest)
{
    struct digest *made = calloc(1, sizeof *made);
    if (made == NULL) {
        return STATUS_NO_MEMORY;
    }
    if (sha256_stream_open(&made->hash) != STATUS_OK) {
        free(made);
        return STATUS_NO_MEMORY;
    }
    made->sink = (struct event_sink){made, take_event, take_posting};
    *digest = made;
    return STATUS_OK;
}

void digest_restore(struct digest *digest, const uint8_t *value)
{
    CHECK(!digest->within);
    memcpy(digest->value, value, HASH_BYTES);
}

void digest_begin(struct digest *digest, uint64_t seq, int64_t time_ms,
                  const struct event_sink *next)
{
    CHECK(!digest->within);
    digest->within = true;
    digest->next = next;
    digest->seq = seq;
    digest->time_ms = time_ms;
    digest->line = 0;
    sha256_stream_begin(digest->hash);
    digest->at = digest->gathered;
    put_bytes(digest, digest->value, HASH_BYTES);
    put_i64(digest, time_ms);
}

const struct event_sink *digest_sink(struct digest *digest)
{
    return &digest->sink;
}

void digest_end(struct digest *digest)
{
    CHECK(digest->within);
    digest->within = false;
    digest->next = NULL;
    sha256_stream_end(digest->hash, digest->gathered, (size_t)(digest->at - digest->gathered),
                      digest->value);
}

const uint8_t *digest_value(const struct digest *digest)
{
    return digest->value;
}

void digest_free(struct digest *digest)
{
    if (digest != NULL) {
        sha256_stream_free(digest->hash);
    }
    free(digest);
}
