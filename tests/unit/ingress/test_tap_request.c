#include "ingress/tap_request.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../random.h"
#include "../vectors.h"
#include "base/address.h"
#include "base/text.h"
#include "ingress/wallet.h"

#define ORIGIN "http://127.0.0.1:8080"

static const struct text_view origin = {.text = ORIGIN, .length = sizeof(ORIGIN) - 1};

/* The fields of a good tap; tests change one at a time. A value is JSON as it stands, NULL leaves
 * the field out. */
enum field {
    ACCOUNT,
    MARKET,
    COLUMN,
    BAND,
    STAKE,
    MIN_MULT,
    CONFIG,
    NONCE,
    TIME,
    SIG,
    FIELD_COUNT
};

static const char *const names[FIELD_COUNT] = {"account",  "market", "column", "band", "stake",
                                               "min_mult", "config", "nonce",  "time", "sig"};

#define HEX_65                                                                                     \
    "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"                             \
    "202122232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f40"

static void good_fields(const char *fields[FIELD_COUNT])
{
    fields[ACCOUNT] = "\"0x5aaeb6053f3e94c9b9a09f33669435e7ef1beaed\"";
    fields[MARKET] = "\"BTC-USD\"";
    fields[COLUMN] = "\"1732077300000\"";
    fields[BAND] = "\"4861\"";
    fields[STAKE] = "\"1500000\"";
    fields[MIN_MULT] = "\"210\"";
    fields[CONFIG] = "\"1\"";
    fields[NONCE] = "\"a0a1a2a3a4a5a6a7a8a9aaabacadaeaf\"";
    fields[TIME] = "\"1732077288123\"";
    fields[SIG] = "\"0x" HEX_65 "\"";
}

/* The object of the fields, with `extra` (such as `,"session":"1"`) at its end. */
static size_t write_object(char *to, size_t capacity, const char *const fields[FIELD_COUNT],
                           const char *extra)
{
    size_t length = (size_t)snprintf(to, capacity, "{");
    for (unsigned i = 0; i < FIELD_COUNT; i++) {
        if (fields[i] != NULL) {
            length += (size_t)snprintf(to + length, capacity - length, "%s\"%s\":%s",
                                       length > 1 ? "," : "", names[i], fields[i]);
        }
    }
    length += (size_t)snprintf(to + length, capacity - length, "%s}", extra);
    assert_true(length < capacity);
    return length;
}

static struct tap_request request;
static struct refusal refusal;

/* Parses text as a tap; `more` as of tap_request_parse. The JSON itself must be good. */
static bool parse_text(const char *text, size_t length, const char *const *more)
{
    struct strict_json *json;
    struct strict_json_problem problem;
    if (strict_json_parse(text, length, &json, &problem) != STATUS_OK) {
        fail_msg("not JSON (%s): %s", problem.text, text);
    }
    memset(&request, 0xee, sizeof(request));
    memset(&refusal, 0, sizeof(refusal));
    const bool good = tap_request_parse(json, origin, more, &request, &refusal);
    strict_json_free(json);
    return good;
}

static bool parse_fields(const char *const fields[FIELD_COUNT], const char *extra)
{
    char text[LIMIT_BODY_BYTES];
    return parse_text(text, write_object(text, sizeof(text), fields, extra), NULL);
}

/* Fails unless one changed field gives `code` and a message that begins with its name. */
static void check_refused(enum field field, const char *value, enum refusal_code code)
{
    const char *fields[FIELD_COUNT];
    good_fields(fields);
    fields[field] = value;
    if (parse_fields(fields, "")) {
        fail_msg("%s: %s was taken", names[field], value == NULL ? "nothing" : value);
    }
    assert_int_equal(refusal.code, code);
    if (code == REFUSAL_BAD_REQUEST) {
        assert_memory_equal(refusal.message, names[field], strlen(names[field]));
        assert_int_equal(refusal.message[strlen(names[field])], ':');
    }
}

/* Every field arrives in its place, the texts live in the request itself, and the text that was
 * signed is rebuilt. */
