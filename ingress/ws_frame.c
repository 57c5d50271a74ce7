#include "ingress/ws_frame.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"

/*  0               1               2 or more
 * +-+-+-+-+-------+-+-------------+------------------------+-----------+
 * |F|R R R| opcode|M| length      | 0, 2 or 8 bytes: the   | 4 bytes:  |
 * |I|S S S| (4)   |A| (7): 0..125,| real length when it is | masking   |
 * |N|V V V|       |S| 126 or 127  | 126 or 127, big endian | key       |
 * +-+-+-+-+-------+-+-------------+------------------------+-----------+ */
#define BIT_FIN     0x80u
#define BITS_RSV    0x70u
#define BITS_OPCODE 0x0fu
#define BIT_MASK    0x80u
#define BITS_LENGTH 0x7fu
#define MASK_BYTES  4

static enum ws_event fail(struct ws_reader *reader, unsigned code, const char *reason)
{
    reader->code = code;
    reader->reason = reason;
    return WS_FAIL;
}

static bool begin_code_point(struct ws_utf8 *utf8, uint8_t byte)
{
    utf8->low = 0x80;
    utf8->high = 0xbf;
    if (byte < 0x80) {
        return true;
    }
    if (byte >= 0xc2 && byte <= 0xdf) {
        utf8->missing = 1;
    } else if (byte >= 0xe0 && byte <= 0xef) {
        utf8->missing = 2;
        utf8->low = byte == 0xe0 ? 0xa0 : 0x80;  /* no overlong form */
        utf8->high = byte == 0xed ? 0x9f : 0xbf; /* no surrogate */
    } else if (byte >= 0xf0 && byte <= 0xf4) {
        utf8->missing = 3;
        utf8->low = byte == 0xf0 ? 0x90 : 0x80;
        utf8->high = byte == 0xf4 ? 0x8f : 0xbf; /* nothing above U+10FFFF */
    } else {
        return false;
    }
    return true;
}

bool ws_utf8_take(struct ws_utf8 *utf8, const uint8_t *bytes, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (utf8->missing == 0) {
            if (!begin_code_point(utf8, bytes[i])) {
                return false;
            }
            continue;
        }
        if (bytes[i] < utf8->low || bytes[i] > utf8->high) {
            return false;
        }
        utf8->missing -= 1;
        utf8->low = 0x80;
        utf8->high = 0xbf;
    }
    return true;
}

bool ws_code_is_valid(unsigned code)
{
    /* RFC 6455 section 7.4 and the IANA registry; 1004..1006 and 1015 are not for the wire. 1012 to
     * 1014 were registered after the RFC and are taken, as we send 1013 ourselves. */
    return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) ||
           (code >= 3000 && code <= 4999);
}

static unsigned opcode_of(const struct ws_reader *reader)
{
    return reader->header[0] & BITS_OPCODE;
}

static bool is_control(unsigned opcode)
{
    return opcode >= WS_OPCODE_CLOSE;
}

static bool is_final(const struct ws_reader *reader)
{
    return (reader->header[0] & BIT_FIN) != 0;
}

/* The first byte says whether the frame may stand here at all. */
static enum ws_event check_first_byte(struct ws_reader *reader)
{
    const unsigned opcode = opcode_of(reader);
    if ((reader->header[0] & BITS_RSV) != 0) {
        return fail(reader, WS_CLOSE_PROTOCOL, "reserved bits without an extension");
    }
    if (is_control(opcode)) {
        if (opcode > WS_OPCODE_PONG) {
            return fail(reader, WS_CLOSE_PROTOCOL, "unknown opcode");
        }
        return is_final(reader) ? WS_MORE
                                : fail(reader, WS_CLOSE_PROTOCOL, "fragmented control frame");
    }
    if (opcode > WS_OPCODE_BINARY) {
        return fail(reader, WS_CLOSE_PROTOCOL, "unknown opcode");
    }
    if ((opcode == WS_OPCODE_CONTINUATION) != reader->in_message) {
        return fail(reader, WS_CLOSE_PROTOCOL, "fragments out of order");
    }
    return WS_MORE;
}

/* The second byte says how long the header is. */
static enum ws_event check_second_byte(struct ws_reader *reader)
{
    const unsigned length = reader->header[1] & BITS_LENGTH;
    if ((reader->header[1] & BIT_MASK) == 0) {
        return fail(reader, WS_CLOSE_PROTOCOL, "frame without mask");
    }
    if (is_control(opcode_of(reader)) && length > WS_CONTROL_BYTES) {
        return fail(reader, WS_CLOSE_PROTOCOL, "control frame too long");
    }
    reader->header_wanted = 2u + MASK_BYTES + (length == 126 ? 2u : 0u) + (length == 127 ? 8u : 0u);
    return WS_MORE;
}

