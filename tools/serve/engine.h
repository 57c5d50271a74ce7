/* The engine thread: the one writer. It sequences inputs into the journal, applies what the journal
 * reports durable, and makes an update of each round: the outbox of events, the answers, the
 * market.
 *
 * Normal course of a tap: engine_submit -> known nonce? -> draining? -> would it be refused? ->
 * sequenced
 * -> (journal writes and syncs) -> applied -> its answer leaves with the update of that batch.
 * A tap whose nonce is on its way to the disk waits for the first one's fate, so that the same tap
 * sent twenty times at once is one record and one bet.
 *
 * Failures: when the journal fails, every waiting request is answered INTERNAL (outcome unknown)
 * and on_failed is called once; the process then exits with 73. */
#ifndef TAPLINE_TOOLS_SERVE_ENGINE_H
#define TAPLINE_TOOLS_SERVE_ENGINE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"
#include "ingress/clock.h"
#include "ingress/refusal.h"
#include "ingress/tap_request.h"
#include "ingress/verify_pool.h"
#include "journal/journal.h"
#include "projections/outbox.h"
#include "replay/applier.h"
#include "statemachine/input.h"
#include "statemachine/view.h"

#define ENGINE_QUEUE_REQUESTS 16384 /* waiting for the engine; one more is OVERLOADED */
#define ENGINE_BACKLOG_MAX    4096  /* updates not yet taken over by a slow projection */
#define ENGINE_ATTEST_MS      1000  /* a digest goes into the journal this often */

enum engine_request_kind {
    ENGINE_TAP,
    ENGINE_TRANSFER, /* input.of.transfer, and kind in input.kind */
    ENGINE_CONFIG,   /* input.of.config */
    ENGINE_RULES,    /* input.of.rules_change */
    ENGINE_ACCOUNT,  /* no record: tap.tap.account's balances and open bets, for account:snapshot */
};

enum engine_answer_kind {
    ANSWER_REFUSED, /* refusal; extras may name the bet */
    ANSWER_BET,     /* a bet was made: bet, seq, state */
    ANSWER_KNOWN,   /* a known nonce with the same text: bet */
    ANSWER_APPLIED, /* a transfer, config or rules took effect: seq, available_micro */
    ANSWER_ACCOUNT, /* account, bets */
};

struct engine_answer {
    enum engine_answer_kind kind;
    struct refusal refusal;
    struct refusal_extras extras;
    uint64_t bet;
    uint64_t seq;
    enum bet_state state;
    int64_t available_micro; /* of a transfer's account, after it */
    uint64_t epoch;          /* of an applied config */
    struct account_view account;
    int64_t time_ms;  /* ACCOUNT: engine time of seq */
    struct bet *bets; /* ACCOUNT: bet_count open bets by id, malloced, the asker frees */
    size_t bet_count;
};

/* One request on its way through verify pool and engine. The loop makes it, submits it, and gets it
 * back in an update with `answer` filled. The texts of `input` must live in the request (`text`).
 */
struct engine_request {
    enum engine_request_kind kind;
    struct verify_job job;  /* ENGINE_TAP: loop -> verify pool */
    struct tap_request tap; /* ENGINE_TAP */
    struct input input;     /* of a record asked for; ENGINE_TAP: the engine's own */
    char text[LIMIT_REFERENCE_BYTES + LIMIT_OPERATOR_BYTES + LIMIT_NOTE_BYTES];
    int64_t received_ns; /* monotonic, when its last byte was parsed */
    struct engine_answer answer;

    /* The asker's own: where the answer goes. */
    uint64_t connection;
    uint64_t channel; /* which front: see requests.h */
    char op_id[LIMIT_REQUEST_ID_BYTES + 1];

    /* The engine's own. */
    struct engine_request *next;
    uint64_t pending_seq;
    struct engine_request *next_in_flight;
};

/* What a round of the engine made, for the loop thread, which frees it by engine_update_free
 * (requests excepted: those go back to whoever made them). */
struct engine_update {
    struct outbox *outbox;           /* NULL: only answers; one reference */
    struct engine_request *answered; /* list by `next` */
    struct market_view market;       /* as of the last applied record */
    struct config config;            /* the epoch in force */
    struct grid_view *grid;          /* NULL when nothing about it changed */
    uint8_t digest[HASH_BYTES];
    int64_t sync_ns; /* of the batch, for metrics; 0 none */
    uint32_t batch_records;
};

struct engine;

struct engine_options {
    struct clock *clock;
    struct journal *journal; /* opened with engine_journal_durable and _failed as hooks, started */
    struct applier *applier; /* stands at the journal's head; the engine owns its use from here */
    struct input *first; /* first_count inputs to sequence before anything else: genesis, start */
    size_t first_count;
    void *context;
    /* Both on the engine thread. False: try again later, the update stays with the engine. */
    bool (*on_update)(void *context, struct engine_update *update);
    bool (*on_outbox)(void *context,
                      struct outbox *outbox); /* to the projector; retains what it keeps */
    /* Once: the journal or the machine failed. The engine answers nothing more. */
    void (*on_failed)(void *context, int exit_code, const char *reason);
};

/* Owns: *engine is freed by engine_free. Errors: STATUS_NO_MEMORY. */
MUST_USE enum status engine_open(struct engine **engine);

/* Sequences the first inputs and starts the thread. Errors: STATUS_NO_MEMORY; those of
 * sequencer_put. */
MUST_USE enum status engine_start(struct engine *engine, const struct engine_options *options);

/* Hands a request over. Thread: any. Errors: STATUS_FULL too many wait; STATUS_CLOSED. */
MUST_USE enum status engine_submit(struct engine *engine, struct engine_request *request);

/* Hands a grid record over; tick NULL is a ClockTick. Thread: the loop. False when the last one was
 * not yet taken over (the engine is stalled): this one is then lost, like a point in downtime. */
bool engine_grid(struct engine *engine, int64_t grid_ms, int64_t now_ms,
                 const struct price_tick *tick);

/* From now on taps are refused DRAINING. Thread: any. */
void engine_drain(struct engine *engine);

/* From now on taps and other requests are refused OVERLOADED (the clock jumped). Thread: any. */
void engine_stop_intake(struct engine *engine, const char *reason);

/* The last applied seq; what an answer may speak of. Thread: any. */
uint64_t engine_applied_seq(const struct engine *engine);

/* Requests that wait for the engine; for metrics. Thread: any. */
uint32_t engine_waiting(struct engine *engine);

/* The hooks for journal_options; their context is the engine. Thread: the journal's writer. */
void engine_journal_durable(void *engine, const struct journal_batch *batch);
void engine_journal_failed(void *engine, enum status status, const char *reason);

/* Stops the thread after everything queued so far was sequenced, made durable and applied. */
void engine_stop(struct engine *engine);

void engine_free(struct engine *engine);

void engine_update_free(struct engine_update *update);

#endif