static void good_tap_is_read_whole(void **state)
{
    (void)state;
    const char *fields[FIELD_COUNT];
    good_fields(fields);
    assert_true(parse_fields(fields, ""));
    const struct tap *tap = &request.tap;
    char account[ADDRESS_TEXT_BYTES + 1];
    char nonce[2 * NONCE_BYTES + 1];
    address_format(account, tap->account);
    text_format_hex(nonce, tap->nonce, NONCE_BYTES);
    assert_string_equal(account, "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed");
    assert_string_equal(nonce, "a0a1a2a3a4a5a6a7a8a9aaabacadaeaf");
    assert_ptr_equal(tap->market.text, request.market);
    assert_string_equal(request.market, "BTC-USD");
    assert_int_equal(tap->market.length, 7);
    assert_ptr_equal(tap->origin.text, request.origin);
    assert_string_equal(request.origin, ORIGIN);
    assert_true(tap->column_ms == 1732077300000);
    assert_int_equal(tap->band, 4861);
    assert_int_equal(tap->stake_micro, 1500000);
    assert_int_equal(tap->min_mult_centi, 210);
    assert_int_equal(tap->config, 1);
    assert_true(tap->message_ms == 1732077288123);
    assert_int_equal(tap->session, 0);
    assert_ptr_equal(tap->signature, request.signature);
    assert_int_equal(tap->signature_bytes, LIMIT_SIGNATURE_BYTES);
    assert_int_equal(tap->signature[64], 0x40);
    char text[TAP_TEXT_BYTES_MAX];
    assert_int_equal(request.text_length, tap_text_format(text, tap));
    assert_string_equal(request.text, text);
}

/* Each field is needed, and none but a string will do. */
static void fields_are_needed_and_strings(void **state)
{
    (void)state;
    for (unsigned field = 0; field < FIELD_COUNT; field++) {
        static const char *const others[] = {NULL, "1", "null", "true", "[]", "{}", "1.5", "\"\""};
        for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
            check_refused((enum field)field, others[i], REFUSAL_BAD_REQUEST);
        }
    }
}

/* Integers have one spelling. */
static void integers_have_one_spelling(void **state)
{
    (void)state;
    static const enum field integers[] = {COLUMN, BAND, STAKE, MIN_MULT, CONFIG, TIME};
    static const char *const wrong[] = {"\"-1\"",       "\"01\"",      "\" 1\"",
                                        "\"1 \"",       "\"1.0\"",     "\"1e3\"",
                                        "\"+1\"",       "\"0x1\"",     "\"9223372036854775808\"",
                                        "\"1\\u0000\"", "\"\\uff11\"", "\"1_0\""};
    for (size_t i = 0; i < sizeof(integers) / sizeof(integers[0]); i++) {
        for (size_t j = 0; j < sizeof(wrong) / sizeof(wrong[0]); j++) {
            check_refused(integers[i], wrong[j], REFUSAL_BAD_REQUEST);
        }
        const char *fields[FIELD_COUNT];
        good_fields(fields);
        fields[integers[i]] = "\"9223372036854775807\"";
        assert_true(parse_fields(fields, ""));
        fields[integers[i]] = "\"0\"";
        assert_true(parse_fields(fields, ""));
    }
}

/* Addresses, markets, nonces and signatures of another shape are named. */
static void texts_have_one_shape(void **state)
{
    (void)state;
    check_refused(ACCOUNT, "\"0x5AAeb6053F3E94C9b9A09f33669435E7Ef1BeAed\"", REFUSAL_BAD_REQUEST);
    check_refused(ACCOUNT, "\"5aaeb6053f3e94c9b9a09f33669435e7ef1beaed\"", REFUSAL_BAD_REQUEST);
    check_refused(MARKET, "\"BT\"", REFUSAL_BAD_REQUEST);
    check_refused(MARKET, "\"btc-usd\"", REFUSAL_BAD_REQUEST);
    check_refused(MARKET, "\"BTC_USD\"", REFUSAL_BAD_REQUEST);
    check_refused(MARKET, "\"ABCDEFGHIJKLMNOPQ\"", REFUSAL_BAD_REQUEST);
    check_refused(MARKET, "\"BTC\\nband: 1\"", REFUSAL_BAD_REQUEST);
    check_refused(NONCE, "\"A0a1a2a3a4a5a6a7a8a9aaabacadaeaf\"", REFUSAL_BAD_REQUEST);
    check_refused(NONCE, "\"a0a1a2a3a4a5a6a7a8a9aaabacadaea\"", REFUSAL_BAD_REQUEST);
    check_refused(NONCE, "\"0xa0a1a2a3a4a5a6a7a8a9aaabacadae\"", REFUSAL_BAD_REQUEST);
    check_refused(SIG, "\"" HEX_65 "\"", REFUSAL_BAD_REQUEST);
    check_refused(SIG, "\"0x" HEX_65 "0\"", REFUSAL_BAD_REQUEST);
    check_refused(SIG, "\"0x" HEX_65 "00\"", REFUSAL_SIGNER_UNSUPPORTED);
    check_refused(SIG, "\"0x" HEX_65 HEX_65 "\"", REFUSAL_SIGNER_UNSUPPORTED);
}

