#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "ingress/ws_frame.h"

#define SERVER_HEADER_BYTES 10 /* without a mask */

/* A whole frame as it goes out. A server's frames carry no mask, so the bytes are the same for
 * every socket, and ten thousand of them share one copy. */
struct ws_text {
    atomic_uint references;
    size_t count;
    char bytes[];
};

static struct ws_text *make(const void *head, size_t head_bytes, const void *body,
                            size_t body_bytes)
{
    struct ws_text *text = malloc(sizeof *text + head_bytes + body_bytes);
    if (text == NULL) {
        return NULL;
    }
    atomic_init(&text->references, 1);
    text->count = head_bytes + body_bytes;
    if (head_bytes > 0) {
        memcpy(text->bytes, head, head_bytes);
    }
    if (body_bytes > 0) {
        memcpy(text->bytes + head_bytes, body, body_bytes);
    }
    return text;
}

struct ws_text *ws_text_of_frame(enum ws_opcode opcode, const void *payload, size_t length)
{
    uint8_t header[SERVER_HEADER_BYTES];
    size_t count = 2;
    header[0] = (uint8_t)(0x80u | (unsigned)opcode);
    if (length < 126) {
        header[1] = (uint8_t)length;
    } else if (length <= 0xffff) {
        header[1] = 126;
        count += 2;
    } else {
        header[1] = 127;
        count += 8;
    }
    for (size_t i = 2; i < count; i++) {
        header[i] = (uint8_t)((uint64_t)length >> (8 * (count - 1 - i)));
    }
    return make(header, count, payload, length);
}

struct ws_text *ws_text_of_bytes(const void *bytes, size_t length)
{
    return make(NULL, 0, bytes, length);
}

struct ws_text *ws_text_of_close(unsigned code, const char *reason)
{
    char payload[2 + WS_REASON_BYTES];
    size_t length = strlen(reason);
    if (length > WS_REASON_BYTES) {
        length = WS_REASON_BYTES;
        while (length > 0 && ((unsigned char)reason[length] & 0xc0) == 0x80) {
            length -= 1; /* not inside of a character */
        }
    }
    payload[0] = (char)(code >> 8 & 0xff);
    payload[1] = (char)(code & 0xff);
    memcpy(payload + 2, reason, length);
    return ws_text_of_frame(WS_OPCODE_CLOSE, payload, 2 + length);
}

struct ws_text *ws_text_make(const char *text, size_t length)
{
    return ws_text_of_frame(WS_OPCODE_TEXT, text, length);
}

struct ws_text *ws_text_share(struct ws_text *text)
{
    atomic_fetch_add_explicit(&text->references, 1, memory_order_relaxed);
    return text;
}

void ws_text_release(struct ws_text *text)
{
    if (text == NULL) {
        return;
    }
    const unsigned before = atomic_fetch_sub_explicit(&text->references, 1, memory_order_acq_rel);
    CHECK(before > 0);
    if (before == 1) {
        free(text);
    }
}

const char *ws_text_bytes(const struct ws_text *text, size_t *count)
{
    *count = text->count;
    return text->bytes;
}
