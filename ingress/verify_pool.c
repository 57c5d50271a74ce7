#include "ingress/verify_pool.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/check.h"

struct verify_pool {
    const struct wallet *wallet;
    struct verify_pool_options options;
    pthread_mutex_t lock; /* guards all below but the threads */
    pthread_cond_t wake;
    struct verify_job *first;
    struct verify_job *last;
    size_t waiting;
    bool closing;
    unsigned thread_count;
    pthread_t threads[VERIFY_POOL_THREADS_MAX];
};

/* Takes a fair share of the queue, so that no worker hoards what an idle one could do. Waits while
 * it is empty. Returns 0 when the pool is closing and all jobs are taken. */
static size_t take_jobs(struct verify_pool *pool, struct verify_job *jobs[VERIFY_POOL_TAKE_MAX])
{
    CHECK(pthread_mutex_lock(&pool->lock) == 0);
    while (pool->first == NULL && !pool->closing) {
        CHECK(pthread_cond_wait(&pool->wake, &pool->lock) == 0);
    }
    size_t share = (pool->waiting + pool->options.threads - 1) / pool->options.threads;
    if (share > VERIFY_POOL_TAKE_MAX) {
        share = VERIFY_POOL_TAKE_MAX;
    }
    for (size_t i = 0; i < share; i++) {
        jobs[i] = pool->first;
        pool->first = pool->first->next;
    }
    if (pool->first == NULL) {
        pool->last = NULL;
    }
    pool->waiting -= share;
    CHECK(pthread_mutex_unlock(&pool->lock) == 0);
    return share;
}

static void *work(void *argument)
{
    struct verify_pool *pool = argument;
    struct verify_job *jobs[VERIFY_POOL_TAKE_MAX];
    for (;;) {
        const size_t count = take_jobs(pool, jobs);
        if (count == 0) {
            return NULL;
        }
        for (size_t i = 0; i < count; i++) {
            struct verify_job *job = jobs[i];
            job->next = NULL;
            job->good = wallet_check(pool->wallet, job->text, job->text_length, job->signature,
                                     job->account);
        }
        pool->options.done(pool->options.context, jobs, count);
    }
}

static unsigned default_threads(void)
{
    const long cores = sysconf(_SC_NPROCESSORS_ONLN);
    if (cores <= 2) {
        return 1;
    }
    return cores > VERIFY_POOL_THREADS_MAX ? VERIFY_POOL_THREADS_MAX : (unsigned)cores - 1;
}

/* Signals belong to the main thread; workers are born with all of them blocked. */
static bool start_threads(struct verify_pool *pool)
{
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    CHECK(pthread_sigmask(SIG_SETMASK, &all, &before) == 0);
    while (pool->thread_count < pool->options.threads &&
           pthread_create(&pool->threads[pool->thread_count], NULL, work, pool) == 0) {
        pool->thread_count += 1;
    }
    CHECK(pthread_sigmask(SIG_SETMASK, &before, NULL) == 0);
    return pool->thread_count == pool->options.threads;
}

enum status verify_pool_open(const struct wallet *wallet, const struct verify_pool_options *options,
                             struct verify_pool **pool)
{
    CHECK(options->threads <= VERIFY_POOL_THREADS_MAX);
    CHECK(options->queue_jobs > 0);
    CHECK(options->done != NULL);
    struct verify_pool *made = calloc(1, sizeof(*made));
    if (made == NULL) {
        return STATUS_NO_MEMORY;
    }
    made->wallet = wallet;
    made->options = *options;
    if (made->options.threads == 0) {
        made->options.threads = default_threads();
    }
    CHECK(pthread_mutex_init(&made->lock, NULL) == 0);
    CHECK(pthread_cond_init(&made->wake, NULL) == 0);
    if (!start_threads(made)) {
        verify_pool_close(made);
        return STATUS_NO_MEMORY;
    }
    *pool = made;
    return STATUS_OK;
}

enum status verify_pool_submit(struct verify_pool *pool, struct verify_job *job)
{
    CHECK(pthread_mutex_lock(&pool->lock) == 0);
    CHECK(!pool->closing);
    if (pool->waiting == pool->options.queue_jobs) {
        CHECK(pthread_mutex_unlock(&pool->lock) == 0);
        return STATUS_FULL;
    }
    job->next = NULL;
    if (pool->last == NULL) {
        pool->first = job;
    } else {
        pool->last->next = job;
    }
    pool->last = job;
    pool->waiting += 1;
    CHECK(pthread_mutex_unlock(&pool->lock) == 0);
    CHECK(pthread_cond_signal(&pool->wake) == 0);
    return STATUS_OK;
}

size_t verify_pool_waiting(struct verify_pool *pool)
{
    CHECK(pthread_mutex_lock(&pool->lock) == 0);
    const size_t waiting = pool->waiting;
    CHECK(pthread_mutex_unlock(&pool->lock) == 0);
    return waiting;
}

void verify_pool_close(struct verify_pool *pool)
{
    if (pool == NULL) {
        return;
    }
    CHECK(pthread_mutex_lock(&pool->lock) == 0);
    pool->closing = true;
    CHECK(pthread_mutex_unlock(&pool->lock) == 0);
    CHECK(pthread_cond_broadcast(&pool->wake) == 0);
    for (unsigned i = 0; i < pool->thread_count; i++) {
        CHECK(pthread_join(pool->threads[i], NULL) == 0);
    }
    CHECK(pthread_cond_destroy(&pool->wake) == 0);
    CHECK(pthread_mutex_destroy(&pool->lock) == 0);
    free(pool);
}
