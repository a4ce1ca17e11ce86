/* vector.h - for each origin, up to where all its events were received.
 *
 * Living and dead origins alike, the node itself included.  The digest lets
 * two nodes compare their vectors in eight bytes.
 */
#ifndef CHD_PROTO_CORE_VECTOR_H
#define CHD_PROTO_CORE_VECTOR_H

#include "proto/base/clock.h"
#include "proto/base/mem.h"
#include "proto/wire/mesh.h"

typedef struct chd_vector chd_vector;

typedef struct chd_origin {
    uint64_t id;       /* node id                                          */
    uint64_t received; /* all its events up to here were delivered or reset */
    uint64_t seen_ns;  /* when we last heard from it; 0: only others did;
                          CHD_NEVER_NS: this node itself                    */
    bool left;         /* it said goodbye, which is final                   */
} chd_origin;

/* What a range of sequence numbers means at a position. */
typedef enum chd_fit {
    CHD_FIT_NEXT,      /* continues the sequence; its begin may repeat */
    CHD_FIT_DUPLICATE, /* all of it was received before                */
    CHD_FIT_GAP,       /* events before it are missing                 */
} chd_fit;

/* Create an empty vector of at most CHD_ORIGINS_MAX origins.
 *
 * Owns:   on CHD_OK, *vector belongs to the caller: chd_vector_destroy.
 * Errors: CHD_ENOMEM  *vector is NULL.
 */
chd_err chd_vector_new(const chd_mem *mem, chd_vector **vector) CHD_MUST_USE;

/* Owns:   *vector is consumed and set to NULL.  Safe on NULL, and twice. */
void chd_vector_destroy(chd_vector **vector);

/* Return the entry of an origin, or NULL.  Borrowed until the next add. */
const chd_origin *chd_vector_find(const chd_vector *vector, uint64_t id);

/* Tell whether adding one more means to forget another. */
bool chd_vector_is_full(const chd_vector *vector);

/* Add an origin that is not in the vector yet (asserted).  When the vector is
 * full, the origin with the lowest seen_ns is forgotten first.  now_ns is its
 * seen_ns. */
void chd_vector_add(chd_vector *vector, uint64_t id, uint64_t received,
                    uint64_t now_ns);

/* Note that an origin was heard from, or that it left.  One that is not in the
 * vector, or was forgotten, stays so. */
void chd_vector_touch(chd_vector *vector, uint64_t id, uint64_t now_ns);
void chd_vector_leave(chd_vector *vector, uint64_t id);

/* Move a position forward; to an older one, nothing happens. */
void chd_vector_advance(chd_vector *vector, uint64_t id, uint64_t received);

/* Judge the range first..last (first >= 1, first <= last) at a position. */
chd_fit chd_vector_fit(uint64_t received, uint64_t first, uint64_t last);

/* Return a number that is equal for equal vectors; origins without events do
 * not count. */
uint64_t chd_vector_digest(const chd_vector *vector);

/* Write out every origin that has events, at most CHD_ORIGINS_MAX, in no
 * particular but repeatable order; returns how many. */
uint32_t chd_vector_positions(const chd_vector *vector,
                              chd_position positions[CHD_ORIGINS_MAX]);

#endif
