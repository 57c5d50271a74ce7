#include "fixture.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"

#define START_MS ((int64_t)1000000)

static void line(struct fixture *fixture, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void line(struct fixture *fixture, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    char *to = fixture->text + fixture->length;
    const int written = vsnprintf(to, FIXTURE_TEXT_BYTES - fixture->length, format, arguments);
    va_end(arguments);
    assert_true(written >= 0 && (size_t)written + 2 < FIXTURE_TEXT_BYTES - fixture->length);
    to[written] = '\n';
    to[written + 1] = '\0';
    fixture->length += (size_t)written + 1;
    for (int i = 0; i <= written; i++) {
        fixture->fingerprint = (fixture->fingerprint ^ (uint8_t)to[i]) * 0x100000001b3;
    }
}

static void on_posting(void *context, const struct posting *posting)
{
    struct fixture *fixture = context;
    assert_int_equal(posting->line, fixture->lines);
    assert_int_not_equal(posting->amount_micro, 0);
    fixture->lines += 1;
    fixture->sum_micro += posting->amount_micro;
    char account[64] = "";
    switch (posting->account) {
    case LEDGER_AVAILABLE:
        snprintf(account, sizeof account, "available:%" PRIu64, posting->user_id);
        break;
    case LEDGER_HELD:
        snprintf(account, sizeof account, "held:%" PRIu64, posting->user_id);
        break;
    case LEDGER_ESCROW:
        snprintf(account, sizeof account, "escrow:%" PRId64, posting->column_ms);
        break;
    case LEDGER_RESERVED:
        snprintf(account, sizeof account, "reserved:%" PRId64, posting->column_ms);
        break;
    case LEDGER_BANKROLL:
        snprintf(account, sizeof account, "bankroll");
        break;
    case LEDGER_EXTERNAL:
        snprintf(account, sizeof account, "external");
        break;
    }
    char reference[128];
    if (posting->reference_length > 0) {
        snprintf(reference, sizeof reference, "%.*s", (int)posting->reference_length,
                 posting->reference);
    } else {
        snprintf(reference, sizeof reference, "%" PRIu64, posting->ref_id);
    }
    line(fixture, "post %s %+" PRId64 " =%" PRId64 " %s %s", account, posting->amount_micro,
         posting->balance_after_micro, ref_type_text(posting->ref_type), reference);
}

static void on_bet(struct fixture *fixture, const struct bet *bet)
{
    fixture->bet = *bet;
    const char *state = bet_state_text(bet->state);
    switch (bet->state) {
    case BET_ACCEPTED:
    case BET_LOST:
        line(fixture, "%s %" PRIu64, state, bet->bet);
        break;
    case BET_CONFIRMED:
        line(fixture, "%s %" PRIu64 " mult=%u payout=%" PRId64, state, bet->bet, bet->mult_centi,
             bet->payout_micro);
        break;
    case BET_REJECTED:
    case BET_VOID:
        line(fixture, "%s %" PRIu64 " %s", state, bet->bet, reason_text(bet->reason));
        break;
    case BET_WON:
        line(fixture, "%s %" PRIu64 " paid=%" PRId64, state, bet->bet, bet->paid_micro);
        break;
    }
}

static void on_column(struct fixture *fixture, const struct column_result *column)
{
    fixture->column = *column;
    line(fixture,
         "column %" PRId64 " %s price=%" PRId64 " bets=%" PRId64 " stakes=%" PRId64
         " paid=%" PRId64,
         column->column_ms, column->is_void ? reason_text(column->reason) : "settled",
         column->price_e4, column->bets, column->stakes_micro, column->paid_micro);
}

static void on_event(void *context, const struct event *event)
{
    struct fixture *fixture = context;
    switch (event->kind) {
    case EVENT_CONFIG:
        line(fixture, "config %" PRIu64 " W=%" PRId64 " from=%" PRId64 " before=%" PRId64,
             event->of.config.epoch, event->of.config.config->band_e4,
             event->of.config.band_e4_from, event->of.config.band_e4_before);
        break;
    case EVENT_CONFIG_REFUSED:
        line(fixture, "config refused %s: %s", reason_text(event->of.refusal.reason),
             event->of.refusal.problem);
        break;
    case EVENT_ACCOUNT_OPENED:
        line(fixture, "account %" PRIu64, event->of.account.user_id);
        break;
    case EVENT_TRANSFER_APPLIED:
        line(fixture, "transfer %" PRIu64, event->of.transfer.first_seq);
        break;
    case EVENT_TRANSFER_REPEATED:
        line(fixture, "transfer repeated %" PRIu64, event->of.transfer.first_seq);
        break;
    case EVENT_TRANSFER_REFUSED:
        line(fixture, "transfer refused %s", reason_text(event->of.transfer.reason));
        break;
    case EVENT_TAP_REFUSED:
        line(fixture, "tap refused %s", reason_text(event->of.tap.reason));
        break;
    case EVENT_TAP_REPEATED:
        line(fixture, "tap repeated %" PRIu64, event->of.tap.bet);
        break;
    case EVENT_BET_ACCEPTED:
    case EVENT_BET_CONFIRMED:
    case EVENT_BET_REJECTED:
    case EVENT_BET_SETTLED:
        on_bet(fixture, event->of.bet);
        break;
    case EVENT_COLUMN_SETTLED:
        on_column(fixture, event->of.column);
        break;
    case EVENT_TICK:
        if (fixture->ticks_told) {
            line(fixture, "tick %" PRId64 " %" PRId64, event->of.tick.grid_ms,
                 event->of.tick.price_e4);
        }
        break;
    case EVENT_TICK_IGNORED:
        line(fixture, "tick ignored %" PRId64, event->of.tick.grid_ms);
        break;
    case EVENT_BREAKER:
        line(fixture, "breaker %s to %s", breaker_state_text(event->of.breaker.from),
             breaker_state_text(event->of.breaker.to));
        break;
    case EVENT_START:
        line(fixture, "start");
        break;
    case EVENT_RECOVERY:
        line(fixture, "recovery kept %" PRIu64 " lost %" PRIu64, event->of.recovery.kept_to,
             event->of.recovery.lost_to);
        break;
    case EVENT_RULES:
        line(fixture, "rules %u to %u", event->of.rules.from, event->of.rules.to);
        break;
    case EVENT_RULES_REFUSED:
        line(fixture, "rules refused %s: %s", reason_text(event->of.refusal.reason),
             event->of.refusal.problem);
        break;
    }
}

static void *new_arena(const struct machine_limits *limits)
{
    const size_t bytes = machine_bytes(limits);
    void *arena = aligned_alloc(64, bytes);
    assert_non_null(arena);
    memset(arena, 0, bytes);
    return arena;
}

struct fixture *fixture_new_limits(const struct machine_limits *limits)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);
    assert_non_null(fixture);
    fixture->limits = *limits;
    fixture->time_ms = START_MS;
    fixture->text = calloc(1, FIXTURE_TEXT_BYTES);
    assert_non_null(fixture->text);
    fixture->machine = machine_init(new_arena(limits), limits);
    return fixture;
}

