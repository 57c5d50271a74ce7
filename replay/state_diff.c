#include "replay/state_diff.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "replay/replay.h"

struct account_row {
    uint8_t address[ADDRESS_BYTES];
    struct account_view view;
};

/* A list that grows; `failed` when memory ran out, and then it holds less than all. */
struct rows {
    uint8_t *bytes;
    size_t row_bytes;
    size_t count;
    size_t room;
    bool failed;
};

static void add_row(struct rows *rows, const void *row)
{
    if (rows->count == rows->room && !rows->failed) {
        const size_t room = rows->room * 2 + 64;
        uint8_t *grown = realloc(rows->bytes, room * rows->row_bytes);
        rows->failed = grown == NULL;
        if (grown != NULL) {
            rows->bytes = grown;
            rows->room = room;
        }
    }
    if (!rows->failed) {
        memcpy(rows->bytes + rows->count * rows->row_bytes, row, rows->row_bytes);
        rows->count += 1;
    }
}

static void add_account(void *context, const uint8_t *address, const struct account_view *view)
{
    struct account_row row = {.view = *view};
    memcpy(row.address, address, ADDRESS_BYTES);
    add_row(context, &row);
}

static void add_bet(void *context, const struct bet *bet)
{
    add_row(context, bet);
}

static int by_address(const void *a, const void *b)
{
    return memcmp(a, b, ADDRESS_BYTES); /* the first member of both rows */
}

/* --- Comparing two lists in one order.
 * ------------------------------------------------------------ */

static bool same_account(const struct account_view *a, const struct account_view *b)
{
    return a->available_micro == b->available_micro && a->held_micro == b->held_micro &&
           a->open_bets == b->open_bets && a->user_id == b->user_id;
}

/* Field by field: a struct's padding is nobody's. */
static bool same_bet(const struct bet *a, const struct bet *b)
{
    return a->bet == b->bet && a->user_id == b->user_id && a->state == b->state &&
           a->column_ms == b->column_ms && a->band == b->band && a->lo_e4 == b->lo_e4 &&
           a->hi_e4 == b->hi_e4 && a->stake_micro == b->stake_micro &&
           a->min_mult_centi == b->min_mult_centi && a->config == b->config &&
           a->session == b->session && a->mult_centi == b->mult_centi &&
           a->payout_micro == b->payout_micro && a->accepted_at_ms == b->accepted_at_ms &&
           a->priced_at_ms == b->priced_at_ms && a->priced_seq == b->priced_seq &&
           a->tick_ms == b->tick_ms && a->price_e4 == b->price_e4 &&
           memcmp(a->account, b->account, ADDRESS_BYTES) == 0 &&
           memcmp(a->nonce, b->nonce, NONCE_BYTES) == 0;
}

static void compare_accounts(const struct state_diff_options *options, const struct rows lists[2],
                             struct state_diff *diff)
{
    static const struct account_view unknown;
    const struct account_row *a = (const struct account_row *)(const void *)lists[0].bytes;
    const struct account_row *b = (const struct account_row *)(const void *)lists[1].bytes;
    size_t i = 0;
    size_t j = 0;
    while (i < lists[0].count || j < lists[1].count) {
        const int order = i == lists[0].count   ? 1
                          : j == lists[1].count ? -1
                                                : memcmp(a[i].address, b[j].address, ADDRESS_BYTES);
        const uint8_t *address = order <= 0 ? a[i].address : b[j].address;
        const struct account_view *left = order <= 0 ? &a[i].view : &unknown;
        const struct account_view *right = order >= 0 ? &b[j].view : &unknown;
        if (!same_account(left, right)) {
            diff->accounts_different += 1;
            options->account(options->context, address, left, right);
        }
        i += order <= 0 ? 1 : 0;
        j += order >= 0 ? 1 : 0;
    }
}

static void compare_bets(const struct state_diff_options *options, const struct rows lists[2],
                         struct state_diff *diff)
{
    const struct bet *a = (const struct bet *)(const void *)lists[0].bytes;
    const struct bet *b = (const struct bet *)(const void *)lists[1].bytes;
    size_t i = 0;
    size_t j = 0;
    while (i < lists[0].count || j < lists[1].count) {
        const bool left = j == lists[1].count || (i < lists[0].count && a[i].bet <= b[j].bet);
        const bool right = i == lists[0].count || (j < lists[1].count && b[j].bet <= a[i].bet);
        if (!left || !right || !same_bet(&a[i], &b[j])) {
            diff->bets_different += 1;
            options->bet(options->context, left ? &a[i] : NULL, right ? &b[j] : NULL);
        }
        i += left ? 1 : 0;
        j += right ? 1 : 0;
    }
}

