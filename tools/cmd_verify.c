/* tapline verify: every checksum, the tree heads, every digest by replay from genesis, the index
 * prices and, on request, every signature; then SQLite against the replayed state. Reads only. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"
#include "replay/compare.h"
#include "replay/replay.h"
#include "tools/audit.h"
#include "tools/bug_trap.h"
#include "tools/commands.h"
#include "tools/offline.h"
#include "tools/options.h"
#include "tools/progress.h"
#include "tools/signatures.h"

/* A check looks at all that the state holds, each in about a fifth of the time of a record: so they
 * take a fiftieth of the whole. The one at the end is always made. */
#define EVERY_SHARE 10

enum row {
    ROW_DATA,
    ROW_SIGNATURES,
    ROW_THREADS,
    ROW_EVERY,
    ROW_NO_SQLITE,
    ROW_JSON,
    ROW_COUNT
};

struct verify {
    const char *data_dir;
    bool json;
    bool with_signatures;
    bool with_sqlite;
    uint64_t every;
    uint64_t every_share;
    unsigned threads;
    struct applier *applier;
    struct audit *audit;
    struct replay_result replay;
    const struct audit_result *audited;
    struct compare *compare; /* NULL: not asked for, or the files cannot be read */
    struct compare_result sqlite;
    enum status compared;
    double seconds; /* of the replay */
};

static enum status before_record(void *context, struct applier *applier,
                                 const struct journal_record *record)
{
    struct verify *verify = context;
    bug_trap_note(record->seq);
    audit_record(verify->audit, applier_input(applier));
    return verify->compare == NULL ? STATUS_OK : compare_before(verify->compare, applier, record);
}

static enum status after_record(void *context, struct applier *applier,
                                const struct journal_record *record)
{
    struct verify *verify = context;
    return verify->compare == NULL ? STATUS_OK : compare_after(verify->compare, applier, record);
}

static enum status run_replay(struct verify *verify)
{
    struct progress progress;
    progress_start(&progress, "verify");
    const struct replay_options options = {
        .invariant_every = verify->every,
        .invariant_share = verify->every_share,
        .invariant_at_end = true,
        .read_ahead = verify->threads > 1,
        .mismatch_goes_on = true,
        .context = verify,
        .sink = verify->compare == NULL ? NULL : compare_sink(verify->compare),
        .before = before_record,
        .after = after_record,
        .progress_context = &progress,
        .progress = progress_update,
    };
    const enum status status =
        replay_run(verify->applier, verify->data_dir, &options, &verify->replay);
    verify->audited = audit_finish(verify->audit);
    verify->seconds = progress_seconds(&progress);
    progress_finish(&progress);
    return status;
}

/* The difference with the lowest seq; NULL when there is none. */
static const char *first_difference(const struct verify *verify, uint64_t *seq)
{
    const char *problem = NULL;
    *seq = 0;
    if (verify->replay.mismatches > 0) {
        *seq = verify->replay.first_mismatch_seq;
        problem = verify->replay.problem;
    }
    if (verify->audited->first_bad_seq != 0 &&
        (problem == NULL || verify->audited->first_bad_seq < *seq)) {
        *seq = verify->audited->first_bad_seq;
        problem = verify->audited->problem;
    }
    if (verify->compared == STATUS_MISMATCH &&
        (problem == NULL || verify->sqlite.first_seq < *seq)) {
        *seq = verify->sqlite.first_seq;
        problem = verify->sqlite.problem;
    }
    return problem;
}

