#include "replay/snapshot_advance.h"

#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "replay/replay.h"
#include "replay/snapshot_file.h"
#include "replay/snapshot_shelf.h"

#define STOP_EVERY 64 /* records between two questions */

struct advance {
    const char *data_dir;
    const struct snapshot_advance_options *options;
    struct snapshot_advance_result *result;
    struct snapshot_shelf shelf;
    struct applier *applier;
    struct journal_head begin;
    struct replay_result replay;
};

static enum status say(struct advance *advance, enum status status, const char *text)
{
    snprintf(advance->result->problem, sizeof advance->result->problem, "%s", text);
    return status;
}

/* --- The copy --------------------------------------------------------------------------------- */

/* The newest good snapshot, else the empty state. */
static enum status begin(struct advance *advance)
{
    const struct snapshot_advance_options *options = advance->options;
    struct snapshot_header header;
    enum status status = snapshot_shelf_take(&advance->shelf, options->epoch, options->durable_seq,
                                             options->limits, &advance->applier, &header);
    advance->begin = (struct journal_head){0};
    if (status == STATUS_NOT_FOUND) {
        status = applier_open(options->limits, &advance->applier);
    } else if (status == STATUS_OK) {
        advance->begin.seq = header.seq;
        merkle_root(&header.place.tree, advance->begin.root);
    }
    advance->result->from_seq = advance->begin.seq;
    return status;
}

static enum status after_record(void *context, struct applier *applier,
                                const struct journal_record *record)
{
    const struct advance *advance = context;
    const struct snapshot_advance_options *options = advance->options;
    (void)applier;
    if (record->batch_end && record->seq >= options->durable_seq) {
        return STATUS_END;
    }
    if (record->seq % STOP_EVERY == 0 && options->stop != NULL && options->stop(options->context)) {
        return STATUS_CLOSED;
    }
    return STATUS_OK;
}

static enum status replay_tail(struct advance *advance)
{
    const struct replay_options options = {.disk = advance->options->disk,
                                           .begin = &advance->begin,
                                           .invariant_at_end = true,
                                           .context = advance,
                                           .after = after_record};
    const enum status status =
        replay_run(advance->applier, advance->data_dir, &options, &advance->replay);
    advance->result->records = advance->replay.records;
    advance->result->attests_checked = applier_attests_checked(advance->applier);
    return status == STATUS_OK ? STATUS_OK : say(advance, status, advance->replay.problem);
}

/* A copy of the state at the end of durable_seq's batch. A snapshot that is not of this journal's
 * history is given up for the next older one. */
static enum status make_copy(struct advance *advance)
{
    for (;;) {
        enum status status = begin(advance);
        if (status != STATUS_OK) {
            return say(advance, status, status_text(status));
        }
        if (advance->begin.seq == advance->options->durable_seq) {
            return STATUS_OK;
        }
        status = replay_tail(advance);
        if (!advance->replay.other_history) {
            return status;
        }
        snapshot_shelf_reject(&advance->shelf, advance->begin.seq, advance->replay.problem);
        applier_free(advance->applier);
        advance->applier = NULL;
    }
}

/* --- Its books -------------------------------------------------------------------------------- */

static void add_account(void *context, const uint8_t *address, const struct account_view *view)
{
    int64_t *sum_micro = context;
    (void)address;
    *sum_micro += view->available_micro + view->held_micro;
}

static void add_escrow(void *context, const struct bet *bet)
{
    int64_t *sum_micro = context;
    if (bet->state == BET_CONFIRMED) {
        *sum_micro += bet->stake_micro; /* of an accepted bet it is still held by its player */
    }
}

static int64_t imbalance_micro(const struct machine *machine)
{
    struct market_view market;
    machine_market(machine, &market);
    int64_t sum_micro = market.bankroll_micro + market.reserved_micro + market.external_micro;
    machine_each_account(machine, &sum_micro, add_account);
    machine_each_open_bet(machine, &sum_micro, add_escrow);
    return sum_micro;
}

/* --- All of it -------------------------------------------------------------------------------- */

static enum status write_copy(struct advance *advance)
{
    struct snapshot_advance_result *result = advance->result;
    const uint64_t seq = applier_seq(advance->applier);
    result->imbalance_micro = imbalance_micro(applier_machine(advance->applier));
    if (result->imbalance_micro != 0) {
        return say(advance, STATUS_MISMATCH, "the sum over all accounts is not zero");
    }
    if (seq < advance->options->durable_seq) {
        return say(advance, STATUS_LOST_TAIL, "the journal on disk ends before what is durable");
    }
    if (seq == advance->begin.seq) {
        result->seq = seq;
        return STATUS_OK;
    }
    if (!advance->replay.has_place) {
        return say(advance, STATUS_LOST_TAIL, "the journal on disk was not read to a batch's end");
    }
    if (advance->replay.place.epoch != advance->options->epoch) {
        return say(advance, STATUS_MISMATCH, "the journal on disk is another one");
    }
    const struct disk *disk =
        advance->options->disk != NULL ? advance->options->disk : disk_posix();
    char problem[SNAPSHOT_PROBLEM_BYTES];
    const enum status status =
        snapshot_write(disk, advance->data_dir, advance->applier, &advance->replay.place, problem);
    if (status != STATUS_OK) {
        return say(advance, status, problem);
    }
    result->seq = seq;
    result->written = true;
    return STATUS_OK;
}

enum status snapshot_advance(const char *data_dir, const struct snapshot_advance_options *options,
                             struct snapshot_advance_result *result)
{
    struct advance advance = {.data_dir = data_dir, .options = options, .result = result};
    *result = (struct snapshot_advance_result){0};
    CHECK(options->durable_seq > 0);
    enum status status = snapshot_shelf_open(&advance.shelf, options->disk, data_dir,
                                             options->context, options->on_skipped);
    if (status != STATUS_OK) {
        return say(&advance, status, disk_problem(advance.shelf.disk, status));
    }
    status = make_copy(&advance);
    if (status == STATUS_OK) {
        status = write_copy(&advance);
    }
    applier_free(advance.applier);
    return status;
}
