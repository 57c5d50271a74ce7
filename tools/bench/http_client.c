#define _GNU_SOURCE /* memmem */
#include "tools/bench/http_client.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#define ANSWER_BYTES_MAX (16u << 20)

int http_client_dial(uint16_t port)
{
    const int descriptor = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (descriptor < 0) {
        return -1;
    }
    const struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    const int one = 1;
    const struct timeval wait = {.tv_sec = HTTP_CLIENT_WAIT_S};
    if (connect(descriptor, (const struct sockaddr *)&address, sizeof(address)) != 0 ||
        setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)) != 0 ||
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait)) != 0) {
        const int saved = errno;
        close(descriptor);
        errno = saved;
        return -1;
    }
    return descriptor;
}

enum status http_client_open(struct http_client *client, uint16_t port)
{
    const int descriptor = http_client_dial(port);
    if (descriptor < 0) {
        return STATUS_IO;
    }
    *client = (struct http_client){.descriptor = descriptor};
    return STATUS_OK;
}

enum status http_client_send(struct http_client *client, const char *bytes, size_t length)
{
    while (length > 0) {
        const ssize_t count = send(client->descriptor, bytes, length, MSG_NOSIGNAL);
        if (count < 0 && errno == EINTR) {
            continue;
        }
        if (count <= 0) {
            return STATUS_IO;
        }
        bytes += count;
        length -= (size_t)count;
    }
    return STATUS_OK;
}

/* The value of Content-Length among the header lines head[0..length), or -1. */
static long content_length(const char *head, size_t length)
{
    static const char name[] = "content-length:";
    const char *end = head + length;
    for (const char *line = head; line < end;) {
        if ((size_t)(end - line) > sizeof(name) && strncasecmp(line, name, sizeof(name) - 1) == 0) {
            return strtol(line + sizeof(name) - 1, NULL, 10);
        }
        const char *feed = memchr(line, '\n', (size_t)(end - line));
        line = feed == NULL ? end : feed + 1;
    }
    return -1;
}

long http_client_parse(char *bytes, size_t length, struct http_client_answer *answer)
{
    static const char version[] = "HTTP/1.1 ";
    char *blank = memmem(bytes, length, "\r\n\r\n", 4);
    if (blank == NULL) {
        return 0;
    }
    const size_t head = (size_t)(blank - bytes) + 4;
    const long body = content_length(bytes, head - 2);
    if (head < sizeof(version) + 3 || memcmp(bytes, version, sizeof(version) - 1) != 0 ||
        body < 0 || (size_t)body > ANSWER_BYTES_MAX) {
        return -1;
    }
    if (length - head < (size_t)body) {
        return 0;
    }
    answer->status = (unsigned)strtoul(bytes + sizeof(version) - 1, NULL, 10);
    answer->body = bytes + head;
    answer->length = (size_t)body;
    return (long)head + body;
}

/* Room for more bytes, and for the NUL that ends a body. */
static bool make_room(struct http_client *client)
{
    if (client->capacity - client->used >= 4096) {
        return true;
    }
    const size_t capacity = client->capacity == 0 ? 65536 : client->capacity * 2;
    char *grown = realloc(client->bytes, capacity);
    if (grown == NULL) {
        return false;
    }
    client->bytes = grown;
    client->capacity = capacity;
    return true;
}

enum status http_client_receive(struct http_client *client, struct http_client_answer *answer)
{
    if (client->taken > 0) {
        memmove(client->bytes, client->bytes + client->taken, client->used - client->taken);
        client->used -= client->taken;
        client->taken = 0;
    }
    for (;;) {
        const long whole =
            client->used == 0 ? 0 : http_client_parse(client->bytes, client->used, answer);
        if (whole < 0) {
            return STATUS_INVALID;
        }
        if (whole > 0) {
            client->taken = (size_t)whole;
            break;
        }
        if (!make_room(client)) {
            return STATUS_IO;
        }
        const ssize_t count = recv(client->descriptor, client->bytes + client->used,
                                   client->capacity - client->used - 1, 0);
        if (count < 0 && errno == EINTR) {
            continue;
        }
        if (count <= 0) {
            return STATUS_IO;
        }
        client->used += (size_t)count;
    }
    return STATUS_OK;
}

enum status http_client_get(struct http_client *client, const char *path,
                            struct http_client_answer *answer)
{
    char request[256];
    const int length =
        snprintf(request, sizeof(request), "GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", path);
    const enum status status = http_client_send(client, request, (size_t)length);
    if (status != STATUS_OK) {
        return status;
    }
    const enum status received = http_client_receive(client, answer);
    if (received == STATUS_OK) {
        answer->body[answer->length] = '\0'; /* nothing was pipelined behind it */
    }
    return received;
}

void http_client_close(struct http_client *client)
{
    close(client->descriptor);
    free(client->bytes);
    *client = (struct http_client){.descriptor = -1};
}
