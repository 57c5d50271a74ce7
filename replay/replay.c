#include "replay/replay.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "journal/codec.h"

#define PROGRESS_EVERY 4096 /* records between two calls of the hook */

/* How many records ahead the machine hears what comes: the first time, and again. */
#define AHEAD_FAR    12
#define AHEAD_MIDDLE 8
#define AHEAD_NEAR   4
#define AHEAD_RING   16 /* those ahead and the present one */

struct run {
    struct applier *applier;
    const struct replay_options *options;
    struct replay_result *result;
    struct journal_reader *reader;
    uint64_t unchecked; /* records since the invariants were checked */
    uint64_t peeked;    /* records that were looked at ahead */
    struct {
        bool is_tap;
        const uint8_t *bytes; /* what it was read from */
        int64_t time_ms;
        struct tap tap;
    } ahead[AHEAD_RING]; /* the last of them, by their number modulo this */
    uint64_t present;    /* the number of the present record, when it was one of them */
};

static enum status say(struct run *run, enum status status, const char *text)
{
    snprintf(run->result->problem, sizeof run->result->problem, "%s", text);
    return status;
}

static enum status check_invariant(struct run *run)
{
    const char *broken = machine_invariant(applier_machine(run->applier));
    if (broken == NULL) {
        return STATUS_OK;
    }
    snprintf(run->result->problem, sizeof run->result->problem,
             "seq %" PRIu64 ": the invariant does not hold: %s", applier_seq(run->applier), broken);
    return STATUS_MISMATCH;
}

/* A record whose frame was sound and whose content is none of ours. */
static enum status bad_record(struct run *run, enum status status)
{
    run->result->applier = *applier_report(run->applier);
    return say(run, status == STATUS_INVALID ? STATUS_DAMAGED : status,
               run->result->applier.reason);
}

static enum status mismatch(struct run *run)
{
    struct replay_result *result = run->result;
    if (result->mismatches == 0) {
        result->applier = *applier_report(run->applier);
        result->first_mismatch_seq = result->applier.of_seq;
        snprintf(result->problem, sizeof result->problem, "%s", result->applier.reason);
    }
    result->mismatches += 1;
    return run->options->mismatch_goes_on ? STATUS_OK : STATUS_MISMATCH;
}

static bool is_beyond(const struct replay_options *options, const struct input *input)
{
    return options->to_time_ms != 0 && input->time_ms > options->to_time_ms;
}

/* A segment says under which rules its first record was applied; the records before it said so too.
 */
static enum status check_rules(struct run *run, uint64_t seq)
{
    const uint32_t in_force = machine_rules(applier_machine(run->applier));
    const uint32_t written = journal_reader_rules(run->reader);
    if (!journal_reader_begins_segment(run->reader, seq) || written == in_force) {
        return STATUS_OK;
    }
    snprintf(run->result->problem, sizeof run->result->problem,
             "seq %" PRIu64 ": its segment is of rules version %" PRIu32
             ", the records before it leave version %" PRIu32 " in force",
             seq, written, in_force);
    return STATUS_DAMAGED;
}

static bool is_invariant_due(const struct run *run)
{
    const struct replay_options *options = run->options;
    if (options->invariant_every == 0 || run->unchecked % options->invariant_every != 0) {
        return false;
    }
    struct market_view market;
    machine_market(applier_machine(run->applier), &market);
    const uint64_t entries =
        (uint64_t)market.accounts + market.open_bets + market.nonces + market.transfers;
    return run->unchecked >= options->invariant_share * entries;
}

/* A tap that was read when it was looked at ahead is not read again. The reader vouches for the
 * bytes being those: they were checked meanwhile, and where they might have changed it says so. */
static enum status decode(struct run *run, const struct journal_record *record,
                          const struct input **input)
{
    const size_t at = (size_t)(run->present % AHEAD_RING);
    if (record->peeked > 0 && run->ahead[at].is_tap && run->ahead[at].bytes == record->bytes) {
        return applier_take_tap(run->applier, record->seq, run->ahead[at].time_ms,
                                &run->ahead[at].tap, input);
    }
    return applier_decode(run->applier, record->seq, record->bytes, record->length, input);
}

/* STATUS_END when the record lies behind the asked end. */
static enum status apply_one(struct run *run, const struct journal_record *record)
{
    const struct replay_options *options = run->options;
    const struct input *input;
    enum status status = check_rules(run, record->seq);
    if (status != STATUS_OK) {
        return status;
    }
    status = decode(run, record, &input);
    if (status != STATUS_OK) {
        return bad_record(run, status);
    }
    if (is_beyond(options, input)) {
        return STATUS_END;
    }
    if (options->before != NULL) {
        status = options->before(options->context, run->applier, record);
        if (status != STATUS_OK) {
            return status;
        }
    }
    status = applier_step(run->applier, options->sink);
    run->result->records += 1;
    if (status != STATUS_OK) {
        status = mismatch(run);
        if (status != STATUS_OK) {
            return status;
        }
    }
    if (options->after != NULL) {
        status = options->after(options->context, run->applier, record);
        if (status != STATUS_OK) {
            return status;
        }
    }
    run->unchecked += 1;
    if (is_invariant_due(run)) {
        run->unchecked = 0;
        return check_invariant(run);
    }
    return STATUS_OK;
}

