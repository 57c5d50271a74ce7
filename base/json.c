#include "base/json.h"

#include <stdlib.h>
#include <string.h>

#include "base/text.h"

void json_append(struct json *json, const char *text, size_t length)
{
    if (json->failed) {
        return;
    }
    if (json->length + length + 1 > json->capacity) {
        size_t capacity = json->capacity == 0 ? 256 : json->capacity;
        while (capacity < json->length + length + 1) {
            capacity *= 2;
        }
        char *grown = realloc(json->text, capacity);
        if (grown == NULL) {
            json->failed = true;
            return;
        }
        json->text = grown;
        json->capacity = capacity;
    }
    memcpy(json->text + json->length, text, length);
    json->length += length;
    json->text[json->length] = '\0';
}

/* Puts the comma that a further value of a container needs. */
static void begin_value(struct json *json)
{
    if (json->comma) {
        json_append(json, ",", 1);
    }
    json->comma = true;
}

void json_open(struct json *json, char bracket)
{
    begin_value(json);
    json_append(json, &bracket, 1);
    json->comma = false;
}

void json_close(struct json *json, char bracket)
{
    json_append(json, &bracket, 1);
    json->comma = true;
}

void json_key(struct json *json, const char *key)
{
    json_string(json, key);
    json_append(json, ":", 1);
    json->comma = false;
}

static void quoted(struct json *json, const char *text, size_t length)
{
    begin_value(json);
    json_append(json, "\"", 1);
    json_append(json, text, length);
    json_append(json, "\"", 1);
}

void json_i64(struct json *json, int64_t value)
{
    char digits[TEXT_I64_BYTES_MAX];
    quoted(json, digits, text_format_i64(digits, value));
}

void json_u64(struct json *json, uint64_t value)
{
    char digits[TEXT_I64_BYTES_MAX];
    quoted(json, digits, text_format_u64(digits, value));
}

void json_number(struct json *json, uint64_t value)
{
    char digits[TEXT_I64_BYTES_MAX];
    const size_t length = text_format_u64(digits, value);
    json_raw(json, digits, length);
}

void json_bool(struct json *json, bool value)
{
    json_raw(json, value ? "true" : "false", value ? 4 : 5);
}

void json_null(struct json *json)
{
    json_raw(json, "null", 4);
}

void json_u64_or_null(struct json *json, uint64_t value)
{
    if (value == 0) {
        json_null(json);
    } else {
        json_u64(json, value);
    }
}

void json_i64_or_null(struct json *json, int64_t value)
{
    if (value == 0) {
        json_null(json);
    } else {
        json_i64(json, value);
    }
}

void json_string(struct json *json, const char *text)
{
    json_text(json, text, strlen(text));
}

/* Length of the well-formed UTF-8 sequence at text[0..length), 0 when it is not one (RFC 3629). */
static size_t sequence_length(const unsigned char *text, size_t length)
{
    const unsigned char lead = text[0];
    if (lead < 0x80) {
        return 1;
    }
    const size_t count = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
    if (lead < 0xc2 || lead > 0xf4 || count > length) {
        return 0;
    }
    for (size_t i = 1; i < count; i++) {
        if ((text[i] & 0xc0) != 0x80) {
            return 0;
        }
    }
    const bool overlong = (lead == 0xe0 && text[1] < 0xa0) || (lead == 0xf0 && text[1] < 0x90);
    const bool surrogate = lead == 0xed && text[1] >= 0xa0;
    const bool too_high = lead == 0xf4 && text[1] >= 0x90;
    return overlong || surrogate || too_high ? 0 : count;
}

static void escape_byte(struct json *json, unsigned char byte)
{
    static const char digits[] = "0123456789abcdef";
    const char escaped[6] = {'\\', 'u', '0', '0', digits[byte >> 4], digits[byte & 15]};
    json_append(json, escaped, sizeof(escaped));
}

void json_text(struct json *json, const char *text, size_t length)
{
    begin_value(json);
    json_append(json, "\"", 1);
    for (size_t i = 0; i < length;) {
        const unsigned char byte = (unsigned char)text[i];
        if (byte == '"' || byte == '\\') {
            json_append(json, "\\", 1);
            json_append(json, text + i, 1);
            i += 1;
            continue;
        }
        const size_t count = sequence_length((const unsigned char *)text + i, length - i);
        if (byte < 0x20 || byte == 0x7f || count == 0) {
            escape_byte(json, byte);
            i += 1;
            continue;
        }
        json_append(json, text + i, count);
        i += count;
    }
    json_append(json, "\"", 1);
}

void json_hex(struct json *json, const char *prefix, const uint8_t *bytes, size_t count)
{
    begin_value(json);
    json_append(json, "\"", 1);
    json_append(json, prefix, strlen(prefix));
    for (size_t i = 0; i < count; i++) {
        char pair[3];
        text_format_hex(pair, bytes + i, 1);
        json_append(json, pair, 2);
    }
    json_append(json, "\"", 1);
}

void json_raw(struct json *json, const char *text, size_t length)
{
    begin_value(json);
    json_append(json, text, length);
}

void json_reset(struct json *json)
{
    json->length = 0;
    json->comma = false;
    json->failed = false;
    if (json->text != NULL) {
        json->text[0] = '\0';
    }
}

void json_text_free(struct json *json)
{
    free(json->text);
    *json = (struct json){0};
}
