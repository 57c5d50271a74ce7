/* `tapline bench live`: how many signed taps a second a real server holds, and how fast it answers.
 *
 * Normal course: start a server on an empty data directory; make players and their money; wait
 * until the market is open; the load; wait until the projection has caught up; end the server and
 * see that it drained. Everything that a player would meet is in the way of a tap: HTTP or
 * WebSocket, strict JSON, signature, rules, journal with fdatasync, SQLite behind it. Rate limits
 * are off, as one machine plays all players, and the market's caps are wide, as the house's courage
 * is not what is measured.
 *
 * Failures: whatever fails before the load ends the run with one line and no figures. A server that
 * breaks under the load is what a run is there to show: its errors are counted, and the directory
 * with its log and journal is kept. */
#include "tools/bench/live.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "ingress/clock.h"
#include "tools/bench/commands.h"
#include "tools/bench/surroundings.h"
#include "tools/commands.h"
#include "tools/options.h"

#define PLAYER_MONEY_MICRO 10000000000
#define ACCOUNTS_LEAST     2000
#define ACCOUNTS_CLOSED    20000 /* without a rate */
#define ACCOUNTS_MOST      1000000
#define CONNECTIONS_MOST   16000
#define DEPTH_WS           64
#define DEPTH_MOST         1024
#define RATE_MOST          1000000
#define SECONDS_MOST       86400
#define AHEAD_LEAST        256
#define AHEAD_PART         4 /* a quarter of a second of taps is signed ahead */
#define RECOVER_MS         1000
#define LAG_WAIT_NS        60000000000
#define PRICED_WAIT_NS     5000000000
#define STEP_NS            20000000
#define WARMUP_STANDARD_S  2
#define LIVE_NOTES                                                                                 \
    "Latency runs from the moment a tap was due to its whole answer (no coordinated omission).\n"  \
    "A generator_lag_p99 beyond 1 ms, or noise of some tens of %core: distrust the run.\n"         \
    "Exit codes: 0 no errors, the server drained and has as many bets as it accepted; 1 not so;\n" \
    "  64 usage. Refusals are counted by code; they are no errors."

/* The house's caps out of the way. */
static const char market[] = "[market]\n"
                             "open_bets_max = 1000\n"
                             "cell_payout_max = 1000000000000000\n"
                             "column_loss_max = 1000000000000000\n";
/* Besides the million of --demo: more than all columns together can lose. */
static const char house_deposit[] =
    "{\"op\":\"house_deposit\",\"amount\":\"1000000000000000\",\"ref\":\"bench\"}\n";

static volatile sig_atomic_t stop;

static void on_interrupt(int number)
{
    (void)number;
    stop = 1;
}

/* --- Options. --- */

enum row {
    ROW_RATE,
    ROW_SECONDS,
    ROW_WARMUP,
    ROW_ACCOUNTS,
    ROW_CONNECTIONS,
    ROW_DEPTH,
    ROW_TRANSPORT,
    ROW_DATA,
    ROW_KEEP,
    ROW_JSON,
    ROW_COUNT
};

static bool take_number(const struct option_row *row, uint64_t least, uint64_t most,
                        uint64_t *value)
{
    if (least == 0 && strcmp(row->value, "0") == 0) {
        *value = 0;
        return true;
    }
    if (options_positive(row->value, value) && *value >= least && *value <= most) {
        return true;
    }
    fprintf(stderr, "tapline bench live: --%s wants %llu to %llu, not %s\n", row->name,
            (unsigned long long)least, (unsigned long long)most, row->value);
    return false;
}

