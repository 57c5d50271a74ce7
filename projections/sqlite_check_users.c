#include "projections/sqlite_check_users.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

struct sqlite_check_stored {
    int64_t id;
    uint8_t account[ADDRESS_BYTES];
    int64_t balance_micro;
    int64_t held_micro;
    int64_t open_bets;
};

enum status sqlite_check_users_read(struct sqlite_check_users *users, struct sqlite_db *db)
{
    struct sqlite3_stmt *row;
    enum status status = sqlite_db_prepare(
        db, "SELECT id, account, balance, held, open_bets FROM users ORDER BY id", &row);
    if (status != STATUS_OK) {
        return status;
    }
    size_t capacity = 0;
    while ((status = sqlite_db_step(db, row)) == STATUS_OK) {
        if (users->stored_count == capacity) {
            capacity = capacity == 0 ? 256 : capacity * 2;
            struct sqlite_check_stored *grown =
                realloc(users->stored, capacity * sizeof(struct sqlite_check_stored));
            if (grown == NULL) {
                status = STATUS_NO_MEMORY;
                break;
            }
            users->stored = grown;
        }
        struct sqlite_check_stored *stored = &users->stored[users->stored_count];
        *stored = (struct sqlite_check_stored){.id = sqlite_db_i64(row, 0),
                                               .balance_micro = sqlite_db_i64(row, 2),
                                               .held_micro = sqlite_db_i64(row, 3),
                                               .open_bets = sqlite_db_i64(row, 4)};
        if (!sqlite_db_copy_bytes(row, 1, stored->account, ADDRESS_BYTES)) {
            status = STATUS_DAMAGED;
            break;
        }
        users->stored_count += 1;
    }
    sqlite_db_finalize(row);
    return status == STATUS_END ? STATUS_OK : status;
}

void sqlite_check_users_free(struct sqlite_check_users *users)
{
    free(users->replayed);
    free(users->stored);
    *users = (struct sqlite_check_users){0};
}

enum status sqlite_check_users_open(struct sqlite_check_users *users, uint64_t id,
                                    const uint8_t *account)
{
    if (id != users->count + 1) {
        return STATUS_OK; /* the rules count from 1; the comparison will tell */
    }
    if (users->count == users->capacity) {
        const size_t capacity = users->capacity == 0 ? 256 : users->capacity * 2;
        struct sqlite_check_user *grown =
            realloc(users->replayed, capacity * sizeof(struct sqlite_check_user));
        if (grown == NULL) {
            return STATUS_NO_MEMORY;
        }
        users->replayed = grown;
        users->capacity = capacity;
    }
    struct sqlite_check_user *user = &users->replayed[users->count];
    *user = (struct sqlite_check_user){0};
    memcpy(user->account, account, ADDRESS_BYTES);
    users->count += 1;
    return STATUS_OK;
}

struct sqlite_check_user *sqlite_check_users_find(const struct sqlite_check_users *users,
                                                  uint64_t id)
{
    return id >= 1 && id <= users->count ? &users->replayed[id - 1] : NULL;
}

void sqlite_check_users_begin_week(struct sqlite_check_users *users)
{
    for (size_t i = 0; i < users->count; i++) {
        users->replayed[i].week_sum = 0;
    }
}

static void note_figure(struct sqlite_findings *findings, uint64_t seq, int64_t id,
                        const char *column, int64_t here, int64_t replayed)
{
    if (here != replayed) {
        sqlite_findings_add(findings, seq,
                            "main.db, table users: row id=%" PRId64 " has %s %" PRId64 ", %" PRId64
                            " by replay to seq %" PRIu64,
                            id, column, here, replayed, seq);
    }
}

static void compare_user(const struct sqlite_check_stored *here,
                         const struct sqlite_check_user *user, uint64_t seq,
                         struct sqlite_findings *findings)
{
    if (memcmp(here->account, user->account, ADDRESS_BYTES) != 0) {
        char stored[2 * ADDRESS_BYTES + 1];
        char replayed[2 * ADDRESS_BYTES + 1];
        text_format_hex(stored, here->account, ADDRESS_BYTES);
        text_format_hex(replayed, user->account, ADDRESS_BYTES);
        sqlite_findings_add(findings, seq,
                            "main.db, table users: row id=%" PRId64
                            " has account 0x%s, 0x%s by replay to seq %" PRIu64,
                            here->id, stored, replayed, seq);
    }
    note_figure(findings, seq, here->id, "balance", here->balance_micro, user->balance_micro);
    note_figure(findings, seq, here->id, "held", here->held_micro, user->held_micro);
    note_figure(findings, seq, here->id, "open_bets", here->open_bets, user->open_bets);
}

static void compare_sum(int64_t id, int64_t balance_micro, int64_t sum, const char *what,
                        uint64_t seq, struct sqlite_findings *findings)
{
    if (balance_micro != sum) {
        sqlite_findings_add(findings, seq,
                            "main.db, table users: row id=%" PRId64 " has balance %" PRId64
                            ", the amounts in the ledger of %s sum to %" PRId64,
                            id, balance_micro, what, sum);
    }
}

void sqlite_check_users_compare(const struct sqlite_check_users *users, uint64_t seq,
                                bool with_week_sums, bool with_sums,
                                struct sqlite_findings *findings)
{
    size_t next = 1; /* the id that must come now */
    for (size_t i = 0; i < users->stored_count; i++) {
        const struct sqlite_check_stored *here = &users->stored[i];
        for (; next <= users->count && (int64_t)next < here->id; next++) {
            sqlite_findings_add(findings, seq,
                                "main.db, table users: row id=%zu is missing at seq %" PRIu64, next,
                                seq);
        }
        const struct sqlite_check_user *user =
            here->id < 1 ? NULL : sqlite_check_users_find(users, (uint64_t)here->id);
        if (user == NULL) {
            sqlite_findings_add(findings, seq,
                                "main.db, table users: row id=%" PRId64
                                " is not there by replay to seq %" PRIu64,
                                here->id, seq);
            continue;
        }
        next = (size_t)here->id + 1;
        compare_user(here, user, seq, findings);
        if (with_week_sums) {
            compare_sum(here->id, here->balance_micro, user->week_sum, "the newest week", seq,
                        findings);
        }
        if (with_sums) {
            compare_sum(here->id, here->balance_micro, user->sum, "all weeks", seq, findings);
        }
    }
    for (; next <= users->count; next++) {
        sqlite_findings_add(findings, seq,
                            "main.db, table users: row id=%zu is missing at seq %" PRIu64, next,
                            seq);
    }
}
