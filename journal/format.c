#include "journal/format.h"

#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "base/check.h"
#include "journal/crc32c.h"

#define SEGMENT_MAGIC "TAPLINE\x1a" /* 8 bytes; the last one stops a text viewer */
#define WITNESS_MAGIC "TAPHEAD\x1a"
#define MAGIC_BYTES   8
#define FRAME_MAGIC   0x46425054u /* "TPBF"; never zero, so that unwritten bytes begin no frame */

#define SEGMENT_NAME_DIGITS 20
#define SEGMENT_NAME_END    ".seg"

static bool is_zero(const uint8_t *bytes, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        if (bytes[i] != 0) {
            return false;
        }
    }
    return true;
}

void format_segment_name(uint64_t first_seq, char *name)
{
    const int length = snprintf(name, FORMAT_NAME_BYTES, "%020llu" SEGMENT_NAME_END,
                                (unsigned long long)first_seq);
    CHECK(length == SEGMENT_NAME_DIGITS + (int)strlen(SEGMENT_NAME_END));
}

bool format_parse_segment_name(const char *name, uint64_t *first_seq)
{
    uint64_t seq = 0;
    for (size_t i = 0; i < SEGMENT_NAME_DIGITS; i++) {
        if (name[i] < '0' || name[i] > '9') {
            return false;
        }
        const uint64_t digit = (uint64_t)(name[i] - '0');
        if (__builtin_mul_overflow(seq, (uint64_t)10, &seq) ||
            __builtin_add_overflow(seq, digit, &seq)) {
            return false;
        }
    }
    if (strcmp(name + SEGMENT_NAME_DIGITS, SEGMENT_NAME_END) != 0 || seq == 0) {
        return false;
    }
    *first_seq = seq;
    return true;
}

/* Places of the fields in a segment header; the checksum covers all before itself. */
enum {
    SEGMENT_FORMAT_AT = 8,
    SEGMENT_RULES_AT = 12,
    SEGMENT_EPOCH_AT = 16,
    SEGMENT_FIRST_SEQ_AT = 24,
    SEGMENT_BYTES_AT = 32,
    SEGMENT_ROOT_AT = 40,
    SEGMENT_SUBTREES_AT = 72,
    SEGMENT_CRC_AT = 4092,
};

_Static_assert(SEGMENT_SUBTREES_AT + MERKLE_LEVELS * HASH_BYTES <= SEGMENT_CRC_AT, "they fit");
_Static_assert(SEGMENT_CRC_AT + 4 == FORMAT_SEGMENT_HEADER_BYTES, "the checksum is the end");

/* The subtrees that the tree has, level k at its own place; the others stay zero. */
static void put_subtrees(const struct merkle *tree, uint8_t *to)
{
    for (unsigned level = 0; level < MERKLE_LEVELS; level++) {
        if ((tree->size >> level & 1) != 0) {
            memcpy(to + level * HASH_BYTES, tree->subtrees[level], HASH_BYTES);
        }
    }
}

void format_put_segment_header(const struct segment_header *header, uint8_t *to)
{
    memset(to, 0, FORMAT_SEGMENT_HEADER_BYTES);
    memcpy(to, SEGMENT_MAGIC, MAGIC_BYTES);
    store_u32(to + SEGMENT_FORMAT_AT, FORMAT_VERSION);
    store_u32(to + SEGMENT_RULES_AT, header->rules_version);
    store_u64(to + SEGMENT_EPOCH_AT, header->epoch);
    store_u64(to + SEGMENT_FIRST_SEQ_AT, header->tree.size + 1);
    store_u64(to + SEGMENT_BYTES_AT, header->segment_bytes);
    merkle_root(&header->tree, to + SEGMENT_ROOT_AT);
    put_subtrees(&header->tree, to + SEGMENT_SUBTREES_AT);
    store_u32(to + SEGMENT_CRC_AT, crc32c(0, to, SEGMENT_CRC_AT));
}

enum status format_get_segment_header(const uint8_t *from, struct segment_header *header)
{
    if (is_zero(from, FORMAT_SEGMENT_HEADER_BYTES)) {
        return STATUS_NOT_FOUND;
    }
    if (memcmp(from, SEGMENT_MAGIC, MAGIC_BYTES) != 0 ||
        load_u32(from + SEGMENT_CRC_AT) != crc32c(0, from, SEGMENT_CRC_AT)) {
        return STATUS_DAMAGED;
    }
    const uint32_t rules_version = load_u32(from + SEGMENT_RULES_AT);
    if (load_u32(from + SEGMENT_FORMAT_AT) != FORMAT_VERSION || rules_version == 0) {
        return STATUS_VERSION;
    }
    struct merkle tree;
    uint8_t root[HASH_BYTES];
    merkle_init(&tree);
    tree.size = load_u64(from + SEGMENT_FIRST_SEQ_AT) - 1;
    memcpy(tree.subtrees, from + SEGMENT_SUBTREES_AT, sizeof tree.subtrees);
    merkle_root(&tree, root);
    if (tree.size == UINT64_MAX || memcmp(root, from + SEGMENT_ROOT_AT, HASH_BYTES) != 0) {
        return STATUS_DAMAGED;
    }
    header->rules_version = rules_version;
    header->epoch = load_u64(from + SEGMENT_EPOCH_AT);
    header->segment_bytes = load_u64(from + SEGMENT_BYTES_AT);
    header->tree = tree;
    return STATUS_OK;
}

