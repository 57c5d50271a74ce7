/* What to do about what the chain found: the decision table of docs/JOURNAL_FORMAT.md as one total
 * function, and the two repairs that it allows. Both keep every byte: what is taken out of the
 * journal goes to a quarantine file first. Everything else is refused; the server itself drops no
 * data. */
#ifndef TAPLINE_JOURNAL_RECOVERY_H
#define TAPLINE_JOURNAL_RECOVERY_H

#include <stdint.h>

#include "base/status.h"
#include "journal/chain.h"
#include "journal/journal.h"

enum recovery_action {
    RECOVERY_GO_ON,          /* nothing to repair */
    RECOVERY_CUT_TAIL,       /* rows a, i: quarantine the bytes from the finding on, zero them */
    RECOVERY_REMOVE_SEGMENT, /* row f: quarantine the file */
    RECOVERY_REFUSE,
};

struct recovery_verdict {
    enum recovery_action action;
    enum status status; /* of REFUSE; else STATUS_OK */
    char rule;          /* 'a' .. 'i', or 0 */
};

/* The highest seq that someone saw durable or applied, and who. */
struct recovery_witness {
    uint64_t seq;
    const char *name;
};

/* The table. Total: every finding has a verdict. */
struct recovery_verdict recovery_decide(const struct finding *finding, uint64_t witness_seq);

/* Fills the report: where, and in one line why and what to do. */
void recovery_describe(const struct finding *finding, const struct recovery_verdict *verdict,
                       const struct recovery_witness *witness, struct journal_report *report);

/* Carries out CUT_TAIL or REMOVE_SEGMENT. Safe to be interrupted and repeated.
 * Errors: STATUS_IO, STATUS_NO_SPACE, STATUS_NO_MEMORY. */
MUST_USE enum status recovery_repair(const struct disk *disk, const char *directory,
                                     const struct finding *finding,
                                     const struct recovery_verdict *verdict);

#endif
