/* The HTTP interface (interface.md section 3): routes, checks of shape and rate, and the answers.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/address.h"
#include "base/text.h"
#include "ingress/strict_json.h"
#include "tools/serve/http_query.h"
#include "tools/serve/page.h"
#include "tools/serve/server.h"

#define JSON_TYPE       "application/json"
#define PATH_PARTS_MAX  6
#define DEMO_REFERENCES "demo-%016llx-%llu"

/* One route: method, path parts ("*" takes any one), handler. The metrics know it by its name. */
struct call {
    struct server *server;
    const struct http_request *request;
    const char *parts[PATH_PARTS_MAX]; /* what the path's "*" stood for, in order; NUL terminated */
    size_t part_count;
    const char *origin;  /* for signed texts */
    const char *headers; /* further header lines of the answer, or NULL */
};

struct route {
    const char *method;
    const char *path;
    void (*handle)(struct call *call);
    bool unlimited; /* not counted against the address's rate: health checks */
};

/* --- Answers. --- */

/* Which route a request took, until its answer: a table by request id that forgets under pressure,
 * for then the answer counts as "other". */
#define ASKED_PLACES 16384

static struct {
    uint64_t id;
    uint32_t route;
} asked[ASKED_PLACES];

static uint32_t route_places[32]; /* in the metrics: the routes, then the page, then other */

static size_t asked_place(uint64_t id)
{
    return (size_t)(id * 0x9e3779b97f4a7c15u >> 40) % ASKED_PLACES;
}

static void note_asked(uint64_t id, uint32_t route)
{
    const size_t place = asked_place(id);
    asked[place].id = id;
    asked[place].route = route;
}

static void count_answer(struct server *server, uint64_t id, unsigned status)
{
    const size_t place = asked_place(id);
    const uint32_t route = asked[place].id == id ? asked[place].route : server->route_other;
    metrics_count_http(server->metrics, route, status);
}

static void respond(struct server *server, uint64_t id, unsigned status, const char *headers,
                    const struct json *json)
{
    if (json->failed) {
        count_answer(server, id, 500);
        http_respond(server->http, id, 500, NULL, NULL, "", 0);
        return;
    }
    count_answer(server, id, status);
    http_respond(server->http, id, status, JSON_TYPE, headers, json->text, json->length);
}

/* Renders a refusal; status 0 means the code's own. */
static void refuse(struct server *server, uint64_t id, unsigned status, enum refusal_code code,
                   const char *message, const struct refusal_extras *extras)
{
    char headers[64] = "";
    if (extras != NULL && extras->retry_after_ms > 0) {
        snprintf(headers, sizeof(headers), "Retry-After: %lld\r\n",
                 (long long)refusal_retry_after_s(extras->retry_after_ms));
    }
    struct json json = {0};
    refusal_json(&json, code, message, extras);
    respond(server, id, status == 0 ? refusal_http_status(code) : status, headers, &json);
    json_text_free(&json);
}

static void refuse_call(struct call *call, enum refusal_code code, const char *message)
{
    const struct refusal_extras extras = {.retry_after_ms =
                                              code == REFUSAL_OVERLOADED ? SERVER_RETRY_MS : 0};
    refuse(call->server, call->request->id, 0, code, message, &extras);
}

void http_api_render_error(void *context, unsigned status, const char *detail, struct json *body)
{
    (void)context;
    const enum refusal_code code = status == 503   ? REFUSAL_OVERLOADED
                                   : status >= 500 ? REFUSAL_INTERNAL
                                                   : REFUSAL_BAD_REQUEST;
    const struct refusal_extras extras = {.retry_after_ms = status == 503 ? SERVER_RETRY_MS : 0};
    refusal_json(body, code, detail, &extras);
}

/* --- Reads from SQLite. --- */

