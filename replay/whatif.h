/* The inputs of a journal told to two state machines in one pass: as recorded, and with other
 * values of some market keys from the first record on. What differs between the two histories is
 * what the other configuration would have changed, had everybody tapped the same.
 *
 * The other side gets every record as it stands, but Config records: those with the asked keys over
 * their own. A Config record that had no effect as recorded has none there either, so that epochs,
 * which taps name, stay the same. Taps keep what was signed: cell, stake, min_mult, epoch.
 *
 * What this cannot answer is written in WHATIF_LIMITS. Reads only, safe beside a running server. */
#ifndef TAPLINE_REPLAY_WHATIF_H
#define TAPLINE_REPLAY_WHATIF_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"
#include "replay/replay.h"
#include "replay/tally.h"
#include "statemachine/config.h"

#define WHATIF_LIMITS                                                                              \
    "The taps are those that were made. Players who see other multipliers tap other cells and "    \
    "sign other minima, and with other wins they have other money to stake; none of that is "      \
    "here. Taps that the server refused at its edge never reached the journal, so what a laxer "   \
    "configuration would have let in is missing, and what a stricter one keeps out is not."

#define WHATIF_POINTS 512 /* of the house's result over time, at most; even */

/* A first or last record of the range: by seq, or by time, or neither (both 0). */
struct whatif_bound {
    uint64_t seq;
    int64_t time_ms;
};

struct whatif_options {
    const struct disk *disk;            /* NULL: disk_posix() */
    const struct config_change *change; /* the other configuration: its given keys */
    struct whatif_bound from;           /* taps before it are not counted */
    struct whatif_bound to;             /* nor those behind it */
    void *progress_context;
    void (*progress)(void *progress_context, uint64_t records, uint64_t done_bytes,
                     uint64_t total_bytes);
};

/* The house's result so far, at the end of a slice of time. */
struct whatif_point {
    int64_t recorded_micro;
    int64_t other_micro;
};

struct whatif_series {
    int64_t start_ms;
    int64_t slice_ms; /* doubles whenever the points are used up */
    int count;
    struct whatif_point points[WHATIF_POINTS];
};

struct whatif_result {
    struct tally recorded;
    struct tally other;
    struct config recorded_config; /* the last epoch within the range */
    struct config other_config;
    uint32_t changed; /* keys that differed in some epoch: bit mask by enum config_key */
    struct whatif_series series;
    uint64_t records; /* replayed */
    uint64_t seq;     /* the last of them */
    int64_t first_ms; /* engine times of the first and last record of the range; 0: it is empty */
    int64_t last_ms;
    uint8_t digest[HASH_BYTES]; /* of the recorded side, after seq */
    char problem[512];          /* one line: what ended it; "" when all is well */
};

/* Fills *result, also on errors as far as it came. Errors: STATUS_USAGE the change does not go
 * with a Config record of the journal (it names the record and the rule), or the journal holds no
 * market yet; those of applier_open and replay_run. */
MUST_USE enum status whatif_run(const char *data_dir, const struct whatif_options *options,
                                struct whatif_result *result);

#endif
