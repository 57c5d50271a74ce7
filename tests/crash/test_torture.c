/* The last two batches of a journal, broken at every byte in every way that a disk knows, under
 * every witness: each recovery ends as the decision table says. Prints how often each row was
 * reached. TAPLINE_TORTURE_EVERY=N tries every N-th case alone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/check.h"
#include "trial.h"

#define EPOCH             ((uint64_t)0x0123456789abcdef)
#define OLDER_EPOCH       ((uint64_t)0x00000000feedface)
#define IMAGE_ROOM        ((size_t)32768)
#define RECOVERIES_WANTED 200000
#define HEADER_STEP       24 /* lengths and bytes of the segment's header that are tried */
#define LARGE_STEP        7  /* bytes of large batches; no multiple of 4 */

/* Two and three sealed segments, batches of one to many records, one of the shapes large enough for
 * sectors of 512 and 4,096 bytes. Of each the older journal whose blocks may come back: once with
 * frames of the same places, once with other ones. */
static const struct made_shape shapes[] = {
    {"3+2", {2, 1, 0, 1, 4, 0, 1, 3, 2, 0, 0}, EPOCH, 2048},
    {"1+1", {1, 0, 2, 2, 0, 1, 0, 2, 1, 1, 0, 0}, EPOCH, 2048},
    {"1+6", {3, 0, 1, 0, 1, 6, 0, 0}, EPOCH, 1536},
    {"30+90", {2, 0, 1, 0, 1, 30, 90, 0, 0}, EPOCH, 4096},
};
static const struct made_shape older_shapes[] = {
    {"3+2", {2, 1, 0, 1, 4, 0, 1, 3, 2, 0, 0}, OLDER_EPOCH, 2048},
    {"1+1", {1, 0, 2, 2, 0, 1, 0, 2, 1, 1, 0, 0}, OLDER_EPOCH, 2048},
    {"1+6", {3, 0, 1, 0, 2, 4, 2, 0, 0}, OLDER_EPOCH, 1536},
    {"30+90", {2, 0, 1, 0, 40, 40, 41, 0, 0}, OLDER_EPOCH, 4096},
};
#define SHAPES (sizeof shapes / sizeof shapes[0])

struct torture {
    struct made_journal made;
    struct made_journal other;
    struct trial trial;
    uint64_t every; /* TAPLINE_TORTURE_EVERY */
    uint64_t cases;
    uint8_t image[IMAGE_ROOM];
    size_t size;
    uint64_t kinds[16];
};

static struct torture torture;
static uint64_t all_recoveries;
static uint64_t all_rows[128];
static uint64_t all_statuses[STATUS_CLOSED + 1];

/* --- The damages: each changes the image of the last segment ------------------------------------
 */

enum damage {
    DAMAGE_CUT,       /* the file ends here */
    DAMAGE_ZERO_REST, /* zeros from here on */
    DAMAGE_ZERO_BYTE,
    DAMAGE_FLIP_LOW,
    DAMAGE_FLIP_HIGH,
    DAMAGE_FLIP_ALL,
    DAMAGE_OLDER_REST, /* from here on what an older journal had there */
    DAMAGE_OLDER_BYTE,
    DAMAGE_OLDER_HEAD, /* up to here from the begin of the batches: the later sectors made it alone
                        */
    DAMAGE_COUNT
};
static const char *const damage_names[DAMAGE_COUNT] = {"cut",        "zero rest",  "zero byte",
                                                       "flip 01",    "flip 80",    "flip FF",
                                                       "older rest", "older byte", "older head"};

static const struct made_batch *batch_from_end(unsigned back)
{
    return &torture.made.batches[torture.made.batch_count - 1 - back];
}

static uint64_t begin_of_two(void)
{
    return batch_from_end(1)->offset;
}

static uint64_t end_of_last(void)
{
    return batch_from_end(0)->offset + batch_from_end(0)->bytes;
}

/* What an older journal left at these offsets; zeros behind its end. */
static void take_older(size_t from, size_t to)
{
    const struct made_segment *older = made_last_segment(&torture.other);
    for (size_t i = from; i < to; i++) {
        torture.image[i] = i < older->size ? older->bytes[i] : 0;
    }
}

static void restore_image(void)
{
    const struct made_segment *last = made_last_segment(&torture.made);
    CHECK(last->size <= IMAGE_ROOM);
    memcpy(torture.image, last->bytes, last->size);
    torture.size = last->size;
}

