/* The objects of the HTTP interface as JSON (interface.md section 3): one function a shape, each
 * appends one whole value to `json`. Integers leave as strings of digits; a field that does not
 * apply yet is null. Every channel (HTTP, WebSocket, tools, SQLite's rows) renders through here, so
 * that a thing looks the same wherever it is shown. Accounts leave in EIP-55. */
#ifndef TAPLINE_PROJECTIONS_SHAPES_H
#define TAPLINE_PROJECTIONS_SHAPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/json.h"
#include "statemachine/event.h"
#include "statemachine/view.h"

/* SHA-256 of the tail table as u32 little-endian (rules.md section 5): part of every config epoch.
 */
#define SHAPES_TABLE_SHA256 "d4e04739e86f4a10f63daaf1a85b04b6b491304a460d15a96d13ab9942a6ccc4"

/* {bet,seq,account,market,...}. seq: the record of the bet's latest change. */
void shapes_bet(struct json *json, const char *market, const struct bet *bet);

/* The seq that shapes_bet shows: settled, priced or accepted, whichever came last. */
uint64_t shapes_bet_seq(const struct bet *bet);

/* {account,seq,available,held,open_bets}; seq is that of the view's state. */
void shapes_account(struct json *json, uint64_t seq, const uint8_t *address,
                    const struct account_view *view);

/* One row of the ledger table: {seq,line,at,amount,balance_after,ref_type,ref_id}. */
struct shapes_ledger_row {
    uint64_t seq;
    uint64_t line;
    int64_t at_ms;
    int64_t amount_micro;
    int64_t balance_after_micro;
    const char *ref_type;
    const char *ref_id;
};
void shapes_ledger_row(struct json *json, const struct shapes_ledger_row *row);

/* {seq,time,config,tick:{time,price},breaker,columns:[...]}; tick is null when there is none. */
void shapes_grid(struct json *json, const struct grid_view *view);

/* Its fields config, tick and breaker alone, for a larger object; and the array of columns alone.
 */
void shapes_grid_head(struct json *json, const struct grid_view *view);
void shapes_grid_columns(struct json *json, const struct grid_view *view);

/* [{column,band_e4,open,cells:[...]}] of `after` where it differs from `before`: new and changed
 * cells as they are now, cells that are gone with mult "0", columns that are gone with all their
 * cells so and open false; a column whose `open` alone changed has no cells. Returns the columns
 * written, 0 for
 * "[]". */
size_t shapes_grid_changes(struct json *json, const struct grid_view *before,
                           const struct grid_view *after);

/* One grid record of the index, as kept by whoever shows the last LIMIT_INDEX_TICKS. */
struct shapes_index_tick {
    int64_t grid_ms;
    int64_t price_e4; /* 0: a ClockTick */
    int64_t spread_e4;
    uint32_t sources;
};
/* {seq,time,ticks:[...]}, ticks[0..count) oldest first. */
void shapes_index(struct json *json, uint64_t seq, int64_t time_ms,
                  const struct shapes_index_tick *ticks, size_t count);

/* {seq,column,band_e4,state,reason,price,band,ticks,bets,stakes,paid}; seq: the settling record. */
void shapes_column(struct json *json, uint64_t seq, const struct column_result *column);

/* Its fields alone, for a larger object; and the array of the five ticks alone. */
void shapes_column_fields(struct json *json, const struct column_result *column);
void shapes_column_ticks(struct json *json, const struct column_result *column);

/* {config,seq,time,band_e4_from,band_e4_before,table_sha256, every key}; seq and time are those of
 * the Config record that brought the epoch. */
struct shapes_config {
    uint64_t epoch;
    uint64_t seq;
    int64_t time_ms;
    int64_t band_e4_from;
    int64_t band_e4_before;
    const struct config *config;
};
void shapes_config(struct json *json, const struct shapes_config *config);
void shapes_config_fields(struct json *json,
                          const struct config *config); /* keys and table alone */

/* {seq,time,breaker,breaker_since,last_tick,sources,samples,warm,config,draining,bankroll,reserved,
 * clients}: the market as the state machine shows it, and what only the server knows. */
struct shapes_source {
    const char *name;
    int64_t price_e4; /* 0: none heard yet */
    int64_t basis_e4;
    int64_t age_ms; /* of its last price message; below 0: none heard yet */
    bool used;      /* in the last index */
};
struct shapes_status {
    const struct market_view *market;
    const struct shapes_source *sources;
    size_t source_count;
    bool draining;
    uint64_t clients;
};
void shapes_status(struct json *json, const struct shapes_status *status);
void shapes_status_fields(struct json *json,
                          const struct shapes_status *status); /* but seq, time */

/* {time}. */
void shapes_time(struct json *json, int64_t time_ms);

/* {status,breaker,feed_age_ms,seq,durable_seq,digest}; feed_age_ms below 0: no tick yet, null. */
struct shapes_health {
    const char *status; /* "ok", or one word for what is wrong */
    enum breaker_state breaker;
    int64_t feed_age_ms;
    uint64_t seq;
    uint64_t durable_seq;
    const uint8_t *digest; /* HASH_BYTES */
};
void shapes_health(struct json *json, const struct shapes_health *health);

/* {line,account,amount,ref_type,ref_id} as `inspect --events` shows it (interface.md section 8). */
void shapes_posting(struct json *json, const struct posting *posting);

#endif
