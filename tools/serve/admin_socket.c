/* The operator's door: a unix socket of the data directory (mode 0600). One JSON object a line in,
 * one line out, in order of asking:
 *
 *   {"op":"deposit","account":"0x...","amount":"5000000","ref":"wire-17"}    -> {"seq":"42"}
 *   {"op":"house_deposit","amount":"...","ref":"..."}, withdrawal, house_withdrawal, goodwill
 * (note)
 *   {"op":"config","text":"[market]\nedge_bp = 400\n"}                       -> {"seq":"43"}
 *   {"op":"rules","version":"2"}                                             -> {"seq":"44"}
 *   {"op":"drain"}                                                           -> {"seq":...} of the
 * state
 *   {"op":"status"}                                                          -> as GET /v1/status
 *   {"op":"snapshot"}                 ->
 * {"seq":"500000","file":"snapshots/00000000000000500000.snap"}
 *
 * or {"error":{...}}. The operator's name is that of the peer's user id. */
#define _GNU_SOURCE /* struct ucred */
#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/address.h"
#include "base/text.h"
#include "ingress/market_file.h"
#include "ingress/strict_json.h"
#include "tools/serve/keeper.h"
#include "tools/serve/server.h"

#define ADMIN_CONNECTIONS 16

struct admin_connection {
    struct admin_socket *admin;
    uv_pipe_t pipe;
    uint64_t id;
    bool waiting; /* an op is with the engine; further lines wait */
    char operator_name[LIMIT_OPERATOR_BYTES + 1];
    char line[LIMIT_BODY_BYTES + 1];
    size_t used;
    struct admin_connection *next;
};

struct admin_socket {
    struct server *server;
    uv_pipe_t listener;
    char path[ADMIN_PATH_BYTES_MAX + 1];
    uint64_t last_id;
    struct admin_connection *connections;
    size_t count;
};

struct admin_write {
    uv_write_t request;
    uv_buf_t buffer;
    char text[];
};

static void next_line(struct admin_connection *connection);

/* --- Answers. --- */

static void on_written(uv_write_t *request, int status)
{
    (void)status; /* a peer that is gone gets no answer */
    free(request);
}

static void send_line(struct admin_connection *connection, const struct json *json)
{
    struct admin_write *write = json->failed ? NULL : malloc(sizeof(*write) + json->length + 1);
    if (write == NULL) {
        return;
    }
    memcpy(write->text, json->text, json->length);
    write->text[json->length] = '\n';
    write->buffer = uv_buf_init(write->text, (unsigned)json->length + 1);
    if (uv_write(&write->request, (uv_stream_t *)&connection->pipe, &write->buffer, 1,
                 on_written) != 0) {
        free(write);
    }
}

static void send_refusal_with(struct admin_connection *connection, enum refusal_code code,
                              const char *message, const struct refusal_extras *extras)
{
    struct json json = {0};
    refusal_json(&json, code, message, extras);
    send_line(connection, &json);
    json_text_free(&json);
}

static void send_refusal(struct admin_connection *connection, enum refusal_code code,
                         const char *message)
{
    send_refusal_with(connection, code, message, NULL);
}

static void send_seq(struct admin_connection *connection, uint64_t seq)
{
    struct json json = {0};
    json_open(&json, '{');
    json_key(&json, "seq");
    json_u64(&json, seq);
    json_close(&json, '}');
    send_line(connection, &json);
    json_text_free(&json);
}

static struct admin_connection *find(struct admin_socket *admin, uint64_t id)
{
    struct admin_connection *connection = admin->connections;
    while (connection != NULL && connection->id != id) {
        connection = connection->next;
    }
    return connection;
}

void admin_socket_answer(struct server *server, const struct engine_request *request)
{
    struct admin_connection *connection = find(server->admin, request->connection);
    if (connection == NULL) {
        return;
    }
    const struct engine_answer *answer = &request->answer;
    if (answer->kind == ANSWER_APPLIED) {
        send_seq(connection, answer->seq);
    } else {
        send_refusal_with(connection, answer->refusal.code, answer->refusal.message,
                          &answer->extras);
    }
    connection->waiting = false;
    next_line(connection);
}