static void damage_at(enum damage damage, size_t at)
{
    restore_image();
    switch (damage) {
    case DAMAGE_CUT:
        torture.size = at;
        break;
    case DAMAGE_ZERO_REST:
        memset(torture.image + at, 0, torture.size - at);
        break;
    case DAMAGE_ZERO_BYTE:
        torture.image[at] = 0;
        break;
    case DAMAGE_FLIP_LOW:
        torture.image[at] ^= 0x01;
        break;
    case DAMAGE_FLIP_HIGH:
        torture.image[at] ^= 0x80;
        break;
    case DAMAGE_FLIP_ALL:
        torture.image[at] ^= 0xff;
        break;
    case DAMAGE_OLDER_REST:
        take_older(at, torture.size);
        break;
    case DAMAGE_OLDER_BYTE:
        take_older(at, at + 1);
        break;
    case DAMAGE_OLDER_HEAD:
        take_older((size_t)begin_of_two(), at);
        break;
    case DAMAGE_COUNT:
        break;
    }
}

/* --- The witnesses -------------------------------------------------------------------------------
 */

/* Runs the image under HEAD before, between and behind the last two batches, under a witness
 * outside at the same places, inside of a batch and far ahead, and under both at odds. */
static void under_every_witness(void)
{
    const int last = (int)torture.made.batch_count - 1;
    const uint64_t before = batch_from_end(2)->last_seq;
    const uint64_t middle = batch_from_end(1)->last_seq;
    const uint64_t end = batch_from_end(0)->last_seq;
    const struct trial_witness witnesses[] = {
        {-1, 0},      {last - 2, 0},    {last - 1, 0},  {last, 0},
        {-1, before}, {-1, before + 1}, {-1, middle},   {-1, middle + 1},
        {-1, end},    {-1, end + 3},    {last, before}, {last - 2, end},
    };
    for (size_t i = 0; i < sizeof witnesses / sizeof witnesses[0]; i++) {
        if (torture.cases++ % torture.every == 0) {
            trial_run(&torture.trial, torture.image, torture.size, &witnesses[i]);
        }
    }
}

static void try_damage(enum damage damage, size_t at)
{
    const struct made_segment *last = made_last_segment(&torture.made);
    damage_at(damage, at);
    if (torture.size == last->size && memcmp(torture.image, last->bytes, last->size) == 0) {
        return; /* it was so before */
    }
    const uint64_t before = torture.trial.recoveries;
    under_every_witness();
    torture.kinds[damage] += torture.trial.recoveries - before;
}

/* --- The claims ----------------------------------------------------------------------------------
 */

static void begin(size_t shape)
{
    const char *every = getenv("TAPLINE_TORTURE_EVERY");
    memset(&torture, 0, sizeof torture);
    torture.every = every == NULL ? 1 : strtoull(every, NULL, 10);
    CHECK(torture.every > 0);
    made_journal_init(&torture.made, &shapes[shape]);
    made_journal_init(&torture.other, &older_shapes[shape]);
    trial_init(&torture.trial, &torture.made, &torture.other);
}

static void end(size_t shape)
{
    print_message("shape %-6s %8llu recoveries:", shapes[shape].name,
                  (unsigned long long)torture.trial.recoveries);
    for (unsigned i = 0; i < DAMAGE_COUNT; i++) {
        print_message(" %s %llu", damage_names[i], (unsigned long long)torture.kinds[i]);
    }
    print_message("\n");
    all_recoveries += torture.trial.recoveries;
    for (unsigned i = 0; i < 128; i++) {
        all_rows[i] += torture.trial.rows[i];
    }
    for (unsigned i = 0; i <= STATUS_CLOSED; i++) {
        all_statuses[i] += torture.trial.statuses[i];
    }
    trial_free(&torture.trial);
    made_journal_free(&torture.made);
    made_journal_free(&torture.other);
}

/* Nothing is broken: every witness that is not ahead lets it pass, and each further one says which
 * seqs are missing. */
static void whole_journal_is_judged_by_its_witnesses_alone(void **state)
{
    (void)state;
    for (size_t shape = 0; shape < SHAPES; shape++) {
        begin(shape);
        restore_image();
        under_every_witness();
        end(shape);
    }
}

/* Every byte of the last two batches, in every way. */
static void every_byte_of_the_last_two_batches_ends_by_the_table(void **state)
{
    (void)state;
    for (size_t shape = 0; shape < SHAPES; shape++) {
        begin(shape);
        const size_t to = (size_t)end_of_last();
        const bool is_large = to - begin_of_two() > 2048;
        for (size_t at = (size_t)begin_of_two(); at < to; at += is_large ? LARGE_STEP : 1) {
            for (int damage = 0; damage < DAMAGE_COUNT; damage++) {
                try_damage((enum damage)damage, at);
            }
        }
        try_damage(DAMAGE_OLDER_REST, to);
        end(shape);
    }
}

/* Sectors of 512 and 4,096 bytes, one or a run of them, that hold zeros or what an older journal
 * had there. */
