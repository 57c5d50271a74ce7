/* The whole state of a machine, and one step of it. Internal to this folder: everything outside
 * goes through machine.h. */
#ifndef TAPLINE_STATEMACHINE_STATE_H
#define TAPLINE_STATEMACHINE_STATE_H

#include "statemachine/account.h"
#include "statemachine/breaker.h"
#include "statemachine/event.h"
#include "statemachine/grid.h"
#include "statemachine/machine.h"
#include "statemachine/nonce.h"
#include "statemachine/position.h"
#include "statemachine/rules.h"
#include "statemachine/ticks.h"
#include "statemachine/transfer.h"
#include "statemachine/volatility.h"

struct machine {
    struct machine_limits arena;  /* what there is room for; not state */
    struct machine_limits limits; /* in force: what a full table refuses */
    const struct rules *rules;    /* in force */
    uint64_t seq;                 /* last applied */
    int64_t time_ms;              /* its engine time */
    uint64_t epoch; /* 0 before genesis: then config and what follows from it mean nothing */
    struct config config;
    struct grid grid;
    struct breaker breaker;
    struct ticks ticks;
    struct volatility volatility;
    int64_t bankroll_micro;
    int64_t external_micro; /* what came in, negative */
    struct accounts accounts;
    struct positions positions;
    struct nonces nonces;
    struct transfers transfers;
};

/* The application of one input: what its postings and events need besides the state. */
struct step {
    struct machine *machine;
    const struct event_sink *sink; /* NULL: nobody listens */
    uint64_t seq;
    int64_t time_ms;
    uint32_t line; /* of the next posting */
};

void step_event(struct step *step, const struct event *event);

#endif
