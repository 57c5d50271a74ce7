/* Inside of the HTTP server: one connection and what the server keeps beside it. Only http_*.c of
 * this folder include this.
 *
 * Normal course of a connection:
 *   HTTP_IDLE -(first byte)-> HTTP_HEAD -> HTTP_BODY -> HTTP_HANDLER -(http_respond)-> HTTP_IDLE
 * ... Bytes that arrive during HTTP_HANDLER wait unparsed in `pending`, and then reading stops. An
 * answer is put into `out` and the connection into the server's list of ready ones; a uv_prepare
 * handle, which runs before the loop sleeps, sends and goes on parsing. So http_respond never calls
 * back into its caller, and answers to pipelined requests leave in one write.
 *
 * Ends: after an answer that says `Connection: close` the connection is HTTP_LINGER: our side is
 * shut down and what still comes in is thrown away for a short time, because closing with unread
 * bytes would make the kernel reset the connection and the peer lose the answer. */
#ifndef TAPLINE_INGRESS_HTTP_CONNECTION_H
#define TAPLINE_INGRESS_HTTP_CONNECTION_H

#include <uv.h>

#include "ingress/http_message.h"
#include "ingress/http_server.h"

#define HTTP_READ_BYTES   65536 /* one read; also the most that waits unparsed */
#define HTTP_OUT_BYTES    65536 /* pipelined answers beyond this wait for the peer to read */
#define HTTP_LINGER_MS    1000
#define HTTP_LINGER_BYTES 262144 /* thrown away at most */
#define HTTP_SLOT_BITS    20     /* of a request id; the rest counts requests */

_Static_assert(HTTP_CONNECTIONS_MAX < (1 << HTTP_SLOT_BITS), "a slot fits an id");
_Static_assert(HTTP_HEAD_BYTES <= HTTP_READ_BYTES, "a head fits what waits unparsed");

enum http_state {
    HTTP_IDLE,
    HTTP_HEAD,
    HTTP_BODY,
    HTTP_HANDLER,
    HTTP_LINGER,
    HTTP_CLOSED, /* uv_close was called */
};

struct http_buffer {
    char *bytes;
    size_t count;
    size_t capacity;
};

struct http_connection {
    uv_tcp_t tcp;
    uv_write_t write;
    uv_shutdown_t shutdown;
    struct http_server *server;
    struct http_connection *next_ready;
    size_t slot;
    enum http_state state;
    uint64_t request_id;  /* of the request in HTTP_HANDLER, else 0 */
    uint64_t deadline_ms; /* of the loop's clock; 0: none */
    struct http_message *message;
    struct http_buffer pending; /* received, not parsed */
    struct http_buffer out;     /* not yet given to the kernel */
    struct http_buffer writing; /* lent to libuv */
    size_t lingered_bytes;
    struct http_peer peer; /* of the socket */
    bool ready;            /* in the server's list */
    bool advancing;        /* http_connection_advance is on the stack */
    bool in_handler;       /* on_request or on_upgrade is on the stack */
    bool reading;
    bool peer_done;   /* the peer has shut down its side */
    bool close_after; /* no further request after the current answer */
    bool head_only;
    bool keep_alive;
    unsigned http_minor;
};

struct http_server {
    uv_loop_t *loop;
    uv_tcp_t listener;
    uv_timer_t sweep;
    uv_prepare_t prepare;        /* sends what is ready */
    uv_idle_t awake;             /* active while something is ready: the loop must not sleep then */
    struct http_options options; /* strings owned */
    uint16_t port;
    struct http_connection **slots;
    size_t *free_slots;
    size_t free_count;
    size_t open_count;
    size_t handle_count; /* libuv handles not yet closed, the server's own and the connections' */
    uint64_t request_count;
    uint64_t make_room_ms; /* of the loop's clock: nobody to evict before */
    struct http_connection *ready_first;
    struct http_connection *ready_last;
    struct http_counters counters;
    const char *upgrade_path;
    void (*on_upgrade)(void *context, const struct http_request *request);
    void *upgrade_context;
    bool draining;
    bool closed;
    int64_t date_s; /* of date_text */
    char date_text[32];
    char *read_buffer; /* HTTP_READ_BYTES, for whichever connection reads */
};

/* Takes a freshly accepted connection into service. */
void http_connection_start(struct http_connection *connection);

/* Sends what is ready and parses on, as far as both go. */
void http_connection_advance(struct http_connection *connection);

/* Has http_connection_advance called before the loop sleeps. */
void http_connection_ready(struct http_connection *connection);

/* Closes at once. The memory lives until libuv is done with it. */
void http_connection_close(struct http_connection *connection);

/* The deadline of the current state has passed. */
void http_connection_expire(struct http_connection *connection);

/* Puts an error answer into `out`, after which the connection ends. */
void http_connection_refuse(struct http_connection *connection, unsigned status,
                            const char *detail);

/* Ends the request in the handler after its answer went into `out`. */
void http_connection_answered(struct http_connection *connection);

/* Appends; false without memory. */
MUST_USE bool http_buffer_append(struct http_buffer *buffer, const void *bytes, size_t count);
void http_buffer_free(struct http_buffer *buffer);

/* One answer, rendered into `out`. */
struct http_answer {
    unsigned status;
    const char *content_type;
    const char *extra_headers;
    const void *body;
    size_t body_bytes;
    bool close;
    bool keep_alive_10; /* HTTP/1.0 with keep-alive wants to be told */
    bool head_only;
};
MUST_USE bool http_answer_render(struct http_server *server, const struct http_answer *answer,
                                 struct http_buffer *out);

/* The address of a socket's peer. */
void http_peer_of_socket(const uv_tcp_t *tcp, struct http_peer *peer);

/* The last element of an X-Forwarded-For value; false (peer untouched) when it is not an address.
 */
MUST_USE bool http_peer_of_header(const char *value, struct http_peer *peer);

#endif
