/* `tapline admin`: operator commands over the server's unix socket (protocol:
 * tools/serve/admin_socket.c). */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/json.h"
#include "base/limits.h"
#include "tools/commands.h"
#include "tools/options.h"

#define ADMIN_NOTES                                                                                \
    "Commands:\n"                                                                                  \
    "  deposit|withdraw (--account 0x...|--house) --amount MICRO --ref TEXT\n"                     \
    "  goodwill --account 0x... --amount MICRO --ref TEXT [--note TEXT]\n"                         \
    "  config FILE    new values of the market configuration\n"                                    \
    "  rules VERSION  the rules of the game from the next record on; there is no way back\n"       \
    "  drain          refuse new bets; open bets run on; end the server with SIGTERM\n"            \
    "  status         breaker, feeds, house\n"                                                     \
    "  snapshot       write the state to a file now; prints its seq and name when it is durable\n" \
    "Prints {\"seq\"} once the input is durable, or the error object.\n"                           \
    "Exit codes: 0 done; 1 refused; 64 usage, or no server at the socket"

enum row {
    ROW_SOCKET,
    ROW_DATA,
    ROW_ACCOUNT,
    ROW_HOUSE,
    ROW_AMOUNT,
    ROW_REF,
    ROW_NOTE,
    ROW_COUNT
};

static int usage(const char *message)
{
    fprintf(stderr, "tapline admin: %s; see 'tapline admin --help'\n", message);
    return EXIT_USAGE;
}

static void member(struct json *json, const char *key, const char *value)
{
    if (value != NULL) {
        json_key(json, key);
        json_string(json, value);
    }
}

/* The op's name and members for a transfer command; 0 or the exit code. */
static int fill_transfer(struct json *json, const char *command, const struct option_row *rows)
{
    const bool house = rows[ROW_HOUSE].given;
    const char *account = rows[ROW_ACCOUNT].value;
    const bool goodwill = strcmp(command, "goodwill") == 0;
    if (house == (account != NULL) || (goodwill && house)) {
        return usage(goodwill ? "goodwill wants --account"
                              : "name either --account 0x... or --house");
    }
    if (rows[ROW_AMOUNT].value == NULL || rows[ROW_REF].value == NULL) {
        return usage("--amount and --ref are needed");
    }
    const bool deposit = strcmp(command, "deposit") == 0;
    member(json, "op",
           goodwill ? "goodwill"
           : house  ? (deposit ? "house_deposit" : "house_withdrawal")
                    : (deposit ? "deposit" : "withdrawal"));
    member(json, "account", account);
    member(json, "amount", rows[ROW_AMOUNT].value);
    member(json, "ref", rows[ROW_REF].value);
    member(json, "note", rows[ROW_NOTE].value);
    return 0;
}

static int fill_config(struct json *json, const char *path)
{
    char text[LIMIT_BODY_BYTES];
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        fprintf(stderr, "tapline admin: cannot read '%s': %s\n", path, strerror(errno));
        return EXIT_USAGE;
    }
    const size_t length = fread(text, 1, sizeof(text), file);
    const bool failed = ferror(file) != 0;
    fclose(file);
    if (failed || length == sizeof(text)) {
        return usage("the market file cannot be read or has 4 KiB or more");
    }
    member(json, "op", "config");
    member(json, "name", path);
    json_key(json, "text");
    json_text(json, text, length);
    return 0;
}

static int fill(struct json *json, const struct options *options)
{
    const char *command = options->positional_count > 0 ? options->positional[0] : "";
    const size_t count = options->positional_count;
    if (strcmp(command, "deposit") == 0 || strcmp(command, "withdraw") == 0 ||
        strcmp(command, "goodwill") == 0) {
        return count == 1 ? fill_transfer(json, command, options->rows)
                          : usage("unexpected argument");
    }
    if (strcmp(command, "config") == 0) {
        return count == 2 ? fill_config(json, options->positional[1])
                          : usage("config wants one FILE");
    }
    if (strcmp(command, "rules") == 0) {
        member(json, "op", command);
        member(json, "version", count > 1 ? options->positional[1] : NULL);
        return count == 2 ? 0 : usage("rules wants one VERSION");
    }
    if (strcmp(command, "drain") == 0 || strcmp(command, "status") == 0 ||
        strcmp(command, "snapshot") == 0) {
        member(json, "op", command);
        return count == 1 ? 0 : usage("unexpected argument");
    }
    return usage("name a command: deposit, withdraw, goodwill, config, rules, drain or status");
}

