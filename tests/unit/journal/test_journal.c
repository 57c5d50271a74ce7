/* Opening and closing on the real file system. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "fixture.h"
#include "journal/format.h"
#include "journal/witness.h"

static char directory[64];
static struct journal *journal;
static struct journal_report report;
static _Atomic uint64_t durable;

static int make(void **state)
{
    (void)state;
    strcpy(directory, "/tmp/tapline-journal-XXXXXX");
    durable = 0;
    return mkdtemp(directory) == NULL;
}

static int destroy(void **state)
{
    (void)state;
    char command[128];
    (void)snprintf(command, sizeof command, "rm -rf '%s'", directory); /* fits */
    return system(command);
}

static void on_durable(void *context, const struct journal_batch *batch)
{
    (void)context;
    durable = batch->first_seq + batch->count - 1;
}

static enum status open_journal(void)
{
    const struct journal_options options = {.on_durable = on_durable};
    return journal_open(directory, &options, &journal, &report);
}

static int64_t monotonic_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void append_until(uint64_t seq)
{
    struct journal_head head;
    journal_head(journal, &head);
    for (uint64_t next = head.seq + 1; next <= seq; next++) {
        uint8_t record[FIXTURE_RECORD_MAX];
        const size_t length = fixture_record(next, record);
        while (journal_append(journal, record, length) == STATUS_FULL) {
            usleep(100);
        }
    }
    while (durable < seq) {
        usleep(100);
    }
}

static void read_until(uint64_t seq)
{
    struct journal_reader *reader;
    assert_int_equal(journal_reader_open(directory, NULL, 1, &reader), STATUS_OK);
    struct journal_record record;
    for (uint64_t next = 1; next <= seq; next++) {
        uint8_t expected[FIXTURE_RECORD_MAX];
        assert_int_equal(journal_reader_next(reader, &record), STATUS_OK);
        assert_int_equal(record.seq, next);
        assert_int_equal(record.length, fixture_record(next, expected));
        assert_memory_equal(record.bytes, expected, record.length);
    }
    assert_int_equal(journal_reader_next(reader, &record), STATUS_END);
    uint64_t done;
    uint64_t total;
    journal_reader_progress(reader, &done, &total);
    assert_int_equal(done > 0, seq > 0);
    assert_true(done <= total);
    journal_reader_free(reader);
}

/* What was appended in one life is read in the next, over several segments. */
static void records_survive_reopening(void **state)
{
    (void)state;
    for (uint64_t upto = 30000; upto <= 90000; upto += 30000) {
        assert_int_equal(open_journal(), STATUS_OK);
        assert_int_equal(report.rule, 0);
        assert_string_equal(report.reason, "");
        assert_int_equal(journal_start(journal), STATUS_OK);
        append_until(upto);
        assert_int_equal(journal_close(journal), STATUS_OK);
        read_until(upto);
    }
}

/* A server that starts is soon ready: the first durable record is not behind a large preallocation.
 */
static void first_record_is_soon_durable(void **state)
{
    (void)state;
    const int64_t began = monotonic_ms();
    assert_int_equal(open_journal(), STATUS_OK);
    assert_int_equal(journal_start(journal), STATUS_OK);
    append_until(1);
    const int64_t took = monotonic_ms() - began;
    print_message("open, start and the first durable record: %lld ms\n", (long long)took);
    assert_true(took < 1000); /* generous: the machine may be busy */
    assert_int_equal(journal_close(journal), STATUS_OK);
}

/* One process at a time; the lock of a killed one is gone with it. */
static void second_process_is_refused(void **state)
{
    (void)state;
    int ready[2];
    assert_int_equal(pipe(ready), 0);
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        if (open_journal() != STATUS_OK || write(ready[1], "x", 1) != 1) {
            _exit(1);
        }
        pause();
        _exit(0);
    }
    char byte;
    assert_int_equal(read(ready[0], &byte, 1), 1);
    assert_int_equal(open_journal(), STATUS_IN_USE);
    assert_int_equal(kill(child, SIGKILL), 0);
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(open_journal(), STATUS_OK);
    assert_int_equal(journal_close(journal), STATUS_OK);
    close(ready[0]);
    close(ready[1]);
}

