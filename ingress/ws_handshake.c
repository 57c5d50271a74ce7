#include <ctype.h>
#include <nettle/base64.h>
#include <nettle/sha1.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "ingress/http_server.h"
#include "ingress/ws_socket.h"

#define KEY_BYTES    24 /* 16 bytes in base64 */
#define ACCEPT_BYTES BASE64_ENCODE_RAW_LENGTH(SHA1_DIGEST_SIZE)

/* RFC 6455 section 1.3. */
static const char KEY_SUFFIX[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/* Whether one of the request's fields of that name has the token. */
static bool any_has_token(const struct http_request *request, const char *name, const char *token,
                          bool exact_case)
{
    const size_t length = strlen(token);
    for (size_t i = 0; i < request->header_count; i++) {
        if (strcasecmp(request->headers[i].name, name) != 0) {
            continue;
        }
        const char *at = request->headers[i].value;
        while (*at != '\0') {
            at += strspn(at, ", \t");
            const size_t element = strcspn(at, ", \t");
            const bool same =
                element == length &&
                (exact_case ? memcmp(at, token, length) : strncasecmp(at, token, length)) == 0;
            if (same) {
                return true;
            }
            at += element;
        }
    }
    return false;
}

static bool is_key(const char *key)
{
    if (key == NULL || strlen(key) != KEY_BYTES || strcmp(key + KEY_BYTES - 2, "==") != 0) {
        return false;
    }
    for (size_t i = 0; i < KEY_BYTES - 2; i++) {
        if (!isalnum((unsigned char)key[i]) && key[i] != '+' && key[i] != '/') {
            return false;
        }
    }
    return true;
}

struct ws_refusal ws_handshake_check(const struct http_request *request, bool *with_subprotocol)
{
    const char *version = http_request_header(request, "Sec-WebSocket-Version");
    if (strcmp(request->method, "GET") != 0) {
        return (struct ws_refusal){405, "A WebSocket begins with GET."};
    }
    if (request->http_minor != 1 || !any_has_token(request, "Upgrade", "websocket", false) ||
        !any_has_token(request, "Connection", "upgrade", false)) {
        return (struct ws_refusal){426, "This path is for WebSockets."};
    }
    if (version == NULL || strcmp(version, "13") != 0) {
        return (struct ws_refusal){426, "The only WebSocket version served is 13."};
    }
    if (!is_key(http_request_header(request, "Sec-WebSocket-Key"))) {
        return (struct ws_refusal){400, "Sec-WebSocket-Key is malformed."};
    }
    if (request->body_bytes > 0) {
        return (struct ws_refusal){400, "An upgrade request has no body."};
    }
    *with_subprotocol = any_has_token(request, "Sec-WebSocket-Protocol", WS_SUBPROTOCOL, true);
    if (!*with_subprotocol && http_request_header(request, "Sec-WebSocket-Protocol") != NULL) {
        return (struct ws_refusal){400, "The only subprotocol served is " WS_SUBPROTOCOL "."};
    }
    return (struct ws_refusal){0, NULL};
}

struct ws_text *ws_handshake_answer(const char *key, bool with_subprotocol)
{
    struct sha1_ctx sha1;
    uint8_t digest[SHA1_DIGEST_SIZE];
    char accept[ACCEPT_BYTES + 1];
    char answer[256];
    sha1_init(&sha1);
    sha1_update(&sha1, KEY_BYTES, (const uint8_t *)key);
    sha1_update(&sha1, sizeof KEY_SUFFIX - 1, (const uint8_t *)KEY_SUFFIX);
    sha1_digest(&sha1, sizeof digest, digest);
    base64_encode_raw(accept, sizeof digest, digest);
    accept[ACCEPT_BYTES] = '\0';
    const int length =
        snprintf(answer, sizeof answer,
                 "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                 "Connection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n%s\r\n",
                 accept, with_subprotocol ? "Sec-WebSocket-Protocol: " WS_SUBPROTOCOL "\r\n" : "");
    return ws_text_of_bytes(answer, (size_t)length);
}
