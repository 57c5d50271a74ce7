#include "net_fixture.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "base/check.h"
#include "base/json.h"

struct net_server {
    uv_loop_t loop;
    uv_thread_t thread;
    uv_async_t wake;
    uv_mutex_t lock;
    uv_cond_t done;
    struct http_server *http;
    struct ws_server *ws;
    void (*call)(struct net_server *server, void *to);
    void *call_to;
    bool stopping;
    uint16_t port;
    void (*watch_open)(void *context, uint64_t id, const char *origin,
                       const struct http_peer *peer);
    uint64_t held; /* the request to /hold */
    uint64_t last_opened;
    size_t opened;
    size_t closed;
    bool clean;
};

struct later {
    uv_timer_t timer;
    struct net_server *server;
    uint64_t id;
};

static void free_handle(uv_handle_t *handle)
{
    free(handle->data);
}

static void on_later(uv_timer_t *timer)
{
    struct later *later = timer->data;
    http_respond(later->server->http, later->id, 200, "text/plain", NULL, "later", 5);
    uv_close((uv_handle_t *)timer, free_handle);
}

static void answer_later(struct net_server *server, const struct http_request *request)
{
    struct later *later = calloc(1, sizeof *later);
    CHECK(later != NULL);
    later->server = server;
    later->id = request->id;
    CHECK(uv_timer_init(&server->loop, &later->timer) == 0);
    later->timer.data = later;
    CHECK(uv_timer_start(&later->timer, on_later, strtoul(request->query, NULL, 10), 0) == 0);
}

static void answer_text(struct net_server *server, const struct http_request *request,
                        const char *type, const char *text)
{
    http_respond(server->http, request->id, 200, type, NULL, text, strlen(text));
}

static void on_request(void *context, const struct http_request *request)
{
    struct net_server *server = context;
    if (strcmp(request->path, "/later") == 0) {
        answer_later(server, request);
    } else if (strcmp(request->path, "/hold") == 0) {
        server->held = request->id;
    } else if (strcmp(request->path, "/big") == 0) {
        const size_t bytes = strtoul(request->query, NULL, 10);
        char *body = malloc(bytes + 1);
        CHECK(body != NULL);
        memset(body, 'x', bytes);
        http_respond(server->http, request->id, 200, "text/plain", NULL, body, bytes);
        free(body);
    } else if (strcmp(request->path, "/html") == 0) {
        answer_text(server, request, "text/html; charset=utf-8", "<p>");
    } else if (strcmp(request->path, "/peer") == 0) {
        answer_text(server, request, "text/plain", request->peer.text);
    } else if (strcmp(request->path, "/host") == 0) {
        answer_text(server, request, "text/plain", request->host == NULL ? "-" : request->host);
    } else if (strcmp(request->path, "/refuse") == 0) {
        http_refuse(server->http, request->id, (unsigned)strtoul(request->query, NULL, 10), "no");
    } else {
        if (strcmp(request->path, "/push") == 0) {
            CHECK(ws_send(server->ws, server->last_opened, "pushed", 6));
        }
        char text[16384];
        snprintf(text, sizeof text, "%s %s %s %s", request->method, request->path, request->query,
                 request->body);
        answer_text(server, request, "text/plain", text);
        if (strcmp(request->path, "/after") == 0) {
            answer_text(server, request, "text/plain", "once more");
        }
    }
}

static void render_error(void *context, unsigned status, const char *detail, struct json *body)
{
    (void)context;
    json_open(body, '{');
    json_key(body, "status");
    json_u64(body, status);
    json_key(body, "detail");
    json_string(body, detail);
    json_close(body, '}');
}

static void on_open(void *context, uint64_t id, const char *origin, const struct http_peer *peer)
{
    struct net_server *server = context;
    CHECK(id != 0);
    CHECK(strcmp(peer->text, "127.0.0.1") == 0);
    server->opened += 1;
    server->last_opened = id;
    if (server->watch_open != NULL) {
        server->watch_open(context, id, origin, peer);
    }
}

static void send_burst(struct net_server *server, uint64_t id, unsigned long count)
{
    char text[1000];
    memset(text, 'b', sizeof text);
    struct ws_text *shared = ws_text_make(text, sizeof text);
    CHECK(shared != NULL);
    for (unsigned long i = 0; i < count; i++) {
        if (!ws_send_shared(server->ws, id, shared)) {
            break;
        }
    }
    ws_text_release(shared);
}

