#include "base/bytes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* The bytes on disk are little-endian on every machine. */
static void stores_are_little_endian(void **state)
{
    (void)state;
    uint8_t bytes[8];
    const uint8_t expected[8] = {0xef, 0xcd, 0xab, 0x89, 0x67, 0x45, 0x23, 0x01};
    store_u64(bytes, 0x0123456789abcdef);
    assert_memory_equal(bytes, expected, 8);
    store_u32(bytes, 0x89abcdef);
    assert_memory_equal(bytes, expected, 4);
    store_u16(bytes, 0xcdef);
    assert_memory_equal(bytes, expected, 2);
}

/* A store touches its own bytes alone, at any alignment. */
static void stores_stay_in_their_place(void **state)
{
    (void)state;
    for (unsigned at = 1; at < 8; at++) {
        uint8_t bytes[24] = {0};
        store_u64(bytes + at, UINT64_MAX);
        assert_int_equal(bytes[at - 1], 0);
        assert_int_equal(bytes[at], 0xff);
        assert_int_equal(bytes[at + 7], 0xff);
        assert_int_equal(bytes[at + 8], 0);
    }
}

/* What was stored is loaded again, with the high bit set too (no sign creeps in). */
static void loads_invert_stores(void **state)
{
    (void)state;
    static const uint64_t values[] = {0,
                                      1,
                                      0x7f,
                                      0x80,
                                      0xff,
                                      0x8000,
                                      0xffff,
                                      0x80000000,
                                      0xffffffff,
                                      0x100000000,
                                      0x8000000000000000,
                                      UINT64_MAX};
    for (unsigned i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        uint8_t bytes[9];
        store_u64(bytes + 1, values[i]);
        assert_true(load_u64(bytes + 1) == values[i]);
        store_u32(bytes + 1, (uint32_t)values[i]);
        assert_true(load_u32(bytes + 1) == (uint32_t)values[i]);
        store_u16(bytes + 1, (uint16_t)values[i]);
        assert_true(load_u16(bytes + 1) == (uint16_t)values[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stores_are_little_endian),
        cmocka_unit_test(stores_stay_in_their_place),
        cmocka_unit_test(loads_invert_stores),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
