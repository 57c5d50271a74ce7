#include "projections/shapes.h"

#include <string.h>

#include "base/address.h"
#include "base/text.h"

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

static void field_i64_or_null(struct json *json, const char *key, int64_t value)
{
    json_key(json, key);
    json_i64_or_null(json, value);
}

static void field_u64_or_null(struct json *json, const char *key, uint64_t value)
{
    json_key(json, key);
    json_u64_or_null(json, value);
}

static void field_text(struct json *json, const char *key, const char *text)
{
    json_key(json, key);
    json_string(json, text);
}

static void field_bool(struct json *json, const char *key, bool value)
{
    json_key(json, key);
    json_bool(json, value);
}

static void field_account(struct json *json, const char *key, const uint8_t *address)
{
    char text[43];
    address_format(text, address);
    field_text(json, key, text);
}

static void field_reason(struct json *json, const char *key, enum reason reason)
{
    json_key(json, key);
    if (reason == REASON_NONE) {
        json_null(json);
    } else {
        json_string(json, reason_text(reason));
    }
}

uint64_t shapes_bet_seq(const struct bet *bet)
{
    if (bet->settled_seq != 0) {
        return bet->settled_seq;
    }
    return bet->priced_seq != 0 ? bet->priced_seq : bet->accepted_seq;
}

/* What came back in the end, 0 included, is known as soon as the bet is over. */
static bool bet_is_over(enum bet_state state)
{
    switch (state) {
    case BET_ACCEPTED:
    case BET_CONFIRMED:
        return false;
    case BET_REJECTED:
    case BET_WON:
    case BET_LOST:
    case BET_VOID:
        return true;
    }
    return false;
}

void shapes_bet(struct json *json, const char *market, const struct bet *bet)
{
    json_open(json, '{');
    field_u64(json, "bet", bet->bet);
    field_u64(json, "seq", shapes_bet_seq(bet));
    field_account(json, "account", bet->account);
    field_text(json, "market", market);
    field_i64(json, "column", bet->column_ms);
    field_i64(json, "band", bet->band);
    field_i64(json, "lo", bet->lo_e4);
    field_i64(json, "hi", bet->hi_e4);
    field_i64(json, "stake", bet->stake_micro);
    field_i64(json, "min_mult", bet->min_mult_centi);
    field_i64(json, "config", bet->config);
    json_key(json, "nonce");
    json_hex(json, "", bet->nonce, NONCE_BYTES);
    field_u64_or_null(json, "session", bet->session);
    field_text(json, "state", bet_state_text(bet->state));
    field_reason(json, "reason", bet->reason);
    field_u64_or_null(json, "mult", bet->mult_centi);
    field_i64_or_null(json, "payout", bet->payout_micro);
    json_key(json, "paid");
    if (bet_is_over(bet->state)) {
        json_i64(json, bet->paid_micro);
    } else {
        json_null(json);
    }
    field_i64_or_null(json, "accepted_at", bet->accepted_at_ms);
    field_u64_or_null(json, "accepted_seq", bet->accepted_seq);
    field_i64_or_null(json, "priced_at", bet->priced_at_ms);
    field_u64_or_null(json, "priced_seq", bet->priced_seq);
    field_i64_or_null(json, "tick", bet->tick_ms);
    field_i64_or_null(json, "price", bet->price_e4);
    field_i64_or_null(json, "settled_at", bet->settled_at_ms);
    field_u64_or_null(json, "settled_seq", bet->settled_seq);
    field_i64_or_null(json, "settle_price", bet->settle_price_e4);
    json_close(json, '}');
}

void shapes_account(struct json *json, uint64_t seq, const uint8_t *address,
                    const struct account_view *view)
{
    json_open(json, '{');
    field_account(json, "account", address);
    field_u64(json, "seq", seq);
    field_i64(json, "available", view->available_micro);
    field_i64(json, "held", view->held_micro);
    field_u64(json, "open_bets", view->open_bets);
    json_close(json, '}');
}

