/* Snapshot files: every byte counts, and a crash leaves a whole one or none. */
#include "replay/snapshot_file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <nettle/sha2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "replay/replay.h"
#include "sample.h"
#include "tests/unit/journal/memory_disk.h"

#define DATA          "data"
#define HASH_AT(file) ((file)->size - HASH_BYTES)

static struct sample sample;
static struct applier *applier;
static struct journal_place place;

/* A state with money, bets, ticks, nonces and references in it. */
static int make_state(void **state)
{
    (void)state;
    struct replay_result result;
    sample_make(&sample, &(struct sample_options){.segment_bytes = 0});
    assert_int_equal(applier_open(&sample_limits, &applier), STATUS_OK);
    assert_int_equal(
        replay_run(applier, sample.dir, &(struct replay_options){.to_seq = 0}, &result), STATUS_OK);
    assert_true(result.has_place);
    place = result.place;
    return 0;
}

static int free_state(void **state)
{
    (void)state;
    applier_free(applier);
    sample_remove(&sample);
    return 0;
}

static void write_good(struct memory_disk *disk)
{
    char problem[SNAPSHOT_PROBLEM_BYTES];
    memory_disk_init(disk);
    assert_int_equal(snapshot_write(&disk->disk, DATA, applier, &place, problem), STATUS_OK);
}

static enum status read_it(struct memory_disk *disk, char problem[SNAPSHOT_PROBLEM_BYTES])
{
    struct snapshot snapshot;
    const enum status status = snapshot_read(&disk->disk, DATA, sample.records, &snapshot, problem);
    if (status == STATUS_OK) {
        free(snapshot.body);
    }
    return status;
}

/* The hash at the end made to fit again: what an attacker or another program would write. */
static void rehash(struct memory_file *file)
{
    struct sha256_ctx sha;
    sha256_init(&sha);
    sha256_update(&sha, HASH_AT(file), file->bytes);
    sha256_digest(&sha, HASH_BYTES, file->bytes + HASH_AT(file));
}

/* What is read is what was written: the place, the digest, and a body that restores to the same
 * canonical bytes. */
static void snapshot_comes_back_whole(void **state)
{
    (void)state;
    struct memory_disk disk;
    struct snapshot snapshot;
    char problem[SNAPSHOT_PROBLEM_BYTES];
    write_good(&disk);
    assert_int_equal(snapshot_read(&disk.disk, DATA, sample.records, &snapshot, problem),
                     STATUS_OK);
    assert_int_equal(snapshot.header.seq, sample.records);
    assert_int_equal(snapshot.header.time_ms, sample.time_ms);
    assert_int_equal(snapshot.header.rules_version, machine_rules(applier_machine(applier)));
    assert_int_equal(snapshot.header.place.epoch, place.epoch);
    uint8_t written[HASH_BYTES];
    uint8_t read[HASH_BYTES];
    merkle_root(&place.tree, written);
    merkle_root(&snapshot.header.place.tree, read);
    assert_memory_equal(read, written, HASH_BYTES);
    assert_memory_equal(snapshot.header.digest, sample.digests[sample.records], HASH_BYTES);
    struct applier *restored;
    assert_int_equal(applier_restore(&sample_limits, snapshot.body,
                                     (size_t)snapshot.header.body_bytes, snapshot.header.digest,
                                     &restored),
                     STATUS_OK);
    struct memory_disk again;
    memory_disk_init(&again);
    assert_int_equal(snapshot_write(&again.disk, DATA, restored, &place, problem), STATUS_OK);
    const struct memory_file *first = memory_disk_find(&disk, ".snap");
    const struct memory_file *second = memory_disk_find(&again, ".snap");
    assert_int_equal(first->size, second->size);
    assert_memory_equal(first->bytes, second->bytes, first->size);
    applier_free(restored);
    free(snapshot.body);
    memory_disk_free(&again);
    memory_disk_free(&disk);
}

