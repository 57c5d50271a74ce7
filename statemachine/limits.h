/* The capacities of the tables, twice: in force (state, journal data: they decide what is refused)
 * and of the arena (what there is room for: it decides nothing but whether this machine can go on).
 * Internal to this folder. */
#ifndef TAPLINE_STATEMACHINE_LIMITS_H
#define TAPLINE_STATEMACHINE_LIMITS_H

#include <stdbool.h>

#include "statemachine/input.h"

struct machine;

/* False when a table would have more slots than 32 bits count. */
bool limits_are_possible(const struct machine_limits *limits);

/* Puts limits in force. */
void limits_put(struct machine *machine, const struct machine_limits *limits);

/* Puts those of a Start record in force; 0 keeps what holds. They fit the arena. */
void limits_change(struct machine *machine, const struct machine_limits *limits);

/* True when the arena has room for the limits of a Start record. */
bool limits_fit(const struct machine *machine, const struct machine_limits *limits);

/* False when a record of this kind may need a place that the limits in force would give and the
 * arena has not. */
bool limits_leave_room(const struct machine *machine, enum input_kind kind);

#endif
