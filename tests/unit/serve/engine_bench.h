/* An engine as `serve` runs it: real journal (on a gate disk), real applier, a clock that the test
 * moves, and a loop's place taken by the test, which notes every answer, update and outbox. While
 * it runs, each update is checked: no answer and no outbox speaks of a seq that the disk has not
 * synced, no outbox comes twice or out of order, no request is answered twice. */
#ifndef TAPLINE_TEST_ENGINE_BENCH_H
#define TAPLINE_TEST_ENGINE_BENCH_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gate_disk.h"
#include "tools/serve/engine.h"

#define BENCH_START_MS ((int64_t)1732077280000) /* a column boundary and a grid point */
#define BENCH_PRICE_E4 ((int64_t)970000000)
#define BENCH_BAND     (BENCH_PRICE_E4 / 200000)

struct bench {
    struct gate_disk disk;
    struct journal *journal;
    struct applier *applier;
    struct engine *engine;
    struct clock clock;
    struct config config;
    bool stopped;

    pthread_mutex_t lock; /* over the rest */
    pthread_cond_t changed;
    int64_t now_ms;
    bool refuse_updates;    /* on_update and on_outbox answer false */
    uint64_t bend_from_seq; /* the first batch from here on has its last byte changed; 0: none */
    uint64_t durable_seq;   /* synced */
    uint64_t outbox_seq;    /* the last one told to the projector */
    uint64_t update_seq;    /* the last one told to the loop */
    int64_t tick_ms;        /* the last tick that the loop heard of */
    uint64_t updates;
    uint64_t update_calls; /* of on_update, refused ones too */
    uint64_t answers;
    unsigned failures;
    int failed_code;
    const char *wrong; /* what a check above found first */
};

/* Opens a market with one tick, healthy, and a house with money. pricing_delay_ms as given. */
void bench_open(struct bench *bench, int64_t pricing_delay_ms);
/* The same on a journal with segments of this size. */
void bench_open_segments(struct bench *bench, int64_t pricing_delay_ms, size_t segment_bytes);

/* Stops the engine (unless done), closes the journal, fails the test when a check found something,
 * frees. */
void bench_close(struct bench *bench);
void bench_stop(struct bench *bench);

/* Moves the clock. */
void bench_advance(struct bench *bench, int64_t ms);

/* Moves the clock to the next grid point and hands its price over. */
void bench_tick(struct bench *bench);

/* Waits until the loop's place has heard of the last tick. */
void bench_await_tick(struct bench *bench);

/* Requests; the caller frees them by bench_free after their answer. */
struct engine_request *bench_deposit(uint8_t account, int64_t amount_micro, const char *reference);
struct engine_request *bench_tap(struct bench *bench, uint8_t account, uint32_t nonce,
                                 int64_t columns_ahead, int64_t band, int64_t stake_micro);
void bench_free(struct engine_request *request);

void bench_submit(struct bench *bench, struct engine_request *request);
/* Waits until the request is answered. */
void bench_await(struct bench *bench, const struct engine_request *request);
bool bench_answered(struct bench *bench, const struct engine_request *request);
/* Submits and waits. */
void bench_ask(struct bench *bench, struct engine_request *request);
/* Deposits, and CHECKs the answer. */
void bench_fund(struct bench *bench, uint8_t account, int64_t amount_micro);
/* The highest durable seq. */
uint64_t bench_durable(struct bench *bench);
void bench_refuse_updates(struct bench *bench, bool refuse);

/* Reads the journal from its begin: calls `visit` for each record, decoded. */
void bench_read(struct bench *bench, void *context,
                void (*visit)(void *context, const struct input *input));
size_t bench_count(struct bench *bench, enum input_kind kind);

#endif
