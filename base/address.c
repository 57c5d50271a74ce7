#include "base/address.h"

#include <string.h>

#include "base/keccak.h"
#include "base/text.h"

void address_format(char to[ADDRESS_TEXT_BYTES + 1], const uint8_t address[ADDRESS_BYTES])
{
    to[0] = '0';
    to[1] = 'x';
    char *digits = to + 2;
    text_format_hex(digits, address, ADDRESS_BYTES);
    uint8_t hash[HASH_BYTES];
    keccak256(digits, 2 * ADDRESS_BYTES, hash);
    for (size_t i = 0; i < 2 * ADDRESS_BYTES; i++) {
        const unsigned nibble = i % 2 == 0 ? hash[i / 2] >> 4 : hash[i / 2] & 15u;
        if (digits[i] >= 'a' && nibble >= 8) {
            digits[i] = (char)(digits[i] - 'a' + 'A');
        }
    }
}

bool address_parse(const char *text, size_t length, uint8_t address[ADDRESS_BYTES])
{
    if (length != ADDRESS_TEXT_BYTES || text[0] != '0' || text[1] != 'x') {
        return false;
    }
    uint8_t parsed[ADDRESS_BYTES];
    if (!text_parse_hex(text + 2, length - 2, parsed, ADDRESS_BYTES)) {
        return false;
    }
    bool lower = false;
    bool upper = false;
    for (size_t i = 2; i < length; i++) {
        lower = lower || text[i] >= 'a'; /* hex digits only by now */
        upper = upper || (text[i] >= 'A' && text[i] <= 'F');
    }
    if (lower && upper) {
        char checked[ADDRESS_TEXT_BYTES + 1];
        address_format(checked, parsed);
        if (memcmp(checked, text, length) != 0) {
            return false;
        }
    }
    memcpy(address, parsed, ADDRESS_BYTES);
    return true;
}
