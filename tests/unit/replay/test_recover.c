/* What is kept of a damaged journal, what is told of the rest, and that the new journal is one. */
#include "tools/recover.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bytes.h"
#include "capture.h"
#include "memory_disk.h"
#include "replay/replay.h"
#include "sample.h"
#include "tools/commands.h"

#define SEGMENT_BYTES   ((size_t)16384)
#define SEGMENT_ROOM    ((size_t)2048)
#define SEGMENT_BATCHES 8
#define SEGMENTS_MAX    16
#define EPOCH           ((uint64_t)0x0123456789abcdef)
#define CALLS_MAX       2000

/* The sample's journal, on a disk in memory as data/journal. */
struct world {
    struct sample sample;
    struct memory_disk whole;
    struct memory_disk work;
    struct recover_plan plan;
    struct recover_options options;
    uint64_t first_seqs[SEGMENTS_MAX]; /* of its segments */
    unsigned segment_count;
};

static struct world world;

static const struct recover_author author = {.operator_name = "ann",
                                             .reason = "disk 3 died",
                                             .version = "tapline test",
                                             .made_ms = 1732077299999};

static void put_file(const char *name, const uint8_t *bytes, size_t length)
{
    const struct disk *disk = &world.whole.disk;
    struct disk_file *file;
    assert_int_equal(disk->open(disk->context, name, true, false, &file), STATUS_OK);
    assert_int_equal(disk->write(disk->context, file, 0, bytes, length), STATUS_OK);
    assert_int_equal(disk->sync(disk->context, file), STATUS_OK);
    assert_int_equal(disk->close(disk->context, file), STATUS_OK);
}

/* One batch of at most `count` records from the reader. Returns the bytes of its frame, 0: none. */
static size_t put_batch(struct journal_reader *reader, unsigned count, struct merkle *tree,
                        uint8_t *frame)
{
    struct frame_header header = {.epoch = EPOCH, .first_seq = tree->size + 1};
    uint8_t *to = frame + FORMAT_FRAME_HEADER_BYTES;
    merkle_root(tree, header.root);
    while (header.count < count) {
        struct journal_record record;
        if (journal_reader_next(reader, &record) != STATUS_OK) {
            break;
        }
        uint8_t hash[HASH_BYTES];
        merkle_leaf(record.bytes, record.length, hash);
        merkle_append(tree, hash);
        store_u16(to, (uint16_t)record.length);
        memcpy(to + FORMAT_RECORD_LENGTH_BYTES, record.bytes, record.length);
        to += FORMAT_RECORD_LENGTH_BYTES + record.length;
        header.count++;
    }
    if (header.count == 0) {
        return 0;
    }
    header.payload_bytes = (uint32_t)(to - frame) - (uint32_t)FORMAT_FRAME_HEADER_BYTES;
    format_put_frame(&header, frame);
    return format_frame_bytes(header.payload_bytes);
}

/* One segment of SEGMENT_BATCHES batches of one to five records. False: the reader is at its end.
 */
static bool put_segment(struct journal_reader *reader, struct merkle *tree)
{
    static uint8_t bytes[1 << 20];
    char name[128] = "data/journal/";
    struct segment_header header = {.rules_version = 1, .epoch = EPOCH, .tree = *tree};
    size_t offset = FORMAT_SEGMENT_HEADER_BYTES;
    bool more = true;
    memset(bytes, 0, sizeof bytes);
    for (unsigned i = 0; more && i < SEGMENT_BATCHES; i++) {
        const size_t frame_bytes = put_batch(reader, 1 + i % 5, tree, bytes + offset);
        more = frame_bytes > 0;
        offset += frame_bytes;
    }
    if (offset == FORMAT_SEGMENT_HEADER_BYTES) {
        return false;
    }
    header.segment_bytes = offset + SEGMENT_ROOM;
    format_put_segment_header(&header, bytes);
    format_segment_name(header.tree.size + 1, name + strlen(name));
    put_file(name, bytes, (size_t)header.segment_bytes);
    world.first_seqs[world.segment_count++] = header.tree.size + 1;
    return more;
}

