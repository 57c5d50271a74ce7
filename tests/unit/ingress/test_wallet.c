/* How foreign signature vectors meet our 65-byte form.
 *
 * Ours is r || s || v over a hash, and the answer is an address; theirs are (r, s) over a SHA-256
 * hash and a public key. A vector counts as accepted when wallet_recover with v = 27 or v = 28
 * gives the address of its key, which is what verification means for a recoverable signature.
 * - P1363 signatures are r || s when they have 64 bytes; of any other length they cannot be written
 * in our form, which is a refusal.
 * - DER signatures are read by the strict reader below (DER, no BER); what it does not read cannot
 * be written in our form either.
 * - Vectors called valid are refused for two reasons of our policy, and for no other: s above n/2,
 * and a nonce point whose x is n or more (its v would be 29 or 30). */
#include "ingress/wallet.h"

#include <nettle/sha2.h>

#include "../random.h"
#include "../vectors.h"
#include "base/address.h"
#include "base/keccak.h"

static struct wallet *wallet;

static int open_wallet(void **state)
{
    (void)state;
    return wallet_open(&wallet) == STATUS_OK ? 0 : -1;
}

static int free_wallet(void **state)
{
    (void)state;
    wallet_free(wallet);
    return 0;
}

static void parse_address(const char *text, uint8_t address[ADDRESS_BYTES])
{
    assert_true(address_parse(text, strlen(text), address));
}

/* Every signature that ethers and viem made is taken, from the same hash, for its signer; and we
 * make the very same one from the same secret. */
static void personal_signatures_are_accepted(void **state)
{
    (void)state;
    json_t *cases = vectors_load("eip191/personal_sign_positive.json");
    assert_true(json_array_size(cases) > 100);
    size_t index;
    json_t *one;
    json_array_foreach(cases, index, one)
    {
        size_t length;
        uint8_t *message = vectors_hex(vectors_text(one, "message_hex"), &length);
        uint8_t digest[HASH_BYTES];
        uint8_t hash[HASH_BYTES];
        vectors_hex_exact(vectors_text(one, "digest"), digest, HASH_BYTES);
        wallet_message_hash(message, length, hash);
        assert_memory_equal(hash, digest, HASH_BYTES);

        uint8_t account[ADDRESS_BYTES];
        uint8_t signature[LIMIT_SIGNATURE_BYTES];
        const char *text = vectors_text(one, "signature");
        parse_address(vectors_text(one, "address"), account);
        assert_int_equal(wallet_parse_signature(text, strlen(text), signature), WALLET_SHAPE_GOOD);
        assert_true(wallet_check(wallet, message, length, signature, account));

        uint8_t secret[WALLET_SECRET_BYTES];
        uint8_t own[LIMIT_SIGNATURE_BYTES];
        uint8_t address[ADDRESS_BYTES];
        vectors_hex_exact(vectors_text(one, "private_key"), secret, WALLET_SECRET_BYTES);
        assert_true(wallet_sign(wallet, secret, message, length, own));
        assert_memory_equal(own, signature, LIMIT_SIGNATURE_BYTES);
        assert_true(wallet_address(wallet, secret, address));
        assert_memory_equal(address, account, ADDRESS_BYTES);
        free(message);
    }
    json_decref(cases);
}

/* What MetaMask signed is taken. */
static void metamask_signatures_are_accepted(void **state)
{
    (void)state;
    json_t *cases = vectors_load("eip191/metamask_personal_sign.json");
    assert_true(json_array_size(cases) > 0);
    size_t index;
    json_t *one;
    json_array_foreach(cases, index, one)
    {
        size_t length;
        uint8_t *message = vectors_hex(vectors_text(one, "message"), &length);
        uint8_t account[ADDRESS_BYTES];
        uint8_t signature[LIMIT_SIGNATURE_BYTES];
        const char *text = vectors_text(one, "signature");
        parse_address(vectors_text(one, "address"), account);
        assert_int_equal(wallet_parse_signature(text, strlen(text), signature), WALLET_SHAPE_GOOD);
        assert_true(wallet_check(wallet, message, length, signature, account));
        free(message);
    }
    json_decref(cases);
}

