/* One writer for both forms of output: named fields as a JSON object, or as `key=value` words for
 * people. What a command shows is written once and cannot differ between the two. */
#ifndef TAPLINE_TOOLS_FIELDS_H
#define TAPLINE_TOOLS_FIELDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/json.h"
#include "statemachine/input.h"

struct fields {
    struct json *out;
    bool json;  /* else words for people */
    bool lines; /* words: each on a line of its own, indented under fields_section */
};

/* A nested object in JSON, a heading for people. */
void fields_section(struct fields *fields, const char *key);
void fields_section_end(struct fields *fields);

/* One object of a list in JSON, one line of words for people, which begins with `name` unless NULL
 * (in JSON its field "name"). */
void fields_item(struct fields *fields, const char *name);
void fields_item_end(struct fields *fields);

/* A nested object '{' or list '['; key NULL for an item of a list. */
void fields_open(struct fields *fields, const char *key, char bracket);
void fields_close(struct fields *fields, char bracket);

void fields_i64(struct fields *fields, const char *key, int64_t value);
void fields_u64(struct fields *fields, const char *key, uint64_t value);
void fields_i64_or_null(struct fields *fields, const char *key, int64_t value); /* 0: null */
void fields_u64_or_null(struct fields *fields, const char *key, uint64_t value);
void fields_bool(struct fields *fields, const char *key, bool value);
void fields_null(struct fields *fields, const char *key);
void fields_string(struct fields *fields, const char *key, const char *text);
void fields_text(struct fields *fields, const char *key, struct text_view text);
void fields_hex(struct fields *fields, const char *key, const char *prefix, const uint8_t *bytes,
                size_t count);
void fields_address(struct fields *fields, const char *key, const uint8_t *address); /* EIP-55 */

#endif
