/* descriptors.h - how many files the process may open, and has. */
#ifndef CHD_BROKER_DESCRIPTORS_H
#define CHD_BROKER_DESCRIPTORS_H

#include "proto/base/base.h"

/* Open /dev/null in the place of a standard stream that is closed, so that no
 * socket gets its number and the log ends up in it. */
void chd_descriptors_keep_standard(void);

/* Return what the limits of the configuration can take at most: four
 * connections per peer (events and control, dialled and accepted), one per
 * session, and some for the rest. */
uint64_t chd_descriptors_needed(uint64_t peers, uint64_t sessions);

/* Raise the soft limit to the hard limit and return it. */
uint64_t chd_descriptors_raise(void);

/* Return the soft limit. */
uint64_t chd_descriptors_limit(void);

/* Return how many are open, 0 when /proc does not tell. */
uint64_t chd_descriptors_open(void);

#endif
