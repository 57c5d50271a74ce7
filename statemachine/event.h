/* What leaves the state machine: events (what happened) and postings (which money moved), in the
 * order of the rules' steps. Projections are functions of this stream alone. Within one bet's step
 * the postings come first, then the event. All pointers are borrowed and live for the call. */
#ifndef TAPLINE_STATEMACHINE_EVENT_H
#define TAPLINE_STATEMACHINE_EVENT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/units.h"
#include "statemachine/config.h"
#include "statemachine/reason.h"

#define SETTLEMENT_TICKS 5 /* T-4 ticks .. T */

enum bet_state {
    BET_ACCEPTED = 1,
    BET_CONFIRMED = 2,
    BET_REJECTED = 3,
    BET_WON = 4,
    BET_LOST = 5,
    BET_VOID = 6,
};

enum breaker_state {
    BREAKER_HEALTHY = 0,
    BREAKER_DEGRADED = 1,
    BREAKER_CRITICAL = 2
};

/* A bet as the outside sees it (interface.md section 3). A field that does not apply yet is 0;
 * times and seqs are never 0 once they apply. A bet refused in its own step has accepted_* 0 and
 * priced_* set to that step. */
struct bet {
    uint64_t bet;     /* id = seq of its tap */
    uint64_t user_id; /* 0 when the account is unknown */
    uint8_t account[ADDRESS_BYTES];
    uint8_t nonce[NONCE_BYTES];
    int64_t column_ms;
    int64_t band;
    int64_t lo_e4; /* [lo, hi) by the W of its column; both saturate at INT64_MAX */
    int64_t hi_e4;
    int64_t stake_micro;
    int64_t min_mult_centi;
    int64_t config;
    uint64_t session;
    enum bet_state state;
    enum reason reason; /* of a rejection or void, else NONE */
    uint32_t mult_centi;
    int64_t payout_micro; /* what it pays if it wins, from confirmed on */
    int64_t paid_micro;   /* what came back in the end */
    int64_t accepted_at_ms;
    uint64_t accepted_seq;
    int64_t priced_at_ms;
    uint64_t priced_seq;
    int64_t tick_ms; /* time and index of the pricing tick */
    int64_t price_e4;
    int64_t settled_at_ms;
    uint64_t settled_seq;
    int64_t settle_price_e4; /* 0 when void without a price */
};

/* One of a column's five ticks; price 0 where invalid or missing. */
struct settlement_tick {
    int64_t time_ms;
    int64_t price_e4;
    uint32_t sources;
    uint32_t set;
};

/* A settled or void column (GET /v1/columns/{T}). */
struct column_result {
    int64_t column_ms;
    int64_t band_e4;
    bool is_void;
    enum reason reason;                             /* of the void */
    int64_t price_e4;                               /* 0 when void without a price */
    int64_t band;                                   /* of the price, meaningful when price_e4 > 0 */
    struct settlement_tick ticks[SETTLEMENT_TICKS]; /* T-800 .. T */
    int64_t bets;
    int64_t stakes_micro;
    int64_t paid_micro; /* to players */
};

enum event_kind {
    EVENT_CONFIG = 1,            /* of.config: an epoch came into force */
    EVENT_CONFIG_REFUSED = 2,    /* of.refusal */
    EVENT_ACCOUNT_OPENED = 3,    /* of.account */
    EVENT_TRANSFER_APPLIED = 4,  /* of.transfer */
    EVENT_TRANSFER_REPEATED = 5, /* of.transfer: same reference, same content, no effect */
    EVENT_TRANSFER_REFUSED = 6,  /* of.transfer, with its reason */
    EVENT_TAP_REFUSED = 7,       /* of.tap: no bet was made */
    EVENT_TAP_REPEATED = 8,      /* of.tap: its bet field names the first */
    EVENT_BET_ACCEPTED = 9,      /* of.bet */
    EVENT_BET_CONFIRMED = 10,    /* of.bet */
    EVENT_BET_REJECTED = 11,     /* of.bet; in its own step when accepted_seq is 0 */
    EVENT_BET_SETTLED = 12,      /* of.bet: won, lost or void */
    EVENT_COLUMN_SETTLED = 13,   /* of.column, after its bets */
    EVENT_TICK = 14,             /* of.tick: a grid record took effect */
    EVENT_TICK_IGNORED = 15,     /* of.tick: off the grid, not later, or ahead of engine time */
    EVENT_BREAKER = 16,          /* of.breaker: its state changed */
    EVENT_START = 17,            /* a process began; no fields */
    EVENT_RULES = 18,            /* of.rules: another rules version came into force */
    EVENT_RULES_REFUSED = 19,    /* of.refusal: not above the version in force */
    EVENT_RECOVERY = 20,         /* of.recovery: what followed kept_to is lost */
};

