#include "replay/applier.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/check.h"
#include "base/text.h"
#include "journal/codec.h"
#include "replay/digest.h"

_Static_assert((APPLIER_HISTORY & (APPLIER_HISTORY - 1)) == 0, "the ring's index is a mask");

struct applier {
    void *arena; /* mapped: pages never touched cost nothing */
    size_t arena_bytes;
    struct machine *machine;
    struct digest *digest;
    uint8_t (*history)[HASH_BYTES]; /* mapped; digest after seq at seq & (APPLIER_HISTORY - 1) */
    uint64_t history_from;          /* the first seq it holds; digests below it were never known */
    uint64_t seq;
    int64_t time_ms;
    bool decoded; /* input is the next record, not yet applied */
    uint64_t attests_checked;
    uint64_t attests_unknown;
    uint64_t equal_seq; /* the last one that an Attest record agreed on */
    struct input input;
    struct applier_report report;
    struct codec_scratch scratch;
};

static void *map(size_t bytes)
{
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) {
        return NULL;
    }
    /* The tables are looked up all over the place: with small pages each look-up waits for the
     * processor's page table walk as well. A kernel without large pages loses nothing. */
    (void)madvise(memory, bytes, MADV_HUGEPAGE);
    return memory;
}

static uint8_t *history_slot(const struct applier *applier, uint64_t seq)
{
    return applier->history[seq & (APPLIER_HISTORY - 1)];
}

/* All but the machine. */
static enum status prepare(const struct machine_limits *limits, struct applier **applier)
{
    struct applier *made = calloc(1, sizeof *made);
    if (made == NULL) {
        return STATUS_NO_MEMORY;
    }
    made->arena_bytes = machine_bytes(limits);
    made->arena = map(made->arena_bytes);
    made->history = map(APPLIER_HISTORY * HASH_BYTES);
    if (made->arena == NULL || made->history == NULL || digest_open(&made->digest) != STATUS_OK) {
        applier_free(made);
        return STATUS_NO_MEMORY;
    }
    *applier = made;
    return STATUS_OK;
}

enum status applier_open(const struct machine_limits *limits, struct applier **applier)
{
    struct machine_limits standard;
    machine_default_limits(&standard);
    const struct machine_limits *used = limits != NULL ? limits : &standard;
    struct applier *made;
    const enum status status = prepare(used, &made);
    if (status != STATUS_OK) {
        return status;
    }
    made->machine = machine_init(made->arena, used);
    *applier = made;
    return STATUS_OK;
}

enum status applier_restore(const struct machine_limits *limits, const uint8_t *snapshot,
                            size_t bytes, const uint8_t *digest, struct applier **applier)
{
    struct machine_limits standard;
    machine_default_limits(&standard);
    const struct machine_limits *used = limits != NULL ? limits : &standard;
    struct applier *made;
    enum status status = prepare(used, &made);
    if (status != STATUS_OK) {
        return status;
    }
    status = machine_restore(made->arena, used, snapshot, bytes, &made->machine);
    if (status != STATUS_OK) {
        applier_free(made);
        return status;
    }
    struct market_view market;
    machine_market(made->machine, &market);
    made->seq = market.seq;
    made->time_ms = market.time_ms;
    made->history_from = market.seq;
    memcpy(history_slot(made, market.seq), digest, HASH_BYTES);
    digest_restore(made->digest, digest);
    *applier = made;
    return STATUS_OK;
}

enum status applier_apply(struct applier *applier, uint64_t seq, const uint8_t *record,
                          size_t length, const struct event_sink *sink)
{
    const struct input *input;
    const enum status status = applier_decode(applier, seq, record, length, &input);
    return status != STATUS_OK ? status : applier_step(applier, sink);
}

/* Fills the report and gives the status back, so that a refusal is one line where it is found. */
static enum status report_bad_record(struct applier *applier, uint64_t seq, enum status status,
                                     const char *what)
{
    struct applier_report *report = &applier->report;
    *report = (struct applier_report){.seq = seq};
    snprintf(report->reason, sizeof report->reason, "seq %" PRIu64 ": %s", seq, what);
    return status;
}

/* What this build or this arena cannot apply stops the replay before it: half a history is never
 * shown as a whole one. */
static enum status check_applicable(struct applier *applier)
{
    const struct input *input = &applier->input;
    const enum status status = machine_can_apply(applier->machine, input);
    char what[160];
    if (status == STATUS_VERSION) {
        snprintf(what, sizeof what,
                 "changes the rules to version %" PRIu32 ", this program knows up to %" PRIu32
                 ": start the program that wrote it, or a newer one",
                 input->of.rules_change.version, machine_rules_newest());
        return report_bad_record(applier, input->seq, status, what);
    }
    if (status != STATUS_OK) {
        return report_bad_record(applier, input->seq, status,
                                 "the journal's limits are above those of this program's tables");
    }
    return STATUS_OK;
}

/* The decoded input must be what may come next. */
static enum status check_next(struct applier *applier, const struct input **input)
{
    const uint64_t seq = applier->input.seq;
    if (applier->input.time_ms < applier->time_ms) {
        return report_bad_record(applier, seq, STATUS_INVALID, "its engine time goes back");
    }
    const enum status applicable = check_applicable(applier);
    if (applicable != STATUS_OK) {
        return applicable;
    }
    applier->decoded = true;
    *input = &applier->input;
    return STATUS_OK;
}

