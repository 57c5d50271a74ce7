/* The WebSocket interface (interface.md section 4): one answer per op, events besides. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "ingress/strict_json.h"
#include "projections/client_event.h"
#include "tools/serve/server.h"

/* One op being answered: what its reply repeats. */
struct op {
    struct server *server;
    struct client *client;
    const struct strict_json *json;
    char name[24];                       /* "" when it is not known */
    char id[LIMIT_REQUEST_ID_BYTES + 1]; /* "" when the op carried none */
};

/* --- Replies. --- */

static void write_or_null(struct json *json, const char *key, const char *text)
{
    json_key(json, key);
    if (text[0] == '\0') {
        json_null(json);
    } else {
        json_string(json, text);
    }
}

static void open_reply(struct json *json, const char *type, const char *op, const char *id)
{
    json_open(json, '{');
    json_key(json, "type");
    json_string(json, type);
    write_or_null(json, "op", op);
    write_or_null(json, "id", id);
}

static void send_json(struct server *server, uint64_t connection, struct json *json)
{
    json_close(json, '}');
    if (!json->failed) {
        (void)ws_send(server->ws, connection, json->text, json->length); /* gone: nobody to tell */
    }
    json_text_free(json);
}

static void reply_result(struct server *server, uint64_t connection, const char *op, const char *id,
                         const char *result, size_t length)
{
    struct json json = {0};
    open_reply(&json, "reply", op, id);
    json_key(&json, "result");
    json_raw(&json, result, length);
    send_json(server, connection, &json);
}

static void reply_error(struct server *server, uint64_t connection, const char *op, const char *id,
                        enum refusal_code code, const char *message,
                        const struct refusal_extras *extras)
{
    struct json json = {0};
    open_reply(&json, "error", op, id);
    json_key(&json, "error");
    refusal_json_value(&json, code, message, extras);
    send_json(server, connection, &json);
}

static void refuse(const struct op *op, enum refusal_code code, const char *message,
                   int64_t retry_after_ms)
{
    const struct refusal_extras extras = {.retry_after_ms = retry_after_ms};
    reply_error(op->server, op->client->id, op->name, op->id, code, message, &extras);
}

static void done(const struct op *op)
{
    reply_result(op->server, op->client->id, op->name, op->id, "{}", 2);
}

/* --- Ops. --- */

/* Refuses keys beside `op`, `id` and the given ones; false when it was answered. */
static bool only_keys(const struct op *op, const char *const *keys)
{
    static const char *const always[] = {"op", "id", NULL};
    if (strict_json_unknown_key(op->json, always, keys) == NULL) {
        return true;
    }
    refuse(op, REFUSAL_BAD_REQUEST, "the op has a key that it does not know", 0);
    return false;
}

static bool take_channel(const struct op *op, enum channel *channel)
{
    struct text_view text;
    if (strict_json_text(op->json, "channel", &text) == STRICT_JSON_STRING &&
        channel_parse(text.text, text.length, channel)) {
        return true;
    }
    refuse(op, REFUSAL_BAD_REQUEST, "channel: wanted as index, grid, columns, status or account",
           0);
    return false;
}

static void send_first(const struct op *op, enum channel channel)
{
    struct server *server = op->server;
    struct json body = {0};
    if (channel == CHANNEL_GRID && server->board.grid != NULL) {
        client_event_grid_snapshot(&body, server->board.grid);
    } else if (channel == CHANNEL_STATUS) {
        publish_status_event(server, &body);
    }
    if (body.length > 0) {
        publish_to_client(server, op->client, channel, body.text, body.length);
    }
    json_text_free(&body);
}

static void op_subscribe(const struct op *op)
{
    static const char *const keys[] = {"channel", NULL};
    enum channel channel;
    if (!only_keys(op, keys) || !take_channel(op, &channel)) {
        return;
    }
    if (channel == CHANNEL_ACCOUNT && !op->client->authenticated) {
        refuse(op, REFUSAL_SESSION_EXPIRED, "say auth first, then subscribe to account", 0);
        return;
    }
    const bool again = op->client->subscribed[channel];
    clients_subscribe(&op->server->clients, op->client, channel);
    done(op);
    if (!again && channel != CHANNEL_ACCOUNT) {
        send_first(op, channel);
    }
}

static void op_unsubscribe(const struct op *op)
{
    static const char *const keys[] = {"channel", NULL};
    enum channel channel;
    if (!only_keys(op, keys) || !take_channel(op, &channel)) {
        return;
    }
    clients_unsubscribe(&op->server->clients, op->client, channel);
    done(op);
}

