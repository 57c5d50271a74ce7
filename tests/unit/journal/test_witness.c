/* HEAD: the newest whole slot counts, and a torn write costs no more than the newest. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "journal/witness.h"
#include "memory_disk.h"

static struct memory_disk disk;

static uint64_t seq_read(void)
{
    bool has;
    struct witness_head head = {0};
    assert_int_equal(witness_read(&disk.disk, "data/journal", &has, &head), STATUS_OK);
    return has ? head.seq : 0;
}

static void write_seqs(uint64_t from, uint64_t to)
{
    struct witness witness;
    assert_int_equal(witness_open(&witness, &disk.disk, "data/journal"), STATUS_OK);
    for (uint64_t seq = from; seq <= to; seq++) {
        const struct witness_head head = {.epoch = 1, .seq = seq};
        assert_int_equal(witness_write(&witness, &head, false), STATUS_OK);
    }
    assert_int_equal(witness_close(&witness), STATUS_OK);
}

/* Whatever byte of the slot written last is torn, the one before is still there; also when the file
 * was opened anew in between. */
static void torn_slot_leaves_the_one_before(void **state)
{
    (void)state;
    memory_disk_init(&disk);
    assert_int_equal(seq_read(), 0);
    for (uint64_t newest = 2; newest < 8; newest++) {
        write_seqs(newest == 2 ? 1 : newest, newest);
        assert_int_equal(seq_read(), newest);
        struct memory_file *file = memory_disk_find(&disk, FORMAT_HEAD_NAME);
        unsigned torn = 0;
        for (size_t at = 0; at < file->size; at++) {
            file->bytes[at] ^= 0x10;
            const uint64_t seq = seq_read();
            file->bytes[at] ^= 0x10;
            assert_true(seq == newest || seq == newest - 1);
            torn += seq != newest;
        }
        assert_int_equal(torn, FORMAT_WITNESS_BYTES - 4);
    }
    memory_disk_free(&disk);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(torn_slot_leaves_the_one_before),
    };
    return cmocka_run_group_tests_name("witness", tests, NULL, NULL);
}
