/* The feed `lines`: a TCP listener that any bridge can fill. A line is
 *
 *     source price_e4 LF          a last trade
 *     source bid_e4 ask_e4 LF     a best bid and ask
 *
 * with single spaces, decimals without leading zeros up to 10^12, a source of 1 to 32 characters of
 * [A-Za-z0-9._-]; CR before LF is allowed. The receive time is that of the read. A bid of 0 or a
 * crossed book is a good line that makes the source unusable (index.h); a price of 0 is a bad one.
 *
 * Failures: a bad line is answered `error line N: why` and counted, the connection lives on. A line
 * that never ends is cut at LINE_BYTES_MAX and answered once; what stands behind the last LF when a
 * connection ends is dropped, for a price cut in two is another price. A peer that does not read
 * its errors is cut, and so is one past CONNECTIONS_MAX. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "base/check.h"
#include "base/text.h"
#include "ingress/feed_kind.h"

#define LINE_BYTES_MAX    96
#define CONNECTIONS_MAX   64
#define BACKLOG           64
#define READ_BYTES        16384
#define ANSWER_BYTES      128
#define ADDRESS_BYTES_MAX 64

_Static_assert(LINE_BYTES_MAX > LIMIT_SOURCE_BYTES + 2 * TEXT_I64_BYTES_MAX, "a good line fits");

struct lines {
    struct feed_run *run;
    struct sockaddr_storage address;
    char text[ADDRESS_BYTES_MAX]; /* ADDR:PORT as given */
    uint16_t port;
    uv_tcp_t listener;
    bool opened; /* the listener is a handle of the loop */
    bool closed; /* and uv has let go of it */
    struct connection *first;
    char read[READ_BYTES]; /* shared: uv hands bytes over before it asks for the next buffer */
};

struct connection {
    uv_tcp_t tcp;
    struct lines *lines;
    struct connection *next;
    struct connection *previous;
    uint64_t line_number;
    size_t used;
    bool overlong;
    char line[LINE_BYTES_MAX];
};

static void on_connection_closed(uv_handle_t *handle)
{
    struct connection *connection = handle->data;
    struct lines *lines = connection->lines;
    if (connection->previous != NULL) {
        connection->previous->next = connection->next;
    } else {
        lines->first = connection->next;
    }
    if (connection->next != NULL) {
        connection->next->previous = connection->previous;
    }
    lines->run->counts.connections -= 1;
    free(connection);
}

static void cut(struct connection *connection)
{
    uv_handle_t *handle = (uv_handle_t *)&connection->tcp;
    if (!uv_is_closing(handle)) {
        uv_close(handle, on_connection_closed);
    }
}

static void refuse_line(struct connection *connection, const char *reason)
{
    char answer[ANSWER_BYTES];
    const int length = snprintf(answer, sizeof answer, "error line %llu: %s\n",
                                (unsigned long long)connection->line_number, reason);
    CHECK(length > 0 && (size_t)length < sizeof answer);
    connection->lines->run->counts.bad_lines += 1;
    uv_buf_t buffer = uv_buf_init(answer, (unsigned)length);
    if (uv_try_write((uv_stream_t *)&connection->tcp, &buffer, 1) != length) {
        cut(connection);
    }
}

/* The next word of a line, up to a single space or the end; false when there is none. */
static bool next_word(const char **at, const char *end, const char **word, size_t *length)
{
    if (*at > end) {
        return false;
    }
    const char *space = memchr(*at, ' ', (size_t)(end - *at));
    const char *stop = space != NULL ? space : end;
    *word = *at;
    *length = (size_t)(stop - *at);
    *at = stop + 1;
    return true;
}

/* NULL, or why the line is bad. */
static const char *parse_line(const char *line, size_t bytes, char *source,
                              struct source_quote *quote)
{
    static const char shape[] = "expected 'source price_e4' or 'source bid_e4 ask_e4'";
    const char *at = line;
    const char *end = line + bytes;
    const char *word;
    size_t length;
    if (!next_word(&at, end, &word, &length) || length == 0 || length > LIMIT_SOURCE_BYTES ||
        memchr(word, '\0', length) != NULL) {
        return shape;
    }
    memcpy(source, word, length);
    source[length] = '\0';

