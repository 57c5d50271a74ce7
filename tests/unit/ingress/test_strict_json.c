#include "ingress/strict_json.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../random.h"
#include "base/json.h"

/* Parses a copy whose end is the allocation's, so that the sanitizer sees a read behind it. */
static enum status parse(const char *text, size_t length, struct strict_json **json,
                         struct strict_json_problem *problem)
{
    char *exact = malloc(length + 1);
    assert_non_null(exact);
    memcpy(exact, text, length);
    *json = NULL;
    problem->text[0] = '\0';
    const enum status status = strict_json_parse(exact, length, json, problem);
    free(exact);
    if (status == STATUS_OK) {
        assert_non_null(*json);
    } else {
        assert_null(*json);
        assert_true(strlen(problem->text) > 0);
    }
    return status;
}

static bool accepts(const char *text, size_t length)
{
    struct strict_json *json;
    struct strict_json_problem problem;
    const enum status status = parse(text, length, &json, &problem);
    strict_json_free(json);
    return status == STATUS_OK;
}

/* The decisions of docs/decisions/0030-json-dialect.md about files that the suite leaves open, and
 * the valid JSON that the interface refuses. A file of the suite that is not here and starts with
 * i_ fails the test: it needs a decision. */
static const struct {
    const char *name;
    bool accepted;
} policy[] = {
    {"i_number_double_huge_neg_exp.json", true}, /* underflow is 0 */
    {"i_number_huge_exp.json", false},
    {"i_number_neg_int_huge_exp.json", false},
    {"i_number_pos_double_huge_exp.json", false},
    {"i_number_real_neg_overflow.json", false},
    {"i_number_real_pos_overflow.json", false},
    {"i_number_real_underflow.json", true},
    {"i_number_too_big_neg_int.json", false},
    {"i_number_too_big_pos_int.json", false},
    {"i_number_very_big_negative_int.json", false},
    {"i_object_key_lone_2nd_surrogate.json", false},
    {"i_string_1st_surrogate_but_2nd_missing.json", false},
    {"i_string_1st_valid_surrogate_2nd_invalid.json", false},
    {"i_string_UTF-16LE_with_BOM.json", false},
    {"i_string_UTF-8_invalid_sequence.json", false},
    {"i_string_UTF8_surrogate_U+D800.json", false},
    {"i_string_incomplete_surrogate_and_escape_valid.json", false},
    {"i_string_incomplete_surrogate_pair.json", false},
    {"i_string_incomplete_surrogates_escape_valid.json", false},
    {"i_string_invalid_lonely_surrogate.json", false},
    {"i_string_invalid_surrogate.json", false},
    {"i_string_invalid_utf-8.json", false},
    {"i_string_inverted_surrogates_U+1D11E.json", false},
    {"i_string_iso_latin_1.json", false},
    {"i_string_lone_second_surrogate.json", false},
    {"i_string_lone_utf8_continuation_byte.json", false},
    {"i_string_not_in_unicode_range.json", false},
    {"i_string_overlong_sequence_2_bytes.json", false},
    {"i_string_overlong_sequence_6_bytes.json", false},
    {"i_string_overlong_sequence_6_bytes_null.json", false},
    {"i_string_truncated-utf-8.json", false},
    {"i_string_utf16BE_no_BOM.json", false},
    {"i_string_utf16LE_no_BOM.json", false},
    {"i_structure_500_nested_arrays.json", false},
    {"i_structure_UTF-8_BOM_empty_object.json", false},
    {"y_object_duplicated_key.json", false},
    {"y_object_duplicated_key_and_value.json", false},
    {"y_object_escaped_null_in_key.json", false},
};

static bool is_expected(const char *name)
{
    for (size_t i = 0; i < sizeof(policy) / sizeof(policy[0]); i++) {
        if (strcmp(policy[i].name, name) == 0) {
            return policy[i].accepted;
        }
    }
    if (name[0] != 'y' && name[0] != 'n') {
        fail_msg("%s needs a decision", name);
    }
    return name[0] == 'y';
}

/* Files of the suite are read up to this, far over our limit. */
#define FILE_BYTES_MAX 200000

static void check_file(const char *directory, const char *name)
{
    static char text[FILE_BYTES_MAX];
    char path[2048];
    snprintf(path, sizeof(path), "%s/%s", directory, name);
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    const size_t length = fread(text, 1, sizeof(text), file);
    fclose(file);
    if (accepts(text, length) != is_expected(name)) {
        fail_msg("%s should be %s", name, is_expected(name) ? "accepted" : "refused");
    }
}

