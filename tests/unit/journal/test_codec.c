/* Records to bytes and back, for all kinds and any bytes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "journal/codec.h"
#include "journal/format.h"
#include "memory_disk.h"

static const enum input_kind kinds[] = {
    INPUT_CONFIG,     INPUT_PRICE_TICK,    INPUT_CLOCK_TICK,       INPUT_TAP,      INPUT_DEPOSIT,
    INPUT_WITHDRAWAL, INPUT_HOUSE_DEPOSIT, INPUT_HOUSE_WITHDRAWAL, INPUT_GOODWILL, INPUT_ATTEST,
    INPUT_START,      INPUT_RULES_CHANGE,  INPUT_RECOVERY};
#define KINDS (sizeof kinds / sizeof kinds[0])

static uint8_t pool[4096]; /* where random texts point to */
static struct codec_scratch scratch;

/* Extremes as often as anything else. */
static int64_t any_i64(uint64_t *random)
{
    static const int64_t extremes[] = {0, 1, -1, INT64_MAX, INT64_MIN, 127, 128, 1732077288123};
    const uint64_t pick = test_random(random);
    if ((pick & 1) != 0) {
        return extremes[(pick >> 1) % (sizeof extremes / sizeof extremes[0])];
    }
    return (int64_t)(test_random(random) >> (pick >> 1 & 63));
}

static void any_bytes(uint64_t *random, uint8_t *bytes, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        bytes[i] = (uint8_t)test_random(random);
    }
}

static struct text_view any_text(uint64_t *random, size_t limit)
{
    const uint64_t pick = test_random(random);
    const size_t length = (pick & 3) == 0 ? limit : (size_t)(pick >> 2) % (limit + 1);
    return (struct text_view){(const char *)pool + (pick >> 32) % (sizeof pool - limit), length};
}

static void any_string(uint64_t *random, char *to, size_t least, size_t limit)
{
    const size_t length = least + (size_t)(test_random(random) % (limit - least + 1));
    for (size_t i = 0; i < length; i++) {
        to[i] = (char)(1 + test_random(random) % 255);
    }
}

static void any_config(uint64_t *random, struct config_change *config)
{
    any_string(random, config->operator_name, 0, LIMIT_OPERATOR_BYTES);
    config->market_given = (test_random(random) & 1) != 0;
    if (config->market_given) {
        any_string(random, config->market, 1, LIMIT_MARKET_BYTES);
    }
    for (unsigned key = 0; key < CONFIG_KEY_COUNT; key++) {
        if ((test_random(random) & 1) != 0) {
            config->given |= (uint32_t)1 << key;
            config->values[key] = any_i64(random);
        }
    }
}

static void any_price_tick(uint64_t *random, struct price_tick *tick)
{
    tick->grid_ms = any_i64(random);
    tick->price_e4 = any_i64(random);
    tick->spread_e4 = any_i64(random);
    tick->m0_e4 = any_i64(random);
    tick->sources = (uint32_t)any_i64(random);
    tick->set = (uint32_t)any_i64(random);
    tick->quote_count = (size_t)(test_random(random) % (LIMIT_SOURCES + 1));
    for (size_t i = 0; i < tick->quote_count; i++) {
        tick->quotes[i].name = any_text(random, LIMIT_SOURCE_BYTES);
        tick->quotes[i].price_e4 = any_i64(random);
        tick->quotes[i].basis_e4 = any_i64(random);
    }
}

/* Any number whose distance from `time_ms` an int64 holds. */
static int64_t any_near(uint64_t *random, int64_t time_ms)
{
    int64_t distance;
    int64_t found;
    do {
        found = any_i64(random);
    } while (__builtin_sub_overflow(found, time_ms, &distance));
    return found;
}