/* The refusal that the head of wallet.h gives to each class of the negative vectors. */
static enum wallet_shape expected_shape(const json_t *one)
{
    const char *class = vectors_text(one, "class");
    const char *name = vectors_text(one, "name");
    if (strcmp(class, "encoding") == 0) {
        return WALLET_SHAPE_BAD;
    }
    if (strcmp(class, "length") == 0) {
        const bool longer = strstr(name, " 132") != NULL || strstr(name, " 256") != NULL;
        return longer ? WALLET_SHAPE_UNSUPPORTED : WALLET_SHAPE_BAD;
    }
    return WALLET_SHAPE_GOOD; /* and a bad signature then */
}

/* Every forged, malleable, malformed or foreign signature is refused, the `policy` ones too, and
 * each in the way that the head of wallet.h says. */
static void wrong_signatures_are_refused(void **state)
{
    (void)state;
    json_t *cases = vectors_load("eip191/personal_sign_negative.json");
    assert_true(json_array_size(cases) > 500);
    size_t index;
    json_t *one;
    json_array_foreach(cases, index, one)
    {
        size_t length;
        uint8_t *message = vectors_hex(vectors_text(one, "message_hex"), &length);
        uint8_t account[ADDRESS_BYTES];
        uint8_t signature[LIMIT_SIGNATURE_BYTES];
        const json_t *text = json_object_get(one, "signature");
        parse_address(vectors_text(one, "claimed_address"), account);
        const enum wallet_shape shape =
            wallet_parse_signature(json_string_value(text), json_string_length(text), signature);
        assert_int_equal(shape, expected_shape(one));
        if (shape == WALLET_SHAPE_GOOD) {
            assert_false(wallet_check(wallet, message, length, signature, account));
        }
        free(message);
    }
    json_decref(cases);
}

static void address_of_public_key(const char *hex, uint8_t address[ADDRESS_BYTES])
{
    uint8_t key[65];
    vectors_hex_exact(hex, key, sizeof(key));
    uint8_t hash[HASH_BYTES];
    keccak256(key + 1, sizeof(key) - 1, hash);
    memcpy(address, hash + HASH_BYTES - ADDRESS_BYTES, ADDRESS_BYTES);
}

/* With any v at all; one outside of 27 and 28 must never recover anything. */
static bool accepts(const uint8_t rs[64], const uint8_t hash[HASH_BYTES],
                    const uint8_t account[ADDRESS_BYTES])
{
    bool accepted = false;
    uint8_t signature[LIMIT_SIGNATURE_BYTES];
    memcpy(signature, rs, 64);
    for (unsigned v = 0; v <= UINT8_MAX; v++) {
        uint8_t address[ADDRESS_BYTES];
        signature[64] = (uint8_t)v;
        if (wallet_recover(wallet, hash, signature, address)) {
            assert_in_range(v, 27, 28);
            accepted = accepted || memcmp(address, account, ADDRESS_BYTES) == 0;
        }
    }
    return accepted;
}

/* One INTEGER of strict DER into 32 bytes; the bytes it took, or 0. */
static size_t read_der_integer(const uint8_t *bytes, size_t count, uint8_t to[32])
{
    if (count < 3 || bytes[0] != 0x02 || bytes[1] == 0 || bytes[1] > 33 || count < 2u + bytes[1]) {
        return 0;
    }
    const uint8_t *digits = bytes + 2;
    size_t length = bytes[1];
    const bool negative = (digits[0] & 0x80) != 0;
    const bool padded = length > 1 && digits[0] == 0 && (digits[1] & 0x80) == 0;
    if (negative || padded) {
        return 0;
    }
    if (digits[0] == 0 && length > 1) {
        digits += 1;
        length -= 1;
    }
    if (length > 32) {
        return 0;
    }
    memset(to, 0, 32);
    memcpy(to + 32 - length, digits, length);
    return 2u + bytes[1];
}

