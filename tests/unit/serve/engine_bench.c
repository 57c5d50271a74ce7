#include "engine_bench.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/check.h"

#define DATA_DIR      "data"
#define TICK_MS       200
#define SEGMENT_BYTES ((size_t)4 << 20)
#define ANSWERED      UINT64_MAX /* in request->channel, which is the asker's own */

static const struct machine_limits limits = {
    .accounts_max = 4096,
    .open_bets_max = 4096,
    .nonces_max = 8192,
    .transfers_max = 16384,
};

static struct text_view view(const char *text)
{
    return (struct text_view){text, strlen(text)};
}

/* --- The clock. --- */

static int64_t wall_ns(void *context)
{
    struct bench *bench = context;
    pthread_mutex_lock(&bench->lock);
    const int64_t ns = bench->now_ms * 1000000;
    pthread_mutex_unlock(&bench->lock);
    return ns;
}

/* --- The engine's surroundings. --- */

static void note_wrong(struct bench *bench, const char *wrong)
{
    if (bench->wrong == NULL) {
        bench->wrong = wrong;
    }
}

static void on_durable(void *context, const struct journal_batch *batch)
{
    struct bench *bench = context;
    struct journal_batch told = *batch;
    uint8_t *bent = NULL;
    pthread_mutex_lock(&bench->lock);
    bench->durable_seq = batch->first_seq + batch->count - 1;
    if (bench->bend_from_seq != 0 && batch->first_seq >= bench->bend_from_seq) {
        bent = malloc(batch->bytes);
        CHECK(bent != NULL);
        memcpy(bent, batch->records, batch->bytes);
        bent[batch->bytes - 1] ^= 1; /* the last byte of the last record: its digest's */
        told.records = bent;
        bench->bend_from_seq = 0;
    }
    pthread_mutex_unlock(&bench->lock);
    engine_journal_durable(bench->engine, &told);
    free(bent);
}

static void on_journal_failed(void *context, enum status status, const char *reason)
{
    struct bench *bench = context;
    engine_journal_failed(bench->engine, status, reason);
}

static bool on_outbox(void *context, struct outbox *outbox)
{
    struct bench *bench = context;
    pthread_mutex_lock(&bench->lock);
    const bool taken = !bench->refuse_updates;
    if (taken) {
        if (outbox_first_seq(outbox) != bench->outbox_seq + 1) {
            note_wrong(bench, "an outbox is missing, or came twice");
        }
        if (outbox_last_seq(outbox) > bench->durable_seq) {
            note_wrong(bench, "an outbox left before it was durable");
        }
        bench->outbox_seq = outbox_last_seq(outbox);
    }
    pthread_mutex_unlock(&bench->lock);
    return taken;
}

static void note_answers(struct bench *bench, struct engine_update *update)
{
    for (struct engine_request *request = update->answered; request != NULL;) {
        struct engine_request *next = request->next;
        const struct engine_answer *answer = &request->answer;
        if (request->channel == ANSWERED) {
            note_wrong(bench, "a request was answered twice");
        }
        if (answer->seq > bench->durable_seq || answer->bet > bench->durable_seq ||
            answer->extras.seq > bench->durable_seq) {
            note_wrong(bench, "an answer left before it was durable");
        }
        request->channel = ANSWERED;
        bench->answers += 1;
        request = next;
    }
}

static bool on_update(void *context, struct engine_update *update)
{
    struct bench *bench = context;
    pthread_mutex_lock(&bench->lock);
    const bool taken = !bench->refuse_updates;
    bench->update_calls += 1;
    if (taken) {
        bench->updates += 1;
        bench->tick_ms = update->market.last_tick_ms;
        note_answers(bench, update);
        if (update->outbox != NULL) {
            if (outbox_first_seq(update->outbox) != bench->update_seq + 1) {
                note_wrong(bench, "an update is missing, or came twice");
            }
            bench->update_seq = outbox_last_seq(update->outbox);
            if (bench->update_seq > bench->outbox_seq) {
                note_wrong(bench, "the loop heard before the projector");
            }
        }
        pthread_cond_broadcast(&bench->changed);
    }
    pthread_mutex_unlock(&bench->lock);
    if (taken) {
        engine_update_free(update);
    }
    return taken;
}

static void on_failed(void *context, int exit_code, const char *reason)
{
    struct bench *bench = context;
    (void)reason;
    pthread_mutex_lock(&bench->lock);
    bench->failures += 1;
    bench->failed_code = exit_code;
    pthread_cond_broadcast(&bench->changed);
    pthread_mutex_unlock(&bench->lock);
}

/* --- Opening and closing. --- */

