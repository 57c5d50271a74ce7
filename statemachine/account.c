#include "statemachine/account.h"

#include <string.h>

#include "statemachine/mix.h"

uint32_t accounts_find(const struct accounts *accounts, const uint8_t *address)
{
    struct table_walk walk = table_walk(&accounts->by_address, mix_address(address));
    uint32_t user_id;
    while ((user_id = table_next(&walk)) != 0) {
        if (memcmp(accounts->records[user_id].address, address, ADDRESS_BYTES) == 0) {
            return user_id;
        }
    }
    return 0;
}

void accounts_prefetch(const struct accounts *accounts, const uint8_t *address)
{
    table_prefetch(&accounts->by_address, mix_address(address));
}

void accounts_prefetch_record(const struct accounts *accounts, const uint8_t *address)
{
    struct table_walk walk = table_walk(&accounts->by_address, mix_address(address));
    __builtin_prefetch(&accounts->records[table_next(&walk)], 1);
}

uint32_t accounts_open(struct accounts *accounts, const uint8_t *address)
{
    CHECK(accounts->count < accounts->capacity);
    accounts->count += 1;
    struct account *account = &accounts->records[accounts->count];
    *account = (struct account){0};
    memcpy(account->address, address, ADDRESS_BYTES);
    table_insert(&accounts->by_address, mix_address(address), accounts->count);
    return accounts->count;
}
