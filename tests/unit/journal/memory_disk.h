/* A disk in memory behind `struct disk`, for tests: quick, copyable, faulty on demand, and with a
 * power switch. Each file has two contents: what a reader sees, and what was synced; names likewise
 * by directory. Thread safe. */
#ifndef TAPLINE_TEST_MEMORY_DISK_H
#define TAPLINE_TEST_MEMORY_DISK_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "journal/disk.h"

#define MEMORY_FILES_MAX 256

struct memory_file {
    bool used;
    char name[128];   /* "" when removed */
    char synced[128]; /* the name that a power cut leaves; "" none */
    uint8_t *bytes;
    size_t size;
    uint8_t *synced_bytes;
    size_t synced_size;
    bool locked;
};

/* The fault of one call: the n-th one, or all from the n-th on. */
struct memory_fault {
    uint64_t at_call; /* counted from 1; 0: never */
    bool for_ever;
    bool half;          /* a write leaves half of its bytes behind */
    enum status status; /* what the call answers */
};

struct memory_disk {
    struct disk disk;
    pthread_mutex_t mutex;
    struct memory_file files[MEMORY_FILES_MAX];
    struct memory_fault fault;
    uint64_t calls;   /* that can fail: all but close, list and size */
    uint64_t changes; /* writes, truncates, renames, removes and files made */
    bool has_failed;
    uint64_t syncs_after; /* of a segment, after a sync of it has failed */
    int failed_sync_file; /* -1: none */
    uint64_t space_bytes; /* preallocate beyond it answers NO_SPACE */
    uint64_t open_handles;
};

void memory_disk_init(struct memory_disk *disk);
void memory_disk_free(struct memory_disk *disk);

/* `copy` becomes what `disk` is, without its locks and faults; init it first. */
void memory_disk_copy(struct memory_disk *copy, struct memory_disk *disk);

/* The power goes: of each sector that was not synced either the old or the new content stays, and
 * of each directory that was not synced either the old or the new names. */
void memory_disk_cut_power(struct memory_disk *disk, uint64_t seed);

/* The file whose name ends so, NULL when there is none; of several the last by name. */
struct memory_file *memory_disk_find(struct memory_disk *disk, const char *part);
unsigned memory_disk_count(struct memory_disk *disk, const char *part);

/* A small random generator for tests (splitmix64). */
uint64_t test_random(uint64_t *state);

#endif
