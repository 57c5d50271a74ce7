/* Money from and to the outside, and goodwill (rules.md section 7), each under an external
 * reference that is unique for ever. The references are kept in the order in which they were
 * applied. */
#ifndef TAPLINE_STATEMACHINE_TRANSFER_H
#define TAPLINE_STATEMACHINE_TRANSFER_H

#include <stdint.h>

#include "base/limits.h"
#include "base/units.h"
#include "statemachine/event.h"
#include "statemachine/input.h"
#include "statemachine/table.h"

#define TRANSFER_AMOUNT_MAX_MICRO ((int64_t)1000000000000000) /* 10^15 */

/* An applied transfer. Its content is what moved: kind, account, amount; operator and note are not
 * part of it, so that another operator may repeat a request whose answer was lost. */
struct transfer_record {
    uint64_t seq;
    int64_t amount_micro;
    uint8_t account[ADDRESS_BYTES]; /* zeros for the house */
    uint8_t type;                   /* enum ref_type */
    uint8_t reference_length;
    char reference[LIMIT_REFERENCE_BYTES];
};

struct transfers {
    struct transfer_record *records; /* from 1 */
    uint32_t capacity;
    uint32_t limit; /* in force: at this count the rules refuse */
    uint32_t count;
    struct table by_reference;
};

struct step;

/* Applies, recognises as repeated, or refuses. */
void transfer_apply(struct step *step, enum ref_type type, const struct transfer *transfer);

/* The record of a reference, NULL when it was never applied. */
const struct transfer_record *transfers_find(const struct transfers *transfers,
                                             const struct text_view *reference);

/* Adds a record whose reference is new; the table must not be full. For the snapshot too. */
void transfers_put(struct transfers *transfers, const struct transfer_record *record);

#endif
