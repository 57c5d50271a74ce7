/* The whole story of a bet, gathered by replay: what was signed, what it was priced with, how it
 * settled, which money moved, and the digests around each step. `explain` prints it, of one bet or
 * of all. Every figure is reckoned from the journal's inputs (tools/reckoning.h) and set beside
 * what the state machine said; where the two differ, that is a problem. */
#ifndef TAPLINE_TOOLS_EXPLAIN_H
#define TAPLINE_TOOLS_EXPLAIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/limits.h"
#include "base/status.h"
#include "ingress/tap_text.h"
#include "statemachine/event.h"
#include "tools/reckoning.h"

#define EXPLAIN_STEPS_MAX 3 /* accepted, priced, settled */
#define EXPLAIN_ROWS_MAX                                                                           \
    9 /* postings of one bet: hold 2, release 2 or confirm 4, win 3 or void 2 */

/* A record that changed the bet. */
struct explain_step {
    const char *name; /* "accepted", "confirmed", "rejected", "settled" */
    uint64_t seq;
    int64_t time_ms;
    uint8_t digest_before[HASH_BYTES];
    uint8_t digest_after[HASH_BYTES];
};

struct explain_row {
    uint64_t seq;
    int64_t at_ms;
    struct posting posting; /* its address and reference are not kept */
};

struct explain {
    uint64_t id;
    char market[LIMIT_MARKET_BYTES + 1];
    /* Of its tap. */
    uint8_t account[ADDRESS_BYTES];
    char text[TAP_TEXT_BYTES_MAX]; /* as signed */
    uint8_t signature[LIMIT_SIGNATURE_BYTES];
    size_t signature_bytes;
    bool signature_checked; /* by the wallet's curve; not those of session keys */
    bool signature_good;
    int64_t message_ms;
    int64_t time_ms;       /* engine time of the tap's record */
    uint64_t repeated_bet; /* the tap repeated an earlier one: that bet; else 0 */
    enum reason refused;   /* the tap made no bet */

    bool made;      /* there is a bet */
    struct bet bet; /* as it is last */
    struct explain_step steps[EXPLAIN_STEPS_MAX];
    size_t step_count;
    struct explain_row rows[EXPLAIN_ROWS_MAX];
    size_t row_count;
    bool priced; /* a tick was there to price it: */
    struct reckoned_price price;
    int64_t samples; /* of the variances by then */
    bool settled;
    struct reckoned_settlement settlement;
    char problem[256]; /* the first figure that differs when reckoned; "" when none does */
};

struct explain_options {
    uint64_t from_seq; /* of the taps whose stories are told: at least 1 */
    uint64_t to_seq;
    bool all_taps; /* also those of taps that made no bet */
    void *context;
    /* Each story when it has ended, so not in the order of ids; those that have not, at the end, in
     * that order. The story lives for the call. Not OK ends the telling with that status. */
    enum status (*told)(void *context, const struct explain *story);
    void *progress_context;
    void (*progress)(void *progress_context, uint64_t records, uint64_t done_bytes,
                     uint64_t total_bytes);
};

/* Tells the stories. One replay from the first record to the last that is needed. `text` (512
 * bytes) gets one line on error. Errors: those of replay_run and wallet_open; STATUS_NO_MEMORY;
 * those of `told`. */
MUST_USE enum status explain_run(const char *data_dir, const struct explain_options *options,
                                 char *text);

/* Is there a tap with this seq? A quick look, before a long replay. `text` gets one line on error.
 * Errors: STATUS_NOT_FOUND there is no such journal; STATUS_END no such record, or it is no tap;
 * those of journal_reader_next. */
MUST_USE enum status explain_find(const char *data_dir, uint64_t id, char *text);

#endif
