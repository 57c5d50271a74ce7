#include "replay/digest.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <nettle/sha2.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "replay/replay.h"
#include "sample.h"

#define SEQ     100 /* of the record in the tests that have one */
#define TIME_MS 1732077280000
#define LINES   3000 /* more than gather before they are hashed */

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

/* The chain begins with 32 zero bytes, and a record without events hashes its time alone; the
 * second record hashes the first one's digest, so that a seq is the number of links. */
static void a_silent_record_hashes_digest_and_time(void **state)
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
        add_number(&bytes, 1732077280000 + seq, 8);
        digest_begin(digest, seq, (int64_t)(1732077280000 + seq), NULL);
        digest_end(digest);
        assert_hash_of(&bytes, digest_value(digest));
        memcpy(before, digest_value(digest), HASH_BYTES);
    }
    digest_free(digest);
}

/* An event and postings of every account stand in the hash byte by byte as the document says, in
 * their order; a transfer's reference is there, a user's address is not. */
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
        .line = 0,
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
        .line = 1,
        .account = LEDGER_RESERVED,
        .column_ms = 5000,
        .amount_micro = -7,
        .balance_after_micro = 0,
        .ref_type = REF_BET_CONFIRM,
        .ref_id = 99,
    };
    const struct posting bankroll = {
        .line = 2,
        .account = LEDGER_BANKROLL,
        .amount_micro = 7,
        .balance_after_micro = 8,
        .ref_type = REF_COLUMN,
        .ref_id = 5000,
    };
    struct digest *digest;
    assert_int_equal(digest_open(&digest), STATUS_OK);
    digest_begin(digest, 1, 1200, NULL);
    const struct event_sink *sink = digest_sink(digest);
    sink->event(sink->context, &event);
    sink->posting(sink->context, &deposit);
    sink->posting(sink->context, &reserve);
    sink->posting(sink->context, &bankroll);
    digest_end(digest);

    static const uint8_t zeros[HASH_BYTES];
    struct bytes bytes = {.length = 0};
    add(&bytes, zeros, HASH_BYTES);
    add_number(&bytes, 1200, 8);
    add_number(&bytes, EVENT_TICK, 1);
    add_number(&bytes, 1000, 8);
    add_number(&bytes, 970000000, 8);
    add_number(&bytes, 12, 8);
    add_number(&bytes, 3, 4);
    add_number(&bytes, 7, 4);
    add_number(&bytes, 0x80 + 16 * LEDGER_AVAILABLE + REF_DEPOSIT, 1);
    add_number(&bytes, 5, 4);
    add_number(&bytes, 250, 8);
    add_number(&bytes, 300, 8);
    add_number(&bytes, 6, 1);
    add(&bytes, "wire-1", 6);
    add_number(&bytes, 0x80 + 16 * LEDGER_RESERVED + REF_BET_CONFIRM, 1);
    add_number(&bytes, 5000, 8);
    add_number(&bytes, (uint64_t)-7, 8);
    add_number(&bytes, 0, 8);
    add_number(&bytes, 99, 8);
    add_number(&bytes, 0x80 + 16 * LEDGER_BANKROLL + REF_COLUMN, 1);
    add_number(&bytes, 7, 8);
    add_number(&bytes, 8, 8);
    add_number(&bytes, 5000, 8);
    assert_hash_of(&bytes, digest_value(digest));
    digest_free(digest);
}

static void digest_one(const struct event *event, uint8_t *value)
{
    struct digest *digest;
    assert_int_equal(digest_open(&digest), STATUS_OK);
    digest_begin(digest, SEQ, TIME_MS, NULL);
    digest_sink(digest)->event(digest_sink(digest)->context, event);
    digest_end(digest);
    memcpy(value, digest_value(digest), HASH_BYTES);
    digest_free(digest);
}

/* One bet in each of its states, as the state machine would tell it at record SEQ. */
static const struct bet accepted = {
    .bet = SEQ,
    .state = BET_ACCEPTED,
    .accepted_seq = SEQ,
    .accepted_at_ms = TIME_MS,
};
static const struct bet confirmed = {
    .bet = 7,
    .state = BET_CONFIRMED,
    .accepted_seq = 7,
    .accepted_at_ms = 70,
    .priced_seq = SEQ,
    .priced_at_ms = TIME_MS,
};
static const struct bet rejected = {
    .bet = 7,
    .state = BET_REJECTED,
    .accepted_seq = 7,
    .accepted_at_ms = 70,
    .priced_seq = SEQ,
    .priced_at_ms = TIME_MS,
};
static const struct bet never_accepted = {
    .bet = SEQ,
    .state = BET_REJECTED,
    .priced_seq = SEQ,
    .priced_at_ms = TIME_MS,
};
static const struct bet settled = {
    .bet = 7,
    .state = BET_WON,
    .accepted_seq = 7,
    .accepted_at_ms = 70,
    .priced_seq = 8,
    .priced_at_ms = 80,
    .settled_seq = SEQ,
    .settled_at_ms = TIME_MS,
};