/* JSONTestSuite: y_ accepted, n_ refused, i_ as decided. */
static void json_test_suite_agrees(void **state)
{
    (void)state;
    const char *shared = getenv("TAPLINE_SHARED");
    char directory[1024];
    snprintf(directory, sizeof(directory), "%s/vectors/json_parsing",
             shared != NULL ? shared : TAPLINE_SHARED_DIR);
    DIR *listing = opendir(directory);
    if (listing == NULL) {
        printf("SKIPPED: no vectors at %s (set TAPLINE_SHARED)\n", directory);
        skip();
    }
    unsigned count = 0;
    for (struct dirent *entry = readdir(listing); entry != NULL; entry = readdir(listing)) {
        if (strchr("yni", entry->d_name[0]) != NULL && entry->d_name[1] == '_') {
            check_file(directory, entry->d_name);
            count += 1;
        }
    }
    closedir(listing);
    assert_true(count > 100);
}

/* The same decisions on small texts, so that they hold where the suite is absent. */
static void dialect_is_as_decided(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool accepted;
    } cases[] = {
        {"{}", true},
        {" {\"a\":\"b\"} \n", true},
        {"[]", true},
        {"\"x\"", true},
        {"null", true},
        {"{\"a\":{\"b\":[1,2.5,true,false,null]}}", true},
        {"[\"a\\u0000b\"]", true},
        {"[\"\\ud83d\\ude00\"]", true},
        {"[1e-400]", true},
        {"", false},
        {" ", false},
        {"{", false},
        {"{}x", false},
        {"{}{}", false},
        {"{},", false},
        {"{\"a\":1,\"a\":1}", false},
        {"{\"a\":1,\"\\u0061\":2}", false},
        {"[{\"x\":{\"a\":1,\"a\":2}}]", false},
        {"{\"a\\u0000\":1}", false},
        {"\xef\xbb\xbf{}", false},
        {"['a']", false},
        {"{a:1}", false},
        {"[1,]", false},
        {"{\"a\":1,}", false},
        {"[01]", false},
        {"[+1]", false},
        {"[.5]", false},
        {"[1.]", false},
        {"[NaN]", false},
        {"[Infinity]", false},
        {"[0x10]", false},
        {"[\"\t\"]", false},
        {"[\"\\x41\"]", false},
        {"[\"\\ud83d\"]", false},
        {"[\"\\ude00\\ud83d\"]", false},
        {"[9223372036854775808]", false},
        {"[1e400]", false},
        {"[\"\xc0\x80\"]", false},
        {"[\"\xff\"]", false},
        {"// c\n{}", false},
        {"/**/{}", false},
        {"{} # c", false},
        {"TRUE", false},
        {"True", false},
        {"tru", false},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        if (accepts(cases[i].text, strlen(cases[i].text)) != cases[i].accepted) {
            fail_msg("wrong about %s", cases[i].text);
        }
    }
    assert_false(accepts("{}\0", 3));
    assert_false(accepts("\0", 1));
    assert_false(accepts("[\"a\0b\"]", 7));
}

static size_t nest(char *text, char open, char close, size_t depth)
{
    memset(text, open, depth);
    memset(text + depth, close, depth);
    return 2 * depth;
}

/* Eight levels, not nine, of arrays and objects; brackets in strings do not count. */
static void depth_is_at_most_eight(void **state)
{
    (void)state;
    char text[LIMIT_BODY_BYTES];
    assert_true(accepts(text, nest(text, '[', ']', LIMIT_JSON_DEPTH)));
    assert_false(accepts(text, nest(text, '[', ']', LIMIT_JSON_DEPTH + 1)));
    assert_false(accepts(text, nest(text, '[', ']', LIMIT_BODY_BYTES / 2)));
    const char *eight = "{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":1}}}}}}}}";
    const char *nine = "{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":[]}}}}}}}}";
    assert_true(accepts(eight, strlen(eight)));
    assert_false(accepts(nine, strlen(nine)));
    const char *texts = "[\"[[[[[[[[[[\\\"[[[[\",\"{{{{{{{{{{{{\",[],[],[],[],[],[],[],[],[],[]]";
    assert_true(accepts(texts, strlen(texts)));
}

/* 4,096 bytes are taken, one more is not. */
static void body_is_at_most_four_kib(void **state)
{
    (void)state;
    char text[LIMIT_BODY_BYTES + 1];
    memset(text, ' ', sizeof(text));
    memcpy(text, "{}", 2);
    assert_true(accepts(text, LIMIT_BODY_BYTES));
    assert_false(accepts(text, LIMIT_BODY_BYTES + 1));
}