static void any_tap(uint64_t *random, int64_t time_ms, struct tap *tap)
{
    any_bytes(random, tap->account, ADDRESS_BYTES);
    any_bytes(random, tap->nonce, NONCE_BYTES);
    tap->market = any_text(random, LIMIT_MARKET_BYTES);
    if (tap->market.length == 0) { /* which has no spelling */
        tap->market = (struct text_view){"BTC-USD", 7};
    }
    tap->origin = any_text(random, LIMIT_ORIGIN_BYTES);
    tap->column_ms = any_near(random, time_ms);
    tap->band = any_i64(random);
    tap->stake_micro = any_i64(random);
    tap->min_mult_centi = any_i64(random);
    tap->config = any_i64(random);
    tap->message_ms = any_near(random, time_ms);
    tap->session = (uint64_t)any_i64(random);
    tap->signature = pool;
    tap->signature_bytes = 64 + (test_random(random) & 1);
}

static void any_transfer(uint64_t *random, bool of_house, struct transfer *transfer)
{
    if (!of_house) {
        any_bytes(random, transfer->account, ADDRESS_BYTES);
    }
    transfer->amount_micro = any_i64(random);
    transfer->reference = any_text(random, 2000); /* any length: its limit is the rules' business */
    transfer->operator_name = any_text(random, LIMIT_OPERATOR_BYTES);
    transfer->note = any_text(random, LIMIT_NOTE_BYTES);
}

/* A random input of the kind; what is not set is zero, as the decoder leaves it. */
static void any_recovery(uint64_t *random, struct recovery *recovery)
{
    recovery->kept_to = (uint64_t)any_i64(random);
    recovery->lost_to = (uint64_t)any_i64(random);
    recovery->epoch_before = (uint64_t)any_i64(random);
    any_bytes(random, recovery->root, HASH_BYTES);
    recovery->made_ms = any_i64(random);
    recovery->operator_name = any_text(random, LIMIT_OPERATOR_BYTES);
    recovery->reason = any_text(random, LIMIT_NOTE_BYTES);
    recovery->version = any_text(random, LIMIT_VERSION_BYTES);
}

static void any_input(uint64_t *random, enum input_kind kind, struct input *input)
{
    memset(input, 0, sizeof *input);
    input->seq = test_random(random);
    input->time_ms = any_i64(random);
    input->kind = kind;
    switch (kind) {
    case INPUT_CONFIG:
        any_config(random, &input->of.config);
        break;
    case INPUT_PRICE_TICK:
        any_price_tick(random, &input->of.price_tick);
        break;
    case INPUT_CLOCK_TICK:
        input->of.clock_grid_ms = any_i64(random);
        break;
    case INPUT_TAP:
        any_tap(random, input->time_ms, &input->of.tap);
        break;
    case INPUT_DEPOSIT:
    case INPUT_WITHDRAWAL:
    case INPUT_GOODWILL:
        any_transfer(random, false, &input->of.transfer);
        break;
    case INPUT_HOUSE_DEPOSIT:
    case INPUT_HOUSE_WITHDRAWAL:
        any_transfer(random, true, &input->of.transfer);
        break;
    case INPUT_ATTEST:
        input->of.attest.of_seq = (uint64_t)any_i64(random);
        any_bytes(random, input->of.attest.digest, HASH_BYTES);
        break;
    case INPUT_START:
        input->of.start.version = any_text(random, LIMIT_VERSION_BYTES);
        input->of.start.limits = (struct machine_limits){
            .accounts_max = (uint32_t)any_i64(random),
            .open_bets_max = (uint32_t)any_i64(random),
            .nonces_max = (uint32_t)any_i64(random),
            .transfers_max = (uint32_t)any_i64(random),
        };
        break;
    case INPUT_RULES_CHANGE:
        input->of.rules_change.version = (uint32_t)any_i64(random);
        input->of.rules_change.operator_name = any_text(random, LIMIT_OPERATOR_BYTES);
        break;
    case INPUT_RECOVERY:
        any_recovery(random, &input->of.recovery);
        break;
    }
}

static void expect_same_text(struct text_view a, struct text_view b)
{
    assert_int_equal(a.length, b.length);
    if (a.length > 0) {
        assert_memory_equal(a.text, b.text, a.length);
    }
}

