#include "ingress/ws_socket.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/check.h"

static void on_closed(uv_handle_t *handle)
{
    struct ws_socket *socket = handle->data;
    struct ws_server *server = socket->server;
    server->handle_count -= 1;
    if (server->options.on_close != NULL) {
        server->options.on_close(server->options.context, socket->id);
    }
    ws_queue_free(&socket->queue);
    ws_reader_close(&socket->reader);
    free(socket);
}

static void leave_ready_list(struct ws_socket *socket)
{
    struct ws_server *server = socket->server;
    struct ws_socket *before = NULL;
    struct ws_socket *at = server->ready_first;
    if (!socket->ready) {
        return;
    }
    while (at != socket) {
        before = at;
        at = at->next_ready;
    }
    if (before == NULL) {
        server->ready_first = socket->next_ready;
    } else {
        before->next_ready = socket->next_ready;
    }
    if (server->ready_last == socket) {
        server->ready_last = before;
    }
    socket->ready = false;
}

void ws_socket_drop(struct ws_socket *socket)
{
    struct ws_server *server = socket->server;
    const size_t slot = (size_t)(socket->id & (((uint64_t)1 << WS_SLOT_BITS) - 1));
    if (socket->state == WS_CLOSED) {
        return;
    }
    leave_ready_list(socket);
    socket->state = WS_CLOSED;
    server->slots[slot] = NULL;
    server->free_slots[server->free_count] = slot;
    server->free_count += 1;
    server->open_count -= 1;
    uv_close((uv_handle_t *)&socket->tcp, on_closed);
}

/* Nothing to do: that it is active keeps the loop from sleeping over what became ready after the
 * prepare handle had run. */
static void on_awake(uv_idle_t *awake)
{
    (void)awake;
}

static void make_ready(struct ws_socket *socket)
{
    struct ws_server *server = socket->server;
    if (socket->ready) {
        return;
    }
    socket->ready = true;
    socket->next_ready = NULL;
    if (server->ready_last == NULL) {
        server->ready_first = socket;
        CHECK(uv_idle_start(&server->awake, on_awake) == 0);
    } else {
        server->ready_last->next_ready = socket;
    }
    server->ready_last = socket;
}

/* Behind everything else, whatever the queue's limit: for frames of our own. */
static void queue_own(struct ws_socket *socket, struct ws_text *text)
{
    if (text == NULL || !ws_queue_push(&socket->queue, text)) {
        ws_text_release(text);
        ws_socket_drop(socket); /* no memory even to say so */
        return;
    }
    make_ready(socket);
}

void ws_socket_close(struct ws_socket *socket, unsigned code, const char *reason)
{
    if (socket->state != WS_OPEN) {
        return;
    }
    socket->state = WS_CLOSING;
    socket->deadline_ms = uv_now(socket->server->loop) + WS_CLOSE_MS;
    struct ws_text *text = code == WS_CLOSE_NO_STATUS ? ws_text_of_frame(WS_OPCODE_CLOSE, NULL, 0)
                                                      : ws_text_of_close(code, reason);
    queue_own(socket, text);
}

/* Nobody waits for a slow reader: what libuv holds already may still leave, the rest is dropped. */
static void cut(struct ws_socket *socket)
{
    const bool begun = socket->lent == 0 && socket->first_sent_bytes > 0;
    ws_queue_cut(&socket->queue, begun ? 1 : socket->lent);
    socket->server->counters.cut_slow += 1;
    ws_socket_close(socket, WS_CLOSE_TRY_LATER, "too slow: the queue of unsent messages is full");
}

bool ws_socket_queue(struct ws_socket *socket, struct ws_text *text)
{
    size_t bytes;
    (void)ws_text_bytes(text, &bytes); /* only the count is wanted */
    if (socket->state != WS_OPEN) {
        ws_text_release(text);
        return false;
    }
    if (socket->queue.bytes + bytes > socket->server->options.queue_bytes_max) {
        ws_text_release(text);
        cut(socket);
        return false;
    }
    if (!ws_queue_push(&socket->queue, text)) {
        ws_text_release(text);
        ws_socket_drop(socket);
        return false;
    }
    make_ready(socket);
    return true;
}

static void on_shutdown(uv_shutdown_t *shutdown, int status)
{
    (void)shutdown;
    (void)status; /* the deadline or the peer's end closes, whatever came of it */
}

/* Everything is sent. After both close frames the server ends first (RFC 6455 section 7.1.1), but
 * with input still unread the kernel would reset the connection and the peer lose our close frame.
 */
