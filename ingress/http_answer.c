#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "base/check.h"
#include "ingress/http_connection.h"

bool http_buffer_append(struct http_buffer *buffer, const void *bytes, size_t count)
{
    if (count == 0) {
        return true;
    }
    if (buffer->count + count > buffer->capacity) {
        size_t capacity = buffer->capacity == 0 ? 512 : buffer->capacity;
        while (capacity < buffer->count + count) {
            capacity *= 2;
        }
        char *grown = realloc(buffer->bytes, capacity);
        if (grown == NULL) {
            return false;
        }
        buffer->bytes = grown;
        buffer->capacity = capacity;
    }
    memcpy(buffer->bytes + buffer->count, bytes, count);
    buffer->count += count;
    return true;
}

void http_buffer_free(struct http_buffer *buffer)
{
    free(buffer->bytes);
    *buffer = (struct http_buffer){0};
}

/* Clients read the number; the words are for people. */
static const char *reason_phrase(unsigned status)
{
    static const struct {
        unsigned status;
        const char *phrase;
    } phrases[] = {
        {200, "OK"},
        {201, "Created"},
        {202, "Accepted"},
        {204, "No Content"},
        {301, "Moved Permanently"},
        {302, "Found"},
        {304, "Not Modified"},
        {400, "Bad Request"},
        {401, "Unauthorized"},
        {402, "Payment Required"},
        {403, "Forbidden"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {408, "Request Timeout"},
        {409, "Conflict"},
        {411, "Length Required"},
        {413, "Content Too Large"},
        {414, "URI Too Long"},
        {415, "Unsupported Media Type"},
        {417, "Expectation Failed"},
        {422, "Unprocessable Content"},
        {426, "Upgrade Required"},
        {429, "Too Many Requests"},
        {431, "Request Header Fields Too Large"},
        {500, "Internal Server Error"},
        {503, "Service Unavailable"},
        {505, "HTTP Version Not Supported"},
    };
    for (size_t i = 0; i < sizeof phrases / sizeof phrases[0]; i++) {
        if (phrases[i].status == status) {
            return phrases[i].phrase;
        }
    }
    return "Status";
}

/* "Fri, 20 Nov 2026 07:00:00 GMT", made once a second; not by strftime, whose words follow the
 * locale. */
static const char *date_text(struct http_server *server)
{
    static const char days[7][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    static const char months[12][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                       "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    const time_t now = time(NULL);
    if (now != (time_t)server->date_s || server->date_text[0] == '\0') {
        struct tm utc;
        if (gmtime_r(&now, &utc) == NULL) {
            return "Thu, 01 Jan 1970 00:00:00 GMT";
        }
        server->date_s = now;
        snprintf(server->date_text, sizeof server->date_text, "%s, %02u %s %04u %02u:%02u:%02u GMT",
                 days[utc.tm_wday % 7], (unsigned)utc.tm_mday % 100, months[utc.tm_mon % 12],
                 (unsigned)(utc.tm_year + 1900) % 10000, (unsigned)utc.tm_hour % 100,
                 (unsigned)utc.tm_min % 100, (unsigned)utc.tm_sec % 100);
    }
    return server->date_text;
}

static bool append_text(struct http_buffer *out, const char *text)
{
    return http_buffer_append(out, text, strlen(text));
}

static bool append_field(struct http_buffer *out, const char *name, const char *value)
{
    return append_text(out, name) && append_text(out, ": ") && append_text(out, value) &&
           append_text(out, "\r\n");
}

static bool append_head(struct http_server *server, const struct http_answer *answer,
                        struct http_buffer *out)
{
    const bool bodiless = answer->status == 204 || answer->status == 304;
    char line[96];
    snprintf(line, sizeof line, "HTTP/1.1 %u %s\r\n", answer->status,
             reason_phrase(answer->status));
    bool good = append_text(out, line) && append_field(out, "Date", date_text(server));
    if (!bodiless) {
        snprintf(line, sizeof line, "Content-Length: %zu\r\n", answer->body_bytes);
        good = good && append_text(out, line);
    }
    if (answer->content_type != NULL) {
        good = good && append_field(out, "Content-Type", answer->content_type);
    }
    if (answer->close) {
        good = good && append_field(out, "Connection", "close");
    } else if (answer->keep_alive_10) {
        good = good && append_field(out, "Connection", "keep-alive");
    }
    return good;
}

bool http_answer_render(struct http_server *server, const struct http_answer *answer,
                        struct http_buffer *out)
{
    const struct http_options *options = &server->options;
    bool good = append_head(server, answer, out);
    good = good && append_field(out, "X-Content-Type-Options", "nosniff");
    good = good && append_field(out, "Referrer-Policy", "no-referrer");
    if (options->html_policy != NULL && answer->content_type != NULL &&
        strncasecmp(answer->content_type, "text/html", 9) == 0) {
        good = good && append_field(out, "Content-Security-Policy", options->html_policy);
    }
    if (options->server_headers != NULL) {
        good = good && append_text(out, options->server_headers);
    }
    if (answer->extra_headers != NULL) {
        good = good && append_text(out, answer->extra_headers);
    }
    good = good && append_text(out, "\r\n");
    if (!answer->head_only && answer->status != 204 && answer->status != 304) {
        good = good && http_buffer_append(out, answer->body, answer->body_bytes);
    }
    return good;
}
