/* address.h - addresses and endpoints as text and as numbers.
 *
 * IPv4 addresses are kept mapped into IPv6 (::ffff:a.b.c.d), as everywhere in
 * proto/.  Host names never get here: only numeric addresses may reach libzmq,
 * which resolves names in its I/O thread and stops the whole mesh meanwhile.
 */
#ifndef CHD_BROKER_ADDRESS_H
#define CHD_BROKER_ADDRESS_H

#include <sys/socket.h>

#include "proto/wire/mesh.h"

#define CHD_ADDRESS_BYTES 16

/* "[" 45 "]:65535", "tcp://" before it, and NUL. */
#define CHD_ADDRESS_TEXT_MAX 64

/* What an endpoint in a setting may look like, for error messages. */
#define CHD_ENDPOINT_FORMS                                                     \
    "[IPv6 address], [IPv6 address]:port, IPv4 address or IPv4 address:port"

/* Read an IPv6 address, with or without brackets, or an IPv4 address.  False
 * when it is neither; zones (fe80::1%eth0) are not accepted. */
bool chd_address_parse(const char *text, uint8_t address[CHD_ADDRESS_BYTES]);

/* Read one of CHD_ENDPOINT_FORMS.  An IPv6 address without brackets is
 * refused: fd00::1:7420 would silently be an address without a port. */
bool chd_endpoint_parse(const char *text, uint16_t port_default,
                        chd_endpoint *endpoint);

/* Tell whether address is an IPv4 address. */
bool chd_address_is_ipv4(const uint8_t address[CHD_ADDRESS_BYTES]);

/* Tell whether address is :: or 0.0.0.0. */
bool chd_address_is_any(const uint8_t address[CHD_ADDRESS_BYTES]);

/* Tell whether address is ::1 or in 127.0.0.0/8. */
bool chd_address_is_loopback(const uint8_t address[CHD_ADDRESS_BYTES]);

/* Tell whether address is in fc00::/7. */
bool chd_address_is_unique_local(const uint8_t address[CHD_ADDRESS_BYTES]);

/* Tell whether a peer can have this address: not unspecified, not multicast
 * or broadcast, and not link-local, which means nothing without an interface.
 */
bool chd_address_is_dialable(const uint8_t address[CHD_ADDRESS_BYTES]);

/* Write the address in the one spelling that inet_ntop has for it. */
void chd_address_print(const uint8_t address[CHD_ADDRESS_BYTES],
                       char text[CHD_ADDRESS_TEXT_MAX]);

/* Write "[address]:port", or "a.b.c.d:port" for IPv4. */
void chd_endpoint_print(const chd_endpoint *endpoint,
                        char text[CHD_ADDRESS_TEXT_MAX]);

/* Order endpoints, as qsort wants it. */
int chd_endpoint_compare(const void *a, const void *b);

/* Fill in a socket address, of the IPv4 family for an IPv4 address, and
 * return its length. */
socklen_t chd_endpoint_sockaddr(const chd_endpoint *endpoint,
                                struct sockaddr_storage *out);

/* List the addresses of this host's interfaces, at most cap, and return how
 * many were written.  Link-local ones are left out. */
size_t chd_address_list_own(uint8_t (*addresses)[CHD_ADDRESS_BYTES],
                            size_t cap);

#endif
