/* The segment files of a journal: how many, how large, and which. For the benchmarks that read or
 * make whole journals. */
#ifndef TAPLINE_TOOLS_BENCH_JOURNAL_FILES_H
#define TAPLINE_TOOLS_BENCH_JOURNAL_FILES_H

#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

struct journal_files {
    uint64_t segments;
    uint64_t bytes; /* of the files, the zeros behind the last frame counted */
};

/* All zero when there is no journal. */
void journal_files_measure(const char *data_dir, struct journal_files *files);

/* The first seqs of the segments in DIR/journal, ascending.
 * Owns: *first_seqs is freed with free. Errors: STATUS_NOT_FOUND, STATUS_IO, STATUS_NO_MEMORY. */
MUST_USE enum status journal_files_list(const char *data_dir, uint64_t **first_seqs, size_t *count);

/* "DIR/journal/NAME" of a segment; `to` holds JOURNAL_FILES_PATH_BYTES. */
#define JOURNAL_FILES_PATH_BYTES 4096
void journal_files_path(const char *data_dir, uint64_t first_seq, char *to);

#endif
