#include "broker/address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

static const uint8_t mapped_prefix[12] = {0, 0, 0, 0, 0,    0,
                                          0, 0, 0, 0, 0xff, 0xff};

bool chd_address_is_ipv4(const uint8_t address[CHD_ADDRESS_BYTES])
{
    return memcmp(address, mapped_prefix, sizeof(mapped_prefix)) == 0;
}

/* Read an IPv4 address and map it. */
static bool parse_ipv4(const char *text, uint8_t address[CHD_ADDRESS_BYTES])
{
    uint8_t four[4];

    if (inet_pton(AF_INET, text, four) != 1) {
        return false;
    }
    memcpy(address, mapped_prefix, sizeof(mapped_prefix));
    memcpy(address + sizeof(mapped_prefix), four, sizeof(four));
    return true;
}

/* Read the len bytes of an IPv6 address. */
static bool parse_ipv6(const char *text, size_t len,
                       uint8_t address[CHD_ADDRESS_BYTES])
{
    char copy[INET6_ADDRSTRLEN];

    if (len >= sizeof(copy)) {
        return false;
    }
    memcpy(copy, text, len);
    copy[len] = '\0';
    return inet_pton(AF_INET6, copy, address) == 1;
}

bool chd_address_parse(const char *text, uint8_t address[CHD_ADDRESS_BYTES])
{
    const size_t len = strlen(text);

    if (len >= 2 && text[0] == '[' && text[len - 1] == ']') {
        return parse_ipv6(text + 1, len - 2, address);
    }
    return parse_ipv4(text, address) || parse_ipv6(text, len, address);
}

static bool parse_port(const char *text, uint16_t *port)
{
    char *end = NULL;

    if (text[0] < '0' || text[0] > '9') {
        return false;
    }
    errno = 0;
    const unsigned long value = strtoul(text, &end, 10);
    if (errno != 0 || *end != '\0' || value < 1 || value > UINT16_MAX) {
        return false;
    }
    *port = (uint16_t)value;
    return true;
}

bool chd_endpoint_parse(const char *text, uint16_t port_default,
                        chd_endpoint *endpoint)
{
    char host[INET_ADDRSTRLEN];

    endpoint->port = port_default;
    if (text[0] == '[') {
        const char *close = strchr(text, ']');
        if (close == NULL || !parse_ipv6(text + 1, (size_t)(close - text - 1),
                                         endpoint->address)) {
            return false;
        }
        return close[1] == '\0' ||
               (close[1] == ':' && parse_port(close + 2, &endpoint->port));
    }
    const size_t host_len = strcspn(text, ":");
    if (host_len >= sizeof(host)) {
        return false;
    }
    memcpy(host, text, host_len);
    host[host_len] = '\0';
    return parse_ipv4(host, endpoint->address) &&
           (text[host_len] == '\0' ||
            parse_port(text + host_len + 1, &endpoint->port));
}

bool chd_address_is_any(const uint8_t address[CHD_ADDRESS_BYTES])
{
    static const uint8_t zero[CHD_ADDRESS_BYTES];
    const size_t from = chd_address_is_ipv4(address) ? 12 : 0;

    return memcmp(address + from, zero, CHD_ADDRESS_BYTES - from) == 0;
}

bool chd_address_is_loopback(const uint8_t address[CHD_ADDRESS_BYTES])
{
    static const uint8_t loopback[CHD_ADDRESS_BYTES] = {[15] = 1};

    return chd_address_is_ipv4(address)
               ? address[12] == 127
               : memcmp(address, loopback, sizeof(loopback)) == 0;
}

bool chd_address_is_unique_local(const uint8_t address[CHD_ADDRESS_BYTES])
{
    return (address[0] & 0xfe) == 0xfc;
}

