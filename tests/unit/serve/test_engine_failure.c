/* The engine when its surroundings fail: a disk that breaks, a loop that does not listen, a journal
 * without room, a digest that does not fit. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "engine_bench.h"

#define STAKE 1000000

static void sleep_ms(long ms)
{
    nanosleep(&(struct timespec){.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000}, NULL);
}

/* Milliseconds of processor time that this process takes during `ms` of sleep. */
static long cpu_ms_during(long ms)
{
    struct timespec before;
    struct timespec after;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &before);
    sleep_ms(ms);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &after);
    return (after.tv_sec - before.tv_sec) * 1000 + (after.tv_nsec - before.tv_nsec) / 1000000;
}

/* Proves that when the disk fails everything that waits is answered INTERNAL exactly once, whether
 * it was being written or waited for its nonce; that the process is told once, with 73; that the
 * engine then takes nothing, costs nothing, and still stops. */
static void a_broken_disk_answers_internal_once(void **state)
{
    struct bench bench;
    struct engine_request *taps[20];
    (void)state;
    bench_open(&bench, 0);
    bench_fund(&bench, 1, 20 * STAKE);
    const uint64_t answers = bench.answers;
    gate_disk_shut(&bench.disk);
    for (uint32_t i = 0; i < 20; i++) {
        taps[i] = bench_tap(&bench, 1, i / 2, 3 + i / 2, BENCH_BAND, STAKE); /* each twice */
        bench_submit(&bench, taps[i]);
    }
    gate_disk_await(&bench.disk);
    gate_disk_break(&bench.disk);
    for (size_t i = 0; i < 20; i++) {
        bench_await(&bench, taps[i]);
        assert_int_equal(taps[i]->answer.kind, ANSWER_REFUSED);
        assert_int_equal(taps[i]->answer.refusal.code, REFUSAL_INTERNAL);
        assert_int_equal(taps[i]->answer.extras.bet, 0);
    }
    assert_true(cpu_ms_during(300) < 100);
    struct engine_request *late = bench_tap(&bench, 1, 99, 3, BENCH_BAND, STAKE);
    assert_int_equal(engine_submit(bench.engine, late), STATUS_CLOSED);
    bench_stop(&bench);
    assert_int_equal(bench.answers, answers + 20);
    assert_int_equal(bench.failures, 1);
    assert_int_equal(bench.failed_code, 73);
    for (size_t i = 0; i < 20; i++) {
        bench_free(taps[i]);
    }
    bench_free(late);
    bench_close(&bench);
}

/* Proves that a state which parts from its own journal ends the engine with 70, and that a tap of
 * the same batch, applied just before, gets its one answer: outcome unknown. */
static void a_digest_that_does_not_fit_ends_the_engine(void **state)
{
    struct bench bench;
    (void)state;
    bench_open(&bench, 0);
    bench_fund(&bench, 1, 20 * STAKE);
    sleep_ms(50); /* the Attest of the start is out: the next deposit is not yet attested */
    bench_fund(&bench, 2, 20 * STAKE);
    gate_disk_shut(&bench.disk);
    bench_tick(&bench); /* a batch that stands at the gate ... */
    gate_disk_await(&bench.disk);
    /* A read is answered when its round has ended: so has the tick's, with no Attest in it. */
    struct engine_request *ask = bench_tap(&bench, 1, 0, 0, 0, 0);
    ask->kind = ENGINE_ACCOUNT;
    bench_ask(&bench, ask);
    bench_free(ask);
    bench_advance(&bench, 2000);
    struct engine_request *tap = bench_tap(&bench, 1, 7, 4, BENCH_BAND, STAKE);
    bench_submit(&bench, tap); /* ... and one behind it: the tap, and an Attest as it is time */
    while (engine_waiting(bench.engine) > 0) {
        sleep_ms(1);
    }
    sleep_ms(500); /* the round that took the tap ends with the Attest */
    /* Only the second batch is bent: the first is told with the flag still unset. */
    pthread_mutex_lock(&bench.lock);
    const uint64_t first = bench.durable_seq + 1;
    bench.bend_from_seq = first + 1;
    pthread_mutex_unlock(&bench.lock);
    gate_disk_open(&bench.disk);
    bench_await(&bench, tap);
    assert_int_equal(tap->answer.kind, ANSWER_REFUSED);
    assert_int_equal(tap->answer.refusal.code, REFUSAL_INTERNAL);
    bench_stop(&bench);
    assert_int_equal(bench.failures, 1);
    assert_int_equal(bench.failed_code, 70);
    bench_free(tap);
    bench_close(&bench);
}

/* Ticks until `count` updates more wait for the loop, or the engine takes no more. */
static void fill_backlog(struct bench *bench, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const uint64_t before = bench_durable(bench);
        bench_tick(bench);
        for (int waits = 0; bench_durable(bench) == before; waits++) {
            if (waits == 200) {
                return;
            }
            sleep_ms(1);
        }
    }
}

/* Proves that a loop which does not listen stops the intake of bets before anything is lost, and
 * that everything is told once it listens again: the bench checks that no update is missing. */
