#include "tools/serve/origin.h"

#include <stdint.h>
#include <string.h>

#include "base/text.h"

#define LETTERS "abcdefghijklmnopqrstuvwxyz"
#define DIGITS  "0123456789"

/* The host's length at `text`; 0 when there is none. */
static size_t host_length(const char *text)
{
    if (text[0] != '[') {
        return strspn(text, LETTERS DIGITS ".-_");
    }
    const size_t address = strspn(text + 1, DIGITS "abcdef:.");
    return address > 0 && text[1 + address] == ']' ? address + 2 : 0;
}

bool origin_is_well_formed(const char *text)
{
    const size_t scheme = strspn(text, LETTERS DIGITS "+-.");
    if (strspn(text, LETTERS) == 0 || strncmp(text + scheme, "://", 3) != 0) {
        return false;
    }
    text += scheme + 3;
    const size_t host = host_length(text);
    if (host == 0 || text[host] == '\0') {
        return host != 0;
    }
    const char *port = text + host + 1;
    int64_t number;
    return text[host] == ':' && text_parse_decimal(port, strlen(port), &number) && number >= 1 &&
           number <= 65535;
}
