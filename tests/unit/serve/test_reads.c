/* Reads of the projection off the loop: a real projector, real reader threads, the test's loop. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>
#include <time.h>
#include <uv.h>

#include "tests/unit/projections/story.h"
#include "tools/serve/reads.h"

struct desk {
    char dir[64];
    uv_loop_t loop;
    struct mailbox *mailbox;
    struct projector *projector;
    struct reads *reads;
    size_t done;
    enum status last;
    char text[4096];
};

static void on_item(void *context, void *item)
{
    struct desk *desk = context;
    struct read *read = item;
    if (desk->reads != NULL) {
        reads_taken(desk->reads);
    }
    read->done(read->context, read);
}

static void on_done(void *context, struct read *read)
{
    struct desk *desk = context;
    desk->done += 1;
    desk->last = read->status;
    desk->text[0] = '\0';
    if (read->json.text != NULL) {
        assert_true(read->json.length < sizeof(desk->text));
        memcpy(desk->text, read->json.text, read->json.length + 1);
    }
    read_free(read);
}

static void open_desk(struct desk *desk)
{
    *desk = (struct desk){0};
    story_directory(desk->dir);
    struct sqlite_writer_report report;
    struct sqlite_writer *writer = story_writer(desk->dir, &report);
    const struct projector_options options = {0};
    assert_int_equal(projector_open(writer, &options, &desk->projector), STATUS_OK);
    assert_int_equal(uv_loop_init(&desk->loop), 0);
    assert_int_equal(mailbox_open(&desk->mailbox, &desk->loop, READS_QUEUE, on_item, desk),
                     STATUS_OK);
    assert_int_equal(reads_open(desk->dir, desk->projector, desk->mailbox, &desk->reads),
                     STATUS_OK);
}

static void close_desk(struct desk *desk)
{
    reads_close(desk->reads);
    desk->reads = NULL;
    mailbox_close(desk->mailbox);
    uv_run(&desk->loop, UV_RUN_DEFAULT);
    mailbox_free(desk->mailbox);
    projector_close(desk->projector);
    assert_int_equal(uv_loop_close(&desk->loop), 0);
    story_remove_directory(desk->dir);
}

static void push(struct desk *desk, const struct story *story, uint64_t from, uint64_t to)
{
    for (size_t i = 0; i < story->count; i++) {
        if (outbox_first_seq(story->outboxes[i]) >= from &&
            outbox_last_seq(story->outboxes[i]) <= to) {
            assert_int_equal(projector_push(desk->projector, story->outboxes[i]), STATUS_OK);
        }
    }
}

static struct read *ask(struct desk *desk, enum read_kind kind, uint64_t id, uint64_t at_least_seq)
{
    struct read *read = read_new(kind);
    assert_non_null(read);
    read->id = id;
    read->at_least_seq = at_least_seq;
    memcpy(read->account, story_accounts[1], ADDRESS_BYTES);
    memset(read->nonce, 6, NONCE_BYTES);
    read->done = on_done;
    read->context = desk;
    assert_int_equal(reads_submit(desk->reads, read), STATUS_OK);
    return read;
}

static void await(struct desk *desk, size_t done)
{
    while (desk->done < done) {
        uv_run(&desk->loop, UV_RUN_ONCE);
    }
}

/* Submits, waits, and compares the status and a part of the answer. */
static void expect(struct desk *desk, enum read_kind kind, uint64_t id, enum status status,
                   const char *part)
{
    const size_t before = desk->done;
    (void)ask(desk, kind, id, STORY_RECORDS);
    await(desk, before + 1);
    assert_int_equal(desk->last, status);
    if (part != NULL) {
        assert_non_null(strstr(desk->text, part));
    }
}

/* Proves that each kind of read reaches its query, and that what is not there is not found: bets
 * and columns of number 0 too. */
