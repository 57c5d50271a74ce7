/* What leaves to the WebSocket subscribers: only what is durable and applied, for it is made of the
 * engine's updates. */
#include <string.h>
#include <sys/statvfs.h>

#include "projections/client_event.h"
#include "tools/serve/server.h"

#define STATUS_BANKROLL_MS 1000 /* a status event for money alone leaves at most this often */

/* Sends one event body to one client with its own count. */
static void send_to(struct server *server, struct client *client, enum channel channel,
                    const char *body, size_t length)
{
    struct json frame = {0};
    client->n[channel] += 1;
    client_event_frame(&frame, channel_name(channel), client->n[channel], body, length);
    if (!frame.failed) {
        (void)ws_send(server->ws, client->id, frame.text, frame.length); /* gone or cut: on_close */
    }
    json_text_free(&frame);
}

static void send_to_channel(struct server *server, enum channel channel, const struct json *body)
{
    struct client *next;
    for (struct client *client = server->clients.channels[channel]; client != NULL; client = next) {
        next = client->next[channel];
        send_to(server, client, channel, body->text, body->length);
    }
}

static void told_account(void *context, const struct history_entry *entry)
{
    struct server *server = context;
    struct client *client = clients_first_of(&server->clients, entry->account);
    while (client != NULL) {
        struct client *next = clients_next_of(client);
        send_to(server, client, CHANNEL_ACCOUNT, entry->body, entry->length);
        client = next;
    }
}

static void publish_event(struct server *server, const struct outbox_record *record,
                          const struct event *event, struct json *body)
{
    if (event->kind == EVENT_BET_CONFIRMED || event->kind == EVENT_BET_REJECTED ||
        event->kind == EVENT_BET_SETTLED || event->kind == EVENT_BET_ACCEPTED) {
        metrics_count_bet(server->metrics, event->of.bet->state, event->of.bet->reason);
        if (event->kind == EVENT_BET_CONFIRMED) {
            taps_observe_confirmed(server, event->of.bet->bet);
        }
        return; /* the account channel has its own way */
    }
    if (event->kind != EVENT_TICK && event->kind != EVENT_COLUMN_SETTLED) {
        return;
    }
    const enum channel channel = event->kind == EVENT_TICK ? CHANNEL_INDEX : CHANNEL_COLUMNS;
    if (server->clients.channels[channel] == NULL) {
        return;
    }
    json_reset(body);
    if (client_event_of(body, record->seq, record->time_ms, event) != NULL) {
        send_to_channel(server, channel, body);
    }
}

static void fill_status(struct server *server, struct shapes_status *status,
                        struct shapes_source sources[LIMIT_SOURCES])
{
    struct index_view views[LIMIT_SOURCES];
    const size_t count = index_views(&server->index, clock_receive_ms(&server->clock), views);
    for (size_t i = 0; i < count; i++) {
        sources[i] = (struct shapes_source){.name = views[i].name,
                                            .price_e4 = views[i].price_e4,
                                            .basis_e4 = views[i].basis_e4,
                                            .age_ms = views[i].age_ms,
                                            .used = views[i].used};
    }
    *status = (struct shapes_status){.market = &server->board.market,
                                     .sources = sources,
                                     .source_count = count,
                                     .draining = server->draining,
                                     .clients = server->clients.count};
}

void publish_status(struct server *server, struct json *json)
{
    struct shapes_status status;
    struct shapes_source sources[LIMIT_SOURCES];
    fill_status(server, &status, sources);
    shapes_status(json, &status);
}

void publish_status_event(struct server *server, struct json *json)
{
    struct shapes_status status;
    struct shapes_source sources[LIMIT_SOURCES];
    fill_status(server, &status, sources);
    client_event_status(json, &status);
}

/* What makes a status event leave: breaker, warm-up, epoch, draining, the sources in use, and once
 * a second the house's money. */
static uint64_t status_fingerprint(struct server *server, const struct shapes_status *status)
{
    uint64_t print = (uint64_t)server->board.market.breaker;
    print = print * 31 + (uint64_t)server->board.market.warm;
    print = print * 31 + server->board.market.epoch;
    print = print * 31 + (uint64_t)server->draining;
    print = print * 31 + (uint64_t)server->board.market.breaker_since_ms;
    for (size_t i = 0; i < status->source_count; i++) {
        print = print * 31 + (uint64_t)status->sources[i].used + 2;
    }
    print = print * 31 + (uint64_t)(server->board.market.time_ms / STATUS_BANKROLL_MS) *
                             (server->status_money != server->board.market.bankroll_micro);
    return print + 1;
}

