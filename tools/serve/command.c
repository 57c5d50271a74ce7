/* `tapline serve`: its options. The server itself is server.c. */
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "tools/commands.h"
#include "tools/options.h"
#include "tools/serve/origin.h"
#include "tools/serve/server.h"

#define SERVE_NOTES                                                                                \
    "Feeds: sim[:seed=N]; replay:FILE[,speed=X][,shift=now]; lines:ADDR:PORT\n"                    \
    "Exit codes: 0 drained after SIGTERM; 64 usage or configuration; 70 a bug (a failed check);\n" \
    "  73 journal input/output error; 74 journal damaged or shorter than its witnesses;\n"         \
    "  75 data directory in use"

#define SNAPSHOT_EVERY_MAX 1000000000
#define CHECK_EVERY_MAX_S  (365 * 86400)

enum row {
    ROW_DATA,
    ROW_LISTEN,
    ROW_FEED,
    ROW_ORIGIN,
    ROW_ADMIN,
    ROW_MARKET,
    ROW_DEMO,
    ROW_LIMIT_ACCOUNT,
    ROW_LIMIT_ADDRESS,
    ROW_TRUST_PROXY,
    ROW_SEGMENT_BYTES,
    ROW_VERIFY_THREADS,
    ROW_SNAPSHOT_EVERY,
    ROW_CHECK_EVERY,
    ROW_PRINT_CONFIG,
    ROW_COUNT
};

static int usage_error(const char *format, const char *what)
{
    fprintf(stderr, "tapline serve: ");
    fprintf(stderr, format, what); // NOLINT: the formats are literals of this file
    fprintf(stderr, "; see 'tapline serve --help'\n");
    return EXIT_USAGE;
}

/* "127.0.0.1:8080", "[::1]:8080", "localhost:0". */
static bool parse_listen(const char *text, struct server_options *options)
{
    const char *colon = strrchr(text, ':');
    int64_t port;
    if (colon == NULL || colon == text ||
        !text_parse_decimal(colon + 1, strlen(colon + 1), &port) || port > 65535) {
        return false;
    }
    const char *from = text;
    size_t length = (size_t)(colon - text);
    if (text[0] == '[' && colon[-1] == ']') {
        from += 1;
        length -= 2;
    }
    if (length == 0 || length >= sizeof(options->address)) {
        return false;
    }
    memcpy(options->address, from, length);
    options->address[length] = '\0';
    options->port = (uint16_t)port;
    return true;
}

static bool parse_unsigned(const struct option_row *row, uint64_t most, uint64_t *value)
{
    if (row->value == NULL) {
        *value = 0;
        return true;
    }
    return options_positive(row->value, value) && *value <= most;
}

/* Rows to options; 0 or the exit code. */
static int take_options(const struct option_row *rows, struct server_options *options)
{
    uint64_t threads;
    options->data_dir = rows[ROW_DATA].value;
    if (!parse_listen(rows[ROW_LISTEN].value, options)) {
        return usage_error("--listen wants ADDR:PORT, not '%s'", rows[ROW_LISTEN].value);
    }
    if (rows[ROW_FEED].count > SERVER_FEEDS_MAX) {
        return usage_error("at most 16 --feed%s", "");
    }
    for (size_t i = 0; i < rows[ROW_FEED].count; i++) {
        options->feeds[options->feed_count++] = rows[ROW_FEED].list[i];
    }
    if (rows[ROW_ORIGIN].count > SERVER_ORIGINS_MAX) {
        return usage_error("at most 16 --origin%s", "");
    }
    for (size_t i = 0; i < rows[ROW_ORIGIN].count; i++) {
        if (strlen(rows[ROW_ORIGIN].list[i]) > LIMIT_ORIGIN_BYTES) {
            return usage_error("--origin '%s' is longer than 128 bytes", rows[ROW_ORIGIN].list[i]);
        }
        if (!origin_is_well_formed(rows[ROW_ORIGIN].list[i])) {
            return usage_error("--origin wants scheme://host[:port] in lower case, with nothing "
                               "behind, not '%s'",
                               rows[ROW_ORIGIN].list[i]);
        }
        options->origins[options->origin_count++] = rows[ROW_ORIGIN].list[i];
    }
    options->admin_path = rows[ROW_ADMIN].value;
    options->market_file = rows[ROW_MARKET].value;
    options->demo = rows[ROW_DEMO].given;
    options->trust_proxy = rows[ROW_TRUST_PROXY].given;
    if (!rate_limit_parse(rows[ROW_LIMIT_ACCOUNT].value, &options->limit_account)) {
        return usage_error("--limit-account wants RATE:BURST or 0, not '%s'",
                           rows[ROW_LIMIT_ACCOUNT].value);
    }
    if (!rate_limit_parse(rows[ROW_LIMIT_ADDRESS].value, &options->limit_address)) {
        return usage_error("--limit-address wants RATE:BURST or 0, not '%s'",
                           rows[ROW_LIMIT_ADDRESS].value);
    }
    if (!parse_unsigned(&rows[ROW_SEGMENT_BYTES], (uint64_t)1 << 32, &options->segment_bytes) ||
        (options->segment_bytes != 0 && options->segment_bytes < (1u << 22))) {
        return usage_error("--segment-bytes wants 4194304 to 4294967296, not '%s'",
                           rows[ROW_SEGMENT_BYTES].value);
    }
    if (!parse_unsigned(&rows[ROW_VERIFY_THREADS], VERIFY_POOL_THREADS_MAX, &threads)) {
        return usage_error("--verify-threads wants 1 to 64, not '%s'",
                           rows[ROW_VERIFY_THREADS].value);
    }
    options->verify_threads = (unsigned)threads;
    if (!options_positive(rows[ROW_SNAPSHOT_EVERY].value, &options->snapshot_every) ||
        options->snapshot_every > SNAPSHOT_EVERY_MAX) {
        return usage_error("--snapshot-every wants 1 to 1000000000 records, not '%s'",
                           rows[ROW_SNAPSHOT_EVERY].value);
    }
    if (!options_positive(rows[ROW_CHECK_EVERY].value, &options->check_every_s) ||
        options->check_every_s > CHECK_EVERY_MAX_S) {
        return usage_error("--check-every wants 1 to 31536000 seconds, not '%s'",
                           rows[ROW_CHECK_EVERY].value);
    }
    return 0;
}