static void all_sent(struct ws_socket *socket)
{
    if (socket->state != WS_CLOSING || !socket->peer_closed) {
        return;
    }
    socket->state = WS_LINGER;
    socket->deadline_ms = uv_now(socket->server->loop) + WS_LINGER_MS;
    if (uv_shutdown(&socket->shutdown, (uv_stream_t *)&socket->tcp, on_shutdown) != 0) {
        ws_socket_drop(socket);
    }
}

static void on_written(uv_write_t *write, int status)
{
    struct ws_socket *socket = write->data;
    const size_t lent = socket->lent;
    socket->lent = 0;
    socket->first_sent_bytes = 0;
    for (size_t i = 0; i < lent; i++) {
        ws_queue_shift(&socket->queue);
    }
    if (socket->state == WS_CLOSED) {
        return;
    }
    if (status != 0) {
        ws_socket_drop(socket);
        return;
    }
    socket->server->counters.sent += lent;
    ws_socket_flush(socket);
}

/* The first texts of the queue as buffers, from where the last write ended. */
static unsigned gather(const struct ws_socket *socket, uv_buf_t *buffers)
{
    unsigned count = 0;
    while (count < WS_SEND_BUFFERS && count < socket->queue.count) {
        size_t bytes;
        const char *text = ws_text_bytes(ws_queue_at(&socket->queue, count), &bytes);
        const size_t skip = count == 0 ? socket->first_sent_bytes : 0;
        buffers[count] = uv_buf_init((char *)text + skip, (unsigned)(bytes - skip));
        count += 1;
    }
    return count;
}

/* Takes sent bytes off the front of the queue. */
static void take_sent(struct ws_socket *socket, size_t sent)
{
    size_t left = sent;
    while (left > 0) {
        size_t bytes;
        (void)ws_text_bytes(ws_queue_at(&socket->queue, 0), &bytes); /* only the count is wanted */
        bytes -= socket->first_sent_bytes;
        if (left < bytes) {
            socket->first_sent_bytes += left;
            return;
        }
        left -= bytes;
        socket->first_sent_bytes = 0;
        ws_queue_shift(&socket->queue);
        socket->server->counters.sent += 1;
    }
}

/* The kernel is full: libuv waits for it with what is at the front. */
static void lend(struct ws_socket *socket)
{
    uv_buf_t buffers[WS_SEND_BUFFERS];
    const unsigned count = gather(socket, buffers);
    socket->write.data = socket;
    socket->lent = count;
    if (uv_write(&socket->write, (uv_stream_t *)&socket->tcp, buffers, count, on_written) != 0) {
        socket->lent = 0;
        ws_socket_drop(socket);
    }
}

void ws_socket_flush(struct ws_socket *socket)
{
    uv_buf_t buffers[WS_SEND_BUFFERS];
    if (socket->state == WS_CLOSED || socket->lent > 0) {
        return;
    }
    while (socket->queue.count > 0) {
        const unsigned count = gather(socket, buffers);
        size_t wanted = 0;
        for (unsigned i = 0; i < count; i++) {
            wanted += buffers[i].len;
        }
        const int sent = uv_try_write((uv_stream_t *)&socket->tcp, buffers, count);
        if (sent < 0 && sent != UV_EAGAIN) {
            ws_socket_drop(socket);
            return;
        }
        const size_t done = sent < 0 ? 0 : (size_t)sent;
        take_sent(socket, done);
        if (done < wanted) {
            lend(socket);
            return;
        }
    }
    all_sent(socket);
}

/* Frames that cost the sender nothing and deliver nothing are counted. */
static bool is_flood(struct ws_socket *socket)
{
    const uint64_t now_ms = uv_now(socket->server->loop);
    if (now_ms - socket->flood_from_ms >= WS_FLOOD_WINDOW_MS) {
        socket->flood_from_ms = now_ms;
        socket->flood_frames = 0;
    }
    socket->flood_frames += 1;
    return socket->flood_frames > WS_FLOOD_FRAMES;
}

static void fail(struct ws_socket *socket, unsigned code, const char *reason)
{
    ws_socket_close(socket, code, reason);
    socket->peer_closed = true; /* what it sends from now on cannot be understood */
}

static void deliver(struct ws_socket *socket)
{
    struct ws_server *server = socket->server;
    const struct ws_reader *reader = &socket->reader;
    server->counters.messages += 1;
    if (server->options.on_message != NULL) {
        server->options.on_message(server->options.context, socket->id,
                                   (const char *)reader->message, reader->message_bytes);
    }
    ws_reader_taken(&socket->reader);
}

