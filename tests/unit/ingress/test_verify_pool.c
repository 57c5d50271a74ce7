#include "ingress/verify_pool.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/check.h"

#define JOBS 200

/* A job with its storage, as a request would hold it. */
struct request {
    struct verify_job job; /* first, so that a finished job leads back to its request */
    char text[32];
    uint8_t signature[LIMIT_SIGNATURE_BYTES];
    uint8_t account[ADDRESS_BYTES];
    bool expected;
    unsigned finished; /* times; guarded by `desk` */
};

/* Where finished jobs arrive; `held` lets a test hold the workers back. */
static struct {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool held;
    unsigned inside; /* callbacks that wait for `held` to end */
    size_t finished;
    size_t largest;
} desk = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

static struct wallet *wallet;
static struct request requests[JOBS];

/* Asserts of cmocka belong to the main thread, so workers only record, or CHECK. */
static void on_done(void *context, struct verify_job *const *jobs, size_t count)
{
    CHECK(context == &desk);
    pthread_mutex_lock(&desk.lock);
    desk.inside += 1;
    pthread_cond_broadcast(&desk.changed);
    while (desk.held) {
        pthread_cond_wait(&desk.changed, &desk.lock);
    }
    desk.inside -= 1;
    for (size_t i = 0; i < count; i++) {
        ((struct request *)jobs[i])->finished += 1;
    }
    desk.finished += count;
    desk.largest = count > desk.largest ? count : desk.largest;
    pthread_cond_broadcast(&desk.changed);
    pthread_mutex_unlock(&desk.lock);
}

static void hold_workers(bool held)
{
    pthread_mutex_lock(&desk.lock);
    desk.held = held;
    pthread_cond_broadcast(&desk.changed);
    pthread_mutex_unlock(&desk.lock);
}

static void wait_inside(unsigned workers)
{
    pthread_mutex_lock(&desk.lock);
    while (desk.inside < workers) {
        pthread_cond_wait(&desk.changed, &desk.lock);
    }
    pthread_mutex_unlock(&desk.lock);
}

static void wait_finished(size_t count)
{
    pthread_mutex_lock(&desk.lock);
    while (desk.finished < count) {
        pthread_cond_wait(&desk.changed, &desk.lock);
    }
    pthread_mutex_unlock(&desk.lock);
}

/* Fresh signed requests; every third has a wrong signer, every fifth a changed text. */
static int make_requests(void **state)
{
    (void)state;
    desk.finished = 0;
    desk.largest = 0;
    desk.held = false;
    for (unsigned i = 0; i < JOBS; i++) {
        struct request *request = &requests[i];
        memset(request, 0, sizeof(*request));
        const uint8_t secret[WALLET_SECRET_BYTES] = {[31] = (uint8_t)(i % 7 + 1)};
        const size_t length = (size_t)snprintf(request->text, sizeof(request->text), "tap %u", i);
        if (!wallet_address(wallet, secret, request->account) ||
            !wallet_sign(wallet, secret, request->text, length, request->signature)) {
            return -1;
        }
        request->account[3] ^= i % 3 == 0 ? 1 : 0;
        request->text[0] = i % 5 == 0 ? 'T' : 't';
        request->expected = i % 3 != 0 && i % 5 != 0;
        request->job = (struct verify_job){.text = request->text,
                                           .text_length = length,
                                           .signature = request->signature,
                                           .account = request->account,
                                           .good = !request->expected};
    }
    return 0;
}

static struct verify_pool *open_pool(unsigned threads, size_t queue_jobs)
{
    const struct verify_pool_options options = {
        .threads = threads, .queue_jobs = queue_jobs, .context = &desk, .done = on_done};
    struct verify_pool *pool = NULL;
    assert_int_equal(verify_pool_open(wallet, &options, &pool), STATUS_OK);
    return pool;
}

static void check_all(size_t count)
{
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(requests[i].finished, 1);
        assert_int_equal(requests[i].job.good, requests[i].expected);
    }
}

/* Every job comes back once, with the right verdict, over several threads. */
static void every_job_comes_back_once(void **state)
{
    (void)state;
    struct verify_pool *pool = open_pool(3, JOBS);
    for (unsigned i = 0; i < JOBS; i++) {
        assert_int_equal(verify_pool_submit(pool, &requests[i].job), STATUS_OK);
    }
    wait_finished(JOBS);
    assert_int_equal(verify_pool_waiting(pool), 0);
    verify_pool_close(pool);
    check_all(JOBS);
}

/* A full queue refuses, leaves the job alone, and takes it later. */
static void full_queue_refuses(void **state)
{
    (void)state;
    struct verify_pool *pool = open_pool(1, 4);
    hold_workers(true);
    assert_int_equal(verify_pool_submit(pool, &requests[0].job), STATUS_OK);
    wait_inside(1); /* the worker has it and waits at the desk */
    for (unsigned i = 1; i <= 4; i++) {
        assert_int_equal(verify_pool_submit(pool, &requests[i].job), STATUS_OK);
    }
    assert_int_equal(verify_pool_waiting(pool), 4);
    assert_int_equal(verify_pool_submit(pool, &requests[5].job), STATUS_FULL);
    assert_int_equal(verify_pool_waiting(pool), 4);
    hold_workers(false);
    wait_finished(5);
    assert_int_equal(requests[5].finished, 0);
    assert_int_equal(verify_pool_submit(pool, &requests[5].job), STATUS_OK);
    wait_finished(6);
    verify_pool_close(pool);
    check_all(6);
}

/* A worker that finds many jobs takes several at once, but never more than the limit. */
static void workers_take_several_at_once(void **state)
{
    (void)state;
    struct verify_pool *pool = open_pool(1, JOBS);
    hold_workers(true);
    assert_int_equal(verify_pool_submit(pool, &requests[0].job), STATUS_OK);
    wait_inside(1);
    for (unsigned i = 1; i < JOBS; i++) {
        assert_int_equal(verify_pool_submit(pool, &requests[i].job), STATUS_OK);
    }
    hold_workers(false);
    wait_finished(JOBS);
    verify_pool_close(pool);
    assert_int_equal(desk.largest, VERIFY_POOL_TAKE_MAX);
    check_all(JOBS);
}

/* Closing finishes what was queued: no request hangs for ever. */
static void close_finishes_the_queue(void **state)
{
    (void)state;
    struct verify_pool *pool = open_pool(2, JOBS);
    for (unsigned i = 0; i < JOBS; i++) {
        assert_int_equal(verify_pool_submit(pool, &requests[i].job), STATUS_OK);
    }
    verify_pool_close(pool);
    assert_int_equal(desk.finished, JOBS);
    check_all(JOBS);
}

/* An idle pool closes at once, and one with threads by default opens. */
static void idle_pool_closes(void **state)
{
    (void)state;
    verify_pool_close(open_pool(0, 1));
    verify_pool_close(open_pool(VERIFY_POOL_THREADS_MAX, 1));
    verify_pool_close(NULL);
}

static int open_wallet(void **state)
{
    (void)state;
    return wallet_open(&wallet) == STATUS_OK ? 0 : -1;
}

static int free_wallet(void **state)
{
    (void)state;
    wallet_free(wallet);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(every_job_comes_back_once, make_requests),
        cmocka_unit_test_setup(full_queue_refuses, make_requests),
        cmocka_unit_test_setup(workers_take_several_at_once, make_requests),
        cmocka_unit_test_setup(close_finishes_the_queue, make_requests),
        cmocka_unit_test(idle_pool_closes),
    };
    return cmocka_run_group_tests(tests, open_wallet, free_wallet);
}
