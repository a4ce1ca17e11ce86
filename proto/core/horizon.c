#include "proto/core/horizon.h"

#include "proto/base/hash.h"
#include "proto/base/limits.h"

static uint32_t hash_of(uint64_t node)
{
    return (uint32_t)chd_mix64(node);
}

chd_err chd_horizon_init(chd_horizon *horizon, uint64_t self,
                         const chd_mem *mem)
{
    *horizon = (chd_horizon){.mem = mem, .digest = chd_mix64(self)};
    horizon->all = chd_zalloc(mem, CHD_COUNTED_MAX, sizeof(chd_counted));
    if (horizon->all == NULL ||
        chd_index_new((size_t)2 * CHD_COUNTED_MAX, false, mem,
                      &horizon->by_node) != CHD_OK) {
        chd_horizon_fini(horizon);
        return CHD_ENOMEM;
    }
    return CHD_OK;
}

void chd_horizon_fini(chd_horizon *horizon)
{
    chd_free(horizon->mem, horizon->all);
    chd_index_destroy(horizon->mem, &horizon->by_node);
    *horizon = (chd_horizon){.mem = NULL};
}

chd_counted *chd_horizon_find(const chd_horizon *horizon, uint64_t node)
{
    const uint32_t hash = hash_of(node);
    uint32_t at = UINT32_MAX;
    uint32_t ref;

    while ((ref = chd_index_next(&horizon->by_node, hash, &at)) != 0) {
        if (horizon->all[ref - 1].node == node) {
            return &horizon->all[ref - 1];
        }
    }
    return NULL;
}

/* A free place, else that of the node that has not counted for longest. */
static chd_counted *find_place(chd_horizon *horizon)
{
    chd_counted *oldest = NULL;

    if (horizon->high < CHD_COUNTED_MAX) {
        return &horizon->all[horizon->high++];
    }
    for (uint32_t i = 0; i < horizon->high; i++) {
        chd_counted *counted = &horizon->all[i];
        if (counted->state == CHD_COUNTING_NOT &&
            (oldest == NULL || counted->alive_ns < oldest->alive_ns)) {
            oldest = counted;
        }
    }
    return oldest;
}

chd_counted *chd_horizon_add(chd_horizon *horizon, uint64_t node,
                             uint64_t since_ns)
{
    chd_counted *counted = find_place(horizon);

    if (counted == NULL) {
        horizon->refused_ns =
            horizon->refused_ns == 0 ? since_ns : horizon->refused_ns;
        return NULL;
    }
    const uint32_t ref = (uint32_t)(counted - horizon->all) + 1;
    if (counted->node != 0) {
        chd_index_remove(&horizon->by_node, hash_of(counted->node), ref);
    }
    chd_index_add(&horizon->by_node, hash_of(node), ref);
    *counted = (chd_counted){
        .node = node,
        .since_ns = since_ns,
        .alive_ns = since_ns,
    };
    chd_horizon_set(horizon, counted, CHD_COUNTING_ALIVE);
    return counted;
}

void chd_horizon_forgive(chd_horizon *horizon)
{
    bool room = horizon->high < CHD_COUNTED_MAX;

    for (uint32_t i = 0; i < horizon->high && !room; i++) {
        room = horizon->all[i].state == CHD_COUNTING_NOT;
    }
    if (room) {
        horizon->refused_ns = 0;
    }
}

void chd_horizon_set(chd_horizon *horizon, chd_counted *counted,
                     chd_counting state)
{
    const bool was_alive = counted->state == CHD_COUNTING_ALIVE;
    const bool is_alive = state == CHD_COUNTING_ALIVE;

    if (was_alive != is_alive) {
        horizon->digest ^= chd_mix64(counted->node);
    }
    horizon->dead += state == CHD_COUNTING_DEAD;
    horizon->dead -= counted->state == CHD_COUNTING_DEAD;
    counted->state = state;
    horizon->changes++;
}
