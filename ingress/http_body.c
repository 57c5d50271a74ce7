#include <string.h>

#include "ingress/http_message.h"

/* Chunks are decoded here and not by http_parser: Debian builds it without its strict mode, and
 * then it takes any two bytes for the end of a chunk, which lets a request be smuggled. */

static enum http_progress refuse(struct http_message *message, unsigned status, const char *detail)
{
    message->refusal = (struct http_refusal){status, detail};
    return HTTP_REFUSED;
}

/* Copies what belongs to the counted part (the whole body, or one chunk). */
static size_t copy_counted(struct http_message *message, const char *bytes, size_t length)
{
    struct http_request *request = &message->request;
    const size_t take = message->body_left < length ? (size_t)message->body_left : length;
    memcpy(message->body + request->body_bytes, bytes, take);
    request->body_bytes += take;
    message->body[request->body_bytes] = '\0';
    message->body_left -= take;
    return take;
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    if (c >= 'a' && c <= 'f') {
        return c - 'a' + 10;
    }
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static enum http_progress take_size(struct http_message *message, char byte)
{
    const int digit = hex_value(byte);
    if (digit >= 0) {
        message->size_digits += 1;
        if (message->size_digits > 8) {
            return refuse(message, 400, "A chunk size is too long.");
        }
        message->body_left = message->body_left * 16 + (unsigned)digit;
        if (message->request.body_bytes + message->body_left > HTTP_BODY_BYTES) {
            return refuse(message, 413, "The body is larger than 4 KiB.");
        }
        return HTTP_MORE;
    }
    if (message->size_digits > 0 && byte == '\r') {
        message->chunk = HTTP_CHUNK_SIZE_LF;
        return HTTP_MORE;
    }
    if (message->size_digits > 0 && byte == ';') {
        message->chunk = HTTP_CHUNK_EXTENSION;
        return HTTP_MORE;
    }
    return refuse(message, 400, "A chunk size is malformed.");
}

/* Extensions mean nothing to us; they are passed over, but only well formed and a bounded number.
 */
static enum http_progress take_extension(struct http_message *message, char byte)
{
    message->chunk_extra_bytes += 1;
    const unsigned char c = (unsigned char)byte;
    if (message->chunk == HTTP_CHUNK_EXTENSION && byte == '\r') {
        message->chunk = HTTP_CHUNK_SIZE_LF;
        return HTTP_MORE;
    }
    if ((c < 0x20 && c != '\t') || c == 0x7f || message->chunk_extra_bytes > HTTP_CHUNK_EXTRA) {
        return refuse(message, 400, "A chunk extension is malformed.");
    }
    if (message->chunk == HTTP_CHUNK_ESCAPED) {
        message->chunk = HTTP_CHUNK_QUOTED;
    } else if (message->chunk == HTTP_CHUNK_QUOTED && byte == '\\') {
        message->chunk = HTTP_CHUNK_ESCAPED;
    } else if (byte == '"') {
        message->chunk =
            message->chunk == HTTP_CHUNK_QUOTED ? HTTP_CHUNK_EXTENSION : HTTP_CHUNK_QUOTED;
    }
    return HTTP_MORE;
}

/* The size line is complete: data follows, or after size 0 the trailer, whose line rules are the
 * head's (counted as if the request line were there). Its fields are not used. */
static enum http_progress end_size_line(struct http_message *message, char byte)
{
    if (byte != '\n') {
        return refuse(message, 400, "CR without LF.");
    }
    if (message->body_left > 0) {
        message->chunk = HTTP_CHUNK_DATA;
        return HTTP_MORE;
    }
    message->lines = (struct http_lines){.count = 1};
    message->chunk = HTTP_CHUNK_TRAILER;
    return HTTP_MORE;
}

static enum http_progress end_data(struct http_message *message, char byte)
{
    if (byte != (message->chunk == HTTP_CHUNK_DATA_CR ? '\r' : '\n')) {
        return refuse(message, 400, "A chunk does not end where it says.");
    }
    if (message->chunk == HTTP_CHUNK_DATA_CR) {
        message->chunk = HTTP_CHUNK_DATA_LF;
    } else {
        message->chunk = HTTP_CHUNK_SIZE;
        message->size_digits = 0;
    }
    return HTTP_MORE;
}

/* Trailer fields are not used, but they must be fields, by the head's rules. */
static enum http_progress take_trailer(struct http_message *message, char byte)
{
    const unsigned char c = (unsigned char)byte;
    const bool line_end = byte == '\r' || byte == '\n';
    if (line_end) {
        if (message->lines.line_bytes > 0 && !message->in_trailer_value) {
            return refuse(message, 400, "A trailer field is malformed.");
        }
        message->in_trailer_value &= byte != '\n';
    } else if (message->in_trailer_value) {
        if ((c < 0x20 && c != '\t') || c == 0x7f) {
            return refuse(message, 400, "A trailer field is malformed.");
        }
    } else if (byte == ':' && message->lines.line_bytes > 0) {
        message->in_trailer_value = true;
    } else if (!http_is_token(&byte, 1)) {
        return refuse(message, 400, "A trailer field is malformed.");
    }
    return http_lines_take(&message->lines, byte, &message->refusal);
}

static enum http_progress take_framing(struct http_message *message, char byte)
{
    switch (message->chunk) {
    case HTTP_CHUNK_SIZE:
        return take_size(message, byte);
    case HTTP_CHUNK_EXTENSION:
    case HTTP_CHUNK_QUOTED:
    case HTTP_CHUNK_ESCAPED:
        return take_extension(message, byte);
    case HTTP_CHUNK_SIZE_LF:
        return end_size_line(message, byte);
    case HTTP_CHUNK_DATA_CR:
    case HTTP_CHUNK_DATA_LF:
        return end_data(message, byte);
    case HTTP_CHUNK_TRAILER:
        return take_trailer(message, byte);
    case HTTP_CHUNK_DATA:
        break; /* not framing; the caller copies it */
    }
    return HTTP_MORE;
}

enum http_progress http_message_body(struct http_message *message, const char *bytes, size_t length,
                                     size_t *used)
{
    if (!message->chunked) {
        *used = copy_counted(message, bytes, length);
        return message->body_left == 0 ? HTTP_DONE : HTTP_MORE;
    }
    enum http_progress progress = HTTP_MORE;
    size_t at = 0;
    while (at < length && progress == HTTP_MORE) {
        if (message->chunk == HTTP_CHUNK_DATA) {
            at += copy_counted(message, bytes + at, length - at);
            if (message->body_left == 0) {
                message->chunk = HTTP_CHUNK_DATA_CR;
            }
            continue;
        }
        progress = take_framing(message, bytes[at]);
        at += 1;
    }
    *used = at;
    return progress;
}
