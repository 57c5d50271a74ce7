/* A small journal for the tests of replay and of the offline commands: a market, money, prices,
 * taps of every fate, attests; made by the shipped codec, journal, index and wallet, so that every
 * signature, price and digest in it is true. Also a directory of its own that goes away again. */
#ifndef TAPLINE_TESTS_REPLAY_SAMPLE_H
#define TAPLINE_TESTS_REPLAY_SAMPLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/units.h"
#include "replay/applier.h"

#define SAMPLE_RECORDS_MAX 400
#define SAMPLE_START_MS    ((int64_t)1732077280000) /* a column boundary */

/* What goes wrong on purpose; all zero: nothing. */
struct sample_options {
    size_t segment_bytes;  /* 0: the journal's own */
    bool wrong_attest;     /* the last attest has one bit changed */
    bool forged_signature; /* the first tap is signed by another wallet */
    bool wrong_price;      /* one price record does not follow from its quotes */
    bool second_config;    /* another epoch near the end */
};

struct sample {
    char dir[256];                  /* the data directory */
    uint8_t account[ADDRESS_BYTES]; /* who taps */
    uint64_t records;
    int64_t time_ms; /* of the last */
    uint64_t won_bet, lost_bet, rejected_bet, repeated_tap, refused_tap;
    uint64_t neighbour_bet; /* another account's, in the cell of the won one and before it */
    uint64_t attested_seq;  /* of the last attest */
    uint64_t price_seq;     /* of the price that wrong_price bends */
    uint8_t digests[SAMPLE_RECORDS_MAX + 1][HASH_BYTES]; /* after each seq; [0] zeros */
    int64_t times_ms[SAMPLE_RECORDS_MAX + 1];
};

/* Makes DIR/journal in a new directory. Fails the test when something does not work. */
void sample_make(struct sample *sample, const struct sample_options *options);

/* Removes the directory. */
void sample_remove(struct sample *sample);

/* A new empty directory under TMPDIR, and its removal with all that is in it. */
void sample_directory(char path[256]);
void sample_remove_directory(const char *path);

/* Small limits, so that a sanitizer has little to map. */
extern const struct machine_limits sample_limits;

#endif
