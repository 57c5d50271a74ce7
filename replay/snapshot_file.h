/* Snapshots as files of DIR/snapshots: written so that a crash at any moment leaves a whole file or
 * none of that name, read with every byte checked, listed, and thinned out. What a snapshot means
 * for a start is decided elsewhere (replay/snapshot_shelf.h).
 *
 * Normal course of writing: NAME.part is written and synced, renamed to NAME, the directory synced;
 * then the oldest are removed. Failures: nothing of NAME is there, and a .part that a crash left is
 * overwritten or removed by the next one. */
#ifndef TAPLINE_REPLAY_SNAPSHOT_FILE_H
#define TAPLINE_REPLAY_SNAPSHOT_FILE_H

#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include "journal/disk.h"
#include "replay/applier.h"
#include "replay/snapshot_format.h"

#define SNAPSHOT_FOLDER        "snapshots"
#define SNAPSHOT_KEPT          4  /* files that stay when a new one is written */
#define SNAPSHOT_LISTED_MAX    64 /* of a directory with more the newest ones count */
#define SNAPSHOT_PROBLEM_BYTES 384

/* Writes the applier's state as of `place` (the journal's place after its last record) and removes
 * all but the SNAPSHOT_KEPT newest. `problem` gets one line on error. Errors: STATUS_IO,
 * STATUS_NO_SPACE, STATUS_NO_MEMORY. */
MUST_USE enum status snapshot_write(const struct disk *disk, const char *data_dir,
                                    const struct applier *applier,
                                    const struct journal_place *place,
                                    char problem[SNAPSHOT_PROBLEM_BYTES]);

struct snapshot {
    struct snapshot_header header;
    uint8_t *body; /* header.body_bytes, owned */
};

/* Reads and checks the file of `seq`. `problem` gets one line on error, with the file's name.
 * Owns: snapshot->body is freed by the caller when STATUS_OK. Errors: STATUS_DAMAGED hash, length
 * or layout; STATUS_VERSION; STATUS_NOT_FOUND; STATUS_IO; STATUS_NO_MEMORY. */
MUST_USE enum status snapshot_read(const struct disk *disk, const char *data_dir, uint64_t seq,
                                   struct snapshot *snapshot, char problem[SNAPSHOT_PROBLEM_BYTES]);

struct snapshot_list {
    size_t count;
    uint64_t seqs[SNAPSHOT_LISTED_MAX]; /* newest first */
};

/* No folder is an empty list. Errors: STATUS_IO. */
MUST_USE enum status snapshot_list(const struct disk *disk, const char *data_dir,
                                   struct snapshot_list *list);

#endif