static bool take_options(const struct option_row *rows, struct live *live)
{
    uint64_t accounts;
    uint64_t connections;
    uint64_t depth = 1;
    const bool ws = strcmp(rows[ROW_TRANSPORT].value, "ws") == 0;
    if (!ws && strcmp(rows[ROW_TRANSPORT].value, "http") != 0) {
        fprintf(stderr, "tapline bench live: --transport wants http or ws\n");
        return false;
    }
    if (!take_number(&rows[ROW_RATE], 0, RATE_MOST, &live->load.rate) ||
        !take_number(&rows[ROW_SECONDS], 1, SECONDS_MOST, &live->load.seconds) ||
        (rows[ROW_WARMUP].given &&
         !take_number(&rows[ROW_WARMUP], 0, live->load.seconds - 1, &live->load.warmup_s)) ||
        !take_number(&rows[ROW_CONNECTIONS], 1, CONNECTIONS_MOST, &connections) ||
        (ws && !take_number(&rows[ROW_DEPTH], 1, DEPTH_MOST, &depth))) {
        return false;
    }
    if (!rows[ROW_WARMUP].given && live->load.seconds > WARMUP_STANDARD_S) {
        live->load.warmup_s = WARMUP_STANDARD_S;
    }
    accounts = live->load.rate == 0               ? ACCOUNTS_CLOSED
               : live->load.rate < ACCOUNTS_LEAST ? ACCOUNTS_LEAST
                                                  : live->load.rate;
    if (rows[ROW_ACCOUNTS].given &&
        !take_number(&rows[ROW_ACCOUNTS], 1, ACCOUNTS_MOST, &accounts)) {
        return false;
    }
    const char *standard = getenv("TMPDIR");
    live->parent = rows[ROW_DATA].value != NULL ? rows[ROW_DATA].value
                   : standard != NULL           ? standard
                                                : "/tmp";
    live->load.kind = ws ? LINK_WS : LINK_HTTP;
    live->load.connections = (uint32_t)connections;
    live->load.depth = (uint32_t)depth;
    live->load.stop = &stop;
    live->accounts = (uint32_t)accounts;
    live->keep = rows[ROW_KEEP].given;
    live->as_json = rows[ROW_JSON].given;
    return true;
}

/* --- The run. --- */

static enum status say_failed(const char *what, enum status status)
{
    fprintf(stderr, "tapline bench live: %s: %s\n", what, status_text(status));
    return status;
}

static enum status read_journal(struct live *live, struct live_journal *journal)
{
    const struct {
        const char *series;
        double *value;
    } wanted[] = {
        {"tapline_journal_sync_seconds_count", &journal->syncs},
        {"tapline_journal_sync_seconds_sum", &journal->sync_seconds},
        {"tapline_journal_sync_seconds_bucket{le=\"0.01\"}", &journal->fast_syncs},
        {"tapline_journal_batch_records_sum", &journal->records},
    };
    for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
        const enum status status = watcher_metric(&live->client, wanted[i].series, wanted[i].value);
        if (status != STATUS_OK) {
            return status;
        }
    }
    return STATUS_OK;
}

/* The load with all that goes with it; the server runs and the players have money. */
static enum status measure(struct live *live)
{
    const uint64_t ahead = live->load.rate / AHEAD_PART;
    enum status status =
        tap_source_open(&live->source, &live->wallets, &live->offers, live->server.origin,
                        ahead < AHEAD_LEAST           ? AHEAD_LEAST
                        : ahead > TAP_SOURCE_RING_MAX ? TAP_SOURCE_RING_MAX
                                                      : (uint32_t)ahead);
    if (status != STATUS_OK) {
        return say_failed("no thread to sign", status);
    }
    live->load.port = live->server.port;
    live->load.source = &live->source;
    status = server_process_usage(&live->server, &live->before);
    if (status == STATUS_OK) {
        status = read_journal(live, &live->journal_before);
    }
    const int64_t start_ns = clock_elapsed_ns();
    const int64_t busy_ns = surroundings_busy_ns();
    const int64_t own_ns = surroundings_own_ns();
    if (status == STATUS_OK) {
        status = load_run(&live->load, &live->result);
    }
    live->span_ns = clock_elapsed_ns() - start_ns;
    live->busy_ns = surroundings_busy_ns() - busy_ns;
    live->own_ns = surroundings_own_ns() - own_ns;
    live->loaded = live->after = live->before;
    live->dry = tap_source_dry(&live->source);
    tap_source_close(&live->source);
    return status == STATUS_OK ? STATUS_OK : say_failed("the load", status);
}

