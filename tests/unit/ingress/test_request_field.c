#include "ingress/request_field.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static struct strict_json *json;
static struct refusal refusal;

/* Parses good JSON; frees what the last test left. */
static void parse(const char *text)
{
    strict_json_free(json);
    json = NULL;
    struct strict_json_problem problem;
    assert_int_equal(strict_json_parse(text, strlen(text), &json, &problem), STATUS_OK);
    memset(&refusal, 0, sizeof(refusal));
}

static int free_json(void **state)
{
    (void)state;
    strict_json_free(json);
    json = NULL;
    return 0;
}

static void assert_refused(const char *message_start)
{
    assert_int_equal(refusal.code, REFUSAL_BAD_REQUEST);
    assert_memory_equal(refusal.message, message_start, strlen(message_start));
}

/* Each kind of field is read from a string of its grammar. */
static void fields_of_the_grammar_are_read(void **state)
{
    (void)state;
    parse("{\"account\":\"0x00000000000000000000000000000000000000ff\",\"amount\":\"7\","
          "\"ref\":\"a b\",\"nonce\":\"000000000000000000000000000000ff\"}");
    uint8_t account[ADDRESS_BYTES];
    uint8_t nonce[NONCE_BYTES];
    int64_t amount = 0;
    struct text_view text;
    assert_true(request_field_account(json, account, &refusal));
    assert_int_equal(account[19], 0xff);
    assert_true(request_field_nonce(json, nonce, &refusal));
    assert_int_equal(nonce[15], 0xff);
    assert_true(request_field_integer(json, "amount", &amount, &refusal));
    assert_int_equal(amount, 7);
    assert_true(request_field_text(json, "ref", &text, &refusal));
    assert_int_equal(text.length, 3);
}

/* A mistake is named by its field: missing, no string, not of the grammar. */
static void mistakes_name_their_field(void **state)
{
    (void)state;
    int64_t amount = 42;
    uint8_t account[ADDRESS_BYTES];
    uint8_t nonce[NONCE_BYTES];
    parse("{\"amount\":7,\"stake\":\"07\",\"account\":\"0x\",\"nonce\":\"00\"}");
    assert_false(request_field_integer(json, "amount", &amount, &refusal));
    assert_refused("amount: must be a JSON string");
    assert_false(request_field_integer(json, "stake", &amount, &refusal));
    assert_refused("stake: must be decimal digits");
    assert_false(request_field_integer(json, "absent", &amount, &refusal));
    assert_refused("absent: is missing");
    assert_false(request_field_account(json, account, &refusal));
    assert_refused("account: must be 0x and 40");
    assert_false(request_field_nonce(json, nonce, &refusal));
    assert_refused("nonce: must be 32");
    assert_int_equal(amount, 42);
}

/* A key with a wrong value is present all the same: it must not pass for an optional one left out.
 */
static void wrong_values_are_present(void **state)
{
    (void)state;
    parse("{\"a\":null,\"b\":\"\"}");
    assert_true(request_field_present(json, "a"));
    assert_true(request_field_present(json, "b"));
    assert_false(request_field_present(json, "c"));
    parse("[]");
    assert_false(request_field_present(json, "a"));
}

/* Keys outside of both lists are refused by name, cut to a length that fits a message. */
static void other_keys_are_refused(void **state)
{
    (void)state;
    static const char *const allowed[] = {"a", NULL};
    static const char *const more[] = {"op", NULL};
    parse("{\"a\":\"1\",\"op\":\"tap\"}");
    assert_true(request_field_keys(json, allowed, more, &refusal));
    assert_false(request_field_keys(json, allowed, NULL, &refusal));
    assert_refused("op: unknown field");
    parse("{\"0123456789012345678901234567890123456789012345678901234567890123456789\":1}");
    assert_false(request_field_keys(json, allowed, more, &refusal));
    assert_refused("0123456789012345678901234567890123456789012345678901234567890123: unknown");
    parse("\"a\"");
    assert_false(request_field_keys(json, allowed, more, &refusal));
    assert_refused("the request must be a JSON object");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(fields_of_the_grammar_are_read, free_json),
        cmocka_unit_test_teardown(mistakes_name_their_field, free_json),
        cmocka_unit_test_teardown(wrong_values_are_present, free_json),
        cmocka_unit_test_teardown(other_keys_are_refused, free_json),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