static void read_done(void *context, struct read *read)
{
    struct server *server = context;
    switch (read->status) {
    case STATUS_OK:
        respond(server, read->connection, 200, NULL, &read->json);
        break;
    case STATUS_NOT_FOUND:
        refuse(server, read->connection, 0, REFUSAL_NOT_FOUND, NULL, NULL);
        break;
    case STATUS_FULL: {
        const struct refusal_extras extras = {.retry_after_ms = SERVER_RETRY_MS};
        refuse(server, read->connection, 0, REFUSAL_OVERLOADED,
               "the projection is behind, ask again soon", &extras);
        break;
    }
    case STATUS_END:
    case STATUS_INVALID:
    case STATUS_USAGE:
    case STATUS_IN_USE:
    case STATUS_IO:
    case STATUS_NO_SPACE:
    case STATUS_NO_MEMORY:
    case STATUS_DAMAGED:
    case STATUS_LOST_TAIL:
    case STATUS_VERSION:
    case STATUS_MISMATCH:
    case STATUS_CLOSED:
        refuse(server, read->connection, 0, REFUSAL_INTERNAL,
               "the projection cannot be read; the journal is not touched by that", NULL);
        break;
    }
    read_free(read);
}

static struct read *new_read(struct server *server, uint64_t connection, enum read_kind kind)
{
    struct read *read = read_new(kind);
    if (read != NULL) {
        read->at_least_seq = engine_applied_seq(server->engine);
        read->done = read_done;
        read->context = server;
        read->connection = connection;
    }
    return read;
}

/* Sends a read on its way, or answers OVERLOADED. read may be NULL (no memory). */
static void submit_read(struct call *call, struct read *read)
{
    if (read == NULL || reads_submit(call->server->reads, read) != STATUS_OK) {
        read_free(read);
        refuse_call(call, REFUSAL_OVERLOADED, NULL);
    }
}

static bool part_id(struct call *call, size_t part, uint64_t *id)
{
    int64_t value;
    if (!text_parse_decimal(call->parts[part], strlen(call->parts[part]), &value)) {
        refuse_call(call, REFUSAL_BAD_REQUEST, "the path wants a number in decimal digits");
        return false;
    }
    *id = (uint64_t)value;
    return true;
}

static bool part_address(struct call *call, size_t part, uint8_t address[ADDRESS_BYTES])
{
    if (!address_parse(call->parts[part], strlen(call->parts[part]), address)) {
        refuse_call(call, REFUSAL_BAD_REQUEST,
                    "the account wants 0x and 40 hex digits, in one case or with its checksum");
        return false;
    }
    return true;
}

static void get_bet(struct call *call)
{
    uint64_t id;
    if (!part_id(call, 0, &id)) {
        return;
    }
    struct read *read = new_read(call->server, call->request->id, READ_BET);
    if (read != NULL) {
        read->id = id;
    }
    submit_read(call, read);
}

static void get_bet_by_nonce(struct call *call)
{
    uint8_t account[ADDRESS_BYTES];
    uint8_t nonce[NONCE_BYTES];
    if (!part_address(call, 0, account)) {
        return;
    }
    if (!text_parse_hex_lower(call->parts[1], strlen(call->parts[1]), nonce, NONCE_BYTES)) {
        refuse_call(call, REFUSAL_BAD_REQUEST, "the nonce wants 32 lower-case hex digits");
        return;
    }
    struct read *read = new_read(call->server, call->request->id, READ_BET_BY_NONCE);
    if (read != NULL) {
        memcpy(read->account, account, ADDRESS_BYTES);
        memcpy(read->nonce, nonce, NONCE_BYTES);
    }
    submit_read(call, read);
}

static void get_account(struct call *call)
{
    uint8_t account[ADDRESS_BYTES];
    if (!part_address(call, 0, account)) {
        return;
    }
    struct read *read = new_read(call->server, call->request->id, READ_ACCOUNT);
    if (read != NULL) {
        memcpy(read->account, account, ADDRESS_BYTES);
    }
    submit_read(call, read);
}