void shapes_ledger_row(struct json *json, const struct shapes_ledger_row *row)
{
    json_open(json, '{');
    field_u64(json, "seq", row->seq);
    field_u64(json, "line", row->line);
    field_i64(json, "at", row->at_ms);
    field_i64(json, "amount", row->amount_micro);
    field_i64(json, "balance_after", row->balance_after_micro);
    field_text(json, "ref_type", row->ref_type);
    field_text(json, "ref_id", row->ref_id);
    json_close(json, '}');
}

static void open_column(struct json *json, const struct column_view *column, bool open)
{
    json_open(json, '{');
    field_i64(json, "column", column->column_ms);
    field_i64(json, "band_e4", column->band_e4);
    field_bool(json, "open", open);
    json_key(json, "cells");
    json_open(json, '[');
}

static void close_column(struct json *json)
{
    json_close(json, ']');
    json_close(json, '}');
}

static void write_cell(struct json *json, const struct cell_view *cell, uint32_t mult_centi)
{
    json_open(json, '{');
    field_i64(json, "band", cell->band);
    field_i64(json, "lo", cell->lo_e4);
    field_i64(json, "hi", cell->hi_e4);
    field_u64(json, "mult", mult_centi);
    json_close(json, '}');
}

void shapes_grid_columns(struct json *json, const struct grid_view *view)
{
    json_open(json, '[');
    for (uint32_t i = 0; i < view->column_count; i++) {
        const struct column_view *column = &view->columns[i];
        open_column(json, column, column->open);
        for (uint32_t k = 0; k < column->cell_count; k++) {
            write_cell(json, &column->cells[k], column->cells[k].mult_centi);
        }
        close_column(json);
    }
    json_close(json, ']');
}

void shapes_grid(struct json *json, const struct grid_view *view)
{
    json_open(json, '{');
    field_u64(json, "seq", view->seq);
    field_i64(json, "time", view->time_ms);
    shapes_grid_head(json, view);
    json_key(json, "columns");
    shapes_grid_columns(json, view);
    json_close(json, '}');
}

void shapes_grid_head(struct json *json, const struct grid_view *view)
{
    field_u64(json, "config", view->epoch);
    json_key(json, "tick");
    if (view->tick_ms == 0) {
        json_null(json);
    } else {
        json_open(json, '{');
        field_i64(json, "time", view->tick_ms);
        field_i64(json, "price", view->price_e4);
        json_close(json, '}');
    }
    field_text(json, "breaker", breaker_state_text(view->breaker));
}

static bool same_cell(const struct cell_view *a, const struct cell_view *b)
{
    return a->mult_centi == b->mult_centi && a->lo_e4 == b->lo_e4 && a->hi_e4 == b->hi_e4;
}

/* The cells of two versions of a column, both with bands ascending, merged by band: those that
 * differ, as they are in `after`, and those that only `before` has, with mult 0. Returns how many.
 * With json NULL they are only counted. */
static uint32_t cell_changes(struct json *json, const struct column_view *before,
                             const struct column_view *after)
{
    uint32_t changes = 0;
    uint32_t old = 0;
    uint32_t new = 0;
    while (old < before->cell_count || new < after->cell_count) {
        const struct cell_view *a = old < before->cell_count ? &before->cells[old] : NULL;
        const struct cell_view *b = new < after->cell_count ? &after->cells[new] : NULL;
        const bool gone = b == NULL || (a != NULL && a->band < b->band);
        const bool fresh = a == NULL || (b != NULL && b->band < a->band);
        old += fresh ? 0 : 1;
        new += gone ? 0 : 1;
        if (!gone && !fresh && same_cell(a, b)) {
            continue;
        }
        changes += 1;
        if (json != NULL) {
            write_cell(json, gone ? a : b, gone ? 0 : b->mult_centi);
        }
    }
    return changes;
}

