/* `tapline bench fill`: a journal of any size, made by the production state machine and the
 * production writer from a simulated busy market, for measuring what reads journals. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "base/check.h"
#include "base/text.h"
#include "ingress/clock.h"
#include "tools/bench/commands.h"
#include "tools/bench/figures.h"
#include "tools/bench/fill_market.h"
#include "tools/bench/journal_files.h"
#include "tools/bench/surroundings.h"
#include "tools/commands.h"
#include "tools/moment.h"
#include "tools/offline.h"
#include "tools/options.h"

enum row {
    ROW_DATA,
    ROW_RECORDS,
    ROW_ACCOUNTS,
    ROW_RATE,
    ROW_SEED,
    ROW_START,
    ROW_SIGNED,
    ROW_BATCH,
    ROW_NO_SYNC,
    ROW_JSON,
    ROW_COUNT
};

struct fill {
    struct fill_journal_options journal;
    struct fill_market_options market;
    uint64_t records;
    struct fill_engine engine;
    struct fill_market course;
    struct fill_journal_result result;
    int64_t took_ns;
};

static void say_counts(struct figures *figures, const struct fill_counts *counts)
{
    figures_count(figures, "taps", counts->taps, "records");
    figures_count(figures, "accepted", counts->accepted, "bets");
    figures_count(figures, "confirmed", counts->confirmed, "bets");
    figures_count(figures, "won", counts->won, "bets");
    figures_count(figures, "lost", counts->lost, "bets");
    figures_count(figures, "void", counts->cancelled, "bets");
    figures_count(figures, "rejected", counts->rejected, "bets");
    figures_count(figures, "refused", counts->refused, "bets");
    figures_count(figures, "without_bet", counts->no_bet, "taps");
    figures_count(figures, "transfers", counts->transfers, "records");
    figures_count(figures, "transfers_refused", counts->transfers_refused, "records");
    figures_count(figures, "ticks", counts->ticks, "records");
    figures_count(figures, "attests", counts->attests, "records");
    figures_count(figures, "epochs", counts->epochs, "records");
    figures_count(figures, "starts", counts->starts, "records");
}

static double share(uint64_t part, uint64_t whole)
{
    return whole == 0 ? 0 : 100 * (double)part / (double)whole;
}

static void say(struct figures *figures, const struct fill *fill)
{
    const struct fill_counts *counts = &fill->engine.counts;
    const uint64_t records = fill->result.head.seq;
    const double seconds = (double)fill->took_ns / 1e9;
    struct journal_files files;
    struct rusage usage;
    char text[MOMENT_TEXT_BYTES];
    char root[2 * HASH_BYTES + 1];
    journal_files_measure(fill->journal.data_dir, &files);
    text_format_hex(root, fill->result.head.root, HASH_BYTES);
    figures_count(figures, "records", records, "records");
    figures_text(figures, "tree_head", root);
    figures_value(figures, "elapsed", seconds, 2, "s");
    figures_value(figures, "fill_rate", (double)records / seconds, 0, "records/s");
    figures_text(figures, "synced", fill->journal.sync ? "each batch" : "once at the end");
    figures_count(figures, "batch", fill->journal.batch, "records");
    figures_count(figures, "segments", files.segments, "files");
    figures_count(figures, "segment_bytes", files.bytes, "bytes");
    figures_value(figures, "record_bytes",
                  records == 0 ? 0 : (double)fill->engine.record_bytes / (double)records, 1,
                  "bytes/record");
    say_counts(figures, counts);
    figures_value(figures, "accepted_share", share(counts->accepted, counts->taps), 2, "%");
    figures_value(figures, "settled_share", share(counts->won + counts->lost, counts->taps), 2,
                  "%");
    figures_count(figures, "edge_refused", fill->course.taps.edge_refused, "draws");
    moment_format(text, fill->market.start_ms);
    figures_text(figures, "from", text);
    moment_format(text, fill->course.now_ms);
    figures_text(figures, "to", text);
    if (getrusage(RUSAGE_SELF, &usage) == 0) {
        figures_value(figures, "memory_peak", (double)usage.ru_maxrss / 1024, 1, "MiB");
    }
    surroundings_say(figures, fill->journal.data_dir);
}

static int end_badly(const struct fill *fill, enum status status)
{
    return offline_fail("bench fill", status,
                        fill->result.problem[0] == '\0' ? status_text(status)
                                                        : fill->result.problem);
}

static int run(struct fill *fill, bool as_json)
{
    enum status status =
        fill_engine_open(&fill->engine, &fill->journal, fill->records, &fill->result);
    if (status != STATUS_OK) {
        return end_badly(fill, status);
    }
    status = fill_market_open(&fill->course, &fill->engine, &fill->market);
    const char *broken = NULL;
    if (status != STATUS_OK) {
        (void)fill_engine_close(&fill->engine, &fill->result, &broken); /* nothing was put */
        return end_badly(fill, status);
    }
    const int64_t start_ns = clock_elapsed_ns();
    fill_market_run(&fill->course);
    status = fill_engine_close(&fill->engine, &fill->result, &broken);
    fill->took_ns = clock_elapsed_ns() - start_ns;
    struct figures figures;
    figures_open(&figures, as_json);
    say(&figures, fill);
    fill_market_close(&fill->course);
    const bool said = figures_close(&figures);
    CHECK(broken == NULL);
    if (status != STATUS_OK) {
        return end_badly(fill, status);
    }
    if (fill->result.disk_full && fill->result.head.seq < fill->records) {
        fprintf(stderr,
                "tapline bench fill: the disk is full: %" PRIu64 " records fit, and are a whole "
                "journal\n",
                fill->result.head.seq);
        return EXIT_JOURNAL_IO;
    }
    return said ? EXIT_GOOD : EXIT_JOURNAL_IO;
}