static void expect_same_tick(const struct price_tick *a, const struct price_tick *b)
{
    assert_int_equal(a->grid_ms, b->grid_ms);
    assert_int_equal(a->price_e4, b->price_e4);
    assert_int_equal(a->spread_e4, b->spread_e4);
    assert_int_equal(a->m0_e4, b->m0_e4);
    assert_int_equal(a->sources, b->sources);
    assert_int_equal(a->set, b->set);
    assert_int_equal(a->quote_count, b->quote_count);
    for (size_t i = 0; i < a->quote_count; i++) {
        expect_same_text(a->quotes[i].name, b->quotes[i].name);
        assert_int_equal(a->quotes[i].price_e4, b->quotes[i].price_e4);
        assert_int_equal(a->quotes[i].basis_e4, b->quotes[i].basis_e4);
    }
}

static void expect_same_tap(const struct tap *a, const struct tap *b)
{
    assert_memory_equal(a->account, b->account, ADDRESS_BYTES);
    assert_memory_equal(a->nonce, b->nonce, NONCE_BYTES);
    expect_same_text(a->market, b->market);
    expect_same_text(a->origin, b->origin);
    assert_int_equal(a->column_ms, b->column_ms);
    assert_int_equal(a->band, b->band);
    assert_int_equal(a->stake_micro, b->stake_micro);
    assert_int_equal(a->min_mult_centi, b->min_mult_centi);
    assert_int_equal(a->config, b->config);
    assert_int_equal(a->message_ms, b->message_ms);
    assert_int_equal(a->session, b->session);
    assert_int_equal(a->signature_bytes, b->signature_bytes);
    assert_memory_equal(a->signature, b->signature, a->signature_bytes);
}

static void expect_same_recovery(const struct recovery *a, const struct recovery *b)
{
    assert_int_equal(a->kept_to, b->kept_to);
    assert_int_equal(a->lost_to, b->lost_to);
    assert_int_equal(a->epoch_before, b->epoch_before);
    assert_memory_equal(a->root, b->root, HASH_BYTES);
    assert_int_equal(a->made_ms, b->made_ms);
    expect_same_text(a->operator_name, b->operator_name);
    expect_same_text(a->reason, b->reason);
    expect_same_text(a->version, b->version);
}

static void expect_same(const struct input *a, const struct input *b)
{
    assert_int_equal(a->seq, b->seq);
    assert_int_equal(a->time_ms, b->time_ms);
    assert_int_equal(a->kind, b->kind);
    switch (a->kind) {
    case INPUT_CONFIG:
        assert_int_equal(a->of.config.market_given, b->of.config.market_given);
        assert_string_equal(a->of.config.market, b->of.config.market);
        assert_string_equal(a->of.config.operator_name, b->of.config.operator_name);
        assert_int_equal(a->of.config.given, b->of.config.given);
        assert_memory_equal(a->of.config.values, b->of.config.values, sizeof a->of.config.values);
        break;
    case INPUT_PRICE_TICK:
        expect_same_tick(&a->of.price_tick, &b->of.price_tick);
        break;
    case INPUT_CLOCK_TICK:
        assert_int_equal(a->of.clock_grid_ms, b->of.clock_grid_ms);
        break;
    case INPUT_TAP:
        expect_same_tap(&a->of.tap, &b->of.tap);
        break;
    case INPUT_DEPOSIT:
    case INPUT_WITHDRAWAL:
    case INPUT_HOUSE_DEPOSIT:
    case INPUT_HOUSE_WITHDRAWAL:
    case INPUT_GOODWILL:
        assert_memory_equal(a->of.transfer.account, b->of.transfer.account, ADDRESS_BYTES);
        assert_int_equal(a->of.transfer.amount_micro, b->of.transfer.amount_micro);
        expect_same_text(a->of.transfer.reference, b->of.transfer.reference);
        expect_same_text(a->of.transfer.operator_name, b->of.transfer.operator_name);
        expect_same_text(a->of.transfer.note, b->of.transfer.note);
        break;
    case INPUT_ATTEST:
        assert_int_equal(a->of.attest.of_seq, b->of.attest.of_seq);
        assert_memory_equal(a->of.attest.digest, b->of.attest.digest, HASH_BYTES);
        break;
    case INPUT_START:
        expect_same_text(a->of.start.version, b->of.start.version);
        assert_memory_equal(&a->of.start.limits, &b->of.start.limits, sizeof a->of.start.limits);
        break;
    case INPUT_RULES_CHANGE:
        assert_int_equal(a->of.rules_change.version, b->of.rules_change.version);
        expect_same_text(a->of.rules_change.operator_name, b->of.rules_change.operator_name);
        break;
    case INPUT_RECOVERY:
        expect_same_recovery(&a->of.recovery, &b->of.recovery);
        break;
    }
}

