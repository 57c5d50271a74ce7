/* Text of integers and bytes, as it stands in signed texts, JSON and file names: decimal without
 * leading zeros, lower-case hex. Strict parsers: they take exactly the grammar and nothing else. */
#ifndef TAPLINE_BASE_TEXT_H
#define TAPLINE_BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

#define TEXT_I64_BYTES_MAX 21 /* "-9223372036854775808" and NUL */

/* Parses `0|[1-9][0-9]{0,18}` up to 2^63 - 1 from text[0..length). False on anything else. */
MUST_USE bool text_parse_decimal(const char *text, size_t length, int64_t *value);

/* Writes value in decimal with NUL; `to` holds TEXT_I64_BYTES_MAX. Returns the length. */
size_t text_format_i64(char *to, int64_t value);
size_t text_format_u64(char *to, uint64_t value);

/* Writes 2 * count lower-case hex digits and NUL. */
void text_format_hex(char *to, const uint8_t *bytes, size_t count);

/* Parses exactly 2 * count hex digits (either case, or lower case only) from text[0..length). */
MUST_USE bool text_parse_hex(const char *text, size_t length, uint8_t *bytes, size_t count);
MUST_USE bool text_parse_hex_lower(const char *text, size_t length, uint8_t *bytes, size_t count);

#endif
