#include "projections/client_event.h"

#include "base/address.h"
#include "base/check.h"

static void field_i64(struct json *json, const char *key, int64_t value)
{
    json_key(json, key);
    json_i64(json, value);
}

static void field_u64(struct json *json, const char *key, uint64_t value)
{
    json_key(json, key);
    json_u64(json, value);
}

static void field_text(struct json *json, const char *key, const char *text)
{
    json_key(json, key);
    json_string(json, text);
}

static void field_account(struct json *json, const uint8_t *address)
{
    char text[ADDRESS_TEXT_BYTES + 1];
    address_format(text, address);
    field_text(json, "account", text);
}

static void field_nonce(struct json *json, const uint8_t *nonce)
{
    json_key(json, "nonce");
    json_hex(json, "", nonce, NONCE_BYTES);
}

static void field_reason(struct json *json, enum reason reason)
{
    json_key(json, "reason");
    if (reason == REASON_NONE) {
        json_null(json);
    } else {
        json_string(json, reason_text(reason));
    }
}

/* {"seq","time","type", and room for the rest. */
static void begin(struct json *json, uint64_t seq, int64_t time_ms, const char *type)
{
    json_open(json, '{');
    field_u64(json, "seq", seq);
    field_i64(json, "time", time_ms);
    field_text(json, "type", type);
}

void client_event_frame(struct json *json, const char *channel, uint64_t n, const char *body,
                        size_t length)
{
    CHECK(length > 2);
    CHECK(body[0] == '{');
    json_open(json, '{');
    field_text(json, "channel", channel);
    json_key(json, "n");
    json_number(json, n);
    json_append(json, ",", 1);
    json_append(json, body + 1, length - 1);
    json->comma = true;
}

/* The names and fields of the events that clients get; NULL, nothing written, for other kinds. */
static const char *channel_of(enum event_kind kind, const char **type)
{
    *type = NULL;
    switch (kind) {
    case EVENT_TICK:
        *type = "index:tick";
        return CLIENT_CHANNEL_INDEX;
    case EVENT_COLUMN_SETTLED:
        *type = "column:settled";
        return CLIENT_CHANNEL_COLUMNS;
    case EVENT_BET_ACCEPTED:
        *type = "bet:accepted";
        return CLIENT_CHANNEL_ACCOUNT;
    case EVENT_BET_CONFIRMED:
        *type = "bet:confirmed";
        return CLIENT_CHANNEL_ACCOUNT;
    case EVENT_BET_REJECTED:
        *type = "bet:rejected";
        return CLIENT_CHANNEL_ACCOUNT;
    case EVENT_BET_SETTLED:
        *type = "bet:settled";
        return CLIENT_CHANNEL_ACCOUNT;
    case EVENT_CONFIG:
    case EVENT_CONFIG_REFUSED:
    case EVENT_ACCOUNT_OPENED:
    case EVENT_TRANSFER_APPLIED:
    case EVENT_TRANSFER_REPEATED:
    case EVENT_TRANSFER_REFUSED:
    case EVENT_TAP_REFUSED:
    case EVENT_TAP_REPEATED:
    case EVENT_TICK_IGNORED:
    case EVENT_BREAKER:
    case EVENT_START:
    case EVENT_RULES:
    case EVENT_RULES_REFUSED:
    case EVENT_RECOVERY:
        return NULL;
    }
    return NULL;
}

static void tick_fields(struct json *json, const struct event *event)
{
    field_i64(json, "tick", event->of.tick.grid_ms);
    json_key(json, "price");
    json_i64_or_null(json, event->of.tick.price_e4);
    field_u64(json, "sources", event->of.tick.sources);
    field_i64(json, "spread", event->of.tick.spread_e4);
}

static void accepted_fields(struct json *json, const struct bet *bet)
{
    field_u64(json, "bet", bet->bet);
    field_nonce(json, bet->nonce);
    field_i64(json, "column", bet->column_ms);
    field_i64(json, "band", bet->band);
    field_i64(json, "stake", bet->stake_micro);
    field_i64(json, "min_mult", bet->min_mult_centi);
}

