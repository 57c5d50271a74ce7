/* `tapline bench machine`: how fast the state machine alone applies a busy market: 3,000 taps a
 * second of its own time, a price every 200 ms, columns that settle. No disk, no signature. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/check.h"
#include "ingress/clock.h"
#include "statemachine/machine.h"
#include "tools/bench/commands.h"
#include "tools/bench/figures.h"
#include "tools/bench/surroundings.h"
#include "tools/commands.h"
#include "tools/options.h"

#define PLAYERS        5000
#define MARKET_SECONDS 120
#define TICK_MS        200
#define TAPS_PER_TICK  600
#define COLUMN_MS      5000
#define BAND_E4        200000
#define PRICE_E4       972000000
#define START_MS       1795000000000
#define OPEN_MS        10000 /* of good prices before the first tap */

enum row {
    ROW_JSON,
    ROW_COUNT
};

struct bench {
    struct machine *machine;
    struct input input;
    uint64_t accepted;
    uint64_t settled;
    uint64_t taps;
};

static void on_event(void *context, const struct event *event)
{
    struct bench *bench = context;
    bench->accepted += event->kind == EVENT_BET_ACCEPTED ? 1 : 0;
    bench->settled += event->kind == EVENT_BET_SETTLED ? 1 : 0;
}

static void on_posting(void *context, const struct posting *posting)
{
    (void)context;
    (void)posting;
}

static void apply(struct bench *bench, enum input_kind kind, int64_t time_ms)
{
    const struct event_sink sink = {bench, on_event, on_posting};
    bench->input.kind = kind;
    bench->input.seq += 1;
    bench->input.time_ms = time_ms;
    machine_apply(bench->machine, &bench->input, &sink);
}

static void give(struct config_change *change, enum config_key key, int64_t value)
{
    change->given |= 1u << key;
    change->values[key] = value;
}

/* The market, the house's money, the players'. */
static void set_up(struct bench *bench)
{
    struct config_change *change = &bench->input.of.config;
    *change = (struct config_change){.operator_name = "bench"};
    give(change, CONFIG_quorum, 1);
    give(change, CONFIG_vol_warmup, 0);
    give(change, CONFIG_open_bets_max, 1000);
    give(change, CONFIG_cell_payout_max, 1000000000000000);
    give(change, CONFIG_column_loss_max, 1000000000000000);
    apply(bench, INPUT_CONFIG, START_MS);
    for (uint32_t i = 0; i <= PLAYERS; i++) {
        char reference[32];
        const int length = snprintf(reference, sizeof(reference), "bench-%u", i);
        bench->input.of.transfer =
            (struct transfer){.amount_micro = i == 0 ? 1000000000000000 : 10000000000,
                              .reference = {reference, (size_t)length},
                              .operator_name = {"bench", 5}};
        store_u32(bench->input.of.transfer.account, i);
        apply(bench, i == 0 ? INPUT_HOUSE_DEPOSIT : INPUT_DEPOSIT, START_MS);
    }
}

static void tick(struct bench *bench, int64_t grid_ms)
{
    const int64_t wave = grid_ms / TICK_MS % 40; /* up and down by two bands */
    bench->input.of.price_tick = (struct price_tick){
        .grid_ms = grid_ms,
        .price_e4 = PRICE_E4 + (wave < 20 ? wave : 40 - wave) * (BAND_E4 / 10),
        .m0_e4 = PRICE_E4,
        .sources = 3,
        .set = 7,
    };
    apply(bench, INPUT_PRICE_TICK, grid_ms);
}

static void tap(struct bench *bench, int64_t now_ms)
{
    static const uint8_t signature[LIMIT_SIGNATURE_BYTES];
    const uint64_t number = bench->taps++;
    const int64_t columns = 8; /* of those that leave time enough */
    bench->input.of.tap = (struct tap){
        .market = {"BTC-USD", 7},
        .origin = {"http://127.0.0.1:8080", 21},
        .column_ms = (now_ms / COLUMN_MS + 3 + (int64_t)(number % (uint64_t)columns)) * COLUMN_MS,
        .band = PRICE_E4 / BAND_E4 - 2 + (int64_t)(number / 8 % 6),
        .stake_micro = 100000,
        .min_mult_centi = 100,
        .config = 1,
        .message_ms = now_ms,
        .signature = signature,
        .signature_bytes = sizeof(signature),
    };
    store_u32(bench->input.of.tap.account, (uint32_t)(number * 7919 % PLAYERS) + 1);
    store_u64(bench->input.of.tap.nonce, number);
    apply(bench, INPUT_TAP, now_ms);
}

static void run(struct bench *bench, struct figures *figures)
{
    set_up(bench);
    int64_t now_ms = START_MS + TICK_MS;
    for (; now_ms < START_MS + OPEN_MS; now_ms += TICK_MS) {
        tick(bench, now_ms);
    }
    const uint64_t first_seq = bench->input.seq;
    const int64_t start_ns = clock_elapsed_ns();
    const int64_t end_ms = now_ms + MARKET_SECONDS * 1000;
    for (; now_ms < end_ms; now_ms += TICK_MS) {
        tick(bench, now_ms);
        for (int i = 0; i < TAPS_PER_TICK; i++) {
            tap(bench, now_ms + i * TICK_MS / TAPS_PER_TICK);
        }
    }
    const int64_t took_ns = clock_elapsed_ns() - start_ns;
    const uint64_t records = bench->input.seq - first_seq;
    const char *broken = machine_invariant(bench->machine);
    figures_count(figures, "records", records, "records");
    figures_count(figures, "accepted", bench->accepted, "bets");
    figures_count(figures, "settled", bench->settled, "bets");
    figures_value(figures, "apply_rate", (double)records * 1e9 / (double)took_ns, 0, "records/s");
    figures_value(figures, "apply_cost", (double)took_ns / (double)records / 1000, 3, "us/record");
    figures_text(figures, "invariant", broken == NULL ? "holds" : broken);
    CHECK(broken == NULL);
}

int bench_machine(int argc, char **argv)
{
    struct option_row rows[ROW_COUNT] = {
        [ROW_JSON] = OPTION_ROW("json", OPTION_FLAG, NULL, NULL, "one JSON object"),
    };
    struct options options = {.command = "bench machine",
                              .usage = "tapline bench machine [--json]",
                              .summary = "Applies a busy market in memory.",
                              .rows = rows,
                              .row_count = ROW_COUNT};
    int code;
    if (!options_parse(&options, argc, argv, &code)) {
        return code;
    }
    struct machine_limits limits;
    machine_default_limits(&limits);
    const size_t bytes = (machine_bytes(&limits) + 63) / 64 * 64;
    void *arena = aligned_alloc(64, bytes);
    struct bench *bench = calloc(1, sizeof(*bench));
    struct figures figures;
    CHECK(arena != NULL);
    CHECK(bench != NULL);
    memset(arena, 0, bytes);
    bench->machine = machine_init(arena, &limits);
    figures_open(&figures, rows[ROW_JSON].given);
    run(bench, &figures);
    surroundings_say(&figures, ".");
    free(bench);
    free(arena);
    options_free(&options);
    return figures_close(&figures) ? EXIT_GOOD : EXIT_DIFFERENCE;
}