/* Bets and ledger rows: the same paging, other filters. */
static void get_page(struct call *call, enum read_kind kind)
{
    uint8_t account[ADDRESS_BYTES];
    if (!part_address(call, 0, account)) {
        return;
    }
    struct read *read = new_read(call->server, call->request->id, kind);
    if (read == NULL) {
        submit_read(call, NULL);
        return;
    }
    memcpy(read->account, account, ADDRESS_BYTES);
    const char *problem = http_query_page(call->request->query, read);
    if (problem != NULL) {
        read_free(read);
        refuse_call(call, REFUSAL_BAD_REQUEST, problem);
        return;
    }
    submit_read(call, read);
}

static void get_bets(struct call *call)
{
    get_page(call, READ_BETS);
}

static void get_ledger(struct call *call)
{
    get_page(call, READ_LEDGER);
}

static void get_column(struct call *call)
{
    uint64_t id;
    if (!part_id(call, 0, &id)) {
        return;
    }
    struct read *read = new_read(call->server, call->request->id, READ_COLUMN);
    if (read != NULL) {
        read->id = id;
    }
    submit_read(call, read);
}

static void get_config(struct call *call)
{
    uint64_t epoch = 0; /* the current one */
    if (strcmp(call->parts[0], "current") != 0) {
        if (!part_id(call, 0, &epoch)) {
            return;
        }
        if (epoch == 0) {
            refuse_call(call, REFUSAL_NOT_FOUND, NULL);
            return;
        }
    }
    struct read *read = new_read(call->server, call->request->id, READ_CONFIG);
    if (read != NULL) {
        read->id = epoch;
    }
    submit_read(call, read);
}

/* --- Reads from the board. --- */

static void get_grid(struct call *call)
{
    const struct json *json = board_grid(&call->server->board);
    if (json->length == 0) {
        refuse_call(call, REFUSAL_OVERLOADED, "no price yet, ask again soon");
        return;
    }
    respond(call->server, call->request->id, 200, call->headers, json);
}

static void get_index(struct call *call)
{
    respond(call->server, call->request->id, 200, call->headers, board_index(&call->server->board));
}

static void get_status(struct call *call)
{
    struct json json = {0};
    publish_status(call->server, &json);
    respond(call->server, call->request->id, 200, call->headers, &json);
    json_text_free(&json);
}

static void get_time(struct call *call)
{
    struct json json = {0};
    shapes_time(&json, clock_now_ms(&call->server->clock));
    respond(call->server, call->request->id, 200, call->headers, &json);
    json_text_free(&json);
}

static void get_live(struct call *call)
{
    http_respond(call->server->http, call->request->id, 200, JSON_TYPE, NULL, "{\"status\":\"ok\"}",
                 15);
}

static void get_ready(struct call *call)
{
    const bool ready = !call->server->draining && journal_has_room(call->server->journal);
    const char *body = ready ? "{\"status\":\"ok\"}" : "{\"status\":\"not ready\"}";
    http_respond(call->server->http, call->request->id, ready ? 200 : 503, JSON_TYPE, NULL, body,
                 strlen(body));
}

static void get_health(struct call *call)
{
    struct server *server = call->server;
    char text[SQLITE_WRITER_TEXT_BYTES];
    struct journal_head head;
    journal_head(server->journal, &head);
    const struct market_view *market = &server->board.market;
    const struct shapes_health health = {
        .status = projector_halted(server->projector, text) != STATUS_OK ? "projection halted"
                  : server->draining                                     ? "draining"
                                                                         : "ok",
        .breaker = market->breaker,
        .feed_age_ms =
            market->last_tick_ms == 0 ? -1 : clock_now_ms(&server->clock) - market->last_tick_ms,
        .seq = market->seq,
        .durable_seq = head.seq,
        .digest = server->board.digest,
    };
    struct json json = {0};
    shapes_health(&json, &health);
    respond(server, call->request->id, 200, NULL, &json);
    json_text_free(&json);
}

static void get_metrics(struct call *call)
{
    struct json text = {0};
    publish_gauges(call->server);
    metrics_write(call->server->metrics, &text);
    http_respond(call->server->http, call->request->id, 200, "text/plain; version=0.0.4", NULL,
                 text.text, text.length);
    json_text_free(&text);
}

