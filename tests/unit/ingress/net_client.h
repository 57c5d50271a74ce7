/* A blocking client on loopback that speaks raw bytes, HTTP or WebSocket frames as the test writes
 * them. */
#ifndef TAPLINE_TESTS_NET_CLIENT_H
#define TAPLINE_TESTS_NET_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* -1 or a connected descriptor with a receive timeout of timeout_ms. */
int net_connect(uint16_t port, int timeout_ms);
bool net_send(int fd, const void *bytes, size_t length);

/* Reads until the end, the timeout or `capacity`; NUL terminates (capacity counts it). *ended: the
 * server closed or reset. */
size_t net_read_all(int fd, char *to, size_t capacity, bool *ended);

/* Reads exactly length bytes; false at the end or the timeout. */
bool net_read_exact(int fd, void *to, size_t length);

/* Connects, sends in pieces of chop bytes (0: at once), shuts down, reads all, closes. */
size_t net_exchange(uint16_t port, const void *bytes, size_t length, size_t chop, char *to,
                    size_t capacity, bool *ended);

/* The statuses of the answers in text, in order; returns how many (at most max). Bodies are passed
 * over by Content-Length. 100 is counted as well. */
size_t net_statuses(const char *text, size_t length, unsigned *statuses, size_t max);

/* Hex text to bytes; returns the count. */
size_t net_unhex(const char *hex, uint8_t *to, size_t capacity);

/* A seeded generator for the random tests (splitmix64). */
uint64_t net_random(uint64_t *state);

/* Upgrades /v1/ws with further header lines; -1 when refused. answer (may be NULL) gets the head.
 */
int net_upgrade(uint16_t port, const char *headers, char *answer, size_t capacity);

/* One frame of the server's. */
struct net_frame {
    unsigned first; /* the whole first byte */
    unsigned opcode;
    size_t length;
    uint8_t payload[70000];
};

/* Sends one frame with this first byte, masked. */
bool net_send_frame(int fd, uint8_t first, const void *payload, size_t length);

/* Reads the next frame; false at the end, the timeout, or a frame that a server may not send. */
bool net_read_frame(int fd, struct net_frame *frame);

#endif
