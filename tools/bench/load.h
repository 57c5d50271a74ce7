/* The load itself. Open loop: request i is due at start + i / rate, fixed before the run, and its
 * latency runs from that moment to its whole answer. A server that stalls, or connections that are
 * all taken, thus show in the percentiles instead of slowing the generator down. One thread. */
#ifndef TAPLINE_TOOLS_BENCH_LOAD_H
#define TAPLINE_TOOLS_BENCH_LOAD_H

#include <signal.h>
#include <stdint.h>

#include "base/status.h"
#include "tools/bench/link.h"
#include "tools/bench/samples.h"
#include "tools/bench/tap_source.h"

#define LOAD_CODES_MAX 32
#define LOAD_WAIT_NS   10000000000 /* for stragglers, after the last request */

struct load_options {
    enum link_kind kind;
    uint16_t port;
    uint32_t connections;
    uint32_t depth; /* requests of one connection at a time; 1 over HTTP */
    uint64_t rate;  /* per second; 0: closed loop, every slot busy at all times */
    uint64_t seconds;
    uint64_t warmup_s; /* requests due before are sent and counted, but not timed */
    struct tap_source *source;
    const volatile sig_atomic_t *stop; /* ends the run early */
};

struct load_code {
    char code[32];
    uint64_t count;
};

struct load_result {
    uint64_t offered; /* due within the run; closed loop: sent */
    uint64_t sent;
    uint64_t accepted; /* 202: durable */
    uint64_t refused;
    struct load_code codes[LOAD_CODES_MAX]; /* of the refused */
    size_t code_count;
    uint64_t failed;       /* INTERNAL and other 5xx without a refusal's code */
    uint64_t broken;       /* asked, then the connection ended */
    uint64_t unanswered;   /* until LOAD_WAIT_NS after the end */
    uint64_t unsent;       /* due, but all connections were taken until the end */
    uint64_t pool_waits;   /* requests that found every connection taken */
    int64_t elapsed_ns;    /* from the start to the last answer */
    struct samples accept; /* accepted ones, from when they were due (closed loop: sent) */
    struct samples refuse; /* refused ones */
    struct samples lag;    /* the generator's own lateness */
};

/* Runs the load. *result is to be freed by load_result_free in any case.
 * Errors: STATUS_IO no connection; STATUS_NO_MEMORY. */
MUST_USE enum status load_run(const struct load_options *options, struct load_result *result);

/* What should not have happened: failed, broken, unanswered, unsent. */
uint64_t load_errors(const struct load_result *result);

void load_result_free(struct load_result *result);

#endif
