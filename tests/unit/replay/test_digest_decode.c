/* The digest's bytes read back. A decoder that knows docs/DETERMINISM.md alone makes every event
 * and posting again, with all fields, from the bytes that are hashed: so no two histories have the
 * same bytes. With the rules that were never released, for the event of their change. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/text.h"
#include "journal/codec.h"
#include "journal/journal.h"
#include "journal/sha256.h"
#include "replay/applier.h"
#include "tests/property/story.h"
#include "tests/unit/random.h"
#include "tests/unit/replay/sample.h"

#define POINTS      1500
#define STORIES     6
#define BETS_MAX    40000
#define USERS_MAX   64
#define TEXT_BYTES  ((size_t)4 << 20)
#define BYTES_MAX   ((size_t)4 << 20)
#define KINDS       (EVENT_RECOVERY + 1)
#define POSTING_BIT 0x80

struct text {
    char *of; /* TEXT_BYTES */
    size_t length;
};

static struct {
    bool taking;
    uint8_t *bytes; /* what a record's digest hashes */
    size_t count;
    struct text heard;
    struct text read;
    unsigned kinds[KINDS];
} all;

/* What the decoder remembers, as any reader of the events would. */
static struct {
    const uint8_t *at;
    const uint8_t *end;
    uint64_t seq;
    int64_t time_ms;
    uint32_t lines;
    struct bet *bets; /* by id */
    uint8_t addresses[USERS_MAX][ADDRESS_BYTES];
} decoder;

/* --- The bytes, on their way to the hash. --- */

void __real_sha256_stream_blocks(struct sha256_stream *stream, const uint8_t *blocks, size_t count);
void __wrap_sha256_stream_blocks(struct sha256_stream *stream, const uint8_t *blocks, size_t count);
void __real_sha256_stream_end(struct sha256_stream *stream, uint8_t *rest, size_t bytes,
                              uint8_t *hash);
void __wrap_sha256_stream_end(struct sha256_stream *stream, uint8_t *rest, size_t bytes,
                              uint8_t *hash);

static void overhear(const uint8_t *bytes, size_t count)
{
    if (all.taking) {
        assert_true(all.count + count <= BYTES_MAX);
        memcpy(all.bytes + all.count, bytes, count);
        all.count += count;
    }
}

void __wrap_sha256_stream_blocks(struct sha256_stream *stream, const uint8_t *blocks, size_t count)
{
    overhear(blocks, count * SHA256_BLOCK_BYTES);
    __real_sha256_stream_blocks(stream, blocks, count);
}

void __wrap_sha256_stream_end(struct sha256_stream *stream, uint8_t *rest, size_t bytes,
                              uint8_t *hash)
{
    overhear(rest, bytes);
    __real_sha256_stream_end(stream, rest, bytes, hash);
}

/* --- Events and postings as text, every field of them. --- */

static void say(struct text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void say(struct text *text, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    const int written =
        vsnprintf(text->of + text->length, TEXT_BYTES - text->length, format, arguments);
    va_end(arguments);
    assert_true(written >= 0 && (size_t)written < TEXT_BYTES - text->length);
    text->length += (size_t)written;
}

static void say_hex(struct text *text, const uint8_t *bytes, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        say(text, "%02x", bytes[i]);
    }
    say(text, " ");
}

static void say_bet(struct text *text, const struct bet *bet)
{
    say(text, "%" PRIu64 " %" PRIu64 " ", bet->bet, bet->user_id);
    say_hex(text, bet->account, ADDRESS_BYTES);
    say_hex(text, bet->nonce, NONCE_BYTES);
    const int64_t fields[] = {bet->column_ms,
                              bet->band,
                              bet->lo_e4,
                              bet->hi_e4,
                              bet->stake_micro,
                              bet->min_mult_centi,
                              bet->config,
                              (int64_t)bet->session,
                              bet->state,
                              bet->reason,
                              bet->mult_centi,
                              bet->payout_micro,
                              bet->paid_micro,
                              bet->accepted_at_ms,
                              (int64_t)bet->accepted_seq,
                              bet->priced_at_ms,
                              (int64_t)bet->priced_seq,
                              bet->tick_ms,
                              bet->price_e4,
                              bet->settled_at_ms,
                              (int64_t)bet->settled_seq,
                              bet->settle_price_e4};
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        say(text, "%" PRId64 " ", fields[i]);
    }
}

