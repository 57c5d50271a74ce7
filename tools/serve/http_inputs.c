/* What changes something: taps and demo deposits, and the answers of the engine to them. */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/address.h"
#include "base/text.h"
#include "ingress/strict_json.h"
#include "tools/serve/http_call.h"

#define DEMO_REFERENCES "demo-%016llx-%llu"

/* Media types are compared without regard to case (RFC 9110 section 8.3.1); parameters are ignored,
 * as the body has to be UTF-8 anyway. */
static bool is_json_type(const char *type)
{
    const size_t length = strlen(HTTP_JSON_TYPE);
    return type != NULL && strncasecmp(type, HTTP_JSON_TYPE, length) == 0 &&
           strchr("; \t", type[length]) != NULL; /* or the end */
}

/* The body as JSON; NULL when it was answered. */
static struct strict_json *parse_body(struct http_call *call)
{
    if (!is_json_type(call->request->content_type)) {
        http_call_refuse_id(call->server, call->request->id, 415, REFUSAL_BAD_REQUEST,
                            "send the body as content-type: application/json", NULL);
        return NULL;
    }
    struct strict_json *json;
    struct strict_json_problem problem;
    const enum status status =
        strict_json_parse(call->request->body, call->request->body_bytes, &json, &problem);
    if (status == STATUS_OK) {
        return json;
    }
    if (status == STATUS_INVALID) {
        http_call_refuse(call, REFUSAL_BAD_REQUEST, problem.text);
    } else {
        http_call_refuse(call, REFUSAL_OVERLOADED, NULL);
    }
    return NULL;
}

void http_post_bet(struct http_call *call)
{
    struct server *server = call->server;
    struct strict_json *json = parse_body(call);
    if (json == NULL) {
        return;
    }
    struct engine_request *request = taps_new(server, ENGINE_TAP, FRONT_HTTP, call->request->id);
    if (request == NULL) {
        strict_json_free(json);
        http_call_refuse(call, REFUSAL_OVERLOADED, NULL);
        return;
    }
    const struct text_view origin = {call->origin, strlen(call->origin)};
    struct refusal refusal;
    const bool good = tap_request_parse(json, origin, NULL, &request->tap, &refusal);
    strict_json_free(json);
    if (!good) {
        taps_count_refused(server, refusal.code);
        request->answer = (struct engine_answer){.kind = ANSWER_REFUSED, .refusal = refusal};
        http_api_answer(server, request);
        taps_free(server, request);
        return;
    }
    request->job.text = request->tap.text;
    request->job.text_length = request->tap.text_length;
    request->job.signature = request->tap.signature;
    request->job.account = request->tap.tap.account;
    taps_verify(server, request);
}

/* A reference of the server's own for a demo deposit without one: unique for ever, as it names the
 * moment and a count. */
static void make_reference(struct server *server, char *to, size_t bytes)
{
    static unsigned long long count;
    count += 1;
    snprintf(to, bytes, DEMO_REFERENCES, (unsigned long long)clock_elapsed_ns(),
             count + server->board.market.seq);
}

/* Takes a member of a deposit's body as text; false when it was answered. */
static bool text_member(struct http_call *call, const struct strict_json *json, const char *key,
                        bool required, struct text_view *text)
{
    *text = (struct text_view){"", 0};
    const enum strict_json_member member = strict_json_text(json, key, text);
    if (member == STRICT_JSON_STRING || (member == STRICT_JSON_ABSENT && !required)) {
        return true;
    }
    char message[96];
    snprintf(message, sizeof(message), "%s: wanted as a JSON string", key);
    http_call_refuse(call, REFUSAL_BAD_REQUEST, message);
    return false;
}

static bool reference_is_good(struct text_view text)
{
    if (text.length == 0 || text.length > LIMIT_REFERENCE_BYTES) {
        return false;
    }
    for (size_t i = 0; i < text.length; i++) {
        if (text.text[i] < 0x20 || text.text[i] > 0x7e) {
            return false;
        }
    }
    return true;
}

