/* The sequencer: the one place that gives inputs their order and their time. Each input gets the
 * next seq and engine time = max(previous, now), is encoded, and is queued in the journal. When the
 * journal does not take it nothing is consumed: neither a seq nor a step of time.
 *
 * Behind a RulesChange nothing is queued until it was applied, so that it ends its batch and the
 * header of a segment that begins behind it can name the rules that came into force.
 *
 * **Thread:** one (the engine's). */
#ifndef TAPLINE_INGRESS_SEQUENCER_H
#define TAPLINE_INGRESS_SEQUENCER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/limits.h"
#include "base/status.h"
#include "statemachine/input.h"

struct journal;

/* Fields are private to sequencer.c, but for reading last_seq and last_time_ms. */
struct sequencer {
    struct journal *journal;
    uint64_t last_seq;    /* of the last record queued */
    int64_t last_time_ms; /* its engine time */
    bool waiting;         /* for a RulesChange to be applied */
    uint8_t record[LIMIT_RECORD_BYTES];
};

/* Goes on after record last_seq with engine time last_time_ms, the end of what was recovered (0, 0
 * for an empty journal). The journal is borrowed and has been started. */
void sequencer_init(struct sequencer *sequencer, struct journal *journal, uint64_t last_seq,
                    int64_t last_time_ms);

/* Sequences `input` (kind and fields filled by the caller) at the clock's now_ms: fills input->seq
 * and input->time_ms, encodes and appends. On an error the input's seq and time are untouched.
 * **Errors:** STATUS_INVALID the input cannot be encoded (a text over its limit); STATUS_FULL,
 * STATUS_CLOSED as journal_append; STATUS_FULL also behind a RulesChange, until sequencer_go_on. */
MUST_USE enum status sequencer_put(struct sequencer *sequencer, int64_t now_ms,
                                   struct input *input);

/* The last record queued, a RulesChange, has been applied, and the journal was told the rules. */
void sequencer_go_on(struct sequencer *sequencer);

#endif