/* A connected socket, or -1 with the line said. */
static int dial(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof(address.sun_path)) {
        (void)usage("the socket's path is longer than 107 bytes");
        return -1;
    }
    strcpy(address.sun_path, path);
    const int descriptor = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (descriptor < 0 ||
        connect(descriptor, (const struct sockaddr *)&address, sizeof(address)) != 0) {
        fprintf(stderr, "tapline admin: no server at '%s': %s\n", path, strerror(errno));
        if (descriptor >= 0) {
            close(descriptor);
        }
        return -1;
    }
    return descriptor;
}

/* Sends the line and prints the answer; the exit code. */
static int ask(int descriptor, const struct json *json)
{
    size_t sent = 0;
    while (sent < json->length) {
        const ssize_t count =
            send(descriptor, json->text + sent, json->length - sent, MSG_NOSIGNAL);
        if (count <= 0) {
            perror("tapline admin: send");
            return EXIT_DIFFERENCE;
        }
        sent += (size_t)count;
    }
    struct json answer = {0};
    char bytes[4096];
    while (answer.length == 0 || answer.text[answer.length - 1] != '\n') {
        const ssize_t count = read(descriptor, bytes, sizeof(bytes));
        if (count <= 0) {
            fprintf(stderr, "tapline admin: the server closed the connection: the outcome is "
                            "unknown, send the same again (a reference counts once)\n");
            json_text_free(&answer);
            return EXIT_DIFFERENCE;
        }
        json_append(&answer, bytes, (size_t)count);
    }
    fputs(answer.text, stdout);
    const bool refused = strncmp(answer.text, "{\"error\"", 8) == 0;
    json_text_free(&answer);
    return refused ? EXIT_DIFFERENCE : EXIT_GOOD;
}

int command_admin(int argc, char **argv)
{
    struct option_row rows[ROW_COUNT] = {
        [ROW_SOCKET] = OPTION_ROW("socket", OPTION_TEXT, "PATH", NULL,
                                  "the server's socket (default DIR/admin.sock)"),
        [ROW_DATA] =
            OPTION_ROW("data", OPTION_TEXT, "DIR", "./data", "the server's data directory"),
        [ROW_ACCOUNT] = OPTION_ROW("account", OPTION_TEXT, "0x...", NULL, "a player's address"),
        [ROW_HOUSE] = OPTION_ROW("house", OPTION_FLAG, NULL, NULL, "the house itself"),
        [ROW_AMOUNT] = OPTION_ROW("amount", OPTION_TEXT, "MICRO", NULL, "micro-USD"),
        [ROW_REF] =
            OPTION_ROW("ref", OPTION_TEXT, "TEXT", NULL, "the external reference, once for ever"),
        [ROW_NOTE] = OPTION_ROW("note", OPTION_TEXT, "TEXT", NULL, "why, with goodwill"),
    };
    struct options options = {.command = "admin",
                              .usage = "tapline admin [--socket PATH] COMMAND [options]",
                              .summary = "Tells a running server what the operator wants.",
                              .notes = ADMIN_NOTES,
                              .rows = rows,
                              .row_count = ROW_COUNT,
                              .positionals_max = 2};
    int code;
    if (!options_parse(&options, argc, argv, &code)) {
        return code;
    }
    struct json json = {0};
    json_open(&json, '{');
    code = fill(&json, &options);
    json_close(&json, '}');
    json_append(&json, "\n", 1);
    if (code == 0) {
        char path[4096];
        if (rows[ROW_SOCKET].value != NULL) {
            snprintf(path, sizeof(path), "%s", rows[ROW_SOCKET].value);
        } else {
            snprintf(path, sizeof(path), "%s/admin.sock", rows[ROW_DATA].value);
        }
        const int descriptor = dial(path);
        code = descriptor < 0 ? EXIT_USAGE : ask(descriptor, &json);
        if (descriptor >= 0) {
            close(descriptor);
        }
    }
    json_text_free(&json);
    options_free(&options);
    return code;
}