/* A request on its way to the verify pool or the engine, or NULL when it was answered. */
static struct engine_request *new_request(const struct op *op, enum engine_request_kind kind,
                                          enum front front)
{
    struct engine_request *request = taps_new(op->server, kind, front, op->client->id);
    if (request == NULL) {
        refuse(op, REFUSAL_OVERLOADED, NULL, SERVER_RETRY_MS);
        return NULL;
    }
    snprintf(request->op_id, sizeof(request->op_id), "%s", op->id);
    return request;
}

/* Asks the engine for the account; reply, subscription and snapshot follow in ws_api_answer. */
static void ask_snapshot(const struct op *op)
{
    struct engine_request *request = new_request(op, ENGINE_ACCOUNT, FRONT_WS_SNAPSHOT);
    if (request == NULL) {
        return;
    }
    memcpy(request->tap.tap.account, op->client->account, ADDRESS_BYTES);
    taps_submit(op->server, request);
}

static void op_resume(const struct op *op)
{
    static const char *const keys[] = {"channel", "after", NULL};
    enum channel channel;
    struct text_view text;
    int64_t after;
    if (!only_keys(op, keys) || !take_channel(op, &channel)) {
        return;
    }
    if (channel != CHANNEL_ACCOUNT) {
        refuse(op, REFUSAL_BAD_REQUEST, "only the account channel has a history to resume", 0);
        return;
    }
    if (strict_json_text(op->json, "after", &text) != STRICT_JSON_STRING ||
        !text_parse_decimal(text.text, text.length, &after)) {
        refuse(op, REFUSAL_BAD_REQUEST, "after: wanted as a seq in a string of digits", 0);
        return;
    }
    if (!op->client->authenticated) {
        refuse(op, REFUSAL_SESSION_EXPIRED, "say auth first, then resume", 0);
        return;
    }
    const struct history_entry *entries[HISTORY_RESUMED];
    size_t count;
    if (!history_since(&op->server->history, op->client->account, (uint64_t)after, entries,
                       &count)) {
        ask_snapshot(op);
        return;
    }
    clients_subscribe(&op->server->clients, op->client, CHANNEL_ACCOUNT);
    done(op);
    for (size_t i = 0; i < count; i++) {
        publish_to_client(op->server, op->client, CHANNEL_ACCOUNT, entries[i]->body,
                          entries[i]->length);
    }
}

static void op_tap(const struct op *op)
{
    static const char *const more[] = {"op", "id", NULL};
    const struct text_view origin = {op->client->origin, strlen(op->client->origin)};
    struct engine_request *request = new_request(op, ENGINE_TAP, FRONT_WS_TAP);
    if (request == NULL) {
        return;
    }
    struct refusal refusal;
    if (!tap_request_parse(op->json, origin, more, &request->tap, &refusal)) {
        taps_free(op->server, request);
        taps_count_refused(op->server, refusal.code);
        refuse(op, refusal.code, refusal.message, 0);
        return;
    }
    request->job.text = request->tap.text;
    request->job.text_length = request->tap.text_length;
    request->job.signature = request->tap.signature;
    request->job.account = request->tap.tap.account;
    taps_verify(op->server, request);
}

static void op_auth(const struct op *op)
{
    static const char *const more[] = {"op", "id", NULL};
    const struct text_view origin = {op->client->origin, strlen(op->client->origin)};
    struct auth_request auth;
    struct refusal refusal;
    if (!tap_request_parse_auth(op->json, origin, more, &auth, &refusal)) {
        refuse(op, refusal.code, refusal.message, 0);
        return;
    }
    struct engine_request *request = new_request(op, ENGINE_TAP, FRONT_WS_AUTH);
    if (request == NULL) {
        return;
    }
    memcpy(request->tap.tap.account, auth.auth.account, ADDRESS_BYTES);
    request->tap.tap.message_ms = auth.auth.message_ms;
    memcpy(request->tap.text, auth.text, auth.text_length + 1);
    memcpy(request->tap.signature, auth.signature, LIMIT_SIGNATURE_BYTES);
    request->job.text = request->tap.text;
    request->job.text_length = auth.text_length;
    request->job.signature = request->tap.signature;
    request->job.account = request->tap.tap.account;
    taps_verify(op->server, request);
}

static void op_ping(const struct op *op)
{
    if (only_keys(op, NULL)) {
        done(op);
    }
}

/* --- Messages. --- */

