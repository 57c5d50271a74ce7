/* One HTTP request while it arrives: pure parsing, no sockets, no clock. Bytes go in piecemeal, out
 * comes a checked head and a decoded body, or the status of a refusal. The head is gathered line by
 * line under our own strict line rules, then taken apart by http_parser, then checked again,
 * because Debian's http_parser is built without its strict mode (it takes spaces in header names,
 * bare LF and broken chunk ends). The choices are listed in docs/decisions/0020-http-dialect.md. */
#ifndef TAPLINE_INGRESS_HTTP_MESSAGE_H
#define TAPLINE_INGRESS_HTTP_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ingress/http_server.h"

#define HTTP_LINE_BYTES  (HTTP_URL_BYTES + 32) /* request line: method, target, version */
#define HTTP_HEAD_BYTES  (HTTP_LINE_BYTES + HTTP_HEADERS_BYTES)
#define HTTP_EMPTY_LINES 4    /* in front of a request line, as RFC 9112 section 2.2 allows */
#define HTTP_CHUNK_EXTRA 1024 /* all chunk extensions of a body */

enum http_progress {
    HTTP_MORE,    /* everything was taken, the part is not complete */
    HTTP_DONE,    /* the part is complete; bytes behind it are left */
    HTTP_REFUSED, /* see refusal */
};

/* What a refused request is answered with. */
struct http_refusal {
    unsigned status;
    const char *detail; /* a literal */
};

/* Where the line rules stand. */
struct http_lines {
    size_t count;      /* complete lines */
    size_t line_bytes; /* of the current one */
    size_t bytes;      /* of the head so far, line ends counted */
    size_t first_line_bytes;
    unsigned empty; /* lines in front of the request line */
    bool after_cr;
};

enum http_chunk_state {
    HTTP_CHUNK_SIZE,
    HTTP_CHUNK_EXTENSION,
    HTTP_CHUNK_QUOTED,
    HTTP_CHUNK_ESCAPED,
    HTTP_CHUNK_SIZE_LF,
    HTTP_CHUNK_DATA,
    HTTP_CHUNK_DATA_CR,
    HTTP_CHUNK_DATA_LF,
    HTTP_CHUNK_TRAILER,
};

struct http_message {
    struct http_refusal refusal;
    struct http_request request; /* filled by http_message_head; id and peer by the caller */
    bool keep_alive;
    bool expects_continue;
    bool head_only; /* HEAD */
    bool has_body;  /* bytes follow the head */

    bool chunked;
    uint64_t body_left; /* of Content-Length or of the current chunk */
    enum http_chunk_state chunk;
    unsigned size_digits;
    size_t chunk_extra_bytes;
    bool in_trailer_value; /* behind a trailer field's colon */

    struct http_lines lines; /* of the head, then of the trailer */
    size_t head_bytes;
    struct http_header headers[HTTP_HEADERS_COUNT];
    char head[HTTP_HEAD_BYTES + 1];
    char body[HTTP_BODY_BYTES + 1];
};

/* Makes ready for the first byte of a request. */
void http_message_init(struct http_message *message);

/* Takes head bytes from bytes[0..length). *used: how many were taken. After HTTP_DONE request is
 * complete but for the body. */
enum http_progress http_message_head(struct http_message *message, const char *bytes, size_t length,
                                     size_t *used);

/* The same for the body; only when has_body. */
enum http_progress http_message_body(struct http_message *message, const char *bytes, size_t length,
                                     size_t *used);

/* Below: the parts, each in a file of its own. */

/* The line rules for one byte: CR LF only, no NUL, no folding, limits. HTTP_DONE at the empty line.
 */
enum http_progress http_lines_take(struct http_lines *lines, char byte,
                                   struct http_refusal *refusal);

/* Takes a complete head apart and checks everything that its fields say. */
enum http_progress http_head_parse(struct http_message *message);

/* Whether text is a token (RFC 9110 section 5.6.2), as field names are. */
bool http_is_token(const char *text, size_t bytes);

/* Whether a comma-separated header value has this token, in any case. */
bool http_value_has_token(const char *value, const char *token);

#endif