    int64_t numbers[2];
    size_t count = 0;
    while (next_word(&at, end, &word, &length)) {
        if (count == 2 || !text_parse_decimal(word, length, &numbers[count])) {
            return shape;
        }
        if (numbers[count] > INDEX_PRICE_MAX_E4) {
            return "a price is at most 1000000000000";
        }
        count++;
    }
    if (count == 0) {
        return shape;
    }
    if (count == 1 && numbers[0] == 0) {
        return "a price is at least 1";
    }
    quote->source = source;
    quote->kind = count == 2 ? QUOTE_BOOK : QUOTE_TRADE;
    quote->price_e4 = count == 1 ? numbers[0] : 0;
    quote->bid_e4 = count == 2 ? numbers[0] : 0;
    quote->ask_e4 = count == 2 ? numbers[1] : 0;
    return NULL;
}

static void take_line(struct connection *connection, int64_t receive_ms)
{
    connection->line_number += 1;
    size_t bytes = connection->used;
    connection->used = 0;
    if (connection->overlong) { /* answered when it became so; this is its end */
        connection->overlong = false;
        return;
    }
    if (bytes > 0 && connection->line[bytes - 1] == '\r') {
        bytes -= 1;
    }
    char source[LIMIT_SOURCE_BYTES + 1];
    struct source_quote quote = {.receive_ms = receive_ms};
    const char *problem = parse_line(connection->line, bytes, source, &quote);
    if (problem != NULL) {
        refuse_line(connection, problem);
        return;
    }
    const enum status status = feed_deliver(connection->lines->run, &quote);
    if (status != STATUS_OK) {
        refuse_line(connection, status == STATUS_FULL ? "too many sources"
                                                      : "a source is 1 to 32 of [A-Za-z0-9._-]");
    }
}

static void take_byte(struct connection *connection, char byte, int64_t receive_ms)
{
    if (byte == '\n') {
        take_line(connection, receive_ms);
        return;
    }
    if (connection->overlong) {
        return;
    }
    if (connection->used == LINE_BYTES_MAX) {
        connection->overlong = true;
        connection->line_number += 1; /* the answer names this line */
        refuse_line(connection, "the line is too long");
        connection->line_number -= 1;
        return;
    }
    connection->line[connection->used++] = byte;
}

static void on_buffer(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer)
{
    (void)suggested;
    struct connection *connection = handle->data;
    *buffer = uv_buf_init(connection->lines->read, READ_BYTES);
}

static void on_read(uv_stream_t *stream, ssize_t count, const uv_buf_t *buffer)
{
    struct connection *connection = stream->data;
    struct lines *lines = connection->lines;
    if (count < 0) {
        if (connection->used > 0) {
            lines->run->counts.bad_lines += 1;
        }
        cut(connection);
        return;
    }
    const int64_t receive_ms = clock_receive_ms(lines->run->clock);
    for (ssize_t i = 0; i < count; i++) {
        if (uv_is_closing((uv_handle_t *)stream)) {
            return;
        }
        take_byte(connection, buffer->base[i], receive_ms);
    }
}

static void on_connection(uv_stream_t *server, int result)
{
    struct lines *lines = server->data;
    if (result < 0) {
        feed_say(lines->run, "feed lines:%s: cannot accept: %s", lines->text, uv_strerror(result));
        return;
    }
    struct connection *connection = calloc(1, sizeof *connection);
    if (connection == NULL) {
        feed_say(lines->run, "feed lines:%s: no memory for a connection", lines->text);
        return;
    }
    CHECK(uv_tcp_init(lines->run->loop, &connection->tcp) == 0);
    connection->tcp.data = connection;
    connection->lines = lines;
    connection->next = lines->first;
    if (lines->first != NULL) {
        lines->first->previous = connection;
    }
    lines->first = connection;
    lines->run->counts.connections += 1;
    if (uv_accept(server, (uv_stream_t *)&connection->tcp) != 0 ||
        lines->run->counts.connections > CONNECTIONS_MAX ||
        uv_read_start((uv_stream_t *)&connection->tcp, on_buffer, on_read) != 0) {
        cut(connection);
    }
}