enum status applier_decode(struct applier *applier, uint64_t seq, const uint8_t *record,
                           size_t length, const struct input **input)
{
    applier->decoded = false;
    if (seq != applier->seq + 1) {
        return report_bad_record(applier, seq, STATUS_INVALID, "is not the next record");
    }
    const enum status status =
        codec_decode(&applier->scratch, seq, record, length, &applier->input);
    if (status != STATUS_OK) {
        return report_bad_record(applier, seq, status,
                                 status == STATUS_VERSION
                                     ? "is of a kind that this version does not know: start "
                                       "the program that wrote it, or a newer one"
                                     : "is not a well-formed record");
    }
    return check_next(applier, input);
}

enum status applier_take_tap(struct applier *applier, uint64_t seq, int64_t time_ms,
                             const struct tap *tap, const struct input **input)
{
    applier->decoded = false;
    if (seq != applier->seq + 1) {
        return report_bad_record(applier, seq, STATUS_INVALID, "is not the next record");
    }
    codec_take_tap(&applier->scratch, seq, time_ms, tap, &applier->input);
    return check_next(applier, input);
}

static enum status report_mismatch(struct applier *applier, const struct attest *attest,
                                   const uint8_t *computed)
{
    struct applier_report *report = &applier->report;
    *report = (struct applier_report){.seq = applier->seq, .of_seq = attest->of_seq};
    memcpy(report->recorded, attest->digest, HASH_BYTES);
    if (computed == NULL) {
        snprintf(report->reason, sizeof report->reason,
                 "seq %" PRIu64 " attests the state after seq %" PRIu64 ", which is not before it",
                 applier->seq, attest->of_seq);
        return STATUS_MISMATCH;
    }
    memcpy(report->computed, computed, HASH_BYTES);
    char recorded_hex[2 * HASH_BYTES + 1];
    char computed_hex[2 * HASH_BYTES + 1];
    text_format_hex(recorded_hex, report->recorded, HASH_BYTES);
    text_format_hex(computed_hex, report->computed, HASH_BYTES);
    snprintf(report->reason, sizeof report->reason,
             "digest after seq %" PRIu64 " differs (equal after seq %" PRIu64
             "): %.16s.. computed, %.16s.. attested at seq %" PRIu64,
             attest->of_seq, applier->equal_seq, computed_hex, recorded_hex, applier->seq);
    return STATUS_MISMATCH;
}

/* An Attest record says what the process that wrote the journal computed; here is what we did. */
static enum status check_attest(struct applier *applier, const struct attest *attest)
{
    if (attest->of_seq == 0 || attest->of_seq >= applier->seq) {
        return report_mismatch(applier, attest, NULL);
    }
    const uint8_t *computed = applier_digest_of(applier, attest->of_seq);
    if (computed == NULL) {
        applier->attests_unknown += 1;
        return STATUS_OK;
    }
    applier->attests_checked += 1;
    if (memcmp(computed, attest->digest, HASH_BYTES) != 0) {
        return report_mismatch(applier, attest, computed);
    }
    applier->equal_seq = attest->of_seq;
    return STATUS_OK;
}

enum status applier_step(struct applier *applier, const struct event_sink *sink)
{
    CHECK(applier->decoded);
    const struct input *input = &applier->input;
    digest_begin(applier->digest, input->seq, input->time_ms, sink);
    machine_apply(applier->machine, input, digest_sink(applier->digest));
    digest_end(applier->digest);
    applier->decoded = false;
    applier->seq = input->seq;
    applier->time_ms = input->time_ms;
    memcpy(history_slot(applier, input->seq), digest_value(applier->digest), HASH_BYTES);
    return input->kind == INPUT_ATTEST ? check_attest(applier, &input->of.attest) : STATUS_OK;
}

const struct input *applier_input(const struct applier *applier)
{
    return applier->input.seq == 0 ? NULL : &applier->input;
}

const struct machine *applier_machine(const struct applier *applier)
{
    return applier->machine;
}

uint64_t applier_seq(const struct applier *applier)
{
    return applier->seq;
}

int64_t applier_time_ms(const struct applier *applier)
{
    return applier->time_ms;
}

const uint8_t *applier_digest(const struct applier *applier)
{
    return digest_value(applier->digest);
}

const uint8_t *applier_digest_of(const struct applier *applier, uint64_t seq)
{
    const bool known =
        seq <= applier->seq && seq >= applier->history_from && applier->seq - seq < APPLIER_HISTORY;
    return known ? history_slot(applier, seq) : NULL;
}

uint64_t applier_attests_checked(const struct applier *applier)
{
    return applier->attests_checked;
}

uint64_t applier_attests_unknown(const struct applier *applier)
{
    return applier->attests_unknown;
}

const struct applier_report *applier_report(const struct applier *applier)
{
    return &applier->report;
}

size_t applier_bytes(const struct applier *applier)
{
    return applier->arena_bytes;
}

void applier_free(struct applier *applier)
{
    if (applier == NULL) {
        return;
    }
    digest_free(applier->digest);
    if (applier->history != NULL) {
        munmap(applier->history, APPLIER_HISTORY * HASH_BYTES);
    }
    if (applier->arena != NULL) {
        munmap(applier->arena, applier->arena_bytes);
    }
    free(applier);
}