/* Places of the fields in a frame header; the checksum covers all behind itself. */
enum {
    FRAME_CRC_AT = 4,
    FRAME_COVERED_AT = 8,
    FRAME_PAYLOAD_BYTES_AT = 8,
    FRAME_COUNT_AT = 12,
    FRAME_EPOCH_AT = 16,
    FRAME_FIRST_SEQ_AT = 24,
    FRAME_ROOT_AT = 32,
    FRAME_END_AT = 64,
};

_Static_assert(FRAME_ROOT_AT + HASH_BYTES == FRAME_END_AT, "the tree head is the end");
_Static_assert(FRAME_END_AT == FORMAT_FRAME_HEADER_BYTES, "the payload follows");

size_t format_frame_bytes(size_t payload_bytes)
{
    const size_t bytes = FORMAT_FRAME_HEADER_BYTES + payload_bytes;
    return (bytes + FORMAT_FRAME_ALIGNMENT - 1) & ~(FORMAT_FRAME_ALIGNMENT - 1);
}

static uint32_t frame_crc(const uint8_t *frame, size_t frame_bytes)
{
    return crc32c(0, frame + FRAME_COVERED_AT, frame_bytes - FRAME_COVERED_AT);
}

void format_put_frame(const struct frame_header *header, uint8_t *frame)
{
    const size_t used = FORMAT_FRAME_HEADER_BYTES + header->payload_bytes;
    const size_t frame_bytes = format_frame_bytes(header->payload_bytes);
    CHECK(frame_bytes <= FORMAT_FRAME_BYTES_MAX);
    memset(frame + used, 0, frame_bytes - used);
    store_u32(frame, FRAME_MAGIC);
    store_u32(frame + FRAME_PAYLOAD_BYTES_AT, header->payload_bytes);
    store_u32(frame + FRAME_COUNT_AT, header->count);
    store_u64(frame + FRAME_EPOCH_AT, header->epoch);
    store_u64(frame + FRAME_FIRST_SEQ_AT, header->first_seq);
    memcpy(frame + FRAME_ROOT_AT, header->root, HASH_BYTES);
    store_u32(frame + FRAME_CRC_AT, frame_crc(frame, frame_bytes));
}

bool format_may_begin_frame(const uint8_t *from)
{
    return load_u32(from) == FRAME_MAGIC;
}

bool format_get_frame_header(const uint8_t *from, struct frame_header *header)
{
    const uint32_t payload_bytes = load_u32(from + FRAME_PAYLOAD_BYTES_AT);
    const uint32_t count = load_u32(from + FRAME_COUNT_AT);
    if (load_u32(from) != FRAME_MAGIC || payload_bytes > FORMAT_PAYLOAD_BYTES_MAX || count == 0 ||
        count > payload_bytes / (FORMAT_RECORD_LENGTH_BYTES + 1)) {
        return false;
    }
    header->payload_bytes = payload_bytes;
    header->count = count;
    header->epoch = load_u64(from + FRAME_EPOCH_AT);
    header->first_seq = load_u64(from + FRAME_FIRST_SEQ_AT);
    memcpy(header->root, from + FRAME_ROOT_AT, HASH_BYTES);
    return true;
}

bool format_frame_is_whole(const struct frame_header *header, const uint8_t *frame)
{
    if (load_u32(frame + FRAME_CRC_AT) !=
        frame_crc(frame, format_frame_bytes(header->payload_bytes))) {
        return false;
    }
    const uint8_t *record = frame + FORMAT_FRAME_HEADER_BYTES;
    size_t left = header->payload_bytes;
    for (uint32_t i = 0; i < header->count; i++) {
        if (left < FORMAT_RECORD_LENGTH_BYTES) {
            return false;
        }
        const uint32_t length = load_u16(record);
        left -= FORMAT_RECORD_LENGTH_BYTES;
        if (length == 0 || length > LIMIT_RECORD_BYTES || length > left) {
            return false;
        }
        left -= length;
        record += FORMAT_RECORD_LENGTH_BYTES + length;
    }
    return left == 0;
}

/* Places of the fields in a witness slot. */
enum {
    WITNESS_EPOCH_AT = 8,
    WITNESS_SEQ_AT = 16,
    WITNESS_ROOT_AT = 24,
    WITNESS_CRC_AT = 56,
};

void format_put_witness(const struct witness_head *head, uint8_t *to)
{
    memset(to, 0, FORMAT_WITNESS_BYTES);
    memcpy(to, WITNESS_MAGIC, MAGIC_BYTES);
    store_u64(to + WITNESS_EPOCH_AT, head->epoch);
    store_u64(to + WITNESS_SEQ_AT, head->seq);
    memcpy(to + WITNESS_ROOT_AT, head->root, HASH_BYTES);
    store_u32(to + WITNESS_CRC_AT, crc32c(0, to, WITNESS_CRC_AT));
}

bool format_get_witness(const uint8_t *from, struct witness_head *head)
{
    if (memcmp(from, WITNESS_MAGIC, MAGIC_BYTES) != 0 ||
        load_u32(from + WITNESS_CRC_AT) != crc32c(0, from, WITNESS_CRC_AT)) {
        return false;
    }
    head->epoch = load_u64(from + WITNESS_EPOCH_AT);
    head->seq = load_u64(from + WITNESS_SEQ_AT);
    memcpy(head->root, from + WITNESS_ROOT_AT, HASH_BYTES);
    return true;
}
