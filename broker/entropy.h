/* entropy.h - the only place of the daemon that draws random bits: node id,
 * the core's seed, the routing ids of dialled links.
 */
#ifndef CHD_BROKER_ENTROPY_H
#define CHD_BROKER_ENTROPY_H

#include "proto/base/base.h"

/* Return 64 random bits from the kernel, never 0.  Waits for the kernel's
 * generator early at boot; aborts where there is none. */
uint64_t chd_entropy_u64(void);

#endif
