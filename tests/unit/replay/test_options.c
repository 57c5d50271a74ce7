#include "tools/options.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "capture.h"
#include "sample.h"
#include "tools/commands.h"

enum row {
    ROW_DATA,
    ROW_FEED,
    ROW_DEMO,
    ROW_REDIS,
    ROW_COUNT
};

/* The rows of a command with one option of each type. */
struct fixture {
    struct option_row rows[ROW_COUNT];
    struct options options;
    int code;
};

static bool parse(struct fixture *fixture, int argc, const char *const *texts)
{
    char *argv[16] = {NULL};
    assert_true(argc < 16);
    memcpy(argv, texts, (size_t)argc * sizeof argv[0]);
    *fixture = (struct fixture){
        .rows =
            {
                [ROW_DATA] = OPTION_ROW("data", OPTION_TEXT, "DIR", "./data", "data"),
                [ROW_FEED] = OPTION_ROW("feed", OPTION_LIST, "SPEC", "sim", "feeds"),
                [ROW_DEMO] = OPTION_ROW("demo", OPTION_FLAG, NULL, NULL, "demo"),
                [ROW_REDIS] = OPTION_ROW("redis", OPTION_TEXT, "URL", NULL, "redis"),
            },
        .code = -1,
    };
    fixture->options = (struct options){
        .command = "serve",
        .usage = "tapline serve",
        .summary = "Serves.",
        .rows = fixture->rows,
        .row_count = ROW_COUNT,
        .positionals_max = 2,
    };
    return options_parse(&fixture->options, argc, argv, &fixture->code);
}

#define PARSE(fixture, ...)                                                                        \
    parse((fixture), (int)(sizeof((const char *[]){__VA_ARGS__}) / sizeof(char *)),                \
          (const char *[]){__VA_ARGS__})

static void write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

/* Nothing given: the standards stand, a list has its one, a flag is off, the rest is absent. */
static void standards_hold_where_nothing_is_given(void **state)
{
    (void)state;
    struct fixture fixture;
    assert_true(PARSE(&fixture, "serve"));
    assert_string_equal(fixture.rows[ROW_DATA].value, "./data");
    assert_int_equal(fixture.rows[ROW_FEED].count, 1);
    assert_string_equal(fixture.rows[ROW_FEED].list[0], "sim");
    assert_false(fixture.rows[ROW_DEMO].given);
    assert_null(fixture.rows[ROW_REDIS].value);
    options_free(&fixture.options);
}

/* Both spellings, repeated lists, flags with and without a word, options behind positionals. */
static void the_command_line_is_taken(void **state)
{
    (void)state;
    struct fixture fixture;
    assert_true(PARSE(&fixture, "serve", "deposit", "--data=d1", "--feed", "a", "--feed=b=c",
                      "--demo", "file"));
    assert_string_equal(fixture.rows[ROW_DATA].value, "d1");
    assert_int_equal(fixture.rows[ROW_FEED].count, 2);
    assert_string_equal(fixture.rows[ROW_FEED].list[0], "a");
    assert_string_equal(fixture.rows[ROW_FEED].list[1], "b=c");
    assert_true(fixture.rows[ROW_DEMO].given);
    assert_int_equal(fixture.options.positional_count, 2);
    assert_string_equal(fixture.options.positional[0], "deposit");
    assert_string_equal(fixture.options.positional[1], "file");
    options_free(&fixture.options);
    assert_true(PARSE(&fixture, "serve", "--demo=no"));
    assert_false(fixture.rows[ROW_DEMO].given);
    options_free(&fixture.options);
}

/* The file fills what the line leaves out; what the line gives wins, a list as a whole; sections of
 * others are passed over. */
static void the_line_wins_over_the_file(void **state)
{
    (void)state;
    char dir[256];
    sample_directory(dir);
    char path[300];
    snprintf(path, sizeof path, "%s/t.ini", dir);
    write_file(path, "# words\ndata = from-file\n[market]\nbands = 21\n[serve]\nfeed = x\n"
                     "feed = y\ndemo = yes\nredis = redis://h:1\n");
    struct fixture fixture;
    assert_true(PARSE(&fixture, "serve", "--config", path));
    assert_string_equal(fixture.rows[ROW_DATA].value, "from-file");
    assert_int_equal(fixture.rows[ROW_FEED].count, 2);
    assert_string_equal(fixture.rows[ROW_FEED].list[1], "y");
    assert_true(fixture.rows[ROW_DEMO].given);
    assert_string_equal(fixture.rows[ROW_REDIS].value, "redis://h:1");
    options_free(&fixture.options);
    assert_true(
        PARSE(&fixture, "serve", "--feed", "z", "--config", path, "--demo=no", "--data", "line"));
    assert_string_equal(fixture.rows[ROW_DATA].value, "line");
    assert_int_equal(fixture.rows[ROW_FEED].count, 1);
    assert_string_equal(fixture.rows[ROW_FEED].list[0], "z");
    assert_false(fixture.rows[ROW_DEMO].given);
    options_free(&fixture.options);
    sample_remove_directory(dir);
}

