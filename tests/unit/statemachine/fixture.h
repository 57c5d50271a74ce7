/* A small machine with a script of inputs and a readable record of what came out, for the tests of
 * the state machine. Each line of the record is one event or posting:
 *
 *     post available:1 -1000000 =9000000 BET_HOLD 7
 *     accepted 7
 *
 * Every fixture_* input goes to the machine with the next seq at fixture->time_ms and leaves its
 * own lines in fixture->text; after each one all invariants are checked. */
#ifndef TAPLINE_TESTS_UNIT_STATEMACHINE_FIXTURE_H
#define TAPLINE_TESTS_UNIT_STATEMACHINE_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "statemachine/machine.h"

#define FIXTURE_TEXT_BYTES ((size_t)1 << 20)
#define FIXTURE_SOURCES    2
#define FIXTURE_SET        3

struct fixture {
    struct machine_limits limits; /* of the arena */
    struct machine *machine;
    int64_t time_ms;
    uint64_t seq;                /* of the last input */
    struct bet bet;              /* of the last bet event */
    struct column_result column; /* of the last column event */
    bool ticks_told;             /* record ticks too; off by default */
    bool unchecked;              /* leave the invariants to the caller */
    char *text;                  /* lines of the last input */
    size_t length;
    uint32_t lines;       /* postings of the last input, which must count from 0 */
    int64_t sum_micro;    /* and sum to zero */
    uint64_t fingerprint; /* of all lines of all inputs */
};

/* A machine with room for 100 accounts, 200 bets, 300 nonces and 200 transfers, without any input
 * yet. The limits in force are the defaults, whatever there is room for. */
struct fixture *fixture_new(void);
struct fixture *fixture_new_limits(const struct machine_limits *limits);
void fixture_free(struct fixture *fixture);

/* The same, after a Config record at time 1,000,000 with these keys over the defaults:
 * "bands=3,..." (vol_warmup is 0 unless given) and a house deposit of 1,000 USD; NULL for none. */
struct fixture *fixture_open(const char *keys);

void fixture_config(struct fixture *fixture, const char *keys);

/* A Start record that puts these limits in force, and a RulesChange record. */
void fixture_start(struct fixture *fixture, const struct machine_limits *limits);
void fixture_rules(struct fixture *fixture, uint32_t version);

/* Grid records at their own grid time; engine time becomes at least that. */
void fixture_tick(struct fixture *fixture, int64_t grid_ms, int64_t price_e4);
void fixture_tick_set(struct fixture *fixture, int64_t grid_ms, int64_t price_e4, uint32_t set);
void fixture_clock(struct fixture *fixture, int64_t grid_ms);

/* Valid ticks at one price on every grid point of (from, to]. */
void fixture_ticks(struct fixture *fixture, int64_t from_ms, int64_t to_ms, int64_t price_e4);

/* Ticks at the price from time_ms + 200 on until the breaker is HEALTHY. */
void fixture_warm_up(struct fixture *fixture, int64_t price_e4);

/* A market that takes bets: fixture_open, 10 USD for each of players 1 to 3 (seq 3 to 5), and 26
 * ticks at 61,710 USD, the middle of band 3085, up to time 1,005,200. The next seq is 32. Four
 * samples of no move have brought the variances to 274,569,393,753 (fast) and 309,320,724,964
 * (slow). On offer are the columns 1,010,000 .. 1,065,000, the first that is not too late is
 * 1,015,000. */
struct fixture *fixture_market(const char *keys);
#define FIXTURE_PRICE_E4 617100000
#define FIXTURE_BAND     3085

/* The address of player 1, 2, ... and a new tap of his: nonce counted, time and config those of
 * now, min_mult 0, stake 1 USD. Texts point to constants. */
void fixture_address(unsigned player, uint8_t *address);
struct tap fixture_tap(struct fixture *fixture, unsigned player, int64_t column_ms, int64_t band);
void fixture_apply_tap(struct fixture *fixture, const struct tap *tap);

/* A transfer with a reference text; player 0 for the house kinds. */
void fixture_transfer(struct fixture *fixture, enum input_kind kind, unsigned player,
                      int64_t amount_micro, const char *reference);
/* With a reference made up. */
void fixture_deposit(struct fixture *fixture, unsigned player, int64_t amount_micro);

/* Any input; seq is set here, and time_ms when it is 0. */
void fixture_apply(struct fixture *fixture, struct input *input);

/* Fails with both texts when the last input's lines differ. */
#define fixture_expect(fixture, expected) assert_string_equal((fixture)->text, expected)

/* The snapshot's bytes; the caller frees them. */
uint8_t *fixture_snapshot(const struct fixture *fixture, size_t *count);

/* A fixture that goes on from snapshot bytes with the same script state. */
struct fixture *fixture_restore(const struct fixture *from, const uint8_t *bytes, size_t count);

#endif
