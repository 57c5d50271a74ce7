#include "replay/tally.h"

#include <math.h>

#include "base/check.h"
#include "base/units.h"
#include "statemachine/odds.h"
#include "statemachine/saturate.h"

static const int64_t bucket_from[TALLY_BUCKETS + 1] = {
    ODDS_MULT_MIN_CENTI, 125, 150, 200, 300, 500, 1000, 2000, ODDS_MULT_MAX_CENTI + 1,
};

int64_t tally_bucket_from_centi(int bucket)
{
    CHECK(bucket >= 0 && bucket <= TALLY_BUCKETS);
    return bucket_from[bucket];
}

static struct tally_bucket *bucket_of(struct tally *tally, int64_t mult_centi)
{
    int bucket = 0;
    while (bucket + 1 < TALLY_BUCKETS && mult_centi >= bucket_from[bucket + 1]) {
        bucket += 1;
    }
    return &tally->buckets[bucket];
}

static bool is_counted(const struct tally *tally, uint64_t seq)
{
    return tally->first_seq != 0 && seq >= tally->first_seq && seq <= tally->last_seq;
}

void tally_tap(struct tally *tally, uint64_t seq)
{
    if (is_counted(tally, seq)) {
        tally->taps += 1;
        tally->offered += 1;
    }
}

static void count_rejected(struct tally *tally, enum reason reason)
{
    CHECK((unsigned)reason < TALLY_REASONS);
    tally->rejected += 1;
    tally->rejected_for[reason] += 1;
}

static void add_settled(struct tally_bucket *bucket, const struct bet *bet)
{
    bucket->bets += 1;
    bucket->won += bet->state == BET_WON ? 1 : 0;
    bucket->column_stakes_micro = saturating_add(bucket->column_stakes_micro, bet->stake_micro);
    bucket->column_payouts_micro = saturating_add(bucket->column_payouts_micro, bet->paid_micro);
}

static void take_settled(struct tally *tally, const struct bet *bet)
{
    if (bet->state == BET_VOID) {
        CHECK((unsigned)bet->reason < TALLY_REASONS);
        tally->voided += 1;
        tally->void_for[bet->reason] += 1;
        tally->void_stakes_micro = saturating_add(tally->void_stakes_micro, bet->stake_micro);
        return;
    }
    tally->won += bet->state == BET_WON ? 1 : 0;
    tally->lost += bet->state == BET_LOST ? 1 : 0;
    tally->stakes_micro = saturating_add(tally->stakes_micro, bet->stake_micro);
    tally->payouts_micro = saturating_add(tally->payouts_micro, bet->paid_micro);
    add_settled(bucket_of(tally, bet->mult_centi), bet);
    add_settled(&tally->all, bet);
}

/* The bets of a column settle in one record, one after the other, and then the column is told. */
static void close_bucket(struct tally_bucket *bucket)
{
    const int64_t stakes = bucket->column_stakes_micro;
    const int64_t payouts = bucket->column_payouts_micro;
    if (stakes == 0) {
        return;
    }
    const unsigned __int128 s = (unsigned __int128)stakes;
    const unsigned __int128 p = (unsigned __int128)payouts;
    bucket->columns += 1;
    bucket->stakes_micro = saturating_add(bucket->stakes_micro, stakes);
    bucket->payouts_micro = saturating_add(bucket->payouts_micro, payouts);
    bucket->payouts_squared += p * p;
    bucket->payouts_stakes += p * s;
    bucket->stakes_squared += s * s;
    bucket->column_stakes_micro = 0;
    bucket->column_payouts_micro = 0;
}

static void take_column(struct tally *tally, int64_t column_ms)
{
    const struct tally_bucket *all = &tally->all;
    if (all->column_stakes_micro != 0) {
        const int64_t result = all->column_stakes_micro - all->column_payouts_micro;
        if (!tally->has_worst || result < tally->worst_result_micro) {
            tally->has_worst = true;
            tally->worst_column_ms = column_ms;
            tally->worst_result_micro = result;
        }
    }
    for (int i = 0; i < TALLY_BUCKETS; i++) {
        close_bucket(&tally->buckets[i]);
    }
    close_bucket(&tally->all);
}

