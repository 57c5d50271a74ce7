/* Signatures checked in batches by several threads: every one is checked, none twice. */
#include "tools/signatures.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <string.h>

#include "base/bytes.h"
#include "ingress/tap_text.h"
#include "ingress/wallet.h"

static const uint8_t secret[WALLET_SECRET_BYTES] = {[31] = 7};

/* A tap that the wallet signed, with a nonce of its own. */
static struct tap signed_tap(const struct wallet *wallet, uint64_t number, uint8_t *signature)
{
    struct tap tap = {
        .market = {"BTC-USD", 7},
        .origin = {"http://127.0.0.1:8080", 21},
        .column_ms = 5000,
        .stake_micro = 100000,
        .signature = signature,
        .signature_bytes = LIMIT_SIGNATURE_BYTES,
    };
    char text[TAP_TEXT_BYTES_MAX];
    store_u64(tap.nonce, number);
    assert_true(wallet_address(wallet, secret, tap.account));
    const size_t length = tap_text_format(text, &tap);
    assert_true(wallet_sign(wallet, secret, text, length, signature));
    return tap;
}

static void check_many(unsigned threads, uint64_t count, struct signatures_result *result)
{
    struct wallet *wallet;
    struct signatures *signatures;
    assert_int_equal(wallet_open(&wallet), STATUS_OK);
    assert_int_equal(signatures_open(threads, &signatures), STATUS_OK);
    for (uint64_t seq = 1; seq <= count; seq++) {
        uint8_t signature[LIMIT_SIGNATURE_BYTES];
        char origin[] = "http://127.0.0.1:8080";
        struct tap tap = signed_tap(wallet, seq, signature);
        tap.origin.text = origin;
        if (seq % 100 == 50) {
            tap.stake_micro += 1; /* not what was signed */
        }
        if (seq == 333) {
            tap.signature_bytes = LIMIT_SIGNATURE_BYTES - 1;
        }
        signatures_put(signatures, seq, &tap);
        /* What was put is a copy: the caller's memory may go. */
        memset(signature, 0, sizeof signature);
        memset(origin, 0, sizeof origin);
    }
    signatures_finish(signatures, result);
    signatures_free(signatures);
    wallet_free(wallet);
}

/* Good and bad ones are counted, and the first bad one named, whoever checked them: the caller
 * alone, one helper, more helpers than batches. */
static void each_signature_is_checked_once(void **state)
{
    (void)state;
    const unsigned threads[] = {1, 2, 7};
    for (size_t i = 0; i < sizeof threads / sizeof threads[0]; i++) {
        struct signatures_result result;
        check_many(threads[i], 700, &result);
        assert_int_equal(result.bad, 8);
        assert_int_equal(result.good, 692);
        assert_int_equal(result.first_bad_seq, 50);
        assert_string_equal(result.first_bad, "the signature of the tap is not of its account");
    }
}

/* A batch that never filled is checked at the end; nothing at all is fine too. */
static void a_few_or_none_are_checked_at_the_end(void **state)
{
    (void)state;
    struct signatures_result result;
    check_many(3, 2, &result);
    assert_int_equal(result.good, 2);
    assert_int_equal(result.bad, 0);
    assert_int_equal(result.first_bad_seq, 0);
    check_many(3, 0, &result);
    assert_int_equal(result.good, 0);
}

/* Giving up in the middle waits for the helpers and leaves nothing behind. */
static void a_half_done_check_is_freed(void **state)
{
    (void)state;
    struct wallet *wallet;
    struct signatures *signatures;
    assert_int_equal(wallet_open(&wallet), STATUS_OK);
    assert_int_equal(signatures_open(2, &signatures), STATUS_OK);
    for (uint64_t seq = 1; seq <= 200; seq++) {
        uint8_t signature[LIMIT_SIGNATURE_BYTES];
        const struct tap tap = signed_tap(wallet, seq, signature);
        signatures_put(signatures, seq, &tap);
    }
    signatures_free(signatures);
    signatures_free(NULL);
    wallet_free(wallet);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_signature_is_checked_once),
        cmocka_unit_test(a_few_or_none_are_checked_at_the_end),
        cmocka_unit_test(a_half_done_check_is_freed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