/* One flipped bit in any byte of header, body or hash: refused, and the file is named. */
static void every_flipped_byte_is_refused(void **state)
{
    (void)state;
    struct memory_disk disk;
    char problem[SNAPSHOT_PROBLEM_BYTES];
    write_good(&disk);
    struct memory_file *file = memory_disk_find(&disk, ".snap");
    assert_true(file->size > SNAPSHOT_HEADER_BYTES + 1000);
    for (size_t at = 0; at < file->size; at++) {
        file->bytes[at] ^= (uint8_t)(1u << at % 8);
        const enum status status = read_it(&disk, problem);
        assert_true(status == STATUS_DAMAGED || status == STATUS_VERSION);
        assert_non_null(strstr(problem, ".snap: "));
        file->bytes[at] ^= (uint8_t)(1u << at % 8);
    }
    assert_int_equal(read_it(&disk, problem), STATUS_OK);
    memory_disk_free(&disk);
}

/* A file that ends anywhere before its end, or one byte behind it, is refused. */
static void every_other_length_is_refused(void **state)
{
    (void)state;
    struct memory_disk disk;
    char problem[SNAPSHOT_PROBLEM_BYTES];
    write_good(&disk);
    struct memory_file *file = memory_disk_find(&disk, ".snap");
    const size_t size = file->size;
    for (size_t shorter = 0; shorter < size; shorter++) {
        file->size = shorter;
        assert_int_equal(read_it(&disk, problem), STATUS_DAMAGED);
    }
    file->bytes = realloc(file->bytes, size + 1);
    assert_non_null(file->bytes);
    file->bytes[size] = 0;
    file->size = size + 1;
    assert_int_equal(read_it(&disk, problem), STATUS_DAMAGED);
    memory_disk_free(&disk);
}

/* With a hash that fits, a header is still refused for what it says: the versions, reserved bytes,
 * a tree that does not make its head, a length that no state has, another seq than the name's. */
static void header_is_judged_beside_its_hash(void **state)
{
    (void)state;
    struct memory_disk disk;
    char problem[SNAPSHOT_PROBLEM_BYTES];
    static const struct {
        size_t at;
        enum status status;
    } bent[] = {
        {8, STATUS_VERSION},    /* format */
        {15, STATUS_VERSION},   /* rules, far in the future */
        {31, STATUS_DAMAGED},   /* seq */
        {47, STATUS_DAMAGED},   /* length of the body */
        {80, STATUS_DAMAGED},   /* tree head */
        {2144, STATUS_DAMAGED}, /* the place of a subtree that is not there */
        {4000, STATUS_DAMAGED}, /* zeros */
    };
    write_good(&disk);
    struct memory_file *file = memory_disk_find(&disk, ".snap");
    for (size_t i = 0; i < sizeof bent / sizeof bent[0]; i++) {
        file->bytes[bent[i].at] ^= 0x40;
        rehash(file);
        assert_int_equal(read_it(&disk, problem), bent[i].status);
        file->bytes[bent[i].at] ^= 0x40;
    }
    rehash(file);
    assert_int_equal(read_it(&disk, problem), STATUS_OK);
    strcpy(strstr(file->name, "snapshots/"), "snapshots/00000000000000000001.snap");
    struct snapshot snapshot;
    assert_int_equal(snapshot_read(&disk.disk, DATA, 1, &snapshot, problem), STATUS_DAMAGED);
    assert_int_equal(read_it(&disk, problem), STATUS_NOT_FOUND);
    memory_disk_free(&disk);
}

/* Names are twenty digits; anything else in the folder is not looked at. */
static void only_snapshot_names_are_listed(void **state)
{
    (void)state;
    uint64_t seq = 7;
    char name[SNAPSHOT_NAME_BYTES];
    snapshot_name(500000, name);
    assert_string_equal(name, "00000000000000500000.snap");
    assert_true(snapshot_parse_name(name, &seq));
    assert_int_equal(seq, 500000);
    snapshot_name(UINT64_MAX, name);
    assert_true(snapshot_parse_name(name, &seq));
    assert_true(seq == UINT64_MAX);
    static const char *const others[] = {
        "",
        "00000000000000500000",
        "0000000000000500000.snap",
        "00000000000000500000.snap.part",
        "00000000000000500000.snax",
        "0000000000000050000x.snap",
        "00000000000000000000.snap",
        "99999999999999999999.snap",
        "new.part",
    };
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        assert_false(snapshot_parse_name(others[i], &seq));
    }
}

