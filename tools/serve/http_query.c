#include "tools/serve/http_query.h"

#include <stdbool.h>
#include <string.h>

#include "base/text.h"

#define VALUE_BYTES 128

static int hex_value(char digit)
{
    if (digit >= '0' && digit <= '9') {
        return digit - '0';
    }
    if (digit >= 'a' && digit <= 'f') {
        return digit - 'a' + 10;
    }
    if (digit >= 'A' && digit <= 'F') {
        return digit - 'A' + 10;
    }
    return -1;
}

/* Percent-decodes text[0..length) into `to` with NUL; false when malformed or too long. */
static bool decode(const char *text, size_t length, char to[VALUE_BYTES])
{
    size_t count = 0;
    for (size_t i = 0; i < length; i++) {
        char byte = text[i] == '+' ? ' ' : text[i];
        if (text[i] == '%') {
            const int high = i + 2 < length ? hex_value(text[i + 1]) : -1;
            const int low = high >= 0 ? hex_value(text[i + 2]) : -1;
            if (low < 0) {
                return false;
            }
            byte = (char)(high * 16 + low);
            i += 2;
        }
        if (count + 1 >= VALUE_BYTES || byte == '\0') {
            return false;
        }
        to[count++] = byte;
    }
    to[count] = '\0';
    return true;
}

static bool parse_state(const char *text, enum bet_state *state)
{
    for (int i = BET_ACCEPTED; i <= BET_VOID; i++) {
        if (strcmp(bet_state_text((enum bet_state)i), text) == 0) {
            *state = (enum bet_state)i;
            return true;
        }
    }
    return false;
}

static bool parse_ref_type(const char *text)
{
    for (int i = REF_DEPOSIT; i <= REF_COLUMN; i++) {
        if (strcmp(ref_type_text((enum ref_type)i), text) == 0) {
            return true;
        }
    }
    return false;
}

static bool parse_number(const char *text, int64_t least, int64_t most, int64_t *value)
{
    return text_parse_decimal(text, strlen(text), value) && *value >= least && *value <= most;
}

static const char *take_text(char to[LIMIT_REFERENCE_BYTES + 1], const char *value,
                             const char *problem)
{
    if (strlen(value) > LIMIT_REFERENCE_BYTES) {
        return problem;
    }
    strcpy(to, value);
    return NULL;
}

/* The parameters of a page; a bit each. */
enum parameter {
    PARAMETER_LIMIT,
    PARAMETER_BEFORE,
    PARAMETER_STATE,
    PARAMETER_REF_TYPE,
    PARAMETER_REF_ID,
    PARAMETER_FROM,
    PARAMETER_TO,
    PARAMETER_COUNT
};

static const struct {
    const char *name;
    bool of_bets;
    bool of_ledger;
} parameters[PARAMETER_COUNT] = {
    [PARAMETER_LIMIT] = {"limit", true, true},    [PARAMETER_BEFORE] = {"before", true, true},
    [PARAMETER_STATE] = {"state", true, false},   [PARAMETER_REF_TYPE] = {"ref_type", false, true},
    [PARAMETER_REF_ID] = {"ref_id", false, true}, [PARAMETER_FROM] = {"from", false, true},
    [PARAMETER_TO] = {"to", false, true},
};

/* The parameter of that name, PARAMETER_COUNT when this kind of page has none. */
static enum parameter find(const struct read *read, const char *name)
{
    int i = 0;
    while (i < PARAMETER_COUNT &&
           (strcmp(parameters[i].name, name) != 0 ||
            !(read->kind == READ_BETS ? parameters[i].of_bets : parameters[i].of_ledger))) {
        i += 1;
    }
    return (enum parameter)i;
}

/* One decoded parameter that is not empty; NULL, or what is wrong. */
static const char *take(struct read *read, enum parameter parameter, const char *value)
{
    struct sqlite_reader_query *query = &read->query;
    int64_t number = 0;
    switch (parameter) {
    case PARAMETER_LIMIT:
        if (!parse_number(value, 1, LIMIT_PAGE_ROWS, &number)) {
            return "limit: wanted as 1 to 200";
        }
        query->limit = (uint32_t)number;
        return NULL;
    case PARAMETER_BEFORE:
        if (!parse_number(value, 1, INT64_MAX, &number)) {
            return "before: wanted as the 'next' of a page";
        }
        query->before = (uint64_t)number;
        return NULL;
    case PARAMETER_STATE:
        return parse_state(value, &query->state)
                   ? NULL
                   : "state: wanted as accepted, confirmed, rejected, won, lost or void";
    case PARAMETER_REF_TYPE:
        if (!parse_ref_type(value)) {
            return "ref_type: no such type";
        }
        query->ref_type = read->ref_type;
        return take_text(read->ref_type, value, "ref_type: too long");
    case PARAMETER_REF_ID:
        query->ref_id = read->ref_id;
        return take_text(read->ref_id, value, "ref_id: too long");
    case PARAMETER_FROM:
    case PARAMETER_TO:
        if (!parse_number(value, 0, INT64_MAX, &number)) {
            return "from, to: wanted as ms since 1970";
        }
        if (parameter == PARAMETER_FROM) {
            query->from_ms = number;
        } else {
            query->to_ms = number == 0 ? 1 : number; /* 0 would mean no bound; nothing is older */
        }
        return NULL;
    case PARAMETER_COUNT:
        break;
    }
    return "unknown query parameter";
}

const char *http_query_page(const char *query, struct read *read)
{
    unsigned seen = 0;
    for (; *query != '\0'; query += *query == '&') {
        const size_t length = strcspn(query, "&");
        const char *equals = memchr(query, '=', length);
        char name[VALUE_BYTES];
        char value[VALUE_BYTES];
        const size_t name_length = equals == NULL ? length : (size_t)(equals - query);
        const size_t value_at = name_length + (equals != NULL);
        if (!decode(query, name_length, name) ||
            !decode(query + value_at, length - value_at, value)) {
            return "the query string is malformed or too long";
        }
        query += length;
        if (length == 0) {
            continue; /* "&&", as browsers make of an empty form */
        }
        const enum parameter parameter = find(read, name);
        if (parameter == PARAMETER_COUNT) {
            return "unknown query parameter";
        }
        if ((seen & 1u << parameter) != 0) {
            return "a query parameter is repeated";
        }
        seen |= 1u << parameter;
        const char *problem = value[0] == '\0' ? NULL : take(read, parameter, value);
        if (problem != NULL) {
            return problem;
        }
    }
    return NULL;
}
