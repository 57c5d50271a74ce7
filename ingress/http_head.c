#include <ctype.h>
#include <http_parser.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/check.h"
#include "base/text.h"
#include "ingress/http_message.h"

/* Fields that a request may carry once at most: two of them would leave open which one counts. */
static const char *const SINGLE_FIELDS[] = {
    "Host",
    "Content-Length",
    "Transfer-Encoding",
    "Content-Type",
    "Content-Encoding",
    "Origin",
    "Authorization",
    "Cookie",
    "Expect",
    "Sec-WebSocket-Key",
    "Upgrade",
    "X-Request-Id",
    "Sec-WebSocket-Version",
};

struct span {
    char *text;
    size_t bytes;
};

/* What http_parser found, before anything is changed in the head. */
struct parts {
    struct http_message *message;
    struct span target;
    struct span names[HTTP_HEADERS_COUNT];
    struct span values[HTTP_HEADERS_COUNT];
    size_t count;
    bool value_seen; /* of the last name */
    bool odd;        /* a callback came in an order or number that a whole head cannot cause */
};

static struct span span_of(const struct parts *parts, const char *at, size_t bytes)
{
    return (struct span){parts->message->head + (at - parts->message->head), bytes};
}

static int on_target(http_parser *parser, const char *at, size_t bytes)
{
    struct parts *parts = parser->data;
    parts->odd |= parts->target.text != NULL;
    parts->target = span_of(parts, at, bytes);
    return 0;
}

static int on_name(http_parser *parser, const char *at, size_t bytes)
{
    struct parts *parts = parser->data;
    if (parts->count == HTTP_HEADERS_COUNT) {
        parts->odd = true;
        return 0;
    }
    parts->names[parts->count] = span_of(parts, at, bytes);
    parts->count += 1;
    parts->odd |= parts->count > 1 && !parts->value_seen;
    parts->value_seen = false;
    return 0;
}

static int on_value(http_parser *parser, const char *at, size_t bytes)
{
    struct parts *parts = parser->data;
    if (parts->count == 0 || parts->value_seen) {
        parts->odd = true;
        return 0;
    }
    parts->values[parts->count - 1] = span_of(parts, at, bytes);
    parts->value_seen = true;
    return 0;
}

static enum http_progress refuse(struct http_message *message, unsigned status, const char *detail)
{
    message->refusal = (struct http_refusal){status, detail};
    return HTTP_REFUSED;
}

bool http_is_token(const char *text, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++) {
        const bool mark = text[i] != '\0' && strchr("!#$%&'*+-.^_`|~", text[i]) != NULL;
        if (!isalnum((unsigned char)text[i]) && !mark) {
            return false;
        }
    }
    return bytes > 0;
}

static bool is_value(const char *text, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++) {
        const unsigned char c = (unsigned char)text[i];
        if ((c < 0x20 && c != '\t') || c == 0x7f) {
            return false;
        }
    }
    return true;
}

/* Checks "METHOD SP target SP HTTP/1.x" byte by byte, for http_parser is more forgiving. */
static enum http_progress check_request_line(struct http_message *message,
                                             const struct parts *parts, const char *method)
{
    const struct span target = parts->target;
    const char *version = target.text + target.bytes;
    if (target.bytes == 0 || target.text != message->head + strlen(method) + 1) {
        return refuse(message, 400, "The request line is malformed.");
    }
    if (target.bytes > HTTP_URL_BYTES) {
        return refuse(message, 414, "The request target is longer than 2 KiB.");
    }
    for (size_t i = 0; i < target.bytes; i++) {
        if (target.text[i] <= ' ' || target.text[i] > '~') {
            return refuse(message, 400, "The request target has a byte that is not allowed there.");
        }
    }
    if (strncmp(version, " HTTP/", 6) != 0 || !isdigit((unsigned char)version[6]) ||
        version[7] != '.' || !isdigit((unsigned char)version[8]) || version[9] != '\r') {
        return refuse(message, 400, "The request line is malformed.");
    }
    if (version[6] != '1' || version[8] > '1') {
        return refuse(message, 505, "Only HTTP/1.0 and HTTP/1.1 are served here.");
    }
    message->request.http_minor = version[8] == '1' ? 1 : 0;
    return HTTP_DONE;
}

/* Splits the target into path and query in place. Absolute form (RFC 9112 section 3.2.2): its
 * authority stands for Host. A fragment does not belong here and is cut off, as everybody does. */
