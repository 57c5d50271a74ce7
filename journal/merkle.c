#include "journal/merkle.h"

#include <nettle/sha2.h>
#include <string.h>

#include "base/check.h"
#include "journal/sha256.h"

#define LEAF_PREFIX 0x00
#define NODE_PREFIX 0x01

_Static_assert(HASH_BYTES == SHA256_DIGEST_SIZE, "the tree is made of SHA-256");

void merkle_leaf(const uint8_t *record, size_t bytes, uint8_t *hash)
{
    static const uint8_t leaf_prefix = LEAF_PREFIX;
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
    bytes[0] = NODE_PREFIX;
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

#define TOGETHER 64 /* messages handed to the hash at one time */

void merkle_run_leaves(struct merkle_run *run, const struct merkle_record *records, size_t count)
{
    CHECK(count <= MERKLE_RUN_LEAVES);
    struct sha256_message messages[TOGETHER];
    size_t gathered = 0;
    for (size_t i = 0; i < count; i++) {
        messages[gathered] = (struct sha256_message){
            .prefix = LEAF_PREFIX,
            .first = records[i].bytes,
            .first_bytes = records[i].length,
            .hash = run->leaves[i],
        };
        gathered++;
        if (gathered == TOGETHER || i + 1 == count) {
            sha256_many(messages, gathered);
            gathered = 0;
        }
    }
}

static struct sha256_message node_message(const uint8_t *left, const uint8_t *right, uint8_t *hash)
{
    return (struct sha256_message){NODE_PREFIX, left, HASH_BYTES, right, HASH_BYTES, hash};
}

/* The complete subtree of 2^level leaves that ends the tree of `size` leaves; the bit is set. */
static const uint8_t *ending_subtree(const struct merkle_run *run, uint64_t size, unsigned level)
{
    const uint64_t number = (size >> level) - 1;
    if (number < run->level_first[level] || run->level[level] == NULL) {
        return run->before.subtrees[level]; /* the run did not reach this level */
    }
    return run->level[level][number - run->level_first[level]];
}

/* All complete subtrees that end within the run, level by level. A level begins with the old
 * subtree when that one waits for its right half. */
static void grow_levels(struct merkle_run *run)
{
    uint8_t(*nodes)[HASH_BYTES] = run->nodes;
    memcpy(nodes[1], run->leaves, run->count * HASH_BYTES);
    size_t fresh = run->count; /* nodes of the level that are new; they begin at nodes[1] */
    for (unsigned level = 0; level < MERKLE_LEVELS; level++) {
        run->level[level] = NULL;
        run->level_first[level] = UINT64_MAX;
        if (fresh == 0) {
            continue;
        }
        const uint64_t old = run->before.size >> level;
        const bool joins = (old & 1) != 0;
        if (joins) {
            memcpy(nodes[0], run->before.subtrees[level], HASH_BYTES);
        }
        run->level[level] = joins ? nodes : nodes + 1;
        run->level_first[level] = joins ? old - 1 : old;
        const size_t pairs = (fresh + (joins ? 1 : 0)) / 2;
        uint8_t(*above)[HASH_BYTES] = nodes + 1 + fresh;
        struct sha256_message messages[TOGETHER];
        for (size_t done = 0; done < pairs;) {
            size_t some = pairs - done < TOGETHER ? pairs - done : TOGETHER;
            for (size_t i = 0; i < some; i++) {
                uint8_t(*pair)[HASH_BYTES] = run->level[level] + 2 * (done + i);
                messages[i] = node_message(pair[0], pair[1], above[1 + done + i]);
            }
            sha256_many(messages, some);
            done += some;
        }
        nodes = above;
        fresh = pairs;
    }
}

/* All roots side by side: each takes the next subtree to its left until there is none. */
static void grow_roots(struct merkle_run *run)
{
    unsigned level[MERKLE_RUN_ENDS];
    for (size_t i = 0; i < run->end_count; i++) {
        const uint64_t size = run->before.size + run->ends[i];
        level[i] = (unsigned)__builtin_ctzll(size);
        memcpy(run->roots[i], ending_subtree(run, size, level[i]), HASH_BYTES);
    }
    for (;;) {
        struct sha256_message messages[MERKLE_RUN_ENDS];
        size_t gathered = 0;
        for (size_t i = 0; i < run->end_count; i++) {
            const uint64_t size = run->before.size + run->ends[i];
            const uint64_t left = level[i] + 1 < MERKLE_LEVELS ? size >> (level[i] + 1) : 0;
            if (left == 0) {
                continue;
            }
            level[i] += 1 + (unsigned)__builtin_ctzll(left);
            messages[gathered] =
                node_message(ending_subtree(run, size, level[i]), run->roots[i], run->roots[i]);
            gathered++;
        }
        if (gathered == 0) {
            return;
        }
        sha256_many(messages, gathered);
    }
}

void merkle_run_grow(struct merkle_run *run)
{
    CHECK(run->count > 0 && run->count <= MERKLE_RUN_LEAVES);
    CHECK(run->end_count <= MERKLE_RUN_ENDS);
    CHECK(run->before.size < UINT64_MAX - run->count);
    grow_levels(run);
    grow_roots(run);
}

void merkle_run_tree(const struct merkle_run *run, size_t end, struct merkle *tree)
{
    CHECK(end < run->end_count);
    tree->size = run->before.size + run->ends[end];
    for (unsigned level = 0; level < MERKLE_LEVELS && tree->size >> level != 0; level++) {
        if ((tree->size >> level & 1) != 0) {
            memcpy(tree->subtrees[level], ending_subtree(run, tree->size, level), HASH_BYTES);
        }
    }
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
