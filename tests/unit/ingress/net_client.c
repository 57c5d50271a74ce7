#include "net_client.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/check.h"

int net_connect(uint16_t port, int timeout_ms)
{
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    const struct timeval timeout = {timeout_ms / 1000, timeout_ms % 1000 * 1000};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    CHECK(fd >= 0);
    CHECK(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout) == 0);
    CHECK(setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof timeout) == 0);
    const int on = 1;
    CHECK(setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) == 0);
    if (connect(fd, (const struct sockaddr *)&address, sizeof address) != 0) {
        close(fd);
        return -1;
    }
    return fd;
}

bool net_send(int fd, const void *bytes, size_t length)
{
    const char *at = bytes;
    size_t left = length;
    while (left > 0) {
        const ssize_t sent = send(fd, at, left, MSG_NOSIGNAL);
        if (sent <= 0) {
            return false;
        }
        at += sent;
        left -= (size_t)sent;
    }
    return true;
}

size_t net_read_all(int fd, char *to, size_t capacity, bool *ended)
{
    size_t count = 0;
    *ended = false;
    while (count + 1 < capacity) {
        const ssize_t got = recv(fd, to + count, capacity - 1 - count, 0);
        if (got <= 0) {
            *ended = got == 0 || (errno != EAGAIN && errno != EWOULDBLOCK);
            break;
        }
        count += (size_t)got;
    }
    to[count] = '\0';
    return count;
}

bool net_read_exact(int fd, void *to, size_t length)
{
    char *at = to;
    size_t left = length;
    while (left > 0) {
        const ssize_t got = recv(fd, at, left, 0);
        if (got <= 0) {
            return false;
        }
        at += got;
        left -= (size_t)got;
    }
    return true;
}

size_t net_exchange(uint16_t port, const void *bytes, size_t length, size_t chop, char *to,
                    size_t capacity, bool *ended)
{
    const int fd = net_connect(port, 5000);
    const char *at = bytes;
    size_t left = length;
    CHECK(fd >= 0);
    while (left > 0) {
        const size_t piece = chop == 0 || chop > left ? left : chop;
        if (!net_send(fd, at, piece)) {
            break; /* the server has closed on us, which is for the test to judge */
        }
        at += piece;
        left -= piece;
    }
    shutdown(fd, SHUT_WR);
    const size_t count = net_read_all(fd, to, capacity, ended);
    close(fd);
    return count;
}

size_t net_statuses(const char *text, size_t length, unsigned *statuses, size_t max)
{
    size_t count = 0;
    const char *at = text;
    const char *end = text + length;
    while (count < max && end - at > 12 && strncmp(at, "HTTP/1.1 ", 9) == 0) {
        const char *head_end = strstr(at, "\r\n\r\n");
        if (head_end == NULL) {
            break;
        }
        statuses[count] = (unsigned)strtoul(at + 9, NULL, 10);
        const char *field = strstr(at, "Content-Length: ");
        const bool has = field != NULL && field < head_end;
        at = head_end + 4 + (has ? strtoul(field + 16, NULL, 10) : 0);
        count += 1;
    }
    return count;
}

size_t net_unhex(const char *hex, uint8_t *to, size_t capacity)
{
    const size_t count = strlen(hex) / 2;
    CHECK(count <= capacity);
    for (size_t i = 0; i < count; i++) {
        const char digits[3] = {hex[2 * i], hex[2 * i + 1], '\0'};
        to[i] = (uint8_t)strtoul(digits, NULL, 16);
    }
    return count;
}

uint64_t net_random(uint64_t *state)
{
    *state += 0x9e3779b97f4a7c15u;
    uint64_t z = *state;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

int net_upgrade(uint16_t port, const char *headers, char *answer, size_t capacity)
{
    char text[2048];
    size_t count = 0;
    const int fd = net_connect(port, 8000);
    const int length = snprintf(text, sizeof text,
                                "GET /v1/ws HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\n"
                                "Connection: keep-alive, Upgrade\r\n"
                                "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
                                "Sec-WebSocket-Version: 13\r\n%s\r\n",
                                headers);
    if (fd < 0 || !net_send(fd, text, (size_t)length)) {
        return -1;
    }
    text[0] = '\0';
    while (strstr(text, "\r\n\r\n") == NULL && count + 1 < sizeof text &&
           net_read_exact(fd, text + count, 1)) {
        count += 1;
        text[count] = '\0';
    }
    if (answer != NULL) {
        snprintf(answer, capacity, "%s", text);
    }
    if (strncmp(text, "HTTP/1.1 101 ", 13) != 0) {
        close(fd);
        return -1;
    }
    return fd;
}

bool net_send_frame(int fd, uint8_t first, const void *payload, size_t length)
{
    static const uint8_t mask[4] = {0x37, 0xfa, 0x21, 0x3d};
    const uint8_t *from = payload;
    uint8_t *bytes = malloc(length + 14);
    size_t head = 2;
    CHECK(bytes != NULL);
    bytes[0] = first;
    if (length < 126) {
        bytes[1] = (uint8_t)(0x80u | length);
    } else if (length <= 0xffff) {
        bytes[1] = 0x80 | 126;
        bytes[2] = (uint8_t)(length >> 8);
        bytes[3] = (uint8_t)length;
        head = 4;
    } else {
        bytes[1] = 0x80 | 127;
        for (size_t i = 0; i < 8; i++) {
            bytes[2 + i] = (uint8_t)((uint64_t)length >> (8 * (7 - i)));
        }
        head = 10;
    }
    memcpy(bytes + head, mask, 4);
    for (size_t i = 0; i < length; i++) {
        bytes[head + 4 + i] = from[i] ^ mask[i % 4];
    }
    const bool sent = net_send(fd, bytes, head + 4 + length);
    free(bytes);
    return sent;
}

bool net_read_frame(int fd, struct net_frame *frame)
{
    uint8_t head[2];
    uint8_t extra[8];
    if (!net_read_exact(fd, head, 2)) {
        return false;
    }
    frame->first = head[0];
    frame->opcode = head[0] & 0x0f;
    frame->length = head[1] & 0x7f;
    if ((head[1] & 0x80) != 0 || (head[0] & 0x70) != 0) {
        return false; /* a server masks nothing and has no extensions */
    }
    const size_t extra_bytes = frame->length == 126 ? 2 : frame->length == 127 ? 8 : 0;
    if (extra_bytes > 0) {
        if (!net_read_exact(fd, extra, extra_bytes)) {
            return false;
        }
        frame->length = 0;
        for (size_t i = 0; i < extra_bytes; i++) {
            frame->length = frame->length << 8 | extra[i];
        }
    }
    return frame->length <= sizeof frame->payload &&
           net_read_exact(fd, frame->payload, frame->length);
}