static void get_page_file(struct call *call)
{
    const struct page_file *file = page_find(call->request->path);
    if (file == NULL) {
        refuse_call(call, REFUSAL_NOT_FOUND, NULL);
        return;
    }
    count_answer(call->server, call->request->id, 200);
    http_respond(call->server->http, call->request->id, 200, file->type,
                 "Cache-Control: no-cache\r\n", file->bytes, file->length);
}

/* --- Inputs. --- */

/* The body as JSON; NULL when it was answered. */
static struct strict_json *parse_body(struct call *call)
{
    const char *type = call->request->content_type;
    if (type == NULL || strncmp(type, JSON_TYPE, strlen(JSON_TYPE)) != 0 ||
        (type[strlen(JSON_TYPE)] != '\0' && type[strlen(JSON_TYPE)] != ';' &&
         type[strlen(JSON_TYPE)] != ' ')) {
        refuse(call->server, call->request->id, 415, REFUSAL_BAD_REQUEST,
               "send the body as content-type: application/json", NULL);
        return NULL;
    }
    struct strict_json *json;
    struct strict_json_problem problem;
    const enum status status =
        strict_json_parse(call->request->body, call->request->body_bytes, &json, &problem);
    if (status == STATUS_OK) {
        return json;
    }
    if (status == STATUS_INVALID) {
        refuse_call(call, REFUSAL_BAD_REQUEST, problem.text);
    } else {
        refuse_call(call, REFUSAL_OVERLOADED, NULL);
    }
    return NULL;
}

static void post_bet(struct call *call)
{
    struct server *server = call->server;
    struct strict_json *json = parse_body(call);
    if (json == NULL) {
        return;
    }
    struct engine_request *request = taps_new(server, ENGINE_TAP, FRONT_HTTP, call->request->id);
    if (request == NULL) {
        strict_json_free(json);
        refuse_call(call, REFUSAL_OVERLOADED, NULL);
        return;
    }
    const struct text_view origin = {call->origin, strlen(call->origin)};
    struct refusal refusal;
    const bool good = tap_request_parse(json, origin, NULL, &request->tap, &refusal);
    strict_json_free(json);
    if (!good) {
        request->answer = (struct engine_answer){.kind = ANSWER_REFUSED, .refusal = refusal};
        http_api_answer(server, request);
        taps_free(server, request);
        return;
    }
    request->job.text = request->tap.text;
    request->job.text_length = request->tap.text_length;
    request->job.signature = request->tap.signature;
    request->job.account = request->tap.tap.account;
    taps_verify(server, request);
}

/* A reference of the server's own for a demo deposit without one: unique for ever, as it names the
 * moment and a count. */
static void make_reference(struct server *server, char *to, size_t bytes)
{
    static unsigned long long count;
    count += 1;
    snprintf(to, bytes, DEMO_REFERENCES, (unsigned long long)clock_elapsed_ns(),
             count + server->board.market.seq);
}

/* Takes a member of a deposit's body as text; false when it was answered. */
static bool text_member(struct call *call, const struct strict_json *json, const char *key,
                        bool required, struct text_view *text)
{
    *text = (struct text_view){"", 0};
    const enum strict_json_member member = strict_json_text(json, key, text);
    if (member == STRICT_JSON_STRING || (member == STRICT_JSON_ABSENT && !required)) {
        return true;
    }
    char message[96];
    snprintf(message, sizeof(message), "%s: wanted as a JSON string", key);
    refuse_call(call, REFUSAL_BAD_REQUEST, message);
    return false;
}

static bool reference_is_good(struct text_view text)
{
    if (text.length == 0 || text.length > LIMIT_REFERENCE_BYTES) {
        return false;
    }
    for (size_t i = 0; i < text.length; i++) {
        if (text.text[i] < 0x20 || text.text[i] > 0x7e) {
            return false;
        }
    }
    return true;
}

