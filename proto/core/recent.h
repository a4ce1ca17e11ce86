/* recent.h - the entries of the subjects that were named last.
 *
 * A cache, which forgets: each hash has one line of eight places, and whoever
 * comes to a full line takes the place of the one that has been there for
 * longest.  It stays small enough for the processor's own cache, where a table
 * of all that the log holds is a miss for each event.
 */
#ifndef CHD_PROTO_CORE_RECENT_H
#define CHD_PROTO_CORE_RECENT_H

#include "proto/base/err.h"
#include "proto/base/mem.h"

typedef struct chd_recent_place {
    uint32_t hash;
    uint32_t ref; /* 0: the place is free */
} chd_recent_place;

typedef struct chd_recent {
    void *memory;
    chd_recent_place *places; /* in memory, by lines of the cache */
    uint32_t line_count;
} chd_recent;

/* Make room for so many, rounded down to a multiple of eight.
 *
 * Owns:   places belong to the caller: chd_recent_destroy.
 * Errors: CHD_ENOMEM  there are none.
 */
chd_err chd_recent_new(size_t count, const chd_mem *mem, chd_recent *recent)
    CHD_MUST_USE;
void chd_recent_destroy(const chd_mem *mem, chd_recent *recent);

/* Note ref, which is not 0, as the newest of hash. */
void chd_recent_add(chd_recent *recent, uint32_t hash, uint32_t ref);

/* Forget ref, or let another take its place, if it is still there. */
void chd_recent_remove(chd_recent *recent, uint32_t hash, uint32_t ref);
void chd_recent_move(chd_recent *recent, uint32_t hash, uint32_t from,
                     uint32_t to);

/* Forget all from begin up to, and without, end. */
void chd_recent_forget(chd_recent *recent, uint32_t begin, uint32_t end);

/* Let the processor fetch what is known of hash. */
void chd_recent_expect(const chd_recent *recent, uint32_t hash);

/* Return the next ref of hash, the newest first, or 0.  Begin with *at = 0;
 * nothing may be changed meanwhile. */
uint32_t chd_recent_next(const chd_recent *recent, uint32_t hash, uint32_t *at);

#endif
