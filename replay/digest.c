#include "replay/digest.h"

#include <nettle/sha2.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/check.h"

/* One element never needs more: the largest is the config event, the texts go in by themselves. */
#define ELEMENT_BYTES_MAX 512

enum element {
    ELEMENT_EVENT = 'E',
    ELEMENT_POSTING = 'P'
};

struct digest {
    struct sha256_ctx hash;
    struct event_sink sink;
    const struct event_sink *next;
    bool within; /* between begin and end */
    uint8_t value[HASH_BYTES];
};

/* The bytes of one element on their way into the hash: fixed width, little endian. */
struct element_bytes {
    uint8_t bytes[ELEMENT_BYTES_MAX];
    size_t length;
};

static uint8_t *put(struct element_bytes *to, size_t count)
{
    CHECK(to->length + count <= ELEMENT_BYTES_MAX);
    uint8_t *at = to->bytes + to->length;
    to->length += count;
    return at;
}

static void put_u8(struct element_bytes *to, uint32_t value)
{
    CHECK(value <= UINT8_MAX);
    *put(to, 1) = (uint8_t)value;
}

static void put_u32(struct element_bytes *to, uint32_t value)
{
    store_u32(put(to, 4), value);
}

static void put_u64(struct element_bytes *to, uint64_t value)
{
    store_u64(put(to, 8), value);
}

static void put_i64(struct element_bytes *to, int64_t value)
{
    store_u64(put(to, 8), (uint64_t)value);
}

static void put_bytes(struct element_bytes *to, const uint8_t *bytes, size_t count)
{
    memcpy(put(to, count), bytes, count);
}

static void put_bet(struct element_bytes *to, const struct bet *bet)
{
    put_u64(to, bet->bet);
    put_u64(to, bet->user_id);
    put_bytes(to, bet->account, ADDRESS_BYTES);
    put_bytes(to, bet->nonce, NONCE_BYTES);
    put_i64(to, bet->column_ms);
    put_i64(to, bet->band);
    put_i64(to, bet->lo_e4);
    put_i64(to, bet->hi_e4);
    put_i64(to, bet->stake_micro);
    put_i64(to, bet->min_mult_centi);
    put_i64(to, bet->config);
    put_u64(to, bet->session);
    put_u8(to, (uint32_t)bet->state);
    put_u8(to, (uint32_t)bet->reason);
    put_u32(to, bet->mult_centi);
    put_i64(to, bet->payout_micro);
    put_i64(to, bet->paid_micro);
    put_i64(to, bet->accepted_at_ms);
    put_u64(to, bet->accepted_seq);
    put_i64(to, bet->priced_at_ms);
    put_u64(to, bet->priced_seq);
    put_i64(to, bet->tick_ms);
    put_i64(to, bet->price_e4);
    put_i64(to, bet->settled_at_ms);
    put_u64(to, bet->settled_seq);
    put_i64(to, bet->settle_price_e4);
}

static void put_column(struct element_bytes *to, const struct column_result *column)
{
    put_i64(to, column->column_ms);
    put_i64(to, column->band_e4);
    put_u8(to, column->is_void ? 1 : 0);
    put_u8(to, (uint32_t)column->reason);
    put_i64(to, column->price_e4);
    put_i64(to, column->price_e4 > 0 ? column->band : 0);
    for (size_t i = 0; i < SETTLEMENT_TICKS; i++) {
        put_i64(to, column->ticks[i].time_ms);
        put_i64(to, column->ticks[i].price_e4);
        put_u32(to, column->ticks[i].sources);
        put_u32(to, column->ticks[i].set);
    }
    put_i64(to, column->bets);
    put_i64(to, column->stakes_micro);
    put_i64(to, column->paid_micro);
}

static void put_config(struct element_bytes *to, const struct config *config)
{
    put_bytes(to, (const uint8_t *)config->market, sizeof config->market);
    put_u32(to, CONFIG_KEY_COUNT);
    const int64_t values[] = {
#define X(name, standard, least, greatest, fixed) config->name,
        CONFIG_KEY_LIST(X)
#undef X
    };
    for (size_t i = 0; i < CONFIG_KEY_COUNT; i++) {
        put_i64(to, values[i]);
    }
}