static int set_up(void **state)
{
    (void)state;
    struct merkle tree;
    struct journal_reader *reader;
    sample_make(&world.sample, &(struct sample_options){0});
    memory_disk_init(&world.whole);
    memory_disk_init(&world.work);
    merkle_init(&tree);
    assert_int_equal(journal_reader_open(world.sample.dir, NULL, 1, &reader), STATUS_OK);
    while (put_segment(reader, &tree)) {
        assert_true(world.segment_count < SEGMENTS_MAX);
    }
    journal_reader_free(reader);
    assert_int_equal(tree.size, world.sample.records);
    assert_true(world.segment_count >= 3);
    struct witness_head head = {.epoch = EPOCH, .seq = tree.size};
    uint8_t bytes[FORMAT_WITNESS_SLOTS * FORMAT_WITNESS_SLOT_BYTES] = {0};
    merkle_root(&tree, head.root);
    format_put_witness(&head, bytes);
    put_file("data/journal/HEAD", bytes, sizeof bytes);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    memory_disk_free(&world.whole);
    memory_disk_free(&world.work);
    sample_remove(&world.sample);
    return 0;
}

static void begin(void)
{
    memory_disk_copy(&world.work, &world.whole);
    world.options = (struct recover_options){
        .disk = &world.work.disk, .data_dir = "data", .limits = &sample_limits};
}

static struct memory_file *segment(unsigned index)
{
    char name[FORMAT_NAME_BYTES];
    format_segment_name(world.first_seqs[index], name);
    struct memory_file *file = memory_disk_find(&world.work, name);
    assert_non_null(file);
    return file;
}

/* A byte in the middle of what the segment holds. */
static void spoil(unsigned index)
{
    struct memory_file *file = segment(index);
    size_t used = file->size;
    while (file->bytes[used - 1] == 0) {
        used--;
    }
    file->bytes[FORMAT_SEGMENT_HEADER_BYTES + (used - FORMAT_SEGMENT_HEADER_BYTES) / 2] ^= 0x04;
}

static void plan(void)
{
    assert_int_equal(recover_plan(&world.options, &world.plan), STATUS_OK);
}

static enum status copy(char problem[RECOVER_TEXT_BYTES])
{
    struct json text = {0};
    recover_describe(&world.options, &world.plan, &text);
    assert_false(text.failed);
    const enum status status =
        recover_copy(&world.options, &world.plan, "new", &author, &text, problem);
    json_text_free(&text);
    return status;
}

/* Everything under data/ is as it was in `before`. */
static void expect_data_unchanged(struct memory_disk *before)
{
    for (int i = 0; i < MEMORY_FILES_MAX; i++) {
        const struct memory_file *then = &before->files[i];
        if (!then->used || strncmp(then->name, "data/", 5) != 0) {
            continue;
        }
        const struct memory_file *now = memory_disk_find(&world.work, then->name);
        assert_non_null(now);
        assert_int_equal(now->size, then->size);
        assert_memory_equal(now->bytes, then->bytes, now->size);
    }
    assert_int_equal(memory_disk_count(&world.work, "data/"), memory_disk_count(before, "data/"));
}

static bool new_directory_is_there(void)
{
    for (int i = 0; i < MEMORY_FILES_MAX; i++) {
        if (world.work.files[i].used && strncmp(world.work.files[i].name, "new/", 4) == 0) {
            return true;
        }
    }
    return false;
}

struct seen {
    uint64_t recoveries;
    uint64_t events;
    struct recovery recovery; /* without its texts */
    char reason[LIMIT_NOTE_BYTES + 1];
};

static enum status see_record(void *context, struct applier *applier,
                              const struct journal_record *record)
{
    struct seen *seen = context;
    const struct input *input = applier_input(applier);
    if (input->kind == INPUT_RECOVERY) {
        seen->recoveries += 1;
        seen->recovery = input->of.recovery;
        memcpy(seen->reason, input->of.recovery.reason.text, input->of.recovery.reason.length);
        assert_int_equal(record->seq, input->of.recovery.kept_to + 1);
    }
    return STATUS_OK;
}