/* Fields that nobody knows are refused by name; the caller's own may be there. */
static void unknown_fields_are_refused(void **state)
{
    (void)state;
    static const char *const more[] = {"op", "id", NULL};
    const char *fields[FIELD_COUNT];
    char text[LIMIT_BODY_BYTES];
    good_fields(fields);
    assert_false(parse_fields(fields, ",\"leverage\":\"2\""));
    assert_int_equal(refusal.code, REFUSAL_BAD_REQUEST);
    assert_memory_equal(refusal.message, "leverage:", 9);
    const size_t length = write_object(text, sizeof(text), fields, ",\"op\":\"tap\",\"id\":\"7\"");
    assert_false(parse_text(text, length, NULL));
    assert_true(parse_text(text, length, more));
    assert_false(parse_text("[]", 2, NULL));
    assert_int_equal(refusal.code, REFUSAL_BAD_REQUEST);
    assert_false(parse_text("\"account\"", 9, more));
}

/* A tap of a session must look like one, and is then told that there is no such session. */
static void session_taps_are_refused_after_their_shape(void **state)
{
    (void)state;
    static const char ed25519[] =
        "\"0x000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
        "202122232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f\"";
    const char *fields[FIELD_COUNT];
    good_fields(fields);
    assert_false(parse_fields(fields, ",\"session\":\"1\"")); /* with a wallet's signature */
    assert_int_equal(refusal.code, REFUSAL_BAD_REQUEST);
    assert_memory_equal(refusal.message, "sig:", 4);
    fields[SIG] = ed25519;
    assert_false(parse_fields(fields, "")); /* without a session */
    assert_int_equal(refusal.code, REFUSAL_BAD_REQUEST);
    assert_false(parse_fields(fields, ",\"session\":1"));
    assert_int_equal(refusal.code, REFUSAL_BAD_REQUEST);
    assert_memory_equal(refusal.message, "session:", 8);
    assert_false(parse_fields(fields, ",\"session\":\"17\""));
    assert_int_equal(refusal.code, REFUSAL_SESSION_EXPIRED);
    assert_false(parse_fields(fields, ",\"session\":\"0\""));
    assert_int_equal(refusal.code, REFUSAL_SESSION_EXPIRED);
}

/* A copy stands on its own. */
static void copy_points_into_itself(void **state)
{
    (void)state;
    const char *fields[FIELD_COUNT];
    good_fields(fields);
    assert_true(parse_fields(fields, ""));
    struct tap_request *copy = malloc(sizeof(*copy));
    assert_non_null(copy);
    tap_request_copy(copy, &request);
    memset(&request, 0, sizeof(request));
    assert_ptr_equal(copy->tap.market.text, copy->market);
    assert_ptr_equal(copy->tap.origin.text, copy->origin);
    assert_ptr_equal(copy->tap.signature, copy->signature);
    char text[TAP_TEXT_BYTES_MAX];
    assert_int_equal(tap_text_format(text, &copy->tap), copy->text_length);
    assert_string_equal(text, copy->text);
    free(copy);
}

/* A tap that was signed over the interface's text passes from JSON to a checked signature, and any
 * other value of a field breaks the signature: each of them was signed. */