/* A process that is killed under load loses nothing that it had been told. */
static void killed_process_loses_nothing(void **state)
{
    (void)state;
    uint64_t told_before = 0;
    for (unsigned round = 0; round < 8; round++) {
        int told[2];
        assert_int_equal(pipe(told), 0);
        const pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            if (open_journal() != STATUS_OK || journal_start(journal) != STATUS_OK) {
                _exit(1);
            }
            for (;;) {
                struct journal_head head;
                journal_head(journal, &head);
                append_until(head.seq + 100);
                const uint64_t seq = durable;
                if (write(told[1], &seq, sizeof seq) != (ssize_t)sizeof seq) {
                    _exit(1);
                }
            }
        }
        uint64_t seq = 0;
        for (unsigned i = 0; i < 5 + round * 7; i++) {
            assert_int_equal(read(told[0], &seq, sizeof seq), (ssize_t)sizeof seq);
        }
        assert_int_equal(kill(child, SIGKILL), 0);
        int status;
        assert_int_equal(waitpid(child, &status, 0), child);
        close(told[0]);
        close(told[1]);
        assert_true(seq > told_before);
        told_before = seq;
        assert_int_equal(open_journal(), STATUS_OK);
        struct journal_head head;
        journal_head(journal, &head);
        assert_true(head.seq >= seq);
        assert_int_equal(journal_close(journal), STATUS_OK);
        read_until(head.seq);
    }
}

/* HEAD follows within about a second, also when nothing comes after; at a clean close it is exact.
 */
static void witness_follows_the_head(void **state)
{
    (void)state;
    char path[96];
    (void)snprintf(path, sizeof path, "%s/journal", directory); /* fits */
    assert_int_equal(open_journal(), STATUS_OK);
    assert_int_equal(journal_start(journal), STATUS_OK);
    append_until(3);
    bool has = false;
    struct witness_head witness = {0};
    for (int i = 0; i < 300 && (!has || witness.seq != 3); i++) {
        usleep(10000);
        assert_int_equal(witness_read(disk_posix(), path, &has, &witness), STATUS_OK);
    }
    assert_true(has);
    assert_int_equal(witness.seq, 3);
    append_until(5);
    struct journal_head head;
    journal_head(journal, &head);
    assert_int_equal(journal_close(journal), STATUS_OK);
    assert_int_equal(witness_read(disk_posix(), path, &has, &witness), STATUS_OK);
    assert_int_equal(witness.seq, 5);
    assert_memory_equal(witness.root, head.root, HASH_BYTES);
}

/* A journal that was opened and never started leaves nothing behind that the next one minds. */
static void opened_but_not_started_is_harmless(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++) {
        assert_int_equal(open_journal(), STATUS_OK);
        struct journal_head head;
        journal_head(journal, &head);
        assert_int_equal(head.seq, 0);
        assert_int_equal(journal_close(journal), STATUS_OK);
    }
    read_until(0);
}

/* No spare is left lying about after a clean close, and an old one is no obstacle. */
static void spare_is_removed(void **state)
{
    (void)state;
    char path[96];
    struct stat information;
    (void)snprintf(path, sizeof path, "%s/journal/%s", directory, FORMAT_SPARE_NAME); /* fits */
    assert_int_equal(open_journal(), STATUS_OK);
    assert_int_equal(journal_start(journal), STATUS_OK);
    append_until(1);
    assert_int_equal(journal_close(journal), STATUS_OK);
    assert_int_not_equal(stat(path, &information), 0);
    FILE *left_over = fopen(path, "w");
    assert_non_null(left_over);
    fputs("half made", left_over);
    fclose(left_over);
    assert_int_equal(open_journal(), STATUS_OK);
    assert_int_not_equal(stat(path, &information), 0);
    assert_int_equal(journal_close(journal), STATUS_OK);
}

/* Nothing to read is told from an empty journal. */
static void reading_without_a_journal(void **state)
{
    (void)state;
    struct journal_reader *reader;
    assert_int_equal(journal_reader_open(directory, NULL, 1, &reader), STATUS_NOT_FOUND);
}

static void command(const char *format)
{
    char line[512];
    (void)snprintf(line, sizeof line, format, directory, directory); /* fits */
    assert_int_equal(system(line), 0);
}

static void write_until(uint64_t seq)
{
    assert_int_equal(open_journal(), STATUS_OK);
    assert_int_equal(journal_start(journal), STATUS_OK);
    append_until(seq);
    assert_int_equal(journal_close(journal), STATUS_OK);
}

/* Without its folder a journal that a witness remembers is refused, with what is missing, and
 * nothing is put in its place; without a witness the directory is a new one. */
static void lost_folder_is_refused(void **state)
{
    (void)state;
    write_until(5);
    command("rm -r '%s/journal'");
    const struct journal_options options = {.witness_seq = 5, .witness_name = "main.db"};
    for (int with_lock = 1; with_lock >= 0; with_lock--) {
        assert_int_equal(journal_open(directory, &options, &journal, &report), STATUS_LOST_TAIL);
        assert_int_equal(report.rule, 'e');
        assert_int_equal(report.seq, 1);
        assert_non_null(strstr(report.reason, "main.db has seen seq 5, so seq 1 to 5 are missing"));
        command("test ! -e '%s/journal' && rm -f '%s/LOCK'");
    }
    durable = 0;
    write_until(1);
    command("rm -r '%s/journal'");
    durable = 0;
    write_until(1); /* with the lock file of before */
    read_until(1);
}