/* Copies a member that is a string without NUL of 1 to `limit` bytes; false when it is not. */
static bool take_word(const struct op *op, const char *key, char *to, size_t limit)
{
    struct text_view text;
    if (strict_json_text(op->json, key, &text) != STRICT_JSON_STRING || text.length == 0 ||
        text.length > limit || memchr(text.text, '\0', text.length) != NULL) {
        return false;
    }
    memcpy(to, text.text, text.length);
    to[text.length] = '\0';
    return true;
}

/* Characters of valid UTF-8: all bytes but the continuing ones. */
static size_t count_characters(const char *text)
{
    size_t count = 0;
    for (; *text != '\0'; text++) {
        count += ((unsigned char)*text & 0xc0) != 0x80;
    }
    return count;
}

/* Fills op->name and op->id from the message, each as far as it is good, so that an error repeats
 * what the client can know it by. NULL, or what is wrong. */
static const char *read_head(struct op *op)
{
    struct text_view text;
    if (!strict_json_is_object(op->json)) {
        return "a message is a JSON object";
    }
    const bool named = take_word(op, "op", op->name, sizeof(op->name) - 1);
    if (strict_json_text(op->json, "id", &text) != STRICT_JSON_ABSENT &&
        (!take_word(op, "id", op->id, LIMIT_REQUEST_ID_BYTES) ||
         count_characters(op->id) > LIMIT_REQUEST_ID)) {
        op->id[0] = '\0';
        return "id: wanted as a string of 1 to 64 characters";
    }
    return named ? NULL : "op: wanted as a string";
}

static void run_op(const struct op *op)
{
    static const struct {
        const char *name;
        void (*run)(const struct op *op);
    } ops[] = {{"subscribe", op_subscribe},
               {"unsubscribe", op_unsubscribe},
               {"resume", op_resume},
               {"auth", op_auth},
               {"tap", op_tap},
               {"ping", op_ping}};
    for (size_t i = 0; i < sizeof(ops) / sizeof(ops[0]); i++) {
        if (strcmp(ops[i].name, op->name) == 0) {
            ops[i].run(op);
            return;
        }
    }
    refuse(op, REFUSAL_BAD_REQUEST,
           "op: wanted as subscribe, unsubscribe, auth, resume, tap or ping", 0);
}

bool ws_api_allow_origin(void *context, const char *origin)
{
    return server_origin(context, origin) != NULL;
}

void ws_api_open(void *context, uint64_t id, const char *origin, const struct http_peer *peer)
{
    struct server *server = context;
    struct client *client = clients_add(&server->clients, id);
    if (client == NULL) {
        ws_close(server->ws, id, WS_CLOSE_TRY_LATER, "the server is out of memory");
        return;
    }
    snprintf(client->origin, sizeof(client->origin), "%s", server_origin(server, origin));
    rate_limit_ip_key(client->rate_key, peer->address);
    if (rate_limit_take(server->by_address, client->rate_key, clock_elapsed_ns()) > 0) {
        ws_close(server->ws, id, WS_CLOSE_TRY_LATER, "too many requests of this address");
    }
}

void ws_api_message(void *context, uint64_t id, const char *text, size_t length)
{
    struct server *server = context;
    struct client *client = clients_find(&server->clients, id);
    if (client == NULL || server->closing) {
        return;
    }
    struct op op = {.server = server, .client = client};
    struct strict_json *json = NULL;
    struct strict_json_problem problem;
    const char *wrong = problem.text;
    enum refusal_code code = REFUSAL_BAD_REQUEST;
    const enum status status = strict_json_parse(text, length, &json, &problem);
    if (status == STATUS_OK) {
        op.json = json;
        wrong = read_head(&op);
    } else if (status == STATUS_NO_MEMORY) {
        wrong = NULL;
        code = REFUSAL_OVERLOADED;
    }
    /* Every message has its price, malformed ones too. */
    const int64_t wait_ms =
        rate_limit_take(server->by_address, client->rate_key, clock_elapsed_ns());
    if (wait_ms > 0) {
        refuse(&op, REFUSAL_RATE_LIMITED, NULL, wait_ms);
    } else if (op.json == NULL || wrong != NULL) {
        refuse(&op, code, wrong, code == REFUSAL_OVERLOADED ? SERVER_RETRY_MS : 0);
    } else {
        run_op(&op);
    }
    strict_json_free(json);
}

void ws_api_close(void *context, uint64_t id)
{
    struct server *server = context;
    clients_remove(&server->clients, id);
}

/* --- Answers that come back. --- */