static void take_event(struct ws_socket *socket, enum ws_event event)
{
    struct ws_reader *reader = &socket->reader;
    switch (event) {
    case WS_MORE:
        return;
    case WS_TEXT:
        if (socket->state == WS_OPEN) {
            deliver(socket);
        } else {
            ws_reader_taken(reader); /* we have said good-bye */
        }
        return;
    case WS_PING:
    case WS_PONG:
    case WS_EMPTY:
        if (is_flood(socket)) {
            fail(socket, WS_CLOSE_POLICY, "too many control frames");
        } else if (event == WS_PING && socket->state == WS_OPEN) {
            struct ws_text *pong =
                ws_text_of_frame(WS_OPCODE_PONG, reader->control, reader->control_bytes);
            if (pong == NULL) {
                ws_socket_drop(socket);
            } else {
                (void)ws_socket_queue(socket, pong); /* a full queue has cut the socket */
            }
        }
        return;
    case WS_CLOSE:
        ws_socket_close(socket, reader->code, "");
        socket->peer_closed = true;
        return;
    case WS_FAIL:
        fail(socket, reader->code, reader->reason);
        return;
    }
}

static void receive(struct ws_socket *socket, const uint8_t *bytes, size_t length)
{
    size_t at = 0;
    socket->received_ms = uv_now(socket->server->loop);
    while (at < length && !socket->peer_closed && socket->state != WS_CLOSED) {
        size_t used = 0;
        const enum ws_event event = ws_reader_take(&socket->reader, bytes + at, length - at, &used);
        at += used;
        take_event(socket, event);
    }
    if (socket->peer_closed && socket->state == WS_CLOSING) {
        make_ready(socket); /* our close frame may be out already */
    }
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer)
{
    (void)suggested;
    const struct ws_socket *socket = handle->data;
    *buffer = uv_buf_init(socket->server->read_buffer, WS_READ_BYTES);
}

static void on_read(uv_stream_t *stream, ssize_t count, const uv_buf_t *buffer)
{
    struct ws_socket *socket = stream->data;
    if (count > 0) {
        receive(socket, (const uint8_t *)buffer->base, (size_t)count);
    } else if (count < 0) {
        /* An end without a close frame, or a reset. Who has only shut down its side may still read
         * what is queued, as far as the kernel takes it at once. */
        ws_socket_flush(socket);
        ws_socket_drop(socket);
    }
}

struct ws_socket *ws_socket_open(struct ws_server *server, int fd, struct ws_text *greeting)
{
    struct ws_socket *socket = calloc(1, sizeof *socket);
    if (socket == NULL || server->free_count == 0 || !ws_queue_push(&socket->queue, greeting)) {
        free(socket);
        ws_text_release(greeting);
        close(fd);
        return NULL;
    }
    const size_t slot = server->free_slots[server->free_count - 1];
    server->free_count -= 1;
    server->open_count += 1;
    server->id_count += 1;
    socket->id = server->id_count << WS_SLOT_BITS | slot;
    socket->server = server;
    socket->received_ms = uv_now(server->loop);
    socket->pinged_ms = socket->received_ms;
    socket->flood_from_ms = socket->received_ms;
    server->slots[slot] = socket;
    server->handle_count += 1;
    CHECK(uv_tcp_init(server->loop, &socket->tcp) == 0);
    socket->tcp.data = socket;
    server->counters.opened += 1;
    make_ready(socket);
    const bool adopted = uv_tcp_open(&socket->tcp, fd) == 0;
    if (!adopted) {
        close(fd);
    }
    if (!adopted || uv_read_start((uv_stream_t *)&socket->tcp, on_alloc, on_read) != 0) {
        ws_socket_drop(socket); /* on_close tells */
    }
    return socket;
}

void ws_socket_sweep(struct ws_socket *socket, uint64_t now_ms)
{
    const struct ws_options *options = &socket->server->options;
    if (socket->deadline_ms != 0 && socket->deadline_ms <= now_ms) {
        ws_socket_drop(socket);
        return;
    }
    if (socket->state != WS_OPEN) {
        return;
    }
    if (now_ms - socket->received_ms >= options->dead_after_ms) {
        socket->server->counters.cut_dead += 1;
        ws_socket_drop(socket);
        return;
    }
    /* While the peer does not even take what is queued, pings would only pile up. */
    if (now_ms - socket->pinged_ms >= options->ping_interval_ms && socket->lent == 0) {
        socket->pinged_ms = now_ms;
        queue_own(socket, ws_text_of_frame(WS_OPCODE_PING, NULL, 0));
    }
}
