/* The WebSocket clients of the loop thread: what each one subscribed to, and its count `n` per
 * channel. Looked up by socket id; subscribers of a channel are walked as a list. */
#ifndef TAPLINE_TOOLS_SERVE_CLIENTS_H
#define TAPLINE_TOOLS_SERVE_CLIENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/limits.h"
#include "base/status.h"
#include "base/units.h"

enum channel {
    CHANNEL_INDEX,
    CHANNEL_GRID,
    CHANNEL_COLUMNS,
    CHANNEL_STATUS,
    CHANNEL_ACCOUNT,
    CHANNEL_COUNT
};

struct client {
    uint64_t id;
    char origin[LIMIT_ORIGIN_BYTES + 1]; /* what its signed texts name */
    uint8_t rate_key[16];                /* of the peer's address: rate_limit_ip_key */
    bool authenticated;
    uint8_t account[ADDRESS_BYTES];
    uint64_t n[CHANNEL_COUNT];
    bool subscribed[CHANNEL_COUNT];

    /* The lists' own: neighbours among all, among a channel's subscribers, among an account's. */
    struct client *next_in_bucket;
    struct client *next[CHANNEL_COUNT];
    struct client *previous[CHANNEL_COUNT];
};

#define CLIENTS_BUCKETS 16384 /* a power of two */

struct clients {
    struct client *buckets[CLIENTS_BUCKETS];  /* by id */
    struct client *channels[CHANNEL_COUNT];   /* subscribers; not CHANNEL_ACCOUNT */
    struct client *accounts[CLIENTS_BUCKETS]; /* subscribers of CHANNEL_ACCOUNT by account */
    size_t count;
};

/* A new client; NULL when memory is out. Owns: clients_remove. */
struct client *clients_add(struct clients *clients, uint64_t id);
struct client *clients_find(struct clients *clients, uint64_t id); /* NULL: gone */
void clients_remove(struct clients *clients, uint64_t id);

/* Once subscribed, again is nothing. CHANNEL_ACCOUNT needs `account` set before; changing the
 * account needs an unsubscribe first. */
void clients_subscribe(struct clients *clients, struct client *client, enum channel channel);
void clients_unsubscribe(struct clients *clients, struct client *client, enum channel channel);

/* The first subscriber of the account's events and the one after: walk by clients_next_of. */
struct client *clients_first_of(struct clients *clients, const uint8_t *account);
struct client *clients_next_of(struct client *client);

/* "index" and so on; false when there is no such channel. */
const char *channel_name(enum channel channel);
bool channel_parse(const char *text, size_t length, enum channel *channel);

#endif