static void see_event(void *context, const struct event *event)
{
    struct seen *seen = context;
    if (event->kind == EVENT_RECOVERY) {
        seen->events += 1;
        assert_int_equal(event->of.recovery.kept_to, world.plan.kept_to);
        assert_int_equal(event->of.recovery.lost_to, world.plan.lost_to);
    }
}

static void see_posting(void *context, const struct posting *posting)
{
    (void)context;
    (void)posting;
}

/* The new journal: the same records to kept_to, by digest and tree head, the audit record behind
 * them, all of it sound and of another epoch. */
static void expect_new_journal(void)
{
    struct seen seen = {0};
    const struct event_sink sink = {&seen, see_event, see_posting};
    struct applier *applier;
    struct replay_result result;
    const struct replay_options options = {.disk = &world.work.disk,
                                           .context = &seen,
                                           .before = see_record,
                                           .sink = &sink,
                                           .invariant_at_end = true};
    assert_int_equal(applier_open(&sample_limits, &applier), STATUS_OK);
    assert_int_equal(replay_run(applier, "new", &options, &result), STATUS_OK);
    assert_int_equal(result.records, world.plan.kept_to + 1);
    assert_memory_equal(applier_digest_of(applier, world.plan.kept_to),
                        world.sample.digests[world.plan.kept_to], HASH_BYTES);
    applier_free(applier);
    assert_int_equal(seen.recoveries, 1);
    assert_int_equal(seen.events, 1);
    assert_int_equal(seen.recovery.kept_to, world.plan.kept_to);
    assert_int_equal(seen.recovery.lost_to, world.plan.lost_to);
    assert_int_equal(seen.recovery.epoch_before, world.plan.epoch_before);
    assert_int_equal(seen.recovery.made_ms, author.made_ms);
    assert_memory_equal(seen.recovery.root, world.plan.root, HASH_BYTES);
    assert_string_equal(seen.reason, author.reason);

    /* A server starts on it, with nothing to repair. */
    struct journal *journal;
    struct journal_report report;
    const struct journal_options open = {.disk = &world.work.disk};
    assert_int_equal(journal_open("new", &open, &journal, &report), STATUS_OK);
    assert_int_equal(report.rule, 0);
    assert_int_not_equal(journal_epoch(journal), world.plan.epoch_before);
    assert_int_equal(journal_close(journal), STATUS_OK);
    const struct memory_file *text = memory_disk_find(&world.work, "new/" RECOVER_REPORT_NAME);
    assert_non_null(text);
    assert_true(text->size > 0);
}

static void expect_copy(void)
{
    char problem[RECOVER_TEXT_BYTES];
    struct memory_disk before;
    memory_disk_init(&before);
    memory_disk_copy(&before, &world.work);
    assert_int_equal(copy(problem), STATUS_OK);
    assert_int_equal(memory_disk_count(&world.work, RECOVER_UNFINISHED), 0);
    expect_data_unchanged(&before);
    expect_new_journal();
    memory_disk_free(&before);
}

static bool plan_says(const char *words)
{
    struct json text = {0};
    recover_describe(&world.options, &world.plan, &text);
    const bool found = strstr(text.text, words) != NULL;
    if (!found) {
        print_message("not in:\n%s\n", text.text);
    }
    json_text_free(&text);
    return found;
}

/* One flipped bit in the middle: everything before it is kept, and every whole batch behind it is
 * read and told of, so that nobody who is owed is forgotten. */