struct fixture *fixture_new(void)
{
    const struct machine_limits limits = {
        .accounts_max = 100,
        .open_bets_max = 200,
        .nonces_max = 300,
        .transfers_max = 200,
    };
    return fixture_new_limits(&limits);
}

void fixture_free(struct fixture *fixture)
{
    free(fixture->machine);
    free(fixture->text);
    free(fixture);
}

void fixture_apply(struct fixture *fixture, struct input *input)
{
    fixture->seq += 1;
    input->seq = fixture->seq;
    if (input->time_ms == 0) {
        input->time_ms = fixture->time_ms;
    }
    fixture->time_ms = input->time_ms;
    fixture->length = 0;
    fixture->text[0] = '\0';
    const struct event_sink sink = {.context = fixture, .event = on_event, .posting = on_posting};
    fixture->lines = 0;
    fixture->sum_micro = 0;
    machine_apply(fixture->machine, input, &sink);
    assert_int_equal(fixture->sum_micro, 0);
    if (!fixture->unchecked) {
        const char *problem = machine_invariant(fixture->machine);
        if (problem != NULL) {
            fail_msg("after seq %" PRIu64 ": %s\n%s", fixture->seq, problem, fixture->text);
        }
    }
}

/* Reads "name=value,name=value" into a change. */
static void read_keys(const char *keys, struct config_change *change)
{
    while (keys != NULL && *keys != '\0') {
        const char *equals = strchr(keys, '=');
        assert_non_null(equals);
        const size_t length = (size_t)(equals - keys);
        char *end;
        if (length == 6 && strncmp(keys, "market", 6) == 0) {
            const size_t letters = strcspn(equals + 1, ",");
            assert_true(letters <= LIMIT_MARKET_BYTES);
            change->market_given = true;
            memcpy(change->market, equals + 1, letters);
            end = (char *)equals + 1 + letters;
        } else {
            unsigned key = 0;
            while (strlen(config_key_name((enum config_key)key)) != length ||
                   strncmp(config_key_name((enum config_key)key), keys, length) != 0) {
                key++;
                assert_true(key < CONFIG_KEY_COUNT);
            }
            change->given |= 1u << key;
            change->values[key] = strtoll(equals + 1, &end, 10);
        }
        keys = *end == ',' ? end + 1 : end;
    }
}

