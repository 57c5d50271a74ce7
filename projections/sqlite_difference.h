/* Where one table of two directories' projection files differs: the first row, its column and both
 * values, and the record that the row speaks of. For `verify`, after sqlite_audit_tables said that
 * the tables are not equal. Opens read-only connections of its own. */
#ifndef TAPLINE_PROJECTIONS_SQLITE_DIFFERENCE_H
#define TAPLINE_PROJECTIONS_SQLITE_DIFFERENCE_H

#include <stdint.h>

#include "base/status.h"

struct sqlite_difference {
    uint64_t seq;   /* the bet, or the record that made the row; 0: the table's rows have none */
    char text[512]; /* one line: the row by its key, the column, the value here and by replay */
};

/* Compares file/table of `dir` with the same of `replayed_dir`, row by row in the order of the
 * primary key. Errors: STATUS_MISMATCH *difference is filled; STATUS_OK they are equal;
 * STATUS_NOT_FOUND no such file or table; those of SQLite. */
MUST_USE enum status sqlite_difference_find(const char *dir, const char *replayed_dir,
                                            const char *file, const char *table,
                                            struct sqlite_difference *difference);

#endif
