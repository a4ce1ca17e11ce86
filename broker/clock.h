/* clock.h - the only place of the daemon that reads a clock.
 *
 * The loop reads it once per turn and hands the time down.
 */
#ifndef CHD_BROKER_CLOCK_H
#define CHD_BROKER_CLOCK_H

#include "proto/base/clock.h"

/* Read the monotonic clock and the wall clock. */
chd_now chd_clock_read(void);

#endif