static int fill_pool(void **state)
{
    (void)state;
    uint64_t random = 42;
    any_bytes(&random, pool, sizeof pool);
    return 0;
}

/* What was encoded is decoded to the same, for any values of any kind. */
static void every_kind_survives_the_round_trip(void **state)
{
    (void)state;
    uint64_t random = 1;
    for (unsigned i = 0; i < 20000; i++) {
        struct input input;
        struct input decoded;
        uint8_t bytes[LIMIT_RECORD_BYTES];
        any_input(&random, kinds[i % KINDS], &input);
        const size_t length = codec_encode(&input, bytes, sizeof bytes);
        assert_true(length > 0);
        assert_int_equal(codec_decode(&scratch, input.seq, bytes, length, &decoded), STATUS_OK);
        expect_same(&input, &decoded);
        assert_int_equal(codec_encode(&input, bytes, length - 1), 0);
        assert_int_equal(codec_encode(&input, bytes, length), length);
    }
}

/* A tap as players send it, with the 2 bytes of its length. */
static void tap_is_compact(void **state)
{
    (void)state;
    struct input input = {.time_ms = 1732077288123, .kind = INPUT_TAP};
    struct tap *tap = &input.of.tap;
    memset(tap->account, 0xab, ADDRESS_BYTES);
    memset(tap->nonce, 0xcd, NONCE_BYTES);
    tap->market = (struct text_view){"BTC-USD", 7};
    tap->origin = (struct text_view){"https://tapline.example.com", 27};
    tap->column_ms = 1732077300000;
    tap->band = 4861;
    tap->stake_micro = 1500000;
    tap->min_mult_centi = 210;
    tap->config = 1;
    tap->message_ms = 1732077288100;
    tap->signature = pool;
    tap->signature_bytes = 65;
    uint8_t bytes[LIMIT_RECORD_BYTES];
    const size_t length = codec_encode(&input, bytes, sizeof bytes);
    print_message("a tap takes %zu bytes\n", length);
    assert_true(length + FORMAT_RECORD_LENGTH_BYTES <= 175);
}

/* The two times of a tap are written as distances: exact at both ends of an int64, and refused
 * where the distance has no int64, so that no time can come back as another one. */
static void times_of_a_tap_are_exact_or_refused(void **state)
{
    (void)state;
    static const struct {
        int64_t time_ms;
        int64_t at_ms;
        bool fits;
    } cases[] = {
        {0, INT64_MAX, true},
        {0, INT64_MIN, true},
        {0, 0, true},
        {INT64_MAX, 0, true},
        {INT64_MAX, INT64_MAX, true},
        {INT64_MIN, INT64_MIN, true},
        {1, INT64_MIN, false},
        {-1, INT64_MAX, false},
        {INT64_MIN, 0, false},
        {INT64_MIN, -1, true},
        {INT64_MAX, -1, true},
        {INT64_MAX, -2, false},
        {1732077288123, INT64_MAX, true},
        {1732077288123, 0, true},
    };
    for (size_t i = 0; i < 2 * sizeof cases / sizeof cases[0]; i++) {
        uint64_t random = i;
        struct input input = {.time_ms = cases[i / 2].time_ms, .kind = INPUT_TAP};
        struct input decoded;
        uint8_t bytes[LIMIT_RECORD_BYTES];
        any_tap(&random, input.time_ms, &input.of.tap);
        *(i % 2 == 0 ? &input.of.tap.column_ms : &input.of.tap.message_ms) = cases[i / 2].at_ms;
        const size_t length = codec_encode(&input, bytes, sizeof bytes);
        assert_int_equal(length > 0, cases[i / 2].fits);
        if (length > 0) {
            assert_int_equal(codec_decode(&scratch, 0, bytes, length, &decoded), STATUS_OK);
            expect_same(&input, &decoded);
            assert_int_equal(codec_decode_general(&scratch, 0, bytes, length, &decoded), STATUS_OK);
            expect_same(&input, &decoded);
        }
    }
}

