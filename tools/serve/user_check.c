#include "tools/serve/user_check.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/address.h"

static void take_row(void *context, const struct sqlite_audit_user *user)
{
    struct user_check *check = context;
    if (check->count == check->room) {
        const size_t room = check->room * 2 + 1024;
        struct user_row *grown = realloc(check->rows, room * sizeof(*grown));
        if (grown == NULL) {
            check->no_memory = true;
            return;
        }
        check->rows = grown;
        check->room = room;
    }
    struct user_row *row = &check->rows[check->count++];
    row->id = user->id;
    memcpy(row->account, user->account, ADDRESS_BYTES);
    row->balance_micro = user->balance_micro;
    row->held_micro = user->held_micro;
    row->open_bets = user->open_bets;
}

enum status user_check_read(const char *data_dir, struct user_check *check,
                            char text[SQLITE_AUDIT_TEXT_BYTES])
{
    uint8_t digest[HASH_BYTES];
    *check = (struct user_check){0};
    const enum status status =
        sqlite_audit_users(data_dir, check, take_row, &check->seq, digest, text);
    if (status == STATUS_OK && !check->no_memory) {
        return STATUS_OK;
    }
    user_check_free(check);
    return status == STATUS_NOT_FOUND ? STATUS_OK : status == STATUS_OK ? STATUS_NO_MEMORY : status;
}

struct comparison {
    const struct user_check *check;
    size_t next; /* row */
    bool differs;
    char *text;
};

static void compare_figure(struct comparison *comparison, const uint8_t *address, const char *name,
                           int64_t stored, int64_t computed)
{
    if (comparison->differs || stored == computed) {
        return;
    }
    char account[ADDRESS_TEXT_BYTES + 1];
    address_format(account, address);
    comparison->differs = true;
    (void)snprintf(comparison->text, SQLITE_AUDIT_TEXT_BYTES,
                   "main.db, users, %s after seq %" PRIu64 ": %s is %" PRId64 " there and %" PRId64
                   " by the journal",
                   account, comparison->check->seq, name, stored, computed); /* fits */
}

static void compare_account(void *context, const uint8_t *address, const struct account_view *view)
{
    struct comparison *comparison = context;
    const struct user_check *check = comparison->check;
    if (comparison->differs) {
        return;
    }
    const struct user_row *row =
        comparison->next < check->count ? &check->rows[comparison->next] : NULL;
    comparison->next++;
    if (row == NULL || row->id != view->user_id ||
        memcmp(row->account, address, ADDRESS_BYTES) != 0) {
        char account[ADDRESS_TEXT_BYTES + 1];
        address_format(account, address);
        comparison->differs = true;
        (void)snprintf(comparison->text, SQLITE_AUDIT_TEXT_BYTES,
                       "main.db, users after seq %" PRIu64 ": %s, user %" PRIu64
                       " by the journal, is missing or has another place",
                       check->seq, account, view->user_id); /* fits */
        return;
    }
    compare_figure(comparison, address, "balance", row->balance_micro, view->available_micro);
    compare_figure(comparison, address, "held", row->held_micro, view->held_micro);
    compare_figure(comparison, address, "open_bets", row->open_bets, view->open_bets);
}

bool user_check_agrees(const struct user_check *check, const struct machine *machine,
                       char text[SQLITE_AUDIT_TEXT_BYTES])
{
    struct comparison comparison = {.check = check, .text = text};
    text[0] = '\0';
    machine_each_account(machine, &comparison, compare_account);
    if (!comparison.differs && comparison.next < check->count) {
        char account[ADDRESS_TEXT_BYTES + 1];
        address_format(account, check->rows[comparison.next].account);
        comparison.differs = true;
        (void)snprintf(text, SQLITE_AUDIT_TEXT_BYTES,
                       "main.db, users after seq %" PRIu64 ": %s is not known to the journal",
                       check->seq, account); /* fits */
    }
    return !comparison.differs;
}

void user_check_free(struct user_check *check)
{
    free(check->rows);
    *check = (struct user_check){0};
}
