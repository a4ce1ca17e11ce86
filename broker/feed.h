/* feed.h - how the parts of the shell hand inputs to the core.
 *
 * Only the loop steps the core; the others hold this.  By the time the call
 * returns the actions that the input led to are carried out, on the caller's
 * own sockets too.
 */
#ifndef CHD_BROKER_FEED_H
#define CHD_BROKER_FEED_H

#include "proto/core/core.h"

typedef struct chd_feed {
    void (*step)(void *arg, const chd_input *input);
    void *arg;
    /* Tell whether more was published than the mesh takes now; NULL: never. */
    bool (*holds)(void *arg);
} chd_feed;

/* Hand an input over; it is borrowed for the call. */
static inline void chd_feed_input(const chd_feed *feed, const chd_input *input)
{
    feed->step(feed->arg, input);
}

#endif