static void say_column(struct text *text, const struct column_result *column)
{
    say(text, "%" PRId64 " %" PRId64 " %d %d %" PRId64 " %" PRId64 " ", column->column_ms,
        column->band_e4, column->is_void, column->reason, column->price_e4,
        column->price_e4 > 0 ? column->band : 0);
    for (int i = 0; i < SETTLEMENT_TICKS; i++) {
        const struct settlement_tick *tick = &column->ticks[i];
        say(text, "%" PRId64 " %" PRId64 " %" PRIu32 " %" PRIu32 " ", tick->time_ms, tick->price_e4,
            tick->sources, tick->set);
    }
    say(text, "%" PRId64 " %" PRId64 " %" PRId64, column->bets, column->stakes_micro,
        column->paid_micro);
}

static void say_config(struct text *text, const struct event *event)
{
    const struct config *config = event->of.config.config;
    say(text, "%" PRIu64 " %" PRId64 " %" PRId64 " ", event->of.config.epoch,
        event->of.config.band_e4_from, event->of.config.band_e4_before);
    say_hex(text, (const uint8_t *)config->market, sizeof config->market);
    for (unsigned key = 0; key < CONFIG_KEY_COUNT; key++) {
        say(text, "%" PRId64 " ", config_get(config, (enum config_key)key));
    }
}

static void say_event(struct text *text, const struct event *event)
{
    say(text, "event %d ", event->kind);
    switch (event->kind) {
    case EVENT_CONFIG:
        say_config(text, event);
        break;
    case EVENT_CONFIG_REFUSED:
    case EVENT_RULES_REFUSED:
        say(text, "%d", event->of.refusal.reason);
        break;
    case EVENT_ACCOUNT_OPENED:
        say(text, "%" PRIu64 " ", event->of.account.user_id);
        say_hex(text, event->of.account.address, ADDRESS_BYTES);
        break;
    case EVENT_TRANSFER_APPLIED:
    case EVENT_TRANSFER_REPEATED:
    case EVENT_TRANSFER_REFUSED:
        say(text, "%" PRIu64 " %d", event->of.transfer.first_seq, event->of.transfer.reason);
        break;
    case EVENT_TAP_REFUSED:
    case EVENT_TAP_REPEATED:
        say_hex(text, event->of.tap.account, ADDRESS_BYTES);
        say_hex(text, event->of.tap.nonce, NONCE_BYTES);
        say(text, "%" PRIu64 " %d", event->of.tap.bet, event->of.tap.reason);
        break;
    case EVENT_BET_ACCEPTED:
    case EVENT_BET_CONFIRMED:
    case EVENT_BET_REJECTED:
    case EVENT_BET_SETTLED:
        say_bet(text, event->of.bet);
        break;
    case EVENT_COLUMN_SETTLED:
        say_column(text, event->of.column);
        break;
    case EVENT_TICK:
    case EVENT_TICK_IGNORED:
        say(text, "%" PRId64 " %" PRId64 " %" PRId64 " %" PRIu32 " %" PRIu32,
            event->of.tick.grid_ms, event->of.tick.price_e4, event->of.tick.spread_e4,
            event->of.tick.sources, event->of.tick.set);
        break;
    case EVENT_BREAKER:
        say(text, "%d %d", event->of.breaker.from, event->of.breaker.to);
        break;
    case EVENT_START:
        break;
    case EVENT_RULES:
        say(text, "%" PRIu32 " %" PRIu32, event->of.rules.from, event->of.rules.to);
        break;
    case EVENT_RECOVERY:
        say(text, "%" PRIu64 " %" PRIu64, event->of.recovery.kept_to, event->of.recovery.lost_to);
        break;
    }
    say(text, "\n");
}

static void say_posting(struct text *text, const struct posting *posting)
{
    say(text, "posting %" PRIu32 " %d %d %" PRId64 " %" PRId64 " ", posting->line, posting->account,
        posting->ref_type, posting->amount_micro, posting->balance_after_micro);
    if (posting->account == LEDGER_AVAILABLE || posting->account == LEDGER_HELD) {
        say(text, "%" PRIu64 " ", posting->user_id);
        say_hex(text, posting->address, ADDRESS_BYTES);
    } else if (posting->account == LEDGER_ESCROW || posting->account == LEDGER_RESERVED) {
        say(text, "%" PRId64 " ", posting->column_ms);
    }
    say_hex(text, (const uint8_t *)posting->reference, posting->reference_length);
    say(text, "%" PRIu64 "\n", posting->ref_id);
}

