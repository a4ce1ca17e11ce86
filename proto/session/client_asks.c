#include "proto/session/client_asks.h"

static chd_asked *find(chd_asks *asks, uint64_t request)
{
    for (uint32_t i = 0; i < asks->high; i++) {
        chd_asked *asked = &asks->all[i];
        if (asked->used && asked->ask.request == request) {
            return asked;
        }
    }
    return NULL;
}

static uint32_t untold_of(const chd_asked *asked)
{
    return (asked->told ? 0 : 1u) + (asked->who && !asked->who_told ? 1u : 0);
}

uint64_t chd_asks_add(chd_asks *asks, chd_local_type type, uint64_t origin,
                      uint64_t seq)
{
    uint32_t i = 0;

    while (i < asks->high && asks->all[i].used) {
        i++;
    }
    if (i == CHD_CLIENT_ASKS_MAX) {
        return 0;
    }
    asks->high = i == asks->high ? i + 1 : asks->high;
    asks->all[i] = (chd_asked){
        .used = true,
        .type = type,
        .ask = {.request = ++asks->last, .origin = origin, .seq = seq},
    };
    asks->untold++;
    return asks->last;
}

void chd_asks_who(chd_asks *asks, uint64_t request)
{
    chd_asked *asked = find(asks, request);

    if (asked != NULL && !asked->who) {
        asked->who = true;
        asks->untold++;
    }
}

bool chd_asks_end(chd_asks *asks, uint64_t request)
{
    chd_asked *asked = find(asks, request);

    if (asked == NULL) {
        return false;
    }
    asks->untold -= untold_of(asked);
    asked->used = false;
    return true;
}

void chd_asks_drop(chd_asks *asks, uint64_t request)
{
    chd_asked *asked = find(asks, request);

    if (asked == NULL || !asked->told || asked->who_told) {
        (void)chd_asks_end(asks, request);
        return;
    }
    asked->dropped = true;
    chd_asks_who(asks, request);
}

void chd_asks_rewind(chd_asks *asks)
{
    asks->untold = 0;
    for (uint32_t i = 0; i < asks->high; i++) {
        chd_asked *asked = &asks->all[i];
        asked->used = asked->used && !asked->dropped;
        asked->told = asked->who_told = false;
        asks->untold += asked->used ? untold_of(asked) : 0;
    }
}

bool chd_asks_pack(chd_asks *asks, chd_pack *pack)
{
    for (uint32_t i = 0; i < asks->high && asks->untold > 0; i++) {
        chd_asked *asked = &asks->all[i];
        if (!asked->used || untold_of(asked) == 0) {
            continue;
        }
        asks->untold--;
        if (!asked->told) {
            asked->told = true;
            chd_local_pack_ask(pack, asked->type, &asked->ask);
        } else {
            asked->who_told = true;
            asked->used = !asked->dropped;
            chd_local_pack_request(pack, CHD_LOCAL_WHO, asked->ask.request);
        }
        return true;
    }
    return false;
}
