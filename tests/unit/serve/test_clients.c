/* The table of WebSocket clients: who is told what, in every order of coming and going. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "tests/unit/random.h"
#include "tools/serve/clients.h"

#define PEOPLE 24

static int open_clients(void **state)
{
    struct clients *clients = calloc(1, sizeof(*clients));
    *state = clients;
    return clients == NULL;
}

static int close_clients(void **state)
{
    struct clients *clients = *state;
    for (uint64_t id = 0; id < 1000 && clients->count > 0; id++) {
        clients_remove(clients, id);
    }
    const int left = clients->count != 0;
    free(clients);
    return left;
}

static void log_in(struct client *client, uint8_t account)
{
    client->authenticated = true;
    memset(client->account, account, ADDRESS_BYTES);
}

static size_t count_of(struct clients *clients, const uint8_t *account)
{
    size_t count = 0;
    struct client *client = clients_first_of(clients, account);
    for (; client != NULL; client = clients_next_of(client)) {
        assert_memory_equal(client->account, account, ADDRESS_BYTES);
        count += 1;
    }
    return count;
}

static size_t count_in(const struct clients *clients, enum channel channel)
{
    size_t count = 0;
    for (const struct client *client = clients->channels[channel]; client != NULL;
         client = client->next[channel]) {
        count += 1;
    }
    return count;
}

/* Proves that subscribing twice is once, and unsubscribing what was never subscribed nothing. */
static void subscriptions_are_sets(void **state)
{
    struct clients *clients = *state;
    struct client *client = clients_add(clients, 1);
    clients_unsubscribe(clients, client, CHANNEL_GRID);
    clients_subscribe(clients, client, CHANNEL_GRID);
    clients_subscribe(clients, client, CHANNEL_GRID);
    assert_int_equal(count_in(clients, CHANNEL_GRID), 1);
    clients_unsubscribe(clients, client, CHANNEL_GRID);
    assert_int_equal(count_in(clients, CHANNEL_GRID), 0);
    assert_ptr_equal(clients_find(clients, 1), client);
    clients_remove(clients, 1);
    clients_remove(clients, 1);
    assert_null(clients_find(clients, 1));
    assert_int_equal(clients->count, 0);
}

/* Proves that accounts which share a bucket of the table are told apart. The bucket depends on the
 * xor of bytes 0..7 and 12..19 alone, so that an account and one with other middle bytes share it.
 */
static void accounts_of_one_bucket_are_told_apart(void **state)
{
    struct clients *clients = *state;
    for (uint64_t id = 1; id <= 6; id++) {
        struct client *client = clients_add(clients, id);
        log_in(client, 9);
        client->account[9] = (uint8_t)(id % 2); /* in no part of the hash */
        clients_subscribe(clients, client, CHANNEL_ACCOUNT);
    }
    uint8_t account[ADDRESS_BYTES];
    memset(account, 9, sizeof(account));
    account[9] = 0;
    assert_int_equal(count_of(clients, account), 3);
    account[9] = 1;
    assert_int_equal(count_of(clients, account), 3);
    account[9] = 2;
    assert_int_equal(count_of(clients, account), 0);
    clients_remove(clients, 3);
    account[9] = 1;
    assert_int_equal(count_of(clients, account), 2);
    account[9] = 0;
    assert_int_equal(count_of(clients, account), 3);
}

/* Proves, against a plain model, that lists and counts are right after any order of adding,
 * removing, logging in and (un)subscribing. */
static void any_order_leaves_the_lists_right(void **state)
{
    struct clients *clients = *state;
    struct random random = random_start("clients", 7);
    bool present[PEOPLE] = {false};
    bool subscribed[PEOPLE][CHANNEL_COUNT] = {{false}};
    for (size_t step = 0; step < 40000; step++) {
        const uint64_t id = random_below(&random, PEOPLE);
        const enum channel channel = (enum channel)random_below(&random, CHANNEL_COUNT);
        struct client *client = clients_find(clients, id);
        assert_int_equal(client != NULL, present[id]);
        const uint64_t what = random_below(&random, 8);
        if (client == NULL) {
            client = clients_add(clients, id);
            assert_non_null(client);
            log_in(client, (uint8_t)(id % 5));
            present[id] = true;
        } else if (what == 0) {
            clients_remove(clients, id);
            present[id] = false;
            memset(subscribed[id], 0, sizeof(subscribed[id]));
        } else if (what < 5) {
            clients_subscribe(clients, client, channel);
            subscribed[id][channel] = true;
        } else {
            clients_unsubscribe(clients, client, channel);
            subscribed[id][channel] = false;
        }
        size_t expected[CHANNEL_COUNT] = {0};
        size_t of_account[5] = {0};
        for (size_t i = 0; i < PEOPLE; i++) {
            for (int other = 0; other < CHANNEL_COUNT; other++) {
                expected[other] += subscribed[i][other];
            }
            of_account[i % 5] += subscribed[i][CHANNEL_ACCOUNT];
        }
        for (int other = 0; other < CHANNEL_ACCOUNT; other++) {
            assert_int_equal(count_in(clients, (enum channel)other), expected[other]);
        }
        for (uint8_t i = 0; i < 5; i++) {
            uint8_t account[ADDRESS_BYTES];
            memset(account, i, sizeof(account));
            assert_int_equal(count_of(clients, account), of_account[i]);
        }
    }
}

/* Proves that channel names are exactly the five of the interface. */
static void channels_are_known_by_their_names(void **state)
{
    static const char *const names[] = {"index", "grid", "columns", "status", "account"};
    enum channel channel;
    (void)state;
    for (int i = 0; i < CHANNEL_COUNT; i++) {
        assert_true(channel_parse(names[i], strlen(names[i]), &channel));
        assert_int_equal(channel, i);
        assert_string_equal(channel_name(channel), names[i]);
        assert_false(channel_parse(names[i], strlen(names[i]) - 1, &channel));
        assert_false(channel_parse(names[i], strlen(names[i]) + 1, &channel));
    }
    assert_false(channel_parse("", 0, &channel));
    assert_false(channel_parse("Index", 5, &channel));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(subscriptions_are_sets, open_clients, close_clients),
        cmocka_unit_test_setup_teardown(accounts_of_one_bucket_are_told_apart, open_clients,
                                        close_clients),
        cmocka_unit_test_setup_teardown(any_order_leaves_the_lists_right, open_clients,
                                        close_clients),
        cmocka_unit_test(channels_are_known_by_their_names),
    };
    return cmocka_run_group_tests_name("clients", tests, NULL, NULL);
}
