/* The HTTP interface (interface.md section 3): its routes, and the checks that come before a
 * handler. */
#include <stdio.h>
#include <string.h>

#include "tools/serve/http_call.h"
#include "tools/serve/page.h"

/* Method, path ("*" takes any one part), handler. The metrics know a route by its path. */
struct route {
    const char *method;
    const char *path;
    void (*handle)(struct http_call *call);
    bool unlimited; /* not counted against the address's rate: health checks */
};

static uint32_t route_places[32]; /* in the metrics: the routes, then the page */

static const struct route routes[] = {
    {"POST", "/v1/bets", http_post_bet, false},
    {"GET", "/v1/bets/by-nonce/*/*", http_get_bet_by_nonce, false},
    {"GET", "/v1/bets/*", http_get_bet, false},
    {"GET", "/v1/accounts/*/bets", http_get_bets, false},
    {"GET", "/v1/accounts/*/ledger", http_get_ledger, false},
    {"GET", "/v1/accounts/*", http_get_account, false},
    {"GET", "/v1/grid", http_get_grid, false},
    {"GET", "/v1/index", http_get_index, false},
    {"GET", "/v1/columns/*", http_get_column, false},
    {"GET", "/v1/config/*", http_get_config, false},
    {"GET", "/v1/status", http_get_status, false},
    {"GET", "/v1/time", http_get_time, false},
    {"POST", "/v1/demo/deposit", http_post_demo_deposit, false},
    {"GET", "/livez", http_get_live, true},
    {"GET", "/readyz", http_get_ready, true},
    {"GET", "/healthz", http_get_health, true},
    {"GET", "/metrics", http_get_metrics, true},
};
#define ROUTE_COUNT (sizeof(routes) / sizeof(routes[0]))

_Static_assert(ROUTE_COUNT < sizeof(route_places) / sizeof(route_places[0]), "places for all");

void http_api_register_routes(struct server *server)
{
    for (size_t i = 0; i < ROUTE_COUNT; i++) {
        route_places[i] = metrics_route(server->metrics, routes[i].path);
    }
    route_places[ROUTE_COUNT] = metrics_route(server->metrics, "page");
    server->route_other = metrics_route(server->metrics, "other");
}

/* Does the path fit? Cuts `path` (a copy) at its slashes; what "*" stood for goes to call->parts.
 */
static bool path_fits(const char *pattern, char *path, struct http_call *call)
{
    call->part_count = 0;
    while (*pattern != '\0') {
        if (*pattern == '*') {
            if (call->part_count == HTTP_PATH_PARTS_MAX || *path == '\0' || *path == '/') {
                return false;
            }
            call->parts[call->part_count++] = path;
            while (*path != '\0' && *path != '/') {
                path += 1;
            }
            pattern += 1;
            if (*pattern == '/' && *path == '/') {
                *path = '\0';
                path += 1;
                pattern += 1;
            }
            continue;
        }
        if (*pattern != *path) {
            return false;
        }
        pattern += 1;
        path += 1;
    }
    return *path == '\0';
}

static bool method_fits(const char *method, const char *wanted)
{
    return strcmp(method, wanted) == 0 ||
           (strcmp(method, "GET") == 0 && strcmp(wanted, "HEAD") == 0);
}

/* False, and answered, when the peer asks too often. */
static bool within_rate(struct server *server, const struct http_request *request)
{
    uint8_t key[RATE_LIMIT_IP_BYTES];
    rate_limit_ip_key(key, request->peer.address);
    const int64_t wait_ms = rate_limit_take(server->by_address, key, clock_elapsed_ns());
    if (wait_ms == 0) {
        return true;
    }
    const struct refusal_extras extras = {.retry_after_ms = wait_ms};
    http_call_refuse_id(server, request->id, 0, REFUSAL_RATE_LIMITED, NULL, &extras);
    return false;
}

/* Runs the handler, when the request's origin is allowed. */
static void run(const struct route *route, struct http_call *call)
{
    call->origin = server_origin(call->server, call->request->origin);
    if (call->origin == NULL) {
        http_call_refuse_id(call->server, call->request->id, 403, REFUSAL_BAD_REQUEST,
                            "this origin is not on the server's list (--origin)", NULL);
        return;
    }
    route->handle(call);
}

/* The path is known, the method is not: RFC 9110 section 15.5.6 wants the header Allow. */
static void refuse_method(struct server *server, const struct http_request *request,
                          const char *method)
{
    struct json json = {0};
    refusal_json(&json, REFUSAL_BAD_REQUEST, "this path does not take that method", NULL);
    http_call_respond(server, request->id, 405,
                      strcmp(method, "GET") == 0 ? "Allow: GET, HEAD\r\n" : "Allow: POST\r\n",
                      &json);
    json_text_free(&json);
}

/* What a path leads to: a route, or no route (a file of the page, or nothing). */
struct found {
    size_t number;            /* of the route or, ROUTE_COUNT, none */
    const char *other_method; /* the path is that of a route with this method only */
};

/* Looks the route up; `path` (HTTP_URL_BYTES + 1) is room for the parts of the call. */
static struct found find_route(const struct http_request *request, char *path,
                               struct http_call *call)
{
    struct found found = {.number = ROUTE_COUNT};
    for (size_t i = 0; i < ROUTE_COUNT; i++) {
        snprintf(path, HTTP_URL_BYTES + 1, "%s", request->path);
        if (!path_fits(routes[i].path, path, call)) {
            continue;
        }
        if (method_fits(routes[i].method, request->method)) {
            return (struct found){.number = i};
        }
        found.number = i;
        found.other_method = routes[i].method;
    }
    if (found.number == ROUTE_COUNT && page_find(request->path) != NULL &&
        !method_fits("GET", request->method)) {
        found.other_method = "GET";
    }
    return found;
}

void http_api_request(void *context, const struct http_request *request)
{
    struct server *server = context;
    char path[HTTP_URL_BYTES + 1];
    struct http_call call = {.server = server, .request = request};
    const struct found found = find_route(request, path, &call);
    const bool is_route = found.number < ROUTE_COUNT;
    http_call_note(request->id, is_route                           ? route_places[found.number]
                                : page_find(request->path) != NULL ? route_places[ROUTE_COUNT]
                                                                   : server->route_other);
    if (server->closing) {
        http_call_refuse_id(server, request->id, 0, REFUSAL_DRAINING, NULL, NULL);
        return;
    }
    if (!(is_route && routes[found.number].unlimited) && !within_rate(server, request)) {
        return;
    }
    if (found.other_method != NULL) {
        refuse_method(server, request, found.other_method);
    } else if (is_route) {
        run(&routes[found.number], &call);
    } else {
        http_get_page_file(&call);
    }
}
