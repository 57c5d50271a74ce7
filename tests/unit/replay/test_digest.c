#include "replay/digest.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <nettle/sha2.h>
#include <string.h>

#include "base/bytes.h"

/* What enters the hash of one record, put together by hand from docs/DETERMINISM.md. */
struct bytes {
    uint8_t of[1024];
    size_t length;
};

static void add(struct bytes *bytes, const void *more, size_t count)
{
    memcpy(bytes->of + bytes->length, more, count);
    bytes->length += count;
}

static void add_number(struct bytes *bytes, uint64_t value, size_t width)
{
    for (size_t i = 0; i < width; i++) {
        bytes->of[bytes->length] = (uint8_t)(value >> (8 * i));
        bytes->length += 1;
    }
}

static void assert_hash_of(const struct bytes *bytes, const uint8_t *value)
{
    struct sha256_ctx hash;
    uint8_t expected[HASH_BYTES];
    sha256_init(&hash);
    sha256_update(&hash, bytes->length, bytes->of);
    sha256_digest(&hash, sizeof expected, expected);
    assert_memory_equal(value, expected, HASH_BYTES);
}

/* The chain begins with 32 zero bytes, and a record without events hashes its seq and time alone;
 * the second record hashes the first one's digest. */
static void a_silent_record_hashes_digest_seq_and_time(void **state)
{
    (void)state;
    static const uint8_t zeros[HASH_BYTES];
    struct digest *digest;
    assert_int_equal(digest_open(&digest), STATUS_OK);
    assert_memory_equal(digest_value(digest), zeros, HASH_BYTES);
    uint8_t before[HASH_BYTES] = {0};
    for (uint64_t seq = 1; seq <= 2; seq++) {
        struct bytes bytes = {.length = 0};
        add(&bytes, before, HASH_BYTES);
        add_number(&bytes, seq, 8);
        add_number(&bytes, 1732077280000 + seq, 8);
        digest_begin(digest, seq, (int64_t)(1732077280000 + seq), NULL);
        digest_end(digest);
        assert_hash_of(&bytes, digest_value(digest));
        memcpy(before, digest_value(digest), HASH_BYTES);
    }
    digest_free(digest);
}

/* An event and two postings stand in the hash byte by byte as the document says, in their order. */
static void events_and_postings_hash_their_documented_bytes(void **state)
{
    (void)state;
    const uint8_t address[ADDRESS_BYTES] = {0xaa, [19] = 0xbb};
    const struct event event = {
        .kind = EVENT_TICK,
        .of.tick =
            {.grid_ms = 1000, .price_e4 = 970000000, .spread_e4 = 12, .sources = 3, .set = 7},
    };
    const struct posting deposit = {
        .line = 1,
        .account = LEDGER_AVAILABLE,
        .user_id = 5,
        .address = address,
        .amount_micro = 250,
        .balance_after_micro = 300,
        .ref_type = REF_DEPOSIT,
        .reference = "wire-1",
        .reference_length = 6,
    };
    const struct posting reserve = {
        .line = 2,
        .account = LEDGER_RESERVED,
        .column_ms = 5000,
        .amount_micro = -7,
        .balance_after_micro = 0,
        .ref_type = REF_BET_CONFIRM,
        .ref_id = 99,
    };
    struct digest *digest;
    assert_int_equal(digest_open(&digest), STATUS_OK);
    digest_begin(digest, 1, 1200, NULL);
    const struct event_sink *sink = digest_sink(digest);
    sink->event(sink->context, &event);
    sink->posting(sink->context, &deposit);
    sink->posting(sink->context, &reserve);
    digest_end(digest);

    static const uint8_t zeros[HASH_BYTES];
    struct bytes bytes = {.length = 0};
    add(&bytes, zeros, HASH_BYTES);
    add_number(&bytes, 1, 8);
    add_number(&bytes, 1200, 8);
    add(&bytes, "E", 1);
    add_number(&bytes, EVENT_TICK, 1);
    add_number(&bytes, 1000, 8);
    add_number(&bytes, 970000000, 8);
    add_number(&bytes, 12, 8);
    add_number(&bytes, 3, 4);
    add_number(&bytes, 7, 4);
    add(&bytes, "P", 1);
    add_number(&bytes, 1, 4);
    add_number(&bytes, LEDGER_AVAILABLE, 1);
    add_number(&bytes, 5, 8);
    add(&bytes, address, ADDRESS_BYTES);
    add_number(&bytes, 0, 8);
    add_number(&bytes, 250, 8);
    add_number(&bytes, 300, 8);
    add_number(&bytes, REF_DEPOSIT, 1);
    add_number(&bytes, 0, 8);
    add_number(&bytes, 6, 4);
    add(&bytes, "wire-1", 6);
    add(&bytes, "P", 1);
    add_number(&bytes, 2, 4);
    add_number(&bytes, LEDGER_RESERVED, 1);
    add_number(&bytes, 0, 8);
    add(&bytes, zeros, ADDRESS_BYTES);
    add_number(&bytes, 5000, 8);
    add_number(&bytes, (uint64_t)-7, 8);
    add_number(&bytes, 0, 8);
    add_number(&bytes, REF_BET_CONFIRM, 1);
    add_number(&bytes, 99, 8);
    add_number(&bytes, 0, 4);
    assert_hash_of(&bytes, digest_value(digest));
    digest_free(digest);
}

