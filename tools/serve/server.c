/* The server's life: the order of starting, what joins its parts, the order of ending. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "base/check.h"
#include "tools/commands.h"
#include "tools/serve/keeper.h"
#include "tools/serve/server.h"

#define RATE_KEYS       65536
#define CLOSE_MS        250 /* from the end of intake to the close of the sockets */
#define FAILED_DRAIN_MS 50
#define GAUGES_MS       1000

const char *server_origin(const struct server *server, const char *origin)
{
    const size_t count = server->options.origin_count;
    if (origin == NULL) {
        return count > 0 ? server->options.origins[0] : server->own_origin;
    }
    if (count == 0 && strcmp(origin, server->own_origin) == 0) {
        return server->own_origin;
    }
    for (size_t i = 0; i < count; i++) {
        if (strcmp(origin, server->options.origins[i]) == 0) {
            return server->options.origins[i];
        }
    }
    return NULL;
}

/* --- Prices. --- */

static enum status on_quote(void *context, const struct source_quote *quote)
{
    struct server *server = context;
    return index_quote(&server->index, quote);
}

static void on_word(void *context, const char *text)
{
    (void)context;
    fprintf(stderr, "tapline serve: %s\n", text);
}

static bool on_grid(void *context, int64_t grid_ms, int64_t now_ms, const struct price_tick *tick)
{
    struct server *server = context;
    return engine_grid(server->engine, grid_ms, now_ms, tick);
}

static void on_jump(void *context)
{
    struct server *server = context;
    static const char reason[] =
        "the server's clock has jumped forward, no input is taken until the "
        "operator has set it right and restarted";
    fprintf(stderr, "tapline serve: ALARM: %s\n", reason);
    server->intake_stopped = true;
    engine_stop_intake(server->engine, reason);
}

static int open_feeds(struct server *server, struct clock_recording *recording, bool *recorded)
{
    *recorded = false;
    for (size_t i = 0; i < server->options.feed_count; i++) {
        char error[FEED_ERROR_BYTES];
        const enum status status =
            feed_open(server->options.feeds[i], &server->feeds[i], error, sizeof(error));
        if (status != STATUS_OK) {
            fprintf(stderr, "tapline serve: --feed '%s': %s\n", server->options.feeds[i], error);
            return EXIT_USAGE;
        }
        server->feed_count += 1;
        if (feed_recording(server->feeds[i], recording)) {
            if (*recorded) {
                fprintf(stderr, "tapline serve: at most one replay: feed, its clock rules; see "
                                "'tapline serve --help'\n");
                return EXIT_USAGE;
            }
            *recorded = true;
        }
    }
    return 0;
}

static int start_feeds(struct server *server)
{
    const struct feed_sink sink = {server, on_quote, on_word};
    for (size_t i = 0; i < server->feed_count; i++) {
        char error[FEED_ERROR_BYTES];
        const enum status status = feed_start(server->feeds[i], &server->loop, &server->clock,
                                              &sink, error, sizeof(error));
        if (status != STATUS_OK) {
            fprintf(stderr, "tapline serve: --feed '%s': %s\n", server->options.feeds[i], error);
            return EXIT_USAGE;
        }
    }
    const struct grid_timer_options options = {
        .clock = &server->clock,
        .index = &server->index,
        .feeds = server->feeds,
        .feed_count = server->feed_count,
        .tick_ms = server->tick_ms,
        .quorum = server->quorum,
        .last_grid_ms = server->last_grid_ms,
        .context = server,
        .on_grid = on_grid,
        .on_jump = on_jump,
    };
    return grid_timer_open(&server->grid_timer, &server->loop, &options) == STATUS_OK
               ? 0
               : EXIT_JOURNAL_IO;
}

/* --- Fronts. --- */

