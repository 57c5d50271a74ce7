/* The wallet signatures of many taps, checked by all cores: whoever finds them puts them in one by
 * one, and checks some himself when the others have enough. They travel in batches, so that nobody
 * waits for a lock at each. For `verify`; the server has ingress/verify_pool.h, which answers each
 * tap as soon as it can. */
#ifndef TAPLINE_TOOLS_SIGNATURES_H
#define TAPLINE_TOOLS_SIGNATURES_H

#include <stdint.h>

#include "base/status.h"
#include "statemachine/input.h"

#define SIGNATURES_THREADS_MAX 256

struct signatures;

struct signatures_result {
    uint64_t good;
    uint64_t bad;
    uint64_t first_bad_seq; /* the lowest; 0: none */
    const char *first_bad;  /* what is wrong with it, static */
};

/* threads: of the caller and its helpers together, 1..SIGNATURES_THREADS_MAX; with 1 there are no
 * helpers. Fewer are fine when the system has no more. Owns: freed by signatures_free. Errors:
 * STATUS_NO_MEMORY, and those of wallet_open. */
MUST_USE enum status signatures_open(unsigned threads, struct signatures **signatures);

/* One tap that its wallet signed (session 0). Copies it. */
void signatures_put(struct signatures *signatures, uint64_t seq, const struct tap *tap);

/* Waits for all verdicts; nothing may be put afterwards. */
void signatures_finish(struct signatures *signatures, struct signatures_result *result);

void signatures_free(struct signatures *signatures); /* NULL is allowed */

#endif
