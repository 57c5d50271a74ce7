/* Ethereum addresses as text: EIP-55 out, and in what rules.md section 8 allows. */
#ifndef TAPLINE_BASE_ADDRESS_H
#define TAPLINE_BASE_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include "base/units.h"

#define ADDRESS_TEXT_BYTES 42 /* "0x" and 40 digits, without NUL */

/* Writes "0x" and 40 hex digits with the EIP-55 checksum in their case, and NUL. */
void address_format(char to[ADDRESS_TEXT_BYTES + 1], const uint8_t address[ADDRESS_BYTES]);

/* Parses text[0..length): `0x` (lower-case x) and 40 hex digits whose letters are all lower case,
 * all upper case, or a correct EIP-55 checksum. False on anything else, address untouched. */
MUST_USE bool address_parse(const char *text, size_t length, uint8_t address[ADDRESS_BYTES]);

#endif