/* --- Ops. --- */

struct admin_op {
    const char *name;
    enum input_kind kind;
    bool has_account;
    bool has_note;
};

static const struct admin_op transfers[] = {
    {"deposit", INPUT_DEPOSIT, true, false},
    {"withdrawal", INPUT_WITHDRAWAL, true, false},
    {"house_deposit", INPUT_HOUSE_DEPOSIT, false, false},
    {"house_withdrawal", INPUT_HOUSE_WITHDRAWAL, false, false},
    {"goodwill", INPUT_GOODWILL, true, true},
};

/* Copies a text member; false when it is missing, no string, or longer than limit. */
static bool take_text(const struct strict_json *json, const char *key, bool required, char *to,
                      size_t limit)
{
    struct text_view text;
    to[0] = '\0';
    const enum strict_json_member member = strict_json_text(json, key, &text);
    if (member == STRICT_JSON_ABSENT) {
        return !required;
    }
    if (member != STRICT_JSON_STRING || text.length > limit ||
        memchr(text.text, '\0', text.length) != NULL) {
        return false;
    }
    memcpy(to, text.text, text.length);
    to[text.length] = '\0';
    return true;
}

/* Fills the request; NULL when good, else what is wrong. */
static const char *fill_transfer(const struct admin_connection *connection,
                                 const struct strict_json *json, const struct admin_op *op,
                                 struct engine_request *request)
{
    static const char *const keys[] = {"op", "account", "amount", "ref", "note", NULL};
    char text[ADDRESS_TEXT_BYTES + 1];
    char amount[TEXT_I64_BYTES_MAX + 1];
    char reference[LIMIT_REFERENCE_BYTES + 1];
    char note[LIMIT_NOTE_BYTES + 1];
    uint8_t account[ADDRESS_BYTES] = {0};
    int64_t amount_micro;
    if (strict_json_unknown_key(json, keys, NULL) != NULL) {
        return "the op has a key that it does not know";
    }
    if (op->has_account && (!take_text(json, "account", true, text, ADDRESS_TEXT_BYTES) ||
                            !address_parse(text, strlen(text), account))) {
        return "account: wanted as 0x and 40 hex digits, in one case or with its checksum";
    }
    if (!take_text(json, "amount", true, amount, TEXT_I64_BYTES_MAX) ||
        !text_parse_decimal(amount, strlen(amount), &amount_micro)) {
        return "amount: wanted as micro-USD in decimal digits";
    }
    if (!take_text(json, "ref", true, reference, LIMIT_REFERENCE_BYTES) || reference[0] == '\0') {
        return "ref: wanted as 1 to 64 printable ASCII characters";
    }
    if (!take_text(json, "note", false, note, LIMIT_NOTE_BYTES) ||
        (note[0] != '\0' && !op->has_note)) {
        return "note: at most 256 bytes, and only with goodwill";
    }
    return transfer_fill(request, op->kind, account, amount_micro, reference,
                         connection->operator_name, note)
               ? NULL
               : "the texts are too long";
}

static const char *fill_config(const struct admin_connection *connection,
                               const struct strict_json *json, struct engine_request *request)
{
    static char problem[MARKET_FILE_PROBLEM_BYTES];
    static const char *const keys[] = {"op", "text", "name", NULL};
    struct text_view text;
    char name[256];
    struct config_change *change = &request->input.of.config;
    if (strict_json_unknown_key(json, keys, NULL) != NULL ||
        strict_json_text(json, "text", &text) != STRICT_JSON_STRING ||
        !take_text(json, "name", false, name, sizeof(name) - 1)) {
        return "text: wanted as the market file's text";
    }
    memset(change, 0, sizeof(*change));
    request->input.kind = INPUT_CONFIG;
    if (market_file_parse(name[0] == '\0' ? "config" : name, text.text, text.length, change,
                          problem) != STATUS_OK) {
        return problem;
    }
    snprintf(change->operator_name, sizeof(change->operator_name), "%s", connection->operator_name);
    return NULL;
}

