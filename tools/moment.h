/* A moment of the journal, as people name it on the command line. */
#ifndef TAPLINE_TOOLS_MOMENT_H
#define TAPLINE_TOOLS_MOMENT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"

/* Either a seq or an engine time; the other is 0. Both 0: the end. */
struct moment {
    uint64_t seq;
    int64_t time_ms;
};

/* The forms, for --help. */
#define MOMENT_HELP                                                                                \
    "SEQ|TIME: digits below 10^12 are a record's seq, from 10^12 on milliseconds since 1970;\n"    \
    "2026-11-20T07:08:28Z and 2026-11-20T07:08:28.123Z are times too. Both ends are included."

/* Parses one of those forms. False on anything else, *moment untouched. */
MUST_USE bool moment_parse(const char *text, struct moment *moment);

/* Writes "2026-11-20T07:08:28.123Z" and NUL. */
#define MOMENT_TEXT_BYTES 32
void moment_format(char to[MOMENT_TEXT_BYTES], int64_t time_ms);

#endif
