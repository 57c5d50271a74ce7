/* Puts the projection files of a directory aside, for a start that has found that they are not what
 * the journal says: each is renamed to NAME.damaged, for whoever asks why, and is made again by
 * replay. */
#ifndef TAPLINE_PROJECTIONS_SQLITE_ASIDE_H
#define TAPLINE_PROJECTIONS_SQLITE_ASIDE_H

#include "base/status.h"

/* Nobody has the files open. Safe to be interrupted: what is left is judged by the next
 * sqlite_writer_open. Errors: STATUS_IO, STATUS_NO_MEMORY. */
MUST_USE enum status sqlite_aside(const char *dir);

#endif
