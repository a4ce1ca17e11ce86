/* client_subs.h - what an application is subscribed to, and what of it the
 * sidecar has not been told yet.
 *
 * Slots live in one table that is never moved.  A slot whose state differs
 * from what the connection was told stands in the to-tell queue, once.
 *
 * Owns:   a chd_subs owns its tables, fixed at chd_subs_init.  They cost
 *         address space until they are used.
 * Thread: not thread-safe.
 */
#ifndef CHD_PROTO_SESSION_CLIENT_SUBS_H
#define CHD_PROTO_SESSION_CLIENT_SUBS_H

#include "proto/base/limits.h"
#include "proto/base/mem.h"
#include "proto/wire/topic.h"

typedef struct chd_sub chd_sub;

typedef struct chd_subs {
    chd_sub *slots;
    uint32_t *heads; /* hash chains: slot number + 1, 0 ends a chain */
    uint32_t head_mask;
    uint32_t cap;
    uint32_t used_max; /* slots at and above were never used */
    uint32_t count;    /* what the application is subscribed to */
    uint32_t free_first;
    uint32_t tell_first;
    uint32_t tell_last;
    uint32_t told;      /* messages that subscribed, on this connection */
    uint32_t confirmed; /* of those, how many had their RESET           */
    uint64_t seed;
} chd_subs;

/* Make an empty list for cap subscriptions, 1..CHD_SESSION_SUBSCRIPTIONS_MAX.
 *
 * Errors: CHD_ELIMIT, CHD_ENOMEM.
 */
chd_err chd_subs_init(chd_subs *subs, const chd_mem *mem, uint32_t cap,
                      uint64_t seed) CHD_MUST_USE;

/* Free the tables. */
void chd_subs_fini(chd_subs *subs, const chd_mem *mem);

/* Add a valid filter.  Adding what is there already changes nothing.
 *
 * Errors: CHD_EFULL.
 */
chd_err chd_subs_add(chd_subs *subs, const chd_filter *filter) CHD_MUST_USE;

/* Remove a filter; false when it was not there. */
bool chd_subs_remove(chd_subs *subs, const chd_filter *filter);

/* A connection was lost: the next one has been told nothing.  Subscriptions
 * that had begun are held, and are told first. */
void chd_subs_forget_told(chd_subs *subs);

/* The RESET with which a message's subscriptions begin is here. */
void chd_subs_confirm(chd_subs *subs);

/* Tell whether any subscription is held. */
bool chd_subs_has_held(const chd_subs *subs);

/* What was held begins anew. */
void chd_subs_drop_held(chd_subs *subs);

/* Take up to max held ones off the queue; returns how many.  The filters
 * borrow as below.  Fewer than max: there are no more. */
uint32_t chd_subs_tell_held(chd_subs *subs, uint32_t max, chd_filter *held);

/* Tell whether chd_subs_tell has something to say. */
bool chd_subs_has_untold(const chd_subs *subs);

/* Take up to max slots off the queue: what to unsubscribe first, then what to
 * subscribe.  The filters borrow from subs until its next change. */
void chd_subs_tell(chd_subs *subs, uint32_t max, chd_filter *less,
                   uint32_t *less_count, chd_filter *more,
                   uint32_t *more_count);

#endif
