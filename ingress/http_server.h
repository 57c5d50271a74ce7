/* The front door: one TCP listener on the network loop that speaks HTTP/1.0 and 1.1 to anybody,
 * parses strictly (docs/decisions/0020-http-dialect.md) and hands each complete request to one
 * callback. The answer comes by http_respond, at once or later. Requests of one connection are in
 * the handler one at a time, so pipelined answers keep their order. What the protocol itself
 * forbids is answered here and never reaches the callback. A WebSocket upgrade on a registered path
 * is handed to ws_server.
 *
 * It knows no routes, no JSON and no rate limit, starts no thread and does no file I/O. No TLS:
 * that is the reverse proxy's business.
 *
 * Life: http_server_open -> ... -> http_server_drain (optional) -> http_server_close -> the loop
 * runs until empty -> http_server_free.
 * **Thread:** everything here is called on the loop's thread, callbacks run there. */
#ifndef TAPLINE_INGRESS_HTTP_SERVER_H
#define TAPLINE_INGRESS_HTTP_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/limits.h"
#include "base/status.h"

#define HTTP_PEER_TEXT_BYTES    46 /* the longest IPv6 text and NUL */
#define HTTP_PEER_ADDRESS_BYTES 16

/* Limits of a request; reaching one is the answer in brackets. */
#define HTTP_URL_BYTES       2048             /* request target (414) */
#define HTTP_HEADERS_BYTES   8192             /* all header lines (431) */
#define HTTP_HEADERS_COUNT   64               /* header fields (431) */
#define HTTP_BODY_BYTES      LIMIT_BODY_BYTES /* body after decoding (413) */
#define HTTP_CONNECTIONS_MAX 20000            /* default of connections_max */

struct http_server;
struct json;
struct uv_loop_s;

/* Who is at the other end: the socket's address, or what the trusted proxy says. */
struct http_peer {
    char text[HTTP_PEER_TEXT_BYTES];          /* "192.0.2.1", "2001:db8::1" */
    uint8_t address[HTTP_PEER_ADDRESS_BYTES]; /* IPv6 bytes; IPv4 as ::ffff:a.b.c.d */
};

struct http_header {
    const char *name;  /* as received, NUL terminated, only token characters */
    const char *value; /* without surrounding white space, NUL terminated */
};

/* One complete request. **Owns:** the server; everything in it lives for the call of on_request. */
struct http_request {
    uint64_t id;        /* for http_respond; never 0, never used twice */
    const char *method; /* "GET", "POST", ... */
    const char *path;   /* "/v1/bets", raw (not percent-decoded), begins with '/' or is "*" */
    const char *query;  /* what follows '?', raw; "" when there is none */
    const char *host;   /* NULL when absent (HTTP/1.0 only), like those below */
    const char *origin;
    const char *content_type;
    const char *authorization;
    const char *cookie;
    const struct http_header *headers;
    size_t header_count;
    const char *body; /* never NULL, NUL terminated behind its length */
    size_t body_bytes;
    struct http_peer peer;
    unsigned http_minor; /* 0 or 1 */
};

struct http_options {
    const char *address; /* numeric IPv4, numeric IPv6 (without brackets) or "localhost" */
    uint16_t port;       /* 0: any free one, see http_server_port */
    bool trust_proxy; /* the peer is the last element of X-Forwarded-For, when that is an address */
    size_t connections_max;  /* 0: HTTP_CONNECTIONS_MAX or what the descriptor limit allows */
    const char *html_policy; /* Content-Security-Policy of text/html answers; NULL: none */
    const char
        *server_headers; /* further header lines for every answer, "Name: value\r\n"; or NULL */
    /* Milliseconds, 0: the default. */
    unsigned header_timeout_ms; /* 10000: from the first byte of a request to the end of its head */
    unsigned body_timeout_ms;   /* 10000: from there to the end of its body */
    unsigned idle_timeout_ms;   /* 60000: between requests */
    unsigned write_timeout_ms;  /* 30000: for the peer to take an answer */
    void *context;
    /* A request that needs an answer by http_respond or http_refuse, now or later. */
    void (*on_request)(void *context, const struct http_request *request);
    /* Writes the JSON body of an error that the server itself answers (400, 403, 405, 408, 411,
     * 413, 414, 415, 417, 426, 431, 503, 505); detail is one English sentence. NULL: empty bodies.
     */
    void (*render_error)(void *context, unsigned status, const char *detail, struct json *body);
};

/* Counts since start, for metrics. */
struct http_counters {
    uint64_t accepted;     /* connections */
    uint64_t refused;      /* connections turned away at connections_max */
    uint64_t evicted;      /* idle connections closed at connections_max to make room */
    uint64_t requests;     /* handed to on_request or to an upgrade */
    uint64_t errors;       /* answered by the server itself */
    uint64_t timeouts;     /* connections ended by a deadline */
    uint64_t late_answers; /* http_respond to a connection that was gone */
};

/* Binds and listens.
 * **Owns:** strings of options are copied; http_server_free frees. error gets one line for people.
 * **Errors:** STATUS_USAGE bad address; STATUS_IN_USE port taken; STATUS_IO any other refusal of
 * the system; STATUS_NO_MEMORY. */
MUST_USE enum status http_server_open(struct http_server **server, struct uv_loop_s *loop,
                                      const struct http_options *options, char *error,
                                      size_t error_bytes);

/* The real port, also when options said 0. */
uint16_t http_server_port(const struct http_server *server);

/* Open HTTP connections (adopted WebSockets not counted). */
size_t http_server_connections(const struct http_server *server);

void http_server_counters(const struct http_server *server, struct http_counters *counters);

/* The value of the first header of that name (any case), or NULL. */
const char *http_request_header(const struct http_request *request, const char *name);

/* Answers request id. content_type may be NULL (no body type is sent); extra_headers is NULL or
 * whole lines "Name: value\r\n"; everything is copied. Content-Length, Connection, Date and the
 * security headers are the server's. HEAD gets no body. When the connection is gone meanwhile
 * nothing happens. */
void http_respond(struct http_server *server, uint64_t id, unsigned status,
                  const char *content_type, const char *extra_headers, const void *body,
                  size_t body_bytes);

/* Answers request id with what render_error makes of status and detail; the connection stays open.
 */
void http_refuse(struct http_server *server, uint64_t id, unsigned status, const char *detail);

/* Registers the one path that belongs to WebSockets: every request for it goes to on_upgrade
 * instead of on_request. on_upgrade either answers (http_refuse) or takes the socket by
 * http_server_detach, within the call. Used by ws_server. path is borrowed (a literal). */
void http_server_on_upgrade(struct http_server *server, const char *path,
                            void (*on_upgrade)(void *context, const struct http_request *request),
                            void *context);

/* Takes the socket of request id out of the server: returns a duplicate descriptor, non-blocking,
 * owned by the caller, and forgets the connection. -1 when the connection is gone or no descriptor
 * is left; the request then still wants an answer. */
MUST_USE int http_server_detach(struct http_server *server, uint64_t id);

/* Stops accepting, closes idle connections, and closes each other one after its current answer. */
void http_server_drain(struct http_server *server);

/* Closes the listener and every connection at once; the loop must run on to finish it. */
void http_server_close(struct http_server *server);

/* Frees a closed server after the loop has run empty; NULL is allowed. */
void http_server_free(struct http_server *server);

#endif
