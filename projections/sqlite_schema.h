/* What stands in a projection file besides its rows: the tables and indexes that it must have, word
 * for word, and whether an index says what its table says. Inside of projections/ only. */
#ifndef TAPLINE_PROJECTIONS_SQLITE_SCHEMA_H
#define TAPLINE_PROJECTIONS_SQLITE_SCHEMA_H

#include <stdbool.h>

#include "base/status.h"
#include "projections/sqlite_db.h"

#define SQLITE_SCHEMA_TEXT_BYTES 160

/* The statements that make the tables, and the indexes of a week file. */
const char *sqlite_schema_tables(bool is_main);
const char *sqlite_schema_indexes(void);

/* Compares the file's tables and indexes with those that this program makes. `strange` names a
 * table, index, view or trigger that is none of ours, "" when there is none. Errors: STATUS_DAMAGED
 * one of ours is missing or another, in words in db->error; those of SQLite. */
MUST_USE enum status sqlite_schema_check(struct sqlite_db *db, bool is_main,
                                         char strange[SQLITE_SCHEMA_TEXT_BYTES]);

/* Reads each index and compares it with its table, and walks the pages, all in one read
 * transaction: about a third of the time of SQLite's own integrity_check. What is found by an index
 * that lies is wrong, though every row is right. The schema has been checked. Errors:
 * STATUS_DAMAGED one lies, in words in db->error; those of SQLite. */
MUST_USE enum status sqlite_schema_check_indexes(struct sqlite_db *db, bool is_main);

#endif
