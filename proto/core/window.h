/* window.h - which events of one origin were received: all up to a base, and
 * a bounded set beyond it.
 *
 * Invalidations commute, so one that arrives behind a gap is delivered at once
 * and marked here; the base, and with it everything that is said about being
 * fresh, moves only over an unbroken sequence.
 */
#ifndef CHD_PROTO_CORE_WINDOW_H
#define CHD_PROTO_CORE_WINDOW_H

#include "proto/base/base.h"
#include "proto/base/limits.h"

typedef struct chd_window {
    uint64_t base; /* everything up to here was received, or reset      */
    uint64_t high; /* highest number received; equal to base without gap */
    uint64_t bits[CHD_WINDOW_SEQS / 64]; /* ring: seq % CHD_WINDOW_SEQS */
} chd_window;

/* What a sequence number means to a window. */
typedef enum chd_seen {
    CHD_SEEN_NEXT,   /* the one after the base                          */
    CHD_SEEN_AHEAD,  /* new, behind a gap, and it can be marked         */
    CHD_SEEN_BEYOND, /* so far ahead that it cannot be remembered       */
    CHD_SEEN_BEFORE, /* received already                                */
} chd_seen;

/* Judge a sequence number, 1 or more. */
chd_seen chd_window_judge(const chd_window *window, uint64_t seq);

/* Note that seq, which is NEXT or AHEAD (asserted), was received; the base
 * moves over everything that is whole now. */
void chd_window_mark(chd_window *window, uint64_t seq);

/* Note that nothing up to base is missing; to an older base nothing happens.
 * The base moves on over what was marked before. */
void chd_window_advance(chd_window *window, uint64_t base);

/* Return the lowest number marked beyond the base, 0 for none. */
uint64_t chd_window_next(const chd_window *window);

#endif
