/* fill.h - which loaded values may be stored: the floors of invalidations.
 *
 * A fill is the time between a cache miss and the storing of the loaded value.
 * A ticket is taken before the load: the position that this end has reached
 * then.  Whatever is invalidated raises a floor to a new position.  At the end
 * the ticket is compared with the newest floor of everything that covers the
 * value: its key, its tags (known only after the load), prefixes of its key,
 * its topic.  Tickets below a floor are refused.
 *
 * Positions are counted here, one for each thing that was applied, so that
 * they never go back, whichever connection or sidecar it came through.
 *
 * All tables are bounded, and each overflow refuses more, never less: a floor
 * that has to leave its table raises the floor of what shared its place, so
 * that only fills that began before it are refused without need.
 *
 * An invalidation may demand a version: until the demand ends, what is stored
 * must have been read at this version or a newer one.
 *
 * Floors are told apart by a 64-bit hash under a random seed.
 *
 * Units:  every time is nanoseconds on the caller's monotonic clock.
 * Owns:   a chd_fills owns all its memory, fixed at chd_fills_new.
 * Thread: not thread-safe.
 */
#ifndef CHD_PROTO_SESSION_FILL_H
#define CHD_PROTO_SESSION_FILL_H

#include "proto/base/clock.h"
#include "proto/base/mem.h"
#include "proto/wire/event.h"

typedef struct chd_fills chd_fills;

typedef struct chd_fills_config {
    uint64_t seed;         /* random                                         */
    uint64_t lag_max_ns;   /* a version is demanded for so long; never: for
                              ever                                           */
    uint32_t floor_count;  /* 8..CHD_FILL_FLOORS_MAX, a power of two         */
    uint32_t demand_count; /* 8..CHD_FILL_DEMANDS_MAX, a power of two        */
    uint32_t subscription_count_max; /* 1..CHD_SESSION_SUBSCRIPTIONS_MAX     */
} chd_fills_config;

/* A place in the stream, and what the fill is for. */
typedef struct chd_fill {
    uint64_t position; /* from 1 */
    uint64_t hlc;      /* no event applied before has a later clock */
    uint64_t topic;    /* hashes of the topic and of the key in it */
    uint64_t key_hash;
    chd_bytes key; /* borrowed until the end of the fill */
} chd_fill;

/* What is known of a value after it was loaded. */
typedef struct chd_loaded {
    const chd_bytes *tags;
    size_t tag_count;
    uint64_t version; /* 0: unknown */
} chd_loaded;

typedef enum chd_fill_answer {
    CHD_FILL_ADMIT,
    CHD_FILL_STALE,   /* something that covers it was applied since   */
    CHD_FILL_VERSION, /* a newer version is demanded than it shows    */
} chd_fill_answer;

/* Create an engine in which nothing was invalidated yet.
 *
 * Owns:   on CHD_OK, *fills belongs to the caller: chd_fills_destroy.
 * Errors: CHD_ELIMIT   a config field is outside its range;
 *         CHD_ENOMEM   *fills is NULL.
 */
chd_err chd_fills_new(const chd_fills_config *config, const chd_mem *mem,
                      chd_fills **fills) CHD_MUST_USE;

/* Owns:   *fills is consumed and set to NULL.  Safe on NULL, and twice. */
void chd_fills_destroy(chd_fills **fills);

/* --- what happens --------------------------------------------------------- */

/* Raise the floor of what an event covers; messages cover nothing. */
void chd_fills_event(chd_fills *fills, uint64_t now_ns, const chd_event *event);

/* Note that events were applied, the latest at hlc, before the first fill
 * began: no floor is needed for them. */
void chd_fills_passed(chd_fills *fills, uint64_t hlc);

/* Raise the floor of what a RESET covers: a topic, topics that begin so, or
 * with NULL everything. */
void chd_fills_reset(chd_fills *fills, const chd_filter *filter);

/* Note a subscription that was added, or one that was removed. */
void chd_fills_subscribed(chd_fills *fills, const chd_filter *filter);
void chd_fills_unsubscribed(chd_fills *fills, const chd_filter *filter);

/* Forget every subscription, and admit no fill that has begun.  Allowed even
 * if another call was interrupted for ever, as in a forked child. */
void chd_fills_start_over(chd_fills *fills);

/* --- filling -------------------------------------------------------------- */

/* Take a ticket; false when nothing is subscribed that covers the topic. */
bool chd_fills_begin(const chd_fills *fills, chd_bytes topic, chd_bytes key,
                     chd_fill *fill);

/* Tell whether the loaded value may be stored. */
chd_fill_answer chd_fills_end(const chd_fills *fills, uint64_t now_ns,
                              const chd_fill *fill, const chd_loaded *loaded);

/* Tell whether chd_fills_end looks at the time: when a version is demanded of
 * anything. */
bool chd_fills_has_demands(const chd_fills *fills);

#endif