static void known_done(void *context, struct read *read)
{
    struct server *server = context;
    if (read->status == STATUS_OK) {
        reply_result(server, read->connection, "tap", read->op_id, read->json.text,
                     read->json.length);
    } else {
        reply_error(server, read->connection, "tap", read->op_id, REFUSAL_INTERNAL,
                    "the bet is known but cannot be read now, ask by nonce", NULL);
    }
    read_free(read);
}

static void answer_known(struct server *server, const struct engine_request *request)
{
    struct read *read = read_new(READ_BET);
    if (read != NULL) {
        read->id = request->answer.bet;
        read->at_least_seq = engine_applied_seq(server->engine);
        read->done = known_done;
        read->context = server;
        read->connection = request->connection;
        snprintf(read->op_id, sizeof(read->op_id), "%s", request->op_id);
        if (reads_submit(server->reads, read) == STATUS_OK) {
            return;
        }
        read_free(read);
    }
    const struct refusal_extras extras = {.retry_after_ms = SERVER_RETRY_MS};
    reply_error(server, request->connection, "tap", request->op_id, REFUSAL_OVERLOADED, NULL,
                &extras);
}

static void answer_bet(struct server *server, const struct engine_request *request)
{
    struct json result = {0};
    json_open(&result, '{');
    json_key(&result, "bet");
    json_u64(&result, request->answer.bet);
    json_key(&result, "seq");
    json_u64(&result, request->answer.seq);
    json_key(&result, "state");
    json_string(&result, bet_state_text(request->answer.state));
    json_close(&result, '}');
    reply_result(server, request->connection, "tap", request->op_id, result.text, result.length);
    json_text_free(&result);
}

/* The signature of an auth op was good: checks its time and binds the connection to the account. */
static void finish_auth(struct server *server, const struct engine_request *request)
{
    struct client *client = clients_find(&server->clients, request->connection);
    if (client == NULL) {
        return;
    }
    const int64_t now_ms = clock_now_ms(&server->clock);
    const int64_t message_ms = request->tap.tap.message_ms;
    if (message_ms < now_ms - LIMIT_TAP_AGE_MS || message_ms > now_ms + LIMIT_TAP_AHEAD_MS) {
        const struct refusal_extras extras = {.time_ms = now_ms};
        reply_error(server, client->id, "auth", request->op_id, REFUSAL_TIME_SKEW, NULL, &extras);
        return;
    }
    clients_unsubscribe(&server->clients, client, CHANNEL_ACCOUNT);
    client->authenticated = true;
    memcpy(client->account, request->tap.tap.account, ADDRESS_BYTES);
    reply_result(server, client->id, "auth", request->op_id, "{}", 2);
}

/* The engine's view of the account comes in order with the updates: whatever was told before is in
 * it, whatever follows is after it. So the subscription begins here, without a gap. */
static void finish_resume(struct server *server, const struct engine_request *request)
{
    const struct engine_answer *answer = &request->answer;
    struct client *client = clients_find(&server->clients, request->connection);
    if (client == NULL) {
        return;
    }
    if (memcmp(client->account, request->tap.tap.account, ADDRESS_BYTES) != 0) {
        reply_error(server, client->id, "resume", request->op_id, REFUSAL_SESSION_EXPIRED,
                    "the connection was authenticated for another account meanwhile", NULL);
        return;
    }
    clients_subscribe(&server->clients, client, CHANNEL_ACCOUNT);
    reply_result(server, client->id, "resume", request->op_id, "{}", 2);
    struct json body = {0};
    client_event_account_snapshot(&body, answer->seq, answer->time_ms, client->account,
                                  &answer->account, server->board.config.market, answer->bets,
                                  answer->bet_count);
    publish_to_client(server, client, CHANNEL_ACCOUNT, body.text, body.length);
    json_text_free(&body);
}

static const char *op_of(const struct engine_request *request)
{
    return request->channel == FRONT_WS_AUTH       ? "auth"
           : request->channel == FRONT_WS_SNAPSHOT ? "resume"
                                                   : "tap";
}

void ws_api_answer(struct server *server, const struct engine_request *request)
{
    const struct engine_answer *answer = &request->answer;
    switch (answer->kind) {
    case ANSWER_REFUSED:
        reply_error(server, request->connection, op_of(request), request->op_id,
                    answer->refusal.code, answer->refusal.message, &answer->extras);
        break;
    case ANSWER_BET:
        answer_bet(server, request);
        break;
    case ANSWER_KNOWN:
        answer_known(server, request);
        break;
    case ANSWER_APPLIED:
        finish_auth(server, request);
        break;
    case ANSWER_ACCOUNT:
        finish_resume(server, request);
        break;
    }
}
