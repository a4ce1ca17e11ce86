/* discover.h - which peers are listed: by DNS names, and by configuration.
 *
 * After each poll the core is fed the whole set.  A name without a usable
 * answer, or with an empty one, keeps the addresses it had: an outage of DNS
 * must not take a healthy mesh apart, and nothing is ever removed here that
 * still talks; the core sees to that.  The next poll follows after the
 * shortest TTL of the answers, between one second and discovery.interval, give
 * or take a fifth.
 *
 * Thread: the loop's alone.
 */
#ifndef CHD_BROKER_DISCOVER_H
#define CHD_BROKER_DISCOVER_H

#include "broker/config.h"
#include "broker/endpoints.h"
#include "broker/feed.h"
#include "broker/log.h"
#include "broker/poll.h"

typedef struct chd_discover chd_discover;

typedef struct chd_discover_options {
    chd_endpoint bound; /* of this node: never listed */
    chd_poll *poll;
    chd_feed feed;
    chd_logger *logger;
    chd_tally *tally;
} chd_discover_options;

/* Create; it lists nothing before it is configured.
 *
 * Owns:   *discover belongs to the caller: chd_discover_destroy.  What options
 *         points to must outlive it.
 */
void chd_discover_new(const chd_discover_options *options,
                      chd_discover **discover);

/* Owns:   *discover is consumed and set to NULL.  Safe on NULL, and twice. */
void chd_discover_destroy(chd_discover **discover);

/* Take over the settings discovery.*; names that were there before keep their
 * addresses.  The next tick polls, or feeds the static peers where there is no
 * name to poll. */
void chd_discover_configure(chd_discover *discover, const chd_config *config);

/* Do what is due. */
void chd_discover_tick(chd_discover *discover, chd_now now);

/* Return when the next tick is due. */
uint64_t chd_discover_deadline_ns(const chd_discover *discover, chd_now now);

/* Return when the next poll is due, given the shortest TTL of the answers
 * (UINT32_MAX: none), how many polls in a row found nothing, the longest
 * interval, and 64 random bits for the jitter. */
uint64_t chd_discover_pause_ns(uint32_t ttl, uint32_t failures,
                               uint64_t interval_ns, uint64_t random);

#endif
