/* The newest outboxes of the replay at start, kept until its end. Only then is it known which
 * events are among the last HISTORY_EVENTS, and only they are worth rendering: a busy journal has
 * six events a bet, and rendering those of all records took longer than replaying them. */
#ifndef TAPLINE_TOOLS_SERVE_RECENT_H
#define TAPLINE_TOOLS_SERVE_RECENT_H

#include <stdint.h>

#include "base/status.h"
#include "projections/outbox.h"
#include "tools/serve/history.h"

/* Records whose events are kept, if they have no more than the history holds. A journal of 65,536
 * records with fewer events than that is an idle one, of hours. */
#define RECENT_RECORDS ((uint64_t)HISTORY_EVENTS)

struct recent_outbox;

struct recent {
    struct recent_outbox *oldest;
    struct recent_outbox *newest;
    uint64_t events; /* of all of them, at least */
};

/* Keeps a sealed outbox, the successor of the last one, with a reference of its own. Those that are
 * now too old go; `history` follows their balances. Errors: STATUS_NO_MEMORY. */
MUST_USE enum status recent_put(struct recent *recent, struct history *history,
                                struct outbox *outbox);

/* Renders what is kept into `history`, and lets go of it. */
void recent_tell(struct recent *recent, struct history *history);

/* Lets go of everything. */
void recent_free(struct recent *recent);

#endif