/* The system's words reach whoever opens: what could not be done, to which file, and why. */
static void disk_errors_are_told_in_the_systems_words(void **state)
{
    (void)state;
    struct journal_reader *reader;
    char file[96];
    write_until(1);
    (void)snprintf(file, sizeof file, "%s/LOCK", directory); /* fits */
    const struct journal_options options = {.on_durable = on_durable};
    assert_int_equal(journal_open(file, &options, &journal, &report), STATUS_IO);
    assert_non_null(strstr(report.reason, "LOCK: Not a directory"));
    enum status status = journal_reader_open(file, NULL, 1, &reader);
    assert_non_null(strstr(disk_problem(disk_posix(), status), "LOCK/journal"));
    assert_non_null(strstr(disk_problem(disk_posix(), status), "Not a directory"));
    assert_string_equal(disk_problem(disk_posix(), STATUS_NO_SPACE),
                        status_text(STATUS_NO_SPACE)); /* of that nothing was said */

    command("cd '%s/journal' && for f in *.seg; do rm \"$f\" && ln -s \"$f\" \"$f\"; done");
    assert_int_equal(open_journal(), STATUS_IO);
    assert_non_null(strstr(report.reason, "cannot open "));
    assert_non_null(strstr(report.reason, ".seg: Too many levels of symbolic links"));
    status = journal_reader_open(directory, NULL, 1, &reader);
    assert_int_equal(status, STATUS_IO);
    assert_non_null(strstr(disk_problem(disk_posix(), status), ".seg: Too many levels"));
}

/* A segment that opens and cannot be read is named by the report of the reader. */
static void unreadable_segment_is_named(void **state)
{
    (void)state;
    struct journal_reader *reader;
    struct journal_record record;
    write_until(1);
    command("cd '%s/journal' && for f in *.seg; do rm \"$f\" && mkdir \"$f\"; done");
    assert_int_equal(journal_reader_open(directory, NULL, 1, &reader), STATUS_OK);
    assert_int_equal(journal_reader_next(reader, &record), STATUS_IO);
    const struct journal_report *said = journal_reader_report(reader);
    assert_non_null(strstr(said->segment, ".seg"));
    assert_non_null(strstr(said->reason, "cannot read "));
    assert_non_null(strstr(said->reason, "Is a directory"));
    journal_reader_free(reader);
}

/* A directory in a segment's place is damage, refused by row d, wherever it stands: no crash makes
 * one, and trying again does not help. */
static void a_directory_in_a_segments_place_is_refused(void **state)
{
    (void)state;
    write_until(1);
    command("cd '%s/journal' && for f in *.seg; do rm \"$f\" && mkdir \"$f\"; done");
    assert_int_equal(open_journal(), STATUS_DAMAGED);
    assert_int_equal(report.rule, 'd');
    assert_string_equal(report.segment, "00000000000000000001.seg");
    assert_non_null(strstr(report.reason, "a directory has a segment's name"));
    command("rm -r '%s/journal'");
    durable = 0;
    write_until(1);
    command("mkdir '%s/journal/00000000000000000500.seg'"); /* behind the last */
    assert_int_equal(open_journal(), STATUS_DAMAGED);
    assert_string_equal(report.segment, "00000000000000000500.seg");
    command("rmdir '%s/journal/00000000000000000500.seg'");
    read_until(1);
}

static char failed_reason[512];
static _Atomic bool failed;

static void on_failed(void *context, enum status status, const char *reason)
{
    (void)context;
    (void)status;
    (void)snprintf(failed_reason, sizeof failed_reason, "%s", reason); /* fits */
    failed = true;
}

/* A failure on the spare's thread is told in the system's words too. */
static void writer_tells_why_it_failed(void **state)
{
    (void)state;
    write_until(1);
    const struct journal_options options = {.on_durable = on_durable, .on_failed = on_failed};
    assert_int_equal(journal_open(directory, &options, &journal, &report), STATUS_OK);
    command("mkdir '%s/journal/spare'");
    failed = false;
    assert_int_equal(journal_start(journal), STATUS_OK);
    while (!failed) {
        usleep(100);
    }
    assert_non_null(strstr(failed_reason, "journal/spare: Is a directory"));
    assert_non_null(strstr(failed_reason, "nothing after seq 1 is confirmed"));
    char problem[DISK_PROBLEM_BYTES];
    journal_failure(journal, problem);
    assert_non_null(strstr(problem, "journal/spare: Is a directory"));
    assert_int_equal(journal_append(journal, (const uint8_t *)"x", 1), STATUS_CLOSED);
    assert_int_equal(journal_close(journal), STATUS_IO);
}

