/* One recovery and all that is asked of it: the verdict, the place it names, what it wrote, that a
 * second start finds nothing to do, that a record can be appended, and that all that was there
 * before the damage can be read back and nothing else. */
#ifndef TAPLINE_TEST_TRIAL_H
#define TAPLINE_TEST_TRIAL_H

#include <stddef.h>
#include <stdint.h>

#include "expectation.h"
#include "made_journal.h"
#include "memory_disk.h"

struct trial {
    const struct made_journal *made;
    const struct made_journal *other; /* of an older epoch */
    struct memory_disk base;          /* all but the last segment and HEAD */
    struct memory_disk work;
    uint64_t recoveries; /* journals opened by trial_run */
    uint64_t rows[128];  /* of them, by their rule; [0] clean */
    uint64_t statuses[STATUS_CLOSED + 1];
};

/* What has seen how far: HEAD the end of a batch (its index, -1: there is no HEAD), and one outside
 * of the journal any seq (0: none). */
struct trial_witness {
    int head_batch;
    uint64_t outside_seq;
};

void trial_init(struct trial *trial, const struct made_journal *made,
                const struct made_journal *other);
void trial_free(struct trial *trial);

/* The work disk gets the damaged last segment and the witnesses. */
void trial_put(struct trial *trial, const uint8_t *image, size_t size,
               const struct trial_witness *witness);

/* What has to come of it. */
struct expectation trial_expect(const struct trial *trial, const uint8_t *image, size_t size,
                                const struct trial_witness *witness);

/* Recovers what trial_put put, and checks everything. Fails the cmocka test. */
void trial_run(struct trial *trial, const uint8_t *image, size_t size,
               const struct trial_witness *witness);

/* The part of trial_run behind a recovery that went on: another start, an append, and a reading. */
void trial_go_on(struct trial *trial, uint64_t last, const struct trial_witness *witness);

/* Every file of the work disk is as in `before`, but for files that are new and empty. */
void trial_expect_unchanged(struct trial *trial, struct memory_disk *before);

/* One quarantine file holds these bytes, zeros at their end apart. */
bool trial_quarantine_holds(const struct trial *trial, const uint8_t *bytes, size_t length);

#endif
