/* The projector thread: it owns the SQLite write connections and applies outboxes in order, merging
 * those that came within PROJECTOR_GATHER_MS, or wait as it lags, into one transaction. The engine
 * pushes and never waits for it; readers wait for a seq to be applied, and while one does there is
 * no gathering. The queue is bounded: a full one is STATUS_FULL, and the
 * engine then stops taking new input (OVERLOADED) until there is room, because no outbox may be
 * lost.
 *
 * Failure: when the writer halts, on_halt is called once, the queue is emptied, later pushes are
 * STATUS_CLOSED and waiting readers are told. The journal and the engine are not touched by that.
 */
#ifndef TAPLINE_PROJECTIONS_PROJECTOR_H
#define TAPLINE_PROJECTIONS_PROJECTOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include "projections/outbox.h"
#include "projections/sqlite_writer.h"

#define PROJECTOR_QUEUE_OUTBOXES 4096 /* waiting outboxes at most */
#define PROJECTOR_GATHER_MS      50   /* between the starts of transactions, while nobody waits */
#define PROJECTOR_MERGE_RECORDS                                                                    \
    8192 /* records of one transaction, if one outbox alone has not more */

struct projector;

struct projector_options {
    size_t queue_outboxes; /* 0: PROJECTOR_QUEUE_OUTBOXES */
    void *context;
    /* On the projector thread, after the commit: everything up to seq can be read. May be NULL. */
    void (*on_applied)(void *context, uint64_t seq);
    /* On the projector thread, once. May be NULL. */
    void (*on_halt)(void *context, enum status status, const char *reason);
};

/* Starts the thread. Owns: takes `writer` on STATUS_OK and closes it in projector_close.
 * Errors: STATUS_NO_MEMORY. */
MUST_USE enum status projector_open(struct sqlite_writer *writer,
                                    const struct projector_options *options,
                                    struct projector **projector);

/* Queues a sealed outbox, following the last one pushed; takes a reference of its own. Never
 * blocks. Thread: one. Errors: STATUS_FULL nothing was queued; STATUS_CLOSED the projection has
 * halted. */
MUST_USE enum status projector_push(struct projector *projector, struct outbox *outbox);

/* Waits until there is room in the queue, at most timeout_ms (start-up replay). False: still full.
 */
bool projector_wait_room(struct projector *projector, int timeout_ms);

/* Last seq that all files have applied. Thread: any. */
uint64_t projector_applied(const struct projector *projector);

/* Records pushed and not yet applied; outboxes in the queue. Thread: any. */
uint64_t projector_lag(struct projector *projector);
size_t projector_queue_depth(struct projector *projector);

/* Waits until seq is applied, at most timeout_ms. Thread: any, best not one that serves clients.
 * Errors: STATUS_FULL the time is over (answer OVERLOADED); STATUS_CLOSED the projection has
 * halted. */
MUST_USE enum status projector_wait(struct projector *projector, uint64_t seq, int timeout_ms);

/* STATUS_OK, or why the projection has halted with the line that says so. Thread: any. */
enum status projector_halted(struct projector *projector, char text[SQLITE_WRITER_TEXT_BYTES]);

/* As sqlite_writer_mark_archived, done on the projector thread; waits for it. Thread: any. */
MUST_USE enum status projector_mark_archived(struct projector *projector, int64_t week_start_ms,
                                             bool archived);

/* Applies what is queued (unless halted), ends the thread, closes the writer, frees. NULL is
 * allowed. */
void projector_close(struct projector *projector);

#endif