static enum status open_with_snapshot(uint64_t seq, uint64_t epoch)
{
    const struct journal_options options = {.on_durable = on_durable,
                                            .snapshot_seq = seq,
                                            .snapshot_epoch = epoch,
                                            .snapshot_name = "snapshots/it.snap"};
    return journal_open(directory, &options, &journal, &report);
}

/* A snapshot of this journal that is newer than its end shows a lost tail and is named; one of
 * another journal says nothing; without a folder any snapshot says that there was a journal. */
static void snapshot_is_a_witness_of_its_own_journal(void **state)
{
    (void)state;
    write_until(20);
    assert_int_equal(open_journal(), STATUS_OK);
    const uint64_t epoch = journal_epoch(journal);
    assert_int_equal(journal_close(journal), STATUS_OK);

    assert_int_equal(open_with_snapshot(20, epoch), STATUS_OK);
    assert_int_equal(journal_close(journal), STATUS_OK);
    assert_int_equal(open_with_snapshot(25, epoch), STATUS_LOST_TAIL);
    assert_int_equal(report.rule, 'e');
    assert_non_null(strstr(report.reason, "snapshots/it.snap has seen seq 25"));
    assert_non_null(strstr(report.reason, "seq 21 to 25 are missing"));
    assert_int_equal(open_with_snapshot(25, epoch + 1), STATUS_OK);
    assert_int_equal(journal_close(journal), STATUS_OK);

    command("rm -r '%s/journal'");
    assert_int_equal(open_with_snapshot(25, epoch + 1), STATUS_LOST_TAIL);
}

/* At each record a reader tells the tree head before its batch, and after each batch the place,
 * wherever it began to read: what a snapshot is held against. */
static void reader_tells_heads_wherever_it_begins(void **state)
{
    (void)state;
    write_until(500);
    struct journal_reader *from_first;
    struct journal_record record;
    struct journal_head before = {0};
    assert_int_equal(journal_reader_open(directory, NULL, 1, &from_first), STATUS_OK);
    struct journal_place place;
    assert_false(journal_reader_place(from_first, &place));
    while (journal_reader_next(from_first, &record) == STATUS_OK) {
        struct journal_head head;
        journal_reader_head_before(from_first, &head);
        assert_true(head.seq < record.seq);
        if (!record.batch_end) {
            continue;
        }
        if (before.seq > 0) {
            assert_memory_equal(head.root, before.root, HASH_BYTES);
        }
        assert_true(journal_reader_place(from_first, &place));
        assert_int_equal(place.tree.size, record.seq);
        before.seq = record.seq;
        merkle_root(&place.tree, before.root);

        struct journal_reader *from_here;
        assert_int_equal(journal_reader_open(directory, NULL, record.seq + 1, &from_here),
                         STATUS_OK);
        const enum status status = journal_reader_next(from_here, &record);
        assert_int_equal(status, before.seq < 500 ? STATUS_OK : STATUS_END);
        journal_reader_head_before(from_here, &head);
        assert_int_equal(head.seq, before.seq);
        assert_memory_equal(head.root, before.root, HASH_BYTES);
        journal_reader_free(from_here);
    }
    assert_int_equal(before.seq, 500);
    journal_reader_free(from_first);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(snapshot_is_a_witness_of_its_own_journal, make, destroy),
        cmocka_unit_test_setup_teardown(reader_tells_heads_wherever_it_begins, make, destroy),
        cmocka_unit_test_setup_teardown(records_survive_reopening, make, destroy),
        cmocka_unit_test_setup_teardown(first_record_is_soon_durable, make, destroy),
        cmocka_unit_test_setup_teardown(second_process_is_refused, make, destroy),
        cmocka_unit_test_setup_teardown(killed_process_loses_nothing, make, destroy),
        cmocka_unit_test_setup_teardown(witness_follows_the_head, make, destroy),
        cmocka_unit_test_setup_teardown(opened_but_not_started_is_harmless, make, destroy),
        cmocka_unit_test_setup_teardown(spare_is_removed, make, destroy),
        cmocka_unit_test_setup_teardown(reading_without_a_journal, make, destroy),
        cmocka_unit_test_setup_teardown(lost_folder_is_refused, make, destroy),
        cmocka_unit_test_setup_teardown(disk_errors_are_told_in_the_systems_words, make, destroy),
        cmocka_unit_test_setup_teardown(a_directory_in_a_segments_place_is_refused, make, destroy),
        cmocka_unit_test_setup_teardown(unreadable_segment_is_named, make, destroy),
        cmocka_unit_test_setup_teardown(writer_tells_why_it_failed, make, destroy),
    };
    return cmocka_run_group_tests_name("journal", tests, NULL, NULL);
}