static void hear_event(void *context, const struct event *event)
{
    (void)context;
    all.kinds[event->kind] += 1;
    say_event(&all.heard, event);
}

static void hear_posting(void *context, const struct posting *posting)
{
    (void)context;
    say_posting(&all.heard, posting);
}

/* --- The decoder. --- */

static const uint8_t *take(size_t count)
{
    assert_true((size_t)(decoder.end - decoder.at) >= count);
    decoder.at += count;
    return decoder.at - count;
}

static uint8_t take_u8(void)
{
    return *take(1);
}

static uint32_t take_u32(void)
{
    return load_u32(take(4));
}

static uint64_t take_u64(void)
{
    return load_u64(take(8));
}

static int64_t take_i64(void)
{
    return (int64_t)take_u64();
}

static const uint8_t *address_of(uint64_t user_id)
{
    assert_true(user_id > 0 && user_id < USERS_MAX);
    return decoder.addresses[user_id];
}

/* The bet that an event of the known ones is about, with its bounds. */
static struct bet *take_known(void)
{
    const uint64_t id = take_u64();
    assert_true(id <= BETS_MAX);
    struct bet *bet = &decoder.bets[id];
    bet->lo_e4 = take_i64();
    bet->hi_e4 = take_i64();
    return bet;
}

static void take_terms(struct bet *bet)
{
    bet->column_ms = take_i64();
    bet->band = take_i64();
    bet->lo_e4 = take_i64();
    bet->hi_e4 = take_i64();
    bet->stake_micro = take_i64();
    bet->min_mult_centi = take_i64();
    bet->config = take_i64();
    bet->session = take_u64();
}

static struct bet *take_accepted(void)
{
    struct bet *bet = &decoder.bets[decoder.seq];
    *bet = (struct bet){.bet = decoder.seq, .user_id = take_u32(), .state = BET_ACCEPTED};
    memcpy(bet->account, address_of(bet->user_id), ADDRESS_BYTES);
    memcpy(bet->nonce, take(NONCE_BYTES), NONCE_BYTES);
    take_terms(bet);
    bet->accepted_at_ms = decoder.time_ms;
    bet->accepted_seq = decoder.seq;
    return bet;
}

static void price_now(struct bet *bet)
{
    bet->tick_ms = take_i64();
    bet->price_e4 = take_i64();
    bet->priced_at_ms = decoder.time_ms;
    bet->priced_seq = decoder.seq;
}

static struct bet *take_confirmed(void)
{
    struct bet *bet = take_known();
    bet->state = BET_CONFIRMED;
    bet->mult_centi = take_u32();
    bet->payout_micro = take_i64();
    price_now(bet);
    return bet;
}

static struct bet *take_rejected(void)
{
    struct bet *bet = &decoder.bets[decoder.seq];
    if (take_u8() == 1) {
        bet = take_known();
    } else {
        *bet = (struct bet){.bet = decoder.seq, .user_id = take_u32()};
        memcpy(bet->account, take(ADDRESS_BYTES), ADDRESS_BYTES);
        memcpy(bet->nonce, take(NONCE_BYTES), NONCE_BYTES);
        take_terms(bet);
    }
    bet->state = BET_REJECTED;
    bet->reason = (enum reason)take_u8();
    price_now(bet);
    return bet;
}

static struct bet *take_settled(void)
{
    struct bet *bet = take_known();
    bet->state = (enum bet_state)take_u8();
    bet->reason = (enum reason)take_u8();
    bet->paid_micro = take_i64();
    bet->settle_price_e4 = take_i64();
    bet->settled_at_ms = decoder.time_ms;
    bet->settled_seq = decoder.seq;
    return bet;
}

static void take_column(struct column_result *column)
{
    column->column_ms = take_i64();
    column->band_e4 = take_i64();
    column->is_void = take_u8() == 1;
    column->reason = (enum reason)take_u8();
    column->price_e4 = take_i64();
    column->band = take_i64();
    for (int i = 0; i < SETTLEMENT_TICKS; i++) {
        column->ticks[i].time_ms = take_i64();
        column->ticks[i].price_e4 = take_i64();
        column->ticks[i].sources = take_u32();
        column->ticks[i].set = take_u32();
    }
    column->bets = take_i64();
    column->stakes_micro = take_i64();
    column->paid_micro = take_i64();
}

