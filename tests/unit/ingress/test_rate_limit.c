#include "ingress/rate_limit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../random.h"
#include "base/bytes.h"

#define ACCOUNT_BYTES 20
#define START_NS      ((int64_t)1000000000000)
#define MS_NS         ((int64_t)1000000)

static struct rate_limit *open_limit(const char *rate_text, size_t keys)
{
    struct rate rate;
    struct rate_limit *limit = NULL;
    assert_true(rate_limit_parse(rate_text, &rate));
    assert_int_equal(rate_limit_open(rate, ACCOUNT_BYTES, keys, &limit), STATUS_OK);
    return limit;
}

static const uint8_t *key_of(uint64_t number)
{
    static uint8_t key[ACCOUNT_BYTES];
    memset(key, 0, sizeof(key));
    store_u64(key + 12, number);
    return key;
}

/* Takes until refused; the count of tokens there were. */
static unsigned take_all(struct rate_limit *limit, uint64_t key, int64_t now_ns)
{
    unsigned taken = 0;
    while (taken < 100000 && rate_limit_take(limit, key_of(key), now_ns) == 0) {
        taken += 1;
    }
    return taken;
}

/* RATE:BURST, and 0 for no limit; nothing else. */
static void options_are_parsed_strictly(void **state)
{
    (void)state;
    struct rate rate;
    assert_true(rate_limit_parse("10:20", &rate));
    assert_int_equal(rate.per_second, 10);
    assert_int_equal(rate.burst, 20);
    assert_true(rate_limit_parse("1000000:1000000", &rate));
    assert_true(rate_limit_parse("0", &rate));
    assert_int_equal(rate.per_second, 0);
    assert_true(rate_limit_parse("0:5", &rate));
    assert_int_equal(rate.per_second, 0);
    assert_true(rate_limit_parse("0:0", &rate));
    static const char *const wrong[] = {
        "",         "10",     "10:",    ":20",    "10:0",  "-1:5",      "10:-1",     "1.5:2",
        "10:20:30", " 10:20", "10:20 ", "010:20", "1e3:5", "1000001:1", "1:1000001", "a:b"};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        rate = (struct rate){.per_second = 7, .burst = 7};
        assert_false(rate_limit_parse(wrong[i], &rate));
        assert_int_equal(rate.per_second, 7);
    }
}

/* The burst is there at once, then the rate; the wait it names is the exact time of the next token.
 */
static void burst_then_rate(void **state)
{
    (void)state;
    struct rate_limit *limit = open_limit("10:20", 100);
    assert_int_equal(take_all(limit, 1, START_NS), 20);
    const int64_t wait_ms = rate_limit_take(limit, key_of(1), START_NS);
    assert_int_equal(wait_ms, 100);
    assert_int_equal(rate_limit_wait_ms(limit, key_of(1), START_NS), 100);
    assert_int_equal(rate_limit_take(limit, key_of(1), START_NS + 99 * MS_NS), 1);
    assert_int_equal(rate_limit_take(limit, key_of(1), START_NS + 100 * MS_NS), 0);
    assert_int_equal(rate_limit_take(limit, key_of(1), START_NS + 100 * MS_NS), 100);
    /* Ten seconds of steady load give a hundred more, whatever the rhythm. */
    unsigned taken = 0;
    for (int64_t ms = 101; ms <= 10100; ms++) {
        taken += rate_limit_take(limit, key_of(1), START_NS + ms * MS_NS) == 0 ? 1 : 0;
    }
    assert_int_equal(taken, 100);
    /* After a rest the bucket is full again and no fuller. */
    assert_int_equal(take_all(limit, 1, START_NS + 100000 * MS_NS), 20);
    rate_limit_free(limit);
}

/* A refused request costs nothing: hammering does not postpone the next token. */
static void refusals_cost_nothing(void **state)
{
    (void)state;
    struct rate_limit *limit = open_limit("10:20", 100);
    assert_int_equal(take_all(limit, 1, START_NS), 20);
    for (int i = 0; i < 1000; i++) {
        assert_int_equal(rate_limit_take(limit, key_of(1), START_NS), 100);
        assert_int_equal(rate_limit_wait_ms(limit, key_of(1), START_NS), 100);
    }
    assert_int_equal(rate_limit_take(limit, key_of(1), START_NS + 100 * MS_NS), 0);
    rate_limit_free(limit);
}

/* Looking takes nothing, from a new key either. */
static void looking_takes_nothing(void **state)
{
    (void)state;
    struct rate_limit *limit = open_limit("10:20", 100);
    for (int i = 0; i < 100; i++) {
        assert_int_equal(rate_limit_wait_ms(limit, key_of(1), START_NS), 0);
    }
    assert_int_equal(take_all(limit, 1, START_NS), 20);
    rate_limit_free(limit);
}

/* One key's greed is no other's. */
static void keys_do_not_share_tokens(void **state)
{
    (void)state;
    struct rate_limit *limit = open_limit("10:20", 100);
    for (uint64_t key = 0; key < 50; key++) {
        assert_int_equal(take_all(limit, key, START_NS), 20);
    }
    rate_limit_free(limit);
}

/* Off means off: nothing is counted. */
static void zero_is_no_limit(void **state)
{
    (void)state;
    struct rate_limit *limit = open_limit("0", 16);
    for (int i = 0; i < 10000; i++) {
        assert_int_equal(rate_limit_take(limit, key_of(1), START_NS), 0);
        assert_int_equal(rate_limit_wait_ms(limit, key_of(1), START_NS), 0);
    }
    rate_limit_free(limit);
}

