/* DIR/journal/HEAD: a second place that remembers how far the journal was durable. Checksums and
 * tree heads cannot see a journal that was cut at the end of a batch, because what is left is a
 * perfect shorter journal; a witness outside of the segments can. Two slots are written in turn, so
 * that a torn write leaves the other one. */
#ifndef TAPLINE_JOURNAL_WITNESS_H
#define TAPLINE_JOURNAL_WITNESS_H

#include <stdbool.h>

#include "base/status.h"
#include "journal/disk.h"
#include "journal/format.h"

struct witness {
    const struct disk *disk;
    struct disk_file *file; /* NULL: closed */
    unsigned slot;          /* to be written next */
};

/* The newest whole slot of the file in `directory`. *has is false when there is no file or no whole
 * slot. Errors: STATUS_IO, STATUS_NO_MEMORY. */
MUST_USE enum status witness_read(const struct disk *disk, const char *directory, bool *has,
                                  struct witness_head *head);

/* Opens the file for writing, makes it when absent; the directory's entry is durable afterwards.
 * Errors: STATUS_IO, STATUS_NO_SPACE, STATUS_NO_MEMORY. */
MUST_USE enum status witness_open(struct witness *witness, const struct disk *disk,
                                  const char *directory);

/* Writes the next slot; `head` must be durable in the journal. `sync`: durable here too when it
 * returns. Errors: STATUS_IO. */
MUST_USE enum status witness_write(struct witness *witness, const struct witness_head *head,
                                   bool sync);

/* Errors: STATUS_IO. */
enum status witness_close(struct witness *witness);

#endif
