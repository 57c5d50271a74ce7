#include "ingress/http_connection.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/json.h"

static uint64_t deadline_in(const struct http_connection *connection, unsigned timeout_ms)
{
    return uv_now(connection->server->loop) + timeout_ms;
}

static void enter(struct http_connection *connection, enum http_state state)
{
    const struct http_options *options = &connection->server->options;
    connection->state = state;
    switch (state) {
    case HTTP_IDLE:
        connection->deadline_ms = deadline_in(connection, options->idle_timeout_ms);
        break;
    case HTTP_HEAD:
        connection->deadline_ms = deadline_in(connection, options->header_timeout_ms);
        break;
    case HTTP_BODY:
        connection->deadline_ms = deadline_in(connection, options->body_timeout_ms);
        break;
    case HTTP_HANDLER:
    case HTTP_CLOSED:
        connection->deadline_ms = 0; /* the handler answers for its own time */
        break;
    case HTTP_LINGER:
        connection->deadline_ms = deadline_in(connection, HTTP_LINGER_MS);
        break;
    }
}

static void drop_message(struct http_connection *connection)
{
    free(connection->message);
    connection->message = NULL;
}

static void on_closed(uv_handle_t *handle)
{
    struct http_connection *connection = handle->data;
    connection->server->handle_count -= 1;
    drop_message(connection);
    http_buffer_free(&connection->pending);
    http_buffer_free(&connection->out);
    http_buffer_free(&connection->writing);
    free(connection);
}

static void leave_ready_list(struct http_connection *connection)
{
    struct http_server *server = connection->server;
    if (!connection->ready) {
        return;
    }
    struct http_connection *before = NULL;
    struct http_connection *at = server->ready_first;
    while (at != connection) {
        before = at;
        at = at->next_ready;
    }
    if (before == NULL) {
        server->ready_first = connection->next_ready;
    } else {
        before->next_ready = connection->next_ready;
    }
    if (server->ready_last == connection) {
        server->ready_last = before;
    }
    connection->ready = false;
}

void http_connection_close(struct http_connection *connection)
{
    struct http_server *server = connection->server;
    if (connection->state == HTTP_CLOSED) {
        return;
    }
    leave_ready_list(connection);
    enter(connection, HTTP_CLOSED);
    connection->request_id = 0;
    server->slots[connection->slot] = NULL;
    server->free_slots[server->free_count] = connection->slot;
    server->free_count += 1;
    server->open_count -= 1;
    uv_close((uv_handle_t *)&connection->tcp, on_closed);
}

/* Nothing to do: that it is active keeps the loop from sleeping over what became ready after the
 * prepare handle had run. */
static void on_awake(uv_idle_t *awake)
{
    (void)awake;
}

void http_connection_ready(struct http_connection *connection)
{
    struct http_server *server = connection->server;
    if (connection->ready || connection->advancing || connection->state == HTTP_CLOSED) {
        return;
    }
    connection->ready = true;
    connection->next_ready = NULL;
    if (server->ready_last == NULL) {
        server->ready_first = connection;
        CHECK(uv_idle_start(&server->awake, on_awake) == 0);
    } else {
        server->ready_last->next_ready = connection;
    }
    server->ready_last = connection;
}

void http_connection_answered(struct http_connection *connection)
{
    connection->request_id = 0;
    connection->close_after |= !connection->keep_alive || connection->server->draining;
    enter(connection, HTTP_IDLE);
    http_connection_ready(connection);
}

void http_connection_refuse(struct http_connection *connection, unsigned status, const char *detail)
{
    struct http_server *server = connection->server;
    struct json body = {0};
    server->counters.errors += 1;
    if (server->options.render_error != NULL) {
        server->options.render_error(server->options.context, status, detail, &body);
    }
    const struct http_answer answer = {
        .status = status,
        .content_type = body.length > 0 ? "application/json" : NULL,
        .body = body.text,
        .body_bytes = body.failed ? 0 : body.length,
        .close = true,
    };
    connection->close_after = true;
    connection->request_id = 0;
    drop_message(connection);
    enter(connection, HTTP_IDLE);
    if (!http_answer_render(server, &answer, &connection->out)) {
        http_connection_close(connection);
    }
    json_text_free(&body);
}

