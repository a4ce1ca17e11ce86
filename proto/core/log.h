/* log.h - the bounded record of recent events of every origin.
 *
 * Entries stand in the order of delivery.  Readers (the broadcast, each
 * session) hold a cursor and read on from it at their own pace; nobody holds a
 * copy of its own.  Repair finds entries by origin and sequence number.
 *
 * Compaction: an invalidation of a target stands for every older one of the
 * same target and origin, which then leaves the log.  A key invalidated a
 * million times takes one entry, unless so many others came in between that
 * the older one was forgotten to be of that key, and stays until it is evicted.
 * Updates and messages are never compacted.
 *
 * Eviction: when the log is full, the oldest entries go.  For each origin the
 * log remembers up to where it forgot something, and which topics that
 * touched, so that a RESET can name them.
 *
 * Memory is pages of entries, fixed at construction.  A page whose entries are
 * all superseded is free at once; two neighbours that are mostly superseded
 * are merged when a page is needed; only then is the oldest page evicted.
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
    uint64_t subject_hash; /* of origin and subject; 0: never compacted    */
    chd_bytes topic;       /* lies within record                           */
    chd_bytes subject;     /* what it names, within record; equal subjects of
                              one origin supersede each other              */
    chd_bytes record;      /* the encoded event                            */
    bool quiet;            /* a repetition, which no session is given; stands
                              for nothing                                  */
} chd_log_entry;

/* A reader's place.  Zeroed memory is a cursor at the very beginning. */
typedef struct chd_log_cursor {
    uint64_t number; /* of the next entry to read; entries count from 0    */
    uint32_t page;   /* a hint where that is, checked before it is used    */
    uint32_t offset;
    uint64_t stamp;
} chd_log_cursor;

/* Create an empty log.  bytes bounds entries and what it takes to find them;
 * record_max is the largest record that will be appended.
 *
 * Owns:   on CHD_OK, *log belongs to the caller: chd_log_destroy.
 * Errors: CHD_ENOMEM  *log is NULL.
 */
chd_err chd_log_new(size_t bytes, size_t record_max, const chd_mem *mem,
                    chd_log **log) CHD_MUST_USE;

/* Owns:   *log is consumed and set to NULL.  Safe on NULL, and twice. */
void chd_log_destroy(chd_log **log);

/* Return what an entry costs with its record; the tables to find entries take
 * a quarter of the log in all. */
size_t chd_log_cost(size_t record_len);

/* Copy an entry to the end.  topic and subject lie within record, which is at
 * most record_max (asserted). */
void chd_log_append(chd_log *log, const chd_log_entry *entry);

/* Let an entry, which may be in the log or about to be appended, stand for an
 * older one of the same origin and subject, if one is known.  Only for an
 * event that every earlier one of its origin has come before, here and at
 * everybody who asks for repairs: nothing may stand for an event and be lost
 * itself.  Returns the number of the one that left, UINT64_MAX: there was none.
 */
uint64_t chd_log_supersede(chd_log *log, const chd_log_entry *entry);

/* Let the processor fetch what the two above will look at: there is time for
 * something else in between. */
void chd_log_expect(const chd_log *log, const chd_log_entry *entry);

/* Return the number that the next entry will have. */
uint64_t chd_log_end(const chd_log *log);

/* Pass over one number, so that readers from before this moment and from
 * behind it can be told apart.  Returns the number behind it. */
uint64_t chd_log_mark(chd_log *log);

/* Return a cursor behind the newest entry. */
chd_log_cursor chd_log_cursor_at_end(const chd_log *log);

/* Tell whether something behind the cursor was evicted before it was read. */
bool chd_log_overran(const chd_log *log, const chd_log_cursor *cursor);

/* Read the next entry and move the cursor behind it; false at the end.
 *
 * Owns:   the entry borrows from the log until the next append.
 */
bool chd_log_read(const chd_log *log, chd_log_cursor *cursor,
                  chd_log_entry *entry);

/* Move the cursor back before the entry that was just read. */
void chd_log_unread(chd_log_cursor *cursor, const chd_log_entry *entry);

/* Let the entries of a range of events be found; those that are appended later
 * are not.  It takes time for pages of the log where nobody has looked yet. */
void chd_log_index(chd_log *log, uint64_t origin, uint64_t first,
                   uint64_t last);

/* Find the entry of an event within such a range; false when it was superseded,
 * evicted, or never appended.  Owns: as chd_log_read. */
bool chd_log_find(const chd_log *log, uint64_t origin, uint64_t seq,
                  chd_log_entry *entry);

/* Return the bytes that live entries take, and their count. */
size_t chd_log_bytes(const chd_log *log);
size_t chd_log_count(const chd_log *log);

/* Return the memory that the log holds. */
size_t chd_log_capacity(const chd_log *log);

/* Note that origin's events up to seq will not come: a RESET answered for
 * them.  Whoever asks for them is told so. */
void chd_log_skip(chd_log *log, uint64_t origin, uint64_t seq);

/* Return what was evicted or skipped; see forgotten.h. */
const struct chd_forgotten *chd_log_forgotten(const chd_log *log);

#endif