struct event {
    enum event_kind kind;
    union {
        struct {
            uint64_t epoch;
            int64_t band_e4_from; /* first column of the W in force, see rules.md section 2 */
            int64_t band_e4_before;
            const struct config *config;
        } config;
        struct {
            enum reason reason;
            const char *problem; /* one line, static */
        } refusal;
        struct {
            uint64_t user_id;
            const uint8_t *address;
        } account;
        struct {
            uint64_t first_seq; /* the record that applied it: this one, or the earlier one */
            enum reason reason;
        } transfer;
        struct {
            const uint8_t *account;
            const uint8_t *nonce;
            uint64_t bet; /* REPEATED: the first bet */
            enum reason reason;
        } tap;
        const struct bet *bet;
        const struct column_result *column;
        struct {
            int64_t grid_ms;
            int64_t price_e4; /* 0: no valid price */
            int64_t spread_e4;
            uint32_t sources;
            uint32_t set;
        } tick;
        struct {
            enum breaker_state from;
            enum breaker_state to;
        } breaker;
        struct {
            uint64_t kept_to;
            uint64_t lost_to; /* 0: unknown */
        } recovery;
        struct {
            uint32_t from;
            uint32_t to;
        } rules;
    } of;
};

enum ledger_account {
    LEDGER_AVAILABLE = 1, /* of a user */
    LEDGER_HELD = 2,      /* of a user */
    LEDGER_ESCROW = 3,    /* of a column */
    LEDGER_RESERVED = 4,  /* of a column */
    LEDGER_BANKROLL = 5,
    LEDGER_EXTERNAL = 6,
};

enum ref_type {
    REF_DEPOSIT = 1,
    REF_WITHDRAWAL = 2,
    REF_HOUSE_DEPOSIT = 3,
    REF_HOUSE_WITHDRAWAL = 4,
    REF_GOODWILL = 5,
    REF_BET_HOLD = 6,
    REF_BET_RELEASE = 7,
    REF_BET_CONFIRM = 8,
    REF_BET_WIN = 9,
    REF_BET_VOID = 10,
    REF_COLUMN = 11,
};

/* One line of the double-entry ledger (rules.md section 7). The postings of a record sum to zero;
 * zero amounts are left out. */
struct posting {
    uint32_t line; /* counts the postings of the record from 0 */
    enum ledger_account account;
    uint64_t user_id;       /* AVAILABLE, HELD */
    const uint8_t *address; /* AVAILABLE, HELD */
    int64_t column_ms;      /* ESCROW, RESERVED */
    int64_t amount_micro;
    int64_t balance_after_micro; /* of that account */
    enum ref_type ref_type;
    const char *reference; /* transfers: the external reference, reference_length bytes */
    uint32_t reference_length;
    uint64_t ref_id; /* bets: the bet; COLUMN: T; 0 for transfers */
};

/* Where the state machine tells what it did. Both are called during machine_apply only. */
struct event_sink {
    void *context;
    void (*event)(void *context, const struct event *event);
    void (*posting)(void *context, const struct posting *posting);
};

/* "BET_HOLD"; "accepted", "won"; "HEALTHY": the words of the outside interface. */
const char *ref_type_text(enum ref_type type);
const char *bet_state_text(enum bet_state state);
const char *breaker_state_text(enum breaker_state state);

#endif
