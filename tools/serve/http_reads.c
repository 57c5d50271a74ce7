/* Reads that SQLite answers, on the reader threads. */
#include <string.h>

#include "base/address.h"
#include "base/text.h"
#include "tools/serve/http_call.h"
#include "tools/serve/http_query.h"

static void refuse_unreadable(struct server *server, uint64_t connection)
{
    http_call_refuse_id(server, connection, 0, REFUSAL_INTERNAL,
                        "the projection cannot be read; the journal is not touched by that", NULL);
}

static void read_done(void *context, struct read *read)
{
    struct server *server = context;
    switch (read->status) {
    case STATUS_OK:
        http_call_respond(server, read->connection, 200, NULL, &read->json);
        break;
    case STATUS_NOT_FOUND:
        http_call_refuse_id(server, read->connection, 0, REFUSAL_NOT_FOUND, NULL, NULL);
        break;
    case STATUS_CLOSED:
        if (server->closing) {
            http_call_refuse_id(server, read->connection, 0, REFUSAL_DRAINING, NULL, NULL);
            break;
        }
        refuse_unreadable(server, read->connection);
        break;
    case STATUS_FULL: {
        const struct refusal_extras extras = {.retry_after_ms = SERVER_RETRY_MS};
        http_call_refuse_id(server, read->connection, 0, REFUSAL_OVERLOADED,
                            "the projection is behind, ask again soon", &extras);
        break;
    }
    case STATUS_END:
    case STATUS_INVALID:
    case STATUS_USAGE:
    case STATUS_IN_USE:
    case STATUS_IO:
    case STATUS_NO_SPACE:
    case STATUS_NO_MEMORY:
    case STATUS_DAMAGED:
    case STATUS_LOST_TAIL:
    case STATUS_VERSION:
    case STATUS_MISMATCH:
        refuse_unreadable(server, read->connection);
        break;
    }
    read_free(read);
}

struct read *http_call_new_read(struct server *server, uint64_t connection, enum read_kind kind)
{
    struct read *read = read_new(kind);
    if (read != NULL) {
        read->at_least_seq = engine_applied_seq(server->engine);
        read->done = read_done;
        read->context = server;
        read->connection = connection;
    }
    return read;
}

/* Sends a read on its way, or answers OVERLOADED. read may be NULL (no memory). */
void http_call_read(struct http_call *call, struct read *read)
{
    if (read == NULL || reads_submit(call->server->reads, read) != STATUS_OK) {
        read_free(read);
        http_call_refuse(call, REFUSAL_OVERLOADED, NULL);
    }
}

static bool part_id(struct http_call *call, size_t part, uint64_t *id)
{
    int64_t value;
    if (!text_parse_decimal(call->parts[part], strlen(call->parts[part]), &value)) {
        http_call_refuse(call, REFUSAL_BAD_REQUEST, "the path wants a number in decimal digits");
        return false;
    }
    *id = (uint64_t)value;
    return true;
}

static bool part_address(struct http_call *call, size_t part, uint8_t address[ADDRESS_BYTES])
{
    if (!address_parse(call->parts[part], strlen(call->parts[part]), address)) {
        http_call_refuse(
            call, REFUSAL_BAD_REQUEST,
            "the account wants 0x and 40 hex digits, in one case or with its checksum");
        return false;
    }
    return true;
}

void http_get_bet(struct http_call *call)
{
    uint64_t id;
    if (!part_id(call, 0, &id)) {
        return;
    }
    struct read *read = http_call_new_read(call->server, call->request->id, READ_BET);
    if (read != NULL) {
        read->id = id;
    }
    http_call_read(call, read);
}

void http_get_bet_by_nonce(struct http_call *call)
{
    uint8_t account[ADDRESS_BYTES];
    uint8_t nonce[NONCE_BYTES];
    if (!part_address(call, 0, account)) {
        return;
    }
    if (!text_parse_hex_lower(call->parts[1], strlen(call->parts[1]), nonce, NONCE_BYTES)) {
        http_call_refuse(call, REFUSAL_BAD_REQUEST, "the nonce wants 32 lower-case hex digits");
        return;
    }
    struct read *read = http_call_new_read(call->server, call->request->id, READ_BET_BY_NONCE);
    if (read != NULL) {
        memcpy(read->account, account, ADDRESS_BYTES);
        memcpy(read->nonce, nonce, NONCE_BYTES);
    }
    http_call_read(call, read);
}

void http_get_account(struct http_call *call)
{
    uint8_t account[ADDRESS_BYTES];
    if (!part_address(call, 0, account)) {
        return;
    }
    struct read *read = http_call_new_read(call->server, call->request->id, READ_ACCOUNT);
    if (read != NULL) {
        memcpy(read->account, account, ADDRESS_BYTES);
    }
    http_call_read(call, read);
}

/* Bets and ledger rows: the same paging, other filters. */
static void get_page(struct http_call *call, enum read_kind kind)
{
    uint8_t account[ADDRESS_BYTES];
    if (!part_address(call, 0, account)) {
        return;
    }
    struct read *read = http_call_new_read(call->server, call->request->id, kind);
    if (read == NULL) {
        http_call_read(call, NULL);
        return;
    }
    memcpy(read->account, account, ADDRESS_BYTES);
    const char *problem = http_query_page(call->request->query, read);
    if (problem != NULL) {
        read_free(read);
        http_call_refuse(call, REFUSAL_BAD_REQUEST, problem);
        return;
    }
    http_call_read(call, read);
}

void http_get_bets(struct http_call *call)
{
    get_page(call, READ_BETS);
}

void http_get_ledger(struct http_call *call)
{
    get_page(call, READ_LEDGER);
}

void http_get_column(struct http_call *call)
{
    uint64_t id;
    if (!part_id(call, 0, &id)) {
        return;
    }
    struct read *read = http_call_new_read(call->server, call->request->id, READ_COLUMN);
    if (read != NULL) {
        read->id = id;
    }
    http_call_read(call, read);
}

void http_get_config(struct http_call *call)
{
    uint64_t epoch = 0; /* the current one */
    if (strcmp(call->parts[0], "current") != 0) {
        if (!part_id(call, 0, &epoch)) {
            return;
        }
        if (epoch == 0) {
            http_call_refuse(call, REFUSAL_NOT_FOUND, NULL);
            return;
        }
    }
    struct read *read = http_call_new_read(call->server, call->request->id, READ_CONFIG);
    if (read != NULL) {
        read->id = epoch;
    }
    http_call_read(call, read);
}
