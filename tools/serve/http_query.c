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

/* One decoded parameter. */
static const char *take(struct read *read, const char *key, const char *value)
{
    struct sqlite_reader_query *query = &read->query;
    const bool bets = read->kind == READ_BETS;
    int64_t number = 0;
    if (strcmp(key, "limit") == 0) {
        if (!parse_number(value, 1, LIMIT_PAGE_ROWS, &number)) {
            return "limit: wanted as 1 to 200";
        }
        query->limit = (uint32_t)number;
        return NULL;
    }
    if (strcmp(key, "before") == 0) {
        if (!parse_number(value, 1, INT64_MAX, &number)) {
            return "before: wanted as the `next` of a page";
        }
        query->before = (uint64_t)number;
        return NULL;
    }
    if (bets && strcmp(key, "state") == 0) {
        return parse_state(value, &query->state)
                   ? NULL
                   : "state: wanted as accepted, confirmed, rejected, won, lost or void";
    }
    if (!bets && strcmp(key, "ref_type") == 0) {
        if (!parse_ref_type(value)) {
            return "ref_type: no such type";
        }
        query->ref_type = read->ref_type;
        return take_text(read->ref_type, value, "ref_type: too long");
    }
    if (!bets && strcmp(key, "ref_id") == 0) {
        query->ref_id = read->ref_id;
        return take_text(read->ref_id, value, "ref_id: too long");
    }
    if (!bets && (strcmp(key, "from") == 0 || strcmp(key, "to") == 0)) {
        if (!parse_number(value, 0, INT64_MAX, &number)) {
            return "from, to: wanted as ms since 1970";
        }
        *(key[0] == 'f' ? &query->from_ms : &query->to_ms) = number;
        return NULL;
    }
    return "unknown query parameter";
}

const char *http_query_page(const char *query, struct read *read)
{
    static const char *const keys[] = {"limit",  "before", "state", "ref_type",
                                       "ref_id", "from",   "to"};
    unsigned seen = 0;
    while (*query != '\0') {
        const size_t length = strcspn(query, "&");
        const char *equals = memchr(query, '=', length);
        char key[VALUE_BYTES];
        char value[VALUE_BYTES];
        const size_t key_length = equals == NULL ? length : (size_t)(equals - query);
        if (!decode(query, key_length, key) ||
            !decode(query + key_length + (equals != NULL), length - key_length - (equals != NULL),
                    value)) {
            return "the query string is malformed or too long";
        }
        for (unsigned i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
            if (strcmp(keys[i], key) == 0) {
                if ((seen & 1u << i) != 0) {
                    return "a query parameter is repeated";
                }
                seen |= 1u << i;
            }
        }
        const char *problem = value[0] == '\0' && seen != 0 ? NULL : take(read, key, value);
        if (problem != NULL) {
            return problem;
        }
        query += length;
        query += *query == '&';
    }
    return NULL;
}
