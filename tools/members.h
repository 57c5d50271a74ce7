/* The members of JSON objects that base/json.h wrote, one by one, and where two objects differ: so
 * that what machines are given and what people are shown is compared in one form. It believes the
 * form: for our own writer's text only, never for what comes from outside. */
#ifndef TAPLINE_TOOLS_MEMBERS_H
#define TAPLINE_TOOLS_MEMBERS_H

#include <stdbool.h>

/* Borrowed from the object's text. Lengths are ints, for printf. */
struct member {
    const char *key;
    int key_length;
    const char *value; /* as JSON, but a string without its quotes */
    int value_length;
};

/* The next member of the object. *at is its text at first, and then moves on; false behind the
 * last.
 */
bool members_next(const char **at, struct member *member);

/* Calls `differ` for each member that is not the same in both, in a's order and then b's; NULL on
 * the side that lacks it. */
void members_differ(const char *a, const char *b, void *context,
                    void (*differ)(void *context, const struct member *a, const struct member *b));

#endif
