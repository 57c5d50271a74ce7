#include "tools/recover.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "journal/codec.h"
#include "journal/recovery.h"
#include "replay/applier.h"
#include "tools/record_fields.h"

#define PROGRESS_RECORDS 4096

_Static_assert(INPUT_RECOVERY < RECOVER_KINDS, "each kind has a counter");

/* One walk over the damaged journal. */
struct walk {
    const struct recover_options *options;
    const struct disk *disk;
    struct recover_plan *plan;
    struct chain chain;
    struct applier *applier;
    struct event_sink sink;
    struct merkle tree; /* over the records kept */
    bool keeping;       /* records are sound so far and wanted */
    uint64_t records;   /* kept or seen, for the progress */
    struct codec_scratch scratch;
    struct input input;
};

static const struct disk *disk_of(const struct recover_options *options)
{
    return options->disk != NULL ? options->disk : disk_posix();
}

/* --- The lock ------------------------------------------------------------------------------------
 */

enum status recover_lock(const struct disk *disk, const char *data_dir, struct disk_file **lock)
{
    *lock = NULL;
    char *path = chain_path(data_dir, "LOCK");
    if (path == NULL) {
        return STATUS_NO_MEMORY;
    }
    struct disk_file *file;
    enum status status = disk->open(disk->context, path, false, true, &file);
    free(path);
    if (status != STATUS_OK) {
        return status == STATUS_NOT_FOUND ? STATUS_OK : status; /* a copy may come without it */
    }
    status = disk->lock(disk->context, file);
    if (status != STATUS_OK) {
        (void)disk->close(disk->context, file); /* was read only */
        return status;
    }
    *lock = file;
    return STATUS_OK;
}

void recover_unlock(const struct disk *disk, struct disk_file *lock)
{
    if (lock != NULL) {
        (void)disk->close(disk->context, lock); /* was read only */
    }
}

/* --- Sound records -------------------------------------------------------------------------------
 */

/* Counts the bets that stand open. */
static void take_event(void *context, const struct event *event)
{
    struct recover_plan *plan = ((struct walk *)context)->plan;
    if (event->kind == EVENT_BET_ACCEPTED) {
        plan->open_bets += 1;
    } else if (event->kind == EVENT_BET_SETTLED ||
               (event->kind == EVENT_BET_REJECTED && event->of.bet->accepted_seq != 0)) {
        plan->open_bets -= 1;
    }
}

static void take_posting(void *context, const struct posting *posting)
{
    (void)context;
    (void)posting;
}

/* A record that no disk has spoilt and that the rules cannot replay: another cause than damage, so
 * that it is left to the operator where to end. */
static enum status refuse_record(struct walk *walk, uint64_t seq, enum status status)
{
    const struct applier_report *report = applier_report(walk->applier);
    struct recover_plan *plan = walk->plan;
    const uint64_t last_good = status == STATUS_MISMATCH ? report->of_seq - 1 : seq - 1;
    if (status == STATUS_INVALID || status == STATUS_MISMATCH) {
        (void)snprintf(plan->problem, sizeof plan->problem, /* fits */
                       "%s; the journal's bytes are whole there, so this is no damage of a disk: "
                       "report it, or end before it with --to %" PRIu64,
                       report->reason, last_good);
    } else {
        (void)snprintf(plan->problem, sizeof plan->problem, "%s", report->reason); /* likewise */
    }
    return status;
}

static enum status keep_record(struct walk *walk, uint64_t seq, const uint8_t *bytes, size_t length)
{
    uint8_t hash[HASH_BYTES];
    const enum status status = applier_apply(walk->applier, seq, bytes, length, &walk->sink);
    if (status != STATUS_OK) {
        return refuse_record(walk, seq, status);
    }
    merkle_leaf(bytes, length, hash);
    merkle_append(&walk->tree, hash);
    walk->plan->kept_to = seq;
    walk->plan->kept_time_ms = applier_time_ms(walk->applier);
    return STATUS_OK;
}

/* --- Lost records --------------------------------------------------------------------------------
 */

