/* Inside of the WebSocket server: one socket and the server's own state. Only ws_*.c of this folder
 * include this.
 *
 * Normal course of a socket:
 *   WS_OPEN -(peer's close, or ws_close, or a failure)-> WS_CLOSING: our close frame is queued,
 * texts are refused -(all sent)-> WS_LINGER: our side is shut down, input is thrown away until the
 * peer's end or a deadline -> WS_CLOSED. What is to be sent stands in a queue of shared texts; a
 * uv_prepare handle, which runs before the loop sleeps, sends many of them in one system call. A
 * close that the peer does not take ends by deadline. */
#ifndef TAPLINE_INGRESS_WS_SOCKET_H
#define TAPLINE_INGRESS_WS_SOCKET_H

#include <uv.h>

#include "ingress/ws_frame.h"
#include "ingress/ws_server.h"

#define WS_READ_BYTES      65536
#define WS_SEND_BUFFERS    64    /* texts in one system call */
#define WS_CLOSE_MS        5000  /* for the peer to take and answer a close frame */
#define WS_LINGER_MS       1000  /* for the peer to end the connection after both closed */
#define WS_FLOOD_WINDOW_MS 10000 /* of the limit below */
#define WS_FLOOD_FRAMES    1000  /* pings, pongs and empty fragments within a window (1008) */
#define WS_SLOT_BITS       20

enum ws_state {
    WS_OPEN,
    WS_CLOSING,
    WS_LINGER,
    WS_CLOSED,
};

struct ws_queue {
    struct ws_text **texts; /* a ring */
    size_t first;
    size_t count;
    size_t capacity;
    size_t bytes; /* on the wire, of all texts in it */
};

struct ws_socket {
    uv_tcp_t tcp;
    uv_write_t write;
    uv_shutdown_t shutdown;
    struct ws_server *server;
    struct ws_socket *next_ready;
    uint64_t id;
    enum ws_state state;
    struct ws_reader reader;
    struct ws_queue queue;
    size_t first_sent_bytes; /* of the first text in the queue */
    size_t lent;             /* texts from the front of the queue that libuv is writing */
    uint64_t received_ms;    /* of the loop's clock, as are the next */
    uint64_t pinged_ms;
    uint64_t deadline_ms; /* 0: none */
    uint64_t flood_from_ms;
    unsigned flood_frames;
    bool ready;
    bool peer_closed; /* its close frame has come, or its end, or it failed */
};

struct ws_server {
    uv_loop_t *loop;
    uv_timer_t sweep;
    uv_prepare_t prepare; /* sends what is ready */
    uv_idle_t awake;      /* active while something is ready: the loop must not sleep then */
    struct http_server *http;
    struct ws_options options;
    struct ws_socket **slots;
    size_t *free_slots;
    size_t free_count;
    size_t open_count;
    size_t handle_count;
    uint64_t id_count;
    struct ws_socket *ready_first;
    struct ws_socket *ready_last;
    struct ws_counters counters;
    bool draining;
    bool closed;
    char *read_buffer;
};

/* Makes a socket of a connected descriptor, with `greeting` (the handshake's answer, taken over)
 * first in its queue. NULL: no slot, memory or descriptor; fd is closed then. */
struct ws_socket *ws_socket_open(struct ws_server *server, int fd, struct ws_text *greeting);

/* Queues text (taking the reference over). False: not queued (and released). */
bool ws_socket_queue(struct ws_socket *socket, struct ws_text *text);

/* Begins our side of the close; a second one changes nothing. */
void ws_socket_close(struct ws_socket *socket, unsigned code, const char *reason);

/* Ends it at once. */
void ws_socket_drop(struct ws_socket *socket);

/* Sends as far as it goes. */
void ws_socket_flush(struct ws_socket *socket);

/* Pings, and ends what is past its time. */
void ws_socket_sweep(struct ws_socket *socket, uint64_t now_ms);

/* The queue's parts. */
MUST_USE bool ws_queue_push(struct ws_queue *queue, struct ws_text *text);
struct ws_text *ws_queue_at(const struct ws_queue *queue, size_t index);
void ws_queue_shift(struct ws_queue *queue);            /* releases the first */
void ws_queue_cut(struct ws_queue *queue, size_t keep); /* releases all behind the first `keep` */
void ws_queue_free(struct ws_queue *queue);

/* The text that answers a valid upgrade. key is the client's Sec-WebSocket-Key. NULL: no memory. */
struct ws_text *ws_handshake_answer(const char *key, bool with_subprotocol);

/* What is wrong with an upgrade request; status 0: nothing. with_subprotocol: ours was offered. */
struct http_request;
struct ws_refusal {
    unsigned status;
    const char *detail;
};
struct ws_refusal ws_handshake_check(const struct http_request *request, bool *with_subprotocol);

#endif
