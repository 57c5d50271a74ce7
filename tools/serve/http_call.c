#include "tools/serve/http_call.h"

#include <stdio.h>

/* A table by request id that forgets under pressure: then the answer counts as "other", and not in
 * the durations. */
#define ASKED_PLACES 16384

static struct {
    uint64_t id;
    int64_t came_ns;
    uint32_t route;
} asked[ASKED_PLACES];

static size_t asked_place(uint64_t id)
{
    return (size_t)(id * 0x9e3779b97f4a7c15u >> 40) % ASKED_PLACES;
}

void http_call_note(uint64_t id, uint32_t route)
{
    const size_t place = asked_place(id);
    asked[place].id = id;
    asked[place].came_ns = clock_elapsed_ns();
    asked[place].route = route;
}

void http_call_count(struct server *server, uint64_t id, unsigned status)
{
    const size_t place = asked_place(id);
    if (asked[place].id != id) {
        metrics_count_http(server->metrics, server->route_other, status);
        return;
    }
    metrics_count_http(server->metrics, asked[place].route, status);
    metrics_observe(server->metrics, METRICS_HTTP_REQUEST,
                    (uint64_t)(clock_elapsed_ns() - asked[place].came_ns));
    asked[place].id = 0;
}

void http_call_respond_bytes(struct server *server, uint64_t id, unsigned status, const char *type,
                             const char *headers, const void *bytes, size_t length)
{
    http_call_count(server, id, status);
    http_respond(server->http, id, status, type, headers, bytes, length);
}

void http_call_respond(struct server *server, uint64_t id, unsigned status, const char *headers,
                       const struct json *json)
{
    if (json->failed) {
        http_call_respond_bytes(server, id, 500, NULL, NULL, "", 0);
        return;
    }
    http_call_respond_bytes(server, id, status, HTTP_JSON_TYPE, headers, json->text, json->length);
}

/* Renders a refusal; status 0 means the code's own. */
void http_call_refuse_id(struct server *server, uint64_t id, unsigned status,
                         enum refusal_code code, const char *message,
                         const struct refusal_extras *extras)
{
    char headers[64] = "";
    if (extras != NULL && extras->retry_after_ms > 0) {
        snprintf(headers, sizeof(headers), "Retry-After: %lld\r\n",
                 (long long)refusal_retry_after_s(extras->retry_after_ms));
    }
    struct json json = {0};
    refusal_json(&json, code, message, extras);
    http_call_respond(server, id, status == 0 ? refusal_http_status(code) : status, headers, &json);
    json_text_free(&json);
}

void http_call_refuse(struct http_call *call, enum refusal_code code, const char *message)
{
    const struct refusal_extras extras = {.retry_after_ms =
                                              code == REFUSAL_OVERLOADED ? SERVER_RETRY_MS : 0};
    http_call_refuse_id(call->server, call->request->id, 0, code, message, &extras);
}

void http_api_render_error(void *context, unsigned status, const char *detail, struct json *body)
{
    struct server *server = context;
    metrics_count_http(server->metrics, server->route_other, status);
    const enum refusal_code code = status == 503   ? REFUSAL_OVERLOADED
                                   : status >= 500 ? REFUSAL_INTERNAL
                                                   : REFUSAL_BAD_REQUEST;
    const struct refusal_extras extras = {.retry_after_ms = status == 503 ? SERVER_RETRY_MS : 0};
    refusal_json(body, code, detail, &extras);
}
