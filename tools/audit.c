#include "tools/audit.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "ingress/index.h"
#include "tools/signatures.h"

struct audit {
    struct index index;
    struct signatures *signatures; /* NULL: they are not asked for */
    struct audit_result result;
};

static void note_bad(struct audit_result *result, uint64_t seq, const char *what)
{
    if (result->first_bad_seq == 0 || seq < result->first_bad_seq) {
        result->first_bad_seq = seq;
        snprintf(result->problem, sizeof result->problem, "seq %" PRIu64 ": %s", seq, what);
    }
}

enum status audit_open(unsigned threads, struct audit **audit)
{
    struct audit *made = calloc(1, sizeof *made);
    if (made == NULL) {
        return STATUS_NO_MEMORY;
    }
    index_init(&made->index);
    const enum status status =
        threads > 0 ? signatures_open(threads, &made->signatures) : STATUS_OK;
    if (status != STATUS_OK) {
        audit_free(made);
        return status;
    }
    *audit = made;
    return STATUS_OK;
}

static void audit_tap(struct audit *audit, uint64_t seq, const struct tap *tap)
{
    if (audit->signatures == NULL) {
        return;
    }
    if (tap->session != 0) {
        audit->result.signatures_skipped += 1;
    } else {
        signatures_put(audit->signatures, seq, tap);
    }
}

static void audit_price(struct audit *audit, uint64_t seq, const struct price_tick *tick)
{
    if (index_audit(&audit->index, tick) == STATUS_OK) {
        audit->result.prices += 1;
        return;
    }
    audit->result.prices_bad += 1;
    note_bad(&audit->result, seq, "the index price does not follow from its quotes");
}

/* It is the record behind the last one that was kept, or it stands in a journal that it was not
 * written for. */
static void audit_recovery(struct audit *audit, uint64_t seq, const struct recovery *recovery)
{
    if (recovery->kept_to + 1 == seq) {
        audit->result.recoveries += 1;
        return;
    }
    audit->result.recoveries_bad += 1;
    note_bad(&audit->result, seq, "a recovery that does not follow the last record it kept");
}

void audit_record(struct audit *audit, const struct input *input)
{
    switch (input->kind) {
    case INPUT_START:
        index_init(&audit->index); /* the basis lives and dies with the process */
        return;
    case INPUT_PRICE_TICK:
        audit_price(audit, input->seq, &input->of.price_tick);
        return;
    case INPUT_TAP:
        audit_tap(audit, input->seq, &input->of.tap);
        return;
    case INPUT_CONFIG:
    case INPUT_CLOCK_TICK:
    case INPUT_DEPOSIT:
    case INPUT_WITHDRAWAL:
    case INPUT_HOUSE_DEPOSIT:
    case INPUT_HOUSE_WITHDRAWAL:
    case INPUT_GOODWILL:
    case INPUT_ATTEST:
    case INPUT_RULES_CHANGE:
        return;
    case INPUT_RECOVERY:
        audit_recovery(audit, input->seq, &input->of.recovery);
        return;
    }
}

const struct audit_result *audit_finish(struct audit *audit)
{
    if (audit->signatures != NULL) {
        struct signatures_result checked;
        signatures_finish(audit->signatures, &checked);
        audit->result.signatures = checked.good;
        audit->result.signatures_bad = checked.bad;
        if (checked.bad > 0) {
            note_bad(&audit->result, checked.first_bad_seq, checked.first_bad);
        }
        signatures_free(audit->signatures);
        audit->signatures = NULL;
    }
    return &audit->result;
}

void audit_free(struct audit *audit)
{
    if (audit == NULL) {
        return;
    }
    signatures_free(audit->signatures);
    free(audit);
}