static void confirmed_fields(struct json *json, const struct bet *bet)
{
    field_u64(json, "bet", bet->bet);
    field_u64(json, "mult", bet->mult_centi);
    field_i64(json, "payout", bet->payout_micro);
    field_i64(json, "tick", bet->tick_ms);
    field_i64(json, "price", bet->price_e4);
}

static void rejected_fields(struct json *json, const struct bet *bet)
{
    field_u64(json, "bet", bet->bet);
    field_nonce(json, bet->nonce);
    field_reason(json, bet->reason);
}

static void settled_fields(struct json *json, const struct bet *bet)
{
    field_u64(json, "bet", bet->bet);
    field_text(json, "result", bet_state_text(bet->state));
    field_i64(json, "paid", bet->paid_micro);
    json_key(json, "settle_price");
    json_i64_or_null(json, bet->settle_price_e4);
    field_reason(json, bet->reason);
}

/* The fields of every kind; those of clients' events exactly as interface.md section 4 has them. */
static void event_fields(struct json *json, const struct event *event)
{
    switch (event->kind) {
    case EVENT_TICK:
    case EVENT_TICK_IGNORED:
        tick_fields(json, event);
        return;
    case EVENT_COLUMN_SETTLED:
        shapes_column_fields(json, event->of.column);
        return;
    case EVENT_BET_ACCEPTED:
        accepted_fields(json, event->of.bet);
        return;
    case EVENT_BET_CONFIRMED:
        confirmed_fields(json, event->of.bet);
        return;
    case EVENT_BET_REJECTED:
        rejected_fields(json, event->of.bet);
        return;
    case EVENT_BET_SETTLED:
        settled_fields(json, event->of.bet);
        return;
    case EVENT_CONFIG:
        field_u64(json, "config", event->of.config.epoch);
        field_i64(json, "band_e4_from", event->of.config.band_e4_from);
        field_i64(json, "band_e4_before", event->of.config.band_e4_before);
        shapes_config_fields(json, event->of.config.config);
        return;
    case EVENT_CONFIG_REFUSED:
    case EVENT_RULES_REFUSED:
        field_reason(json, event->of.refusal.reason);
        field_text(json, "problem", event->of.refusal.problem);
        return;
    case EVENT_ACCOUNT_OPENED:
        field_u64(json, "user", event->of.account.user_id);
        field_account(json, event->of.account.address);
        return;
    case EVENT_TRANSFER_APPLIED:
    case EVENT_TRANSFER_REPEATED:
    case EVENT_TRANSFER_REFUSED:
        json_key(json, "first_seq");
        json_u64_or_null(json, event->of.transfer.first_seq);
        field_reason(json, event->of.transfer.reason);
        return;
    case EVENT_TAP_REFUSED:
    case EVENT_TAP_REPEATED:
        field_account(json, event->of.tap.account);
        field_nonce(json, event->of.tap.nonce);
        json_key(json, "bet");
        json_u64_or_null(json, event->of.tap.bet);
        field_reason(json, event->of.tap.reason);
        return;
    case EVENT_BREAKER:
        field_text(json, "from", breaker_state_text(event->of.breaker.from));
        field_text(json, "to", breaker_state_text(event->of.breaker.to));
        return;
    case EVENT_RECOVERY:
        field_u64(json, "kept_to", event->of.recovery.kept_to);
        field_u64(json, "lost_to", event->of.recovery.lost_to);
        return;
    case EVENT_START:
        return;
    case EVENT_RULES:
        field_u64(json, "from", event->of.rules.from);
        field_u64(json, "to", event->of.rules.to);
        return;
    }
}

const char *client_event_of(struct json *json, uint64_t seq, int64_t time_ms,
                            const struct event *event)
{
    const char *type;
    const char *channel = channel_of(event->kind, &type);
    if (channel == NULL) {
        return NULL;
    }
    begin(json, seq, time_ms, type);
    event_fields(json, event);
    json_close(json, '}');
    return channel;
}

