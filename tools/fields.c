#include "tools/fields.h"

#include <stdio.h>
#include <string.h>

#include "base/address.h"
#include "base/text.h"

static void append(struct fields *fields, const char *text)
{
    json_append(fields->out, text, strlen(text));
}

/* A space, but not right behind a bracket or at the beginning; then `key=`. In lines: a line. */
static void word(struct fields *fields, const char *key)
{
    if (fields->lines) {
        char start[40];
        snprintf(start, sizeof start, "\n  %-18s ", key != NULL ? key : "");
        append(fields, start);
        return;
    }
    const struct json *out = fields->out;
    const char last = out->length > 0 ? out->text[out->length - 1] : '[';
    if (last != '[' && last != '{' && last != '\n') {
        append(fields, " ");
    }
    if (key != NULL) {
        append(fields, key);
        append(fields, "=");
    }
}

static void name(struct fields *fields, const char *key)
{
    if (!fields->json) {
        word(fields, key);
    } else if (key != NULL) {
        json_key(fields->out, key);
    }
}

void fields_open(struct fields *fields, const char *key, char bracket)
{
    name(fields, key);
    if (fields->json) {
        json_open(fields->out, bracket);
    } else {
        json_append(fields->out, &bracket, 1);
    }
}

void fields_close(struct fields *fields, char bracket)
{
    if (fields->json) {
        json_close(fields->out, bracket);
    } else {
        json_append(fields->out, &bracket, 1);
    }
}

void fields_section(struct fields *fields, const char *key)
{
    if (fields->json) {
        fields_open(fields, key, '{');
        return;
    }
    append(fields, fields->out->length > 0 ? "\n" : "");
    append(fields, key);
}

void fields_section_end(struct fields *fields)
{
    if (fields->json) {
        fields_close(fields, '}');
    }
}

void fields_item(struct fields *fields, const char *item)
{
    if (fields->json) {
        fields_open(fields, NULL, '{');
        if (item != NULL) {
            fields_string(fields, "name", item);
        }
        return;
    }
    append(fields, "\n ");
    if (item != NULL) {
        append(fields, " ");
        append(fields, item);
    }
    fields->lines = false;
}

void fields_item_end(struct fields *fields)
{
    if (fields->json) {
        fields_close(fields, '}');
    } else {
        fields->lines = true;
    }
}

void fields_i64(struct fields *fields, const char *key, int64_t value)
{
    name(fields, key);
    if (fields->json) {
        json_i64(fields->out, value);
        return;
    }
    char digits[TEXT_I64_BYTES_MAX];
    text_format_i64(digits, value);
    append(fields, digits);
}

void fields_u64(struct fields *fields, const char *key, uint64_t value)
{
    name(fields, key);
    if (fields->json) {
        json_u64(fields->out, value);
        return;
    }
    char digits[TEXT_I64_BYTES_MAX];
    text_format_u64(digits, value);
    append(fields, digits);
}

void fields_i64_or_null(struct fields *fields, const char *key, int64_t value)
{
    if (value == 0) {
        fields_null(fields, key);
    } else {
        fields_i64(fields, key, value);
    }
}

void fields_u64_or_null(struct fields *fields, const char *key, uint64_t value)
{
    if (value == 0) {
        fields_null(fields, key);
    } else {
        fields_u64(fields, key, value);
    }
}

void fields_bool(struct fields *fields, const char *key, bool value)
{
    name(fields, key);
    if (fields->json) {
        json_bool(fields->out, value);
    } else {
        append(fields, value ? "yes" : "no");
    }
}

void fields_null(struct fields *fields, const char *key)
{
    name(fields, key);
    if (fields->json) {
        json_null(fields->out);
    } else {
        append(fields, "-");
    }
}

void fields_string(struct fields *fields, const char *key, const char *text)
{
    fields_text(fields, key, (struct text_view){text, strlen(text)});
}

/* Plain words stand as they are; all else is quoted and escaped, so that a terminal sees no control
 * characters and a reader no forged fields. */
static bool is_plain(struct text_view text)
{
    for (size_t i = 0; i < text.length; i++) {
        const char c = text.text[i];
        if (c <= ' ' || c > '~' || strchr("\"\\=[]{}", c) != NULL) {
            return false;
        }
    }
    return text.length > 0;
}

void fields_text(struct fields *fields, const char *key, struct text_view text)
{
    name(fields, key);
    if (!fields->json && is_plain(text)) {
        json_append(fields->out, text.text, text.length);
        return;
    }
    if (!fields->json) {
        fields->out->comma = false;
    }
    json_text(fields->out, text.length > 0 ? text.text : "", text.length);
}

void fields_hex(struct fields *fields, const char *key, const char *prefix, const uint8_t *bytes,
                size_t count)
{
    name(fields, key);
    if (fields->json) {
        json_hex(fields->out, prefix, bytes, count);
        return;
    }
    append(fields, prefix);
    for (size_t i = 0; i < count; i++) {
        char pair[3];
        text_format_hex(pair, bytes + i, 1);
        json_append(fields->out, pair, 2);
    }
}

void fields_address(struct fields *fields, const char *key, const uint8_t *address)
{
    char text[ADDRESS_TEXT_BYTES + 1];
    address_format(text, address);
    fields_string(fields, key, text);
}