static void digest_bet(enum event_kind kind, const struct bet *bet, uint8_t *value)
{
    const struct event event = {.kind = kind, .of.bet = bet};
    digest_one(&event, value);
}

static void assert_differ(enum event_kind kind, const struct bet *one, const struct bet *other)
{
    uint8_t one_value[HASH_BYTES];
    uint8_t other_value[HASH_BYTES];
    digest_bet(kind, one, one_value);
    digest_bet(kind, other, other_value);
    assert_memory_not_equal(one_value, other_value, HASH_BYTES);
}

/* Changes one field of `plain` at a time. */
#define ASSERT_COUNTS(kind, plain, field)                                                          \
    do {                                                                                           \
        struct bet changed = plain;                                                                \
        changed.field += 1;                                                                        \
        assert_differ(kind, &plain, &changed);                                                     \
    } while (0)

/* Everything that is not the record's own seq and time changes the digest of an acceptance: there
 * is nothing that two programs may disagree about unseen. */
static void every_field_of_an_acceptance_counts(void **state)
{
    (void)state;
    ASSERT_COUNTS(EVENT_BET_ACCEPTED, accepted, user_id);
    ASSERT_COUNTS(EVENT_BET_ACCEPTED, accepted, nonce[0]);
    ASSERT_COUNTS(EVENT_BET_ACCEPTED, accepted, nonce[15]);
    ASSERT_COUNTS(EVENT_BET_ACCEPTED, accepted, column_ms);
    ASSERT_COUNTS(EVENT_BET_ACCEPTED, accepted, band);
    ASSERT_COUNTS(EVENT_BET_ACCEPTED, accepted, lo_e4);
    ASSERT_COUNTS(EVENT_BET_ACCEPTED, accepted, hi_e4);
    ASSERT_COUNTS(EVENT_BET_ACCEPTED, accepted, stake_micro);
    ASSERT_COUNTS(EVENT_BET_ACCEPTED, accepted, min_mult_centi);
    ASSERT_COUNTS(EVENT_BET_ACCEPTED, accepted, config);
    ASSERT_COUNTS(EVENT_BET_ACCEPTED, accepted, session);
}

/* A later event tells which bet, and all that it adds: the price, the refusal, the outcome. */
static void every_field_that_a_later_event_adds_counts(void **state)
{
    (void)state;
    struct bet other = confirmed;
    other.bet = other.accepted_seq = 6;
    assert_differ(EVENT_BET_CONFIRMED, &confirmed, &other);
    ASSERT_COUNTS(EVENT_BET_CONFIRMED, confirmed, lo_e4);
    ASSERT_COUNTS(EVENT_BET_CONFIRMED, confirmed, hi_e4);
    ASSERT_COUNTS(EVENT_BET_CONFIRMED, confirmed, mult_centi);
    ASSERT_COUNTS(EVENT_BET_CONFIRMED, confirmed, payout_micro);
    ASSERT_COUNTS(EVENT_BET_CONFIRMED, confirmed, tick_ms);
    ASSERT_COUNTS(EVENT_BET_CONFIRMED, confirmed, price_e4);

    other = rejected;
    other.bet = other.accepted_seq = 6;
    assert_differ(EVENT_BET_REJECTED, &rejected, &other);
    other = rejected;
    other.reason = REASON_LIMIT;
    assert_differ(EVENT_BET_REJECTED, &rejected, &other);
    ASSERT_COUNTS(EVENT_BET_REJECTED, rejected, lo_e4);
    ASSERT_COUNTS(EVENT_BET_REJECTED, rejected, hi_e4);
    ASSERT_COUNTS(EVENT_BET_REJECTED, rejected, tick_ms);
    ASSERT_COUNTS(EVENT_BET_REJECTED, rejected, price_e4);

    other = settled;
    other.bet = other.accepted_seq = 6;
    assert_differ(EVENT_BET_SETTLED, &settled, &other);
    other = settled;
    other.state = BET_LOST;
    assert_differ(EVENT_BET_SETTLED, &settled, &other);
    other = settled;
    other.reason = REASON_DOWN;
    assert_differ(EVENT_BET_SETTLED, &settled, &other);
    ASSERT_COUNTS(EVENT_BET_SETTLED, settled, lo_e4);
    ASSERT_COUNTS(EVENT_BET_SETTLED, settled, hi_e4);
    ASSERT_COUNTS(EVENT_BET_SETTLED, settled, paid_micro);
    ASSERT_COUNTS(EVENT_BET_SETTLED, settled, settle_price_e4);
}

