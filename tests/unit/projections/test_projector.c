#include "story.h"

#include <stdatomic.h>
#include <string.h>

#include "projections/projector.h"
#include "projections/sqlite_reader.h"

/* What the callbacks told. */
struct heard {
    _Atomic uint64_t applied;
    atomic_int halts;
    char reason[SQLITE_WRITER_TEXT_BYTES];
};

static void hear_applied(void *context, uint64_t seq)
{
    struct heard *heard = context;
    assert_true(seq >= atomic_load(&heard->applied)); /* never back */
    atomic_store(&heard->applied, seq);
}

static void hear_halt(void *context, enum status status, const char *reason)
{
    struct heard *heard = context;
    assert_int_equal(status, STATUS_MISMATCH);
    strncpy(heard->reason, reason, sizeof(heard->reason) - 1);
    atomic_fetch_add(&heard->halts, 1);
}

static struct projector *start(const char *dir, struct heard *heard, size_t queue)
{
    struct sqlite_writer_report report;
    const struct projector_options options = {.queue_outboxes = queue,
                                              .context = heard,
                                              .on_applied = hear_applied,
                                              .on_halt = hear_halt};
    struct projector *projector;
    assert_int_equal(projector_open(story_writer(dir, &report), &options, &projector), STATUS_OK);
    return projector;
}

static enum status wait_of_reader(void *context, uint64_t seq, int timeout_ms)
{
    return projector_wait(context, seq, timeout_ms);
}

/* Proves that what was pushed is applied in order, told, and then readable by a reader that waits.
 */
static void pushed_outboxes_are_applied_and_readable(void **state)
{
    (void)state;
    char dir[64];
    story_directory(dir);
    struct story story;
    story_tell(&story, 2);
    struct heard heard = {0};
    struct projector *projector = start(dir, &heard, 0);
    const struct sqlite_reader_options options = {.context = projector, .wait = wait_of_reader};
    struct sqlite_reader *reader;
    assert_int_equal(sqlite_reader_open(dir, &options, &reader), STATUS_OK);
    for (size_t i = 0; i < story.count; i++) {
        assert_int_equal(projector_push(projector, story.outboxes[i]), STATUS_OK);
        if (i == 2) { /* records 5 and 6 */
            struct bet bet;
            assert_int_equal(sqlite_reader_find_bet(reader, 6, 6, &bet, NULL), STATUS_OK);
            assert_int_equal(bet.bet, 6);
        }
    }
    assert_int_equal(projector_wait(projector, STORY_RECORDS, 10000), STATUS_OK);
    assert_int_equal(projector_applied(projector), STORY_RECORDS);
    assert_int_equal(projector_lag(projector), 0);
    assert_int_equal(projector_queue_depth(projector), 0);
    assert_int_equal(projector_mark_archived(projector, STORY_BORDER_MS - 604800000, true),
                     STATUS_OK);
    sqlite_reader_close(reader);
    projector_close(projector);
    assert_int_equal(atomic_load(&heard.applied), STORY_RECORDS);
    assert_int_equal(atomic_load(&heard.halts), 0);
    assert_int_equal(story_query(dir, "main.db", "SELECT count(*) FROM weeks WHERE archived = 1"),
                     1);
    story_free(&story);
    story_remove_directory(dir);
}

/* Proves that closing applies what is still queued. */
static void close_applies_the_queue(void **state)
{
    (void)state;
    char dir[64];
    story_directory(dir);
    struct story story;
    story_tell(&story, 1);
    struct heard heard = {0};
    struct projector *projector = start(dir, &heard, 0);
    for (size_t i = 0; i < story.count; i++) {
        assert_int_equal(projector_push(projector, story.outboxes[i]), STATUS_OK);
    }
    story_free(&story); /* the projector holds its own references */
    projector_close(projector);
    assert_int_equal(story_query(dir, "main.db", "SELECT seq FROM applied"), STORY_RECORDS);
    story_remove_directory(dir);
}

/* Proves that a full queue refuses and takes nothing, and that room comes back. */
static void full_queue_refuses(void **state)
{
    (void)state;
    char dir[64];
    story_directory(dir);
    struct story story;
    story_tell(&story, 1);
    struct heard heard = {0};
    struct projector *projector = start(dir, &heard, 1);
    size_t full = 0;
    for (size_t i = 0; i < story.count; i++) {
        enum status status;
        while ((status = projector_push(projector, story.outboxes[i])) == STATUS_FULL) {
            full += 1;
            assert_true(projector_wait_room(projector, 10000));
        }
        assert_int_equal(status, STATUS_OK);
    }
    assert_true(full > 0); /* a transaction takes longer than a push */
    assert_int_equal(projector_wait(projector, STORY_RECORDS, 10000), STATUS_OK);
    projector_close(projector);
    story_free(&story);
    story_remove_directory(dir);
}

/* Proves that a seq which does not come ends the wait in time. */
static void wait_ends_in_time(void **state)
{
    (void)state;
    char dir[64];
    story_directory(dir);
    struct heard heard = {0};
    struct projector *projector = start(dir, &heard, 0);
    assert_int_equal(projector_wait(projector, 1, 20), STATUS_FULL);
    assert_int_equal(projector_wait(projector, 0, 20), STATUS_OK);
    projector_close(projector);
    story_remove_directory(dir);
}

/* Proves that a mismatch halts once, with the line that names it, frees the queue and turns away.
 */
static void mismatch_halts_and_tells(void **state)
{
    (void)state;
    char dir[64];
    story_directory(dir);
    struct story story;
    story_tell(&story, 1);
    struct heard heard = {0};
    struct projector *projector = start(dir, &heard, 0);
    for (size_t i = 0; i < 5; i++) {
        assert_int_equal(projector_push(projector, story.outboxes[i]), STATUS_OK);
    }
    assert_int_equal(projector_wait(projector, 5, 10000), STATUS_OK);
    story_execute(dir, "main.db", "UPDATE users SET balance = 7 WHERE id = 1");
    for (size_t i = 5; i < story.count; i++) {
        const enum status status = projector_push(projector, story.outboxes[i]);
        assert_true(status == STATUS_OK || status == STATUS_CLOSED);
    }
    assert_int_equal(projector_wait(projector, STORY_RECORDS, 10000), STATUS_CLOSED);
    assert_int_equal(projector_push(projector, story.outboxes[5]), STATUS_CLOSED);
    char text[SQLITE_WRITER_TEXT_BYTES];
    assert_int_equal(projector_halted(projector, text), STATUS_MISMATCH);
    assert_non_null(strstr(text, "seq 6: available of user 1"));
    projector_close(projector);
    assert_int_equal(atomic_load(&heard.halts), 1);
    assert_string_equal(heard.reason, text);
    assert_int_equal(atomic_load(&heard.applied), 5);
    story_free(&story);
    story_remove_directory(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pushed_outboxes_are_applied_and_readable),
        cmocka_unit_test(close_applies_the_queue),
        cmocka_unit_test(full_queue_refuses),
        cmocka_unit_test(wait_ends_in_time),
        cmocka_unit_test(mismatch_halts_and_tells),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
