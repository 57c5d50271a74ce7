/* Writes a random history into a data directory: a real journal whose records bring the rules to
 * their bounds. tests/property/differential.py lets the program and the oracle judge it.
 *
 *     make_history DIR SEED [POINTS]     POINTS grid points, 600 when not given
 *
 * The same seed makes the same records. The last line on standard output says what is in it:
 * "records N bent M", M the price ticks that follow from no quotes. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/property/story.h"

#define POINTS_DEFAULT 600

int main(int argc, char **argv)
{
    if (argc < 3) {
        fprintf(stderr, "usage: make_history DIR SEED [POINTS]\n");
        return 64;
    }
    const struct story_options options = {
        .dir = argv[1],
        .seed = strtoull(argv[2], NULL, 0),
        .points = argc > 3 ? strtol(argv[3], NULL, 0) : POINTS_DEFAULT,
    };
    struct story_told told;
    story_write(&options, &told);
    printf("records %" PRIu64 " bent %" PRIu64 "\n", told.records, told.bent);
    return 0;
}
