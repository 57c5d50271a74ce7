#include "statemachine/config.h"

#include <stddef.h>
#include <string.h>

void config_defaults(struct config *config)
{
    *config = (struct config){.market = "BTC-USD",
#define X(name, standard, least, greatest, fixed) .name = (standard),
                              CONFIG_KEY_LIST(X)
#undef X
    };
}

const char *config_key_name(enum config_key key)
{
    switch (key) {
#define X(name, standard, least, greatest, fixed)                                                  \
    case CONFIG_##name:                                                                            \
        return #name;
        CONFIG_KEY_LIST(X)
#undef X
    case CONFIG_KEY_COUNT:
        break;
    }
    return "";
}

int64_t config_get(const struct config *config, enum config_key key)
{
    switch (key) {
#define X(name, standard, least, greatest, fixed)                                                  \
    case CONFIG_##name:                                                                            \
        return config->name;
        CONFIG_KEY_LIST(X)
#undef X
    case CONFIG_KEY_COUNT:
        break;
    }
    return 0;
}

void config_set(struct config *config, enum config_key key, int64_t value)
{
    switch (key) {
#define X(name, standard, least, greatest, fixed)                                                  \
    case CONFIG_##name:                                                                            \
        config->name = value;                                                                      \
        break;
        CONFIG_KEY_LIST(X)
#undef X
    case CONFIG_KEY_COUNT:
        break;
    }
}

bool config_value_in_range(enum config_key key, int64_t value)
{
    switch (key) {
#define X(name, standard, least, greatest, fixed)                                                  \
    case CONFIG_##name:                                                                            \
        return value >= (least) && value <= (greatest);
        CONFIG_KEY_LIST(X)
#undef X
    case CONFIG_KEY_COUNT:
        break;
    }
    return false;
}

void config_merge(const struct config *base, const struct config_change *change,
                  struct config *result)
{
    struct config merged = *base;
    if (change->market_given) {
        memcpy(merged.market, change->market, sizeof merged.market);
    }
    for (unsigned key = 0; key < CONFIG_KEY_COUNT; key++) {
        if ((change->given >> key & 1) != 0) {
            config_set(&merged, (enum config_key)key, change->values[key]);
        }
    }
    *result = merged;
}

static bool market_is_well_formed(const char *market)
{
    size_t length = 0;
    while (length <= LIMIT_MARKET_BYTES && market[length] != '\0') {
        const char letter = market[length];
        const bool fits =
            (letter >= 'A' && letter <= 'Z') || (letter >= '0' && letter <= '9') || letter == '-';
        if (!fits) {
            return false;
        }
        length++;
    }
    if (length < 3 || length > LIMIT_MARKET_BYTES) {
        return false;
    }
    for (size_t i = length; i <= LIMIT_MARKET_BYTES; i++) {
        if (market[i] != '\0') { /* padding is part of digests and must be one thing only */
            return false;
        }
    }
    return true;
}

/* The value of a limit's name, as text. */
#define QUOTE_VALUE(value) #value
#define QUOTE(name)        QUOTE_VALUE(name)

const char *config_problem(const struct config *config)
{
    if (!market_is_well_formed(config->market)) {
        return "market: 3 to 16 of A-Z, 0-9 and -";
    }
#define X(name, standard, least, greatest, fixed)                                                  \
    if (!config_value_in_range(CONFIG_##name, config->name)) {                                     \
        return #name ": must be " QUOTE(least) ".." QUOTE(greatest);                               \
    }
    CONFIG_KEY_LIST(X)
#undef X
    if (config->column_ms % 1000 != 0) {
        return "column_ms: must be a multiple of 1000";
    }
    if (1000 % config->tick_ms != 0) {
        return "tick_ms: must divide 1000";
    }
    if (config->bands % 2 == 0) {
        return "bands: must be odd";
    }
    if (config->degraded_ms >= config->critical_ms) {
        return "degraded_ms: must be less than critical_ms";
    }
    if (config->stake_min > config->stake_max) {
        return "stake_min: must be at most stake_max";
    }
    return NULL;
}

const char *config_fixed_problem(const struct config *before, const struct config *after)
{
    if (memcmp(before->market, after->market, sizeof before->market) != 0) {
        return "market: cannot change after the first Config record";
    }
#define X(name, standard, least, greatest, fixed)                                                  \
    if ((fixed) && before->name != after->name) {                                                  \
        return #name ": cannot change after the first Config record";                              \
    }
    CONFIG_KEY_LIST(X)
#undef X
    return NULL;
}
