/* The bytes of a tap's record as this project's encoder writes them, read without protobuf-c: most
 * records are taps, and a replay of millions of them waits for the general decoder. Whatever is
 * spelt in another way, or is no tap, is left to it; what is read here, it reads the same. */
#ifndef TAPLINE_JOURNAL_TAP_BYTES_H
#define TAPLINE_JOURNAL_TAP_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "statemachine/input.h"

/* The market of a tap whose record names none; lives for ever. It is part of the format: a server
 * of another market writes its name into each tap. */
struct text_view tap_bytes_usual_market(void);

bool tap_bytes_is_usual_market(struct text_view market);

/* Reads bytes[0..length). Market (unless it is the usual one), origin and signature point into
 * them. False: not a tap in that spelling, *time_ms and *tap are undefined; nothing is said about
 * whether it is a record. */
bool tap_bytes_read(const uint8_t *bytes, size_t length, int64_t *time_ms, struct tap *tap);

#endif
