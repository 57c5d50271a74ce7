/* A journal whose rules change half way, from version 1 to the version 2 that was never released:
 * this program knows both, the shipped one (TAPLINE_PROGRAM) the first alone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "base/text.h"
#include "journal/format.h"
#include "replay/replay.h"
#include "tests/property/story.h"
#include "tests/unit/replay/sample.h"

#define POINTS        1200
#define SEGMENT_BYTES ((size_t)65536) /* small, so that segments begin on both sides */
#define WHOLE_CENTS   10000
#define RECORDS_MAX   20000

struct account_of {
    char dir[256];
    uint64_t records;
    uint64_t change_seq; /* 0: the rules do not change */
    unsigned paid_before, odd_before, paid_after,
        odd_after; /* payouts, and those in no whole cents */
    uint8_t digests[RECORDS_MAX + 1][HASH_BYTES];
};

/* --- A journal, and its replay by this program. --- */

static void on_event(void *context, const struct event *event)
{
    struct account_of *told = context;
    if (event->kind != EVENT_BET_CONFIRMED) {
        return;
    }
    const bool odd = event->of.bet->payout_micro % WHOLE_CENTS != 0;
    if (told->change_seq == 0) {
        told->paid_before += 1;
        told->odd_before += odd;
    } else {
        told->paid_after += 1;
        told->odd_after += odd;
    }
}

static void on_posting(void *context, const struct posting *posting)
{
    (void)context;
    (void)posting;
}

static enum status after(void *context, struct applier *applier,
                         const struct journal_record *record)
{
    struct account_of *told = context;
    assert_true(record->seq <= RECORDS_MAX);
    memcpy(told->digests[record->seq], applier_digest(applier), HASH_BYTES);
    if (applier_input(applier)->kind == INPUT_RULES_CHANGE && told->change_seq == 0 &&
        machine_rules(applier_machine(applier)) == 2) {
        told->change_seq = record->seq;
    }
    return STATUS_OK;
}

/* Replays it, with every invariant after each hundred records. */
static void replay(struct account_of *told)
{
    struct applier *applier;
    struct replay_result result;
    const struct event_sink sink = {.context = told, .event = on_event, .posting = on_posting};
    const struct replay_options options = {
        .context = told,
        .sink = &sink,
        .after = after,
        .invariant_every = 100,
        .invariant_at_end = true,
    };
    assert_int_equal(applier_open(NULL, &applier), STATUS_OK);
    const enum status status = replay_run(applier, told->dir, &options, &result);
    assert_string_equal(result.problem, "");
    assert_int_equal(status, STATUS_OK);
    assert_int_equal(result.records, told->records);
    assert_true(applier_attests_checked(applier) > 10);
    applier_free(applier);
}

static struct account_of *make_of(uint64_t seed, uint32_t rules_version, size_t segment_bytes)
{
    struct account_of *told = calloc(1, sizeof *told);
    assert_non_null(told);
    sample_directory(told->dir);
    const struct story_options options = {
        .dir = told->dir,
        .seed = seed,
        .points = POINTS,
        .segment_bytes = segment_bytes,
        .rules_version = rules_version,
    };
    struct story_told story;
    story_write(&options, &story);
    told->records = story.records;
    replay(told);
    return told;
}

static struct account_of *make(uint64_t seed, uint32_t rules_version)
{
    return make_of(seed, rules_version, SEGMENT_BYTES);
}

static void drop(struct account_of *told)
{
    sample_remove_directory(told->dir);
    free(told);
}

/* Seeds whose markets confirm bets on both sides. */
static const uint64_t seeds[] = {27, 40, 9};
#define SEEDS (sizeof seeds / sizeof seeds[0])

/* --- The shipped program. --- */

struct answer {
    int exit_code;
    char text[1 << 16]; /* the begin of both streams */
    uint64_t lines;
};

static void ask(struct answer *answer, const char *format, const char *dir, uint64_t seq)
{
    char words[512];
    char command[1024];
    snprintf(words, sizeof words, format, dir, seq);
    snprintf(command, sizeof command, "'%s' %s 2>&1", TAPLINE_PROGRAM, words);
    FILE *pipe = popen(command, "r");
    assert_non_null(pipe);
    *answer = (struct answer){.lines = 0};
    size_t used = 0;
    int byte;
    while ((byte = fgetc(pipe)) != EOF) {
        answer->lines += byte == '\n';
        if (used + 1 < sizeof answer->text) {
            answer->text[used++] = (char)byte;
        }
    }
    const int status = pclose(pipe);
    assert_true(WIFEXITED(status));
    answer->exit_code = WEXITSTATUS(status);
}

/* The shipped program's digest after record seq is this one. */
static void expect_digest(const struct account_of *told, uint64_t seq)
{
    static struct answer answer;
    char hex[2 * HASH_BYTES + 1];
    ask(&answer, "replay --data '%s' --no-sqlite --json --to %" PRIu64, told->dir, seq);
    text_format_hex(hex, told->digests[seq], HASH_BYTES);
    assert_int_equal(answer.exit_code, 0);
    assert_non_null(strstr(answer.text, hex));
}

