/* Records to bytes and back: struct input <-> the protobuf message Record of tapline.proto. The
 * only file that speaks to protobuf-c. A record carries the engine time and one kind; its seq is
 * its place in the journal. */
#ifndef TAPLINE_JOURNAL_CODEC_H
#define TAPLINE_JOURNAL_CODEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include "statemachine/input.h"

/* Scratch memory of one decoder; the texts and bytes of the decoded input live in it until the next
 * decode. About 20 KiB; put it where it lives long (no init needed beyond zero). */
struct codec_scratch {
    _Alignas(16) uint8_t arena[16384];
    size_t used;
};

/* Encodes input (its seq is not written) to `to`. Returns the bytes written, at most capacity and
 * LIMIT_RECORD_BYTES. What it encodes, codec_decode decodes. A transfer's reference has no limit of
 * its own, the state machine refuses a wrong one. Errors: 0 when it does not fit, a text is over
 * its limit of base/limits.h, a tap's market is empty, or a tap's column or message is 2^63 ms or
 * more from the engine time (never so when none of the three is negative). */
MUST_USE size_t codec_encode(const struct input *input, uint8_t *to, size_t capacity);

/* Decodes one record into *input with the given seq. Total: any bytes give OK or an error, never a
 * crash. Errors: STATUS_INVALID not a record, a field out of its shape (address not 20 bytes, text
 * over its limit, a time beyond int64 ...); STATUS_VERSION a kind or a field this build does not
 * know: a newer program wrote it. On an error *input is undefined. */
MUST_USE enum status codec_decode(struct codec_scratch *scratch, uint64_t seq, const uint8_t *bytes,
                                  size_t length, struct input *input);

/* The same by protobuf-c alone; codec_decode reads taps in their usual spelling by itself. The two
 * are compared by a test. */
MUST_USE enum status codec_decode_general(struct codec_scratch *scratch, uint64_t seq,
                                          const uint8_t *bytes, size_t length, struct input *input);

/* A look at a record that comes later, for machine_prefetch: true when it is a tap in the usual
 * spelling. Texts and signature point into the bytes, the usual market's name to a constant. */
bool codec_peek_tap(const uint8_t *bytes, size_t length, int64_t *time_ms, struct tap *tap);

/* codec_decode of a record whose tap codec_peek_tap has read, from bytes that are still the same.
 */
void codec_take_tap(struct codec_scratch *scratch, uint64_t seq, int64_t time_ms,
                    const struct tap *tap, struct input *input);

#endif