static void fill_first(struct bench *bench, struct input first[2])
{
    struct config_change *change = &first[0].of.config;
    first[0].kind = INPUT_CONFIG;
    memset(change, 0, sizeof(*change));
    config_defaults(&bench->config);
    bench->config.quorum = 1;
    bench->config.vol_warmup = 0;
    bench->config.degraded_stable_ms = 0;
    for (int key = 0; key < CONFIG_KEY_COUNT; key++) {
        change->given |= 1u << key;
        change->values[key] = config_get(&bench->config, (enum config_key)key);
    }
    snprintf(change->operator_name, sizeof(change->operator_name), "tester");
    first[1].kind = INPUT_HOUSE_DEPOSIT;
    first[1].of.transfer = (struct transfer){.amount_micro = 1000000 * MICRO_PER_USD,
                                             .reference = view("house"),
                                             .operator_name = view("tester")};
}

void bench_open(struct bench *bench, int64_t pricing_delay_ms)
{
    bench_open_segments(bench, pricing_delay_ms, SEGMENT_BYTES);
}

void bench_open_segments(struct bench *bench, int64_t pricing_delay_ms, size_t segment_bytes)
{
    static struct input first[2];
    *bench = (struct bench){.now_ms = BENCH_START_MS};
    gate_disk_init(&bench->disk);
    pthread_mutex_init(&bench->lock, NULL);
    pthread_cond_init(&bench->changed, NULL);
    const struct clock_source source = {bench, wall_ns, wall_ns};
    clock_init_real(&bench->clock, &source);
    assert_int_equal(engine_open(&bench->engine), STATUS_OK);
    assert_int_equal(applier_open(&limits, &bench->applier), STATUS_OK);
    const struct journal_options journal = {
        .disk = &bench->disk.memory.disk,
        .segment_bytes = segment_bytes,
        .epoch = 1,
        .context = bench,
        .on_durable = on_durable,
        .on_failed = on_journal_failed,
    };
    struct journal_report report;
    assert_int_equal(journal_open(DATA_DIR, &journal, &bench->journal, &report), STATUS_OK);
    assert_int_equal(journal_start(bench->journal), STATUS_OK);
    fill_first(bench, first);
    first[0].of.config.values[CONFIG_pricing_delay_ms] = pricing_delay_ms;
    const struct engine_options options = {
        .clock = &bench->clock,
        .journal = bench->journal,
        .applier = bench->applier,
        .first = first,
        .first_count = 2,
        .context = bench,
        .on_update = on_update,
        .on_outbox = on_outbox,
        .on_failed = on_failed,
    };
    assert_int_equal(engine_start(bench->engine, &options), STATUS_OK);
    bench_tick(bench);
    bench_await_tick(bench);
}

void bench_stop(struct bench *bench)
{
    if (!bench->stopped) {
        engine_stop(bench->engine);
        bench->stopped = true;
    }
}

void bench_close(struct bench *bench)
{
    bench_stop(bench);
    (void)journal_close(bench->journal); /* a broken disk's journal closes with its error */
    engine_free(bench->engine);
    applier_free(bench->applier);
    clock_close(&bench->clock);
    gate_disk_free(&bench->disk);
    pthread_mutex_destroy(&bench->lock);
    pthread_cond_destroy(&bench->changed);
    if (bench->wrong != NULL) {
        fail_msg("%s", bench->wrong);
    }
}

/* --- Time and prices. --- */

void bench_advance(struct bench *bench, int64_t ms)
{
    pthread_mutex_lock(&bench->lock);
    bench->now_ms += ms;
    pthread_mutex_unlock(&bench->lock);
}

void bench_tick(struct bench *bench)
{
    bench_advance(bench, TICK_MS);
    const struct price_tick tick = {
        .grid_ms = bench->now_ms,
        .price_e4 = BENCH_PRICE_E4,
        .m0_e4 = BENCH_PRICE_E4,
        .sources = 1,
        .set = 1,
        .quote_count = 1,
        .quotes = {{.name = view("sim"), .price_e4 = BENCH_PRICE_E4}},
    };
    assert_true(engine_grid(bench->engine, tick.grid_ms, bench->now_ms, &tick));
}

void bench_await_tick(struct bench *bench)
{
    pthread_mutex_lock(&bench->lock);
    while (bench->tick_ms < bench->now_ms / TICK_MS * TICK_MS) {
        pthread_cond_wait(&bench->changed, &bench->lock);
    }
    pthread_mutex_unlock(&bench->lock);
}

/* --- Requests. --- */

