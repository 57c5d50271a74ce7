#include "tools/members.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "base/json.h"

/* Every kind of value that the writer writes comes back whole, nested and escaped ones too. */
static void every_value_comes_back(void **state)
{
    (void)state;
    struct json json = {0};
    json_open(&json, '{');
    json_key(&json, "number");
    json_i64(&json, -42);
    json_key(&json, "none");
    json_null(&json);
    json_key(&json, "text");
    json_string(&json, "a\"},{b\\");
    json_key(&json, "list");
    json_open(&json, '[');
    json_open(&json, '{');
    json_key(&json, "inner");
    json_string(&json, "]}");
    json_close(&json, '}');
    json_close(&json, ']');
    json_key(&json, "yes");
    json_bool(&json, true);
    json_close(&json, '}');
    static const char *const expected[] = {"number=-42", "none=null", "text=a\\\"},{b\\\\",
                                           "list=[{\"inner\":\"]}\"}]", "yes=true"};
    const char *at = json.text;
    struct member member;
    for (size_t i = 0; i < sizeof expected / sizeof expected[0]; i++) {
        char found[128];
        assert_true(members_next(&at, &member));
        snprintf(found, sizeof found, "%.*s=%.*s", member.key_length, member.key,
                 member.value_length, member.value);
        assert_string_equal(found, expected[i]);
    }
    assert_false(members_next(&at, &member));
    json_text_free(&json);
    at = "{}";
    assert_false(members_next(&at, &member));
}

static void note(void *context, const struct member *a, const struct member *b)
{
    char *to = context;
    char one[64];
    snprintf(one, sizeof one, "%.*s/%.*s ", a != NULL ? a->key_length : 0, a != NULL ? a->key : "",
             b != NULL ? b->key_length : 0, b != NULL ? b->key : "");
    strcat(to, one);
}

/* Differences are found whatever the order; what only one side has is one, what both have is not.
 */
static void differences_are_all_found(void **state)
{
    (void)state;
    char seen[256] = "";
    members_differ("{\"a\":\"1\",\"b\":\"2\",\"c\":null,\"d\":\"x\"}",
                   "{\"b\":\"3\",\"a\":\"1\",\"e\":[],\"d\":\"xx\"}", seen, note);
    assert_string_equal(seen, "b/b c/ d/d /e ");
    seen[0] = '\0';
    members_differ("{\"a\":\"1\"}", "{\"a\":\"1\"}", seen, note);
    assert_string_equal(seen, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_value_comes_back),
        cmocka_unit_test(differences_are_all_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
