/* endpoints.h - a growing list of endpoints, made a set when it is complete.
 *
 * Owns:   its memory: chd_endpoints_fini.
 */
#ifndef CHD_BROKER_ENDPOINTS_H
#define CHD_BROKER_ENDPOINTS_H

#include "broker/address.h"

/* More than this from all names and peers together is cut: a name server that
 * was taken over must not make the daemon grow. */
#define CHD_ENDPOINTS_MAX 8192

typedef struct chd_endpoints {
    chd_endpoint *items;
    size_t count;
    size_t cap;
} chd_endpoints;

/* Append an endpoint that a peer can have; others are skipped. */
void chd_endpoints_add(chd_endpoints *list, const chd_endpoint *endpoint);

/* Append all of another list. */
void chd_endpoints_add_all(chd_endpoints *list, const chd_endpoints *other);

/* Append those of a comma-separated list, ports that are missing being
 * port_default.  Items that are not endpoints are skipped. */
void chd_endpoints_add_text(chd_endpoints *list, const char *text,
                            uint16_t port_default);

/* Sort, and drop repeats. */
void chd_endpoints_unite(chd_endpoints *list);

/* Drop the endpoints of this node: those at its port with the address it is
 * bound to or, where it is bound to all, with one of the host's. */
void chd_endpoints_drop_own(chd_endpoints *list, const chd_endpoint *bound);

/* Forget everything and give the memory back. */
void chd_endpoints_fini(chd_endpoints *list);

#endif