static void every_sector_run_ends_by_the_table(void **state)
{
    (void)state;
    static const size_t sectors[] = {512, 4096};
    for (size_t shape = 0; shape < SHAPES; shape++) {
        begin(shape);
        const size_t size = made_last_segment(&torture.made)->size;
        for (unsigned i = 0; i < 4; i++) {
            const size_t sector = sectors[i / 2];
            const size_t first = (size_t)begin_of_two() / sector * sector;
            for (size_t from = first; from < end_of_last(); from += sector) {
                for (size_t to = from + sector; to < size + sector; to += sector) {
                    restore_image();
                    const size_t until = to < size ? to : size;
                    if (i % 2 == 0) {
                        memset(torture.image + from, 0, until - from);
                    } else {
                        take_older(from, until);
                    }
                    under_every_witness();
                }
            }
        }
        end(shape);
    }
}

/* Whole batches in wrong places, of this journal: never a crash's doing, always refused. */
static void moved_and_repeated_batches_are_refused(void **state)
{
    (void)state;
    for (size_t shape = 0; shape < SHAPES; shape++) {
        begin(shape);
        const unsigned last = torture.made.batch_count - 1;
        const struct made_batch *a = batch_from_end(1);
        const struct made_batch *b = batch_from_end(0);
        restore_image(); /* swapped */
        memcpy(torture.image + a->offset, made_frame(&torture.made, last), b->bytes);
        memcpy(torture.image + a->offset + b->bytes, made_frame(&torture.made, last - 1), a->bytes);
        under_every_witness();
        for (unsigned twice = 0; twice <= last; twice++) { /* any batch once more, behind the end */
            const struct made_batch *again = &torture.made.batches[twice];
            for (size_t gap = 0; gap <= 64; gap += FORMAT_FRAME_ALIGNMENT) {
                restore_image();
                if (end_of_last() + gap + again->bytes <= torture.size) {
                    memcpy(torture.image + end_of_last() + gap, made_frame(&torture.made, twice),
                           again->bytes);
                    under_every_witness();
                }
            }
        }
        end(shape);
    }
}

/* The last segment cut within its header, without it, or with a byte of it changed. */
static void header_of_the_last_segment_ends_by_the_table(void **state)
{
    (void)state;
    for (size_t shape = 0; shape < SHAPES; shape++) {
        begin(shape);
        for (size_t at = 0; at < FORMAT_SEGMENT_HEADER_BYTES; at += HEADER_STEP) {
            try_damage(DAMAGE_CUT, at);
            try_damage(DAMAGE_ZERO_REST, at);
            try_damage(DAMAGE_FLIP_LOW, at);
            try_damage(DAMAGE_FLIP_ALL, at);
        }
        restore_image();
        memset(torture.image, 0, FORMAT_SEGMENT_HEADER_BYTES);
        under_every_witness();
        end(shape);
    }
}

/* All of it together: enough, and no row that the last segment can reach was missed. */
static void every_row_of_a_last_segment_was_reached(void **state)
{
    (void)state;
    static const char reachable[] = {0, 'a', 'b', 'c', 'd', 'e', 'f', 'h', 'i'};
    const char *every = getenv("TAPLINE_TORTURE_EVERY");
    const bool is_whole = every == NULL || strcmp(every, "1") == 0; /* a sample may miss rows */
    for (size_t i = 0; i < sizeof reachable; i++) {
        const unsigned char row = (unsigned char)reachable[i];
        print_message("row %c %llu\n", row == 0 ? '-' : row, (unsigned long long)all_rows[row]);
        assert_true(all_rows[row] > 0 || !is_whole);
    }
    print_message("%llu recoveries: %llu went on, %llu damaged, %llu lost tail\n",
                  (unsigned long long)all_recoveries, (unsigned long long)all_statuses[STATUS_OK],
                  (unsigned long long)all_statuses[STATUS_DAMAGED],
                  (unsigned long long)all_statuses[STATUS_LOST_TAIL]);
    assert_int_equal(all_statuses[STATUS_OK] + all_statuses[STATUS_DAMAGED] +
                         all_statuses[STATUS_LOST_TAIL],
                     all_recoveries);
    assert_true(all_recoveries >= RECOVERIES_WANTED || !is_whole);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole_journal_is_judged_by_its_witnesses_alone),
        cmocka_unit_test(every_byte_of_the_last_two_batches_ends_by_the_table),
        cmocka_unit_test(every_sector_run_ends_by_the_table),
        cmocka_unit_test(moved_and_repeated_batches_are_refused),
        cmocka_unit_test(header_of_the_last_segment_ends_by_the_table),
        cmocka_unit_test(every_row_of_a_last_segment_was_reached),
    };
    return cmocka_run_group_tests_name("torture", tests, NULL, NULL);
}