static void signature_covers_every_field(void **state)
{
    (void)state;
    static const char *const others[FIELD_COUNT] = {[MARKET] = "\"BTC-EUR\"",
                                                    [COLUMN] = "\"1732077305000\"",
                                                    [BAND] = "\"4862\"",
                                                    [STAKE] = "\"1500001\"",
                                                    [MIN_MULT] = "\"209\"",
                                                    [CONFIG] = "\"2\"",
                                                    [NONCE] =
                                                        "\"a0a1a2a3a4a5a6a7a8a9aaabacadaeae\"",
                                                    [TIME] = "\"1732077288124\""};
    struct wallet *wallet = NULL;
    assert_int_equal(wallet_open(&wallet), STATUS_OK);
    const uint8_t secret[WALLET_SECRET_BYTES] = {42};
    uint8_t address[ADDRESS_BYTES];
    uint8_t signature[LIMIT_SIGNATURE_BYTES];
    char account[ADDRESS_TEXT_BYTES + 1];
    char account_json[ADDRESS_TEXT_BYTES + 3];
    char signature_json[2 * LIMIT_SIGNATURE_BYTES + 5] = "\"0x";
    assert_true(wallet_address(wallet, secret, address));
    address_format(account, address);
    snprintf(account_json, sizeof(account_json), "\"%s\"", account);
    const char *fields[FIELD_COUNT];
    good_fields(fields);
    fields[ACCOUNT] = account_json;
    assert_true(parse_fields(fields, ""));
    assert_true(wallet_sign(wallet, secret, request.text, request.text_length, signature));
    text_format_hex(signature_json + 3, signature, LIMIT_SIGNATURE_BYTES);
    strcat(signature_json, "\"");
    fields[SIG] = signature_json;
    assert_true(parse_fields(fields, ""));
    assert_true(wallet_check(wallet, request.text, request.text_length, request.signature,
                             request.tap.account));
    for (unsigned field = 0; field < FIELD_COUNT; field++) {
        if (others[field] == NULL) {
            continue;
        }
        const char *changed[FIELD_COUNT];
        memcpy(changed, fields, sizeof(changed));
        changed[field] = others[field];
        assert_true(parse_fields(changed, ""));
        assert_false(wallet_check(wallet, request.text, request.text_length, request.signature,
                                  request.tap.account));
    }
    wallet_free(wallet);
}

static bool parse_auth(const char *text, struct auth_request *auth)
{
    static const char *const more[] = {"op", "id", NULL};
    struct strict_json *json;
    struct strict_json_problem problem;
    assert_int_equal(strict_json_parse(text, strlen(text), &json, &problem), STATUS_OK);
    const bool good = tap_request_parse_auth(json, origin, more, auth, &refusal);
    strict_json_free(json);
    return good;
}

/* The login has its own four fields and its own text. */
static void auth_is_read_whole(void **state)
{
    (void)state;
    struct auth_request auth;
    assert_true(
        parse_auth("{\"op\":\"auth\",\"account\":\"0x5aaeb6053f3e94c9b9a09f33669435e7ef1beaed\","
                   "\"time\":\"5\",\"nonce\":\"a0a1a2a3a4a5a6a7a8a9aaabacadaeaf\","
                   "\"sig\":\"0x" HEX_65 "\"}",
                   &auth));
    assert_string_equal(auth.text, "tap-auth-v1\norigin: " ORIGIN
                                   "\naccount: 0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed\n"
                                   "nonce: a0a1a2a3a4a5a6a7a8a9aaabacadaeaf\ntime: 5");
    assert_int_equal(auth.text_length, strlen(auth.text));
    assert_int_equal(auth.signature[64], 0x40);
    assert_false(parse_auth("{\"account\":\"0x5aaeb6053f3e94c9b9a09f33669435e7ef1beaed\"}", &auth));
    assert_int_equal(refusal.code, REFUSAL_BAD_REQUEST);
    assert_memory_equal(refusal.message, "time:", 5);
    assert_false(parse_auth("{\"stake\":\"1\"}", &auth));
    assert_memory_equal(refusal.message, "stake:", 6);
}

/* One seeded change of a good body: a byte, a piece left out, doubled, or moved. */
static size_t mutate(struct random *random, char *text, size_t length, size_t capacity)
{
    static const char letters[] = "{}[]\",:0123456789abcdefx\\u-.eE \n";
    const size_t at = random_below(random, length);
    const size_t piece = 1 + random_below(random, 12);
    switch (random_below(random, 5)) {
    case 0:
        text[at] = letters[random_below(random, sizeof(letters) - 1)];
        return length;
    case 1:
        text[at] = (char)random_next(random);
        return length;
    case 2: {
        const size_t cut = piece < length - at ? piece : length - at;
        memmove(text + at, text + at + cut, length - at - cut);
        return length > cut ? length - cut : 1;
    }
    case 3:
        if (length + piece < capacity && at + piece < length) {
            memmove(text + at + piece, text + at, length - at);
            return length + piece;
        }
        return length;
    }
    text[at] ^= (char)(1 << random_below(random, 8));
    return length;
}

