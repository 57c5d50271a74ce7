/* The engine of `tapline bench fill`: gives an input its seq and time, encodes it, puts it into the
 * journal and applies it, as the server does, and counts what the state machine said. It applies
 * ahead of the disk, which a server never does: nobody is told anything here. */
#ifndef TAPLINE_TOOLS_BENCH_FILL_ENGINE_H
#define TAPLINE_TOOLS_BENCH_FILL_ENGINE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"
#include "replay/applier.h"
#include "statemachine/input.h"
#include "tools/bench/fill_journal.h"
#include "tools/progress.h"

struct fill_counts {
    uint64_t taps;      /* records */
    uint64_t accepted;  /* bets */
    uint64_t confirmed; /* bets that were priced */
    uint64_t won;
    uint64_t lost;
    uint64_t cancelled; /* void */
    uint64_t rejected;  /* after they were accepted */
    uint64_t refused;   /* bets refused in their own step */
    uint64_t no_bet;    /* taps refused without a bet, and repeated ones */
    uint64_t transfers; /* applied */
    uint64_t transfers_refused;
    uint64_t ticks;
    uint64_t attests;
    uint64_t epochs; /* of the market configuration */
    uint64_t starts;
};

/* Fields are private to fill_engine.c but for the counts. */
struct fill_engine {
    struct applier *applier;
    struct fill_journal *journal;
    uint64_t records_max;
    uint64_t record_bytes; /* without lengths and frames */
    struct fill_counts counts;
    struct progress progress;
};

/* Makes the journal and an empty machine. records_max: the record with this seq is the last, and an
 * Attest. Errors: those of fill_journal_open and applier_open; `result` has the problem. */
MUST_USE enum status fill_engine_open(struct fill_engine *engine,
                                      const struct fill_journal_options *options,
                                      uint64_t records_max, struct fill_journal_result *result);

/* The next record, at engine time now_ms. False when there can be no further one: enough were made,
 * or the journal takes no more. */
MUST_USE bool fill_engine_put(struct fill_engine *engine, struct input *input, int64_t now_ms);

/* An Attest of the state as it is. As fill_engine_put. */
MUST_USE bool fill_engine_attest(struct fill_engine *engine, int64_t now_ms);

const struct machine *fill_engine_machine(const struct fill_engine *engine);

/* Waits for the disk, checks all invariants (NULL: they hold) and frees. Errors: the journal's. */
enum status fill_engine_close(struct fill_engine *engine, struct fill_journal_result *result,
                              const char **broken);

#endif
