/* The states of two journals against each other: what their first common_seq records lead to is
 * replayed once, and then each goes on by itself to its end. Accounts, open bets and the market's
 * figures that differ are told to a visitor. For `diff`. Reads only. */
#ifndef TAPLINE_REPLAY_STATE_DIFF_H
#define TAPLINE_REPLAY_STATE_DIFF_H

#include <stdint.h>

#include "base/limits.h"
#include "base/status.h"
#include "base/units.h"
#include "journal/disk.h"
#include "statemachine/view.h"

struct state_diff_options {
    const struct disk *disk; /* NULL: disk_posix() */
    uint64_t common_seq;     /* records that both have, 0: none */
    void *context;           /* of the two visits */
    /* Accounts ascending by address; zeros on the side that does not know it. */
    void (*account)(void *context, const uint8_t *address, const struct account_view *a,
                    const struct account_view *b);
    /* Open bets ascending by id; NULL on the side where it is not open. */
    void (*bet)(void *context, const struct bet *a, const struct bet *b);
    void *progress_context;
    void (*progress)(void *progress_context, uint64_t records, uint64_t done_bytes,
                     uint64_t total_bytes);
};

struct state_diff {
    struct market_view markets[2];         /* at the end of each */
    char names[2][LIMIT_MARKET_BYTES + 1]; /* of the markets, "" before genesis; before any visit */
    uint8_t digests[2][HASH_BYTES];
    uint64_t accounts_different;
    uint64_t bets_different;
    uint64_t attests_wrong[2]; /* that do not fit the replay: see verify */
    char problem[512];
};

/* Errors, with the problem: those of applier_open and replay_run, but STATUS_MISMATCH. */
MUST_USE enum status state_diff_run(const char *const data_dirs[2],
                                    const struct state_diff_options *options,
                                    struct state_diff *diff);

#endif
