#include "ingress/feed.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "ingress/feed_kind.h"

struct feed {
    const struct feed_kind *kind;
    void *state;
    char *spec;
    bool started;
    struct feed_run run;
};

void feed_error_set(struct feed_error *error, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    (void)vsnprintf(error->text, error->bytes, format, list); /* a long line is cut, that is fine */
    va_end(list);
}

void feed_say(struct feed_run *run, const char *format, ...)
{
    char text[FEED_ERROR_BYTES];
    va_list list;
    va_start(list, format);
    (void)vsnprintf(text, sizeof text, format, list); /* as above */
    va_end(list);
    if (run->sink.on_word != NULL) {
        run->sink.on_word(run->sink.context, text);
    }
}

/* A name from outside, made safe for a log. */
static void printable_name(const char *name, char shown[LIMIT_SOURCE_BYTES + 1])
{
    const size_t length = strnlen(name, LIMIT_SOURCE_BYTES);
    for (size_t i = 0; i < length; i++) {
        shown[i] = name[i] > ' ' && name[i] < 0x7f ? name[i] : '?';
    }
    shown[length] = '\0';
}

enum status feed_deliver(struct feed_run *run, const struct source_quote *quote)
{
    const enum status status = run->sink.on_quote(run->sink.context, quote);
    if (status == STATUS_OK) {
        run->counts.quotes += 1;
        return STATUS_OK;
    }
    if (run->counts.refused == 0) {
        char shown[LIMIT_SOURCE_BYTES + 1];
        printable_name(quote->source, shown);
        feed_say(run,
                 "feed: source %s is refused (%s); at most %d sources with names of 1 to %d of "
                 "[A-Za-z0-9._-]",
                 shown, status_text(status), LIMIT_SOURCES, LIMIT_SOURCE_BYTES);
    }
    run->counts.refused += 1;
    return status;
}

/* The kind of a spec, or NULL with the reason in *error. */
static const struct feed_kind *find_kind(const char *spec, size_t word, struct feed_error *error)
{
    static const struct feed_kind *const kinds[] = {&feed_sim, &feed_replay, &feed_lines};
    static const char *const venues[] = {"coinbase", "binance", "kraken", "bitstamp"};
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        if (strlen(kinds[i]->name) == word && strncmp(kinds[i]->name, spec, word) == 0) {
            return kinds[i];
        }
    }
    for (size_t i = 0; i < sizeof venues / sizeof venues[0]; i++) {
        const size_t length = strlen(venues[i]);
        if (strncmp(venues[i], spec, length) == 0 &&
            (spec[length] == '\0' || spec[length] == '=')) {
            feed_error_set(error, "this build has no connection to an exchange of its own; run a "
                                  "bridge and use lines:ADDR:PORT");
            return NULL;
        }
    }
    feed_error_set(error, "unknown; use sim[:seed=N], replay:FILE or lines:ADDR:PORT");
    return NULL;
}

enum status feed_open(const char *spec, struct feed **feed, char *error_text, size_t error_bytes)
{
    struct feed_error error = {.text = error_text, .bytes = error_bytes};
    const size_t word = strcspn(spec, ":");
    const struct feed_kind *kind = find_kind(spec, word, &error);
    if (kind == NULL) {
        return STATUS_USAGE;
    }
    struct feed *made = calloc(1, sizeof *made);
    char *copy = strdup(spec);
    if (made == NULL || copy == NULL) {
        free(made);
        free(copy);
        feed_error_set(&error, "no memory");
        return STATUS_NO_MEMORY;
    }
    made->kind = kind;
    made->spec = copy;
    const char *arguments = spec[word] == ':' ? spec + word + 1 : "";
    const enum status status = kind->open(arguments, &made->state, &error);
    if (status != STATUS_OK) {
        free(copy);
        free(made);
        return status;
    }
    *feed = made;
    return STATUS_OK;
}

bool feed_recording(const struct feed *feed, struct clock_recording *recording)
{
    return feed->kind->recording != NULL && feed->kind->recording(feed->state, recording);
}

enum status feed_start(struct feed *feed, struct uv_loop_s *loop, struct clock *clock,
                       const struct feed_sink *sink, char *error_text, size_t error_bytes)
{
    CHECK(!feed->started);
    struct feed_error error = {.text = error_text, .bytes = error_bytes};
    feed->run.loop = loop;
    feed->run.clock = clock;
    feed->run.sink = *sink;
    const enum status status = feed->kind->start(feed->state, &feed->run, &error);
    feed->started = status == STATUS_OK;
    return status;
}

void feed_advance(struct feed *feed, int64_t receive_ms)
{
    CHECK(feed->started);
    if (feed->kind->advance != NULL) {
        feed->kind->advance(feed->state, receive_ms);
    }
}

void feed_counts(const struct feed *feed, struct feed_counts *counts)
{
    *counts = feed->run.counts;
}

const char *feed_spec(const struct feed *feed)
{
    return feed->spec;
}

uint16_t feed_port(const struct feed *feed)
{
    return feed->kind->port != NULL ? feed->kind->port(feed->state) : 0;
}

void feed_close(struct feed *feed)
{
    if (feed->kind->close != NULL) {
        feed->kind->close(feed->state);
    }
}

void feed_free(struct feed *feed)
{
    if (feed == NULL) {
        return;
    }
    feed->kind->free(feed->state);
    free(feed->spec);
    free(feed);
}
