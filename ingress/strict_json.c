#include "ingress/strict_json.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

/* The outside never sees the library's type: a struct strict_json is its json_t. */
static json_t *value_of(const struct strict_json *json)
{
    return (json_t *)json;
}

static enum status refuse(struct strict_json_problem *problem, const char *text)
{
    snprintf(problem->text, sizeof(problem->text), "%s", text);
    return STATUS_INVALID;
}

/* True when brackets outside of strings nest deeper than the limit. Looked at before the library
 * sees the text, because it parses by recursion and its own limit is 2,048. Broken texts may give
 * any answer here, the library refuses them. */
static bool is_too_deep(const char *text, size_t length)
{
    size_t depth = 0;
    bool in_string = false;
    for (size_t i = 0; i < length; i++) {
        const char byte = text[i];
        if (in_string) {
            if (byte == '\\') {
                i += 1;
            } else if (byte == '"') {
                in_string = false;
            }
        } else if (byte == '"') {
            in_string = true;
        } else if (byte == '{' || byte == '[') {
            depth += 1;
            if (depth > LIMIT_JSON_DEPTH) {
                return true;
            }
        } else if ((byte == '}' || byte == ']') && depth > 0) {
            depth -= 1;
        }
    }
    return false;
}

/* The library's text may quote the sender's bytes. */
static enum status describe(const json_error_t *error, struct strict_json_problem *problem)
{
    if (json_error_code(error) == json_error_out_of_memory) {
        return STATUS_NO_MEMORY;
    }
    if (json_error_code(error) == json_error_duplicate_key) {
        return refuse(problem, "the JSON has a key twice; send each key once");
    }
    snprintf(problem->text, sizeof(problem->text), "not valid JSON at byte %d: %.100s",
             error->position, error->text);
    for (char *at = problem->text; *at != '\0'; at++) {
        if (*at < ' ' || *at > '~') {
            *at = '?';
        }
    }
    return STATUS_INVALID;
}

enum status strict_json_parse(const char *text, size_t length, struct strict_json **json,
                              struct strict_json_problem *problem)
{
    if (length == 0) {
        return refuse(problem, "the body is empty; send a JSON object");
    }
    if (length > LIMIT_BODY_BYTES) {
        return refuse(problem, "the JSON is longer than 4096 bytes");
    }
    if (is_too_deep(text, length)) {
        return refuse(problem, "the JSON is nested deeper than 8 levels");
    }
    /* ALLOW_NUL: \u0000 in a string is valid JSON; lengths are carried, so that it cuts nothing. */
    json_error_t error;
    json_t *parsed =
        json_loadb(text, length, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY | JSON_ALLOW_NUL, &error);
    if (parsed == NULL) {
        return describe(&error, problem);
    }
    *json = (struct strict_json *)parsed;
    return STATUS_OK;
}

void strict_json_free(struct strict_json *json)
{
    json_decref(value_of(json));
}

bool strict_json_is_object(const struct strict_json *json)
{
    return json_is_object(value_of(json));
}

enum strict_json_member strict_json_text(const struct strict_json *json, const char *key,
                                         struct text_view *text)
{
    const json_t *member = json_object_get(value_of(json), key); /* NULL for what is no object */
    if (member == NULL) {
        return STRICT_JSON_ABSENT;
    }
    if (!json_is_string(member)) {
        return STRICT_JSON_OTHER;
    }
    text->text = json_string_value(member);
    text->length = json_string_length(member);
    return STRICT_JSON_STRING;
}

static bool is_listed(const char *key, const char *const *list)
{
    for (; list != NULL && *list != NULL; list++) {
        if (strcmp(key, *list) == 0) {
            return true;
        }
    }
    return false;
}

const char *strict_json_unknown_key(const struct strict_json *json, const char *const *allowed,
                                    const char *const *more_allowed)
{
    /* strcmp is exact: the library refuses a key that holds U+0000. */
    const char *key;
    json_t *member;
    json_object_foreach(value_of(json), key, member)
    {
        if (!is_listed(key, allowed) && !is_listed(key, more_allowed)) {
            return key;
        }
    }
    return NULL;
}