static void on_verified_jobs(void *context, struct verify_job *const *jobs, size_t count)
{
    struct server *server = context;
    for (size_t i = 0; i < count; i++) {
        struct engine_request *request =
            (struct engine_request *)((char *)jobs[i] - offsetof(struct engine_request, job));
        CHECK(mailbox_post(server->verified, request) == STATUS_OK); /* has room for all taps */
    }
}

static void on_read(void *context, void *item)
{
    struct server *server = context;
    struct read *read = item;
    if (server->reads != NULL) { /* not in the shut-down, after its end */
        reads_taken(server->reads);
    }
    read->done(read->context, read);
}

static int open_fronts(struct server *server)
{
    char error[512] = "";
    const struct http_options http = {
        .address = server->options.address,
        .port = server->options.port,
        .trust_proxy = server->options.trust_proxy,
        .html_policy = "default-src 'self'; connect-src 'self' ws: wss:; frame-ancestors 'none'",
        .context = server,
        .on_request = http_api_request,
        .render_error = http_api_render_error,
    };
    enum status status =
        http_server_open(&server->http, &server->loop, &http, error, sizeof(error));
    if (status != STATUS_OK) {
        fprintf(stderr, "tapline serve: --listen: %s\n", error);
        return EXIT_USAGE;
    }
    snprintf(server->own_origin, sizeof(server->own_origin),
             strchr(server->options.address, ':') == NULL ? "http://%s:%u" : "http://[%s]:%u",
             server->options.address, http_server_port(server->http));
    const struct ws_options ws = {
        .context = server,
        .queue_bytes_max = SERVER_WS_QUEUE_BYTES,
        .allow_origin = ws_api_allow_origin,
        .on_open = ws_api_open,
        .on_message = ws_api_message,
        .on_close = ws_api_close,
    };
    status = ws_server_open(&server->ws, &server->loop, server->http, &ws);
    if (status != STATUS_OK) {
        fprintf(stderr, "tapline serve: WebSockets cannot start: %s\n", status_text(status));
        return EXIT_USAGE;
    }
    char path[512];
    if (server->options.admin_path == NULL) {
        snprintf(path, sizeof(path), "%s/admin.sock", server->options.data_dir);
    } else {
        snprintf(path, sizeof(path), "%s", server->options.admin_path);
    }
    return admin_socket_open(server, path) == STATUS_OK ? 0 : EXIT_USAGE;
}

static void on_kept_item(void *context, void *item)
{
    admin_socket_kept(context, item);
    free(item);
}

static int open_workers(struct server *server)
{
    const struct verify_pool_options pool = {.threads = server->options.verify_threads,
                                             .queue_jobs = SERVER_TAPS_MAX,
                                             .context = server,
                                             .done = on_verified_jobs};
    if (mailbox_open(&server->updates, &server->loop, 2 * SERVER_UPDATES_MAX, taps_on_update,
                     server) != STATUS_OK ||
        mailbox_open(&server->verified, &server->loop, SERVER_TAPS_MAX, taps_on_verified, server) !=
            STATUS_OK ||
        mailbox_open(&server->finished, &server->loop, READS_QUEUE, on_read, server) != STATUS_OK ||
        mailbox_open(&server->kept, &server->loop, KEEPER_ASKED_MAX, on_kept_item, server) !=
            STATUS_OK ||
        wallet_open(&server->wallet) != STATUS_OK ||
        verify_pool_open(server->wallet, &pool, &server->pool) != STATUS_OK ||
        rate_limit_open(server->options.limit_account, ADDRESS_BYTES, RATE_KEYS,
                        &server->by_account) != STATUS_OK ||
        rate_limit_open(server->options.limit_address, HTTP_PEER_ADDRESS_BYTES, RATE_KEYS,
                        &server->by_address) != STATUS_OK ||
        reads_open(server->options.data_dir, server->projector, server->finished, &server->reads) !=
            STATUS_OK) {
        fprintf(stderr, "tapline serve: no memory or threads for the workers\n");
        return EXIT_JOURNAL_IO;
    }
    return 0;
}