int command_serve(int argc, char **argv)
{
    struct option_row rows[ROW_COUNT] = {
        [ROW_DATA] = OPTION_ROW("data", OPTION_TEXT, "DIR", "./data",
                                "the data directory, made when absent"),
        [ROW_LISTEN] = OPTION_ROW("listen", OPTION_TEXT, "ADDR:PORT", "127.0.0.1:8080",
                                  "where HTTP and WebSocket are served; port 0 takes a free one"),
        [ROW_FEED] = OPTION_ROW("feed", OPTION_LIST, "SPEC", "sim",
                                "a price source (repeatable), see below"),
        [ROW_ORIGIN] =
            OPTION_ROW("origin", OPTION_LIST, "URL", NULL,
                       "what signed texts and Origin headers must name (repeatable; default "
                       "http://ADDR:PORT)"),
        [ROW_ADMIN] = OPTION_ROW("admin", OPTION_TEXT, "PATH", NULL,
                                 "the operator's unix socket (default DIR/admin.sock)"),
        [ROW_MARKET] = OPTION_ROW("market", OPTION_TEXT, "FILE", NULL,
                                  "the market configuration of a new journal"),
        [ROW_DEMO] = OPTION_ROW("demo", OPTION_FLAG, NULL, NULL,
                                "mock deposits, one price source is enough, no warm-up"),
        [ROW_LIMIT_ACCOUNT] = OPTION_ROW("limit-account", OPTION_TEXT, "RATE:BURST", "10:20",
                                         "taps a second of one account; 0 = off"),
        [ROW_LIMIT_ADDRESS] = OPTION_ROW("limit-address", OPTION_TEXT, "RATE:BURST", "4000:8000",
                                         "requests a second of one IP; 0 = off"),
        [ROW_TRUST_PROXY] = OPTION_ROW("trust-proxy", OPTION_FLAG, NULL, NULL,
                                       "take the peer's address from the last X-Forwarded-For"),
        [ROW_SEGMENT_BYTES] = OPTION_ROW("segment-bytes", OPTION_TEXT, "BYTES", NULL,
                                         "size of a journal segment (default 67108864)"),
        [ROW_VERIFY_THREADS] = OPTION_ROW("verify-threads", OPTION_TEXT, "N", NULL,
                                          "threads that check signatures (default: cores - 1)"),
        [ROW_SNAPSHOT_EVERY] = OPTION_ROW("snapshot-every", OPTION_TEXT, "RECORDS", "250000",
                                          "records between two snapshots of the state"),
        [ROW_CHECK_EVERY] = OPTION_ROW("check-every", OPTION_TEXT, "SECONDS", "86400",
                                       "time between two checks of journal and SQLite; the first "
                                       "after 600 s at most"),
        [ROW_PRINT_CONFIG] = OPTION_ROW("print-config", OPTION_FLAG, NULL, NULL,
                                        "print the options as an INI file and end"),
    };
    struct options options = {.command = "serve",
                              .usage = "tapline serve [options]",
                              .summary = "Runs the server.",
                              .notes = SERVE_NOTES,
                              .rows = rows,
                              .row_count = ROW_COUNT};
    int code;
    if (!options_parse(&options, argc, argv, &code)) {
        return code;
    }
    struct server_options parsed = {0};
    code = take_options(rows, &parsed);
    if (code == 0 && rows[ROW_PRINT_CONFIG].given) {
        options_print(&options);
    } else if (code == 0) {
        code = server_run(&parsed);
    }
    options_free(&options);
    return code;
}
