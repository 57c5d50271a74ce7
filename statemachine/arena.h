/* Carves the one arena of a machine into its tables. Run with a NULL base it only measures. */
#ifndef TAPLINE_STATEMACHINE_ARENA_H
#define TAPLINE_STATEMACHINE_ARENA_H

#include <stddef.h>

struct machine;
struct machine_limits;

#define ARENA_ALIGNMENT 64

/* Sets the table pointers and capacities of `machine` for these limits to lie in base[0..result),
 * with the machine itself at base[0]. Returns the bytes used. With base NULL nothing but the result
 * counts. */
size_t arena_lay_out(struct machine *machine, unsigned char *base,
                     const struct machine_limits *limits);

#endif
