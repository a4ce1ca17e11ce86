/* index.h - where in the log the entry of a hash is.
 *
 * A table with open addressing and linear probing (Knuth, The Art of Computer
 * Programming 3, section 6.4, algorithms L and R), whose slots carry the
 * hashes: to look for, add or remove one touches no entry, and mostly one line
 * of the cache.
 *
 * Hashes that differ only in their six lowest bits are neighbours.  What is
 * numbered in sequence can so be kept together, 64 numbers in a row, which the
 * processor fetches ahead by itself; whoever then finds its slot taken tries
 * that of the next row, for otherwise rows would pile up behind each other.
 */
#ifndef CHD_PROTO_CORE_INDEX_H
#define CHD_PROTO_CORE_INDEX_H

#include "proto/base/err.h"
#include "proto/base/mem.h"

typedef struct chd_index_slot {
    uint32_t hash;
    uint32_t ref; /* 0: the slot is empty */
} chd_index_slot;

typedef struct chd_index {
    chd_index_slot *slots;
    uint32_t block_count; /* of 64 slots */
    uint32_t step;        /* from a slot to the one to try next */
} chd_index;

/* The lowest bits of a hash, which choose a slot among 64. */
#define CHD_INDEX_NEAR 63u

/* Make room for so many slots, rounded down to a multiple of 64; some of them
 * have to stay empty, a quarter for it to be fast.
 *
 * Owns:   slots belong to the caller: chd_index_destroy.
 * Errors: CHD_ENOMEM  there are none.
 */
chd_err chd_index_new(size_t slots, bool rows, const chd_mem *mem,
                      chd_index *index) CHD_MUST_USE;
void chd_index_destroy(const chd_mem *mem, chd_index *index);

/* Add ref, which is not 0; a hash may have any number of them. */
void chd_index_add(chd_index *index, uint32_t hash, uint32_t ref);

/* Remove a ref, or let another take its place; it is in the table. */
void chd_index_remove(chd_index *index, uint32_t hash, uint32_t ref);
void chd_index_move(chd_index *index, uint32_t hash, uint32_t from,
                    uint32_t to);

/* Return the next ref of hash, or 0.  Begin with *at = UINT32_MAX; nothing may
 * be added or removed meanwhile. */
uint32_t chd_index_next(const chd_index *index, uint32_t hash, uint32_t *at);

#endif
