/* One connection of the load generator, HTTP kept alive or WebSocket, non-blocking: queues requests
 * as bytes and finds whole answers in what comes back. Each request has a slot; over HTTP there is
 * one slot, over WebSocket the slot's number is the `id` of the op. */
#ifndef TAPLINE_TOOLS_BENCH_LINK_H
#define TAPLINE_TOOLS_BENCH_LINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include "tools/bench/tap_source.h"

enum link_kind {
    LINK_HTTP,
    LINK_WS
};

struct link_bytes {
    char *bytes; /* owned */
    size_t used;
    size_t capacity;
};

struct link {
    enum link_kind kind;
    uint16_t port;
    int descriptor; /* -1: broken and not dialled again */
    struct link_bytes in;
    struct link_bytes out;
};

/* What came back for a slot. */
struct link_answer {
    uint32_t slot;
    unsigned
        status; /* of HTTP; of WebSocket 202 for a reply with a state, else as HTTP would say */
    const char *code; /* of the error object, "" when there is none; NUL terminated */
};

/* Connects (and upgrades) and then makes the socket non-blocking. Owns: link_close.
 * Errors: STATUS_IO no connection; STATUS_INVALID the upgrade was refused. */
MUST_USE enum status link_open(struct link *link, enum link_kind kind, uint16_t port);

/* Queues a tap and sends what the socket takes. Errors: STATUS_IO the connection is broken. */
MUST_USE enum status link_send(struct link *link, uint32_t slot, const struct tap_body *body);

/* Sends what is still queued. Errors: STATUS_IO. */
MUST_USE enum status link_flush(struct link *link);
bool link_wants_to_write(const struct link *link);

/* Reads what there is and tells each answer. Errors: STATUS_IO the connection is broken;
 * STATUS_INVALID what came is no answer of our server. */
MUST_USE enum status link_read(struct link *link, void *context,
                               void (*told)(void *context, const struct link_answer *answer));

/* Closes and frees; may be called on a link that never opened (all zero but descriptor -1). */
void link_close(struct link *link);

#endif
