#include "projections/sqlite_values.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "projections/shapes.h"

#define SHOWN_BYTES 40 /* of a BLOB */

struct sqlite_value sqlite_value_i64(int64_t integer)
{
    return (struct sqlite_value){.type = SQLITE_DB_INTEGER, .integer = integer};
}

/* 0 stands for "does not apply yet" in the events. */
static struct sqlite_value i64_or_null(int64_t integer)
{
    return integer == 0 ? (struct sqlite_value){.type = SQLITE_DB_NULL} : sqlite_value_i64(integer);
}

static struct sqlite_value text_of(const char *text, size_t count)
{
    return (struct sqlite_value){.type = SQLITE_DB_TEXT, .bytes = text, .count = count};
}

struct sqlite_value sqlite_value_text(const char *text)
{
    return text == NULL ? (struct sqlite_value){.type = SQLITE_DB_NULL}
                        : text_of(text, strlen(text));
}

static struct sqlite_value bytes_of(const uint8_t *bytes, size_t count)
{
    return (struct sqlite_value){.type = SQLITE_DB_BYTES, .bytes = bytes, .count = count};
}

static struct sqlite_value reason_of(enum reason reason)
{
    return sqlite_value_text(reason == REASON_NONE ? NULL : reason_text(reason));
}

void sqlite_values_bet(const char *market, const struct bet *bet,
                       struct sqlite_value values[SQLITE_BET_VALUES])
{
    const bool open = bet->state == BET_ACCEPTED || bet->state == BET_CONFIRMED;
    const struct sqlite_value row[SQLITE_BET_VALUES] = {
        sqlite_value_i64((int64_t)bet->bet),
        sqlite_value_i64((int64_t)bet->user_id),
        bytes_of(bet->account, ADDRESS_BYTES),
        sqlite_value_text(market),
        sqlite_value_i64(bet->column_ms),
        sqlite_value_i64(bet->band),
        sqlite_value_i64(bet->lo_e4),
        sqlite_value_i64(bet->hi_e4),
        sqlite_value_i64(bet->stake_micro),
        sqlite_value_i64(bet->min_mult_centi),
        sqlite_value_i64(bet->config),
        bytes_of(bet->nonce, NONCE_BYTES),
        i64_or_null((int64_t)bet->session),
        i64_or_null(bet->accepted_at_ms),
        i64_or_null((int64_t)bet->accepted_seq),
        i64_or_null(bet->mult_centi),
        i64_or_null(bet->payout_micro),
        sqlite_value_text(bet_state_text(bet->state)),
        reason_of(bet->reason),
        /* Known, also as 0, when the bet is over. */
        open ? i64_or_null(0) : sqlite_value_i64(bet->paid_micro),
        i64_or_null(bet->priced_at_ms),
        i64_or_null((int64_t)bet->priced_seq),
        i64_or_null(bet->tick_ms),
        i64_or_null(bet->price_e4),
        i64_or_null(bet->settled_at_ms),
        i64_or_null((int64_t)bet->settled_seq),
        i64_or_null(bet->settle_price_e4),
    };
    memcpy(values, row, sizeof(row));
}

void sqlite_values_ledger(uint64_t seq, int64_t at_ms, const struct posting *posting,
                          char digits[TEXT_I64_BYTES_MAX],
                          struct sqlite_value values[SQLITE_LEDGER_VALUES])
{
    struct sqlite_value reference = text_of(posting->reference, posting->reference_length);
    if (posting->reference == NULL) {
        reference = text_of(digits, text_format_u64(digits, posting->ref_id));
    }
    const struct sqlite_value row[SQLITE_LEDGER_VALUES] = {
        sqlite_value_i64((int64_t)seq),
        sqlite_value_i64(posting->line),
        bytes_of(posting->address, ADDRESS_BYTES),
        sqlite_value_i64((int64_t)posting->user_id),
        sqlite_value_i64(posting->amount_micro),
        sqlite_value_i64(posting->balance_after_micro),
        sqlite_value_text(ref_type_text(posting->ref_type)),
        reference,
        sqlite_value_i64(at_ms),
    };
    memcpy(values, row, sizeof(row));
}

