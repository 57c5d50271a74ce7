/* A real `tapline serve` as a child process for a benchmark: this very program on a free loopback
 * port, with a data directory of its own that is removed at the end. */
#ifndef TAPLINE_TOOLS_BENCH_SERVER_PROCESS_H
#define TAPLINE_TOOLS_BENCH_SERVER_PROCESS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/status.h"

#define SERVER_PROCESS_PATH_BYTES 512

struct server_process {
    pid_t pid;
    uint16_t port;
    char origin[64];
    char directory[SERVER_PROCESS_PATH_BYTES]; /* holds data/, market.ini and server.log */
};

struct server_process_usage {
    int64_t cpu_ns; /* user and system, all threads, since its start */
    uint64_t resident_bytes;
};

/* Makes a directory below `parent`, writes `market` (INI text) into it and starts the server with
 * it; waits for the ready line. Errors: STATUS_IO, told on stderr. */
MUST_USE enum status server_process_start(struct server_process *server, const char *parent,
                                          const char *market);

/* Errors: STATUS_IO the process is gone. */
MUST_USE enum status server_process_usage(const struct server_process *server,
                                          struct server_process_usage *usage);

/* Sends one line to the operator's socket and waits for the answer line.
 * Errors: STATUS_IO no answer; STATUS_INVALID an error object, told on stderr. */
MUST_USE enum status server_process_admin(const struct server_process *server, const char *line);

/* SIGTERM to this process id, and its exit code; 128 + n when signal n ended it. Waits as long as
 * it takes: a server that does not end is a finding. */
int server_process_stop(struct server_process *server);

/* Removes the directory and all in it. */
void server_process_remove(const struct server_process *server);

#endif
