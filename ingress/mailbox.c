#include "ingress/mailbox.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <uv.h>

#include "base/check.h"

#define BATCH_ITEMS 256 /* taken under one lock */

struct mailbox {
    uv_async_t wake;
    pthread_mutex_t
        lock; /* guards the ring and `closed`; never held across a system call or callback */
    void **ring;
    size_t capacity;
    size_t first;
    size_t count;
    bool closed;
    atomic_uint wakers; /* posters between their unlock and the end of their uv_async_send */
    void (*on_item)(void *context, void *item);
    void *context;
};

static size_t take(struct mailbox *mailbox, void *items[BATCH_ITEMS])
{
    pthread_mutex_lock(&mailbox->lock);
    size_t taken = 0;
    while (taken < BATCH_ITEMS && mailbox->count > 0) {
        items[taken] = mailbox->ring[mailbox->first];
        taken += 1;
        mailbox->first = (mailbox->first + 1) % mailbox->capacity;
        mailbox->count -= 1;
    }
    pthread_mutex_unlock(&mailbox->lock);
    return taken;
}

/* Hands out at most `capacity` items, so that posters who keep up with the loop cannot hold it
 * here. */
static size_t drain(struct mailbox *mailbox)
{
    void *items[BATCH_ITEMS];
    size_t drained = 0;
    while (drained < mailbox->capacity) {
        const size_t taken = take(mailbox, items);
        if (taken == 0) {
            break;
        }
        for (size_t i = 0; i < taken; i++) {
            mailbox->on_item(mailbox->context, items[i]);
        }
        drained += taken;
    }
    return drained;
}

static void on_wake(uv_async_t *wake)
{
    struct mailbox *mailbox = wake->data;
    const size_t drained = drain(mailbox);
    if (drained >= mailbox->capacity && !uv_is_closing((uv_handle_t *)wake)) {
        /* More may wait: come back after the loop has looked at its sockets. */
        CHECK(uv_async_send(wake) == 0);
    }
}

enum status mailbox_open(struct mailbox **mailbox, struct uv_loop_s *loop, size_t capacity,
                         void (*on_item)(void *context, void *item), void *context)
{
    CHECK(capacity > 0);
    struct mailbox *made = calloc(1, sizeof *made);
    void **ring = calloc(capacity, sizeof *ring);
    if (made == NULL || ring == NULL) {
        free(made);
        free(ring);
        return STATUS_NO_MEMORY;
    }
    made->ring = ring;
    made->capacity = capacity;
    made->on_item = on_item;
    made->context = context;
    CHECK(pthread_mutex_init(&made->lock, NULL) == 0);
    if (uv_async_init(loop, &made->wake, on_wake) != 0) {
        pthread_mutex_destroy(&made->lock);
        free(ring);
        free(made);
        return STATUS_IO;
    }
    made->wake.data = made;
    *mailbox = made;
    return STATUS_OK;
}

enum status mailbox_post(struct mailbox *mailbox, void *item)
{
    pthread_mutex_lock(&mailbox->lock);
    if (mailbox->closed || mailbox->count == mailbox->capacity) {
        const enum status status = mailbox->closed ? STATUS_CLOSED : STATUS_FULL;
        pthread_mutex_unlock(&mailbox->lock);
        return status;
    }
    mailbox->ring[(mailbox->first + mailbox->count) % mailbox->capacity] = item;
    mailbox->count += 1;
    atomic_fetch_add(&mailbox->wakers, 1);
    pthread_mutex_unlock(&mailbox->lock);

    /* libuv takes a full pipe for success: the loop is being woken already. */
    CHECK(uv_async_send(&mailbox->wake) == 0);
    atomic_fetch_sub(&mailbox->wakers, 1);
    return STATUS_OK;
}

size_t mailbox_depth(struct mailbox *mailbox)
{
    pthread_mutex_lock(&mailbox->lock);
    const size_t depth = mailbox->count;
    pthread_mutex_unlock(&mailbox->lock);
    return depth;
}

void mailbox_close(struct mailbox *mailbox)
{
    pthread_mutex_lock(&mailbox->lock);
    const bool was_closed = mailbox->closed;
    mailbox->closed = true;
    pthread_mutex_unlock(&mailbox->lock);
    if (was_closed) {
        return;
    }
    /* A poster that got in before may still be waking the loop; the wake-up handle must outlive
     * that one system call, so wait for it. */
    while (atomic_load(&mailbox->wakers) > 0) {
        sched_yield();
    }
    while (drain(mailbox) > 0) {
    }
    uv_close((uv_handle_t *)&mailbox->wake, NULL);
}

void mailbox_free(struct mailbox *mailbox)
{
    if (mailbox == NULL) {
        return;
    }
    CHECK(mailbox->closed);
    CHECK(mailbox->count == 0);
    pthread_mutex_destroy(&mailbox->lock);
    free(mailbox->ring);
    free(mailbox);
}
