/* What the SQLite files of a data directory hold, by table and index (SQLite's dbstat): pages of
 * each, and how many bets there are to share them. Reads only, also beside a server. The one file
 * of the benchmarks that speaks to SQLite is kept_sqlite.c. */
#ifndef TAPLINE_TOOLS_BENCH_KEPT_SQLITE_H
#define TAPLINE_TOOLS_BENCH_KEPT_SQLITE_H

#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

#define KEPT_SQLITE_TREES      64
#define KEPT_SQLITE_NAME_BYTES 64

/* A table or an index, added up over all files. */
struct kept_tree {
    char name[KEPT_SQLITE_NAME_BYTES];
    uint64_t bytes;   /* of its pages */
    uint64_t payload; /* what is in them, without the pages' own and free space */
};

struct kept_sqlite {
    uint64_t files;
    uint64_t file_bytes;   /* main files, without -wal and -shm */
    uint64_t settled_bets; /* won, lost or void */
    uint64_t bets;
    size_t tree_count;
    struct kept_tree trees[KEPT_SQLITE_TREES];
    char problem[256]; /* SQLite's words */
};

/* Reads main.db and all weeks. No file at all: OK, with files 0.
 * Errors: STATUS_IO with the problem; STATUS_FULL more trees than there is room for. */
MUST_USE enum status kept_sqlite_read(const char *data_dir, struct kept_sqlite *kept);

#endif