/* The reasons are for people: one printable line, also when the sender's bytes are quoted in it. */
static void problems_are_printable_lines(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "[\"\n\x01\x02\"]",  "[\"\xff\xfe\"]", "{\"a\":1,\"a\":1}", "{\"\x1b[31m\":", "",
        "[[[[[[[[[]]]]]]]]]"};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        struct strict_json *json;
        struct strict_json_problem problem;
        assert_int_equal(parse(wrong[i], strlen(wrong[i]), &json, &problem), STATUS_INVALID);
        for (const char *at = problem.text; *at != '\0'; at++) {
            assert_in_range((unsigned char)*at, ' ', '~');
        }
    }
}

/* Members are told apart: absent, a string with its full length, anything else. */
static void members_are_strings_absent_or_other(void **state)
{
    (void)state;
    const char *text = "{\"s\":\"a\\u0000b\",\"n\":1,\"z\":null,\"o\":{\"s\":\"inner\"}}";
    struct strict_json *json;
    struct strict_json_problem problem;
    assert_int_equal(parse(text, strlen(text), &json, &problem), STATUS_OK);
    assert_true(strict_json_is_object(json));
    struct text_view view = {0};
    assert_int_equal(strict_json_text(json, "s", &view), STRICT_JSON_STRING);
    assert_int_equal(view.length, 3);
    assert_memory_equal(view.text, "a\0b", 3);
    view = (struct text_view){0};
    assert_int_equal(strict_json_text(json, "n", &view), STRICT_JSON_OTHER);
    assert_int_equal(strict_json_text(json, "z", &view), STRICT_JSON_OTHER);
    assert_int_equal(strict_json_text(json, "o", &view), STRICT_JSON_OTHER);
    assert_int_equal(strict_json_text(json, "x", &view), STRICT_JSON_ABSENT);
    assert_null(view.text);
    strict_json_free(json);

    assert_int_equal(parse("[\"s\"]", 5, &json, &problem), STATUS_OK);
    assert_false(strict_json_is_object(json));
    assert_int_equal(strict_json_text(json, "s", &view), STRICT_JSON_ABSENT);
    strict_json_free(json);
    strict_json_free(NULL);
}

/* The first key that nobody listed is named, in the order of the text. */
static void unknown_keys_are_named(void **state)
{
    (void)state;
    static const char *const allowed[] = {"a", "b", NULL};
    static const char *const more[] = {"op", NULL};
    const char *text = "{\"b\":1,\"op\":1,\"zz\":1,\"aa\":1}";
    struct strict_json *json;
    struct strict_json_problem problem;
    assert_int_equal(parse(text, strlen(text), &json, &problem), STATUS_OK);
    assert_string_equal(strict_json_unknown_key(json, allowed, more), "zz");
    assert_string_equal(strict_json_unknown_key(json, allowed, NULL), "op");
    assert_string_equal(strict_json_unknown_key(json, NULL, NULL), "b");
    strict_json_free(json);
    assert_int_equal(parse("{\"a\":1}", 7, &json, &problem), STATUS_OK);
    assert_null(strict_json_unknown_key(json, allowed, NULL));
    strict_json_free(json);
}

/* What our own writer writes, of any bytes, our own reader takes and reads as one string: they live
 * in one program, where their names must not get in each other's way. */
static void own_writer_is_read_back(void **state)
{
    (void)state;
    struct random random = random_start("own_writer_is_read_back", 8);
    for (unsigned round = 0; round < 5000; round++) {
        char bytes[40];
        const size_t length = random_below(&random, sizeof(bytes));
        for (size_t i = 0; i < length; i++) {
            bytes[i] = (char)(random_next(&random) >> random_below(&random, 2));
        }
        struct json writer = {0};
        json_open(&writer, '{');
        json_key(&writer, "a");
        json_text(&writer, bytes, length);
        json_key(&writer, "n");
        json_null(&writer);
        json_key(&writer, "s");
        json_string(&writer, "plain");
        json_close(&writer, '}');
        struct strict_json *json;
        struct strict_json_problem problem;
        assert_int_equal(parse(writer.text, writer.length, &json, &problem), STATUS_OK);
        struct text_view view;
        assert_int_equal(strict_json_text(json, "a", &view), STRICT_JSON_STRING);
        assert_int_equal(strict_json_text(json, "n", &view), STRICT_JSON_OTHER);
        assert_int_equal(strict_json_text(json, "s", &view), STRICT_JSON_STRING);
        assert_string_equal(view.text, "plain");
        strict_json_free(json);
        json_text_free(&writer);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(json_test_suite_agrees),
        cmocka_unit_test(dialect_is_as_decided),
        cmocka_unit_test(depth_is_at_most_eight),
        cmocka_unit_test(body_is_at_most_four_kib),
        cmocka_unit_test(problems_are_printable_lines),
        cmocka_unit_test(members_are_strings_absent_or_other),
        cmocka_unit_test(unknown_keys_are_named),
        cmocka_unit_test(own_writer_is_read_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
