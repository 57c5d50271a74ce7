#include <stdio.h>
#include <string.h>

#include "tools/bench/live.h"
#include "tools/bench/surroundings.h"

#define NS_PER_S 1000000000.0
#define MIB      (1024.0 * 1024.0)

static void say_counts(struct figures *figures, const struct live *live)
{
    const struct load_result *result = &live->result;
    const double seconds = (double)result->elapsed_ns / NS_PER_S;
    figures_count(figures, "rate", live->load.rate, "taps/s");
    figures_count(figures, "seconds", live->load.seconds, "s");
    figures_count(figures, "accounts", live->accounts, "accounts");
    figures_count(figures, "connections", live->load.connections, "connections");
    figures_text(figures, "transport", live->load.kind == LINK_WS ? "ws" : "http");
    figures_count(figures, "offered", result->offered, "taps");
    figures_count(figures, "sent", result->sent, "taps");
    figures_count(figures, "ok", result->accepted, "taps");
    figures_value(figures, "ok_rate", seconds > 0 ? (double)result->accepted / seconds : 0, 1,
                  "taps/s");
    figures_count(figures, "refused", result->refused, "taps");
    for (size_t i = 0; i < result->code_count; i++) {
        char name[64];
        snprintf(name, sizeof(name), "refused.%s", result->codes[i].code);
        figures_count(figures, name, result->codes[i].count, "taps");
    }
    figures_count(figures, "errors", load_errors(result), "taps");
    figures_count(figures, "errors.failed", result->failed, "taps");
    figures_count(figures, "errors.broken", result->broken, "taps");
    figures_count(figures, "errors.unanswered", result->unanswered, "taps");
    figures_count(figures, "errors.unsent", result->unsent, "taps");
    figures_value(figures, "server.confirmed", live->confirmed, 0, "bets");
    figures_value(figures, "server.rejected_after", live->rejected, 0, "bets");
}

static void say_percentiles(struct figures *figures, const char *what,
                            const struct samples *samples)
{
    static const struct {
        const char *name;
        double share;
    } wanted[] = {{"p50", 0.5},     {"p90", 0.9},       {"p99", 0.99},
                  {"p99.9", 0.999}, {"p99.99", 0.9999}, {"max", 1}};
    for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
        char name[64];
        snprintf(name, sizeof(name), "%s_%s", what, wanted[i].name);
        figures_value(figures, name, samples_percentile_ms(samples, wanted[i].share), 3, "ms");
    }
}

static void say_generator(struct figures *figures, const struct live *live)
{
    const double span = (double)live->span_ns;
    const struct load_result *result = &live->result;
    if (live->load.rate > 0) {
        figures_value(figures, "generator_lag_p99", samples_percentile_ms(&result->lag, 0.99), 3,
                      "ms");
        figures_value(figures, "pool_waits",
                      result->sent == 0 ? 0
                                        : 100 * (double)result->pool_waits / (double)result->sent,
                      2, "%");
    }
    figures_value(figures, "generator_cpu", 100 * (double)live->own_ns / span, 1, "%core");
    figures_count(figures, "generator_without_cell", live->dry, "times");
    figures_count(figures, "watch_failures", live->watch_failures, "times");
}

static void say_journal(struct figures *figures, const struct live *live)
{
    const struct live_journal *before = &live->journal_before;
    const struct live_journal *after = &live->journal_after;
    const double syncs = after->syncs - before->syncs;
    if (syncs > 0) {
        const double fast = after->fast_syncs - before->fast_syncs;
        figures_value(figures, "journal_syncs", syncs / ((double)live->span_ns / NS_PER_S), 0,
                      "1/s");
        figures_value(figures, "journal_sync_mean",
                      1000 * (after->sync_seconds - before->sync_seconds) / syncs, 3, "ms");
        figures_value(figures, "journal_syncs_over_10ms", 100 * (syncs - fast) / syncs, 2, "%");
        figures_value(figures, "journal_batch_mean", (after->records - before->records) / syncs, 1,
                      "records");
    }
}

static void say_server(struct figures *figures, const struct live *live)
{
    const struct load_result *result = &live->result;
    const uint64_t answered = result->accepted + result->refused;
    const double loaded_ns = (double)(live->loaded.cpu_ns - live->before.cpu_ns);
    const double cpu_ns = (double)(live->after.cpu_ns - live->before.cpu_ns);
    const double per_tap_us = answered == 0 ? 0 : cpu_ns / (double)answered / 1000;
    const double recover_us = 1e6 / live->recover_rate;
    /* What neither the server nor this process used, was somebody else's. */
    const double others_ns = (double)(live->busy_ns - live->own_ns) - loaded_ns;
    figures_value(figures, "server_cpu", 100 * loaded_ns / (double)live->span_ns, 1, "%core");
    figures_value(figures, "server_cpu_per_tap", per_tap_us, 1, "us");
    figures_value(figures, "recover_rate", live->recover_rate, 0, "1/s/core");
    figures_value(figures, "recover_cost", recover_us, 1, "us");
    figures_value(figures, "cpu_per_tap_over_recover", per_tap_us / recover_us, 2, "times");
    figures_value(figures, "server_rss_before", (double)live->before.resident_bytes / MIB, 1,
                  "MiB");
    figures_value(figures, "server_rss_after", (double)live->after.resident_bytes / MIB, 1, "MiB");
    figures_count(figures, "projection_lag_max", live->lag_max, "records");
    figures_value(figures, "projection_lag_at_end", live->lag_at_end, 0, "records");
    if (live->lag_gone) {
        figures_value(figures, "projection_lag_gone_after", (double)live->lag_ns / NS_PER_S, 2,
                      "s");
    } else {
        figures_text(figures, "projection_lag_gone_after", "never");
    }
    figures_count(figures, "server_exit_code", (uint64_t)live->exit_code, "");
    figures_value(figures, "noise", 100 * others_ns / (double)live->span_ns, 1, "%core");
}

bool live_report(const struct live *live)
{
    struct figures figures;
    figures_open(&figures, live->as_json);
    say_counts(&figures, live);
    say_percentiles(&figures, "accept", &live->result.accept);
    if (live->result.refused > 0) {
        say_percentiles(&figures, "refuse", &live->result.refuse);
    }
    say_generator(&figures, live);
    say_server(&figures, live);
    say_journal(&figures, live);
    surroundings_say(&figures, live->parent);
    return figures_close(&figures);
}
