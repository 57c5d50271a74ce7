/* What enters the state machine: one struct per journal record, already decoded. The codec of the
 * journal fills it, the sequencer makes it, nobody else. Everything uncertain (time, verdict of a
 * signature, index price, batch cut) is a field here, so that replay needs nothing else.
 *
 * Ownership: pointers are borrowed; they live until the next decode into the same buffer, and the
 * state machine keeps none of them. */
#ifndef TAPLINE_STATEMACHINE_INPUT_H
#define TAPLINE_STATEMACHINE_INPUT_H

#include <stddef.h>
#include <stdint.h>

#include "base/limits.h"
#include "base/units.h"
#include "statemachine/config.h"
#include "statemachine/reason.h"

/* The numbers stand in the journal (fields of Record in tapline.proto) and are never reused. */
enum input_kind {
    INPUT_CONFIG = 2,
    INPUT_PRICE_TICK = 3,
    INPUT_CLOCK_TICK = 4,
    INPUT_TAP = 5,
    INPUT_DEPOSIT = 6,
    INPUT_WITHDRAWAL = 7,
    INPUT_HOUSE_DEPOSIT = 8,
    INPUT_HOUSE_WITHDRAWAL = 9,
    INPUT_GOODWILL = 10,
    INPUT_ATTEST = 11,
    INPUT_START = 12,
    INPUT_RULES_CHANGE = 15,
    INPUT_RECOVERY = 16,
};

/* Text of a known length, not NUL terminated, borrowed. */
struct text_view {
    const char *text;
    size_t length;
};

/* A signed tap (interface.md section 2). Its signature was checked before it was sequenced. */
struct tap {
    uint8_t account[ADDRESS_BYTES];
    uint8_t nonce[NONCE_BYTES];
    struct text_view market;
    struct text_view origin;
    int64_t column_ms; /* 0..2^63-1, as signed, not checked against the grid */
    int64_t band;
    int64_t stake_micro;
    int64_t min_mult_centi;
    int64_t config;
    int64_t message_ms;       /* the player's `time` */
    uint64_t session;         /* 0: signed by the wallet */
    const uint8_t *signature; /* r || s || v, or Ed25519 */
    size_t signature_bytes;
};

/* One source's contribution to an index tick (rules.md section 3). */
struct quote {
    struct text_view name;
    int64_t price_e4;
    int64_t basis_e4;
};

/* A grid record with a price. The state machine uses grid_ms, price, sources, spread and set; the
 * quotes and m0 are there for whoever recomputes the index. */
struct price_tick {
    int64_t grid_ms;
    int64_t price_e4;
    int64_t spread_e4;
    int64_t m0_e4;
    uint32_t sources; /* number of sources in the index */
    uint32_t set;     /* their bit mask */
    size_t quote_count;
    struct quote quotes[LIMIT_SOURCES];
};

/* Money from or to the outside; `account` is unused for the house kinds. */
struct transfer {
    uint8_t account[ADDRESS_BYTES];
    int64_t amount_micro;
    struct text_view reference; /* any bytes and length decodes; a wrong one is refused */
    struct text_view operator_name;
    struct text_view note; /* goodwill only */
};

/* The digest of the state after record of_seq, as the writer computed it; no effect on the state.
 */
struct attest {
    uint64_t of_seq;
    uint8_t digest[HASH_BYTES];
};

/* Capacities. Reaching one is a refusal: accounts and transfers LIMIT, bets and nonces OVERLOADED.
 */
struct machine_limits {
    uint32_t accounts_max;
    uint32_t open_bets_max; /* accepted and confirmed, of all accounts */
    uint32_t nonces_max;    /* live at one time */
    uint32_t transfers_max; /* external references, kept for ever */
};

/* A process began. What a full table refuses is decided by its limits, so they are journal data. */
struct start {
    struct text_view version;     /* of the program */
    struct machine_limits limits; /* in force from this record on; 0: stays as it was */
};

/* The rules of the game from the next record on. */
struct rules_change {
    uint32_t version;
    struct text_view operator_name;
};

/* An operator took what was sound of a damaged journal into a new one, which goes on here; what
 * followed kept_to is lost. No effect on the state. */
struct recovery {
    uint64_t kept_to;         /* the last record that was kept; this one follows it */
    uint64_t lost_to;         /* the highest seq that anything had seen, 0: nothing had seen more */
    uint64_t epoch_before;    /* of the damaged journal */
    uint8_t root[HASH_BYTES]; /* tree head over records 1 .. kept_to, in both journals */
    int64_t made_ms;          /* the wall clock when it was done */
    struct text_view operator_name;
    struct text_view reason;
    struct text_view version; /* the program that did it */
};

struct input {
    uint64_t seq;    /* from 1, dense */
    int64_t time_ms; /* engine time, never decreases */
    enum input_kind kind;
    union {
        struct config_change config; /* INPUT_CONFIG */
        struct price_tick price_tick;
        int64_t clock_grid_ms; /* INPUT_CLOCK_TICK: the grid point */
        struct tap tap;
        struct transfer transfer; /* deposit, withdrawal, of the house, goodwill */
        struct attest attest;
        struct start start;
        struct rules_change rules_change;
        struct recovery recovery;
    } of;
};

#endif