struct engine_request *bench_deposit(uint8_t account, int64_t amount_micro, const char *reference)
{
    struct engine_request *request = calloc(1, sizeof(*request));
    assert_non_null(request);
    request->kind = ENGINE_TRANSFER;
    request->input.kind = INPUT_DEPOSIT;
    const size_t length = strlen(reference);
    assert_true(length <= sizeof(request->text));
    memcpy(request->text, reference, length);
    request->input.of.transfer = (struct transfer){.amount_micro = amount_micro,
                                                   .reference = {request->text, length},
                                                   .operator_name = view("tester"),
                                                   .note = view("")};
    memset(request->input.of.transfer.account, account, ADDRESS_BYTES);
    return request;
}

struct engine_request *bench_tap(struct bench *bench, uint8_t account, uint32_t nonce,
                                 int64_t columns_ahead, int64_t band, int64_t stake_micro)
{
    struct engine_request *request = calloc(1, sizeof(*request));
    assert_non_null(request);
    request->kind = ENGINE_TAP;
    struct tap *tap = &request->tap.tap;
    *tap = (struct tap){
        .market = view("BTC-USD"),
        .origin = view("http://127.0.0.1:8080"),
        .column_ms = BENCH_START_MS + columns_ahead * bench->config.column_ms,
        .band = band,
        .stake_micro = stake_micro,
        .min_mult_centi = 100,
        .config = 1,
        .message_ms = bench->now_ms,
        .signature = request->tap.signature,
        .signature_bytes = LIMIT_SIGNATURE_BYTES,
    };
    memset(tap->account, account, ADDRESS_BYTES);
    store_u32(tap->nonce, nonce);
    return request;
}

void bench_free(struct engine_request *request)
{
    free(request->answer.bets);
    free(request);
}

void bench_submit(struct bench *bench, struct engine_request *request)
{
    assert_int_equal(engine_submit(bench->engine, request), STATUS_OK);
}

void bench_await(struct bench *bench, const struct engine_request *request)
{
    pthread_mutex_lock(&bench->lock);
    while (request->channel != ANSWERED) {
        pthread_cond_wait(&bench->changed, &bench->lock);
    }
    pthread_mutex_unlock(&bench->lock);
}

bool bench_answered(struct bench *bench, const struct engine_request *request)
{
    pthread_mutex_lock(&bench->lock);
    const bool answered = request->channel == ANSWERED;
    pthread_mutex_unlock(&bench->lock);
    return answered;
}

void bench_ask(struct bench *bench, struct engine_request *request)
{
    bench_submit(bench, request);
    bench_await(bench, request);
}

void bench_fund(struct bench *bench, uint8_t account, int64_t amount_micro)
{
    char reference[32];
    snprintf(reference, sizeof(reference), "fund-%u", account);
    struct engine_request *deposit = bench_deposit(account, amount_micro, reference);
    bench_ask(bench, deposit);
    assert_int_equal(deposit->answer.kind, ANSWER_APPLIED);
    assert_int_equal(deposit->answer.available_micro, amount_micro);
    bench_free(deposit);
}

uint64_t bench_durable(struct bench *bench)
{
    pthread_mutex_lock(&bench->lock);
    const uint64_t seq = bench->durable_seq;
    pthread_mutex_unlock(&bench->lock);
    return seq;
}

void bench_refuse_updates(struct bench *bench, bool refuse)
{
    pthread_mutex_lock(&bench->lock);
    bench->refuse_updates = refuse;
    pthread_mutex_unlock(&bench->lock);
}

/* --- Looking at the journal. --- */

void bench_read(struct bench *bench, void *context,
                void (*visit)(void *context, const struct input *input))
{
    struct journal_reader *reader;
    struct journal_record record;
    struct applier *applier;
    assert_int_equal(applier_open(&limits, &applier), STATUS_OK);
    assert_int_equal(journal_reader_open(DATA_DIR, &bench->disk.memory.disk, 1, &reader),
                     STATUS_OK);
    enum status status;
    while ((status = journal_reader_next(reader, &record)) == STATUS_OK) {
        /* Applied too, so that every Attest is compared with a second computation. */
        assert_int_equal(applier_apply(applier, record.seq, record.bytes, record.length, NULL),
                         STATUS_OK);
        visit(context, applier_input(applier));
    }
    assert_int_equal(status, STATUS_END);
    journal_reader_free(reader);
    applier_free(applier);
}

struct count {
    enum input_kind kind;
    size_t found;
};

static void count_kind(void *context, const struct input *input)
{
    struct count *count = context;
    count->found += input->kind == count->kind;
}

size_t bench_count(struct bench *bench, enum input_kind kind)
{
    struct count count = {.kind = kind};
    bench_read(bench, &count, count_kind);
    return count.found;
}
