#include "tools/serve/clients.h"

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/check.h"

static size_t id_bucket(uint64_t id)
{
    return (size_t)(id * 0x9e3779b97f4a7c15u >> 40) & (CLIENTS_BUCKETS - 1);
}

static size_t account_bucket(const uint8_t *account)
{
    return id_bucket(load_u64(account) ^ load_u64(account + 12));
}

struct client *clients_add(struct clients *clients, uint64_t id)
{
    struct client *client = calloc(1, sizeof(*client));
    if (client == NULL) {
        return NULL;
    }
    client->id = id;
    struct client **bucket = &clients->buckets[id_bucket(id)];
    client->next_in_bucket = *bucket;
    *bucket = client;
    clients->count += 1;
    return client;
}

struct client *clients_find(struct clients *clients, uint64_t id)
{
    struct client *client = clients->buckets[id_bucket(id)];
    while (client != NULL && client->id != id) {
        client = client->next_in_bucket;
    }
    return client;
}

void clients_remove(struct clients *clients, uint64_t id)
{
    struct client **link = &clients->buckets[id_bucket(id)];
    while (*link != NULL && (*link)->id != id) {
        link = &(*link)->next_in_bucket;
    }
    struct client *client = *link;
    if (client == NULL) {
        return;
    }
    for (int channel = 0; channel < CHANNEL_COUNT; channel++) {
        clients_unsubscribe(clients, client, (enum channel)channel);
    }
    *link = client->next_in_bucket;
    clients->count -= 1;
    free(client);
}

static struct client **list_head(struct clients *clients, const struct client *client,
                                 enum channel channel)
{
    return channel == CHANNEL_ACCOUNT ? &clients->accounts[account_bucket(client->account)]
                                      : &clients->channels[channel];
}

void clients_subscribe(struct clients *clients, struct client *client, enum channel channel)
{
    if (client->subscribed[channel]) {
        return;
    }
    CHECK(channel != CHANNEL_ACCOUNT || client->authenticated);
    struct client **head = list_head(clients, client, channel);
    client->previous[channel] = NULL;
    client->next[channel] = *head;
    if (*head != NULL) {
        (*head)->previous[channel] = client;
    }
    *head = client;
    client->subscribed[channel] = true;
}

void clients_unsubscribe(struct clients *clients, struct client *client, enum channel channel)
{
    if (!client->subscribed[channel]) {
        return;
    }
    if (client->previous[channel] != NULL) {
        client->previous[channel]->next[channel] = client->next[channel];
    } else {
        *list_head(clients, client, channel) = client->next[channel];
    }
    if (client->next[channel] != NULL) {
        client->next[channel]->previous[channel] = client->previous[channel];
    }
    client->next[channel] = client->previous[channel] = NULL;
    client->subscribed[channel] = false;
}

/* The bucket's list from `client` on, only those of the account. */
static struct client *of_account(struct client *client, const uint8_t *account)
{
    while (client != NULL && memcmp(client->account, account, ADDRESS_BYTES) != 0) {
        client = client->next[CHANNEL_ACCOUNT];
    }
    return client;
}

struct client *clients_first_of(struct clients *clients, const uint8_t *account)
{
    return of_account(clients->accounts[account_bucket(account)], account);
}

struct client *clients_next_of(struct client *client)
{
    return of_account(client->next[CHANNEL_ACCOUNT], client->account);
}

static const char *const names[CHANNEL_COUNT] = {"index", "grid", "columns", "status", "account"};

const char *channel_name(enum channel channel)
{
    return names[channel];
}

bool channel_parse(const char *text, size_t length, enum channel *channel)
{
    for (int i = 0; i < CHANNEL_COUNT; i++) {
        if (strlen(names[i]) == length && memcmp(names[i], text, length) == 0) {
            *channel = (enum channel)i;
            return true;
        }
    }
    return false;
}
