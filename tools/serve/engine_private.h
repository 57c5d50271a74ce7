/* The engine's own state, shared by engine.c (queues and thread) and engine_round.c (what a round
 * does). Nobody else includes this. */
#ifndef TAPLINE_TOOLS_SERVE_ENGINE_PRIVATE_H
#define TAPLINE_TOOLS_SERVE_ENGINE_PRIVATE_H

#include <pthread.h>
#include <stdatomic.h>

#include "ingress/sequencer.h"
#include "tools/serve/engine.h"

#define GRID_QUEUE        64
#define IN_FLIGHT_BUCKETS 8192 /* a power of two */
#define REASON_BYTES      512

/* A durable batch, copied from the writer's buffer. */
struct durable {
    struct durable *next;
    uint64_t first_seq;
    uint32_t count;
    int64_t sync_ns;
    size_t bytes;
    uint8_t records[];
};

struct grid_record {
    int64_t grid_ms;
    int64_t now_ms;
    bool has_tick;
    struct price_tick tick; /* its names live as long as the index */
};

struct request_list {
    struct engine_request *first;
    struct engine_request *last;
    uint32_t count;
};

/* What the state machine said to the record being applied, as far as its asker wants to know. */
struct verdict {
    uint64_t seq;
    enum engine_answer_kind kind; /* ANSWER_REFUSED with reason, or what was done */
    enum reason reason;
    const char *problem; /* of a refused config */
    uint64_t bet;
    enum bet_state state;
    uint64_t applied_seq; /* of a transfer: the record that applied it */
    uint64_t epoch;
};

struct backlog_entry {
    struct engine_update *update;
    struct outbox *outbox; /* not yet with the projector, or NULL */
};

struct engine {
    struct engine_options options;
    pthread_t thread;
    bool started;
    _Atomic uint64_t applied_seq;
    _Atomic bool draining;

    pthread_mutex_t lock; /* over the fields up to the next comment */
    pthread_cond_t wake;
    struct request_list requests;
    struct durable *durable_first;
    struct durable *durable_last;
    struct grid_record grid[GRID_QUEUE];
    uint32_t grid_head;
    uint32_t grid_count;
    bool stopping;
    bool journal_failed;
    enum status journal_status;
    char reason[REASON_BYTES]; /* of the failure */
    bool intake_stopped;
    char intake_reason[REASON_BYTES];

    /* The engine thread's own. */
    struct sequencer sequencer;
    struct input input;           /* being sequenced */
    struct request_list pending;  /* sequenced, in the order of seq */
    struct request_list parked;   /* their nonce is in flight */
    struct request_list answered; /* without a record, for the next update */
    struct engine_request *in_flight[IN_FLIGHT_BUCKETS];
    struct grid_record held[GRID_QUEUE]; /* grid records that the journal had no room for yet */
    uint32_t held_count;
    struct verdict verdict;
    bool grid_changed;
    struct event_sink outbox_sink;
    int64_t attested_ms;
    uint64_t attested_seq;
    bool failed;
    struct backlog_entry backlog[ENGINE_BACKLOG_MAX];
    uint32_t backlog_head;
    uint32_t backlog_count;
};

/* Lists. */
void request_list_push(struct request_list *list, struct engine_request *request);
struct engine_request *request_list_pop(struct request_list *list);

/* --- engine_round.c, all on the engine thread. --- */

/* Sequences or refuses one request. */
void engine_take_request(struct engine *engine, struct engine_request *request);

/* Sequences one grid record. False: the journal has no room now; it must not be lost, for the
 * index's basis has moved with it. */
bool engine_take_grid(struct engine *engine, const struct grid_record *grid);

/* Applies a durable batch and queues its update. */
void engine_apply(struct engine *engine, const struct durable *durable);

/* Appends an Attest record when the last one is old enough. */
void engine_attest(struct engine *engine);

/* Queues an update for answers that need no record. */
void engine_flush_answers(struct engine *engine);

/* Hands queued updates on as far as they are taken. */
void engine_send_backlog(struct engine *engine);

/* Answers everything that waits INTERNAL and tells on_failed. */
void engine_fail(struct engine *engine, int exit_code, const char *reason);

#endif
