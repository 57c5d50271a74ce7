/* The door to the file system for the journal: a small table of calls, so that the simulator and
 * the fault tests can put their own disk behind the same code. disk_posix() is the real one. */
#ifndef TAPLINE_JOURNAL_DISK_H
#define TAPLINE_JOURNAL_DISK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

struct disk_file; /* opaque to all but the disk that made it */

struct disk {
    void *context;
    /* Errors of each: STATUS_NOT_FOUND, STATUS_IN_USE (lock), STATUS_NO_SPACE, STATUS_IO; of an
     * open for writing, without `create`, also STATUS_INVALID: the path is a directory. */
    enum status (*make_directory)(void *context, const char *path); /* OK when it exists */
    /* Calls `visit` for each name in the directory, in no order. */
    enum status (*list)(void *context, const char *path, void *visitor,
                        void (*visit)(void *visitor, const char *name));
    enum status (*open)(void *context, const char *path, bool create, bool read_only,
                        struct disk_file **file);
    enum status (*lock)(void *context, struct disk_file *file); /* exclusive, until closed */
    enum status (*size)(void *context, struct disk_file *file, uint64_t *bytes);
    /* Allocates and zero-fills up to `bytes`, so that later writes change no metadata. */
    enum status (*preallocate)(void *context, struct disk_file *file, uint64_t bytes);
    enum status (*read)(void *context, struct disk_file *file, uint64_t offset, void *to,
                        size_t bytes, size_t *done); /* *done < bytes only at the end of the file */
    enum status (*write)(void *context, struct disk_file *file, uint64_t offset, const void *from,
                         size_t bytes);                         /* all of it or an error */
    enum status (*sync)(void *context, struct disk_file *file); /* fdatasync */
    /* Optional, may be NULL: forgets what is cached of a synced file, so that the next read shows
     * what the disk has. After a failed sync of an earlier process the two may differ. */
    enum status (*drop_cache)(void *context, struct disk_file *file);
    enum status (*truncate)(void *context, struct disk_file *file, uint64_t bytes);
    enum status (*close)(void *context, struct disk_file *file);
    enum status (*rename)(void *context, const char *from, const char *to);
    enum status (*remove)(void *context, const char *path);
    enum status (*sync_directory)(void *context, const char *path);
    /* Optional, may be NULL: what the system said when a call last failed on this thread, with this
     * status: "cannot open data/LOCK: Permission denied"; NULL when none failed so. */
    const char *(*problem)(void *context, enum status status);
};

const struct disk *disk_posix(void);

#define DISK_PROBLEM_BYTES 192

/* The words for a status that a call of the disk just gave on this thread: what the system said,
 * else the status' own. At most DISK_PROBLEM_BYTES with NUL; lives until the thread's next call. */
const char *disk_problem(const struct disk *disk, enum status status);

#endif
