/* The feed `replay`: a recording of recording.h, plain or gzip. It is pulled: each feed_advance
 * delivers the quotes with receive time <= the moment asked for, in the order of the file, and
 * reads no further than one line past it. The file is read on the loop's thread, a few KiB a grid
 * point.
 *
 * Failures: what can be seen of a wrong file at once (it is missing, its first lines are no
 * recording) refuses to open. A line that turns out wrong later ends the recording there: the
 * operator is told file and line, and the sources fall silent, as they do at the end. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#include "base/text.h"
#include "ingress/feed_kind.h"
#include "ingress/recording.h"

#define LINE_BYTES_MAX (1 << 20) /* a depth snapshot has 64 KB */
#define PATH_BYTES_MAX 4096
#define NS_PER_MS      ((int64_t)1000000)

struct replay {
    struct feed_run *run;
    char path[PATH_BYTES_MAX];
    struct clock_recording clock;
    gzFile file;
    enum recording_format format;
    uint64_t line_number;
    bool ended;
    struct recording_line next; /* read, not delivered yet */
    char text[LINE_BYTES_MAX];
};

/* "20", "0.5" -> thousandths. */
static bool parse_speed(const char *text, size_t length, int64_t *speed_milli)
{
    const char *point = memchr(text, '.', length);
    const size_t whole = point != NULL ? (size_t)(point - text) : length;
    int64_t value;
    if (whole > 4 || !text_parse_decimal(text, whole, &value)) {
        return false;
    }
    size_t digits = 0;
    if (point != NULL) {
        digits = length - whole - 1;
        if (digits == 0 || digits > 3) {
            return false;
        }
    }
    for (size_t i = 0; i < 3; i++) {
        char digit = '0';
        if (i < digits) {
            digit = point[1 + i];
        }
        if (digit < '0' || digit > '9') {
            return false;
        }
        value = value * 10 + (digit - '0');
    }
    *speed_milli = value;
    return value >= 1 && value <= CLOCK_SPEED_MILLI_MAX;
}

static const char *last_comma(const char *text, size_t length)
{
    for (; length > 0; length--) {
        if (text[length - 1] == ',') {
            return text + length - 1;
        }
    }
    return NULL;
}

/* Takes the options from the end of the arguments; what is left is the file, commas included. */
static bool parse_arguments(struct replay *replay, const char *arguments, struct feed_error *error)
{
    static const char speed[] = "speed=";
    static const char shift[] = "shift=";
    size_t length = strlen(arguments);
    replay->clock.speed_milli = CLOCK_SPEED_ONE;
    for (;;) {
        const char *comma = last_comma(arguments, length);
        if (comma == NULL) {
            break;
        }
        const char *option = comma + 1;
        const size_t bytes = length - (size_t)(option - arguments);
        if (bytes >= strlen(speed) && memcmp(option, speed, strlen(speed)) == 0) {
            if (!parse_speed(option + strlen(speed), bytes - strlen(speed),
                             &replay->clock.speed_milli)) {
                feed_error_set(error, "speed is 0.001 to 1000, at most 3 decimals");
                return false;
            }
        } else if (bytes >= strlen(shift) && memcmp(option, shift, strlen(shift)) == 0) {
            if (bytes != strlen("shift=now") || memcmp(option, "shift=now", bytes) != 0) {
                feed_error_set(error, "the only shift is shift=now");
                return false;
            }
            replay->clock.shift_now = true;
        } else {
            break;
        }
        length = (size_t)(comma - arguments);
    }
    if (length == 0 || length >= sizeof replay->path) {
        feed_error_set(error, "expected replay:FILE[,speed=X][,shift=now]");
        return false;
    }
    memcpy(replay->path, arguments, length);
    return true;
}

/* Reads one line into replay->text and cuts its end. Errors: STATUS_END; STATUS_IO, STATUS_INVALID
 * with *reason. */
static enum status read_line(struct replay *replay, size_t *length, const char **reason)
{
    if (gzgets(replay->file, replay->text, (int)sizeof replay->text) == NULL) {
        int code;
        const char *text = gzerror(replay->file, &code);
        if (code == Z_OK || code == Z_STREAM_END) {
            return STATUS_END;
        }
        *reason = text;
        return STATUS_IO;
    }
    replay->line_number += 1;
    size_t bytes = strlen(replay->text);
    if (bytes == 0 || replay->text[bytes - 1] != '\n') {
        /* Also the end of a file that was cut: half a price is another price. */
        *reason = "the line has no end, is too long or holds a NUL";
        return STATUS_INVALID;
    }
    bytes -= 1;
    if (bytes > 0 && replay->text[bytes - 1] == '\r') {
        bytes -= 1;
    }
    *length = bytes;
    return STATUS_OK;
}