bool chd_address_is_dialable(const uint8_t address[CHD_ADDRESS_BYTES])
{
    if (chd_address_is_any(address)) {
        return false;
    }
    if (chd_address_is_ipv4(address)) {
        const uint8_t *four = address + 12;
        return four[0] != 0 && four[0] < 224 &&
               !(four[0] == 169 && four[1] == 254);
    }
    const bool link_local = address[0] == 0xfe && (address[1] & 0xc0) == 0x80;
    return !link_local && address[0] != 0xff;
}

void chd_address_print(const uint8_t address[CHD_ADDRESS_BYTES],
                       char text[CHD_ADDRESS_TEXT_MAX])
{
    const bool ipv4 = chd_address_is_ipv4(address);

    /* Cannot fail: the family is known and the buffer large enough. */
    (void)inet_ntop(ipv4 ? AF_INET : AF_INET6, address + (ipv4 ? 12 : 0), text,
                    CHD_ADDRESS_TEXT_MAX);
}

void chd_endpoint_print(const chd_endpoint *endpoint,
                        char text[CHD_ADDRESS_TEXT_MAX])
{
    char address[CHD_ADDRESS_TEXT_MAX];
    const bool ipv4 = chd_address_is_ipv4(endpoint->address);

    chd_address_print(endpoint->address, address);
    (void)snprintf(text, CHD_ADDRESS_TEXT_MAX, ipv4 ? "%.45s:%u" : "[%.45s]:%u",
                   address, (unsigned)endpoint->port);
}

int chd_endpoint_compare(const void *a, const void *b)
{
    const chd_endpoint *left = a;
    const chd_endpoint *right = b;
    const int order = memcmp(left->address, right->address, CHD_ADDRESS_BYTES);

    return order != 0 ? order : (int)left->port - (int)right->port;
}

socklen_t chd_endpoint_sockaddr(const chd_endpoint *endpoint,
                                struct sockaddr_storage *out)
{
    memset(out, 0, sizeof(*out));
    if (chd_address_is_ipv4(endpoint->address)) {
        struct sockaddr_in *in = (struct sockaddr_in *)out;
        in->sin_family = AF_INET;
        in->sin_port = htons(endpoint->port);
        memcpy(&in->sin_addr, endpoint->address + 12, 4);
        return sizeof(*in);
    }
    struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)out;
    in6->sin6_family = AF_INET6;
    in6->sin6_port = htons(endpoint->port);
    memcpy(&in6->sin6_addr, endpoint->address, CHD_ADDRESS_BYTES);
    return sizeof(*in6);
}

/* Copy the address of one interface entry; false when it has none that a peer
 * could reach. */
static bool own_address(const struct ifaddrs *entry,
                        uint8_t address[CHD_ADDRESS_BYTES])
{
    if (entry->ifa_addr == NULL) {
        return false;
    }
    if (entry->ifa_addr->sa_family == AF_INET6) {
        struct sockaddr_in6 in6;
        memcpy(&in6, entry->ifa_addr, sizeof(in6));
        memcpy(address, &in6.sin6_addr, CHD_ADDRESS_BYTES);
    } else if (entry->ifa_addr->sa_family == AF_INET) {
        struct sockaddr_in in;
        memcpy(&in, entry->ifa_addr, sizeof(in));
        memcpy(address, mapped_prefix, sizeof(mapped_prefix));
        memcpy(address + sizeof(mapped_prefix), &in.sin_addr, 4);
    } else {
        return false;
    }
    return chd_address_is_dialable(address);
}

size_t chd_address_list_own(uint8_t (*addresses)[CHD_ADDRESS_BYTES], size_t cap)
{
    struct ifaddrs *list = NULL;
    size_t count = 0;

    if (getifaddrs(&list) != 0) {
        return 0;
    }
    for (const struct ifaddrs *e = list; e != NULL && count < cap;
         e = e->ifa_next) {
        if (own_address(e, addresses[count])) {
            count++;
        }
    }
    freeifaddrs(list);
    return count;
}
