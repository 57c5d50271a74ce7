/* A small JSON writer for answers, events and tool output: appends to one growing buffer, puts
 * commas, escapes strings. Every integer leaves as a string of decimal digits (interface.md);
 * json_number is for the two exceptions. Parsing is not here (ingress speaks to a library for
 * that).
 *
 *     struct json json = {0};
 *     json_open(&json, '{');
 *     json_key(&json, "seq");
 *     json_u64(&json, 42);
 *     json_close(&json, '}');
 *     ... json.text, json.length; json_text_free(&json);
 *
 * When memory runs out `failed` is set and the rest is ignored; check it once at the end. */
#ifndef TAPLINE_BASE_JSON_H
#define TAPLINE_BASE_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct json {
    char *text; /* NUL terminated once anything was written; owned */
    size_t length;
    size_t capacity;
    bool comma; /* a value precedes in this container */
    bool failed;
};

void json_open(struct json *json, char bracket);   /* '{' or '[' */
void json_close(struct json *json, char bracket);  /* '}' or ']' */
void json_key(struct json *json, const char *key); /* a plain literal without escapes */

void json_i64(struct json *json, int64_t value);  /* "-42" */
void json_u64(struct json *json, uint64_t value); /* "42" */
void json_number(struct json *json, uint64_t value);
void json_bool(struct json *json, bool value);
/* The JSON library of ingress exports these two names as well, and a function of the program would
 * take the place of the library's own inside of it: hence other names for the linker. */
void json_null(struct json *json) __asm__("tapline_json_null");
/* NUL terminated UTF-8, escaped. */
void json_string(struct json *json, const char *text) __asm__("tapline_json_string");
/* Bytes that are not valid UTF-8 or are control characters leave as \u00XX of each byte. */
void json_text(struct json *json, const char *text, size_t length);
void json_hex(struct json *json, const char *prefix, const uint8_t *bytes, size_t count);
/* "42", or null when value is 0: the field does not apply yet. */
void json_u64_or_null(struct json *json, uint64_t value);
void json_i64_or_null(struct json *json, int64_t value);
/* A whole value that was rendered before (a nested object). */
void json_raw(struct json *json, const char *text, size_t length);
/* Appends bytes outside of any value, such as a line feed between JSON lines. */
void json_append(struct json *json, const char *text, size_t length);

void json_reset(struct json *json); /* empties, keeps the memory */
void json_text_free(struct json *json);

#endif
