/* hash.h - one 64-bit hash, for tables and digests.  Not for security. */
#ifndef CHD_PROTO_BASE_HASH_H
#define CHD_PROTO_BASE_HASH_H

#include "proto/base/bytes.h"

/* Mix a 64-bit value thoroughly (the finaliser of SplitMix64, Steele, Lea and
 * Flood, OOPSLA 2014). */
static inline uint64_t chd_mix64(uint64_t x)
{
    x ^= x >> 30;
    x *= UINT64_C(0xbf58476d1ce4e5b9);
    x ^= x >> 27;
    x *= UINT64_C(0x94d049bb133111eb);
    x ^= x >> 31;
    return x;
}

/* Hash bytes under a seed, eight at a time.  The seed is drawn at random by
 * the daemon, so that nobody can prepare colliding topics.  The result depends
 * on the byte order of the machine: it is for tables here, never for the
 * wire. */
uint64_t chd_hash(uint64_t seed, chd_bytes bytes);

#endif
