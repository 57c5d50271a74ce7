/* What the offline commands share: how an operating error becomes one line and an exit code. */
#ifndef TAPLINE_TOOLS_OFFLINE_H
#define TAPLINE_TOOLS_OFFLINE_H

#include <stdbool.h>

#include "base/json.h"
#include "base/status.h"
#include "replay/applier.h"
#include "tools/fields.h"

#define OFFLINE_EXIT_HELP                                                                          \
    "exit codes: 0 good; 1 a difference, or not found; 2 the journal is damaged (segment, "        \
    "offset,\n"                                                                                    \
    "seq and reason on stderr); 64 usage; 70 bug; 73 input/output error or no memory"

/* 0 for STATUS_OK; else what OFFLINE_EXIT_HELP says. */
int offline_exit_code(enum status status);

/* Prints "tapline COMMAND: problem; what to do" to stderr and returns the exit code. */
int offline_fail(const char *command, enum status status, const char *problem);

/* True when `path` is a directory. Else false, with one line on stderr that says why not, and
 * *code: EXIT_USAGE. */
MUST_USE bool offline_is_directory(const char *command, const char *option, const char *path,
                                   int *code);

/* Of a directory without journal/: true, with one line on stderr, when its databases have seen one:
 * then it is lost, and not the wrong directory. */
MUST_USE bool offline_lost_journal(const char *command, const char *data_dir);

/* Prints the text and a line feed to stdout and empties it. False when stdout cannot be written, or
 * when memory ran out while the text was made. */
MUST_USE bool offline_print(struct json *text);

#endif