static void take_config(struct event *event, struct config *config)
{
    event->of.config.epoch = take_u64();
    event->of.config.band_e4_from = take_i64();
    event->of.config.band_e4_before = take_i64();
    memcpy(config->market, take(sizeof config->market), sizeof config->market);
    assert_int_equal(take_u32(), CONFIG_KEY_COUNT);
    for (unsigned key = 0; key < CONFIG_KEY_COUNT; key++) {
        config_set(config, (enum config_key)key, take_i64());
    }
    event->of.config.config = config;
}

static void take_event(enum event_kind kind)
{
    struct event event = {.kind = kind};
    struct config config = {0};
    struct column_result column = {0};
    switch (kind) {
    case EVENT_CONFIG:
        take_config(&event, &config);
        break;
    case EVENT_CONFIG_REFUSED:
    case EVENT_RULES_REFUSED:
        event.of.refusal.reason = (enum reason)take_u8();
        break;
    case EVENT_ACCOUNT_OPENED:
        event.of.account.user_id = take_u64();
        event.of.account.address = take(ADDRESS_BYTES);
        assert_true(event.of.account.user_id < USERS_MAX);
        memcpy(decoder.addresses[event.of.account.user_id], event.of.account.address,
               ADDRESS_BYTES);
        break;
    case EVENT_TRANSFER_APPLIED:
    case EVENT_TRANSFER_REPEATED:
    case EVENT_TRANSFER_REFUSED:
        event.of.transfer.first_seq = take_u64();
        event.of.transfer.reason = (enum reason)take_u8();
        break;
    case EVENT_TAP_REFUSED:
    case EVENT_TAP_REPEATED:
        event.of.tap.account = take(ADDRESS_BYTES);
        event.of.tap.nonce = take(NONCE_BYTES);
        event.of.tap.bet = take_u64();
        event.of.tap.reason = (enum reason)take_u8();
        break;
    case EVENT_BET_ACCEPTED:
        event.of.bet = take_accepted();
        break;
    case EVENT_BET_CONFIRMED:
        event.of.bet = take_confirmed();
        break;
    case EVENT_BET_REJECTED:
        event.of.bet = take_rejected();
        break;
    case EVENT_BET_SETTLED:
        event.of.bet = take_settled();
        break;
    case EVENT_COLUMN_SETTLED:
        take_column(&column);
        event.of.column = &column;
        break;
    case EVENT_TICK:
    case EVENT_TICK_IGNORED:
        event.of.tick.grid_ms = take_i64();
        event.of.tick.price_e4 = take_i64();
        event.of.tick.spread_e4 = take_i64();
        event.of.tick.sources = take_u32();
        event.of.tick.set = take_u32();
        break;
    case EVENT_BREAKER:
        event.of.breaker.from = (enum breaker_state)take_u8();
        event.of.breaker.to = (enum breaker_state)take_u8();
        break;
    case EVENT_START:
        break;
    case EVENT_RULES:
        event.of.rules.from = take_u32();
        event.of.rules.to = take_u32();
        break;
    case EVENT_RECOVERY:
        event.of.recovery.kept_to = take_u64();
        event.of.recovery.lost_to = take_u64();
        break;
    }
    say_event(&all.read, &event);
}

static void take_posting(uint8_t first)
{
    struct posting posting = {.line = decoder.lines++,
                              .account = (enum ledger_account)(first >> 4 & 7),
                              .ref_type = (enum ref_type)(first & 15)};
    if (posting.account == LEDGER_AVAILABLE || posting.account == LEDGER_HELD) {
        posting.user_id = take_u32();
        posting.address = address_of(posting.user_id);
    } else if (posting.account == LEDGER_ESCROW || posting.account == LEDGER_RESERVED) {
        posting.column_ms = take_i64();
    }
    posting.amount_micro = take_i64();
    posting.balance_after_micro = take_i64();
    if (posting.ref_type > REF_GOODWILL) {
        posting.ref_id = take_u64();
    } else {
        posting.reference_length = take_u8();
        posting.reference = (const char *)take(posting.reference_length);
    }
    say_posting(&all.read, &posting);
}

