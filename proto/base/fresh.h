/* fresh.h - up to when somebody has everything, learnt from promises.
 *
 * A promise says: who has everything up to a sequence number has everything
 * that was accepted before a time.  The time is always the reader's own, so
 * that no two clocks are compared.  Promises come faster than what they wait
 * for may arrive, so the oldest is kept until it is fulfilled, and the newest
 * beside it; those between are not worth remembering.
 */
#ifndef CHD_PROTO_BASE_FRESH_H
#define CHD_PROTO_BASE_FRESH_H

#include "proto/base/base.h"

typedef struct chd_promise {
    uint64_t seq;
    uint64_t at_ns; /* 0: none */
} chd_promise;

typedef struct chd_fresh {
    uint64_t at_ns; /* everything accepted before this is here; 0: unknown */
    chd_promise oldest;
    chd_promise newest;
} chd_fresh;

/* Note a promise, where everything up to reached is here. */
void chd_fresh_promise(chd_fresh *fresh, const chd_promise *promise,
                       uint64_t reached);

/* Note that everything up to reached is here. */
void chd_fresh_reach(chd_fresh *fresh, uint64_t reached);

/* Forget promises that are not fulfilled: their numbers mean nothing any
 * more. */
void chd_fresh_break(chd_fresh *fresh);

#endif