static enum http_progress split_target(struct http_message *message, struct span target,
                                       const char **authority)
{
    struct http_request *request = &message->request;
    char *text = target.text;
    text[target.bytes] = '\0';
    text[strcspn(text, "#")] = '\0';
    *authority = NULL;
    char *query = strchr(text, '?');
    if (query != NULL) {
        *query = '\0';
    }
    request->query = query == NULL ? "" : query + 1;
    if (strncasecmp(text, "http://", 7) == 0 || strncasecmp(text, "https://", 8) == 0) {
        char *begin = strstr(text, "//") + 2;
        char *slash = strchr(begin, '/');
        request->path = "/";
        if (slash != NULL) {
            /* Room for the authority's NUL: shift it left over the second slash of "//". */
            memmove(begin - 1, begin, (size_t)(slash - begin));
            begin -= 1;
            slash[-1] = '\0';
            request->path = slash;
        }
        *authority = begin;
        return HTTP_DONE;
    }
    if (text[0] != '/' && strcmp(text, "*") != 0) {
        return refuse(message, 400, "The request target is neither a path nor an http address.");
    }
    request->path = text;
    return HTTP_DONE;
}

/* Ends each name and value with NUL in place and drops white space around values. */
static enum http_progress finish_fields(struct http_message *message, const struct parts *parts)
{
    for (size_t i = 0; i < parts->count; i++) {
        const struct span name = parts->names[i];
        struct span value = parts->values[i];
        if (!http_is_token(name.text, name.bytes) || name.text[name.bytes] != ':') {
            return refuse(message, 400, "A header name has a byte that is not allowed there.");
        }
        if (!is_value(value.text, value.bytes)) {
            return refuse(message, 400, "A header value has a control character.");
        }
        while (value.bytes > 0 && strchr(" \t", value.text[value.bytes - 1]) != NULL) {
            value.bytes -= 1;
        }
        name.text[name.bytes] = '\0';
        value.text[value.bytes] = '\0';
        message->headers[i] = (struct http_header){name.text, value.text};
    }
    message->request.headers = message->headers;
    message->request.header_count = parts->count;
    return HTTP_DONE;
}

static bool single_fields_are_single(const struct http_request *request)
{
    for (size_t s = 0; s < sizeof SINGLE_FIELDS / sizeof SINGLE_FIELDS[0]; s++) {
        unsigned found = 0;
        for (size_t i = 0; i < request->header_count; i++) {
            found += strcasecmp(request->headers[i].name, SINGLE_FIELDS[s]) == 0;
        }
        if (found > 1) {
            return false;
        }
    }
    return true;
}

static bool is_host(const char *host)
{
    for (const char *c = host; *c != '\0'; c++) {
        if (!isalnum((unsigned char)*c) && strchr("-._~!$&'()*+,;=:[]%", *c) == NULL) {
            return false;
        }
    }
    return host[0] != '\0';
}

static enum http_progress check_host(struct http_message *message, const char *authority)
{
    struct http_request *request = &message->request;
    if (request->host == NULL && request->http_minor == 1) {
        return refuse(message, 400, "HTTP/1.1 needs a Host header.");
    }
    if (request->host != NULL && !is_host(request->host)) {
        return refuse(message, 400, "The Host header is malformed.");
    }
    if (authority == NULL) {
        return HTTP_DONE;
    }
    if (!is_host(authority)) {
        return refuse(message, 400, "The host of the request target is malformed.");
    }
    request->host = authority;
    return HTTP_DONE;
}

/* How long the body is. The two ways to say it never stand together: that is how a request is
 * smuggled past a proxy that believes the other one. */
static enum http_progress check_length(struct http_message *message)
{
    const struct http_request *request = &message->request;
    const char *coding = http_request_header(request, "Transfer-Encoding");
    const char *length = http_request_header(request, "Content-Length");
    if (coding != NULL && length != NULL) {
        return refuse(message, 400, "Content-Length and Transfer-Encoding exclude each other.");
    }
    if (coding != NULL) {
        if (request->http_minor == 0 || strcasecmp(coding, "chunked") != 0) {
            return refuse(message, 400, "The only transfer coding served is chunked.");
        }
        message->chunked = true;
        message->has_body = true;
        return HTTP_DONE;
    }
    if (length == NULL) {
        if (strcmp(request->method, "POST") == 0) {
            return refuse(message, 411, "POST needs a Content-Length or chunked coding.");
        }
        return HTTP_DONE;
    }
    const size_t digits = strlen(length);
    const size_t zeros = strspn(length, "0");
    if (digits == 0 || strspn(length, "0123456789") != digits) {
        return refuse(message, 400, "Content-Length is not a number.");
    }
    if (digits - zeros > 9) {
        return refuse(message, 413, "The body is larger than 4 KiB.");
    }
    const unsigned long bytes = strtoul(length, NULL, 10);
    if (bytes > HTTP_BODY_BYTES) {
        return refuse(message, 413, "The body is larger than 4 KiB.");
    }
    message->body_left = bytes;
    message->has_body = bytes > 0;
    return HTTP_DONE;
}

