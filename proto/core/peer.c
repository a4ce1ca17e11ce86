#include "proto/core/peer.h"

#include "proto/base/limits.h"

chd_err chd_peers_init(chd_peers *peers, uint32_t count_max, const chd_mem *mem)
{
    *peers = (chd_peers){.mem = mem, .count_max = count_max};
    peers->all = chd_zalloc(mem, count_max, sizeof(chd_peer));
    return peers->all == NULL ? CHD_ENOMEM : CHD_OK;
}

void chd_peers_fini(chd_peers *peers)
{
    chd_free(peers->mem, peers->all);
    peers->all = NULL;
}

bool chd_endpoint_equal(const chd_endpoint *a, const chd_endpoint *b)
{
    return a->port == b->port &&
           memcmp(a->address, b->address, sizeof(a->address)) == 0;
}

chd_peer *chd_peers_at(const chd_peers *peers, const chd_endpoint *endpoint)
{
    for (uint32_t i = 0; i < peers->high; i++) {
        chd_peer *peer = &peers->all[i];
        if (peer->used && chd_endpoint_equal(&peer->endpoint, endpoint)) {
            return peer;
        }
    }
    return NULL;
}

chd_peer *chd_peers_node(const chd_peers *peers, uint64_t node)
{
    for (uint32_t i = 0; i < peers->high; i++) {
        chd_peer *peer = &peers->all[i];
        if (peer->node == node && peer->used) {
            return peer;
        }
    }
    return NULL;
}

chd_peer *chd_peers_add(chd_peers *peers, const chd_endpoint *endpoint,
                        uint64_t now_ns)
{
    uint32_t i = 0;

    if (peers->count == peers->count_max) {
        return NULL;
    }
    while (i < peers->high && peers->all[i].used) {
        i++;
    }
    if (i == peers->high) {
        peers->high++;
    }
    chd_peer *peer = &peers->all[i];
    *peer = (chd_peer){
        .used = true,
        .endpoint = *endpoint,
        .added_ns = now_ns,
        .unlisted_ns = now_ns,
        .heard_ns = now_ns,
        .dial_due_ns = now_ns,
    };
    peers->count++;
    return peer;
}

void chd_peers_remove(chd_peers *peers, chd_peer *peer)
{
    CHD_ASSERT(peer->used);
    *peer = (chd_peer){.used = false};
    peers->count--;
}

uint32_t chd_peers_index(const chd_peers *peers, const chd_peer *peer)
{
    return (uint32_t)(peer - peers->all);
}

void chd_name_set(chd_name *name, chd_bytes text)
{
    CHD_ASSERT(text.len <= CHD_NAME_BYTES_MAX);
    name->len = (uint8_t)text.len;
    if (text.len > 0) {
        memcpy(name->text, text.ptr, text.len);
    }
}

chd_bytes chd_name_bytes(const chd_name *name)
{
    return chd_bytes_of(name->text, name->len);
}
