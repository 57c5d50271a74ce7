#define _GNU_SOURCE /* memmem */
#include "tools/bench/link.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/check.h"
#include "tools/bench/http_client.h"

#define READ_BYTES 16384
#define CODE_BYTES 32

#define WS_FINAL       0x80
#define WS_MASKED      0x80
#define WS_TEXT        1
#define WS_CLOSE       8
#define WS_PING        9
#define WS_PONG        10
#define WS_MASK_BYTES  4
#define WS_HEADER_MAX  8 /* of our frames: two bytes, a 16-bit length, the mask */
#define WS_LENGTH_MASK 0x7f

/* --- Bytes on their way. --- */

static char *bytes_room(struct link_bytes *bytes, size_t wanted)
{
    if (bytes->capacity - bytes->used < wanted) {
        size_t capacity = bytes->capacity == 0 ? 4096 : bytes->capacity;
        while (capacity - bytes->used < wanted) {
            capacity *= 2;
        }
        char *grown = realloc(bytes->bytes, capacity);
        CHECK(grown != NULL);
        bytes->bytes = grown;
        bytes->capacity = capacity;
    }
    return bytes->bytes + bytes->used;
}

static void bytes_put(struct link_bytes *bytes, const void *from, size_t length)
{
    memcpy(bytes_room(bytes, length), from, length);
    bytes->used += length;
}

static void bytes_drop(struct link_bytes *bytes, size_t length)
{
    if (length > 0) {
        memmove(bytes->bytes, bytes->bytes + length, bytes->used - length);
        bytes->used -= length;
    }
}

/* --- Opening. --- */

static enum status upgrade(int descriptor)
{
    static const char request[] = "GET /v1/ws HTTP/1.1\r\nHost: 127.0.0.1\r\n"
                                  "Connection: Upgrade\r\nUpgrade: websocket\r\n"
                                  "Sec-WebSocket-Version: 13\r\n"
                                  "Sec-WebSocket-Protocol: tapline.v1\r\n"
                                  "Sec-WebSocket-Key: dGFwbGluZSBiZW5jaCBrZQ==\r\n\r\n";
    static const char good[] = "HTTP/1.1 101";
    char answer[1024];
    size_t used = 0;
    if (send(descriptor, request, sizeof(request) - 1, MSG_NOSIGNAL) != sizeof(request) - 1) {
        return STATUS_IO;
    }
    /* A byte at a time, so that no frame behind the head is swallowed. */
    while (used < 4 || memcmp(answer + used - 4, "\r\n\r\n", 4) != 0) {
        if (used == sizeof(answer)) {
            return STATUS_INVALID;
        }
        if (recv(descriptor, answer + used, 1, 0) != 1) {
            return STATUS_IO;
        }
        used += 1;
    }
    return memcmp(answer, good, sizeof(good) - 1) == 0 ? STATUS_OK : STATUS_INVALID;
}

enum status link_open(struct link *link, enum link_kind kind, uint16_t port)
{
    const int descriptor = http_client_dial(port);
    if (descriptor < 0) {
        return STATUS_IO;
    }
    enum status status = kind == LINK_WS ? upgrade(descriptor) : STATUS_OK;
    if (status == STATUS_OK && fcntl(descriptor, F_SETFL, O_NONBLOCK) != 0) {
        status = STATUS_IO;
    }
    if (status != STATUS_OK) {
        close(descriptor);
        return status;
    }
    *link = (struct link){.kind = kind, .port = port, .descriptor = descriptor};
    return STATUS_OK;
}

/* --- Sending. --- */

enum status link_flush(struct link *link)
{
    size_t sent = 0;
    while (sent < link->out.used) {
        const ssize_t count =
            send(link->descriptor, link->out.bytes + sent, link->out.used - sent, MSG_NOSIGNAL);
        if (count < 0 && errno == EINTR) {
            continue;
        }
        if (count < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
            break;
        }
        if (count <= 0) {
            return STATUS_IO;
        }
        sent += (size_t)count;
    }
    bytes_drop(&link->out, sent);
    return STATUS_OK;
}

bool link_wants_to_write(const struct link *link)
{
    return link->out.used > 0;
}

/* The header of a client's frame. The mask is zero, so that the payload goes as it is: masking is
 * there to protect proxies from scripts, and there is neither here. */
static void put_frame_header(struct link_bytes *out, uint8_t opcode, size_t length)
{
    uint8_t header[WS_HEADER_MAX] = {(uint8_t)(WS_FINAL | opcode)};
    size_t used = 2;
    CHECK(length <= UINT16_MAX);
    if (length < 126) {
        header[1] = (uint8_t)(WS_MASKED | length);
    } else {
        header[1] = WS_MASKED | 126;
        header[2] = (uint8_t)(length >> 8);
        header[3] = (uint8_t)length;
        used = 4;
    }
    bytes_put(out, header, used + WS_MASK_BYTES);
}

