/* Threads that check wallet signatures, so that the network loop never spends 45 us on one. The
 * loop submits jobs; workers take several at a time and hand them back finished, on their own
 * thread. The queue is bounded and refuses when it is full. Jobs may finish in another order than
 * they came. */
#ifndef TAPLINE_INGRESS_VERIFY_POOL_H
#define TAPLINE_INGRESS_VERIFY_POOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/limits.h"
#include "base/status.h"
#include "base/units.h"
#include "ingress/wallet.h"

#define VERIFY_POOL_THREADS_MAX 64
#define VERIFY_POOL_TAKE_MAX    8 /* jobs of one wake-up, at most */

/* One signature to check. Owned by the caller, who leaves it alone, and what it points to, from the
 * submit until `done` has it; usually a member of a larger struct. */
struct verify_job {
    const char *text; /* the signed text */
    size_t text_length;
    const uint8_t *signature; /* LIMIT_SIGNATURE_BYTES */
    const uint8_t *account;   /* ADDRESS_BYTES, the claimed signer */
    bool good;                /* the verdict; false means BAD_SIGNATURE */
    struct verify_job *next;  /* the pool's own */
};

struct verify_pool;

struct verify_pool_options {
    unsigned threads;  /* 0: max(1, cores - 1); at most VERIFY_POOL_THREADS_MAX */
    size_t queue_jobs; /* waiting jobs, at least 1 */
    void *context;
    /* 1..VERIFY_POOL_TAKE_MAX finished jobs. Thread: a worker, several at the same time; it only
     * posts them on (a ring and a wake-up of the loop). The array lives for the call. */
    void (*done)(void *context, struct verify_job *const *jobs, size_t count);
};

/* Starts the threads. `wallet` is borrowed until the close.
 * Owns: *pool is freed by verify_pool_close. Errors: STATUS_NO_MEMORY (also: no thread). */
MUST_USE enum status verify_pool_open(const struct wallet *wallet,
                                      const struct verify_pool_options *options,
                                      struct verify_pool **pool);

/* Queues a job. Thread: any. Errors: STATUS_FULL the queue is full (OVERLOADED), nothing queued. */
MUST_USE enum status verify_pool_submit(struct verify_pool *pool, struct verify_job *job);

/* Jobs that wait for a worker now; for metrics. Thread: any. */
size_t verify_pool_waiting(struct verify_pool *pool);

/* Finishes all queued jobs (each gets its `done`), ends the threads and frees. No submit may run at
 * the same time or come later. NULL is allowed. */
void verify_pool_close(struct verify_pool *pool);

#endif
