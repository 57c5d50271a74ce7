/* `tapline bench verify` and `tapline bench replay`: how fast a journal is checked from its first
 * record, and how fast it is applied as a start does, beside the machine's own limits in the same
 * run: SHA-256 of one core, and bare signature checks of all cores at once. */
#include <nettle/sha2.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/check.h"
#include "ingress/clock.h"
#include "replay/replay.h"
#include "tools/audit.h"
#include "tools/bench/commands.h"
#include "tools/bench/figures.h"
#include "tools/bench/journal_files.h"
#include "tools/bench/surroundings.h"
#include "tools/bench/wallets.h"
#include "tools/commands.h"
#include "tools/offline.h"
#include "tools/options.h"
#include "tools/signatures.h"

#define RECOVER_MS   2000
#define SHA256_BYTES ((size_t)64 << 20)
#define NS_PER_S     1e9

enum row {
    ROW_DATA,
    ROW_THREADS,
    ROW_SIGNATURES,
    ROW_JSON,
    ROW_COUNT
};

struct bench {
    const char *command;
    const char *data_dir;
    bool audits; /* what `verify` looks at besides applying */
    bool with_signatures;
    unsigned threads;
    struct audit *audit;
    struct figures figures;
};

static enum status before_record(void *context, struct applier *applier,
                                 const struct journal_record *record)
{
    struct bench *bench = context;
    (void)record;
    audit_record(bench->audit, applier_input(applier));
    return STATUS_OK;
}

/* What one pass took. */
struct pass {
    double seconds;
    double cpu_seconds; /* of all threads */
    uint64_t records;
    uint64_t signatures;
};

/* One pass over the journal. Errors: those of replay_run, told on stderr. */
static enum status run_pass(struct bench *bench, unsigned threads, bool with_signatures,
                            struct pass *pass)
{
    struct applier *applier = NULL;
    struct replay_result result = {.problem = ""};
    const struct replay_options options = {
        .invariant_every = bench->audits ? 10000 : 0,
        .invariant_share = 10,
        .invariant_at_end = bench->audits,
        .read_ahead = threads > 1,
        .context = bench,
        .before = bench->audits ? before_record : NULL,
    };
    const int64_t start_ns = clock_elapsed_ns();
    const int64_t start_cpu_ns = surroundings_own_ns();
    enum status status = applier_open(NULL, &applier);
    if (status == STATUS_OK) {
        status = audit_open(with_signatures ? threads : 0, &bench->audit);
    }
    if (status == STATUS_OK) {
        status = replay_run(applier, bench->data_dir, &options, &result);
        const struct audit_result *audited = audit_finish(bench->audit);
        pass->signatures = audited->signatures + audited->signatures_bad;
    }
    pass->seconds = (double)(clock_elapsed_ns() - start_ns) / NS_PER_S;
    pass->cpu_seconds = (double)(surroundings_own_ns() - start_cpu_ns) / NS_PER_S;
    pass->records = result.records;
    audit_free(bench->audit);
    bench->audit = NULL;
    applier_free(applier);
    if (status != STATUS_OK) {
        fprintf(stderr, "tapline %s: %s\n", bench->command,
                result.problem[0] != '\0' ? result.problem : status_text(status));
    }
    return status;
}

static double say_pass(struct bench *bench, const char *name, const struct pass *pass)
{
    char text[64];
    const double rate = (double)pass->records / pass->seconds;
    snprintf(text, sizeof(text), "%s.rate", name);
    figures_value(&bench->figures, text, rate, 0, "records/s");
    snprintf(text, sizeof(text), "%s.cpu", name);
    figures_value(&bench->figures, text, pass->cpu_seconds * 1e6 / (double)pass->records, 3,
                  "us/record");
    return rate;
}

/* Bytes of one long message a second of this thread. */
static double sha256_rate(void)
{
    uint8_t *bytes = calloc(1, SHA256_BYTES);
    CHECK(bytes != NULL);
    memset(bytes, 1, SHA256_BYTES);
    uint8_t hash[SHA256_DIGEST_SIZE];
    struct sha256_ctx context;
    sha256_init(&context);
    const int64_t start_ns = surroundings_own_ns();
    sha256_update(&context, SHA256_BYTES, bytes);
    sha256_digest(&context, sizeof(hash), hash);
    const int64_t took_ns = surroundings_own_ns() - start_ns;
    free(bytes);
    return (double)SHA256_BYTES * NS_PER_S / (double)took_ns;
}

/* Different texts: with one and the same the processor learns the way through the curve by heart.
 */
#define DIFFERENT  1024
#define TEXT_BYTES 192

struct bare {
    struct wallets wallets;
    char texts[DIFFERENT][TEXT_BYTES];
    uint8_t signatures[DIFFERENT][LIMIT_SIGNATURE_BYTES];
};

struct recoverer {
    pthread_t thread;
    const struct bare *bare;
    double rate;
};

static void *recover(void *argument)
{
    struct recoverer *recoverer = argument;
    const struct bare *bare = recoverer->bare;
    const int64_t start_ns = clock_elapsed_ns();
    int64_t now_ns = start_ns;
    uint64_t count = 0;
    while (now_ns - start_ns < (int64_t)RECOVER_MS * 1000000) {
        const size_t i = count % DIFFERENT;
        CHECK(wallet_check(bare->wallets.curve, bare->texts[i], TEXT_BYTES, bare->signatures[i],
                           bare->wallets.addresses[0]));
        count += 1;
        now_ns = clock_elapsed_ns();
    }
    recoverer->rate = (double)count * NS_PER_S / (double)(now_ns - start_ns);
    return NULL;
}