static void publish_status_change(struct server *server)
{
    struct shapes_status status;
    struct shapes_source sources[LIMIT_SOURCES];
    fill_status(server, &status, sources);
    const uint64_t print = status_fingerprint(server, &status);
    if (print == server->status_shown) {
        return;
    }
    server->status_money = server->board.market.bankroll_micro;
    server->status_shown = status_fingerprint(server, &status);
    if (server->clients.channels[CHANNEL_STATUS] == NULL) {
        return;
    }
    struct json body = {0};
    client_event_status(&body, &status);
    send_to_channel(server, CHANNEL_STATUS, &body);
    json_text_free(&body);
}

void publish_update(struct server *server, const struct outbox *outbox,
                    const struct grid_view *previous_grid)
{
    struct json body = {0};
    if (outbox != NULL) {
        const struct outbox_record *record = outbox_records(outbox);
        for (; record != NULL; record = record->next) {
            for (const struct outbox_item *item = record->items; item != NULL; item = item->next) {
                if (item->kind == OUTBOX_EVENT) {
                    publish_event(server, record, &item->of.event, &body);
                }
            }
        }
        history_add(&server->history, outbox, server, told_account);
    }
    if (previous_grid != NULL && server->clients.channels[CHANNEL_GRID] != NULL) {
        json_reset(&body);
        if (client_event_grid_delta(&body, previous_grid, server->board.grid)) {
            send_to_channel(server, CHANNEL_GRID, &body);
        }
    }
    json_text_free(&body);
    publish_status_change(server);
}

void publish_to_client(struct server *server, struct client *client, enum channel channel,
                       const char *body, size_t length)
{
    send_to(server, client, channel, body, length);
}

void publish_shutdown(struct server *server, const char *reason)
{
    struct json body = {0};
    client_event_shutdown(&body, server->board.market.seq, server->board.market.time_ms, reason);
    for (size_t bucket = 0; bucket < CLIENTS_BUCKETS; bucket++) {
        struct client *client = server->clients.buckets[bucket];
        for (; client != NULL; client = client->next_in_bucket) {
            send_to(server, client, CHANNEL_STATUS, body.text, body.length);
        }
    }
    json_text_free(&body);
}

/* The sum over all accounts as of the board's seq. Users and escrow are the sums of all postings
 * since the first record, the rest is what the state machine says of itself: postings that do not
 * sum to zero show here, and so does a balance that moved without a posting. */
static int64_t ledger_imbalance_micro(const struct server *server)
{
    const struct market_view *market = &server->board.market;
    return server->history.users_micro + server->history.escrow_micro + market->bankroll_micro +
           market->reserved_micro + market->external_micro;
}

void publish_gauges(struct server *server)
{
    struct metrics *metrics = server->metrics;
    const struct market_view *market = &server->board.market;
    const int64_t now_ms = clock_now_ms(&server->clock);
    struct index_view views[LIMIT_SOURCES];
    const size_t sources = index_views(&server->index, clock_receive_ms(&server->clock), views);
    int64_t fresh = 0;
    for (size_t i = 0; i < sources; i++) {
        fresh += views[i].age_ms >= 0 && views[i].age_ms <= INDEX_FRESH_MS;
    }
    metrics_set(metrics, METRICS_INDEX_AGE,
                market->last_tick_ms == 0 ? 0 : now_ms - market->last_tick_ms);
    metrics_set(metrics, METRICS_BREAKER_STATE, (int64_t)market->breaker);
    metrics_set(metrics, METRICS_SOURCES_FRESH, fresh);
    metrics_set(metrics, METRICS_WS_CLIENTS, (int64_t)ws_server_count(server->ws));
    metrics_set(metrics, METRICS_NONCES, market->nonces);
    metrics_set(metrics, METRICS_COLUMN_LIABILITY, market->reserved_micro);
    metrics_set(metrics, METRICS_LEDGER_IMBALANCE, ledger_imbalance_micro(server));
    struct statvfs disk;
    if (statvfs(server->options.data_dir, &disk) == 0) {
        metrics_set(metrics, METRICS_DISK_FREE, (int64_t)(disk.f_bavail * disk.f_frsize));
    }
    metrics_set_lag(metrics, server->lag_sqlite, projector_lag(server->projector));
    metrics_set_queue(metrics, server->queue_engine, engine_waiting(server->engine));
    metrics_set_queue(metrics, server->queue_verify, verify_pool_waiting(server->pool));
    metrics_set_queue(metrics, server->queue_reads, reads_waiting(server->reads));
    metrics_set_queue(metrics, server->queue_projector, projector_queue_depth(server->projector));
}
