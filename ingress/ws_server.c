#include "ingress/ws_server.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "ingress/http_server.h"
#include "ingress/ws_socket.h"

static const uint64_t SLOT_MASK = ((uint64_t)1 << WS_SLOT_BITS) - 1;

_Static_assert(HTTP_CONNECTIONS_MAX < (1 << WS_SLOT_BITS), "a slot fits an id");
_Static_assert(WS_MESSAGE_BYTES < WS_QUEUE_BYTES, "a message fits a queue");

static void refuse(struct ws_server *server, const struct http_request *request, unsigned status,
                   const char *detail)
{
    server->counters.refused += 1;
    http_refuse(server->http, request->id, status, detail);
}

static void on_upgrade(void *context, const struct http_request *request)
{
    struct ws_server *server = context;
    const struct ws_options *options = &server->options;
    bool with_subprotocol = false;
    const struct ws_refusal refusal = ws_handshake_check(request, &with_subprotocol);
    if (refusal.status != 0) {
        refuse(server, request, refusal.status, refusal.detail);
        return;
    }
    if (options->allow_origin != NULL &&
        !options->allow_origin(options->context, request->origin)) {
        refuse(server, request, 403, "This origin is not on the list.");
        return;
    }
    if (server->draining || server->free_count == 0) {
        refuse(server, request, 503,
               server->draining ? "The server is draining." : "Too many connections.");
        return;
    }
    struct ws_text *answer =
        ws_handshake_answer(http_request_header(request, "Sec-WebSocket-Key"), with_subprotocol);
    const int fd = answer == NULL ? -1 : http_server_detach(server->http, request->id);
    if (fd < 0) {
        ws_text_release(answer);
        refuse(server, request, 503, "No descriptor or memory is left.");
        return;
    }
    struct ws_socket *socket = ws_socket_open(server, fd, answer);
    if (socket != NULL && options->on_open != NULL) {
        options->on_open(options->context, socket->id, request->origin, &request->peer);
    }
}

static void on_prepare(uv_prepare_t *prepare)
{
    struct ws_server *server = prepare->data;
    while (server->ready_first != NULL) {
        struct ws_socket *socket = server->ready_first;
        server->ready_first = socket->next_ready;
        if (server->ready_first == NULL) {
            server->ready_last = NULL;
        }
        socket->ready = false;
        ws_socket_flush(socket);
    }
    uv_idle_stop(&server->awake); /* always 0 */
}

static void on_sweep(uv_timer_t *timer)
{
    struct ws_server *server = timer->data;
    const uint64_t now_ms = uv_now(server->loop);
    for (size_t i = 0; i < server->options.connections_max; i++) {
        if (server->slots[i] != NULL) {
            ws_socket_sweep(server->slots[i], now_ms);
        }
    }
}

static void on_own_closed(uv_handle_t *handle)
{
    struct ws_server *server = handle->data;
    server->handle_count -= 1;
}

static void start_handles(struct ws_server *server)
{
    const unsigned ping_ms = server->options.ping_interval_ms;
    const unsigned dead_ms = server->options.dead_after_ms;
    const unsigned shorter_ms = ping_ms < dead_ms ? ping_ms : dead_ms;
    const unsigned sweep_ms = shorter_ms / 4 + 1 < 500 ? shorter_ms / 4 + 1 : 500;
    CHECK(uv_timer_init(server->loop, &server->sweep) == 0);
    CHECK(uv_prepare_init(server->loop, &server->prepare) == 0);
    CHECK(uv_idle_init(server->loop, &server->awake) == 0);
    server->sweep.data = server;
    server->prepare.data = server;
    server->awake.data = server;
    server->handle_count = 3;
    CHECK(uv_timer_start(&server->sweep, on_sweep, sweep_ms, sweep_ms) == 0);
    CHECK(uv_prepare_start(&server->prepare, on_prepare) == 0);
}

static void release(struct ws_server *server)
{
    free(server->slots);
    free(server->free_slots);
    free(server->read_buffer);
    free(server);
}