void fixture_start(struct fixture *fixture, const struct machine_limits *limits)
{
    struct input input = {.kind = INPUT_START, .of.start.limits = *limits};
    fixture_apply(fixture, &input);
}

void fixture_rules(struct fixture *fixture, uint32_t version)
{
    struct input input = {.kind = INPUT_RULES_CHANGE, .of.rules_change.version = version};
    fixture_apply(fixture, &input);
}

void fixture_config(struct fixture *fixture, const char *keys)
{
    struct input input = {.kind = INPUT_CONFIG};
    read_keys(keys, &input.of.config);
    fixture_apply(fixture, &input);
}

struct fixture *fixture_open(const char *keys)
{
    struct fixture *fixture = fixture_new();
    struct input input = {.kind = INPUT_CONFIG};
    read_keys("vol_warmup=0", &input.of.config);
    read_keys(keys, &input.of.config);
    fixture_apply(fixture, &input);
    assert_non_null(machine_config(fixture->machine));
    fixture_transfer(fixture, INPUT_HOUSE_DEPOSIT, 0, 1000 * MICRO_PER_USD, "house");
    return fixture;
}

static void apply_tick(struct fixture *fixture, int64_t grid_ms, int64_t price_e4, uint32_t set)
{
    struct input input = {.kind = INPUT_PRICE_TICK};
    input.of.price_tick = (struct price_tick){
        .grid_ms = grid_ms,
        .price_e4 = price_e4,
        .sources = FIXTURE_SOURCES,
        .set = set,
    };
    if (grid_ms > fixture->time_ms) {
        fixture->time_ms = grid_ms;
    }
    fixture_apply(fixture, &input);
}

void fixture_tick(struct fixture *fixture, int64_t grid_ms, int64_t price_e4)
{
    apply_tick(fixture, grid_ms, price_e4, FIXTURE_SET);
}

void fixture_tick_set(struct fixture *fixture, int64_t grid_ms, int64_t price_e4, uint32_t set)
{
    apply_tick(fixture, grid_ms, price_e4, set);
}

void fixture_clock(struct fixture *fixture, int64_t grid_ms)
{
    struct input input = {.kind = INPUT_CLOCK_TICK};
    input.of.clock_grid_ms = grid_ms;
    if (grid_ms > fixture->time_ms) {
        fixture->time_ms = grid_ms;
    }
    fixture_apply(fixture, &input);
}

void fixture_ticks(struct fixture *fixture, int64_t from_ms, int64_t to_ms, int64_t price_e4)
{
    const int64_t tick_ms = machine_config(fixture->machine)->tick_ms;
    for (int64_t grid_ms = from_ms + tick_ms; grid_ms <= to_ms; grid_ms += tick_ms) {
        fixture_tick(fixture, grid_ms, price_e4);
    }
}

