#include "tools/record_fields.h"

#include <string.h>

#include "statemachine/odds.h"
#include "tools/moment.h"

const char *record_kind_text(enum input_kind kind)
{
    switch (kind) {
    case INPUT_CONFIG:
        return "config";
    case INPUT_PRICE_TICK:
        return "price_tick";
    case INPUT_CLOCK_TICK:
        return "clock_tick";
    case INPUT_TAP:
        return "tap";
    case INPUT_DEPOSIT:
        return "deposit";
    case INPUT_WITHDRAWAL:
        return "withdrawal";
    case INPUT_HOUSE_DEPOSIT:
        return "house_deposit";
    case INPUT_HOUSE_WITHDRAWAL:
        return "house_withdrawal";
    case INPUT_GOODWILL:
        return "goodwill";
    case INPUT_ATTEST:
        return "attest";
    case INPUT_START:
        return "start";
    case INPUT_RECOVERY:
        return "recovery";
    case INPUT_RULES_CHANGE:
        return "rules_change";
    }
    return "unknown";
}

static void put_config(struct fields *fields, const struct config_change *change,
                       const struct record_config *became)
{
    fields_u64_or_null(fields, "epoch", became->known ? became->epoch : 0);
    if (became->known) {
        fields_string(fields, "market", became->config.market);
    } else if (change->market_given) {
        fields_string(fields, "market", change->market);
    }
    for (unsigned i = 0; i < CONFIG_KEY_COUNT; i++) {
        const enum config_key key = (enum config_key)i;
        if (became->known) {
            fields_i64(fields, config_key_name(key), config_get(&became->config, key));
        } else if ((change->given >> i & 1) != 0) {
            fields_i64(fields, config_key_name(key), change->values[i]);
        }
    }
    fields_string(fields, "table_sha256", ODDS_TABLE_SHA256);
    fields_string(fields, "operator", change->operator_name);
}

static void put_price_tick(struct fields *fields, const struct price_tick *tick)
{
    fields_i64(fields, "grid", tick->grid_ms);
    fields_i64(fields, "price", tick->price_e4);
    fields_u64(fields, "sources", tick->sources);
    fields_i64(fields, "spread", tick->spread_e4);
    fields_u64(fields, "set", tick->set);
    fields_i64(fields, "m0", tick->m0_e4);
    fields_open(fields, "quotes", '[');
    for (size_t i = 0; i < tick->quote_count; i++) {
        fields_open(fields, NULL, '{');
        fields_text(fields, "name", tick->quotes[i].name);
        fields_i64(fields, "price", tick->quotes[i].price_e4);
        fields_i64(fields, "basis", tick->quotes[i].basis_e4);
        fields_close(fields, '}');
    }
    fields_close(fields, ']');
}

static void put_tap(struct fields *fields, const struct tap *tap)
{
    fields_address(fields, "account", tap->account);
    fields_text(fields, "market", tap->market);
    fields_i64(fields, "column", tap->column_ms);
    fields_i64(fields, "band", tap->band);
    fields_i64(fields, "stake", tap->stake_micro);
    fields_i64(fields, "min_mult", tap->min_mult_centi);
    fields_i64(fields, "config", tap->config);
    fields_hex(fields, "nonce", "", tap->nonce, NONCE_BYTES);
    fields_i64(fields, "msg_time", tap->message_ms);
    fields_u64_or_null(fields, "session", tap->session);
    fields_text(fields, "origin", tap->origin);
    fields_hex(fields, "sig", "0x", tap->signature, tap->signature_bytes);
}

static void put_transfer(struct fields *fields, enum input_kind kind,
                         const struct transfer *transfer)
{
    if (kind != INPUT_HOUSE_DEPOSIT && kind != INPUT_HOUSE_WITHDRAWAL) {
        fields_address(fields, "account", transfer->account);
    }
    fields_i64(fields, "amount", transfer->amount_micro);
    fields_text(fields, "ref", transfer->reference);
    fields_text(fields, "operator", transfer->operator_name);
    if (kind == INPUT_GOODWILL) {
        fields_text(fields, "note", transfer->note);
    }
}

/* The limits that the record gives; those it leaves out stay as they were. */
static void put_start(struct fields *fields, const struct start *start)
{
    fields_text(fields, "version", start->version);
    const struct {
        const char *name;
        uint32_t value;
    } limits[] = {
        {"accounts", start->limits.accounts_max},
        {"open_bets", start->limits.open_bets_max},
        {"nonces", start->limits.nonces_max},
        {"transfers", start->limits.transfers_max},
    };
    for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++) {
        if (limits[i].value != 0) {
            fields_u64(fields, limits[i].name, limits[i].value);
        }
    }
}

static void put_recovery(struct fields *fields, const struct recovery *recovery)
{
    fields_u64(fields, "kept_to", recovery->kept_to);
    fields_u64(fields, "lost_to", recovery->lost_to);
    fields_u64(fields, "epoch_before", recovery->epoch_before);
    fields_hex(fields, "tree_head", "", recovery->root, HASH_BYTES);
    fields_i64(fields, "made", recovery->made_ms);
    fields_text(fields, "operator", recovery->operator_name);
    fields_text(fields, "reason", recovery->reason);
    fields_text(fields, "version", recovery->version);
}

void record_fields(struct fields *fields, const struct input *input,
                   const struct record_config *config)
{
    fields_u64(fields, "seq", input->seq);
    if (fields->json) {
        fields_i64(fields, "time", input->time_ms);
    } else {
        char time[MOMENT_TEXT_BYTES];
        moment_format(time, input->time_ms);
        fields_string(fields, NULL, time);
    }
    fields_string(fields, fields->json ? "kind" : NULL, record_kind_text(input->kind));
    switch (input->kind) {
    case INPUT_CONFIG:
        put_config(fields, &input->of.config, config);
        return;
    case INPUT_PRICE_TICK:
        put_price_tick(fields, &input->of.price_tick);
        return;
    case INPUT_CLOCK_TICK:
        fields_i64(fields, "grid", input->of.clock_grid_ms);
        return;
    case INPUT_TAP:
        put_tap(fields, &input->of.tap);
        return;
    case INPUT_DEPOSIT:
    case INPUT_WITHDRAWAL:
    case INPUT_HOUSE_DEPOSIT:
    case INPUT_HOUSE_WITHDRAWAL:
    case INPUT_GOODWILL:
        put_transfer(fields, input->kind, &input->of.transfer);
        return;
    case INPUT_ATTEST:
        fields_u64(fields, "of_seq", input->of.attest.of_seq);
        fields_hex(fields, "digest", "", input->of.attest.digest, HASH_BYTES);
        return;
    case INPUT_START:
        put_start(fields, &input->of.start);
        return;
    case INPUT_RULES_CHANGE:
        fields_u64(fields, "version", input->of.rules_change.version);
        fields_text(fields, "operator", input->of.rules_change.operator_name);
        return;
    case INPUT_RECOVERY:
        put_recovery(fields, &input->of.recovery);
        return;
    }
}
