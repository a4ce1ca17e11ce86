#include "proto/core/hold.h"

#include "proto/base/limits.h"

chd_err chd_hold_init(chd_hold *hold, const chd_mem *mem)
{
    *hold = (chd_hold){.mem = mem};
    hold->arena = chd_zalloc(mem, CHD_HOLD_BYTES_MAX, 1);
    hold->all = chd_zalloc(mem, CHD_HOLD_MESSAGES_MAX, sizeof(chd_held));
    return hold->arena == NULL || hold->all == NULL ? CHD_ENOMEM : CHD_OK;
}

void chd_hold_fini(chd_hold *hold)
{
    chd_free(hold->mem, hold->arena);
    chd_free(hold->mem, hold->all);
    *hold = (chd_hold){.mem = NULL};
}

bool chd_hold_add(chd_hold *hold, const chd_held *what, chd_bytes message)
{
    if (hold->count == CHD_HOLD_MESSAGES_MAX ||
        CHD_HOLD_BYTES_MAX - hold->used < message.len) {
        return false;
    }
    chd_held *added = &hold->all[hold->count++];
    *added = *what;
    added->at = hold->used;
    added->len = message.len;
    memcpy(hold->arena + hold->used, message.ptr, message.len);
    hold->used += message.len;
    return true;
}

const chd_held *chd_hold_next(const chd_hold *hold, uint64_t origin,
                              uint64_t seq)
{
    const chd_held *next = NULL;

    for (uint32_t i = 0; i < hold->count; i++) {
        const chd_held *held = &hold->all[i];
        if (held->origin == origin && held->last > seq &&
            (next == NULL || held->first < next->first)) {
            next = held;
        }
    }
    return next;
}

chd_bytes chd_hold_bytes(const chd_hold *hold, const chd_held *what)
{
    return chd_bytes_of(hold->arena + what->at, what->len);
}

void chd_hold_drop(chd_hold *hold, uint64_t origin, uint64_t seq)
{
    uint32_t kept = 0;
    size_t used = 0;

    /* Messages lie in the arena in the order of the list. */
    for (uint32_t i = 0; i < hold->count; i++) {
        chd_held held = hold->all[i];
        if (held.origin == origin && held.last <= seq) {
            continue;
        }
        if (used != held.at) {
            memmove(hold->arena + used, hold->arena + held.at, held.len);
        }
        held.at = used;
        used += held.len;
        hold->all[kept++] = held;
    }
    hold->count = kept;
    hold->used = used;
}
