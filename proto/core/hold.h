/* hold.h - EVENTS messages that wait for their turn.
 *
 * Messages and updates of one origin are delivered in order, so those that
 * arrive behind a gap are kept, within a bound, until repair has closed it.
 * What finds no room is fetched again: nothing is lost by dropping it.
 */
#ifndef CHD_PROTO_CORE_HOLD_H
#define CHD_PROTO_CORE_HOLD_H

#include "proto/base/bytes.h"
#include "proto/base/err.h"
#include "proto/base/mem.h"

typedef struct chd_held {
    uint64_t origin;
    uint64_t first; /* sequence numbers in the message */
    uint64_t last;
    size_t at; /* in the arena */
    size_t len;
} chd_held;

typedef struct chd_hold {
    const chd_mem *mem;
    uint8_t *arena;
    size_t used;
    chd_held *all;
    uint32_t count;
} chd_hold;

/* Prepare an empty hold.  Errors: CHD_ENOMEM */
chd_err chd_hold_init(chd_hold *hold, const chd_mem *mem) CHD_MUST_USE;
void chd_hold_fini(chd_hold *hold);

/* Keep a copy of a message; false when there is no room. */
bool chd_hold_add(chd_hold *hold, const chd_held *what, chd_bytes message);

/* Find the message of origin that comes first behind seq; NULL for none. */
const chd_held *chd_hold_next(const chd_hold *hold, uint64_t origin,
                              uint64_t seq);

/* View a kept message. */
chd_bytes chd_hold_bytes(const chd_hold *hold, const chd_held *what);

/* Let go of origin's messages that end at or before seq. */
void chd_hold_drop(chd_hold *hold, uint64_t origin, uint64_t seq);

#endif