static const char *fill_rules(const struct admin_connection *connection,
                              const struct strict_json *json, struct engine_request *request)
{
    static const char *const keys[] = {"op", "version", NULL};
    char text[TEXT_I64_BYTES_MAX + 1];
    int64_t version;
    struct rules_change *change = &request->input.of.rules_change;
    if (strict_json_unknown_key(json, keys, NULL) != NULL ||
        !take_text(json, "version", true, text, TEXT_I64_BYTES_MAX) ||
        !text_parse_decimal(text, strlen(text), &version) || version < 1 || version > UINT32_MAX) {
        return "version: wanted as a whole number from 1 in decimal digits";
    }
    request->input.kind = INPUT_RULES_CHANGE;
    change->version = (uint32_t)version;
    snprintf(request->text, sizeof(request->text), "%s", connection->operator_name);
    change->operator_name = (struct text_view){request->text, strlen(request->text)};
    return NULL;
}

static void send_request(struct admin_connection *connection, const struct strict_json *json,
                         enum engine_request_kind kind, const struct admin_op *op)
{
    struct server *server = connection->admin->server;
    struct engine_request *request = taps_new(server, kind, FRONT_ADMIN, connection->id);
    if (request == NULL) {
        send_refusal(connection, REFUSAL_OVERLOADED, NULL);
        return;
    }
    const char *problem = kind == ENGINE_TRANSFER ? fill_transfer(connection, json, op, request)
                          : kind == ENGINE_RULES  ? fill_rules(connection, json, request)
                                                  : fill_config(connection, json, request);
    if (problem != NULL) {
        taps_free(server, request);
        send_refusal(connection, REFUSAL_BAD_REQUEST, problem);
        return;
    }
    connection->waiting = true;
    taps_submit(server, request);
}

/* The keeper tells when it is durable; further lines of the connection wait until then. */
static void ask_snapshot(struct admin_connection *connection)
{
    if (keeper_ask(connection->admin->server->keeper, connection->id)) {
        connection->waiting = true;
    } else {
        send_refusal(connection, REFUSAL_OVERLOADED, "too many wait for a snapshot already");
    }
}

void admin_socket_kept(struct server *server, const struct keeper_answer *answer)
{
    struct admin_connection *connection =
        server->admin == NULL ? NULL : find(server->admin, answer->ticket);
    if (connection == NULL) {
        return;
    }
    if (answer->status == STATUS_OK) {
        char file[sizeof(answer->name) + sizeof(SNAPSHOT_FOLDER)];
        struct json json = {0};
        snprintf(file, sizeof(file), "%s/%s", SNAPSHOT_FOLDER, answer->name);
        json_open(&json, '{');
        json_key(&json, "seq");
        json_u64(&json, answer->seq);
        json_key(&json, "file");
        json_string(&json, file);
        json_close(&json, '}');
        send_line(connection, &json);
        json_text_free(&json);
    } else {
        send_refusal(connection, REFUSAL_INTERNAL, answer->problem);
    }
    connection->waiting = false;
    next_line(connection);
}

static void run_op(struct admin_connection *connection, const struct strict_json *json)
{
    struct server *server = connection->admin->server;
    if (server->closing) {
        send_refusal(connection, REFUSAL_DRAINING, NULL);
        return;
    }
    char name[32];
    if (!strict_json_is_object(json) || !take_text(json, "op", true, name, sizeof(name) - 1)) {
        send_refusal(connection, REFUSAL_BAD_REQUEST, "op: wanted as a string");
        return;
    }
    for (size_t i = 0; i < sizeof(transfers) / sizeof(transfers[0]); i++) {
        if (strcmp(transfers[i].name, name) == 0) {
            send_request(connection, json, ENGINE_TRANSFER, &transfers[i]);
            return;
        }
    }
    if (strcmp(name, "config") == 0) {
        send_request(connection, json, ENGINE_CONFIG, NULL);
    } else if (strcmp(name, "rules") == 0) {
        send_request(connection, json, ENGINE_RULES, NULL);
    } else if (strcmp(name, "drain") == 0) {
        server_drain(server);
        send_seq(connection, server->board.market.seq);
    } else if (strcmp(name, "snapshot") == 0) {
        ask_snapshot(connection);
    } else if (strcmp(name, "status") == 0) {
        struct json status = {0};
        publish_status(server, &status);
        send_line(connection, &status);
        json_text_free(&status);
    } else {
        send_refusal(connection, REFUSAL_BAD_REQUEST, "op: not known to this server");
    }
}