enum status link_send(struct link *link, uint32_t slot, const struct tap_body *body)
{
    char head[192];
    int length;
    if (link->kind == LINK_WS) {
        length = snprintf(head, sizeof(head), "{\"op\":\"tap\",\"id\":\"%u\",", slot);
        put_frame_header(&link->out, WS_TEXT, (size_t)length + body->length);
    } else {
        length = snprintf(head, sizeof(head),
                          "POST /v1/bets HTTP/1.1\r\nHost: 127.0.0.1\r\n"
                          "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n{",
                          body->length + 1);
    }
    CHECK(length > 0 && (size_t)length < sizeof(head));
    bytes_put(&link->out, head, (size_t)length);
    bytes_put(&link->out, body->text, body->length);
    return link_flush(link);
}

/* --- Receiving. --- */

/* The text behind `key` up to the next quotation mark, into `to` with NUL; "" when not there. */
static void find_text(const char *text, size_t length, const char *key, char to[CODE_BYTES])
{
    const char *at = memmem(text, length, key, strlen(key));
    size_t used = 0;
    if (at != NULL) {
        for (at += strlen(key); at < text + length && *at != '"' && used + 1 < CODE_BYTES; at++) {
            to[used++] = *at;
        }
    }
    to[used] = '\0';
}

/* One HTTP answer at in[from..]; its bytes, 0 when not yet whole, -1 when it is none. */
static long take_http(struct link *link, size_t from, void *context,
                      void (*told)(void *context, const struct link_answer *answer))
{
    struct http_client_answer answer;
    const long whole = http_client_parse(link->in.bytes + from, link->in.used - from, &answer);
    if (whole > 0) {
        char code[CODE_BYTES] = "";
        if (answer.status >= 400) {
            find_text(answer.body, answer.length, "\"code\":\"", code);
        }
        const struct link_answer told_answer = {.status = answer.status, .code = code};
        told(context, &told_answer);
    }
    return whole;
}

/* A text message of the server: the answer to an op, or an event that nobody asked for. */
static bool take_message(const char *text, size_t length, void *context,
                         void (*told)(void *context, const struct link_answer *answer))
{
    char type[CODE_BYTES];
    char id[CODE_BYTES];
    char code[CODE_BYTES] = "";
    find_text(text, length, "\"type\":\"", type);
    const bool error = strcmp(type, "error") == 0;
    if (!error && strcmp(type, "reply") != 0) {
        return true;
    }
    find_text(text, length, "\"id\":\"", id);
    if (id[0] == '\0') {
        return false;
    }
    if (error) {
        find_text(text, length, "\"code\":\"", code);
    }
    const struct link_answer answer = {
        .slot = (uint32_t)strtoul(id, NULL, 10),
        .status = !error                          ? 202
                  : strcmp(code, "INTERNAL") == 0 ? 500
                                                  : 400,
        .code = code,
    };
    told(context, &answer);
    return true;
}

/* One WebSocket frame at in[from..]; as take_http. */
static long take_ws(struct link *link, size_t from, void *context,
                    void (*told)(void *context, const struct link_answer *answer))
{
    const uint8_t *bytes = (const uint8_t *)link->in.bytes + from;
    const size_t there = link->in.used - from;
    size_t head = 2;
    if (there < head) {
        return 0;
    }
    size_t length = bytes[1] & WS_LENGTH_MASK;
    if ((bytes[1] & WS_MASKED) != 0 || (bytes[0] & WS_FINAL) == 0 || length == 127) {
        return -1; /* the server sends neither masked, nor cut, nor such long messages */
    }
    if (length == 126) {
        head = 4;
        if (there < head) {
            return 0;
        }
        length = (size_t)bytes[2] << 8 | bytes[3];
    }
    if (there < head + length) {
        return 0;
    }
    const char *payload = (const char *)bytes + head;
    switch (bytes[0] & 0x0f) {
    case WS_TEXT:
        if (!take_message(payload, length, context, told)) {
            return -1;
        }
        break;
    case WS_PING:
        put_frame_header(&link->out, WS_PONG, length);
        bytes_put(&link->out, payload, length);
        break;
    case WS_CLOSE:
        return -1;
    }
    return (long)(head + length);
}

enum status link_read(struct link *link, void *context,
                      void (*told)(void *context, const struct link_answer *answer))
{
    for (;;) {
        char *room = bytes_room(&link->in, READ_BYTES);
        const ssize_t count = recv(link->descriptor, room, READ_BYTES, 0);
        if (count < 0 && errno == EINTR) {
            continue;
        }
        if (count < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
            return link_flush(link); /* pongs */
        }
        if (count <= 0) {
            return STATUS_IO;
        }
        link->in.used += (size_t)count;
        size_t done = 0;
        while (done < link->in.used) {
            const long taken = link->kind == LINK_WS ? take_ws(link, done, context, told)
                                                     : take_http(link, done, context, told);
            if (taken < 0) {
                return STATUS_INVALID;
            }
            if (taken == 0) {
                break;
            }
            done += (size_t)taken;
        }
        bytes_drop(&link->in, done);
        if (count < READ_BYTES) {
            return link_flush(link);
        }
    }
}

void link_close(struct link *link)
{
    if (link->descriptor >= 0) {
        close(link->descriptor);
    }
    free(link->in.bytes);
    free(link->out.bytes);
    *link = (struct link){.kind = link->kind, .port = link->port, .descriptor = -1};
}