/* Each wrong use is one line on stderr that names what is wrong, and exit code 64. */
static void wrong_use_is_named_in_one_line(void **state)
{
    (void)state;
    char dir[256];
    sample_directory(dir);
    char unknown_key[300];
    char no_pair[300];
    char bad_flag[300];
    snprintf(unknown_key, sizeof unknown_key, "%s/a.ini", dir);
    snprintf(no_pair, sizeof no_pair, "%s/b.ini", dir);
    snprintf(bad_flag, sizeof bad_flag, "%s/c.ini", dir);
    write_file(unknown_key, "data = x\nspeed = 1\n");
    write_file(no_pair, "data\n");
    write_file(bad_flag, "\ndemo = maybe\n");
    const struct {
        const char *arguments[4];
        int count;
        const char *word;
    } cases[] = {
        {{"serve", "--nope"}, 2, "--nope"},
        {{"serve", "--data"}, 2, "--data"},
        {{"serve", "--demo=maybe"}, 2, "demo"},
        {{"serve", "a", "b", "c"}, 4, "'c'"},
        {{"serve", "--config", "/does/not/exist.ini"}, 3, "/does/not/exist.ini"},
        {{"serve", "--config", unknown_key}, 3, "line 2: unknown option 'speed'"},
        {{"serve", "--config", no_pair}, 3, "line 1"},
        {{"serve", "--config", bad_flag}, 3, "line 2"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct fixture fixture;
        struct capture capture;
        capture_begin(&capture);
        const bool taken = parse(&fixture, cases[i].count, cases[i].arguments);
        capture_end(&capture);
        assert_false(taken);
        assert_int_equal(fixture.code, EXIT_USAGE);
        assert_non_null(strstr(capture.errors, cases[i].word));
        assert_ptr_equal(strchr(capture.errors, '\n'), strrchr(capture.errors, '\n'));
        capture_free(&capture);
    }
    sample_remove_directory(dir);
}

/* --help names every option and --version the program; both end with 0. */
static void help_and_version_end_well(void **state)
{
    (void)state;
    struct fixture fixture;
    struct capture capture;
    capture_begin(&capture);
    const bool help = PARSE(&fixture, "serve", "--help");
    capture_end(&capture);
    assert_false(help);
    assert_int_equal(fixture.code, EXIT_GOOD);
    for (size_t i = 0; i < ROW_COUNT; i++) {
        assert_non_null(strstr(capture.output, fixture.rows[i].name));
    }
    capture_free(&capture);
    capture_begin(&capture);
    const bool version = PARSE(&fixture, "serve", "--version");
    capture_end(&capture);
    assert_false(version);
    assert_int_equal(fixture.code, EXIT_GOOD);
    assert_string_equal(capture.output, "tapline " TAPLINE_VERSION "\n");
    capture_free(&capture);
}

/* What --print-config prints is a file that gives the same options again. */
static void a_printed_config_reads_back(void **state)
{
    (void)state;
    struct fixture fixture;
    struct capture capture;
    assert_true(PARSE(&fixture, "serve", "--feed", "a", "--feed", "b", "--demo", "--data", "d"));
    capture_begin(&capture);
    options_print(&fixture.options);
    capture_end(&capture);
    options_free(&fixture.options);
    char dir[256];
    sample_directory(dir);
    char path[300];
    snprintf(path, sizeof path, "%s/t.ini", dir);
    write_file(path, capture.output);
    capture_free(&capture);
    assert_true(PARSE(&fixture, "serve", "--config", path));
    assert_string_equal(fixture.rows[ROW_DATA].value, "d");
    assert_int_equal(fixture.rows[ROW_FEED].count, 2);
    assert_true(fixture.rows[ROW_DEMO].given);
    assert_null(fixture.rows[ROW_REDIS].value);
    options_free(&fixture.options);
    sample_remove_directory(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(standards_hold_where_nothing_is_given),
        cmocka_unit_test(the_command_line_is_taken),
        cmocka_unit_test(the_line_wins_over_the_file),
        cmocka_unit_test(wrong_use_is_named_in_one_line),
        cmocka_unit_test(help_and_version_end_well),
        cmocka_unit_test(a_printed_config_reads_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
