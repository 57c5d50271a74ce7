/* The players of a benchmark: secrets made from a number, their addresses, and their first money.
 */
#ifndef TAPLINE_TOOLS_BENCH_WALLETS_H
#define TAPLINE_TOOLS_BENCH_WALLETS_H

#include <stdint.h>

#include "base/status.h"
#include "base/units.h"
#include "ingress/wallet.h"
#include "tools/bench/http_client.h"

struct wallets {
    struct wallet *curve;
    uint32_t count;
    uint8_t (*addresses)[ADDRESS_BYTES];
};

/* Errors: those of wallet_open; STATUS_NO_MEMORY. Owns: wallets_close. */
MUST_USE enum status wallets_open(struct wallets *wallets, uint32_t count);

/* The secret of player `number`: the same in every run, worth nothing anywhere. */
void wallets_secret(uint32_t number, uint8_t secret[WALLET_SECRET_BYTES]);

/* Deposits amount_micro for every player by POST /v1/demo/deposit, pipelined.
 * Errors: STATUS_INVALID a deposit was refused; those of the client. */
MUST_USE enum status wallets_fund(const struct wallets *wallets, struct http_client *client,
                                  int64_t amount_micro);

void wallets_close(struct wallets *wallets);

#endif
