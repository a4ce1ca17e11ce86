/* pace.h - how much of what was broadcast is still on its way.
 *
 * PUB drops without a word when a subscriber's queue is full, so a node never
 * has more in flight than those queues can hold, and holds its publishers back
 * instead.  What is in flight is counted against the slowest healthy member;
 * one that stops acknowledging drops out after CHD_PACE_PATIENCE_MS, and is
 * repaired, or reset, later: a frozen member stalls nobody for longer.
 */
#ifndef CHD_PROTO_CORE_PACE_H
#define CHD_PROTO_CORE_PACE_H

#include "proto/base/err.h"
#include "proto/base/limits.h"
#include "proto/base/mem.h"

typedef struct chd_flight {
    uint64_t last;  /* sequence number at the end of the message     */
    uint64_t bytes; /* of all messages up to and including this one  */
} chd_flight;

typedef struct chd_pace {
    const chd_mem *mem;
    chd_flight *flights; /* ring of CHD_PACE_MESSAGES_MAX            */
    uint64_t first;      /* counts of messages: oldest in flight ... */
    uint64_t next;       /* ... and the next one                     */
    uint64_t sent_bytes;
    uint64_t landed_bytes;
} chd_pace;

/* Errors: CHD_ENOMEM */
chd_err chd_pace_init(chd_pace *pace, const chd_mem *mem) CHD_MUST_USE;
void chd_pace_fini(chd_pace *pace);

/* Note a broadcast message that ends at sequence number last.  It may be sent
 * although the pace is not open, when there is no room to keep it. */
void chd_pace_sent(chd_pace *pace, uint64_t last, size_t bytes);

/* Note that everybody who counts has everything up to seq. */
void chd_pace_landed(chd_pace *pace, uint64_t seq);

/* Tell whether another message may be sent. */
bool chd_pace_is_open(const chd_pace *pace);

/* Return the bytes in flight. */
uint64_t chd_pace_bytes(const chd_pace *pace);

#endif
