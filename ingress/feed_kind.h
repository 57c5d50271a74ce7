/* What the kinds of feed (feed_sim.c, feed_replay.c, feed_lines.c) offer to feed.c, and nobody else
 * includes: a table of calls for each kind. The calls mean what those of feed.h mean. */
#ifndef TAPLINE_INGRESS_FEED_KIND_H
#define TAPLINE_INGRESS_FEED_KIND_H

#include "ingress/feed.h"

/* One line for people, always NUL terminated. */
struct feed_error {
    char *text;
    size_t bytes;
};

/* What a running feed has in its hands. */
struct feed_run {
    struct uv_loop_s *loop;
    struct clock *clock;
    struct feed_sink sink;
    struct feed_counts counts;
};

struct feed_kind {
    const char *name; /* "sim": the spec's first word */
    /* arguments: what follows the colon, "" when there is none; *state is freed by free. */
    enum status (*open)(const char *arguments, void **state, struct feed_error *error);
    bool (*recording)(const void *state, struct clock_recording *recording);
    /* run outlives the state. */
    enum status (*start)(void *state, struct feed_run *run, struct feed_error *error);
    void (*advance)(void *state, int64_t receive_ms);
    uint16_t (*port)(const void *state);
    void (*close)(void *state);
    void (*free)(void *state);
};

extern const struct feed_kind feed_sim;
extern const struct feed_kind feed_replay;
extern const struct feed_kind feed_lines;

/* Writes the line. */
__attribute__((format(printf, 2, 3))) void feed_error_set(struct feed_error *error,
                                                          const char *format, ...);

/* Hands the quote on and counts it. A refusal is said once for each feed and comes back unchanged.
 */
enum status feed_deliver(struct feed_run *run, const struct source_quote *quote);

/* Hands one line to the operator's log. */
__attribute__((format(printf, 2, 3))) void feed_say(struct feed_run *run, const char *format, ...);

#endif
