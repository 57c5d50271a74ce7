/* The Merkle tree against the proofs of transparency-dev/merkle, and against a tree written plainly
 * from the definition in RFC 6962. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <nettle/base64.h>
#include <nettle/sha2.h>

#include "journal/merkle.h"
#include "vectors.h"

#define PROOF_MAX  64
#define LEAVES_MAX 70

/* Decodes a base64 hash. False when it is not one of 32 bytes. */
static bool hash_of(const json_t *text, uint8_t *hash)
{
    const char *base64 = json_string_value(text);
    uint8_t bytes[256];
    size_t length = sizeof bytes;
    struct base64_decode_ctx context;
    base64_decode_init(&context);
    if (base64 == NULL || strlen(base64) > 300 ||
        base64_decode_update(&context, &length, bytes, strlen(base64), base64) == 0 ||
        base64_decode_final(&context) == 0 || length != HASH_BYTES) {
        return false;
    }
    memcpy(hash, bytes, HASH_BYTES);
    return true;
}

static bool proof_of(const json_t *list, uint8_t *hashes, struct merkle_proof *proof)
{
    *proof = (struct merkle_proof){hashes, json_array_size(list)}; /* null counts 0 */
    assert_true(proof->count <= PROOF_MAX);
    for (size_t i = 0; i < proof->count; i++) {
        if (!hash_of(json_array_get(list, i), hashes + i * HASH_BYTES)) {
            return false;
        }
    }
    return true;
}

static uint64_t number(const json_t *object, const char *key)
{
    return (uint64_t)json_integer_value(json_object_get(object, key));
}

static void inclusion_proofs_of_others(void **state)
{
    (void)state;
    json_t *vectors = vectors_load("merkle_rfc6962/inclusion.json");
    if (vectors == NULL) {
        skip();
    }
    assert_true(json_array_size(vectors) > 0);
    size_t i;
    json_t *vector;
    json_array_foreach(vectors, i, vector)
    {
        uint8_t hashes[PROOF_MAX * HASH_BYTES];
        uint8_t root[HASH_BYTES];
        uint8_t leaf[HASH_BYTES];
        struct merkle_proof proof;
        const bool good = proof_of(json_object_get(vector, "proof"), hashes, &proof) &&
                          hash_of(json_object_get(vector, "root"), root) &&
                          hash_of(json_object_get(vector, "leafHash"), leaf) &&
                          merkle_includes(number(vector, "leafIdx"), number(vector, "treeSize"),
                                          leaf, proof, root);
        if (good == json_is_true(json_object_get(vector, "wantErr"))) {
            fail_msg("%s", json_string_value(json_object_get(vector, "file")));
        }
    }
    json_decref(vectors);
}

static void consistency_proofs_of_others(void **state)
{
    (void)state;
    json_t *vectors = vectors_load("merkle_rfc6962/consistency.json");
    if (vectors == NULL) {
        skip();
    }
    assert_true(json_array_size(vectors) > 0);
    size_t i;
    json_t *vector;
    json_array_foreach(vectors, i, vector)
    {
        uint8_t hashes[PROOF_MAX * HASH_BYTES];
        uint8_t before[HASH_BYTES];
        uint8_t after[HASH_BYTES];
        struct merkle_proof proof;
        const bool good = proof_of(json_object_get(vector, "proof"), hashes, &proof) &&
                          hash_of(json_object_get(vector, "root1"), before) &&
                          hash_of(json_object_get(vector, "root2"), after) &&
                          merkle_continues(number(vector, "size1"), before, number(vector, "size2"),
                                           after, proof);
        if (good == json_is_true(json_object_get(vector, "wantErr"))) {
            fail_msg("%s", json_string_value(json_object_get(vector, "file")));
        }
    }
    json_decref(vectors);
}

/* --- The definition, section 2.1, word for word --- */

static uint8_t leaves[LEAVES_MAX][HASH_BYTES];

static uint64_t largest_power_below(uint64_t n)
{
    uint64_t k = 1;
    while (k * 2 < n) {
        k *= 2;
    }
    return k;
}

static void tree_hash(uint64_t from, uint64_t to, uint8_t *hash)
{
    struct sha256_ctx context;
    sha256_init(&context);
    if (to - from == 1) {
        memcpy(hash, leaves[from], HASH_BYTES);
        return;
    }
    if (to > from) {
        const uint64_t k = largest_power_below(to - from);
        uint8_t bytes[1 + 2 * HASH_BYTES] = {0x01};
        tree_hash(from, from + k, bytes + 1);
        tree_hash(from + k, to, bytes + 1 + HASH_BYTES);
        sha256_update(&context, sizeof bytes, bytes);
    }
    sha256_digest(&context, HASH_BYTES, hash);
}