/* Whether somebody has to be paid, told or asked because of this record. */
static bool is_worth_a_line(enum input_kind kind)
{
    switch (kind) {
    case INPUT_TAP:
    case INPUT_DEPOSIT:
    case INPUT_WITHDRAWAL:
    case INPUT_HOUSE_DEPOSIT:
    case INPUT_HOUSE_WITHDRAWAL:
    case INPUT_GOODWILL:
    case INPUT_CONFIG:
    case INPUT_RULES_CHANGE:
    case INPUT_RECOVERY:
        return true;
    case INPUT_PRICE_TICK:
    case INPUT_CLOCK_TICK:
    case INPUT_ATTEST:
    case INPUT_START:
        return false;
    }
    return false;
}

static void note_line(struct walk *walk)
{
    struct recover_plan *plan = walk->plan;
    if (plan->line_count == RECOVER_LINES_MAX) {
        plan->lines_left_out += 1;
        return;
    }
    static const struct record_config unknown;
    struct fields fields = {.out = &plan->lines};
    json_append(&plan->lines, "  ", 2);
    record_fields(&fields, &walk->input, &unknown);
    json_append(&plan->lines, "\n", 1);
    plan->line_count += 1;
}

static void note_range(struct recover_plan *plan, uint64_t seq)
{
    if (plan->range_count > 0 && plan->ranges[plan->range_count - 1].to + 1 == seq) {
        plan->ranges[plan->range_count - 1].to = seq;
    } else if (plan->range_count < RECOVER_RANGES_MAX) {
        plan->ranges[plan->range_count++] = (struct recover_range){seq, seq};
    } else {
        plan->ranges_cut = true;
    }
}

static void note_seen(struct recover_plan *plan, uint64_t seq, const char *by)
{
    if (seq > plan->kept_to && seq > plan->lost_to) {
        plan->lost_to = seq;
        plan->seen_by = by;
    }
}

static void lose_record(struct walk *walk, uint64_t seq, const uint8_t *bytes, size_t length)
{
    struct recover_plan *plan = walk->plan;
    if (seq <= plan->kept_to) {
        return; /* an old batch that stands a second time behind the damage */
    }
    plan->lost_readable += 1;
    note_range(plan, seq);
    note_seen(plan, seq, "a later batch of the journal");
    if (codec_decode(&walk->scratch, seq, bytes, length, &walk->input) != STATUS_OK) {
        plan->lost_kinds[0] += 1;
        return;
    }
    plan->lost_kinds[walk->input.kind] += 1;
    if (is_worth_a_line(walk->input.kind)) {
        note_line(walk);
    }
}

/* --- The walk ------------------------------------------------------------------------------------
 */

static enum status take_batch(struct walk *walk, const struct chain_batch *batch)
{
    const uint8_t *record = batch->payload;
    for (uint32_t i = 0; i < batch->header.count; i++) {
        const uint64_t seq = batch->header.first_seq + i;
        const uint32_t length = load_u16(record);
        const uint8_t *bytes = record + FORMAT_RECORD_LENGTH_BYTES;
        if (walk->keeping && walk->options->to_seq != 0 && seq > walk->options->to_seq) {
            walk->keeping = false;
            walk->plan->cut_by_hand = true;
        }
        if (walk->keeping) {
            const enum status status = keep_record(walk, seq, bytes, length);
            if (status != STATUS_OK) {
                return status;
            }
        } else {
            lose_record(walk, seq, bytes, length);
        }
        record = bytes + length;
        walk->records += 1;
        if (walk->options->progress != NULL && walk->records % PROGRESS_RECORDS == 0) {
            uint64_t done;
            uint64_t total;
            chain_progress(&walk->chain, &done, &total);
            walk->options->progress(walk->options->progress_context, walk->records, done, total);
        }
    }
    return STATUS_OK;
}

/* Reads batches up to a finding. STATUS_END: *finding. */
static enum status take_batches(struct walk *walk, struct finding *finding)
{
    for (;;) {
        struct chain_batch batch;
        enum status status = chain_next(&walk->chain, &batch, finding);
        if (status != STATUS_OK) {
            if (status != STATUS_END) {
                (void)snprintf(walk->plan->problem, sizeof walk->plan->problem, "%s",
                               disk_problem(walk->disk, status)); /* fits */
            }
            return status;
        }
        status = take_batch(walk, &batch);
        if (status != STATUS_OK) {
            return status;
        }
    }
}