/* Gives the whole request to whom it belongs. The message lives until that call returns. */
static void hand_over(struct http_connection *connection, bool more_input)
{
    struct http_server *server = connection->server;
    struct http_message *message = connection->message;
    struct http_request *request = &message->request;
    const char *forwarded = http_request_header(request, "X-Forwarded-For");

    request->peer = connection->peer;
    if (server->options.trust_proxy && forwarded != NULL &&
        !http_peer_of_header(forwarded, &request->peer)) {
        request->peer = connection->peer; /* not an address: the proxy itself is all we know */
    }
    const bool upgrade =
        server->upgrade_path != NULL && strcmp(request->path, server->upgrade_path) == 0;
    if (upgrade && more_input) {
        http_connection_refuse(connection, 400, "Bytes follow the upgrade request.");
        return;
    }
    server->request_count += 1;
    server->counters.requests += 1;
    request->id = server->request_count << HTTP_SLOT_BITS | connection->slot;
    connection->request_id = request->id;
    connection->keep_alive = message->keep_alive;
    connection->head_only = message->head_only;
    connection->http_minor = request->http_minor;
    connection->message = NULL;
    enter(connection, HTTP_HANDLER);
    connection->in_handler = true;
    if (upgrade) {
        server->on_upgrade(server->upgrade_context, request);
    } else {
        server->options.on_request(server->options.context, request);
    }
    connection->in_handler = false;
    free(message);
}

static bool begin_message(struct http_connection *connection)
{
    connection->message = malloc(sizeof *connection->message);
    if (connection->message == NULL) {
        http_connection_close(connection);
        return false;
    }
    http_message_init(connection->message);
    enter(connection, HTTP_HEAD);
    return true;
}

/* The head is complete: a client that asked may now be told to send its body. */
static void end_head(struct http_connection *connection, bool more_input)
{
    static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";
    struct http_message *message = connection->message;
    if (!message->has_body) {
        hand_over(connection, more_input);
        return;
    }
    enter(connection, HTTP_BODY);
    if (message->expects_continue && !more_input &&
        !http_buffer_append(&connection->out, go_on, sizeof go_on - 1)) {
        http_connection_close(connection);
    }
}

/* One step of parsing; returns how many bytes it took, at least one unless the connection ended. */
static size_t parse_step(struct http_connection *connection, const char *bytes, size_t length)
{
    if (connection->state == HTTP_IDLE && !begin_message(connection)) {
        return 0;
    }
    size_t used = 0;
    const bool head = connection->state == HTTP_HEAD;
    const enum http_progress progress =
        head ? http_message_head(connection->message, bytes, length, &used)
             : http_message_body(connection->message, bytes, length, &used);
    switch (progress) {
    case HTTP_MORE:
        break;
    case HTTP_DONE:
        if (head) {
            end_head(connection, used < length);
        } else {
            hand_over(connection, used < length);
        }
        break;
    case HTTP_REFUSED: {
        const struct http_refusal refusal = connection->message->refusal;
        http_connection_refuse(connection, refusal.status, refusal.detail);
        break;
    }
    }
    return used;
}

static bool may_parse(const struct http_connection *connection)
{
    const enum http_state state = connection->state;
    return (state == HTTP_IDLE || state == HTTP_HEAD || state == HTTP_BODY) &&
           !connection->close_after && connection->writing.count == 0 &&
           connection->out.count < HTTP_OUT_BYTES;
}

/* Parses bytes[0..length) as far as it goes and returns how far. */
static size_t parse(struct http_connection *connection, const char *bytes, size_t length)
{
    size_t at = 0;
    while (at < length && may_parse(connection)) {
        at += parse_step(connection, bytes + at, length - at);
    }
    return at;
}

static void on_written(uv_write_t *write, int status)
{
    struct http_connection *connection = write->data;
    http_buffer_free(&connection->writing);
    if (connection->state == HTTP_CLOSED) {
        return;
    }
    if (status != 0) {
        http_connection_close(connection);
        return;
    }
    enter(connection, connection->state); /* its time begins now, after the peer took the answer */
    http_connection_advance(connection);
}

/* Sends `out`: at once what the kernel takes, the rest is lent to libuv. False: closed. */
static bool flush(struct http_connection *connection)
{
    struct http_buffer *out = &connection->out;
    if (out->count == 0 || connection->writing.count > 0) {
        return true;
    }
    uv_buf_t buffer = uv_buf_init(out->bytes, (unsigned)out->count);
    const int sent = uv_try_write((uv_stream_t *)&connection->tcp, &buffer, 1);
    if (sent < 0 && sent != UV_EAGAIN) {
        http_connection_close(connection);
        return false;
    }
    const size_t done = sent < 0 ? 0 : (size_t)sent;
    if (done == out->count) {
        http_buffer_free(out);
        return true;
    }
    connection->writing = *out;
    *out = (struct http_buffer){0};
    buffer =
        uv_buf_init(connection->writing.bytes + done, (unsigned)(connection->writing.count - done));
    connection->write.data = connection;
    if (uv_write(&connection->write, (uv_stream_t *)&connection->tcp, &buffer, 1, on_written) !=
        0) {
        http_connection_close(connection);
        return false;
    }
    connection->deadline_ms = deadline_in(connection, connection->server->options.write_timeout_ms);
    return true;
}

static void on_shutdown(uv_shutdown_t *shutdown, int status)
{
    (void)shutdown;
    (void)status; /* the linger deadline or the peer's end closes, whatever came of it */
}