/* A list has the newest first, also of more files than it has room for. */
static void list_has_the_newest_first(void **state)
{
    (void)state;
    struct memory_disk disk;
    struct snapshot_list list;
    memory_disk_init(&disk);
    assert_int_equal(snapshot_list(&disk.disk, DATA, &list), STATUS_OK);
    assert_int_equal(list.count, 0);
    for (uint64_t i = 0; i < 100; i++) {
        char name[SNAPSHOT_NAME_BYTES];
        char path[64];
        struct disk_file *file;
        snapshot_name(1 + i * 37 % 100, name);
        (void)snprintf(path, sizeof path, DATA "/snapshots/%s", name);
        assert_int_equal(disk.disk.open(disk.disk.context, path, true, false, &file), STATUS_OK);
        assert_int_equal(disk.disk.close(disk.disk.context, file), STATUS_OK);
    }
    assert_int_equal(snapshot_list(&disk.disk, DATA, &list), STATUS_OK);
    assert_int_equal(list.count, SNAPSHOT_LISTED_MAX);
    for (size_t i = 0; i < list.count; i++) {
        assert_int_equal(list.seqs[i], 100 - i);
    }
    memory_disk_free(&disk);
}

/* Snapshots of the same journal at six moments: the oldest goes when the fifth is written, and one
 * from beyond them all, which must be another journal's, takes no place. */
static void only_the_newest_are_kept(void **state)
{
    (void)state;
    struct memory_disk disk;
    memory_disk_init(&disk);
    struct disk_file *other;
    assert_int_equal(disk.disk.open(disk.disk.context, DATA "/snapshots/00000000000000009999.snap",
                                    true, false, &other),
                     STATUS_OK);
    assert_int_equal(disk.disk.close(disk.disk.context, other), STATUS_OK);
    for (uint64_t to = 10; to <= 60; to += 10) {
        struct applier *then;
        struct replay_result result;
        char problem[SNAPSHOT_PROBLEM_BYTES];
        assert_int_equal(applier_open(&sample_limits, &then), STATUS_OK);
        assert_int_equal(
            replay_run(then, sample.dir, &(struct replay_options){.to_seq = to}, &result),
            STATUS_OK);
        struct journal_place there = {.epoch = place.epoch};
        merkle_init(&there.tree);
        for (uint64_t seq = 1; seq <= to; seq++) {
            merkle_append(&there.tree, sample.digests[seq]); /* any history will do */
        }
        assert_int_equal(snapshot_write(&disk.disk, DATA, then, &there, problem), STATUS_OK);
        applier_free(then);
    }
    struct snapshot_list list;
    assert_int_equal(snapshot_list(&disk.disk, DATA, &list), STATUS_OK);
    assert_int_equal(list.count, 1 + SNAPSHOT_KEPT);
    assert_int_equal(list.seqs[0], 9999);
    for (size_t i = 0; i < SNAPSHOT_KEPT; i++) {
        assert_int_equal(list.seqs[1 + i], 60 - 10 * i);
    }
    memory_disk_free(&disk);
}

/* The n-th call of the disk fails, for every n, once or for ever, then the power goes: under the
 * name is a whole snapshot or nothing, and the next attempt succeeds. */
