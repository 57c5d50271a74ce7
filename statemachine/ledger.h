/* Double entry (rules.md section 7): each function moves one balance and tells the posting. Callers
 * post whole rows of the table, which sum to zero; zero amounts are left out. Nothing but external
 * goes below zero: whoever posts has checked before, so here that is a bug. */
#ifndef TAPLINE_STATEMACHINE_LEDGER_H
#define TAPLINE_STATEMACHINE_LEDGER_H

#include <stdint.h>

#include "statemachine/event.h"
#include "statemachine/position.h"

struct step;

struct ledger_ref {
    enum ref_type type;
    const char *reference; /* transfers */
    uint32_t reference_length;
    uint64_t id; /* bets: the bet; COLUMN: T */
};

void ledger_post_available(struct step *step, uint32_t user_id, int64_t amount_micro,
                           const struct ledger_ref *ref);
void ledger_post_held(struct step *step, uint32_t user_id, int64_t amount_micro,
                      const struct ledger_ref *ref);
void ledger_post_escrow(struct step *step, struct column *column, int64_t amount_micro,
                        const struct ledger_ref *ref);
void ledger_post_reserved(struct step *step, struct column *column, int64_t amount_micro,
                          const struct ledger_ref *ref);
void ledger_post_bankroll(struct step *step, int64_t amount_micro, const struct ledger_ref *ref);
void ledger_post_external(struct step *step, int64_t amount_micro, const struct ledger_ref *ref);

#endif