/* However many other keys come, in a table far too small for them, an exhausted bucket stays
 * exhausted until its own time: no key ever gets more than burst + rate * time. */
static void crowd_cannot_refill_a_bucket(void **state)
{
    (void)state;
    struct rate_limit *limit = open_limit("10:20", 16);
    unsigned taken = take_all(limit, 1, START_NS);
    assert_int_equal(taken, 20);
    unsigned refused_newcomers = 0;
    for (int64_t step = 1; step < 1000; step++) { /* one second */
        const int64_t now_ns = START_NS + step * MS_NS;
        for (uint64_t other = 0; other < 20; other++) {
            const uint64_t key = 1000 + (uint64_t)step * 20 + other;
            refused_newcomers += rate_limit_take(limit, key_of(key), now_ns) != 0 ? 1 : 0;
        }
        taken += rate_limit_take(limit, key_of(1), now_ns) == 0 ? 1 : 0;
    }
    assert_true(refused_newcomers > 0); /* the table was indeed too small */
    assert_true(taken <= 20 + 10);
    assert_true(taken >= 20 + 9); /* and the crowd did not starve who was there before */
    rate_limit_free(limit);
}

/* A newcomer for whom there is no room waits, gets in once the time it was told has passed, and
 * takes nothing from those who were there before. */
static void newcomer_waits_for_room(void **state)
{
    (void)state;
    struct rate_limit *limit = open_limit("1:5", 1);
    uint64_t key = 1;
    while (rate_limit_take(limit, key_of(key), START_NS) == 0) {
        key += 1;
        assert_true(key < 10000);
    }
    for (uint64_t before = 1; before < key; before++) {
        assert_int_equal(take_all(limit, before, START_NS), 4);
    }
    rate_limit_free(limit);

    limit = open_limit("1:5", 1);
    key = 1;
    while (rate_limit_take(limit, key_of(key), START_NS) == 0) {
        key += 1;
    }
    const int64_t wait_ms = rate_limit_take(limit, key_of(key), START_NS);
    assert_in_range(wait_ms, 1, 1000); /* each of the others misses one token of a second */
    assert_int_equal(rate_limit_take(limit, key_of(key), START_NS + wait_ms * MS_NS), 0);
    rate_limit_free(limit);
}

/* As many active keys as were asked for find room, but for rare crowded windows. */
static void promised_keys_find_room(void **state)
{
    (void)state;
    enum {
        KEYS = 10000
    };
    struct rate_limit *limit = open_limit("10:20", KEYS);
    unsigned refused = 0;
    for (uint64_t key = 0; key < KEYS; key++) {
        refused += rate_limit_take(limit, key_of(key), START_NS) != 0 ? 1 : 0;
    }
    assert_true(refused <= KEYS / 1000);
    rate_limit_free(limit);
}

/* Against a plain model of one bucket per key, over random keys and times, with room for all:
 * exactly the same answers. */
static void agrees_with_a_plain_model(void **state)
{
    (void)state;
    struct random random = random_start("agrees_with_a_plain_model", 9);
    enum {
        KEYS = 40
    };
    const int64_t token_ns = 1000000000 / 8;
    struct rate_limit *limit = open_limit("8:5", 10 * KEYS);
    int64_t missing_ns[KEYS] = {0}; /* what each bucket lacks, as time */
    int64_t last_ns = START_NS;
    for (unsigned round = 0; round < 200000; round++) {
        const int64_t now_ns = last_ns + (int64_t)random_below(&random, 10 * (uint64_t)MS_NS);
        for (unsigned key = 0; key < KEYS; key++) {
            missing_ns[key] -= now_ns - last_ns;
            missing_ns[key] = missing_ns[key] < 0 ? 0 : missing_ns[key];
        }
        last_ns = now_ns;
        const uint64_t key = random_below(&random, KEYS);
        const bool expected = missing_ns[key] + token_ns <= 5 * token_ns;
        assert_int_equal(rate_limit_wait_ms(limit, key_of(key), now_ns) == 0, expected);
        assert_int_equal(rate_limit_take(limit, key_of(key), now_ns) == 0, expected);
        missing_ns[key] += expected ? token_ns : 0;
    }
    rate_limit_free(limit);
}

/* IPv4 hosts have a bucket each; of IPv6 a whole /64 shares one, which one customer owns. */
static void ip_keys_are_what_a_customer_has(void **state)
{
    (void)state;
    const uint8_t ipv4[16] = {[10] = 0xff, [11] = 0xff, [12] = 192, [13] = 0, [14] = 2, [15] = 1};
    const uint8_t ipv6[16] = {0x20, 0x01, 0x0d, 0xb8, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};
    const uint8_t subnet[16] = {0x20, 0x01, 0x0d, 0xb8, 1, 2, 3, 4};
    uint8_t key[16];
    rate_limit_ip_key(key, ipv4);
    assert_memory_equal(key, ipv4, sizeof(key));
    rate_limit_ip_key(key, ipv6);
    assert_memory_equal(key, subnet, sizeof(key));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ip_keys_are_what_a_customer_has),
        cmocka_unit_test(options_are_parsed_strictly),
        cmocka_unit_test(burst_then_rate),
        cmocka_unit_test(refusals_cost_nothing),
        cmocka_unit_test(looking_takes_nothing),
        cmocka_unit_test(keys_do_not_share_tokens),
        cmocka_unit_test(zero_is_no_limit),
        cmocka_unit_test(crowd_cannot_refill_a_bucket),
        cmocka_unit_test(newcomer_waits_for_room),
        cmocka_unit_test(promised_keys_find_room),
        cmocka_unit_test(agrees_with_a_plain_model),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
