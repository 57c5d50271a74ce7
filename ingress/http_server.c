#include "ingress/http_server.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/check.h"
#include "base/json.h"
#include "ingress/http_connection.h"

#define BACKLOG              4096
#define DESCRIPTORS_RESERVED 256  /* files, databases, feeds */
#define EVICT_IDLE_MS        1000 /* who is idle for less is not made to give way */
#define EVICT_PAUSE_MS       100

static const uint64_t SLOT_MASK = ((uint64_t)1 << HTTP_SLOT_BITS) - 1;

/* Somebody too many: a word, if the kernel takes it at once, and away. */
static void turn_away(struct http_server *server, struct http_connection *connection)
{
    struct http_buffer out = {0};
    struct json body = {0};
    server->counters.refused += 1;
    if (server->options.render_error != NULL) {
        server->options.render_error(server->options.context, 503, "Too many connections.", &body);
    }
    const struct http_answer answer = {
        .status = 503,
        .content_type = body.length > 0 ? "application/json" : NULL,
        .extra_headers = "Retry-After: 1\r\n",
        .body = body.text,
        .body_bytes = body.length,
        .close = true,
    };
    if (!body.failed && http_answer_render(server, &answer, &out)) {
        uv_buf_t buffer = uv_buf_init(out.bytes, (unsigned)out.count);
        (void)uv_try_write((uv_stream_t *)&connection->tcp, &buffer, 1); /* a courtesy only */
    }
    http_buffer_free(&out);
    json_text_free(&body);
}

static void on_turned_away(uv_handle_t *handle)
{
    struct http_connection *connection = handle->data;
    connection->server->handle_count -= 1;
    free(connection);
}

/* With every slot taken, whoever has been idle for the longest gives way, so that connections which
 * do nothing cannot lock everybody out. Looks at all slots, so not more often than now and then. */
static void make_room(struct http_server *server)
{
    const struct http_options *options = &server->options;
    const uint64_t now_ms = uv_now(server->loop);
    struct http_connection *idlest = NULL;
    if (server->free_count > 0 || now_ms < server->make_room_ms) {
        return;
    }
    for (size_t i = 0; i < options->connections_max; i++) {
        struct http_connection *connection = server->slots[i];
        if (connection != NULL && connection->state == HTTP_IDLE && !connection->ready &&
            connection->writing.count == 0 &&
            (idlest == NULL || connection->deadline_ms < idlest->deadline_ms)) {
            idlest = connection;
        }
    }
    if (idlest == NULL || idlest->deadline_ms + EVICT_IDLE_MS > now_ms + options->idle_timeout_ms) {
        server->make_room_ms = now_ms + EVICT_PAUSE_MS;
        return;
    }
    server->counters.evicted += 1;
    http_connection_close(idlest);
}

static void on_connection(uv_stream_t *listener, int status)
{
    struct http_server *server = listener->data;
    struct http_connection *connection = status == 0 ? calloc(1, sizeof *connection) : NULL;
    if (connection == NULL) {
        server->counters.refused += 1; /* no descriptor or no memory; libuv goes on */
        return;
    }
    connection->server = server;
    CHECK(uv_tcp_init(server->loop, &connection->tcp) == 0);
    connection->tcp.data = connection;
    server->handle_count += 1;
    make_room(server);
    if (uv_accept(listener, (uv_stream_t *)&connection->tcp) != 0 || server->free_count == 0) {
        turn_away(server, connection);
        uv_close((uv_handle_t *)&connection->tcp, on_turned_away);
        return;
    }
    server->free_count -= 1;
    server->open_count += 1;
    server->counters.accepted += 1;
    connection->slot = server->free_slots[server->free_count];
    server->slots[connection->slot] = connection;
    http_connection_start(connection);
}

