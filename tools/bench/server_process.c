#define _GNU_SOURCE /* nftw */
#include "tools/bench/server_process.h"

#include <errno.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/text.h"

#define REMOVE_DESCRIPTORS 16

static enum status tell(const char *what)
{
    fprintf(stderr, "tapline bench: %s: %s\n", what, strerror(errno));
    return STATUS_IO;
}

static enum status write_market(const struct server_process *server, const char *market)
{
    char path[SERVER_PROCESS_PATH_BYTES + 16];
    snprintf(path, sizeof(path), "%s/market.ini", server->directory);
    FILE *file = fopen(path, "w");
    if (file == NULL) {
        return tell(path);
    }
    const bool written = fputs(market, file) >= 0;
    return fclose(file) == 0 && written ? STATUS_OK : tell(path);
}

/* In the child: the server, its stdout the pipe, its stderr a file. */
static _Noreturn void become_server(const struct server_process *server, int out)
{
    char data[SERVER_PROCESS_PATH_BYTES + 16];
    char market[SERVER_PROCESS_PATH_BYTES + 16];
    char log[SERVER_PROCESS_PATH_BYTES + 16];
    snprintf(data, sizeof(data), "%s/data", server->directory);
    snprintf(market, sizeof(market), "%s/market.ini", server->directory);
    snprintf(log, sizeof(log), "%s/server.log", server->directory);
    /* A benchmark that is killed leaves no server behind. */
    if (prctl(PR_SET_PDEATHSIG, SIGTERM) != 0 || freopen(log, "w", stderr) == NULL ||
        dup2(out, STDOUT_FILENO) < 0) {
        _exit(127);
    }
    execl("/proc/self/exe", "tapline", "serve", "--data", data, "--market", market, "--listen",
          "127.0.0.1:0", "--demo", "--feed", "sim", "--limit-account", "0", "--limit-address", "0",
          (char *)NULL);
    _exit(127);
}

/* Reads the line `tapline ready on http://...` and takes the origin and its port from it. */
static enum status wait_ready(struct server_process *server, FILE *out)
{
    char line[256];
    static const char ready[] = "tapline ready on ";
    while (fgets(line, sizeof(line), out) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        const char *colon = strrchr(line, ':');
        int64_t port;
        if (strncmp(line, ready, sizeof(ready) - 1) == 0 && colon != NULL &&
            text_parse_decimal(colon + 1, strlen(colon + 1), &port) && port < 65536) {
            snprintf(server->origin, sizeof(server->origin), "%.63s", line + sizeof(ready) - 1);
            server->port = (uint16_t)port;
            return STATUS_OK;
        }
    }
    return STATUS_IO;
}

enum status server_process_start(struct server_process *server, const char *parent,
                                 const char *market)
{
    *server = (struct server_process){.pid = -1};
    const int length =
        snprintf(server->directory, sizeof(server->directory), "%s/tapline-bench-XXXXXX", parent);
    if (length < 0 || (size_t)length >= sizeof(server->directory)) {
        errno = ENAMETOOLONG;
        return tell(parent);
    }
    if (mkdtemp(server->directory) == NULL) {
        return tell(server->directory);
    }
    int ends[2];
    if (write_market(server, market) != STATUS_OK || pipe(ends) != 0) {
        server_process_remove(server);
        return tell("cannot start a server");
    }
    server->pid = fork();
    if (server->pid == 0) {
        close(ends[0]);
        become_server(server, ends[1]);
    }
    close(ends[1]);
    FILE *out = fdopen(ends[0], "r");
    enum status status = STATUS_IO;
    if (server->pid > 0 && out != NULL) {
        status = wait_ready(server, out);
    }
    /* The server prints nothing after the ready line; closing its stdout's reader is harmless, as
     * it ignores SIGPIPE. */
    if (out != NULL) {
        fclose(out);
    } else {
        close(ends[0]);
    }
    if (status != STATUS_OK) {
        const int code = server->pid > 0 ? server_process_stop(server) : -1;
        fprintf(stderr,
                "tapline bench: the server did not start (exit code %d), see %s/server.log\n", code,
                server->directory);
    }
    return status;
}

