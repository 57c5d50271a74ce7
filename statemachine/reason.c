#include "statemachine/reason.h"

const char *reason_text(enum reason reason)
{
    switch (reason) {
#define X(name, number)                                                                            \
    case REASON_##name:                                                                            \
        return #name;
        REASON_LIST(X)
#undef X
    }
    return "UNKNOWN";
}
