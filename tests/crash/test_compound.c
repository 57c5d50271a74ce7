/* A second fault while recovery repairs the first: every call of the disk fails once or for ever,
 * tears a write, or is the last before the power goes. The next start ends as one recovery would
 * have. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/check.h"
#include "fixture.h"
#include "journal/journal.h"
#include "trial.h"

#define IMAGE_ROOM ((size_t)32768)
#define CALLS_MAX  200 /* a recovery of these journals makes fewer */
#define POWER_CUTS 8

static const struct made_shape shape = {
    "3+2", {2, 1, 0, 1, 4, 0, 1, 3, 30, 0, 0}, 0x0123456789abcdef, 2048};
static const struct made_shape older_shape = {
    "3+2", {2, 1, 0, 1, 4, 0, 1, 3, 30, 0, 0}, 0x00000000feedface, 2048};

struct compound {
    struct made_journal made;
    struct made_journal other;
    struct trial trial;
    struct memory_disk damaged; /* before the first recovery */
    uint8_t image[IMAGE_ROOM];
    size_t size;
    uint64_t every;
    uint64_t cases;
    uint64_t interrupted;
};

static struct compound compound;

static const struct memory_fault faults[] = {
    {.status = STATUS_IO},
    {.for_ever = true, .status = STATUS_IO},
    {.for_ever = true, .half = true, .status = STATUS_IO},
    {.status = STATUS_NO_SPACE},
    {.for_ever = true, .half = true, .status = STATUS_NO_SPACE},
};
#define FAULTS (sizeof faults / sizeof faults[0])

static int set_up(void **state)
{
    (void)state;
    const char *every = getenv("TAPLINE_TORTURE_EVERY");
    compound.every = every == NULL ? 1 : strtoull(every, NULL, 10);
    CHECK(compound.every > 0);
    made_journal_init(&compound.made, &shape);
    made_journal_init(&compound.other, &older_shape);
    trial_init(&compound.trial, &compound.made, &compound.other);
    memory_disk_init(&compound.damaged);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    trial_free(&compound.trial);
    memory_disk_free(&compound.damaged);
    made_journal_free(&compound.made);
    made_journal_free(&compound.other);
    print_message("%llu recoveries, %llu of them interrupted\n", (unsigned long long)compound.cases,
                  (unsigned long long)compound.interrupted);
    return 0;
}

static void whole_image(void)
{
    const struct made_segment *last = made_last_segment(&compound.made);
    CHECK(last->size <= IMAGE_ROOM);
    memcpy(compound.image, last->bytes, last->size);
    compound.size = last->size;
}

/* One open of the work disk's journal, closed again. */
static enum status open_once(const struct trial_witness *witness, struct journal_report *report,
                             uint64_t *last)
{
    struct trial *trial = &compound.trial;
    struct journal *journal;
    const struct journal_options options = {.disk = &trial->work.disk,
                                            .witness_seq = witness->outside_seq};
    const enum status status = journal_open("data", &options, &journal, report);
    if (status == STATUS_OK) {
        struct journal_head head;
        journal_head(journal, &head);
        *last = head.seq;
        assert_int_equal(journal_close(journal), STATUS_OK);
    }
    return status;
}

/* What the damaged bytes were, kept in quarantine whole, whatever happened in between. */
static void expect_kept(const struct expectation *expected)
{
    const size_t from = expected->removed ? 0 : (size_t)expected->offset;
    if (expected->cut || expected->removed) {
        assert_true(trial_quarantine_holds(&compound.trial, compound.image + from,
                                           from < compound.size ? compound.size - from : 0));
    }
}

/* The first recovery meets the fault at call n; then the power goes (seed 0: the process alone);
 * the second one has to end as the table says. False: the recovery was over before call n. */
