/* route.h - which session wants which topic.
 *
 * One table for all sessions, keyed by session and topic, so that asking about
 * one event costs a look-up, and one more for each length of prefix that the
 * session subscribed to.
 */
#ifndef CHD_PROTO_SESSION_ROUTE_H
#define CHD_PROTO_SESSION_ROUTE_H

#include "proto/base/mem.h"
#include "proto/wire/topic.h"

typedef struct chd_route chd_route;

/* Create an empty table for session_count sessions.  seed makes the hash
 * unpredictable.
 *
 * Owns:   on CHD_OK, *route belongs to the caller: chd_route_destroy.
 * Errors: CHD_ENOMEM  *route is NULL.
 */
chd_err chd_route_new(uint64_t seed, uint32_t session_count, const chd_mem *mem,
                      chd_route **route) CHD_MUST_USE;

/* Owns:   *route is consumed and set to NULL.  Safe on NULL, and twice. */
void chd_route_destroy(chd_route **route);

/* Return the hash of a topic, for chd_route_wants. */
uint64_t chd_route_hash(const chd_route *route, chd_bytes topic);

/* Subscribe session to what a valid filter covers; again is no change.
 *
 * Errors: CHD_EFULL  a limit is reached: CHD_SESSION_SUBSCRIPTIONS_MAX or
 *         CHD_SUBSCRIPTIONS_MAX.
 */
chd_err chd_route_add(chd_route *route, uint32_t session,
                      const chd_filter *filter) CHD_MUST_USE;

/* Undo a subscription; one that is not there is no change. */
void chd_route_remove(chd_route *route, uint32_t session,
                      const chd_filter *filter);

/* Undo all subscriptions of a session. */
void chd_route_clear(chd_route *route, uint32_t session);

/* Tell whether session wants topic, whose hash is given. */
bool chd_route_wants(const chd_route *route, uint32_t session,
                     uint64_t topic_hash, chd_bytes topic);

/* Count the subscriptions of one session, and of all. */
uint32_t chd_route_session_count(const chd_route *route, uint32_t session);
uint32_t chd_route_count(const chd_route *route);

#endif
