/* WebSocket frames (RFC 6455) of a server, pure: bytes of a client go in piecemeal, events come
 * out; and the frames that a server sends. Strict: everything the RFC lets fail, fails. No sockets,
 * no clock. Why this is ours and not a library's: docs/decisions/0021-websocket-dialect.md. */
#ifndef TAPLINE_INGRESS_WS_FRAME_H
#define TAPLINE_INGRESS_WS_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ingress/ws_server.h"

#define WS_CONTROL_BYTES 125 /* payload of a control frame (RFC 6455 section 5.5) */
#define WS_HEADER_BYTES  14  /* longest header of a client's frame */

/* Close codes of the protocol itself. */
#define WS_CLOSE_NORMAL      1000
#define WS_CLOSE_PROTOCOL    1002
#define WS_CLOSE_UNSUPPORTED 1003
#define WS_CLOSE_NO_STATUS   1005 /* never on the wire: a close frame without a code */
#define WS_CLOSE_BAD_TEXT    1007
#define WS_CLOSE_TOO_BIG     1009
#define WS_CLOSE_INTERNAL    1011

enum ws_opcode {
    WS_OPCODE_CONTINUATION = 0,
    WS_OPCODE_TEXT = 1,
    WS_OPCODE_BINARY = 2,
    WS_OPCODE_CLOSE = 8,
    WS_OPCODE_PING = 9,
    WS_OPCODE_PONG = 10,
};

enum ws_event {
    WS_MORE,  /* all bytes were taken, nothing is complete */
    WS_TEXT,  /* message[0..message_bytes) is a whole text */
    WS_PING,  /* control[0..control_bytes) wants a pong */
    WS_PONG,  /* */
    WS_EMPTY, /* a fragment without content, which only a flood needs */
    WS_CLOSE, /* code is the peer's, WS_CLOSE_NO_STATUS when it gave none */
    WS_FAIL,  /* close with code and reason; nothing more may be fed */
};

/* UTF-8 across pieces: how many bytes are missing and the range of the next one. */
struct ws_utf8 {
    unsigned missing;
    uint8_t low;
    uint8_t high;
};

/* Takes bytes; false as soon as they cannot be UTF-8 (RFC 3629: no surrogates, no overlong forms).
 */
bool ws_utf8_take(struct ws_utf8 *utf8, const uint8_t *bytes, size_t count);

struct ws_reader {
    uint8_t header[WS_HEADER_BYTES];
    size_t header_bytes;
    size_t header_wanted; /* 2 until the second byte is known */
    uint64_t left;        /* payload bytes of the frame to come */
    unsigned mask_at;
    bool in_payload;
    bool in_message; /* fragments of a text follow */
    struct ws_utf8 utf8;
    uint8_t *message; /* WS_MESSAGE_BYTES + 1, only while a text arrives; owned */
    size_t message_bytes;
    size_t checked_bytes; /* of it, known to be UTF-8 so far */
    uint8_t control[WS_CONTROL_BYTES];
    size_t control_bytes;
    unsigned code;
    const char *reason;
};

/* Feeds bytes until something happens; *used tells how many were taken. The message of WS_TEXT
 * lives until ws_reader_taken. */
enum ws_event ws_reader_take(struct ws_reader *reader, const uint8_t *bytes, size_t length,
                             size_t *used);

/* Gives back the message of WS_TEXT. */
void ws_reader_taken(struct ws_reader *reader);

void ws_reader_close(struct ws_reader *reader);

/* Whether a peer may put this code into a close frame. */
bool ws_code_is_valid(unsigned code);

/* A blob to send, counted: a frame, or the handshake's answer. ws_server.h makes text frames. */
struct ws_text *ws_text_of_frame(enum ws_opcode opcode, const void *payload, size_t length);
struct ws_text *ws_text_of_bytes(const void *bytes, size_t length);
struct ws_text *ws_text_of_close(unsigned code, const char *reason);
struct ws_text *ws_text_share(struct ws_text *text);
const char *ws_text_bytes(const struct ws_text *text, size_t *count); /* as on the wire */

#endif
