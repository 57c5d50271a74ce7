#include "memory_disk.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"

#define SECTOR_BYTES ((size_t)512)

struct disk_file {
    int index;
};

uint64_t test_random(uint64_t *state)
{
    *state += 0x9e3779b97f4a7c15u;
    uint64_t z = *state;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

/* Counts a call and says whether it fails now. With the mutex held. */
static bool fails(struct memory_disk *disk)
{
    disk->calls++;
    const struct memory_fault *fault = &disk->fault;
    const bool now = fault->at_call != 0 && (disk->calls == fault->at_call ||
                                             (fault->for_ever && disk->calls > fault->at_call));
    disk->has_failed = disk->has_failed || now;
    return now;
}

static int find(const struct memory_disk *disk, const char *name)
{
    for (int i = 0; i < MEMORY_FILES_MAX; i++) {
        if (disk->files[i].used && strcmp(disk->files[i].name, name) == 0) {
            return i;
        }
    }
    return -1;
}

/* Locks; the answer of a call that only counts. */
static enum status enter(struct memory_disk *disk)
{
    pthread_mutex_lock(&disk->mutex);
    return fails(disk) ? disk->fault.status : STATUS_OK;
}

static enum status leave(struct memory_disk *disk, enum status status)
{
    pthread_mutex_unlock(&disk->mutex);
    return status;
}

static enum status memory_make_directory(void *context, const char *path)
{
    (void)path; /* directories are what names begin with */
    return leave(context, enter(context));
}

static enum status memory_list(void *context, const char *path, void *visitor,
                               void (*visit)(void *visitor, const char *name))
{
    struct memory_disk *disk = context;
    const size_t length = strlen(path);
    pthread_mutex_lock(&disk->mutex);
    for (int i = 0; i < MEMORY_FILES_MAX; i++) {
        const struct memory_file *file = &disk->files[i];
        if (file->used && strncmp(file->name, path, length) == 0 && file->name[length] == '/') {
            visit(visitor, file->name + length + 1);
        }
    }
    return leave(disk, STATUS_OK);
}

static enum status memory_open(void *context, const char *path, bool create, bool read_only,
                               struct disk_file **file)
{
    struct memory_disk *disk = context;
    (void)read_only;
    enum status status = enter(disk);
    if (status != STATUS_OK) {
        return leave(disk, status);
    }
    int index = find(disk, path);
    if (index < 0 && !create) {
        return leave(disk, STATUS_NOT_FOUND);
    }
    if (index < 0) {
        for (index = 0; disk->files[index].used; index++) {
            CHECK(index + 1 < MEMORY_FILES_MAX);
        }
        memset(&disk->files[index], 0, sizeof disk->files[index]);
        disk->files[index].used = true;
        CHECK(strlen(path) < sizeof disk->files[index].name);
        strcpy(disk->files[index].name, path);
        disk->changes++;
    }
    *file = malloc(sizeof **file);
    CHECK(*file != NULL);
    (*file)->index = index;
    disk->open_handles++;
    return leave(disk, STATUS_OK);
}

static enum status memory_lock(void *context, struct disk_file *file)
{
    struct memory_disk *disk = context;
    enum status status = enter(disk);
    struct memory_file *locked = &disk->files[file->index];
    if (status == STATUS_OK && locked->locked) {
        status = STATUS_IN_USE;
    }
    if (status == STATUS_OK) {
        locked->locked = true;
    }
    return leave(disk, status);
}

static enum status memory_size(void *context, struct disk_file *file, uint64_t *bytes)
{
    struct memory_disk *disk = context;
    pthread_mutex_lock(&disk->mutex);
    *bytes = disk->files[file->index].size;
    return leave(disk, STATUS_OK);
}

/* Sets the size; what is new is zero. */
static void resize(struct memory_file *file, size_t size)
{
    if (size > file->size) {
        file->bytes = realloc(file->bytes, size);
        CHECK(file->bytes != NULL);
        memset(file->bytes + file->size, 0, size - file->size);
    }
    file->size = size;
}

static enum status memory_preallocate(void *context, struct disk_file *file, uint64_t bytes)
{
    struct memory_disk *disk = context;
    enum status status = enter(disk);
    struct memory_file *grown = &disk->files[file->index];
    if (status == STATUS_OK && disk->space_bytes != 0) {
        uint64_t used = 0;
        for (int i = 0; i < MEMORY_FILES_MAX; i++) {
            used += disk->files[i].used && &disk->files[i] != grown ? disk->files[i].size : 0;
        }
        status = used + bytes > disk->space_bytes ? STATUS_NO_SPACE : STATUS_OK;
    }
    if (status == STATUS_OK && bytes > grown->size) {
        resize(grown, (size_t)bytes);
    }
    return leave(disk, status);
}

static enum status memory_read(void *context, struct disk_file *file, uint64_t offset, void *to,
                               size_t bytes, size_t *done)
{
    struct memory_disk *disk = context;
    const enum status status = enter(disk);
    const struct memory_file *from = &disk->files[file->index];
    if (status == STATUS_OK) {
        const size_t left = offset < from->size ? from->size - (size_t)offset : 0;
        *done = left < bytes ? left : bytes;
        if (*done > 0) {
            memcpy(to, from->bytes + offset, *done);
        }
    }
    return leave(disk, status);
}

static enum status memory_write(void *context, struct disk_file *file, uint64_t offset,
                                const void *from, size_t bytes)
{
    struct memory_disk *disk = context;
    const enum status status = enter(disk);
    disk->changes++;
    struct memory_file *to = &disk->files[file->index];
    if (status != STATUS_OK) {
        bytes = disk->fault.half ? bytes / 2 : 0;
    }
    if (bytes > 0) {
        if (offset + bytes > to->size) {
            resize(to, (size_t)offset + bytes);
        }
        memcpy(to->bytes + offset, from, bytes);
    }
    return leave(disk, status);
}

static void keep(struct memory_file *file)
{
    file->synced_bytes = realloc(file->synced_bytes, file->size > 0 ? file->size : 1);
    CHECK(file->synced_bytes != NULL);
    if (file->size > 0) {
        memcpy(file->synced_bytes, file->bytes, file->size);
    }
    file->synced_size = file->size;
}

static enum status memory_sync(void *context, struct disk_file *file)
{
    struct memory_disk *disk = context;
    const enum status status = enter(disk);
    if (disk->failed_sync_file == file->index) {
        disk->syncs_after++;
    }
    if (status != STATUS_OK) {
        disk->failed_sync_file = file->index;
    } else {
        keep(&disk->files[file->index]);
    }
    return leave(disk, status);
}

static enum status memory_truncate(void *context, struct disk_file *file, uint64_t bytes)
{
    struct memory_disk *disk = context;
    const enum status status = enter(disk);
    disk->changes++;
    if (status == STATUS_OK) {
        resize(&disk->files[file->index], (size_t)bytes);
    }
    return leave(disk, status);
}

static enum status memory_close(void *context, struct disk_file *file)
{
    struct memory_disk *disk = context;
    pthread_mutex_lock(&disk->mutex);
    disk->files[file->index].locked = false;
    disk->open_handles--;
    free(file);
    return leave(disk, STATUS_OK);
}

/* Directories are what names begin with. False: no name begins so. What a power cut leaves of them
 * is not modelled. */
static bool rename_directory(struct memory_disk *disk, const char *from, const char *to)
{
    const size_t length = strlen(from);
    bool found = false;
    for (int i = 0; i < MEMORY_FILES_MAX; i++) {
        struct memory_file *file = &disk->files[i];
        if (!file->used || strncmp(file->name, from, length) != 0 || file->name[length] != '/') {
            continue;
        }
        char name[sizeof file->name];
        CHECK(strlen(to) + strlen(file->name + length) < sizeof name);
        strcpy(name, to);
        strcat(name, file->name + length);
        strcpy(file->name, name);
        disk->changes++;
        found = true;
    }
    return found;
}

static enum status memory_rename(void *context, const char *from, const char *to)
{
    struct memory_disk *disk = context;
    enum status status = enter(disk);
    const int index = find(disk, from);
    const int other = find(disk, to);
    if (status == STATUS_OK && index < 0) {
        status = rename_directory(disk, from, to) ? STATUS_OK : STATUS_NOT_FOUND;
    } else if (status == STATUS_OK) {
        if (other >= 0) {
            disk->files[other].name[0] = '\0';
        }
        strcpy(disk->files[index].name, to);
        disk->changes++;
    }
    return leave(disk, status);
}

static enum status memory_remove(void *context, const char *path)
{
    struct memory_disk *disk = context;
    enum status status = enter(disk);
    const int index = find(disk, path);
    if (status == STATUS_OK && index < 0) {
        status = STATUS_NOT_FOUND;
    }
    if (status == STATUS_OK) {
        disk->files[index].name[0] = '\0';
        disk->changes++;
    }
    return leave(disk, status);
}

static bool is_in(const char *name, const char *directory)
{
    const size_t length = strlen(directory);
    return strncmp(name, directory, length) == 0 && name[length] == '/' &&
           strchr(name + length + 1, '/') == NULL;
}

/* True when the file's place below `path` was renamed, a directory on its way to it, and the file
 * in it has the name that it durably had there. */
static bool is_renamed_below(const struct memory_file *file, const char *path)
{
    const size_t length = strcmp(path, ".") == 0 ? 0 : strlen(path);
    const char *name = strrchr(file->name, '/');
    const char *synced = strrchr(file->synced, '/');
    return name != NULL && synced != NULL && strcmp(name, synced) == 0 &&
           strncmp(file->name, path, length) == 0 && (length == 0 || file->name[length] == '/');
}

static enum status memory_sync_directory(void *context, const char *path)
{
    struct memory_disk *disk = context;
    const enum status status = enter(disk);
    for (int i = 0; status == STATUS_OK && i < MEMORY_FILES_MAX; i++) {
        struct memory_file *file = &disk->files[i];
        if (is_in(file->name, path) || (file->name[0] == '\0' && is_in(file->synced, path)) ||
            is_renamed_below(file, path)) {
            memcpy(file->synced, file->name, sizeof file->synced);
        }
    }
    return leave(disk, status);
}

void memory_disk_init(struct memory_disk *disk)
{
    memset(disk, 0, sizeof *disk);
    disk->failed_sync_file = -1;
    pthread_mutex_init(&disk->mutex, NULL);
    disk->disk = (struct disk){.context = disk,
                               .make_directory = memory_make_directory,
                               .list = memory_list,
                               .open = memory_open,
                               .lock = memory_lock,
                               .size = memory_size,
                               .preallocate = memory_preallocate,
                               .read = memory_read,
                               .write = memory_write,
                               .sync = memory_sync,
                               .truncate = memory_truncate,
                               .close = memory_close,
                               .rename = memory_rename,
                               .remove = memory_remove,
                               .sync_directory = memory_sync_directory};
}

static void empty(struct memory_disk *disk)
{
    for (int i = 0; i < MEMORY_FILES_MAX; i++) {
        free(disk->files[i].bytes);
        free(disk->files[i].synced_bytes);
    }
    memset(disk->files, 0, sizeof disk->files);
}

void memory_disk_free(struct memory_disk *disk)
{
    if (disk->open_handles != 0) {
        return; /* a test has failed in the middle: its message counts */
    }
    empty(disk);
    pthread_mutex_destroy(&disk->mutex);
}

void memory_disk_copy(struct memory_disk *copy, struct memory_disk *disk)
{
    CHECK(copy->open_handles == 0);
    empty(copy);
    pthread_mutex_lock(&disk->mutex);
    for (int i = 0; i < MEMORY_FILES_MAX; i++) {
        const struct memory_file *from = &disk->files[i];
        struct memory_file *to = &copy->files[i];
        if (!from->used) {
            continue;
        }
        *to = *from;
        to->locked = false;
        to->bytes = malloc(from->size + 1);
        to->synced_bytes = malloc(from->synced_size + 1);
        CHECK(to->bytes != NULL);
        CHECK(to->synced_bytes != NULL);
        if (from->size > 0) {
            memcpy(to->bytes, from->bytes, from->size);
        }
        if (from->synced_size > 0) {
            memcpy(to->synced_bytes, from->synced_bytes, from->synced_size);
        }
    }
    pthread_mutex_unlock(&disk->mutex);
    copy->fault = (struct memory_fault){0};
    copy->calls = 0;
    copy->changes = 0;
    copy->has_failed = false;
    copy->syncs_after = 0;
    copy->failed_sync_file = -1;
}

void memory_disk_cut_power(struct memory_disk *disk, uint64_t seed)
{
    uint64_t random = seed;
    const bool new_names = (test_random(&random) & 1) != 0;
    for (int i = 0; i < MEMORY_FILES_MAX; i++) {
        struct memory_file *file = &disk->files[i];
        if (!file->used) {
            continue;
        }
        if (!new_names) {
            memcpy(file->name, file->synced, sizeof file->name);
        }
        memcpy(file->synced, file->name, sizeof file->synced);
        file->locked = false;
        /* Sizes: the old or the new one; a sector beyond the old end reads as zero when it was
         * lost. */
        if (file->size != file->synced_size && (test_random(&random) & 1) != 0) {
            resize(file, file->synced_size);
        }
        for (size_t at = 0; at < file->size; at += SECTOR_BYTES) {
            if ((test_random(&random) & 1) != 0) {
                continue; /* the new content made it */
            }
            for (size_t j = at; j < at + SECTOR_BYTES && j < file->size; j++) {
                file->bytes[j] = j < file->synced_size ? file->synced_bytes[j] : 0;
            }
        }
        keep(file);
    }
}

struct memory_file *memory_disk_find(struct memory_disk *disk, const char *part)
{
    struct memory_file *last = NULL;
    pthread_mutex_lock(&disk->mutex);
    for (int i = 0; i < MEMORY_FILES_MAX; i++) {
        struct memory_file *file = &disk->files[i];
        if (file->used && strstr(file->name, part) != NULL &&
            (last == NULL || strcmp(file->name, last->name) > 0)) {
            last = file;
        }
    }
    pthread_mutex_unlock(&disk->mutex);
    return last;
}

unsigned memory_disk_count(struct memory_disk *disk, const char *part)
{
    unsigned count = 0;
    pthread_mutex_lock(&disk->mutex);
    for (int i = 0; i < MEMORY_FILES_MAX; i++) {
        count += disk->files[i].used && strstr(disk->files[i].name, part) != NULL;
    }
    pthread_mutex_unlock(&disk->mutex);
    return count;
}
