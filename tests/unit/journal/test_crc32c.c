/* CRC32C against the vectors of RFC 3720 and Google's library, and its two ways against each other.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/text.h"
#include "journal/crc32c.h"
#include "memory_disk.h"
#include "vectors.h"

static void both_ways_give_the_vectors(void **state)
{
    (void)state;
    json_t *vectors = vectors_load("crc32c/rfc3720_and_google.json");
    if (vectors == NULL) {
        skip();
    }
    assert_true(json_array_size(vectors) > 0);
    size_t i;
    json_t *vector;
    json_array_foreach(vectors, i, vector)
    {
        const char *hex = json_string_value(json_object_get(vector, "hex"));
        const char *crc_hex = json_string_value(json_object_get(vector, "crc32c"));
        uint8_t bytes[8192];
        uint8_t crc[4];
        const size_t length = strlen(hex) / 2;
        assert_true(length <= sizeof bytes);
        assert_true(text_parse_hex(hex, strlen(hex), bytes, length));
        assert_true(text_parse_hex(crc_hex, strlen(crc_hex), crc, sizeof crc));
        const uint32_t expected = (uint32_t)crc[0] << 24 | (uint32_t)crc[1] << 16 |
                                  (uint32_t)crc[2] << 8 | (uint32_t)crc[3];
        assert_int_equal(crc32c(0, bytes, length), expected);
        assert_int_equal(crc32c_portable(0, bytes, length), expected);
    }
    json_decref(vectors);
}

/* At any length, alignment and split the instruction and the tables agree, and so do parts and
 * whole. */
static void parts_and_ways_agree(void **state)
{
    (void)state;
    uint64_t random = 1;
    uint8_t bytes[600];
    for (size_t i = 0; i < sizeof bytes; i++) {
        bytes[i] = (uint8_t)test_random(&random);
    }
    for (size_t length = 0; length < 300; length++) {
        const size_t begin = (size_t)(test_random(&random) % 200);
        const size_t split = (size_t)(test_random(&random) % (length + 1));
        const uint32_t all = crc32c(0, bytes + begin, length);
        assert_int_equal(crc32c_portable(0, bytes + begin, length), all);
        const uint32_t first = crc32c(0, bytes + begin, split);
        assert_int_equal(crc32c(first, bytes + begin + split, length - split), all);
        assert_int_equal(crc32c_portable(first, bytes + begin + split, length - split), all);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_ways_give_the_vectors),
        cmocka_unit_test(parts_and_ways_agree),
    };
    return cmocka_run_group_tests_name("crc32c", tests, NULL, NULL);
}
