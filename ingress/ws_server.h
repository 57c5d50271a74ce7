/* WebSockets behind the front door: checks the upgrade (path /v1/ws, version 13, key, subprotocol,
 * origin), takes the socket over from the HTTP server, and gives whole text messages to one
 * callback. Sends from bounded queues, cuts readers that are too slow, pings, and drops the dead.
 * It knows nothing of JSON, channels or accounts. No extensions: permessage-deflate is never
 * negotiated (docs/decisions/0021-websocket-dialect.md).
 *
 * Life: http_server_open -> ws_server_open -> ... -> ws_server_drain (optional) -> ws_server_close
 * and http_server_close -> the loop runs until empty (on_close still comes) -> ws_server_free and
 * http_server_free.
 * **Thread:** everything is called on the loop's thread and callbacks run there, except for
 * ws_text_*. */
#ifndef TAPLINE_INGRESS_WS_SERVER_H
#define TAPLINE_INGRESS_WS_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/limits.h"
#include "base/status.h"

#define WS_PATH          "/v1/ws"
#define WS_SUBPROTOCOL   "tapline.v1"
#define WS_MESSAGE_BYTES LIMIT_BODY_BYTES /* a longer message ends the socket with 1009 */
#define WS_QUEUE_BYTES   (256 * 1024)     /* default of queue_bytes_max */
#define WS_REASON_BYTES  120              /* of a close reason; longer ones are cut */

/* Close codes that the callers use (RFC 6455 section 7.4, IANA registry). */
#define WS_CLOSE_GOING_AWAY 1001
#define WS_CLOSE_POLICY     1008
#define WS_CLOSE_TRY_LATER  1013

struct http_peer;
struct http_server;
struct uv_loop_s;
struct ws_server;
struct ws_text;

struct ws_options {
    size_t connections_max;    /* 0: HTTP_CONNECTIONS_MAX; one more upgrade gets 503 */
    size_t queue_bytes_max;    /* per socket; 0: WS_QUEUE_BYTES */
    unsigned ping_interval_ms; /* 0: 20000 */
    unsigned dead_after_ms;    /* 0: 60000 without anything received */
    void *context;
    /* May a page of this origin (NULL: no Origin header, a bot) connect? NULL: everybody may. */
    bool (*allow_origin)(void *context, const char *origin);
    /* A socket is ready to send and receive. origin (or NULL) and peer live for the call. */
    void (*on_open)(void *context, uint64_t id, const char *origin, const struct http_peer *peer);
    /* One whole text message, valid UTF-8, at most WS_MESSAGE_BYTES; borrowed for the call. */
    void (*on_message)(void *context, uint64_t id, const char *text, size_t length);
    /* Exactly once for each on_open, whoever ended it. id is dead from here on. */
    void (*on_close)(void *context, uint64_t id);
};

/* Counts since start, for metrics. */
struct ws_counters {
    uint64_t opened;
    uint64_t refused;  /* upgrades answered with an error */
    uint64_t messages; /* received and delivered */
    uint64_t sent;     /* frames handed to the kernel */
    uint64_t cut_slow; /* closed with 1013: their queue was full */
    uint64_t cut_dead; /* dropped: nothing received for dead_after_ms */
};

/* Begins to serve WS_PATH on an open HTTP server.
 * **Owns:** ws_server_free frees. **Errors:** STATUS_NO_MEMORY. */
MUST_USE enum status ws_server_open(struct ws_server **server, struct uv_loop_s *loop,
                                    struct http_server *http, const struct ws_options *options);

/* Open sockets. */
size_t ws_server_count(const struct ws_server *server);

void ws_server_counters(const struct ws_server *server, struct ws_counters *counters);

/* A text to send, shared by as many sockets as wanted: length bytes of UTF-8, copied once.
 * **Owns:** the caller holds one reference and gives it up by ws_text_release; NULL without memory.
 * **Thread:** any; a text may be made on one thread, sent on the loop's and released on either. */
struct ws_text *ws_text_make(const char *text, size_t length);
void ws_text_release(struct ws_text *text);

/* Queues text for socket id (taking a reference of its own). When the queue is full the socket is
 * closed with 1013 and its queue dropped. False: not queued, the id is dead, closing or was cut
 * now. */
bool ws_send_shared(struct ws_server *server, uint64_t id, struct ws_text *text);

/* The same with a copy of text[0..length). */
bool ws_send(struct ws_server *server, uint64_t id, const char *text, size_t length);

/* Bytes that wait in the queue of socket id; 0 for a dead id. */
size_t ws_queued(const struct ws_server *server, uint64_t id);

/* Sends what is queued, then a close frame with code and reason, and drops the socket when the peer
 * does not take it within a few seconds. on_close follows later, never from inside this call. */
void ws_close(struct ws_server *server, uint64_t id, unsigned code, const char *reason);

/* Refuses new upgrades with 503 and closes every socket like ws_close. */
void ws_server_drain(struct ws_server *server, unsigned code, const char *reason);

/* Ends every socket at once and releases the loop's handles; the loop must run on to finish it. */
void ws_server_close(struct ws_server *server);

/* Frees a closed server after the loop has run empty; NULL is allowed. */
void ws_server_free(struct ws_server *server);

#endif
