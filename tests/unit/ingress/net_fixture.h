/* A little server on loopback in a thread of its own, and a blocking client that speaks raw bytes.
 */
#ifndef TAPLINE_TESTS_NET_FIXTURE_H
#define TAPLINE_TESTS_NET_FIXTURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ingress/http_server.h"
#include "ingress/ws_server.h"
#include "net_client.h"

struct net_server;

struct net_options {
    struct http_options http; /* address, port and callbacks are the fixture's own */
    struct ws_options ws; /* callbacks are the fixture's own (echo), allow_origin the caller's */
    bool with_ws;
    /* Called besides the fixture's own on_open; may be NULL. */
    void (*watch_open)(void *context, uint64_t id, const char *origin,
                       const struct http_peer *peer);
};

/* What the fixture's handler does:
 *   /later?MS     answers after MS milliseconds        /big?BYTES   answers with that many 'x'
 *   /html         text/html                            /peer        the peer's text
 *   /refuse?NNN   http_refuse with that status         /host        the host
 *   /after        answers, then answers the same id once more
 *   /hold         is answered by net_server_release
 *   /push         sends "pushed" to the WebSocket opened last, then answers
 *   else          "METHOD PATH QUERY BODY", text/plain
 * and its WebSocket echo: a text comes back as it is, except "burst N" (N texts of 1000 bytes at
 * once), "close CODE REASON", "twice" (two answers) and "count" (open sockets). */
struct net_server *net_server_start(const struct net_options *options);
uint16_t net_server_port(const struct net_server *server);

/* Runs on the loop's thread and waits for it. */
void net_server_call(struct net_server *server, void (*call)(struct net_server *server, void *to),
                     void *to);
/* Answers the request to /hold that came last; there must be one. */
void net_server_release(struct net_server *server);
struct http_server *net_server_http(struct net_server *server);
struct ws_server *net_server_ws(struct net_server *server);

/* Closes everything, checks that the loop closes clean, and frees. Returns whether all was well:
 * every opened socket was also told closed. */
bool net_server_stop(struct net_server *server);

#endif