static void put_result(struct fields *fields, const struct verify *verify, const char *difference,
                       uint64_t seq)
{
    const struct replay_result *replay = &verify->replay;
    const double rate = verify->seconds > 0 ? (double)replay->records / verify->seconds : 0;
    fields_u64(fields, "records", replay->records);
    fields_u64(fields, "seq", applier_seq(verify->applier));
    fields_i64(fields, "time", applier_time_ms(verify->applier));
    fields_u64(fields, "elapsed_ms", (uint64_t)(verify->seconds * 1000));
    fields_u64(fields, "records_per_second", (uint64_t)rate);
    fields_hex(fields, "tree_head", "", replay->head.root, HASH_BYTES);
    fields_hex(fields, "digest", "", applier_digest(verify->applier), HASH_BYTES);
    fields_u64(fields, "attests", applier_attests_checked(verify->applier));
    fields_u64(fields, "attests_wrong", replay->mismatches);
    fields_u64(fields, "prices", verify->audited->prices);
    fields_u64(fields, "prices_wrong", verify->audited->prices_bad);
    fields_bool(fields, "signatures_asked", verify->with_signatures);
    fields_u64(fields, "signatures", verify->audited->signatures);
    fields_u64(fields, "signatures_wrong", verify->audited->signatures_bad);
    fields_u64(fields, "signatures_skipped", verify->audited->signatures_skipped);
    fields_u64_or_null(fields, "sqlite_seq", verify->sqlite.seq);
    fields_u64(fields, "sqlite_tables", verify->sqlite.tables);
    fields_u64(fields, "sqlite_rows", verify->sqlite.rows);
    fields_u64(fields, "sqlite_missing_files", verify->sqlite.missing);
    fields_string(fields, "result", difference == NULL ? "good" : "difference");
    fields_u64_or_null(fields, "first_difference", seq);
    if (difference != NULL) {
        fields_string(fields, "problem", difference);
    }
}

static void print_people(const struct verify *verify)
{
    const struct replay_result *replay = &verify->replay;
    char head[2 * HASH_BYTES + 1];
    char digest[2 * HASH_BYTES + 1];
    text_format_hex(head, replay->head.root, HASH_BYTES);
    text_format_hex(digest, applier_digest(verify->applier), HASH_BYTES);
    printf("records      %" PRIu64 " in %.3f s, %.0f records/s\n", replay->records, verify->seconds,
           verify->seconds > 0 ? (double)replay->records / verify->seconds : 0);
    printf("tree head    %s at seq %" PRIu64 "\n", head, replay->head.seq);
    printf("digest       %s\n", digest);
    printf("attests      %" PRIu64 " compared, %" PRIu64 " differ\n",
           applier_attests_checked(verify->applier), replay->mismatches);
    printf("prices       %" PRIu64 " recomputed from their quotes, %" PRIu64 " differ\n",
           verify->audited->prices, verify->audited->prices_bad);
    if (verify->with_signatures) {
        printf("signatures   %" PRIu64 " good, %" PRIu64 " wrong, %" PRIu64
               " of session keys not checked\n",
               verify->audited->signatures, verify->audited->signatures_bad,
               verify->audited->signatures_skipped);
    }
    if (verify->with_sqlite && verify->compared == STATUS_OK && verify->sqlite.seq == 0) {
        printf("projections  none here\n");
    } else if (verify->with_sqlite && verify->compared == STATUS_OK) {
        printf("projections  %" PRIu64 " tables with %" PRIu64 " rows equal at seq %" PRIu64
               ", %" PRIu64 " files missing\n",
               verify->sqlite.tables, verify->sqlite.rows, verify->sqlite.seq,
               verify->sqlite.missing);
    }
    if (replay->journal.rule != 0) {
        printf("note         %s, offset %" PRIu64 ": %s\n", replay->journal.segment,
               replay->journal.offset, replay->journal.reason);
    }
}

static int print_result(struct verify *verify)
{
    uint64_t seq;
    const char *difference = first_difference(verify, &seq);
    if (verify->json) {
        struct json text = {0};
        struct fields fields = {.out = &text, .json = true};
        fields_open(&fields, NULL, '{');
        put_result(&fields, verify, difference, seq);
        fields_close(&fields, '}');
        const bool printed = offline_print(&text);
        json_text_free(&text);
        if (!printed) {
            return offline_fail("verify", STATUS_IO, "cannot write the result");
        }
    } else {
        print_people(verify);
    }
    if (difference != NULL) {
        if (!verify->json) {
            printf("DIFFERENCE   first at seq %" PRIu64 "\n", seq);
        }
        return offline_fail("verify", STATUS_MISMATCH, difference);
    }
    if (!verify->json) {
        printf("good\n");
    }
    return EXIT_GOOD;
}