/* Bare signature checks a second, on so many threads at the same time. */
static double recover_rate_of_all(unsigned threads)
{
    static struct recoverer recoverers[SIGNATURES_THREADS_MAX];
    static struct bare bare;
    uint8_t secret[WALLET_SECRET_BYTES];
    wallets_secret(0, secret);
    CHECK(wallets_open(&bare.wallets, 1) == STATUS_OK);
    for (size_t i = 0; i < DIFFERENT; i++) {
        memset(bare.texts[i], 'x', TEXT_BYTES);
        store_u64((uint8_t *)bare.texts[i], i);
        CHECK(
            wallet_sign(bare.wallets.curve, secret, bare.texts[i], TEXT_BYTES, bare.signatures[i]));
    }
    double rate = 0;
    for (unsigned i = 0; i < threads; i++) {
        recoverers[i].bare = &bare;
        CHECK(pthread_create(&recoverers[i].thread, NULL, recover, &recoverers[i]) == 0);
    }
    for (unsigned i = 0; i < threads; i++) {
        CHECK(pthread_join(recoverers[i].thread, NULL) == 0);
        rate += recoverers[i].rate;
    }
    wallets_close(&bare.wallets);
    return rate;
}

static enum status run(struct bench *bench)
{
    struct figures *figures = &bench->figures;
    struct journal_files files;
    journal_files_measure(bench->data_dir, &files);
    figures_count(figures, "segments", files.segments, "files");
    figures_count(figures, "threads", bench->threads, "threads");
    const double hash_rate = sha256_rate();
    figures_value(figures, "sha256_rate", hash_rate / 1e6, 0, "MB/s/core");

    struct pass pass;
    enum status status = run_pass(bench, 1, false, &pass);
    if (status != STATUS_OK) {
        return status;
    }
    figures_count(figures, "records", pass.records, "records");
    const double rate = say_pass(bench, "one_core", &pass);
    figures_value(figures, "one_core.hash_bytes", hash_rate / rate, 0,
                  "bytes of SHA-256 in the time of a record");
    if (bench->threads > 1) {
        status = run_pass(bench, bench->threads, false, &pass);
        if (status != STATUS_OK) {
            return status;
        }
        say_pass(bench, "all_cores", &pass);
    }
    if (bench->with_signatures) {
        const double bare = recover_rate_of_all(bench->threads);
        status = run_pass(bench, bench->threads, true, &pass);
        if (status != STATUS_OK) {
            return status;
        }
        const double checked = (double)pass.signatures / pass.seconds;
        say_pass(bench, "signatures", &pass);
        figures_value(figures, "signatures.checked", checked, 0, "1/s");
        figures_value(figures, "signatures.bare", bare, 0, "1/s");
        figures_value(figures, "signatures.share", 100 * checked / bare, 1, "%");
    }
    surroundings_say(figures, bench->data_dir);
    return STATUS_OK;
}

static bool take_threads(const char *text, unsigned *threads)
{
    const long cores = sysconf(_SC_NPROCESSORS_ONLN);
    uint64_t count =
        cores > 0 && cores < SIGNATURES_THREADS_MAX ? (uint64_t)cores : SIGNATURES_THREADS_MAX;
    if (text != NULL && (!options_positive(text, &count) || count > SIGNATURES_THREADS_MAX)) {
        return false;
    }
    *threads = (unsigned)count;
    return true;
}

static int bench_journal(struct bench *bench, const char *usage, const char *summary, int argc,
                         char **argv)
{
    struct option_row rows[ROW_COUNT] = {
        [ROW_DATA] = OPTION_ROW("data", OPTION_TEXT, "DIR", "./data",
                                "a journal, such as 'tapline bench fill' makes"),
        [ROW_THREADS] = OPTION_ROW("threads", OPTION_TEXT, "N", NULL,
                                   "besides one alone; without it as many as there are cores"),
        [ROW_SIGNATURES] = OPTION_ROW("signatures", OPTION_FLAG, NULL, NULL,
                                      "a further pass that checks every signature"),
        [ROW_JSON] = OPTION_ROW("json", OPTION_FLAG, NULL, NULL, "one JSON object"),
    };
    struct options options = {.command = bench->command,
                              .usage = usage,
                              .summary = summary,
                              .rows = rows,
                              .row_count = ROW_COUNT};
    int code;
    if (!options_parse(&options, argc, argv, &code)) {
        return code;
    }
    bench->data_dir = rows[ROW_DATA].value;
    bench->with_signatures = rows[ROW_SIGNATURES].given;
    if (!take_threads(rows[ROW_THREADS].value, &bench->threads)) {
        code = offline_fail(bench->command, STATUS_USAGE, "--threads takes a number from 1 to 256");
    } else if (offline_is_directory(bench->command, "--data", bench->data_dir, &code)) {
        figures_open(&bench->figures, rows[ROW_JSON].given);
        const enum status status = run(bench);
        code = figures_close(&bench->figures) && status == STATUS_OK ? EXIT_GOOD : EXIT_DIFFERENCE;
    }
    options_free(&options);
    return code;
}

int bench_verify(int argc, char **argv)
{
    struct bench bench = {.command = "bench verify", .audits = true};
    return bench_journal(&bench, "tapline bench verify --data DIR [--signatures]",
                         "Checks a journal as 'tapline verify' does, without SQLite.", argc, argv);
}

int bench_replay(int argc, char **argv)
{
    struct bench bench = {.command = "bench replay"};
    return bench_journal(&bench, "tapline bench replay --data DIR",
                         "Applies a journal as a start of the server does, without SQLite.", argc,
                         argv);
}
