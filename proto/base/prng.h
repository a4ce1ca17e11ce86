/* prng.h - the core's only randomness: SplitMix64 from a seed that the caller
 * supplies (the kernel's entropy in the daemon, the command line in the
 * simulator).  Steele, Lea and Flood, OOPSLA 2014.
 */
#ifndef CHD_PROTO_BASE_PRNG_H
#define CHD_PROTO_BASE_PRNG_H

#include "proto/base/hash.h"

typedef struct chd_prng {
    uint64_t state;
} chd_prng;

static inline chd_prng chd_prng_seeded(uint64_t seed)
{
    return (chd_prng){seed};
}

/* Return the next 64 random bits. */
static inline uint64_t chd_prng_next(chd_prng *prng)
{
    prng->state += UINT64_C(0x9e3779b97f4a7c15);
    return chd_mix64(prng->state);
}

/* Return a number in 0..bound-1; bound must not be 0.  The bias is below
 * bound / 2^64, nothing for jitter and simulation. */
static inline uint64_t chd_prng_below(chd_prng *prng, uint64_t bound)
{
    CHD_ASSERT(bound > 0);
    return chd_prng_next(prng) % bound;
}

#endif
