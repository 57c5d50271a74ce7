/* The external vectors of the shared folder, as JSON. */
#ifndef TAPLINE_TEST_JOURNAL_VECTORS_H
#define TAPLINE_TEST_JOURNAL_VECTORS_H

#include <jansson.h>

/* The parsed file under vectors/ of $TAPLINE_SHARED (else of the folder beside the checkout); the
 * caller drops it. NULL when it is not there, said loudly: the test is to skip. */
json_t *vectors_load(const char *name);

#endif