static void linger(struct http_connection *connection)
{
    connection->pending.count = 0;
    enter(connection, HTTP_LINGER);
    if (connection->peer_done ||
        uv_shutdown(&connection->shutdown, (uv_stream_t *)&connection->tcp, on_shutdown) != 0) {
        http_connection_close(connection);
    }
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer)
{
    (void)suggested;
    const struct http_connection *connection = handle->data;
    *buffer = uv_buf_init(connection->server->read_buffer, HTTP_READ_BYTES);
}

static void receive(struct http_connection *connection, const char *bytes, size_t length);

static void on_read(uv_stream_t *stream, ssize_t count, const uv_buf_t *buffer)
{
    struct http_connection *connection = stream->data;
    if (count > 0) {
        receive(connection, buffer->base, (size_t)count);
    } else if (count < 0 && count != UV_EOF) {
        http_connection_close(connection);
    } else if (count == UV_EOF) {
        connection->peer_done = true;
        connection->reading = false;
        http_connection_advance(connection);
    }
}

/* Reads unless enough waits already; false: closed. */
static bool keep_reading(struct http_connection *connection)
{
    const bool wanted = !connection->peer_done && connection->pending.count == 0;
    if (wanted == connection->reading) {
        return true;
    }
    connection->reading = wanted;
    if (!wanted) {
        uv_read_stop((uv_stream_t *)&connection->tcp); /* always 0 */
        return true;
    }
    if (uv_read_start((uv_stream_t *)&connection->tcp, on_alloc, on_read) != 0) {
        http_connection_close(connection);
        return false;
    }
    return true;
}

/* Parses what waits; what it does not take stays in front. */
static void parse_pending(struct http_connection *connection)
{
    struct http_buffer *pending = &connection->pending;
    const size_t used = parse(connection, pending->bytes, pending->count);
    if (connection->state == HTTP_CLOSED) {
        return;
    }
    pending->count -= used;
    if (pending->count == 0) {
        http_buffer_free(pending);
    } else if (used > 0) {
        memmove(pending->bytes, pending->bytes + used, pending->count);
    }
}

/* Whether nothing more can come of this connection: all is sent, and it is at its end, or the peer
 * has shut down and what it sent last is no whole request. */
static bool is_over(const struct http_connection *connection)
{
    if (connection->out.count > 0 || connection->writing.count > 0 ||
        connection->state == HTTP_HANDLER) {
        return false;
    }
    return connection->close_after || (connection->peer_done && connection->pending.count == 0);
}

void http_connection_advance(struct http_connection *connection)
{
    if (connection->state == HTTP_CLOSED || connection->state == HTTP_LINGER) {
        if (connection->state == HTTP_LINGER && connection->peer_done) {
            http_connection_close(connection);
        }
        return;
    }
    connection->advancing = true;
    bool going = true;
    while (going) {
        if (connection->pending.count > 0 && may_parse(connection)) {
            parse_pending(connection);
        }
        going = connection->state != HTTP_CLOSED && flush(connection) &&
                connection->pending.count > 0 && may_parse(connection);
    }
    connection->advancing = false;
    if (connection->state == HTTP_CLOSED) {
        return;
    }
    if (is_over(connection)) {
        linger(connection);
    }
    if (connection->state != HTTP_CLOSED) {
        keep_reading(connection);
    }
}

static void receive(struct http_connection *connection, const char *bytes, size_t length)
{
    if (connection->state == HTTP_LINGER) {
        connection->lingered_bytes += length;
        if (connection->lingered_bytes > HTTP_LINGER_BYTES) {
            http_connection_close(connection);
        }
        return;
    }
    size_t used = 0;
    if (connection->pending.count == 0) {
        connection->advancing = true;
        used = parse(connection, bytes, length);
        connection->advancing = false;
    }
    if (connection->state == HTTP_CLOSED) {
        return;
    }
    if (!connection->close_after &&
        !http_buffer_append(&connection->pending, bytes + used, length - used)) {
        http_connection_close(connection);
        return;
    }
    http_connection_advance(connection);
}

void http_connection_start(struct http_connection *connection)
{
    http_peer_of_socket(&connection->tcp, &connection->peer);
    uv_tcp_nodelay(&connection->tcp, 1); /* without it answers only come later */
    enter(connection, HTTP_IDLE);
    keep_reading(connection);
}

void http_connection_expire(struct http_connection *connection)
{
    const bool writing = connection->writing.count > 0;
    const enum http_state state = connection->state;
    if (state != HTTP_LINGER) {
        connection->server->counters.timeouts += 1;
    }
    const bool begun =
        state == HTTP_BODY || (state == HTTP_HEAD && connection->message->head_bytes > 0);
    if (!writing && begun) {
        http_connection_refuse(connection, 408, "The request took too long to arrive.");
        http_connection_advance(connection);
        return;
    }
    http_connection_close(connection);
}