void fixture_warm_up(struct fixture *fixture, int64_t price_e4)
{
    const int64_t stable_ms = machine_config(fixture->machine)->degraded_stable_ms;
    const int64_t tick_ms = machine_config(fixture->machine)->tick_ms;
    fixture_ticks(fixture, fixture->time_ms, fixture->time_ms + tick_ms + stable_ms, price_e4);
}

struct fixture *fixture_market(const char *keys)
{
    struct fixture *fixture = fixture_open(keys);
    for (unsigned player = 1; player <= 3; player++) {
        fixture_deposit(fixture, player, 10 * MICRO_PER_USD);
    }
    fixture_warm_up(fixture, FIXTURE_PRICE_E4);
    return fixture;
}

void fixture_address(unsigned player, uint8_t *address)
{
    memset(address, 0xa0, ADDRESS_BYTES);
    address[0] = (uint8_t)(player >> 8);
    address[ADDRESS_BYTES - 1] = (uint8_t)player;
}

struct tap fixture_tap(struct fixture *fixture, unsigned player, int64_t column_ms, int64_t band)
{
    struct market_view market;
    machine_market(fixture->machine, &market);
    struct tap tap = {
        .market = {.text = "BTC-USD", .length = 7},
        .origin = {.text = "http://127.0.0.1:8080", .length = 21},
        .column_ms = column_ms,
        .band = band,
        .stake_micro = MICRO_PER_USD,
        .config = (int64_t)market.epoch,
        .message_ms = fixture->time_ms,
    };
    fixture_address(player, tap.account);
    const uint64_t nonce = fixture->seq + 1;
    store_u64(tap.nonce, nonce);
    return tap;
}

void fixture_apply_tap(struct fixture *fixture, const struct tap *tap)
{
    struct input input = {.kind = INPUT_TAP};
    input.of.tap = *tap;
    fixture_apply(fixture, &input);
}

void fixture_transfer(struct fixture *fixture, enum input_kind kind, unsigned player,
                      int64_t amount_micro, const char *reference)
{
    struct input input = {.kind = kind};
    input.of.transfer = (struct transfer){
        .amount_micro = amount_micro,
        .reference = {.text = reference, .length = strlen(reference)},
    };
    if (player != 0) {
        fixture_address(player, input.of.transfer.account);
    }
    fixture_apply(fixture, &input);
}

void fixture_deposit(struct fixture *fixture, unsigned player, int64_t amount_micro)
{
    char reference[32];
    snprintf(reference, sizeof reference, "deposit-%" PRIu64, fixture->seq + 1);
    fixture_transfer(fixture, INPUT_DEPOSIT, player, amount_micro, reference);
}

struct bytes_sink {
    uint8_t *bytes;
    size_t count;
    size_t capacity;
};

static void collect(void *context, const uint8_t *bytes, size_t count)
{
    struct bytes_sink *sink = context;
    if (sink->count + count > sink->capacity) {
        sink->capacity = 2 * (sink->count + count);
        sink->bytes = realloc(sink->bytes, sink->capacity);
        assert_non_null(sink->bytes);
    }
    memcpy(sink->bytes + sink->count, bytes, count);
    sink->count += count;
}

uint8_t *fixture_snapshot(const struct fixture *fixture, size_t *count)
{
    struct bytes_sink sink = {0};
    machine_snapshot(fixture->machine, &sink, collect);
    *count = sink.count;
    return sink.bytes;
}

struct fixture *fixture_restore(const struct fixture *from, const uint8_t *bytes, size_t count)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);
    assert_non_null(fixture);
    *fixture = *from;
    fixture->text = calloc(1, FIXTURE_TEXT_BYTES);
    assert_non_null(fixture->text);
    void *arena = new_arena(&from->limits);
    assert_int_equal(machine_restore(arena, &from->limits, bytes, count, &fixture->machine),
                     STATUS_OK);
    return fixture;
}
