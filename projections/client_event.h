/* The events that clients get over the WebSocket (interface.md section 4). Each function appends
 * one object {"seq","time","type",...} that is the same for every connection; client_event_frame
 * puts the channel and the connection's own count `n` in front, so that a fan-out renders once and
 * copies. */
#ifndef TAPLINE_PROJECTIONS_CLIENT_EVENT_H
#define TAPLINE_PROJECTIONS_CLIENT_EVENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/json.h"
#include "projections/shapes.h"

/* Channels, in the words of the interface. */
#define CLIENT_CHANNEL_INDEX   "index"
#define CLIENT_CHANNEL_GRID    "grid"
#define CLIENT_CHANNEL_COLUMNS "columns"
#define CLIENT_CHANNEL_STATUS  "status"
#define CLIENT_CHANNEL_ACCOUNT "account"

/* {"channel":...,"n":...,<body without its opening brace>; body[0..length) is one object of below.
 */
void client_event_frame(struct json *json, const char *channel, uint64_t n, const char *body,
                        size_t length);

/* Renders the client event of a state machine event at (seq, time), and tells its channel:
 * index:tick (EVENT_TICK), column:settled (EVENT_COLUMN_SETTLED), bet:accepted, bet:confirmed,
 * bet:rejected, bet:settled (their bet names the account). NULL, and nothing written, for all other
 * kinds. */
const char *client_event_of(struct json *json, uint64_t seq, int64_t time_ms,
                            const struct event *event);

/* balance: of one account after all postings of record seq. */
void client_event_balance(struct json *json, uint64_t seq, int64_t time_ms, int64_t available_micro,
                          int64_t held_micro);

/* account:snapshot: the account, and its open bets[0..count). */
void client_event_account_snapshot(struct json *json, uint64_t seq, int64_t time_ms,
                                   const uint8_t *address, const struct account_view *view,
                                   const char *market, const struct bet *bets, size_t count);

/* grid:snapshot, and grid:delta: tick, breaker, config and the columns of shapes_grid_changes. The
 * delta returns false and writes nothing when no cell and no column changed. */
void client_event_grid_snapshot(struct json *json, const struct grid_view *view);
bool client_event_grid_delta(struct json *json, const struct grid_view *before,
                             const struct grid_view *after);

/* status: as GET /v1/status, seq and time of its market view. */
void client_event_status(struct json *json, const struct shapes_status *status);

/* server:shutdown, with one word or line why. */
void client_event_shutdown(struct json *json, uint64_t seq, int64_t time_ms, const char *reason);

/* {"type",...}: any state machine event as `inspect --events` lists it (interface.md section 8):
 * those above under their own names, besides them config:applied, config:refused, account:opened,
 * transfer:applied, transfer:repeated, transfer:refused, tap:refused, tap:repeated, index:ignored,
 * breaker, start. */
void client_event_inspect(struct json *json, const struct event *event);

#endif
