#include "statemachine/tap.h"

#include <string.h>

#include "statemachine/bet.h"
#include "statemachine/ledger.h"
#include "statemachine/odds.h"
#include "statemachine/pricing.h"
#include "statemachine/saturate.h"

static bool names_market(const struct config *config, const struct tap *tap)
{
    const size_t length = tap->market.length;
    return length > 0 && length <= LIMIT_MARKET_BYTES &&
           memcmp(tap->market.text, config->market, length) == 0 && config->market[length] == '\0';
}

/* HEALTHY alone is not enough: without any grid record the breaker cannot see the feed age. */
bool tap_is_open(const struct machine *machine, int64_t time_ms)
{
    return machine->breaker.state == BREAKER_HEALTHY &&
           saturating_subtract(time_ms, machine->breaker.last_ms) <= machine->config.degraded_ms &&
           machine->volatility.samples >= machine->config.vol_warmup;
}

/* Steps (b) to (h), in their order; the first that fails gives the reason. */
static enum reason refusal(const struct machine *machine, const struct tap *tap, uint32_t user_id,
                           int64_t time_ms)
{
    const struct config *config = &machine->config;
    const struct account *account = &machine->accounts.records[user_id]; /* 0: an empty one */
    if (tap->config < 0 || (uint64_t)tap->config != machine->epoch) {
        return REASON_CONFIG_CHANGED;
    }
    if (tap->session != 0) {
        return REASON_SESSION_EXPIRED; /* no session is ever granted by these rules */
    }
    if (tap->stake_micro < config->stake_min || tap->stake_micro > config->stake_max ||
        tap->min_mult_centi > ODDS_MULT_MAX_CENTI || account->open_bets >= config->open_bets_max) {
        return REASON_LIMIT;
    }
    if (!names_market(config, tap) || tap->column_ms % config->column_ms != 0) {
        return REASON_CELL_CLOSED;
    }
    if (saturating_subtract(tap->column_ms, time_ms) < config->min_lead_ms) {
        return REASON_TOO_LATE;
    }
    if (tap->column_ms > grid_last_offered(config, time_ms)) {
        return REASON_TOO_EARLY;
    }
    if (!tap_is_open(machine, time_ms)) {
        return REASON_BREAKER;
    }
    if (positions_taken(&machine->positions, user_id, tap->column_ms, tap->band)) {
        return REASON_CELL_TAKEN;
    }
    return account->available_micro >= tap->stake_micro ? REASON_NONE : REASON_INSUFFICIENT_FUNDS;
}

/* Step (a): what needs no bet. The capacities come last here, so that a tap refused OVERLOADED has
 * not used its nonce and may be sent again. */
static enum reason early_refusal(const struct machine *machine, const struct tap *tap,
                                 int64_t time_ms)
{
    if (saturating_subtract(time_ms, tap->message_ms) > LIMIT_TAP_AGE_MS ||
        saturating_subtract(tap->message_ms, time_ms) > LIMIT_TAP_AHEAD_MS) {
        return REASON_TIME_SKEW;
    }
    if (nonces_full(&machine->nonces, time_ms) || positions_full(&machine->positions)) {
        return REASON_OVERLOADED;
    }
    return REASON_NONE;
}

static void tell_without_bet(struct step *step, const struct tap *tap, enum event_kind kind,
                             uint64_t bet, enum reason reason)
{
    const struct event event = {
        .kind = kind,
        .of.tap = {.account = tap->account, .nonce = tap->nonce, .bet = bet, .reason = reason},
    };
    step_event(step, &event);
}

static void tell_refused(struct step *step, const struct tap *tap, uint32_t user_id,
                         enum reason reason)
{
    struct bet bet;
    bet_describe_refused(step, tap, user_id, reason, &bet);
    const struct event event = {.kind = EVENT_BET_REJECTED, .of.bet = &bet};
    step_event(step, &event);
}

static void accept(struct step *step, const struct tap *tap, uint32_t user_id)
{
    struct machine *machine = step->machine;
    struct position position = {
        .bet = step->seq,
        .config = machine->epoch,
        .column_ms = tap->column_ms,
        .band = tap->band,
        .stake_micro = tap->stake_micro,
        .min_mult_centi = tap->min_mult_centi,
        .accepted_at_ms = step->time_ms,
        .user_id = user_id,
    };
    memcpy(position.nonce, tap->nonce, NONCE_BYTES);
    const uint32_t number =
        positions_accept(&machine->positions, &machine->accounts.records[user_id], &position);

    const struct ledger_ref ref = {.type = REF_BET_HOLD, .id = step->seq};
    ledger_post_available(step, user_id, -tap->stake_micro, &ref);
    ledger_post_held(step, user_id, tap->stake_micro, &ref);

    struct bet bet;
    bet_describe(machine, &machine->positions.records[number], &bet);
    const struct event event = {.kind = EVENT_BET_ACCEPTED, .of.bet = &bet};
    step_event(step, &event);

    if (machine->config.pricing_delay_ms == 0) {
        pricing_at_once(step, number);
    }
}

void tap_apply(struct step *step, const struct tap *tap)
{
    struct machine *machine = step->machine;
    if (machine->epoch == 0) {
        tell_without_bet(step, tap, EVENT_TAP_REFUSED, 0, REASON_NOT_FOUND);
        return;
    }
    /* The last grid record may be long ago: a nonce whose time is past must not be in the way. */
    nonces_expire(&machine->nonces, step->time_ms);
    const struct nonce *known = nonces_find(&machine->nonces, tap, step->time_ms);
    if (known != NULL && nonce_same_text(known, tap)) {
        tell_without_bet(step, tap, EVENT_TAP_REPEATED, known->bet, REASON_NONE);
        return;
    }
    const enum reason early =
        known != NULL ? REASON_NONCE_REUSED : early_refusal(machine, tap, step->time_ms);
    if (early != REASON_NONE) {
        tell_without_bet(step, tap, EVENT_TAP_REFUSED, 0, early);
        return;
    }
    nonces_use(&machine->nonces, tap, step->seq);
    const uint32_t user_id = accounts_find(&machine->accounts, tap->account);
    const enum reason reason = refusal(machine, tap, user_id, step->time_ms);
    if (reason != REASON_NONE) {
        tell_refused(step, tap, user_id, reason);
        return;
    }
    accept(step, tap, user_id);
}

struct tap_check machine_check_tap(const struct machine *machine, const struct tap *tap,
                                   int64_t now_ms, bool known_nonce_only)
{
    struct tap_check check = {.outcome = TAP_WOULD_BET};
    const struct nonce *known =
        machine->epoch == 0 ? NULL : nonces_find(&machine->nonces, tap, now_ms);
    if (known != NULL && nonce_same_text(known, tap)) {
        check.outcome = TAP_REPEATED;
        check.bet = known->bet;
        return check;
    }
    if (known != NULL) {
        check.reason = REASON_NONCE_REUSED;
    } else if (!known_nonce_only) {
        check.reason = machine->epoch == 0 ? REASON_NOT_FOUND : early_refusal(machine, tap, now_ms);
        if (check.reason == REASON_NONE) {
            const uint32_t user_id = accounts_find(&machine->accounts, tap->account);
            check.reason = refusal(machine, tap, user_id, now_ms);
        }
    }
    if (check.reason != REASON_NONE) {
        check.outcome = TAP_REFUSED;
    }
    return check;
}