static bool read_der(const uint8_t *bytes, size_t count, uint8_t rs[64])
{
    if (count < 8 || bytes[0] != 0x30 || bytes[1] != count - 2) {
        return false;
    }
    const size_t first = read_der_integer(bytes + 2, count - 2, rs);
    if (first == 0) {
        return false;
    }
    const size_t second = read_der_integer(bytes + 2 + first, count - 2 - first, rs + 32);
    return second != 0 && 2 + first + second == count;
}

static bool read_p1363(const uint8_t *bytes, size_t count, uint8_t rs[64])
{
    if (count != 64) {
        return false;
    }
    memcpy(rs, bytes, 64);
    return true;
}

static bool is_high_s(const uint8_t rs[64])
{
    uint8_t half[32];
    vectors_hex_exact("7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0", half, 32);
    return memcmp(rs + 32, half, 32) > 0;
}

struct tally {
    unsigned accepted;
    unsigned refused;
    unsigned high_s;
    unsigned large_x;
};

static void check_wycheproof_case(const json_t *one, const uint8_t account[ADDRESS_BYTES],
                                  bool (*read)(const uint8_t *, size_t, uint8_t[64]),
                                  struct tally *tally)
{
    size_t length;
    size_t count;
    uint8_t *message = vectors_hex(vectors_text(one, "msg"), &length);
    uint8_t *bytes = vectors_hex(vectors_text(one, "sig"), &count);
    uint8_t hash[HASH_BYTES];
    struct sha256_ctx context;
    sha256_init(&context);
    sha256_update(&context, length, message);
    sha256_digest(&context, HASH_BYTES, hash);

    uint8_t rs[64];
    const bool readable = read(bytes, count, rs);
    const bool accepted = readable && accepts(rs, hash, account);
    if (strcmp(vectors_text(one, "result"), "valid") != 0) {
        assert_false(accepted);
        tally->refused += 1;
    } else if (is_high_s(rs)) {
        assert_true(readable);
        assert_false(accepted);
        tally->high_s += 1;
    } else if (strcmp(vectors_text(one, "comment"), "k*G has a large x-coordinate") == 0) {
        assert_true(readable);
        assert_false(accepted);
        tally->large_x += 1;
    } else {
        if (!accepted) {
            print_message("case %s\n", vectors_text(one, "comment"));
        }
        assert_true(accepted);
        tally->accepted += 1;
    }
    free(bytes);
    free(message);
}

static struct tally check_wycheproof(const char *file,
                                     bool (*read)(const uint8_t *, size_t, uint8_t[64]))
{
    struct tally tally = {0};
    json_t *root = vectors_load(file);
    size_t index;
    json_t *group;
    json_array_foreach(json_object_get(root, "testGroups"), index, group)
    {
        assert_string_equal(vectors_text(group, "sha"), "SHA-256");
        uint8_t account[ADDRESS_BYTES];
        address_of_public_key(vectors_text(json_object_get(group, "publicKey"), "uncompressed"),
                              account);
        size_t position;
        json_t *one;
        json_array_foreach(json_object_get(group, "tests"), position, one)
        {
            check_wycheproof_case(one, account, read, &tally);
        }
    }
    json_decref(root);
    return tally;
}

/* The low-s variant has our own policy: every valid one is taken (but for a point with a large x),
 * none of the invalid ones is. */
static void wycheproof_bitcoin_agrees(void **state)
{
    (void)state;
    const struct tally tally =
        check_wycheproof("ecdsa_wycheproof/ecdsa_secp256k1_sha256_bitcoin_test.json", read_der);
    assert_int_equal(tally.high_s, 0);
    assert_true(tally.large_x <= 1);
    assert_true(tally.accepted > 50);
    assert_true(tally.refused > 50);
}