static void damage_in_a_sealed_segment_keeps_what_is_before(void **state)
{
    (void)state;
    for (unsigned index = 0; index + 1 < world.segment_count; index++) {
        begin();
        spoil(index);
        plan();
        assert_true(world.plan.damaged);
        assert_int_equal(world.plan.report.rule, 'd');
        assert_in_range(world.plan.kept_to, world.first_seqs[index],
                        world.first_seqs[index + 1] - 2);
        assert_int_equal(world.plan.kept_to, world.plan.report.seq - 1);
        assert_int_equal(world.plan.lost_to, world.sample.records);
        assert_int_equal(world.plan.kept_time_ms, world.sample.times_ms[world.plan.kept_to]);
        /* All but the one damaged batch can be read. */
        assert_in_range(world.plan.range_count, 1, 2);
        assert_int_equal(world.plan.ranges[world.plan.range_count - 1].to, world.sample.records);
        const uint64_t lost = world.plan.lost_to - world.plan.kept_to;
        assert_true(world.plan.lost_readable < lost);
        uint64_t kinds = 0;
        for (unsigned kind = 0; kind < RECOVER_KINDS; kind++) {
            kinds += world.plan.lost_kinds[kind];
        }
        assert_int_equal(kinds, world.plan.lost_readable);
        expect_copy();
        recover_plan_free(&world.plan);
    }
}

/* Each tap that is lost and can be read has its line, with the player, the bet's id and the stake.
 */
static void lost_bets_are_named(void **state)
{
    (void)state;
    begin();
    spoil(0);
    plan();
    assert_true(world.plan.lost_kinds[INPUT_TAP] > 0);
    assert_true(world.plan.line_count >= world.plan.lost_kinds[INPUT_TAP]);
    char line[64];
    assert_true(world.sample.won_bet > world.plan.kept_to);
    (void)snprintf(line, sizeof line, "  seq=%" PRIu64 " ", world.sample.won_bet); /* fits */
    assert_true(plan_says(line));
    assert_true(plan_says("stake="));
    assert_true(plan_says("goodwill"));
    recover_plan_free(&world.plan);
}

/* A journal that ends cleanly before what HEAD has seen: all of it is kept, the range is named. */
static void lost_tail_is_named_and_all_before_it_kept(void **state)
{
    (void)state;
    begin();
    struct memory_file *last = segment(world.segment_count - 1);
    memset(last->bytes + FORMAT_SEGMENT_HEADER_BYTES, 0, last->size - FORMAT_SEGMENT_HEADER_BYTES);
    plan();
    assert_true(world.plan.damaged);
    assert_int_equal(world.plan.report.rule, 'e');
    assert_int_equal(world.plan.kept_to, world.first_seqs[world.segment_count - 1] - 1);
    assert_int_equal(world.plan.lost_to, world.sample.records);
    assert_int_equal(world.plan.lost_readable, 0);
    assert_string_equal(world.plan.seen_by, "HEAD");
    assert_true(plan_says("none of them"));
    expect_copy();
    recover_plan_free(&world.plan);
}

/* The same, seen by main.db alone. */
static void outer_witness_counts_as_well(void **state)
{
    (void)state;
    begin();
    world.options.witness_seq = world.sample.records + 7;
    world.options.witness_name = "main.db";
    plan();
    assert_true(world.plan.damaged);
    assert_int_equal(world.plan.kept_to, world.sample.records);
    assert_int_equal(world.plan.lost_to, world.sample.records + 7);
    assert_string_equal(world.plan.seen_by, "main.db");
    expect_copy();
    recover_plan_free(&world.plan);
}

/* A snapshot counts as well, when it is one of this journal. */
static void snapshot_of_the_same_journal_counts(void **state)
{
    (void)state;
    for (unsigned same = 0; same < 2; same++) {
        begin();
        world.options.snapshot_seq = world.sample.records + 9;
        world.options.snapshot_epoch = same != 0 ? EPOCH : EPOCH + 1;
        world.options.snapshot_name = "snapshots/x";
        plan();
        assert_int_equal(world.plan.damaged, same);
        assert_int_equal(world.plan.kept_to, world.sample.records);
        assert_int_equal(world.plan.lost_to, same != 0 ? world.sample.records + 9 : 0);
        recover_plan_free(&world.plan);
    }
}

static void missing_segment_ends_what_is_kept(void **state)
{
    (void)state;
    begin();
    segment(1)->name[0] = '\0';
    plan();
    assert_true(world.plan.damaged);
    assert_int_equal(world.plan.report.rule, 'd');
    assert_int_equal(world.plan.kept_to, world.first_seqs[1] - 1);
    assert_int_equal(world.plan.ranges[0].from, world.first_seqs[2]);
    assert_int_equal(world.plan.lost_to, world.sample.records);
    expect_copy();
    recover_plan_free(&world.plan);
}