/* Waits until SQLite has everything. */
static enum status wait_caught_up(struct live *live)
{
    const int64_t start_ns = clock_elapsed_ns();
    const struct timespec step = {.tv_nsec = STEP_NS};
    double lag = 0;
    enum status status = watcher_metric(&live->client, WATCHER_LAG, &live->lag_at_end);
    for (lag = live->lag_at_end;
         status == STATUS_OK && lag > 0 && clock_elapsed_ns() - start_ns < LAG_WAIT_NS;) {
        nanosleep(&step, NULL);
        status = watcher_metric(&live->client, WATCHER_LAG, &lag);
    }
    live->lag_gone = status == STATUS_OK && lag == 0;
    live->lag_ns = clock_elapsed_ns() - start_ns;
    return status;
}

/* Waits until each accepted tap was priced, as far as the server says. */
static enum status wait_priced(struct live *live)
{
    const int64_t start_ns = clock_elapsed_ns();
    const struct timespec step = {.tv_nsec = STEP_NS};
    for (;;) {
        enum status status = watcher_metric_sum(
            &live->client, "tapline_bets_total{state=\"confirmed\"", &live->confirmed);
        if (status == STATUS_OK) {
            status = watcher_metric_sum(&live->client, "tapline_bets_total{state=\"rejected\"",
                                        &live->rejected);
        }
        if (status != STATUS_OK ||
            live->confirmed + live->rejected >= (double)live->result.accepted ||
            clock_elapsed_ns() - start_ns > PRICED_WAIT_NS) {
            return status;
        }
        nanosleep(&step, NULL);
    }
}

/* A server that broke under the load answers none of this; its errors are counted already. */
static void follow_up(struct live *live)
{
    /* The first connection was idle through the load, and the server ends idle ones. */
    http_client_close(&live->client);
    if (http_client_open(&live->client, live->server.port) != STATUS_OK ||
        server_process_usage(&live->server, &live->loaded) != STATUS_OK ||
        read_journal(live, &live->journal_after) != STATUS_OK ||
        wait_caught_up(live) != STATUS_OK ||
        server_process_usage(&live->server, &live->after) != STATUS_OK ||
        wait_priced(live) != STATUS_OK) {
        fprintf(stderr, "tapline bench live: the server answers no more\n");
    }
}

/* Players, their money, an open market. */
static enum status set_up(struct live *live)
{
    enum status status = wallets_open(&live->wallets, live->accounts);
    if (status != STATUS_OK) {
        return say_failed("the players' keys", status);
    }
    live->recover_rate = surroundings_recover_rate(&live->wallets, RECOVER_MS);
    status = http_client_open(&live->client, live->server.port);
    if (status != STATUS_OK) {
        wallets_close(&live->wallets);
        return say_failed("no connection", status);
    }
    status = server_process_admin(&live->server, house_deposit);
    if (status == STATUS_OK) {
        status = wallets_fund(&live->wallets, &live->client, PLAYER_MONEY_MICRO);
    }
    if (status == STATUS_OK) {
        offers_init(&live->offers, live->accounts);
        status = watcher_open(&live->watcher, &live->offers, live->server.port);
    }
    if (status != STATUS_OK) {
        http_client_close(&live->client);
        wallets_close(&live->wallets);
        return say_failed("the players' money", status);
    }
    return STATUS_OK;
}

static enum status run_with_server(struct live *live)
{
    enum status status = set_up(live);
    if (status != STATUS_OK) {
        return status;
    }
    status = measure(live);
    live->lag_max = watcher_lag_max(&live->watcher);
    live->watch_failures = watcher_failures(&live->watcher);
    watcher_close(&live->watcher);
    if (status == STATUS_OK) {
        follow_up(live);
    }
    http_client_close(&live->client);
    wallets_close(&live->wallets);
    return status;
}