static void on_sweep(uv_timer_t *timer)
{
    struct http_server *server = timer->data;
    const uint64_t now_ms = uv_now(server->loop);
    for (size_t i = 0; i < server->options.connections_max; i++) {
        struct http_connection *connection = server->slots[i];
        if (connection != NULL && connection->deadline_ms != 0 &&
            connection->deadline_ms <= now_ms) {
            http_connection_expire(connection);
        }
    }
}

/* Takes the connections that are ready now; those that become ready meanwhile come as well, for the
 * loop would otherwise fall asleep over them. */
static void on_prepare(uv_prepare_t *prepare)
{
    struct http_server *server = prepare->data;
    while (server->ready_first != NULL) {
        struct http_connection *connection = server->ready_first;
        server->ready_first = connection->next_ready;
        if (server->ready_first == NULL) {
            server->ready_last = NULL;
        }
        connection->ready = false;
        http_connection_advance(connection);
    }
    uv_idle_stop(&server->awake); /* always 0 */
}

static unsigned or_default(unsigned value, unsigned fallback)
{
    return value == 0 ? fallback : value;
}

static size_t connections_allowed(size_t wanted)
{
    struct rlimit limit;
    size_t allowed = wanted == 0 ? HTTP_CONNECTIONS_MAX : wanted;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY) {
        const size_t descriptors = (size_t)limit.rlim_cur;
        const size_t left =
            descriptors > 2 * DESCRIPTORS_RESERVED ? descriptors - DESCRIPTORS_RESERVED : 64;
        allowed = allowed < left ? allowed : left;
    }
    const size_t most = (size_t)SLOT_MASK;
    return allowed < most ? allowed : most;
}

/* Copies options with their defaults; false without memory. */
static bool copy_options(struct http_server *server, const struct http_options *options)
{
    struct http_options *own = &server->options;
    *own = *options;
    own->address = NULL;
    own->html_policy = NULL;
    own->server_headers = NULL;
    own->connections_max = connections_allowed(options->connections_max);
    own->header_timeout_ms = or_default(options->header_timeout_ms, 10000);
    own->body_timeout_ms = or_default(options->body_timeout_ms, 10000);
    own->idle_timeout_ms = or_default(options->idle_timeout_ms, 60000);
    own->write_timeout_ms = or_default(options->write_timeout_ms, 30000);
    if (options->html_policy != NULL) {
        own->html_policy = strdup(options->html_policy);
    }
    if (options->server_headers != NULL) {
        own->server_headers = strdup(options->server_headers);
    }
    return (options->html_policy == NULL) == (own->html_policy == NULL) &&
           (options->server_headers == NULL) == (own->server_headers == NULL);
}

static void release(struct http_server *server)
{
    free((char *)server->options.html_policy);
    free((char *)server->options.server_headers);
    free(server->slots);
    free(server->free_slots);
    free(server->read_buffer);
    free(server);
}

static struct http_server *make(uv_loop_t *loop, const struct http_options *options)
{
    struct http_server *server = calloc(1, sizeof *server);
    if (server == NULL) {
        return NULL;
    }
    server->loop = loop;
    const bool copied = copy_options(server, options);
    const size_t count = server->options.connections_max;
    server->slots = calloc(count, sizeof *server->slots);
    server->free_slots = calloc(count, sizeof *server->free_slots);
    server->read_buffer = malloc(HTTP_READ_BYTES);
    if (!copied || server->slots == NULL || server->free_slots == NULL ||
        server->read_buffer == NULL) {
        release(server);
        return NULL;
    }
    for (size_t i = 0; i < count; i++) {
        server->free_slots[i] = count - 1 - i;
    }
    server->free_count = count;
    return server;
}

static int parse_address(const struct http_options *options, struct sockaddr_storage *address)
{
    const char *text = strcmp(options->address, "localhost") == 0 ? "127.0.0.1" : options->address;
    if (uv_ip4_addr(text, options->port, (struct sockaddr_in *)address) == 0) {
        return 0;
    }
    return uv_ip6_addr(text, options->port, (struct sockaddr_in6 *)address);
}

