/* The running server: everything the loop thread owns, wired together. One per process. The files
 * beside this one are its parts: preflight.c (what is tried first), startup.c and startup_replay.c
 * (data directory, replay, genesis), keeper.c (snapshots and checks behind the scenes), taps.c (a
 * tap's way through the threads), http_api.c, ws_api.c, admin_socket.c (what comes in), publish.c
 * (what goes out). */
#ifndef TAPLINE_TOOLS_SERVE_SERVER_H
#define TAPLINE_TOOLS_SERVE_SERVER_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "ingress/clock.h"
#include "ingress/feed.h"
#include "ingress/grid_timer.h"
#include "ingress/http_server.h"
#include "ingress/index.h"
#include "ingress/mailbox.h"
#include "ingress/rate_limit.h"
#include "ingress/verify_pool.h"
#include "ingress/wallet.h"
#include "ingress/ws_server.h"
#include "journal/journal.h"
#include "projections/metrics.h"
#include "projections/projector.h"
#include "replay/applier.h"
#include "replay/snapshot_shelf.h"
#include "tools/serve/board.h"
#include "tools/serve/clients.h"
#include "tools/serve/engine.h"
#include "tools/serve/history.h"
#include "tools/serve/reads.h"

#define SERVER_FEEDS_MAX   16
#define SERVER_ORIGINS_MAX 16
#define SERVER_TAPS_MAX    8192 /* taps between the loop and their answer; one more is OVERLOADED */
/* The largest frames are a grid of 60 columns x 101 bands and an account with 1,000 open bets, each
 * below 700 KiB: a reader is not cut for asking for them. */
#define SERVER_WS_QUEUE_BYTES (1024 * 1024)
#define SERVER_ERROR_BYTES    1024
/* Updates between engine and loop; more wait in the engine, and make it refuse. Its mailbox has as
 * much room again for the shut-down, when the loop waits for the engine and takes nothing: then at
 * most one update for each backlog entry, each tap and each grid record is still to come. */
#define SERVER_UPDATES_MAX 16384
_Static_assert(ENGINE_BACKLOG_MAX + SERVER_TAPS_MAX + 1024 < SERVER_UPDATES_MAX, "the end fits");
#define SERVER_DRAIN_MS 1000 /* from SIGTERM to the close of the sockets */
#define SERVER_RETRY_MS 200  /* advice with OVERLOADED */

struct admin_socket;
struct keeper;
struct keeper_answer;

/* What the options say, already parsed. */
struct server_options {
    const char *data_dir;
    char address[64];
    uint16_t port;
    const char *feeds[SERVER_FEEDS_MAX];
    size_t feed_count;
    const char *origins[SERVER_ORIGINS_MAX]; /* none: http://ADDRESS:PORT */
    size_t origin_count;
    const char *admin_path; /* NULL: DATA/admin.sock */
    const char *market_file;
    bool demo;
    struct rate limit_account;
    struct rate limit_address;
    bool trust_proxy;
    uint64_t segment_bytes;  /* 0: the journal's default */
    uint64_t snapshot_every; /* records between two snapshots */
    uint64_t check_every_s;  /* seconds between two checks of everything */
    unsigned verify_threads; /* 0: cores - 1 */
};

struct server {
    struct server_options options;
    char own_origin[96];
    uv_loop_t loop;
    int exit_code;
    bool draining;
    bool ending;                    /* the shut-down has begun */
    _Atomic bool closing;           /* the threads are being ended */
    bool intake_stopped;            /* the clock has jumped: no input is taken any more */
    char error[SERVER_ERROR_BYTES]; /* of a start that failed: one line */

    struct clock clock;
    struct index index;
    struct feed *feeds[SERVER_FEEDS_MAX];
    size_t feed_count;
    struct grid_timer *grid_timer;
    int64_t tick_ms; /* of the configuration at start */
    int64_t quorum;
    int64_t last_grid_ms; /* of the journal at start */

    struct wallet *wallet;
    struct verify_pool *pool;
    struct rate_limit *by_account;
    struct rate_limit *by_address;

    struct journal *journal;
    struct snapshot_shelf shelf; /* of the start */
    uint64_t snapshot_seq;       /* of the newest good one at the start; 0: none */
    struct keeper *keeper;
    struct mailbox *kept; /* struct keeper_answer, from the keeper */
    struct applier *applier;
    struct engine *engine;
    struct projector *projector;
    struct reads *reads;

    struct mailbox *updates;  /* struct engine_update, from the engine */
    struct mailbox *verified; /* struct engine_request, from the verify pool */
    struct mailbox *finished; /* struct read, from the readers */

    struct http_server *http;
    struct ws_server *ws;
    struct admin_socket *admin;
    uv_signal_t on_term;
    uv_signal_t on_int;
    uv_async_t on_failure;   /* the engine failed */
    _Atomic int failed_code; /* of the engine; 0 while it works */
    uint64_t head_seq;       /* of the journal at start */
    uint64_t first_count;    /* records the start wrote */
    uv_timer_t drain_timer;
    uv_timer_t gauges_timer;

    struct board board;
    struct clients clients;
    struct history history;
    uint32_t taps; /* on their way now */

    struct metrics *metrics;
    uint32_t route_other; /* places in the metrics */
    uint32_t lag_sqlite;
    uint32_t queue_engine;
    uint32_t queue_verify;
    uint32_t queue_reads;
    uint32_t queue_projector;
    uint64_t status_shown; /* fingerprint of the last status event */
    int64_t status_money;  /* the bankroll it showed */
};