/* Fills the deposit from the body; false when it was answered. */
static bool parse_deposit(struct call *call, const struct strict_json *json,
                          struct engine_request *request)
{
    static const char *const allowed[] = {"account", "amount", "ref", NULL};
    struct text_view account;
    struct text_view amount;
    struct text_view reference;
    uint8_t address[ADDRESS_BYTES];
    int64_t amount_micro;
    const char *unknown = strict_json_unknown_key(json, allowed, NULL);
    if (!strict_json_is_object(json) || unknown != NULL) {
        refuse_call(call, REFUSAL_BAD_REQUEST,
                    "the body wants an object of account, amount and maybe ref");
        return false;
    }
    if (!text_member(call, json, "account", true, &account) ||
        !text_member(call, json, "amount", true, &amount) ||
        !text_member(call, json, "ref", false, &reference)) {
        return false;
    }
    if (!address_parse(account.text, account.length, address)) {
        refuse_call(call, REFUSAL_BAD_REQUEST,
                    "account: wanted as 0x and 40 hex digits, in one case or with its checksum");
        return false;
    }
    if (!text_parse_decimal(amount.text, amount.length, &amount_micro)) {
        refuse_call(call, REFUSAL_BAD_REQUEST, "amount: wanted as a string of decimal digits");
        return false;
    }
    char made[LIMIT_REFERENCE_BYTES + 1];
    if (strict_json_text(json, "ref", &reference) == STRICT_JSON_ABSENT) {
        make_reference(call->server, made, sizeof(made));
    } else if (reference_is_good(reference)) {
        memcpy(made, reference.text, reference.length);
        made[reference.length] = '\0';
    } else {
        refuse_call(call, REFUSAL_BAD_REQUEST, "ref: wanted as 1 to 64 printable ASCII characters");
        return false;
    }
    return transfer_fill(request, INPUT_DEPOSIT, address, amount_micro, made, "demo", "");
}

static void post_demo_deposit(struct call *call)
{
    if (!call->server->options.demo) {
        refuse_call(call, REFUSAL_NOT_FOUND, "there are demo deposits only with --demo");
        return;
    }
    struct strict_json *json = parse_body(call);
    if (json == NULL) {
        return;
    }
    struct engine_request *request =
        taps_new(call->server, ENGINE_TRANSFER, FRONT_HTTP, call->request->id);
    if (request == NULL) {
        refuse_call(call, REFUSAL_OVERLOADED, NULL);
    } else if (parse_deposit(call, json, request)) {
        taps_submit(call->server, request);
    } else {
        taps_free(call->server, request);
    }
    strict_json_free(json);
}

static void answer_deposit(struct server *server, const struct engine_request *request)
{
    const struct transfer *transfer = &request->input.of.transfer;
    char address[ADDRESS_TEXT_BYTES + 1];
    address_format(address, transfer->account);
    struct json json = {0};
    json_open(&json, '{');
    json_key(&json, "seq");
    json_u64(&json, request->answer.seq);
    json_key(&json, "account");
    json_string(&json, address);
    json_key(&json, "amount");
    json_i64(&json, transfer->amount_micro);
    json_key(&json, "ref");
    json_text(&json, transfer->reference.text, transfer->reference.length);
    json_key(&json, "available");
    json_i64(&json, request->answer.available_micro);
    json_close(&json, '}');
    respond(server, request->connection, 200, NULL, &json);
    json_text_free(&json);
}

static void answer_known(struct server *server, const struct engine_request *request)
{
    struct read *read = new_read(server, request->connection, READ_BET);
    if (read != NULL) {
        read->id = request->answer.bet;
    }
    const struct http_request same = {.id = request->connection};
    struct call call = {.server = server, .request = &same};
    submit_read(&call, read);
}