/* All that one record's digest hashes: the digest before it, its time, its elements. */
static void decode(const uint8_t *digest_before, uint64_t seq)
{
    decoder.at = all.bytes;
    decoder.end = all.bytes + all.count;
    decoder.seq = seq;
    decoder.lines = 0;
    all.read.length = 0;
    all.read.of[0] = '\0';
    assert_memory_equal(take(HASH_BYTES), digest_before, HASH_BYTES);
    decoder.time_ms = take_i64();
    while (decoder.at < decoder.end) {
        const uint8_t first = take_u8();
        if ((first & POSTING_BIT) != 0) {
            take_posting(first);
        } else {
            take_event((enum event_kind)first);
        }
    }
}

/* --- The test. --- */

static void apply(struct applier *applier, uint64_t seq, const uint8_t *record, size_t length)
{
    static const struct event_sink sink = {NULL, hear_event, hear_posting};
    uint8_t before[HASH_BYTES];
    memcpy(before, applier_digest(applier), HASH_BYTES);
    all.count = 0;
    all.heard.length = 0;
    all.heard.of[0] = '\0';
    assert_true(seq <= BETS_MAX);
    all.taking = true;
    assert_int_equal(applier_apply(applier, seq, record, length, &sink), STATUS_OK);
    all.taking = false;
    decode(before, seq);
    assert_int_equal(decoder.time_ms, applier_time_ms(applier));
    assert_string_equal(all.read.of, all.heard.of);
}

/* The record that `tapline recover` writes, which no story has. */
static void apply_recovery(struct applier *applier)
{
    uint8_t bytes[LIMIT_RECORD_BYTES];
    struct input input = {.kind = INPUT_RECOVERY, .time_ms = applier_time_ms(applier)};
    const struct text_view text = {.text = "x", .length = 1};
    input.of.recovery = (struct recovery){.kept_to = applier_seq(applier),
                                          .lost_to = applier_seq(applier) + 77,
                                          .epoch_before = 5,
                                          .made_ms = 6,
                                          .operator_name = text,
                                          .reason = text,
                                          .version = text};
    const size_t length = codec_encode(&input, bytes, sizeof bytes);
    assert_true(length > 0);
    apply(applier, applier_seq(applier) + 1, bytes, length);
}

static void decode_story(uint64_t seed)
{
    char dir[256];
    struct story_told told;
    struct journal_reader *reader;
    struct journal_record record;
    struct applier *applier;
    memset(decoder.bets, 0, (BETS_MAX + 1) * sizeof *decoder.bets);
    memset(decoder.addresses, 0, sizeof decoder.addresses);
    sample_directory(dir);
    const struct story_options options = {
        .dir = dir, .seed = seed, .points = POINTS, .rules_version = 2};
    story_write(&options, &told);
    assert_int_equal(journal_reader_open(dir, NULL, 1, &reader), STATUS_OK);
    assert_int_equal(applier_open(NULL, &applier), STATUS_OK);
    enum status status;
    while ((status = journal_reader_next(reader, &record)) == STATUS_OK) {
        apply(applier, record.seq, record.bytes, record.length);
    }
    assert_int_equal(status, STATUS_END);
    assert_int_equal(applier_seq(applier), told.records);
    apply_recovery(applier);
    journal_reader_free(reader);
    applier_free(applier);
    sample_remove_directory(dir);
}

/* Every event and posting of random histories, of every kind there is, comes back with all its
 * fields from the bytes that the digest hashes. */
static void hashed_bytes_tell_the_whole_story(void **state)
{
    (void)state;
    struct random random = random_start("digest_decode", 20);
    all.bytes = malloc(BYTES_MAX);
    all.heard.of = malloc(TEXT_BYTES);
    all.read.of = malloc(TEXT_BYTES);
    decoder.bets = calloc(BETS_MAX + 1, sizeof *decoder.bets);
    assert_true(all.bytes != NULL && all.heard.of != NULL && all.read.of != NULL &&
                decoder.bets != NULL);
    for (int i = 0; i < STORIES; i++) {
        decode_story(random_next(&random));
    }
    for (int kind = EVENT_CONFIG; kind < KINDS; kind++) {
        if (all.kinds[kind] == 0) {
            fail_msg("no event of kind %d", kind);
        }
    }
    free(all.bytes);
    free(all.heard.of);
    free(all.read.of);
    free(decoder.bets);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hashed_bytes_tell_the_whole_story),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