/* A tap that was refused with a bet has no acceptance that bound its fields: they all stand in the
 * refusal, the account's address too, which may have no user id. */
static void every_field_of_a_bet_never_accepted_counts(void **state)
{
    (void)state;
    struct bet other = never_accepted;
    other.reason = REASON_LIMIT;
    assert_differ(EVENT_BET_REJECTED, &never_accepted, &other);
    ASSERT_COUNTS(EVENT_BET_REJECTED, never_accepted, user_id);
    ASSERT_COUNTS(EVENT_BET_REJECTED, never_accepted, account[0]);
    ASSERT_COUNTS(EVENT_BET_REJECTED, never_accepted, account[19]);
    ASSERT_COUNTS(EVENT_BET_REJECTED, never_accepted, nonce[0]);
    ASSERT_COUNTS(EVENT_BET_REJECTED, never_accepted, nonce[15]);
    ASSERT_COUNTS(EVENT_BET_REJECTED, never_accepted, column_ms);
    ASSERT_COUNTS(EVENT_BET_REJECTED, never_accepted, band);
    ASSERT_COUNTS(EVENT_BET_REJECTED, never_accepted, lo_e4);
    ASSERT_COUNTS(EVENT_BET_REJECTED, never_accepted, hi_e4);
    ASSERT_COUNTS(EVENT_BET_REJECTED, never_accepted, stake_micro);
    ASSERT_COUNTS(EVENT_BET_REJECTED, never_accepted, min_mult_centi);
    ASSERT_COUNTS(EVENT_BET_REJECTED, never_accepted, config);
    ASSERT_COUNTS(EVENT_BET_REJECTED, never_accepted, session);
}

/* The acceptance byte by byte: the event that there are most of. */
static void an_acceptance_hashes_its_documented_bytes(void **state)
{
    (void)state;
    struct bet bet = accepted;
    bet.user_id = 3;
    memset(bet.nonce, 0xcd, NONCE_BYTES);
    bet.column_ms = 5000;
    bet.band = -4;
    bet.lo_e4 = -800000;
    bet.hi_e4 = -600000;
    bet.stake_micro = 1000000;
    bet.min_mult_centi = 150;
    bet.config = 2;
    bet.session = 9;
    uint8_t value[HASH_BYTES];
    digest_bet(EVENT_BET_ACCEPTED, &bet, value);
    struct bytes bytes = {.length = 0};
    static const uint8_t zeros[HASH_BYTES];
    add(&bytes, zeros, HASH_BYTES);
    add_number(&bytes, TIME_MS, 8);
    add_number(&bytes, EVENT_BET_ACCEPTED, 1);
    add_number(&bytes, 3, 4);
    add(&bytes, bet.nonce, NONCE_BYTES);
    add_number(&bytes, 5000, 8);
    add_number(&bytes, (uint64_t)-4, 8);
    add_number(&bytes, (uint64_t)-800000, 8);
    add_number(&bytes, (uint64_t)-600000, 8);
    add_number(&bytes, 1000000, 8);
    add_number(&bytes, 150, 8);
    add_number(&bytes, 2, 8);
    add_number(&bytes, 9, 8);
    assert_hash_of(&bytes, value);
}

