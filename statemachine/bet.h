/* A bet as events and readers see it (struct bet of event.h), made from an open position or from a
 * tap that was refused. */
#ifndef TAPLINE_STATEMACHINE_BET_H
#define TAPLINE_STATEMACHINE_BET_H

#include "statemachine/event.h"
#include "statemachine/input.h"
#include "statemachine/position.h"

struct machine;
struct step;

/* Fills *bet from an open position; settlement and rejection fields are 0. */
void bet_describe(const struct machine *machine, const struct position *position, struct bet *bet);

/* Fills *bet from a tap that is refused in this step, with its reason. */
void bet_describe_refused(const struct step *step, const struct tap *tap, uint64_t user_id,
                          enum reason reason, struct bet *bet);

#endif
