#include "story.h"

#include <string.h>

#include "projections/sqlite_audit.h"

/* Proves that the witness is the highest applied seq of any file, and none without files. */
static void witness_is_the_highest_applied(void **state)
{
    (void)state;
    char dir[64];
    uint64_t seq = 99;
    char name[32];
    story_directory(dir);
    sqlite_audit_witness(dir, &seq, name);
    assert_int_equal(seq, 0);
    assert_string_equal(name, "");
    story_bring_up(dir, 4);
    sqlite_audit_witness(dir, &seq, name);
    assert_int_equal(seq, STORY_RECORDS);
    story_execute(dir, STORY_WEEK_2, "UPDATE applied SET seq = 33");
    sqlite_audit_witness(dir, &seq, name);
    assert_int_equal(seq, 33);
    assert_string_equal(name, STORY_WEEK_2);
    story_remove_directory(dir);
}

struct seen_users {
    size_t count;
    int64_t balances[3];
    int64_t open_bets[3];
};

static void see_user(void *context, const struct sqlite_audit_user *user)
{
    struct seen_users *seen = context;
    seen->count += 1;
    assert_int_equal(user->id, seen->count);
    assert_memory_equal(user->account, story_accounts[user->id], ADDRESS_BYTES);
    assert_int_equal(user->held_micro, 0);
    seen->balances[user->id] = user->balance_micro;
    seen->open_bets[user->id] = user->open_bets;
}

/* Proves that all users come in order, with the seq and digest they are as of. */
static void users_come_in_order(void **state)
{
    (void)state;
    char dir[64];
    story_directory(dir);
    story_bring_up(dir, 4);
    struct seen_users seen = {0};
    uint64_t seq;
    uint8_t digest[HASH_BYTES];
    char text[SQLITE_AUDIT_TEXT_BYTES];
    assert_int_equal(sqlite_audit_users(dir, &seen, see_user, &seq, digest, text), STATUS_OK);
    assert_int_equal(seen.count, 2);
    assert_int_equal(seq, STORY_RECORDS);
    assert_int_equal(digest[0], STORY_RECORDS);
    assert_int_equal(seen.balances[1], 11150000);
    assert_int_equal(seen.balances[2], 3000000);
    assert_int_equal(seen.open_bets[1], 1);
    story_remove_directory(dir);
}

/* Proves that a single micro-USD anywhere in the ledger or the balances is seen. */
static void one_micro_is_seen(void **state)
{
    (void)state;
    char dir[64];
    char text[SQLITE_AUDIT_TEXT_BYTES];
    story_directory(dir);
    story_bring_up(dir, 4);
    assert_int_equal(sqlite_audit_sums(dir, text), STATUS_OK);
    story_execute(dir, "main.db", "UPDATE users SET balance = balance + 1 WHERE id = 2");
    assert_int_equal(sqlite_audit_sums(dir, text), STATUS_MISMATCH);
    assert_non_null(strstr(text, "user 2"));
    story_execute(dir, "main.db", "UPDATE users SET balance = balance - 1 WHERE id = 2");
    assert_int_equal(sqlite_audit_sums(dir, text), STATUS_OK);
    story_execute(dir, STORY_WEEK_1,
                  "UPDATE transaction_ledger SET amount = amount - 1 WHERE seq = 11");
    assert_int_equal(sqlite_audit_sums(dir, text), STATUS_MISMATCH);
    assert_non_null(strstr(text, "all weeks"));
    story_remove_directory(dir);
}

/* Proves that the digests see each table: one changed value, one changed digest line. */
static void digests_see_every_table(void **state)
{
    (void)state;
    static const char *const changes[][2] = {
        {"main.db", "UPDATE users SET held = 1 WHERE id = 1"},
        {"main.db", "UPDATE configs SET at = at + 1"},
        {"main.db", "UPDATE meta SET value = 'X'"},
        {"main.db", "UPDATE weeks SET opened_seq = 2 WHERE opened_seq = 1"},
        {STORY_WEEK_1, "UPDATE bets SET payout = NULL WHERE bet = 6"},
        {STORY_WEEK_1, "UPDATE columns SET ticks = ticks || ' '"},
        {STORY_WEEK_2, "UPDATE transaction_ledger SET ref_id = 'w2' WHERE ref_id = 'w1'"},
    };
    char dir[64];
    char before[STORY_DIGESTS_BYTES];
    char after[STORY_DIGESTS_BYTES];
    story_directory(dir);
    story_bring_up(dir, 4);
    for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
        story_digests(dir, before);
        story_execute(dir, changes[i][0], changes[i][1]);
        story_digests(dir, after);
        assert_string_not_equal(before, after);
    }
    story_remove_directory(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(witness_is_the_highest_applied),
        cmocka_unit_test(users_come_in_order),
        cmocka_unit_test(one_micro_is_seen),
        cmocka_unit_test(digests_see_every_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
