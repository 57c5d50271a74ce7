/* Price feeds: where quotes come from. One struct feed is one `--feed SPEC`:
 *
 *   sim[:seed=N]                            three made-up sources, a seeded integer random walk
 *   replay:FILE[,speed=X][,shift=now]       a recording; the server's clock is then the recording's
 *   lines:ADDR:PORT                         a TCP listener for `source price_e4` and
 *                                           `source bid_e4 ask_e4` lines from any bridge
 *
 * Normal course: feed_open (parses the spec, opens the file) -> when feed_recording says so, the
 * clock is made a recording's -> feed_start (binds the port) -> the grid timer calls feed_advance
 * before each index -> feed_close -> the loop runs until empty -> feed_free.
 *
 * sim and replay are pulled: feed_advance delivers exactly what is due by a moment, in order, so
 * what the index sees at a grid point does not depend on scheduling. lines pushes as bytes arrive.
 * A feed never ends the process: a recording that turns out malformed says so once and falls
 * silent, as at its end.
 *
 * **Thread:** all calls and callbacks on the loop's thread. */
#ifndef TAPLINE_INGRESS_FEED_H
#define TAPLINE_INGRESS_FEED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include "ingress/clock.h"
#include "ingress/index.h"

#define FEED_ERROR_BYTES 512

struct feed;
struct uv_loop_s;

/* Where a feed delivers. */
struct feed_sink {
    void *context;
    /* A price message; borrowed for the call. Answers as index_quote does: on a refusal the feed
     * says so once and counts. */
    enum status (*on_quote)(void *context, const struct source_quote *quote);
    /* One line for the operator's log; may be NULL. */
    void (*on_word)(void *context, const char *text);
};

struct feed_counts {
    uint64_t quotes;      /* delivered and taken */
    uint64_t refused;     /* not taken by on_quote (a name too many or out of its shape) */
    uint64_t bad_lines;   /* lines: refused lines */
    uint64_t connections; /* lines: open now */
    bool ended;           /* replay: the end of the file, or damage, was reached */
};

/* Parses spec and opens what can be opened before the clock runs (a recording's file and first
 * line).
 * **Owns:** *feed is freed by feed_free. error gets one line for people, without the spec.
 * **Errors:** STATUS_USAGE a spec that is not well formed or a feed this build does not have;
 * STATUS_NOT_FOUND, STATUS_IO the file; STATUS_INVALID the file's format; STATUS_NO_MEMORY. */
MUST_USE enum status feed_open(const char *spec, struct feed **feed, char *error,
                               size_t error_bytes);

/* True for replay: *recording is what clock_init_recording wants. At most one feed of a server may
 * be a recording (two clocks cannot both rule). */
bool feed_recording(const struct feed *feed, struct clock_recording *recording);

/* Begins. The clock outlives the feed and is running. After an error the feed is still to be closed
 * and freed. **Errors:** STATUS_USAGE bad address; STATUS_IN_USE port taken; STATUS_IO;
 * STATUS_NO_MEMORY. */
MUST_USE enum status feed_start(struct feed *feed, struct uv_loop_s *loop, struct clock *clock,
                                const struct feed_sink *sink, char *error, size_t error_bytes);

/* Delivers all quotes with receive time <= receive_ms that were not delivered yet, in order. */
void feed_advance(struct feed *feed, int64_t receive_ms);

void feed_counts(const struct feed *feed, struct feed_counts *counts);

/* The spec as given, for logs. */
const char *feed_spec(const struct feed *feed);

/* The real port of a lines feed (its spec may say 0); 0 for other feeds. */
uint16_t feed_port(const struct feed *feed);

/* Closes sockets; the loop must run on to finish it. */
void feed_close(struct feed *feed);

/* Frees a closed feed after the loop has run empty; NULL is allowed. */
void feed_free(struct feed *feed);

#endif
