/* published.h - what clients published, as far as it was delivered here.
 *
 * A client numbers what it publishes, ascending by one.  When its sidecar dies
 * it publishes again what may not have been replicated, at another sidecar,
 * and so one publication can become two events, of two origins.  The second
 * one, whichever that is, is a repetition: it counts like any other event, but
 * no session is given it, unless it is an invalidation.  Those do no harm, and
 * one may stand for others that were superseded before they came here.
 *
 * The rule is that of selective acknowledgements (RFC 2018): for each client a
 * few ranges of numbers, each of which holds nothing but numbers that were
 * delivered here.  An event is a repetition if its own number lies in a range.
 * So nothing is withheld that was not delivered before, whatever is missing
 * around it, and in whatever order origins and repairs bring it.  What is
 * forgotten because there is no room is delivered twice, which is the lesser
 * evil.
 *
 * Owns:   a chd_published owns its table, fixed at chd_published_new.
 */
#ifndef CHD_PROTO_CORE_PUBLISHED_H
#define CHD_PROTO_CORE_PUBLISHED_H

#include "proto/base/err.h"
#include "proto/base/limits.h"
#include "proto/base/mem.h"

typedef struct chd_published chd_published;

/* Create an empty table; seed keeps clients from choosing whom they displace.
 *
 * Owns:   on CHD_OK, *table belongs to the caller: chd_published_destroy.
 * Errors: CHD_ENOMEM  *table is NULL.
 */
chd_err chd_published_new(uint64_t seed, const chd_mem *mem,
                          chd_published **table) CHD_MUST_USE;

/* Owns:   *table is consumed and set to NULL.  Safe on NULL, and twice. */
void chd_published_destroy(chd_published **table);

/* Note that a publication is delivered here; returns false when it was before.
 * number 0 means that the publisher did not tell: nothing is known of it. */
bool chd_published_note(chd_published *table, uint64_t client, uint64_t number);

/* Note that this node accepted everything of a client up to number; return up
 * to where it did so far.  A client publishes in the order of its numbers, and
 * again from the oldest that it has not let go of, so one number is enough. */
void chd_published_accept(chd_published *table, uint64_t client,
                          uint64_t number);
uint64_t chd_published_accepted(const chd_published *table, uint64_t client);

#endif
