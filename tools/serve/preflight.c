/* Before a new data directory is made: whatever can be known to fail is tried first, so that a
 * failed first start leaves nothing behind. A directory that holds a journal is there anyway, and
 * who has it is told before anything else. */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/check.h"
#include "tools/commands.h"
#include "tools/recover.h"
#include "tools/serve/server.h"

/* Everything that will listen, once, on a loop of its own. Nobody is served: the loop runs only to
 * close it again. */
struct trial {
    uv_loop_t loop;
    struct clock clock;
    struct http_server *http;
    struct feed *feeds[SERVER_FEEDS_MAX];
    size_t feed_count;
};

static bool has_journal(const char *data_dir)
{
    char path[4096];
    struct stat seen;
    const int length = snprintf(path, sizeof(path), "%s/journal", data_dir);
    return length < 0 || (size_t)length >= sizeof(path) || stat(path, &seen) == 0;
}

/* What 'tapline recover' was ended in the middle of: the begin of a journal, whose history would
 * part from the whole copy's with the first record served. */
static bool is_unfinished(const char *data_dir)
{
    size_t length = strlen(data_dir);
    while (length > 1 && data_dir[length - 1] == '/') {
        length -= 1;
    }
    const size_t suffix = strlen(RECOVER_UNFINISHED);
    return length > suffix && strncmp(data_dir + length - suffix, RECOVER_UNFINISHED, suffix) == 0;
}

static enum status refuse_quote(void *context, const struct source_quote *quote)
{
    (void)context;
    (void)quote;
    return STATUS_CLOSED;
}

static int try_http(struct trial *trial, const struct server_options *options)
{
    char error[512] = "";
    const struct http_options http = {
        .address = options->address, .port = options->port, .on_request = http_api_request};
    if (http_server_open(&trial->http, &trial->loop, &http, error, sizeof(error)) != STATUS_OK) {
        fprintf(stderr, "tapline serve: --listen: %s\n", error);
        return EXIT_USAGE;
    }
    return 0;
}

static int try_feed(struct trial *trial, const char *spec)
{
    const struct feed_sink sink = {NULL, refuse_quote, NULL};
    char error[FEED_ERROR_BYTES];
    struct feed **feed = &trial->feeds[trial->feed_count];
    enum status status = feed_open(spec, feed, error, sizeof(error));
    if (status == STATUS_OK) {
        trial->feed_count += 1;
        status = feed_start(*feed, &trial->loop, &trial->clock, &sink, error, sizeof(error));
    }
    if (status != STATUS_OK) {
        fprintf(stderr, "tapline serve: --feed '%s': %s\n", spec, error);
        return EXIT_USAGE;
    }
    return 0;
}

static int try_ports(const struct server_options *options)
{
    struct trial trial = {.feed_count = 0};
    CHECK(uv_loop_init(&trial.loop) == 0);
    clock_init_real(&trial.clock, NULL);
    int exit_code = try_http(&trial, options);
    for (size_t i = 0; exit_code == 0 && i < options->feed_count; i++) {
        if (strncmp(options->feeds[i], "lines:", strlen("lines:")) == 0) {
            exit_code = try_feed(&trial, options->feeds[i]);
        }
    }
    if (exit_code != 0) {
        return exit_code; /* the process ends, and what is half open with it */
    }
    http_server_close(trial.http);
    for (size_t i = 0; i < trial.feed_count; i++) {
        feed_close(trial.feeds[i]);
    }
    uv_run(&trial.loop, UV_RUN_DEFAULT);
    http_server_free(trial.http);
    for (size_t i = 0; i < trial.feed_count; i++) {
        feed_free(trial.feeds[i]);
    }
    clock_close(&trial.clock);
    CHECK(uv_loop_close(&trial.loop) == 0);
    return 0;
}

/* The admin socket lies in the new directory, or in one that must be there. */
static int try_admin(const struct server_options *options)
{
    char problem[ADMIN_PROBLEM_BYTES];
    const char *path = options->admin_path;
    const size_t length = strlen(options->data_dir);
    if (path == NULL && length + strlen("/admin.sock") <= ADMIN_PATH_BYTES_MAX) {
        return 0;
    }
    if (path == NULL) {
        fprintf(stderr,
                "tapline serve: DIR/admin.sock would be longer than %d bytes; name a shorter "
                "--data or a path by --admin\n",
                ADMIN_PATH_BYTES_MAX);
        return EXIT_USAGE;
    }
    if (strncmp(path, options->data_dir, length) == 0 && path[length] == '/' &&
        strlen(path) <= ADMIN_PATH_BYTES_MAX) {
        return 0;
    }
    if (!admin_socket_possible(path, problem)) {
        fprintf(stderr, "tapline serve: --admin '%s': %s\n", path, problem);
        return EXIT_USAGE;
    }
    return 0;
}

int preflight(struct server *server)
{
    if (is_unfinished(server->options.data_dir)) {
        fprintf(stderr,
                "tapline serve: --data '%s': half of a copy that 'tapline recover' did not end; "
                "remove it and recover again\n",
                server->options.data_dir);
        return EXIT_USAGE;
    }
    if (has_journal(server->options.data_dir)) {
        return 0;
    }
    int exit_code = startup_check_market(server);
    if (exit_code != 0) {
        fprintf(stderr, "tapline serve: %s\n", server->error);
        return exit_code;
    }
    exit_code = try_admin(&server->options);
    return exit_code == 0 ? try_ports(&server->options) : exit_code;
}
