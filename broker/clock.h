/* clock.h - the only place of the daemon that reads a clock.
 *
 * The loop reads it once per turn and hands the time down.  Before a message
 * of the control socket, and at a turn's end, it reads it again: an age that is
 * told with an older time than that of what it tells of would be too low.
 */
#ifndef CHD_BROKER_CLOCK_H
#define CHD_BROKER_CLOCK_H

#include "proto/base/clock.h"

/* Read the clock that never runs backwards, not even in suspension, and the
 * wall clock. */
chd_now chd_clock_read(void);

/* Read the clock that systemd goes by, in microseconds. */
uint64_t chd_clock_monotonic_us(void);

#endif