void client_event_balance(struct json *json, uint64_t seq, int64_t time_ms, int64_t available_micro,
                          int64_t held_micro)
{
    begin(json, seq, time_ms, "balance");
    field_i64(json, "available", available_micro);
    field_i64(json, "held", held_micro);
    json_close(json, '}');
}

void client_event_account_snapshot(struct json *json, uint64_t seq, int64_t time_ms,
                                   const uint8_t *address, const struct account_view *view,
                                   const char *market, const struct bet *bets, size_t count)
{
    begin(json, seq, time_ms, "account:snapshot");
    field_account(json, address);
    field_i64(json, "available", view->available_micro);
    field_i64(json, "held", view->held_micro);
    field_u64(json, "open_bets", view->open_bets);
    json_key(json, "bets");
    json_open(json, '[');
    for (size_t i = 0; i < count; i++) {
        shapes_bet(json, market, &bets[i]);
    }
    json_close(json, ']');
    json_close(json, '}');
}

void client_event_grid_snapshot(struct json *json, const struct grid_view *view)
{
    begin(json, view->seq, view->time_ms, "grid:snapshot");
    shapes_grid_head(json, view);
    json_key(json, "columns");
    shapes_grid_columns(json, view);
    json_close(json, '}');
}

bool client_event_grid_delta(struct json *json, const struct grid_view *before,
                             const struct grid_view *after)
{
    const size_t start = json->length;
    const bool comma = json->comma;
    begin(json, after->seq, after->time_ms, "grid:delta");
    shapes_grid_head(json, after);
    json_key(json, "columns");
    const bool changed = shapes_grid_changes(json, before, after) > 0;
    json_close(json, '}');
    if (!changed) {
        json->length = start; /* takes back what was written */
        json->comma = comma;
    }
    return changed;
}

void client_event_status(struct json *json, const struct shapes_status *status)
{
    begin(json, status->market->seq, status->market->time_ms, "status");
    shapes_status_fields(json, status);
    json_close(json, '}');
}

void client_event_shutdown(struct json *json, uint64_t seq, int64_t time_ms, const char *reason)
{
    begin(json, seq, time_ms, "server:shutdown");
    field_text(json, "reason", reason);
    json_close(json, '}');
}

/* The names of the kinds that no client gets. */
static const char *inspect_type(enum event_kind kind)
{
    switch (kind) {
    case EVENT_CONFIG:
        return "config:applied";
    case EVENT_CONFIG_REFUSED:
        return "config:refused";
    case EVENT_ACCOUNT_OPENED:
        return "account:opened";
    case EVENT_TRANSFER_APPLIED:
        return "transfer:applied";
    case EVENT_TRANSFER_REPEATED:
        return "transfer:repeated";
    case EVENT_TRANSFER_REFUSED:
        return "transfer:refused";
    case EVENT_TAP_REFUSED:
        return "tap:refused";
    case EVENT_TAP_REPEATED:
        return "tap:repeated";
    case EVENT_TICK_IGNORED:
        return "index:ignored";
    case EVENT_BREAKER:
        return "breaker";
    case EVENT_START:
        return "start";
    case EVENT_RECOVERY:
        return "recovery";
    case EVENT_RULES:
        return "rules";
    case EVENT_RULES_REFUSED:
        return "rules:refused";
    case EVENT_BET_ACCEPTED:
    case EVENT_BET_CONFIRMED:
    case EVENT_BET_REJECTED:
    case EVENT_BET_SETTLED:
    case EVENT_COLUMN_SETTLED:
    case EVENT_TICK:
        break; /* clients' events have the names of channel_of */
    }
    return NULL;
}

void client_event_inspect(struct json *json, const struct event *event)
{
    const char *type;
    if (channel_of(event->kind, &type) == NULL) {
        type = inspect_type(event->kind);
    }
    CHECK(type != NULL);
    json_open(json, '{');
    field_text(json, "type", type);
    event_fields(json, event);
    json_close(json, '}');
}
