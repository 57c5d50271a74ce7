#include "ingress/http_message.h"

#include <string.h>

void http_message_init(struct http_message *message)
{
    /* The two big arrays are written before they are read. */
    memset(message, 0, offsetof(struct http_message, headers));
}

static enum http_progress refuse(struct http_refusal *refusal, unsigned status, const char *detail)
{
    refusal->status = status;
    refusal->detail = detail;
    return HTTP_REFUSED;
}

/* An empty line ends the head, or stands in front of it. */
static enum http_progress end_line(struct http_lines *lines, struct http_refusal *refusal)
{
    lines->after_cr = false;
    if (lines->line_bytes > 0) {
        lines->count += 1;
        lines->line_bytes = 0;
        if (lines->count == 1) {
            lines->first_line_bytes = lines->bytes;
        }
        if (lines->count > HTTP_HEADERS_COUNT + 1) {
            return refuse(refusal, 431, "Too many header fields.");
        }
        return HTTP_MORE;
    }
    if (lines->count > 0) {
        return HTTP_DONE;
    }
    lines->empty += 1;
    lines->bytes = 0;
    if (lines->empty > HTTP_EMPTY_LINES) {
        return refuse(refusal, 400, "Too many empty lines before the request.");
    }
    return HTTP_MORE;
}

enum http_progress http_lines_take(struct http_lines *lines, char byte,
                                   struct http_refusal *refusal)
{
    lines->bytes += 1;
    if (lines->after_cr) {
        if (byte != '\n') {
            return refuse(refusal, 400, "CR without LF.");
        }
        return end_line(lines, refusal);
    }
    if (byte == '\r') {
        lines->after_cr = true;
        return HTTP_MORE;
    }
    if (byte == '\n') {
        return refuse(refusal, 400, "LF without CR.");
    }
    if (byte == '\0') {
        return refuse(refusal, 400, "NUL in the head.");
    }
    if (lines->line_bytes == 0 && (byte == ' ' || byte == '\t')) {
        return refuse(refusal, 400, "A line begins with white space (folding is obsolete).");
    }
    lines->line_bytes += 1;
    if (lines->count == 0 && lines->line_bytes > HTTP_LINE_BYTES - 2) {
        return refuse(refusal, 414, "The request target is longer than 2 KiB.");
    }
    if (lines->count > 0 && lines->bytes - lines->first_line_bytes > HTTP_HEADERS_BYTES - 4) {
        return refuse(refusal, 431, "The header fields are larger than 8 KiB.");
    }
    return HTTP_MORE;
}

enum http_progress http_message_head(struct http_message *message, const char *bytes, size_t length,
                                     size_t *used)
{
    struct http_lines *lines = &message->lines;
    for (size_t i = 0; i < length; i++) {
        const enum http_progress progress = http_lines_take(lines, bytes[i], &message->refusal);
        if (progress == HTTP_REFUSED) {
            *used = i + 1;
            return progress;
        }
        if (lines->bytes == 0) {
            message->head_bytes = 0; /* an empty line in front of the request is dropped */
            continue;
        }
        message->head[message->head_bytes] = bytes[i];
        message->head_bytes += 1;
        if (progress == HTTP_DONE) {
            *used = i + 1;
            return http_head_parse(message);
        }
    }
    *used = length;
    return HTTP_MORE;
}
