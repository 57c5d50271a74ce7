/* A journal on a memory disk with records that can be told from their seq alone. */
#ifndef TAPLINE_TEST_JOURNAL_FIXTURE_H
#define TAPLINE_TEST_JOURNAL_FIXTURE_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "journal/journal.h"
#include "memory_disk.h"

#define FIXTURE_RECORD_MAX 400

struct fixture {
    struct memory_disk *disk;
    struct journal_options options; /* may be changed before fixture_open */
    struct journal *journal;
    struct journal_report report;
    pthread_mutex_t mutex; /* guards the rest */
    pthread_cond_t changed;
    uint64_t queued;
    uint64_t durable;
    unsigned batches;
    unsigned failures;
    bool durable_after_failure;
    bool held; /* on_durable waits */
};

void fixture_init(struct fixture *fixture, struct memory_disk *disk);
void fixture_destroy(struct fixture *fixture);

/* journal_open and journal_start. */
enum status fixture_open(struct fixture *fixture);
/* Opens, expects success. */
void fixture_must_open(struct fixture *fixture);

/* Appends one record and waits for it: a batch of its own. False when the journal failed. */
bool fixture_append(struct fixture *fixture);
/* Appends `count` records that become one batch, behind one that is a batch of its own. */
void fixture_append_batch(struct fixture *fixture, unsigned count);
/* Waits until on_failed was called. */
void fixture_wait_for_failure(struct fixture *fixture);
enum status fixture_close(struct fixture *fixture);

/* The record of a seq. Returns its length. */
size_t fixture_record(uint64_t seq, uint8_t *bytes);

/* Reads DIR/journal of the disk from from_seq on and checks each record. Returns the last status,
 * *last the last seq read. */
enum status fixture_read(struct memory_disk *disk, uint64_t from_seq, uint64_t *last,
                         struct journal_report *report);

#endif
