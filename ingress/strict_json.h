/* The JSON of requests: one adapter over the JSON library that takes only what every reader of the
 * bytes would read alike. UTF-8 only, no byte order mark, no duplicate keys, a depth of at most
 * LIMIT_JSON_DEPTH, at most LIMIT_BODY_BYTES, nothing after the value, no lone surrogates, no
 * number outside of the range of its type. docs/decisions/0030-json-dialect.md lists every choice.
 * Called by the HTTP and WebSocket handlers for each body and message; writing JSON is base/json.h.
 */
#ifndef TAPLINE_INGRESS_STRICT_JSON_H
#define TAPLINE_INGRESS_STRICT_JSON_H

#include <stdbool.h>
#include <stddef.h>

#include "base/limits.h"
#include "base/status.h"
#include "statemachine/input.h"

struct strict_json; /* one parsed value, of any type */

#define STRICT_JSON_PROBLEM_BYTES 160

/* Why a text was refused: one printable line for the sender. */
struct strict_json_problem {
    char text[STRICT_JSON_PROBLEM_BYTES];
};

/* Parses text[0..length), which needs no NUL and is not kept.
 * Owns: *json is freed by strict_json_free.
 * Errors: STATUS_INVALID not in the dialect, *problem filled; STATUS_NO_MEMORY. */
MUST_USE enum status strict_json_parse(const char *text, size_t length, struct strict_json **json,
                                       struct strict_json_problem *problem);

/* NULL is allowed. */
void strict_json_free(struct strict_json *json);

bool strict_json_is_object(const struct strict_json *json);

enum strict_json_member {
    STRICT_JSON_ABSENT, /* no such key, or the value is not an object */
    STRICT_JSON_STRING, /* *text is filled; it may hold any UTF-8, U+0000 included */
    STRICT_JSON_OTHER,  /* a number, null, true, array ... where our requests have strings */
};

/* Looks up one member of an object. *text lives as long as `json`, and only STRING fills it. */
enum strict_json_member strict_json_text(const struct strict_json *json, const char *key,
                                         struct text_view *text);

/* The first key of the object that is in none of the two lists (which end with NULL, and may be
 * NULL), in the order of the text; NULL when there is none. Lives as long as `json`. */
const char *strict_json_unknown_key(const struct strict_json *json, const char *const *allowed,
                                    const char *const *more_allowed);

#endif
