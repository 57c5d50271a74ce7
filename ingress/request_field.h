/* Reads the fields of a request's JSON object, one refusal per mistake: BAD_REQUEST with a message
 * that begins with the field's name. Used by tap_request and by every other handler of a body. Each
 * function returns true with its output filled, or false with *refusal set. */
#ifndef TAPLINE_INGRESS_REQUEST_FIELD_H
#define TAPLINE_INGRESS_REQUEST_FIELD_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"
#include "base/units.h"
#include "ingress/refusal.h"
#include "ingress/strict_json.h"

/* The value is an object and has no keys but those of the two lists, which end with NULL;
 * more_allowed may be NULL. */
MUST_USE bool request_field_keys(const struct strict_json *json, const char *const *allowed,
                                 const char *const *more_allowed, struct refusal *refusal);

/* True when the key is there at all, whatever its value. */
bool request_field_present(const struct strict_json *json, const char *key);

/* A string, which lives as long as `json` and may hold any UTF-8. */
MUST_USE bool request_field_text(const struct strict_json *json, const char *key,
                                 struct text_view *text, struct refusal *refusal);

/* A string of the grammar 0|[1-9][0-9]{0,18} up to 2^63 - 1. */
MUST_USE bool request_field_integer(const struct strict_json *json, const char *key, int64_t *value,
                                    struct refusal *refusal);

/* The fields of these fixed names: an address as of base/address.h, 32 lower-case hex digits. */
MUST_USE bool request_field_account(const struct strict_json *json, uint8_t account[ADDRESS_BYTES],
                                    struct refusal *refusal);
MUST_USE bool request_field_nonce(const struct strict_json *json, uint8_t nonce[NONCE_BYTES],
                                  struct refusal *refusal);

/* Sets BAD_REQUEST with "key: rule" and returns false. */
bool request_field_refuse(struct refusal *refusal, const char *key, const char *rule);

#endif
