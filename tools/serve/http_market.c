/* Reads that the loop answers itself, from the board: market, health, metrics, the page. */
#include <string.h>

#include "tools/serve/http_call.h"
#include "tools/serve/keeper.h"
#include "tools/serve/page.h"

void http_get_grid(struct http_call *call)
{
    const struct json *json = board_grid(&call->server->board);
    if (json->length == 0) {
        http_call_refuse(call, REFUSAL_OVERLOADED, "no price yet, ask again soon");
        return;
    }
    http_call_respond(call->server, call->request->id, 200, NULL, json);
}

void http_get_index(struct http_call *call)
{
    http_call_respond(call->server, call->request->id, 200, NULL,
                      board_index(&call->server->board));
}

void http_get_status(struct http_call *call)
{
    struct json json = {0};
    publish_status(call->server, &json);
    http_call_respond(call->server, call->request->id, 200, NULL, &json);
    json_text_free(&json);
}

void http_get_time(struct http_call *call)
{
    struct json json = {0};
    shapes_time(&json, clock_now_ms(&call->server->clock));
    http_call_respond(call->server, call->request->id, 200, NULL, &json);
    json_text_free(&json);
}

void http_get_live(struct http_call *call)
{
    http_call_respond_bytes(call->server, call->request->id, 200, HTTP_JSON_TYPE, NULL,
                            "{\"status\":\"ok\"}", 15);
}

void http_get_ready(struct http_call *call)
{
    const struct server *server = call->server;
    const bool ready =
        !server->draining && !server->intake_stopped && journal_has_room(server->journal);
    const char *body = ready ? "{\"status\":\"ok\"}" : "{\"status\":\"not ready\"}";
    http_call_respond_bytes(call->server, call->request->id, ready ? 200 : 503, HTTP_JSON_TYPE,
                            NULL, body, strlen(body));
}

void http_get_health(struct http_call *call)
{
    struct server *server = call->server;
    char text[SQLITE_WRITER_TEXT_BYTES];
    struct journal_head head;
    journal_head(server->journal, &head);
    const struct market_view *market = &server->board.market;
    const struct shapes_health health = {
        .status = projector_halted(server->projector, text) != STATUS_OK ? "projection halted"
                  : keeper_alarmed(server->keeper)                       ? "check failed"
                  : server->intake_stopped                               ? "intake stopped"
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
    http_call_respond(server, call->request->id, 200, NULL, &json);
    json_text_free(&json);
}

void http_get_metrics(struct http_call *call)
{
    struct json text = {0};
    publish_gauges(call->server);
    metrics_write(call->server->metrics, &text);
    http_call_respond_bytes(call->server, call->request->id, 200, "text/plain; version=0.0.4", NULL,
                            text.text, text.length);
    json_text_free(&text);
}

void http_get_page_file(struct http_call *call)
{
    const struct page_file *file = page_find(call->request->path);
    if (file == NULL) {
        http_call_refuse(call, REFUSAL_NOT_FOUND, NULL);
        return;
    }
    http_call_respond_bytes(call->server, call->request->id, 200, file->type,
                            "Cache-Control: no-cache\r\n", file->bytes, file->length);
}