void http_api_answer(struct server *server, const struct engine_request *request)
{
    const struct engine_answer *answer = &request->answer;
    metrics_observe(server->metrics, METRICS_HTTP_REQUEST,
                    (uint64_t)(clock_elapsed_ns() - request->received_ns));
    switch (answer->kind) {
    case ANSWER_REFUSED:
        refuse(server, request->connection, 0, answer->refusal.code, answer->refusal.message,
               &answer->extras);
        break;
    case ANSWER_BET: {
        struct json json = {0};
        json_open(&json, '{');
        json_key(&json, "bet");
        json_u64(&json, answer->bet);
        json_key(&json, "seq");
        json_u64(&json, answer->seq);
        json_key(&json, "state");
        json_string(&json, bet_state_text(answer->state));
        json_close(&json, '}');
        respond(server, request->connection, 202, NULL, &json);
        json_text_free(&json);
        break;
    }
    case ANSWER_KNOWN:
        answer_known(server, request);
        break;
    case ANSWER_APPLIED:
        answer_deposit(server, request);
        break;
    case ANSWER_ACCOUNT:
        break; /* the WebSocket front asks for those */
    }
}

/* --- Routing. --- */

static const struct route routes[] = {
    {"POST", "/v1/bets", post_bet, false},
    {"GET", "/v1/bets/by-nonce/*/*", get_bet_by_nonce, false},
    {"GET", "/v1/bets/*", get_bet, false},
    {"GET", "/v1/accounts/*/bets", get_bets, false},
    {"GET", "/v1/accounts/*/ledger", get_ledger, false},
    {"GET", "/v1/accounts/*", get_account, false},
    {"GET", "/v1/grid", get_grid, false},
    {"GET", "/v1/index", get_index, false},
    {"GET", "/v1/columns/*", get_column, false},
    {"GET", "/v1/config/*", get_config, false},
    {"GET", "/v1/status", get_status, false},
    {"GET", "/v1/time", get_time, false},
    {"POST", "/v1/demo/deposit", post_demo_deposit, false},
    {"GET", "/livez", get_live, true},
    {"GET", "/readyz", get_ready, true},
    {"GET", "/healthz", get_health, true},
    {"GET", "/metrics", get_metrics, true},
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
static bool path_fits(const char *pattern, char *path, struct call *call)
{
    call->part_count = 0;
    while (*pattern != '\0') {
        if (*pattern == '*') {
            if (call->part_count == PATH_PARTS_MAX || *path == '\0' || *path == '/') {
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
    const int64_t wait_ms =
        rate_limit_take(server->by_address, request->peer.address, clock_elapsed_ns());
    if (wait_ms == 0) {
        return true;
    }
    const struct refusal_extras extras = {.retry_after_ms = wait_ms};
    refuse(server, request->id, 0, REFUSAL_RATE_LIMITED, NULL, &extras);
    return false;
}

static void dispatch(struct server *server, const struct http_request *request, size_t number,
                     struct call *call)
{
    note_asked(request->id, route_places[number]);
    call->origin = server_origin(server, request->origin);
    if (call->origin == NULL) {
        refuse(server, request->id, 403, REFUSAL_BAD_REQUEST,
               "this origin is not on the server's list (--origin)", NULL);
        return;
    }
    routes[number].handle(call);
}

void http_api_request(void *context, const struct http_request *request)
{
    struct server *server = context;
    const char *other_method = NULL;
    if (server->closing) {
        refuse(server, request->id, 0, REFUSAL_DRAINING, NULL, NULL);
        return;
    }
    for (size_t i = 0; i < ROUTE_COUNT; i++) {
        char path[HTTP_URL_BYTES + 1];
        struct call call = {.server = server, .request = request};
        snprintf(path, sizeof(path), "%s", request->path);
        if (!path_fits(routes[i].path, path, &call)) {
            continue;
        }
        if (!method_fits(routes[i].method, request->method)) {
            other_method = routes[i].method;
            continue;
        }
        if (routes[i].unlimited || within_rate(server, request)) {
            dispatch(server, request, i, &call);
        }
        return;
    }
    if (!within_rate(server, request)) {
        return;
    }
    if (other_method != NULL ||
        (page_find(request->path) != NULL && !method_fits("GET", request->method))) {
        refuse(server, request->id, 405, REFUSAL_BAD_REQUEST, "this path does not take that method",
               NULL);
        return;
    }
    note_asked(request->id, route_places[ROUTE_COUNT]);
    struct call call = {.server = server, .request = request};
    get_page_file(&call);
}