static int bind_and_listen(struct http_server *server, const struct sockaddr_storage *address)
{
    struct sockaddr_storage bound;
    int bytes = sizeof bound;
    int result = uv_tcp_bind(&server->listener, (const struct sockaddr *)address, 0);
    if (result == 0) {
        result = uv_listen((uv_stream_t *)&server->listener, BACKLOG, on_connection);
    }
    if (result == 0) {
        result = uv_tcp_getsockname(&server->listener, (struct sockaddr *)&bound, &bytes);
    }
    if (result != 0) {
        return result;
    }
    /* sin_port and sin6_port lie at the same place. */
    const struct sockaddr_in *ip4 = (const struct sockaddr_in *)&bound;
    server->port = ntohs(ip4->sin_port);
    return 0;
}

static void on_own_closed(uv_handle_t *handle)
{
    struct http_server *server = handle->data;
    server->handle_count -= 1;
}

/* Of a server that could not listen; its handles close in the loop's own time. */
static void on_failed_closed(uv_handle_t *handle)
{
    struct http_server *server = handle->data;
    server->handle_count -= 1;
    if (server->handle_count == 0) {
        release(server);
    }
}

static void start_handles(struct http_server *server)
{
    const struct http_options *options = &server->options;
    const unsigned timeouts[] = {options->header_timeout_ms, options->body_timeout_ms,
                                 options->idle_timeout_ms, options->write_timeout_ms};
    unsigned sweep_ms = 500;
    for (size_t i = 0; i < sizeof timeouts / sizeof timeouts[0]; i++) {
        const unsigned quarter = timeouts[i] / 4 + 1;
        sweep_ms = quarter < sweep_ms ? quarter : sweep_ms;
    }
    CHECK(uv_tcp_init(server->loop, &server->listener) == 0);
    CHECK(uv_timer_init(server->loop, &server->sweep) == 0);
    CHECK(uv_prepare_init(server->loop, &server->prepare) == 0);
    CHECK(uv_idle_init(server->loop, &server->awake) == 0);
    server->listener.data = server;
    server->sweep.data = server;
    server->prepare.data = server;
    server->awake.data = server;
    server->handle_count = 4;
    CHECK(uv_timer_start(&server->sweep, on_sweep, sweep_ms, sweep_ms) == 0);
    CHECK(uv_prepare_start(&server->prepare, on_prepare) == 0);
}

enum status http_server_open(struct http_server **server, struct uv_loop_s *loop,
                             const struct http_options *options, char *error, size_t error_bytes)
{
    struct sockaddr_storage address = {0};
    CHECK(options->on_request != NULL);
    if (parse_address(options, &address) != 0) {
        snprintf(error, error_bytes, "'%s' is not a numeric address to listen on",
                 options->address);
        return STATUS_USAGE;
    }
    struct http_server *made = make(loop, options);
    if (made == NULL) {
        snprintf(error, error_bytes, "no memory for the HTTP server");
        return STATUS_NO_MEMORY;
    }
    start_handles(made);
    const int result = bind_and_listen(made, &address);
    if (result != 0) {
        snprintf(error, error_bytes, "cannot listen on %s port %u: %s", options->address,
                 options->port, uv_strerror(result));
        uv_close((uv_handle_t *)&made->listener, on_failed_closed);
        uv_close((uv_handle_t *)&made->sweep, on_failed_closed);
        uv_close((uv_handle_t *)&made->prepare, on_failed_closed);
        uv_close((uv_handle_t *)&made->awake, on_failed_closed);
        return result == UV_EADDRINUSE ? STATUS_IN_USE : STATUS_IO;
    }
    *server = made;
    return STATUS_OK;
}

uint16_t http_server_port(const struct http_server *server)
{
    return server->port;
}

size_t http_server_connections(const struct http_server *server)
{
    return server->open_count;
}

void http_server_counters(const struct http_server *server, struct http_counters *counters)
{
    *counters = server->counters;
}

