/* The next segment, made ahead by a thread of its own: allocated, zero-filled and durable, so that
 * the writer never waits for the file system to find blocks, and a full disk is known long before
 * the present segment is full. The file is DIR/journal/spare until the writer takes it. */
#ifndef TAPLINE_JOURNAL_SPARE_H
#define TAPLINE_JOURNAL_SPARE_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"
#include "journal/disk.h"

/* Zeros are written and synced in slices, so that the writer's own syncs find the disk free
 * between. */
#define SPARE_SLICE_BYTES ((uint64_t)4 << 20)
/* How often a full disk is tried again. */
#define SPARE_RETRY_MS 250

enum spare_state {
    SPARE_MAKING,
    SPARE_READY,
    SPARE_NO_SPACE, /* the disk is full; tried again every SPARE_RETRY_MS */
    SPARE_FAILED,   /* an I/O error; stays */
};

struct spare {
    const struct disk *disk;
    const char *directory; /* borrowed for the life of the spare */
    void *context;
    void (*on_failed)(void *context, enum status status); /* on the spare's thread, once */
    char *path;
    pthread_t thread;
    pthread_mutex_t mutex; /* guards all below */
    pthread_cond_t changed;
    enum spare_state state;
    enum status failure;
    bool hurried; /* spare_take no longer waits for space */
    bool closing; /* the thread ends */
    uint64_t wanted_bytes;
    struct disk_file *file; /* SPARE_READY: open for writing */
};

/* Starts to make a spare of this size. Errors: STATUS_NO_MEMORY. */
MUST_USE enum status spare_init(struct spare *spare, const struct disk *disk, const char *directory,
                                uint64_t bytes, void *context,
                                void (*on_failed)(void *context, enum status status));

/* Waits for the spare and hands it over. Owns: *file and the name DIR/journal/spare are the
 * caller's until spare_next. Errors: STATUS_NO_SPACE the disk is full and spare_hurry was called;
 * the I/O error that ended the making. Thread: the writer. */
MUST_USE enum status spare_take(struct spare *spare, struct disk_file **file, uint64_t *bytes);

/* Starts to make the next spare. Thread: the writer. */
void spare_next(struct spare *spare, uint64_t bytes);

/* False when the disk had no space for it at the last try, or failed. Thread: any. */
bool spare_has_room(struct spare *spare);

/* No more waiting for space that others have to make. Thread: any. */
void spare_hurry(struct spare *spare);

/* When nobody takes any more: ends the thread and removes the file. */
void spare_free(struct spare *spare);

/* Removes the spare that a crash left behind: no record was ever in it. Errors: STATUS_IO. */
MUST_USE enum status spare_remove_left_over(const struct disk *disk, const char *directory);

#endif