/* One column of the delta, if anything of it changed; true when it was written. */
static bool column_changes(struct json *json, const struct column_view *before,
                           const struct column_view *after)
{
    static const struct column_view none;
    const struct column_view *old = before == NULL ? &none : before;
    const struct column_view *new = after == NULL ? &none : after;
    const bool open_changed = before == NULL || after == NULL || before->open != after->open;
    if (!open_changed && cell_changes(NULL, old, new) == 0) {
        return false;
    }
    open_column(json, after == NULL ? before : after, after != NULL && after->open);
    cell_changes(json, old, new);
    close_column(json);
    return true;
}

size_t shapes_grid_changes(struct json *json, const struct grid_view *before,
                           const struct grid_view *after)
{
    size_t written = 0;
    uint32_t old = 0;
    uint32_t new = 0;
    json_open(json, '[');
    while (old < before->column_count || new < after->column_count) {
        const struct column_view *a = old < before->column_count ? &before->columns[old] : NULL;
        const struct column_view *b = new < after->column_count ? &after->columns[new] : NULL;
        const bool gone = b == NULL || (a != NULL && a->column_ms < b->column_ms);
        const bool fresh = a == NULL || (b != NULL && b->column_ms < a->column_ms);
        old += fresh ? 0 : 1;
        new += gone ? 0 : 1;
        written += column_changes(json, fresh ? NULL : a, gone ? NULL : b) ? 1 : 0;
    }
    json_close(json, ']');
    return written;
}

void shapes_index(struct json *json, uint64_t seq, int64_t time_ms,
                  const struct shapes_index_tick *ticks, size_t count)
{
    json_open(json, '{');
    field_u64(json, "seq", seq);
    field_i64(json, "time", time_ms);
    json_key(json, "ticks");
    json_open(json, '[');
    for (size_t i = 0; i < count; i++) {
        json_open(json, '{');
        field_i64(json, "time", ticks[i].grid_ms);
        field_i64_or_null(json, "price", ticks[i].price_e4);
        field_u64(json, "sources", ticks[i].sources);
        field_i64(json, "spread", ticks[i].spread_e4);
        json_close(json, '}');
    }
    json_close(json, ']');
    json_close(json, '}');
}

void shapes_column_ticks(struct json *json, const struct column_result *column)
{
    json_open(json, '[');
    for (size_t i = 0; i < SETTLEMENT_TICKS; i++) {
        const struct settlement_tick *tick = &column->ticks[i];
        json_open(json, '{');
        field_i64(json, "time", tick->time_ms);
        field_i64_or_null(json, "price", tick->price_e4);
        field_u64(json, "sources", tick->sources);
        field_u64(json, "set", tick->set);
        json_close(json, '}');
    }
    json_close(json, ']');
}

void shapes_column_fields(struct json *json, const struct column_result *column)
{
    field_i64(json, "column", column->column_ms);
    field_i64(json, "band_e4", column->band_e4);
    field_text(json, "state", column->is_void ? "void" : "settled");
    field_reason(json, "reason", column->reason);
    field_i64_or_null(json, "price", column->price_e4);
    json_key(json, "band");
    if (column->price_e4 == 0) {
        json_null(json);
    } else {
        json_i64(json, column->band);
    }
    json_key(json, "ticks");
    shapes_column_ticks(json, column);
    field_i64(json, "bets", column->bets);
    field_i64(json, "stakes", column->stakes_micro);
    field_i64(json, "paid", column->paid_micro);
}

void shapes_column(struct json *json, uint64_t seq, const struct column_result *column)
{
    json_open(json, '{');
    field_u64(json, "seq", seq);
    shapes_column_fields(json, column);
    json_close(json, '}');
}

void shapes_config_fields(struct json *json, const struct config *config)
{
    field_text(json, "table_sha256", SHAPES_TABLE_SHA256);
    field_text(json, "market", config->market);
#define X(name, standard, least, greatest, fixed) field_i64(json, #name, config->name);
    CONFIG_KEY_LIST(X)
#undef X
}

void shapes_config(struct json *json, const struct shapes_config *config)
{
    json_open(json, '{');
    field_u64(json, "config", config->epoch);
    field_u64(json, "seq", config->seq);
    field_i64(json, "time", config->time_ms);
    field_i64(json, "band_e4_from", config->band_e4_from);
    field_i64(json, "band_e4_before", config->band_e4_before);
    shapes_config_fields(json, config->config);
    json_close(json, '}');
}

