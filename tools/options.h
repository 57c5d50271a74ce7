/* The options of a subcommand: a table of rows, filled first from the INI file of --config, then
 * from the command line, which wins. Every command gets --help, --version and --config besides.
 * Texts are owned by the table until options_free.
 *
 *     struct option_row rows[] = {
 *         [DATA] = OPTION_ROW("data", OPTION_TEXT, "DIR", "./data", "the data directory"),
 *         [FEED] = OPTION_ROW("feed", OPTION_LIST, "SPEC", "sim", "a price source (repeatable)"),
 *         [DEMO] = OPTION_ROW("demo", OPTION_FLAG, NULL, NULL, "mock deposits"),
 *     };
 *     struct options options = {"serve", "tapline serve [options]", "runs the server", NOTES, rows,
 * 3}; int code; if (!options_parse(&options, argc, argv, &code)) { return code;
 *     }
 *     ... rows[DATA].value, rows[FEED].list[i], rows[DEMO].given; options_free(&options); */
#ifndef TAPLINE_TOOLS_OPTIONS_H
#define TAPLINE_TOOLS_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

#define OPTION_LIST_MAX 64
#define POSITIONALS_MAX 8
#define OPTION_ROWS_MAX 48

enum option_type {
    OPTION_FLAG, /* no argument; in a file: yes or no */
    OPTION_TEXT, /* the last one counts */
    OPTION_LIST, /* repeatable; the command line replaces the file's as a whole */
};

struct option_row {
    const char *name; /* without dashes; the key in the file */
    enum option_type type;
    const char *argument; /* its name in --help; NULL for a flag */
    const char *standard; /* the value when not given; NULL: none */
    const char *help;     /* one line */

    /* Filled by options_parse. */
    bool given;                        /* by the file or the command line; for a flag its value */
    const char *value;                 /* TEXT: given or standard, may be NULL */
    const char *list[OPTION_LIST_MAX]; /* LIST: given ones, else the standard if there is one */
    size_t count;
    bool from_line; /* the command line gave it */
};

/* The five that the command gives; the rest is filled. */
#define OPTION_ROW(row_name, row_type, row_argument, row_standard, row_help)                       \
    {                                                                                              \
        .name = (row_name), .type = (row_type), .argument = (row_argument),                        \
        .standard = (row_standard), .help = (row_help)                                             \
    }

struct options {
    const char *command; /* "verify"; also the section of the file */
    const char *usage;   /* "tapline verify --data DIR [--signatures]" */
    const char *summary; /* one line */
    const char *notes;   /* shown last by --help: arguments' forms and exit codes; may be NULL */
    struct option_row *rows;
    size_t row_count;
    size_t positionals_max; /* arguments that are no options; 0: none are taken */

    /* Filled by options_parse. */
    const char *positional[POSITIONALS_MAX];
    size_t positional_count;
    char **owned; /* texts from the file */
    size_t owned_count;
};

/* Fills the rows. False when the command should end at once with *code: 0 after --help or --version
 * (printed to stdout), EXIT_USAGE after one line on stderr. The file: `key = value` lines without a
 * section or in [command]; other sections (such as [market]) are skipped; an unknown key is refused
 * with its line. */
MUST_USE bool options_parse(struct options *options, int argc, char **argv, int *code);

/* Prints the result as an INI file to stdout (--print-config, which is left out of it). */
void options_print(const struct options *options);

void options_free(struct options *options);

/* Digits, 1 .. 2^63-1. */
MUST_USE bool options_positive(const char *text, uint64_t *value);

#endif
