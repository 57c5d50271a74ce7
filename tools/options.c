#include "tools/options.h"

#include <errno.h>
#include <getopt.h>
#include <ini.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/text.h"
#include "tools/commands.h"

#define SHORT_HELP    'h'
#define SHORT_VERSION 'V'
#define LONG_FIRST    256 /* getopt's value of rows[0]; the others follow */

static bool wrong(const struct options *options, int *code, const char *what, const char *which)
{
    fprintf(stderr, "tapline %s: %s '%s'; see 'tapline %s --help'\n", options->command, what, which,
            options->command);
    *code = EXIT_USAGE;
    return false;
}

static bool flag_value(const char *text, bool *value)
{
    static const char *const words[] = {"no", "yes", "false", "true", "0", "1", "off", "on"};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (strcmp(text, words[i]) == 0) {
            *value = i % 2 == 1;
            return true;
        }
    }
    return false;
}

/* Puts one value into its row. False when it is no flag's value, or one too many. */
static bool row_take(struct option_row *row, const char *value)
{
    switch (row->type) {
    case OPTION_FLAG:
        row->given = true;
        return value == NULL || flag_value(value, &row->given);
    case OPTION_TEXT:
        row->given = true;
        row->value = value;
        return true;
    case OPTION_LIST:
        if (row->count == OPTION_LIST_MAX) {
            return false;
        }
        row->given = true;
        row->list[row->count] = value;
        row->count += 1;
        return true;
    }
    return false;
}

/* --- The file. ---------------------------------------------------------------------------------
 */

struct file_reading {
    struct options *options;
    char problem[160];
};

static const char *own(struct options *options, const char *text)
{
    char **grown = realloc(options->owned, (options->owned_count + 1) * sizeof options->owned[0]);
    if (grown == NULL) {
        return NULL;
    }
    options->owned = grown;
    char *copy = strdup(text);
    if (copy != NULL) {
        options->owned[options->owned_count] = copy;
        options->owned_count += 1;
    }
    return copy;
}

static int refuse_line(struct file_reading *reading, const char *what, const char *name)
{
    if (reading->problem[0] == '\0') {
        snprintf(reading->problem, sizeof reading->problem, "%s '%s'", what, name);
    }
    return 0;
}

static int take_line(void *user, const char *section, const char *name, const char *value)
{
    struct file_reading *reading = user;
    struct options *options = reading->options;
    if (section[0] != '\0' && strcmp(section, options->command) != 0) {
        return 1;
    }
    for (size_t i = 0; i < options->row_count; i++) {
        struct option_row *row = &options->rows[i];
        if (strcmp(row->name, name) != 0) {
            continue;
        }
        if (row->from_line) {
            return 1;
        }
        const char *kept = own(options, value);
        if (kept == NULL) {
            return refuse_line(reading, "no memory left for", name);
        }
        return row_take(row, kept) ? 1 : refuse_line(reading, "cannot take the value of", name);
    }
    return refuse_line(reading, "unknown option", name);
}

static bool read_file(struct options *options, const char *path, int *code)
{
    struct file_reading reading = {.options = options, .problem = ""};
    const int line = ini_parse(path, take_line, &reading);
    if (line == 0) {
        return true;
    }
    if (line < 0) {
        fprintf(stderr, "tapline %s: cannot read '%s': %s\n", options->command, path,
                line == -1 ? strerror(errno) : "no memory left");
    } else {
        fprintf(stderr, "tapline %s: %s, line %d: %s\n", options->command, path, line,
                reading.problem[0] != '\0' ? reading.problem : "is no 'key = value'");
    }
    *code = EXIT_USAGE;
    return false;
}

/* --- Help. -------------------------------------------------------------------------------------
 */

static void print_row(const char *name, const char *argument, const char *help,
                      const char *standard)
{
    char left[64];
    snprintf(left, sizeof left, "--%s%s%s", name, argument != NULL ? " " : "",
             argument != NULL ? argument : "");
    printf("  %-26s %s", left, help);
    if (standard != NULL) {
        printf(" (default %s)", standard);
    }
    printf("\n");
}

static void print_help(const struct options *options)
{
    printf("usage: %s\n%s\n\n", options->usage, options->summary);
    for (size_t i = 0; i < options->row_count; i++) {
        const struct option_row *row = &options->rows[i];
        print_row(row->name, row->argument, row->help, row->standard);
    }
    print_row("config", "FILE", "an INI file with any of these options; the command line wins",
              NULL);
    print_row("help", NULL, "this text", NULL);
    print_row("version", NULL, "the version", NULL);
    if (options->notes != NULL) {
        printf("\n%s\n", options->notes);
    }
}

