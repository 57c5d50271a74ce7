#include "ingress/market_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <ini.h>

#include "base/text.h"

#define SECTION          "market"
#define MARKET_BYTES_MIN 3

/* One pass over the text: the library asks for lines and gives back keys. The first problem wins.
 */
struct parser {
    const char *name;
    const char *rest;
    size_t rest_length;
    int line; /* of the last line handed out, from 1 */
    struct config_change change;
    int problem_line; /* 0: none yet */
    char problem[MARKET_FILE_PROBLEM_BYTES];
};

static void set_problem(struct parser *parser, int line, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static void set_problem(struct parser *parser, int line, const char *format, ...)
{
    if (parser->problem_line != 0 && parser->problem_line <= line) {
        return;
    }
    parser->problem_line = line;
    const int length =
        snprintf(parser->problem, sizeof(parser->problem), "%.100s:%d: ", parser->name, line);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(parser->problem + length, sizeof(parser->problem) - (size_t)length, format,
              arguments);
    va_end(arguments);
}

/* What the library would let pass or read in its own way: continuation lines, comments after a
 * value, sections without keys. NULL when the line is plain. */
static const char *line_problem(const char *line, size_t length)
{
    if (memchr(line, '\0', length) != NULL) {
        return "a zero byte; the file must be text";
    }
    size_t start = 0;
    while (start < length && (line[start] == ' ' || line[start] == '\t')) {
        start += 1;
    }
    size_t end = length;
    while (end > start &&
           (line[end - 1] == '\r' || line[end - 1] == ' ' || line[end - 1] == '\t')) {
        end -= 1;
    }
    if (start == end || line[start] == '#' || line[start] == ';') {
        return NULL;
    }
    if (start > 0) {
        return "the line begins with a space; begin it with the key";
    }
    if (line[0] == '[' &&
        (end != strlen("[" SECTION "]") || memcmp(line, "[" SECTION "]", end) != 0)) {
        return "the only section is [" SECTION "]; remove this one";
    }
    if (memchr(line, ';', length) != NULL) {
        return "a comment behind a value; put it on a line of its own";
    }
    return NULL;
}

/* Works as fgets does for the library; ends the reading at the first problem. */
static char *read_line(char *to, int capacity, void *stream)
{
    struct parser *parser = stream;
    if (parser->rest_length == 0 || parser->problem_line != 0) {
        return NULL;
    }
    const char *feed = memchr(parser->rest, '\n', parser->rest_length);
    const size_t length = feed == NULL ? parser->rest_length : (size_t)(feed - parser->rest);
    const size_t taken = feed == NULL ? length : length + 1;
    parser->line += 1;
    const char *problem = line_problem(parser->rest, length);
    if (taken >= (size_t)capacity) {
        problem = "the line is too long";
    }
    if (problem != NULL) {
        set_problem(parser, parser->line, "%s", problem);
        return NULL;
    }
    memcpy(to, parser->rest, taken);
    to[taken] = '\0';
    parser->rest += taken;
    parser->rest_length -= taken;
    return to;
}

static bool take_market(struct parser *parser, const char *value)
{
    struct config_change *change = &parser->change;
    const size_t length = strlen(value);
    const size_t plain = strspn(value, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-");
    if (change->market_given) {
        set_problem(parser, parser->line, "market is given twice; keep one line");
        return false;
    }
    if (length < MARKET_BYTES_MIN || length > LIMIT_MARKET_BYTES || plain != length) {
        set_problem(parser, parser->line, "market must be 3 to 16 of A-Z, 0-9 and -");
        return false;
    }
    change->market_given = true;
    memcpy(change->market, value, length + 1);
    return true;
}

/* Range and rule of one key (bands odd ...) as config_problem words them: the key is tried alone on
 * the defaults. Of the pairs only the range counts here, the partner may stand in the epoch in
 * force. */
static const char *key_problem(enum config_key key, int64_t value)
{
    const bool paired = key == CONFIG_degraded_ms || key == CONFIG_critical_ms ||
                        key == CONFIG_stake_min || key == CONFIG_stake_max;
    if (paired && config_value_in_range(key, value)) {
        return NULL;
    }
    struct config config;
    config_defaults(&config);
    config_set(&config, key, value);
    return config_problem(&config);
}

static bool take_integer(struct parser *parser, enum config_key key, const char *value)
{
    struct config_change *change = &parser->change;
    int64_t number;
    if ((change->given & (1u << key)) != 0) {
        set_problem(parser, parser->line, "%s is given twice; keep one line", config_key_name(key));
        return false;
    }
    if (!text_parse_decimal(value, strlen(value), &number)) {
        set_problem(parser, parser->line, "%s must be a whole number in decimal digits",
                    config_key_name(key));
        return false;
    }
    const char *problem = key_problem(key, number);
    if (problem != NULL) {
        set_problem(parser, parser->line, "%s", problem);
        return false;
    }
    change->given |= 1u << key;
    change->values[key] = number;
    return true;
}

static int take_pair(void *user, const char *section, const char *name, const char *value)
{
    struct parser *parser = user;
    if (strcmp(section, SECTION) != 0) {
        set_problem(parser, parser->line,
                    "%.40s stands before the section; begin with [" SECTION "]", name);
        return 0;
    }
    if (strcmp(name, "market") == 0) {
        return take_market(parser, value) ? 1 : 0;
    }
    for (unsigned key = 0; key < CONFIG_KEY_COUNT; key++) {
        if (strcmp(name, config_key_name((enum config_key)key)) == 0) {
            return take_integer(parser, (enum config_key)key, value) ? 1 : 0;
        }
    }
    set_problem(parser, parser->line, "%.40s is no key of the market; see the list of keys", name);
    return 0;
}

/* Two keys that contradict each other within the file, whatever the epoch in force. */
static bool pairs_agree(struct parser *parser)
{
    const uint32_t given = parser->change.given;
    const int64_t *values = parser->change.values;
    const uint32_t ages = 1u << CONFIG_degraded_ms | 1u << CONFIG_critical_ms;
    const uint32_t stakes = 1u << CONFIG_stake_min | 1u << CONFIG_stake_max;
    if ((given & ages) == ages && values[CONFIG_degraded_ms] >= values[CONFIG_critical_ms]) {
        set_problem(parser, parser->line, "degraded_ms must be below critical_ms");
        return false;
    }
    if ((given & stakes) == stakes && values[CONFIG_stake_min] > values[CONFIG_stake_max]) {
        set_problem(parser, parser->line, "stake_min must not be above stake_max");
        return false;
    }
    return true;
}

static enum status refuse(const struct parser *parser, char problem[MARKET_FILE_PROBLEM_BYTES])
{
    memcpy(problem, parser->problem, MARKET_FILE_PROBLEM_BYTES);
    return STATUS_INVALID;
}

enum status market_file_parse(const char *name, const char *text, size_t length,
                              struct config_change *change, char problem[MARKET_FILE_PROBLEM_BYTES])
{
    struct parser parser = {.name = name, .rest = text, .rest_length = length};
    if (length > MARKET_FILE_BYTES_MAX) {
        set_problem(&parser, 1, "the file is longer than %d bytes; shorten its comments",
                    MARKET_FILE_BYTES_MAX);
        return refuse(&parser, problem);
    }
    /* Above 0: the first line that the library could not read, or whose key was refused. */
    const int failed_line = ini_parse_stream(read_line, &parser, take_pair, &parser);
    if (failed_line > 0) {
        set_problem(&parser, failed_line, "not a line of the form key = value");
    }
    if (failed_line < 0) {
        set_problem(&parser, 1, "no memory left to read it");
    }
    if (parser.problem_line != 0 || !pairs_agree(&parser)) {
        return refuse(&parser, problem);
    }
    memcpy(parser.change.operator_name, change->operator_name, sizeof(change->operator_name));
    *change = parser.change;
    return STATUS_OK;
}

/* Reads at most `capacity` bytes. */
static enum status read_file(const char *path, char *to, size_t capacity, size_t *length)
{
    const int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0) {
        return errno == ENOENT ? STATUS_NOT_FOUND : STATUS_IO;
    }
    size_t done = 0;
    ssize_t got = 1;
    while (got > 0 && done < capacity) {
        got = read(file, to + done, capacity - done);
        if (got < 0 && errno == EINTR) {
            got = 1;
            continue;
        }
        done += got > 0 ? (size_t)got : 0;
    }
    const int error = errno;
    close(file); /* opened for reading: nothing can be lost */
    if (got < 0) {
        errno = error;
        return STATUS_IO;
    }
    *length = done;
    return STATUS_OK;
}

enum status market_file_read(const char *path, struct config_change *change,
                             char problem[MARKET_FILE_PROBLEM_BYTES])
{
    char text[MARKET_FILE_BYTES_MAX + 1]; /* one more, to see that a file is too long */
    size_t length;
    const enum status status = read_file(path, text, sizeof(text), &length);
    if (status != STATUS_OK) {
        snprintf(problem, MARKET_FILE_PROBLEM_BYTES, "%.150s: %s; check the path and its rights",
                 path, strerror(errno));
        return status;
    }
    return market_file_parse(path, text, length, change, problem);
}
