/* Replay protection (rules.md section 8): the nonces that are used and may still be shown again,
 * kept until their message's time + 90 s of engine time, inclusive. Key = (account, nonce). */
#ifndef TAPLINE_STATEMACHINE_NONCE_H
#define TAPLINE_STATEMACHINE_NONCE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/limits.h"
#include "statemachine/input.h"
#include "statemachine/mix.h"
#include "statemachine/table.h"

struct nonce {
    uint8_t account[ADDRESS_BYTES];
    uint8_t nonce[NONCE_BYTES];
    int64_t message_ms;
    uint64_t bet;      /* the first bet, accepted or rejected */
    struct mix digest; /* of the signed text */
};

/* How a nonce hangs in the lists, and its hash: all that its end touches, four of them a line. */
struct nonce_links {
    uint32_t previous; /* in the order of first use */
    uint32_t next;
    uint32_t same_ms; /* another one whose message has the same time; 0: none */
    uint32_t hash;    /* folded */
};

/* Nonces expire in the order of their messages' times. All live ones lie within this many ms: used
 * with a message of at most 30 s ago and 5 s ahead, dropped at the next use 90 s after it. */
#define NONCE_SPAN_MS ((int64_t)1 << 17)
_Static_assert(LIMIT_NONCE_KEPT_MS + LIMIT_TAP_AHEAD_MS < NONCE_SPAN_MS, "and they do");

struct nonces {
    struct nonce *records;     /* from 1 */
    struct nonce_links *links; /* of the records; free ones are chained by next */
    uint32_t *by_time; /* NONCE_SPAN_MS chains of same_ms, by message_ms modulo their count */
    int64_t first_ms;  /* no live one's message is earlier; meaningful while count > 0 */
    int64_t last_ms;   /* nor later */
    uint32_t capacity;
    uint32_t limit; /* in force: at this count the rules refuse */
    uint32_t count;
    uint32_t used;
    uint32_t first_free;
    uint32_t first; /* in the order of first use */
    uint32_t last;
    struct table by_key;
};

/* The entry of a tap's nonce that is live at engine time t, NULL when it is not known. */
const struct nonce *nonces_find(const struct nonces *nonces, const struct tap *tap,
                                int64_t time_ms);

/* True when the tap has the bytes that the entry was made of: origin, account, market, column,
 * band, stake, min_mult, config, nonce, time. Never the signature. */
bool nonce_same_text(const struct nonce *nonce, const struct tap *tap);

/* True when no nonce can be remembered at engine time t, even after those past were dropped. */
bool nonces_full(const struct nonces *nonces, int64_t time_ms);

/* Remembers a nonce that is not known; the table must not be full. */
void nonces_use(struct nonces *nonces, const struct tap *tap, uint64_t bet);

/* The same from stored fields, for the snapshot; nonces_fit must hold. */
void nonces_put(struct nonces *nonces, const struct nonce *entry);

/* True when a message of this time lies within NONCE_SPAN_MS with all that are live. */
bool nonces_fit(const struct nonces *nonces, int64_t message_ms);

/* Drops all whose time is past at engine time t; costs what it drops. */
void nonces_expire(struct nonces *nonces, int64_t time_ms);

/* Asks the processor for what nonces_find of this tap will look at; changes nothing. */
void nonces_prefetch(const struct nonces *nonces, const struct tap *tap);

/* NULL when the tables agree with each other, else what does not. */
const char *nonces_problem(const struct nonces *nonces);

#endif
