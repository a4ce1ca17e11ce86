/* again.h - invalidations that are to be applied a second time.
 *
 * A source without versions may lag behind the commit: what is loaded right
 * after the invalidation can be the old value.  So the publisher may ask that
 * it be applied again after a delay.  Each application's end does that for
 * itself, so that it needs no connection and nobody else to live on.
 *
 * The list is bounded.  What is on it already is not listed twice: it is
 * applied when the first of the two is due, and again when the last is.  When
 * the list is full, one of the same topic widens to the whole topic and stands
 * for both; if there is none, everything is reset when it is due.
 *
 * Units:  every time is nanoseconds on the caller's monotonic clock.
 * Owns:   a chd_again owns all its memory, fixed at chd_again_new.
 * Thread: not thread-safe.
 */
#ifndef CHD_PROTO_SESSION_AGAIN_H
#define CHD_PROTO_SESSION_AGAIN_H

#include "proto/base/clock.h"
#include "proto/base/mem.h"
#include "proto/wire/event.h"

typedef struct chd_again chd_again;

typedef struct chd_repeat {
    uint64_t origin;
    chd_event event; /* without a value; borrows from the list until its
                        next change                                      */
    bool all;        /* it is no event but a RESET of everything         */
} chd_repeat;

/* Create an empty list with room for count_max, 1..CHD_AGAIN_COUNT_MAX.
 *
 * Owns:   on CHD_OK, *again belongs to the caller: chd_again_destroy.
 * Errors: CHD_ELIMIT, CHD_ENOMEM  *again is NULL.
 */
chd_err chd_again_new(uint32_t count_max, const chd_mem *mem, chd_again **again)
    CHD_MUST_USE;

/* Owns:   *again is consumed and set to NULL.  Safe on NULL, and twice. */
void chd_again_destroy(chd_again **again);

/* List an event that was applied, if it is to be applied again. */
void chd_again_add(chd_again *again, uint64_t now_ns, uint64_t origin,
                   const chd_event *event);

/* Take one that is due off the list; false when there is none. */
bool chd_again_next(chd_again *again, uint64_t now_ns, chd_repeat *repeat);

/* Return when the next one is due, or CHD_NEVER_NS. */
uint64_t chd_again_deadline_ns(const chd_again *again);

/* Empty the list, and reset everything as late as anything that may have been
 * on it can have been due.  Allowed as chd_fills_start_over. */
void chd_again_start_over(chd_again *again, uint64_t now_ns);

#endif
