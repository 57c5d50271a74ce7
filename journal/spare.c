#include "journal/spare.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/check.h"
#include "journal/chain.h"
#include "journal/format.h"

static bool is_closing(struct spare *spare)
{
    pthread_mutex_lock(&spare->mutex);
    const bool closing = spare->closing;
    pthread_mutex_unlock(&spare->mutex);
    return closing;
}

/* Fills the open file slice by slice. STATUS_CLOSED: told to stop. */
static enum status fill(struct spare *spare, struct disk_file *file, uint64_t bytes)
{
    const struct disk *disk = spare->disk;
    for (uint64_t at = 0; at < bytes;) {
        if (is_closing(spare)) {
            return STATUS_CLOSED;
        }
        at = bytes - at < SPARE_SLICE_BYTES ? bytes : at + SPARE_SLICE_BYTES;
        enum status status = disk->preallocate(disk->context, file, at);
        if (status == STATUS_OK) {
            status = disk->sync(disk->context, file);
        }
        if (status != STATUS_OK) {
            return status;
        }
    }
    return STATUS_OK;
}

static enum status make(struct spare *spare, uint64_t bytes, struct disk_file **file)
{
    const struct disk *disk = spare->disk;
    struct disk_file *made;
    enum status status = disk->open(disk->context, spare->path, true, false, &made);
    if (status != STATUS_OK) {
        return status;
    }
    status = fill(spare, made, bytes);
    if (status == STATUS_OK) {
        *file = made;
        return STATUS_OK;
    }
    /* What is half made goes away whole: on a full disk others need the space, and the blocks of a
     * failed sync are not to be trusted. Nothing was in it, so these two may fail. */
    (void)disk->close(disk->context, made);
    (void)disk->remove(disk->context, spare->path);
    return status;
}

static void wait_for_retry(struct spare *spare)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += (long)SPARE_RETRY_MS * 1000000;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    while (!spare->closing && pthread_cond_timedwait(&spare->changed, &spare->mutex, &until) == 0) {
    }
}

static enum spare_state state_of(enum status status)
{
    if (status == STATUS_OK) {
        return SPARE_READY;
    }
    /* CLOSED comes only when nobody takes a spare any more. */
    return status == STATUS_NO_SPACE || status == STATUS_CLOSED ? SPARE_NO_SPACE : SPARE_FAILED;
}

static void *run(void *argument)
{
    struct spare *spare = argument;
    pthread_mutex_lock(&spare->mutex);
    while (!spare->closing) {
        if (spare->state == SPARE_READY || spare->state == SPARE_FAILED) {
            pthread_cond_wait(&spare->changed, &spare->mutex);
            continue;
        }
        const uint64_t bytes = spare->wanted_bytes;
        pthread_mutex_unlock(&spare->mutex);
        struct disk_file *file = NULL;
        const enum status status = make(spare, bytes, &file);
        pthread_mutex_lock(&spare->mutex);
        spare->file = file;
        spare->failure = status;
        spare->state = state_of(status);
        pthread_cond_broadcast(&spare->changed);
        if (spare->state == SPARE_NO_SPACE) {
            wait_for_retry(spare);
        } else if (spare->state == SPARE_FAILED) {
            pthread_mutex_unlock(&spare->mutex);
            spare->on_failed(spare->context, status);
            pthread_mutex_lock(&spare->mutex);
        }
    }
    pthread_mutex_unlock(&spare->mutex);
    return NULL;
}

enum status spare_init(struct spare *spare, const struct disk *disk, const char *directory,
                       uint64_t bytes, void *context,
                       void (*on_failed)(void *context, enum status status))
{
    memset(spare, 0, sizeof *spare);
    spare->disk = disk;
    spare->directory = directory;
    spare->context = context;
    spare->on_failed = on_failed;
    spare->state = SPARE_MAKING;
    spare->wanted_bytes = bytes;
    spare->path = chain_path(directory, FORMAT_SPARE_NAME);
    if (spare->path == NULL) {
        return STATUS_NO_MEMORY;
    }
    pthread_condattr_t monotonic;
    CHECK(pthread_condattr_init(&monotonic) == 0);
    CHECK(pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC) == 0);
    CHECK(pthread_mutex_init(&spare->mutex, NULL) == 0);
    CHECK(pthread_cond_init(&spare->changed, &monotonic) == 0);
    pthread_condattr_destroy(&monotonic);
    if (pthread_create(&spare->thread, NULL, run, spare) != 0) {
        pthread_cond_destroy(&spare->changed);
        pthread_mutex_destroy(&spare->mutex);
        free(spare->path);
        return STATUS_NO_MEMORY;
    }
    return STATUS_OK;
}

enum status spare_take(struct spare *spare, struct disk_file **file, uint64_t *bytes)
{
    enum status status = STATUS_OK;
    pthread_mutex_lock(&spare->mutex);
    while (spare->state == SPARE_MAKING || (spare->state == SPARE_NO_SPACE && !spare->hurried)) {
        pthread_cond_wait(&spare->changed, &spare->mutex);
    }
    if (spare->state == SPARE_READY) {
        *file = spare->file;
        *bytes = spare->wanted_bytes;
        spare->file = NULL;
    } else {
        status = spare->state == SPARE_NO_SPACE ? STATUS_NO_SPACE : spare->failure;
    }
    pthread_mutex_unlock(&spare->mutex);
    return status;
}

void spare_next(struct spare *spare, uint64_t bytes)
{
    pthread_mutex_lock(&spare->mutex);
    CHECK(spare->file == NULL);
    spare->wanted_bytes = bytes;
    spare->state = SPARE_MAKING;
    pthread_cond_broadcast(&spare->changed);
    pthread_mutex_unlock(&spare->mutex);
}

bool spare_has_room(struct spare *spare)
{
    pthread_mutex_lock(&spare->mutex);
    const bool has_room = spare->state == SPARE_MAKING || spare->state == SPARE_READY;
    pthread_mutex_unlock(&spare->mutex);
    return has_room;
}

void spare_hurry(struct spare *spare)
{
    pthread_mutex_lock(&spare->mutex);
    spare->hurried = true;
    pthread_cond_broadcast(&spare->changed);
    pthread_mutex_unlock(&spare->mutex);
}

void spare_free(struct spare *spare)
{
    pthread_mutex_lock(&spare->mutex);
    spare->closing = true;
    pthread_cond_broadcast(&spare->changed);
    pthread_mutex_unlock(&spare->mutex);
    pthread_join(spare->thread, NULL);
    if (spare->file != NULL) {
        /* Nothing was ever in it. */
        (void)spare->disk->close(spare->disk->context, spare->file);
        (void)spare->disk->remove(spare->disk->context, spare->path);
    }
    pthread_cond_destroy(&spare->changed);
    pthread_mutex_destroy(&spare->mutex);
    free(spare->path);
}

enum status spare_remove_left_over(const struct disk *disk, const char *directory)
{
    char *path = chain_path(directory, FORMAT_SPARE_NAME);
    if (path == NULL) {
        return STATUS_NO_MEMORY;
    }
    const enum status status = disk->remove(disk->context, path);
    free(path);
    return status == STATUS_NOT_FOUND ? STATUS_OK : status;
}