static enum status compare(const struct state_diff_options *options, struct applier *appliers[2],
                           struct state_diff *diff)
{
    struct rows accounts[2];
    struct rows bets[2];
    bool failed = false;
    for (int i = 0; i < 2; i++) {
        const struct machine *machine = applier_machine(appliers[i]);
        machine_market(machine, &diff->markets[i]);
        const struct config *config = machine_config(machine);
        if (config != NULL) {
            memcpy(diff->names[i], config->market, sizeof diff->names[i]);
        }
        memcpy(diff->digests[i], applier_digest(appliers[i]), HASH_BYTES);
        accounts[i] = (struct rows){.row_bytes = sizeof(struct account_row)};
        bets[i] = (struct rows){.row_bytes = sizeof(struct bet)};
        machine_each_account(machine, &accounts[i], add_account);
        machine_each_open_bet(machine, &bets[i], add_bet);
        if (accounts[i].count > 0) {
            qsort(accounts[i].bytes, accounts[i].count, accounts[i].row_bytes, by_address);
        }
        failed = failed || accounts[i].failed || bets[i].failed;
    }
    if (!failed) {
        compare_accounts(options, accounts, diff);
        compare_bets(options, bets, diff);
    }
    for (int i = 0; i < 2; i++) {
        free(accounts[i].bytes);
        free(bets[i].bytes);
    }
    return failed ? STATUS_NO_MEMORY : STATUS_OK;
}

/* --- Two states from one beginning.
 * --------------------------------------------------------------- */

static void add_bytes(void *context, const uint8_t *bytes, size_t count)
{
    struct rows *rows = context;
    if (rows->room - rows->count < count && !rows->failed) {
        const size_t room = 2 * rows->room + count;
        uint8_t *grown = realloc(rows->bytes, room);
        rows->failed = grown == NULL;
        if (grown != NULL) {
            rows->bytes = grown;
            rows->room = room;
        }
    }
    if (!rows->failed) {
        memcpy(rows->bytes + rows->count, bytes, count);
        rows->count += count;
    }
}

/* A second applier that stands where the first one does. */
static enum status twin(const struct applier *applier, struct applier **made)
{
    if (applier_seq(applier) == 0) {
        return applier_open(NULL, made);
    }
    struct rows snapshot = {.row_bytes = 1};
    machine_snapshot(applier_machine(applier), &snapshot, add_bytes);
    const enum status status =
        snapshot.failed
            ? STATUS_NO_MEMORY
            : applier_restore(NULL, snapshot.bytes, snapshot.count, applier_digest(applier), made);
    free(snapshot.bytes);
    return status;
}

static enum status go_on(const char *data_dir, const struct state_diff_options *options,
                         uint64_t to_seq, struct applier *applier, uint64_t *attests_wrong,
                         struct state_diff *diff)
{
    const struct replay_options replay = {
        .disk = options->disk,
        .to_seq = to_seq,
        .mismatch_goes_on = true,
        .progress_context = options->progress_context,
        .progress = options->progress,
    };
    struct replay_result result;
    const enum status status = replay_run(applier, data_dir, &replay, &result);
    *attests_wrong += result.mismatches;
    if (status != STATUS_OK) {
        snprintf(diff->problem, sizeof diff->problem, "%s", result.problem);
    }
    return status;
}

enum status state_diff_run(const char *const data_dirs[2], const struct state_diff_options *options,
                           struct state_diff *diff)
{
    *diff = (struct state_diff){0};
    struct applier *appliers[2] = {NULL, NULL};
    enum status status = applier_open(NULL, &appliers[0]);
    if (status == STATUS_OK && options->common_seq > 0) {
        status = go_on(data_dirs[0], options, options->common_seq, appliers[0],
                       &diff->attests_wrong[0], diff);
        diff->attests_wrong[1] = diff->attests_wrong[0];
    }
    if (status == STATUS_OK) {
        status = twin(appliers[0], &appliers[1]);
    }
    for (int i = 0; status == STATUS_OK && i < 2; i++) {
        status = go_on(data_dirs[i], options, 0, appliers[i], &diff->attests_wrong[i], diff);
    }
    if (status == STATUS_OK) {
        status = compare(options, appliers, diff);
    }
    applier_free(appliers[0]);
    applier_free(appliers[1]);
    return status;
}