static void crash_leaves_a_whole_snapshot_or_none(void **state)
{
    (void)state;
    bool succeeded = false;
    unsigned failures = 0;
    for (uint64_t call = 1; !succeeded; call++) {
        for (int for_ever = 0; for_ever < 2; for_ever++) {
            struct memory_disk disk;
            struct snapshot_list list;
            char problem[SNAPSHOT_PROBLEM_BYTES] = "";
            memory_disk_init(&disk);
            disk.fault = (struct memory_fault){.at_call = call,
                                               .for_ever = for_ever != 0,
                                               .half = true,
                                               .status = STATUS_NO_SPACE};
            const enum status status = snapshot_write(&disk.disk, DATA, applier, &place, problem);
            succeeded = !disk.has_failed;
            assert_int_equal(disk.open_handles, 0);
            if (status != STATUS_OK) {
                assert_string_not_equal(problem, "");
                failures++;
            }
            disk.fault = (struct memory_fault){.at_call = 0};
            memory_disk_cut_power(&disk, call);
            assert_int_equal(snapshot_list(&disk.disk, DATA, &list), STATUS_OK);
            if (list.count > 0 || status == STATUS_OK) {
                assert_int_equal(list.count, 1);
                assert_int_equal(read_it(&disk, problem), STATUS_OK);
            }
            assert_int_equal(snapshot_write(&disk.disk, DATA, applier, &place, problem), STATUS_OK);
            assert_int_equal(read_it(&disk, problem), STATUS_OK);
            memory_disk_free(&disk);
        }
    }
    assert_true(failures >= 14); /* folder, its name, open, write, truncate, sync, rename, sync */
}

/* A disk that passes every call on and notes those on which a crash depends. */
static struct {
    const struct disk *disk;
    char text[1024];
} trace;

static void note(const char *call, const char *path)
{
    const size_t used = strlen(trace.text);
    (void)snprintf(trace.text + used, sizeof trace.text - used, "%s %s\n", call, path);
}

static enum status trace_make_directory(void *context, const char *path)
{
    note("make", path);
    return trace.disk->make_directory(context, path);
}

static enum status trace_sync(void *context, struct disk_file *file)
{
    note("sync", "file");
    return trace.disk->sync(context, file);
}

static enum status trace_close(void *context, struct disk_file *file)
{
    note("close", "file");
    return trace.disk->close(context, file);
}

static enum status trace_rename(void *context, const char *from, const char *to)
{
    note("rename", from);
    note("to", to);
    return trace.disk->rename(context, from, to);
}

static enum status trace_sync_directory(void *context, const char *path)
{
    note("sync", path);
    return trace.disk->sync_directory(context, path);
}

/* The folder's name is durable before a file is in it, the bytes before the file has its name, and
 * the name before anybody is told: in this order, and nothing is left out. */
static void each_step_is_durable_before_the_next(void **state)
{
    (void)state;
    struct memory_disk memory;
    char problem[SNAPSHOT_PROBLEM_BYTES];
    char name[SNAPSHOT_NAME_BYTES];
    char expected[512];
    memory_disk_init(&memory);
    trace.disk = &memory.disk;
    trace.text[0] = '\0';
    struct disk disk = memory.disk;
    disk.make_directory = trace_make_directory;
    disk.sync = trace_sync;
    disk.close = trace_close;
    disk.rename = trace_rename;
    disk.sync_directory = trace_sync_directory;
    assert_int_equal(snapshot_write(&disk, DATA, applier, &place, problem), STATUS_OK);
    snapshot_name(sample.records, name);
    (void)snprintf(expected, sizeof expected,
                   "make data/snapshots\nsync data\nsync file\nclose file\n"
                   "rename data/snapshots/new.part\nto data/snapshots/%s\nsync data/snapshots\n",
                   name);
    assert_string_equal(trace.text, expected);
    memory_disk_free(&memory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(snapshot_comes_back_whole),
        cmocka_unit_test(every_flipped_byte_is_refused),
        cmocka_unit_test(every_other_length_is_refused),
        cmocka_unit_test(header_is_judged_beside_its_hash),
        cmocka_unit_test(only_snapshot_names_are_listed),
        cmocka_unit_test(list_has_the_newest_first),
        cmocka_unit_test(only_the_newest_are_kept),
        cmocka_unit_test(crash_leaves_a_whole_snapshot_or_none),
        cmocka_unit_test(each_step_is_durable_before_the_next),
    };
    return cmocka_run_group_tests_name("snapshot_file", tests, make_state, free_state);
}
