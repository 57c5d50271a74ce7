/* tapline whatif from its arguments to its exit code, its table, its JSON and its report. */
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

static void run_whatif(struct run *run, const char *const *texts, int count)
{
    char *argv[16] = {NULL};
    memcpy(argv, texts, (size_t)count * sizeof argv[0]);
    capture_begin(&run->capture);
    run->code = command_whatif(count, argv);
    capture_end(&run->capture);
}

#define RUN(run, ...)                                                                              \
    run_whatif((run), (const char *[]){"whatif", __VA_ARGS__},                                     \
               (int)(sizeof((const char *[]){"whatif", __VA_ARGS__}) / sizeof(char *)))

static void end(struct run *run)
{
    capture_free(&run->capture);
}

static void write_market(const struct sample *sample, const char *keys, char path[512])
{
    snprintf(path, 512, "%s/other <market>.ini", sample->dir);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fprintf(file, "[market]\n%s", keys);
    assert_int_equal(fclose(file), 0);
}

static int64_t number_of(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);
    assert_true(json_is_string(value)); /* every integer is a text of digits */
    return strtoll(json_string_value(value), NULL, 10);
}

/* The JSON holds both sides, and the difference is one from the other, of every figure. */
static void json_differences_are_differences(void **state)
{
    (void)state;
    struct sample sample;
    sample_make(&sample, &(struct sample_options){.second_config = true});
    char market[512];
    write_market(&sample, "edge_bp = 2500\n", market);
    struct run run;
    RUN(&run, "--data", sample.dir, "--market", market, "--json");
    assert_string_equal(run.capture.errors, "");
    assert_int_equal(run.code, EXIT_GOOD);
    json_t *all = json_loads(run.capture.output, JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(all);
    json_t *difference = json_object_get(all, "difference");
    const char *key;
    json_t *value;
    size_t compared = 0;
    json_object_foreach(difference, key, value)
    {
        const int64_t recorded = number_of(json_object_get(all, "recorded"), key);
        const int64_t other = number_of(json_object_get(all, "other"), key);
        assert_int_equal(strtoll(json_string_value(value), NULL, 10), other - recorded);
        compared += 1;
    }
    assert_true(compared >= 15);
    assert_int_equal(json_array_size(json_object_get(all, "changed")), 1);
    assert_true(number_of(difference, "payouts") < 0);
    assert_true(json_array_size(json_object_get(all, "notes")) >= 2);
    json_decref(all);
    end(&run);
    sample_remove(&sample);
}

/* People are told what differs, the figures, and what the answer leaves out. */
static void the_table_says_its_limits(void **state)
{
    (void)state;
    struct sample sample;
    sample_make(&sample, &(struct sample_options){.segment_bytes = 0});
    char market[512];
    write_market(&sample, "band_e4 = 100000\nquorum = 1\n", market);
    struct run run;
    RUN(&run, "--data", sample.dir, "--market", market);
    assert_int_equal(run.code, EXIT_GOOD);
    const char *const words[] = {"band_e4",       "house result, USD", "CELL_CLOSED",
                                 "another range", "10.00 to 19.99x",   "never reached the journal"};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (strstr(run.capture.output, words[i]) == NULL) {
            print_error("'%s' is missing in\n%s\n", words[i], run.capture.output);
        }
        assert_non_null(strstr(run.capture.output, words[i]));
    }
    end(&run);
    sample_remove(&sample);
}

/* The report is one file that asks for nothing: no script, no address of another place; and a file
 * name is shown as text, not as markup. */
static void the_report_stands_alone(void **state)
{
    (void)state;
    struct sample sample;
    sample_make(&sample, &(struct sample_options){.segment_bytes = 0});
    char market[512];
    write_market(&sample, "edge_bp = 900\n", market);
    char report[512];
    snprintf(report, sizeof report, "%s/report.html", sample.dir);
    struct run run;
    RUN(&run, "--data", sample.dir, "--market", market, "--html", report);
    assert_int_equal(run.code, EXIT_GOOD);
    end(&run);
    static char text[1 << 20];
    FILE *file = fopen(report, "r");
    assert_non_null(file);
    const size_t length = fread(text, 1, sizeof text - 1, file);
    assert_int_equal(fclose(file), 0);
    text[length] = '\0';
    assert_non_null(strstr(text, "<!doctype html>"));
    assert_non_null(strstr(text, "</html>"));
    assert_non_null(strstr(text, "prefers-color-scheme:dark"));
    assert_non_null(strstr(text, "other &lt;market&gt;.ini"));
    const char *const nowhere[] = {"<script", "http://", "https://", "url(",
                                   "<link",   "<img",    "@import",  "<market>"};
    for (size_t i = 0; i < sizeof nowhere / sizeof nowhere[0]; i++) {
        assert_null(strstr(text, nowhere[i]));
    }
    size_t plots = 0;
    for (const char *found = text; (found = strstr(found, "<svg")) != NULL; found++) {
        plots += 1;
    }
    assert_int_equal(plots, 3);
    assert_null(strstr(text, "nan"));
    assert_null(strstr(text, "inf,"));

    RUN(&run, "--data", sample.dir, "--market", market, "--html", "/nowhere/at/all.html");
    assert_int_equal(run.code, EXIT_USAGE);
    assert_non_null(strstr(run.capture.errors, "--html '/nowhere/at/all.html'"));
    end(&run);
    sample_remove(&sample);
}

/* Wrong input ends with 64 and one line that says what is wrong and where. */
static void wrong_input_is_refused_in_words(void **state)
{
    (void)state;
    struct sample sample;
    sample_make(&sample, &(struct sample_options){.segment_bytes = 0});
    char market[512];
    struct run run;
    const struct {
        const char *keys;
        const char *words;
    } cases[] = {
        {"edge = 5\n", ".ini:2: "},
        {"edge_bp = 5001\n", ".ini:2: "},
        {"edge_bp = 5\nedge_bp = 6\n", ".ini:3: "},
        {"tick_ms = 100\n", "tick_ms: cannot change"},
        {"column_ms = 10000\n", "column_ms: cannot change"},
        {"market = ETH-USD\n", "market: cannot change"},
        {"critical_ms = 2000\n", "degraded_ms: must be less"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        write_market(&sample, cases[i].keys, market);
        RUN(&run, "--data", sample.dir, "--market", market);
        if (strstr(run.capture.errors, cases[i].words) == NULL) {
            print_error("%s: %s\n", cases[i].keys, run.capture.errors);
        }
        assert_int_equal(run.code, EXIT_USAGE);
        assert_non_null(strstr(run.capture.errors, cases[i].words));
        assert_string_equal(run.capture.output, "");
        end(&run);
    }
    RUN(&run, "--data", sample.dir);
    assert_int_equal(run.code, EXIT_USAGE);
    end(&run);
    RUN(&run, "--data", sample.dir, "--market", "/nowhere.ini");
    assert_int_equal(run.code, EXIT_USAGE);
    end(&run);
    RUN(&run, "--data", "/nowhere", "--market", market);
    assert_int_equal(run.code, EXIT_USAGE);
    end(&run);
    RUN(&run, "--data", sample.dir, "--market", market, "--from", "soon");
    assert_int_equal(run.code, EXIT_USAGE);
    assert_non_null(strstr(run.capture.errors, "--from"));
    end(&run);
    sample_remove(&sample);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(json_differences_are_differences),
        cmocka_unit_test(the_table_says_its_limits),
        cmocka_unit_test(the_report_stands_alone),
        cmocka_unit_test(wrong_input_is_refused_in_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