/* A header alone: the batches behind it are lost for the new journal, and all can be read. */
static void damaged_header_loses_no_line(void **state)
{
    (void)state;
    begin();
    segment(1)->bytes[100] ^= 1;
    plan();
    assert_true(world.plan.damaged);
    assert_int_equal(world.plan.kept_to, world.first_seqs[1] - 1);
    assert_int_equal(world.plan.range_count, 1);
    assert_int_equal(world.plan.ranges[0].from, world.first_seqs[1]);
    assert_int_equal(world.plan.lost_readable, world.sample.records - world.plan.kept_to);
    expect_copy();
    recover_plan_free(&world.plan);
}

/* The first header: not one record is sound, and nothing is made that looks like a journal. */
static void nothing_sound_is_nothing_kept(void **state)
{
    (void)state;
    begin();
    segment(0)->bytes[100] ^= 1;
    assert_int_equal(recover_plan(&world.options, &world.plan), STATUS_DAMAGED);
    assert_non_null(strstr(world.plan.problem, "nothing to keep"));
    recover_plan_free(&world.plan);
}

/* A sound journal, and one with a torn end that a start repairs by itself: nothing to recover. */
static void sound_journal_needs_no_recovery(void **state)
{
    (void)state;
    begin();
    plan();
    assert_false(world.plan.damaged);
    assert_false(world.plan.cut_by_hand);
    assert_int_equal(world.plan.kept_to, world.sample.records);
    assert_int_equal(world.plan.lost_to, 0);
    recover_plan_free(&world.plan);

    memory_disk_find(&world.work, "HEAD")->size = 0;
    spoil(world.segment_count - 1);
    segment(world.segment_count - 1)->size = FORMAT_SEGMENT_HEADER_BYTES + 100;
    plan();
    assert_false(world.plan.damaged);
    assert_int_equal(world.plan.report.rule, 'a');
    recover_plan_free(&world.plan);
}

/* --to ends in the middle of a batch as well as at its end. */
static void to_keeps_exactly_so_much(void **state)
{
    (void)state;
    for (uint64_t to = 1; to < world.sample.records; to += world.sample.records / 7) {
        begin();
        world.options.to_seq = to;
        plan();
        assert_false(world.plan.damaged);
        assert_true(world.plan.cut_by_hand);
        assert_int_equal(world.plan.kept_to, to);
        assert_int_equal(world.plan.lost_to, world.sample.records);
        assert_int_equal(world.plan.lost_readable, world.sample.records - to);
        expect_copy();
        recover_plan_free(&world.plan);
    }
}

static void existing_directory_is_never_written_to(void **state)
{
    (void)state;
    static const char *const names[] = {"new", "new" RECOVER_UNFINISHED};
    for (unsigned i = 0; i < 2; i++) {
        char problem[RECOVER_TEXT_BYTES];
        begin();
        spoil(0);
        plan();
        const struct disk *disk = &world.work.disk;
        struct disk_file *file;
        assert_int_equal(disk->open(disk->context, names[i], true, false, &file), STATUS_OK);
        assert_int_equal(disk->close(disk->context, file), STATUS_OK);
        const uint64_t before = world.work.changes;
        assert_int_equal(copy(problem), STATUS_USAGE);
        assert_non_null(strstr(problem, "exists"));
        assert_int_equal(world.work.changes, before);
        recover_plan_free(&world.plan);
    }
}

