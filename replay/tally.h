/* What a history of bets comes to, in figures: how many were offered, confirmed and refused and
 * why, what players staked and got back by multiplier, what the house made, and the worst it had to
 * fear. `whatif` counts two histories with it and shows both. Fed with events and postings, one
 * history an object; it judges nothing and owns no memory.
 *
 * Bets are counted whose tap lies within a range of seqs; all they do later counts with them. */
#ifndef TAPLINE_REPLAY_TALLY_H
#define TAPLINE_REPLAY_TALLY_H

#include <stdbool.h>
#include <stdint.h>

#include "statemachine/event.h"
#include "statemachine/input.h"

#define TALLY_REASONS 64 /* above every number in statemachine/reason.h */
#define TALLY_BUCKETS 8  /* by multiplier, see tally_bucket_from_centi */

/* Below either, an interval of a return is a guess: the sums are not yet near a normal curve. */
#define TALLY_COLUMNS_MIN 30
#define TALLY_WINS_MIN    10

/* Settled bets (won or lost; a void one is no bet) of one range of multipliers. Bets of one column
 * win and lose together, so what varies independently is the column: the squares are of sums over
 * a column. They are exact: a column pays at most 10^15 a cell, and 10^8 columns are 15 years. */
struct tally_bucket {
    uint64_t bets;
    uint64_t won;
    uint64_t columns; /* with such bets */
    int64_t stakes_micro;
    int64_t payouts_micro;
    /* Over the columns, p payouts and s stakes of one: sums of p*p, p*s and s*s. */
    unsigned __int128 payouts_squared;
    unsigned __int128 payouts_stakes;
    unsigned __int128 stakes_squared;
    /* Of the column that settles just now. */
    int64_t column_stakes_micro;
    int64_t column_payouts_micro;
};

/* Returned to players of what they staked. */
struct tally_return {
    bool known;        /* something was staked */
    int64_t return_bp; /* 10,000: all of it */
    bool has_interval; /* two columns at least */
    int64_t error_bp;  /* half the width of the 95 % interval */
    bool few;          /* under TALLY_COLUMNS_MIN or TALLY_WINS_MIN */
};

struct tally {
    uint64_t first_seq; /* taps counted: of this seq or above; 0: none yet */
    uint64_t last_seq;  /* and of this seq or below */

    uint64_t taps;      /* Tap records */
    uint64_t repeated;  /* of them the same text again */
    uint64_t offered;   /* taps - repeated: each asks for a bet */
    uint64_t accepted;  /* offered - refused at once */
    uint64_t confirmed; /* accepted - rejected later - waiting */
    uint64_t rejected;  /* offered and never confirmed, all reasons */
    uint64_t rejected_for[TALLY_REASONS];
    uint64_t won;
    uint64_t lost;
    uint64_t voided;
    uint64_t void_for[TALLY_REASONS];
    int64_t stakes_micro;      /* of bets won and lost */
    int64_t payouts_micro;     /* paid to the won ones */
    int64_t void_stakes_micro; /* given back */

    struct tally_bucket buckets[TALLY_BUCKETS];
    struct tally_bucket all;

    bool has_worst; /* a column with counted bets was settled */
    int64_t worst_column_ms;
    int64_t worst_result_micro; /* the house's, negative: it lost */

    int64_t reserved_micro;  /* now, over all open columns, of all bets */
    int64_t liability_micro; /* the largest reserved_micro within the range */
    int64_t liability_at_ms; /* engine time of the record; 0: there was none */

    uint64_t transfers_refused; /* deposits, withdrawals, goodwill, of the house */
};

/* Where a bucket begins; it ends where the next one does, the last with the greatest multiplier.
 * `bucket` TALLY_BUCKETS gives that end, exclusive. */
int64_t tally_bucket_from_centi(int bucket);

/* Everything the state machine said about the record `input`, in order. */
void tally_event(struct tally *tally, const struct input *input, const struct event *event);
void tally_posting(struct tally *tally, const struct input *input, const struct posting *posting);

/* Counts a Tap record; before what the state machine says about it. */
void tally_tap(struct tally *tally, uint64_t seq);

/* Counted bets that are neither rejected nor settled yet. */
uint64_t tally_open(const struct tally *tally);

/* What the house made of the counted bets that are settled. */
int64_t tally_house_micro(const struct tally *tally);

/* Rejected of offered, in basis points; 0 when none was offered. */
int64_t tally_rejected_bp(const struct tally *tally);

/* The ratio R = sum p / sum s over columns, with 1.96 * sqrt(n / (n - 1) * sum (p - R s)^2) / sum s
 * as its error: the usual one of a ratio estimator, with columns as the independent draws. */
struct tally_return tally_return_of(const struct tally_bucket *bucket);

#endif
