#include "base/keccak.h"

#include "../random.h"
#include "../vectors.h"

static void check_vectors(const char *file, const char *input_key)
{
    json_t *cases = vectors_load(file);
    assert_true(json_array_size(cases) > 100);
    size_t index;
    json_t *one;
    json_array_foreach(cases, index, one)
    {
        size_t length;
        uint8_t *bytes = vectors_hex(vectors_text(one, input_key), &length);
        uint8_t expected[HASH_BYTES];
        uint8_t hash[HASH_BYTES];
        vectors_hex_exact(vectors_text(one, "keccak256"), expected, HASH_BYTES);
        keccak256(bytes, length, hash);
        assert_memory_equal(hash, expected, HASH_BYTES);
        free(bytes);
    }
    json_decref(cases);
}

/* The hash is Ethereum's for inputs that ethers hashed. */
static void ethers_hashes_agree(void **state)
{
    (void)state;
    check_vectors("keccak256/ethers_hashes.json", "data");
}

/* The sponge is the Keccak team's, over lengths across several blocks. */
static void keccak_team_answers_agree(void **state)
{
    (void)state;
    check_vectors("keccak256/keccak_team_kat256.json", "msg");
}

/* The two values everyone knows, so that a machine without vectors still tests the padding. */
static void empty_and_abc_are_known(void **state)
{
    (void)state;
    uint8_t expected[HASH_BYTES];
    uint8_t hash[HASH_BYTES];
    keccak256(NULL, 0, hash);
    vectors_hex_exact("c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470", expected,
                      HASH_BYTES);
    assert_memory_equal(hash, expected, HASH_BYTES);
    keccak256("abc", 3, hash);
    vectors_hex_exact("4e03657aea45a94fc7d47ba826c8d667c0d1e6e33a64a036ec44f58fa12d6c45", expected,
                      HASH_BYTES);
    assert_memory_equal(hash, expected, HASH_BYTES);
}

/* Where the input is cut in two does not matter, around the ends of blocks too. */
static void two_pieces_hash_as_one(void **state)
{
    (void)state;
    struct random random = random_start("two_pieces_hash_as_one", 1);
    uint8_t bytes[420];
    for (size_t i = 0; i < sizeof(bytes); i++) {
        bytes[i] = (uint8_t)random_next(&random);
    }
    const size_t lengths[] = {0, 1, 135, 136, 137, 271, 272, 273, 420};
    for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
        uint8_t whole[HASH_BYTES];
        keccak256(bytes, lengths[i], whole);
        for (size_t cut = 0; cut <= lengths[i]; cut++) {
            uint8_t hash[HASH_BYTES];
            keccak256_two(bytes, cut, bytes + cut, lengths[i] - cut, hash);
            assert_memory_equal(hash, whole, HASH_BYTES);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ethers_hashes_agree),
        cmocka_unit_test(keccak_team_answers_agree),
        cmocka_unit_test(empty_and_abc_are_known),
        cmocka_unit_test(two_pieces_hash_as_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
