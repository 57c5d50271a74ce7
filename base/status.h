/* The operating errors: what a disk, a network or bytes from outside can cause. Detected once,
 * described once (to stderr or the caller's error text), passed up unchanged. On error the outputs
 * of a function are untouched and ownership is unchanged. Refusals of bets are not statuses, see
 * statemachine/reason.h. */
#ifndef TAPLINE_BASE_STATUS_H
#define TAPLINE_BASE_STATUS_H

#define STATUS_LIST(X)                                                                             \
    X(STATUS_OK, "ok")                                                                             \
    X(STATUS_END, "no more data")                                                                  \
    X(STATUS_INVALID, "input is not well formed")                                                  \
    X(STATUS_USAGE, "wrong usage or configuration")                                                \
    X(STATUS_NOT_FOUND, "not found")                                                               \
    X(STATUS_IN_USE, "in use by another process")                                                  \
    X(STATUS_IO, "input/output error")                                                             \
    X(STATUS_NO_SPACE, "no space left")                                                            \
    X(STATUS_NO_MEMORY, "no memory left")                                                          \
    X(STATUS_DAMAGED, "data is damaged")                                                           \
    X(STATUS_LOST_TAIL, "data is shorter than its witnesses say")                                  \
    X(STATUS_VERSION, "unknown format or rules version")                                           \
    X(STATUS_MISMATCH, "recomputed value differs from the recorded one")                           \
    X(STATUS_FULL, "a bounded queue or table is full")                                             \
    X(STATUS_CLOSED, "closed")

enum status {
#define X(name, text) name,
    STATUS_LIST(X)
#undef X
};

#define MUST_USE __attribute__((warn_unused_result))

/* The words above; never NULL. */
const char *status_text(enum status status);

#endif
