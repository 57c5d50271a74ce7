/* One HTTP request on its way through a handler, and the answers shared by all handlers. Private to
 * the http_*.c files beside this one. */
#ifndef TAPLINE_TOOLS_SERVE_HTTP_CALL_H
#define TAPLINE_TOOLS_SERVE_HTTP_CALL_H

#include <stddef.h>
#include <stdint.h>

#include "base/json.h"
#include "ingress/refusal.h"
#include "tools/serve/server.h"

#define HTTP_JSON_TYPE      "application/json"
#define HTTP_PATH_PARTS_MAX 6

struct http_call {
    struct server *server;
    const struct http_request *request;
    const char *parts[HTTP_PATH_PARTS_MAX]; /* what the path's "*" stood for, in order */
    size_t part_count;
    const char *origin; /* for signed texts */
};

/* Notes when a request came and which metrics place it counts under, until its answer; and counts
 * an answer. */
void http_call_note(uint64_t id, uint32_t route);
void http_call_count(struct server *server, uint64_t id, unsigned status);

/* Answers with any bytes, counted. */
void http_call_respond_bytes(struct server *server, uint64_t id, unsigned status, const char *type,
                             const char *headers, const void *bytes, size_t length);

/* Answers with a JSON object; headers as http_respond, or NULL. */
void http_call_respond(struct server *server, uint64_t id, unsigned status, const char *headers,
                       const struct json *json);

/* Answers with a refusal; status 0 means the code's own. */
void http_call_refuse_id(struct server *server, uint64_t id, unsigned status,
                         enum refusal_code code, const char *message,
                         const struct refusal_extras *extras);
void http_call_refuse(struct http_call *call, enum refusal_code code, const char *message);

/* A read whose answer goes to the request; NULL when memory is out. Sending it on answers
 * OVERLOADED when it is NULL or the queue is full. */
struct read *http_call_new_read(struct server *server, uint64_t id, enum read_kind kind);
void http_call_read(struct http_call *call, struct read *read);

/* The handlers. http_reads.c: */
void http_get_bet(struct http_call *call);
void http_get_bet_by_nonce(struct http_call *call);
void http_get_account(struct http_call *call);
void http_get_bets(struct http_call *call);
void http_get_ledger(struct http_call *call);
void http_get_column(struct http_call *call);
void http_get_config(struct http_call *call);
/* http_market.c: */
void http_get_grid(struct http_call *call);
void http_get_index(struct http_call *call);
void http_get_status(struct http_call *call);
void http_get_time(struct http_call *call);
void http_get_live(struct http_call *call);
void http_get_ready(struct http_call *call);
void http_get_health(struct http_call *call);
void http_get_metrics(struct http_call *call);
void http_get_page_file(struct http_call *call);
/* http_inputs.c: */
void http_post_bet(struct http_call *call);
void http_post_demo_deposit(struct http_call *call);

#endif
