/* forgotten.h - what the log had to let go: up to where, and in which topics.
 *
 * It is exact while it has room.  When it has none left, it forgets the topics
 * and remembers that all of them were touched: the answer gets wider, never
 * wrong.
 */
#ifndef CHD_PROTO_CORE_FORGOTTEN_H
#define CHD_PROTO_CORE_FORGOTTEN_H

#include "proto/base/bytes.h"
#include "proto/base/err.h"
#include "proto/base/mem.h"

typedef struct chd_forgotten chd_forgotten;

/* One evicted entry. */
typedef struct chd_forgotten_entry {
    uint64_t origin;
    uint64_t seq;
    uint64_t topic_hash;
    chd_bytes topic;
} chd_forgotten_entry;

/* Owns:   on CHD_OK, *forgotten belongs to the caller.
 * Errors: CHD_ENOMEM  *forgotten is NULL. */
chd_err chd_forgotten_new(const chd_mem *mem, chd_forgotten **forgotten)
    CHD_MUST_USE;

/* Owns:   *forgotten is consumed and set to NULL.  Safe on NULL, and twice. */
void chd_forgotten_destroy(chd_forgotten **forgotten);

/* Note an evicted entry. */
void chd_forgotten_add(chd_forgotten *forgotten,
                       const chd_forgotten_entry *entry);

/* Note that the origin's events up to seq are not in the log, whatever topics
 * they touched: they were never received here. */
void chd_forgotten_skip(chd_forgotten *forgotten, uint64_t id, uint64_t seq);

/* Return up to where events of origin may be missing in the log: the highest
 * sequence number evicted, 0 for none. */
uint64_t chd_forgotten_seq(const chd_forgotten *forgotten, uint64_t origin);

/* Return a number that grows with each event of origin that is forgotten; 0
 * when none ever was. */
uint64_t chd_forgotten_count(const chd_forgotten *forgotten, uint64_t origin);

/* Which topics were touched by events of origin from sequence number first on
 * that were forgotten since the count was so much. */
typedef struct chd_forgotten_query {
    uint64_t origin;
    uint64_t first;
    uint64_t since;
} chd_forgotten_query;

/* Tell whether the topics are not known any more: all may have been touched.
 */
bool chd_forgotten_all(const chd_forgotten *forgotten,
                       const chd_forgotten_query *query);

/* Walk the topics; *at starts at 0; false at the end.  A topic may come more
 * than once.  Owns: topic borrows until the next add. */
bool chd_forgotten_next(const chd_forgotten *forgotten,
                        const chd_forgotten_query *query, uint32_t *at,
                        chd_bytes *topic);

#endif