/* A disk that is full from the begin, or halfway: an error with words, and no new directory. */
static void full_disk_leaves_no_new_directory(void **state)
{
    (void)state;
    begin();
    spoil(world.segment_count - 2);
    plan();
    uint64_t used = 0;
    for (int i = 0; i < MEMORY_FILES_MAX; i++) {
        used += world.work.files[i].used ? world.work.files[i].size : 0;
    }
    struct memory_disk damaged;
    memory_disk_init(&damaged);
    memory_disk_copy(&damaged, &world.work);
    for (uint64_t room = 100; room < (UINT64_C(3) << 20); room += UINT64_C(1) << 20) {
        char problem[RECOVER_TEXT_BYTES];
        memory_disk_copy(&world.work, &damaged);
        world.work.space_bytes = used + room;
        const enum status status = copy(problem);
        if (status != STATUS_OK) {
            assert_int_equal(status, STATUS_NO_SPACE);
            assert_string_not_equal(problem, "");
            assert_false(new_directory_is_there());
        }
        expect_data_unchanged(&damaged);
        world.work.space_bytes = 0;
    }
    memory_disk_free(&damaged);
    recover_plan_free(&world.plan);
}

/* When it is told that all is made, a power cut takes nothing of it: not the directory's name, not
 * the report. */
static void power_cut_takes_nothing_that_was_made(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 16; seed++) {
        char problem[RECOVER_TEXT_BYTES];
        begin();
        spoil(0);
        plan();
        assert_int_equal(copy(problem), STATUS_OK);
        const struct memory_file *report = memory_disk_find(&world.work, RECOVER_REPORT_NAME);
        assert_non_null(report);
        const size_t bytes = report->size;
        memory_disk_cut_power(&world.work, seed);
        expect_new_journal();
        report = memory_disk_find(&world.work, "new/" RECOVER_REPORT_NAME);
        assert_non_null(report);
        assert_int_equal(report->size, bytes);
        assert_non_null(memchr(report->bytes, 'n', bytes)); /* letters, no zeros that were lost */
        assert_null(memchr(report->bytes, 0, bytes));
        recover_plan_free(&world.plan);
    }
}

/* Each call of the disk fails in turn: an error and no new directory, or all of it. */
static void failing_disk_leaves_no_new_directory(void **state)
{
    (void)state;
    begin();
    spoil(0);
    plan();
    struct memory_disk damaged;
    memory_disk_init(&damaged);
    memory_disk_copy(&damaged, &world.work);
    unsigned failed = 0;
    bool was_reached = true;
    for (uint64_t n = 1; was_reached; n++) {
        char problem[RECOVER_TEXT_BYTES];
        assert_true(n < CALLS_MAX);
        memory_disk_copy(&world.work, &damaged);
        world.work.fault =
            (struct memory_fault){.at_call = n, .for_ever = n % 2 == 0, .status = STATUS_IO};
        const enum status status = copy(problem);
        was_reached = world.work.has_failed;
        world.work.fault = (struct memory_fault){0};
        expect_data_unchanged(&damaged);
        if (status == STATUS_OK) {
            expect_new_journal();
            continue;
        }
        failed++;
        assert_int_equal(status, STATUS_IO);
        assert_string_not_equal(problem, "");
        /* Only the last step, the directory's name made durable, comes behind the name. */
        if (new_directory_is_there()) {
            expect_new_journal();
        }
    }
    assert_true(failed > 10);
    memory_disk_free(&damaged);
    recover_plan_free(&world.plan);
}

/* A disk that cannot read what follows the damage: what is before is kept all the same. */
static void failing_disk_behind_the_damage_loses_nothing_kept(void **state)
{
    (void)state;
    begin();
    spoil(0);
    world.work.calls = 0;
    plan();
    const uint64_t calls = world.work.calls;
    const uint64_t kept_to = world.plan.kept_to;
    recover_plan_free(&world.plan);
    unsigned ended_early = 0;
    for (uint64_t n = 1; n <= calls; n++) {
        world.work.calls = 0;
        world.work.fault =
            (struct memory_fault){.at_call = n, .for_ever = true, .status = STATUS_IO};
        const enum status status = recover_plan(&world.options, &world.plan);
        world.work.fault = (struct memory_fault){0};
        if (status == STATUS_OK) {
            assert_int_equal(world.plan.kept_to, kept_to);
            assert_string_not_equal(world.plan.unreadable, "");
            assert_true(plan_says("not looked"));
            ended_early++;
        } else {
            assert_int_equal(status, STATUS_IO);
            assert_string_not_equal(world.plan.problem, "");
        }
        recover_plan_free(&world.plan);
    }
    assert_true(ended_early > 0);
}

