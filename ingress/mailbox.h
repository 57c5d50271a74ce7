/* A bounded queue of pointers from any thread into the network loop's thread. The engine, the
 * projector and the signature pool post their answers here; the loop wakes up and hands each item
 * to one callback, in the order of posting (per poster; between posters in the order of the queue's
 * lock). It never blocks a poster, never grows and never frees an item.
 *
 * Life: mailbox_open -> mailbox_post ... -> mailbox_close on the loop thread -> the loop runs on ->
 * mailbox_free once no thread can post any more and the loop has run until it is empty. */
#ifndef TAPLINE_INGRESS_MAILBOX_H
#define TAPLINE_INGRESS_MAILBOX_H

#include <stddef.h>

#include "base/status.h"

struct mailbox;
struct uv_loop_s;

/* Makes a mailbox for `capacity` items (at least 1) that wakes `loop`.
 * on_item runs on the loop thread, once for each posted item; it may post again.
 * **Owns:** the mailbox is freed by mailbox_free; items belong to the poster until posted, then to
 * on_item. **Errors:** STATUS_NO_MEMORY; STATUS_IO when the loop's wake-up cannot be made.
 * **Thread:** the loop's. */
MUST_USE enum status mailbox_open(struct mailbox **mailbox, struct uv_loop_s *loop, size_t capacity,
                                  void (*on_item)(void *context, void *item), void *context);

/* Queues item and wakes the loop.
 * **Errors:** STATUS_FULL when `capacity` items wait, STATUS_CLOSED after mailbox_close; in both
 * cases the item still belongs to the caller. **Thread:** any. */
MUST_USE enum status mailbox_post(struct mailbox *mailbox, void *item);

/* How many items wait now; for the queue depth gauge. **Thread:** any. */
size_t mailbox_depth(struct mailbox *mailbox);

/* Refuses further posts, hands what still waits to on_item and releases the loop's wake-up.
 * **Thread:** the loop's. */
void mailbox_close(struct mailbox *mailbox);

/* Frees a closed mailbox; NULL is allowed. **Thread:** any, once nothing posts and the loop is
 * done. */
void mailbox_free(struct mailbox *mailbox);

#endif