static void a_full_backlog_refuses_and_loses_nothing(void **state)
{
    struct bench bench;
    (void)state;
    bench_open(&bench, 0);
    bench_fund(&bench, 1, 20 * STAKE);
    bench_refuse_updates(&bench, true);
    fill_backlog(&bench, ENGINE_BACKLOG_MAX / 4 + 50);
    struct engine_request *tap = bench_tap(&bench, 1, 7, 50, BENCH_BAND, STAKE);
    bench_submit(&bench, tap);
    sleep_ms(50);
    assert_false(bench_answered(&bench, tap));
    bench_refuse_updates(&bench, false);
    bench_await(&bench, tap);
    assert_int_equal(tap->answer.refusal.code, REFUSAL_OVERLOADED);
    assert_true(tap->answer.extras.retry_after_ms > 0);
    bench_stop(&bench);
    assert_int_equal(bench.update_seq, bench.durable_seq);
    assert_int_equal(bench.outbox_seq, bench.durable_seq);
    assert_int_equal(bench_count(&bench, INPUT_TAP), 0);
    bench_free(tap);
    bench_close(&bench);
}

static void *stop_engine(void *bench)
{
    bench_stop(bench);
    return NULL;
}

/* Proves that a request which waits behind a full backlog costs no processor time, and is answered
 * when the engine is stopped meanwhile. */
static void a_request_behind_a_full_backlog_is_answered_at_the_stop(void **state)
{
    struct bench bench;
    pthread_t stopper;
    (void)state;
    bench_open(&bench, 0);
    bench_fund(&bench, 1, 20 * STAKE);
    bench_refuse_updates(&bench, true);
    fill_backlog(&bench, ENGINE_BACKLOG_MAX);
    struct engine_request *tap = bench_tap(&bench, 1, 7, 99, BENCH_BAND, STAKE);
    bench_submit(&bench, tap);
    assert_true(cpu_ms_during(300) < 150);
    assert_int_equal(pthread_create(&stopper, NULL, stop_engine, &bench), 0);
    sleep_ms(30);
    bench_refuse_updates(&bench, false);
    assert_int_equal(pthread_join(stopper, NULL), 0);
    assert_true(bench_answered(&bench, tap));
    bench_free(tap);
    bench_close(&bench);
}

struct grids {
    int64_t last_ms;
    size_t count;
};

static void check_grid(void *context, const struct input *input)
{
    struct grids *grids = context;
    if (input->kind == INPUT_PRICE_TICK) {
        assert_true(input->of.price_tick.grid_ms > grids->last_ms);
        grids->last_ms = input->of.price_tick.grid_ms;
        grids->count += 1;
    }
}

/* Proves that a journal without room refuses requests (OVERLOADED) but keeps the grid records,
 * which are written in their order as soon as there is room. */
static void grid_records_outlast_a_full_journal(void **state)
{
    enum {
        REQUESTS = 9000
    };
    struct bench bench;
    struct engine_request **asks = calloc(REQUESTS, sizeof(*asks));
    struct grids grids = {0};
    (void)state;
    assert_non_null(asks);
    bench_open(&bench, 0);
    gate_disk_shut(&bench.disk);
    for (size_t i = 0; i < REQUESTS; i++) {
        char reference[65];
        snprintf(reference, sizeof(reference), "%064zu", i);
        asks[i] = bench_deposit(1, 1, reference);
        bench_submit(&bench, asks[i]);
        if (i == 0) {
            gate_disk_await(
                &bench.disk); /* the first batch is this one alone: the rest must queue */
        }
    }
    /* Nothing is durable, so whoever is answered now was refused: the queue is full. */
    size_t answers = 0;
    for (int tries = 0; answers == 0 && tries < 20000; tries++) {
        sleep_ms(1);
        pthread_mutex_lock(&bench.lock);
        answers = bench.answers;
        pthread_mutex_unlock(&bench.lock);
    }
    const size_t before = 1;
    for (size_t i = 0; i < 30; i++) {
        bench_tick(&bench);
    }
    sleep_ms(30);
    gate_disk_open(&bench.disk);
    size_t refused = 0;
    for (size_t i = 0; i < REQUESTS; i++) {
        bench_await(&bench, asks[i]);
        if (asks[i]->answer.kind == ANSWER_REFUSED) {
            assert_int_equal(asks[i]->answer.refusal.code, REFUSAL_OVERLOADED);
            refused += 1;
        }
        bench_free(asks[i]);
    }
    assert_true(refused > 0);
    free(asks);
    bench_stop(&bench);
    bench_read(&bench, &grids, check_grid);
    assert_int_equal(grids.count, before + 30);
    assert_int_equal(bench_count(&bench, INPUT_DEPOSIT), REQUESTS - refused);
    bench_close(&bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_broken_disk_answers_internal_once),
        cmocka_unit_test(a_digest_that_does_not_fit_ends_the_engine),
        cmocka_unit_test(a_full_backlog_refuses_and_loses_nothing),
        cmocka_unit_test(a_request_behind_a_full_backlog_is_answered_at_the_stop),
        cmocka_unit_test(grid_records_outlast_a_full_journal),
    };
    return cmocka_run_group_tests_name("engine_failure", tests, NULL, NULL);
}
