/* The real disk: the journal's only system calls. EINTR is repeated, short reads and writes are
 * continued, nothing else is tried twice. What the system said of a failure is kept for the
 * thread that asked, so that whoever tells of it can say why and of which file. */
#define _GNU_SOURCE /* fallocate */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "journal/disk.h"

#define ZEROS_BYTES ((size_t)1 << 17)

struct disk_file {
    int descriptor;
    char path[];
};

/* The last failure of this thread. */
static _Thread_local enum status problem_status = STATUS_OK;
static _Thread_local char problem_text[DISK_PROBLEM_BYTES];

#define PROBLEM_PATH_BYTES 100

static enum status fail(enum status status, const char *verb, const char *path, const char *why)
{
    const size_t length = strlen(path);
    /* Of a long path the end is shown: there is the file's name. */
    const bool cut = length > PROBLEM_PATH_BYTES;
    problem_status = status;
    (void)snprintf(problem_text, sizeof problem_text, "cannot %s %s%s: %s", verb, cut ? "..." : "",
                   cut ? path + length - PROBLEM_PATH_BYTES : path, why); /* a cut text is one */
    return status;
}

static enum status classify(int error)
{
    switch (error) {
    case ENOENT:
        return STATUS_NOT_FOUND;
    case ENOSPC:
    case EDQUOT:
        return STATUS_NO_SPACE;
    case EWOULDBLOCK:
        return STATUS_IN_USE;
    case ENOMEM:
        return STATUS_NO_MEMORY;
    default:
        return STATUS_IO;
    }
}

static enum status status_of_errno(const char *verb, const char *path)
{
    const int error = errno;
    return fail(classify(error), verb, path, strerrordesc_np(error));
}

static enum status status_of_result(int result, const char *verb, const char *path)
{
    return result == 0 ? STATUS_OK : status_of_errno(verb, path);
}

static const char *posix_problem(void *context, enum status status)
{
    (void)context;
    return status == problem_status && status != STATUS_OK ? problem_text : NULL;
}

const char *disk_problem(const struct disk *disk, enum status status)
{
    const char *said = disk->problem == NULL ? NULL : disk->problem(disk->context, status);
    return said != NULL ? said : status_text(status);
}

static enum status posix_make_directory(void *context, const char *path)
{
    (void)context;
    if (mkdir(path, 0750) == 0) {
        return STATUS_OK;
    }
    if (errno != EEXIST) {
        return status_of_errno("make", path);
    }
    struct stat information;
    if (stat(path, &information) != 0) {
        return status_of_errno("make", path);
    }
    return S_ISDIR(information.st_mode) ? STATUS_OK
                                        : fail(STATUS_IO, "make", path, "Not a directory");
}

static enum status posix_list(void *context, const char *path, void *visitor,
                              void (*visit)(void *visitor, const char *name))
{
    (void)context;
    DIR *directory = opendir(path);
    if (directory == NULL) {
        return status_of_errno("list", path);
    }
    errno = 0;
    for (const struct dirent *entry = readdir(directory); entry != NULL;
         entry = readdir(directory)) {
        visit(visitor, entry->d_name);
        errno = 0;
    }
    const enum status status = errno == 0 ? STATUS_OK : status_of_errno("list", path);
    (void)closedir(directory); /* opened for reading only: nothing can be lost */
    return status;
}

static enum status posix_open(void *context, const char *path, bool create, bool read_only,
                              struct disk_file **file)
{
    (void)context;
    const int flags = (read_only ? O_RDONLY : O_RDWR) | (create ? O_CREAT : 0) | O_CLOEXEC;
    int descriptor;
    do {
        descriptor = open(path, flags, 0640);
    } while (descriptor < 0 && errno == EINTR);
    if (descriptor < 0 && errno == EISDIR && !create) {
        return fail(STATUS_INVALID, "open", path, strerrordesc_np(EISDIR));
    }
    if (descriptor < 0) {
        return status_of_errno("open", path);
    }
    const size_t path_bytes = strlen(path) + 1;
    struct disk_file *opened = malloc(sizeof *opened + path_bytes);
    if (opened == NULL) {
        (void)close(descriptor); /* nothing was written */
        return STATUS_NO_MEMORY;
    }
    opened->descriptor = descriptor;
    memcpy(opened->path, path, path_bytes);
    *file = opened;
    return STATUS_OK;
}

static enum status posix_lock(void *context, struct disk_file *file)
{
    (void)context;
    int result;
    do {
        result = flock(file->descriptor, LOCK_EX | LOCK_NB);
    } while (result != 0 && errno == EINTR);
    return status_of_result(result, "lock", file->path);
}

