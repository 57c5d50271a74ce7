#include <stdlib.h>

#include "base/check.h"
#include "ingress/ws_socket.h"

static size_t bytes_of(const struct ws_text *text)
{
    size_t count;
    (void)ws_text_bytes(text, &count); /* only the count is wanted */
    return count;
}

static bool grow(struct ws_queue *queue)
{
    const size_t capacity = queue->capacity == 0 ? 8 : queue->capacity * 2;
    struct ws_text **texts = calloc(capacity, sizeof *texts);
    if (texts == NULL) {
        return false;
    }
    for (size_t i = 0; i < queue->count; i++) {
        texts[i] = ws_queue_at(queue, i);
    }
    free(queue->texts);
    queue->texts = texts;
    queue->first = 0;
    queue->capacity = capacity;
    return true;
}

bool ws_queue_push(struct ws_queue *queue, struct ws_text *text)
{
    if (queue->count == queue->capacity && !grow(queue)) {
        return false;
    }
    queue->texts[(queue->first + queue->count) % queue->capacity] = text;
    queue->count += 1;
    queue->bytes += bytes_of(text);
    return true;
}

struct ws_text *ws_queue_at(const struct ws_queue *queue, size_t index)
{
    CHECK(index < queue->count);
    return queue->texts[(queue->first + index) % queue->capacity];
}

void ws_queue_shift(struct ws_queue *queue)
{
    struct ws_text *text = ws_queue_at(queue, 0);
    queue->bytes -= bytes_of(text);
    queue->first = (queue->first + 1) % queue->capacity;
    queue->count -= 1;
    ws_text_release(text);
    if (queue->count == 0) {
        /* Idle sockets are many: they keep no memory for what they once sent. */
        free(queue->texts);
        *queue = (struct ws_queue){0};
    }
}

void ws_queue_cut(struct ws_queue *queue, size_t keep)
{
    while (queue->count > keep) {
        struct ws_text *text = ws_queue_at(queue, queue->count - 1);
        queue->bytes -= bytes_of(text);
        queue->count -= 1;
        ws_text_release(text);
    }
}

void ws_queue_free(struct ws_queue *queue)
{
    ws_queue_cut(queue, 0);
    free(queue->texts);
    *queue = (struct ws_queue){0};
}