/* User and system time, fields 14 and 15 of /proc/PID/stat; the name in field 2 may hold blanks. */
static bool read_cpu(pid_t pid, int64_t *cpu_ns)
{
    char path[64];
    char line[1024];
    snprintf(path, sizeof(path), "/proc/%ld/stat", (long)pid);
    FILE *file = fopen(path, "r");
    if (file == NULL) {
        return false;
    }
    const bool got = fgets(line, sizeof(line), file) != NULL;
    fclose(file);
    const char *after_name = got ? strrchr(line, ')') : NULL;
    unsigned long user;
    unsigned long system;
    if (after_name == NULL ||
        sscanf(after_name + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user,
               &system) != 2) {
        return false;
    }
    *cpu_ns = (int64_t)(user + system) * (1000000000 / (int64_t)sysconf(_SC_CLK_TCK));
    return true;
}

static bool read_resident(pid_t pid, uint64_t *bytes)
{
    char path[64];
    snprintf(path, sizeof(path), "/proc/%ld/statm", (long)pid);
    FILE *file = fopen(path, "r");
    if (file == NULL) {
        return false;
    }
    unsigned long pages;
    const bool got = fscanf(file, "%*u %lu", &pages) == 1;
    fclose(file);
    *bytes = got ? (uint64_t)pages * (uint64_t)sysconf(_SC_PAGESIZE) : 0;
    return got;
}

enum status server_process_usage(const struct server_process *server,
                                 struct server_process_usage *usage)
{
    struct server_process_usage now;
    if (!read_cpu(server->pid, &now.cpu_ns) || !read_resident(server->pid, &now.resident_bytes)) {
        return STATUS_IO;
    }
    *usage = now;
    return STATUS_OK;
}

enum status server_process_admin(const struct server_process *server, const char *line)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char answer[512] = "";
    const int length = snprintf(address.sun_path, sizeof(address.sun_path), "%s/data/admin.sock",
                                server->directory);
    const int descriptor = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (length < 0 || (size_t)length >= sizeof(address.sun_path) || descriptor < 0 ||
        connect(descriptor, (const struct sockaddr *)&address, sizeof(address)) != 0 ||
        send(descriptor, line, strlen(line), MSG_NOSIGNAL) != (ssize_t)strlen(line) ||
        recv(descriptor, answer, sizeof(answer) - 1, 0) <= 0) {
        const enum status status = tell("the operator's socket");
        if (descriptor >= 0) {
            close(descriptor);
        }
        return status;
    }
    close(descriptor);
    if (strstr(answer, "\"error\"") != NULL) {
        fprintf(stderr, "tapline bench: the operator's socket says %s", answer);
        return STATUS_INVALID;
    }
    return STATUS_OK;
}

int server_process_stop(struct server_process *server)
{
    int state = 0;
    kill(server->pid, SIGTERM); /* gone already: waitpid tells how */
    while (waitpid(server->pid, &state, 0) < 0) {
        if (errno != EINTR) {
            return -1;
        }
    }
    server->pid = -1;
    return WIFEXITED(state) ? WEXITSTATUS(state) : 128 + WTERMSIG(state);
}

static int remove_one(const char *path, const struct stat *info, int type, struct FTW *place)
{
    (void)info;
    (void)type;
    (void)place;
    if (remove(path) != 0) {
        fprintf(stderr, "tapline bench: cannot remove %s: %s\n", path, strerror(errno));
    }
    return 0;
}

void server_process_remove(const struct server_process *server)
{
    (void)nftw(server->directory, remove_one, REMOVE_DESCRIPTORS, FTW_DEPTH | FTW_PHYS);
}