/* What the players were told is what the server counts: each accepted tap is a bet that was priced,
 * and a bet more can only come of a tap that was refused in its own step, or whose answer was lost.
 */
static bool counts_agree(const struct live *live)
{
    const double bets = live->confirmed + live->rejected;
    const double told = (double)live->result.accepted;
    const double rest = (double)(live->result.refused + load_errors(&live->result));
    if (bets >= told && bets <= told + rest) {
        return true;
    }
    fprintf(stderr, "tapline bench live: %.0f taps were accepted, the server has %.0f bets\n", told,
            bets);
    return false;
}

static void raise_descriptor_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit); /* too few: connections fail, and say so */
    }
}

static int run(struct live *live)
{
    raise_descriptor_limit();
    signal(SIGINT, on_interrupt);
    signal(SIGTERM, on_interrupt);
    if (server_process_start(&live->server, live->parent, market) != STATUS_OK) {
        return EXIT_DIFFERENCE;
    }
    const enum status status = run_with_server(live);
    live->exit_code = server_process_stop(&live->server);
    bool good = status == STATUS_OK && live->exit_code == 0;
    if (status == STATUS_OK) {
        good = live_report(live) && counts_agree(live) && good && load_errors(&live->result) == 0 &&
               live->result.accepted > 0;
    }
    load_result_free(&live->result);
    if (live->keep || live->exit_code != 0) {
        fprintf(stderr, "tapline bench live: the server's files are in %s\n",
                live->server.directory);
    } else {
        server_process_remove(&live->server);
    }
    return good ? EXIT_GOOD : EXIT_DIFFERENCE;
}

int bench_live(int argc, char **argv)
{
    struct option_row rows[ROW_COUNT] = {
        [ROW_RATE] = OPTION_ROW("rate", OPTION_TEXT, "N", "3000",
                                "taps a second, open loop; 0: closed loop, as many as it can"),
        [ROW_SECONDS] = OPTION_ROW("seconds", OPTION_TEXT, "N", "60", "how long"),
        [ROW_WARMUP] = OPTION_ROW("warmup", OPTION_TEXT, "N", NULL,
                                  "first seconds whose latencies do not count (default 2)"),
        [ROW_ACCOUNTS] = OPTION_ROW("accounts", OPTION_TEXT, "N", NULL,
                                    "players (default: the rate, at least 2000)"),
        [ROW_CONNECTIONS] =
            OPTION_ROW("connections", OPTION_TEXT, "N", "256", "sockets, all kept open"),
        [ROW_DEPTH] = OPTION_ROW("depth", OPTION_TEXT, "N", "64",
                                 "taps on their way on one WebSocket; over HTTP always 1"),
        [ROW_TRANSPORT] = OPTION_ROW("transport", OPTION_TEXT, "http|ws", "http", "how taps go"),
        [ROW_DATA] = OPTION_ROW("data", OPTION_TEXT, "DIR", NULL,
                                "where the server's temporary directory is made (default $TMPDIR "
                                "or /tmp)"),
        [ROW_KEEP] = OPTION_ROW("keep", OPTION_FLAG, NULL, NULL,
                                "leave the server's directory, for verify and inspect"),
        [ROW_JSON] = OPTION_ROW("json", OPTION_FLAG, NULL, NULL, "one JSON object"),
    };
    struct options options = {.command = "bench live",
                              .usage = "tapline bench live [options]",
                              .summary = "Loads a real server with signed taps.",
                              .notes = LIVE_NOTES,
                              .rows = rows,
                              .row_count = ROW_COUNT};
    int code;
    if (!options_parse(&options, argc, argv, &code)) {
        return code;
    }
    struct live *live = calloc(1, sizeof(*live));
    if (live == NULL) {
        fprintf(stderr, "tapline bench live: no memory\n");
        code = EXIT_DIFFERENCE;
    } else {
        code = take_options(rows, live) ? run(live) : EXIT_USAGE;
    }
    free(live);
    options_free(&options);
    return code;
}