static enum status posix_size(void *context, struct disk_file *file, uint64_t *bytes)
{
    (void)context;
    struct stat information;
    if (fstat(file->descriptor, &information) != 0) {
        return status_of_errno("look at", file->path);
    }
    *bytes = (uint64_t)information.st_size;
    return STATUS_OK;
}

static enum status posix_read(void *context, struct disk_file *file, uint64_t offset, void *to,
                              size_t bytes, size_t *done)
{
    (void)context;
    size_t have = 0;
    while (have < bytes) {
        const ssize_t result =
            pread(file->descriptor, (uint8_t *)to + have, bytes - have, (off_t)(offset + have));
        if (result < 0 && errno == EINTR) {
            continue;
        }
        if (result < 0) {
            return status_of_errno("read", file->path);
        }
        if (result == 0) {
            break;
        }
        have += (size_t)result;
    }
    *done = have;
    return STATUS_OK;
}

static enum status posix_write(void *context, struct disk_file *file, uint64_t offset,
                               const void *from, size_t bytes)
{
    (void)context;
    size_t have = 0;
    while (have < bytes) {
        const ssize_t result = pwrite(file->descriptor, (const uint8_t *)from + have, bytes - have,
                                      (off_t)(offset + have));
        if (result < 0 && errno == EINTR) {
            continue;
        }
        if (result <= 0) {
            return result == 0 ? fail(STATUS_IO, "write", file->path, "nothing was written")
                               : status_of_errno("write", file->path);
        }
        have += (size_t)result;
    }
    return STATUS_OK;
}

/* The zeros are written, not only allocated: a write into an allocated but unwritten block changes
 * the file system's metadata, and each sync would have to wait for that as well. */
static enum status posix_preallocate(void *context, struct disk_file *file, uint64_t bytes)
{
    static const uint8_t zeros[ZEROS_BYTES];
    uint64_t at;
    enum status status = posix_size(context, file, &at);
    if (status != STATUS_OK || at >= bytes) {
        return status;
    }
    if (fallocate(file->descriptor, FALLOC_FL_KEEP_SIZE, (off_t)at, (off_t)(bytes - at)) != 0 &&
        errno != EOPNOTSUPP && errno != EINTR) {
        return status_of_errno("allocate", file->path);
    }
    while (at < bytes) {
        const uint64_t left = bytes - at;
        const size_t step = left < ZEROS_BYTES ? (size_t)left : ZEROS_BYTES;
        status = posix_write(context, file, at, zeros, step);
        if (status != STATUS_OK) {
            return status;
        }
        at += step;
    }
    return STATUS_OK;
}

static enum status posix_sync(void *context, struct disk_file *file)
{
    (void)context;
    return status_of_result(fdatasync(file->descriptor), "sync", file->path);
}

static enum status posix_drop_cache(void *context, struct disk_file *file)
{
    (void)context;
    errno = posix_fadvise(file->descriptor, 0, 0, POSIX_FADV_DONTNEED);
    return errno == 0 ? STATUS_OK : status_of_errno("drop the cache of", file->path);
}

static enum status posix_truncate(void *context, struct disk_file *file, uint64_t bytes)
{
    (void)context;
    return status_of_result(ftruncate(file->descriptor, (off_t)bytes), "truncate", file->path);
}

static enum status posix_close(void *context, struct disk_file *file)
{
    (void)context;
    const enum status status = status_of_result(close(file->descriptor), "close", file->path);
    free(file);
    return status;
}

static enum status posix_rename(void *context, const char *from, const char *to)
{
    (void)context;
    return status_of_result(rename(from, to), "rename", from);
}

static enum status posix_remove(void *context, const char *path)
{
    (void)context;
    return status_of_result(unlink(path), "remove", path);
}

static enum status posix_sync_directory(void *context, const char *path)
{
    (void)context;
    const int descriptor = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (descriptor < 0) {
        return status_of_errno("sync", path);
    }
    const enum status status = status_of_result(fsync(descriptor), "sync", path);
    (void)close(descriptor); /* a directory opened for reading: nothing can be lost */
    return status;
}

const struct disk *disk_posix(void)
{
    static const struct disk disk = {
        .make_directory = posix_make_directory,
        .list = posix_list,
        .open = posix_open,
        .lock = posix_lock,
        .size = posix_size,
        .preallocate = posix_preallocate,
        .read = posix_read,
        .write = posix_write,
        .sync = posix_sync,
        .drop_cache = posix_drop_cache,
        .truncate = posix_truncate,
        .close = posix_close,
        .rename = posix_rename,
        .remove = posix_remove,
        .sync_directory = posix_sync_directory,
        .problem = posix_problem,
    };
    return &disk;
}
