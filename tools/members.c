#include "tools/members.h"

#include <string.h>

/* Behind a string whose first quote is at text; keys and values of our own writer only. */
static const char *skip_string(const char *text)
{
    for (text += 1; *text != '"' && *text != '\0'; text++) {
        text += *text == '\\' ? 1 : 0;
    }
    return text + (*text == '"' ? 1 : 0);
}

static const char *skip_value(const char *text)
{
    int depth = 0;
    for (; *text != '\0'; text++) {
        if (*text == '"') {
            text = skip_string(text) - 1;
        } else if (*text == '{' || *text == '[') {
            depth += 1;
        } else if ((*text == '}' || *text == ']' || *text == ',') && depth == 0) {
            return text;
        } else if (*text == '}' || *text == ']') {
            depth -= 1;
        }
    }
    return text;
}

/* The next member of the object that *at is in; false behind the last. */
bool members_next(const char **at, struct member *member)
{
    const char *key = *at + (**at == '{' || **at == ',' ? 1 : 0);
    if (*key != '"') {
        return false;
    }
    const char *key_end = skip_string(key);
    const char *value = key_end + 1;
    const char *value_end = skip_value(value);
    *at = value_end;
    member->key = key + 1;
    member->key_length = (int)(key_end - key) - 2;
    const bool quoted = *value == '"';
    member->value = value + (quoted ? 1 : 0);
    member->value_length = (int)(value_end - value) - (quoted ? 2 : 0);
    return true;
}

static bool find_member(const char *object, const struct member *wanted, struct member *found)
{
    while (members_next(&object, found)) {
        if (found->key_length == wanted->key_length &&
            memcmp(found->key, wanted->key, (size_t)wanted->key_length) == 0) {
            return true;
        }
    }
    return false;
}

/* Calls `differ` for each member that is not the same in both; NULL where one lacks it. */
void members_differ(const char *a, const char *b, void *context,
                    void (*differ)(void *context, const struct member *a, const struct member *b))
{
    struct member left;
    struct member right;
    for (const char *at = a; members_next(&at, &left);) {
        if (!find_member(b, &left, &right)) {
            differ(context, &left, NULL);
        } else if (left.value_length != right.value_length ||
                   memcmp(left.value, right.value, (size_t)left.value_length) != 0) {
            differ(context, &left, &right);
        }
    }
    for (const char *at = b; members_next(&at, &right);) {
        if (!find_member(a, &right, &left)) {
            differ(context, NULL, &right);
        }
    }
}