/* What a server that starts would say of the first finding. */
static enum status judge(struct walk *walk, const struct finding *finding)
{
    const struct recover_options *options = walk->options;
    struct recover_plan *plan = walk->plan;
    struct recovery_witness witness = {
        options->witness_seq, options->witness_name != NULL ? options->witness_name : "a witness"};
    if (options->snapshot_seq > witness.seq &&
        (!walk->chain.has_epoch || walk->chain.epoch == options->snapshot_epoch)) {
        witness = (struct recovery_witness){options->snapshot_seq, options->snapshot_name};
    }
    if (walk->chain.has_witness && walk->chain.witness.seq > witness.seq) {
        witness = (struct recovery_witness){walk->chain.witness.seq, FORMAT_HEAD_NAME};
    }
    const struct recovery_verdict verdict = recovery_decide(finding, witness.seq);
    recovery_describe(finding, &verdict, &witness, &plan->report);
    note_seen(plan, witness.seq, witness.name);
    if (verdict.status == STATUS_VERSION) {
        (void)snprintf(plan->problem, sizeof plan->problem, "%s", plan->report.reason); /* fits */
        return STATUS_VERSION;
    }
    plan->damaged = verdict.action == RECOVERY_REFUSE;
    return STATUS_OK;
}

/* What can still be read behind the damage. A disk that fails here ends the reading and no more:
 * what is kept has been read. */
static enum status look_behind(struct walk *walk)
{
    struct recover_plan *plan = walk->plan;
    struct finding finding;
    enum status status;
    while ((status = chain_skip(&walk->chain)) == STATUS_OK) {
        status = take_batches(walk, &finding);
        if (status != STATUS_END) {
            break;
        }
    }
    if (status == STATUS_IO || status == STATUS_NOT_FOUND) {
        (void)snprintf(plan->unreadable, sizeof plan->unreadable, "%s",
                       disk_problem(walk->disk, status)); /* fits */
        plan->problem[0] = '\0';
        return STATUS_OK;
    }
    return status == STATUS_END ? STATUS_OK : status;
}

static enum status walk_all(struct walk *walk)
{
    struct finding finding;
    struct recover_plan *plan = walk->plan;
    enum status status = take_batches(walk, &finding);
    if (status != STATUS_END) {
        return status;
    }
    walk->keeping = false;
    plan->epoch_before = walk->chain.epoch;
    merkle_root(&walk->tree, plan->root);
    status = judge(walk, &finding);
    if (status != STATUS_OK) {
        return status;
    }
    if (plan->kept_to == 0 && plan->damaged) {
        (void)snprintf(plan->problem, sizeof plan->problem, /* fits */
                       "segment %s, offset %" PRIu64 ": %s; not one record before it is sound, so "
                       "there is nothing to keep",
                       plan->report.segment[0] == '\0' ? "-" : plan->report.segment,
                       plan->report.offset, plan->report.reason);
        return STATUS_DAMAGED;
    }
    return plan->damaged ? look_behind(walk) : STATUS_OK;
}

enum status recover_plan(const struct recover_options *options, struct recover_plan *plan)
{
    memset(plan, 0, sizeof *plan);
    struct walk *walk = calloc(1, sizeof *walk);
    char *directory = chain_path(options->data_dir, "journal");
    if (walk == NULL || directory == NULL) {
        free(walk);
        free(directory);
        return STATUS_NO_MEMORY;
    }
    walk->options = options;
    walk->disk = disk_of(options);
    walk->plan = plan;
    walk->sink = (struct event_sink){walk, take_event, take_posting};
    walk->keeping = true;
    merkle_init(&walk->tree);
    enum status status = chain_open(&walk->chain, walk->disk, directory, 1);
    if (status != STATUS_OK) {
        (void)snprintf(plan->problem, sizeof plan->problem, "%s",
                       disk_problem(walk->disk, status)); /* fits */
    }
    walk->chain.rules_newest = machine_rules_newest();
    if (status == STATUS_OK) {
        status = applier_open(options->limits, &walk->applier);
    }
    if (status == STATUS_OK) {
        status = walk_all(walk);
    }
    if (status == STATUS_OK && plan->lines.failed) {
        status = STATUS_NO_MEMORY;
    }
    chain_close(&walk->chain);
    applier_free(walk->applier);
    free(walk);
    free(directory);
    return status;
}

void recover_plan_free(struct recover_plan *plan)
{
    json_text_free(&plan->lines);
}