/* Reads the next line of data into replay->next. */
static enum status read_next(struct replay *replay, const char **reason)
{
    size_t length = 0;
    enum status status = read_line(replay, &length, reason);
    if (status != STATUS_OK) {
        return status;
    }
    const int64_t before_ns = replay->next.receive_ns;
    status = recording_parse(replay->format, replay->text, length, &replay->next);
    if (status != STATUS_OK) {
        *reason = "the line is not of the format of the first";
        return status;
    }
    if (replay->next.receive_ns < before_ns) {
        *reason = "the time is before that of the line above";
        return STATUS_INVALID;
    }
    return STATUS_OK;
}

/* Finds the format and reads the first line of data. */
static enum status read_first(struct replay *replay, const char **reason)
{
    size_t length = 0;
    bool header;
    enum status status = read_line(replay, &length, reason);
    if (status == STATUS_END) {
        *reason = "the file is empty";
        return STATUS_INVALID;
    }
    if (status != STATUS_OK) {
        return status;
    }
    if (!recording_detect(replay->text, length, &replay->format, &header)) {
        *reason = "not a recording of a known format";
        return STATUS_INVALID;
    }
    if (!header) {
        return recording_parse(replay->format, replay->text, length, &replay->next);
    }
    status = read_next(replay, reason);
    if (status == STATUS_END) {
        *reason = "there is no line of data";
        return STATUS_INVALID;
    }
    return status;
}

static enum status open_file(struct replay *replay, struct feed_error *error)
{
    const int file = open(replay->path, O_RDONLY | O_CLOEXEC);
    if (file < 0) {
        feed_error_set(error, "cannot open %s: %s", replay->path, strerror(errno));
        return errno == ENOENT ? STATUS_NOT_FOUND : STATUS_IO;
    }
    replay->file = gzdopen(file, "rb");
    if (replay->file == NULL) {
        close(file);
        feed_error_set(error, "no memory");
        return STATUS_NO_MEMORY;
    }
    const char *reason = "";
    const enum status status = read_first(replay, &reason);
    if (status != STATUS_OK) {
        feed_error_set(error, "%s:%llu: %s", replay->path, (unsigned long long)replay->line_number,
                       reason);
        (void)gzclose(replay->file); /* only read: nothing can be lost */
        return status;
    }
    replay->clock.start_ms = replay->next.receive_ns / NS_PER_MS;
    return STATUS_OK;
}

static enum status replay_open(const char *arguments, void **state, struct feed_error *error)
{
    struct replay *replay = calloc(1, sizeof *replay);
    if (replay == NULL) {
        feed_error_set(error, "no memory");
        return STATUS_NO_MEMORY;
    }
    const enum status status =
        parse_arguments(replay, arguments, error) ? open_file(replay, error) : STATUS_USAGE;
    if (status != STATUS_OK) {
        free(replay);
        return status;
    }
    *state = replay;
    return STATUS_OK;
}

static bool replay_recording(const void *state, struct clock_recording *recording)
{
    const struct replay *replay = state;
    *recording = replay->clock;
    return true;
}

static enum status replay_start(void *state, struct feed_run *run, struct feed_error *error)
{
    (void)error; /* all that can fail was done in open */
    struct replay *replay = state;
    replay->run = run;
    return STATUS_OK;
}

static void finish(struct replay *replay, enum status status, const char *reason)
{
    replay->ended = true;
    replay->run->counts.ended = true;
    if (status == STATUS_END) {
        feed_say(replay->run, "feed replay: end of %s after %llu quotes; its sources fall silent",
                 replay->path, (unsigned long long)replay->run->counts.quotes);
    } else {
        feed_say(replay->run, "feed replay: %s:%llu: %s; its sources fall silent", replay->path,
                 (unsigned long long)replay->line_number, reason);
    }
}

static void replay_advance(void *state, int64_t receive_ms)
{
    struct replay *replay = state;
    while (!replay->ended) {
        /* The line's receive time in ms, rounded up: due exactly when receive_ns <= receive_ms. */
        const int64_t ns = replay->next.receive_ns;
        const int64_t due_ms = ns / NS_PER_MS + (ns % NS_PER_MS != 0 ? 1 : 0);
        if (due_ms > receive_ms) {
            return;
        }
        if (replay->next.has_quote) {
            /* A refusal was said and counted there. */
            (void)feed_deliver(replay->run, &replay->next.quote);
        }
        const char *reason = "";
        const enum status status = read_next(replay, &reason);
        if (status != STATUS_OK) {
            finish(replay, status, reason);
        }
    }
}

static void replay_free(void *state)
{
    struct replay *replay = state;
    (void)gzclose(replay->file); /* only read: nothing can be lost */
    free(replay);
}

const struct feed_kind feed_replay = {.name = "replay",
                                      .open = replay_open,
                                      .recording = replay_recording,
                                      .start = replay_start,
                                      .advance = replay_advance,
                                      .free = replay_free};