/* --- The command line. -------------------------------------------------------------------------
 */

static void list_for_getopt(const struct options *options, struct option *table)
{
    size_t count = 0;
    for (; count < options->row_count; count++) {
        table[count] = (struct option){
            .name = options->rows[count].name,
            .has_arg =
                options->rows[count].type == OPTION_FLAG ? optional_argument : required_argument,
            .val = LONG_FIRST + (int)count,
        };
    }
    table[count++] = (struct option){"config", required_argument, NULL, 'c'};
    table[count++] = (struct option){"help", no_argument, NULL, SHORT_HELP};
    table[count++] = (struct option){"version", no_argument, NULL, SHORT_VERSION};
    table[count] = (struct option){0};
}

static bool take_option(struct options *options, int found, int *code)
{
    struct option_row *row = &options->rows[found - LONG_FIRST];
    row->from_line = true;
    return row_take(row, optarg) || wrong(options, code, "cannot take the value of", row->name);
}

static bool take_positionals(struct options *options, int argc, char **argv, int *code)
{
    for (int i = optind; i < argc; i++) {
        if (options->positional_count == options->positionals_max) {
            return wrong(options, code, "unexpected argument", argv[i]);
        }
        options->positional[options->positional_count] = argv[i];
        options->positional_count += 1;
    }
    return true;
}

static bool take_line_options(struct options *options, int argc, char **argv, const char **file,
                              int *code)
{
    struct option table[OPTION_ROWS_MAX + 4];
    list_for_getopt(options, table);
    optind = 0; /* glibc: begin anew, for a second parse in one process */
    opterr = 0;
    for (;;) {
        const int found = getopt_long(argc, argv, ":hV", table, NULL);
        switch (found) {
        case -1:
            return take_positionals(options, argc, argv, code);
        case SHORT_HELP:
            print_help(options);
            *code = EXIT_GOOD;
            return false;
        case SHORT_VERSION:
            printf("tapline %s\n", TAPLINE_VERSION);
            *code = EXIT_GOOD;
            return false;
        case 'c':
            *file = optarg;
            break;
        case ':':
            return wrong(options, code, "a value is missing after", argv[optind - 1]);
        case '?':
            return wrong(options, code, "unknown option", argv[optind - 1]);
        default: /* an int, not an enum: one of the rows */
            if (!take_option(options, found, code)) {
                return false;
            }
        }
    }
}

static void fill_standards(struct options *options)
{
    for (size_t i = 0; i < options->row_count; i++) {
        struct option_row *row = &options->rows[i];
        if (row->given || row->standard == NULL) {
            continue;
        }
        row->value = row->standard;
        if (row->type == OPTION_LIST) {
            row->list[0] = row->standard;
            row->count = 1;
        }
    }
}

bool options_positive(const char *text, uint64_t *value)
{
    int64_t parsed;
    if (text == NULL || !text_parse_decimal(text, strlen(text), &parsed) || parsed == 0) {
        return false;
    }
    *value = (uint64_t)parsed;
    return true;
}

bool options_parse(struct options *options, int argc, char **argv, int *code)
{
    CHECK(options->row_count <= OPTION_ROWS_MAX);
    CHECK(options->positionals_max <= POSITIONALS_MAX);
    const char *file = NULL;
    if (!take_line_options(options, argc, argv, &file, code) ||
        (file != NULL && !read_file(options, file, code))) {
        options_free(options);
        return false;
    }
    fill_standards(options);
    return true;
}

void options_print(const struct options *options)
{
    printf("[%s]\n", options->command);
    for (size_t i = 0; i < options->row_count; i++) {
        const struct option_row *row = &options->rows[i];
        if (strcmp(row->name, "print-config") == 0) {
            continue; /* a file with it would never start anything */
        }
        switch (row->type) {
        case OPTION_FLAG:
            printf("%s = %s\n", row->name, row->given ? "yes" : "no");
            break;
        case OPTION_TEXT:
            printf("%s%s = %s\n", row->value == NULL ? "# " : "", row->name,
                   row->value == NULL ? "" : row->value);
            break;
        case OPTION_LIST:
            if (row->count == 0) {
                printf("# %s = \n", row->name);
            }
            for (size_t j = 0; j < row->count; j++) {
                printf("%s = %s\n", row->name, row->list[j]);
            }
            break;
        }
    }
}

void options_free(struct options *options)
{
    for (size_t i = 0; i < options->owned_count; i++) {
        free(options->owned[i]);
    }
    free(options->owned);
    options->owned = NULL;
    options->owned_count = 0;
}
