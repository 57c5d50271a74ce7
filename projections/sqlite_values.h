/* How bets, columns and postings look as rows: the one place that says which value stands in which
 * column. The writer binds these values, the checker compares them with what it finds. Texts and
 * bytes are borrowed from what the row was made of. Inside of projections/ only. */
#ifndef TAPLINE_PROJECTIONS_SQLITE_VALUES_H
#define TAPLINE_PROJECTIONS_SQLITE_VALUES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/json.h"
#include "base/text.h"
#include "projections/sqlite_db.h"
#include "projections/week.h"
#include "statemachine/event.h"

#define SQLITE_VALUE_TEXT_BYTES 112 /* a value as shown to people; a longer one is cut */

struct sqlite_value {
    enum sqlite_db_type type;
    int64_t integer;
    const void *bytes; /* of a text or a BLOB */
    size_t count;
};

/* The columns of each table in the order of the values below; keys first. */
#define SQLITE_BET_FIXED     15 /* these never change; the rest follows the bet's life */
#define SQLITE_BET_VALUES    27
#define SQLITE_BET_STATE     17 /* the two texts among the later ones */
#define SQLITE_BET_REASON    18
#define SQLITE_LEDGER_VALUES 9
#define SQLITE_COLUMN_VALUES 12
#define SQLITE_CONFIG_VALUES 4
#define SQLITE_WEEK_VALUES   2
#define SQLITE_BET_COLUMNS                                                                         \
    "bet, user_id, account, market, column_ms, band, price_lo, price_hi, stake, min_mult,"         \
    " config, nonce, session, accepted_at, accepted_seq, mult, payout, state, reason, paid,"       \
    " priced_at, priced_seq, tick, price, settled_at, settled_seq, settle_price"
#define SQLITE_LEDGER_COLUMNS                                                                      \
    "seq, line, account, user_id, amount, balance_after, ref_type, ref_id, at"
#define SQLITE_COLUMN_COLUMNS                                                                      \
    "column_ms, seq, at, band_e4, state, reason, price, band, ticks, bets, stakes, paid"
#define SQLITE_CONFIG_COLUMNS "epoch, seq, at, body"

void sqlite_values_bet(const char *market, const struct bet *bet,
                       struct sqlite_value values[SQLITE_BET_VALUES]);

/* `digits` keeps the text of ref_id. */
void sqlite_values_ledger(uint64_t seq, int64_t at_ms, const struct posting *posting,
                          char digits[TEXT_I64_BYTES_MAX],
                          struct sqlite_value values[SQLITE_LEDGER_VALUES]);

/* The row that repeats a balance at the start of a week; `name` keeps the text of the week. */
void sqlite_values_opening(int64_t week_start_ms, uint64_t user_id, const uint8_t *account,
                           int64_t balance_micro, char name[WEEK_TEXT_BYTES],
                           struct sqlite_value values[SQLITE_LEDGER_VALUES]);

/* `ticks` is filled and keeps a text; the caller frees it. Errors: STATUS_NO_MEMORY. */
MUST_USE enum status sqlite_values_column(uint64_t seq, int64_t at_ms,
                                          const struct column_result *column, struct json *ticks,
                                          struct sqlite_value values[SQLITE_COLUMN_VALUES]);

struct sqlite_value sqlite_value_i64(int64_t integer);
struct sqlite_value sqlite_value_text(const char *text); /* NULL: the value NULL */

/* Binds values[0..count) to the parameters first, first + 1, ... */
void sqlite_values_bind(struct sqlite3_stmt *statement, int first,
                        const struct sqlite_value *values, size_t count);

/* A column of the present row, borrowed until the next step. */
struct sqlite_value sqlite_value_of(struct sqlite3_stmt *row, int column);

bool sqlite_value_equals(const struct sqlite_value *a, const struct sqlite_value *b);

/* For people: NULL, 12, 'won', 0x5aae.. */
void sqlite_value_show(const struct sqlite_value *value, char to[SQLITE_VALUE_TEXT_BYTES]);

#endif