/* A record whose sum of time and distance has no int64 is none, in both ways of reading. */
static void a_time_beyond_int64_is_invalid(void **state)
{
    (void)state;
    for (unsigned which = 0; which < 2; which++) {
        uint64_t random = which;
        struct input input = {.time_ms = 0, .kind = INPUT_TAP};
        struct input decoded;
        uint8_t bytes[LIMIT_RECORD_BYTES + 2] = {1 << 3, 1}; /* time_ms: 1, not 0 */
        any_tap(&random, 0, &input.of.tap);
        *(which == 0 ? &input.of.tap.column_ms : &input.of.tap.message_ms) = INT64_MAX;
        *(which == 0 ? &input.of.tap.message_ms : &input.of.tap.column_ms) = 7;
        const size_t length = codec_encode(&input, bytes + 2, LIMIT_RECORD_BYTES);
        assert_true(length > 0);
        assert_int_equal(codec_decode(&scratch, 0, bytes, length + 2, &decoded), STATUS_INVALID);
        assert_int_equal(codec_decode_general(&scratch, 0, bytes, length + 2, &decoded),
                         STATUS_INVALID);
        bytes[1] = 0;
        assert_int_equal(codec_decode(&scratch, 0, bytes, length + 2, &decoded), STATUS_OK);
    }
}

/* The usual market takes no byte and comes back by name; any other one is written. */
static void market_is_written_unless_it_is_the_usual_one(void **state)
{
    (void)state;
    static const char *const others[] = {"BTC-USC", "BTC-US", "BTC-USDT", "btc-usd", "X"};
    uint64_t random = 9;
    struct input input = {.time_ms = 1732077288123, .kind = INPUT_TAP};
    struct input decoded;
    uint8_t bytes[LIMIT_RECORD_BYTES];
    any_tap(&random, input.time_ms, &input.of.tap);
    input.of.tap.market = (struct text_view){"BTC-USD", 7};
    const size_t usual = codec_encode(&input, bytes, sizeof bytes);
    assert_int_equal(codec_decode(&scratch, 0, bytes, usual, &decoded), STATUS_OK);
    expect_same(&input, &decoded);
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        input.of.tap.market = (struct text_view){others[i], strlen(others[i])};
        const size_t length = codec_encode(&input, bytes, sizeof bytes);
        assert_int_equal(length, usual + 2 + strlen(others[i]));
        assert_int_equal(codec_decode(&scratch, 0, bytes, length, &decoded), STATUS_OK);
        expect_same(&input, &decoded);
    }
    input.of.tap.market.length = 0;
    assert_int_equal(codec_encode(&input, bytes, sizeof bytes), 0);
}

/* Any bytes give an answer: those of a record cut short or changed, and those of nothing at all.
 * Run under the sanitizers this is the proof that the decoder stays in its bounds. */