/* Runs the lines that have come, until one waits for the engine. */
static void next_line(struct admin_connection *connection)
{
    char *end;
    while (!connection->waiting &&
           (end = memchr(connection->line, '\n', connection->used)) != NULL) {
        struct strict_json *json;
        struct strict_json_problem problem;
        const size_t length = (size_t)(end - connection->line);
        const enum status status = strict_json_parse(connection->line, length, &json, &problem);
        connection->used -= length + 1;
        memmove(connection->line, end + 1, connection->used);
        if (status != STATUS_OK) {
            send_refusal(connection, REFUSAL_BAD_REQUEST, problem.text);
            continue;
        }
        run_op(connection, json);
        strict_json_free(json);
    }
}

/* --- Connections. --- */

static void on_closed(uv_handle_t *handle)
{
    free(handle->data);
}

static void close_connection(struct admin_connection *connection)
{
    struct admin_connection **link = &connection->admin->connections;
    while (*link != connection) {
        if (*link == NULL) {
            return; /* closing already */
        }
        link = &(*link)->next;
    }
    *link = connection->next;
    connection->admin->count -= 1;
    uv_close((uv_handle_t *)&connection->pipe, on_closed);
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer)
{
    (void)suggested;
    struct admin_connection *connection = handle->data;
    *buffer = uv_buf_init(connection->line + connection->used,
                          (unsigned)(sizeof(connection->line) - connection->used));
}

static void on_bytes(uv_stream_t *stream, ssize_t count, const uv_buf_t *buffer)
{
    (void)buffer;
    struct admin_connection *connection = stream->data;
    if (count < 0) {
        close_connection(connection);
        return;
    }
    connection->used += (size_t)count;
    next_line(connection);
    if (connection->used == sizeof(connection->line)) {
        close_connection(connection); /* a line longer than any op */
    }
}

static void name_operator(struct admin_connection *connection)
{
    uv_os_fd_t descriptor;
    struct ucred peer;
    socklen_t length = sizeof(peer);
    snprintf(connection->operator_name, sizeof(connection->operator_name), "unknown");
    if (uv_fileno((uv_handle_t *)&connection->pipe, &descriptor) != 0 ||
        getsockopt(descriptor, SOL_SOCKET, SO_PEERCRED, &peer, &length) != 0) {
        return;
    }
    const struct passwd *entry = getpwuid(peer.uid);
    if (entry != NULL) {
        snprintf(connection->operator_name, sizeof(connection->operator_name), "%.60s",
                 entry->pw_name);
    } else {
        snprintf(connection->operator_name, sizeof(connection->operator_name), "uid %u", peer.uid);
    }
}

static void on_connection(uv_stream_t *listener, int status)
{
    struct admin_socket *admin = listener->data;
    struct admin_connection *connection = status == 0 ? calloc(1, sizeof(*connection)) : NULL;
    if (connection == NULL) {
        return;
    }
    connection->admin = admin;
    connection->id = ++admin->last_id;
    (void)uv_pipe_init(listener->loop, &connection->pipe, 0); /* cannot fail on Linux */
    connection->pipe.data = connection;
    connection->next = admin->connections;
    admin->connections = connection;
    admin->count += 1;
    if (uv_accept(listener, (uv_stream_t *)&connection->pipe) != 0 ||
        admin->count > ADMIN_CONNECTIONS ||
        uv_read_start((uv_stream_t *)&connection->pipe, on_alloc, on_bytes) != 0) {
        close_connection(connection);
        return;
    }
    name_operator(connection);
}

