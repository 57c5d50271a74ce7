#include "base/address.h"

#include <ctype.h>

#include "../vectors.h"

/* The checksummed text comes back from the bytes, and the three ways of writing it are all taken.
 */
static void check_checksummed(const char *text)
{
    uint8_t address[ADDRESS_BYTES];
    assert_int_equal(strlen(text), ADDRESS_TEXT_BYTES);
    assert_true(address_parse(text, strlen(text), address));
    char formatted[ADDRESS_TEXT_BYTES + 1];
    address_format(formatted, address);
    assert_string_equal(formatted, text);

    char lower[ADDRESS_TEXT_BYTES + 1];
    char upper[ADDRESS_TEXT_BYTES + 1];
    for (size_t i = 0; i <= ADDRESS_TEXT_BYTES; i++) {
        lower[i] = (char)tolower((unsigned char)text[i]);
        upper[i] = i == 1 ? 'x' : (char)toupper((unsigned char)text[i]);
    }
    uint8_t again[ADDRESS_BYTES];
    assert_true(address_parse(lower, ADDRESS_TEXT_BYTES, again));
    assert_memory_equal(again, address, ADDRESS_BYTES);
    assert_true(address_parse(upper, ADDRESS_TEXT_BYTES, again));
    assert_memory_equal(again, address, ADDRESS_BYTES);
}

/* True when the text is written in one case, where a checksum proves nothing. */
static int is_one_case(const char *text)
{
    int lower = 0;
    int upper = 0;
    for (size_t i = 2; text[i] != '\0'; i++) {
        lower |= islower((unsigned char)text[i]) != 0;
        upper |= isupper((unsigned char)text[i]) != 0;
    }
    return !(lower && upper);
}

/* Turning the case of any one letter of a checksummed address makes it wrong. */
static void check_flips_are_refused(const char *text)
{
    for (size_t i = 2; i < ADDRESS_TEXT_BYTES; i++) {
        char flipped[ADDRESS_TEXT_BYTES + 1];
        memcpy(flipped, text, sizeof(flipped));
        if (!isalpha((unsigned char)text[i])) {
            continue;
        }
        flipped[i] ^= 0x20;
        uint8_t address[ADDRESS_BYTES];
        assert_int_equal(address_parse(flipped, ADDRESS_TEXT_BYTES, address), is_one_case(flipped));
    }
}

/* EIP-55 as ethers writes it, over derived and edge addresses. */
static void ethers_addresses_agree(void **state)
{
    (void)state;
    json_t *cases = vectors_load("eip55/accounts.json");
    assert_true(json_array_size(cases) > 200);
    size_t index;
    json_t *one;
    json_array_foreach(cases, index, one)
    {
        const char *text = vectors_text(one, "checksumAddress");
        check_checksummed(text);
        check_flips_are_refused(text);
    }
    json_decref(cases);
}

/* The examples of the specification, which include addresses of a single case. */
static void specification_examples_agree(void **state)
{
    (void)state;
    json_t *cases = vectors_load("eip55/erc55_spec_examples.json");
    assert_true(json_array_size(cases) > 4);
    size_t index;
    json_t *one;
    json_array_foreach(cases, index, one)
    {
        check_checksummed(json_string_value(one));
    }
    json_decref(cases);
}

/* Everything that is not exactly 0x and 40 digits is refused and leaves the output alone. */
static void wrong_shapes_are_refused(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "",
        "0x",
        "5aaeb6053f3e94c9b9a09f33669435e7ef1beaed",
        "0X5aaeb6053f3e94c9b9a09f33669435e7ef1beaed",
        "0x5aaeb6053f3e94c9b9a09f33669435e7ef1beae",
        "0x5aaeb6053f3e94c9b9a09f33669435e7ef1beaed0",
        "0x5aaeb6053f3e94c9b9a09f33669435e7ef1beaeg",
        " 0x5aaeb6053f3e94c9b9a09f33669435e7ef1beae",
        "0x5aaeb6053f3e94c9b9a09f33669435e7ef1beae ",
        "0x5AAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
        "vitalik.eth",
    };
    const uint8_t before[ADDRESS_BYTES] = {1, 2, 3};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        uint8_t address[ADDRESS_BYTES] = {1, 2, 3};
        assert_false(address_parse(wrong[i], strlen(wrong[i]), address));
        assert_memory_equal(address, before, ADDRESS_BYTES);
    }
    uint8_t address[ADDRESS_BYTES];
    const char *right = "0x5aaeb6053f3e94c9b9a09f33669435e7ef1beaed";
    char cut[ADDRESS_TEXT_BYTES];
    memcpy(cut, right, sizeof(cut)); /* no NUL behind it */
    assert_true(address_parse(cut, sizeof(cut), address));
    cut[20] = '\0';
    assert_false(address_parse(cut, sizeof(cut), address));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ethers_addresses_agree),
        cmocka_unit_test(specification_examples_agree),
        cmocka_unit_test(wrong_shapes_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