static void any_bytes_give_an_answer(void **state)
{
    (void)state;
    uint64_t random = 3;
    struct input input;
    struct input decoded;
    unsigned accepted = 0;
    for (unsigned i = 0; i < 4000; i++) {
        uint8_t bytes[LIMIT_RECORD_BYTES];
        any_input(&random, kinds[i % KINDS], &input);
        const size_t length = codec_encode(&input, bytes, sizeof bytes);
        for (unsigned j = 0; j < 20; j++) {
            uint8_t changed[LIMIT_RECORD_BYTES];
            memcpy(changed, bytes, length);
            const size_t cut = (j & 1) != 0 ? length : (size_t)(test_random(&random) % length);
            changed[test_random(&random) % length] ^= (uint8_t)(1u << (test_random(&random) & 7));
            /* An exact copy on the heap, so that a read past its end is seen. */
            uint8_t *exact = test_malloc(cut + 1);
            memcpy(exact, changed, cut);
            const enum status status = codec_decode(&scratch, 1, exact, cut, &decoded);
            assert_true(status == STATUS_OK || status == STATUS_INVALID ||
                        status == STATUS_VERSION);
            if (status == STATUS_OK) {
                accepted++;
                /* What decodes is in its shapes, so it can be encoded again. */
                assert_true(codec_encode(&decoded, changed, sizeof changed) > 0);
            }
            test_free(exact);
        }
    }
    assert_true(accepted > 0);
    for (unsigned i = 0; i < 20000; i++) {
        uint8_t bytes[200];
        const size_t length = (size_t)(test_random(&random) % sizeof bytes);
        any_bytes(&random, bytes, length);
        const enum status status = codec_decode(&scratch, 1, bytes, length, &decoded);
        assert_true(status == STATUS_OK || status == STATUS_INVALID || status == STATUS_VERSION);
    }
}

/* Decodes in both ways: the same verdict, and the same input when it is good. */
static enum status expect_both_ways(struct codec_scratch *both, const uint8_t *bytes, size_t length)
{
    static struct input one;
    static struct input other;
    const enum status status = codec_decode(&both[0], 7, bytes, length, &one);
    assert_int_equal(codec_decode_general(&both[1], 7, bytes, length, &other), status);
    if (status == STATUS_OK) {
        expect_same(&one, &other);
        assert_int_equal(one.seq, other.seq);
    }
    return status;
}

/* Taps are read without protobuf-c when they are spelt as usual. Whole, cut, with a byte changed,
 * taken out, doubled or put in, two after one another: both ways give one answer. */
static void taps_decode_alike_in_both_ways(void **state)
{
    (void)state;
    static struct codec_scratch both[2];
    uint64_t random = 11;
    for (int i = 0; i < 20000; i++) {
        struct input input;
        uint8_t bytes[2 * LIMIT_RECORD_BYTES];
        any_input(&random, INPUT_TAP, &input);
        size_t length = codec_encode(&input, bytes, LIMIT_RECORD_BYTES);
        assert_true(length > 0);
        assert_int_equal(expect_both_ways(both, bytes, length), STATUS_OK);
        const size_t at = test_random(&random) % length;
        switch (test_random(&random) % 6) {
        case 0:
            length = at;
            break;
        case 1:
            bytes[at] ^= (uint8_t)(1u << test_random(&random) % 8);
            break;
        case 2:
            memmove(bytes + at, bytes + at + 1, length - at - 1);
            length -= 1;
            break;
        case 3:
            memmove(bytes + at + 1, bytes + at, length - at);
            length += 1;
            break;
        case 4:
            bytes[at] = (uint8_t)test_random(&random);
            break;
        case 5:
            memcpy(bytes + length, bytes, length);
            length *= 2;
            break;
        }
        (void)expect_both_ways(both, bytes, length); /* good or not: alike */
    }
}

/* Spellings that mean the same, or nothing, and that no encoder of ours writes: numbers with too
 * many bytes, fields in another order, twice, empty, of another type, and those of a newer
 * program. */
