/* Users of main.db against the state machine: every figure of every user counts. */
#include "tools/serve/user_check.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "replay/rebuild.h"
#include "tests/unit/replay/sample.h"

static struct sample sample;
static struct applier *applier;
static char projections[256];

/* main.db of the sample, and the state it is of. */
static int make(void **state)
{
    (void)state;
    struct replay_result result;
    sample_make(&sample, &(struct sample_options){.segment_bytes = 0});
    sample_directory(projections);
    assert_int_equal(applier_open(&sample_limits, &applier), STATUS_OK);
    assert_int_equal(rebuild_run(applier, sample.dir, projections,
                                 &(struct replay_options){.to_seq = 0}, NULL, &result),
                     STATUS_OK);
    return 0;
}

static int destroy(void **state)
{
    (void)state;
    applier_free(applier);
    sample_remove_directory(projections);
    sample_remove(&sample);
    return 0;
}

static void read_users(struct user_check *check)
{
    char text[SQLITE_AUDIT_TEXT_BYTES];
    assert_int_equal(user_check_read(projections, check, text), STATUS_OK);
    assert_int_equal(check->seq, sample.records);
    assert_int_equal(check->count, 2);
}

static void differs(const struct user_check *check, const char *words)
{
    char text[SQLITE_AUDIT_TEXT_BYTES];
    assert_false(user_check_agrees(check, applier_machine(applier), text));
    assert_non_null(strstr(text, words));
}

/* What the projections wrote is what the state machine has, user by user. */
static void users_of_the_same_history_agree(void **state)
{
    (void)state;
    struct user_check check;
    char text[SQLITE_AUDIT_TEXT_BYTES];
    read_users(&check);
    assert_true(user_check_agrees(&check, applier_machine(applier), text));
    assert_string_equal(text, "");
    user_check_free(&check);
}

/* One micro-dollar or one bet more or less of any user is named with both figures, and so is a user
 * who is missing, unknown, or in another's place. */
static void every_difference_is_named(void **state)
{
    (void)state;
    struct user_check check;
    char words[64];
    read_users(&check);
    for (size_t i = 0; i < check.count; i++) {
        struct user_row *row = &check.rows[i];
        (void)snprintf(words, sizeof words, "balance is %lld there and %lld by the journal",
                       (long long)row->balance_micro + 1, (long long)row->balance_micro);
        row->balance_micro += 1;
        differs(&check, words);
        row->balance_micro -= 1;
        row->held_micro -= 1;
        differs(&check, "held is ");
        row->held_micro += 1;
        row->open_bets += 1;
        differs(&check, "open_bets is ");
        row->open_bets -= 1;
        row->account[19] ^= 1;
        differs(&check, "is missing or has another place");
        row->account[19] ^= 1;
    }
    check.count = 1;
    differs(&check, "user 2 by the journal, is missing");
    check.count = 2;
    struct user_row rows[3] = {check.rows[0], check.rows[1], check.rows[1]};
    const struct user_check more = {.seq = check.seq, .rows = rows, .count = 3};
    differs(&more, "is not known to the journal");
    user_check_free(&check);
}

/* Without main.db there is nothing to check, and that is no error. */
static void nothing_to_check_is_fine(void **state)
{
    (void)state;
    struct user_check check;
    char dir[256];
    char text[SQLITE_AUDIT_TEXT_BYTES];
    sample_directory(dir);
    assert_int_equal(user_check_read(dir, &check, text), STATUS_OK);
    assert_int_equal(check.seq, 0);
    assert_int_equal(check.count, 0);
    sample_remove_directory(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(users_of_the_same_history_agree),
        cmocka_unit_test(every_difference_is_named),
        cmocka_unit_test(nothing_to_check_is_fine),
    };
    return cmocka_run_group_tests_name("user_check", tests, make, destroy);
}