/* Plain ECDSA in DER: what is valid there with a low s is valid here. */
static void wycheproof_der_agrees(void **state)
{
    (void)state;
    const struct tally tally =
        check_wycheproof("ecdsa_wycheproof/ecdsa_secp256k1_sha256_test.json", read_der);
    assert_true(tally.accepted > 20);
    assert_true(tally.high_s > 0);
    assert_true(tally.refused > 50);
}

/* Plain ECDSA as r || s. */
static void wycheproof_p1363_agrees(void **state)
{
    (void)state;
    const struct tally tally =
        check_wycheproof("ecdsa_wycheproof/ecdsa_secp256k1_sha256_p1363_test.json", read_p1363);
    assert_true(tally.accepted > 20);
    assert_true(tally.high_s > 0);
    assert_true(tally.refused > 20);
    assert_true(tally.large_x <= 1);
}

/* Signatures of another implementation recover their signer's address; broken (r, s) recover none.
 */
static void noble_signatures_agree(void **state)
{
    (void)state;
    json_t *root = vectors_load("ecdsa_noble/ecdsa.json");
    assert_true(json_array_size(json_object_get(root, "valid")) > 50);
    size_t index;
    json_t *one;
    json_array_foreach(json_object_get(root, "valid"), index, one)
    {
        uint8_t secret[WALLET_SECRET_BYTES];
        uint8_t hash[HASH_BYTES];
        uint8_t rs[64];
        uint8_t account[ADDRESS_BYTES];
        vectors_hex_exact(vectors_text(one, "d"), secret, WALLET_SECRET_BYTES);
        vectors_hex_exact(vectors_text(one, "m"), hash, HASH_BYTES);
        vectors_hex_exact(vectors_text(one, "signature"), rs, sizeof(rs));
        assert_true(wallet_address(wallet, secret, account));
        assert_true(accepts(rs, hash, account));
        account[0] ^= 1;
        assert_false(accepts(rs, hash, account));
    }
    json_array_foreach(json_object_get(root, "invalid_verify"), index, one)
    {
        /* The cases about malformed public keys have nothing to say here: we never read a key. */
        if (json_object_get(one, "exception") != NULL) {
            continue;
        }
        uint8_t hash[HASH_BYTES];
        uint8_t signature[LIMIT_SIGNATURE_BYTES];
        uint8_t address[ADDRESS_BYTES];
        vectors_hex_exact(vectors_text(one, "m"), hash, HASH_BYTES);
        vectors_hex_exact(vectors_text(one, "signature"), signature, 64);
        for (unsigned v = 27; v <= 28; v++) {
            signature[64] = (uint8_t)v;
            assert_false(wallet_recover(wallet, hash, signature, address));
        }
    }
    json_decref(root);
}

/* The ways of a contract wallet to sign are told apart from typing errors. */
static void contract_signatures_are_unsupported(void **state)
{
    (void)state;
    static const char magic[] = "6492649264926492649264926492649264926492649264926492649264926492";
    char text[2 + 640 + sizeof(magic)];
    uint8_t signature[LIMIT_SIGNATURE_BYTES];
    memset(text, '0', sizeof(text));
    text[1] = 'x';
    memcpy(text + 2 + 640, magic, sizeof(magic));
    assert_int_equal(wallet_parse_signature(text, strlen(text), signature),
                     WALLET_SHAPE_UNSUPPORTED);
    /* Two signatures of a multi-signature wallet; one byte too much; half a byte too much. */
    assert_int_equal(wallet_parse_signature(text, 2 + 260, signature), WALLET_SHAPE_UNSUPPORTED);
    assert_int_equal(wallet_parse_signature(text, 2 + 132, signature), WALLET_SHAPE_UNSUPPORTED);
    assert_int_equal(wallet_parse_signature(text, 2 + 131, signature), WALLET_SHAPE_BAD);
    text[40] = 'g';
    assert_int_equal(wallet_parse_signature(text, 2 + 260, signature), WALLET_SHAPE_BAD);
}

