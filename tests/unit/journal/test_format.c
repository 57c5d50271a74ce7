/* The bytes of the journal's files against their description in docs/JOURNAL_FORMAT.md. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/bytes.h"
#include "journal/crc32c.h"
#include "journal/format.h"

static void names_sort_as_seqs_do(void **state)
{
    (void)state;
    static const uint64_t seqs[] = {1, 9, 10, 123456789, UINT64_MAX};
    char before[FORMAT_NAME_BYTES] = "";
    for (unsigned i = 0; i < sizeof seqs / sizeof seqs[0]; i++) {
        char name[FORMAT_NAME_BYTES];
        uint64_t seq;
        format_segment_name(seqs[i], name);
        assert_true(format_parse_segment_name(name, &seq));
        assert_int_equal(seq, seqs[i]);
        assert_true(strcmp(before, name) < 0);
        strcpy(before, name);
    }
    assert_string_equal(before, "18446744073709551615.seg");
    static const char *const wrong[] = {"",
                                        "1.seg",
                                        "00000000000000000000.seg",
                                        "18446744073709551616.seg",
                                        "99999999999999999999.seg",
                                        "0000000000000000001x.seg",
                                        "00000000000000000001.seg2",
                                        "00000000000000000001",
                                        "quarantine-1-0-0",
                                        FORMAT_SPARE_NAME,
                                        FORMAT_HEAD_NAME};
    for (unsigned i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        uint64_t seq;
        assert_false(format_parse_segment_name(wrong[i], &seq));
    }
}

/* The frame of a known batch, byte by byte: a change here is a new format version. */
static void frame_has_the_documented_bytes(void **state)
{
    (void)state;
    uint8_t frame[128];
    memset(frame, 0xee, sizeof frame);
    uint8_t *payload = frame + 64;
    store_u16(payload, 3);
    memcpy(payload + 2, "abc", 3);
    struct frame_header header = {
        .epoch = 0x1122334455667788, .first_seq = 2, .count = 1, .payload_bytes = 5};
    memset(header.root, 0xaa, HASH_BYTES);
    assert_int_equal(format_frame_bytes(5), 72);
    format_put_frame(&header, frame);

    uint8_t expected[72] = {'T',  'P',  'B',  'F',  0,    0,    0,    0, /* magic, checksum */
                            5,    0,    0,    0,    1,    0,    0,    0, /* payload bytes, count */
                            0x88, 0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11, 2, 0, 0, 0, 0, 0, 0, 0};
    memset(expected + 32, 0xaa, 32);
    memcpy(expected + 64, "\3\0abc", 5);
    store_u32(expected + 4, crc32c(0, expected + 8, 64));
    assert_memory_equal(frame, expected, sizeof expected);
    assert_int_equal(frame[72], 0xee);

    struct frame_header read;
    assert_true(format_get_frame_header(frame, &read));
    assert_true(format_frame_is_whole(&read, frame));
    assert_memory_equal(&read, &header, sizeof read);
}

/* Checksums that hold over records that do not fill their frame are no frame either. */
static void records_fill_their_frame(void **state)
{
    (void)state;
    static const struct {
        uint32_t count;
        uint16_t first_length;
        uint16_t second_length;
        bool whole;
    } cases[] = {{2, 5, 7, true},       {1, 5, 7, false},  {3, 5, 7, false},
                 {2, 6, 7, false},      {2, 5, 8, false},  {2, 0, 12, false},
                 {2, 5, 0xffff, false}, {2, 13, 7, false}, {1, 14, 0, true}};
    for (unsigned i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        uint8_t frame[96] = {0};
        const struct frame_header header = {
            .first_seq = 1, .count = cases[i].count, .payload_bytes = 16};
        store_u16(frame + 64, cases[i].first_length);
        store_u16(frame + 64 + 7, cases[i].second_length);
        format_put_frame(&header, frame);
        struct frame_header read;
        assert_true(format_get_frame_header(frame, &read));
        assert_int_equal(format_frame_is_whole(&read, frame), cases[i].whole);
    }
}

/* What cannot be a header is seen before anything is believed of it. */
static void impossible_headers_begin_no_frame(void **state)
{
    (void)state;
    uint8_t frame[80] = {0};
    struct frame_header read;
    assert_false(format_get_frame_header(frame, &read)); /* zeros */
    struct frame_header header = {.first_seq = 1, .count = 1, .payload_bytes = 5};
    format_put_frame(&header, frame);
    assert_true(format_get_frame_header(frame, &read));
    store_u32(frame + 12, 0);
    assert_false(format_get_frame_header(frame, &read));
    store_u32(frame + 12, 2); /* two records need at least 6 bytes */
    assert_false(format_get_frame_header(frame, &read));
    store_u32(frame + 12, 1);
    store_u32(frame + 8, (uint32_t)FORMAT_PAYLOAD_BYTES_MAX + 1);
    assert_false(format_get_frame_header(frame, &read));
    store_u32(frame + 8, 0xffffffff);
    assert_false(format_get_frame_header(frame, &read));
}

/* A segment header keeps the tree, and any changed bit of its 4 KiB is seen. */
static void segment_header_is_covered_to_the_last_bit(void **state)
{
    (void)state;
    struct segment_header header = {.rules_version = 1, .epoch = 77, .segment_bytes = 16384};
    for (unsigned i = 0; i < 11; i++) {
        uint8_t leaf[HASH_BYTES];
        memset(leaf, (int)i, sizeof leaf);
        merkle_append(&header.tree, leaf);
    }
    uint8_t bytes[FORMAT_SEGMENT_HEADER_BYTES];
    format_put_segment_header(&header, bytes);
    struct segment_header read;
    assert_int_equal(format_get_segment_header(bytes, &read), STATUS_OK);
    assert_int_equal(read.epoch, 77);
    assert_int_equal(read.segment_bytes, 16384);
    assert_int_equal(read.tree.size, 11);
    uint8_t root[HASH_BYTES];
    uint8_t expected[HASH_BYTES];
    merkle_root(&read.tree, root);
    merkle_root(&header.tree, expected);
    assert_memory_equal(root, expected, HASH_BYTES);
    for (size_t bit = 0; bit < 8 * sizeof bytes; bit++) {
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_int_equal(format_get_segment_header(bytes, &read), STATUS_DAMAGED);
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    memset(bytes, 0, sizeof bytes);
    assert_int_equal(format_get_segment_header(bytes, &read), STATUS_NOT_FOUND);
}

static void witness_is_covered_to_the_last_bit(void **state)
{
    (void)state;
    struct witness_head head = {.epoch = 7, .seq = 9};
    memset(head.root, 0x5a, HASH_BYTES);
    uint8_t bytes[FORMAT_WITNESS_BYTES];
    struct witness_head read;
    format_put_witness(&head, bytes);
    assert_true(format_get_witness(bytes, &read));
    assert_memory_equal(&read, &head, sizeof read);
    for (size_t bit = 0; bit < 8 * 60; bit++) { /* the last four bytes are not used */
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_false(format_get_witness(bytes, &read));
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_sort_as_seqs_do),
        cmocka_unit_test(frame_has_the_documented_bytes),
        cmocka_unit_test(records_fill_their_frame),
        cmocka_unit_test(impossible_headers_begin_no_frame),
        cmocka_unit_test(segment_header_is_covered_to_the_last_bit),
        cmocka_unit_test(witness_is_covered_to_the_last_bit),
    };
    return cmocka_run_group_tests_name("format", tests, NULL, NULL);
}
