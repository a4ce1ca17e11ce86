/* clock.h - times that are handed in, never read.
 *
 * Units:  mono_ns is nanoseconds on the caller's monotonic clock; only
 *         differences matter.  wall_ms is milliseconds since 1970 and serves
 *         nothing but the hybrid logical clock of updates.
 */
#ifndef CHD_PROTO_BASE_CLOCK_H
#define CHD_PROTO_BASE_CLOCK_H

#include "proto/base/base.h"

#define CHD_NEVER_NS UINT64_MAX
#define CHD_MS ((uint64_t)1000000)
#define CHD_SECOND ((uint64_t)1000000000)

typedef struct chd_now {
    uint64_t mono_ns;
    uint64_t wall_ms;
} chd_now;

/* Return since + span, or CHD_NEVER_NS when either is never or it overflows. */
static inline uint64_t chd_after(uint64_t since_ns, uint64_t span_ns)
{
    return span_ns >= CHD_NEVER_NS - since_ns ? CHD_NEVER_NS
                                              : since_ns + span_ns;
}

/* Tell whether span_ns has passed since since_ns.  A time in the future has
 * not passed; a span of CHD_NEVER_NS never passes. */
static inline bool chd_elapsed(uint64_t now_ns, uint64_t since_ns,
                               uint64_t span_ns)
{
    return now_ns >= chd_after(since_ns, span_ns);
}

/* Return how long ago since_ns was, 0 when it lies in the future. */
static inline uint64_t chd_since(uint64_t now_ns, uint64_t since_ns)
{
    return now_ns > since_ns ? now_ns - since_ns : 0;
}

#endif