static void odd_spellings_decode_alike_in_both_ways(void **state)
{
    (void)state;
    static struct codec_scratch both[2];
    uint64_t random = 12;
    unsigned good = 0;
    for (int i = 0; i < 20000; i++) {
        uint8_t tap[400];
        size_t used = 0;
        for (unsigned fields = 0; fields < 14; fields++) {
            const bool in_order = test_random(&random) % 8 != 0;
            const unsigned number =
                in_order ? fields + 1 : (unsigned)(test_random(&random) % 14) + 1;
            const bool is_number = number >= 5 && number <= 11;
            const unsigned type = test_random(&random) % 50 == 0
                                      ? (unsigned)(test_random(&random) % 8)
                                      : (is_number ? 0 : 2);
            if (test_random(&random) % 12 == 0 || number > 12 + test_random(&random) % 30 / 29) {
                continue;
            }
            tap[used++] = (uint8_t)(number << 3 | type);
            if (type == 2) {
                static const uint8_t lengths[] = {0, 20, 16, 7, 21, [12] = 65};
                const size_t length = test_random(&random) % 40 == 0
                                          ? test_random(&random) % 30
                                          : (number <= 12 ? lengths[number] : 3);
                tap[used++] = (uint8_t)length;
                memset(tap + used, 'x', length);
                used += length;
            } else {
                const unsigned more = (unsigned)(test_random(&random) % 12);
                for (unsigned k = 0; k < more; k++) {
                    tap[used++] = (uint8_t)(0x80 | test_random(&random));
                }
                tap[used++] = (uint8_t)(test_random(&random) % 4);
            }
            if (used > 300) {
                break;
            }
        }
        uint8_t bytes[450] = {0x08, 0x05, 0x2a};
        size_t length = 3;
        if (used >= 128) {
            bytes[length++] = (uint8_t)(0x80 | (used & 0x7f));
            bytes[length++] = (uint8_t)(used >> 7);
        } else {
            bytes[length++] = (uint8_t)used;
        }
        memcpy(bytes + length, tap, used);
        length += used;
        good += expect_both_ways(both, bytes, length) == STATUS_OK ? 1 : 0;
    }
    assert_true(good > 100);
}

static void expect_decodes(enum status status, const uint8_t *bytes, size_t length)
{
    struct input decoded;
    assert_int_equal(codec_decode(&scratch, 1, bytes, length, &decoded), status);
}

/* A newer program's kinds and fields are refused by name, at any depth; what is no record at all is
 * another error. */
static void newer_kinds_and_fields_are_refused(void **state)
{
    (void)state;
    const uint8_t no_kind[] = {0x08, 0x05};
    const uint8_t kind_13[] = {0x08, 0x05, 13 << 3 | 2, 0};
    const uint8_t clock[] = {0x08, 0x05, 4 << 3 | 2, 2, 0x08, 0x07};
    const uint8_t clock_field_9[] = {0x08, 0x05, 4 << 3 | 2, 4, 0x08, 0x07, 9 << 3, 1};
    const uint8_t config_key_30[] = {2 << 3 | 2, 4, 0xf2, 0x01, 1, 0};
    const uint8_t integer_field_2[] = {2 << 3 | 2, 4, 3 << 3 | 2, 2, 2 << 3, 1};
    const uint8_t quote_field_4[] = {3 << 3 | 2, 4, 7 << 3 | 2, 2, 4 << 3, 1};
    const uint8_t record_field_1000[] = {4 << 3 | 2, 0, 0xc0, 0x3e, 1};
    expect_decodes(STATUS_INVALID, no_kind, sizeof no_kind);
    expect_decodes(STATUS_INVALID, no_kind, 0);
    expect_decodes(STATUS_VERSION, kind_13, sizeof kind_13);
    expect_decodes(STATUS_OK, clock, sizeof clock);
    expect_decodes(STATUS_VERSION, clock_field_9, sizeof clock_field_9);
    expect_decodes(STATUS_VERSION, config_key_30, sizeof config_key_30);
    expect_decodes(STATUS_VERSION, integer_field_2, sizeof integer_field_2);
    expect_decodes(STATUS_VERSION, quote_field_4, sizeof quote_field_4);
    expect_decodes(STATUS_VERSION, record_field_1000, sizeof record_field_1000);
}

