#include "tools/bench/wallets.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/address.h"
#include "base/bytes.h"
#include "base/check.h"

#define FUND_PIPELINED 32

void wallets_secret(uint32_t number, uint8_t secret[WALLET_SECRET_BYTES])
{
    memset(secret, 0, WALLET_SECRET_BYTES);
    memcpy(secret, "tapline bench player", 20);
    store_u32(secret + WALLET_SECRET_BYTES - 4, number);
}

enum status wallets_open(struct wallets *wallets, uint32_t count)
{
    struct wallets made = {.count = count, .addresses = calloc(count, ADDRESS_BYTES)};
    if (made.addresses == NULL) {
        return STATUS_NO_MEMORY;
    }
    const enum status status = wallet_open(&made.curve);
    if (status != STATUS_OK) {
        free(made.addresses);
        return status;
    }
    for (uint32_t i = 0; i < count; i++) {
        uint8_t secret[WALLET_SECRET_BYTES];
        wallets_secret(i, secret);
        CHECK(wallet_address(made.curve, secret, made.addresses[i]));
    }
    *wallets = made;
    return STATUS_OK;
}

static enum status send_deposit(struct http_client *client, const uint8_t *address,
                                int64_t amount_micro)
{
    char account[ADDRESS_TEXT_BYTES + 1];
    char body[128];
    char request[512];
    address_format(account, address);
    const int bytes =
        snprintf(body, sizeof(body), "{\"account\":\"%s\",\"amount\":\"%" PRId64 "\"}", account,
                 amount_micro);
    const int length = snprintf(request, sizeof(request),
                                "POST /v1/demo/deposit HTTP/1.1\r\nHost: 127.0.0.1\r\n"
                                "Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
                                bytes, body);
    return http_client_send(client, request, (size_t)length);
}

enum status wallets_fund(const struct wallets *wallets, struct http_client *client,
                         int64_t amount_micro)
{
    uint32_t answered = 0;
    for (uint32_t sent = 0; answered < wallets->count;) {
        for (; sent < wallets->count && sent - answered < FUND_PIPELINED; sent++) {
            const enum status status = send_deposit(client, wallets->addresses[sent], amount_micro);
            if (status != STATUS_OK) {
                return status;
            }
        }
        for (; answered < sent; answered++) {
            struct http_client_answer answer;
            const enum status status = http_client_receive(client, &answer);
            if (status != STATUS_OK) {
                return status;
            }
            if (answer.status != 200) {
                return STATUS_INVALID;
            }
        }
    }
    return STATUS_OK;
}

void wallets_close(struct wallets *wallets)
{
    wallet_free(wallets->curve);
    free(wallets->addresses);
    *wallets = (struct wallets){0};
}