void shapes_status_fields(struct json *json, const struct shapes_status *status)
{
    const struct market_view *market = status->market;
    field_text(json, "breaker", breaker_state_text(market->breaker));
    field_i64_or_null(json, "breaker_since", market->breaker_since_ms);
    field_i64_or_null(json, "last_tick", market->last_tick_ms);
    json_key(json, "sources");
    json_open(json, '[');
    for (size_t i = 0; i < status->source_count; i++) {
        const struct shapes_source *source = &status->sources[i];
        json_open(json, '{');
        field_text(json, "name", source->name);
        field_i64_or_null(json, "price", source->price_e4);
        field_i64(json, "basis", source->basis_e4);
        json_key(json, "age_ms");
        if (source->age_ms < 0) {
            json_null(json);
        } else {
            json_i64(json, source->age_ms);
        }
        field_bool(json, "used", source->used);
        json_close(json, '}');
    }
    json_close(json, ']');
    field_i64(json, "samples", market->samples);
    field_bool(json, "warm", market->warm);
    field_u64(json, "config", market->epoch);
    field_bool(json, "draining", status->draining);
    field_i64(json, "bankroll", market->bankroll_micro);
    field_i64(json, "reserved", market->reserved_micro);
    field_u64(json, "clients", status->clients);
}

void shapes_status(struct json *json, const struct shapes_status *status)
{
    json_open(json, '{');
    field_u64(json, "seq", status->market->seq);
    field_i64(json, "time", status->market->time_ms);
    shapes_status_fields(json, status);
    json_close(json, '}');
}

void shapes_time(struct json *json, int64_t time_ms)
{
    json_open(json, '{');
    field_i64(json, "time", time_ms);
    json_close(json, '}');
}

void shapes_health(struct json *json, const struct shapes_health *health)
{
    json_open(json, '{');
    field_text(json, "status", health->status);
    field_text(json, "breaker", breaker_state_text(health->breaker));
    json_key(json, "feed_age_ms");
    if (health->feed_age_ms < 0) {
        json_null(json);
    } else {
        json_i64(json, health->feed_age_ms);
    }
    field_u64(json, "seq", health->seq);
    field_u64(json, "durable_seq", health->durable_seq);
    json_key(json, "digest");
    json_hex(json, "", health->digest, HASH_BYTES);
    json_close(json, '}');
}

/* "available:0x...", "escrow:<T>", "bankroll" and so on. */
static void ledger_account(struct json *json, const struct posting *posting)
{
    char text[16 + 43] = "";
    switch (posting->account) {
    case LEDGER_AVAILABLE:
        memcpy(text, "available:", 11);
        address_format(text + 10, posting->address);
        break;
    case LEDGER_HELD:
        memcpy(text, "held:", 6);
        address_format(text + 5, posting->address);
        break;
    case LEDGER_ESCROW:
        memcpy(text, "escrow:", 8);
        text_format_i64(text + 7, posting->column_ms);
        break;
    case LEDGER_RESERVED:
        memcpy(text, "reserved:", 10);
        text_format_i64(text + 9, posting->column_ms);
        break;
    case LEDGER_BANKROLL:
        memcpy(text, "bankroll", 9);
        break;
    case LEDGER_EXTERNAL:
        memcpy(text, "external", 9);
        break;
    }
    json_string(json, text);
}

void shapes_posting(struct json *json, const struct posting *posting)
{
    json_open(json, '{');
    field_u64(json, "line", posting->line);
    json_key(json, "account");
    ledger_account(json, posting);
    field_i64(json, "amount", posting->amount_micro);
    field_text(json, "ref_type", ref_type_text(posting->ref_type));
    json_key(json, "ref_id");
    if (posting->reference != NULL) {
        json_text(json, posting->reference, posting->reference_length);
    } else {
        json_u64(json, posting->ref_id);
    }
    json_close(json, '}');
}