static void tell_progress(struct run *run)
{
    if (run->options->progress != NULL) {
        uint64_t done;
        uint64_t total;
        journal_reader_progress(run->reader, &done, &total);
        run->options->progress(run->options->progress_context, run->result->records, done, total);
    }
}

static enum status journal_problem(struct run *run, enum status status)
{
    const struct journal_report *report = &run->result->journal;
    snprintf(run->result->problem, sizeof run->result->problem,
             "%s%s, offset %" PRIu64 ", seq %" PRIu64 ": %s",
             report->segment[0] != '\0' ? "segment " : "journal", report->segment, report->offset,
             report->seq, report->reason[0] != '\0' ? report->reason : status_text(status));
    return status;
}

/* The journal stands before the first record that was asked for, or at its end: is it the history
 * that the applier's snapshot was taken from? */
static enum status check_begin(struct run *run)
{
    const struct journal_head *begin = run->options->begin;
    struct journal_head head;
    if (begin == NULL || begin->seq == 0) {
        return STATUS_OK;
    }
    journal_reader_head_before(run->reader, &head);
    if (head.seq == begin->seq && memcmp(head.root, begin->root, HASH_BYTES) == 0) {
        return STATUS_OK;
    }
    run->result->other_history = true;
    snprintf(run->result->problem, sizeof run->result->problem,
             "the journal has another history up to seq %" PRIu64, begin->seq);
    return STATUS_MISMATCH;
}

/* The record that was peeked at so many records before the last, when it was a tap. */
static void hint(const struct run *run, size_t back, enum machine_distance distance)
{
    const size_t at = (run->peeked + AHEAD_RING - back) % AHEAD_RING;
    if (run->ahead[at].is_tap) {
        machine_prefetch(applier_machine(run->applier), &run->ahead[at].tap, distance);
    }
}

/* Lets the machine fetch what the taps that come next will touch. */
static void look_ahead(struct run *run)
{
    const uint8_t *bytes;
    size_t length;
    while (journal_reader_peek(run->reader, AHEAD_FAR, &bytes, &length)) {
        const size_t far = run->peeked % AHEAD_RING;
        run->ahead[far].is_tap =
            codec_peek_tap(bytes, length, &run->ahead[far].time_ms, &run->ahead[far].tap);
        run->ahead[far].bytes = bytes;
        hint(run, 0, MACHINE_FAR);
        hint(run, AHEAD_FAR - AHEAD_MIDDLE, MACHINE_MIDDLE);
        hint(run, AHEAD_FAR - AHEAD_NEAR, MACHINE_NEAR);
        run->peeked++;
    }
}

static enum status read_all(struct run *run)
{
    const struct replay_options *options = run->options;
    bool has_begun = false;
    for (;;) {
        if (options->to_seq != 0 && applier_seq(run->applier) >= options->to_seq) {
            return STATUS_OK;
        }
        struct journal_record record;
        enum status status = journal_reader_next(run->reader, &record);
        if (status != STATUS_OK) {
            run->result->journal = *journal_reader_report(run->reader);
        }
        if (!has_begun && (status == STATUS_OK || status == STATUS_END)) {
            const enum status checked = check_begin(run);
            if (checked != STATUS_OK) {
                return checked;
            }
            has_begun = true;
        }
        if (status == STATUS_END) {
            return STATUS_OK;
        }
        if (status != STATUS_OK) {
            return journal_problem(run, status);
        }
        run->present = run->peeked - record.peeked;
        look_ahead(run);
        status = apply_one(run, &record);
        if (status == STATUS_END) {
            return STATUS_OK;
        }
        if (status != STATUS_OK) {
            return status;
        }
        if (run->result->records % PROGRESS_EVERY == 0) {
            tell_progress(run);
        }
    }
}

enum status replay_run(struct applier *applier, const char *data_dir,
                       const struct replay_options *options, struct replay_result *result)
{
    struct run run = {.applier = applier, .options = options, .result = result};
    const uint64_t from_seq = applier_seq(applier) + 1;
    *result = (struct replay_result){0};
    enum status status = journal_reader_open(data_dir, options->disk, from_seq, &run.reader);
    if (status != STATUS_OK) {
        const struct disk *disk = options->disk != NULL ? options->disk : disk_posix();
        if (status == STATUS_NOT_FOUND) {
            snprintf(result->problem, sizeof result->problem, "%s/journal: there is no journal",
                     data_dir);
        } else {
            snprintf(result->problem, sizeof result->problem, "%s", disk_problem(disk, status));
        }
        return status;
    }
    journal_reader_know_rules(run.reader, machine_rules_newest());
    if (options->read_ahead) {
        /* Without memory for a thread all is the same, but slower. */
        (void)!journal_reader_read_ahead(run.reader);
    }
    status = read_all(&run);
    tell_progress(&run);
    if (status == STATUS_OK && options->invariant_at_end) {
        status = check_invariant(&run);
    }
    result->has_place = journal_reader_place(run.reader, &result->place) &&
                        result->place.tree.size == applier_seq(applier);
    if (from_seq == 1) {
        journal_reader_head(run.reader, &result->head);
        if (result->head.seq != applier_seq(applier)) {
            result->head = (struct journal_head){0};
        }
    }
    journal_reader_free(run.reader);
    if (status != STATUS_OK && result->problem[0] == '\0') {
        return say(&run, status, status_text(status));
    }
    return status;
}
