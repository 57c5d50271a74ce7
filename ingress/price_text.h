/* Prices as exchanges and bridges write them, read from the text exactly: never by a floating point
 * number. */
#ifndef TAPLINE_INGRESS_PRICE_TEXT_H
#define TAPLINE_INGRESS_PRICE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

/* Parses a decimal `0|[1-9][0-9]*`, optionally with `.` and digits, to 1e-4 USD: "61837.63000000"
 * -> 618376300. Digits past the fourth are dropped, as every division floors. False on any other
 * text and above INDEX_PRICE_MAX_E4; 0 is a price that parses. */
MUST_USE bool price_parse(const char *text, size_t length, int64_t *price_e4);

#endif