static bool parse_count(const struct option_row *row, uint64_t most, uint64_t *value)
{
    if (options_positive(row->value, value) && *value <= most) {
        return true;
    }
    fprintf(stderr, "tapline bench fill: --%s takes a number from 1 to %" PRIu64 "\n", row->name,
            most);
    return false;
}

static bool parse(struct fill *fill, const struct option_row *rows)
{
    uint64_t accounts;
    uint64_t rate;
    uint64_t batch;
    struct moment start;
    if (rows[ROW_DATA].value == NULL || rows[ROW_RECORDS].value == NULL) {
        fprintf(stderr, "tapline bench fill: needs --data DIR and --records N\n");
        return false;
    }
    if (!parse_count(&rows[ROW_RECORDS], INT64_MAX, &fill->records) ||
        !parse_count(&rows[ROW_ACCOUNTS], FILL_ACCOUNTS_MAX, &accounts) ||
        !parse_count(&rows[ROW_RATE], FILL_RATE_MAX, &rate) ||
        !parse_count(&rows[ROW_SEED], INT64_MAX, &fill->market.seed) ||
        !parse_count(&rows[ROW_BATCH], LIMIT_BATCH_RECORDS, &batch)) {
        return false;
    }
    if (!moment_parse(rows[ROW_START].value, &start) || start.time_ms == 0) {
        fprintf(stderr, "tapline bench fill: --start takes a time\n");
        return false;
    }
    fill->journal = (struct fill_journal_options){
        .data_dir = rows[ROW_DATA].value,
        .batch = (uint32_t)batch,
        .sync = !rows[ROW_NO_SYNC].given,
        .epoch = fill->market.seed,
    };
    fill->market.accounts = (uint32_t)accounts;
    fill->market.taps_per_second = (uint32_t)rate;
    fill->market.start_ms = start.time_ms;
    fill->market.with_signatures = rows[ROW_SIGNED].given;
    return true;
}

int bench_fill(int argc, char **argv)
{
    struct option_row rows[ROW_COUNT] = {
        [ROW_DATA] = OPTION_ROW("data", OPTION_TEXT, "DIR", NULL, "a directory without a journal"),
        [ROW_RECORDS] = OPTION_ROW("records", OPTION_TEXT, "N", NULL, "records in all"),
        [ROW_ACCOUNTS] = OPTION_ROW("accounts", OPTION_TEXT, "K", "10000", "players"),
        [ROW_RATE] = OPTION_ROW("taps-per-second", OPTION_TEXT, "R", "3000",
                                "of the market's own time, 1 to 10,000"),
        [ROW_SEED] = OPTION_ROW("seed", OPTION_TEXT, "S", "1", "the same seed, the same records"),
        [ROW_START] = OPTION_ROW("start", OPTION_TEXT, "TIME", "2025-06-02T06:00:00Z",
                                 "engine time of the first record"),
        [ROW_SIGNED] = OPTION_ROW("signed", OPTION_FLAG, NULL, NULL,
                                  "real signatures (slow), not bytes in their shape"),
        [ROW_BATCH] = OPTION_ROW("batch", OPTION_TEXT, "N", "10", "records of a batch"),
        [ROW_NO_SYNC] =
            OPTION_ROW("no-sync", OPTION_FLAG, NULL, NULL, "one sync at the end, not one a batch"),
        [ROW_JSON] = OPTION_ROW("json", OPTION_FLAG, NULL, NULL, "one JSON object"),
    };
    struct options options = {
        .command = "bench fill",
        .usage = "tapline bench fill --data DIR --records N [options]",
        .summary = "Makes a journal of a busy market, for measuring what reads journals.",
        .notes = "exit codes: 0 good; 64 usage; 73 the disk is full (what fits is a whole "
                 "journal), or\nanother input/output error",
        .rows = rows,
        .row_count = ROW_COUNT,
    };
    int code;
    if (!options_parse(&options, argc, argv, &code)) {
        return code;
    }
    struct fill *fill = calloc(1, sizeof(*fill));
    CHECK(fill != NULL);
    code = parse(fill, rows) ? run(fill, rows[ROW_JSON].given) : EXIT_USAGE;
    free(fill);
    options_free(&options);
    return code;
}