/* Hex of either case is read alike; on a wrong shape the output keeps its bytes. */
static void signature_text_is_exactly_130_digits(void **state)
{
    (void)state;
    char text[2 + 130];
    uint8_t signature[LIMIT_SIGNATURE_BYTES];
    memset(text, 'A', sizeof(text));
    memcpy(text, "0x", 2);
    text[131] = 'b';
    assert_int_equal(wallet_parse_signature(text, sizeof(text), signature), WALLET_SHAPE_GOOD);
    assert_int_equal(signature[0], 0xaa);
    assert_int_equal(signature[64], 0xab);
    for (size_t length = 0; length < sizeof(text); length++) {
        uint8_t untouched[LIMIT_SIGNATURE_BYTES] = {7};
        assert_int_equal(wallet_parse_signature(text, length, untouched), WALLET_SHAPE_BAD);
        assert_int_equal(untouched[0], 7);
    }
}

/* A secret of zero, or of n and more, signs nothing. */
static void impossible_secrets_are_refused(void **state)
{
    (void)state;
    uint8_t secret[WALLET_SECRET_BYTES] = {0};
    uint8_t address[ADDRESS_BYTES];
    uint8_t signature[LIMIT_SIGNATURE_BYTES];
    assert_false(wallet_address(wallet, secret, address));
    assert_false(wallet_sign(wallet, secret, "x", 1, signature));
    memset(secret, 0xff, sizeof(secret));
    assert_false(wallet_address(wallet, secret, address));
    assert_false(wallet_sign(wallet, secret, "x", 1, signature));
}

/* No change of a good signature's text, over many random ones, is taken for the same account;
 * whatever the text, the parser answers and stays within it (the sanitizers watch). */
static void mutated_signatures_never_pass(void **state)
{
    (void)state;
    struct random random = random_start("mutated_signatures_never_pass", 7);
    static const char message[] = "tap-bet-v1\nmutation";
    const uint8_t secret[WALLET_SECRET_BYTES] = {1, 2, 3};
    uint8_t good[LIMIT_SIGNATURE_BYTES];
    uint8_t account[ADDRESS_BYTES];
    assert_true(wallet_address(wallet, secret, account));
    assert_true(wallet_sign(wallet, secret, message, sizeof(message), good));
    for (unsigned round = 0; round < 4000; round++) {
        char text[300] = "0x";
        text_format_hex(text + 2, good, LIMIT_SIGNATURE_BYTES);
        size_t length = strlen(text);
        for (uint64_t changes = 1 + random_below(&random, 3); changes > 0; changes--) {
            static const char letters[] = "0123456789abcdefABCDEFgx \n";
            const bool wild = random_below(&random, 4) == 0;
            text[random_below(&random, length)] =
                wild ? (char)random_next(&random)
                     : letters[random_below(&random, sizeof(letters) - 1)];
        }
        if (random_below(&random, 4) == 0) {
            length = random_below(&random, sizeof(text));
        }
        char *exact = malloc(length + 1); /* its end is the allocation's, for the sanitizer */
        assert_non_null(exact);
        memcpy(exact, text, length);
        uint8_t signature[LIMIT_SIGNATURE_BYTES];
        if (wallet_parse_signature(exact, length, signature) == WALLET_SHAPE_GOOD &&
            memcmp(signature, good, sizeof(good)) != 0) {
            assert_false(wallet_check(wallet, message, sizeof(message), signature, account));
        }
        free(exact);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(personal_signatures_are_accepted),
        cmocka_unit_test(metamask_signatures_are_accepted),
        cmocka_unit_test(wrong_signatures_are_refused),
        cmocka_unit_test(wycheproof_bitcoin_agrees),
        cmocka_unit_test(wycheproof_der_agrees),
        cmocka_unit_test(wycheproof_p1363_agrees),
        cmocka_unit_test(noble_signatures_agree),
        cmocka_unit_test(contract_signatures_are_unsupported),
        cmocka_unit_test(signature_text_is_exactly_130_digits),
        cmocka_unit_test(impossible_secrets_are_refused),
        cmocka_unit_test(mutated_signatures_never_pass),
    };
    return cmocka_run_group_tests(tests, open_wallet, free_wallet);
}
