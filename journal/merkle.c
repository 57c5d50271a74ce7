#include "journal/merkle.h"

#include <nettle/sha2.h>
#include <string.h>

#include "base/check.h"

_Static_assert(HASH_BYTES == SHA256_DIGEST_SIZE, "the tree is made of SHA-256");

void merkle_leaf(const uint8_t *record, size_t bytes, uint8_t *hash)
{
    static const uint8_t leaf_prefix = 0x00;
    struct sha256_ctx context;
    sha256_init(&context);
    sha256_update(&context, 1, &leaf_prefix);
    sha256_update(&context, bytes, record);
    sha256_digest(&context, HASH_BYTES, hash);
}

/* `hash` may be one of the two. */
static void node_hash(const uint8_t *left, const uint8_t *right, uint8_t *hash)
{
    uint8_t bytes[1 + 2 * HASH_BYTES];
    bytes[0] = 0x01;
    memcpy(bytes + 1, left, HASH_BYTES);
    memcpy(bytes + 1 + HASH_BYTES, right, HASH_BYTES);
    struct sha256_ctx context;
    sha256_init(&context);
    sha256_update(&context, sizeof bytes, bytes);
    sha256_digest(&context, HASH_BYTES, hash);
}

void merkle_init(struct merkle *tree)
{
    memset(tree, 0, sizeof *tree);
}

void merkle_append(struct merkle *tree, const uint8_t *leaf_hash)
{
    CHECK(tree->size < UINT64_MAX);
    uint8_t hash[HASH_BYTES];
    memcpy(hash, leaf_hash, HASH_BYTES);
    unsigned level = 0;
    /* As with adding one to a binary number: each carry joins two subtrees of one size. */
    for (; (tree->size >> level & 1) != 0; level++) {
        node_hash(tree->subtrees[level], hash, hash);
    }
    memcpy(tree->subtrees[level], hash, HASH_BYTES);
    tree->size++;
}

void merkle_root(const struct merkle *tree, uint8_t *root)
{
    if (tree->size == 0) {
        struct sha256_ctx context;
        sha256_init(&context);
        sha256_digest(&context, HASH_BYTES, root);
        return;
    }
    unsigned level = (unsigned)__builtin_ctzll(tree->size);
    uint8_t hash[HASH_BYTES];
    memcpy(hash, tree->subtrees[level], HASH_BYTES);
    for (level++; level < MERKLE_LEVELS && tree->size >> level != 0; level++) {
        if ((tree->size >> level & 1) != 0) {
            node_hash(tree->subtrees[level], hash, hash);
        }
    }
    memcpy(root, hash, HASH_BYTES);
}

bool merkle_includes(uint64_t index, uint64_t size, const uint8_t *leaf_hash,
                     struct merkle_proof proof, const uint8_t *root)
{
    if (index >= size) {
        return false;
    }
    uint8_t hash[HASH_BYTES];
    memcpy(hash, leaf_hash, HASH_BYTES);
    uint64_t node = index;    /* of the level, from the left */
    uint64_t last = size - 1; /* the level's last node */
    for (size_t i = 0; i < proof.count; i++) {
        const uint8_t *sibling = proof.hashes + i * HASH_BYTES;
        if (last == 0) {
            return false;
        }
        if ((node & 1) != 0 || node == last) {
            node_hash(sibling, hash, hash);
            /* A last node without a right sibling rises until it is one. */
            while ((node & 1) == 0 && node != 0) {
                node >>= 1;
                last >>= 1;
            }
        } else {
            node_hash(hash, sibling, hash);
        }
        node >>= 1;
        last >>= 1;
    }
    return last == 0 && memcmp(hash, root, HASH_BYTES) == 0;
}

bool merkle_continues(uint64_t size_before, const uint8_t *root_before, uint64_t size_after,
                      const uint8_t *root_after, struct merkle_proof proof)
{
    if (size_before == 0 || size_before > size_after) {
        return false;
    }
    if (size_before == size_after) {
        return proof.count == 0 && memcmp(root_before, root_after, HASH_BYTES) == 0;
    }
    /* The walk begins at the highest complete subtree that ends at the old tree's last leaf. When
     * that is the old tree itself, its root is known and not part of the proof. */
    uint64_t node = size_before - 1;
    uint64_t last = size_after - 1;
    while ((node & 1) != 0) {
        node >>= 1;
        last >>= 1;
    }
    uint8_t before[HASH_BYTES];
    size_t i = 0;
    if ((size_before & (size_before - 1)) == 0) {
        memcpy(before, root_before, HASH_BYTES);
    } else if (proof.count > 0) {
        memcpy(before, proof.hashes, HASH_BYTES);
        i = 1;
    } else {
        return false;
    }
    uint8_t after[HASH_BYTES];
    memcpy(after, before, HASH_BYTES);
    for (; i < proof.count; i++) {
        const uint8_t *sibling = proof.hashes + i * HASH_BYTES;
        if (last == 0) {
            return false;
        }
        if ((node & 1) != 0 || node == last) {
            node_hash(sibling, before, before);
            node_hash(sibling, after, after);
            while ((node & 1) == 0 && node != 0) {
                node >>= 1;
                last >>= 1;
            }
        } else {
            node_hash(after, sibling, after);
        }
        node >>= 1;
        last >>= 1;
    }
    return last == 0 && memcmp(before, root_before, HASH_BYTES) == 0 &&
           memcmp(after, root_after, HASH_BYTES) == 0;
}
