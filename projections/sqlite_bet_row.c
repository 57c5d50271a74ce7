#include "projections/sqlite_bet_row.h"

#include <stdio.h>
#include <string.h>

#include "projections/sqlite_db.h"

static bool parse_state(const char *text, enum bet_state *state)
{
    for (enum bet_state each = BET_ACCEPTED; each <= BET_VOID; each++) {
        if (strcmp(text, bet_state_text(each)) == 0) {
            *state = each;
            return true;
        }
    }
    return false;
}

static bool parse_reason(const char *text, enum reason *reason)
{
    static const enum reason reasons[] = {
#define X(name, number) REASON_##name,
        REASON_LIST(X)
#undef X
    };
    for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++) {
        if (strcmp(text, reason_text(reasons[i])) == 0) {
            *reason = reasons[i];
            return true;
        }
    }
    return false;
}

bool sqlite_bet_row_read(struct sqlite3_stmt *row, struct bet *bet,
                         char market[LIMIT_MARKET_BYTES + 1])
{
    *bet = (struct bet){
        .bet = (uint64_t)sqlite_db_i64(row, 0),
        .user_id = (uint64_t)sqlite_db_i64(row, 1),
        .column_ms = sqlite_db_i64(row, 4),
        .band = sqlite_db_i64(row, 5),
        .lo_e4 = sqlite_db_i64(row, 6),
        .hi_e4 = sqlite_db_i64(row, 7),
        .stake_micro = sqlite_db_i64(row, 8),
        .min_mult_centi = sqlite_db_i64(row, 9),
        .config = sqlite_db_i64(row, 10),
        .session = (uint64_t)sqlite_db_i64(row, 11),
        .mult_centi = (uint32_t)sqlite_db_i64(row, 14),
        .payout_micro = sqlite_db_i64(row, 15),
        .paid_micro = sqlite_db_i64(row, 16),
        .accepted_at_ms = sqlite_db_i64(row, 17),
        .accepted_seq = (uint64_t)sqlite_db_i64(row, 18),
        .priced_at_ms = sqlite_db_i64(row, 19),
        .priced_seq = (uint64_t)sqlite_db_i64(row, 20),
        .tick_ms = sqlite_db_i64(row, 21),
        .price_e4 = sqlite_db_i64(row, 22),
        .settled_at_ms = sqlite_db_i64(row, 23),
        .settled_seq = (uint64_t)sqlite_db_i64(row, 24),
        .settle_price_e4 = sqlite_db_i64(row, 25),
    };
    bet->reason = REASON_NONE;
    const bool has_reason = sqlite_db_type(row, 13) != SQLITE_DB_NULL;
    if (has_reason && !parse_reason(sqlite_db_text(row, 13, NULL), &bet->reason)) {
        return false;
    }
    if (market != NULL) {
        snprintf(market, LIMIT_MARKET_BYTES + 1, "%s", sqlite_db_text(row, 26, NULL));
    }
    return parse_state(sqlite_db_text(row, 12, NULL), &bet->state) &&
           sqlite_db_copy_bytes(row, 2, bet->account, ADDRESS_BYTES) &&
           sqlite_db_copy_bytes(row, 3, bet->nonce, NONCE_BYTES);
}