/* The connection whose handler has request id, or NULL. */
static struct http_connection *find(struct http_server *server, uint64_t id)
{
    const size_t slot = (size_t)(id & SLOT_MASK);
    if (id == 0 || slot >= server->options.connections_max || server->slots[slot] == NULL ||
        server->slots[slot]->request_id != id) {
        return NULL;
    }
    return server->slots[slot];
}

void http_respond(struct http_server *server, uint64_t id, unsigned status,
                  const char *content_type, const char *extra_headers, const void *body,
                  size_t body_bytes)
{
    struct http_connection *connection = find(server, id);
    if (connection == NULL) {
        server->counters.late_answers += 1;
        return;
    }
    const bool close = !connection->keep_alive || connection->close_after || server->draining;
    const struct http_answer answer = {
        .status = status,
        .content_type = content_type,
        .extra_headers = extra_headers,
        .body = body,
        .body_bytes = body_bytes,
        .close = close,
        .keep_alive_10 = connection->http_minor == 0,
        .head_only = connection->head_only,
    };
    if (!http_answer_render(server, &answer, &connection->out)) {
        http_connection_close(connection);
        return;
    }
    http_connection_answered(connection);
}

void http_refuse(struct http_server *server, uint64_t id, unsigned status, const char *detail)
{
    struct json body = {0};
    if (server->options.render_error != NULL) {
        server->options.render_error(server->options.context, status, detail, &body);
    }
    /* RFC 9110 section 15.5.22 and RFC 6455 section 4.4 want these with 426. */
    const char *extra =
        status == 426 ? "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n" : NULL;
    server->counters.errors += 1;
    http_respond(server, id, status, body.length > 0 ? "application/json" : NULL, extra, body.text,
                 body.failed ? 0 : body.length);
    json_text_free(&body);
}

void http_server_on_upgrade(struct http_server *server, const char *path,
                            void (*on_upgrade)(void *context, const struct http_request *request),
                            void *context)
{
    server->upgrade_path = path;
    server->on_upgrade = on_upgrade;
    server->upgrade_context = context;
}

int http_server_detach(struct http_server *server, uint64_t id)
{
    struct http_connection *connection = find(server, id);
    uv_os_fd_t socket;
    CHECK(connection != NULL);
    CHECK(connection->in_handler);
    if (connection->out.count > 0 || connection->writing.count > 0 ||
        uv_fileno((uv_handle_t *)&connection->tcp, &socket) != 0) {
        return -1;
    }
    const int copy = fcntl(socket, F_DUPFD_CLOEXEC, 0);
    if (copy >= 0) {
        http_connection_close(connection);
    }
    return copy;
}

static void stop_listening(struct http_server *server)
{
    if (!uv_is_closing((uv_handle_t *)&server->listener)) {
        uv_close((uv_handle_t *)&server->listener, on_own_closed);
    }
}

void http_server_drain(struct http_server *server)
{
    server->draining = true;
    stop_listening(server);
    for (size_t i = 0; i < server->options.connections_max; i++) {
        struct http_connection *connection = server->slots[i];
        if (connection != NULL && connection->state == HTTP_IDLE &&
            connection->pending.count == 0) {
            connection->close_after = true;
            http_connection_ready(connection);
        }
    }
}

void http_server_close(struct http_server *server)
{
    if (server->closed) {
        return;
    }
    server->closed = true;
    stop_listening(server);
    for (size_t i = 0; i < server->options.connections_max; i++) {
        if (server->slots[i] != NULL) {
            http_connection_close(server->slots[i]);
        }
    }
    uv_close((uv_handle_t *)&server->sweep, on_own_closed);
    uv_close((uv_handle_t *)&server->prepare, on_own_closed);
    uv_close((uv_handle_t *)&server->awake, on_own_closed);
}

void http_server_free(struct http_server *server)
{
    if (server == NULL) {
        return;
    }
    CHECK(server->closed);
    CHECK(server->handle_count == 0);
    release(server);
}
