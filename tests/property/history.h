/* A random history being written: a real journal in a data directory, and beside it the state
 * machine that the records make, so that whoever writes the next record can aim at what is there
 * and each Attest record carries a true digest. Anything that fails here ends the program: a
 * history that cannot be written proves nothing. */
#ifndef TAPLINE_TESTS_PROPERTY_HISTORY_H
#define TAPLINE_TESTS_PROPERTY_HISTORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "journal/journal.h"
#include "replay/applier.h"
#include "tests/unit/random.h"

struct history {
    struct random random;
    struct journal *journal;
    struct applier *applier;
    int64_t now_ms; /* engine time of the next record; only ever raised */
};

#define HISTORY_SEGMENT_BYTES ((size_t)1 << 20) /* small, so that a long history has several */

/* Makes DIR/journal, which must not hold records yet. segment_bytes 0: HISTORY_SEGMENT_BYTES. */
void history_open(struct history *history, const char *dir, uint64_t seed, int64_t start_ms,
                  size_t segment_bytes);

/* Writes and applies one record at now_ms; its seq and time are set here. */
void history_put(struct history *history, struct input *input);

/* The same for a tap: what machine_check_tap says before must be what the step then does. */
void history_put_tap(struct history *history, struct input *input);

/* The same for a change of the rules: it is durable, applied and told to the journal before this
 * comes back, as in the engine. */
void history_put_rules(struct history *history, struct input *input);

/* An Attest record of one of the last records. */
void history_attest(struct history *history);

/* Syncs, and counts what was written. */
uint64_t history_close(struct history *history);

const struct machine *history_machine(const struct history *history);

/* True in `per_mille` of a thousand cases. */
bool history_chance(struct history *history, unsigned per_mille);

/* low..high, both included. */
int64_t history_between(struct history *history, int64_t low, int64_t high);

int64_t history_pick(struct history *history, const int64_t *values, size_t count);

/* One of the values listed. */
#define PICK(history, ...)                                                                         \
    history_pick(history, (const int64_t[]){__VA_ARGS__},                                          \
                 sizeof((const int64_t[]){__VA_ARGS__}) / sizeof(int64_t))

struct text_view history_text(const char *text);

#endif
