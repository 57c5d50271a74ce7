/* What `verify` looks at besides digests, record by record: signatures, index prices, and where a
 * recovery stands. Fed with the decoded records in order; remembers the first that is wrong and
 * counts. */
#ifndef TAPLINE_TOOLS_AUDIT_H
#define TAPLINE_TOOLS_AUDIT_H

#include <stdint.h>

#include "base/status.h"
#include "statemachine/input.h"

struct audit;

struct audit_result {
    uint64_t signatures; /* checked and good */
    uint64_t signatures_bad;
    uint64_t signatures_skipped; /* of session keys: their grants are of a later version */
    uint64_t prices;             /* recomputed and equal */
    uint64_t prices_bad;
    uint64_t recoveries; /* where they say they are */
    uint64_t recoveries_bad;
    uint64_t first_bad_seq; /* 0: none */
    char problem[256];      /* one line about it */
};

/* threads: that check signatures, this one among them; 0: signatures are not asked for.
 * Owns: freed by audit_free. Errors: those of signatures_open. */
MUST_USE enum status audit_open(unsigned threads, struct audit **audit);

/* Looks at the next record. Signatures may be checked later; see audit_finish. */
void audit_record(struct audit *audit, const struct input *input);

/* Waits for all verdicts. *result lives as long as the audit. */
const struct audit_result *audit_finish(struct audit *audit);

void audit_free(struct audit *audit); /* NULL is allowed */

#endif
