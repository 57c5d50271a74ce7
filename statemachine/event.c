#include "statemachine/event.h"

const char *ref_type_text(enum ref_type type)
{
    switch (type) {
    case REF_DEPOSIT:
        return "DEPOSIT";
    case REF_WITHDRAWAL:
        return "WITHDRAWAL";
    case REF_HOUSE_DEPOSIT:
        return "HOUSE_DEPOSIT";
    case REF_HOUSE_WITHDRAWAL:
        return "HOUSE_WITHDRAWAL";
    case REF_GOODWILL:
        return "GOODWILL";
    case REF_BET_HOLD:
        return "BET_HOLD";
    case REF_BET_RELEASE:
        return "BET_RELEASE";
    case REF_BET_CONFIRM:
        return "BET_CONFIRM";
    case REF_BET_WIN:
        return "BET_WIN";
    case REF_BET_VOID:
        return "BET_VOID";
    case REF_COLUMN:
        return "COLUMN";
    }
    return "UNKNOWN";
}

const char *bet_state_text(enum bet_state state)
{
    switch (state) {
    case BET_ACCEPTED:
        return "accepted";
    case BET_CONFIRMED:
        return "confirmed";
    case BET_REJECTED:
        return "rejected";
    case BET_WON:
        return "won";
    case BET_LOST:
        return "lost";
    case BET_VOID:
        return "void";
    }
    return "unknown";
}

const char *breaker_state_text(enum breaker_state state)
{
    switch (state) {
    case BREAKER_HEALTHY:
        return "HEALTHY";
    case BREAKER_DEGRADED:
        return "DEGRADED";
    case BREAKER_CRITICAL:
        return "CRITICAL";
    }
    return "UNKNOWN";
}