/* Fills the deposit from the body; false when it was answered. */
static bool parse_deposit(struct http_call *call, const struct strict_json *json,
                          struct engine_request *request)
{
    static const char *const allowed[] = {"account", "amount", "ref", NULL};
    struct text_view account;
    struct text_view amount;
    struct text_view reference;
    uint8_t address[ADDRESS_BYTES];
    int64_t amount_micro;
    const char *unknown = strict_json_unknown_key(json, allowed, NULL);
    if (!strict_json_is_object(json) || unknown != NULL) {
        http_call_refuse(call, REFUSAL_BAD_REQUEST,
                         "the body wants an object of account, amount and maybe ref");
        return false;
    }
    if (!text_member(call, json, "account", true, &account) ||
        !text_member(call, json, "amount", true, &amount) ||
        !text_member(call, json, "ref", false, &reference)) {
        return false;
    }
    if (!address_parse(account.text, account.length, address)) {
        http_call_refuse(
            call, REFUSAL_BAD_REQUEST,
            "account: wanted as 0x and 40 hex digits, in one case or with its checksum");
        return false;
    }
    if (!text_parse_decimal(amount.text, amount.length, &amount_micro)) {
        http_call_refuse(call, REFUSAL_BAD_REQUEST, "amount: wanted as a string of decimal digits");
        return false;
    }
    char made[LIMIT_REFERENCE_BYTES + 1];
    if (strict_json_text(json, "ref", &reference) == STRICT_JSON_ABSENT) {
        make_reference(call->server, made, sizeof(made));
    } else if (reference_is_good(reference)) {
        memcpy(made, reference.text, reference.length);
        made[reference.length] = '\0';
    } else {
        http_call_refuse(call, REFUSAL_BAD_REQUEST,
                         "ref: wanted as 1 to 64 printable ASCII characters");
        return false;
    }
    return transfer_fill(request, INPUT_DEPOSIT, address, amount_micro, made, "demo", "");
}

void http_post_demo_deposit(struct http_call *call)
{
    if (!call->server->options.demo) {
        http_call_refuse(call, REFUSAL_NOT_FOUND, "there are demo deposits only with --demo");
        return;
    }
    struct strict_json *json = parse_body(call);
    if (json == NULL) {
        return;
    }
    struct engine_request *request =
        taps_new(call->server, ENGINE_TRANSFER, FRONT_HTTP, call->request->id);
    if (request == NULL) {
        http_call_refuse(call, REFUSAL_OVERLOADED, NULL);
    } else if (parse_deposit(call, json, request)) {
        taps_submit(call->server, request);
    } else {
        taps_free(call->server, request);
    }
    strict_json_free(json);
}

static void answer_deposit(struct server *server, const struct engine_request *request)
{
    const struct transfer *transfer = &request->input.of.transfer;
    char address[ADDRESS_TEXT_BYTES + 1];
    address_format(address, transfer->account);
    struct json json = {0};
    json_open(&json, '{');
    json_key(&json, "seq");
    json_u64(&json, request->answer.seq);
    json_key(&json, "account");
    json_string(&json, address);
    json_key(&json, "amount");
    json_i64(&json, transfer->amount_micro);
    json_key(&json, "ref");
    json_text(&json, transfer->reference.text, transfer->reference.length);
    json_key(&json, "available");
    json_i64(&json, request->answer.available_micro);
    json_close(&json, '}');
    http_call_respond(server, request->connection, 200, NULL, &json);
    json_text_free(&json);
}

static void answer_known(struct server *server, const struct engine_request *request)
{
    struct read *read = http_call_new_read(server, request->connection, READ_BET);
    if (read != NULL) {
        read->id = request->answer.bet;
    }
    const struct http_request same = {.id = request->connection};
    struct http_call call = {.server = server, .request = &same};
    http_call_read(&call, read);
}

void http_api_answer(struct server *server, const struct engine_request *request)
{
    const struct engine_answer *answer = &request->answer;
    switch (answer->kind) {
    case ANSWER_REFUSED:
        http_call_refuse_id(server, request->connection, 0, answer->refusal.code,
                            answer->refusal.message, &answer->extras);
        break;
    case ANSWER_BET: {
        struct json json = {0};
        json_open(&json, '{');
        json_key(&json, "bet");
        json_u64(&json, answer->bet);
        json_key(&json, "seq");
        json_u64(&json, answer->seq);
        json_key(&json, "state");
        json_string(&json, bet_state_text(answer->state));
        json_close(&json, '}');
        http_call_respond(server, request->connection, 202, NULL, &json);
        json_text_free(&json);
        break;
    }
    case ANSWER_KNOWN:
        answer_known(server, request);
        break;
    case ANSWER_APPLIED:
        answer_deposit(server, request);
        break;
    case ANSWER_ACCOUNT:
        break; /* the WebSocket front asks for those */
    }
}