/* --- Ending. --- */

static void close_sockets(uv_timer_t *timer)
{
    struct server *server = timer->data;
    ws_server_close(server->ws);
    http_server_close(server->http);
    admin_socket_close(server);
    uv_close((uv_handle_t *)&server->drain_timer, NULL);
    uv_close((uv_handle_t *)&server->gauges_timer, NULL);
    uv_close((uv_handle_t *)&server->on_term, NULL);
    uv_close((uv_handle_t *)&server->on_int, NULL);
    uv_close((uv_handle_t *)&server->on_failure, NULL);
}

/* All input that was taken gets its answer: each stage is emptied into the next. */
static void finish_work(uv_timer_t *timer)
{
    struct server *server = timer->data;
    server->closing = true; /* from here on the fronts refuse what still comes */
    uv_timer_stop(&server->gauges_timer);
    grid_timer_close(server->grid_timer);
    for (size_t i = 0; i < server->feed_count; i++) {
        feed_close(server->feeds[i]);
    }
    keeper_close(server->keeper); /* operators who wait for it are answered */
    server->keeper = NULL;
    mailbox_close(server->kept);
    verify_pool_close(server->pool);
    server->pool = NULL;
    mailbox_close(server->verified);
    engine_stop(server->engine);
    mailbox_close(server->updates);
    reads_close(server->reads);
    server->reads = NULL;
    mailbox_close(server->finished);
    ws_server_drain(server->ws, WS_CLOSE_GOING_AWAY, "the server is shutting down");
    http_server_drain(server->http);
    uv_timer_start(&server->drain_timer, close_sockets, CLOSE_MS, 0);
}

void server_drain(struct server *server)
{
    if (!server->draining) {
        server->draining = true;
        engine_drain(server->engine);
        fprintf(stderr, "tapline serve: draining, new bets are refused\n");
    }
}

void server_shut_down(struct server *server, int exit_code, const char *reason)
{
    if (server->ending) {
        if (server->exit_code == 0) {
            server->exit_code = exit_code; /* it failed while it drained */
        }
        return;
    }
    server->ending = true;
    server->exit_code = exit_code;
    server_drain(server);
    publish_shutdown(server, reason);
    uv_timer_start(&server->drain_timer, finish_work,
                   exit_code == 0 ? SERVER_DRAIN_MS : FAILED_DRAIN_MS, 0);
}

static void on_signal(uv_signal_t *handle, int number)
{
    (void)number;
    server_shut_down(handle->data, EXIT_GOOD, "the operator ends the server");
}

static void on_failure(uv_async_t *handle)
{
    struct server *server = handle->data;
    server_shut_down(server, server->failed_code, "the server has failed");
}

static void on_gauges(uv_timer_t *handle)
{
    publish_gauges(handle->data);
}

static void free_all(struct server *server)
{
    startup_close_data(server);
    mailbox_free(server->updates);
    mailbox_free(server->verified);
    mailbox_free(server->finished);
    mailbox_free(server->kept);
    grid_timer_free(server->grid_timer);
    for (size_t i = 0; i < server->feed_count; i++) {
        feed_free(server->feeds[i]);
    }
    ws_server_free(server->ws);
    uv_run(&server->loop, UV_RUN_DEFAULT);
    http_server_free(server->http);
    rate_limit_free(server->by_account);
    rate_limit_free(server->by_address);
    wallet_free(server->wallet);
    metrics_free(server->metrics);
    clock_close(&server->clock);
    CHECK(uv_loop_close(&server->loop) == 0);
}

/* --- Starting. --- */

static void raise_descriptor_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit); /* the HTTP server asks for the result */
    }
}