static void take_bet(struct tally *tally, const struct event *event)
{
    const struct bet *bet = event->of.bet;
    if (!is_counted(tally, bet->bet)) {
        return;
    }
    if (event->kind == EVENT_BET_ACCEPTED) {
        tally->accepted += 1;
    } else if (event->kind == EVENT_BET_CONFIRMED) {
        tally->confirmed += 1;
    } else if (event->kind == EVENT_BET_REJECTED) {
        count_rejected(tally, bet->reason);
    } else {
        take_settled(tally, bet);
    }
}

void tally_event(struct tally *tally, const struct input *input, const struct event *event)
{
    /* Not a switch: what else the rules come to say has no part in these figures. */
    const enum event_kind kind = event->kind;
    if (kind == EVENT_BET_ACCEPTED || kind == EVENT_BET_CONFIRMED || kind == EVENT_BET_REJECTED ||
        kind == EVENT_BET_SETTLED) {
        take_bet(tally, event);
    } else if (kind == EVENT_COLUMN_SETTLED) {
        take_column(tally, event->of.column->column_ms);
    } else if (kind == EVENT_TRANSFER_REFUSED) {
        tally->transfers_refused += 1;
    } else if (kind == EVENT_TAP_REFUSED && is_counted(tally, input->seq)) {
        count_rejected(tally, event->of.tap.reason);
    } else if (kind == EVENT_TAP_REPEATED && is_counted(tally, input->seq)) {
        tally->repeated += 1;
        tally->offered -= 1;
    }
}

void tally_posting(struct tally *tally, const struct input *input, const struct posting *posting)
{
    if (posting->account != LEDGER_RESERVED) {
        return;
    }
    tally->reserved_micro = saturating_add(tally->reserved_micro, posting->amount_micro);
    if (is_counted(tally, input->seq) && tally->reserved_micro > tally->liability_micro) {
        tally->liability_micro = tally->reserved_micro;
        tally->liability_at_ms = input->time_ms;
    }
}

uint64_t tally_open(const struct tally *tally)
{
    return tally->offered - tally->rejected - tally->won - tally->lost - tally->voided;
}

int64_t tally_house_micro(const struct tally *tally)
{
    return saturating_subtract(tally->stakes_micro, tally->payouts_micro);
}

static int64_t in_bp(int64_t part, int64_t whole)
{
    return (int64_t)((__int128)part * BP_ONE / whole);
}

int64_t tally_rejected_bp(const struct tally *tally)
{
    return tally->offered == 0 ? 0 : in_bp((int64_t)tally->rejected, (int64_t)tally->offered);
}

struct tally_return tally_return_of(const struct tally_bucket *bucket)
{
    struct tally_return result = {0};
    if (bucket->stakes_micro == 0) {
        return result;
    }
    result.known = true;
    result.return_bp = in_bp(bucket->payouts_micro, bucket->stakes_micro);
    result.few = bucket->columns < TALLY_COLUMNS_MIN || bucket->won < TALLY_WINS_MIN;
    if (bucket->columns < 2) {
        return result;
    }
    const long double stakes = (long double)bucket->stakes_micro;
    const long double ratio = (long double)bucket->payouts_micro / stakes;
    const long double squares = (long double)bucket->payouts_squared -
                                2 * ratio * (long double)bucket->payouts_stakes +
                                ratio * ratio * (long double)bucket->stakes_squared;
    const long double n = (long double)bucket->columns;
    const long double error = squares > 0 ? sqrtl(squares * n / (n - 1)) / stakes : 0;
    const long double error_bp = 1.96L * error * BP_ONE + 0.5L;
    result.has_interval = true;
    result.error_bp = error_bp < 1e15L ? (int64_t)error_bp : (int64_t)1000000000000000;
    return result;
}