/* True when somebody answers at the socket. */
static bool is_alive(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    _Static_assert(sizeof(address.sun_path) == ADMIN_PATH_BYTES_MAX + 1, "the path fits");
    strcpy(address.sun_path, path); /* its length was looked at */
    const int descriptor = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (descriptor < 0) {
        return false;
    }
    /* EAGAIN: somebody is there who has too many to answer. */
    const bool alive =
        connect(descriptor, (const struct sockaddr *)&address, sizeof(address)) == 0 ||
        errno == EAGAIN;
    close(descriptor);
    return alive;
}

bool admin_socket_possible(const char *path, char problem[ADMIN_PROBLEM_BYTES])
{
    struct stat seen;
    if (strlen(path) > ADMIN_PATH_BYTES_MAX) {
        snprintf(problem, ADMIN_PROBLEM_BYTES,
                 "the path is longer than %d bytes; name a shorter one", ADMIN_PATH_BYTES_MAX);
        return false;
    }
    const bool exists = lstat(path, &seen) == 0;
    if (exists && (!S_ISSOCK(seen.st_mode) || is_alive(path))) {
        snprintf(problem, ADMIN_PROBLEM_BYTES, "%s; name another path",
                 S_ISSOCK(seen.st_mode) ? "another server has this socket"
                                        : "there is a file that is no socket");
        return false;
    }
    char parent[ADMIN_PATH_BYTES_MAX + 1];
    const char *slash = strrchr(path, '/');
    snprintf(parent, sizeof(parent), "%.*s", slash == NULL ? 1 : (int)(slash - path) + 1,
             slash == NULL ? "." : path); /* fits by the length above */
    if (access(parent, W_OK | X_OK) != 0) {
        snprintf(problem, ADMIN_PROBLEM_BYTES, "%s '%s': %s",
                 exists ? "the socket of an ended server cannot be removed from"
                        : "no socket can be made in",
                 parent, strerror(errno));
        return false;
    }
    return true;
}

/* Binds and listens. 0, or the reason. */
static int listen_at(struct admin_socket *admin, char problem[ADMIN_PROBLEM_BYTES])
{
    /* What is there now is a dead server's socket. */
    if (unlink(admin->path) != 0 && errno != ENOENT) {
        snprintf(problem, ADMIN_PROBLEM_BYTES,
                 "the socket of an ended server cannot be removed: %s", strerror(errno));
        return -1;
    }
    const mode_t mask = umask(0177);
    int error = uv_pipe_bind(&admin->listener, admin->path);
    umask(mask);
    if (error == 0) {
        error = uv_listen((uv_stream_t *)&admin->listener, ADMIN_CONNECTIONS, on_connection);
    }
    if (error != 0) {
        snprintf(problem, ADMIN_PROBLEM_BYTES, "cannot listen: %s", uv_strerror(error));
    }
    return error;
}

enum status admin_socket_open(struct server *server, const char *path)
{
    char problem[ADMIN_PROBLEM_BYTES];
    struct admin_socket *admin = calloc(1, sizeof(*admin));
    if (admin == NULL) {
        return STATUS_NO_MEMORY;
    }
    if (!admin_socket_possible(path, problem)) {
        fprintf(stderr, "tapline serve: --admin '%s': %s\n", path, problem);
        free(admin);
        return STATUS_USAGE;
    }
    admin->server = server;
    strcpy(admin->path, path);                              /* fits, or it would not be possible */
    (void)uv_pipe_init(&server->loop, &admin->listener, 0); /* cannot fail on Linux */
    admin->listener.data = admin;
    server->admin = admin;
    if (listen_at(admin, problem) != 0) {
        fprintf(stderr, "tapline serve: --admin '%s': %s\n", path, problem);
        return STATUS_IO;
    }
    return STATUS_OK;
}

static void on_listener_closed(uv_handle_t *handle)
{
    free(handle->data);
}

void admin_socket_close(struct server *server)
{
    struct admin_socket *admin = server->admin;
    while (admin->connections != NULL) {
        close_connection(admin->connections);
    }
    unlink(admin->path);
    uv_close((uv_handle_t *)&admin->listener, on_listener_closed);
    server->admin = NULL;
}
