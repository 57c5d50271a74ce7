/* Signed taps, made a little ahead by a thread of their own and taken by the load generator without
 * a wait. A bounded ring: the taps in it are so young that neither their time nor their cell runs
 * out before they are sent. */
#ifndef TAPLINE_TOOLS_BENCH_TAP_SOURCE_H
#define TAPLINE_TOOLS_BENCH_TAP_SOURCE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include "tools/bench/offers.h"
#include "tools/bench/wallets.h"

#define TAP_SOURCE_BODY_BYTES 1024
#define TAP_SOURCE_RING_MAX   4096 /* a power of two */
#define TAP_SOURCE_STAKE      100000
#define TAP_SOURCE_MULT       100 /* least multiplier: below every offer, so no PRICE_MOVED */

/* The members of POST /v1/bets without the opening brace, so that the WebSocket's own members can
 * stand in front; the closing brace is there. */
struct tap_body {
    size_t length;
    char text[TAP_SOURCE_BODY_BYTES];
};

/* Fields are private to tap_source.c. */
struct tap_source {
    const struct wallets *wallets;
    struct offers *offers;
    const char *origin;
    uint64_t run; /* part of every nonce */
    uint32_t ahead;
    pthread_t thread;
    _Atomic bool stopping;
    _Atomic uint64_t made;  /* by the thread */
    _Atomic uint64_t taken; /* by the generator */
    _Atomic uint64_t dry;   /* times that no cell was left to tap */
    struct tap_body *ring;
};

/* Starts signing. `ahead`: taps kept ready, 1 .. TAP_SOURCE_RING_MAX. All pointers are borrowed
 * until the close. Errors: STATUS_NO_MEMORY. */
MUST_USE enum status tap_source_open(struct tap_source *source, const struct wallets *wallets,
                                     struct offers *offers, const char *origin, uint32_t ahead);

/* The next tap, or NULL when none is ready; it lives until tap_source_done. */
const struct tap_body *tap_source_next(struct tap_source *source);
void tap_source_done(struct tap_source *source);

/* Times the signer found no cell; more than a few mean too few accounts for the rate. */
uint64_t tap_source_dry(const struct tap_source *source);

void tap_source_close(struct tap_source *source);

#endif