/* --- Claims. --- */

/* Before the change bets pay to the micro-USD, behind it whole cents: the change is money. */
static void the_rules_change_what_bets_pay(void **state)
{
    (void)state;
    for (size_t i = 0; i < SEEDS; i++) {
        struct account_of *told = make(seeds[i], 2);
        assert_true(told->change_seq > told->records / 4);
        assert_true(told->odd_before > 0);
        assert_true(told->paid_after > 0);
        assert_int_equal(told->odd_after, 0);
        drop(told);
    }
}

/* Each segment's header names the rules in force at its first record. */
static void headers_name_the_rules_at_their_first_record(void **state)
{
    (void)state;
    struct account_of *told = make(seeds[0], 2);
    struct journal_reader *reader;
    struct journal_record record;
    unsigned segments[3] = {0};
    assert_int_equal(journal_reader_open(told->dir, NULL, 1, &reader), STATUS_OK);
    while (journal_reader_next(reader, &record) == STATUS_OK) {
        if (record.seq == told->change_seq) {
            assert_true(record.batch_end);
        }
        if (journal_reader_begins_segment(reader, record.seq)) {
            const uint32_t rules = journal_reader_rules(reader);
            assert_int_equal(rules, record.seq <= told->change_seq ? 1 : 2);
            segments[rules] += 1;
        }
    }
    assert_true(segments[1] > 0 && segments[2] > 0);
    journal_reader_free(reader);
    drop(told);
}

/* Up to the change the program that knows version 1 alone computes the same digests. */
static void digests_before_the_change_are_those_of_version_1_alone(void **state)
{
    (void)state;
    struct account_of *told = make(seeds[0], 2);
    expect_digest(told, told->change_seq / 2);
    expect_digest(told, told->change_seq - 1);
    drop(told);
}

/* A program that knows more does not change what version 1 says: on a journal without a change both
 * have the same digest at the end. */
static void a_journal_of_version_1_reads_alike_in_both(void **state)
{
    (void)state;
    for (size_t i = 0; i < SEEDS; i++) {
        struct account_of *told = make(seeds[i], 0);
        assert_int_equal(told->change_seq, 0);
        expect_digest(told, told->records);
        drop(told);
    }
}

static void expect_refused(const struct account_of *told, const char *command, int code,
                           const char *where)
{
    static struct answer answer;
    ask(&answer, command, told->dir, 0);
    assert_non_null(strstr(answer.text, where));
    assert_non_null(strstr(answer.text, "start the program that wrote it, or a newer one"));
    assert_int_equal(answer.exit_code, code);
}

/* The older program stops before the change, says at which seq and which version, and does not
 * start on the journal. */
static void an_older_program_stops_before_the_change(void **state)
{
    (void)state;
    struct account_of *told = make_of(seeds[0], 2, 0); /* one segment: its header is known to all */
    char where[64];
    snprintf(where, sizeof where, "seq %" PRIu64 ": changes the rules to version 2",
             told->change_seq);
    expect_refused(told, "verify --data '%s'", 2, where);
    expect_refused(told, "replay --data '%s' --no-sqlite --json", 2, where);
    expect_refused(told, "serve --data '%s' --listen 127.0.0.1:0", 74, where);
    drop(told);
}

/* Where a segment was begun under the later rules, the start refuses by its header, before it reads
 * or repairs anything behind. */
static void an_older_program_refuses_a_segment_of_later_rules(void **state)
{
    (void)state;
    struct account_of *told = make(seeds[0], 2);
    expect_refused(told, "serve --data '%s' --listen 127.0.0.1:0", 74,
                   "the rules are newer than this program");
    drop(told);
}

/* What stands in the journal the older program shows: all records as bytes, and what happened up to
 * the change. */
static void an_older_program_shows_what_is_there(void **state)
{
    (void)state;
    static struct answer answer;
    struct account_of *told = make(seeds[0], 2);
    ask(&answer, "inspect --data '%s' --json", told->dir, 0);
    assert_int_equal(answer.exit_code, 0);
    assert_int_equal(answer.lines, told->records);
    ask(&answer, "inspect --data '%s' --json --from %" PRIu64, told->dir, told->change_seq);
    assert_int_equal(answer.exit_code, 0);
    assert_non_null(strstr(answer.text, "\"kind\":\"rules_change\",\"version\":\"2\""));
    ask(&answer, "inspect --data '%s' --json --events --to %" PRIu64, told->dir,
        told->change_seq - 1);
    assert_int_equal(answer.exit_code, 0);
    assert_non_null(strstr(answer.text, "bet:confirmed"));
    drop(told);
}

/* --- Snapshots. --- */

struct bytes {
    uint8_t *data;
    size_t count;
};