/* PATH(m, D[from:to]), m counted from `from`. */
static size_t path(uint64_t m, uint64_t from, uint64_t to, uint8_t *hashes)
{
    if (to - from == 1) {
        return 0;
    }
    const uint64_t k = largest_power_below(to - from);
    size_t count;
    if (m < k) {
        count = path(m, from, from + k, hashes);
        tree_hash(from + k, to, hashes + count * HASH_BYTES);
    } else {
        count = path(m - k, from + k, to, hashes);
        tree_hash(from, from + k, hashes + count * HASH_BYTES);
    }
    return count + 1;
}

/* SUBPROOF(m, D[from:to], complete). */
static size_t subproof(uint64_t m, uint64_t from, uint64_t to, bool complete, uint8_t *hashes)
{
    if (m == to - from) {
        if (complete) {
            return 0;
        }
        tree_hash(from, to, hashes);
        return 1;
    }
    const uint64_t k = largest_power_below(to - from);
    size_t count;
    if (m <= k) {
        count = subproof(m, from, from + k, complete, hashes);
        tree_hash(from + k, to, hashes + count * HASH_BYTES);
    } else {
        count = subproof(m - k, from + k, to, false, hashes);
        tree_hash(from, from + k, hashes + count * HASH_BYTES);
    }
    return count + 1;
}

static int make_leaves(void **state)
{
    (void)state;
    for (unsigned i = 0; i < LEAVES_MAX; i++) {
        const uint8_t record[2] = {(uint8_t)i, 0x55};
        const uint8_t prefixed[3] = {0x00, record[0], record[1]};
        uint8_t expected[HASH_BYTES];
        struct sha256_ctx context;
        sha256_init(&context);
        sha256_update(&context, sizeof prefixed, prefixed);
        sha256_digest(&context, HASH_BYTES, expected);
        merkle_leaf(record, sizeof record, leaves[i]);
        assert_memory_equal(leaves[i], expected, HASH_BYTES);
    }
    return 0;
}

/* Appending one by one gives at each size the root of the definition. */
static void appended_tree_is_the_defined_tree(void **state)
{
    (void)state;
    struct merkle tree;
    merkle_init(&tree);
    for (uint64_t size = 0; size <= LEAVES_MAX; size++) {
        uint8_t root[HASH_BYTES];
        uint8_t expected[HASH_BYTES];
        merkle_root(&tree, root);
        tree_hash(0, size, expected);
        assert_memory_equal(root, expected, HASH_BYTES);
        if (size < LEAVES_MAX) {
            merkle_append(&tree, leaves[size]);
        }
    }
}

/* Every proof of every small tree holds, and none does with one bit, the index or a size changed.
 */
static void every_proof_of_small_trees(void **state)
{
    (void)state;
    for (uint64_t size = 1; size <= LEAVES_MAX; size++) {
        uint8_t root[HASH_BYTES];
        tree_hash(0, size, root);
        for (uint64_t i = 0; i < size; i++) {
            uint8_t hashes[PROOF_MAX * HASH_BYTES];
            struct merkle_proof proof = {hashes, path(i, 0, size, hashes)};
            assert_true(merkle_includes(i, size, leaves[i], proof, root));
            assert_false(merkle_includes(i ^ 1, size, leaves[i], proof, root));
            assert_false(merkle_includes(i, size, leaves[(i + 1) % LEAVES_MAX], proof, root));
            if (proof.count > 0) {
                hashes[(proof.count - 1) * HASH_BYTES] ^= 1;
                assert_false(merkle_includes(i, size, leaves[i], proof, root));
                hashes[(proof.count - 1) * HASH_BYTES] ^= 1;
                proof.count--;
                assert_false(merkle_includes(i, size, leaves[i], proof, root));
            }
        }
        for (uint64_t before = 1; before <= size; before++) {
            uint8_t hashes[PROOF_MAX * HASH_BYTES];
            uint8_t root_before[HASH_BYTES];
            tree_hash(0, before, root_before);
            struct merkle_proof proof = {hashes, subproof(before, 0, size, true, hashes)};
            assert_true(merkle_continues(before, root_before, size, root, proof));
            root_before[0] ^= 1;
            assert_false(merkle_continues(before, root_before, size, root, proof));
            root_before[0] ^= 1;
            if (proof.count > 0) {
                hashes[0] ^= 1;
                assert_false(merkle_continues(before, root_before, size, root, proof));
            }
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(inclusion_proofs_of_others),
        cmocka_unit_test(consistency_proofs_of_others),
        cmocka_unit_test(appended_tree_is_the_defined_tree),
        cmocka_unit_test(every_proof_of_small_trees),
    };
    return cmocka_run_group_tests_name("merkle", tests, make_leaves, NULL);
}