static int run(struct verify *verify)
{
    enum status status = applier_open(NULL, &verify->applier);
    if (status == STATUS_OK) {
        status = audit_open(verify->with_signatures ? verify->threads : 0, &verify->audit);
    }
    if (status != STATUS_OK) {
        return offline_fail("verify", status, "");
    }
    if (verify->with_sqlite) {
        verify->compared = compare_open(verify->data_dir, &verify->compare, &verify->sqlite);
    }
    if (verify->compare != NULL) {
        status = compare_indexes(verify->compare, true);
    }
    if (status != STATUS_OK) {
        return offline_fail("verify", status, "");
    }
    status = run_replay(verify);
    if (status == STATUS_NOT_FOUND && offline_lost_journal("verify", verify->data_dir)) {
        return EXIT_DAMAGED;
    }
    if (status != STATUS_OK) {
        return offline_fail("verify", status, verify->replay.problem);
    }
    if (verify->compare != NULL) {
        verify->compared = compare_finish(verify->compare, &verify->sqlite);
    }
    uint64_t seq;
    const bool damaged = verify->compared == STATUS_DAMAGED || verify->compared == STATUS_VERSION;
    if (damaged && first_difference(verify, &seq) == NULL) {
        /* The journal was sound a moment ago: it is a projection file, and those come back. */
        fprintf(stderr, "tapline verify: %s; remove it, the server makes it again\n",
                verify->sqlite.problem);
        return EXIT_DIFFERENCE;
    }
    if (!damaged && verify->compared != STATUS_OK && verify->compared != STATUS_MISMATCH) {
        return offline_fail("verify", verify->compared, verify->sqlite.problem);
    }
    return print_result(verify);
}

/* NULL: the cores. */
static bool take_threads(const char *text, unsigned *threads)
{
    uint64_t count = SIGNATURES_THREADS_MAX;
    if (text == NULL) {
        const long cores = sysconf(_SC_NPROCESSORS_ONLN);
        count = cores > 0 && cores < SIGNATURES_THREADS_MAX ? (uint64_t)cores : count;
    } else if (!options_positive(text, &count) || count > SIGNATURES_THREADS_MAX) {
        return false;
    }
    *threads = (unsigned)count;
    return true;
}

int command_verify(int argc, char **argv)
{
    struct option_row rows[ROW_COUNT] = {
        [ROW_DATA] = OPTION_ROW("data", OPTION_TEXT, "DIR", "./data", "the data directory"),
        [ROW_SIGNATURES] = OPTION_ROW("signatures", OPTION_FLAG, NULL, NULL,
                                      "check the signature of every tap again"),
        [ROW_THREADS] =
            OPTION_ROW("threads", OPTION_TEXT, "N", NULL,
                       "work with N threads; without it with as many as there are cores"),
        [ROW_EVERY] = OPTION_ROW("every", OPTION_TEXT, "N", "10000",
                                 "check all invariants of the ledger every N records; without "
                                 "this less often the more the state holds"),
        [ROW_NO_SQLITE] =
            OPTION_ROW("no-sqlite", OPTION_FLAG, NULL, NULL, "do not compare the SQLite files"),
        [ROW_JSON] = OPTION_ROW("json", OPTION_FLAG, NULL, NULL, "one JSON object"),
    };
    struct options options = {
        .command = "verify",
        .usage = "tapline verify --data DIR [--signatures]",
        .summary = "Checks the journal, every digest by replay, and SQLite against the replay.",
        .notes =
            "SQLite is compared row by row while the journal is replayed, each file as of the\n"
            "record that it had applied at the start; safe beside a running "
            "server.\n\n" OFFLINE_EXIT_HELP,
        .rows = rows,
        .row_count = ROW_COUNT,
    };
    int code;
    if (!options_parse(&options, argc, argv, &code)) {
        return code;
    }
    struct verify verify = {
        .data_dir = rows[ROW_DATA].value,
        .json = rows[ROW_JSON].given,
        .with_signatures = rows[ROW_SIGNATURES].given,
        .with_sqlite = !rows[ROW_NO_SQLITE].given,
        .every_share = rows[ROW_EVERY].given ? 0 : EVERY_SHARE,
    };
    if (!take_threads(rows[ROW_THREADS].value, &verify.threads)) {
        code = offline_fail("verify", STATUS_USAGE, "--threads takes a number from 1 to 256");
    } else if (!options_positive(rows[ROW_EVERY].value, &verify.every)) {
        code = offline_fail("verify", STATUS_USAGE, "--every takes a number from 1");
    } else if (offline_is_directory("verify", "--data", verify.data_dir, &code)) {
        code = run(&verify);
    }
    compare_free(verify.compare);
    audit_free(verify.audit);
    applier_free(verify.applier);
    options_free(&options);
    return code;
}
