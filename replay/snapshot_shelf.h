/* The snapshots of a data directory as a start sees them: which is the newest that can be used, and
 * the state in it. One that cannot be used is skipped with one line that says why, and never again
 * looked at; the next older one is taken, and the state comes out the same, only later. */
#ifndef TAPLINE_REPLAY_SNAPSHOT_SHELF_H
#define TAPLINE_REPLAY_SNAPSHOT_SHELF_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"
#include "journal/disk.h"
#include "replay/applier.h"
#include "replay/snapshot_file.h"

struct snapshot_shelf {
    const struct disk *disk;
    const char *data_dir; /* outlives the shelf */
    struct snapshot_list list;
    bool rejected[SNAPSHOT_LISTED_MAX];
    void *context;
    void (*on_skipped)(void *context, const char *line); /* may be NULL */
};

/* Lists DIR/snapshots. disk NULL: disk_posix(). Errors: STATUS_IO. */
MUST_USE enum status snapshot_shelf_open(struct snapshot_shelf *shelf, const struct disk *disk,
                                         const char *data_dir, void *context,
                                         void (*on_skipped)(void *context, const char *line));

/* The header of the newest good snapshot of the journal with this epoch (NULL: of any), every byte
 * of which was checked: a witness of how far it was durable. False: there is none. */
bool snapshot_shelf_newest(struct snapshot_shelf *shelf, const uint64_t *epoch,
                           struct snapshot_header *header);

/* The state of the newest good snapshot of the journal with this epoch at newest_seq or before.
 * That the journal's history up to it is the snapshot's is the replay's to see
 * (replay_options.begin). limits NULL: machine_default_limits.
 * Owns: *applier is freed by the caller. Errors: STATUS_NOT_FOUND there is none; STATUS_NO_MEMORY.
 */
MUST_USE enum status snapshot_shelf_take(struct snapshot_shelf *shelf, uint64_t epoch,
                                         uint64_t newest_seq, const struct machine_limits *limits,
                                         struct applier **applier, struct snapshot_header *header);

/* True when a snapshot that was not rejected stands in [oldest_seq, newest_seq], by its name. */
bool snapshot_shelf_has(const struct snapshot_shelf *shelf, uint64_t oldest_seq,
                        uint64_t newest_seq);

/* The snapshot of `seq` is not to be used; `why` is told. */
void snapshot_shelf_reject(struct snapshot_shelf *shelf, uint64_t seq, const char *why);

#endif