/* The market before the engine's first update: that of the replay, or of the genesis to come. */
static void first_board(struct server *server)
{
    const struct machine *machine = applier_machine(server->applier);
    machine_market(machine, &server->board.market);
    memcpy(server->board.digest, applier_digest(server->applier), HASH_BYTES);
    if (machine_config(machine) != NULL) {
        server->board.config = *machine_config(machine);
        server->board.grid = malloc(sizeof(*server->board.grid));
        CHECK(server->board.grid != NULL);
        machine_grid(machine, server->board.grid);
    }
    server->last_grid_ms = server->board.market.last_grid_ms;
}

static void open_metrics(struct server *server)
{
    server->metrics = metrics_new();
    CHECK(server->metrics != NULL);
    server->lag_sqlite = metrics_projection(server->metrics, "sqlite");
    server->queue_engine = metrics_queue(server->metrics, "engine");
    server->queue_verify = metrics_queue(server->metrics, "verify");
    server->queue_reads = metrics_queue(server->metrics, "reads");
    server->queue_projector = metrics_queue(server->metrics, "projector");
    http_api_register_routes(server);
    taps_register_refusals(server);
}

static void open_handles(struct server *server)
{
    CHECK(uv_signal_init(&server->loop, &server->on_term) == 0);
    CHECK(uv_signal_init(&server->loop, &server->on_int) == 0);
    CHECK(uv_timer_init(&server->loop, &server->drain_timer) == 0);
    CHECK(uv_timer_init(&server->loop, &server->gauges_timer) == 0);
    CHECK(uv_async_init(&server->loop, &server->on_failure, on_failure) == 0);
    server->on_term.data = server->on_int.data = server->drain_timer.data =
        server->gauges_timer.data = server->on_failure.data = server;
    CHECK(uv_signal_start(&server->on_term, on_signal, SIGTERM) == 0);
    CHECK(uv_signal_start(&server->on_int, on_signal, SIGINT) == 0);
    CHECK(uv_timer_start(&server->gauges_timer, on_gauges, GAUGES_MS, GAUGES_MS) == 0);
}

/* Everything in its order; 0 when the loop may run. */
static int start(struct server *server)
{
    struct clock_recording recording;
    bool recorded;
    index_init(&server->index);
    int exit_code = open_feeds(server, &recording, &recorded);
    if (exit_code != 0) {
        return exit_code;
    }
    exit_code = preflight(server);
    if (exit_code != 0) {
        return exit_code;
    }
    exit_code = startup_open_data(server);
    if (exit_code != 0) {
        fprintf(stderr, "tapline serve: %s\n", server->error);
        return exit_code;
    }
    first_board(server);
    exit_code = open_workers(server);
    if (exit_code == 0) {
        exit_code = open_fronts(server);
    }
    if (exit_code != 0) {
        return exit_code;
    }
    if (recorded) {
        clock_init_recording(&server->clock, NULL, &recording);
    } else {
        clock_init_real(&server->clock, NULL);
    }
    open_handles(server); /* before the engine, which tells of its failure through one of them */
    exit_code = startup_start_engine(server);
    if (exit_code != 0) {
        fprintf(stderr, "tapline serve: %s\n", server->error);
        return exit_code;
    }
    return start_feeds(server);
}

int server_run(const struct server_options *options)
{
    struct server *server = calloc(1, sizeof(*server));
    CHECK(server != NULL);
    server->options = *options;
    CHECK(uv_loop_init(&server->loop) == 0);
    signal(SIGPIPE, SIG_IGN);
    raise_descriptor_limit();
    open_metrics(server);
    const int exit_code = start(server);
    if (exit_code != 0) {
        /* Threads and sockets are in any state of half; the journal was written by nobody yet, or
         * its writer is told by the end of the process like by a crash, which is always safe. */
        fflush(NULL);
        _Exit(exit_code);
    }
    printf("tapline ready on %s\n", server->own_origin);
    fflush(stdout);
    uv_run(&server->loop, UV_RUN_DEFAULT);
    free_all(server); /* closing the journal may turn a good end into EXIT_JOURNAL_IO */
    const int ended = server->exit_code;
    free(server);
    return ended;
}
