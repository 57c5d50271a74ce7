/* A small blocking HTTP client for what a benchmark asks besides its load: the grid, the metrics,
 * deposits. One connection, kept alive; requests may be pipelined. Speaks to our own server alone,
 * whose answers carry a Content-Length. */
#ifndef TAPLINE_TOOLS_BENCH_HTTP_CLIENT_H
#define TAPLINE_TOOLS_BENCH_HTTP_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

#define HTTP_CLIENT_WAIT_S 30 /* for an answer; then it counts as none */

struct http_client {
    int descriptor;
    char *bytes; /* received, from the last answer's end on; owned */
    size_t used;
    size_t capacity;
    size_t taken; /* of `bytes`, by the last answer */
};

/* An answer; the body lives until the next call on the client. That of http_client_get is NUL
 * terminated. */
struct http_client_answer {
    unsigned status;
    char *body;
    size_t length;
};

/* A connected TCP socket to 127.0.0.1 that sends at once (TCP_NODELAY), or -1 with errno. */
int http_client_dial(uint16_t port);

/* Owns: http_client_close. Errors: STATUS_IO no connection. */
MUST_USE enum status http_client_open(struct http_client *client, uint16_t port);

/* Sends bytes as they are. Errors: STATUS_IO. */
MUST_USE enum status http_client_send(struct http_client *client, const char *bytes, size_t length);

/* Waits for the next answer. Errors: STATUS_IO the connection broke; STATUS_INVALID no HTTP. */
MUST_USE enum status http_client_receive(struct http_client *client,
                                         struct http_client_answer *answer);

/* GET path. Errors: those of send and receive. */
MUST_USE enum status http_client_get(struct http_client *client, const char *path,
                                     struct http_client_answer *answer);

void http_client_close(struct http_client *client);

/* Looks for one whole answer at the start of bytes[0..length): its status, and body in *answer
 * (borrowed, without NUL). Returns its bytes in all, 0 when more are needed, -1 when this is no
 * answer of our server. */
long http_client_parse(char *bytes, size_t length, struct http_client_answer *answer);

#endif
