#include "proto/base/fresh.h"

static bool is_fulfilled(const chd_promise *promise, uint64_t reached)
{
    return promise->at_ns != 0 && promise->seq <= reached;
}

void chd_fresh_reach(chd_fresh *fresh, uint64_t reached)
{
    if (is_fulfilled(&fresh->newest, reached)) {
        fresh->at_ns = chd_max_u64(fresh->at_ns, fresh->newest.at_ns);
        fresh->newest = (chd_promise){0};
    }
    if (is_fulfilled(&fresh->oldest, reached)) {
        fresh->at_ns = chd_max_u64(fresh->at_ns, fresh->oldest.at_ns);
        fresh->oldest = fresh->newest;
        fresh->newest = (chd_promise){0};
    }
}

void chd_fresh_promise(chd_fresh *fresh, const chd_promise *promise,
                       uint64_t reached)
{
    chd_fresh_reach(fresh, reached);
    if (is_fulfilled(promise, reached)) {
        fresh->at_ns = chd_max_u64(fresh->at_ns, promise->at_ns);
    } else if (fresh->oldest.at_ns == 0) {
        fresh->oldest = *promise;
    } else if (promise->at_ns > fresh->newest.at_ns) {
        fresh->newest = *promise;
    }
}

void chd_fresh_break(chd_fresh *fresh)
{
    fresh->oldest = (chd_promise){0};
    fresh->newest = (chd_promise){0};
}
