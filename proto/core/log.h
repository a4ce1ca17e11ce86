/* log.h - the bounded record of recent events of every origin.
 *
 * One ring of bytes in the order of delivery.  Readers (the broadcast, each
 * session) hold a position and read on from it at their own pace; nobody holds
 * a copy of its own.  When the ring is full the oldest entries go, and a
 * reader whose position is no longer covered has lost events and must be told.
 *
 * A position is a count of ring bytes since the start; it never wraps in
 * practice (2^64) and says nothing about time.
 */
#ifndef CHD_PROTO_CORE_LOG_H
#define CHD_PROTO_CORE_LOG_H

#include "proto/base/bytes.h"
#include "proto/base/err.h"
#include "proto/base/mem.h"

typedef struct chd_log chd_log;

typedef struct chd_log_entry {
    uint64_t origin; /* node id                                            */
    uint64_t seq;
    uint64_t topic_hash;
    chd_bytes topic;  /* lies within record                                */
    chd_bytes record; /* the encoded event                                 */
} chd_log_entry;

/* Create an empty log of bytes bytes, which includes what it needs to know of
 * each entry (CHD_LOG_ENTRY_BYTES).
 *
 * Owns:   on CHD_OK, *log belongs to the caller: chd_log_destroy.
 * Errors: CHD_ENOMEM  *log is NULL.
 */
chd_err chd_log_new(size_t bytes, const chd_mem *mem, chd_log **log)
    CHD_MUST_USE;

/* Owns:   *log is consumed and set to NULL.  Safe on NULL, and twice. */
void chd_log_destroy(chd_log **log);

#define CHD_LOG_ENTRY_BYTES 40

/* Copy an entry to the end, dropping the oldest ones to make room.  topic must
 * lie within record, and the entry must be smaller than half of the log
 * (asserted). */
void chd_log_append(chd_log *log, const chd_log_entry *entry);

/* Return the position of the oldest entry, and the one behind the newest. */
uint64_t chd_log_oldest(const chd_log *log);
uint64_t chd_log_end(const chd_log *log);

/* Read the entry at *position, which must lie between oldest and end
 * (asserted), and move *position behind it.  False at the end.
 *
 * Owns:   the entry borrows from the log until the next append.
 */
bool chd_log_read(const chd_log *log, uint64_t *position, chd_log_entry *entry);

#endif
