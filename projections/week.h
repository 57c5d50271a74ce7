/* ISO 8601 weeks in UTC, which name the weekly files. Pure arithmetic on milliseconds since the
 * epoch; no calendar of the operating system, no locale. */
#ifndef TAPLINE_PROJECTIONS_WEEK_H
#define TAPLINE_PROJECTIONS_WEEK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"

#define WEEK_MS         ((int64_t)7 * 24 * 3600 * 1000)
#define WEEK_TEXT_BYTES 16 /* "2026-W47" and NUL, with room */
#define WEEK_FILE_BYTES 32 /* "bets_2026_w47.db" and NUL, with room */

/* Monday 00:00:00.000 UTC of the week that holds time_ms >= 0. Weeks are named by it in the code.
 */
int64_t week_start_ms(int64_t time_ms);

/* "2026-W47" of the week that begins at start_ms. */
void week_text(int64_t start_ms, char to[WEEK_TEXT_BYTES]);

/* "bets_2026_w47.db" of the same. */
void week_file_name(int64_t start_ms, char to[WEEK_FILE_BYTES]);

/* The week that a file name or a text names; false when it names none (exact grammar). */
MUST_USE bool week_from_file_name(const char *name, int64_t *start_ms);
MUST_USE bool week_from_text(const char *text, int64_t *start_ms);

#endif