/* Splits ADDR:PORT, [ADDR6]:PORT or localhost:PORT. */
static bool parse_address(struct lines *lines, const char *arguments)
{
    const char *colon = strrchr(arguments, ':');
    const size_t bytes = strlen(arguments);
    int64_t port;
    if (colon == NULL || bytes >= sizeof lines->text ||
        !text_parse_decimal(colon + 1, strlen(colon + 1), &port) || port > UINT16_MAX) {
        return false;
    }
    memcpy(lines->text, arguments, bytes + 1);
    char host[ADDRESS_BYTES_MAX];
    size_t length = (size_t)(colon - arguments);
    const char *from = arguments;
    const bool bracketed = length >= 2 && from[0] == '[' && from[length - 1] == ']';
    if (bracketed) {
        from += 1;
        length -= 2;
    }
    memcpy(host, from, length);
    host[length] = '\0';
    if (bracketed) {
        return uv_ip6_addr(host, (int)port, (struct sockaddr_in6 *)&lines->address) == 0;
    }
    const char *numeric = strcmp(host, "localhost") == 0 ? "127.0.0.1" : host;
    return uv_ip4_addr(numeric, (int)port, (struct sockaddr_in *)&lines->address) == 0;
}

static enum status lines_open(const char *arguments, void **state, struct feed_error *error)
{
    struct lines *lines = calloc(1, sizeof *lines);
    if (lines == NULL) {
        feed_error_set(error, "no memory");
        return STATUS_NO_MEMORY;
    }
    if (!parse_address(lines, arguments)) {
        feed_error_set(error, "expected lines:ADDR:PORT with a numeric address, such as "
                              "lines:127.0.0.1:9000 or lines:[::1]:9000");
        free(lines);
        return STATUS_USAGE;
    }
    *state = lines;
    return STATUS_OK;
}

static uint16_t bound_port(const uv_tcp_t *listener)
{
    struct sockaddr_storage address;
    int bytes = sizeof address;
    if (uv_tcp_getsockname(listener, (struct sockaddr *)&address, &bytes) != 0) {
        return 0;
    }
    return ntohs(address.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&address)->sin6_port
                                               : ((struct sockaddr_in *)&address)->sin_port);
}

static enum status lines_start(void *state, struct feed_run *run, struct feed_error *error)
{
    struct lines *lines = state;
    lines->run = run;
    CHECK(uv_tcp_init(run->loop, &lines->listener) == 0);
    lines->listener.data = lines;
    lines->opened = true;
    int result = uv_tcp_bind(&lines->listener, (struct sockaddr *)&lines->address, 0);
    if (result == 0) {
        result = uv_listen((uv_stream_t *)&lines->listener, BACKLOG, on_connection);
    }
    if (result != 0) {
        feed_error_set(error, "cannot listen: %s", uv_strerror(result));
        if (result == UV_EADDRINUSE) {
            return STATUS_IN_USE;
        }
        return result == UV_EADDRNOTAVAIL || result == UV_EACCES ? STATUS_USAGE : STATUS_IO;
    }
    lines->port = bound_port(&lines->listener);
    return STATUS_OK;
}

static uint16_t lines_port(const void *state)
{
    const struct lines *lines = state;
    return lines->port;
}

static void on_listener_closed(uv_handle_t *handle)
{
    struct lines *lines = handle->data;
    lines->closed = true;
}

static void lines_close(void *state)
{
    struct lines *lines = state;
    if (!lines->opened || uv_is_closing((uv_handle_t *)&lines->listener)) {
        return;
    }
    for (struct connection *connection = lines->first; connection != NULL;
         connection = connection->next) {
        cut(connection);
    }
    uv_close((uv_handle_t *)&lines->listener, on_listener_closed);
}

static void lines_free(void *state)
{
    struct lines *lines = state;
    CHECK(!lines->opened || lines->closed);
    CHECK(lines->first == NULL);
    free(lines);
}

const struct feed_kind feed_lines = {.name = "lines",
                                     .open = lines_open,
                                     .start = lines_start,
                                     .port = lines_port,
                                     .close = lines_close,
                                     .free = lines_free};