static void every_kind_of_read_is_answered(void **state)
{
    struct desk desk;
    struct story story;
    (void)state;
    open_desk(&desk);
    story_tell(&story, 1);
    push(&desk, &story, 1, STORY_RECORDS);
    expect(&desk, READ_BET, 6, STATUS_OK, "\"bet\":\"6\"");
    expect(&desk, READ_BET, 7, STATUS_NOT_FOUND, NULL);
    expect(&desk, READ_BET, 0, STATUS_NOT_FOUND, NULL);
    expect(&desk, READ_BET, INT64_MAX, STATUS_NOT_FOUND, NULL);
    expect(&desk, READ_BET_BY_NONCE, 0, STATUS_OK, "\"bet\":\"6\"");
    expect(&desk, READ_ACCOUNT, 0, STATUS_OK, "\"available\":");
    expect(&desk, READ_BETS, 0, STATUS_OK, "\"bets\":[{");
    expect(&desk, READ_LEDGER, 0, STATUS_OK, "\"rows\":[{");
    expect(&desk, READ_COLUMN, STORY_BORDER_MS - 3585000, STATUS_OK, "\"settled\"");
    expect(&desk, READ_COLUMN, 0, STATUS_NOT_FOUND, NULL);
    expect(&desk, READ_CONFIG, 0, STATUS_OK, "\"config\":\"1\"");
    expect(&desk, READ_CONFIG, 9, STATUS_NOT_FOUND, NULL);
    assert_int_equal(reads_waiting(desk.reads), 0);
    close_desk(&desk);
    story_free(&story);
}

/* Proves that a read sees what its asker was told before: it waits for the projection. */
static void a_read_waits_for_the_seq_that_its_asker_knows(void **state)
{
    struct desk desk;
    struct story story;
    (void)state;
    open_desk(&desk);
    story_tell(&story, 1);
    push(&desk, &story, 1, 5);
    (void)ask(&desk, READ_BET, 6, 6);
    nanosleep(&(struct timespec){.tv_nsec = 50000000}, NULL);
    assert_int_equal(desk.done, 0);
    push(&desk, &story, 6, STORY_RECORDS);
    await(&desk, 1);
    assert_int_equal(desk.last, STATUS_OK);
    close_desk(&desk);
    story_free(&story);
}

/* Proves that the queue is bounded by what the loop has not yet taken: a loop that is busy for a
 * while sees a refusal and no overflow of its mailbox, and every read that was taken is answered.
 */
static void reads_are_bounded_until_the_loop_has_them(void **state)
{
    struct desk desk;
    struct story story;
    size_t taken = 0;
    (void)state;
    open_desk(&desk);
    story_tell(&story, 4);
    push(&desk, &story, 1, STORY_RECORDS);
    while (taken < READS_QUEUE) {
        (void)ask(&desk, READ_BET, 6, 0);
        taken += 1;
    }
    while (mailbox_depth(desk.mailbox) < READS_QUEUE) { /* the loop does not run meanwhile */
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    }
    struct read *more = read_new(READ_BET);
    assert_int_equal(reads_submit(desk.reads, more), STATUS_FULL);
    read_free(more);
    await(&desk, taken);
    assert_int_equal(reads_waiting(desk.reads), 0);
    (void)ask(&desk, READ_BET, 6, 0);
    await(&desk, taken + 1);
    close_desk(&desk);
    story_free(&story);
}

/* Proves that closing answers everything: what no thread has begun comes back as CLOSED. */
static void closing_gives_every_read_back(void **state)
{
    struct desk desk;
    (void)state;
    open_desk(&desk);
    for (size_t i = 0; i < 10; i++) {
        (void)ask(&desk, READ_BET, 6, 1); /* waits, as the projection has nothing */
    }
    close_desk(&desk);
    assert_int_equal(desk.done, 10);
    assert_int_equal(desk.last, STATUS_CLOSED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_of_read_is_answered),
        cmocka_unit_test(a_read_waits_for_the_seq_that_its_asker_knows),
        cmocka_unit_test(reads_are_bounded_until_the_loop_has_them),
        cmocka_unit_test(closing_gives_every_read_back),
    };
    return cmocka_run_group_tests_name("reads", tests, NULL, NULL);
}