/* Shapes that the rules never get to see. */
static void wrong_shapes_are_refused(void **state)
{
    (void)state;
    uint64_t random = 5;
    struct input input;
    uint8_t bytes[LIMIT_RECORD_BYTES];
    any_input(&random, INPUT_TAP, &input);
    input.of.tap.signature_bytes = 63;
    assert_int_equal(codec_encode(&input, bytes, sizeof bytes), 0);
    any_input(&random, INPUT_TAP, &input);
    input.of.tap.market.length = LIMIT_MARKET_BYTES + 1;
    assert_int_equal(codec_encode(&input, bytes, sizeof bytes), 0);
    any_input(&random, INPUT_TAP, &input);
    input.of.tap.origin.length = LIMIT_ORIGIN_BYTES + 1;
    assert_int_equal(codec_encode(&input, bytes, sizeof bytes), 0);
    any_input(&random, INPUT_PRICE_TICK, &input);
    input.of.price_tick.quote_count = LIMIT_SOURCES + 1;
    assert_int_equal(codec_encode(&input, bytes, sizeof bytes), 0);
    any_input(&random, INPUT_START, &input);
    input.of.start.version.length = LIMIT_VERSION_BYTES + 1;
    assert_int_equal(codec_encode(&input, bytes, sizeof bytes), 0);
    any_input(&random, INPUT_RECOVERY, &input);
    input.of.recovery.reason.length = LIMIT_NOTE_BYTES + 1;
    assert_int_equal(codec_encode(&input, bytes, sizeof bytes), 0);
    any_input(&random, INPUT_GOODWILL, &input);
    input.of.transfer.note.length = LIMIT_NOTE_BYTES + 1;
    assert_int_equal(codec_encode(&input, bytes, sizeof bytes), 0);
    any_input(&random, INPUT_CONFIG, &input);
    input.of.config.given = (uint32_t)1 << CONFIG_KEY_COUNT;
    assert_int_equal(codec_encode(&input, bytes, sizeof bytes), 0);

    const uint8_t short_account[] = {6 << 3 | 2, 3, 1 << 3 | 2, 1, 7};
    const uint8_t no_account[] = {6 << 3 | 2, 2, 2 << 3, 7};
    const uint8_t house[] = {8 << 3 | 2, 2, 2 << 3, 7};
    const uint8_t house_with_account[] = {8 << 3 | 2, 3, 1 << 3 | 2, 1, 7};
    const uint8_t short_digest[] = {11 << 3 | 2, 3, 2 << 3 | 2, 1, 7};
    const uint8_t recovery_without_head[] = {0x82, 1, 2, 1 << 3, 7};
    const uint8_t nul_in_market[] = {2 << 3 | 2, 5, 2 << 3 | 2, 3, 'A', 0, 'B'};
    expect_decodes(STATUS_INVALID, short_account, sizeof short_account);
    expect_decodes(STATUS_INVALID, no_account, sizeof no_account);
    expect_decodes(STATUS_OK, house, sizeof house);
    expect_decodes(STATUS_INVALID, house_with_account, sizeof house_with_account);
    expect_decodes(STATUS_INVALID, short_digest, sizeof short_digest);
    expect_decodes(STATUS_INVALID, recovery_without_head, sizeof recovery_without_head);
    expect_decodes(STATUS_INVALID, nul_in_market, sizeof nul_in_market);
}

/* 33 quotes decode as a message, and are refused as an input. */
static void too_many_quotes_are_refused(void **state)
{
    (void)state;
    uint8_t bytes[2 + 2 * (LIMIT_SOURCES + 1)] = {3 << 3 | 2, 2 * (LIMIT_SOURCES + 1)};
    for (unsigned i = 0; i <= LIMIT_SOURCES; i++) {
        bytes[2 + 2 * i] = 7 << 3 | 2;
    }
    expect_decodes(STATUS_INVALID, bytes, sizeof bytes);
    bytes[1] = 2 * LIMIT_SOURCES;
    expect_decodes(STATUS_OK, bytes, sizeof bytes - 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_survives_the_round_trip),
        cmocka_unit_test(tap_is_compact),
        cmocka_unit_test(times_of_a_tap_are_exact_or_refused),
        cmocka_unit_test(a_time_beyond_int64_is_invalid),
        cmocka_unit_test(market_is_written_unless_it_is_the_usual_one),
        cmocka_unit_test(any_bytes_give_an_answer),
        cmocka_unit_test(taps_decode_alike_in_both_ways),
        cmocka_unit_test(odd_spellings_decode_alike_in_both_ways),
        cmocka_unit_test(newer_kinds_and_fields_are_refused),
        cmocka_unit_test(wrong_shapes_are_refused),
        cmocka_unit_test(too_many_quotes_are_refused),
    };
    return cmocka_run_group_tests_name("codec", tests, fill_pool, NULL);
}
