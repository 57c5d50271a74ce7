#include "tools/serve/recent.h"

#include <stdlib.h>

struct recent_outbox {
    struct recent_outbox *next; /* the next younger */
    struct outbox *outbox;
    uint64_t events;
};

static void drop_oldest(struct recent *recent)
{
    struct recent_outbox *oldest = recent->oldest;
    recent->oldest = oldest->next;
    if (recent->oldest == NULL) {
        recent->newest = NULL;
    }
    recent->events -= oldest->events;
    outbox_release(oldest->outbox);
    free(oldest);
}

/* Whether the oldest can go: without it there are still more events than the history holds, or it
 * is of records too far back. */
static bool is_oldest_old(const struct recent *recent)
{
    const struct recent_outbox *oldest = recent->oldest;
    return recent->events - oldest->events >= HISTORY_EVENTS ||
           outbox_last_seq(oldest->outbox) + RECENT_RECORDS <=
               outbox_last_seq(recent->newest->outbox);
}

enum status recent_put(struct recent *recent, struct history *history, struct outbox *outbox)
{
    struct recent_outbox *made = malloc(sizeof(*made));
    if (made == NULL) {
        return STATUS_NO_MEMORY;
    }
    *made = (struct recent_outbox){.outbox = outbox_retain(outbox),
                                   .events = history_least_events(outbox)};
    if (recent->newest == NULL) {
        recent->oldest = made;
    } else {
        recent->newest->next = made;
    }
    recent->newest = made;
    recent->events += made->events;
    while (is_oldest_old(recent)) {
        history_follow(history, recent->oldest->outbox);
        drop_oldest(recent);
    }
    return STATUS_OK;
}

void recent_tell(struct recent *recent, struct history *history)
{
    while (recent->oldest != NULL) {
        history_add(history, recent->oldest->outbox, NULL, NULL);
        drop_oldest(recent);
    }
}

void recent_free(struct recent *recent)
{
    while (recent->oldest != NULL) {
        drop_oldest(recent);
    }
}