static void digest_one(const struct event *event, uint8_t *value)
{
    struct digest *digest;
    assert_int_equal(digest_open(&digest), STATUS_OK);
    digest_begin(digest, 1, 1, NULL);
    digest_sink(digest)->event(digest_sink(digest)->context, event);
    digest_end(digest);
    memcpy(value, digest_value(digest), HASH_BYTES);
    digest_free(digest);
}

/* Each field of a bet changes the digest: there is none that two programs may disagree about
 * unseen. */
static void every_field_of_a_bet_counts(void **state)
{
    (void)state;
    const struct bet plain = {.state = BET_CONFIRMED};
    struct bet changed[] = {
#define ONE(field) {.state = BET_CONFIRMED, .field = 1}
        ONE(bet),
        ONE(user_id),
        ONE(account[19]),
        ONE(nonce[15]),
        ONE(column_ms),
        ONE(band),
        ONE(lo_e4),
        ONE(hi_e4),
        ONE(stake_micro),
        ONE(min_mult_centi),
        ONE(config),
        ONE(session),
        ONE(mult_centi),
        ONE(payout_micro),
        ONE(paid_micro),
        ONE(accepted_at_ms),
        ONE(accepted_seq),
        ONE(priced_at_ms),
        ONE(priced_seq),
        ONE(tick_ms),
        ONE(price_e4),
        ONE(settled_at_ms),
        ONE(settled_seq),
        ONE(settle_price_e4),
#undef ONE
        {.state = BET_CONFIRMED, .reason = REASON_LIMIT},
        {.state = BET_WON},
    };
    const struct event event = {.kind = EVENT_BET_CONFIRMED, .of.bet = &plain};
    uint8_t value[HASH_BYTES];
    digest_one(&event, value);
    for (size_t i = 0; i < sizeof changed / sizeof changed[0]; i++) {
        const struct event other = {.kind = EVENT_BET_CONFIRMED, .of.bet = &changed[i]};
        uint8_t other_value[HASH_BYTES];
        digest_one(&other, other_value);
        assert_memory_not_equal(value, other_value, HASH_BYTES);
    }
}

/* The line for people in a refusal may be worded better one day; history stays the same. */
static void wording_of_a_refusal_does_not_count(void **state)
{
    (void)state;
    const struct event one = {.kind = EVENT_CONFIG_REFUSED,
                              .of.refusal = {REASON_BAD_REQUEST, "bands is even"}};
    const struct event other = {.kind = EVENT_CONFIG_REFUSED,
                                .of.refusal = {REASON_BAD_REQUEST, "bands must be odd"}};
    uint8_t one_value[HASH_BYTES];
    uint8_t other_value[HASH_BYTES];
    digest_one(&one, one_value);
    digest_one(&other, other_value);
    assert_memory_equal(one_value, other_value, HASH_BYTES);
}

static void count_event(void *context, const struct event *event)
{
    (void)event;
    *(int *)context += 1;
}

static void count_posting(void *context, const struct posting *posting)
{
    (void)posting;
    *(int *)context += 100;
}

/* The digest is a tee: whoever listens behind it hears everything, and only during the record. */
static void the_next_sink_hears_everything(void **state)
{
    (void)state;
    int heard = 0;
    const struct event_sink next = {&heard, count_event, count_posting};
    const struct event event = {.kind = EVENT_START};
    const struct posting posting = {.account = LEDGER_BANKROLL, .ref_type = REF_COLUMN};
    struct digest *digest;
    assert_int_equal(digest_open(&digest), STATUS_OK);
    digest_begin(digest, 1, 1, &next);
    digest_sink(digest)->event(digest_sink(digest)->context, &event);
    digest_sink(digest)->posting(digest_sink(digest)->context, &posting);
    digest_end(digest);
    digest_begin(digest, 2, 2, NULL);
    digest_sink(digest)->event(digest_sink(digest)->context, &event);
    digest_end(digest);
    assert_int_equal(heard, 101);
    digest_free(digest);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_silent_record_hashes_digest_seq_and_time),
        cmocka_unit_test(events_and_postings_hash_their_documented_bytes),
        cmocka_unit_test(every_field_of_a_bet_counts),
        cmocka_unit_test(wording_of_a_refusal_does_not_count),
        cmocka_unit_test(the_next_sink_hears_everything),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