static bool interrupt(const struct trial_witness *witness, const struct expectation *expected,
                      size_t fault, uint64_t n, uint64_t seed)
{
    struct trial *trial = &compound.trial;
    struct journal_report report;
    uint64_t last = 0;
    memory_disk_copy(&trial->work, &compound.damaged);
    trial->work.fault = faults[fault];
    trial->work.fault.at_call = n;
    const enum status first = open_once(witness, &report, &last);
    const bool was_reached = trial->work.has_failed;
    assert_true(was_reached || first == expected->status);
    /* It tells of the fault, or of the damage that it had found before; it never says that all is
     * well but when it is. */
    assert_true(first == expected->status || first == faults[fault].status);
    trial->work.fault = (struct memory_fault){0};
    if (seed != 0) {
        memory_disk_cut_power(&trial->work, seed);
    }
    compound.cases++;
    compound.interrupted += was_reached;
    const enum status second = open_once(witness, &report, &last);
    assert_int_equal(second, expected->status);
    if (second == STATUS_OK) {
        assert_int_equal(last, expected->seq - 1);
        expect_kept(expected);
        trial_go_on(trial, last, witness);
    } else {
        assert_int_equal(report.rule, expected->rule);
        assert_int_equal(report.seq, expected->seq);
        trial_expect_unchanged(trial, &compound.damaged);
    }
    return was_reached;
}

static void interrupt_everywhere(const struct trial_witness *witness)
{
    struct trial *trial = &compound.trial;
    const struct expectation expected = trial_expect(trial, compound.image, compound.size, witness);
    trial_put(trial, compound.image, compound.size, witness);
    memory_disk_copy(&compound.damaged, &trial->work);
    uint64_t tried = 0;
    for (size_t fault = 0; fault < FAULTS; fault++) {
        bool was_reached = true;
        for (uint64_t n = 1; was_reached; n++) {
            assert_true(n < CALLS_MAX);
            for (uint64_t seed = 0; seed < POWER_CUTS; seed++) {
                if (tried++ % compound.every == 0 || seed == 0) {
                    was_reached = interrupt(witness, &expected, fault, n, seed);
                }
            }
        }
    }
}

static void under_witnesses(void)
{
    const struct made_batch *batches = compound.made.batches;
    const unsigned last = compound.made.batch_count - 1;
    const struct trial_witness witnesses[] = {
        {-1, 0}, {(int)last - 2, 0}, {(int)last, 0}, {-1, batches[last - 1].last_seq}};
    for (size_t i = 0; i < sizeof witnesses / sizeof witnesses[0]; i++) {
        interrupt_everywhere(&witnesses[i]);
    }
}

/* Rows a, c and e: a last batch that ends early, of zeros. */
static void torn_tail_survives_any_second_fault(void **state)
{
    (void)state;
    const struct made_batch *batch = &compound.made.batches[compound.made.batch_count - 1];
    for (size_t at = 0; at <= batch->bytes; at += batch->bytes / 3) {
        whole_image();
        memset(compound.image + batch->offset + at, 0, batch->bytes - at);
        under_witnesses();
    }
    whole_image();
    compound.image[batch->offset + 700] ^= 0x10;
    under_witnesses();
}

/* Row i: a block of an older journal where the last batch would be. */
static void older_block_survives_any_second_fault(void **state)
{
    (void)state;
    const struct made_batch *batch = &compound.made.batches[compound.made.batch_count - 1];
    whole_image();
    memcpy(compound.image + batch->offset,
           made_last_segment(&compound.other)->bytes + batch->offset, batch->bytes);
    under_witnesses();
}

/* Row f: the last segment without a header, or too short for one. */
static void segment_without_header_survives_any_second_fault(void **state)
{
    (void)state;
    for (size_t size = 0; size < FORMAT_SEGMENT_HEADER_BYTES; size += 2000) {
        whole_image();
        compound.size = size;
        under_witnesses();
    }
    memset(compound.image, 0, IMAGE_ROOM);
    compound.size = 6000;
    under_witnesses();
}

/* Row b: refused before and after, and nothing was written in between. */
static void refusal_writes_nothing_whatever_fails(void **state)
{
    (void)state;
    const struct made_batch *batch = &compound.made.batches[compound.made.batch_count - 2];
    whole_image();
    compound.image[batch->offset + 100] ^= 0x10;
    under_witnesses();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(torn_tail_survives_any_second_fault),
        cmocka_unit_test(older_block_survives_any_second_fault),
        cmocka_unit_test(segment_without_header_survives_any_second_fault),
        cmocka_unit_test(refusal_writes_nothing_whatever_fails),
    };
    return cmocka_run_group_tests_name("compound", tests, set_up, tear_down);
}