/* --- The command ---------------------------------------------------------------------------------
 */

static int run_command(struct capture *capture, int (*command)(int argc, char **argv), int count,
                       const char *const *texts)
{
    char *argv[16] = {NULL};
    memcpy(argv, texts, (size_t)count * sizeof argv[0]);
    capture_begin(capture);
    const int code = command(count, argv);
    capture_end(capture);
    return code;
}

#define RUN(capture, ...)                                                                          \
    run_command((capture), command_recover,                                                        \
                (int)(sizeof((const char *[]){__VA_ARGS__}) / sizeof(char *)),                     \
                (const char *[]){__VA_ARGS__})

/* The work disk's journal as a directory of the real file system. */
static void save_work(const char *dir)
{
    char path[400];
    (void)snprintf(path, sizeof path, "%s/journal", dir); /* fits */
    assert_int_equal(mkdir(path, 0700), 0);
    for (int i = 0; i < MEMORY_FILES_MAX; i++) {
        const struct memory_file *file = &world.work.files[i];
        if (!file->used || strncmp(file->name, "data/", 5) != 0) {
            continue;
        }
        (void)snprintf(path, sizeof path, "%s/%s", dir, file->name + 5); /* fits */
        FILE *to = fopen(path, "wb");
        assert_non_null(to);
        assert_int_equal(fwrite(file->bytes, 1, file->size, to), file->size);
        assert_int_equal(fclose(to), 0);
    }
}

/* From looking to the new directory, with the exit codes that --help names. */
static void command_shows_then_makes(void **state)
{
    (void)state;
    struct capture capture;
    char parent[256];
    char whole[300];
    char damaged[300];
    char out[300];
    char inside[320];
    sample_directory(parent);
    (void)snprintf(whole, sizeof whole, "%s/whole", parent);       /* fits */
    (void)snprintf(damaged, sizeof damaged, "%s/damaged", parent); /* fits */
    (void)snprintf(out, sizeof out, "%s/new", parent);             /* fits */
    (void)snprintf(inside, sizeof inside, "%s/new", damaged);      /* fits */
    assert_int_equal(mkdir(whole, 0700), 0);
    assert_int_equal(mkdir(damaged, 0700), 0);
    begin();
    save_work(whole);
    spoil(0);
    save_work(damaged);

    assert_int_equal(RUN(&capture, "recover", "--data", whole), EXIT_GOOD);
    assert_non_null(strstr(capture.output, "nothing to recover"));
    capture_free(&capture);
    assert_int_equal(RUN(&capture, "recover", "--data", damaged), EXIT_DAMAGED);
    assert_non_null(strstr(capture.output, "nothing was written"));
    assert_non_null(strstr(capture.output, "lost "));
    capture_free(&capture);
    assert_int_equal(RUN(&capture, "recover", "--data", damaged, "--out", out), EXIT_USAGE);
    assert_non_null(strstr(capture.errors, "--operator"));
    capture_free(&capture);
    assert_int_equal(RUN(&capture, "recover", "--data", damaged, "--out", inside, "--operator",
                         "ann", "--reason", "test"),
                     EXIT_USAGE);
    capture_free(&capture);
    assert_int_equal(RUN(&capture, "recover", "--data", damaged, "--out", out, "--operator", "ann",
                         "--reason", "test"),
                     EXIT_GOOD);
    assert_non_null(strstr(capture.output, RECOVER_REPORT_NAME));
    capture_free(&capture);
    assert_int_equal(RUN(&capture, "recover", "--data", damaged, "--out", out, "--operator", "ann",
                         "--reason", "test"),
                     EXIT_USAGE);
    assert_non_null(strstr(capture.errors, "exists"));
    capture_free(&capture);
    assert_int_equal(RUN(&capture, "recover", "--data", out), EXIT_GOOD);
    assert_non_null(strstr(capture.output, "nothing to recover"));
    capture_free(&capture);
    assert_int_equal(
        run_command(&capture, command_verify, 3, (const char *[]){"verify", "--data", out}),
        EXIT_GOOD);
    capture_free(&capture);
    sample_remove_directory(parent);
}

