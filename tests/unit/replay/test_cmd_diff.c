/* tapline diff from its arguments to its exit code, words and JSON. */
#include "tools/commands.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "capture.h"
#include "sample.h"

struct run {
    int code;
    struct capture capture;
};

static void run_diff(struct run *run, const char *const *texts, int count)
{
    char *argv[16] = {NULL};
    memcpy(argv, texts, (size_t)count * sizeof argv[0]);
    capture_begin(&run->capture);
    run->code = command_diff(count, argv);
    capture_end(&run->capture);
}

#define RUN(run, ...)                                                                              \
    run_diff((run), (const char *[]){"diff", __VA_ARGS__},                                         \
             (int)(sizeof((const char *[]){"diff", __VA_ARGS__}) / sizeof(char *)))

static void end(struct run *run)
{
    capture_free(&run->capture);
}

static const char *text_of(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);
    assert_true(json_is_string(value));
    return json_string_value(value);
}

/* A journal is equal to itself, also when its folder is named instead of the data directory. */
static void a_journal_is_equal_to_itself(void **state)
{
    (void)state;
    struct sample sample;
    sample_make(&sample, &(struct sample_options){.segment_bytes = 0});
    char folder[400];
    snprintf(folder, sizeof folder, "%s/journal/", sample.dir);
    struct run run;
    RUN(&run, sample.dir, folder);
    assert_string_equal(run.capture.errors, "");
    assert_int_equal(run.code, EXIT_GOOD);
    assert_non_null(strstr(run.capture.output, "both are equal"));
    end(&run);
    RUN(&run, sample.dir, folder, "--json");
    assert_int_equal(run.code, EXIT_GOOD);
    json_t *all = json_loads(run.capture.output, JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(all);
    assert_string_equal(text_of(all, "result"), "equal");
    assert_true(json_is_null(json_object_get(all, "first_difference")));
    json_decref(all);
    end(&run);
    sample_remove(&sample);
}

/* Two journals that part: exit 1, the seq, the field that differs with both values, and the same
 * fields as inspect shows. */
static void the_field_that_differs_is_named(void **state)
{
    (void)state;
    struct sample good;
    struct sample bent;
    sample_make(&good, &(struct sample_options){.segment_bytes = 0});
    sample_make(&bent, &(struct sample_options){.wrong_price = true});
    struct run run;
    RUN(&run, good.dir, bent.dir, "--json");
    assert_int_equal(run.code, EXIT_DIFFERENCE);
    json_t *all = json_loads(run.capture.output, JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(all);
    assert_string_equal(text_of(all, "result"), "different");
    const json_t *first = json_object_get(all, "first_difference");
    assert_int_equal(strtoull(text_of(first, "seq"), NULL, 10), bent.price_seq);
    assert_string_equal(json_string_value(json_array_get(json_object_get(first, "fields"), 0)),
                        "price");
    assert_int_equal(json_array_size(json_object_get(first, "fields")), 1);
    const json_t *a = json_object_get(first, "a");
    assert_string_equal(text_of(a, "kind"), "price_tick");
    assert_string_not_equal(text_of(a, "price"), text_of(json_object_get(first, "b"), "price"));
    assert_non_null(json_object_get(a, "quotes"));
    assert_true(json_is_object(json_object_get(all, "states")));
    json_decref(all);
    end(&run);

    RUN(&run, good.dir, bent.dir, "--no-state");
    assert_int_equal(run.code, EXIT_DIFFERENCE);
    assert_non_null(strstr(run.capture.output, "and in what\n    a price"));
    assert_null(strstr(run.capture.output, "states at both ends"));
    end(&run);
    sample_remove(&good);
    sample_remove(&bent);
}

/* Damage ends with 2 and its place, on stdout what is known, on stderr what to do. */
static void damage_ends_with_two(void **state)
{
    (void)state;
    struct sample good;
    struct sample hurt;
    sample_make(&good, &(struct sample_options){.segment_bytes = 0});
    sample_make(&hurt, &(struct sample_options){.segment_bytes = 0});
    char path[400];
    snprintf(path, sizeof path, "%s/journal/00000000000000000001.seg", hurt.dir);
    FILE *file = fopen(path, "r+");
    assert_non_null(file);
    assert_int_equal(fseek(file, 4096 + 300, SEEK_SET), 0);
    assert_int_equal(fputc(0xff, file), 0xff);
    assert_int_equal(fclose(file), 0);
    struct run run;
    RUN(&run, good.dir, hurt.dir);
    assert_int_equal(run.code, EXIT_DAMAGED);
    assert_non_null(strstr(run.capture.errors, "b: segment 00000000000000000001.seg"));
    assert_non_null(strstr(run.capture.output, "cannot be read"));
    end(&run);
    sample_remove(&good);
    sample_remove(&hurt);
}

/* Wrong use ends with 64 and words. */
static void wrong_use_ends_with_64(void **state)
{
    (void)state;
    struct sample sample;
    sample_make(&sample, &(struct sample_options){.segment_bytes = 0});
    struct run run;
    RUN(&run, sample.dir);
    assert_int_equal(run.code, EXIT_USAGE);
    assert_non_null(strstr(run.capture.errors, "name two data directories"));
    end(&run);
    RUN(&run, sample.dir, "/nowhere");
    assert_int_equal(run.code, EXIT_USAGE);
    end(&run);
    char empty[256];
    sample_directory(empty);
    RUN(&run, empty, sample.dir);
    assert_int_equal(run.code, EXIT_USAGE);
    assert_non_null(strstr(run.capture.errors, "there is no journal"));
    end(&run);
    sample_remove_directory(empty);
    sample_remove(&sample);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_journal_is_equal_to_itself),
        cmocka_unit_test(the_field_that_differs_is_named),
        cmocka_unit_test(damage_ends_with_two),
        cmocka_unit_test(wrong_use_ends_with_64),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