static void on_message(void *context, uint64_t id, const char *text, size_t length)
{
    struct net_server *server = context;
    char head[64];
    snprintf(head, sizeof head, "%.*s", (int)(length < 60 ? length : 60), text);
    if (strncmp(head, "burst ", 6) == 0) {
        send_burst(server, id, strtoul(head + 6, NULL, 10));
        return;
    }
    if (strncmp(head, "close ", 6) == 0) {
        char *reason = NULL;
        const unsigned code = (unsigned)strtoul(head + 6, &reason, 10);
        ws_close(server->ws, id, code, reason + (*reason == ' '));
        return;
    }
    if (strcmp(head, "count") == 0) {
        const int count = snprintf(head, sizeof head, "%zu", ws_server_count(server->ws));
        (void)ws_send(server->ws, id, head, (size_t)count);
        return;
    }
    if (strcmp(head, "twice") == 0) {
        (void)ws_send(server->ws, id, text, length);
    }
    (void)ws_send(server->ws, id, text, length); /* a socket that was cut is the test's matter */
}

static void on_close(void *context, uint64_t id)
{
    struct net_server *server = context;
    (void)id;
    server->closed += 1;
}

static void on_wake(uv_async_t *wake)
{
    struct net_server *server = wake->data;
    uv_mutex_lock(&server->lock);
    if (server->call != NULL) {
        server->call(server, server->call_to);
        server->call = NULL;
        uv_cond_signal(&server->done);
    }
    const bool stopping = server->stopping;
    uv_mutex_unlock(&server->lock);
    if (stopping) {
        if (server->ws != NULL) {
            ws_server_close(server->ws);
        }
        http_server_close(server->http);
        uv_close((uv_handle_t *)wake, NULL);
    }
}

static void run(void *argument)
{
    struct net_server *server = argument;
    uv_run(&server->loop, UV_RUN_DEFAULT);
    ws_server_free(server->ws);
    uv_run(&server->loop, UV_RUN_DEFAULT);
    http_server_free(server->http);
    server->clean = uv_loop_close(&server->loop) == 0;
}

struct net_server *net_server_start(const struct net_options *options)
{
    struct net_server *server = calloc(1, sizeof *server);
    CHECK(server != NULL);
    signal(SIGPIPE, SIG_IGN); /* as the program does: a peer that goes is an error code */
    CHECK(uv_loop_init(&server->loop) == 0);
    CHECK(uv_mutex_init(&server->lock) == 0);
    CHECK(uv_cond_init(&server->done) == 0);
    CHECK(uv_async_init(&server->loop, &server->wake, on_wake) == 0);
    server->wake.data = server;
    server->watch_open = options->watch_open;

    struct http_options http = options->http;
    http.address = "127.0.0.1";
    http.context = server;
    http.on_request = on_request;
    http.render_error = render_error;
    char error[128] = "";
    const enum status opened =
        http_server_open(&server->http, &server->loop, &http, error, sizeof error);
    if (opened != STATUS_OK) {
        fprintf(stderr, "%s\n", error);
    }
    CHECK(opened == STATUS_OK);
    if (options->with_ws) {
        struct ws_options ws = options->ws;
        ws.context = server;
        ws.on_open = on_open;
        ws.on_message = on_message;
        ws.on_close = on_close;
        CHECK(ws_server_open(&server->ws, &server->loop, server->http, &ws) == STATUS_OK);
    }
    server->port = http_server_port(server->http);
    CHECK(uv_thread_create(&server->thread, run, server) == 0);
    return server;
}

uint16_t net_server_port(const struct net_server *server)
{
    return server->port;
}

struct http_server *net_server_http(struct net_server *server)
{
    return server->http;
}

struct ws_server *net_server_ws(struct net_server *server)
{
    return server->ws;
}

void net_server_call(struct net_server *server, void (*call)(struct net_server *server, void *to),
                     void *to)
{
    uv_mutex_lock(&server->lock);
    server->call = call;
    server->call_to = to;
    CHECK(uv_async_send(&server->wake) == 0);
    while (server->call != NULL) {
        uv_cond_wait(&server->done, &server->lock);
    }
    uv_mutex_unlock(&server->lock);
}

static void answer_held(struct net_server *server, void *to)
{
    bool *answered = to;
    *answered = server->held != 0;
    if (*answered) {
        http_respond(server->http, server->held, 200, "text/plain", NULL, "held", 4);
        server->held = 0;
    }
}

void net_server_release(struct net_server *server)
{
    bool answered = false;
    while (!answered) {
        net_server_call(server, answer_held, &answered);
    }
}

bool net_server_stop(struct net_server *server)
{
    uv_mutex_lock(&server->lock);
    server->stopping = true;
    CHECK(uv_async_send(&server->wake) == 0);
    uv_mutex_unlock(&server->lock);
    CHECK(uv_thread_join(&server->thread) == 0);
    const bool well = server->clean && server->opened == server->closed;
    uv_mutex_destroy(&server->lock);
    uv_cond_destroy(&server->done);
    free(server);
    return well;
}