/* A name may end with a slash; one that leads into the damaged directory by a link is refused, and
 * so is a link, wherever it leads. */
static void names_of_the_new_directory_are_understood(void **state)
{
    (void)state;
    static const struct {
        const char *out;
        int code;
    } cases[] = {
        {"slash/", EXIT_GOOD},        {"slashes///", EXIT_GOOD}, {"link/new", EXIT_USAGE},
        {"link/journal", EXIT_USAGE}, {"link", EXIT_USAGE},      {"link/", EXIT_USAGE},
        {"dangling", EXIT_USAGE},
    };
    char parent[256];
    char damaged[300];
    char path[320];
    sample_directory(parent);
    (void)snprintf(damaged, sizeof damaged, "%s/damaged", parent); /* fits */
    assert_int_equal(mkdir(damaged, 0700), 0);
    begin();
    spoil(0);
    save_work(damaged);
    (void)snprintf(path, sizeof path, "%s/link", parent); /* fits */
    assert_int_equal(symlink(damaged, path), 0);
    (void)snprintf(path, sizeof path, "%s/dangling", parent); /* fits */
    assert_int_equal(symlink("nowhere", path), 0);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct capture capture;
        (void)snprintf(path, sizeof path, "%s/%s", parent, cases[i].out); /* fits */
        const int code = RUN(&capture, "recover", "--data", damaged, "--out", path, "--operator",
                             "ann", "--reason", "test");
        assert_int_equal(code, cases[i].code);
        capture_free(&capture);
        if (code == EXIT_GOOD) {
            assert_int_equal(RUN(&capture, "recover", "--data", path), EXIT_GOOD);
            capture_free(&capture);
        }
    }
    sample_remove_directory(parent);
}

/* While a server holds the lock nothing is read that could be half written. */
static void command_leaves_a_running_server_alone(void **state)
{
    (void)state;
    struct capture capture;
    char path[700];
    (void)snprintf(path, sizeof path, "%s/LOCK", world.sample.dir); /* fits */
    const int lock = open(path, O_RDWR | O_CREAT, 0600);
    assert_true(lock >= 0);
    assert_int_equal(flock(lock, LOCK_EX), 0);
    assert_int_equal(RUN(&capture, "recover", "--data", world.sample.dir), EXIT_IN_USE);
    assert_non_null(strstr(capture.errors, "stop it first"));
    capture_free(&capture);
    assert_int_equal(close(lock), 0);
    assert_int_equal(RUN(&capture, "recover", "--data", world.sample.dir), EXIT_GOOD);
    capture_free(&capture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(damage_in_a_sealed_segment_keeps_what_is_before),
        cmocka_unit_test(lost_bets_are_named),
        cmocka_unit_test(lost_tail_is_named_and_all_before_it_kept),
        cmocka_unit_test(outer_witness_counts_as_well),
        cmocka_unit_test(snapshot_of_the_same_journal_counts),
        cmocka_unit_test(missing_segment_ends_what_is_kept),
        cmocka_unit_test(damaged_header_loses_no_line),
        cmocka_unit_test(nothing_sound_is_nothing_kept),
        cmocka_unit_test(sound_journal_needs_no_recovery),
        cmocka_unit_test(to_keeps_exactly_so_much),
        cmocka_unit_test(existing_directory_is_never_written_to),
        cmocka_unit_test(full_disk_leaves_no_new_directory),
        cmocka_unit_test(power_cut_takes_nothing_that_was_made),
        cmocka_unit_test(failing_disk_leaves_no_new_directory),
        cmocka_unit_test(failing_disk_behind_the_damage_loses_nothing_kept),
        cmocka_unit_test(command_shows_then_makes),
        cmocka_unit_test(names_of_the_new_directory_are_understood),
        cmocka_unit_test(command_leaves_a_running_server_alone),
    };
    return cmocka_run_group_tests_name("recover", tests, set_up, tear_down);
}
