/* The users of main.db against the state machine, when a start's replay stands where main.db does:
 * finds a balance that somebody edited, also where the ledger was edited with it so that the sums
 * agree. Costs what there are users. */
#ifndef TAPLINE_TOOLS_SERVE_USER_CHECK_H
#define TAPLINE_TOOLS_SERVE_USER_CHECK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include "projections/sqlite_audit.h"
#include "statemachine/machine.h"

struct user_row {
    uint64_t id;
    uint8_t account[ADDRESS_BYTES];
    int64_t balance_micro;
    int64_t held_micro;
    int64_t open_bets;
};

struct user_check {
    uint64_t seq; /* what main.db has applied; 0: nothing to check */
    struct user_row *rows;
    size_t count;
    size_t room;
    bool no_memory;
};

/* Reads main.db's users, all of one moment. Nothing there is fine. `text` gets one line on error.
 * Owns: user_check_free. Errors: those of sqlite_audit_users. */
MUST_USE enum status user_check_read(const char *data_dir, struct user_check *check,
                                     char text[SQLITE_AUDIT_TEXT_BYTES]);

/* Whether the machine, which stands at check->seq, has the same users. False: `text` names the
 * first that differs, with both figures. */
bool user_check_agrees(const struct user_check *check, const struct machine *machine,
                       char text[SQLITE_AUDIT_TEXT_BYTES]);

void user_check_free(struct user_check *check);

#endif
