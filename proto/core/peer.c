#include "proto/core/peer.h"

#include "proto/base/hash.h"
#include "proto/base/limits.h"

chd_err chd_peers_init(chd_peers *peers, uint32_t count_max, const chd_mem *mem)
{
    const size_t slots = (size_t)2 * count_max + CHD_INDEX_NEAR + 1;

    *peers = (chd_peers){.mem = mem, .count_max = count_max};
    peers->all = chd_zalloc(mem, count_max, sizeof(chd_peer));
    if (peers->all == NULL ||
        chd_index_new(slots, false, mem, &peers->by_endpoint) != CHD_OK ||
        chd_index_new(slots, false, mem, &peers->by_node) != CHD_OK) {
        chd_peers_fini(peers);
        return CHD_ENOMEM;
    }
    return CHD_OK;
}

void chd_peers_fini(chd_peers *peers)
{
    chd_free(peers->mem, peers->all);
    peers->all = NULL;
    chd_index_destroy(peers->mem, &peers->by_endpoint);
    chd_index_destroy(peers->mem, &peers->by_node);
}

bool chd_endpoint_equal(const chd_endpoint *a, const chd_endpoint *b)
{
    return a->port == b->port &&
           memcmp(a->address, b->address, sizeof(a->address)) == 0;
}

static uint32_t hash_of_node(uint64_t node)
{
    return (uint32_t)chd_mix64(node);
}

static uint32_t hash_of(const chd_endpoint *endpoint)
{
    uint64_t halves[2];

    memcpy(halves, endpoint->address, sizeof(halves));
    return (uint32_t)chd_mix64(
        halves[0] ^ chd_mix64(halves[1] ^ chd_mix64(endpoint->port)));
}

chd_peer *chd_peers_at(const chd_peers *peers, const chd_endpoint *endpoint)
{
    const uint32_t hash = hash_of(endpoint);
    uint32_t at = UINT32_MAX;
    uint32_t ref;

    while ((ref = chd_index_next(&peers->by_endpoint, hash, &at)) != 0) {
        if (chd_endpoint_equal(&peers->all[ref - 1].endpoint, endpoint)) {
            return &peers->all[ref - 1];
        }
    }
    return NULL;
}

chd_peer *chd_peers_node(const chd_peers *peers, uint64_t node)
{
    const uint32_t hash = hash_of_node(node);
    uint32_t at = UINT32_MAX;
    uint32_t ref;

    while ((ref = chd_index_next(&peers->by_node, hash, &at)) != 0) {
        if (peers->all[ref - 1].node == node) {
            return &peers->all[ref - 1];
        }
    }
    return NULL;
}

chd_peer *chd_peers_add(chd_peers *peers, const chd_endpoint *endpoint,
                        uint64_t now_ns)
{
    uint32_t i = peers->low;

    if (peers->count == peers->count_max) {
        return NULL;
    }
    while (i < peers->high && peers->all[i].used) {
        i++;
    }
    if (i == peers->high) {
        peers->high++;
    }
    peers->low = i + 1;
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
    chd_index_add(&peers->by_endpoint, hash_of(endpoint), i + 1);
    return peer;
}

void chd_peers_remove(chd_peers *peers, chd_peer *peer)
{
    const uint32_t i = chd_peers_index(peers, peer);

    CHD_ASSERT(peer->used);
    chd_peers_meet(peers, peer, 0);
    chd_index_remove(&peers->by_endpoint, hash_of(&peer->endpoint), i + 1);
    *peer = (chd_peer){.used = false};
    peers->count--;
    peers->low = i < peers->low ? i : peers->low;
}

void chd_peers_meet(chd_peers *peers, chd_peer *peer, uint64_t node)
{
    const uint32_t ref = chd_peers_index(peers, peer) + 1;

    CHD_ASSERT(peer->used);
    if (peer->node == node) {
        return;
    }
    if (peer->node != 0) {
        chd_index_remove(&peers->by_node, hash_of_node(peer->node), ref);
    }
    if (node != 0) {
        chd_index_add(&peers->by_node, hash_of_node(node), ref);
    }
    peer->node = node;
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