static enum ws_event begin_payload(struct ws_reader *reader)
{
    const unsigned length = reader->header[1] & BITS_LENGTH;
    const size_t extra = reader->header_wanted - 2 - MASK_BYTES;
    uint64_t long_length = 0;
    for (size_t i = 0; i < extra; i++) {
        long_length = long_length << 8 | reader->header[2 + i];
    }
    reader->left = extra == 0 ? length : long_length;
    if ((extra == 2 && reader->left < 126) || (extra == 8 && reader->left <= 0xffff) ||
        reader->left > INT64_MAX) {
        return fail(reader, WS_CLOSE_PROTOCOL, "length not in its shortest form");
    }
    reader->in_payload = true;
    reader->mask_at = 0;
    reader->control_bytes = 0;
    if (is_control(opcode_of(reader))) {
        return WS_MORE;
    }
    if (reader->left > WS_MESSAGE_BYTES - reader->message_bytes) {
        return fail(reader, WS_CLOSE_TOO_BIG, "message larger than 4 KiB");
    }
    /* Well formed, so this is a matter of policy and not of the protocol: hence checked last. */
    if (opcode_of(reader) == WS_OPCODE_BINARY) {
        return fail(reader, WS_CLOSE_UNSUPPORTED, "only text is served here");
    }
    if (reader->message == NULL) {
        reader->message = malloc(WS_MESSAGE_BYTES + 1);
        if (reader->message == NULL) {
            return fail(reader, WS_CLOSE_INTERNAL, "no memory");
        }
    }
    reader->in_message = true;
    return WS_MORE;
}

static enum ws_event take_header(struct ws_reader *reader, uint8_t byte)
{
    reader->header[reader->header_bytes] = byte;
    reader->header_bytes += 1;
    if (reader->header_bytes == 1) {
        reader->header_wanted = 2;
        return check_first_byte(reader);
    }
    if (reader->header_bytes == 2) {
        return check_second_byte(reader);
    }
    return reader->header_bytes == reader->header_wanted ? begin_payload(reader) : WS_MORE;
}

/* Unmasks into the message or the control buffer. */
static void take_payload(struct ws_reader *reader, const uint8_t *bytes, size_t count)
{
    const bool control = is_control(opcode_of(reader));
    const uint8_t *mask = reader->header + reader->header_wanted - MASK_BYTES;
    uint8_t *to =
        control ? reader->control + reader->control_bytes : reader->message + reader->message_bytes;
    for (size_t i = 0; i < count; i++) {
        to[i] = bytes[i] ^ mask[reader->mask_at];
        reader->mask_at = (reader->mask_at + 1) % MASK_BYTES;
    }
    reader->left -= count;
    if (control) {
        reader->control_bytes += count;
    } else {
        reader->message_bytes += count;
    }
}

static enum ws_event end_close(struct ws_reader *reader)
{
    struct ws_utf8 utf8 = {0};
    if (reader->control_bytes == 0) {
        reader->code = WS_CLOSE_NO_STATUS;
        return WS_CLOSE;
    }
    if (reader->control_bytes == 1) {
        return fail(reader, WS_CLOSE_PROTOCOL, "half a close code");
    }
    const unsigned code = (unsigned)reader->control[0] << 8 | reader->control[1];
    if (!ws_code_is_valid(code)) {
        return fail(reader, WS_CLOSE_PROTOCOL, "close code not allowed");
    }
    if (!ws_utf8_take(&utf8, reader->control + 2, reader->control_bytes - 2) || utf8.missing > 0) {
        return fail(reader, WS_CLOSE_BAD_TEXT, "close reason is not UTF-8");
    }
    reader->code = code;
    return WS_CLOSE;
}

static enum ws_event end_frame(struct ws_reader *reader)
{
    const unsigned opcode = opcode_of(reader);
    const bool empty = reader->left == 0 && (reader->header[1] & BITS_LENGTH) == 0;
    reader->in_payload = false;
    reader->header_bytes = 0;
    if (opcode == WS_OPCODE_CLOSE) {
        return end_close(reader);
    }
    if (is_control(opcode)) {
        return opcode == WS_OPCODE_PING ? WS_PING : WS_PONG;
    }
    /* Per frame and not per piece: a frame that is not complete is nothing yet. */
    if (!ws_utf8_take(&reader->utf8, reader->message + reader->checked_bytes,
                      reader->message_bytes - reader->checked_bytes)) {
        return fail(reader, WS_CLOSE_BAD_TEXT, "text is not UTF-8");
    }
    reader->checked_bytes = reader->message_bytes;
    if (!is_final(reader)) {
        return empty ? WS_EMPTY : WS_MORE;
    }
    reader->in_message = false;
    if (reader->utf8.missing > 0) {
        return fail(reader, WS_CLOSE_BAD_TEXT, "text ends inside a character");
    }
    reader->message[reader->message_bytes] = '\0';
    return WS_TEXT;
}

enum ws_event ws_reader_take(struct ws_reader *reader, const uint8_t *bytes, size_t length,
                             size_t *used)
{
    enum ws_event event = WS_MORE;
    size_t at = 0;
    while (event == WS_MORE && at < length) {
        if (!reader->in_payload) {
            event = take_header(reader, bytes[at]);
            at += 1;
        } else {
            const size_t rest = length - at;
            const size_t count = reader->left < rest ? (size_t)reader->left : rest;
            take_payload(reader, bytes + at, count);
            at += count;
        }
        if (event == WS_MORE && reader->in_payload && reader->left == 0) {
            event = end_frame(reader);
        }
    }
    *used = at;
    return event;
}

void ws_reader_taken(struct ws_reader *reader)
{
    free(reader->message);
    reader->message = NULL;
    reader->message_bytes = 0;
    reader->checked_bytes = 0;
}

void ws_reader_close(struct ws_reader *reader)
{
    ws_reader_taken(reader);
}
