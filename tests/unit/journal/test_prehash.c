/* Tree heads made ahead are those of the tree that grows leaf by leaf. */
#include "journal/prehash.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "fixture.h"
#include "journal/chain.h"
#include "tests/unit/random.h"

/* Runs of leaves of random sizes, cut into batches anywhere, from a tree of any size: each root and
 * each tree is the one that appending gives, and the next run goes on from it. */
static void runs_grow_the_same_tree(void **state)
{
    (void)state;
    struct random random = random_start("runs_grow_the_same_tree", 3);
    struct merkle_run *run = calloc(1, sizeof *run);
    assert_non_null(run);
    for (int round = 0; round < 200; round++) {
        struct merkle tree;
        merkle_init(&tree);
        const uint64_t begin = random_below(&random, 70);
        for (uint64_t i = 0; i < begin; i++) {
            uint8_t leaf[HASH_BYTES];
            store_u64(leaf, random_next(&random));
            memset(leaf + 8, 1, HASH_BYTES - 8);
            merkle_append(&tree, leaf);
        }
        run->before = tree;
        run->count = 0;
        run->end_count = 0;
        const size_t batches = 1 + random_below(&random, MERKLE_RUN_ENDS);
        uint8_t roots[MERKLE_RUN_ENDS][HASH_BYTES];
        struct merkle trees[MERKLE_RUN_ENDS];
        while (run->end_count < batches) {
            const size_t more = 1 + random_below(&random, MERKLE_RUN_LEAVES / MERKLE_RUN_ENDS);
            for (size_t i = 0; i < more; i++) {
                uint8_t *leaf = run->leaves[run->count];
                memset(leaf, 2, HASH_BYTES);
                store_u64(leaf, random_next(&random));
                merkle_append(&tree, leaf);
                run->count++;
            }
            merkle_root(&tree, roots[run->end_count]);
            trees[run->end_count] = tree;
            run->ends[run->end_count] = (uint32_t)run->count;
            run->end_count++;
        }
        merkle_run_grow(run);
        for (size_t end = 0; end < run->end_count; end++) {
            struct merkle grown = run->before;
            uint8_t root[HASH_BYTES];
            merkle_run_tree(run, end, &grown);
            merkle_root(&grown, root);
            assert_int_equal(grown.size, trees[end].size);
            assert_memory_equal(run->roots[end], roots[end], HASH_BYTES);
            assert_memory_equal(root, roots[end], HASH_BYTES);
        }
    }
    free(run);
}

/* A journal of batches of every size, among them one of more records than a run holds and more
 * batches than a run holds: the reader's tree after each batch is the one that its records make. */
static void each_batch_of_a_journal_has_its_own_head(void **state)
{
    (void)state;
    struct memory_disk disk;
    memory_disk_init(&disk);
    struct fixture fixture;
    fixture_init(&fixture, &disk);
    fixture.options.segment_bytes = 4 * LIMIT_BATCH_BYTES;
    fixture_must_open(&fixture);
    const unsigned sizes[] = {
        1, 7, MERKLE_RUN_LEAVES + 1, 2, MERKLE_RUN_LEAVES, 2 * MERKLE_RUN_LEAVES + 3, 90};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        fixture_append_batch(&fixture, sizes[i]);
    }
    for (int i = 0; i < 3 * MERKLE_RUN_ENDS; i++) {
        assert_true(fixture_append(&fixture));
    }
    assert_int_equal(fixture_close(&fixture), STATUS_OK);

    struct chain chain;
    struct chain_batch batch;
    struct finding finding;
    struct merkle tree;
    merkle_init(&tree);
    assert_int_equal(chain_open(&chain, &disk.disk, "data/journal", 1), STATUS_OK);
    unsigned batches = 0;
    enum status status;
    while ((status = chain_next(&chain, &batch, &finding)) == STATUS_OK) {
        for (uint32_t i = 0; i < batch.header.count; i++) {
            uint8_t record[FIXTURE_RECORD_MAX];
            uint8_t hash[HASH_BYTES];
            const size_t length = fixture_record(batch.header.first_seq + i, record);
            merkle_leaf(record, length, hash);
            merkle_append(&tree, hash);
        }
        uint8_t root[HASH_BYTES];
        uint8_t kept[HASH_BYTES];
        merkle_root(&tree, root);
        merkle_root(&chain.tree, kept);
        assert_int_equal(chain.tree.size, tree.size);
        assert_memory_equal(chain.root, root, HASH_BYTES);
        assert_memory_equal(kept, root, HASH_BYTES);
        batches++;
    }
    assert_int_equal(status, STATUS_END);
    assert_int_equal(finding.kind, FINDING_END);
    assert_int_equal(batches, fixture.batches);
    chain_close(&chain);
    fixture_destroy(&fixture);
    memory_disk_free(&disk);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(runs_grow_the_same_tree),
        cmocka_unit_test(each_batch_of_a_journal_has_its_own_head),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