/* A record may say more than is hashed at one time: the pieces make the same hash as the whole. */
static void a_long_record_hashes_like_one_piece(void **state)
{
    (void)state;
    const struct posting posting = {.account = LEDGER_BANKROLL, .ref_type = REF_COLUMN};
    static uint8_t expected[HASH_BYTES + 8 + LINES * 25];
    struct digest *digest;
    assert_int_equal(digest_open(&digest), STATUS_OK);
    digest_begin(digest, 1, 0, NULL);
    size_t length = HASH_BYTES + 8;
    for (uint32_t line = 0; line < LINES; line++) {
        struct posting one = posting;
        one.line = line;
        one.amount_micro = line;
        one.ref_id = line;
        digest_sink(digest)->posting(digest_sink(digest)->context, &one);
        expected[length] = 0x80 + 16 * LEDGER_BANKROLL + REF_COLUMN;
        store_u64(expected + length + 1, line);
        store_u64(expected + length + 17, line);
        length += 25;
    }
    digest_end(digest);
    assert_int_equal(length, sizeof expected);
    struct sha256_ctx hash;
    uint8_t value[HASH_BYTES];
    sha256_init(&hash);
    sha256_update(&hash, sizeof expected, expected);
    sha256_digest(&hash, sizeof value, value);
    assert_memory_equal(digest_value(digest), value, HASH_BYTES);
    digest_free(digest);
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

/* What was told first of each bet and account of a journal. */
struct first_told {
    struct bet bets[SAMPLE_RECORDS_MAX + 1]; /* by id; the last event that bound something */
    uint8_t addresses[SAMPLE_RECORDS_MAX + 1][ADDRESS_BYTES]; /* by user id */
    unsigned later_events;
    unsigned postings_of_users;
};

static void assert_same_tap(const struct bet *first, const struct bet *bet)
{
    assert_int_equal(bet->user_id, first->user_id);
    assert_memory_equal(bet->account, first->account, ADDRESS_BYTES);
    assert_memory_equal(bet->nonce, first->nonce, NONCE_BYTES);
    assert_int_equal(bet->column_ms, first->column_ms);
    assert_int_equal(bet->band, first->band);
    assert_int_equal(bet->stake_micro, first->stake_micro);
    assert_int_equal(bet->min_mult_centi, first->min_mult_centi);
    assert_int_equal(bet->config, first->config);
    assert_int_equal(bet->session, first->session);
    assert_int_equal(bet->accepted_at_ms, first->accepted_at_ms);
    assert_int_equal(bet->accepted_seq, first->accepted_seq);
}

static void assert_same_price(const struct bet *first, const struct bet *bet)
{
    assert_int_equal(bet->mult_centi, first->mult_centi);
    assert_int_equal(bet->payout_micro, first->payout_micro);
    assert_int_equal(bet->priced_at_ms, first->priced_at_ms);
    assert_int_equal(bet->priced_seq, first->priced_seq);
    assert_int_equal(bet->tick_ms, first->tick_ms);
    assert_int_equal(bet->price_e4, first->price_e4);
}

static void compare_bet(struct first_told *told, const struct event *event)
{
    const struct bet *bet = event->of.bet;
    struct bet *first = &told->bets[bet->bet];
    if (event->kind == EVENT_BET_ACCEPTED) {
        assert_memory_equal(bet->account, told->addresses[bet->user_id], ADDRESS_BYTES);
        *first = *bet;
        return;
    }
    if (bet->accepted_seq == 0) {
        return; /* refused in its own step: nothing is left out */
    }
    assert_same_tap(first, bet);
    if (event->kind == EVENT_BET_SETTLED) {
        assert_same_price(first, bet);
    }
    *first = *bet;
    told->later_events += 1;
}

static void compare_event(void *context, const struct event *event)
{
    struct first_told *told = context;
    if (event->kind == EVENT_ACCOUNT_OPENED) {
        memcpy(told->addresses[event->of.account.user_id], event->of.account.address,
               ADDRESS_BYTES);
    } else if (event->kind >= EVENT_BET_ACCEPTED && event->kind <= EVENT_BET_SETTLED) {
        compare_bet(told, event);
    }
}

static void compare_posting(void *context, const struct posting *posting)
{
    struct first_told *told = context;
    if (posting->account == LEDGER_AVAILABLE || posting->account == LEDGER_HELD) {
        assert_memory_equal(posting->address, told->addresses[posting->user_id], ADDRESS_BYTES);
        told->postings_of_users += 1;
    }
}

/* What an event or posting does not tell the digest again is what an earlier one told: no later
 * event of a bet differs in it, and no user id stands for another address. */
static void what_is_left_out_was_told_before(void **state)
{
    (void)state;
    struct sample sample;
    sample_make(&sample, &(struct sample_options){.second_config = true});
    struct first_told *told = calloc(1, sizeof *told);
    assert_non_null(told);
    const struct event_sink sink = {told, compare_event, compare_posting};
    struct applier *applier;
    struct replay_result result;
    assert_int_equal(applier_open(&sample_limits, &applier), STATUS_OK);
    assert_int_equal(
        replay_run(applier, sample.dir, &(struct replay_options){.sink = &sink}, &result),
        STATUS_OK);
    assert_true(told->later_events > 3);
    assert_true(told->postings_of_users > 6);
    applier_free(applier);
    free(told);
    sample_remove(&sample);
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
        cmocka_unit_test(a_silent_record_hashes_digest_and_time),
        cmocka_unit_test(events_and_postings_hash_their_documented_bytes),
        cmocka_unit_test(an_acceptance_hashes_its_documented_bytes),
        cmocka_unit_test(every_field_of_an_acceptance_counts),
        cmocka_unit_test(every_field_that_a_later_event_adds_counts),
        cmocka_unit_test(every_field_of_a_bet_never_accepted_counts),
        cmocka_unit_test(a_long_record_hashes_like_one_piece),
        cmocka_unit_test(what_is_left_out_was_told_before),
        cmocka_unit_test(wording_of_a_refusal_does_not_count),
        cmocka_unit_test(the_next_sink_hears_everything),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