static void put_event(struct element_bytes *to, const struct event *event)
{
    put_u8(to, ELEMENT_EVENT);
    put_u8(to, (uint32_t)event->kind);
    switch (event->kind) {
    case EVENT_CONFIG:
        put_u64(to, event->of.config.epoch);
        put_i64(to, event->of.config.band_e4_from);
        put_i64(to, event->of.config.band_e4_before);
        put_config(to, event->of.config.config);
        return;
    case EVENT_CONFIG_REFUSED:
    case EVENT_RULES_REFUSED:
        /* The line for people is left out: its wording may improve, history may not change. */
        put_u8(to, (uint32_t)event->of.refusal.reason);
        return;
    case EVENT_ACCOUNT_OPENED:
        put_u64(to, event->of.account.user_id);
        put_bytes(to, event->of.account.address, ADDRESS_BYTES);
        return;
    case EVENT_TRANSFER_APPLIED:
    case EVENT_TRANSFER_REPEATED:
    case EVENT_TRANSFER_REFUSED:
        put_u64(to, event->of.transfer.first_seq);
        put_u8(to, (uint32_t)event->of.transfer.reason);
        return;
    case EVENT_TAP_REFUSED:
    case EVENT_TAP_REPEATED:
        put_bytes(to, event->of.tap.account, ADDRESS_BYTES);
        put_bytes(to, event->of.tap.nonce, NONCE_BYTES);
        put_u64(to, event->of.tap.bet);
        put_u8(to, (uint32_t)event->of.tap.reason);
        return;
    case EVENT_BET_ACCEPTED:
    case EVENT_BET_CONFIRMED:
    case EVENT_BET_REJECTED:
    case EVENT_BET_SETTLED:
        put_bet(to, event->of.bet);
        return;
    case EVENT_COLUMN_SETTLED:
        put_column(to, event->of.column);
        return;
    case EVENT_TICK:
    case EVENT_TICK_IGNORED:
        put_i64(to, event->of.tick.grid_ms);
        put_i64(to, event->of.tick.price_e4);
        put_i64(to, event->of.tick.spread_e4);
        put_u32(to, event->of.tick.sources);
        put_u32(to, event->of.tick.set);
        return;
    case EVENT_BREAKER:
        put_u8(to, (uint32_t)event->of.breaker.from);
        put_u8(to, (uint32_t)event->of.breaker.to);
        return;
    case EVENT_START:
        return;
    case EVENT_RULES:
        put_u32(to, event->of.rules.from);
        put_u32(to, event->of.rules.to);
        return;
    }
    const bool kind_has_an_encoding = false;
    CHECK(kind_has_an_encoding);
}

static bool is_of_user(enum ledger_account account)
{
    return account == LEDGER_AVAILABLE || account == LEDGER_HELD;
}

static bool is_of_column(enum ledger_account account)
{
    return account == LEDGER_ESCROW || account == LEDGER_RESERVED;
}

static bool is_transfer(enum ref_type type)
{
    return type <= REF_GOODWILL;
}

static void put_posting(struct element_bytes *to, const struct posting *posting)
{
    static const uint8_t nobody[ADDRESS_BYTES];
    const bool user = is_of_user(posting->account);
    put_u8(to, ELEMENT_POSTING);
    put_u32(to, posting->line);
    put_u8(to, (uint32_t)posting->account);
    put_u64(to, user ? posting->user_id : 0);
    put_bytes(to, user ? posting->address : nobody, ADDRESS_BYTES);
    put_i64(to, is_of_column(posting->account) ? posting->column_ms : 0);
    put_i64(to, posting->amount_micro);
    put_i64(to, posting->balance_after_micro);
    put_u8(to, (uint32_t)posting->ref_type);
    put_u64(to, is_transfer(posting->ref_type) ? 0 : posting->ref_id);
    put_u32(to, is_transfer(posting->ref_type) ? posting->reference_length : 0);
}

static void take_event(void *context, const struct event *event)
{
    struct digest *digest = context;
    CHECK(digest->within);
    struct element_bytes element = {.length = 0};
    put_event(&element, event);
    sha256_update(&digest->hash, element.length, element.bytes);
    if (digest->next != NULL) {
        digest->next->event(digest->next->context, event);
    }
}

static void take_posting(void *context, const struct posting *posting)
{
    struct digest *digest = context;
    CHECK(digest->within);
    struct element_bytes element = {.length = 0};
    put_posting(&element, posting);
    sha256_update(&digest->hash, element.length, element.bytes);
    if (is_transfer(posting->ref_type)) {
        sha256_update(&digest->hash, posting->reference_length,
                      (const uint8_t *)posting->reference);
    }
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
    uint8_t head[HASH_BYTES + 16];
    memcpy(head, digest->value, HASH_BYTES);
    store_u64(head + HASH_BYTES, seq);
    store_u64(head + HASH_BYTES + 8, (uint64_t)time_ms);
    sha256_init(&digest->hash);
    sha256_update(&digest->hash, sizeof head, head);
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
    sha256_digest(&digest->hash, HASH_BYTES, digest->value);
}

const uint8_t *digest_value(const struct digest *digest)
{
    return digest->value;
}

void digest_free(struct digest *digest)
{
    free(digest);
}
