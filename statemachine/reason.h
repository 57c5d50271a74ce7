/* Why a bet or another input was refused, or a bet or column became void. The names are the codes
 * of the outside interface (interface.md section 3, rules.md sections 6 to 8); the numbers stand in
 * digests and snapshots and are never reused. */
#ifndef TAPLINE_STATEMACHINE_REASON_H
#define TAPLINE_STATEMACHINE_REASON_H

#define REASON_LIST(X)                                                                             \
    X(NONE, 0)                                                                                     \
    X(BAD_REQUEST, 1)                                                                              \
    X(TIME_SKEW, 4)                                                                                \
    X(NONCE_REUSED, 5)                                                                             \
    X(SESSION_EXPIRED, 6)                                                                          \
    X(SESSION_SCOPE, 7)                                                                            \
    X(NOT_FOUND, 8)                                                                                \
    X(INSUFFICIENT_FUNDS, 21)                                                                      \
    X(LIMIT, 22)                                                                                   \
    X(CELL_CLOSED, 23)                                                                             \
    X(CELL_TAKEN, 24)                                                                              \
    X(TOO_LATE, 25)                                                                                \
    X(TOO_EARLY, 26)                                                                               \
    X(PRICE_MOVED, 27)                                                                             \
    X(NO_PRICE, 28)                                                                                \
    X(BREAKER, 29) /* a refusal, and a void */                                                     \
    X(EXPOSURE, 30)                                                                                \
    X(CONFIG_CHANGED, 31)                                                                          \
    X(OVERLOADED, 41)  /* a table of the state machine is full */                                  \
    X(DOWN, 61)        /* void */                                                                  \
    X(NO_TICKS, 62)    /* void */                                                                  \
    X(SOURCE_JUMP, 63) /* void */

enum reason {
#define X(name, number) REASON_##name = number,
    REASON_LIST(X)
#undef X
};

/* "PRICE_MOVED" and so on; "NONE" for REASON_NONE. */
const char *reason_text(enum reason reason);

#endif
