/* The way of a request that needs a signature checked or the engine asked:
 *
 *   loop: shape, rates -> verify pool -> loop: the account's rate -> engine -> journal -> engine ->
 * loop
 *
 * The account's bucket is charged only after its signature was found good, so that nobody can use
 * up another wallet's rate. */
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "tools/serve/server.h"

struct engine_request *taps_new(struct server *server, enum engine_request_kind kind,
                                enum front front, uint64_t connection)
{
    if (server->taps >= SERVER_TAPS_MAX) {
        return NULL;
    }
    struct engine_request *request = malloc(sizeof(*request));
    if (request == NULL) {
        return NULL;
    }
    /* The texts of tap_request and the input's union are large and filled where they are used. */
    request->kind = kind;
    request->job = (struct verify_job){0};
    request->received_ns = clock_elapsed_ns();
    request->answer = (struct engine_answer){0};
    request->connection = connection;
    request->channel = front;
    request->op_id[0] = '\0';
    request->next = NULL;
    request->pending_seq = 0;
    request->next_in_flight = NULL;
    server->taps += 1;
    return request;
}

void taps_free(struct server *server, struct engine_request *request)
{
    CHECK(server->taps > 0);
    server->taps -= 1;
    free(request->answer.bets);
    free(request);
}

/* Every code of a refusal, and where it counts. */
static const enum refusal_code refusal_codes[] = {
#define X(name, http, id, retry) REFUSAL_##name,
    REFUSAL_LIST(X)
#undef X
};
#define REFUSAL_COUNT (sizeof(refusal_codes) / sizeof(refusal_codes[0]))
static uint32_t refusal_places[REFUSAL_COUNT];

_Static_assert(REFUSAL_COUNT < METRICS_LABELS_MAX, "places for all");

void taps_register_refusals(struct server *server)
{
    for (size_t i = 0; i < REFUSAL_COUNT; i++) {
        refusal_places[i] = metrics_refusal(server->metrics, refusal_name(refusal_codes[i]));
    }
}

void taps_count_refused(struct server *server, enum refusal_code code)
{
    if (code == REFUSAL_INTERNAL) {
        return; /* nobody knows what became of it */
    }
    for (size_t i = 0; i < REFUSAL_COUNT; i++) {
        if (refusal_codes[i] == code) {
            metrics_count_refused(server->metrics, refusal_places[i]);
        }
    }
}

static void deliver(struct server *server, struct engine_request *request)
{
    const struct engine_answer *answer = &request->answer;
    if (request->kind == ENGINE_TAP && request->channel != FRONT_WS_AUTH &&
        answer->kind == ANSWER_REFUSED && answer->extras.bet == 0) {
        taps_count_refused(server, answer->refusal.code);
    }
    switch ((enum front)request->channel) {
    case FRONT_HTTP:
        http_api_answer(server, request);
        break;
    case FRONT_WS_TAP:
    case FRONT_WS_AUTH:
    case FRONT_WS_SNAPSHOT:
        ws_api_answer(server, request);
        break;
    case FRONT_ADMIN:
        admin_socket_answer(server, request);
        break;
    }
    taps_free(server, request);
}

void taps_refuse(struct server *server, struct engine_request *request, enum refusal_code code,
                 int64_t retry_after_ms)
{
    request->answer = (struct engine_answer){.kind = ANSWER_REFUSED};
    refusal_set(&request->answer.refusal, code, NULL);
    request->answer.extras.retry_after_ms = retry_after_ms;
    deliver(server, request);
}

void taps_submit(struct server *server, struct engine_request *request)
{
    const enum status status = engine_submit(server->engine, request);
    if (status == STATUS_FULL) {
        taps_refuse(server, request, REFUSAL_OVERLOADED, SERVER_RETRY_MS);
    } else if (status != STATUS_OK) {
        taps_refuse(server, request, REFUSAL_DRAINING, 0);
    }
}

void taps_verify(struct server *server, struct engine_request *request)
{
    const int64_t wait_ms =
        rate_limit_wait_ms(server->by_account, request->job.account, request->received_ns);
    if (wait_ms > 0) {
        taps_refuse(server, request, REFUSAL_RATE_LIMITED, wait_ms);
        return;
    }
    if (verify_pool_submit(server->pool, &request->job) != STATUS_OK) {
        taps_refuse(server, request, REFUSAL_OVERLOADED, SERVER_RETRY_MS);
    }
}

