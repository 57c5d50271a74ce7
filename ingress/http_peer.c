#include <arpa/inet.h>
#include <string.h>

#include "ingress/http_connection.h"

static void set_ip4(struct http_peer *peer, const struct in_addr *address)
{
    memset(peer, 0, sizeof *peer);
    peer->address[10] = 0xff;
    peer->address[11] = 0xff;
    memcpy(peer->address + 12, address, 4);
    inet_ntop(AF_INET, address, peer->text, sizeof peer->text);
}

static void set_ip6(struct http_peer *peer, const struct in6_addr *address)
{
    if (IN6_IS_ADDR_V4MAPPED(address)) {
        struct in_addr mapped;
        memcpy(&mapped, address->s6_addr + 12, 4);
        set_ip4(peer, &mapped);
        return;
    }
    memset(peer, 0, sizeof *peer);
    memcpy(peer->address, address->s6_addr, HTTP_PEER_ADDRESS_BYTES);
    inet_ntop(AF_INET6, address, peer->text, sizeof peer->text);
}

void http_peer_of_socket(const uv_tcp_t *tcp, struct http_peer *peer)
{
    struct sockaddr_storage name;
    int bytes = sizeof name;
    memset(peer, 0, sizeof *peer);
    if (uv_tcp_getpeername(tcp, (struct sockaddr *)&name, &bytes) != 0) {
        return; /* gone already; reading will say so */
    }
    if (name.ss_family == AF_INET) {
        struct sockaddr_in ip4;
        memcpy(&ip4, &name, sizeof ip4);
        set_ip4(peer, &ip4.sin_addr);
    } else if (name.ss_family == AF_INET6) {
        struct sockaddr_in6 ip6;
        memcpy(&ip6, &name, sizeof ip6);
        set_ip6(peer, &ip6.sin6_addr);
    }
}

bool http_peer_of_header(const char *value, struct http_peer *peer)
{
    const char *last = strrchr(value, ',');
    const char *begin = last == NULL ? value : last + 1;
    begin += strspn(begin, " \t");
    char text[HTTP_PEER_TEXT_BYTES];
    size_t length = strlen(begin);
    while (length > 0 && strchr(" \t", begin[length - 1]) != NULL) {
        length -= 1;
    }
    if (length >= sizeof text) {
        return false;
    }
    memcpy(text, begin, length);
    text[length] = '\0';
    struct in_addr ip4;
    struct in6_addr ip6;
    if (inet_pton(AF_INET, text, &ip4) == 1) {
        set_ip4(peer, &ip4);
        return true;
    }
    if (inet_pton(AF_INET6, text, &ip6) == 1) {
        set_ip6(peer, &ip6);
        return true;
    }
    return false;
}