/* What any taken body must satisfy, whatever it looked like. */
static void check_taken(void)
{
    const struct tap *tap = &request.tap;
    assert_in_range(tap->market.length, 3, LIMIT_MARKET_BYTES);
    assert_true(tap->column_ms >= 0 && tap->band >= 0 && tap->stake_micro >= 0);
    assert_true(tap->min_mult_centi >= 0 && tap->config >= 0 && tap->message_ms >= 0);
    unsigned lines = 1;
    for (size_t i = 0; i < request.text_length; i++) {
        lines += request.text[i] == '\n' ? 1 : 0;
    }
    assert_int_equal(lines, 11);
}

/* Tens of thousands of broken bodies: an answer for each, no crash (the sanitizers watch), every
 * refusal with a code and words, and nothing taken that is not of the shape. */
static void mutated_bodies_have_an_answer(void **state)
{
    (void)state;
    struct random random = random_start("mutated_bodies_have_an_answer", 10);
    unsigned taken = 0;
    unsigned refused = 0;
    for (unsigned round = 0; round < 40000; round++) {
        const char *fields[FIELD_COUNT];
        char text[LIMIT_BODY_BYTES];
        good_fields(fields);
        size_t length = write_object(text, sizeof(text), fields,
                                     random_below(&random, 4) == 0 ? ",\"session\":\"1\"" : "");
        for (uint64_t changes = 1 + random_below(&random, 3); changes > 0; changes--) {
            length = mutate(&random, text, length, sizeof(text));
        }
        char *exact = malloc(length);
        assert_non_null(exact);
        memcpy(exact, text, length);
        struct strict_json *json = NULL;
        struct strict_json_problem problem;
        if (strict_json_parse(exact, length, &json, &problem) == STATUS_OK) {
            memset(&request, 0xee, sizeof(request));
            memset(&refusal, 0, sizeof(refusal));
            if (tap_request_parse(json, origin, NULL, &request, &refusal)) {
                check_taken();
                taken += 1;
            } else {
                assert_true(refusal.code == REFUSAL_BAD_REQUEST ||
                            refusal.code == REFUSAL_SESSION_EXPIRED ||
                            refusal.code == REFUSAL_SIGNER_UNSUPPORTED);
                assert_true(refusal.code != REFUSAL_BAD_REQUEST || refusal.message[0] != '\0');
                refused += 1;
            }
        }
        strict_json_free(json);
        free(exact);
    }
    assert_true(taken > 100);
    assert_true(refused > 1000);
}

/* The list of naughty strings, as the value of every field: an answer for each, and what is taken
 * is of the shape. */
static void naughty_strings_have_an_answer(void **state)
{
    (void)state;
    json_t *strings = vectors_load("strings/blns.json");
    assert_true(json_array_size(strings) > 100);
    size_t index;
    json_t *one;
    json_array_foreach(strings, index, one)
    {
        /* Dumped by the library of the vectors, so that our writer is not its own judge. */
        char *quoted = json_dumps(one, JSON_ENCODE_ANY);
        assert_non_null(quoted);
        for (unsigned field = 0; field < FIELD_COUNT && strlen(quoted) < 2000; field++) {
            const char *fields[FIELD_COUNT];
            good_fields(fields);
            fields[field] = quoted;
            if (parse_fields(fields, "")) {
                check_taken();
            } else {
                assert_int_equal(refusal.code, REFUSAL_BAD_REQUEST);
                assert_memory_equal(refusal.message, names[field], strlen(names[field]));
            }
        }
        free(quoted);
    }
    json_decref(strings);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_tap_is_read_whole),
        cmocka_unit_test(fields_are_needed_and_strings),
        cmocka_unit_test(integers_have_one_spelling),
        cmocka_unit_test(texts_have_one_shape),
        cmocka_unit_test(unknown_fields_are_refused),
        cmocka_unit_test(session_taps_are_refused_after_their_shape),
        cmocka_unit_test(copy_points_into_itself),
        cmocka_unit_test(signature_covers_every_field),
        cmocka_unit_test(auth_is_read_whole),
        cmocka_unit_test(mutated_bodies_have_an_answer),
        cmocka_unit_test(naughty_strings_have_an_answer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
