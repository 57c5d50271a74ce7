/* Refusals as the outside sees them (interface.md section 3): code, HTTP status, id, retry advice
 * and a plain message that says what to do. The same object over HTTP and WebSocket. Filled by
 * whoever detects the refusal, rendered once by the answer. */
#ifndef TAPLINE_INGRESS_REFUSAL_H
#define TAPLINE_INGRESS_REFUSAL_H

#include <stdint.h>

#include "statemachine/reason.h"

struct json; /* base/json.h */

/* Name, HTTP status, id, retry. The ids are never reused. */
#define REFUSAL_LIST(X)                                                                            \
    X(BAD_REQUEST, 400, 1001, NEVER)                                                               \
    X(BAD_SIGNATURE, 401, 1002, NEVER)                                                             \
    X(SIGNER_UNSUPPORTED, 422, 1003, NEVER)                                                        \
    X(TIME_SKEW, 400, 1004, NEW_QUOTE)                                                             \
    X(NONCE_REUSED, 409, 1005, NEVER)                                                              \
    X(SESSION_EXPIRED, 401, 1006, NEVER)                                                           \
    X(SESSION_SCOPE, 403, 1007, NEVER)                                                             \
    X(NOT_FOUND, 404, 1008, NEVER)                                                                 \
    X(RATE_LIMITED, 429, 1009, SAME)                                                               \
    X(INSUFFICIENT_FUNDS, 402, 1201, NEVER)                                                        \
    X(LIMIT, 422, 1202, NEVER)                                                                     \
    X(CELL_CLOSED, 409, 1203, NEW_QUOTE)                                                           \
    X(CELL_TAKEN, 409, 1204, NEVER)                                                                \
    X(TOO_LATE, 409, 1205, NEW_QUOTE)                                                              \
    X(TOO_EARLY, 409, 1206, NEW_QUOTE)                                                             \
    X(PRICE_MOVED, 409, 1207, NEW_QUOTE)                                                           \
    X(NO_PRICE, 409, 1208, NEW_QUOTE)                                                              \
    X(BREAKER, 409, 1209, NEW_QUOTE)                                                               \
    X(EXPOSURE, 409, 1210, NEW_QUOTE)                                                              \
    X(CONFIG_CHANGED, 409, 1211, NEW_QUOTE)                                                        \
    X(OVERLOADED, 503, 1301, SAME)                                                                 \
    X(DRAINING, 503, 1302, SAME)                                                                   \
    X(INTERNAL, 500, 1303, SAME)

enum refusal_code {
#define X(name, http, id, retry) REFUSAL_##name = id,
    REFUSAL_LIST(X)
#undef X
};

#define REFUSAL_MESSAGE_BYTES 192

/* A code and the message for this case; "" means the code's own message. */
struct refusal {
    enum refusal_code code;
    char message[REFUSAL_MESSAGE_BYTES];
};

/* What some errors carry besides; a field of 0 is left out. */
struct refusal_extras {
    int64_t time_ms; /* TIME_SKEW: the server's time */
    int64_t
        retry_after_ms; /* RATE_LIMITED, OVERLOADED; the header is refusal_retry_after_s of it */
    uint64_t bet;       /* journaled as a rejected bet, the nonce is used */
    uint64_t seq;
};

/* Sets the code and a message as by printf, cut at REFUSAL_MESSAGE_BYTES. Format NULL: the code's
 * own. */
void refusal_set(struct refusal *refusal, enum refusal_code code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* "PRICE_MOVED"; 1207 is the enum itself. */
const char *refusal_name(enum refusal_code code);

/* The code's HTTP status. BAD_REQUEST is 400 here; 403, 405, 411, 413, 415 and 431 are the choice
 * of the HTTP front, which knows the cause. */
unsigned refusal_http_status(enum refusal_code code);

/* "same", "new_quote", "never". */
const char *refusal_retry(enum refusal_code code);

/* The plain message of the code: what happened and what to do. */
const char *refusal_message(enum refusal_code code);

/* The value of the Retry-After header: whole seconds, rounded up, at least 1. */
int64_t refusal_retry_after_s(int64_t retry_after_ms);

/* The code of a refusal by the state machine. Reasons that are never a refusal (NONE and those of a
 * void alone) give INTERNAL. */
enum refusal_code refusal_of_reason(enum reason reason);

/* Appends the value of "error": {"code","id","message","retry", and the extras that are not 0}.
 * `message` NULL or "" means the code's own; `extras` may be NULL. */
void refusal_json_value(struct json *json, enum refusal_code code, const char *message,
                        const struct refusal_extras *extras);

/* Appends the whole object, {"error":{...}}: the body of an HTTP answer. */
void refusal_json(struct json *json, enum refusal_code code, const char *message,
                  const struct refusal_extras *extras);

#endif
