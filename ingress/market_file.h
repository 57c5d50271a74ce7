/* Reads a market configuration (rules.md section 10): an INI file with one section [market], `key =
 * integer` but `market = text`, comment lines with # or ;. The adapter over the INI library. Called
 * by `serve --market`, `admin config` and `whatif`; it only fills a change, the state machine
 * applies it. */
#ifndef TAPLINE_INGRESS_MARKET_FILE_H
#define TAPLINE_INGRESS_MARKET_FILE_H

#include <stddef.h>

#include "base/status.h"
#include "statemachine/config.h"

#define MARKET_FILE_BYTES_MAX     4096 /* what `admin config` can send in one body */
#define MARKET_FILE_PROBLEM_BYTES 256

/* Parses text[0..length); `name` stands before the line in problems. Fills the market and integer
 * keys of *change, nothing else (operator_name stays as it was); keys left out are not given.
 * Errors: STATUS_INVALID with problem = "NAME:LINE: what is wrong and what to do", *change
 * untouched. */
MUST_USE enum status market_file_parse(const char *name, const char *text, size_t length,
                                       struct config_change *change,
                                       char problem[MARKET_FILE_PROBLEM_BYTES]);

/* The same from a file. Errors: also STATUS_NOT_FOUND, STATUS_IO, with a problem line. */
MUST_USE enum status market_file_read(const char *path, struct config_change *change,
                                      char problem[MARKET_FILE_PROBLEM_BYTES]);

#endif
