#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <uv.h>

#include "ingress/mailbox.h"

#define POSTERS 3
#define ITEMS   20000

/* What the loop received: per poster the last number, and whether each came in order. */
struct received {
    uint64_t last[POSTERS];
    size_t count;
    size_t wanted;
    bool disordered;
    struct mailbox *mailbox;
    bool close_at_end;
};

/* An item is a number: poster in the top bits, count below. */
static void *item_of(uint64_t poster, uint64_t number)
{
    return (void *)(uintptr_t)(poster << 48 | number);
}

static void on_item(void *context, void *item)
{
    struct received *received = context;
    const uint64_t poster = (uint64_t)(uintptr_t)item >> 48;
    const uint64_t number = (uint64_t)(uintptr_t)item & (((uint64_t)1 << 48) - 1);
    received->disordered |= number != received->last[poster] + 1;
    received->last[poster] = number;
    received->count += 1;
    if (received->close_at_end && received->count == received->wanted) {
        mailbox_close(received->mailbox);
    }
}

static void run_empty(uv_loop_t *loop, struct mailbox *mailbox)
{
    uv_run(loop, UV_RUN_DEFAULT);
    mailbox_free(mailbox);
    assert_int_equal(uv_loop_close(loop), 0);
}

/* Items of one poster arrive once each and in order, whichever batch they are in. */
static void items_arrive_once_in_order(void **state)
{
    (void)state;
    uv_loop_t loop;
    struct received received = {.wanted = 1000, .close_at_end = true};
    assert_int_equal(uv_loop_init(&loop), 0);
    assert_int_equal(mailbox_open(&received.mailbox, &loop, 1000, on_item, &received), STATUS_OK);
    for (uint64_t i = 1; i <= 1000; i++) {
        assert_int_equal(mailbox_post(received.mailbox, item_of(0, i)), STATUS_OK);
    }
    assert_int_equal(mailbox_depth(received.mailbox), 1000);
    run_empty(&loop, received.mailbox);
    assert_int_equal(received.count, 1000);
    assert_false(received.disordered);
}

/* A full mailbox refuses, keeps what it has, and takes again once the loop has drained it. */
static void full_mailbox_refuses(void **state)
{
    (void)state;
    uv_loop_t loop;
    struct received received = {0};
    assert_int_equal(uv_loop_init(&loop), 0);
    assert_int_equal(mailbox_open(&received.mailbox, &loop, 2, on_item, &received), STATUS_OK);
    assert_int_equal(mailbox_post(received.mailbox, item_of(0, 1)), STATUS_OK);
    assert_int_equal(mailbox_post(received.mailbox, item_of(0, 2)), STATUS_OK);
    assert_int_equal(mailbox_post(received.mailbox, item_of(0, 3)), STATUS_FULL);
    uv_run(&loop, UV_RUN_NOWAIT);
    assert_int_equal(received.count, 2);
    assert_int_equal(mailbox_post(received.mailbox, item_of(0, 3)), STATUS_OK);
    uv_run(&loop, UV_RUN_NOWAIT);
    assert_int_equal(received.count, 3);
    assert_false(received.disordered);
    mailbox_close(received.mailbox);
    run_empty(&loop, received.mailbox);
}

/* Closing hands over what still waits, and later posts are told so; nothing is lost in silence. */
static void close_delivers_and_then_refuses(void **state)
{
    (void)state;
    uv_loop_t loop;
    struct received received = {0};
    assert_int_equal(uv_loop_init(&loop), 0);
    assert_int_equal(mailbox_open(&received.mailbox, &loop, 8, on_item, &received), STATUS_OK);
    assert_int_equal(mailbox_post(received.mailbox, item_of(0, 1)), STATUS_OK);
    mailbox_close(received.mailbox);
    assert_int_equal(received.count, 1);
    assert_int_equal(mailbox_post(received.mailbox, item_of(0, 2)), STATUS_CLOSED);
    run_empty(&loop, received.mailbox);
    assert_int_equal(received.count, 1);
}

struct poster {
    struct mailbox *mailbox;
    uint64_t number;
    atomic_uint *refused;
};

static void post_all(void *argument)
{
    struct poster *poster = argument;
    for (uint64_t i = 1; i <= ITEMS; i++) {
        while (mailbox_post(poster->mailbox, item_of(poster->number, i)) != STATUS_OK) {
            atomic_fetch_add(poster->refused, 1);
            sched_yield();
        }
    }
}

/* Several threads post into a small mailbox at once: every item arrives once, in its poster's
 * order. */
static void many_posters_lose_nothing(void **state)
{
    (void)state;
    uv_loop_t loop;
    struct received received = {.wanted = (size_t)POSTERS * ITEMS, .close_at_end = true};
    struct poster posters[POSTERS];
    uv_thread_t threads[POSTERS];
    atomic_uint refused = 0;
    assert_int_equal(uv_loop_init(&loop), 0);
    assert_int_equal(mailbox_open(&received.mailbox, &loop, 64, on_item, &received), STATUS_OK);
    for (uint64_t i = 0; i < POSTERS; i++) {
        posters[i] = (struct poster){received.mailbox, i, &refused};
        assert_int_equal(uv_thread_create(&threads[i], post_all, &posters[i]), 0);
    }
    uv_run(&loop, UV_RUN_DEFAULT);
    for (size_t i = 0; i < POSTERS; i++) {
        uv_thread_join(&threads[i]);
    }
    run_empty(&loop, received.mailbox);
    assert_int_equal(received.count, (size_t)POSTERS * ITEMS);
    assert_false(received.disordered);
}

static void post_until_closed(void *argument)
{
    struct poster *poster = argument;
    enum status status = STATUS_OK;
    while (status != STATUS_CLOSED) {
        status = mailbox_post(poster->mailbox, item_of(poster->number, 1));
        if (status == STATUS_OK) {
            atomic_fetch_add(poster->refused, 1); /* counts what was taken here */
        } else {
            sched_yield();
        }
    }
}

/* Closing while others post: what was taken arrives, what was not is refused, nobody touches the
 * dead wake-up handle (the sanitizers watch). */
static void close_races_with_posters(void **state)
{
    (void)state;
    for (unsigned round = 0; round < 50; round++) {
        uv_loop_t loop;
        struct received received = {0};
        struct poster poster = {.number = 1};
        atomic_uint taken = 0;
        uv_thread_t thread;
        assert_int_equal(uv_loop_init(&loop), 0);
        assert_int_equal(mailbox_open(&received.mailbox, &loop, 4, on_item, &received), STATUS_OK);
        poster.mailbox = received.mailbox;
        poster.refused = &taken;
        assert_int_equal(uv_thread_create(&thread, post_until_closed, &poster), 0);
        for (unsigned i = 0; i < round; i++) {
            uv_run(&loop, UV_RUN_NOWAIT);
        }
        mailbox_close(received.mailbox);
        uv_thread_join(&thread);
        run_empty(&loop, received.mailbox);
        assert_int_equal(received.count, atomic_load(&taken));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(items_arrive_once_in_order),
        cmocka_unit_test(full_mailbox_refuses),
        cmocka_unit_test(close_delivers_and_then_refuses),
        cmocka_unit_test(many_posters_lose_nothing),
        cmocka_unit_test(close_races_with_posters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
