/* The Merkle tree of RFC 6962 over the records of a journal: leaf i (from 0) is the record with seq
 * i + 1, a leaf's hash is SHA-256(0x00 || record), a node's SHA-256(0x01 || left || right). One
 * root names a whole history; a record's place in it, or that one history continues another, is
 * proved with a handful of hashes. `struct merkle` grows the tree by appending and keeps no more
 * than the roots of its complete subtrees. */
#ifndef TAPLINE_JOURNAL_MERKLE_H
#define TAPLINE_JOURNAL_MERKLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/units.h"

#define MERKLE_LEVELS 64

/* A tree of `size` leaves. For each set bit k of size, subtrees[k] is the root of a complete
 * subtree of 2^k leaves; from the highest bit down they cover the leaves from left to right. */
struct merkle {
    uint64_t size;
    uint8_t subtrees[MERKLE_LEVELS][HASH_BYTES];
};

/* The hash of a leaf. */
void merkle_leaf(const uint8_t *record, size_t bytes, uint8_t *hash);

void merkle_init(struct merkle *tree);

/* Appends the leaf with this hash. */
void merkle_append(struct merkle *tree, const uint8_t *leaf_hash);

/* The tree head; of the empty tree SHA-256 of nothing. */
void merkle_root(const struct merkle *tree, uint8_t *root);

/* --- Many at once -------------------------------------------------------------------------------
 * What a reader of a journal needs: the leaves of some batches, and the tree after each of them.
 * The hashes are the same; they are made side by side (sha256.h), which costs less than half. */

#define MERKLE_RUN_LEAVES 512 /* at most, of one call */
#define MERKLE_RUN_ENDS   64

/* A run of leaves in memory of the caller's; about 60 KiB. */
struct merkle_run {
    struct merkle before; /* the tree that they continue */
    size_t count;
    size_t end_count;
    uint32_t ends[MERKLE_RUN_ENDS]; /* leaves up to the end of each batch, ascending */
    uint8_t leaves[MERKLE_RUN_LEAVES][HASH_BYTES];
    /* Filled by merkle_run_grow: the root after each end, and all complete subtrees that are new or
     * joined from the old, level by level, each from the left. */
    uint8_t roots[MERKLE_RUN_ENDS][HASH_BYTES];
    uint8_t (*level[MERKLE_LEVELS])[HASH_BYTES];
    uint64_t level_first[MERKLE_LEVELS]; /* the number of its first, from 0 at the left */
    uint8_t nodes[2 * (MERKLE_RUN_LEAVES + MERKLE_LEVELS)][HASH_BYTES];
};

/* A record of the run. */
struct merkle_record {
    const uint8_t *bytes;
    size_t length;
};

/* Hashes `count` records into run->leaves; sets nothing else. */
void merkle_run_leaves(struct merkle_run *run, const struct merkle_record *records, size_t count);

/* Fills roots from before, leaves and ends. */
void merkle_run_grow(struct merkle_run *run);

/* The tree after the end with this number. */
void merkle_run_tree(const struct merkle_run *run, size_t end, struct merkle *tree);

/* --- Proofs ------------------------------------------------------------------------------------
 */

/* A list of hashes, count * HASH_BYTES bytes, in the order of RFC 6962 section 2.1. */
struct merkle_proof {
    const uint8_t *hashes;
    size_t count;
};

/* True when the proof shows that the leaf at index (from 0) is in the tree of `size` leaves with
 * this root. */
bool merkle_includes(uint64_t index, uint64_t size, const uint8_t *leaf_hash,
                     struct merkle_proof proof, const uint8_t *root);

/* True when the proof shows that the tree (size_after, root_after) continues (size_before,
 * root_before). The empty tree proves nothing: size_before = 0 is false. */
bool merkle_continues(uint64_t size_before, const uint8_t *root_before, uint64_t size_after,
                      const uint8_t *root_after, struct merkle_proof proof);

#endif
