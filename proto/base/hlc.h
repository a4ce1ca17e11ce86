/* hlc.h - hybrid logical clock (Kulkarni, Demirbas and others, OPODIS 2014).
 *
 * 48 bits of milliseconds, 16 bits of counter in one uint64_t, so that stamps
 * compare as numbers.  It orders updates of one key; nothing else depends on
 * clocks of different machines.
 */
#ifndef CHD_PROTO_BASE_HLC_H
#define CHD_PROTO_BASE_HLC_H

#include "proto/base/base.h"

/* Return the stamp for a new event: above last, and not below the wall clock.
 */
static inline uint64_t chd_hlc_next(uint64_t last, uint64_t wall_ms)
{
    const uint64_t wall = wall_ms << 16;
    return wall > last ? wall : last + 1;
}

/* How far a stamp from elsewhere may run ahead of our clock before it is
 * clamped: one machine with a wrong clock must not drag all stamps along. */
#define CHD_HLC_AHEAD_MS_MAX 60000u

/* Return the new last after seeing a stamp from another node. */
static inline uint64_t chd_hlc_seen(uint64_t last, uint64_t stamp,
                                    uint64_t wall_ms)
{
    const uint64_t most = (wall_ms + CHD_HLC_AHEAD_MS_MAX) << 16;
    const uint64_t seen = stamp < most ? stamp : most;
    return seen > last ? seen : last;
}

#endif
