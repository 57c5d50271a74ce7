/* Reads the external test vectors, which lie outside of the checkout: in the folder that the
 * environment variable TAPLINE_SHARED names, else beside the source directory. A test whose file is
 * absent says so loudly and is skipped. Header only; needs jansson and cmocka. */
#ifndef TAPLINE_TESTS_UNIT_VECTORS_H
#define TAPLINE_TESTS_UNIT_VECTORS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "base/text.h"

/* "SHARED/vectors/NAME" in a static buffer. */
static inline const char *vectors_path(const char *name)
{
    static char path[1024];
    const char *shared = getenv("TAPLINE_SHARED");
    snprintf(path, sizeof(path), "%s/vectors/%s", shared != NULL ? shared : TAPLINE_SHARED_DIR,
             name);
    return path;
}

/* The parsed file; the caller decrefs it. Skips the test when it is absent. */
static inline json_t *vectors_load(const char *name)
{
    const char *path = vectors_path(name);
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        printf("SKIPPED: no vectors at %s (set TAPLINE_SHARED)\n", path);
        skip();
    }
    json_error_t error;
    json_t *loaded = json_loadf(file, JSON_ALLOW_NUL, &error);
    fclose(file);
    if (loaded == NULL) {
        fail_msg("%s: %s", path, error.text);
    }
    return loaded;
}

static inline const char *vectors_text(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    if (text == NULL) {
        fail_msg("a vector has no text %s", key);
    }
    return text;
}

/* The bytes of hex text with or without 0x; the caller frees them. */
static inline uint8_t *vectors_hex(const char *text, size_t *count)
{
    if (strncmp(text, "0x", 2) == 0) {
        text += 2;
    }
    *count = strlen(text) / 2;
    uint8_t *bytes = malloc(*count + 1);
    assert_non_null(bytes);
    assert_true(text_parse_hex(text, strlen(text), bytes, *count));
    return bytes;
}

/* The same into a buffer of exactly `count` bytes. */
static inline void vectors_hex_exact(const char *text, uint8_t *bytes, size_t count)
{
    size_t got;
    uint8_t *parsed = vectors_hex(text, &got);
    assert_int_equal(got, count);
    memcpy(bytes, parsed, count);
    free(parsed);
}

#endif