/* --- preflight.c --- */

/* Tries what can be tried before a new data directory is made: the market file, the admin socket's
 * place, the ports. Returns 0, or the exit code to end with, the reason said on stderr. */
int preflight(struct server *server);

/* --- startup.c --- */

/* Whether a new journal could begin with --market, without writing anything. Returns as below. */
int startup_check_market(struct server *server);

/* Opens the data directory: SQLite's witness, the journal, the replay through the state machine
 * into the projections. Returns the exit code to end with (and server->error), or 0. */
int startup_open_data(struct server *server);

/* Starts journal and engine, with the first records of a new journal. The clock runs. */
int startup_start_engine(struct server *server);

/* Syncs and closes the journal, ends the projector, frees. The engine was stopped. */
void startup_close_data(struct server *server);

/* --- taps.c: the way of requests that need the verify pool or the engine. --- */

/* Which front a request came from, and so where its answer goes. */
enum front {
    FRONT_HTTP = 1,
    FRONT_WS_TAP,
    FRONT_WS_AUTH,
    FRONT_WS_SNAPSHOT,
    FRONT_ADMIN,
};

/* NULL when too many are on their way (OVERLOADED) or memory is out. Owns: the way; taps_answer
 * frees. */
struct engine_request *taps_new(struct server *server, enum engine_request_kind kind,
                                enum front front, uint64_t connection);
void taps_free(struct server *server, struct engine_request *request);

/* Sends a parsed, signed request on: to the verify pool, then (a tap) to the engine. The answer
 * comes to its front's *_answer function below, never from inside this call... but for a refusal at
 * once. */
void taps_verify(struct server *server, struct engine_request *request);

/* Sends a request that needs no signature to the engine. */
void taps_submit(struct server *server, struct engine_request *request);

/* Answers a request with a refusal from the loop. */
void taps_refuse(struct server *server, struct engine_request *request, enum refusal_code code,
                 int64_t retry_after_ms);

/* Counts a tap that was refused without a record (rules.md section 6, step 1): `deliver` does it
 * for requests, the fronts for what they refuse themselves. */
void taps_count_refused(struct server *server, enum refusal_code code);

/* Times a bet that was confirmed, when its tap came to this process and waited for its price. */
void taps_observe_confirmed(struct server *server, uint64_t bet);

/* Gives every code its place in the metrics; before the first tap. */
void taps_register_refusals(struct server *server);

/* Mailbox callbacks. */
void taps_on_verified(void *server, void *request);
void taps_on_update(void *server, void *update);

/* The origin to sign for: `origin` when it is on the list, the first of the list when it is NULL;
 * NULL when it is not allowed. */
const char *server_origin(const struct server *server, const char *origin);

/* --- The fronts. --- */

void http_api_request(void *server, const struct http_request *request);
void http_api_render_error(void *server, unsigned status, const char *detail, struct json *body);
void http_api_answer(struct server *server, const struct engine_request *request);
void http_api_register_routes(struct server *server);

bool ws_api_allow_origin(void *server, const char *origin);
void ws_api_open(void *server, uint64_t id, const char *origin, const struct http_peer *peer);
void ws_api_message(void *server, uint64_t id, const char *text, size_t length);
void ws_api_close(void *server, uint64_t id);
void ws_api_answer(struct server *server, const struct engine_request *request);

/* False, and why in words, when no admin socket can be made at `path`: too long, no directory, a
 * file in the way, or the socket of a server that lives. */
#define ADMIN_PROBLEM_BYTES  256
#define ADMIN_PATH_BYTES_MAX 107 /* what a unix socket's address holds */
bool admin_socket_possible(const char *path, char problem[ADMIN_PROBLEM_BYTES]);
enum status admin_socket_open(struct server *server, const char *path);
void admin_socket_answer(struct server *server, const struct engine_request *request);
void admin_socket_kept(struct server *server, const struct keeper_answer *answer);
void admin_socket_close(struct server *server);

/* --- publish.c --- */

/* Tells the subscribers what an update brought, after the board took it over. */
void publish_update(struct server *server, const struct outbox *outbox,
                    const struct grid_view *previous_grid);
void publish_status(struct server *server, struct json *json); /* GET /v1/status */
void publish_status_event(struct server *server, struct json *json);
void publish_to_client(struct server *server, struct client *client, enum channel channel,
                       const char *body, size_t length);
void publish_shutdown(struct server *server, const char *reason);
void publish_gauges(struct server *server);

/* --- server.c --- */

/* Starts, serves until SIGTERM or a failure, ends in order. Returns the exit code of the process; a
 * start that fails ends the process itself. The options and their texts outlive the call. */
int server_run(const struct server_options *options);

/* Refuses new bets from now on (DRAINING). */
void server_drain(struct server *server);

/* Ends the process in order: drain, tell the sockets, close them, sync, exit_code. */
void server_shut_down(struct server *server, int exit_code, const char *reason);

/* Shape of an admin or demo transfer, shared by both: fills request->input and its texts. */
bool transfer_fill(struct engine_request *request, enum input_kind kind, const uint8_t *account,
                   int64_t amount_micro, const char *reference, const char *operator_name,
                   const char *note);

#endif