bool http_value_has_token(const char *value, const char *token)
{
    const size_t length = strlen(token);
    const char *at = value;
    while (*at != '\0') {
        at += strspn(at, ", \t");
        const size_t element = strcspn(at, ",");
        size_t trimmed = element;
        while (trimmed > 0 && strchr(" \t", at[trimmed - 1]) != NULL) {
            trimmed -= 1;
        }
        if (trimmed == length && strncasecmp(at, token, length) == 0) {
            return true;
        }
        at += element;
    }
    return false;
}

static bool connection_says(const struct http_request *request, const char *token)
{
    for (size_t i = 0; i < request->header_count; i++) {
        if (strcasecmp(request->headers[i].name, "Connection") == 0 &&
            http_value_has_token(request->headers[i].value, token)) {
            return true;
        }
    }
    return false;
}

static enum http_progress check_wishes(struct http_message *message)
{
    const struct http_request *request = &message->request;
    const bool close = connection_says(request, "close");
    const bool keep = request->http_minor == 1 || connection_says(request, "keep-alive");
    message->keep_alive = keep && !close;
    message->head_only = strcmp(request->method, "HEAD") == 0;
    if (strcmp(request->method, "CONNECT") == 0) {
        return refuse(message, 405, "This is not a proxy.");
    }
    const char *encoding = http_request_header(request, "Content-Encoding");
    if (encoding != NULL && strcasecmp(encoding, "identity") != 0) {
        return refuse(message, 415, "Compressed bodies are not served.");
    }
    const char *expect = http_request_header(request, "Expect");
    if (expect != NULL && request->http_minor == 1) {
        if (strcasecmp(expect, "100-continue") != 0) {
            return refuse(message, 417, "The only expectation served is 100-continue.");
        }
        message->expects_continue = message->has_body;
    }
    return HTTP_DONE;
}

/* Runs http_parser over the whole head and keeps where it found what. */
static enum http_progress find_parts(struct http_message *message, struct parts *parts,
                                     const char **method)
{
    http_parser_settings settings;
    http_parser_settings_init(&settings);
    settings.on_url = on_target;
    settings.on_header_field = on_name;
    settings.on_header_value = on_value;
    http_parser parser;
    http_parser_init(&parser, HTTP_REQUEST);
    parser.data = parts;
    parts->message = message;
    http_parser_execute(&parser, &settings, message->head, message->head_bytes);
    const enum http_errno error = HTTP_PARSER_ERRNO(&parser);
    if (error == HPE_INVALID_METHOD) {
        return refuse(message, 400, "The method is unknown.");
    }
    if (error != HPE_OK || parts->odd || (parts->count > 0 && !parts->value_seen)) {
        return refuse(message, 400, "The request head is malformed.");
    }
    *method = http_method_str((enum http_method)parser.method);
    return HTTP_DONE;
}

enum http_progress http_head_parse(struct http_message *message)
{
    struct http_request *request = &message->request;
    struct parts parts = {0};
    const char *authority = NULL;
    message->head[message->head_bytes] = '\0';
    enum http_progress progress = find_parts(message, &parts, &request->method);
    if (progress == HTTP_DONE) {
        progress = check_request_line(message, &parts, request->method);
    }
    if (progress == HTTP_DONE) {
        progress = finish_fields(message, &parts);
    }
    if (progress == HTTP_DONE && !single_fields_are_single(request)) {
        progress = refuse(message, 400, "A header field that may stand once stands twice.");
    }
    if (progress == HTTP_DONE && strcmp(request->method, "CONNECT") != 0) {
        progress = split_target(message, parts.target, &authority);
    }
    if (progress != HTTP_DONE) {
        return progress;
    }
    request->host = http_request_header(request, "Host");
    request->origin = http_request_header(request, "Origin");
    request->content_type = http_request_header(request, "Content-Type");
    request->authorization = http_request_header(request, "Authorization");
    request->cookie = http_request_header(request, "Cookie");
    request->body = message->body;
    message->body[0] = '\0';
    progress = check_host(message, authority);
    if (progress == HTTP_DONE) {
        progress = check_length(message);
    }
    if (progress == HTTP_DONE) {
        progress = check_wishes(message);
    }
    return progress;
}

const char *http_request_header(const struct http_request *request, const char *name)
{
    for (size_t i = 0; i < request->header_count; i++) {
        if (strcasecmp(request->headers[i].name, name) == 0) {
            return request->headers[i].value;
        }
    }
    return NULL;
}