void sqlite_values_opening(int64_t week_ms, uint64_t user_id, const uint8_t *account,
                           int64_t balance_micro, char name[WEEK_TEXT_BYTES],
                           struct sqlite_value values[SQLITE_LEDGER_VALUES])
{
    week_text(week_ms, name);
    const struct sqlite_value row[SQLITE_LEDGER_VALUES] = {
        sqlite_value_i64(0),
        sqlite_value_i64((int64_t)user_id),
        bytes_of(account, ADDRESS_BYTES),
        sqlite_value_i64((int64_t)user_id),
        sqlite_value_i64(balance_micro),
        sqlite_value_i64(balance_micro),
        sqlite_value_text("OPENING"),
        sqlite_value_text(name),
        sqlite_value_i64(week_ms),
    };
    memcpy(values, row, sizeof(row));
}

enum status sqlite_values_column(uint64_t seq, int64_t at_ms, const struct column_result *column,
                                 struct json *ticks,
                                 struct sqlite_value values[SQLITE_COLUMN_VALUES])
{
    shapes_column_ticks(ticks, column);
    if (ticks->failed) {
        return STATUS_NO_MEMORY;
    }
    const struct sqlite_value row[SQLITE_COLUMN_VALUES] = {
        sqlite_value_i64(column->column_ms),
        sqlite_value_i64((int64_t)seq),
        sqlite_value_i64(at_ms),
        sqlite_value_i64(column->band_e4),
        sqlite_value_text(column->is_void ? "void" : "settled"),
        reason_of(column->reason),
        i64_or_null(column->price_e4),
        column->price_e4 == 0 ? i64_or_null(0) : sqlite_value_i64(column->band),
        text_of(ticks->text, ticks->length),
        sqlite_value_i64(column->bets),
        sqlite_value_i64(column->stakes_micro),
        sqlite_value_i64(column->paid_micro),
    };
    memcpy(values, row, sizeof(row));
    return STATUS_OK;
}

void sqlite_values_bind(struct sqlite3_stmt *statement, int first,
                        const struct sqlite_value *values, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct sqlite_value *value = &values[i];
        const int index = first + (int)i;
        switch (value->type) {
        case SQLITE_DB_NULL:
            sqlite_db_bind_i64_or_null(statement, index, 0);
            break;
        case SQLITE_DB_INTEGER:
            sqlite_db_bind_i64(statement, index, value->integer);
            break;
        case SQLITE_DB_TEXT:
            sqlite_db_bind_text(statement, index, value->bytes, value->count);
            break;
        case SQLITE_DB_BYTES:
            sqlite_db_bind_bytes(statement, index, value->bytes, value->count);
            break;
        }
    }
}

struct sqlite_value sqlite_value_of(struct sqlite3_stmt *row, int column)
{
    struct sqlite_value value = {.type = sqlite_db_type(row, column)};
    switch (value.type) {
    case SQLITE_DB_NULL:
        break;
    case SQLITE_DB_INTEGER:
        value.integer = sqlite_db_i64(row, column);
        break;
    case SQLITE_DB_TEXT:
    case SQLITE_DB_BYTES:
        value.bytes = sqlite_db_bytes(row, column, &value.count);
        break;
    }
    return value;
}

bool sqlite_value_equals(const struct sqlite_value *a, const struct sqlite_value *b)
{
    if (a->type != b->type) {
        return false;
    }
    switch (a->type) {
    case SQLITE_DB_NULL:
        return true;
    case SQLITE_DB_INTEGER:
        return a->integer == b->integer;
    case SQLITE_DB_TEXT:
    case SQLITE_DB_BYTES:
        return a->count == b->count && (a->count == 0 || memcmp(a->bytes, b->bytes, a->count) == 0);
    }
    return false;
}

void sqlite_value_show(const struct sqlite_value *value, char to[SQLITE_VALUE_TEXT_BYTES])
{
    switch (value->type) {
    case SQLITE_DB_NULL:
        snprintf(to, SQLITE_VALUE_TEXT_BYTES, "NULL");
        return;
    case SQLITE_DB_INTEGER:
        snprintf(to, SQLITE_VALUE_TEXT_BYTES, "%" PRId64, value->integer);
        return;
    case SQLITE_DB_TEXT: {
        const int count = value->count < 80 ? (int)value->count : 80;
        snprintf(to, SQLITE_VALUE_TEXT_BYTES, "'%.*s'", count, (const char *)value->bytes);
        return;
    }
    case SQLITE_DB_BYTES: {
        char hex[2 * SHOWN_BYTES + 1];
        text_format_hex(hex, value->bytes, value->count < SHOWN_BYTES ? value->count : SHOWN_BYTES);
        snprintf(to, SQLITE_VALUE_TEXT_BYTES, "0x%s", hex);
        return;
    }
    }
}
