/* tally.h - what the shell counts.  The core counts for itself.
 *
 * Thread: the loop's alone, like everything in broker/.
 */
#ifndef CHD_BROKER_TALLY_H
#define CHD_BROKER_TALLY_H

#include "proto/base/base.h"

typedef struct chd_tally {
#define X(field, name, help) uint64_t field;
#include "broker/tally.def"
#undef X
} chd_tally;

#endif
