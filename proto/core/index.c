#include "proto/core/index.h"

#define NEAR_BITS 6

static uint32_t size_of(const chd_index *index)
{
    return index->block_count << NEAR_BITS;
}

static uint32_t home_of(const chd_index *index, uint32_t hash)
{
    const uint64_t block = (uint64_t)(hash >> NEAR_BITS) * index->block_count;
    return (uint32_t)(block >> (32 - NEAR_BITS) << NEAR_BITS) |
           (hash & CHD_INDEX_NEAR);
}

/* Through one place of all rows, then through the next one, then around. */
static uint32_t behind(const chd_index *index, uint32_t at)
{
    const uint32_t next = at + index->step;

    if (next < size_of(index)) {
        return next;
    }
    return index->step == 1 ? 0 : (at + 1) & CHD_INDEX_NEAR;
}

static uint32_t order_of(const chd_index *index, uint32_t at)
{
    return index->step == 1
               ? at
               : (at & CHD_INDEX_NEAR) * index->block_count + (at >> NEAR_BITS);
}

/* How far a slot is behind another one in that order. */
static uint32_t distance(const chd_index *index, uint32_t from, uint32_t to)
{
    const uint32_t begin = order_of(index, from);
    const uint32_t end = order_of(index, to);

    return end >= begin ? end - begin : end + size_of(index) - begin;
}

chd_err chd_index_new(size_t slots, bool rows, const chd_mem *mem,
                      chd_index *index)
{
    index->step = rows ? 1u << NEAR_BITS : 1;
    index->block_count = (uint32_t)(slots >> NEAR_BITS);
    CHD_ASSERT(index->block_count > 0 &&
               slots <= UINT32_MAX >> 1); /* so that sums do not overflow */
    index->slots = chd_zalloc(mem, size_of(index), sizeof(chd_index_slot));
    return index->slots == NULL ? CHD_ENOMEM : CHD_OK;
}

void chd_index_destroy(const chd_mem *mem, chd_index *index)
{
    chd_free(mem, index->slots);
    index->slots = NULL;
}

void chd_index_add(chd_index *index, uint32_t hash, uint32_t ref)
{
    uint32_t at = home_of(index, hash);

    while (index->slots[at].ref != 0) {
        at = behind(index, at);
    }
    index->slots[at] = (chd_index_slot){hash, ref};
}

static uint32_t place_of(const chd_index *index, uint32_t hash, uint32_t ref)
{
    uint32_t at = home_of(index, hash);

    while (index->slots[at].ref != ref) {
        CHD_ASSERT(index->slots[at].ref != 0);
        at = behind(index, at);
    }
    return at;
}

/* Whoever would not be found across the hole is moved into it. */
void chd_index_remove(chd_index *index, uint32_t hash, uint32_t ref)
{
    uint32_t hole = place_of(index, hash, ref);

    for (uint32_t at = behind(index, hole); index->slots[at].ref != 0;
         at = behind(index, at)) {
        const uint32_t home = home_of(index, index->slots[at].hash);
        if (distance(index, home, at) >= distance(index, hole, at)) {
            index->slots[hole] = index->slots[at];
            hole = at;
        }
    }
    index->slots[hole].ref = 0;
}

void chd_index_move(chd_index *index, uint32_t hash, uint32_t from, uint32_t to)
{
    index->slots[place_of(index, hash, from)].ref = to;
}

uint32_t chd_index_next(const chd_index *index, uint32_t hash, uint32_t *at)
{
    *at = *at == UINT32_MAX ? home_of(index, hash) : behind(index, *at);
    while (index->slots[*at].ref != 0) {
        if (index->slots[*at].hash == hash) {
            return index->slots[*at].ref;
        }
        *at = behind(index, *at);
    }
    return 0;
}