static void keep(void *context, const uint8_t *data, size_t count)
{
    struct bytes *bytes = context;
    bytes->data = realloc(bytes->data, bytes->count + count);
    assert_non_null(bytes->data);
    memcpy(bytes->data + bytes->count, data, count);
    bytes->count += count;
}

/* Replays to `to` (0: the end) and keeps the state there. */
static void run_to(const struct account_of *told, struct applier *applier, uint64_t to,
                   struct bytes *snapshot)
{
    struct replay_result result;
    const struct replay_options options = {.to_seq = to, .invariant_at_end = true};
    const enum status status = replay_run(applier, told->dir, &options, &result);
    assert_string_equal(result.problem, "");
    assert_int_equal(status, STATUS_OK);
    *snapshot = (struct bytes){0};
    machine_snapshot(applier_machine(applier), snapshot, keep);
}

/* A state taken before, at and behind the change goes on to the same digest and the same bytes. */
static void snapshots_around_the_change_go_on_alike(void **state)
{
    (void)state;
    struct account_of *told = make(seeds[0], 2);
    struct applier *whole;
    struct bytes end;
    assert_int_equal(applier_open(NULL, &whole), STATUS_OK);
    run_to(told, whole, 0, &end);
    for (uint64_t at = told->change_seq - 1; at <= told->change_seq + 1; at++) {
        struct applier *first;
        struct applier *second;
        struct bytes snapshot;
        struct bytes again;
        assert_int_equal(applier_open(NULL, &first), STATUS_OK);
        run_to(told, first, at, &snapshot);
        assert_int_equal(
            applier_restore(NULL, snapshot.data, snapshot.count, told->digests[at], &second),
            STATUS_OK);
        assert_int_equal(machine_rules(applier_machine(second)), at < told->change_seq ? 1 : 2);
        run_to(told, second, 0, &again);
        assert_memory_equal(applier_digest(second), applier_digest(whole), HASH_BYTES);
        assert_int_equal(again.count, end.count);
        assert_memory_equal(again.data, end.data, end.count);
        applier_free(first);
        applier_free(second);
        free(snapshot.data);
        free(again.data);
    }
    applier_free(whole);
    free(end.data);
    drop(told);
}

/* The first record of the last segment. */
static uint64_t last_segment_of(const struct account_of *told)
{
    struct journal_reader *reader;
    struct journal_record record;
    uint64_t first_seq = 0;
    assert_int_equal(journal_reader_open(told->dir, NULL, 1, &reader), STATUS_OK);
    while (journal_reader_next(reader, &record) == STATUS_OK) {
        if (journal_reader_begins_segment(reader, record.seq)) {
            first_seq = record.seq;
        }
    }
    journal_reader_free(reader);
    return first_seq;
}

/* A header with a good checksum that names other rules than the records before it leave in force:
 * its segment is not of this history. */
static void header_of_other_rules_is_refused(void **state)
{
    (void)state;
    struct account_of *told = make(seeds[0], 2);
    const uint64_t first_seq = last_segment_of(told);
    assert_true(first_seq > told->change_seq);
    char name[FORMAT_NAME_BYTES];
    char path[512];
    uint8_t bytes[FORMAT_SEGMENT_HEADER_BYTES];
    struct segment_header header;
    format_segment_name(first_seq, name);
    (void)snprintf(path, sizeof path, "%s/journal/%s", told->dir, name);
    FILE *file = fopen(path, "r+b");
    assert_non_null(file);
    assert_int_equal(fread(bytes, 1, sizeof bytes, file), sizeof bytes);
    assert_int_equal(format_get_segment_header(bytes, &header), STATUS_OK);
    assert_int_equal(header.rules_version, 2);
    header.rules_version = 1;
    format_put_segment_header(&header, bytes);
    rewind(file);
    assert_int_equal(fwrite(bytes, 1, sizeof bytes, file), sizeof bytes);
    assert_int_equal(fclose(file), 0);
    struct applier *applier;
    struct replay_result result;
    assert_int_equal(applier_open(NULL, &applier), STATUS_OK);
    assert_int_equal(replay_run(applier, told->dir, &(struct replay_options){.to_seq = 0}, &result),
                     STATUS_DAMAGED);
    assert_non_null(strstr(result.problem, "its segment is of rules version 1"));
    assert_int_equal(applier_seq(applier), first_seq - 1);
    applier_free(applier);
    drop(told);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_rules_change_what_bets_pay),
        cmocka_unit_test(headers_name_the_rules_at_their_first_record),
        cmocka_unit_test(digests_before_the_change_are_those_of_version_1_alone),
        cmocka_unit_test(a_journal_of_version_1_reads_alike_in_both),
        cmocka_unit_test(an_older_program_stops_before_the_change),
        cmocka_unit_test(an_older_program_refuses_a_segment_of_later_rules),
        cmocka_unit_test(an_older_program_shows_what_is_there),
        cmocka_unit_test(snapshots_around_the_change_go_on_alike),
        cmocka_unit_test(header_of_other_rules_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