void taps_on_verified(void *context, void *item)
{
    struct server *server = context;
    struct engine_request *request = item;
    if (!request->job.good) {
        taps_refuse(server, request, REFUSAL_BAD_SIGNATURE, 0);
        return;
    }
    const int64_t wait_ms =
        rate_limit_take(server->by_account, request->job.account, clock_elapsed_ns());
    if (wait_ms > 0) {
        taps_refuse(server, request, REFUSAL_RATE_LIMITED, wait_ms);
        return;
    }
    if (request->channel == FRONT_WS_AUTH) {
        request->answer.kind = ANSWER_APPLIED;
        deliver(server, request);
        return;
    }
    taps_submit(server, request);
}

/* When the taps that wait for their price came, by bet. A newer bet takes the place: at 3,000 taps
 * a second a place is kept longer than the longest pricing delay. */
#define WAITING_COUNT 8192
static struct waiting_tap {
    uint64_t bet;
    int64_t received_ns;
} waiting_taps[WAITING_COUNT];

void taps_observe_confirmed(struct server *server, uint64_t bet)
{
    struct waiting_tap *tap = &waiting_taps[bet % WAITING_COUNT];
    if (tap->bet == bet) {
        metrics_observe(server->metrics, METRICS_CONFIRM,
                        (uint64_t)(clock_elapsed_ns() - tap->received_ns));
        tap->bet = 0;
    }
}

/* Counts and times for the metrics. */
static void observe(struct server *server, const struct engine_update *update)
{
    if (update->batch_records > 0) {
        metrics_observe(server->metrics, METRICS_JOURNAL_BATCH, update->batch_records);
        metrics_observe(server->metrics, METRICS_JOURNAL_SYNC, (uint64_t)update->sync_ns);
    }
    const int64_t now_ns = clock_elapsed_ns();
    const struct engine_request *request = update->answered;
    for (; request != NULL; request = request->next) {
        if (request->kind == ENGINE_TAP && request->answer.kind == ANSWER_BET) {
            const uint64_t took_ns = (uint64_t)(now_ns - request->received_ns);
            metrics_observe(server->metrics, METRICS_ACCEPT, took_ns);
            if (request->answer.state == BET_CONFIRMED) {
                metrics_observe(server->metrics, METRICS_CONFIRM, took_ns);
            } else if (request->answer.state == BET_ACCEPTED) {
                const uint64_t bet = request->answer.bet;
                waiting_taps[bet % WAITING_COUNT] =
                    (struct waiting_tap){.bet = bet, .received_ns = request->received_ns};
            }
        }
    }
}

void taps_on_update(void *context, void *item)
{
    struct server *server = context;
    struct engine_update *update = item;
    struct grid_view *previous_grid;
    const uint64_t epoch = server->board.market.epoch;
    observe(server, update);
    board_update(&server->board, update, &previous_grid);
    if (server->board.market.epoch != epoch && server->grid_timer != NULL) {
        grid_timer_set_quorum(server->grid_timer, server->board.config.quorum);
    }
    for (struct engine_request *request = update->answered; request != NULL;) {
        struct engine_request *next = request->next;
        deliver(server, request);
        request = next;
    }
    update->answered = NULL;
    publish_update(server, update->outbox, previous_grid);
    free(previous_grid);
    engine_update_free(update);
}

bool transfer_fill(struct engine_request *request, enum input_kind kind, const uint8_t *account,
                   int64_t amount_micro, const char *reference, const char *operator_name,
                   const char *note)
{
    const char *texts[] = {reference, operator_name, note};
    struct text_view *views[] = {&request->input.of.transfer.reference,
                                 &request->input.of.transfer.operator_name,
                                 &request->input.of.transfer.note};
    request->input.kind = kind;
    memset(request->input.of.transfer.account, 0, ADDRESS_BYTES);
    if (account != NULL) {
        memcpy(request->input.of.transfer.account, account, ADDRESS_BYTES);
    }
    request->input.of.transfer.amount_micro = amount_micro;
    size_t used = 0;
    for (size_t i = 0; i < 3; i++) {
        const size_t length = strlen(texts[i]);
        if (used + length > sizeof(request->text)) {
            return false;
        }
        memcpy(request->text + used, texts[i], length);
        *views[i] = (struct text_view){request->text + used, length};
        used += length;
    }
    return true;
}