enum status ws_server_open(struct ws_server **server, struct uv_loop_s *loop,
                           struct http_server *http, const struct ws_options *options)
{
    struct ws_server *made = calloc(1, sizeof *made);
    if (made == NULL) {
        return STATUS_NO_MEMORY;
    }
    struct ws_options *own = &made->options;
    *own = *options;
    own->connections_max = own->connections_max == 0 ? HTTP_CONNECTIONS_MAX : own->connections_max;
    own->queue_bytes_max = own->queue_bytes_max == 0 ? WS_QUEUE_BYTES : own->queue_bytes_max;
    own->ping_interval_ms = own->ping_interval_ms == 0 ? 20000 : own->ping_interval_ms;
    own->dead_after_ms = own->dead_after_ms == 0 ? 60000 : own->dead_after_ms;
    CHECK(own->connections_max <= SLOT_MASK);
    made->loop = loop;
    made->http = http;
    made->slots = calloc(own->connections_max, sizeof *made->slots);
    made->free_slots = calloc(own->connections_max, sizeof *made->free_slots);
    made->read_buffer = malloc(WS_READ_BYTES);
    if (made->slots == NULL || made->free_slots == NULL || made->read_buffer == NULL) {
        release(made);
        return STATUS_NO_MEMORY;
    }
    for (size_t i = 0; i < own->connections_max; i++) {
        made->free_slots[i] = own->connections_max - 1 - i;
    }
    made->free_count = own->connections_max;
    start_handles(made);
    http_server_on_upgrade(http, WS_PATH, on_upgrade, made);
    *server = made;
    return STATUS_OK;
}

static struct ws_socket *find(const struct ws_server *server, uint64_t id)
{
    const size_t slot = (size_t)(id & SLOT_MASK);
    if (slot >= server->options.connections_max || server->slots[slot] == NULL ||
        server->slots[slot]->id != id) {
        return NULL;
    }
    return server->slots[slot];
}

size_t ws_server_count(const struct ws_server *server)
{
    return server->open_count;
}

void ws_server_counters(const struct ws_server *server, struct ws_counters *counters)
{
    *counters = server->counters;
}

bool ws_send_shared(struct ws_server *server, uint64_t id, struct ws_text *text)
{
    struct ws_socket *socket = find(server, id);
    return socket != NULL && ws_socket_queue(socket, ws_text_share(text));
}

bool ws_send(struct ws_server *server, uint64_t id, const char *text, size_t length)
{
    struct ws_socket *socket = find(server, id);
    if (socket == NULL) {
        return false;
    }
    struct ws_text *copy = ws_text_make(text, length);
    if (copy == NULL) {
        ws_socket_drop(socket); /* a gap in what it is told would be worse than its end */
        return false;
    }
    return ws_socket_queue(socket, copy);
}

size_t ws_queued(const struct ws_server *server, uint64_t id)
{
    const struct ws_socket *socket = find(server, id);
    return socket == NULL ? 0 : socket->queue.bytes;
}

void ws_close(struct ws_server *server, uint64_t id, unsigned code, const char *reason)
{
    struct ws_socket *socket = find(server, id);
    if (socket != NULL) {
        ws_socket_close(socket, code, reason);
    }
}

void ws_server_drain(struct ws_server *server, unsigned code, const char *reason)
{
    server->draining = true;
    for (size_t i = 0; i < server->options.connections_max; i++) {
        if (server->slots[i] != NULL) {
            ws_socket_close(server->slots[i], code, reason);
        }
    }
}

void ws_server_close(struct ws_server *server)
{
    if (server->closed) {
        return;
    }
    server->closed = true;
    server->draining = true;
    for (size_t i = 0; i < server->options.connections_max; i++) {
        if (server->slots[i] != NULL) {
            ws_socket_drop(server->slots[i]);
        }
    }
    uv_close((uv_handle_t *)&server->sweep, on_own_closed);
    uv_close((uv_handle_t *)&server->prepare, on_own_closed);
    uv_close((uv_handle_t *)&server->awake, on_own_closed);
}

void ws_server_free(struct ws_server *server)
{
    if (server == NULL) {
        return;
    }
    CHECK(server->closed);
    CHECK(server->handle_count == 0);
    release(server);
}
