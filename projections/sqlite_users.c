#include "projections/sqlite_users.h"

#include <stdlib.h>
#include <string.h>

#include "projections/sqlite_file.h"

/* The place of a user, made when it is the first of its block. NULL: no memory. */
static struct sqlite_user *place_of(struct sqlite_users *users, uint64_t id)
{
    const size_t block = (size_t)((id - 1) / SQLITE_USERS_BLOCK);
    if (block >= users->block_count) {
        const size_t count =
            block + 1 > 2 * users->block_count ? block + 1 : 2 * users->block_count;
        struct sqlite_user **grown = realloc(users->blocks, count * sizeof(struct sqlite_user *));
        if (grown == NULL) {
            return NULL;
        }
        for (size_t i = users->block_count; i < count; i++) {
            grown[i] = NULL;
        }
        users->blocks = grown;
        users->block_count = count;
    }
    if (users->blocks[block] == NULL) {
        users->blocks[block] = calloc(SQLITE_USERS_BLOCK, sizeof(struct sqlite_user));
    }
    struct sqlite_user *of = users->blocks[block];
    return of == NULL ? NULL : &of[(id - 1) % SQLITE_USERS_BLOCK];
}

static enum status read_user(struct sqlite_file *file, uint64_t id, struct sqlite_user *user)
{
    struct sqlite3_stmt *row;
    enum status status = sqlite_rows_statement(file, ROWS_FIND_USER, &row);
    if (status != STATUS_OK) {
        return status;
    }
    sqlite_db_bind_i64(row, 1, (int64_t)id);
    status = sqlite_db_step(&file->db, row);
    user->id = 0;
    if (status == STATUS_OK) {
        *user = (struct sqlite_user){.id = id,
                                     .balance_micro = sqlite_db_i64(row, 0),
                                     .held_micro = sqlite_db_i64(row, 1),
                                     .open_bets = sqlite_db_i64(row, 2)};
        user->stored_balance_micro = user->balance_micro;
        user->stored_held_micro = user->held_micro;
        user->stored_open_bets = user->open_bets;
        if (!sqlite_db_copy_bytes(row, 3, user->account, ADDRESS_BYTES)) {
            user->id = 0;
            status = STATUS_DAMAGED;
        }
    }
    sqlite_db_reset(row);
    return status;
}

void sqlite_users_begin(struct sqlite_users *users)
{
    users->as_of += 1;
}

enum status sqlite_users_find(struct sqlite_users *users, struct sqlite_file *file, uint64_t id,
                              struct sqlite_user **user)
{
    *user = NULL;
    if (id == 0 || id > INT64_MAX) {
        return STATUS_OK;
    }
    struct sqlite_user *place = place_of(users, id);
    if (place == NULL) {
        return STATUS_NO_MEMORY;
    }
    if (place->id == 0 || place->as_of != users->as_of) {
        const enum status status = read_user(file, id, place);
        place->as_of = users->as_of;
        if (status != STATUS_OK) {
            return status == STATUS_END ? STATUS_OK : status;
        }
    }
    *user = place;
    return STATUS_OK;
}

enum status sqlite_users_open(struct sqlite_users *users, struct sqlite_file *file, uint64_t id,
                              const uint8_t *account)
{
    struct sqlite_user *place = place_of(users, id);
    if (place == NULL) {
        return STATUS_NO_MEMORY;
    }
    const enum status status = sqlite_rows_open_user(file, id, account);
    if (status == STATUS_OK) {
        *place = (struct sqlite_user){.id = id, .as_of = users->as_of};
        memcpy(place->account, account, ADDRESS_BYTES);
    }
    return status;
}

bool sqlite_users_move(struct sqlite_user *user, const struct posting *posting)
{
    int64_t *figure = posting->account == LEDGER_HELD ? &user->held_micro : &user->balance_micro;
    int64_t after;
    if (memcmp(user->account, posting->address, ADDRESS_BYTES) != 0 ||
        __builtin_add_overflow(*figure, posting->amount_micro, &after) || after < 0 ||
        after != posting->balance_after_micro) {
        return false;
    }
    *figure = after;
    return true;
}

enum status sqlite_users_mark(struct sqlite_users *users, struct sqlite_user *user)
{
    if (user->changed) {
        return STATUS_OK;
    }
    if (users->changed_count == users->changed_capacity) {
        const size_t capacity = users->changed_capacity == 0 ? 256 : users->changed_capacity * 2;
        uint64_t *grown = realloc(users->changed, capacity * sizeof(uint64_t));
        if (grown == NULL) {
            return STATUS_NO_MEMORY;
        }
        users->changed = grown;
        users->changed_capacity = capacity;
    }
    users->changed[users->changed_count] = user->id;
    users->changed_count += 1;
    user->changed = true;
    return STATUS_OK;
}

enum status sqlite_users_flush(struct sqlite_users *users, struct sqlite_file *file,
                               const struct sqlite_user **strange)
{
    for (size_t i = 0; i < users->changed_count; i++) {
        struct sqlite_user *user = place_of(users, users->changed[i]);
        bool changed = false;
        const enum status status = sqlite_rows_put_user(file, user, &changed);
        if (status != STATUS_OK) {
            return status;
        }
        if (!changed) {
            *strange = user;
            return STATUS_MISMATCH;
        }
        user->stored_balance_micro = user->balance_micro;
        user->stored_held_micro = user->held_micro;
        user->stored_open_bets = user->open_bets;
        user->changed = false;
    }
    users->changed_count = 0;
    return STATUS_OK;
}

void sqlite_users_free(struct sqlite_users *users)
{
    for (size_t i = 0; i < users->block_count; i++) {
        free(users->blocks[i]);
    }
    free(users->blocks);
    free(users->changed);
    *users = (struct sqlite_users){0};
}
